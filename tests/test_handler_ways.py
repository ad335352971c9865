"""`RingHandler` has a short way for simple records, and Python code for all others: both store the same."""

from __future__ import annotations

import datetime as dt
import logging
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from collections.abc import Callable


class Derived(pr.RingHandler):
    """Somebody's own class, which may do anything: its records never take the short way."""


def record_of(**attributes: Any) -> logging.LogRecord:
    """A record as a logger makes it."""
    extra = attributes.pop("extra", None)
    given = {"msg": "event", "args": (), "level": 20, "fn": "/app/x.py", "lno": 3, "func": "work", **attributes}
    names = ("level", "fn", "lno", "msg", "args")
    rest = {"exc_info": given.get("exc_info"), "func": given["func"], "extra": extra, "sinfo": given.get("sinfo")}
    return logging.Logger(given.get("name", "app.db")).makeRecord(
        given.get("name", "app.db"), *(given[name] for name in names), **rest
    )


def broken(record: logging.LogRecord, **attributes: Any) -> logging.LogRecord:
    """The record with attributes that no logger would have given it."""
    record.__dict__.update(attributes)
    return record


SIMPLE: dict[str, Callable[[], logging.LogRecord]] = {
    "text alone": record_of,
    "a percent sign without arguments": lambda: record_of(msg="100 % of %s"),
    "arguments": lambda: record_of(msg="%s took %d ms, %.1f%%", args=("it", 12, 99.5)),
    "an argument that is bytes": lambda: record_of(msg="%s %s %s", args=(b"x", None, True)),
    "no arguments at all": lambda: record_of(args=None),
    "fields": lambda: record_of(extra={"a": 1, "b": 2.5, "c": "x", "d": None, "e": True, "f": b"\x00\xff"}),
    "a field called like one of the JSON lines": lambda: record_of(extra={"seq": 1, "level": 2, "file": 3, "event": 4}),
    "200 fields": lambda: record_of(extra={f"k{number}": number for number in range(200)}),
    "a level of one's own": lambda: record_of(level=25),
    "a level below zero": lambda: record_of(level=-5),
    "a NUL and newlines": lambda: record_of(msg="a\0b\nc", extra={"k\0\n": "v\0\n"}),
    "no ASCII": lambda: record_of(msg="☃ %s", args=("é",), name="über", extra={"schlüssel": "ß"}),
    "NaN and infinities": lambda: record_of(extra={"nan": float("nan"), "inf": float("inf"), "minus": -float("inf")}),
    "a megabyte": lambda: record_of(msg="x" * 1_000_000, extra={"k": "y" * 1_000_000}),
    "what a formatter has left": lambda: broken(record_of(), message="event", asctime="now"),
}
OTHERS: dict[str, Callable[[], logging.LogRecord]] = {
    "a lone surrogate": lambda: record_of(msg="a\udc80", extra={"k\udc80": "v\udc80"}),
    "a lone surrogate among the arguments": lambda: record_of(msg="%s", args=("\udc80",)),
    "an int beyond 64 bits": lambda: record_of(extra={"big": 10**30}),
    "collections": lambda: record_of(extra={"list": [1, "x", None], "dict": {"k": [1.5]}, "deep": [[[[[[1]]]]]]}),
    "typed values": lambda: record_of(extra={"at": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)}),
    "a mapping as the arguments": lambda: record_of(msg="%(a)s", args=({"a": 1},)),
    "arguments that do not fit": lambda: record_of(msg="%d", args=("x",)),
    "too many arguments": lambda: record_of(msg="none", args=(1, 2)),
    "an argument with a text of its own": lambda: record_of(msg="%s", args=(dt.date(2026, 1, 2),)),
    "an event that is no text": lambda: record_of(msg=5),
    "an exception": lambda: record_of(exc_info=(KeyError, KeyError("k"), None)),
    "a stack": lambda: record_of(sinfo="Stack (most recent call last):\n  x"),
    "a key that is no text": lambda: record_of(extra={1: "a", None: "b"}),
    "an attribute that is gone": lambda: broken_by_removal("processName"),
    "an attribute that is gone and a field": lambda: broken(broken_by_removal("processName"), field=1),
    "a level that is text": lambda: broken(record_of(), levelno="high"),
    "a level beyond all": lambda: broken(record_of(), levelno=2**40),
    "a line that is none": lambda: broken(record_of(), lineno=None),
    "a line below zero": lambda: broken(record_of(), lineno=-3),
    "a file that is none": lambda: broken(record_of(), pathname=None, funcName=None),
    "a name that is none": lambda: broken(record_of(), name=None),
    "arguments that are no tuple": lambda: broken(record_of(msg="%s"), args=5),
}


def broken_by_removal(name: str) -> logging.LogRecord:
    record = record_of()
    delattr(record, name)
    return record


CALL = ("level", "levelno", "facility", "flags", "caller_id", "pid", "tid", "logger", "file", "line", "func")
CONTENT = ("event", "message", "exc", "truncated")


def told(record: pr.Record) -> dict[str, Any]:
    """All that a record says but when it was made."""
    return {"fields": repr(record.fields)} | {name: getattr(record, name) for name in CALL + CONTENT}


@pytest.mark.parametrize("kind", [*SIMPLE, *OTHERS])
def test_both_ways_store_the_same(log: pr.Log, kind: str) -> None:
    make = {**SIMPLE, **OTHERS}[kind]
    assert pr.RingHandler(log).handle(make())
    assert Derived(log).handle(make())
    first, second = log.reader()
    assert told(first) == told(second)


@pytest.mark.parametrize("kind", [*SIMPLE, *OTHERS])
def test_both_ways_store_the_same_within_contextualize(log: pr.Log, kind: str) -> None:
    make = {**SIMPLE, **OTHERS}[kind]
    with log.get_logger().contextualize(request=7, a="around", k1="around"):
        pr.RingHandler(log).handle(make())
        Derived(log).handle(make())
    first, second = log.reader()
    assert first.fields["request"] == 7
    assert told(first) == told(second)


@pytest.mark.parametrize("kind", [*SIMPLE, *OTHERS])
def test_both_ways_keep_the_same_out(ring_path: Any, kind: str) -> None:
    make = {**SIMPLE, **OTHERS}[kind]
    with pr.Log(ring_path, size="1 MiB", redact=["a", "k1", re.compile("(?s).+")]) as log:
        pr.RingHandler(log).handle(make())
        Derived(log).handle(make())
        first, second = log.reader()
    assert told(first) == told(second)
    assert "[redacted]" in first.event


def test_what_only_the_whole_text_shows_is_kept_out_too(ring_path: Any) -> None:
    with pr.Log(ring_path, size="1 MiB", redact=[re.compile(r"card \d+")]) as log:
        pr.RingHandler(log).handle(record_of(msg="card %s, %d", args=("4711", 5)))
        [record] = log.reader()
        assert record.message == "[redacted], 5"
    assert b"4711" not in ring_path.read_bytes()


def never(*_args: object) -> NoReturn:
    raise AssertionError("Python code was run")


@pytest.mark.parametrize("kind", SIMPLE)
def test_a_simple_record_runs_no_python_code(log: pr.Log, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    handler, record = pr.RingHandler(log), SIMPLE[kind]()
    monkeypatch.setattr(pr.RingHandler, "_handle", never)
    assert handler.handle(record)
    assert log.stats()["emitted"] == 1


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_not_simple_is_left_to_python_code(log: pr.Log, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    handler, record = pr.RingHandler(log), OTHERS[kind]()
    monkeypatch.setattr(pr.RingHandler, "_handle", never)
    if kind == "a line below zero":
        assert handler.handle(record)  # the same in both: the line is not known
        return
    with pytest.raises(AssertionError, match="Python code was run"):
        handler.handle(record)


def test_the_text_is_made_by_who_reads_it(ring_path: Any) -> None:
    with pr.Log(ring_path, size="1 MiB") as log:
        handler = pr.RingHandler(log)
        handler.handle(record_of(msg="%s took %d ms, %.1f%%", args=("it", 12, 99.5)))
        handler.handle(record_of(msg="%s", args=("x" * 1_000_000,)))
        first, second = log.reader()
        assert (first.event, first.message) == ("%s took %d ms, %.1f%%", "it took 12 ms, 99.5%")
        assert second.truncated
        assert second.message.startswith("xxx")
    stored = ring_path.read_bytes()
    assert b"%s took %d ms" in stored
    assert b"it took 12 ms" not in stored


def test_many_arguments_and_odd_templates_are_rendered_at_once(log: pr.Log) -> None:
    handler = pr.RingHandler(log)
    handler.handle(record_of(msg="%s" * 20, args=tuple("abcdefghijklmnopqrst")))
    handler.handle(record_of(msg="%(a)s", args=({"a": 1},)))
    handler.handle(record_of(msg="%*d|%-5s|%r", args=(5, 1, "x", "y")))
    assert [record.message for record in log.reader()] == ["abcdefghijklmnopqrst", "1", "    1|x    |'y'"]


def test_whatever_comes_between_the_record_and_the_log_is_asked(log: pr.Log) -> None:
    handler = pr.RingHandler(log)
    seen: list[str] = []

    class Loud(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            seen.append("formatter")
            return super().format(record).upper()

    handler.handle(record_of(msg="plain"))

    class Deaf(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            seen.append("filter")
            return False

    handler.setFormatter(Loud())
    handler.handle(record_of(msg="formatted"))
    handler.setFormatter(None)
    handler.addFilter(Deaf())
    assert not handler.handle(record_of(msg="filtered"))
    handler.filters.clear()
    handler.emit = lambda record: seen.append(f"emit {record.msg}")  # type: ignore[method-assign]
    handler.handle(record_of(msg="taken"))
    del handler.emit
    handler.handle(record_of(msg="plain again"))
    assert seen == ["formatter", "filter", "emit taken"]
    assert [record.message for record in log.reader()] == ["plain", "FORMATTED", "plain again"]


def test_a_class_of_records_that_makes_its_own_message_is_asked_for_it(log: pr.Log) -> None:
    class Braces(logging.LogRecord):
        def getMessage(self) -> str:  # noqa: N802 - the name is logging's
            return str(self.msg).format(*self.args or ())

    pr.RingHandler(log).handle(Braces("app", 20, "/x.py", 3, "{} and {}", (1, 2), None))
    [record] = log.reader()
    assert (record.event, record.message) == ("{} and {}", "1 and 2")


def test_a_replaced_get_message_is_called(log: pr.Log, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = pr.RingHandler(log)
    handler.handle(record_of(msg="first"))
    monkeypatch.setattr(logging.LogRecord, "getMessage", lambda self: f"<{self.msg}>")
    handler.handle(record_of(msg="second"))
    assert [record.message for record in log.reader()] == ["first", "<second>"]


def test_a_record_below_the_logs_level_is_not_stored(log: pr.Log) -> None:
    log.level = pr.Level.WARNING
    handler = pr.RingHandler(log)
    handler.handle(record_of(level=20, msg="%d", args=("not rendered",)))
    handler.handle(record_of(level=30))
    assert [record.levelno for record in log.reader()] == [30]


def test_a_handler_that_is_collected_leaves_no_log_behind(ring_path: Any) -> None:
    log = pr.Log(ring_path)
    handler = pr.RingHandler(log)
    handler.handle(record_of())
    before = sys.getrefcount(log)
    del handler
    assert sys.getrefcount(log) < before
    del log
    with pr.Log(ring_path) as again:  # the first one is closed: it holds the file no more
        assert again.stats()["emitted"] == 0


def test_the_handler_works_while_the_interpreter_ends() -> None:
    told = succeed("""
        import atexit, logging, printk_ring as pr
        log = pr.install(consoles=[{"sink": pr.sinks.stdout()}], capture_logging=True)
        atexit.register(logging.getLogger("app").warning, "from an exit hook")
        class Last:
            def __del__(self):
                logging.getLogger("app").warning("from a finalizer")
        last = Last()
        logging.getLogger("app").last = last
    """)
    assert "app: from an exit hook" in told


def test_a_format_that_is_set_on_the_class_itself_is_called(log: pr.Log, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = pr.RingHandler(log)
    monkeypatch.setattr(pr.RingHandler, "tag", 1, raising=False)
    handler.handle(record_of(msg="a %s", args=("b",)))
    monkeypatch.setattr(pr.RingHandler, "format", lambda _self, record: f"<{record.getMessage()}>")
    handler.handle(record_of(msg="a %s", args=("b",)))
    monkeypatch.undo()
    handler.handle(record_of(msg="a %s", args=("b",)))
    assert [record.message for record in log.reader()] == ["a b", "<a b>", "a b"]

"""Template strings as events: the text of the f-string, the fields of the values, the event as it is written."""

from __future__ import annotations

import logging
import re
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 14),
    reason="template strings came with Python 3.14; %-templates (test_templates.py) and events of any type (test_logger.py) "
    "run on every version",
)


class Awkward:
    """Writes itself in a way of its own for each conversion."""

    def __str__(self) -> str:
        return "as text"

    def __repr__(self) -> str:
        return "as ré"

    def __format__(self, spec: str) -> str:
        return f"<{spec}>"


class Broken:
    def __format__(self, spec: str) -> str:
        raise ValueError("no format")

    def __str__(self) -> str:
        return "broken"


NAMES: dict[str, Any] = {
    "user": "ann",
    "n": 5,
    "x": 2.5,
    "width": 8,
    "none": None,
    "awkward": Awkward(),
    "broken": Broken(),
    "items": [1, "two"],
    "price": Decimal("1.20"),
    "third": Fraction(1, 3),
    "imaginary": 1j,
    "huge": 10**30,
    "path": PurePosixPath("/tmp/x"),
    "é": "accent",
    "password": "hunter2",
    "extra": "x",
    "event": "y",
    "head": {"api-key": "hunter2", "API-KEY": "hunter2", "xa-a-a": "hunter2", "pin2": "hunter2", "my-api-keys": "kept"},
    "data": {"password": "hunter2", "k": 1},
}


def template(source: str) -> Any:
    """The template string of this source; older parsers never see the literal."""
    return eval(f't"""{source}"""', dict(NAMES))


def f_string(source: str) -> str:
    """The f-string of the same source."""
    return str(eval(f'f"""{source}"""', dict(NAMES)))


@pytest.fixture
def log() -> Iterator[pr.Log]:
    with pr.Log(size="256 KiB") as made:
        yield made


def stored(log: pr.Log, event: object, *args: object, **fields: Any) -> pr.Record:
    newer = log.reader(start="newest")
    log.get_logger("t").info(event, *args, **fields)
    [record] = newer
    return record


@pytest.mark.parametrize(
    "source",
    [
        "",
        "nothing to fill in, 100 % {{of}} it",
        "{user} did {n:d}",
        "{n:>{width}}|{x:.3f}|{n!r:>4}|{user!s}|{user!r}|{é!a}",
        "{awkward} {awkward:spec} {awkward!s} {awkward!r} {awkward!a} {awkward!r:_^12}",
        "{n + 1} {user.upper()} {items[1]!r} {none} {items}",
        "{n=} {user = !s} {price} {path}",
        "{n}{n}{n}",
        "two\nlines of {user}",
    ],
)
def test_the_message_is_the_f_strings(log: pr.Log, source: str) -> None:
    assert stored(log, template(source)).message == f_string(source)


def test_names_are_fields_with_their_types_and_the_event_is_the_text_as_written(log: pr.Log) -> None:
    record = stored(log, template("user { user } did {n:d} for {price:>8} {items} {none} {n!r}"))
    assert record.event == "user {user} did {n} for {price} {items} {none} {n}"
    assert record.fields == {
        "user": "ann",
        "n": 5,
        "price": Decimal("1.20"),
        "items": [1, "two"],
        "none": None,
    }
    assert list(record.fields) == ["user", "n", "price", "items", "none"]


def test_what_is_no_name_is_a_field_by_its_number(log: pr.Log) -> None:
    record = stored(log, template("{n} {n + 1} {user.upper()} {é}"))
    assert record.event == "{n} {1} {2} {é}"
    assert record.fields == {"n": 5, "1": 6, "2": "ANN", "é": "accent"}


def test_braces_of_the_text_are_told_from_placeholders(log: pr.Log) -> None:
    record = stored(log, template("{{n}} {n}"))
    assert (record.event, record.message) == ("{{n}} {n}", "{n} 5")


def test_keywords_win_and_names_of_options_are_fields_like_others(log: pr.Log) -> None:
    record = stored(log, template("{n} {extra} {event}"), n=7, more=1, extra={"x": 2, "event": 3})
    assert record.message == "5 x y"
    assert record.fields == {"extra": "x", "event": "y", "n": 7, "more": 1, "x": 2}
    assert str(record).endswith("5 x y extra=x event=y n=7 more=1 x=2"), "each name once"


@pytest.mark.parametrize("level", ["debug", "info", "notice", "warning", "error", "critical", "alert", "emerg"])
def test_every_level_takes_one(log: pr.Log, level: str) -> None:
    getattr(log.get_logger().bind(n=1, b=2), level)(template("{user} {n}"))
    [record] = log.reader()
    assert (record.level.name, record.message, record.fields) == (
        level.upper(),
        "ann 5",
        {"n": 5, "b": 2, "user": "ann"},
    )


def test_log_exception_and_contextualize_take_one(log: pr.Log) -> None:
    logger = log.get_logger()
    with logger.contextualize(request=3, user="around"):
        logger.log("NOTICE", template("{user}"))
        try:
            raise KeyError("k")
        except KeyError:
            logger.exception(template("{user} failed"))
    first, second = log.reader()
    assert (first.message, first.fields) == ("ann", {"request": 3, "user": "ann"})
    assert (second.message, second.exc and second.exc["type"]) == ("ann failed", "KeyError")


def test_a_record_knows_its_call_site(log: pr.Log) -> None:
    here = sys._getframe().f_lineno + 1
    log.get_logger().info(template("{user}"))
    [record] = log.reader()
    assert (record.line, record.func) == (here, "test_a_record_knows_its_call_site")


def test_a_format_that_fails_leaves_the_event_the_fields_and_the_reason(log: pr.Log) -> None:
    record = stored(log, template("{user} {broken}"))
    assert record.message == record.event == "{user} {broken}"
    assert record.fields == {"user": "ann", "broken": "broken", "format_error": "ValueError: no format"}
    assert stored(log, template("{user:d}")).fields["format_error"].startswith("ValueError: ")


@pytest.mark.parametrize(
    "source",
    [
        "{user:>99999999999}",
        "{n:099999999999d}",
        "{x:.99999999999f}",
        "{items!r:>{huge}}",
        "{user:>000000099999999999}",
        "{price:>99999999999}",
        "{third:.99999999999f}",
        "{imaginary:1>99999999999}",
    ],
)
def test_more_padding_than_any_record_holds_is_refused(log: pr.Log, source: str) -> None:
    record = stored(log, template(f"{{user}} {source}"))
    assert record.fields["user"] == "ann"
    assert record.fields["format_error"].endswith(" add up to more than 16777216")
    assert record.message == record.event


def test_padding_of_many_values_is_added_up_where_patterns_look_at_all_of_it() -> None:
    with pr.Log(size="256 KiB", redact=[re.compile("hunter2")]) as log:
        record = stored(log, template("{n:>9999999} {x:>9999999}"))
        assert record.fields["format_error"].endswith(" add up to more than 16777216")
        assert stored(log, template("{n:>9999999}")).truncated


def test_digits_of_other_formats_are_no_padding(log: pr.Log) -> None:
    source = "{awkward:99999999999} {user:0000000000000000000000008} {user:.99999999999} {n:9>8} {x:.>8.3f}"
    assert stored(log, template(source)).message == f_string(source)


def test_arguments_beside_one_are_told(log: pr.Log) -> None:
    record = stored(log, template("%s {user}"), 1)
    assert record.message == "%s ann"
    assert record.fields == {
        "user": "ann",
        "format_args": [1],
        "format_error": "TypeError: a template string takes no arguments",
    }


def test_an_interruption_in_a_format_is_passed_on_when_the_record_is_stored(log: pr.Log) -> None:
    class Interrupted:
        def __format__(self, spec: str) -> str:
            raise KeyboardInterrupt

        def __str__(self) -> str:
            return "text"

    event = eval('t"{value}"', {"value": Interrupted()})
    with pytest.raises(KeyboardInterrupt):
        log.get_logger().info(event)
    [record] = log.reader()
    assert record.fields["value"] == "text"


def test_what_the_log_may_not_hold_is_neither_in_the_message_nor_in_a_field() -> None:
    with pr.Log(size="256 KiB", redact=["password", re.compile(r"\bann\b")]) as log:
        record = stored(log, template("{user}: {password} {password!r:>20} {data['password']} {password.upper()} {n}"))
        hidden = "[redacted]"
        assert record.message == f"{hidden}: {hidden} {hidden} {hidden} {hidden} 5"
        assert record.fields == {"user": hidden, "password": hidden, "3": hidden, "4": hidden, "n": 5}
        assert b"hunter2" not in bytes(log.snapshot().data).lower()


def test_a_name_alone_hides_as_much() -> None:
    with pr.Log(size="256 KiB", redact=["password"]) as log:
        record = stored(log, template("{user}: {password}"))
        assert (record.message, record.fields["password"]) == ("ann: [redacted]", "[redacted]")
        assert b"hunter2" not in bytes(log.snapshot().data)


def hidden(log: pr.Log, source: str) -> tuple[str, Any]:
    """Message and first field of a template string, of which the log has no byte of what is secret."""
    record = stored(log, template(source))
    assert b"hunter2" not in bytes(log.snapshot().data)
    return record.message, next(iter(record.fields.values()))


def test_a_name_that_is_no_word_hides_as_much() -> None:
    with pr.Log(size="256 KiB", redact=["Api-Key", "a-a", re.compile(r"pin\d*")]) as log:
        assert hidden(log, "{head['api-key']}") == ("[redacted]", "[redacted]")
        assert hidden(log, "{head['API-KEY'].upper()}") == ("[redacted]", "[redacted]")
        assert hidden(log, "{head['xa-a-a']}") == ("[redacted]", "[redacted]")
        assert hidden(log, "{head['pin2']}") == ("[redacted]", "[redacted]")
        assert hidden(log, "{head['my-api-keys']}") == ("kept", "kept"), "other names"


def test_what_lies_in_a_value_under_a_name_is_not_in_the_message_either() -> None:
    with pr.Log(size="256 KiB", redact=["password"]) as log:
        within = {"password": "[redacted]", "k": 1}
        assert hidden(log, "{data}") == ("[redacted]", within)
        assert hidden(log, "{user} {data!r} {[1, data]} {n}") == ("ann [redacted] [redacted] 5", "ann")
        assert hidden(log, "{items} {data['k']}") == ("[1, 'two'] 1", [1, "two"]), "what hides nothing"


def test_a_template_string_as_a_value_shows_nothing_where_a_log_hides_something() -> None:
    inner = template("in {password}")
    with pr.Log(size="256 KiB", redact=["password"]) as log, pr.Log(size="256 KiB") as other:
        records = logging.Logger("stdlib")
        records.addHandler(pr.RingHandler(log))
        around = log.get_logger("t").bind(bound=inner)
        with around.contextualize(around=inner):
            around.info("%s of %s", inner, 1, field=inner, within=[inner])
        around.info("%(a)s", {"a": inner, "b": 2}, exc_info=False)
        around.info(eval('t"{inner} {[inner]}"', {"inner": inner}), extra={"extra": inner})
        around.cont(inner)
        records.warning(inner, extra={"extra": inner})
        records.warning("%s of %s", inner, 1)
        records.warning("%(a)s", {"a": inner})
        log.flush()
        assert b"hunter2" not in bytes(log.snapshot().data)
        shown = "[redacted]"
        messages = [record.message for record in log.reader()]
        line = f"in {shown}"
        assert messages == [f"{shown} of 1", shown, f"{shown} {shown}", line, shown, f"{shown} of 1", shown]
        everywhere = stored(log, "x", one=inner)
        assert everywhere.fields == {"one": shown}
        assert stored(other, "%s", inner).message == str(inner), "a log that hides nothing"


def test_a_name_that_is_there_many_times_is_one_field(log: pr.Log) -> None:
    record = stored(log, template("{n}" * 500 + "{user}"), user="given")
    assert (record.message, record.fields) == ("5" * 500 + "ann", {"n": 5, "user": "given"})


def test_of_very_many_values_only_those_are_taken_that_a_record_can_hold(log: pr.Log) -> None:
    class Counted:
        taken = 0

        def __str__(self) -> str:
            Counted.taken += 1
            return ""

        def __format__(self, spec: str) -> str:
            return ""

    names = [f"name{number:07}" for number in range(20_000)]
    source = "".join(f"{{{name}}}" for name in names)
    record = stored(log, eval(f't"{source}"', dict.fromkeys(names, Counted())))
    assert record.truncated
    assert 2_900 < Counted.taken < 4_000, "some 32 KiB of names"


def test_a_class_of_that_name_that_does_not_say_its_module_is_an_object_like_others(log: pr.Log) -> None:
    class Asked(type):
        @property
        def __module__(cls) -> str:  # type: ignore[override]
            raise RuntimeError("no module")

    record = stored(log, Asked("Template", (), {"__str__": lambda _self: "mine"})())
    assert record.message == "mine"


def test_one_longer_than_a_record_is_cut(log: pr.Log) -> None:
    record = stored(log, eval('t"{long} and {long}"', {"long": "é" * 100_000}))
    assert record.truncated
    assert record.event.startswith("{long}")


def test_a_class_of_that_name_is_an_object_like_others(log: pr.Log) -> None:
    class Template:
        def __str__(self) -> str:
            return "mine"

    assert stored(log, Template()).message == "mine"
    Template.__module__ = "string.templatelib"
    assert stored(log, Template()).message == "mine"


def test_a_disabled_call_looks_at_nothing(log: pr.Log) -> None:
    log.level = "WARNING"
    log.get_logger().info(eval('t"{value}"', {"value": Broken()}))
    assert log.stats()["emitted"] == 0

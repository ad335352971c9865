"""What no caller should pass, passed to both fronts: our own logger and the standard library's with a `RingHandler`."""

from __future__ import annotations

import json
import logging
import math
import re
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import succeed
from tests.interpreters import nested_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60.0


@pytest.fixture(params=["native", "stdlib"])
def emit(request: pytest.FixtureRequest, log: pr.Log) -> Iterator[Callable[..., None]]:
    """`emit(event, *args, **fields)` by either front."""
    if request.param == "native":
        yield log.get_logger("app").info
        return
    stdlib = logging.Logger("app", logging.DEBUG)
    stdlib.addHandler(pr.RingHandler(log))

    def by_extra(event: object, /, *args: object, **fields: object) -> None:
        stdlib.info(event, *args, extra=fields)

    yield by_extra
    stdlib.handlers.clear()


def only(log: pr.Log) -> pr.Record:
    [record] = log.reader()
    return record


def line_of(record: pr.Record) -> dict[str, Any]:
    """Its JSON line, which is one line."""
    text = record.format("json")
    assert "\n" not in text.rstrip("\n")
    line: dict[str, Any] = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return line


def test_two_hundred_fields_are_all_there_in_their_order(log: pr.Log, emit: Callable[..., None]) -> None:
    fields = {f"field_{number}": number for number in range(200)}
    emit("many", **fields)
    assert list(only(log).fields.items()) == list(fields.items())
    assert line_of(only(log)).items() >= fields.items()


def test_nested_collections_are_kept_to_a_depth_of_four(log: pr.Log, emit: Callable[..., None]) -> None:
    emit("deep", kept={"a": [{"b": [1, 2.5, None]}]}, beyond=[[[[[["deep"]]]]]])
    record = only(log)
    assert record.fields["kept"] == {"a": [{"b": [1, 2.5, None]}]}
    beyond: Any = record.fields["beyond"]
    for _ in range(4):
        assert isinstance(beyond, list)
        [beyond] = beyond
    assert beyond == "[['deep']]"
    assert line_of(record)["kept"] == {"a": [{"b": [1, 2.5, None]}]}


def test_collections_without_end_come_to_one(log: pr.Log, emit: Callable[..., None]) -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    emit("endless", loop=loop, wide={str(n): n for n in range(65)}, long=list(range(100_000)))
    record = only(log)
    assert record.fields["loop"] == [1, [1, [1, [1, "[1, [...]]"]]]]
    assert record.fields["wide"] == str({str(n): n for n in range(65)}), "more than 64 items are text"
    assert record.fields["long"].startswith("[0, 1, 2, 3, ")
    assert record.truncated
    assert len(record.fields["long"]) > 16_000
    line_of(record)


def test_nan_and_infinities_are_strings_in_json(log: pr.Log, emit: Callable[..., None]) -> None:
    emit("odd", nan=math.nan, inf=math.inf, minus=-math.inf, inside=[math.nan, {"k": math.inf}])
    record = only(log)
    assert math.isnan(record.fields["nan"])
    assert (record.fields["inf"], record.fields["minus"]) == (math.inf, -math.inf)
    line = line_of(record)
    assert all(isinstance(line[key], str) for key in ("nan", "inf", "minus"))
    assert all(isinstance(value, str) for value in (line["inside"][0], line["inside"][1]["k"]))


def test_lone_surrogates_are_replacement_characters(log: pr.Log, emit: Callable[..., None]) -> None:
    emit("a\udc80 %s", "b\ud800", **{"k\udfff": ["v\udc80"]})
    record = only(log)
    assert record.message == "a\ufffd b\ufffd"
    assert record.fields == {"k\ufffd": ["v\ufffd"]}
    assert line_of(record)["k\ufffd"] == ["v\ufffd"]


def test_nul_and_newlines_forge_nothing(log: pr.Log, emit: Callable[..., None]) -> None:
    forged = "\n[    0.000000] root: all is well\0\r\n<0>panic"
    emit(f"a{forged}", value=forged, **{f"key{forged}": 1})
    record = only(log)
    assert record.event == record.message == f"a{forged}"
    assert record.fields == {"value": forged, f"key{forged}": 1}
    line = line_of(record)
    assert (line["event"], line["value"]) == (f"a{forged}", forged)
    text = str(record)
    assert "\0" not in text
    assert "\r" not in text
    begun = [line for line in text.splitlines() if re.match(r"\[ *\d+\.\d{6}\] ", line)]
    assert len(begun) == 1, "further lines have a bar behind the time"
    logfmt = record.format("logfmt")
    assert logfmt.rstrip("\n").count("\n") == 0


class Raising:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Exiting:
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


def test_a_str_that_raises_is_named(log: pr.Log, emit: Callable[..., None]) -> None:
    emit("field", value=Raising(), nested=[Raising()])
    emit("argument %s", Raising())
    first, second = log.reader()
    assert first.fields == {"value": "<unprintable Raising>", "nested": ["<unprintable Raising>"]}
    assert (second.event, second.message) == ("argument %s", "argument <unprintable Raising>")
    assert second.fields["format_error"] == "RuntimeError: no text"


@pytest.mark.parametrize(
    ("template", "args", "expected"),
    [
        ("%s of %-5s|%05.1f%%", (Raising(), "b", 2.25), "<unprintable Raising> of b    |002.2%"),
        ("%r, %*d", (Raising(), 4, 7), "<unprintable Raising>,    7"),
        ("%(a(b))s %(n)d", ({"a(b)": Raising(), "n": 3, "unused": 0},), "<unprintable Raising> 3"),
        ("all: %s", ({"a": Raising()},), "all: <unprintable dict>"),
        ("%a and [%s]", (Raising(), [Raising()]), "<unprintable Raising> and [<unprintable list>]"),
    ],
)
def test_the_rest_of_a_message_is_there(
    log: pr.Log, emit: Callable[..., None], template: str, args: tuple[Any, ...], expected: str
) -> None:
    emit(template, *args)
    record = only(log)
    assert (record.event, record.message) == (template, expected)
    assert record.fields["format_error"] == "RuntimeError: no text"
    assert "<unprintable Raising>" in str(record.fields["format_args"])


@pytest.mark.parametrize(
    ("template", "args"),
    [
        ("%s %d", (Raising(), "b")),
        ("%s %s", (Raising(),)),
        ("%s", (Raising(), 1)),
        ("%d", (Raising(),)),
        ("%s %", (Raising(),)),
        ("%s %y", (Raising(), 1)),
        ("%s %(a", ({"a": Raising()},)),
        ("%(a)s %(b)s", ({"a": Raising()},)),
        ("%s %5%", (Raising(),)),
    ],
)
def test_what_does_not_fit_is_no_message_even_so(
    log: pr.Log, emit: Callable[..., None], template: str, args: tuple[Any, ...]
) -> None:
    emit(template, *args)
    record = only(log)
    assert (record.event, record.message) == (template, template)
    assert record.fields["format_args"]
    assert record.fields["format_error"]


def test_an_exit_out_of_a_str_is_passed_on_and_the_record_stored(log: pr.Log, emit: Callable[..., None]) -> None:
    with pytest.raises(SystemExit):
        emit("leaving", value=Exiting(), kept=1)
    assert (only(log).event, only(log).fields["kept"]) == ("leaving", 1)


@pytest.mark.parametrize("emit", ["native", pytest.param("stdlib", marks=nested_logging)], indirect=True)
def test_a_str_that_logs_is_stored_before_what_it_is_part_of(log: pr.Log, emit: Callable[..., None]) -> None:
    class Talking:
        def __str__(self) -> str:
            emit("inner", depth=1)
            return "talking"

    emit("outer", value=Talking())
    emit("outer %s", Talking())
    assert [record.message for record in log.reader()] == ["inner", "outer", "inner", "outer talking"]
    assert log.stats()["recursion_dropped"] == 0


@pytest.mark.parametrize("front", ["native", "stdlib"])
def test_a_str_that_wants_a_lock_which_another_call_holds_up_holds_nobody_else_up(front: str) -> None:
    # A program of its own: who waits with the interpreter in hand stops every thread, also one that would tell.
    succeed(
        f"""
        import logging, threading
        import printk_ring as pr

        lock, entered = threading.Lock(), threading.Event()

        class Locked:
            def __str__(self):
                entered.set()
                with lock:
                    return "locked"

        with pr.Log(size="256 KiB") as log:
            if {front!r} == "native":
                emit = log.get_logger("app").info
            else:
                stdlib = logging.Logger("app", logging.DEBUG)
                stdlib.addHandler(pr.RingHandler(log))
                emit = lambda event, *args, **fields: stdlib.info(event, *args, extra=fields)
            with lock:
                other = threading.Thread(target=emit, args=("theirs",), kwargs={{"value": Locked()}})
                other.start()
                assert entered.wait({PATIENCE})
                emit("ours, with the lock held", number=1)
                emit("ours %s", "rendered")
                emit("ours, of any class", it=Ellipsis)
            other.join()
            found = [record.message for record in log.reader()]
            assert found == ["ours, with the lock held", "ours rendered", "ours, of any class", "theirs"], found
        """
    )


RESERVED = "ts level logger event seq pid tid file line func exception truncated dropped message".split()  # noqa: SIM905


def test_fields_of_reserved_names_are_kept_and_told_apart_in_json(log: pr.Log, emit: Callable[..., None]) -> None:
    # "message" is the one that the standard library itself refuses in `extra`.
    names = [name for name in RESERVED if name != "message"]
    emit("reserved", **{name: f"mine: {name}" for name in names}, level_="taken already")
    record = only(log)
    assert {name: record.fields[name] for name in names} == {name: f"mine: {name}" for name in names}
    line = line_of(record)
    assert (line["level"], line["event"], line["logger"]) == ("INFO", "reserved", "app")
    assert (line["seq"], line["seq_"]) == (0, "mine: seq")
    assert (line["level_"], line["level__"]) in {
        ("taken already", "mine: level"),
        ("mine: level", "taken already"),
    }
    assert len(line) == len(json.loads(record.format("json"), object_pairs_hook=list)), "no name comes twice"


def test_a_key_that_is_no_text_is_refused_by_the_interpreter_or_becomes_text(log: pr.Log) -> None:
    fields: Any = {1: "a", None: "b", ("x",): "c"}
    with pytest.raises(TypeError):
        log.get_logger().info("native", **fields)
    with pytest.raises(TypeError):
        logging.getLogger("app").info("stdlib", **fields)
    stdlib = logging.Logger("app")
    stdlib.addHandler(pr.RingHandler(log))
    stdlib.warning("by extra", extra=fields)
    log.get_logger().info("by extra", extra=fields)
    first, second = log.reader()
    assert first.fields == second.fields == {"1": "a", "None": "b", "('x',)": "c"}

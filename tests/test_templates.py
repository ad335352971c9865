"""Templates: whether a reader renders them or the call does, what is shown is what `template % args` gives."""

from __future__ import annotations

import math
import re
import string
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import printk_ring as pr
from tests.children import prdmesg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARGUMENTS = 0x81  # the item of a payload that holds the arguments of a template


@pytest.fixture
def log() -> Iterator[pr.Log]:
    with pr.Log(size="1 MiB") as made:
        yield made


@pytest.fixture(scope="module")
def one_log() -> Iterator[pr.Log]:
    """For all examples of a property."""
    with pr.Log(size="256 KiB") as made:
        yield made


def stored(log: pr.Log, template: str, *args: object) -> pr.Record:
    """What is stored of a call."""
    newer = log.reader(start="newest")
    log.get_logger().info(template, *args)
    [record] = newer
    return record


def are_kept(log: pr.Log) -> bool:
    """Whether the last record holds a template's arguments, which stand between its parts and its fields."""
    snapshot = log.snapshot()
    row = snapshot.info[-1]
    payload = bytes(snapshot.data[int(row["text_offset"]) :][: int(row["text_len"])])
    item = payload[1:]
    while item and item[0] in {1, 2, 3, 4, 5, 6, 7}:
        length, at = item[1], 2
        if item[0] in {4, 6}:  # numbers
            length, at = 4, 1
        elif length >= 0x80:
            length, at = length & 0x7F | item[2] << 7, 3
        item = item[at + length :]
    return item[:1] == bytes([ARGUMENTS])


def last(log: pr.Log) -> pr.Record:
    return list(log.reader())[-1]


def without_surrogates(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def rendered(template: str, args: object) -> str | type[Exception]:
    """What the interpreter makes of it."""
    try:
        return without_surrogates(template % args)
    except Exception as why:  # whatever it is
        return type(why)


numbers = st.one_of(
    st.integers(-300, 300),
    st.integers(-(2**63) - 5, 2**64 + 5),
    st.sampled_from([0, 97, 0xD800, 0x2603, 0x10FFFF, 0x110000, -1]),
)
floats = st.one_of(
    st.floats(),
    st.integers(-(10**7), 10**7).map(lambda number: number / 1024),
    st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0]),
    st.sampled_from([0.5, 2.5, 0.125, 2.675, 1e22, 1e23, 5e-324, 9.995, 99.5, 1e15, 1e16, 999999.5, 0.0001, 0.00001]),
)
texts = st.one_of(
    st.text(st.sampled_from("ab '\"\\\n\t\x00\x7f%")), st.text("é☃😀\u200bz"), st.text(max_size=4), st.just("a\ud800b")
)
things = st.one_of(
    st.none(), st.booleans(), numbers, floats, texts, st.binary(max_size=6), st.lists(numbers, max_size=2)
)
FITTING = dict.fromkeys("diu", st.one_of(numbers, floats)) | dict.fromkeys("oxX", st.one_of(numbers, st.booleans()))
FITTING |= dict.fromkeys("eEfFgG", st.one_of(floats, floats, numbers)) | {"c": st.one_of(numbers, st.text(max_size=1))}
counts = st.one_of(st.just(""), st.integers(0, 12).map(str), st.sampled_from(["100", "250", "251", "*"]))


@st.composite
def conversions(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """A conversion, mostly a good one, and arguments, which mostly fit it."""
    text = "%" + draw(st.text("-+ #0", max_size=2))
    args: list[Any] = []
    for count in (draw(counts), draw(counts)):
        text += count
        if count == "*":
            args.append(draw(st.one_of(st.integers(-20, 260), st.booleans(), st.sampled_from([None, 2.0]))))
        if "." not in text:
            text += draw(st.sampled_from(["", "."]))
            if "." not in text:
                break
    kind = draw(st.sampled_from("sssdddiouxXeEfFgGcrab%"))
    args.append(draw(st.one_of(FITTING.get(kind, things), FITTING.get(kind, things), things)))
    return text + draw(st.sampled_from(["", "", "", "h", "l", "L", "q"])) + kind, args


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, tuple[Any, ...]]:
    template = ""
    args: list[Any] = []
    for _ in range(draw(st.integers(1, 4))):
        conversion, own = draw(st.one_of(conversions(), conversions(), st.just(("a é", [])), st.just(("%%", []))))
        template, args = template + conversion, args + own
    args += draw(st.sampled_from([[], [], [], [], [1]]))
    return template, tuple(args or [7])


@settings(max_examples=400, deadline=None)
@given(call=calls())
@example(call=("%05d %+d % d %#x %-5s|", (-3, 3, 3, 255, "é")))
@example(call=("%s %r %f %.17g %e", (1e22, 5e-324, -0.0, 0.1, math.nan)))
@example(call=("%010f %5%", (math.inf,)))
@example(call=("%*.*f", (-8, 2, 2.675)))
def test_what_is_shown_is_what_python_gives(one_log: pr.Log, call: tuple[str, tuple[Any, ...]]) -> None:
    template, args = call
    record = stored(one_log, template, *args)
    assert record.event == without_surrogates(template)
    expected = rendered(template, args)
    if isinstance(expected, str):
        assert record.message == expected
        assert record.fields == {}
    else:
        assert record.fields["format_error"].startswith(f"{expected.__name__}: ")
        assert record.message == record.event
        assert not are_kept(one_log)


names = st.text(string.ascii_letters, min_size=1, max_size=3)


@settings(max_examples=100, deadline=None)
@given(mapping=st.dictionaries(names, things, max_size=9), data=st.data())
def test_names_are_taken_from_a_single_mapping(one_log: pr.Log, mapping: dict[str, Any], data: st.DataObject) -> None:
    known = st.sampled_from([*mapping, "unknown"])
    parts = data.draw(st.lists(st.tuples(known, st.sampled_from(["s", "d", "5s", "05.1f", "r", "x"])), max_size=3))
    template = "".join(f"%({name}){kind} " for name, kind in parts) + data.draw(st.sampled_from(["", "%%", "%s", "x"]))
    record = stored(one_log, template, mapping)
    expected = rendered(template, mapping or ({},))
    if isinstance(expected, str):
        assert record.message == expected
    else:
        assert record.fields["format_error"].startswith(f"{expected.__name__}: ")


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "own"


@pytest.mark.parametrize(
    ("template", "args"),
    [
        ("%s %d", ("x", 3)),
        ("%s %s %s %s %r", (None, True, 2.5, b"\xff", "it's")),
        ("%5.1f%% of %-8s|%+d", (99.95, "é☃", 2**63 - 1)),
        ("%x %#o %c %*d", (255, 8, "☃", 5, 1)),
        ("%d %d %d %d %d %d %d %d", tuple(range(8))),
        ("%(user)s left, %(n)03d", ({"user": "ann", "n": 7, "more": None},)),
        ("long %s", ("x" * 1000,)),
    ],
)
def test_simple_arguments_are_kept_for_the_reader(log: pr.Log, template: str, args: tuple[Any, ...]) -> None:
    log.get_logger().info(template, *args, code=200)
    assert are_kept(log)
    record = last(log)
    assert (record.event, record.fields) == (template, {"code": 200})
    assert record.message == template % (args[0] if isinstance(args[0], dict) else args)


@pytest.mark.parametrize(
    ("template", "args"),
    [
        ("%s", ([1],)),
        ("%s", (Text("x"),)),
        ("%d", (2**64,)),
        ("%r", ("é",)),
        ("%c", (0xD800,)),
        ("%s", ("\ud800",)),
        ("%300d", (1,)),
        ("%d" * 9, tuple(range(9))),
        ("%(a)s", ({"a": [1]},)),
        ("%s", ({"a": 1},)),
        ("%d", (1e300,)),
    ],
)
def test_what_only_the_interpreter_can_render_is_rendered_at_the_call(
    log: pr.Log, template: str, args: tuple[Any, ...]
) -> None:
    log.get_logger().info(template, *args)
    assert not are_kept(log)
    assert last(log).message == without_surrogates(template % (args[0] if isinstance(args[0], dict) else args))


def test_a_log_that_hides_anything_has_texts_rendered_at_the_call() -> None:
    with pr.Log(size="256 KiB", redact=["token"]) as log:
        log.get_logger().info("%s %d", "x", 3)
        assert not are_kept(log)
        assert last(log).message == "x 3"


def test_everything_that_shows_a_message_renders_the_template(ring_path: Path) -> None:
    collected: list[pr.Record] = []
    lines = ring_path.with_suffix(".txt")
    formatted = ring_path.with_suffix(".own")
    with pr.Log(ring_path, size="1 MiB") as log:
        log.add_console(pr.sinks.file(lines), format="iso")
        log.add_console(pr.sinks.callable(collected.append))
        log.add_console(pr.sinks.file(formatted), format=lambda record: f"<{record.message}>")
        log.get_logger("app").info("took %.2f ms, %s", 12.345, "a\nb", port=1)
        assert log.flush(30)
        record = last(log)
        assert log.snapshot().text(0) == record.message == "took 12.35 ms, a\nb"
        assert repr(record) == '<Record 0 INFO "took 12.35 ms, a\\nb">'
        first, second = str(record).split("\n")
        assert first.endswith("] app: took 12.35 ms, a")
        assert second.endswith("]|b port=1")
        assert log.dump_iter().get_line() == str(record)
        assert '"event":"took %.2f ms, %s","message":"took 12.35 ms, a\\nb"' in record.format("json")
        assert ' message="took 12.35 ms, a\\nb" ' in record.format("logfmt")
        assert ";app: took 12.35 ms, a\\x0ab" in record.format("kmsg")
    assert "INFO app: took 12.35 ms, a\n" in lines.read_text("utf-8")
    assert formatted.read_text("utf-8") == "<took 12.35 ms, a\n| b>\n"
    assert [record.message for record in collected] == ["took 12.35 ms, a\nb"]
    assert "app: took 12.35 ms, a\n" in prdmesg(ring_path).stdout


def test_ambient_fields_and_bound_ones_stand_beside_arguments(log: pr.Log) -> None:
    logger = log.get_logger().bind(a=1)
    with logger.contextualize(request="r"):
        logger.info("%s %d", "x", 2, b=3)
    assert are_kept(log)
    record = last(log)
    assert (record.message, record.fields) == ("x 2", {"a": 1, "request": "r", "b": 3})


def test_of_arguments_that_are_too_long_the_longest_are_cut(log: pr.Log) -> None:
    log.get_logger().info("%s, %d and %s.", "a" * 100_000, 7, "b" * 50_000, key="whole")
    record = last(log)
    assert record.truncated
    assert record.fields == {"key": "whole"}
    assert re.fullmatch(r"a{10000,}, 7 and b{10000,}\.<truncated>", record.message)
    assert record.event == "%s, %d and %s."
    assert log.stats()["truncated"] == 1

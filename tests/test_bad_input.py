"""A log call never raises, whatever it is given; and what can be kept of it is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest

import printk_ring as pr
from tests.children import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


class NotEvenText:
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]  # noqa: PLE0307 - that is the test


class Endless:
    def __str__(self) -> str:
        return str(self)


def only(log: pr.Log) -> pr.Record:
    [record] = log.reader()
    return record


@pytest.mark.parametrize(
    ("template", "args"),
    [
        ("%d things", ("three",)),
        ("no place", (1, 2)),
        ("%s %s", ("one",)),
        ("%q", (1,)),
        ("%", (1,)),
        ("%(name)s", (1,)),
        ("%(name)s", ({"other": 1},)),
        ("%s", ()),
        ("%9999999999999d", (1,)),
        ("%99999999d", (1,)),
        ("%*d", (99_999_999, 1)),
        ("%.99999999f", (1.5,)),
        ("%c", (-1,)),
    ],
    ids=repr,
)
def test_wrong_format_arguments_leave_the_template_and_the_arguments(
    log: pr.Log, template: str, args: tuple[object, ...]
) -> None:
    log.get_logger().info(template, *args, key="kept")
    record = only(log)
    assert record.event == template
    assert record.fields["key"] == "kept"
    if args:
        assert record.message == template
        assert record.fields["format_error"]
        assert record.fields["format_args"]


@pytest.mark.parametrize("thing", [Unprintable(), NotEvenText(), Endless()], ids=lambda thing: type(thing).__name__)
def test_an_object_whose_str_fails_is_named_instead(log: pr.Log, thing: object) -> None:
    logger = log.get_logger("app")
    expected = f"<unprintable {type(thing).__name__}>"
    logger.info("field", value=thing)
    logger.info("nested", value=[1, {"k": thing}])
    logger.info(thing)
    logger.info("argument: %s", thing)
    logger.bind(value=thing).info("bound")
    field, nested, event, argument, bound = log.reader()
    assert field.fields["value"] == bound.fields["value"] == expected
    assert nested.fields["value"] == [1, {"k": expected}]
    assert event.event == expected
    assert argument.event == "argument: %s"


def test_a_lone_surrogate_is_a_replacement_character_everywhere(log: pr.Log) -> None:
    bad = "a\udc80b"
    named: dict[str, Any] = {f"k{bad}": [bad]}
    log.get_logger(bad, **{bad: 1}).info(bad, value=bad, **named)
    log.get_logger().info("%s", bad)
    first, second = log.reader()
    assert (first.event, first.logger) == ("a\ufffdb", "a\ufffdb")
    assert first.fields == {"a\ufffdb": 1, "value": "a\ufffdb", "ka\ufffdb": ["a\ufffdb"]}
    assert second.message == "a\ufffdb"
    json.loads(first.format("json"))


def test_a_value_of_a_megabyte_is_cut_and_the_rest_of_the_record_is_kept(log: pr.Log) -> None:
    log.get_logger("app").info("event", small="kept", large="é" * 500_000, number=5)
    record = only(log)
    assert record.truncated
    assert (record.event, record.fields["small"], record.fields["number"]) == ("event", "kept", 5)
    large = record.fields["large"]
    assert 1000 < len(large) < 40_000
    assert set(large) == {"é"}
    assert str(record).endswith("<truncated>")


def test_an_event_of_a_megabyte_is_cut_at_a_character(log: pr.Log) -> None:
    log.get_logger("app").info("☃" * 400_000, key="kept")
    record = only(log)
    assert record.truncated
    assert record.fields["key"] == "kept"
    assert record.event.endswith("<truncated>")
    assert set(record.event.removesuffix("<truncated>")) == {"☃"}


@pytest.mark.parametrize(
    "value", [[["x" * 1000] * 60] * 60, {str(n): "y" * 5000 for n in range(64)}, list(range(10**5))]
)
def test_large_collections_are_cut_somehow(log: pr.Log, value: object) -> None:
    log.get_logger().info("event", before=1, value=value)
    record = only(log)
    assert record.event == "event"
    assert record.fields["before"] == 1
    json.loads(record.format("json"))


def test_collections_that_contain_themselves_come_to_an_end(log: pr.Log) -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    knot: dict[str, Any] = {"a": 1}
    knot["self"] = knot
    log.get_logger().info("event", loop=loop, knot=knot)
    record = only(log)
    assert record.fields["loop"][0] == 1
    assert record.fields["knot"]["a"] == 1


def test_an_int_beyond_64_bits_keeps_all_digits(log: pr.Log) -> None:
    log.get_logger().info("event", value=10**100, nested=[-(10**50)])
    assert only(log).fields == {"value": str(10**100), "nested": [str(-(10**50))]}


def test_an_int_of_too_many_digits_for_python_itself_raises_nothing(log: pr.Log) -> None:
    log.get_logger().info("event", value=1 << 100_000, key="kept")
    assert only(log).fields["key"] == "kept"


def test_a_field_may_be_called_like_a_parameter(log: pr.Log) -> None:
    fields: dict[str, Any] = dict.fromkeys(["level", "event", "self", "args", "message", "name", "msg", "fields"], 1)
    logger = log.get_logger()
    logger.info("plain", **fields)
    logger.log("INFO", "log", **fields)
    logger.bind(**fields).info("bound")
    log.get_logger("app", **{key: 1 for key in fields if key != "name"}).info("at the logger")
    first, second, third, fourth = log.reader()
    assert first.fields == second.fields == third.fields == fields
    assert set(fourth.fields) == set(fields) - {"name"}
    assert [record.event for record in log.reader()] == ["plain", "log", "bound", "at the logger"]


def test_the_parameters_own_names_can_come_by_extra(log: pr.Log) -> None:
    extra = {"exc_info": 1, "stack_info": 2, "stacklevel": 3, "extra": 4}
    log.get_logger().info("event", extra=extra)
    assert only(log).fields == extra


ODD_OPTIONS: dict[str, dict[str, Any]] = {
    "exc_info is text": {"exc_info": "yes"},
    "exc_info is a wrong triple": {"exc_info": (1, 2, 3)},
    "exc_info is an empty tuple": {"exc_info": ()},
    "stacklevel is text": {"stacklevel": "1"},
    "stacklevel is far below": {"stacklevel": -(10**30)},
    "stack_info has no text": {"stack_info": Unprintable()},
    "extra is a number": {"extra": 5},
    "extra has odd keys": {"extra": {1: "a", None: "b"}},
    "extra is a list": {"extra": [("a", 1)]},
    "an empty key": {"": 1},
    "a newline in a key": {"a\nb": 1},
    "a long key": {"k" * 100_000: 1},
}


@pytest.mark.parametrize("odd", ODD_OPTIONS)
def test_odd_options_raise_nothing_and_the_event_is_stored(log: pr.Log, odd: str) -> None:
    log.get_logger().info("event", **ODD_OPTIONS[odd])
    record = only(log)
    assert record.event == "event"
    json.loads(record.format("json"))


class FaultyTruth:
    def __bool__(self) -> NoReturn:
        raise RuntimeError("undecided")


def test_an_option_whose_truth_fails_raises_nothing(log: pr.Log) -> None:
    log.get_logger().info("event", exc_info=FaultyTruth(), stack_info=FaultyTruth())  # type: ignore[arg-type]
    assert only(log).event == "event"


@pytest.mark.parametrize("level", ["loud", -1, None, 5.5, object(), 10**30])
def test_a_level_that_is_none_counts_as_info_or_as_what_it_says(log: pr.Log, level: Any) -> None:
    log.get_logger().log(level, "event")
    assert only(log).level is (pr.Level.CRITICAL if level == 10**30 else pr.Level.INFO)


def test_an_exception_whose_attributes_fail_is_still_told(log: pr.Log) -> None:
    def fails(_self: object) -> None:
        raise RuntimeError

    faulty = type("Faulty", (Exception,), dict.fromkeys(["__traceback__", "__cause__", "__notes__"], property(fails)))
    log.get_logger().error("failed", exc_info=faulty("it said"))
    [record] = log.reader()
    assert record.exc is not None
    assert record.exc["type"].endswith("Faulty")
    assert record.exc["message"] == "it said"
    assert "it said" in record.exc["stacktrace"]


def test_an_exception_that_cannot_be_printed_is_still_told(log: pr.Log) -> None:
    class Faulty(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    try:
        raise Faulty
    except Faulty:
        log.get_logger().exception("failed")
    record = only(log)
    assert record.event == "failed"
    assert record.exc is not None
    assert record.exc["type"].endswith("Faulty")
    assert record.exc["message"] == "<unprintable Faulty>"


def test_an_object_that_logs_while_it_is_printed_comes_to_an_end(log: pr.Log) -> None:
    logger = log.get_logger()

    class Talkative:
        def __str__(self) -> str:
            logger.info("printing myself", me=self)
            return "talkative"

    logger.info("event", value=Talkative())
    records = list(log.reader())
    assert records[-1].event == "event"
    assert len(records) < 2000


def test_a_missing_event_is_the_one_thing_that_raises(log: pr.Log) -> None:
    logger: Any = log.get_logger()
    for name in (*(level.name.lower() for level in pr.Level), "exception"):
        with pytest.raises(TypeError, match=rf"^{name}\(\) .*'event'"):
            getattr(logger, name)()
    with pytest.raises(TypeError, match=r"^log\(\) .*'event'"):
        logger.log("INFO")


def test_a_full_disk_behind_a_console_does_not_reach_the_caller(log: pr.Log, tmp_path: Path) -> None:
    full = log.add_console(pr.sinks.file("/dev/full"), name="full")
    other = log.add_console(pr.sinks.file(tmp_path / "other.txt"), name="other")
    for number in range(1000):
        log.get_logger("app").info("event", number=number)
    wait_until(lambda: full.errors > 1, "the disk is tried again")
    assert other.flush(timeout=30.0)
    assert log.stats()["emitted"] == 1001
    [remark] = [record for record in log.reader() if record.logger != "app"]
    assert "console full: write failed: No space left" in remark.event
    lines = (tmp_path / "other.txt").read_text("utf-8").splitlines()
    assert sum("app: event number=" in line for line in lines) == 1000
    assert [line for line in lines if "app: " not in line] == [str(remark)], "told once, to the others"


def test_a_console_whose_file_cannot_be_opened_is_an_error_with_its_path(log: pr.Log, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing") as caught:
        log.add_console(pr.sinks.file(tmp_path / "missing" / "app.log"))
    assert str(tmp_path / "missing" / "app.log") in str(caught.value)
    assert log.consoles() == []


def test_keys_that_are_no_strings_are_refused_where_fields_are_bound_as_the_interpreter_does_in_calls(
    log: pr.Log,
) -> None:
    class Text(str):
        __slots__ = ()

    logger = log.get_logger()
    takers: list[Callable[..., object]] = [logger.bind, logger.contextualize, log.get_logger, pr.get_logger]
    for take in takers:
        for key, shown in (
            (4711, "4711 (int)"),
            (b"k", "b'k' (bytes)"),
            (Unprintable(), "something unprintable (Unprintable)"),
        ):
            with pytest.raises(TypeError, match="keywords must be strings") as caught:
                take(**cast("dict[str, int]", {"fine": 1, key: 2}))
            assert take is pr.get_logger or str(caught.value) == f"keywords must be strings, not {shown}"
    with pytest.raises(TypeError, match="keywords must be strings"):
        logger.info("event", **cast("dict[str, Any]", {4711: 2}))
    extra: Any = {4711: 2}
    logger.bind(**{Text("key"): 1}).info("event", extra=extra)
    assert [record.fields for record in log.reader()] == [{"key": 1, "4711": 2}]


def test_keys_that_differ_in_halves_of_characters_are_one_key_as_names_of_fields_are(
    log: pr.Log, tmp_path: Path
) -> None:
    output = tmp_path / "console.json"
    log.add_console(pr.sinks.file(output), format="json")
    halves = [chr(0xD800), "a", chr(0xD801), "\ufffd"]
    deeper = {"x" + chr(0xDC00): 5, "x" + chr(0xDC01): 6}
    nested = {**dict(zip(halves, range(1, 5), strict=True)), "deeper": [deeper]}
    log.get_logger().info("event", nested=nested)
    assert log.flush(timeout=30.0)
    [pairs] = [
        pairs
        for name, pairs in json.loads(output.read_text(), object_pairs_hook=lambda pairs: pairs)
        if name == "nested"
    ]
    assert pairs == [("\ufffd", 4), ("a", 2), ("deeper", [[("x\ufffd", 6)]])]
    assert only(log).fields["nested"] == {"\ufffd": 4, "a": 2, "deeper": [{"x\ufffd": 6}]}

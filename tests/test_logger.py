"""Loggers: levels, templates, typed fields, binding, exceptions, the place of the call."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import linecache
import math
import pathlib
import sys
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import printk_ring as pr


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


def only(log: pr.Log) -> pr.Record:
    [record] = log.reader()
    return record


def kept(log: pr.Log, value: object) -> Any:
    """What comes back of a field."""
    log.get_logger().info("event", value=value)
    *_, record = log.reader()
    return record.fields["value"]


@pytest.mark.parametrize("name", ["debug", "info", "notice", "warning", "error", "critical", "alert", "emerg"])
def test_each_method_stores_at_its_level(log: pr.Log, name: str) -> None:
    getattr(log.get_logger("app"), name)("event", key="value")
    record = only(log)
    assert record.level is pr.Level(name)  # type: ignore[arg-type]  # mypy knows the values only
    assert record.levelno is None
    assert (record.event, record.message, record.logger, record.fields) == ("event", "event", "app", {"key": "value"})


@pytest.mark.parametrize(
    ("level", "stored", "levelno"),
    [(6, 6, None), ("Err", 3, None), (pr.Level.ALERT, 1, None), (25, 5, 25), (50, 2, 50), (10, 7, 10)],
)
def test_log_takes_every_kind_of_level(log: pr.Log, level: int | str, stored: int, levelno: int | None) -> None:
    log.get_logger().log(level, "event")
    record = only(log)
    assert (record.level, record.levelno) == (stored, levelno)


def test_with_arguments_the_event_is_a_template(log: pr.Log) -> None:
    log.get_logger().info("%s took %d ms (%.1f%%)", "request", 12, 3.25, code=200)
    record = only(log)
    assert record.event == "%s took %d ms (%.1f%%)"
    assert record.message == "request took 12 ms (3.2%)"
    assert record.fields == {"code": 200}


def test_a_single_mapping_serves_a_template_with_names(log: pr.Log) -> None:
    log.get_logger().info("%(user)s left", {"user": "ann"})
    assert only(log).message == "ann left"


@pytest.mark.parametrize(
    ("template", "args"),
    [
        ("%r|%s|%a", ("a'b", None, "é")),
        ("%5d|%-5d|%05d|%+d", (1, 2, 3, 4)),
        ("%x|%X|%o|%#x|%c", (255, 255, 8, 255, "z")),
        ("%e|%g|%.3f|%10.2f", (1.5, 1e-7, math.pi, 2.0)),
        ("%*d|%.*f", (5, 42, 2, 1.0)),
        ("100%% of %s", ("it",)),
        ("%s %s", ([1, "a"], {"k": (1, 2)})),
        ("%d", (2**80,)),
        ("%s", (True,)),
    ],
)
def test_templates_follow_the_standard_librarys_rules(log: pr.Log, template: str, args: tuple[object, ...]) -> None:
    log.get_logger().info(template, *args)
    assert only(log).message == template % args


def test_without_arguments_percent_is_literal(log: pr.Log) -> None:
    log.get_logger().info("100%s done, %d, %")
    assert only(log).message == "100%s done, %d, %"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        2**64 - 1,
        0.0,
        -2.5,
        1e300,
        math.inf,
        "",
        "text",
        "naïve ☃ 𝄞",
        b"",
        b"\x00\xff",
        dt.datetime(2026, 11, 20, 10, 11, 12, 123456),  # noqa: DTZ001 - naive ones are logged too
        dt.datetime(2026, 11, 20, 10, 11, 12, tzinfo=dt.UTC),
        dt.datetime(2026, 11, 20, 10, 11, 12, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
        uuid.UUID(int=2**127 + 5),
        decimal.Decimal("1.10"),
        decimal.Decimal("-1E+400"),
        [],
        [1, "a", None, [2.5, [True]]],
        {},
        {"a": 1, "b": {"c": [b"x"]}},
    ],
    ids=repr,
)
def test_a_value_comes_back_with_its_type(log: pr.Log, value: object) -> None:
    back = kept(log, value)
    assert back == value
    assert type(back) is type(value)


def test_not_a_number_comes_back_as_such(log: pr.Log) -> None:
    assert math.isnan(kept(log, math.nan))


def test_minus_zero_keeps_its_sign(log: pr.Log) -> None:
    assert math.copysign(1, kept(log, -0.0)) == -1


def test_a_path_comes_back_as_a_pure_path(log: pr.Log) -> None:
    back = kept(log, pathlib.Path("/etc") / "hosts")
    assert back == pathlib.PurePath("/etc/hosts")
    assert isinstance(back, pathlib.PurePath)


def test_an_enum_comes_back_as_its_value(log: pr.Log) -> None:
    assert kept(log, Colour.RED) == "red"
    assert kept(log, Size.BIG) == 3


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        (np.int32(-7), -7),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float64(2.5), 2.5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
    ],
    ids=repr,
)
def test_a_numpy_scalar_comes_back_as_the_python_scalar(log: pr.Log, scalar: object, value: object) -> None:
    back = kept(log, scalar)
    assert back == value
    assert type(back) is type(value)


def test_a_tuple_is_kept_as_a_sequence(log: pr.Log) -> None:
    assert list(kept(log, (1, "a", (2,)))[:2]) == [1, "a"]


def test_anything_else_is_its_text(log: pr.Log) -> None:
    assert kept(log, 1 + 2j) == "(1+2j)"
    assert kept(log, dt.timedelta(seconds=90)) == "0:01:30"
    assert kept(log, {1}) == "{1}"
    assert kept(log, ValueError("bad")) == "bad"


def test_an_int_beyond_64_bits_is_its_digits(log: pr.Log) -> None:
    assert kept(log, 2**64) == str(2**64)
    assert kept(log, -(2**63) - 1) == str(-(2**63) - 1)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=30)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=6,
)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


@given(fields=st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), values, max_size=5))
@settings(max_examples=200, deadline=None)
def test_whatever_the_fields_are_they_come_back_equal_and_in_order(fields: dict[str, object]) -> None:
    fields = {key: value for key, value in fields.items() if depth(value) <= 3}
    named = {
        key: value for key, value in fields.items() if key not in {"exc_info", "stack_info", "stacklevel", "extra"}
    }
    with pr.Log(size="256 KiB") as log:
        log.get_logger().info("event", **named)  # type: ignore[arg-type]  # any value is a field
        record = only(log)
    assert record.fields == named
    assert list(record.fields) == list(named)


def test_bound_fields_come_first_and_the_call_wins(log: pr.Log) -> None:
    logger = log.get_logger("app", user="ann", site="x").bind(site="y", n=1)
    logger.info("event", code=200, n=2)
    record = only(log)
    assert record.fields == {"user": "ann", "site": "y", "n": 2, "code": 200}
    assert list(record.fields)[:2] == ["user", "site"]
    assert str(record).endswith("app: event user=ann site=y n=2 code=200")


def test_bind_leaves_the_logger_it_was_called_on_alone(log: pr.Log) -> None:
    logger = log.get_logger("app", a=1)
    other = logger.bind(b=2)
    assert other.name == logger.name == "app"
    logger.info("one")
    other.info("two")
    assert [record.fields for record in log.reader()] == [{"a": 1}, {"a": 1, "b": 2}]


def test_extra_arrives_as_fields_and_the_calls_own_win(log: pr.Log) -> None:
    log.get_logger().info("event", extra={"a": 1, "b": 2}, b=3)
    assert only(log).fields == {"a": 1, "b": 3}


def test_a_logger_below_its_level_stores_nothing_and_evaluates_nothing(log: pr.Log) -> None:
    class Loud:
        def __str__(self) -> str:
            raise AssertionError("evaluated")

    logger = log.get_logger()
    logger.level = "WARNING"
    assert logger.level is pr.Level.WARNING
    assert not logger.is_enabled_for("INFO")
    assert logger.is_enabled_for(4)
    logger.info(Loud(), Loud(), field=Loud())
    assert list(log.reader()) == []
    logger.level = None
    assert logger.level is log.level
    logger.info("now")
    assert only(log).event == "now"


def test_the_logs_own_level_always_applies(log: pr.Log) -> None:
    logger = log.get_logger()
    logger.level = "DEBUG"
    log.level = "ERROR"
    assert not logger.is_enabled_for("WARNING")
    logger.warning("no")
    assert list(log.reader()) == []


def test_an_exception_is_kept_with_type_message_and_stack(log: pr.Log) -> None:
    logger = log.get_logger("app")
    try:
        raise LookupError("no such thing") from KeyError("k")
    except LookupError:
        logger.exception("failed", code=1)
    record = only(log)
    assert record.level is pr.Level.ERROR
    assert record.exc is not None
    assert (record.exc["type"], record.exc["message"]) == ("LookupError", "no such thing")
    trace = record.exc["stacktrace"].split("\n")
    assert trace[0] == "KeyError: 'k'"
    assert trace[-1] == "LookupError: no such thing"
    assert any("test_logger.py" in line for line in trace)
    assert record.fields == {"code": 1}


@pytest.mark.parametrize("how", ["true", "exception", "triple"])
def test_exc_info_takes_what_the_standard_library_takes(log: pr.Log, how: str) -> None:
    logger = log.get_logger()
    try:
        math.sqrt(-1)
    except ValueError as error:
        given_as: Any = {"true": True, "exception": error, "triple": (type(error), error, error.__traceback__)}[how]
        logger.warning("failed", exc_info=given_as)
    record = only(log)
    assert record.level is pr.Level.WARNING
    assert record.exc is not None
    assert record.exc["type"] == "ValueError"


def test_exc_info_without_an_exception_is_none(log: pr.Log) -> None:
    log.get_logger().info("fine", exc_info=True)
    log.get_logger().exception("fine too")
    assert [record.exc for record in log.reader()] == [None, None]


def test_an_exception_class_of_a_module_is_named_with_it(log: pr.Log) -> None:
    log.get_logger().info("failed", exc_info=decimal.InvalidOperation("x"))
    record = only(log)
    assert record.exc is not None
    assert record.exc["type"] == "decimal.InvalidOperation"


def test_stack_info_is_a_field_that_ends_at_the_call(log: pr.Log) -> None:
    log.get_logger().info("here", stack_info=True)
    lines = only(log).fields["stack_info"].split("\n")
    assert lines[0] == "Stack (most recent call last):"
    assert "test_stack_info_is_a_field_that_ends_at_the_call" in lines[-2] + lines[-3]


def test_stacklevel_moves_the_end_of_the_stack(log: pr.Log) -> None:
    logger = log.get_logger()

    def wrapper(stacklevel: int) -> None:
        logger.info("event", stack_info=True, stacklevel=stacklevel)

    wrapper(1)
    wrapper(2)
    wrapper(10**6)
    first, second, _ = [record.fields["stack_info"] for record in log.reader()]
    assert "in wrapper" in first
    assert "in wrapper" not in second
    assert "in test_stacklevel_moves_the_end_of_the_stack" in second


def test_a_record_of_a_logger_has_its_place(log: pr.Log) -> None:
    log.get_logger().info("event")
    record = only(log)
    assert (record.file, record.func) == (__file__, sys._getframe().f_code.co_name)
    assert record.line
    assert "log.get_logger().info" in linecache.getline(__file__, record.line)


def test_an_event_that_is_no_text_is_its_text(log: pr.Log) -> None:
    log.get_logger().info(42)
    log.get_logger().info(None)
    log.get_logger().info(ValueError("bad"))
    assert [record.event for record in log.reader()] == ["42", "None", "bad"]


def test_a_default_logger_made_before_install_works_afterwards(ring_path: pathlib.Path) -> None:
    logger = pr.get_logger("early", a=1)
    logger.emerg("into the void")
    assert not logger.is_enabled_for("EMERG")
    with pr.install(ring_path, consoles=(), size="256 KiB") as log:
        assert logger.is_enabled_for("DEBUG")
        logger.info("heard")
        assert only(log).fields == {"a": 1}
    logger.info("into the void again")
    assert only(log).event == "heard"

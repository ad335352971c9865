"""structlog at the front, a log behind it."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import structlog

import printk_ring as pr
from printk_ring.integrations.structlog import RingLogger, RingLoggerFactory, RingProcessor
from tests.children import succeed


def only(log: pr.Log) -> pr.Record:
    [record] = log.reader()
    return record


def chained(log: pr.Log, *processors: Any, **options: Any) -> Any:
    """A logger whose chain ends in the log, and which would print what came out of it."""
    return structlog.wrap_logger(structlog.PrintLogger(), processors=[*processors, RingProcessor(log)], **options)


def test_an_event_dict_becomes_a_record_and_is_printed_nowhere(log: pr.Log, capsys: pytest.CaptureFixture[str]) -> None:
    logger = chained(log).bind(user="ann", request=5)
    logger.info("paid", amount=2.5, items=[1, {"k": None}], request=6)
    record = only(log)
    assert (record.event, record.level, record.logger) == ("paid", pr.Level.INFO, None)
    assert record.fields == {"user": "ann", "request": 6, "amount": 2.5, "items": [1, {"k": None}]}
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "renderer", [structlog.stdlib.render_to_log_kwargs, structlog.stdlib.render_to_log_args_and_kwargs]
)
def test_what_was_made_for_the_standard_librarys_loggers_is_understood(log: pr.Log, renderer: Any) -> None:
    logger = structlog.wrap_logger(
        RingLogger("app", log), processors=[renderer], wrapper_class=structlog.stdlib.BoundLogger
    )
    try:
        raise KeyError("k")
    except KeyError:
        logger.warning("paid", amount=2, extra={"own": 1}, exc_info=True)
    record = only(log)
    assert (record.event, record.level) == ("paid", pr.Level.WARNING)
    assert record.fields["amount"] == 2
    assert set(record.fields) == {"amount", "extra"}
    assert record.exc is not None


def test_a_level_that_is_none_and_an_exception_that_is_none_stay_fields(log: pr.Log) -> None:
    logger = chained(log)
    logger.info("water", level=12)
    logger.info("user", level="gold", level_number="high")
    logger.error("failed", exception="timeout")
    logger.error("failed", exception=["a", "dict"])
    assert [record.fields for record in log.reader()] == [
        {"level": 12},
        {"level": "gold", "level_number": "high"},
        {"exception": "timeout"},
        {"exception": ["a", "dict"]},
    ]


def test_an_exception_that_was_formatted_before_is_one(log: pr.Log) -> None:
    class OutOfReach(Exception): ...

    logger = chained(log, structlog.processors.format_exc_info)
    logger.error("never raised", exc_info=ValueError("x: y"))
    try:
        raise OutOfReach("far\nfarther")
    except OutOfReach:
        logger.error("raised", exc_info=True)
    first, second = log.reader()
    assert first.exc == {"type": "ValueError", "message": "x: y", "stacktrace": "ValueError: x: y"}
    assert second.exc is not None
    assert second.exc["stacktrace"].startswith("Traceback (most recent call last):")
    assert first.fields == second.fields == {}


def test_a_stack_ends_where_structlog_was_called(log: pr.Log) -> None:
    chained(log).info("here", stack_info=True)
    structlog.wrap_logger(RingLogger("app", log), processors=[structlog.stdlib.render_to_log_kwargs]).info(
        "and here", stack_info=True
    )
    for record in log.reader():
        last = record.fields["stack_info"].splitlines()[-2]
        assert last.endswith("in test_a_stack_ends_where_structlog_was_called"), last


@pytest.mark.parametrize("what", [RingProcessor, RingLoggerFactory, lambda log: RingLogger("app", log)])
def test_what_is_no_log_is_refused(what: Any) -> None:
    with pytest.raises(TypeError, match="log is a Log, or None for the default one, not str"):
        what("x")


def test_names_of_positional_arguments_are_hidden() -> None:
    with pr.Log(size="256 KiB", redact=["password"]) as log:
        logger = chained(log, wrapper_class=structlog.stdlib.BoundLogger)
        logger.info("%(user)s %(password)s", {"user": "ann", "password": "hunter2"})
        logger.info("%s of %s", {"password": "hunter2"}, 1)
        logger.info("%d", [{"password": "hunter2"}])
        assert [record.message for record in log.reader()] == [
            "ann [redacted]",
            "{'password': '[redacted]'} of 1",
            "%d",
        ]
        assert b"hunter2" not in bytes(log.snapshot().data)


@pytest.mark.parametrize(
    ("method", "level"),
    [("debug", 7), ("info", 6), ("warning", 4), ("warn", 4), ("error", 3), ("critical", 2), ("fatal", 2), ("msg", 6)],
)
def test_the_method_is_the_level(log: pr.Log, method: str, level: int) -> None:
    getattr(chained(log), method)("event")
    assert only(log).level == level


def test_a_number_is_the_standard_librarys_and_kept(log: pr.Log) -> None:
    logger = chained(
        log, structlog.stdlib.add_log_level_number, structlog.stdlib.add_log_level, wrapper_class=structlog.BoundLogger
    )
    logger.warning("event", k=1)
    record = only(log)
    assert (record.level, record.levelno, record.fields) == (pr.Level.WARNING, 30, {"k": 1})


def test_a_number_that_a_processor_gives_is_the_level(log: pr.Log) -> None:
    def notice(_logger: Any, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        return {**event_dict, "level_number": 25}

    chained(log, notice).info("event")
    assert (only(log).level, only(log).levelno) == (pr.Level.NOTICE, 25)


def test_below_the_logs_level_nothing_is_rendered(log: pr.Log) -> None:
    class Never:
        def __str__(self) -> str:
            raise SystemExit("rendered")

    log.level = pr.Level.WARNING
    chained(log).info("%s", positional_args=(Never(),), value=Never())
    assert log.stats()["emitted"] == 0


def test_a_filtering_logger_asks_no_processor_below_its_level(log: pr.Log) -> None:
    logger = chained(log, wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    logger.info("too little")
    logger.warning("%d of %d", 1, 2)
    logger.log(logging.ERROR, "by number")
    assert [(record.message, record.level) for record in log.reader()] == [
        ("1 of 2", pr.Level.WARNING),
        ("by number", pr.Level.ERROR),
    ]


def test_exceptions_arrive_as_such(log: pr.Log) -> None:
    logger = chained(log, wrapper_class=structlog.make_filtering_bound_logger(0))
    try:
        raise KeyError("k")
    except KeyError as error:
        logger.exception("first", n=1)
        logger.error("second", exc_info=error)
        logger.error("third", exc_info=(KeyError, error, error.__traceback__))
        chained(log, structlog.processors.format_exc_info).error("fourth", exc_info=True)
    logger.error("fifth", exc_info=True)
    *found, last = log.reader()
    assert [record.exc["type"] if record.exc else None for record in found] == ["KeyError"] * 4
    assert all(record.exc and "test_exceptions_arrive_as_such" in record.exc["stacktrace"] for record in found)
    assert found[0].fields == {"n": 1}
    assert (last.exc, last.fields) == (None, {})


def test_stacks_names_and_places_are_where_records_have_them(log: pr.Log) -> None:
    places = structlog.processors.CallsiteParameter
    logger = chained(
        log,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.CallsiteParameterAdder({places.PATHNAME, places.LINENO, places.FUNC_NAME, places.MODULE}),
    )
    logger.info("event", stack_info=True, logger="app.db")
    record = only(log)
    assert (record.logger, record.file) == ("app.db", __file__)
    assert record.func == "test_stacks_names_and_places_are_where_records_have_them"
    assert record.line
    assert set(record.fields) == {"stack_info", "module"}
    assert record.fields["stack_info"].startswith("Stack (most recent call last):")


def test_a_factory_gives_loggers_their_names(log: pr.Log) -> None:
    factory = RingLoggerFactory(log)
    logger = structlog.wrap_logger(factory("app.db"), processors=[])
    logger.info("paid", k=1)
    unnamed = structlog.wrap_logger(factory(), processors=[])
    unnamed.warning("no name")
    first, second = log.reader()
    assert (first.event, first.logger, first.level, first.fields) == ("paid", "app.db", pr.Level.INFO, {"k": 1})
    assert (second.logger, second.level) == (None, pr.Level.WARNING)


def test_what_a_renderer_makes_is_the_event(log: pr.Log) -> None:
    rendered = structlog.wrap_logger(
        RingLoggerFactory(log)("app"), processors=[structlog.processors.KeyValueRenderer(key_order=["event"])]
    )
    rendered.error("paid", k=1)
    assert (only(log).event, only(log).level) == ("event='paid' k=1", pr.Level.ERROR)


def test_the_loggers_of_the_standard_librarys_kind_work_too(log: pr.Log) -> None:
    log.level = pr.Level.INFO
    logger = structlog.wrap_logger(
        RingLogger("app", log),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.add_logger_name, RingProcessor(log)],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    logger.debug("too little")
    logger.info("%s took %d ms", "it", 12, code=200)
    logger.info("%d", "x")
    first, second = log.reader()
    assert (first.logger, first.event, first.message) == ("app", "%s took %d ms", "it took 12 ms")
    assert first.fields == {"code": 200}
    assert (second.message, second.fields["format_args"]) == ("%d", ["x"])
    with pytest.raises(AttributeError, match="no attribute 'shout'"):
        RingLogger("app", log).shout("event")


def test_odd_values_raise_nothing(log: pr.Log) -> None:
    class Raising:
        def __str__(self) -> str:
            raise RuntimeError("no text")

        __repr__ = __str__

    logger = chained(log)
    logger.info(Raising(), value=Raising(), logger=5, level="loud", level_number="high", exc_info="yes")
    logger.info("", lineno="x", pathname=None, func_name=None, message="mine", seq=1)
    logger.info("%s", positional_args=(Raising(),), stack_info=1)
    first, second, third = log.reader()
    assert first.event == "<unprintable Raising>"
    assert first.logger == "5"
    assert second.fields == {"message": "mine", "seq": 1}
    assert third.fields["format_error"] == "RuntimeError: no text"


def test_without_a_log_it_serves_the_default_one(default_log: pr.Log) -> None:
    structlog.wrap_logger(None, processors=[RingProcessor()]).info("event", a=1)
    RingLoggerFactory()("x").info("event")
    assert [record.event for record in default_log.reader()] == ["event", "event"]
    default_log.close()
    structlog.wrap_logger(None, processors=[RingProcessor()]).info("nobody hears this")
    RingLoggerFactory()("x").info("nobody hears this")
    assert not RingLogger("x").isEnabledFor(50)


def test_it_is_imported_by_nobody_but_who_asks() -> None:
    told = succeed("""
        import sys, logging, printk_ring as pr
        with pr.install(consoles=(), capture_logging=True, capture_warnings=True) as log:
            pr.get_logger("x").info("event")
            pr.RingHandler
        print([name for name in ("structlog", "loguru", "pytest", "_pytest") if name in sys.modules])
    """)
    assert told == "[]\n"


@pytest.mark.parametrize("value", [5, "text", {"a": 1}, None])
def test_a_field_that_is_called_like_arguments_is_a_field(log: pr.Log, value: Any) -> None:
    chained(log).info("%s", positional_args=value)
    record = only(log)
    assert record.message == "%s"
    assert record.fields == {"positional_args": value}


def test_a_renderer_may_make_bytes(log: pr.Log) -> None:
    def renderer(_: Any, __: str, event_dict: Any) -> bytes:
        return json.dumps(event_dict).encode()  # as orjson does

    structlog.wrap_logger(RingLogger("app", log), processors=[renderer]).info("paid", amount=2)
    assert only(log).event == '{"amount": 2, "event": "paid"}'


@pytest.mark.parametrize("event", [None, 5])
def test_an_event_of_any_type_is_one(log: pr.Log, event: object) -> None:
    chained(log).info(event)
    chained(log, wrapper_class=structlog.stdlib.BoundLogger).info(event)
    structlog.wrap_logger(RingLogger("app", log), processors=[]).info(event)
    RingLogger("app", log).info(event)
    assert [record.event for record in log.reader()] == [str(event)] * 4


def test_an_interruption_is_raised_when_the_record_is_stored(log: pr.Log) -> None:
    class Interrupts:
        def __str__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chained(log).error("got %s", positional_args=(Interrupts(),), user="ann")
    record = only(log)
    assert (record.event, record.level, record.fields) == ("got %s", pr.Level.ERROR, {"user": "ann"})

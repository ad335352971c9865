"""structlog's own way to the standard library, `ProcessorFormatter`, with a `RingHandler` among the handlers."""

from __future__ import annotations

import inspect
import logging
import logging.config
from typing import TYPE_CHECKING, Any

import pytest
import structlog

import printk_ring as pr
from printk_ring.integrations.structlog import RingLogger

if TYPE_CHECKING:
    from collections.abc import Iterator

WRAP = structlog.stdlib.ProcessorFormatter.wrap_for_formatter


@pytest.fixture
def handler(log: pr.Log) -> Iterator[pr.RingHandler]:
    """Of a logger that everything here goes to, and nothing else."""
    logger, handler = logging.getLogger("wrapped"), pr.RingHandler(log)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def _own_class() -> Iterator[None]:
    """structlog's factory gives all loggers that are made from then on a class of its own."""
    before = logging.getLoggerClass()
    yield
    logging.setLoggerClass(before)


def chained(*processors: Any, name: str = "wrapped.db") -> Any:
    logger = structlog.stdlib.LoggerFactory()(name)
    return structlog.wrap_logger(logger, processors=[*processors, WRAP], wrapper_class=structlog.stdlib.BoundLogger)


def only(log: pr.Log) -> pr.Record:
    [record] = log.reader()
    return record


@pytest.mark.usefixtures("handler")
def test_a_wrapped_event_dict_is_a_record_as_any_other(log: pr.Log) -> None:
    logger = chained(structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name).bind(user="ann")
    frame = inspect.currentframe()
    assert frame is not None
    line = frame.f_lineno + 1
    logger.warning("paid", amount=2.5, items=[1, {"k": None}])
    record = only(log)
    assert (record.event, record.message, record.level) == ("paid", "paid", pr.Level.WARNING)
    assert (record.logger, record.levelno) == ("wrapped.db", logging.WARNING)
    assert record.fields == {"user": "ann", "amount": 2.5, "items": [1, {"k": None}]}
    assert (record.file, record.line, record.func) == (__file__, line, frame.f_code.co_name)


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("processors", [(), (structlog.processors.format_exc_info,)])
def test_its_exception_is_the_records(log: pr.Log, processors: tuple[Any, ...]) -> None:
    try:
        raise ValueError("wrong")
    except ValueError:
        chained(*processors).exception("failed", order=3)
    record = only(log)
    assert record.exc is not None
    assert (record.exc["type"], record.exc["message"]) == ("ValueError", "wrong")
    assert 'raise ValueError("wrong")' in record.exc["stacktrace"]
    assert (record.event, record.fields) == ("failed", {"order": 3})


@pytest.mark.usefixtures("handler")
@pytest.mark.parametrize("processors", [(), (structlog.processors.StackInfoRenderer(),)])
def test_its_stack_ends_where_structlog_was_called(log: pr.Log, processors: tuple[Any, ...]) -> None:
    chained(*processors).info("here", stack_info=True)
    stack = only(log).fields["stack_info"]
    assert isinstance(stack, str)
    assert stack.rstrip().endswith('chained(*processors).info("here", stack_info=True)')


@pytest.mark.usefixtures("handler")
def test_its_positional_arguments_make_the_message(log: pr.Log) -> None:
    chained().info("%s took %d ms", "query", 12, rows=3)
    record = only(log)
    assert (record.event, record.message, record.fields) == ("%s took %d ms", "query took 12 ms", {"rows": 3})


@pytest.mark.usefixtures("handler")
def test_a_place_that_a_processor_has_put_in_is_the_records(log: pr.Log) -> None:
    chained(structlog.processors.CallsiteParameterAdder()).info("here")
    record = only(log)
    assert record.func == "test_a_place_that_a_processor_has_put_in_is_the_records"
    assert not {"pathname", "lineno", "func_name"} & record.fields.keys()


def test_the_formatter_that_it_was_wrapped_for_makes_the_message_and_nothing_else(
    log: pr.Log, handler: pr.RingHandler
) -> None:
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.processors.KeyValueRenderer()))
    try:
        raise ValueError("wrong")
    except ValueError:
        chained().exception("failed", order=3)
    logging.getLogger("wrapped.other").info("not of structlog", extra={"order": 4})
    first, second = log.reader()
    assert (first.event, first.fields) == ("failed", {"order": 3})
    assert first.message == "order=3 event='failed'"
    assert first.exc is not None
    assert (second.event, second.fields) == ("not of structlog", {"order": 4})
    assert second.message == "event='not of structlog'"


def test_other_handlers_are_given_what_structlog_made(log: pr.Log, handler: pr.RingHandler) -> None:
    given: list[logging.LogRecord] = []

    class Takes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            given.append(record)

    logger, takes = logging.getLogger("wrapped"), Takes()
    logger.addHandler(takes)
    try:
        chained().info("paid", amount=3, stack_info=True)
    finally:
        logger.removeHandler(takes)
    assert handler in logger.handlers
    assert given[0].msg == {"event": "paid", "amount": 3, "stack_info": True}
    assert only(log).event == "paid"


@pytest.mark.parametrize("renderer", [None, structlog.processors.JSONRenderer()])
def test_names_in_it_are_hidden(renderer: Any) -> None:
    with pr.Log(size="256 KiB", redact=["password"], consoles=()) as log:
        logger, handler = logging.getLogger("wrapped.hidden"), pr.RingHandler(log)
        if renderer is not None:
            handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer))
        logger.addHandler(handler)
        logger.propagate = False
        try:
            hidden = chained(name="wrapped.hidden")
            hidden.warning("sign in %(password)s", {"password": "xyzzy"}, password="plugh", user="ann")
        finally:
            logger.removeHandler(handler)
        record, held = only(log), bytes(log.snapshot().data)
    assert record.fields["user"] == "ann"
    assert "[redacted]" in record.message
    assert b"sign in" in held
    assert b"xyzzy" not in held
    assert b"plugh" not in held


@pytest.mark.usefixtures("handler")
def test_odd_ones_raise_nothing(log: pr.Log) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def without_event(_logger: Any, _name: str, event_dict: Any) -> Any:
        del event_dict["event"]
        return event_dict

    logger = logging.getLogger("wrapped.db")
    chained().info(Unprintable(), value=Unprintable())
    chained(without_event).info("left out", amount=3)
    logger.info({"event": "not wrapped"})
    logger.info({1: 2}, extra={"_logger": None, "_name": None})
    logger.info("text", extra={"_logger": logger, "_name": "info"})
    logger.info("%(event)s", {"event": "arguments"}, extra={"_logger": logger, "_name": "info"})
    events = [(record.event, record.fields) for record in log.reader()]
    assert events[0][0] == "<unprintable Unprintable>"
    assert events[1:] == [
        ("None", {"amount": 3}),
        ("{'event': 'not wrapped'}", {}),
        ("None", {"1": 2}),
        ("text", {"_logger": str(logger), "_name": "info"}),
        ("%(event)s", {"_logger": str(logger), "_name": "info"}),
    ]


@pytest.mark.usefixtures("handler")
def test_one_that_a_str_logs_is_stored_plainly(log: pr.Log) -> None:
    class Logs:
        def __str__(self) -> str:
            chained().info("inner", value=self)
            return "outer's"

    chained().info("outer %s", Logs())
    inner, outer = log.reader()
    assert (inner.event, inner.fields) == ("inner", {"value": "<Logs>"})
    assert outer.message == "outer outer's"


def test_a_logger_of_the_ring_takes_the_same_chains(log: pr.Log) -> None:
    logger = structlog.wrap_logger(RingLogger("app", log), processors=[WRAP])
    logger.info("paid", amount=3)
    record = only(log)
    assert (record.event, record.fields, record.logger) == ("paid", {"amount": 3}, "app")

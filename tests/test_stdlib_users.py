"""What programs do with the standard library's `logging` goes on working with a `RingHandler`, and nothing is patched."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import queue
import unittest
import warnings
from typing import TYPE_CHECKING, Any, Literal

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def only(log: pr.Log) -> pr.Record:
    [record] = log.reader()
    return record


def test_basic_config_takes_one(log: pr.Log, root: logging.Logger) -> None:
    logging.basicConfig(level="INFO", handlers=[pr.RingHandler(log)], format="<%(message)s>", force=True)
    logging.info("told %d", 1, extra={"k": [1, {"a": None}]})
    logging.debug("too little")
    record = only(log)
    assert (record.logger, record.event, record.message) == ("root", "told %d", "<told 1>")
    assert record.fields == {"k": [1, {"a": None}]}
    root.handlers.clear()


@pytest.mark.parametrize("style", ["%", "{", "$"])
def test_basic_config_without_a_format_leaves_the_message_alone(
    log: pr.Log, root: logging.Logger, style: Literal["%", "{", "$"]
) -> None:
    handler = pr.RingHandler(log)
    logging.basicConfig(level="INFO", handlers=[handler], style=style, force=True)
    logging.info("told %d", 1)
    record = only(log)
    assert (record.logger, record.event, record.message) == ("root", "told %d", "told 1")
    handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s", "%H"))
    assert handler.formatter is not None, "somebody asked for it"
    root.handlers.clear()


def test_a_dictionary_configures_level_filters_and_formatter(default_log: pr.Log, root: logging.Logger) -> None:
    class Only:
        def filter(self, record: logging.LogRecord) -> bool:
            return record.name.startswith("app")

    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"app": {"()": Only}},
            "formatters": {"long": {"format": "{name}: {message}", "style": "{"}},
            "handlers": {
                "ring": {"class": "printk_ring.RingHandler", "level": 25, "filters": ["app"], "formatter": "long"}
            },
            "root": {"handlers": ["ring"], "level": "DEBUG"},
        }
    )
    logging.getLogger("app.db").info("below the handler's level")
    logging.getLogger("library").error("not of the application")
    logging.getLogger("app.db").warning("kept")
    assert [record.message for record in default_log.reader()] == ["app.db: kept"]


def test_a_file_configures_one(default_log: pr.Log, root: logging.Logger, tmp_path: Any) -> None:
    path = tmp_path / "logging.ini"
    path.write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=ring\n[formatters]\nkeys=\n"
        "[logger_root]\nlevel=INFO\nhandlers=ring\n"
        "[handler_ring]\nclass=printk_ring.RingHandler\nlevel=WARNING\nargs=()\n"
    )
    logging.config.fileConfig(path, disable_existing_loggers=False)
    logging.getLogger("app").info("too little")
    logging.getLogger("app").warning("kept")
    assert only(default_log).message == "kept"


def test_an_adapters_context_are_fields(log: pr.Log) -> None:
    logger = logging.Logger("app")
    logger.addHandler(pr.RingHandler(log))
    adapter = logging.LoggerAdapter(logger, {"request": 5, "user": "ann"})
    adapter.warning("slow: %d ms", 12)
    try:
        raise KeyError("k")
    except KeyError:
        adapter.exception("failed")
    first, second = log.reader()
    assert (first.message, first.fields) == ("slow: 12 ms", {"request": 5, "user": "ann"})
    assert (first.func, first.file) == ("test_an_adapters_context_are_fields", __file__)
    assert second.exc is not None
    assert second.exc["type"] == "KeyError"


def test_an_exception_is_given_in_each_way_that_logging_knows(log: pr.Log) -> None:
    logger = logging.Logger("app")
    logger.addHandler(pr.RingHandler(log))
    error = ValueError("wrong")
    logger.error("an object", exc_info=error)
    logger.error("a triple", exc_info=(ValueError, error, None))
    logger.error("none under way", exc_info=True)
    logger.error("none", exc_info=None)
    found = [None if record.exc is None else record.exc["type"] for record in log.reader()]
    assert found == ["ValueError", "ValueError", None, None]


def test_filters_change_what_is_stored_and_keep_what_is_not_wanted_out(log: pr.Log) -> None:
    class Adds(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            record.request = 7
            record.args = tuple("***" if arg == "secret" else arg for arg in record.args or ())
            return record.levelno >= logging.WARNING

    logger, handler = logging.Logger("app"), pr.RingHandler(log)
    logger.addHandler(handler)
    handler.addFilter(Adds())
    logger.info("dropped")
    logger.warning("password %s", "secret")
    record = only(log)
    assert (record.message, record.fields) == ("password ***", {"request": 7})


def test_a_filter_of_the_logger_adds_fields_too(log: pr.Log) -> None:
    def adds(record: logging.LogRecord) -> bool:
        record.request = 7
        return True

    logger = logging.Logger("app")
    logger.addHandler(pr.RingHandler(log))
    logger.addFilter(adds)
    logger.warning("event", extra={"own": 1})
    assert only(log).fields == {"own": 1, "request": 7}


def test_captured_warnings_arrive(log: pr.Log) -> None:
    logger = logging.getLogger("py.warnings")
    handler, propagate = pr.RingHandler(log), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old", DeprecationWarning, stacklevel=1)
    finally:
        logging.captureWarnings(False)
        logger.removeHandler(handler)
        logger.propagate = propagate
    record = only(log)
    assert (record.logger, record.level) == ("py.warnings", pr.Level.WARNING)
    assert "DeprecationWarning: old" in record.message


def test_a_queue_carries_fields_place_and_exception(log: pr.Log) -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logger = logging.Logger("queued")
    logger.addHandler(logging.handlers.QueueHandler(records))
    listener = logging.handlers.QueueListener(records, pr.RingHandler(log), respect_handler_level=True)
    listener.start()
    logger.info("plain %s", 1, extra={"k": {"a": 1}})
    try:
        raise KeyError("k")
    except KeyError:
        logger.exception("failed")
    listener.stop()
    plain, failed = log.reader()
    assert (plain.message, plain.fields, plain.func) == (
        "plain 1",
        {"k": {"a": 1}},
        "test_a_queue_carries_fields_place_and_exception",
    )
    assert failed.message.startswith("failed\nTraceback")  # the queue's handler has made text of it
    assert failed.message.endswith("KeyError: 'k'")


def test_a_memory_handler_hands_on_to_one(log: pr.Log) -> None:
    logger = logging.Logger("buffered")
    buffer = logging.handlers.MemoryHandler(100, flushLevel=logging.ERROR, target=pr.RingHandler(log))
    logger.addHandler(buffer)
    logger.info("kept back", extra={"k": 1})
    assert list(log.reader()) == []
    logger.error("now")
    assert [(record.message, record.fields) for record in log.reader()] == [("kept back", {"k": 1}), ("now", {})]


def test_caplog_has_its_records_besides(ring_path: Any, caplog: pytest.LogCaptureFixture, root: logging.Logger) -> None:
    with pr.install(ring_path, consoles=(), capture_logging=True) as log, caplog.at_level(logging.DEBUG):
        logging.getLogger("app").debug("to both %d", 1, extra={"k": 1})
        assert caplog.record_tuples == [("app", logging.DEBUG, "to both 1")]
        [captured] = caplog.records
        assert (captured.args, vars(captured)["k"], captured.exc_text) == ((1,), 1, None)
        assert [record.message for record in log.reader() if record.logger == "app"] == ["to both 1"]


def test_assert_logs_has_its_records_and_the_ring_has_those_that_come_by(log: pr.Log) -> None:
    logger = logging.getLogger("app.tested")
    handler = pr.RingHandler(log)
    logger.addHandler(handler)
    case = unittest.TestCase()
    try:
        with case.assertLogs("app.tested", "INFO") as caught:
            logger.info("inside")
        with case.assertNoLogs("app.tested", "ERROR"):
            pass
        assert caught.output == ["INFO:app.tested:inside"]
        assert logger.handlers == [handler], "what assertLogs took away is back"
        logger.warning("outside")
    finally:
        logger.removeHandler(handler)
    assert only(log).message == "outside"


def test_nothing_of_the_standard_library_is_replaced() -> None:
    told = succeed("""
        import logging, logging.handlers, sys, threading, warnings

        def everything():
            found = {}
            for owner in (logging, logging.handlers, logging.Logger, logging.Handler, logging.LogRecord, logging.Manager,
                          logging.Formatter, logging.Filterer, logging.root.__class__, threading.Thread):
                found.update({(owner.__name__, name): id(value) for name, value in vars(owner).items()
                              if callable(value)})
            found["factory"] = id(logging.getLogRecordFactory())
            found["class"] = id(logging.getLoggerClass())
            found["raise"] = logging.raiseExceptions
            found["disable"] = logging.root.manager.disable
            found["level"] = logging.root.level
            found["names"] = dict(logging._nameToLevel)
            return found

        before = everything()
        import printk_ring as pr
        log = pr.install(consoles=[], capture_logging=True)
        logging.getLogger("app").warning("event")
        logger = logging.Logger("x")
        logger.addHandler(pr.RingHandler(log))
        logger.warning("event")
        changed = [name for name, value in everything().items() if before.get(name) != value]
        print(changed, sum(1 for record in log.reader() if record.event == "event"))
    """)
    assert told == "[] 2\n"


def test_levels_of_ones_own_have_the_level_below_and_their_number(log: pr.Log) -> None:
    logger = logging.Logger("app", 1)
    logger.addHandler(pr.RingHandler(log))
    for number in (1, 19, 21, 29, 31, 45, 55):
        logger.log(number, "event")
    assert [(record.levelno, record.level.name) for record in log.reader()] == [
        (1, "DEBUG"),
        (19, "DEBUG"),
        (21, "INFO"),
        (29, "NOTICE"),
        (31, "WARNING"),
        (45, "ERROR"),
        (55, "CRITICAL"),
    ]


def test_the_hint_about_the_roots_level_comes_once_and_only_where_records_are_hidden(
    tmp_path: Any, root: logging.Logger
) -> None:
    root.setLevel(logging.WARNING)
    with pr.install(tmp_path / "a.ring", level="WARNING", consoles=(), capture_logging=True) as log:
        assert list(log.reader()) == [], "the log itself stores nothing that root hides"
        assert root.level == logging.WARNING
    with pr.install(tmp_path / "b.ring", level="INFO", consoles=(), capture_logging=True) as log:
        for _ in range(3):
            pr.install(tmp_path / "b.ring", level="INFO", consoles=(), capture_logging=True)
            logging.getLogger("app").info("hidden")
        [hint] = log.reader()
        assert hint.event == "the root logger's level hides records that this log would store"
        assert root.level == logging.WARNING

"""The standard library's logging, stored by `RingHandler`."""

from __future__ import annotations

import contextlib
import copy
import decimal
import logging
import logging.config
import logging.handlers
import queue
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.interpreters import nested_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stdlib(log: pr.Log) -> Iterator[logging.Logger]:
    """A logger of the standard library whose only handler stores in the log."""
    logger = logging.Logger("demo.http", logging.DEBUG)
    logger.addHandler(pr.RingHandler(log))
    yield logger
    logger.handlers.clear()


def only(log: pr.Log) -> pr.Record:
    [record] = log.reader()
    return record


def test_a_record_arrives_with_all_it_says(log: pr.Log, stdlib: logging.Logger) -> None:
    stdlib.info("GET %s took %d ms", "/x", 12, extra={"code": 200, "peer": ("::1", 80)})
    record = only(log)
    assert (record.level, record.levelno, record.logger) == (pr.Level.INFO, 20, "demo.http")
    assert (record.event, record.message) == ("GET %s took %d ms", "GET /x took 12 ms")
    assert record.fields["code"] == 200
    assert list(record.fields["peer"]) == ["::1", 80]
    assert set(record.fields) == {"code", "peer"}
    assert record.file == __file__
    assert record.func == "test_a_record_arrives_with_all_it_says"
    assert record.line == test_a_record_arrives_with_all_it_says.__code__.co_firstlineno + 1


@pytest.mark.parametrize(
    ("number", "level"), [(5, 7), (10, 7), (15, 7), (20, 6), (25, 5), (30, 4), (35, 4), (40, 3), (50, 2), (70, 2)]
)
def test_numbers_are_the_standard_librarys(log: pr.Log, stdlib: logging.Logger, number: int, level: int) -> None:
    stdlib.setLevel(1)
    stdlib.log(number, "event")
    record = only(log)
    assert (record.level, record.levelno) == (level, number)


@pytest.mark.parametrize(
    ("number", "level", "kept"), [(2**31, 2, 2**31 - 1), (2**80, 2, 2**31 - 1), (-(2**80), 7, -(2**31))]
)
def test_a_number_beyond_all_others_is_the_nearest_that_a_record_holds(
    log: pr.Log, stdlib: logging.Logger, number: int, level: int, kept: int
) -> None:
    stdlib.handlers[0].handle(logging.LogRecord("std", number, "f.py", 1, "event", None, None))
    record = only(log)
    assert (record.level, record.levelno) == (level, kept)


@pytest.mark.parametrize(
    ("level", "number"),
    [
        ("info", 20),
        ("Warn", 30),
        ("notice", 25),
        ("EMERG", 50),
        ("notset", 0),
        (pr.Level.INFO, 20),
        (pr.Level.ALERT, 50),
        (15, 15),
        ("15", None),
        ("no such level", None),
        (1.5, None),
    ],
)
def test_a_handlers_level_is_a_name_in_any_case_or_the_standard_librarys_number(level: Any, number: int | None) -> None:
    if number is None:
        with pytest.raises((ValueError, TypeError), match=re.escape(f"{level!r}")):
            pr.RingHandler(level=level)
        return
    assert pr.RingHandler(level=level).level == number
    handler = pr.RingHandler()
    handler.setLevel(level)
    assert handler.level == number


def test_a_level_that_the_application_has_named_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(logging._nameToLevel, "Audit", 33)  # addLevelName, for this test alone
    assert pr.RingHandler(level="Audit").level == 33


def test_the_handlers_own_level_and_filters_apply(log: pr.Log, stdlib: logging.Logger) -> None:
    [handler] = stdlib.handlers
    handler.setLevel("WARNING")
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    stdlib.info("too little")
    stdlib.warning("a secret")
    stdlib.warning("told")
    assert only(log).event == "told"
    assert pr.RingHandler(log, logging.ERROR).level == logging.ERROR
    assert pr.RingHandler(log, "ERROR").level == logging.ERROR


def test_an_exception_arrives_as_such(log: pr.Log, stdlib: logging.Logger) -> None:
    try:
        raise KeyError("k")
    except KeyError:
        stdlib.exception("failed %d", 1)
    record = only(log)
    assert record.exc is not None
    assert (record.exc["type"], record.exc["message"]) == ("KeyError", "'k'")
    assert record.exc["stacktrace"].endswith("KeyError: 'k'")
    assert (record.message, record.fields) == ("failed 1", {})


def test_stack_info_and_stacklevel_arrive(log: pr.Log, stdlib: logging.Logger) -> None:
    def wrapper() -> None:
        stdlib.info("event", stack_info=True, stacklevel=2)

    wrapper()
    record = only(log)
    assert record.func == "test_stack_info_and_stacklevel_arrive"
    assert record.fields["stack_info"].startswith("Stack (most recent call last):")


def test_a_formatter_replaces_the_message_and_nothing_else(log: pr.Log, stdlib: logging.Logger) -> None:
    stdlib.handlers[0].setFormatter(logging.Formatter("%(levelname)s|%(name)s|%(message)s"))
    try:
        raise KeyError("k")
    except KeyError:
        stdlib.error("failed %s", "x", exc_info=True, stack_info=True, extra={"a": 1})
    record = only(log)
    assert record.message == "ERROR|demo.http|failed x"
    assert record.event == "failed %s"
    assert (record.logger, record.level, record.fields["a"]) == ("demo.http", pr.Level.ERROR, 1)
    assert record.exc is not None
    assert record.exc["type"] == "KeyError"


def test_a_format_of_a_derived_class_replaces_the_message_and_nothing_else(log: pr.Log) -> None:
    class Shouting(pr.RingHandler):
        def format(self, record: logging.LogRecord) -> str:
            return f"{super().format(record).upper()} {record.exc_info}"

    logger = logging.Logger("derived")
    for handler in (Shouting(log), pr.RingHandler(log)):
        logger.handlers = [handler]
        try:
            raise KeyError("k")
        except KeyError:
            logger.exception("%s went", "it", extra={"code": 1})
    shouted, plain = log.reader()
    assert (shouted.message, plain.message) == ("IT WENT None", "it went")
    assert shouted.event == plain.event == "%s went"
    assert shouted.fields == plain.fields == {"code": 1}
    assert shouted.exc == plain.exc
    logger.handlers[0].setFormatter(logging.Formatter("<%(message)s>"))
    logger.handlers[0].format = lambda record: "its own"  # type: ignore[method-assign]
    logger.info("x")
    assert list(log.reader())[-1].message == "its own"


def test_a_format_that_fails_costs_its_message_only(log: pr.Log) -> None:
    class Failing(pr.RingHandler):
        def format(self, record: logging.LogRecord) -> str:
            raise ValueError("no format")

    logger = logging.Logger("derived")
    logger.addHandler(Failing(log))
    logger.info("%s", "x")
    record = only(log)
    assert (record.event, record.message) == ("%s", "%s")
    assert record.fields == {"format_args": ["x"], "format_error": "ValueError: no format"}


def test_a_formatter_leaves_the_record_of_other_handlers_alone(log: pr.Log, stdlib: logging.Logger) -> None:
    seen: list[logging.LogRecord] = []

    class Other(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(copy.copy(record))

    stdlib.handlers[0].setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    stdlib.addHandler(Other())
    stdlib.error("failed", exc_info=KeyError("k"))
    [record] = seen
    assert record.exc_info is not None
    assert record.exc_text is None
    assert not hasattr(record, "asctime")
    assert only(log).message.endswith("failed")


@pytest.mark.parametrize(
    ("template", "args"), [("%d", ("x",)), ("%s %s", (1,)), ("none", (1, 2)), ("%(a)s", ({"b": 1},))]
)
def test_wrong_format_arguments_leave_the_template_and_the_arguments(
    log: pr.Log, stdlib: logging.Logger, template: str, args: tuple[object, ...]
) -> None:
    stdlib.info(template, *args, extra={"k": 1})
    record = only(log)
    assert (record.event, record.message, record.fields["k"]) == (template, template, 1)
    assert record.fields["format_error"]
    assert record.fields["format_args"]


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "args", [([1, "a"],), ({"a": 1},), ({},), ((1,), None), (decimal.Decimal("1.0"), "b"), (Unprintable(),)]
)
def test_arguments_that_do_not_fit_are_kept_as_a_logger_of_ours_keeps_them(
    log: pr.Log, stdlib: logging.Logger, args: tuple[Any, ...]
) -> None:
    stdlib.info("%(a)s %c", *args)
    log.get_logger().info("%(a)s %c", *args)
    theirs, ours = log.reader()
    assert theirs.fields == ours.fields
    assert type(theirs.fields["format_args"]) is list
    assert theirs.message == ours.message == "%(a)s %c"


def test_objects_that_resist_raise_nothing(log: pr.Log, stdlib: logging.Logger) -> None:
    stdlib.info(Unprintable())
    stdlib.info("argument %s", Unprintable())
    stdlib.info("extra", extra={"value": Unprintable(), "text": "a\udc80"})
    stdlib.info("cut", extra={"value": "x" * 1_000_000})
    first, second, third, fourth = log.reader()
    assert first.event == "<unprintable Unprintable>"
    assert second.event == "argument %s"
    assert third.fields == {"value": "<unprintable Unprintable>", "text": "a\ufffd"}
    assert fourth.truncated


def test_a_record_that_lacks_what_every_record_has_is_one_still(log: pr.Log, stdlib: logging.Logger) -> None:
    for missing in ("name", "msg", "args", "levelno", "pathname", "stack_info"):
        record = logging.LogRecord("app", logging.WARNING, "p", 1, "text", None, None)
        del record.__dict__[missing]
        record.extra = missing
        stdlib.handlers[0].emit(record)
    records = list(log.reader())
    assert [record.fields for record in records] == [
        {"extra": missing} for missing in ("name", "msg", "args", "levelno", "pathname", "stack_info")
    ]
    assert [record.event for record in records] == ["text", "", "text", "text", "text", "text"]


def test_a_level_that_is_true_is_the_number_one(log: pr.Log, stdlib: logging.Logger) -> None:
    class Odd(int):
        def __lt__(self, other: int) -> bool:
            raise RuntimeError("no order")

        __gt__ = __lt__

    stdlib.setLevel(1)
    stdlib.log(True, "yes")
    stdlib.handlers[0].emit(logging.LogRecord("app", Odd(30), "p", 1, "odd", None, None))
    assert [(one.event, one.levelno) for one in log.reader()] == [("yes", 1), ("odd", 30)]


def test_a_formatter_that_fails_costs_its_message_only(log: pr.Log, stdlib: logging.Logger) -> None:
    class Faulty(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            raise ZeroDivisionError("no")

    stdlib.handlers[0].setFormatter(Faulty())
    stdlib.info("event %d", 1, extra={"k": 2})
    record = only(log)
    assert (record.event, record.fields["k"], record.fields["format_error"]) == ("event %d", 2, "ZeroDivisionError: no")


@nested_logging
def test_an_object_that_logs_while_it_is_printed_is_stored_and_comes_to_an_end(
    log: pr.Log, stdlib: logging.Logger
) -> None:
    class Talkative:
        def __str__(self) -> str:
            stdlib.warning("printing %s", self, extra={"a": 1, "me": self})
            return "talkative"

    stdlib.info("event: %s", Talkative())
    inner, outer = log.reader()
    assert (inner.event, inner.message, inner.levelno) == ("printing %s", "printing <Talkative>", 30)
    assert inner.fields == {"a": 1, "me": "<Talkative>"}
    assert outer.message == "event: talkative"


def test_records_that_were_tampered_with_raise_nothing(log: pr.Log) -> None:
    handler = pr.RingHandler(log)
    odd: list[dict[str, Any]] = [
        {"levelno": "high"},
        {"levelno": None, "lineno": "twelve"},
        {"name": 5, "pathname": None, "funcName": 7},
        {"args": 5, "msg": "%s"},
        {"exc_info": (1, 2, 3)},
        {"exc_info": True},
        {"msg": None, "stack_info": 5},
        {"lineno": -(2**80)},
    ]
    for attributes in odd:
        handler.handle(logging.makeLogRecord({"msg": "event", **attributes}))
    assert log.stats()["emitted"] == len(odd)


def test_records_over_a_queue_keep_their_exception(log: pr.Log) -> None:
    records: queue.Queue[logging.LogRecord] = queue.Queue()
    logger = logging.Logger("queued", logging.DEBUG)
    logger.addHandler(logging.handlers.QueueHandler(records))
    listener = logging.handlers.QueueListener(records, pr.RingHandler(log))
    listener.start()
    try:
        raise KeyError("k")
    except KeyError:
        logger.exception("failed", extra={"a": 1})
    listener.stop()
    record = only(log)
    assert record.message.startswith("failed")
    assert "KeyError: 'k'" in str(record)
    assert record.fields["a"] == 1


def test_the_text_of_an_exception_that_came_alone_is_taken_apart(log: pr.Log) -> None:
    text = "Traceback (most recent call last):\nmod.Error: what: it said"
    pr.RingHandler(log).handle(logging.makeLogRecord({"msg": "event", "exc_text": text}))
    record = only(log)
    assert record.exc == {"type": "mod.Error", "message": "what: it said", "stacktrace": text}


def test_without_a_log_it_serves_the_default_one(default_log: pr.Log) -> None:
    logger = logging.Logger("late")
    logger.addHandler(pr.RingHandler())
    logger.warning("event")
    assert only(default_log).event == "event"
    default_log.close()
    logger.warning("nobody hears this")


def test_it_can_be_configured_by_a_dictionary(default_log: pr.Log) -> None:
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"short": {"format": "<%(message)s>"}},
        "handlers": {"ring": {"class": "printk_ring.RingHandler", "level": "INFO", "formatter": "short"}},
        "loggers": {"configured": {"handlers": ["ring"], "level": "DEBUG", "propagate": False}},
    }
    logging.config.dictConfig(config)
    logger = logging.getLogger("configured")
    try:
        logger.debug("too little")
        logger.info("enough")
        assert only(default_log).message == "<enough>"
    finally:
        logger.handlers.clear()


def test_it_holds_no_lock_while_it_stores(log: pr.Log, stdlib: logging.Logger) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow:
        def __str__(self) -> str:
            entered.set()
            assert leave.wait(60.0)
            return "slow"

    thread = threading.Thread(target=stdlib.info, args=("%s", Slow()))
    thread.start()
    assert entered.wait(60.0)
    stdlib.info("not held up")
    assert only(log).event == "not held up"
    leave.set()
    thread.join(60.0)
    assert [record.message for record in log.reader()] == ["not held up", "slow"]


@contextlib.contextmanager
def root_logger_put_back() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def test_capture_logging_adds_a_handler_and_leaves_levels_alone(ring_path: Any) -> None:
    with root_logger_put_back() as root:
        root.setLevel(logging.DEBUG)
        with pr.install(ring_path, consoles=(), capture_logging=True) as log:
            assert root.level == logging.DEBUG
            assert sum(isinstance(handler, pr.RingHandler) for handler in root.handlers) == 1
            pr.install(ring_path, consoles=(), capture_logging=True)
            logging.getLogger("some.library").debug("event")
            assert [record.event for record in log.reader() if record.logger == "some.library"] == ["event"]
            assert all(record.logger != "printk_ring" for record in log.reader())


def test_capture_logging_tells_once_when_the_roots_level_hides_records(ring_path: Any) -> None:
    with root_logger_put_back() as root:
        root.setLevel(logging.WARNING)
        with pr.install(ring_path, consoles=(), capture_logging=True) as log:
            pr.install(ring_path, consoles=(), capture_logging=True)
            record = only(log)
            assert record.logger == "printk_ring"
            assert record.fields == {"root_level": "WARNING", "log_level": "DEBUG"}


def test_a_new_default_log_takes_the_place_of_the_closed_one_at_the_root(tmp_path: Any) -> None:
    with root_logger_put_back() as root:
        root.setLevel(logging.DEBUG)
        for name in ("first.ring", "second.ring"):
            with pr.install(tmp_path / name, consoles=(), capture_logging=True) as log:
                assert sum(isinstance(handler, pr.RingHandler) for handler in root.handlers) == 1
                logging.getLogger("x").info(name)
                assert only(log).event == name


class Interrupts:
    """An argument whose text is never made."""

    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind

    def __str__(self) -> str:
        raise self.kind("from a __str__")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("plain", [True, False])
def test_an_interruption_is_raised_when_the_record_is_stored(
    log: pr.Log, stdlib: logging.Logger, kind: type[BaseException], plain: bool
) -> None:
    if not plain:
        stdlib.handlers[0].setFormatter(logging.Formatter("%(message)s"))
    with pytest.raises(kind):
        stdlib.error("got %s of %d", Interrupts(kind), 7, extra={"user": "ann", "what": Interrupts(kind)})
    record = only(log)
    assert (record.event, record.level, record.logger) == ("got %s of %d", pr.Level.ERROR, "demo.http")
    assert record.fields["user"] == "ann"
    assert record.file == __file__


def test_what_is_logged_from_within_a_filter_keeps_all_that_is_plain(log: pr.Log) -> None:
    handler, logger = pr.RingHandler(log), logging.Logger("demo")
    logger.addHandler(handler)

    def logs(record: logging.LogRecord) -> bool:
        if record.msg == "outer":
            handler.removeFilter(logs)  # and what follows is logged from inside of it
            try:
                raise LookupError("within")
            except LookupError:
                extra = {"user": "ann", "peer": ["::1"], "password": "hunter2"}
                logger.exception("inner %s %d", "x", 7, extra=extra, stack_info=True)
            logger.info("of %d", Interrupts(ValueError))
            logger.info("who: %(name)s", {"name": "ann"})
        return True

    handler.addFilter(logs)
    logger.info("outer")
    first, second, third, outer = log.reader()
    assert (first.event, first.message, first.level) == ("inner %s %d", "inner x 7", pr.Level.ERROR)
    assert first.fields["user"] == "ann"
    assert first.fields["peer"] == "<list>"
    assert first.fields["stack_info"].startswith("Stack (most recent call last):")
    assert (first.file, first.func, first.exc is not None and first.exc["type"]) == (__file__, "logs", "LookupError")
    assert (second.event, second.fields["format_args"]) == ("of %d", ["<Interrupts>"])
    assert third.message == "who: ann"
    assert outer.event == "outer"


def test_an_interruption_while_it_is_stored_leaves_one_record(log: pr.Log, stdlib: logging.Logger) -> None:
    stdlib.handlers[0].setFormatter(logging.Formatter("%(message)s"))
    with pytest.raises(KeyboardInterrupt):
        stdlib.error("event", extra={"what": Interrupts(KeyboardInterrupt)})
    assert only(log).event == "event"


def test_a_record_of_another_thread_or_process_says_so(log: pr.Log) -> None:
    """As `QueueListener` brings them, or whoever takes records from a socket."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logger = logging.Logger("demo")
    logger.addHandler(logging.handlers.QueueHandler(records))
    worker = threading.Thread(target=logger.info, args=("of %d", 1), name="worker")
    worker.start()
    worker.join()
    logger.info("own")
    handler = pr.RingHandler(log)
    first, own = records.get(), records.get()
    assert own.process is not None
    other = logging.makeLogRecord({**own.__dict__, "process": own.process + 1, "processName": "SpawnProcess-1"})
    unknown = logging.makeLogRecord({**own.__dict__, "process": None, "thread": None, "threadName": None})
    odd = logging.makeLogRecord({**own.__dict__, "process": "me", "thread": [], "threadName": {"a": 1}})
    odder = logging.makeLogRecord({**own.__dict__, "process": [1], "thread": {}})
    for record in (first, own, other, unknown, odd, odder):
        handler.handle(record)
    fields = [record.fields for record in log.reader()]
    assert fields[:2] == [{"threadName": "worker"}, {}]
    assert fields[2:4] == [{"process": own.process + 1, "processName": "SpawnProcess-1"}, {}]
    assert fields[5] == {"process": [1], "processName": "MainProcess"}
    assert fields[4] == {"process": "me", "processName": "MainProcess", "threadName": {"a": 1}}


def test_extra_may_have_a_task_name_where_logging_has_none(log: pr.Log, stdlib: logging.Logger) -> None:
    if "taskName" in logging.makeLogRecord({}).__dict__:
        pytest.skip("this logging has an attribute of that name, and refuses it in extra")
    stdlib.info("event", extra={"taskName": "import"})
    stdlib.info("event", extra={"taskName": "import", "more": [1]}, stack_info=True)
    assert [record.fields["taskName"] for record in log.reader()] == ["import", "import"]

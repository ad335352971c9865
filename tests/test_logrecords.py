"""LogRecords of our records, for Formatters and handlers: attribute by attribute what `logging` makes of the same call."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import string
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
import printk_ring.logrecords
from printk_ring.logrecords import log_record
from tests.children import succeed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 30.0
# Those of a record's making, by the clock of each; and what only the interpreter that raised can have.
TIMES = ("created", "msecs", "relativeCreated")
NEVER = ("exc_info", "exc_text", "taskName")


class Kept(logging.Handler):
    """A handler that keeps what it is given, and what a Formatter makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(filename)s:%(lineno)d %(funcName)s %(message)s"))
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.texts.append(self.format(record))


class Both:
    """The same call to `logging` and to a log of ours, which hands its record to a handler in turn."""

    def __init__(self, log: pr.Log, front: str) -> None:
        self.log = log
        self.theirs, self.ours = Kept(), Kept()
        self.stdlib = logging.Logger("app.db", logging.DEBUG)
        self.stdlib.addHandler(self.theirs)
        self.console = log.add_console(pr.sinks.handler(self.ours), level="DEBUG", name="kept")
        self.loggers: list[Any] = [self.stdlib]
        if front == "native":
            self.loggers.append(log.get_logger("app.db"))
        else:
            self.stdlib.addHandler(pr.RingHandler(log))

    def compared(self, *, some_rendered: bool = False) -> list[tuple[logging.LogRecord, logging.LogRecord]]:
        """Their record and ours, of each call; all that can be equal is. `some_rendered`: by the call."""
        assert self.log.flush(timeout=PATIENCE)
        pairs = list(zip(self.theirs.records, self.ours.records, strict=True))
        for theirs, ours in pairs:
            assert set(vars(ours)) == set(vars(theirs))
            was_rendered = some_rendered and of(ours) == (theirs.getMessage(), ())
            for name, value in vars(theirs).items():
                if name not in TIMES + NEVER + (("msg", "args") if was_rendered else ()):
                    assert repr(vars(ours)[name]) == repr(value), name
                    assert type(vars(ours)[name]) is type(value), name
            assert ours.getMessage() == theirs.getMessage()
            assert abs(ours.created - theirs.created) < 60.0
            assert ours.msecs.is_integer()
            assert 0.0 <= (ours.created * 1000 - ours.msecs + 0.01) % 1000 < 1.02
            since = theirs.created - theirs.relativeCreated / 1000  # when logging was imported
            assert abs(ours.created - ours.relativeCreated / 1000 - since) < 0.01
        assert self.ours.texts == self.theirs.texts
        return pairs


@pytest.fixture(params=["native", "stdlib"])
def both(request: pytest.FixtureRequest, log: pr.Log) -> Iterator[Both]:
    """Calls by our own logger, and by one of the standard library's that has a `RingHandler`."""
    both = Both(log, request.param)
    yield both
    both.stdlib.handlers.clear()


def of(record: logging.LogRecord) -> tuple[object, object]:
    """Message and arguments."""
    return record.msg, record.args


def test_arguments_come_back_typed_beside_their_template(both: Both) -> None:
    args = ("text", 7, 2.5, True, None, b"bytes")
    for logger in both.loggers:
        logger.warning("%s %d %.1f %s %s %r", *args)
    [(_, ours)] = both.compared()
    assert of(ours) == ("%s %d %.1f %s %s %r", args)


def test_a_mapping_is_the_arguments_where_it_is_the_only_one(both: Both) -> None:
    given = {"user": "ann", "count": 3, "unused": 2.5}
    for logger in both.loggers:
        logger.info("%(user)s has %(count)d", given)
    [(_, ours)] = both.compared()
    assert of(ours) == ("%(user)s has %(count)d", given)
    assert list(ours.args or ()) == list(given)


def test_an_event_without_arguments_is_no_template(both: Both) -> None:
    for logger in both.loggers:
        logger.info("100% %s %(name)s")
        logger.info("")
    assert [of(ours) for _, ours in both.compared()] == [("100% %s %(name)s", ()), ("", ())]


def test_what_the_call_has_rendered_stays_as_it_is(both: Both) -> None:
    for logger in both.loggers:
        logger.info("object %s", Ellipsis)
        logger.info("large %d", 1 << 80)
        logger.info("many %s%s%s%s%s%s%s%s%s", *"abcdefghi")
    assert both.log.flush(timeout=PATIENCE)
    assert [of(ours) for ours in both.ours.records] == [
        ("object Ellipsis", ()),
        (f"large {1 << 80}", ()),
        ("many abcdefghi", ()),
    ]
    assert both.ours.texts == both.theirs.texts


def test_calls_that_are_made_in_full_keep_their_arguments_too(both: Both) -> None:
    for logger in both.loggers:
        logger.info("with extra %s", "x", extra={"user": "ann", "n": 1})
        logger.info("with a stack %d", 5, stack_info=True)
        logger.info("from outside %(n)d", {"n": 1}, stacklevel=2)
        try:
            raise ValueError("no")
        except ValueError:
            logger.exception("failed after %d of %s", 3, "ten")
            logger.error("failed again %s", None, exc_info=True)
    pairs = both.compared()
    assert [of(ours) for _, ours in pairs] == [
        ("with extra %s", ("x",)),
        ("with a stack %d", (5,)),
        ("from outside %(n)d", {"n": 1}),
        ("failed after %d of %s", (3, "ten")),
        ("failed again %s", (None,)),
    ]
    for theirs, ours in pairs[3:]:
        assert ours.exc_info is None
        assert theirs.exc_info
        assert ours.exc_text == logging.Formatter().formatException(theirs.exc_info)
    assert [record.message for record in both.log.reader()] == [theirs.getMessage() for theirs, _ in pairs]


def test_levels_are_numbers_of_the_standard_library_with_its_names(both: Both) -> None:
    logging.addLevelName(36, "LOUD")
    for logger in both.loggers:
        for levelno in (10, 15, 20, 25, 30, 36, 40, 47, 50, 90):
            logger.log(levelno, "at %d", levelno)
    found = [(ours.levelno, ours.levelname) for _, ours in both.compared()]
    assert found[1] == (15, "Level 15")
    assert found[5] == (36, "LOUD")


def test_a_level_of_ours_that_logging_does_not_know_has_its_name(log: pr.Log) -> None:
    log.get_logger("app").notice("event")
    made = log_record(next(log.reader()))
    assert (made.levelno, made.levelname) == (25, "NOTICE")


def test_files_of_any_name_have_the_module_that_logging_gives_them(both: Both) -> None:
    names: dict[str, Any] = {}
    for file in ("plain.py", "/a/b.c/d.tar.gz", ".hidden", "dot.", "<stdin>", "/a/dir/", "no suffix"):
        exec(compile("def f(logger): logger.info('here')", file, "exec"), names)
        for logger in both.loggers:
            names["f"](logger)
    assert [ours.module for _, ours in both.compared()] == [
        "plain",
        "d.tar",
        ".hidden",
        "dot",
        "<stdin>",
        "",
        "no suffix",
    ]


def test_records_of_other_threads_name_them(both: Both) -> None:
    def work(number: int) -> None:
        for logger in both.loggers:
            logger.info("from %d", number)
        assert both.log.flush(timeout=PATIENCE)  # while it is alive

    for number in range(3):
        thread = threading.Thread(target=work, args=(number,), name=f"worker {number}")
        thread.start()
        thread.join()
    assert [ours.threadName for _, ours in both.compared()] == ["worker 0", "worker 1", "worker 2"]


def in_a_thread(name: str, work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work, name=name)
    thread.start()
    thread.join()


def test_records_of_threads_that_have_ended_name_them(both: Both) -> None:
    both.log.suspend()

    def work() -> None:
        for logger in both.loggers:
            logger.info("once")
            logger.info("from %d", 7)

    for number in range(3):
        in_a_thread(f"worker {number}", work)
    both.log.resume()
    compared = both.compared()
    assert [ours.threadName for _, ours in compared] == ["worker 0"] * 2 + ["worker 1"] * 2 + ["worker 2"] * 2
    assert all(theirs.thread == ours.thread for theirs, ours in compared)


def test_a_thread_that_logged_before_anybody_wanted_names_tells_its_own_at_its_next_call(tmp_path: Path) -> None:
    code = """
import logging, sys, threading
import printk_ring as pr

log = pr.Log(sys.argv[1], size="256 KiB")
logger = log.get_logger("app")
has_logged, has_console = threading.Event(), threading.Event()

def work():
    logger.info("before")
    has_logged.set()
    has_console.wait()
    logger.info("behind")

thread = threading.Thread(target=work, name="worker")
thread.start()
has_logged.wait()
console = log.add_console(pr.sinks.stdout(), format=logging.Formatter("%(threadName)s: %(message)s"))
log.suspend()
has_console.set()
thread.join()
log.resume()
log.close()
"""
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "ring")], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stderr == ""
    assert found.stdout == "worker: behind\n"


def test_names_of_the_last_1024_threads_are_kept(log: pr.Log) -> None:
    kept = Kept()
    log.add_console(pr.sinks.handler(kept), level="DEBUG", name="kept")
    log.suspend()
    logger = log.get_logger()
    for number in range(1100):
        in_a_thread(f"worker {number}", lambda: logger.info("once"))
    names = printk_ring.logrecords._names
    assert len(names) == 1024
    log.resume()
    assert log.flush(timeout=PATIENCE)
    found = [record.threadName for record in kept.records]
    assert found[-1000:] == [f"worker {number}" for number in range(100, 1100)]
    assert all(name is not None and name.startswith("tid ") for name in found[:50])


def test_a_thread_that_threading_does_not_know_has_its_number() -> None:
    """In a process of its own: `threading` never forgets threads that others have made, and their numbers come again."""
    succeed("""
        import _thread, logging, threading
        import printk_ring as pr

        class Kept(logging.Handler):
            records = []

            def emit(self, record):
                self.records.append(record)

        log = pr.Log()
        log.add_console(pr.sinks.handler(Kept()), level="DEBUG")
        done = threading.Event()

        def work():
            log.get_logger().info("once")
            done.set()

        _thread.start_new_thread(work, ())
        assert done.wait(30) and log.flush(timeout=30)
        [record] = Kept.records
        assert record.threadName == f"tid {record.thread}", record.threadName
    """)


def test_the_name_of_a_thread_of_a_forked_child_is_its_own(tmp_path: Path) -> None:
    code = """
import logging, os, sys, threading
import printk_ring as pr

log = pr.install(sys.argv[1], size="256 KiB", consoles=[], signals=())
log.add_console(pr.sinks.stdout(), format=logging.Formatter("%(process)d %(threadName)s: %(message)s"))
pr.get_logger().info("parent")
log.flush()
pid = os.fork()
if pid == 0:
    def work():
        pr.get_logger().info("child")
    log.suspend()
    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()
    pr.get_logger().info("main")
    log.resume()
    log.flush()
    os._exit(0)
os.waitpid(pid, 0)
print(pid)
"""
    found = subprocess.run(
        [sys.executable, "-W", "ignore:This process", "-c", code, str(tmp_path / "ring")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert found.stderr == ""
    *lines, pid = found.stdout.splitlines()
    assert f"{pid} worker: child" in lines
    assert f"{pid} MainThread: main" in lines


def test_times_are_those_of_the_call_however_late_it_is_printed(both: Both) -> None:
    both.console.suspend()
    for logger in both.loggers:
        logger.info("early")
    called = time.time()
    time.sleep(0.1)
    both.console.resume()
    [(_, ours)] = both.compared()
    assert ours.created < called + 0.05


def test_records_of_tasks_have_all_attributes_but_the_tasks_name(both: Both) -> None:
    async def work() -> None:
        for logger in both.loggers:
            logger.info("from a task")

    asyncio.run(work())
    [(_, ours)] = both.compared()
    assert getattr(ours, "taskName", None) is None
    assert hasattr(ours, "taskName") == (sys.version_info >= (3, 12))


def random_value(source: random.Random) -> object:
    texts = ["", "plain", "with blank", "ümlaut ☃ 🎉", "100%", "a\nb", "\x1b[0m"]
    numbers = [0, -1, 7, 1 << 40, -(1 << 63), (1 << 63) - 1]
    floats = [0.0, -2.5, 1e300, math.inf, -math.inf, math.nan]
    return source.choice([*texts, *numbers, *floats, True, False, None, b"", b"\xff\x00"])


def test_any_call_gives_the_record_that_logging_gives_it(both: Both) -> None:
    source = random.Random(20261122)
    for number in range(400):
        count = source.randrange(9)
        args = [random_value(source) for _ in range(count)]
        conversions = source.choices(["%s", "%r", "%10.3s", "%-8s", "%a", "%%"], k=12)
        template = ""
        for conversion in conversions:
            template += source.choice(["", "x ", "é:"])
            template += conversion if conversion == "%%" else ""
        template += "".join(source.choice(["%s", "%r", "%.4s", "%5a"]) for _ in args)
        if source.random() < 0.3 and args:
            named = dict(zip(string.ascii_lowercase, args, strict=False))
            template = " ".join(f"%({key})s" for key in named)
            args = [named]
        options: dict[str, Any] = {}
        if source.random() < 0.3:
            options["extra"] = {f"field_{n}": random_value(source) for n in range(source.randrange(1, 4))}
        if source.random() < 0.1:
            options["stack_info"] = True
        levelno = source.choice([10, 20, 25, 30, 40, 50, 12])
        for logger in both.loggers:
            logger.log(levelno, template, *args, **options)
        if number % 100 == 99:
            assert both.log.flush(timeout=PATIENCE)
    pairs = both.compared(some_rendered=True)
    kept = sum(bool(ours.args) for _, ours in pairs)
    assert kept > 0.7 * sum(bool(theirs.args) for theirs, _ in pairs)
    assert len(pairs) == 400


def test_a_record_that_was_cut_is_no_template(log: pr.Log) -> None:
    log.get_logger().info("%s" + "x" * 40_000 + "%s", "a", "b")
    log.get_logger().info("%s and %s", "a" * 40_000, "b" * 40_000)
    for record in log.reader():
        made = log_record(record)
        assert record.truncated
        assert (made.msg, made.args, made.getMessage()) == (record.message, (), record.message)


def test_arguments_that_redaction_looks_into_are_rendered_at_the_call() -> None:
    import re  # noqa: PLC0415 - for this one test

    with pr.Log(size="256 KiB", redact=[re.compile("secret")]) as log:
        log.get_logger().error("%s", "a secret", exc_info=ValueError("no"))
        stdlib = logging.Logger("app")
        stdlib.addHandler(pr.RingHandler(log))
        stdlib.error("%(it)s", {"it": "a secret"})
        for record in log.reader():
            made = log_record(record)
            assert (made.msg, made.args) == ("a [redacted]", ())


def test_a_records_own_message_wins_over_its_template(log: pr.Log) -> None:
    class Braces(logging.LogRecord):
        def getMessage(self) -> str:  # noqa: N802 - the name is logging's
            return str(self.msg).format(*(self.args or ()))

    stdlib = logging.Logger("app")
    stdlib.addHandler(pr.RingHandler(log))
    stdlib.handle(Braces("app", 20, __file__, 1, "{} of %s", ("one",), None))
    made = log_record(next(log.reader()))
    assert (made.msg, made.args) == ("one of %s", ())


def test_a_factory_gets_what_logging_would_give_it(log: pr.Log) -> None:
    calls: list[tuple[Any, ...]] = []
    before: Callable[..., logging.LogRecord] = logging.getLogRecordFactory()

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
        calls.append(args)
        return before(*args, **kwargs)

    logging.setLogRecordFactory(factory)
    try:
        log.get_logger("app").info("%d left", 3)
        log_record(next(log.reader()))
    finally:
        logging.setLogRecordFactory(before)
    [(name, levelno, pathname, lineno, msg, args, exc_info, func, sinfo)] = calls
    assert (name, levelno, pathname, msg, args, exc_info, sinfo) == ("app", 20, __file__, "%d left", (3,), None, None)
    assert lineno > 0
    assert func == "test_a_factory_gets_what_logging_would_give_it"


def test_an_argument_forges_nothing_that_a_formatter_takes_from_it_alone(log: pr.Log, tmp_path: Path) -> None:
    class Arguments(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            assert isinstance(record.args, tuple)
            return f"INFO {record.getMessage()} of {record.args[0]}"

    log.add_console(pr.sinks.file(tmp_path / "out"), format=Arguments())
    log.get_logger().info("%.3s", "abc\nINFO forged \x1b[2J")
    assert log.flush(timeout=PATIENCE)
    assert (tmp_path / "out").read_text("utf-8") == "INFO abc of abc\n| INFO forged \\x1b[2J\n"


def test_a_name_of_an_argument_forges_nothing_that_a_formatter_takes_from_it_alone(log: pr.Log, tmp_path: Path) -> None:
    class Names(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            assert isinstance(record.args, dict)
            return f"INFO {record.getMessage()} of {', '.join(record.args)}"

    log.add_console(pr.sinks.file(tmp_path / "out"), format=Names())
    log.get_logger().info("%(a)s", {"a": 1, "b\nINFO forged \x1b[2J": 2})
    assert log.flush(timeout=PATIENCE)
    assert (tmp_path / "out").read_text("utf-8") == "INFO 1 of a, b\n| INFO forged \\x1b[2J\n"

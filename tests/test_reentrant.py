"""Log calls from within other ones: stored, never waiting, and dropped only from too deep."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import succeed, wait_until
from tests.interpreters import nested_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 30.0


@pytest.fixture
def stdlib(log: pr.Log) -> Iterator[logging.Logger]:
    """A logger of the standard library that logs into the log, and nowhere else."""
    logger = logging.Logger("stdlib")
    logger.addHandler(pr.RingHandler(log))
    yield logger
    logger.handlers.clear()


class Nested:
    """Logs the next one within, `left` times."""

    def __init__(self, logger: pr.Logger, left: int) -> None:
        self.logger = logger
        self.left = left

    def __str__(self) -> str:
        if self.left:
            self.logger.info("within", left=self.left, next=Nested(self.logger, self.left - 1))
        return f"nested {self.left}"


class Talkative:
    """Logs when it is printed, by a call of the short way."""

    def __init__(self, talk: Callable[[], object]) -> None:
        self.talk = talk

    def __str__(self) -> str:
        self.talk()
        return "talkative"


def test_four_calls_within_each_other_are_stored_and_deeper_ones_are_dropped_and_counted(log: pr.Log) -> None:
    logger = log.get_logger()
    logger.info("outermost", next=Nested(logger, 9))
    assert [record.fields.get("left") for record in log.reader()] == [7, 8, 9, None]
    assert log.stats()["recursion_dropped"] == 1, "the fifth never came to print what is in it"
    logger.info("again", next=Nested(logger, 3))
    assert log.stats()["recursion_dropped"] == 1
    assert log.stats()["emitted"] == 8


def test_an_object_that_logs_itself_for_ever_comes_to_an_end(log: pr.Log) -> None:
    logger = log.get_logger()

    class Endless:
        def __str__(self) -> str:
            logger.info("once more", endless=self)
            return "endless"

        __repr__ = __str__

    logger.info("%s", Endless())
    logger.info(Endless())
    logger.info("event", endless=[Endless()])
    assert log.stats()["emitted"] == 12
    assert log.stats()["recursion_dropped"] == 3


def test_what_runs_in_the_middle_of_a_call_may_log(log: pr.Log) -> None:
    logger = log.get_logger()

    class Dying:
        def __del__(self) -> None:
            logger.info("finalizer")

    class Watched:
        pass

    watched: Any = Watched()
    reference = weakref.ref(watched, lambda _: logger.info("weak reference"))
    garbage: list[Any] = [Dying(), watched]
    del watched

    def let_go() -> None:
        logger.info("printing")
        garbage.clear()

    logger.info("event", talkative=Talkative(let_go))
    assert reference() is None
    first, *between, last = [record.event for record in log.reader()]
    assert (first, set(between), last) == ("printing", {"finalizer", "weak reference"}, "event")
    assert log.stats()["recursion_dropped"] == 0


def test_what_the_collector_runs_in_the_middle_of_a_call_may_log(log: pr.Log) -> None:
    logger = log.get_logger()

    class Dying:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            logger.info("finalizer")

    gc.collect()
    Dying()
    logger.info("event", talkative=Talkative(gc.collect))
    assert [record.event for record in log.reader()] == ["finalizer", "event"]


# --- the standard library --------------------------------------------------------------------------------------------


@nested_logging
def test_a_filter_that_logs_through_its_own_handler_comes_to_an_end(log: pr.Log, stdlib: logging.Logger) -> None:
    def chatty(record: logging.LogRecord) -> bool:
        stdlib.warning("filtering %s", record.msg)
        return True

    stdlib.handlers[0].addFilter(chatty)
    stdlib.info("event")
    assert [record.event for record in log.reader()] == ["filtering %s", "event"]
    assert log.stats()["recursion_dropped"] == 0


@nested_logging
def test_a_filter_that_logs_through_its_own_logger_comes_to_an_end(log: pr.Log, stdlib: logging.Logger) -> None:
    depth = 0

    def chatty(record: logging.LogRecord) -> bool:
        nonlocal depth
        depth += 1
        if depth < 30:  # of itself the standard library would go on until its stack is full
            stdlib.warning("filtering")
        depth -= 1
        return True

    stdlib.addFilter(chatty)
    stdlib.info("event")
    events = [record.event for record in log.reader()]
    assert events[-1] == "event"
    assert set(events[:-1]) == {"filtering"}


@nested_logging
def test_a_formatter_that_logs_in_both_ways_comes_to_an_end(log: pr.Log, stdlib: logging.Logger) -> None:
    class Chatty(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            stdlib.warning("formatting")
            log.get_logger("own").info("formatting too")
            return "formatted"

    stdlib.handlers[0].setFormatter(Chatty())
    stdlib.info("event")
    assert [record.event for record in log.reader()] == ["formatting", "formatting too", "event"]
    assert list(log.reader())[-1].message == "formatted"


@nested_logging
def test_two_handlers_that_log_into_each_other_are_cut_off_and_counted(tmp_path: Path) -> None:
    with pr.Log(size="256 KiB") as first, pr.Log(size="256 KiB") as second:
        loggers = {log: logging.Logger("stdlib") for log in (first, second)}

        def chatty(other: pr.Log) -> Callable[[logging.LogRecord], bool]:
            def talk(record: logging.LogRecord) -> bool:
                loggers[other].info("to the other")
                return True

            return talk

        for log, other in ((first, second), (second, first)):
            loggers[log].addHandler(pr.RingHandler(log))
            loggers[log].handlers[0].addFilter(chatty(other))
        loggers[first].info("event")
        emitted = [log.stats()["emitted"] for log in (first, second)]
        assert emitted == [2, 1]
        assert [record.event for record in first.reader()] == ["to the other", "event"]


def test_what_is_logged_in_a_filter_or_a_formatter_never_waits(tmp_path: Path) -> None:
    calls = 20_000
    with pr.Log(size="256 KiB") as log:
        console = log.add_console(pr.sinks.file(tmp_path / "out"), overflow="block", block_timeout=float("inf"))
        handler = pr.RingHandler(log)
        talked = [False, False]

        def talk(which: int) -> None:
            if not talked[which]:
                talked[which] = True
                console.suspend()
                console.resume()  # a blocking console: who may wait, waits for it
                for number in range(calls):
                    log.get_logger("within").info("talk", number=number)

        class Chatty(logging.Formatter):
            def format(self, record: logging.LogRecord) -> str:
                talk(0)
                return "formatted"

        def chatty(record: logging.LogRecord) -> bool:
            talk(1)
            return True

        handler.setFormatter(Chatty())
        handler.addFilter(chatty)
        with log.report():  # which holds up whoever may wait, of other threads
            thread = threading.Thread(target=lambda: handler.handle(logging.makeLogRecord({"msg": "event"})))
            thread.start()
            thread.join()
        assert log.stats()["report_timeouts"] == 1, "the handler's own record waits, what is logged in it does not"
        assert log.stats()["emitted"] == 2 * calls + 1


# --- hooks -----------------------------------------------------------------------------------------------------------


def test_exception_hooks_may_log(log: pr.Log, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = log.get_logger()
    monkeypatch.setattr(threading, "excepthook", lambda hook: logger.error("thread", exc_info=hook.exc_value))
    monkeypatch.setattr(sys, "unraisablehook", lambda hook: logger.error("unraisable", exc_info=hook.exc_value))

    class Faulty:
        def __del__(self) -> None:
            raise ValueError("in a finalizer")

    def fail() -> None:
        raise KeyError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    garbage = [Faulty()]
    logger.info("event", talkative=Talkative(garbage.clear))
    found = [(record.event, record.exc and record.exc["type"]) for record in log.reader()]
    assert found == [("thread", "KeyError"), ("unraisable", "ValueError"), ("event", None)]


def test_a_signal_handler_that_comes_while_a_call_waits_is_stored_at_once(log: pr.Log) -> None:
    entered, told = threading.Event(), threading.Event()

    def report() -> None:
        with log.report():
            entered.set()
            told.wait(PATIENCE)

    class Interrupting:
        def __str__(self) -> str:
            os.kill(os.getpid(), signal.SIGUSR1)
            return "interrupting"

    def handler(number: int, frame: object) -> None:
        log.get_logger().info("handler")

    thread = threading.Thread(target=report)
    thread.start()
    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        assert entered.wait(PATIENCE)
        log.get_logger().info("event", interrupting=Interrupting())
        assert log.stats()["report_timeouts"] == 1, "the call waits, its handler does not"
        os.kill(os.getpid(), signal.SIGUSR1)
        wait_until(lambda: log.stats()["emitted"] == 3, "the handler has run")
        assert log.stats()["report_timeouts"] == 1, "nor a handler that comes at any other time"
    finally:
        signal.signal(signal.SIGUSR1, previous)
        told.set()
        thread.join()
    assert [record.event for record in log.reader()] == ["handler", "event", "handler"]


@pytest.mark.parametrize("kind", ["function", "method", "callable", "partial"])
def test_handlers_of_every_kind_are_known(log: pr.Log, kind: str) -> None:
    def function(number: int, frame: object) -> None:
        log.get_logger().info("handler")

    class Handler:
        def method(self, number: int, frame: object) -> None:
            function(number, frame)

        __call__ = method

    kinds: dict[str, Any] = {
        "function": function,
        "method": Handler().method,
        "callable": Handler(),
        "partial": partial(partial(function)),
    }
    section = log.report()
    thread_is_done = threading.Event()

    def report() -> None:
        with section:
            entered.set()
            thread_is_done.wait(PATIENCE)

    entered = threading.Event()
    thread = threading.Thread(target=report)
    thread.start()
    assert entered.wait(PATIENCE)
    previous = signal.signal(signal.SIGUSR1, kinds[kind])
    try:
        signal.raise_signal(signal.SIGUSR1)
        assert log.stats()["emitted"] == 1
        assert log.stats()["report_timeouts"] == 0
        log.get_logger().info("ordinary")
        assert log.stats()["report_timeouts"] == 1
    finally:
        signal.signal(signal.SIGUSR1, previous)
        thread_is_done.set()
        thread.join()


def test_a_finalizer_does_not_wait_wherever_it_comes(log: pr.Log) -> None:
    class Dying:
        def __del__(self) -> None:
            log.get_logger().info("finalizer")

    entered, done = threading.Event(), threading.Event()

    def report() -> None:
        with log.report():
            entered.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=report)
    thread.start()
    assert entered.wait(PATIENCE)
    Dying()
    assert (log.stats()["emitted"], log.stats()["report_timeouts"]) == (1, 0)
    done.set()
    thread.join()


def test_fork_hooks_may_log_on_both_sides(tmp_path: Path) -> None:
    succeed(
        """
        import os, sys
        from pathlib import Path
        import printk_ring as pr

        path = Path(sys.argv[1])
        log = pr.install(path, size="256 KiB", consoles=[pr.sinks.file(sys.argv[2])])
        logger = pr.get_logger("hooks")
        os.register_at_fork(
            before=lambda: logger.info("before"),
            after_in_parent=lambda: logger.info("after in parent"),
            after_in_child=lambda: logger.info("after in child"),
        )
        for _ in range(20):
            if (child := os.fork()) == 0:
                assert [r.event for r in log.reader()] == ["after in child"], [r.event for r in log.reader()]
                assert log.flush(30.0)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        assert [r.event for r in log.reader()] == ["before", "after in parent"] * 20
        assert log.flush(30.0)
        """,
        tmp_path / "app.ring",
        tmp_path / "console.txt",
    )
    lines = [line.partition(": ")[2] for line in (tmp_path / "console.txt").read_text().splitlines()]
    assert sorted(lines) == ["after in child"] * 20 + ["after in parent"] * 20 + ["before"] * 20


@pytest.mark.parametrize("public", [False, True])
def test_an_audit_hook_that_logs_is_told_of_no_look_at_its_own_frames(public: bool) -> None:
    # Of each new call site the interpreter tells what was asked of its frame.
    succeed(f"""
        import sys
        import printk_ring as pr
        from printk_ring import _native

        log = pr.Log(size="1 MiB")
        logger = log.get_logger()
        if {public}:
            _native._use_public_frames()
        is_on = False
        sys.addaudithook(lambda event, args: is_on and logger.debug("audit %s", event))
        is_on = True
        logger.info("first")
        logger.info("%s", object)
        logger.exception("third")
        log.get_logger("other").once().info("fourth")
        is_on = False
        events = [record.event for record in log.reader()]
        assert [event for event in events if event != "audit %s"] == ["first", "%s", "third", "fourth"], events
        assert 1 <= events.count("audit %s") < 60, len(events)
        assert log.stats()["recursion_dropped"] == 0
    """)

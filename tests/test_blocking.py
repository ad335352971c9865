"""`overflow="block"`: who is made to wait for room, for how long, and who is not."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import FULL_PIPE, succeed, wait_until
from tests.printed import lost, numbers, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from printk_ring.typing import OffloadMode

PATIENCE = 30.0


class Full:
    """A log whose only console blocks, is stuck in a pipe that nobody reads, and has let the ring become full."""

    def __init__(self, folder: Path, block_timeout: float, mode: OffloadMode = "console") -> None:
        path = folder / "pipe"
        os.mkfifo(path)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.page = fcntl.fcntl(self.reader, fcntl.F_SETPIPE_SZ, 4096)
        self.log = pr.Log(size="256 KiB")
        self.console = self.log.add_console(
            pr.sinks.file(path), format="json", overflow="block", block_timeout=block_timeout
        )
        self.log.offload.mode = mode
        self.number = 0
        with self.log.deferred():  # which fills it without waiting
            while self.console.lag < self.log.stats()["descriptors"] - 1:
                self.say()
        self.read = bytearray()

    def say(self) -> None:
        """One record, numbered."""
        self.log.get_logger("app").info("event", number=self.number)
        self.number += 1

    def timeouts(self) -> int:
        """Calls that have waited as long as they may."""
        return self.log.stats()["block_timeouts"]

    def take(self) -> bool:
        """Reads what the pipe has. False: nothing."""
        try:
            data = os.read(self.reader, 1 << 16)
        except BlockingIOError:
            return False
        self.read += data
        return bool(data)

    def end(self) -> None:
        """Lets the console print the rest."""
        if self.console.alive:
            wait_until(lambda: not self.take() and self.console.lag == 0, "the console prints the rest")
        self.log.close()
        os.close(self.reader)


@pytest.fixture
def full(tmp_path: Path, mode: OffloadMode) -> Iterator[Full]:
    """One that makes its callers wait a hundredth of a second each."""
    full = Full(tmp_path, 0.01, mode)
    yield full
    full.end()


# --- for how long ----------------------------------------------------------------------------------------------------


def test_a_call_that_has_waited_long_enough_stores_its_record_and_is_counted(full: Full) -> None:
    emitted = full.log.stats()["emitted"]
    for waited in range(1, 11):
        full.say()
        assert full.timeouts() == waited
        assert full.log.stats()["emitted"] == emitted + waited
    last = list(full.log.reader())[-1]
    assert last.fields == {"number": full.number - 1}


def test_the_longest_of_several_timeouts_is_the_bound_and_each_call_is_counted_once(full: Full, tmp_path: Path) -> None:
    other = full.log.add_console(pr.sinks.file(tmp_path / "other"), overflow="block", block_timeout=0.02)
    full.say()
    assert full.timeouts() == 1
    assert other.remove(PATIENCE)


def test_a_console_that_is_suspended_removed_or_given_up_makes_nobody_wait(full: Full) -> None:
    full.console.suspend()
    full.say()
    assert full.timeouts() == 0
    full.console.resume()
    full.say()
    assert full.timeouts() == 1, "and then it does again"
    assert not full.console.remove(0.01), "it is stuck"
    full.say()
    assert full.timeouts() == 1


def test_while_the_whole_log_is_suspended_callers_wait_as_ever_and_nothing_is_lost(full: Full) -> None:
    assert not full.log.suspend(), "a write is under way"
    full.say()
    assert full.timeouts() == 1
    full.log.resume()


def test_every_thread_goes_on_while_some_wait_and_none_of_their_records_is_lost(mode: str) -> None:
    """The reader of the pipe is a thread of the same interpreter: if a waiting call kept it, nobody would ever read."""
    succeed(
        """
        import json, os, sys, threading
        import printk_ring as pr

        reader, writer = os.pipe()
        os.dup2(writer, 1)
        log = pr.Log(size="256 KiB")
        console = log.add_console(pr.sinks.stdout(), format="json", overflow="block", block_timeout=float("inf"))
        log.offload.mode = sys.argv[1]
        read = bytearray()

        def drain():
            while data := os.read(reader, 4096):
                read.extend(data)

        def work(worker):
            logger = log.get_logger()
            for number in range(5_000):
                logger.info("event", worker=worker, number=number)

        threading.Thread(target=drain, daemon=True).start()
        workers = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        assert log.flush(60.0)
        assert console.dropped == 0 and log.stats()["block_timeouts"] == 0
        while read.count(b"\\n") < 20_000:
            pass
        found = [(line["worker"], line["number"]) for line in map(json.loads, read.splitlines())]
        for worker in range(4):
            assert [number for by, number in found if by == worker] == list(range(5_000))
        os._exit(0)
        """,
        mode,
    )


def test_a_signal_is_handled_while_a_call_waits_and_its_exception_ends_the_wait(tmp_path: Path) -> None:
    full = Full(tmp_path, float("inf"))

    class Enough(Exception):
        """Not of the package."""

    handled: list[str] = []

    def handler(number: int, frame: object) -> None:
        handled.append("once")
        full.log.get_logger("handler").info("from the handler")
        if len(handled) == 2:
            raise Enough

    previous = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with pytest.raises(Enough):
            full.say()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert len(handled) == 2
    events = [(record.logger, record.event) for record in full.log.reader()][-3:]
    assert events == [("handler", "from the handler")] * 2 + [("app", "event")], "what waited is stored all the same"
    full.end()


def test_what_waits_when_the_pipe_is_read_again_is_stored_and_nothing_is_lost_but_what_was_deferred(
    tmp_path: Path,
) -> None:
    full = Full(tmp_path, PATIENCE)
    filled = full.number

    def say() -> None:
        for _ in range(500):
            full.say()

    thread = threading.Thread(target=say)
    thread.start()
    wait_until(lambda: not full.take() and not thread.is_alive(), "all are stored")
    full.end()
    assert full.timeouts() == 0
    printed = parsed(full.read.decode())
    assert numbers(printed)[-500:] == list(range(filled, filled + 500))
    assert lost(printed) == full.console.dropped


# --- who does not wait -----------------------------------------------------------------------------------------------


def in_a_signal_handler(full: Full, call: Callable[[], None]) -> None:
    """By a signal that comes in ordinary code."""
    previous = signal.signal(signal.SIGUSR1, lambda number, frame: call())
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, previous)


def in_a_finalizer(full: Full, call: Callable[[], None]) -> None:
    """By `__del__`, when the last reference goes."""

    class Dying:
        def __del__(self) -> None:
            call()

    Dying()


def in_a_finalizer_of_the_collector(full: Full, call: Callable[[], None]) -> None:
    """By `__del__`, when the collector comes."""

    class Dying:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            call()

    Dying()
    gc.collect()


def in_a_deferred_section(full: Full, call: Callable[[], None]) -> None:
    """Which only stores; its end does not wait either."""
    with full.log.deferred(), full.log.deferred():
        call()


class Printing:
    """Calls something when it becomes text: in the middle of a log call."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def __str__(self) -> str:
        self.call()
        return "printing"


def with_another_log(work: Callable[[pr.Log], None]) -> None:
    """Within calls of a log that never blocks: only what they call could wait."""
    with pr.Log(size="256 KiB") as other:
        work(other)


def in_a_value_that_becomes_text(full: Full, call: Callable[[], None]) -> None:
    """By a field's `__str__`."""
    with_another_log(lambda other: other.get_logger().info("event", field=Printing(call)))


def in_a_weak_reference_of_such_a_value(full: Full, call: Callable[[], None]) -> None:
    """By a callback that comes while a field becomes text."""

    class Watched:
        pass

    watched: list[Any] = [Watched()]
    reference = weakref.ref(watched[0], lambda _: call())
    with_another_log(lambda other: other.get_logger().info("event", field=Printing(watched.clear)))
    assert reference() is None


def in_a_filter(full: Full, call: Callable[[], None]) -> None:
    """Of a `RingHandler`."""

    def work(other: pr.Log) -> None:
        handler = pr.RingHandler(other)

        def interested(record: logging.LogRecord) -> bool:
            call()
            return True

        handler.addFilter(interested)
        handler.handle(logging.makeLogRecord({"msg": "event"}))

    with_another_log(work)


class Formatter(logging.Formatter):
    """Calls something for each record."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self.call = call

    def format(self, record: logging.LogRecord) -> str:
        self.call()
        return "formatted"


def in_a_formatter(full: Full, call: Callable[[], None]) -> None:
    """Of a `RingHandler`."""

    def work(other: pr.Log) -> None:
        handler = pr.RingHandler(other)
        handler.setFormatter(Formatter(call))
        handler.handle(logging.makeLogRecord({"msg": "event"}))

    with_another_log(work)


def on_a_console(full: Full, add: Callable[[Callable[[], None]], dict[str, Any]], call: Callable[[], None]) -> None:
    """By the code of a console of the same log, for the next record."""
    once: list[Callable[[], None]] = [call]

    def first() -> None:
        if once:
            once.pop()()

    console = full.log.add_console(**add(first))
    with full.log.deferred():
        full.say()
    wait_until(lambda: not once and console.lag <= 1, "the console calls it")
    assert console.remove(PATIENCE)


def in_a_consoles_callable(full: Full, call: Callable[[], None]) -> None:
    """Its sink is a function."""
    on_a_console(full, lambda first: {"sink": pr.sinks.callable(lambda record: first())}, call)


def in_a_consoles_handler(full: Full, call: Callable[[], None]) -> None:
    """Its sink is a handler of `logging`."""

    class Handler(logging.Handler):
        def __init__(self, first: Callable[[], None]) -> None:
            super().__init__()
            self.first = first

        def emit(self, record: logging.LogRecord) -> None:
            self.first()

    on_a_console(full, lambda first: {"sink": pr.sinks.handler(Handler(first))}, call)


def in_a_consoles_formatter(full: Full, call: Callable[[], None]) -> None:
    """Its format is a formatter of `logging`."""
    on_a_console(full, lambda first: {"sink": pr.sinks.file("/dev/null"), "format": Formatter(first)}, call)


REENTRANT = [
    in_a_signal_handler,
    in_a_finalizer,
    in_a_finalizer_of_the_collector,
    in_a_deferred_section,
    in_a_value_that_becomes_text,
    in_a_weak_reference_of_such_a_value,
    in_a_filter,
    in_a_formatter,
    in_a_consoles_callable,
    in_a_consoles_handler,
    in_a_consoles_formatter,
]


@pytest.mark.parametrize("where", REENTRANT)
def test_a_call_that_interrupts_other_code_never_waits_for_room(full: Full, where: Callable[..., None]) -> None:
    seen: list[tuple[int, int]] = []

    def call() -> None:
        before = full.timeouts()
        full.say()
        full.log.get_logger("app").info("the long way %s", [object()])
        pr.RingHandler(full.log).handle(logging.makeLogRecord({"msg": "third"}))
        seen.append((before, full.timeouts()))

    emitted = full.log.stats()["emitted"]
    where(full, call)
    assert seen == [(0, 0)], "called once, and it has not waited"
    assert full.log.stats()["emitted"] >= emitted + 3
    full.say()
    assert full.timeouts() == 1, "an ordinary call waits"


@pytest.mark.parametrize("registered", ["before the log was made", "when the log has already made somebody wait"])
def test_fork_hooks_never_wait_for_room(registered: str) -> None:
    succeed(
        FULL_PIPE
        + """
import sys
import printk_ring as pr

os.dup2(writer, 1)  # full: the console does not move, however late its thread comes to run
timeouts = lambda: log.stats()["block_timeouts"]
seen = []

def fill():
    with log.deferred():
        for _ in range(4 * log.stats()["descriptors"]):
            logger.info("fill")

class Hook:
    def __init__(self, name):
        self.name = name

    def __call__(self):
        if self.name == "child":
            fill()
        before = timeouts()
        logger.info(self.name)
        logger.info("the long way %s", [object()])
        seen.append((self.name, timeouts() - before))

def register():
    os.register_at_fork(before=Hook("before"), after_in_parent=Hook("parent"), after_in_child=Hook("child"))

if sys.argv[1].startswith("before"):
    register()
log = pr.Log(size="256 KiB")
console = log.add_console(pr.sinks.stdout(), overflow="block", block_timeout=0.01)
logger = log.get_logger()
while not timeouts():
    logger.info("until the ring is full", text="x" * 1000)
if not sys.argv[1].startswith("before"):
    register()
child = os.fork()
assert seen == [("before", 0), ("parent" if child else "child", 0)], seen
before = timeouts()
logger.info("ordinary")
assert timeouts() == before + 1
status = os.waitpid(child, 0)[1] if child else 0
os._exit(status != 0)
""",
        registered,
    )

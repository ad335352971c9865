"""Consoles whose sink or format is Python code: what it is given, and what it may do."""

from __future__ import annotations

import _thread
import inspect
import itertools
import json
import linecache
import logging
import logging.handlers
import os
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from printk_ring import RingHandler, _native
from printk_ring.logrecords import log_record
from tests.children import FULL_PIPE, run, succeed, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 30.0


def refuse(record: pr.Record) -> None:
    raise ValueError(record.message)


class Kept(logging.Handler):
    """A handler that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


# --- a callable ------------------------------------------------------------------------------------------------------


def test_a_callable_is_given_each_record_in_order_with_its_types(log: pr.Log) -> None:
    records: list[pr.Record] = []
    console = log.add_console(pr.sinks.callable(records.append))
    logger = log.get_logger("app", user=7)
    for number in range(1000):
        logger.info("event %d", number, number=number, at=[1, {"x": None}])
    assert log.flush(timeout=PATIENCE)
    assert [record.fields["number"] for record in records] == list(range(1000))
    assert [record.seq for record in records] == list(range(1000))
    last = records[-1]
    assert (last.event, last.message, last.logger) == ("event %d", "event 999", "app")
    assert last.fields == {"user": 7, "number": 999, "at": [1, {"x": None}]}
    assert (console.name, console.errors, console.lag, console.seq) == ("callable", 0, 0, 1000)


def test_a_callable_runs_on_one_thread_of_its_own_with_its_own_thread_local_data(log: pr.Log) -> None:
    local = threading.local()
    seen: set[int] = set()
    counts: list[int] = []

    def count(_: pr.Record) -> None:
        local.count = getattr(local, "count", 0) + 1
        seen.add(threading.get_ident())
        counts.append(local.count)

    log.add_console(pr.sinks.callable(count), name="own")
    for _ in range(5):  # a batch each
        log.get_logger().info("event")
        assert log.flush(timeout=PATIENCE)
    assert counts == [1, 2, 3, 4, 5]
    assert len(seen) == 1
    assert seen != {threading.get_ident()}


def test_the_place_moves_only_when_the_callable_has_returned(log: pr.Log) -> None:
    entered, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def stop(_: pr.Record) -> None:
        entered.release()
        assert go_on.acquire(timeout=PATIENCE)

    console = log.add_console(pr.sinks.callable(stop))
    for _ in range(3):
        log.get_logger().info("event")
    for number in range(3):
        assert entered.acquire(timeout=PATIENCE)
        assert (console.seq, console.lag) == (number, 3 - number)
        assert console.owner == "printer"
        assert not log.flush(timeout=0.05)
        go_on.release()
    assert log.flush(timeout=PATIENCE)
    assert console.seq == 3
    wait_until(lambda: console.owner is None, "it is given back")


def test_a_record_is_in_the_file_before_any_console_has_it(log: pr.Log, ring_path: Path) -> None:
    """As another process would read it: by the file alone."""
    seen: list[tuple[int, list[int]]] = []

    def look(record: pr.Record) -> None:
        seen.append((record.seq, [stored.seq for stored in pr.open(ring_path).reader(start=record.seq)]))

    console = log.add_console(pr.sinks.callable(look))
    for number in range(50):
        log.get_logger().info("event", number=number)
    assert console.flush(PATIENCE)
    assert [seq for seq, _ in seen] == list(range(50))
    assert all(stored[0] == seq for seq, stored in seen)


def test_levels_and_places_are_as_with_other_consoles(log: pr.Log) -> None:
    shown: list[str] = []
    log.get_logger().info("before")
    console = log.add_console(
        pr.sinks.callable(lambda record: shown.append(record.message)), level="ERROR", replay=True
    )
    log.get_logger().error("one")
    log.get_logger().info("hidden")
    assert log.flush(timeout=PATIENCE)
    console.level = "INFO"
    log.get_logger().info("two")
    assert log.flush(timeout=PATIENCE)
    assert shown == ["one", "two"]


def test_a_suspended_callable_is_not_called_after_the_record_in_hand(log: pr.Log) -> None:
    shown: list[str] = []

    def show(record: pr.Record) -> None:
        shown.append(record.message)
        if record.message == "1":
            console.suspend()

    console = log.add_console(pr.sinks.callable(show))
    console.suspend()
    for number in range(4):
        log.get_logger().info(str(number))
    console.resume()
    wait_until(lambda: not console.enabled, "the callable has suspended its console")
    time.sleep(0.1)
    assert shown == ["0", "1"]
    console.resume()
    assert log.flush(timeout=PATIENCE)
    assert shown == ["0", "1", "2", "3"]


def test_what_a_callable_lost_is_a_record_that_no_application_can_forge(tmp_path: Path) -> None:
    count = 20_000
    records: list[pr.Record] = []
    with pr.Log(size="256 KiB") as log:
        console = log.add_console(pr.sinks.callable(records.append))
        console.suspend()
        for number in range(count):
            log.get_logger().info("event", number=number)
        console.resume()
        assert log.flush(timeout=PATIENCE)
        log.get_logger().warning("records dropped", dropped=1, first_seq=0, last_seq=0)
        assert log.flush(timeout=PATIENCE)
        dropped = console.dropped
    notice, *printed = records
    assert 0 < dropped < count
    assert notice.event == "records dropped"
    assert notice.message == f"** {dropped} printk messages dropped **"
    assert notice.level is pr.Level.WARNING
    assert notice.fields == {"dropped": dropped, "first_seq": 0, "last_seq": dropped - 1}
    assert notice.facility == 0
    assert notice.seq == dropped - 1
    assert {record.facility for record in printed} == {1}
    assert [record.fields["number"] for record in printed[:-1]] == list(range(dropped, count))


def test_with_block_a_slow_callable_loses_nothing_and_never_holds_the_interpreter() -> None:
    count = 6_000
    records: list[int] = []

    def slow(record: pr.Record) -> None:
        if record.seq % 100 == 0:
            time.sleep(0.001)
        records.append(record.fields["number"])

    with pr.Log(size="256 KiB") as log:
        console = log.add_console(pr.sinks.callable(slow), overflow="block", block_timeout=PATIENCE)
        for number in range(count):
            log.get_logger("app").info("event", number=number)
        assert log.flush(timeout=PATIENCE)
        assert console.dropped == 0
        assert log.stats()["overwritten"] > 0
    assert records == list(range(count))


@pytest.mark.parametrize("wrong", [None, 5, "print"])
def test_what_cannot_be_called_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="callable"):
        pr.sinks.callable(wrong)


@pytest.mark.parametrize("wrong", ["json", logging.Formatter("%(message)s"), str])
def test_a_sink_of_whole_records_has_no_format(log: pr.Log, wrong: Any) -> None:
    with pytest.raises(pr.ConfigError, match="whole records"):
        log.add_console(pr.sinks.callable(print), format=wrong)
    assert log.consoles() == []


def test_python_consoles_can_be_given_when_the_log_is_made(ring_path: Path, tmp_path: Path) -> None:
    records: list[pr.Record] = []
    memory = pr.sinks.memory()
    consoles: list[Any] = [
        pr.sinks.callable(records.append),
        {"sink": memory, "level": "ERROR"},
        (pr.sinks.file(tmp_path / "text"), {"format": lambda record: record.message}),
    ]
    with pr.install(ring_path, size="256 KiB", consoles=consoles) as log:
        assert pr.install(ring_path, size="256 KiB", consoles=consoles) is log
        log.get_logger().error("event")
        assert log.flush(timeout=PATIENCE)
    assert [record.event for record in records] == ["event"]
    assert [record.event for record in memory.records] == ["event"]
    assert (tmp_path / "text").read_text() == "event\n"


def test_sinks_are_equal_when_they_hand_over_to_the_same(tmp_path: Path) -> None:
    class Target:
        def take(self, record: pr.Record) -> None: ...

        def __eq__(self, other: object) -> bool:
            raise AssertionError("not asked")

        __hash__ = None  # type: ignore[assignment]  # unhashable, as an object with __eq__ is

        def __call__(self, record: pr.Record) -> None: ...

    one, two = Target(), Target()
    assert pr.sinks.callable(one.take) == pr.sinks.callable(one.take)
    assert hash(pr.sinks.callable(one.take)) == hash(pr.sinks.callable(one.take))
    assert pr.sinks.callable(one.take) != pr.sinks.callable(two.take)
    assert pr.sinks.callable(one) == pr.sinks.callable(one)
    assert pr.sinks.callable(one) != pr.sinks.callable(two)
    assert pr.sinks.callable(print) != pr.sinks.stderr()
    handler = Kept()
    assert pr.sinks.handler(handler) == pr.sinks.handler(handler)
    assert pr.sinks.handler(handler) != pr.sinks.handler(Kept())
    assert len({pr.sinks.memory(), pr.sinks.memory()}) == 2
    assert (pr.sinks.callable(print).kind, pr.sinks.callable(print).path) == ("callable", None)
    assert repr(pr.sinks.callable(print)) == "sinks.callable(<built-in function print>)"


# --- failures --------------------------------------------------------------------------------------------------------


def test_an_exception_is_counted_and_the_next_record_goes_on(log: pr.Log, capfd: pytest.CaptureFixture[str]) -> None:
    shown: list[str] = []

    def pick(record: pr.Record) -> None:
        if record.message.startswith("bad"):
            raise ValueError(record.message + "\x1b[2J\n** forged **")
        shown.append(record.message)

    console = log.add_console(pr.sinks.callable(pick), name="picky")
    for message in ("bad 1", "bad 2", "good 1", "good 2", "bad 3", "good 3"):
        log.get_logger().info(message)
    assert log.flush(timeout=PATIENCE)
    assert shown == ["good 1", "good 2", "good 3"]
    assert (console.errors, console.lag, console.dropped, console.alive) == (3, 0, 0, True)
    said = capfd.readouterr().err.splitlines()
    assert [line.partition(": ValueError: ")[2][:5] for line in said] == ["bad 1", "bad 3"]
    assert all(line.startswith("printk_ring: console picky: ValueError: ") for line in said)
    assert all("\\x1b[2J\\x0a** forged **; the record counts as printed" in line for line in said)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, RecursionError, MemoryError])
def test_no_exception_of_any_kind_ends_the_console_or_the_process(log: pr.Log, kind: type[BaseException]) -> None:
    shown: list[str] = []

    def pick(record: pr.Record) -> None:
        if record.message == "bad":
            raise kind
        shown.append(record.message)

    console = log.add_console(pr.sinks.callable(pick))
    for message in ("good", "bad", "good"):
        log.get_logger().info(message)
        assert log.flush(timeout=PATIENCE)
    assert shown == ["good", "good"]
    assert (console.errors, console.alive) == (1, True)


def test_an_exception_that_cannot_be_shown_is_still_counted_and_told(
    log: pr.Log, capfd: pytest.CaptureFixture[str]
) -> None:
    class Dumb(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def fail(_: pr.Record) -> None:
        raise Dumb

    console = log.add_console(pr.sinks.callable(fail))
    log.get_logger().info("event")
    assert log.flush(timeout=PATIENCE)
    assert console.errors == 1
    assert "Dumb: <unprintable>" in capfd.readouterr().err


def test_an_exception_that_another_thread_sends_costs_at_most_a_record_each() -> None:
    succeed("""
        import ctypes, threading, time
        import printk_ring as pr

        shown, threads = [], []

        def show(record):  # no locks in here: such an exception may leave one locked
            shown.append(record.seq)
            if not threads:
                threads.append(threading.get_ident())
            sum(range(200))

        count = 30_000
        with pr.Log(size="16 MiB") as log:
            console = log.add_console(pr.sinks.callable(show))
            log.get_logger().info("event")
            while not threads:
                time.sleep(0.001)
            send = ctypes.pythonapi.PyThreadState_SetAsyncExc
            thread, error = ctypes.c_ulong(threads[0]), ctypes.py_object(RuntimeError)
            for number in range(count):
                log.get_logger().info("event")
                if number % 100 == 0:
                    send(thread, error)
                    time.sleep(0.0005)
            assert log.flush(timeout=30.0), (console.alive, console.seq, console.errors)
            assert console.alive and console.lag == 0 and console.seq == count + 1
            assert console.errors > 10
            assert shown == sorted(shown)
            assert count + 1 - len(shown) <= console.errors, (len(shown), console.errors)
    """)


# --- self-feeding ----------------------------------------------------------------------------------------------------


def test_what_a_callback_logs_is_printed_by_the_others_and_not_by_its_own_console(log: pr.Log) -> None:
    logger = log.get_logger("callback")
    own: list[str] = []

    def echo(record: pr.Record) -> None:
        own.append(record.message)
        logger.info("printed", what=record.message)

    log.add_console(pr.sinks.callable(echo))
    other = pr.sinks.memory()
    log.add_console(other)
    for number in range(50):
        log.get_logger("app").info(str(number))
    assert log.flush(timeout=PATIENCE)
    assert log.flush(timeout=PATIENCE)  # also what the callback has logged during the first
    assert own == [str(number) for number in range(50)]
    assert sum(record.logger == "callback" for record in other.records) == 50
    assert sum(record.logger == "app" for record in other.records) == 50


def test_two_callbacks_that_log_do_not_feed_each_other_for_ever(log: pr.Log, tmp_path: Path) -> None:
    logger = log.get_logger("callback")

    def echo(name: str) -> Callable[[pr.Record], None]:
        return lambda record: logger.info(f"{name} of {record.message}")

    for name in ("one", "two"):
        log.add_console(pr.sinks.callable(echo(name)))
    log.add_console(pr.sinks.file(tmp_path / "all"), format=lambda record: record.message)
    log.add_console(pr.sinks.file(tmp_path / "native"), format="json")
    log.get_logger().info("event")
    for _ in range(5):
        assert log.flush(timeout=PATIENCE)
    assert sorted(json.loads(line)["event"] for line in (tmp_path / "native").read_text().splitlines()) == [
        "event",
        "one of event",
        "one of two of event",
        "two of event",
        "two of one of event",
    ]


def test_what_a_callback_logs_into_another_log_is_printed_there(log: pr.Log) -> None:
    memory = pr.sinks.memory()
    with pr.Log(size="256 KiB") as second:
        second.add_console(memory)
        forward = second.get_logger("forward")
        log.add_console(pr.sinks.callable(lambda record: forward.info(record.message)))
        log.get_logger().info("event")
        assert log.flush(timeout=PATIENCE)
        assert second.flush(timeout=PATIENCE)
    assert [record.message for record in memory.records] == ["event"]


def test_flush_inside_a_callback_is_false_at_once(log: pr.Log) -> None:
    answers: list[bool] = []

    def flush(_: pr.Record) -> None:
        answers.append(log.flush(timeout=float("inf")))
        answers.append(console.flush(timeout=float("inf")))

    console = log.add_console(pr.sinks.callable(flush))
    log.get_logger().info("event")
    assert log.flush(timeout=PATIENCE)
    assert answers == [False, False]


def test_a_callbacks_own_log_calls_never_wait_for_its_console() -> None:
    calls = 20_000
    with pr.Log(size="256 KiB") as log:
        logger = log.get_logger("callback")

        def talk(record: pr.Record) -> None:
            for number in range(calls if record.message == "event" else 0):
                logger.info("talk", number=number)

        console = log.add_console(pr.sinks.callable(talk), overflow="block", block_timeout=float("inf"))
        log.get_logger().info("event")
        assert log.flush(timeout=PATIENCE)
        assert log.stats()["emitted"] == calls + 1
        assert console.errors == 0


# --- removal ---------------------------------------------------------------------------------------------------------


def test_a_removed_callable_has_had_what_came_before_and_is_called_no_more(log: pr.Log) -> None:
    shown: list[str] = []
    console = log.add_console(pr.sinks.callable(lambda record: shown.append(record.message)))
    for number in range(1000):
        log.get_logger().info(str(number))
    assert console.remove(timeout=PATIENCE)
    log.get_logger().info("after")
    time.sleep(0.05)
    assert shown == [str(number) for number in range(1000)]
    assert (console.alive, console.enabled) == (False, False)


def test_a_stuck_callable_is_abandoned_and_called_no_more(log: pr.Log) -> None:
    entered, go_on = threading.Event(), threading.Event()
    shown: list[str] = []

    def stick(record: pr.Record) -> None:
        shown.append(record.message)
        entered.set()
        go_on.wait(PATIENCE)

    console = log.add_console(pr.sinks.callable(stick))
    log.get_logger().info("first")
    log.get_logger().info("second")
    assert entered.wait(PATIENCE)
    assert console.remove(timeout=0.1) is False
    assert log.flush(timeout=PATIENCE), "nobody waits for it"
    log.add_console(pr.sinks.callable(print), name="callable")  # the name is free
    go_on.set()
    time.sleep(0.1)
    assert shown == ["first"]


@pytest.mark.parametrize("form", ["callable", "format"])
def test_a_callback_that_removes_its_own_console_is_called_no_more(log: pr.Log, tmp_path: Path, form: str) -> None:
    answers: list[bool] = []

    def leave(_: pr.Record) -> str:
        answers.append(console.remove(timeout=float("inf")))
        return "text"

    if form == "callable":
        console = log.add_console(pr.sinks.callable(leave))
    else:
        console = log.add_console(pr.sinks.file(tmp_path / "out"), format=leave)
    for _ in range(10):
        log.get_logger().info("event")
    wait_until(lambda: answers and log.consoles() == [], "the console has left")
    assert log.flush(timeout=PATIENCE)
    time.sleep(0.05)
    assert answers == [False]


def test_callbacks_that_remove_each_other_do_not_wait_for_each_other_for_ever(log: pr.Log) -> None:
    both = threading.Barrier(2)
    answers: list[bool] = []
    consoles: list[pr.Console] = []

    def remover(other: int) -> Callable[[pr.Record], None]:
        def remove(_: pr.Record) -> None:
            both.wait(PATIENCE)
            answers.append(consoles[other].remove(timeout=0.2))

        return remove

    consoles += [log.add_console(pr.sinks.callable(remover(other)), name=str(other)) for other in (1, 0)]
    log.get_logger().info("event")
    wait_until(lambda: len(answers) == 2, "both have tried")
    assert log.consoles() == []


def test_a_callback_may_add_consoles_close_its_log_and_install_another() -> None:
    succeed("""
        import os, sys, threading
        import printk_ring as pr

        log = pr.install(size="256 KiB", consoles=[])
        done = threading.Event()
        steps = []

        def callback(record):
            steps.append(record.message)
            if record.message == "add":
                log.add_console(pr.sinks.callable(callback), name="another")
            elif record.message == "close":
                log.close()
                assert pr.default_log() is None
                second = pr.install(size="512 KiB", consoles=[pr.sinks.callable(lambda record: done.set())])
                second.get_logger().info("in the second")
        log.add_console(pr.sinks.callable(callback), name="first")
        logger = pr.get_logger()
        logger.info("add")
        assert log.flush(timeout=30.0)
        assert [console.name for console in log.consoles()] == ["first", "another"]
        log.consoles()[1].remove(timeout=30.0)
        logger.info("close")
        logger.info("not printed: its log is closed")
        assert done.wait(30.0)
        assert log.closed
        assert steps == ["add", "close"], steps
        pr.default_log().close()
    """)


def test_a_log_that_becomes_garbage_inside_a_callback_closes() -> None:
    succeed("""
        import gc, threading
        import printk_ring as pr

        done = threading.Event()
        box = []

        def callback(record):
            box.clear()
            gc.collect()
            done.set()

        log = pr.Log(size="256 KiB", consoles=[pr.sinks.callable(callback)])
        box.append(log)
        log.get_logger().info("event")
        del log
        assert done.wait(30.0)
    """)


def test_a_removed_console_lets_go_of_its_callable(log: pr.Log) -> None:
    class Target:
        def __call__(self, record: pr.Record) -> None: ...

    target = Target()
    gone = weakref.ref(target)
    console = log.add_console(pr.sinks.callable(target))
    log.get_logger().info("event")
    assert console.remove(timeout=PATIENCE)
    del target, console
    wait_until(lambda: log.flush() and gone() is None, "nothing holds it")


def test_thread_local_data_of_a_callable_goes_with_its_console(log: pr.Log) -> None:
    class Kept:
        def __del__(self) -> None:
            gone.append(threading.get_ident())

    local = threading.local()
    gone: list[int] = []
    seen: list[int] = []

    def keep(_: pr.Record) -> None:
        local.kept = Kept()
        seen.append(threading.get_ident())

    console = log.add_console(pr.sinks.callable(keep))
    log.get_logger().info("event")
    assert log.flush(timeout=PATIENCE)
    assert gone == []
    assert console.remove(timeout=PATIENCE)
    assert gone == seen


def test_a_thousand_consoles_leave_no_thread_and_no_gap(log: pr.Log) -> None:
    tasks = _tasks()
    stop = threading.Event()
    counts = itertools.count()

    def work() -> None:
        while not stop.is_set():
            log.get_logger().info("event", number=next(counts))
            time.sleep(0.0001)

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(1000):
        memory: list[pr.Record] = []
        console = log.add_console(pr.sinks.callable(memory.append))
        log.get_logger().info("at least one")
        assert console.remove(timeout=PATIENCE)
        seqs = [record.seq for record in memory]
        assert seqs, "what came before was printed"
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
    stop.set()
    worker.join()
    wait_until(lambda: _tasks() <= tasks, "the threads have ended")


def _tasks() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


# --- formats ---------------------------------------------------------------------------------------------------------


def test_a_function_makes_the_text_and_the_native_sink_writes_it(log: pr.Log, tmp_path: Path) -> None:
    out = tmp_path / "out"
    console = log.add_console(pr.sinks.file(out), format=lambda record: f"{record.level.name} {record.message}")
    assert console.name == "file"
    log.get_logger().info("one")
    log.get_logger().error("Zwölf Boxkämpfer \ud800")
    assert log.flush(timeout=PATIENCE)
    assert out.read_text("utf-8") == "INFO one\nERROR Zwölf Boxkämpfer \ufffd\n"
    out.rename(tmp_path / "old")
    log.get_logger().info("after the rename")
    wait_until(lambda: log.flush(timeout=PATIENCE) and out.exists(), "the file is made anew")
    assert out.read_text() == "INFO after the rename\n"


def test_one_newline_is_added_where_there_is_none(log: pr.Log, tmp_path: Path) -> None:
    texts = iter(["a", "b\n", "c\nd\n", "", "\n"])
    log.add_console(pr.sinks.file(tmp_path / "out"), format=lambda _: next(texts))
    for _ in range(5):
        log.get_logger().info("event")
    assert log.flush(timeout=PATIENCE)
    assert (tmp_path / "out").read_text() == "a\nb\nc\nd\n\n"


def test_a_formatter_of_logging_makes_the_text(log: pr.Log, tmp_path: Path) -> None:
    formatter = logging.Formatter("%(levelname)s %(name)s %(message)s %(user)s", defaults={"user": "-"})
    log.add_console(pr.sinks.file(tmp_path / "out"), format=formatter)
    log.get_logger("app").warning("%d left", 3, user="ann")
    log.get_logger().notice("plain")
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        log.get_logger("app").exception("failed")
    assert log.flush(timeout=PATIENCE)
    lines = (tmp_path / "out").read_text().splitlines()
    assert lines[:4] == [
        "WARNING app 3 left ann",
        "NOTICE root plain -",
        "ERROR app failed -",
        "| Traceback (most recent call last):",
    ]
    assert lines[-1] == "| ZeroDivisionError: division by zero"


def test_logged_data_forges_neither_a_record_nor_a_terminal_sequence_through_a_formatter(
    log: pr.Log, tmp_path: Path
) -> None:
    def colours(record: pr.Record) -> str:
        return f"\x1b[1mINFO\x1b[0m {record.message} {record.fields.get('data', '')}\n{record.logger}"

    log.add_console(pr.sinks.file(tmp_path / "out"), format=colours)
    logger = log.get_logger("app")
    logger.info("clean")
    logger.info("two\nINFO forged")
    logger.info("clear \x1b[2J and \x9b2J and \u202e and \r")
    logger.info("in a field", data=b"\x1b[2J")
    logger.info("deep", data={"a": ["x\nINFO forged"]})
    assert log.flush(timeout=PATIENCE)
    assert (tmp_path / "out").read_text("utf-8") == (
        # What the formatter adds itself stays where the record has nothing of the kind.
        "\x1b[1mINFO\x1b[0m clean \napp\n"
        "\x1b[1mINFO\x1b[0m two\n| INFO forged \n| app\n"
        "\\x1b[1mINFO\\x1b[0m clear \\x1b[2J and \\xc2\\x9b2J and \\xe2\\x80\\xae and \\x0d \napp\n"
        "\\x1b[1mINFO\\x1b[0m in a field b'\\x1b[2J'\napp\n"
        "\x1b[1mINFO\x1b[0m deep {'a': ['x\\nINFO forged']}\n| app\n"
    )


def test_one_line_of_a_stack_or_a_traceback_forges_no_record_through_a_formatter(log: pr.Log, tmp_path: Path) -> None:
    log.add_console(pr.sinks.file(tmp_path / "out"), format=logging.Formatter("%(levelname)s %(message)s"))
    handler = RingHandler(log)
    for given in ({"exc_text": "INFO forged"}, {"stack_info": "INFO forged"}):
        handler.handle(logging.makeLogRecord({"msg": "failed", "levelno": 40, "levelname": "ERROR", **given}))
    assert log.flush(timeout=PATIENCE)
    assert (tmp_path / "out").read_text("utf-8") == 2 * "ERROR failed\n| INFO forged\n"


def test_the_name_of_a_thread_forges_nothing_through_a_formatter(log: pr.Log, tmp_path: Path) -> None:
    log.add_console(pr.sinks.file(tmp_path / "out"), format=logging.Formatter("%(threadName)s %(message)s"))
    thread = threading.Thread(
        target=log.get_logger().info, args=("event",), name="a\nb\x1b[2J\u202e \N{GREEK SMALL LETTER MU}"
    )
    thread.start()
    thread.join()
    assert log.flush(timeout=PATIENCE)
    assert (tmp_path / "out").read_text("utf-8") == "a\\x0ab\\x1b[2J\\u202e \N{GREEK SMALL LETTER MU} event\n"


def test_a_formatter_that_fails_costs_its_record_only(log: pr.Log, tmp_path: Path) -> None:
    answers: Any = iter(["first", ValueError("no"), 5, "last"])

    def answer(_: pr.Record) -> str:
        given = next(answers)
        if isinstance(given, Exception):
            raise given
        return given  # type: ignore[no-any-return]  # a number too: that is the test

    console = log.add_console(pr.sinks.file(tmp_path / "out"), format=answer)
    for _ in range(4):
        log.get_logger().info("event")
    assert log.flush(timeout=PATIENCE)
    assert (tmp_path / "out").read_text() == "first\nlast\n"
    assert (console.errors, console.lag) == (2, 0)


def test_a_text_without_end_is_cut(log: pr.Log, tmp_path: Path) -> None:
    log.add_console(pr.sinks.file(tmp_path / "out"), format=lambda _: "ü" * (1 << 20))
    for _ in range(3):
        log.get_logger().info("event")
    assert log.flush(timeout=PATIENCE)
    lines = (tmp_path / "out").read_text("utf-8").splitlines()
    assert lines == ["ü" * (1 << 19) + "<truncated>"] * 3


@pytest.mark.parametrize("wrong", [5, None, b"text", object()], ids=["int", "None", "bytes", "object"])
def test_what_is_no_format_is_a_type_error(log: pr.Log, tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(TypeError, match="format"):
        log.add_console(pr.sinks.file(tmp_path / "out"), format=wrong)


# --- handlers of logging ---------------------------------------------------------------------------------------------


def test_a_handler_is_given_what_a_user_of_logging_expects(log: pr.Log) -> None:
    kept = Kept()
    log.add_console(pr.sinks.handler(kept))
    source = logging.Logger("app.db")  # nobody else's
    source.addHandler(pr.RingHandler(log))
    before = time.time()
    try:
        raise ValueError("x")
    except ValueError:
        source.log(33, "slow %s: %d ms", "query", 12, exc_info=True, extra={"user": "ann"}, stack_info=True)
    after = time.time()
    assert log.flush(timeout=PATIENCE)
    (record,) = kept.records
    assert (record.name, record.levelno, record.levelname) == ("app.db", 33, "Level 33")
    assert (record.msg, record.args, record.getMessage()) == ("slow %s: %d ms", ("query", 12), "slow query: 12 ms")
    assert before - 0.1 <= record.created <= after + 0.1
    assert 0.0 <= (record.created * 1000 - record.msecs + 0.01) % 1000 < 1.02
    assert abs((record.created - before) * 1000) < 60_000
    assert (record.pathname, record.filename, record.module) == (
        __file__,
        "test_python_console.py",
        "test_python_console",
    )
    assert record.funcName == "test_a_handler_is_given_what_a_user_of_logging_expects"
    assert record.lineno > 0
    thread = threading.current_thread()
    assert (record.thread, record.threadName) == (thread.ident, thread.name)
    assert (record.process, record.processName) == (os.getpid(), "MainProcess")
    assert record.exc_info is None
    assert record.exc_text is not None
    assert record.exc_text.endswith("ValueError: x")
    assert record.stack_info is not None
    assert record.stack_info.startswith("Stack (most recent call last)")
    assert record.__dict__["user"] == "ann"
    assert logging.Formatter("%(asctime)s %(message)s %(relativeCreated)d").format(record)


@pytest.mark.parametrize(
    ("method", "levelno", "name"),
    [
        ("debug", 10, "DEBUG"),
        ("info", 20, "INFO"),
        ("notice", 25, "NOTICE"),
        ("warning", 30, "WARNING"),
        ("error", 40, "ERROR"),
        ("critical", 50, "CRITICAL"),
        ("alert", 50, "CRITICAL"),
        ("emerg", 50, "CRITICAL"),
    ],
)
def test_levels_of_ours_become_those_of_logging(log: pr.Log, method: str, levelno: int, name: str) -> None:
    kept = Kept()
    log.add_console(pr.sinks.handler(kept), level="DEBUG")
    getattr(log.get_logger("app"), method)("event", a=1)
    assert log.flush(timeout=PATIENCE)
    (record,) = kept.records
    assert (record.levelno, record.levelname, record.__dict__["a"]) == (levelno, name, 1)
    assert (record.pathname, record.funcName) == (__file__, "test_levels_of_ours_become_those_of_logging")
    assert "getattr(log.get_logger" in linecache.getline(record.pathname, record.lineno)
    _thread.start_new_thread(getattr(log.get_logger("app"), method), ("from no code",))
    wait_until(lambda: log.flush(timeout=PATIENCE) and len(kept.records) == 2, "the second record")
    unplaced = kept.records[1]
    assert (unplaced.pathname, unplaced.lineno, unplaced.funcName) == ("(unknown file)", 0, "(unknown function)")


def test_a_field_never_replaces_an_attribute_of_logging(log: pr.Log) -> None:
    kept = Kept()
    log.add_console(pr.sinks.handler(kept))
    log.get_logger("app").info("event", msg="m", name="n", args="a", message="x", msg_="y", process="p")
    assert log.flush(timeout=PATIENCE)
    (record,) = kept.records
    assert (record.name, record.getMessage()) == ("app", "event")
    attributes = record.__dict__
    assert (attributes["msg__"], attributes["msg_"], attributes["name_"]) == ("m", "y", "n")
    assert (attributes["args_"], attributes["message_"], attributes["process_"]) == ("a", "x", "p")
    assert logging.Formatter("%(name)s: %(message)s by %(name_)s").format(record) == "app: event by n"


def test_a_field_hides_no_method_of_a_log_record(log: pr.Log, tmp_path: Path) -> None:
    output = tmp_path / "out"
    log.add_console(pr.sinks.file(output), format=logging.Formatter("%(message)s %(getMessage_)s"))
    log.get_logger("app").info("event %d", 1, getMessage="no method")
    assert log.flush(timeout=PATIENCE)
    assert output.read_text() == "event 1 no method\n"


def test_a_handlers_level_filters_and_lock_apply(log: pr.Log) -> None:
    kept = Kept()
    kept.setLevel(logging.ERROR)
    kept.addFilter(lambda record: "secret" not in record.getMessage())
    log.add_console(pr.sinks.handler(kept))
    for message in ("open", "secret"):
        log.get_logger().warning(message)
        log.get_logger().error(message)
    assert log.flush(timeout=PATIENCE)
    assert [(record.levelno, record.msg) for record in kept.records] == [(40, "open")]


def test_a_record_of_a_thread_that_is_gone_keeps_its_number_and_name(log: pr.Log) -> None:
    kept = Kept()
    console = log.add_console(pr.sinks.handler(kept))
    console.suspend()

    def work() -> None:
        log.get_logger().info("event")

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()
    console.resume()
    assert log.flush(timeout=PATIENCE)
    (record,) = kept.records
    assert (record.thread, record.threadName) == (thread.ident, "worker")


def test_a_handler_that_was_closed_and_writes_no_more_is_told(
    log: pr.Log, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    deaf, opens_again = logging.FileHandler(tmp_path / "w", "w"), logging.FileHandler(tmp_path / "a", "a")
    consoles = [log.add_console(pr.sinks.handler(handler)) for handler in (deaf, opens_again)]
    log.get_logger().info("first")
    assert log.flush(timeout=PATIENCE)
    deaf.close()
    opens_again.close()
    log.get_logger().info("second")
    assert log.flush(timeout=PATIENCE)
    assert (tmp_path / "w").read_text() == "first\n"
    assert (tmp_path / "a").read_text().startswith("first\nsecond\n")
    assert [console.errors for console in consoles] == [1, 0]
    assert f"ConfigError: <FileHandler {tmp_path / 'w'} " in capfd.readouterr().err
    opens_again.close()


def test_a_handler_of_a_file_that_opens_it_again_is_not_refused(log: pr.Log, tmp_path: Path) -> None:
    handler = logging.handlers.RotatingFileHandler(tmp_path / "w", "w")
    console = log.add_console(pr.sinks.handler(handler))
    handler.close()
    log.get_logger().info("event")
    assert log.flush(timeout=PATIENCE)
    assert ((tmp_path / "w").read_text(), console.errors) == ("event\n", 0)
    handler.close()


STUCK = """
import time
IMPORT
import printk_ring as pr
log = pr.Log()
import logging.handlers
handler = logging.StreamHandler(os.fdopen(writer, "w"))
log.add_console(pr.sinks.handler(ADDED))
log.get_logger().info("event")
while handler.lock.acquire(blocking=False):
    handler.lock.release()
    time.sleep(0.01)
print("stuck", flush=True)
"""


@pytest.mark.parametrize("wrapping", ["{}", "logging.handlers.MemoryHandler(1, target={})"])
@pytest.mark.parametrize("importing", ["", "import logging.handlers"])
def test_a_handler_that_is_stuck_does_not_hold_up_the_exit(wrapping: str, importing: str) -> None:
    program = STUCK.replace("ADDED", wrapping.format("handler")).replace("IMPORT", importing)
    assert succeed(FULL_PIPE + program) == "stuck\n"


def test_what_is_logged_in_exit_hooks_comes_to_a_handler_as_long_as_its_log_goes_on() -> None:
    said = succeed("""
        import atexit, logging, sys
        import printk_ring as pr

        log = pr.install(consoles=())
        atexit.register(lambda: log.get_logger().info("from an exit hook"))
        log.add_console(pr.sinks.handler(logging.StreamHandler(sys.stdout)))
        log.get_logger().info("one")
    """)
    assert said == "one\nfrom an exit hook\n"


def test_a_handler_that_is_given_in_an_exit_hook_costs_no_orderly_exit(ring_path: Path) -> None:
    succeed(
        """
        import atexit, logging, sys
        import printk_ring as pr

        log = pr.install(sys.argv[1], consoles=())
        atexit.register(lambda: log.add_console(pr.sinks.handler(logging.NullHandler())))
        """,
        ring_path,
    )
    with pr.open(ring_path) as ring:
        assert ring.info.state == "ended in order"


FORKS = """
import logging, os, threading, time
import printk_ring as pr
log = pr.Log()
inside = threading.Event()
class Slow(logging.Handler):
    own = threading.Lock()
    def emit(self, record):
        with self.own:
            inside.set()
            time.sleep(0.1)
log.add_console(pr.sinks.handler(Slow()))
for number in range(20):
    log.get_logger().info("event")
inside.wait()
for number in range(5):
    time.sleep(0.03)
    child = os.fork()
    if child == 0:
        os._exit(0 if Slow.own.acquire(timeout=5) else 9)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
assert log.flush(timeout=30)
"""


def test_a_forked_child_finds_no_lock_that_a_console_holds_in_the_applications_code() -> None:
    assert succeed(FORKS) == 5 * "0\n"


STAYS = """
import os, threading, time
import printk_ring as pr
log = pr.Log()
inside, forked = threading.Event(), threading.Event()
def stay(record):
    inside.set()
    forked.wait()
log.add_console(pr.sinks.callable(stay))
log.get_logger().info("event")
inside.wait()
child = os.fork()  # in spite of it
if child == 0:
    os._exit(0)
forked.set()
assert os.waitpid(child, 0)[1] == 0
log.get_logger().info("and goes on")
assert log.flush(timeout=30)
print("forked")
"""


def test_a_fork_waits_for_no_console_for_ever() -> None:
    assert succeed(STAYS) == "forked\n"


# Of which Ctrl-C must not be swallowed by a hook, nor leave one half done.
INTERRUPTED = """
import os, signal
import printk_ring as pr

log = pr.Log()
log.add_console(pr.sinks.callable(lambda record: None))

inside = False
forks = seen = 0

def interrupt(*_):
    global inside, seen
    if inside:  # else nothing here would catch it
        inside = False
        seen += 1
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
while forks < 300:
    try:
        inside = True
        child = os.fork()
        if child == 0:
            os._exit(0)
        forks += 1
        os.waitpid(child, 0)
        log.get_logger().info("event")
        inside = False
    except KeyboardInterrupt:
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
assert seen > 10 and log.flush(30)
print("done")
"""


def test_interruptions_of_forks_are_not_swallowed_and_hang_nothing() -> None:
    done = run(INTERRUPTED)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert "ignored" not in done.stderr


def test_an_import_leaves_no_hook_behind() -> None:
    assert (
        succeed("""
        import os
        hooks = []
        os.register_at_fork = lambda **given: hooks.append(given)
        import printk_ring
        print([hook for given in hooks for hook in given.values() if "printk_ring" in hook.__module__])
    """)
        == "[]\n"
    )


FORKS_ITSELF = """
import os, threading
import printk_ring as pr
log = pr.Log()
codes = []
def fork(record):
    child = os.fork()
    if child == 0:
        os._exit(0)
    codes.append(os.waitpid(child, 0)[1])
log.add_console(pr.sinks.callable(fork))
for number in range(3):
    log.get_logger().info("event")
assert log.flush(timeout=30)
print(codes)
"""


def test_a_callable_may_fork_itself() -> None:
    assert succeed(FORKS_ITSELF) == "[0, 0, 0]\n"


FORKS_IN_A_FORK = """
import os, signal
import printk_ring as pr

log = pr.Log()
children, records = [], []
log.add_console(pr.sinks.callable(records.append))

def fork(*_):
    child = os.fork()
    if child == 0:
        log.get_logger().info("event")
        os._exit(0 if log.flush(30) and records else 9)
    children.append(child)

signal.signal(signal.SIGUSR1, fork)
first = iter([True])
os.register_at_fork(before=lambda: next(first, False) and signal.raise_signal(signal.SIGUSR1))
fork()
log.get_logger().info("event")
assert log.flush(30)
print(len(records), [os.waitpid(child, 0)[1] for child in children])
"""


def test_a_signal_handler_may_fork_in_the_middle_of_a_fork() -> None:
    assert succeed(FORKS_IN_A_FORK) == "1 [0, 0]\n"


def test_a_factory_of_log_records_is_used(log: pr.Log) -> None:
    class Mine(logging.LogRecord):
        pass

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Mine)
    try:
        log.get_logger().info("event")
        assert type(log_record(next(log.reader()))) is Mine
    finally:
        logging.setLogRecordFactory(before)


def test_a_threads_number_that_is_used_again_means_the_new_thread(log: pr.Log) -> None:
    kept = Kept()
    log.add_console(pr.sinks.handler(kept))

    def work() -> None:
        log.get_logger().info(threading.current_thread().name)
        assert log.flush(timeout=PATIENCE)

    for number in range(50):
        thread = threading.Thread(target=work, name=f"worker {number}")
        thread.start()
        thread.join()
    assert [record.threadName for record in kept.records] == [record.msg for record in kept.records]


@pytest.mark.parametrize("wrong", [None, print, logging.Formatter()], ids=["None", "function", "formatter"])
def test_what_is_no_handler_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="handler"):
        pr.sinks.handler(wrong)


# --- in memory -------------------------------------------------------------------------------------------------------


def test_a_sink_in_memory_keeps_the_last_records(log: pr.Log) -> None:
    memory = pr.sinks.memory(limit=3)
    console = log.add_console(memory)
    assert (console.name, memory.records) == ("memory", [])
    for number in range(5):
        log.get_logger("app").info("event", number=number)
    assert log.flush(timeout=PATIENCE)
    assert [record.fields["number"] for record in memory.records] == [2, 3, 4]
    assert isinstance(memory, pr.Sink)
    memory.clear()
    assert memory.records == []
    log.get_logger("app").info("event", number=5)
    assert log.flush(timeout=PATIENCE)
    assert [str(record).partition("] ")[2] for record in memory.records] == ["app: event number=5"]


def test_a_sink_in_memory_is_bounded_in_bytes_too() -> None:
    memory = pr.sinks.memory()
    with pr.Log(size="64 MiB") as log:
        log.add_console(memory, overflow="block", block_timeout=PATIENCE)
        for number in range(1500):
            log.get_logger().info("x" * 30_000, number=number)
        assert log.flush(timeout=PATIENCE)
    numbers = [record.fields["number"] for record in memory.records]
    assert numbers == list(range(1500 - len(numbers), 1500))
    assert 16 * 1024 * 1024 / 31_000 < len(numbers) < 16 * 1024 * 1024 / 30_000


def test_a_sink_in_memory_that_keeps_nothing_is_a_config_error() -> None:
    with pytest.raises(pr.ConfigError, match="limit"):
        pr.sinks.memory(limit=0)


def test_how_much_it_keeps_is_said_once() -> None:
    defaults = _native.defaults()
    assert inspect.signature(pr.sinks.memory).parameters["limit"].default == defaults["memory_records"]
    assert inspect.signature(pr.Sink.memory).parameters["limit"].default == defaults["memory_records"]
    assert defaults["memory_bytes"] == 16 << 20


# --- imports ---------------------------------------------------------------------------------------------------------


def test_a_callable_does_not_import_logging() -> None:
    done = run("""
        import sys
        import printk_ring as pr

        with pr.Log(size="256 KiB") as log:
            log.add_console(pr.sinks.callable(print))
            log.get_logger().info("event")
            log.flush(timeout=30.0)
        sys.exit("logging" in sys.modules)
    """)
    assert done.returncode == 0, done.stderr

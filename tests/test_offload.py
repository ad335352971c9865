"""Who prints, and when: nobody while a log is suspended, the caller when it is ordered or the process ends."""

from __future__ import annotations

import itertools
import os
import threading
import time
import warnings
from pathlib import Path
from typing import get_args

import pytest

import printk_ring as pr
from printk_ring.typing import OffloadMode
from tests.children import FULL_PIPE, run, succeed, wait_until


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the console of the test writes."""
    return tmp_path / "console.txt"


def numbers(path: Path) -> list[int]:
    """What was logged as `number`, in the order of the file."""
    return [int(line.rpartition("number=")[2]) for line in path.read_text("utf-8").splitlines()]


def test_a_suspended_log_prints_nothing_and_goes_on_where_it_was(log: pr.Log, output: Path, mode: OffloadMode) -> None:
    log.offload.mode = mode
    log.add_console(pr.sinks.file(output))
    logger = log.get_logger()
    logger.info("event", number=0)
    assert log.suspend() is True, "what was there is printed first"
    assert log.suspend() is True, "twice is once"
    assert numbers(output) == [0]
    logger.info("event", number=1)
    assert log.flush(timeout=0.0), "a suspended log has nothing to wait for"
    time.sleep(0.05)  # many looks of a printer
    assert numbers(output) == [0]
    log.resume()
    log.resume()
    logger.info("event", number=2)
    assert log.flush(timeout=30.0)
    assert numbers(output) == [0, 1, 2]


def test_suspend_says_when_a_sink_is_stuck() -> None:
    succeed(
        FULL_PIPE
        + """
import printk_ring as pr

os.dup2(writer, 1)
log = pr.Log(size="256 KiB", consoles=[pr.sinks.stdout()])
log.get_logger().info("nobody reads this")
assert log.suspend() is False
os._exit(0)
"""
    )


def test_a_suspended_log_that_is_closed_prints_what_it_has(ring_path: Path, output: Path, mode: OffloadMode) -> None:
    with pr.Log(ring_path, size="256 KiB", consoles=[pr.sinks.file(output)]) as log:
        log.offload.mode = mode
        log.suspend()
        log.get_logger().info("event", number=1)
    assert numbers(output) == [1]


def test_the_exit_prints_what_a_suspended_log_has(output: Path, mode: str) -> None:
    succeed(
        """
        import sys
        import printk_ring as pr

        log = pr.Log(size="256 KiB", consoles=[pr.sinks.file(sys.argv[1])])
        log.offload.mode = sys.argv[2]
        log.suspend()
        log.get_logger().info("event", number=1)
        """,
        output,
        mode,
    )
    assert numbers(output) == [1]


def test_suspend_and_resume_of_the_package_act_on_the_default_log(default_log: pr.Log, output: Path) -> None:
    default_log.add_console(pr.sinks.file(output))
    assert pr.suspend() is True
    pr.get_logger().info("event", number=1)
    pr.resume()
    assert default_log.flush(timeout=30.0)
    assert numbers(output) == [1]
    pr.offload.enforce_emergency = True
    assert default_log.offload.enforce_emergency is True


def test_without_a_default_log_they_say_so() -> None:
    for missing in (pr.suspend, pr.resume, lambda: pr.offload):
        with pytest.raises(pr.ConfigError, match="install"):
            missing()
    assert not hasattr(pr, "offload")
    assert getattr(pr, "offload", None) is None


def logs_200_printed_or_counted(log: pr.Log, consoles: list[pr.Console]) -> None:
    """Each record is on all consoles when its call returns, or counted as left behind; some are."""
    logger, at_once = log.get_logger(), 0
    for number in range(200):
        before = log.stats()["left_behind"]
        logger.info("event", number=number)
        printed = all(console.lag == 0 for console in consoles)
        assert printed or log.stats()["left_behind"] > before
        at_once += printed
    assert at_once > 0, "all were late, and left to the threads"


def test_when_it_is_ordered_every_record_is_printed_before_its_call_returns(
    log: pr.Log, tmp_path: Path, mode: OffloadMode
) -> None:
    log.offload.mode = mode
    consoles = [log.add_console(pr.sinks.file(tmp_path / name)) for name in "ab"]
    logger = log.get_logger()
    assert log.offload.enforce_emergency is False
    log.offload.enforce_emergency = True
    assert log.offload.enforce_emergency is True
    logs_200_printed_or_counted(log, consoles)
    log.offload.enforce_emergency = False
    logger.info("event", number=200)
    assert log.flush(timeout=30.0)
    for name in "ab":
        assert numbers(tmp_path / name) == list(range(201))


def test_threads_that_print_themselves_lose_and_double_nothing(log: pr.Log, output: Path, mode: OffloadMode) -> None:
    log.offload.mode = mode
    log.add_console(pr.sinks.file(output), overflow="block", block_timeout=30.0)
    log.offload.enforce_emergency = True
    logger = log.get_logger()

    def work(first: int) -> None:
        for number in range(first, first + 250):
            logger.info("event", number=number)

    threads = [threading.Thread(target=work, args=(250 * index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.flush(timeout=30.0)
    assert sorted(numbers(output)) == list(range(2000))


def test_where_callers_print_each_record_is_printed_before_its_call_returns(log: pr.Log, tmp_path: Path) -> None:
    consoles = [log.add_console(pr.sinks.file(tmp_path / name)) for name in "ab"]
    logger = log.get_logger()
    assert log.offload.mode == "console"
    log.offload.mode = "caller"
    assert log.offload.mode == "caller"
    logs_200_printed_or_counted(log, consoles)
    log.offload.mode = "console"
    logger.info("event", number=200)
    wait_until(lambda: all(numbers(tmp_path / name) == list(range(201)) for name in "ab"), "the threads print again")


def test_where_callers_print_handlers_and_python_consoles_are_left_to_the_threads(log: pr.Log, output: Path) -> None:
    import signal  # noqa: PLC0415 - one test's

    printed: list[int] = []
    file = log.add_console(pr.sinks.file(output), name="file")
    log.add_console(pr.sinks.callable(lambda record: printed.append(record.fields["number"])), name="python")
    printers: set[int] = set()
    log.add_console(pr.sinks.callable(lambda _: printers.add(threading.get_native_id())), name="who")
    log.offload.mode = "caller"
    logger, counted = log.get_logger(), itertools.count()

    def is_printed_at_once() -> bool:
        before = log.stats()["left_behind"]
        logger.info("event", number=next(counted))
        return file.lag == 0 and log.stats()["left_behind"] == before

    previous = signal.signal(signal.SIGUSR1, lambda *_: logger.info("event", number=next(counted)))
    try:
        for _ in range(20):
            wait_until(is_printed_at_once, "nothing else keeps callers from it")
            before = log.stats()["left_behind"]
            signal.raise_signal(signal.SIGUSR1)
            assert log.stats()["left_behind"] == before + 1
            wait_until(lambda: file.lag == 0, "the handler's record is printed all the same")
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert log.flush(timeout=30.0)
    assert printed == numbers(output) == list(range(next(counted)))
    assert printers == {number for name, number in log.offload.threads() if name == "pr/who"}


def test_a_mode_that_there_is_not_is_refused_with_those_that_there_are(log: pr.Log) -> None:
    for wrong in ("", "threads", "CONSOLE"):
        with pytest.raises(pr.ConfigError, match=r'mode is ".*": give "console".* or "caller"'):
            log.offload.mode = wrong  # type: ignore[assignment]  # that is the test
    for nothing in (None, 1, b"caller"):
        with pytest.raises(TypeError):
            log.offload.mode = nothing  # type: ignore[assignment]  # that is the test
    assert log.offload.mode == "console"


def test_smp_prints_by_one_thread_on_each_processor(log: pr.Log, output: Path) -> None:
    allowed = os.sched_getaffinity(0)
    assert log.offload.cpus == allowed
    log.add_console(pr.sinks.file(output), name="out")
    python = log.add_console(pr.sinks.callable(str), name="python")
    log.offload.mode = "smp"
    assert log.offload.mode == "smp"
    *threads, (name, _) = log.offload.threads()
    assert name == "pr/python"
    assert sorted(name for name, _ in threads) == sorted(f"pr/cpu{cpu}" for cpu in allowed)
    for name, number in threads:
        wait_until(lambda name=name, number=number: _processors(number) == [name], "there it is")  # type: ignore[misc]  # bound
    log.get_logger().info("event", number=1)
    wait_until(lambda: numbers(output) == [1] and python.lag == 0, "it is printed")
    log.offload.mode = "console"
    assert [name for name, _ in log.offload.threads()] == ["pr/out", "pr/python"]
    wait_until(lambda: not any(_exists(number) for _, number in threads), "they have ended")


def test_the_processors_of_smp_can_be_chosen_while_it_prints(log: pr.Log, output: Path) -> None:
    log.add_console(pr.sinks.file(output))
    logger = log.get_logger()
    allowed = sorted(os.sched_getaffinity(0))
    log.offload.cpus = allowed[-1:]
    assert log.offload.cpus == {allowed[-1]}
    log.offload.mode = "smp"
    for number, cpus in enumerate([*([cpu] for cpu in allowed), allowed, None] * 3):
        log.offload.cpus = cpus
        assert log.offload.cpus == set(cpus or allowed)
        names = sorted(name for name, _ in log.offload.threads())
        assert names == sorted(f"pr/cpu{cpu}" for cpu in cpus or allowed)
        logger.info("event", number=number)
        printed = list(range(number + 1))
        wait_until(lambda printed=printed: numbers(output) == printed, "they print")  # type: ignore[misc]  # bound here


def test_processors_that_there_are_not_are_refused_with_those_that_there_are(log: pr.Log) -> None:
    allowed = os.sched_getaffinity(0)
    named = ", ".join(map(str, sorted(allowed)))
    for mode in get_args(OffloadMode):
        log.offload.mode = mode
        before = log.offload.threads()
        for wrong in ([], [max(allowed) + 1], [*allowed, 100_000], [-1], [2**70]):
            with pytest.raises(pr.ConfigError, match=f"give one or more of {named}; None"):
                log.offload.cpus = wrong
        for no_numbers in (["0"], [0.0], [True], [None], "0", 0):
            with pytest.raises(TypeError):
                log.offload.cpus = no_numbers  # type: ignore[assignment]  # that is the test
        assert log.offload.cpus == allowed
        assert log.offload.threads() == before


def test_a_child_of_a_log_in_smp_has_threads_of_its_own(log: pr.Log, output: Path) -> None:
    log.add_console(pr.sinks.file(output))
    log.offload.mode = "smp"
    log.get_logger().info("event", number=0)
    assert log.flush(timeout=30.0)
    parents = log.offload.threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork with threads: that is the test
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            log.get_logger().info("event", number=1)
            own = log.offload.threads()
            are_own = all(_exists(number) for _, number in own) and not {*own} & {*parents}
            code = 0 if log.flush(timeout=30.0) and are_own and len(own) == len(parents) else 2
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0) == (pid, 0)
    log.get_logger().info("event", number=2)
    assert log.flush(timeout=30.0)
    assert numbers(output) == [0, 1, 2]


def test_modes_that_change_while_eight_threads_log_lose_and_double_nothing(log: pr.Log, tmp_path: Path) -> None:
    memory = pr.sinks.memory(limit=1_000_000)
    log.add_console(memory, overflow="block", block_timeout=30.0)
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        log.add_console(pr.sinks.file(path), overflow="block", block_timeout=30.0)
    logger = log.get_logger()
    counts = [0] * 8
    enough = threading.Event()

    def work(index: int) -> None:
        while not enough.is_set() and counts[index] < 20_000:
            logger.info("event", number=8 * counts[index] + index)
            counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    modes = get_args(OffloadMode)
    for mode in modes * 10:
        log.offload.mode = mode
        time.sleep(0.002)
    assert log.offload.mode == modes[-1]
    enough.set()
    for thread in threads:
        thread.join()
    assert min(counts) > 0
    wait_until(lambda: all(console.lag == 0 for console in log.consoles()), "all is printed, and nobody has to flush")
    assert log.flush(timeout=30.0)
    for seen in (*map(numbers, paths), [record.fields["number"] for record in memory.records]):
        for index, count in enumerate(counts):
            assert [number for number in seen if number % 8 == index] == list(range(index, 8 * count, 8))


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_what_is_logged_late_in_the_exit_is_printed_although_the_process_ends_at_once(
    kind: str, output: Path, mode: str
) -> None:
    done = run(
        """
        import atexit, os, sys

        def late():
            log.get_logger().info("late", number=2)
            os._exit(0)

        atexit.register(late)  # registered earlier, so that it runs after the log's own
        import printk_ring as pr

        sink = pr.sinks.file(sys.argv[1]) if sys.argv[2] == "file" else pr.sinks.stdout()
        log = pr.Log(size="256 KiB", consoles=[sink])
        log.offload.mode = sys.argv[3]
        log.get_logger().info("event", number=1)
        """,
        output,
        kind,
        mode,
    )
    assert done.returncode == 0, done.stderr
    if kind == "pipe":
        output.write_text(done.stdout)
    assert numbers(output) == [1, 2]


def test_the_printer_threads_have_names_and_numbers(log: pr.Log, output: Path) -> None:
    assert log.offload.threads() == []
    log.add_console(pr.sinks.file(output), name="out")
    [(name, number)] = log.offload.threads()
    assert name == "pr/out"
    wait_until(lambda: _name_of(number) == "pr/out", "the thread has its name")
    log.consoles()[0].remove(timeout=30.0)
    assert log.offload.threads() == []


def _processors(thread: int) -> list[str]:
    return [f"pr/cpu{cpu}" for cpu in os.sched_getaffinity(thread)]


def _exists(thread: int) -> bool:
    return Path(f"/proc/self/task/{thread}").exists()


def _name_of(thread: int) -> str:
    return Path(f"/proc/self/task/{thread}/comm").read_text().strip()


@pytest.mark.parametrize(("policy", "kept"), [("SCHED_OTHER", False), ("SCHED_IDLE", True)])
@pytest.mark.parametrize("mode", ["console", "smp"])
def test_a_printer_that_wakes_takes_the_processor_from_nobody(mode: str, policy: str, kept: bool) -> None:
    succeed(
        """
import os
import sys

import printk_ring as pr

mode, policy, kept = sys.argv[1:]
before = getattr(os, policy)
os.sched_setscheduler(0, before, os.sched_param(0))
log = pr.Log(size="256 KiB", consoles=[pr.sinks.file("/dev/null")])
log.offload.mode = mode
log.get_logger().info("event")
assert log.flush(timeout=30.0)
printers = log.offload.threads()
assert printers
for name, number in printers:
    assert os.sched_getscheduler(number) == (before if kept == "True" else os.SCHED_BATCH), name
assert os.sched_getscheduler(0) == before, "the caller's is its own business"
""",
        mode,
        policy,
        kept,
    )


def test_an_order_that_is_not_a_bool_is_a_type_error(log: pr.Log) -> None:
    with pytest.raises(TypeError):
        log.offload.enforce_emergency = "yes"  # type: ignore[assignment]  # that is the test
    assert log.offload.enforce_emergency is False


def test_in_a_panic_unreliable_consoles_are_left_out_if_the_records_are_saved_unless_told_otherwise(
    log: pr.Log,
) -> None:
    assert log.offload.skip_unreliable_if_saved is True
    log.offload.skip_unreliable_if_saved = False
    assert log.offload.skip_unreliable_if_saved is False
    log.offload.skip_unreliable_if_saved = True
    assert log.offload.skip_unreliable_if_saved is True

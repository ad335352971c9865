"""Sections: deferred, emergency, report; who may enter and leave them, and what tasks do in them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import wait_until
from tests.interpreters import FREE_THREADED

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PATIENCE = 30.0
SECTIONS = ["deferred", "emergency", "report"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the console of the test writes."""
    return tmp_path / "console.txt"


def messages(path: Path) -> list[str]:
    """The lines without their time."""
    return [line.partition("] ")[2] for line in path.read_text("utf-8").splitlines()]


def section_of(log: pr.Log, name: str) -> pr.Context:
    section: pr.Context = getattr(log, name)()
    return section


def on_another_thread(work: Callable[[], object]) -> None:
    """Runs it to its end on a thread of its own; what it raises is raised here."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # whatever it is, the test shall see it
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    for error in raised:
        raise error


def say(log: pr.Log, event: str, count: int) -> None:
    """Logs that many records."""
    for number in range(count):
        log.get_logger().info(event, number=number)


def switches(thread: str) -> int | None:
    """Voluntary context switches of the thread of this name; None: there is none yet."""
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # another thread, which has just ended
            if (task / "comm").read_text().strip() == thread:
                lines = (task / "status").read_text().splitlines()
                return int(next(line for line in lines if line.startswith("voluntary")).split()[1])
    return None


def let_park(console: pr.Console) -> None:
    """Waits until the console's printer has parked: from then on only a wake-up makes it look."""

    def parked() -> bool:
        before = switches(f"pr/{console.name}")
        time.sleep(0.1)
        return before is not None and switches(f"pr/{console.name}") == before

    wait_until(parked, "the printer parks")


# --- deferred --------------------------------------------------------------------------------------------------------


def test_what_was_deferred_is_printed_at_the_end_without_a_later_record(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    let_park(console)
    with log.deferred():
        log.get_logger().info("deferred")
        time.sleep(0.05)
        assert messages(output) == [], "nobody was told"
        assert [record.event for record in log.reader()] == ["deferred"], "it is stored"
    wait_until(lambda: messages(output) == ["deferred"], "it is printed")


def test_only_the_end_of_the_outermost_section_tells_the_printers(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    let_park(console)
    with log.deferred():
        with log.deferred():
            log.get_logger().info("inner")
        log.get_logger().info("outer")
        time.sleep(0.05)
        assert messages(output) == []
    wait_until(lambda: messages(output) == ["inner", "outer"], "both are printed")


def test_every_log_that_was_logged_into_is_told(log: pr.Log, tmp_path: Path) -> None:
    with pr.Log(size="256 KiB") as second, pr.Log(size="256 KiB") as third:
        outputs = [tmp_path / name for name in "abc"]
        for each, path in zip((log, second, third), outputs, strict=True):
            let_park(each.add_console(pr.sinks.file(path), name=path.name))
        quiet = switches("pr/c")
        with log.deferred():
            second.get_logger().info("second")
            log.get_logger().info("first")
            time.sleep(0.05)
            assert [messages(path) for path in outputs] == [[], [], []]
        wait_until(lambda: messages(outputs[0]) == ["first"], "the first log is told")
        wait_until(lambda: messages(outputs[1]) == ["second"], "the second log is told")
        assert switches("pr/c") == quiet, "a log that was not logged into is left alone"


def test_records_of_other_threads_are_not_deferred(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    let_park(console)
    with log.deferred():
        on_another_thread(lambda: log.get_logger().info("other"))
        wait_until(lambda: messages(output) == ["other"], "it is printed")


def test_a_section_that_is_left_by_an_exception_ends(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    let_park(console)
    with pytest.raises(ZeroDivisionError), log.deferred():  # noqa: PT012 - the section is what raises
        log.get_logger().info("deferred")
        raise ZeroDivisionError
    wait_until(lambda: messages(output) == ["deferred"], "it is printed")


def test_a_deferred_call_never_waits_for_a_console(output: Path) -> None:
    calls = 20_000
    with pr.Log(size="256 KiB") as log:
        console = log.add_console(pr.sinks.file(output), overflow="block", block_timeout=float("inf"))
        let_park(console)
        with log.deferred():
            for number in range(calls):  # far more than the ring holds, and no printer is told
                log.get_logger().info("event", number=number)
        assert log.flush(PATIENCE)
        assert log.stats()["emitted"] == calls
        assert log.stats()["block_timeouts"] == 0
        printed = sum(line.startswith("event") for line in messages(output))
        assert printed + console.dropped == calls
        assert console.dropped > 0


def test_a_thread_that_ends_inside_leaves_nothing_unprinted(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    let_park(console)
    section = log.deferred()

    def enter_and_end() -> None:
        section.__enter__()
        log.get_logger().info("deferred")

    on_another_thread(enter_and_end)
    wait_until(lambda: messages(output) == ["deferred"], "it is printed")
    with pytest.raises(pr.ContextError, match="has ended"):
        section.__exit__(None, None, None)


def test_around_a_yield_a_section_holds_for_whoever_runs_in_between(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    let_park(console)

    def generate() -> Generator[int, None, None]:
        with log.deferred():
            yield 1

    generator = generate()
    next(generator)
    log.get_logger().info("between")
    time.sleep(0.05)
    assert messages(output) == []
    generator.close()
    wait_until(lambda: messages(output) == ["between"], "it is printed")


# --- emergency -------------------------------------------------------------------------------------------------------


def test_in_an_emergency_each_record_is_printed_or_counted_when_its_call_returns(log: pr.Log, output: Path) -> None:
    log.add_console(pr.sinks.file(output))
    calls, at_once = 200, 0
    with log.emergency():
        for number in range(calls):
            behind = log.stats()["left_behind"]
            log.get_logger().info("event", number=number)
            done = messages(output) == [f"event number={n}" for n in range(number + 1)]
            assert done or log.stats()["left_behind"] == behind + 1, "neither printed nor counted"
            at_once += done
    assert at_once > 0
    assert log.flush(PATIENCE)
    assert messages(output) == [f"event number={n}" for n in range(calls)]


def test_calls_that_take_the_long_way_are_printed_at_once_too(log: pr.Log, output: Path) -> None:
    log.add_console(pr.sinks.file(output))
    logger = log.get_logger()
    calls: list[tuple[Callable[..., object], list[object], dict[str, object]]] = [
        (logger.info, ["%s", 5], {}),
        (logger.info, [Path("5")], {}),
        (logger.log, ["INFO", "5"], {"path": Path("x")}),
        (logger.exception, ["5"], {}),
        (log._emit, [6, "5"], {}),
        (pr.RingHandler(log).handle, [logging.makeLogRecord({"msg": "5", "levelno": 20})], {}),
    ]
    for call, args, keywords in calls:
        behind = log.stats()["left_behind"]
        for tries in range(1, 21):
            with log.emergency():
                call(*args, **keywords)
            if len(messages(output)) == tries and messages(output)[-1].startswith(("5", "root: 5")):
                break
            assert log.stats()["left_behind"] == behind + tries, "neither printed nor counted"
        else:
            pytest.fail(f"{call}{args} is never printed at once")
        assert log.flush(PATIENCE)
        output.write_text("")


def test_an_emergency_prints_what_other_threads_have_logged_and_in_order(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    console.suspend()
    on_another_thread(lambda: say(log, "before", 100))
    with log.emergency():
        console.resume()
        on_another_thread(lambda: say(log, "during", 100))
        behind = log.stats()["left_behind"]
        log.get_logger().error("mine")
        expected = [f"before number={n}" for n in range(100)] + [f"during number={n}" for n in range(100)] + ["mine"]
        assert messages(output) == expected or log.stats()["left_behind"] > behind
    assert log.flush(PATIENCE)
    assert messages(output) == expected


def test_after_the_last_section_the_printers_print_again(log: pr.Log, output: Path) -> None:
    log.add_console(pr.sinks.file(output))
    with log.emergency(), log.emergency():
        log.get_logger().info("inside")
    log.get_logger().info("after")
    wait_until(lambda: messages(output) == ["inside", "after"], "the printer is back")


def test_a_section_that_says_nothing_holds_up_neither_the_others_nor_their_flushes(log: pr.Log, output: Path) -> None:
    log.add_console(pr.sinks.file(output))
    with log.emergency():
        on_another_thread(lambda: log.get_logger().info("other"))
        wait_until(lambda: log.flush(0.05), "a flush ends although the section is open")
        assert messages(output) == ["other"]


def test_a_console_of_python_is_never_printed_by_the_caller(log: pr.Log) -> None:
    threads: set[int] = set()
    log.add_console(pr.sinks.callable(lambda _: threads.add(threading.get_ident())))
    with log.emergency():
        for _ in range(10):
            log.get_logger().info("event")
    assert log.flush(PATIENCE)
    assert threads
    assert threading.get_ident() not in threads
    assert log.stats()["left_behind"] == 0, "it is not one that could be printed on"


def test_a_suspended_console_stays_so_in_an_emergency(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    console.suspend()
    with log.emergency():
        log.get_logger().info("event")
    assert messages(output) == []
    console.resume()
    wait_until(lambda: messages(output) == ["event"], "it is printed")


def test_deferred_inside_an_emergency_is_stored_only_and_printed_at_its_end(log: pr.Log, output: Path) -> None:
    log.add_console(pr.sinks.file(output))
    at_once = 0
    for number in range(20):
        with log.emergency():
            with log.deferred():
                log.get_logger().info("event", number=number)
            at_once += len(messages(output)) == number + 1
    assert at_once + log.stats()["left_behind"] >= 20
    assert at_once > 0


# --- report ----------------------------------------------------------------------------------------------------------


def test_the_lines_of_a_report_stay_together(log: pr.Log) -> None:
    reports, lines, stop = 40, 10, threading.Event()

    def talk(name: str) -> None:
        logger = log.get_logger(name)
        while not stop.is_set():
            logger.info("talk")

    threads = [threading.Thread(target=talk, args=(f"other-{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    reporter = log.get_logger("report")
    seqs: list[list[int]] = []
    start = 0

    def told() -> list[int]:
        return [record.seq for record in log.reader(start) if record.logger == "report"]

    try:
        for number in range(reports):
            start = log.reader("newest").seq
            timeouts = log.stats()["report_timeouts"]
            with log.report():
                for line in range(lines):
                    reporter.info("line", report=number, line=line)
                    time.sleep(0)  # gives the interpreter away: the others would come between
                # Now, while others wait: where nothing else holds them back they go round the ring in no time. Without the
                # interpreter's lock one of them may have begun a record before these, and lost its processor.
                while len(found := told()) < lines and log.stats()["report_timeouts"] == timeouts:
                    time.sleep(0.001)
                seqs.append(found)
            time.sleep(0.001)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    # Without the interpreter's lock each of the others may have been in the middle of a call when the report began.
    most = lines + (len(threads) if FREE_THREADED else 0)
    torn = sum(len(found) < lines or found[-1] + 1 - found[0] > most for found in seqs)
    assert torn <= log.stats()["report_timeouts"]
    assert torn < reports, "most stay together"


def test_a_report_is_reentrant_and_ends_with_the_outermost(log: pr.Log) -> None:
    with log.report():
        with log.report():
            log.get_logger().info("inner")
        log.get_logger().info("outer")
        on_another_thread(lambda: log.get_logger().info("other"))  # which this thread waits for: so it has to go on
    assert log.stats()["report_timeouts"] == 1
    on_another_thread(lambda: log.get_logger().info("after"))
    assert log.stats()["report_timeouts"] == 1
    assert [record.event for record in log.reader()] == ["inner", "outer", "other", "after"]


def test_a_report_that_does_not_end_holds_others_up_for_a_second_in_all(log: pr.Log) -> None:
    calls = 1000
    with log.report():
        on_another_thread(lambda: say(log, "event", calls))
    assert log.stats()["emitted"] == calls
    # Each call that waits does so for 10 ms, and one finds that the second is over.
    assert 1 < log.stats()["report_timeouts"] <= 101


def test_a_thread_that_ends_within_its_report_holds_up_nobody(log: pr.Log) -> None:
    section = log.report()
    on_another_thread(section.__enter__)
    for _ in range(10):
        log.get_logger().info("event")
    assert log.stats()["report_timeouts"] == 0


def test_calls_that_never_wait_do_not_wait_for_a_report_either(log: pr.Log) -> None:
    class Talkative:
        def __str__(self) -> str:
            log.get_logger().info("within")
            return "talkative"

    def never_wait() -> None:
        with log.deferred():
            log.get_logger().info("deferred")
        console = log.add_console(pr.sinks.callable(lambda _: log.get_logger().info("printing")))
        with log.deferred():
            log.get_logger().info("for the console")
        wait_until(lambda: "printing" in [record.event for record in log.reader()], "the console has logged")
        console.remove()

    with log.report():
        on_another_thread(never_wait)
        assert log.stats()["report_timeouts"] == 0
        on_another_thread(lambda: log.get_logger().info(Talkative()))
        assert log.stats()["report_timeouts"] == 1, "the outer call waits, the inner one does not"


def test_of_two_reports_the_second_begins_when_the_first_has_ended(log: pr.Log) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with log.report():
            log.get_logger().info("first 1")
            entered.set()
            go_on.wait(PATIENCE)
            log.get_logger().info("first 2")

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(PATIENCE)
    threading.Timer(0.002, go_on.set).start()
    with log.report():
        log.get_logger().info("second")
    thread.join()
    events = [record.event for record in log.reader()]
    assert events == ["first 1", "first 2", "second"] or log.stats()["report_timeouts"] > 0
    assert sorted(events) == ["first 1", "first 2", "second"]


# --- entering and leaving --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SECTIONS)
def test_leaving_on_another_thread_is_an_error_and_the_section_ends(log: pr.Log, output: Path, name: str) -> None:
    console = log.add_console(pr.sinks.file(output))
    let_park(console)
    section = section_of(log, name)
    section.__enter__()
    log.get_logger().info("inside")

    def leave() -> None:
        with pytest.raises(pr.ContextError, match=f"{name}.*another thread"):
            section.__exit__(None, None, None)

    on_another_thread(leave)
    wait_until(lambda: messages(output) == ["inside"], "it is printed")
    let_park(console)
    log.get_logger().info("after")  # this thread is in no section any more
    wait_until(lambda: messages(output) == ["inside", "after"], "it is printed")
    on_another_thread(lambda: log.get_logger().info("not held up"))
    assert log.stats()["report_timeouts"] == 0
    with pytest.raises(pr.ContextError, match="not entered"):
        section.__exit__(None, None, None)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_is_entered_once_at_a_time_and_again_after_it_was_left(log: pr.Log, name: str) -> None:
    section = section_of(log, name)
    with pytest.raises(pr.ContextError, match="not entered"):
        section.__exit__(None, None, None)
    with section, pytest.raises(pr.ContextError, match="entered already"):
        section.__enter__()
    with section:
        log.get_logger().info("again")
    assert issubclass(pr.ContextError, pr.PrintkError)


def test_a_section_that_is_garbage_ends(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    let_park(console)
    section: pr.Context | None = log.deferred()
    assert section is not None
    section.__enter__()
    log.get_logger().info("deferred")
    section = None
    gc.collect()
    wait_until(lambda: messages(output) == ["deferred"], "it is printed")


def test_a_section_keeps_its_log_open() -> None:
    with pr.Log(size="256 KiB").deferred() as nothing:
        assert nothing is None


@pytest.mark.parametrize("name", SECTIONS)
def test_sections_of_a_closed_log_do_nothing(ring_path: Path, name: str) -> None:
    log = pr.Log(ring_path, size="256 KiB")
    log.close()
    with section_of(log, name):
        log.get_logger().info("nowhere")
    assert list(log.reader()) == []


@pytest.mark.parametrize("name", SECTIONS)
def test_the_packages_own_spellings_act_on_the_default_log(ring_path: Path, tmp_path: Path, name: str) -> None:
    spelled: Callable[[], pr.Context] = getattr(pr, name)
    assert pr.default_log() is None
    nothing = spelled()
    with nothing, nothing:  # there is no log: it does nothing, and minds nothing
        pr.get_logger().info("nowhere")
    assert "no log" in repr(nothing)
    with pr.install(ring_path, size="256 KiB", consoles=[pr.sinks.file(tmp_path / "out")]) as log:
        section = spelled()
        assert name in repr(section)
        assert repr(log) in repr(section)
        with section, pytest.raises(pr.ContextError):
            section.__enter__()


# --- tasks -----------------------------------------------------------------------------------------------------------


def warnings_of(log: pr.Log) -> list[tuple[str, dict[str, Any]]]:
    """What the package has warned of: event and fields."""
    found = [record for record in log.reader() if record.logger == "printk_ring"]
    assert all(record.level is pr.Level.WARNING for record in found)
    return [(record.event, record.fields) for record in found]


async def await_inside(log: pr.Log, name: str) -> None:
    with section_of(log, name):
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_task_that_is_switched_inside_is_told_of_at_the_exit(log: pr.Log, name: str) -> None:
    async def main() -> None:
        await asyncio.create_task(await_inside(log, name), name="careless")

    asyncio.run(main())
    [(event, fields)] = warnings_of(log)
    assert event == "task switch inside a section"
    assert (fields["section"], fields["task"]) == (name, "careless")
    file, _, line = fields["entered"].rpartition(":")
    assert file == __file__
    assert "section_of(log, name)" in Path(__file__).read_text().splitlines()[int(line) - 1]


@pytest.mark.parametrize("name", SECTIONS)
def test_another_tasks_log_call_meanwhile_is_told_of_once(log: pr.Log, name: str) -> None:
    async def other() -> None:
        for _ in range(3):
            log.get_logger("app").info("from the other task")
            await asyncio.sleep(0)

    async def main() -> None:
        careless = asyncio.create_task(await_inside(log, name), name="careless")
        await asyncio.sleep(0)
        await asyncio.create_task(other(), name="other")
        await careless

    asyncio.run(main())
    [(first, at_call), (second, at_exit)] = warnings_of(log)
    assert (first, second) == ("log call of another task inside a section", "task switch inside a section")
    for fields in (at_call, at_exit):
        assert (fields["section"], fields["task"], fields["other_task"]) == (name, "careless", "other")
        file, _, line = fields["other"].rpartition(":")
        assert file == __file__
        assert "from the other task" in Path(__file__).read_text().splitlines()[int(line) - 1]
    assert sum(record.logger == "app" for record in log.reader()) == 3


def test_a_log_call_of_a_callback_meanwhile_is_told_of(log: pr.Log) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(log.get_logger("app").info, "from a callback")
        await await_inside(log, "deferred")

    asyncio.run(main())
    (_, fields), _ = warnings_of(log)
    assert fields["other_task"] is None


@pytest.mark.parametrize("name", SECTIONS)
def test_a_task_that_keeps_to_the_rules_is_not_told_of(log: pr.Log, name: str) -> None:
    async def returns_at_once() -> None:
        pass

    async def polite() -> None:
        with section_of(log, name):
            log.get_logger("app").info("inside")
            await returns_at_once()  # an await that lets nobody in
        await asyncio.sleep(0)
        log.get_logger("app").info("outside")

    async def main() -> None:
        await asyncio.gather(polite(), polite(), polite())

    asyncio.run(main())
    assert warnings_of(log) == []


@pytest.mark.parametrize("name", SECTIONS)
def test_an_event_loop_that_runs_inside_a_section_is_all_within_it(log: pr.Log, name: str) -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        log.get_logger("app").info("inside")

    async def main() -> None:
        await asyncio.gather(work(), work())

    with section_of(log, name):
        asyncio.run(main())
    assert warnings_of(log) == []


def test_tasks_of_other_threads_are_none_of_a_sections_business(log: pr.Log) -> None:
    async def elsewhere() -> None:
        log.get_logger("app").info("from another thread")

    async def main() -> None:
        with log.deferred():
            on_another_thread(lambda: asyncio.run(elsewhere()))

    asyncio.run(main())
    assert warnings_of(log) == []


def test_a_section_does_not_keep_its_task_alive(log: pr.Log) -> None:
    section = log.deferred()

    async def enter_and_end() -> None:
        section.__enter__()

    async def main() -> weakref.ref[asyncio.Task[None]]:
        task = asyncio.create_task(enter_and_end())
        await task
        return weakref.ref(task)

    task = asyncio.run(main())
    gc.collect()
    assert task() is None
    section.__exit__(None, None, None)
    assert len(warnings_of(log)) == 1


def test_a_section_is_no_asynchronous_context(log: pr.Log) -> None:
    async def main() -> None:
        async with log.deferred():  # type: ignore[attr-defined]  # that is the test
            pass

    with pytest.raises(TypeError, match="asynchronous context manager"):
        asyncio.run(main())


def test_sections_in_tasks_leave_nothing_behind(log: pr.Log) -> None:
    from printk_ring import context  # noqa: PLC0415 - on use, as the native module does

    async def polite() -> None:
        for name in SECTIONS:
            with section_of(log, name):
                log.get_logger("app").info("inside")

    asyncio.run(polite())
    assert context._watches == {}

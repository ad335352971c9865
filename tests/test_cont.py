"""`Logger.cont`: lines that several calls put together, each one record; what ends them, and who may go on with them."""

from __future__ import annotations

import asyncio
import functools
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import run, succeed, wait_until

if TYPE_CHECKING:
    from pathlib import Path

CONT = 8
PATIENCE = 0.1  # seconds without a text, after which a line ends by itself


def lines(log: pr.Log) -> list[tuple[str, bool]]:
    """What can be read: the texts, each with whether it is the rest of a line that was broken off."""
    return [(record.event, bool(record.flags & CONT)) for record in log.reader()]


def test_texts_up_to_a_newline_are_one_record_with_what_the_first_one_had(log: pr.Log) -> None:
    logger = log.get_logger("boot", cpu=3)
    with logger.contextualize(step="early"):
        logger.cont("loading ")
    assert lines(log) == [], "nobody sees a line that is not at its end"
    logger.cont("mödules ☃ ... ")
    logger.bind(cpu=4).cont("done\n")
    [record] = log.reader()
    assert (record.event, record.message, record.logger) == ("loading mödules ☃ ... done", record.event, "boot")
    assert (record.level, record.flags) == (pr.Level.INFO, 0)
    assert record.fields == {"cpu": 3, "step": "early"}
    assert log.stats()["emitted"] == 1


def test_a_text_that_is_a_whole_line_is_a_record_like_others(log: pr.Log) -> None:
    logger = log.get_logger()
    logger.cont("one\n")
    logger.cont("two\nthree\n\n")
    logger.cont("\n")
    logger.cont("")
    assert lines(log) == [("one", False), ("two\nthree\n", False), ("", False)]
    assert {record.flags for record in log.reader()} == {2}


def test_no_piece_of_a_line_is_kept_back_by_once_or_by_a_rate(log: pr.Log) -> None:
    for logger in (log.get_logger().once(), log.get_logger().ratelimited(60.0, 1)):
        for piece in ("1 ", "2 ", "3\n"):
            logger.cont(piece)
    assert lines(log) == [("1 2 3", False)] * 2


def test_any_other_record_ends_the_line_and_the_rest_is_a_record_of_its_own(log: pr.Log) -> None:
    logger = log.get_logger("a")
    logger.cont("one ")
    logger.info("between")
    logger.cont("two ")
    logger.cont("three\n")
    logger.cont("four\n")
    assert lines(log) == [("one ", False), ("between", False), ("two three", True), ("four", False)]


def test_a_logger_of_another_name_does_not_go_on_with_the_line(log: pr.Log) -> None:
    one, two = log.get_logger("a"), log.get_logger("b")
    one.cont("one ")
    two.cont("two ")
    log.get_logger("b").cont("three\n")
    assert [(record.logger, record.event) for record in log.reader()] == [("a", "one "), ("b", "two three")]


def test_what_goes_on_with_a_line_that_was_broken_off_has_the_flag_whoever_broke_it(log: pr.Log) -> None:
    one, two, three = (log.get_logger(name) for name in "abc")
    for text in ("1 ", "2 ", "3\n"):
        one.cont(text)
        two.cont(text)
        three.cont(text)
    one.cont("new\n")
    found = [(record.logger, record.event, record.flags) for record in log.reader()]
    broken = [(name, text, flags) for text, flags in (("1 ", 0), ("2 ", 8), ("3", 2 | 8)) for name in "abc"]
    assert found == [*broken, ("a", "new", 2)]


def test_the_pieces_of_two_threads_that_take_turns_have_the_flag(log: pr.Log) -> None:
    turn = threading.Barrier(2)

    def speak(word: str, place: int) -> None:
        for step in range(6):
            turn.wait(timeout=60)
            if step % 2 == place:
                log.get_logger("turns").cont(word + "\n" * (step >= 4))

    threads = [threading.Thread(target=speak, args=(word, place)) for place, word in enumerate("ab")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(record.event, record.flags) for record in log.reader()] == [
        *[("a", 0), ("b", 0)],
        *[("a", 8), ("b", 8)],
        *[("a", 2 | 8), ("b", 2 | 8)],
    ]


@pytest.mark.parametrize(("lines", "flags"), [(128, {2 | 8}), (500, {2, 2 | 8})])
def test_of_more_lines_than_are_remembered_some_only_lack_the_flag(log: pr.Log, lines: int, flags: set[int]) -> None:
    loggers = [log.get_logger(f"number {number}") for number in range(lines)]
    for text in ("begun ", "ended\n"):
        for logger in loggers:
            logger.cont(text)
    found = [record.flags for record in log.reader()]
    assert found[:lines] == [0] * lines, "what begins a line never has it"
    assert set(found[lines:]) == flags


def test_the_lines_of_threads_never_mix(log: pr.Log) -> None:
    def speak(word: str) -> None:
        logger = log.get_logger("threads")
        for _ in range(300):
            for _ in range(4):
                logger.cont(word)
            logger.cont("\n")

    words = ["a", "b", "c"]
    threads = [threading.Thread(target=speak, args=(word,)) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [event for event, _ in lines(log)]
    assert {text[:1] for text in texts} <= {"", *words}
    assert all(text == text[:1] * len(text) for text in texts)
    assert {word: sum(text.count(word) for text in texts) for word in words} == dict.fromkeys(words, 1200)


def test_the_lines_of_tasks_never_mix(log: pr.Log) -> None:
    async def speak(word: str) -> None:
        for _ in range(20):
            log.get_logger("tasks").cont(word)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(speak("a"), speak("b"))

    asyncio.run(main())
    log.flush()
    assert lines(log) == [("a", False), ("b", False)] + [("a", True), ("b", True)] * 19


def test_a_signal_handler_does_not_go_on_with_the_line_that_it_interrupts(log: pr.Log) -> None:
    logger = log.get_logger()

    def handle(_signal: int, _frame: object) -> None:
        logger.cont("handler ")

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        logger.cont("main ")
        signal.raise_signal(signal.SIGUSR1)
        logger.cont("again ")
    finally:
        signal.signal(signal.SIGUSR1, before)
    log.flush()
    assert lines(log) == [("main ", False), ("handler ", False), ("again ", True)]


def test_a_handler_speaks_for_itself_also_by_functions_that_others_have_called_before(log: pr.Log) -> None:
    logger = log.get_logger("app")

    def say(text: str) -> None:
        logger.cont(text)

    def handle(*_: object) -> None:
        say("handler ")

    def call() -> None:
        say("called ")

    def speak(*, interrupted: bool) -> None:
        say("main ")
        if interrupted:
            signal.raise_signal(signal.SIGUSR1)
        else:
            call()
        say("again\n")

    reader = log.reader()

    def spoken(*, interrupted: bool) -> list[str]:
        while True:
            began = time.monotonic()
            speak(interrupted=interrupted)
            events = [record.event for record in reader]
            if time.monotonic() - began < PATIENCE:
                return events
            # This thread was held up, and the line may have ended by itself meanwhile.

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        for _ in range(6):
            assert spoken(interrupted=True) == ["main ", "handler ", "again"]
            assert spoken(interrupted=False) == ["main called again"]
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("size", [*range(380, 520, 7), 1000, 5000])
def test_lines_of_any_length_are_whole(log: pr.Log, size: int) -> None:
    logger = log.get_logger("app").bind(user="ann")
    logger.cont("x" * size)
    logger.cont("y" * size)
    logger.cont("z\n")
    logger.cont("x" * size + "\n")
    found = [(record.event, record.fields, record.truncated) for record in log.reader()]
    assert found == [("x" * size + "y" * size + "z", {"user": "ann"}, False), ("x" * size, {"user": "ann"}, False)]


def test_what_logs_while_its_text_is_made_has_a_line_of_its_own(log: pr.Log) -> None:
    logger = log.get_logger()

    class Loud:
        def __str__(self) -> str:
            logger.cont("inner ")
            return "outer "

    logger.cont("begun ")
    logger.cont(Loud())
    logger.cont("end\n")
    assert [event for event, _ in lines(log)] == ["begun ", "inner ", "outer end"]


def test_a_flush_ends_the_line_and_waits_for_it(log: pr.Log) -> None:
    sink = pr.sinks.memory()
    console = log.add_console(sink)
    for flush in (log.flush, console.flush):
        log.get_logger().cont("half")
        assert flush(timeout=60)
        assert sink.records[-1].event == "half"
    assert len(sink.records) == 2


@pytest.mark.parametrize("has_console", [False, True])
def test_a_line_that_nobody_goes_on_with_ends_by_itself(log: pr.Log, has_console: bool) -> None:
    sink = pr.sinks.memory()
    if has_console:
        log.add_console(sink)

    def has(count: int) -> bool:
        return len(lines(log)) == count

    def has_printed(count: int) -> bool:
        return len(sink.records) == count

    for count in (1, 2):
        log.get_logger().cont("half")
        wait_until(functools.partial(has, count), "the line")
        if has_console:
            wait_until(functools.partial(has_printed, count), "the line")
    log.get_logger().cont("the rest\n")
    assert lines(log) == [("half", False), ("half", True), ("the rest", True)]


def test_a_line_that_nobody_goes_on_with_is_printed_in_each_mode(log: pr.Log, mode: pr.typing.OffloadMode) -> None:
    sink = pr.sinks.memory()
    log.add_console(sink)
    log.offload.mode = mode
    log.get_logger().cont("half")
    wait_until(lambda: bool(sink.records), "the line")
    assert [record.event for record in sink.records] == ["half"]


def test_a_process_elsewhere_sees_the_line_when_it_has_ended_by_itself(log: pr.Log, ring_path: Path) -> None:
    with pr.open(ring_path) as ring:
        reader = ring.reader(follow=True)
        log.get_logger().cont("half")
        record = reader.read(timeout=60)
    assert record is not None
    assert record.event == "half"


def test_a_text_that_has_no_room_in_the_record_is_a_record_of_its_own(log: pr.Log) -> None:
    logger = log.get_logger("long")
    for _ in range(40):
        logger.cont("x" * 1000)
    logger.cont("\n")
    records = list(log.reader())
    assert [record.truncated for record in records] == [False, False]
    assert [record.flags & CONT for record in records] == [0, CONT]
    assert "".join(record.event for record in records) == "x" * 40_000
    assert len(records[0].event) == 32_000


def test_a_text_that_no_record_has_room_for_is_cut_and_at_its_end(log: pr.Log) -> None:
    logger = log.get_logger()
    logger.cont("y" * 100_000)
    logger.cont("more\n")
    first, second = log.reader()
    assert first.truncated
    assert first.event.endswith("<truncated>")
    assert (second.event, bool(second.flags & CONT)) == ("more", False)


def test_lines_that_wrap_around_the_end_of_the_ring_stay_whole(ring_path: Path) -> None:
    with pr.Log(ring_path, size="256 KiB") as log:
        logger = log.get_logger()
        for number in range(3000):
            logger.cont(f"{number}:")
            logger.cont("-" * (number % 97 * 5))
            logger.cont("=" * (number % 31 * 11) + "\n")
        records = list(log.reader())
        assert log.stats()["overwritten"] > 1000
    for record in records:
        number = int(record.event.partition(":")[0])
        assert record.event == f"{number}:" + "-" * (number % 97 * 5) + "=" * (number % 31 * 11)
    assert [record.seq for record in records] == list(range(records[0].seq, 3000))


def test_a_line_that_was_open_when_the_process_died_or_left_is_not_lost(ring_path: Path) -> None:
    code = """
    import os, signal, sys
    import printk_ring as pr

    log = pr.Log(sys.argv[1], size="256 KiB", consoles=[pr.sinks.stderr()])
    log.get_logger().cont("last ")
    log.get_logger().cont("words")
    if sys.argv[2] != "exit":
        os.kill(os.getpid(), int(sys.argv[2]))
    """
    for end in ("exit", int(signal.SIGKILL), int(signal.SIGSEGV)):
        done = run(code, ring_path, end)
        with pr.open(ring_path) as ring:
            assert [record.event for record in ring.reader()] == ["last words"]
        assert (done.returncode == 0) == (end == "exit")
        if end == "exit":
            assert "last words\n" in done.stderr


def test_a_forked_child_begins_a_line_of_its_own(ring_path: Path) -> None:
    succeed(
        """
        import os, sys
        import printk_ring as pr

        log = pr.Log(sys.argv[1], size="256 KiB")
        logger = log.get_logger()
        logger.cont("parent ")
        child = os.fork()
        if child == 0:
            logger.cont("child ")
            reader = log.reader(follow=True)
            ended = reader.read(timeout=60)  # by a thread of the child's own
            assert ended.event == "child ", ended
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        log.flush()
        assert [record.event for record in log.reader()] == ["parent "], list(log.reader())
        """,
        ring_path,
    )


def test_what_is_below_the_level_or_comes_too_late_goes_nowhere(log: pr.Log) -> None:
    logger = log.get_logger("quiet")
    logger.level = "NOTICE"
    logger.cont("nothing")
    log.get_logger().cont("last ")
    log.close()
    log.get_logger().cont("later\n")
    pr.get_logger("no log at all").cont("nowhere\n")
    assert lines(log) == [("last ", False)]


def test_any_object_is_a_text_and_none_makes_it_raise(log: pr.Log) -> None:
    class Bad:
        def __str__(self) -> str:
            raise ValueError("bad")

    logger = log.get_logger()
    for thing in (42, None, b"x", Bad(), "\ud800", "\n"):
        logger.cont(thing)
    assert [event for event, _ in lines(log)] == ["42Noneb'x'<unprintable Bad>�"]
    with pytest.raises(TypeError):
        logger.cont()  # type: ignore[call-arg]  # no text


def test_no_thread_is_started_for_lines_before_one_is_left_open() -> None:
    done = succeed(
        """
        import os, sys
        import printk_ring as pr

        def threads():
            return [open(f"/proc/self/task/{tid}/comm").read().strip() for tid in os.listdir("/proc/self/task")]

        log = pr.Log(size="256 KiB")
        log.get_logger().cont("whole\\n")
        assert "pr/lines" not in threads()
        for number in range(3):
            log.get_logger().cont("open")
            pr.Log(size="256 KiB").get_logger().cont("another")
        while not (there := threads().count("pr/lines")):
            pass  # it gives itself its name
        print(there)
        """
    )
    assert done == "1\n"

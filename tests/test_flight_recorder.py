"""The flight recorder, `dump_on`: DEBUG is always in the ring, and written out only when something breaks."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import stat
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import kill, mounting, start, succeed, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = re.compile(r"\*\* dump for record (\d+)(?: and (\d+) more)?: (.*) \*\*")


def dump_of(log: pr.Log) -> Path:
    """The file that the log dumps to."""
    assert log.path is not None
    return log.path.with_name(f"{log.path.name}.dump-{os.getpid()}.txt")


def dumps(text: str) -> list[tuple[str, list[str]]]:
    """Each dump's first line, and its records without their time stamps."""
    assert text == "" or text.endswith("\n"), text[-200:]
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("** dump for"):
            found.append((line, []))
        else:
            found[-1][1].append(line.partition("] ")[2] or line)
    return found


def settled(log: pr.Log, count: int) -> list[tuple[str, list[str]]]:
    """The dumps, when there are so many."""
    wait_until(lambda: log.stats()["dumps"] == count, f"dump {count}")
    return dumps(dump_of(log).read_text("utf-8"))


@pytest.fixture
def recorded(ring_path: Path) -> Iterator[pr.Log]:
    """A log that dumps the last ten records on ERROR."""
    with pr.Log(ring_path, size="1 MiB", dump_on="ERROR", dump_last=10) as log:
        yield log


def test_a_dump_has_the_debug_records_of_its_window_while_the_console_has_none(ring_path: Path, tmp_path: Path) -> None:
    with pr.Log(ring_path, dump_on="ERROR", dump_last="30s", consoles=[pr.sinks.file(tmp_path / "console")]) as log:
        logger = log.get_logger("app")
        for step in range(5):
            logger.debug("step", step=step)
        assert not dump_of(log).exists()
        logger.error("broken", order=4711)
        [(header, records)] = settled(log, 1)
        assert records == [*(f"app: step step={step}" for step in range(5)), "app: broken order=4711"]
        told = HEADER.fullmatch(header)
        assert told is not None
        assert told[1] == "5"
        assert told[2] is None
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ERROR app: broken order=4711", told[3])
        assert log.flush(60.0)
        assert (tmp_path / "console").read_text().partition("] ")[2] == "app: broken order=4711\n"
        assert stat.S_IMODE(dump_of(log).stat().st_mode) == 0o600


def test_a_window_is_so_many_records_back_from_the_first_that_broke_and_all_since(recorded: pr.Log) -> None:
    logger = recorded.get_logger()
    for number in range(50):
        logger.debug("before", number=number)
    with recorded.deferred():
        logger.critical("broken")
    [(_, records)] = settled(recorded, 1)
    assert records == [*(f"before number={number}" for number in range(41, 50)), "broken"]


def test_only_records_at_the_level_are_dumped_for(recorded: pr.Log) -> None:
    logger = recorded.get_logger()
    for level in ("debug", "info", "notice", "warning"):
        getattr(logger, level)(level)
    recorded.close()
    assert not dump_of(recorded).exists()
    assert recorded.stats()["dumps"] == 0


def test_a_burst_of_a_thousand_within_a_second_is_at_most_two_dumps_with_every_record_once(recorded: pr.Log) -> None:
    logger, began = recorded.get_logger(), time.monotonic()
    for number in range(1000):
        logger.error("broken", number=number)
        if number == 0:
            settled(recorded, 1)
    seconds = int(time.monotonic() - began)
    wait_until(lambda: recorded.stats()["dumps"] > 1, "the second")
    assert time.monotonic() - began >= 1.0, "the second begins a second after the first"
    recorded.close()
    stats = recorded.stats()
    found = dumps(dump_of(recorded).read_text("utf-8"))
    assert 2 <= len(found) == stats["dumps"] <= 2 + seconds
    numbers = [int(line.rpartition("=")[2]) for _, records in found for line in records]
    assert numbers == list(range(1000))
    heads = [HEADER.fullmatch(header) for header, _ in found]
    assert sum(1 + int(head[2] or 0) for head in heads if head is not None) == 1000


def test_windows_that_overlap_write_no_record_twice_and_lose_none(ring_path: Path) -> None:
    recorded = pr.Log(ring_path, size="1 MiB", dump_on="ERROR", dump_last="1h")
    logger, threads = recorded.get_logger(), []

    def work(worker: int) -> None:
        for number in range(200):
            logger.log("ERROR" if number % 50 == 49 else "DEBUG", "event", id=worker * 1000 + number)

    for worker in range(4):
        threads.append(threading.Thread(target=work, args=(worker,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    wait_until(lambda: recorded.stats()["dumps"] > 0, "a dump")
    logger.error("last", id=9000)
    recorded.close()
    assert recorded.stats()["dumps"] >= 2
    found = dumps(dump_of(recorded).read_text("utf-8"))
    ids = [int(line.rpartition("=")[2]) for _, records in found for line in records]
    assert len(ids) == len(set(ids))
    assert ids == [record.fields["id"] for record in recorded.reader()]


def test_what_is_pending_is_written_at_the_end_and_dumps_of_one_process_follow_one_another(ring_path: Path) -> None:
    """The second of pause between two dumps is not waited for at the end."""
    for end in ("log.close()", "pass"):
        succeed(
            """
            import os, sys, time
            import printk_ring as pr

            log = pr.install(sys.argv[1], size="256 KiB", consoles=(), dump_on="ERROR")
            logger = pr.get_logger()
            logger.error("first")
            while log.stats()["dumps"] == 0:
                time.sleep(0.001)
            logger.debug("between")
            logger.error("second")
            exec(sys.argv[2])
            """,
            ring_path,
            end,
        )
        [path] = ring_path.parent.glob("app.ring.dump-*.txt")
        found = dumps(path.read_text("utf-8"))
        assert [records for _, records in found] == [["first"], ["between", "second"]]
        path.unlink()


def test_a_forked_child_dumps_to_a_file_of_its_own(ring_path: Path) -> None:
    said = succeed(
        """
        import os, sys, time
        import printk_ring as pr

        log = pr.Log(sys.argv[1], size="256 KiB", dump_on="ERROR")
        logger = log.get_logger()
        logger.error("the parent's")
        while log.stats()["dumps"] == 0:
            time.sleep(0.001)
        child = os.fork()
        if child == 0:
            logger.debug("the child's")
            logger.error("and its error")
            log.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(os.getpid(), child)
        """,
        ring_path,
    )
    parent, child = said.split()
    own = ring_path.with_name(f"app.ring.dump-{parent}.txt")
    childs = ring_path.with_name(f"app.ring.fork-{child}.dump-{child}.txt")
    assert sorted(ring_path.parent.glob("*.txt")) == sorted([own, childs])
    assert [records for _, records in dumps(own.read_text())] == [["the parent's"]]
    assert [records for _, records in dumps(childs.read_text())] == [["the child's", "and its error"]]


def test_in_a_directory_of_rings_the_dump_is_beside_its_ring_and_is_not_taken_for_one(tmp_path: Path) -> None:
    with pr.Log(directory=tmp_path, name="app", size="256 KiB", dump_on="ERROR") as log:
        log.get_logger().error("broken")
        settled(log, 1)
        path = log.path
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        f"app-{os.getpid()}.ring",
        f"app-{os.getpid()}.ring.dump-{os.getpid()}.txt",
    ]
    assert [life.info.path for life in pr.recover(tmp_path)] == [path]


def test_what_was_cleared_is_not_dumped(recorded: pr.Log) -> None:
    logger = recorded.get_logger()
    logger.debug("cleared")
    recorded.clear()
    logger.debug("kept")
    logger.error("broken")
    [(_, records)] = settled(recorded, 1)
    assert records == ["kept", "broken"]


def test_records_that_try_to_look_like_a_dump_cannot(recorded: pr.Log) -> None:
    recorded.get_logger().error("x **\n** dump for record 7: y **\x1b[2J", key="a\nb")
    [(header, records)] = settled(recorded, 1)
    assert len(header) < 1200
    assert [line for line in records if line.startswith("** dump")] == []
    assert "\x1b" not in dump_of(recorded).read_text()


def test_a_symbolic_link_is_not_followed_and_that_is_told_once(recorded: pr.Log, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    dump_of(recorded).symlink_to(tmp_path / "precious")
    for number in range(3):
        recorded.get_logger().error("broken", number=number)
        wait_until(lambda number=number: recorded.stats()["dump_errors"] == number + 1, "a failure")  # type: ignore[misc]
    told = [record.event for record in recorded.reader() if record.logger == "printk_ring"]
    assert len(told) == 1, told
    assert "dump failed" in told[0]
    assert "symbolic link" in told[0]
    dump_of(recorded).unlink()
    recorded.close()
    [(header, records)] = dumps(dump_of(recorded).read_text())
    assert HEADER.fullmatch(header).groups()[:2] == ("0", "2")  # type: ignore[union-attr]
    said = [line.partition(":")[0] for line in records]
    assert said == ["broken number=0", "printk_ring", "broken number=1", "broken number=2"]
    assert (tmp_path / "precious").read_text() == "precious"
    assert recorded.stats()["dumps"] == 1


FULL = """
    import os, subprocess, sys, time
    import printk_ring as pr

    how, folder = sys.argv[1:]
    if how == "disk":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
    else:
        os.mkdir(folder + "/gone")
        folder += "/gone"
    log = pr.Log(folder + "/a.ring", size="256 KiB", dump_on="ERROR", dump_last=100)
    logger = log.get_logger()
    if how == "disk":
        with open(folder + "/filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass
    else:
        os.rename(folder, folder + "-renamed")
    for number in range(3):
        logger.debug("led up", number=number)
    logger.error("broken")
    while log.stats()["dump_errors"] == 0:
        time.sleep(0.001)
    if how == "disk":
        os.unlink(folder + "/filler")
    else:
        os.mkdir(folder)
    logger.error("again")
    log.close()
    stats = log.stats()
    assert (stats["dumps"], stats["dump_errors"]) == (1, 1), stats
    told = [record.event for record in log.reader() if record.logger == "printk_ring"]
    print(told)
    print(open(f"{folder}/a.ring.dump-{os.getpid()}.txt").read(), end="")
    """


@pytest.mark.parametrize("how", ["disk", "gone"])
def test_a_full_disk_or_a_directory_that_is_gone_is_told_once_and_made_up_for_with_the_next_error(
    tmp_path: Path, how: str
) -> None:
    prefix: Any = () if how == "gone" else mounting()
    if prefix is None:
        pytest.skip("no file system can be mounted here")  # needs the right to; "gone" needs none and runs everywhere
    said = succeed(FULL, how, tmp_path, prefix=prefix).splitlines()
    assert said[0].count("dump failed") == 1
    assert {"disk": "No space left on device", "gone": "No such file or directory"}[how] in said[0]
    records = [line.partition("] ")[2] for line in said[1:] if line.startswith("[")]
    assert [line for line in records if not line.startswith("printk_ring")] == [
        *(f"led up number={number}" for number in range(3)),
        "broken",
        "again",
    ]


def test_a_process_that_is_killed_right_after_leaves_whole_lines_and_the_ring(ring_path: Path) -> None:
    for _ in range(5):
        child = start(
            """
            import sys
            import printk_ring as pr

            log = pr.Log(sys.argv[1], size="256 KiB", dump_on="ERROR", dump_last=100)
            logger = log.get_logger()
            for number in range(500):
                logger.debug("led up", number=number)
            logger.error("broken")
            print("ready", flush=True)
            sys.stdin.read()
            """,
            ring_path,
        )
        kill(child)
        path = ring_path.with_name(f"app.ring.dump-{child.pid}.txt")
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1].splitlines()
        assert [
            line for line in whole[1:] if not re.fullmatch(r"\[ *\d+\.\d{6}\] (led up number=\d+|broken)", line)
        ] == []
        with pr.open(ring_path) as ring:
            assert [record.event for record in ring.reader()][-2:] == ["led up", "broken"]


def test_records_overwritten_before_they_are_dumped_are_told(ring_path: Path) -> None:
    """The dump cannot be written until the ring has come round."""
    with pr.Log(ring_path, size="256 KiB", dump_on="ERROR", dump_last=10) as log:
        logger = log.get_logger()
        dump_of(log).symlink_to("nowhere")
        logger.error("broken")
        wait_until(lambda: log.stats()["dump_errors"] == 1, "a failure")
        for number in range(log.stats()["descriptors"] + 10):
            logger.debug("later", number=number)
        dump_of(log).unlink()
        oldest = next(iter(log.reader()))
    [(header, records)] = dumps(dump_of(log).read_text())
    assert HEADER.fullmatch(header)[1] == "0"  # type: ignore[index]
    assert records[0] == f"** {oldest.seq - 1} printk messages dropped **"
    assert records[1] == f"later number={oldest.fields['number']}"
    assert len(records) > 100


def test_the_window_is_30_seconds_unless_it_is_said(ring_path: Path) -> None:
    """Records that say when they were logged: 29 and 31 seconds before the one that breaks."""
    now = 1_000_000_000_000
    with pr.Log(ring_path, size="256 KiB", dump_on="ERROR") as log:
        for seconds in (31, 29, 0):
            log._emit(3 if seconds == 0 else 7, f"{seconds} seconds before", ts_nsec=now - seconds * 1_000_000_000)
        [(_, records)] = settled(log, 1)
    assert records == ["29 seconds before", "0 seconds before"]


@pytest.fixture
def by_context(ring_path: Path) -> Iterator[pr.Log]:
    """A log that dumps what was logged in the same context."""
    with pr.Log(ring_path, size="1 MiB", dump_on="ERROR", dump_last="context") as log:
        yield log


def test_a_dump_by_context_has_what_led_up_to_the_error_in_its_own_context_and_nothing_else(by_context: pr.Log) -> None:
    logger = by_context.get_logger()
    blocks = [logger.contextualize(request=number, user="ann") for number in range(3)]
    logger.debug("around")
    for step in range(5):
        for block in blocks:
            with block:
                logger.debug("at", step=step)
                with logger.contextualize(part="db"):
                    logger.debug("deeper", step=step)
    logger.debug("given", request=1, user="ann")
    with blocks[1]:
        logger.debug("another's", request=2)
        logger.error("broken")
    [(header, records)] = settled(by_context, 1)
    assert header.endswith("ERROR broken request=1 user=ann **")
    lines = [
        (f"at request=1 user=ann step={step}", f"deeper request=1 user=ann part=db step={step}") for step in range(5)
    ]
    assert records == [*(line for pair in lines for line in pair), "broken request=1 user=ann"]
    with blocks[2]:  # of which the most lies before the end of the first dump
        logger.error("broken too")
    found = settled(by_context, 2)[1][1]
    assert found == [line.replace("request=1", "request=2") for line in records[:-1]] + [
        "broken too request=2 user=ann"
    ]


def test_an_error_within_an_inner_block_has_only_that(by_context: pr.Log) -> None:
    logger = by_context.get_logger()
    with logger.contextualize(request=1):
        logger.debug("outer")
        with logger.contextualize(part="db"):
            logger.debug("inner")
            logger.error("broken")
    [(_, records)] = settled(by_context, 1)
    assert records == ["inner request=1 part=db", "broken request=1 part=db"]


def test_errors_of_several_contexts_are_in_one_dump_each_record_once_in_order(by_context: pr.Log) -> None:
    """More contexts than are told apart: the others have the window."""
    logger = by_context.get_logger()
    dump_of(by_context).symlink_to("nowhere")  # until all have failed
    for number in range(200):
        with logger.contextualize(request=number):
            logger.debug("led up")
    for number in range(100):
        with logger.contextualize(request=number):
            logger.error("broken")
    wait_until(lambda: by_context.stats()["dump_errors"] > 0, "a failure")
    dump_of(by_context).unlink()
    by_context.close()
    found = [line for _, records in dumps(dump_of(by_context).read_text()) for line in records if "request" in line]
    led_up = [line for line in found if line.startswith("led up")]
    assert led_up == [f"led up request={number}" for number in range(200)], "all, by the window"
    assert [line for line in found if line.startswith("broken")] == [
        f"broken request={number}" for number in range(100)
    ]


def test_two_contexts_in_one_dump_are_both_there_and_a_third_is_not(by_context: pr.Log) -> None:
    logger = by_context.get_logger()
    dump_of(by_context).symlink_to("nowhere")  # until both have failed
    for event, method in (("led up", logger.debug), ("broken", logger.error)):
        for request in range(3):
            with logger.contextualize(request=request):
                if (event, request) != ("broken", 1):
                    method(event)
    wait_until(lambda: by_context.stats()["dump_errors"] > 0, "a failure")
    dump_of(by_context).unlink()
    by_context.close()
    [(_, records)] = dumps(dump_of(by_context).read_text())
    assert records == ["led up request=0", "led up request=2", "broken request=0", "broken request=2"]


def test_without_a_context_the_window_is_that_of_30_seconds(by_context: pr.Log) -> None:
    logger = by_context.get_logger()
    now = 1_000_000_000_000
    by_context._emit(7, "too old", ts_nsec=now - 31_000_000_000)
    by_context._emit(7, "young enough", ts_nsec=now - 29_000_000_000)
    with logger.contextualize(request=1):
        by_context._emit(7, "of some context", ts_nsec=now)
    by_context._emit(3, "broken", ts_nsec=now)
    [(_, records)] = settled(by_context, 1)
    assert records == ["young enough", "of some context request=1", "broken"]


def test_tasks_and_the_standard_library_are_told_apart_by_context(by_context: pr.Log) -> None:
    ours = logging.Logger("ours")
    ours.addHandler(pr.RingHandler(by_context))
    logger = by_context.get_logger()

    async def serve(request: int) -> None:
        with logger.contextualize(request=request):
            for _ in range(3):
                ours.debug("led up")
                await asyncio.sleep(0)
            if request == 1:
                ours.error("broken")

    async def main() -> None:
        await asyncio.gather(*(serve(request) for request in range(3)))

    asyncio.run(main())
    [(_, records)] = settled(by_context, 1)
    assert records == [*["ours: led up request=1"] * 3, "ours: broken request=1"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"dump_on": "ERROR"}, "dump_on.*path"),
        ({"path": "x", "dump_last": "30s"}, "dump_last.*dump_on"),
        (
            {"path": "x", "dump_on": "ERROR", "dump_last": "half an hour"},
            "dump_last.*half an hour.*30s.*number of records.*context",
        ),
        ({"path": "x", "dump_on": "ERROR", "dump_last": 0}, "dump_last.*from 1 on"),
        ({"path": "x", "dump_on": "ERROR", "dump_last": -(2**70)}, "dump_last.*from 1 on"),
        ({"path": "x", "dump_on": "loud"}, "loud"),
    ],
    ids=str,
)
def test_wrong_arguments_are_config_errors_that_say_what_is_right(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(pr.ConfigError, match=named):
        pr.Log(**arguments)


def test_a_window_that_is_neither_text_nor_a_number_is_a_type_error(ring_path: Path) -> None:
    for wrong in (True, 1.5, b"30s"):
        with pytest.raises(TypeError, match="dump_last"):
            pr.Log(ring_path, dump_on="ERROR", dump_last=wrong)  # type: ignore[arg-type]
    with pr.Log(ring_path, size="256 KiB", dump_on=3, dump_last=2**70) as log:
        log.get_logger().error("broken")
        assert settled(log, 1)[0][1] == ["broken"]


def test_a_log_that_dumps_says_what_that_takes_and_one_that_does_not_has_nothing_of_it(recorded: pr.Log) -> None:
    stats = recorded.stats()
    assert stats["memory"]["dumps"] == stats["descriptors"] // 8
    with pr.Log(size="256 KiB") as other:
        assert other.stats()["memory"]["dumps"] == 0

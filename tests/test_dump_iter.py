"""`dump_iter`: a log's records as text, line by line or in blocks from the newest back."""

from __future__ import annotations

import copy
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARKER = b"<truncated>\n"


def blocks(walk: pr.DumpIter, size: int, *, syslog: bool = False) -> Iterator[bytes]:
    """All blocks from here on."""
    while (block := walk.get_buffer(size, syslog)) is not None:
        yield block


def texts(log: pr.Log, *, syslog: bool = False) -> list[bytes]:
    """What a dump says of each record, by another way."""
    return [record.format("syslog" if syslog else "text").encode() + b"\n" for record in log.reader("clear")]


@pytest.fixture
def filled(log: pr.Log) -> pr.Log:
    """A log with records of many kinds and lengths."""
    logger = log.get_logger("app", user="ann")
    dice = random.Random(7)
    for number in range(150):
        text = dice.choice(["short", "größer €", "two\nlines", "x" * dice.randrange(400), "\x1b[31m", ""])
        logger.log(dice.randrange(8), text or " ", number=number)
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("failed")
    return log


@pytest.mark.parametrize("syslog", [False, True])
def test_lines_are_the_records_in_the_text_format_and_end_when_there_are_no_more(filled: pr.Log, syslog: bool) -> None:
    walk = filled.dump_iter()
    lines = list(iter(lambda: walk.get_line(syslog), None))
    assert [line.encode() + b"\n" for line in lines] == texts(filled, syslog=syslog)
    assert walk.get_line(syslog) is None
    assert walk.cur_seq == walk.next_seq


def test_iterating_gives_the_lines(filled: pr.Log) -> None:
    lines = list(filled.dump_iter())
    assert lines == [str(record) for record in filled.reader()]
    assert any("\n" in line for line in lines)


@pytest.mark.parametrize("syslog", [False, True])
@pytest.mark.parametrize("size", [700, 1024, 4096, 1 << 16, 1 << 30, 1 << 70])
def test_where_every_record_fits_the_blocks_in_reverse_are_the_lines(filled: pr.Log, size: int, syslog: bool) -> None:
    expected = texts(filled, syslog=syslog)
    assert max(map(len, expected)) < 700
    given = list(blocks(filled.dump_iter(), size, syslog=syslog))
    assert b"".join(reversed(given)) == b"".join(expected)
    assert all(len(block) <= size - 1 for block in given)
    assert len(given) > 1 or size > 1 << 14


@pytest.mark.parametrize("size", [1, 2, 5, 11, 12, 13, 14, 30, 50, 64, 100, 128, 200, 300])
def test_in_a_buffer_of_any_size_each_record_comes_once_whole_or_cut_and_the_walk_ends(
    filled: pr.Log, size: int
) -> None:
    left = texts(filled)
    walk = filled.dump_iter()
    for block in itertools.islice(blocks(walk, size), 10 * len(left)):
        assert len(block) <= size - 1
        if len(left[-1]) > size - 1:
            whole = left.pop()
            if size > len(MARKER):
                assert block.endswith(MARKER)
                assert whole.startswith(block.removesuffix(MARKER))
                block.decode()  # no half character
                assert len(block) >= size - 4
            else:
                assert len(block) == size - 1
            continue
        while block:
            assert block.endswith(left[-1])
            block = block.removesuffix(left.pop())  # noqa: PLW2901 - taken apart
    assert not left
    assert walk.get_buffer(size) is None
    assert walk.next_seq == walk.cur_seq


def test_a_buffer_of_no_bytes_gives_nothing_and_changes_nothing(filled: pr.Log) -> None:
    walk = filled.dump_iter()
    before = (walk.cur_seq, walk.next_seq)
    assert walk.get_buffer(0) is None
    assert (walk.cur_seq, walk.next_seq) == before
    with pytest.raises(ValueError, match="size is -1"):
        walk.get_buffer(-1)
    with pytest.raises(TypeError):
        walk.get_buffer("1 KiB")  # type: ignore[arg-type]


def test_what_was_cleared_is_not_given_and_a_mark_that_moves_later_counts_at_once(log: pr.Log) -> None:
    logger = log.get_logger()
    logger.info("before")
    log.clear()
    walk = log.dump_iter()
    assert list(walk) == []
    assert walk.get_buffer(1000) is None
    logger.info("one")
    logger.info("two")
    assert [line[-3:] for line in log.dump_iter()] == ["one", "two"]
    block = log.dump_iter().get_buffer(1000)
    assert block is not None
    assert b"before" not in block
    walk.rewind()
    log.clear()
    assert walk.get_line() is None
    assert walk.get_buffer(1000) is None
    assert [record.event for record in log.reader()] == ["before", "one", "two"]


def test_what_comes_after_the_rewind_is_a_line_but_in_no_block_and_does_not_keep_iterating_alive(log: pr.Log) -> None:
    logger = log.get_logger()
    logger.info("old")
    walk = log.dump_iter()
    logger.info("new")
    block = walk.get_buffer(1000)
    assert block is not None
    assert block.count(b"\n") == 1
    assert walk.get_buffer(1000) is None
    walk.rewind()
    logger.info("newer")
    for line in itertools.islice(walk, 10):
        logger.info("seen", line=line)
    assert next(walk, None) is None
    events = [record.event for record in log.reader()]
    assert events == ["old", "new", "newer", "seen", "seen"]
    later = walk.get_line()
    assert later is not None
    assert later.endswith("newer")


def test_an_iterator_is_a_value(filled: pr.Log) -> None:
    first = filled.dump_iter()
    newest = first.get_buffer(1000)
    second = copy.copy(first)
    assert second.get_buffer(1000) == first.get_buffer(1000)
    third = first.get_buffer(1000)
    first.rewind()
    assert first.get_buffer(1000) == newest
    assert second.get_buffer(1000) == third


def test_lines_that_were_given_are_in_no_block(log: pr.Log) -> None:
    logger = log.get_logger()
    for number in range(10):
        logger.info("number %d", number)
    walk = log.dump_iter()
    for _ in range(7):
        assert walk.get_line() is not None
    block = walk.get_buffer(1000)
    assert block is not None
    assert [line[-1:] for line in block.splitlines()] == [b"7", b"8", b"9"]
    assert walk.get_buffer(1000) is None


def test_a_record_of_the_largest_size_is_given_whole(log: pr.Log) -> None:
    log.get_logger().info("\n" * 30_000)
    line = log.dump_iter().get_line()
    assert line is not None
    assert line == str(next(log.reader()))
    assert line.count("\n") == 30_000
    assert log.dump_iter().get_buffer(1 << 24) == line.encode() + b"\n"


def test_a_file_of_another_process_is_walked_the_same_way_dead_or_alive(filled: pr.Log, ring_path: Path) -> None:
    with pr.open(ring_path) as file:
        assert list(file.dump_iter()) == list(filled.dump_iter())
        assert list(blocks(file.dump_iter(), 900)) == list(blocks(filled.dump_iter(), 900))
        filled.clear()
        assert list(file.dump_iter()) == []
        walk = file.dump_iter()
    with pytest.raises(pr.RingFileError):
        walk.get_line()


def test_a_dead_ring_is_walked_beyond_what_its_owner_had_not_finished(tmp_path: Path) -> None:
    program = """
import os, signal, sys
import printk_ring as pr
ring = pr.Ring(desc_bits=6, avg_data_bits=6, path=sys.argv[1])
def put(text):
    reservation = ring.reserve(len(text))
    reservation.write(text)
    return reservation
put(b"one").finalize()
held = put(b"never finished")
put(b"two").finalize()
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "dead.ring"
    done = subprocess.run([sys.executable, "-c", program, path], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    with pr.open(path) as file:
        # A bare ring's texts are no records of a log: they are told as such, each by its number.
        assert list(file.dump_iter()) == ["** printk message 0 is torn **", "** printk message 2 is torn **"]
        assert file.dump_iter().get_buffer(1000) == b"** printk message 0 is torn **\n** printk message 2 is torn **\n"


def test_a_closed_log_can_still_be_walked(filled: pr.Log) -> None:
    before = list(filled.dump_iter())
    filled.close()
    assert list(filled.dump_iter()) == before


def test_walks_end_and_give_each_record_once_while_four_threads_log(tmp_path: Path) -> None:
    with pr.Log(tmp_path / "busy.ring", size="1 MiB") as log:
        done = threading.Event()

        def busy(thread: int) -> None:
            logger = log.get_logger(f"t{thread}")
            for number in itertools.count():
                logger.info("n", number=number)
                if done.is_set():
                    return

        threads = [threading.Thread(target=busy, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        try:
            while log.stats()["overwritten"] == 0:
                pass
            # Whatever a walk wanted may be overwritten before it begins.
            wait_until(lambda: walk(log), "a walk has seen something")
        finally:
            done.set()
            for thread in threads:
                thread.join()


def walk(log: pr.Log) -> int:
    """How many records are seen, in blocks of several sizes and line by line."""
    seen = 0
    for size in (200, 1000, 5000, 20000, 1 << 20):
        seen += check_numbers(b"".join(reversed(list(blocks(log.dump_iter(), size)))).decode().splitlines())
        seen += check_numbers(list(log.dump_iter()))
    return seen


def check_numbers(lines: list[str]) -> int:
    """Each thread's numbers go up, and no line is anything else. How many there are."""
    last: dict[str, int] = {}
    for line in lines:
        name, number = line.split("] ")[1].split(": n number=")
        assert int(number) > last.get(name, -1), line
        last[name] = int(number)
    return len(lines)


def test_a_forked_childs_iterator_walks_the_childs_own_records_after_a_rewind(filled: pr.Log) -> None:
    walk = filled.dump_iter()
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        filled.get_logger().info("of the child")
        walk.rewind()
        os.write(writing, "\n".join(walk).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert said.endswith(b"of the child")
    assert said.count(b"\n") == 0


def test_threads_that_share_an_iterator_get_each_record_once(tmp_path: Path) -> None:
    with pr.Log(tmp_path / "shared.ring", size="8 MiB") as log:
        logger = log.get_logger()
        for number in range(30_000):
            logger.info("n", number=number)
        expected = sorted(map(str, log.reader()))
        for size in (20_000, 200_000):  # long steps: one thread is in the middle of its own when another one begins
            walk, taken, together = log.dump_iter(), list[str](), threading.Barrier(4)

            def take(
                walk: pr.DumpIter = walk,
                taken: list[str] = taken,
                together: threading.Barrier = together,
                size: int = size,
            ) -> None:
                together.wait()
                for block in blocks(walk, size):
                    taken.extend(block.decode().splitlines())

            threads = [threading.Thread(target=take) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(taken) == expected

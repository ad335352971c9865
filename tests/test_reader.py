"""Readers: where they start, where they end, what they lost, how they wait."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def fill(log: pr.Log, count: int, start: int = 0) -> None:
    logger = log.get_logger()
    for number in range(start, start + count):
        logger.info("event", number=number)


def numbers(records: pr.Reader | list[pr.Record]) -> list[int]:
    return [record.fields["number"] for record in records]


def test_a_reader_goes_through_all_records_in_order_and_ends(log: pr.Log) -> None:
    fill(log, 100)
    reader = log.reader()
    assert numbers(reader) == list(range(100))
    assert next(reader, None) is None
    fill(log, 2, start=100)
    assert numbers(reader) == [100, 101]
    assert (reader.lost, reader.torn, reader.seq) == (0, 0, 102)


@pytest.mark.parametrize(("start", "expected"), [("oldest", [0, 1, 2, 3]), ("clear", [2, 3]), ("newest", []), (3, [3])])
def test_a_reader_starts_where_it_is_told(log: pr.Log, start: str | int, expected: list[int]) -> None:
    fill(log, 2)
    log.clear()
    fill(log, 2, start=2)
    assert numbers(log.reader(start)) == expected  # type: ignore[arg-type]  # one of the names
    reader = log.reader("newest")
    reader.seek(start)  # type: ignore[arg-type]  # one of the names
    assert numbers(reader) == expected


@pytest.mark.parametrize("wrong", ["middle", "", -1])
def test_a_start_that_is_none_is_a_config_error(log: pr.Log, wrong: str | int) -> None:
    with pytest.raises(pr.ConfigError):
        log.reader(wrong)  # type: ignore[arg-type]  # that is the test


def test_a_start_beyond_the_end_waits_for_that_record(log: pr.Log) -> None:
    reader = log.reader(5)
    fill(log, 7)
    assert numbers(reader) == [5, 6]


def test_read_gives_none_where_nothing_is_available(log: pr.Log) -> None:
    reader = log.reader()
    assert reader.read() is None
    assert reader.read(timeout=0) is None
    fill(log, 1)
    record = reader.read()
    assert record is not None
    assert record.fields == {"number": 0}


def test_read_waits_up_to_its_timeout_for_a_record_from_another_thread(log: pr.Log) -> None:
    reader = log.reader()
    threading.Timer(0.05, fill, (log, 1)).start()
    record = reader.read(timeout=30.0)
    assert record is not None
    assert record.fields == {"number": 0}


def test_a_following_reader_waits_and_ends_when_the_log_is_closed(log: pr.Log) -> None:
    seen: list[int] = []
    reader = log.reader(follow=True)
    thread = threading.Thread(target=lambda: seen.extend(numbers(reader)))
    thread.start()
    fill(log, 5)
    wait_until(lambda: len(seen) == 0 and reader.seq == 5, "the reader has come to the end")
    fill(log, 5, start=5)
    log.close()
    thread.join(30.0)
    assert not thread.is_alive()
    assert seen == list(range(10))


def test_an_overrun_is_raised_once_and_reading_goes_on_at_the_oldest() -> None:
    with pr.Log(size="256 KiB") as log:
        reader = log.reader()
        fill(log, 20_000)
        with pytest.raises(pr.Overrun) as caught:
            reader.read()
        lost = caught.value.lost
        assert 0 < lost < 20_000
        assert reader.lost == lost
        assert numbers(reader) == list(range(lost, 20_000))
        assert isinstance(caught.value, pr.PrintkError)


def test_a_for_loop_counts_overruns_and_goes_on() -> None:
    with pr.Log(size="256 KiB") as log:
        reader = log.reader()
        fill(log, 20_000)
        seen = numbers(reader)
        assert len(seen) + reader.lost == 20_000
        assert seen == list(range(reader.lost, 20_000))


def test_starting_at_the_oldest_of_a_wrapped_ring_is_no_loss() -> None:
    with pr.Log(size="256 KiB") as log:
        fill(log, 20_000)
        reader = log.reader()
        first = reader.read()
        assert first is not None
        assert first.seq > 0
        assert reader.lost == 0


def test_an_overrun_made_by_hand_has_its_count() -> None:
    assert pr.Overrun(7).lost == 7
    assert pr.Overrun().lost == 0


def test_a_record_has_both_clocks_and_the_writers_identity(log: pr.Log) -> None:
    before, wall_before = time.monotonic_ns(), time.time_ns()
    log.get_logger("app").info("event")
    after, wall_after = time.monotonic_ns(), time.time_ns()
    [record] = log.reader()
    assert before <= record.ts_nsec <= after
    slack = 1_000_000_000
    assert wall_before - slack <= record.wall_nsec <= wall_after + slack
    assert (record.pid, record.tid) == (os.getpid(), threading.get_native_id())
    assert (record.facility, record.truncated, record.torn, record.exc) == (1, False, False, None)


def test_a_record_of_another_thread_says_which(log: pr.Log) -> None:
    tids = []

    def work() -> None:
        tids.append(threading.get_native_id())
        log.get_logger().info("from the thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    log.get_logger().info("from here")
    theirs, ours = log.reader()
    assert (theirs.tid, ours.tid) == (tids[0], threading.get_native_id())
    assert theirs.caller_id != ours.caller_id


def test_a_record_cannot_be_changed(log: pr.Log) -> None:
    fill(log, 1)
    [record] = log.reader()
    with pytest.raises(AttributeError):
        record.seq = 5  # type: ignore[misc]  # that is the test
    record.fields["number"] = "changed"
    assert record.fields == {"number": 0}


def test_an_unknown_format_of_a_record_is_a_config_error(log: pr.Log) -> None:
    fill(log, 1)
    [record] = log.reader()
    with pytest.raises(pr.ConfigError, match="xml"):
        record.format("xml")  # type: ignore[arg-type]  # that is the test


def test_many_threads_read_and_write_at_once(ring_path: Path) -> None:
    writers, count = 4, 2000
    log = pr.Log(ring_path, size="4 MiB")  # so that nothing is overwritten: the readers may be slow
    seen: list[list[pr.Record]] = []

    def write(number: int) -> None:
        logger = log.get_logger(f"writer{number}")
        for index in range(count):
            logger.info("event", number=index)

    def read() -> None:
        seen.append(list(log.reader(follow=True)))

    readers = [threading.Thread(target=read) for _ in range(2)]
    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in readers + threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    for thread in readers:
        thread.join(60.0)
    assert len(seen) == len(readers)
    for records in seen:
        assert [record.seq for record in records] == list(range(writers * count))
        for number in range(writers):
            assert numbers([r for r in records if r.logger == f"writer{number}"]) == list(range(count))


def test_the_reader_of_a_file_reads_on_while_the_log_is_alive(log: pr.Log, ring_path: Path) -> None:
    fill(log, 3)
    with pr.open(ring_path) as ring:
        reader = ring.reader()
        assert numbers(reader) == [0, 1, 2]
        fill(log, 2, start=3)
        assert numbers(reader) == [3, 4]

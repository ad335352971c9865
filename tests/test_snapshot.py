"""Snapshots: the ring as NumPy columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import printk_ring as pr

if TYPE_CHECKING:
    from pathlib import Path


def test_the_columns_say_what_the_reader_says(log: pr.Log, ring_path: Path) -> None:
    logger = log.get_logger("app")
    for number in range(200):
        logger.log(number % 8, "event %d", number, number=number, name="x" * (number % 50))
    records = list(log.reader())
    with pr.open(ring_path) as ring:
        for snapshot in (log.snapshot(), ring.snapshot()):
            info = snapshot.info
            assert len(snapshot) == len(info) == len(records) == 200
            for name in ("seq", "ts_nsec", "level", "facility", "flags", "caller_id"):
                assert info[name].tolist() == [getattr(record, name) for record in records], name
            assert [snapshot.text(i) for i in range(200)] == [record.message for record in records]
            assert [snapshot.fields(i) for i in range(200)] == [record.fields for record in records]


def test_the_columns_have_the_contracts_names_and_widths(log: pr.Log) -> None:
    dtype = log.snapshot().info.dtype
    assert dtype.names == ("seq", "ts_nsec", "level", "facility", "flags", "caller_id", "text_offset", "text_len")
    assert [dtype[name].str for name in dtype.names] == ["<u8", "<u8", "|u1", "|u1", "|u1", "<u8", "<u8", "<u4"]
    assert dtype.itemsize == 40


def test_the_offsets_lie_within_the_data(log: pr.Log) -> None:
    for number in range(50):
        log.get_logger().info("event", number=number)
    snapshot = log.snapshot()
    ends = snapshot.info["text_offset"] + snapshot.info["text_len"]
    assert int(ends.max()) <= len(snapshot.data)
    assert np.all(np.diff(snapshot.info["text_offset"].astype(np.int64)) > 0)


def test_a_snapshot_of_nothing_is_empty(log: pr.Log) -> None:
    snapshot = log.snapshot()
    assert len(snapshot) == 0
    assert snapshot.data == b""
    with pytest.raises(IndexError):
        snapshot.text(0)


def test_rows_count_from_the_end_too_and_end_somewhere(log: pr.Log) -> None:
    log.get_logger().info("first")
    log.get_logger().info("last", n=1)
    snapshot = log.snapshot()
    assert (snapshot.text(-1), snapshot.fields(-1)) == ("last", {"n": 1})
    for beyond in (2, -3):
        with pytest.raises(IndexError):
            snapshot.fields(beyond)


def test_a_snapshot_stays_as_it_is_and_cannot_be_written_to(log: pr.Log) -> None:
    log.get_logger().info("one")
    snapshot = log.snapshot()
    log.get_logger().info("two")
    assert len(snapshot) == 1
    with pytest.raises(ValueError, match="read-only"):
        snapshot.info["level"] = 0
    assert "1 records" in repr(snapshot)


def test_columns_answer_questions_about_many_records(log: pr.Log) -> None:
    logger = log.get_logger()
    for number in range(500):
        logger.log("ERROR" if number % 10 == 0 else "DEBUG", "event")
    info = log.snapshot().info
    assert int((info["level"] <= pr.Level.ERROR).sum()) == 50
    assert np.all(np.diff(info["ts_nsec"].astype(np.int64)) >= 0)

"""`printk_ring.Ring` from Python: arguments, reservations, errors. What it decides is the vectors' business."""

from __future__ import annotations

import gc
import os
import stat
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr

if TYPE_CHECKING:
    from pathlib import Path


def filled(ring: pr.Ring, text: bytes, **info: int) -> int:
    reservation = ring.reserve(len(text), **info)
    assert reservation is not None
    reservation.write(text)
    seq = reservation.seq
    reservation.finalize()
    return seq


def small() -> pr.Ring:
    return pr.Ring(desc_bits=4, avg_data_bits=5)


def text_of(ring: pr.Ring, seq: int) -> bytes:
    record = ring.read_valid(seq)
    assert record is not None
    return record.text


def test_a_new_ring_is_empty() -> None:
    ring = small()
    assert (ring.descriptors, ring.size_bytes, ring.fail) == (16, 512, 0)
    assert (ring.first_seq, ring.first_valid_seq, ring.next_seq, ring.next_reserve_seq) == (0, 0, 0, 0)
    assert ring.read_valid(0) is None
    assert ring.read_valid_info(0) is None


def test_what_was_written_is_read_with_its_info() -> None:
    ring = small()
    seq = filled(ring, b"line one\nline two", caller_id=2**64 - 1, level=3, facility=16, flags=5, ts_nsec=2**64 - 1)
    record = ring.read_valid(0)
    assert record is not None
    assert record.text == b"line one\nline two"
    expected = pr.RecordInfo(
        seq=seq, ts_nsec=2**64 - 1, level=3, facility=16, flags=5, caller_id=2**64 - 1, text_len=17
    )
    assert record.info == expected
    assert hash(record.info) == hash(expected)
    assert ring.read_valid_info(0) == (expected, 2)


def test_a_record_is_stamped_with_the_monotonic_clock_unless_told() -> None:
    ring = small()
    before = time.monotonic_ns()
    filled(ring, b"now")
    after = time.monotonic_ns()
    record = ring.read_valid(0)
    assert record is not None
    assert before <= record.info.ts_nsec <= after


def test_max_text_cuts_the_text_and_not_the_length() -> None:
    ring = small()
    filled(ring, b"0123456789")
    record = ring.read_valid(0, max_text=4)
    assert record is not None
    assert (record.text, record.info.text_len) == (b"0123", 10)
    record = ring.read_valid(0, 0)
    assert record is not None
    assert (record.text, record.info.text_len) == (b"", 10)


def test_write_extends_text_len_and_the_setter_wins() -> None:
    ring = small()
    reservation = ring.reserve(16)
    assert reservation is not None
    assert (reservation.capacity, reservation.text_len) == (16, 0)
    reservation.write(b"abcdef", offset=4)
    assert reservation.text_len == 10
    reservation.write(b"xy")
    assert reservation.text_len == 10
    reservation.text_len = 7
    reservation.finalize()
    record = ring.read_valid(0)
    assert record is not None
    assert record.info.text_len == 7
    assert (record.text[:2], record.text[4:]) == (b"xy", b"abc")


def test_any_contiguous_buffer_can_be_written() -> None:
    ring = small()
    for data in (b"bytes", bytearray(b"array"), memoryview(b"view.")):
        reservation = ring.reserve(5)
        assert reservation is not None
        reservation.write(data)
        reservation.finalize()
    assert [text_of(ring, seq) for seq in range(3)] == [b"bytes", b"array", b"view."]


@pytest.mark.parametrize(("data", "offset"), [(b"123456789", 0), (b"12", 7), (b"", 9), (b"1", -1), (b"1", 2**62)])
def test_a_write_beyond_the_reservation_is_a_value_error_and_writes_nothing(data: bytes, offset: int) -> None:
    ring = small()
    reservation = ring.reserve(8)
    assert reservation is not None
    reservation.write(b"........")
    with pytest.raises((ValueError, OverflowError)):
        reservation.write(data, offset)
    reservation.finalize()
    assert text_of(ring, 0) == b"........"


def test_text_len_stays_within_the_capacity() -> None:
    ring = small()
    reservation = ring.reserve(8)
    assert reservation is not None
    for wrong in (9, -1):
        with pytest.raises((ValueError, OverflowError)):
            reservation.text_len = wrong
    assert reservation.text_len == 0


def test_a_reservation_dropped_unfinished_is_committed_as_it_stands() -> None:
    ring = small()
    reservation = ring.reserve(8)
    assert reservation is not None
    reservation.write(b"half")
    del reservation
    gc.collect()
    assert ring.read_valid(0) is None  # committed, not finalized: it could still be continued
    filled(ring, b"next")
    assert text_of(ring, 0) == b"half"


@pytest.mark.parametrize("end", ["commit", "finalize"])
def test_a_finished_reservation_refuses_everything(end: str) -> None:
    ring = small()
    reservation = ring.reserve(8)
    assert reservation is not None
    getattr(reservation, end)()
    with pytest.raises(pr.ReservationError):
        reservation.write(b"late")
    with pytest.raises(pr.ReservationError):
        reservation.text_len = 1
    with pytest.raises(pr.ReservationError):
        reservation.commit()
    with pytest.raises(pr.ReservationError):
        reservation.finalize()
    assert reservation.seq == 0


def test_the_newest_committed_record_can_be_continued_by_its_caller_only() -> None:
    ring = small()
    reservation = ring.reserve(4, caller_id=7)
    assert reservation is not None
    reservation.write(b"abcd")
    reservation.commit()
    assert ring.reserve_in_last(8, 4, 100) is None
    assert ring.reserve_in_last(7, 4, 7) is None
    again = ring.reserve_in_last(7, 4, 8)
    assert again is not None
    assert (again.seq, again.text_len, again.capacity) == (0, 4, 8)
    again.write(b"efgh", offset=4)
    again.finalize()
    assert text_of(ring, 0) == b"abcdefgh"
    assert ring.reserve_in_last(7, 1, 100) is None


def test_an_open_reservation_in_the_way_is_a_refusal_and_not_an_exception() -> None:
    ring = small()
    held = ring.reserve(8)
    assert held is not None
    outcomes = [ring.reserve(8) for _ in range(40)]
    assert outcomes[-1] is None
    assert ring.fail > 0


def test_a_text_of_more_than_half_the_ring_is_refused() -> None:
    ring = small()
    assert ring.reserve(512 // 2 - 8) is not None
    assert small().reserve(512 // 2 - 7) is None
    assert small().reserve(2**40) is None


@pytest.mark.parametrize(
    "bits", [{"desc_bits": 0}, {"desc_bits": 2**80}, {"desc_bits": 25}, {"avg_data_bits": 2}, {"avg_data_bits": 17}]
)
def test_a_geometry_out_of_range_is_a_config_error_that_gives_the_range(bits: dict[str, Any]) -> None:
    with pytest.raises(pr.ConfigError, match=r"1.*24|3.*16"):
        pr.Ring(**{"desc_bits": 4, "avg_data_bits": 5, **bits})


@pytest.mark.parametrize("wrong", [-1, 33])
def test_retire_ahead_out_of_range_is_a_config_error(wrong: int) -> None:
    with pytest.raises((pr.ConfigError, OverflowError)):
        pr.Ring(desc_bits=10, avg_data_bits=5, retire_ahead=wrong)


def test_the_options_of_a_ring_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        pr.Ring(4, 5)  # type: ignore[call-arg]  # that is the test
    with pytest.raises(TypeError):
        pr.Ring(desc_bits=4)  # type: ignore[call-arg]  # that is the test


@pytest.mark.parametrize("wrong", ["8", 8.0, None, b"8"], ids=repr)
def test_a_size_of_a_wrong_type_is_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError):
        small().reserve(wrong)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": -1},
        {"level": 8},
        {"level": -1},
        {"facility": 256},
        {"flags": 32},
        {"caller_id": 2**64},
        {"ts_nsec": -1},
    ],
)
def test_an_argument_out_of_its_range_is_a_value_error(wrong: dict[str, int]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        small().reserve(**{"size": 8, **wrong})


def test_a_ring_in_a_file_is_private_and_never_takes_an_existing_one(tmp_path: Path) -> None:
    path = tmp_path / "bare.ring"
    ring = pr.Ring(desc_bits=4, avg_data_bits=5, path=path)
    filled(ring, b"in a file")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(pr.RingFileError) as caught:
        pr.Ring(desc_bits=4, avg_data_bits=5, path=path)
    assert caught.value.filename == os.fspath(path)
    assert text_of(ring, 0) == b"in a file"


def test_two_threads_write_and_each_finds_its_records_in_its_order() -> None:
    ring = pr.Ring(desc_bits=14, avg_data_bits=5)
    count = 5000

    def write(caller: int) -> None:
        for number in range(count):
            filled(ring, b"%d" % number, caller_id=caller)

    threads = [threading.Thread(target=write, args=(caller,)) for caller in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen: dict[int, list[int]] = {1: [], 2: []}
    seq = 0
    while (record := ring.read_valid(seq)) is not None:
        assert record.info.seq == seq
        seen[record.info.caller_id].append(int(record.text))
        seq += 1
    assert seen == {1: list(range(count)), 2: list(range(count))}


def test_a_record_info_is_made_by_keywords_and_compares_by_value() -> None:
    one = pr.RecordInfo(seq=1, ts_nsec=2, level=3, facility=4, flags=5, caller_id=6)
    assert (one.seq, one.ts_nsec, one.level, one.facility, one.flags, one.caller_id, one.text_len) == (
        1,
        2,
        3,
        4,
        5,
        6,
        0,
    )
    assert one == pr.RecordInfo(seq=1, ts_nsec=2, level=3, facility=4, flags=5, caller_id=6)
    assert one != pr.RecordInfo(seq=1, ts_nsec=2, level=3, facility=4, flags=5, caller_id=7)
    assert one != "something else"

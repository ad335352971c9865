"""The kernel's walk against a model of its rules (`tests/vectors/PRINTK.md`, section 5), over random rings and calls."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import printk_ring as pr
from printk_ring import kernel

MARKER = b"<truncated>\n"


class Model:
    """The rules, with a list of the ring's records where the walk has the ring. Not stuck where the kernel is."""

    def __init__(self, ring: pr.Ring, *, time: bool, caller: bool, clear_seq: int) -> None:
        self.ring, self.time, self.caller, self.clear_seq = ring, time, caller, clear_seq
        self.cur_seq = self.next_seq = 0

    def records(self, low: int, high: int | None = None) -> list[pr.RawRecord]:
        """The readable records in a range of numbers."""
        found = []
        while (record := self.ring.read_valid(low)) is not None and (high is None or record.info.seq < high):
            found.append(record)
            low = record.info.seq + 1
        return found

    def lines(self, record: pr.RawRecord, *, syslog: bool, size: int = 1 << 20) -> bytes:
        """A record in the human format."""
        switches = {"syslog": syslog, "time": self.time, "caller": self.caller}
        return kernel.print_text(record.info, record.text, **switches, size=size)

    def rewind(self) -> None:
        self.cur_seq, self.next_seq = self.clear_seq, self.ring.next_seq

    def get_line(self, size: int, syslog: bool) -> bytes | None:
        self.cur_seq = max(self.cur_seq, self.clear_seq)
        for record in self.records(self.cur_seq):
            self.cur_seq = record.info.seq + 1
            return self.lines(record, syslog=syslog, size=size)
        return None

    def get_line_size(self, syslog: bool) -> int | None:
        line = self.get_line(1 << 20, syslog)
        return None if line is None else len(line)

    def get_buffer(self, size: int, syslog: bool) -> bytes | None:
        if size == 0:
            return None
        self.cur_seq = max(self.cur_seq, self.clear_seq)
        if there := self.records(self.cur_seq):
            self.cur_seq = there[0].info.seq
        if self.cur_seq >= self.next_seq:
            return None
        candidates = self.records(self.cur_seq, self.next_seq)
        newest = candidates[-1]
        total = sum(len(self.lines(record, syslog=syslog)) for record in candidates)
        above = self.cur_seq
        while total > size - 1 and candidates:
            removed = candidates.pop(0)
            total -= len(self.lines(removed, syslog=syslog))
            above = removed.info.seq + 1
        if not candidates:
            self.next_seq = newest.info.seq
            return self.cut(self.lines(newest, syslog=syslog), size - 1)
        self.next_seq = above
        return b"".join(self.lines(record, syslog=syslog) for record in candidates)

    @staticmethod
    def cut(whole: bytes, room: int) -> bytes:
        """A record that does not fit alone, in ASCII."""
        if room < len(MARKER):
            return MARKER[: max(room - 1, 0)] + b"\n" * (room > 0)
        return whole[: room - len(MARKER)] + MARKER


def append(ring: pr.Ring, dice: random.Random) -> None:
    most = ring.size_bytes // 2 - 8
    length = min(most, dice.choice([0, 0, dice.randrange(12), dice.randrange(most + 1)]))
    text = bytes(dice.choices(b"abc \n", (8, 8, 8, 4, dice.randrange(8)), k=length))
    reservation = ring.reserve(
        length, caller_id=dice.randrange(1 << 32), level=dice.randrange(8), ts_nsec=dice.getrandbits(50)
    )
    assert reservation is not None
    reservation.write(text)
    reservation.finalize()


@given(dice=st.randoms(use_true_random=True))
@settings(max_examples=100, deadline=None)
def test_every_call_on_a_random_ring_gives_what_the_rules_say(dice: random.Random) -> None:
    ring = pr.Ring(desc_bits=dice.randrange(4, 8), avg_data_bits=dice.randrange(3, 6))
    switches = {"time": dice.random() < 0.5, "caller": dice.random() < 0.5}
    clear_seq = dice.choice([0, dice.randrange(100)])
    walk = kernel.DumpIter(ring, clear_seq=clear_seq, **switches)
    model = Model(ring, **switches, clear_seq=clear_seq)
    for _ in range(dice.randrange(200)):
        append(ring, dice)
    for _ in range(150):
        size, syslog = dice.choice([0, 1, 5, 13, 40, 100, 300, 5000]), dice.random() < 0.5
        calls: dict[str, tuple[Any, ...]] = {
            "rewind": (),
            "get_line": (size, syslog),
            "get_line_size": (syslog,),
            "get_buffer": (size, syslog),
        }
        name = dice.choices(list(calls), (1, 2, 1, 6))[0]
        if dice.random() < 0.3:
            append(ring, dice)
        if dice.random() < 0.05:
            model.clear_seq = walk.clear_seq = dice.randrange(ring.next_seq + 3)
        if not model.records(0):
            continue  # the model takes the newest record for readable
        wanted = getattr(model, name)(*calls[name])
        assert getattr(walk, name)(*calls[name]) == wanted, name
        assert (walk.cur_seq, walk.next_seq) == (model.cur_seq, model.next_seq), name


@pytest.mark.parametrize("size", [*range(1, 20), 50, 100, 500])
def test_a_walk_ends_for_every_size_of_a_buffer_and_gives_every_record(size: int) -> None:
    dice = random.Random(size)
    ring = pr.Ring(desc_bits=7, avg_data_bits=5)
    for _ in range(100):
        append(ring, dice)
    model = Model(ring, time=True, caller=True, clear_seq=0)
    left = [model.lines(record, syslog=False) for record in model.records(0)]
    walk = kernel.DumpIter(ring, caller=True)
    walk.rewind()
    while (block := walk.get_buffer(size)) is not None:
        whole = left.pop()
        if len(whole) > size - 1:
            assert block == Model.cut(whole, size - 1)
            continue
        while len(whole) < len(block):
            whole = left.pop() + whole
        assert block == whole
    assert not left


def test_an_iterator_is_a_value() -> None:
    ring = pr.Ring(desc_bits=5, avg_data_bits=5)
    dice = random.Random(1)
    for _ in range(20):
        append(ring, dice)
    walk = kernel.DumpIter(ring)
    walk.rewind()
    walk.get_buffer(100)
    other = copy.copy(walk)
    assert (other.cur_seq, other.next_seq) == (walk.cur_seq, walk.next_seq)
    assert other.get_buffer(100) == walk.get_buffer(100)


def test_a_text_longer_than_any_memory_that_was_there_is_given_whole() -> None:
    ring = pr.Ring(desc_bits=8, avg_data_bits=12)
    text = b"x\n" * 200_000
    reservation = ring.reserve(len(text))
    assert reservation is not None
    reservation.write(text)
    reservation.finalize()
    walk = kernel.DumpIter(ring, time=False)
    walk.rewind()
    assert walk.get_buffer(1 << 62) == text + b"\n"
    assert walk.get_line(1 << 62) == text + b"\n"
    assert walk.get_line(1 << 62) is None


def test_arguments_are_checked() -> None:
    info = pr.RecordInfo(seq=0, ts_nsec=0, level=6, facility=1, flags=0, caller_id=0)
    off = {"syslog": False, "time": False, "caller": False}
    assert kernel.print_text(info, memoryview(b"abc"), **off, size=5) == b"abc\n"
    assert kernel.print_size(info, bytearray(b"abc"), **off) == 4
    assert kernel.kmsg(info, b"abc", caller=False) == b"14,0,0,-;abc\n"
    with pytest.raises(ValueError, match="size is -1"):
        kernel.print_text(info, b"", **off, size=-1)
    with pytest.raises(TypeError):
        kernel.print_text(info, "text", **off, size=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        kernel.DumpIter(object())  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        kernel.DumpIter(pr.Ring(desc_bits=3, avg_data_bits=3), clear_seq=-1)

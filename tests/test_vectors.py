"""Every conformance file, replayed through `printk_ring.Ring`: each call must give the result that the file holds.

`tests/vectors/RING.md` defines the operations and their results.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from printk_ring import Ring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from printk_ring import RecordInfo, Reservation

    Op = dict[str, Any]

FILES = sorted((Path(__file__).resolve().parent / "vectors" / "ring").glob("*.jsonl"))
FORMAT_VERSION = 1
# As many calls as the published files hold: a parser that skips lines would otherwise pass.
OPS = 24_646


def content(k: int, size: int) -> bytes:
    """The bytes P(k, 0) .. P(k, size - 1)."""
    return bytes(10 if (k * 5 + j) % 13 == 0 else 33 + (k * 31 + j * 7) % 94 for j in range(size))


def crc(data: bytes) -> str:
    """CRC-32 as the files write it."""
    return f"{zlib.crc32(data):08x}"


def meta(info: RecordInfo) -> Op:
    """The stored metadata under the files' names."""
    return {
        "caller": info.caller_id,
        "level": info.level,
        "facility": info.facility,
        "flags": info.flags,
        "ts": info.ts_nsec,
    }


class Replay:
    """One ring and its open handles; a method per operation, which returns the results under the files' names."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.handles: dict[int, Reservation] = {}

    def answer(self, op: Op) -> Op:
        """Perform one call."""
        call: Callable[[Op], Op] = getattr(self, "op_" + op["op"])
        return call(op)

    def _opened(self, op: Op, reservation: Reservation | None) -> Op:
        if reservation is None:
            return {"ok": False}
        assert op["h"] not in self.handles, f"handle {op['h']} is used twice"
        self.handles[op["h"]] = reservation
        return {"ok": True, "seq": reservation.seq, "buf_size": reservation.capacity, "space": reservation.space}

    def op_reserve(self, op: Op) -> Op:
        reservation = self.ring.reserve(
            op["size"],
            caller_id=op["caller"],
            level=op["level"],
            facility=op["facility"],
            flags=op["flags"],
            ts_nsec=op["ts"],
        )
        assert reservation is None or reservation.text_len == 0
        return self._opened(op, reservation)

    def op_reopen(self, op: Op) -> Op:
        reservation = self.ring.reserve_in_last(op["caller"], op["extend"], op["max"])
        got = self._opened(op, reservation)
        if reservation is not None:
            got["text_len"] = reservation.text_len
        return got

    def op_write(self, op: Op) -> Op:
        reservation = self.handles[op["h"]]
        reservation.write(content(op["k"], op["len"]), op["off"])
        reservation.text_len = op["text_len"]
        return {}

    def op_commit(self, op: Op) -> Op:
        self.handles.pop(op["h"]).commit()
        return {}

    def op_final(self, op: Op) -> Op:
        self.handles.pop(op["h"]).finalize()
        return {}

    def op_read(self, op: Op) -> Op:
        record = self.ring.read_valid(op["seq"], op["buf"])
        if record is None:
            return {"ok": False}
        return {
            "ok": True,
            "found": record.info.seq,
            "text_len": record.info.text_len,
            "n": len(record.text),
            "crc": crc(record.text),
            **meta(record.info),
        }

    def op_info(self, op: Op) -> Op:
        answer = self.ring.read_valid_info(op["seq"])
        if answer is None:
            return {"ok": False}
        info, lines = answer
        return {
            "ok": True,
            "found": info.seq,
            "text_len": info.text_len,
            "lines": lines,
            "caller": info.caller_id,
        }

    def op_sweep(self, op: Op) -> Op:
        runs: list[list[int]] = []
        texts: list[bytes] = []
        seq = op["seq"]
        while (record := self.ring.read_valid(seq)) is not None:
            found = record.info.seq
            assert found >= seq, f"a search from {seq} went back to {found}"
            assert record.info.text_len == len(record.text)
            texts.append(record.text)
            if runs and runs[-1][1] == found - 1:
                runs[-1][1] = found
            else:
                runs.append([found, found])
            seq = found + 1
        joined = b"".join(texts)
        return {"runs": runs, "count": len(texts), "bytes": len(joined), "crc": crc(joined)}

    def op_first_seq(self, _op: Op) -> Op:
        return {"v": self.ring.first_seq}

    def op_first_valid_seq(self, _op: Op) -> Op:
        return {"v": self.ring.first_valid_seq}

    def op_next_seq(self, _op: Op) -> Op:
        return {"v": self.ring.next_seq}

    def op_next_reserve_seq(self, _op: Op) -> Op:
        return {"v": self.ring.next_reserve_seq}

    def op_fails(self, _op: Op) -> Op:
        return {"v": self.ring.fail}


ARGUMENTS = {
    "reserve": {"h", "size", "caller", "level", "facility", "flags", "ts"},
    "reopen": {"h", "caller", "extend", "max"},
    "write": {"h", "off", "len", "k", "text_len"},
    "commit": {"h"},
    "final": {"h"},
    "read": {"seq", "buf"},
    "info": {"seq"},
    "sweep": {"seq"},
}


def expected(op: Op) -> Op:
    """The line without the call's name, its arguments and the comment."""
    return {key: value for key, value in op.items() if key not in ARGUMENTS.get(op["op"], set()) | {"op", "why"}}


def load(path: Path) -> tuple[Op, list[Op]]:
    """Header and calls of one file."""
    header, *ops = (json.loads(line) for line in path.read_bytes().splitlines())
    assert header["format_version"] == FORMAT_VERSION
    return header, ops


def make_ring(header: Op, path: Path | None = None) -> Ring:
    """An empty ring of the header's geometry, of which every record leaves only when it must."""
    ring = Ring(
        desc_bits=header["desc_bits"],
        avg_data_bits=header["avg_bits"],
        path=None if path is None else str(path),
        retire_ahead=0,
    )
    assert (ring.descriptors, ring.size_bytes) == (header["descriptors"], header["data_bytes"])
    return ring


def disagreements(ring: Ring, ops: list[Op]) -> Iterator[str]:
    """Replay the calls; say where an answer is not the file's."""
    replay = Replay(ring)
    for number, op in enumerate(ops, start=2):
        got, want = replay.answer(op), expected(op)
        if got != want:
            yield f"line {number}: {json.dumps(op)}\n  wanted {want}\n  got    {got}"


def test_all_published_calls_are_replayed() -> None:
    assert sum(len(load(path)[1]) for path in FILES) == OPS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_ring_on_the_heap_decides_as_the_file_says(path: Path) -> None:
    header, ops = load(path)
    for complaint in disagreements(make_ring(header), ops):
        pytest.fail(f"{path.name}, {complaint}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_ring_in_a_file_decides_as_the_file_says(path: Path, tmp_path: Path) -> None:
    header, ops = load(path)
    for complaint in disagreements(make_ring(header, tmp_path / "ring"), ops):
        pytest.fail(f"{path.name}, {complaint}")


def result_names() -> list[tuple[str, str]]:
    """Every (operation, result) that occurs in the files."""
    seen = Counter((op["op"], name) for path in FILES for op in load(path)[1] for name in expected(op))
    return sorted(seen)


@pytest.mark.parametrize(("operation", "result"), result_names(), ids="-".join)
def test_a_wrong_result_is_noticed(operation: str, result: str) -> None:
    """The replay itself can fail: with one result of one call falsified, exactly that call is told."""
    for path in FILES:
        header, ops = load(path)
        for index, op in enumerate(ops):
            if op["op"] == operation and result in expected(op):
                wrong = not op[result] if isinstance(op[result], bool) else f"not {op[result]}"
                falsified = [*ops[:index], {**op, result: wrong}]
                told = list(disagreements(make_ring(header), falsified))
                assert len(told) == 1
                assert told[0].startswith(f"line {index + 2}: ")
                return
    pytest.fail(f"no {operation} with {result} in any file")

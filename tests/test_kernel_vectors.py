"""Every conformance file of the kernel's formatting and dump walk, replayed through `printk_ring.kernel`.

`tests/vectors/PRINTK.md` defines the cases and calls. A call marked "stuck" is where the reference gives nothing for ever;
here it makes progress.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from printk_ring import kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Line = dict[str, Any]

FOLDER = Path(__file__).resolve().parent / "vectors" / "printk"
FORMAT_FILES = sorted(FOLDER.glob("format_*.jsonl"))
DUMP_FILES = sorted(FOLDER.glob("dump_*.jsonl"))
FORMAT_VERSION = 1
# As many as the published files hold: a parser that skips lines would otherwise pass.
CASES, CALLS, STUCK = 1_359, 2_333, 7


def load(path: Path) -> tuple[Line, list[Line]]:
    """Header and cases or calls of one file."""
    header, *lines = (json.loads(line) for line in path.read_bytes().splitlines())
    assert header["format_version"] == FORMAT_VERSION
    assert header["kind"] == path.stem.partition("_")[0]
    return header, lines


def test_all_published_cases_and_calls_are_replayed() -> None:
    assert sum(len(load(path)[1]) for path in FORMAT_FILES) == CASES
    calls = [op for path in DUMP_FILES for op in load(path)[1]]
    assert len(calls) == CALLS
    assert sum(op.get("stuck", False) for op in calls) == STUCK


def formatted(case: Line) -> Line:
    """What one case gives, under the names of the file."""
    rec, switches = case["rec"], case["switches"]
    names = ("seq", "ts_nsec", "level", "facility", "flags", "caller_id")
    info = pr.RecordInfo(**{name: rec[name] for name in names})
    text = bytes.fromhex(rec["text"])
    dictionary = {name: bytes.fromhex(value) for name, value in rec["dev_info"].items()}
    shown = kernel.print_text(info, text, **switches, size=case["size"])
    return {
        "text": shown.hex(),
        "len": len(shown),
        "print_size": kernel.print_size(info, text, **switches),
        "ext": kernel.kmsg(info, text, caller=switches["caller"], **dictionary).hex(),
    }


@pytest.mark.parametrize("path", FORMAT_FILES, ids=lambda path: path.stem)
def test_a_record_is_formatted_as_the_file_says(path: Path) -> None:
    for number, case in enumerate(load(path)[1], start=2):
        assert formatted(case) == case["out"], f"{path.name}, line {number}"


class Replay:
    """One ring and its iterator; a method per operation, which returns the results under the files' names."""

    def __init__(self, header: Line) -> None:
        self.ring = pr.Ring(desc_bits=header["desc_bits"], avg_data_bits=header["avg_bits"])
        assert (self.ring.descriptors, self.ring.size_bytes) == (header["descriptors"], header["data_bytes"])
        clear_seq = header.get("clear_seq", 0)
        self.walk = kernel.DumpIter(self.ring, clear_seq=clear_seq, time=header["time"], caller=header["caller"])

    def answer(self, op: Line) -> Line:
        """Perform one call."""
        call: Callable[[Line], Line] = getattr(self, "op_" + op["op"])
        return call(op)

    def _at(self) -> Line:
        return {"cur_seq": self.walk.cur_seq, "next_seq": self.walk.next_seq}

    def _bytes(self, given: bytes | None) -> Line:
        shown = given or b""
        return {"ok": given is not None, "len": len(shown), "bytes": shown.hex(), **self._at()}

    def op_append(self, op: Line) -> Line:
        text = bytes.fromhex(op["text"])
        names = ("ts_nsec", "level", "facility", "flags", "caller_id")
        reservation = self.ring.reserve(len(text), **{name: op[name] for name in names})
        assert reservation is not None
        reservation.write(text)
        reservation.finalize()
        return {"seq": reservation.seq}

    def op_set_clear(self, op: Line) -> Line:
        self.walk.clear_seq = op["clear_seq"]
        assert self.walk.clear_seq == op["clear_seq"]
        return {}

    def op_rewind(self, _op: Line) -> Line:
        self.walk.rewind()
        return self._at()

    def op_get_line(self, op: Line) -> Line:
        return self._bytes(self.walk.get_line(op["size"], op["syslog"]))

    def op_get_line_size(self, op: Line) -> Line:
        size = self.walk.get_line_size(op["syslog"])
        return {"ok": size is not None, "len": size or 0, **self._at()}

    def op_get_buffer(self, op: Line) -> Line:
        return self._bytes(self.walk.get_buffer(op["size"], op["syslog"]))


ARGUMENTS = {
    "append": {"ts_nsec", "level", "facility", "flags", "caller_id", "text"},
    "set_clear": {"clear_seq"},
    "get_line": {"size", "syslog"},
    "get_line_size": {"syslog"},
    "get_buffer": {"size", "syslog"},
}


def expected(op: Line) -> Line:
    """The line without the call's name and its arguments."""
    return {key: value for key, value in op.items() if key not in ARGUMENTS.get(op["op"], set()) | {"op"}}


def disagreements(header: Line, ops: list[Line]) -> Iterator[str]:
    """Replay the calls; say where an answer is not the file's."""
    replay = Replay(header)
    for number, op in enumerate(ops, start=2):
        if op.get("stuck"):
            continue
        got, want = replay.answer(op), expected(op)
        if got != want:
            yield f"line {number}: {json.dumps(op)}\n  wanted {want}\n  got    {got}"


@pytest.mark.parametrize("path", DUMP_FILES, ids=lambda path: path.stem)
def test_a_ring_is_walked_as_the_file_says(path: Path) -> None:
    for complaint in disagreements(*load(path)):
        pytest.fail(f"{path.name}, {complaint}")


def results() -> list[tuple[str, str]]:
    """Every (operation, result) that occurs in the files."""
    ops = (op for path in DUMP_FILES for op in load(path)[1] if "stuck" not in op)
    return sorted({(op["op"], name) for op in ops for name in expected(op)})


@pytest.mark.parametrize(("operation", "result"), results(), ids="-".join)
def test_a_wrong_result_is_noticed(operation: str, result: str) -> None:
    """The replay itself can fail: with one result of one call falsified, exactly that call is told."""
    for path in DUMP_FILES:
        header, ops = load(path)
        for index, op in enumerate(ops):
            if op["op"] == operation and result in expected(op) and "stuck" not in op:
                wrong = not op[result] if isinstance(op[result], bool) else f"not {op[result]}"
                told = list(disagreements(header, [*ops[:index], {**op, result: wrong}, *ops[index + 1 :]]))
                assert len(told) == 1
                assert told[0].startswith(f"line {index + 2}: ")
                return
    pytest.fail(f"no {operation} with {result} in any file")


@pytest.mark.parametrize(
    "path",
    [path for path in DUMP_FILES if any("stuck" in op for op in load(path)[1])],
    ids=lambda path: path.stem,
)
def test_where_the_reference_is_stuck_every_call_gives_a_record_and_the_walk_ends(path: Path) -> None:
    header, ops = load(path)
    [at] = [index for index, op in enumerate(ops) if "stuck" in op]
    replay = Replay(header)
    for op in ops[:at]:
        replay.answer(op)
    walk, op = replay.walk, ops[at]
    before = walk.next_seq
    cut = walk.get_buffer(op["size"], op["syslog"])
    assert cut is not None
    assert len(cut) <= op["size"] - 1
    assert walk.next_seq < before
    record = replay.ring.read_valid(walk.next_seq)
    assert record is not None
    switches = {"syslog": op["syslog"], "time": header["time"], "caller": header["caller"]}
    full = kernel.print_text(record.info, record.text, **switches, size=1 << 16)
    assert len(full) > op["size"] - 1
    kept, marker, nothing = cut.partition(b"<truncated>\n")
    assert (marker != b"", nothing) == (op["size"] > len("<truncated>\n"), b"")
    assert full.startswith(kept) or op["size"] <= len("<truncated>\n")
    left = walk.next_seq - walk.cur_seq
    calls = 0
    while walk.get_buffer(op["size"], op["syslog"]) is not None:
        calls += 1
        assert calls <= left
    assert walk.next_seq == walk.cur_seq

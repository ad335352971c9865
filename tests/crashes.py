"""Crashes that really happen, and crash files read back: whole, and the two of them with the same in it."""

from __future__ import annotations

import json
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# Of a program: `die(how)`. What it runs is what the processor and the C library have against a program, not `raise`.
CAUSES = """
import ctypes, mmap, os, signal, sys, threading, time
import printk_ring as pr

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]


def run_code(code):
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()


class Endless:
    def __getattr__(self, name):
        return getattr(self, name)


def overflow():
    sys.setrecursionlimit(1 << 30)
    try:
        Endless().attribute
    except RecursionError:  # Python 3.14 looks how much stack is left
        run_code(b"\\xe8\\xfb\\xff\\xff\\xff")  # a function that does nothing but call itself


def free_twice():
    memory = libc.malloc(64)
    libc.free(memory)
    libc.free(memory)


def read_beyond():
    fd = os.memfd_create("short")
    os.ftruncate(fd, 4096)
    memory = mmap.mmap(fd, 4096)
    os.ftruncate(fd, 0)
    memory[0]


CAUSE = {
    "segfault": lambda: ctypes.string_at(0),
    "null call": lambda: ctypes.CFUNCTYPE(None)(0)(),
    "overflow": overflow,
    "abort": os.abort,
    "double free": free_twice,
    "bus": read_beyond,
    "division": lambda: run_code(b"\\x31\\xc9\\xf7\\xf1"),
    "illegal": lambda: run_code(b"\\x0f\\x0b"),
}


def die(how):
    CAUSE[how]()
"""


@dataclass(frozen=True)
class Report:
    """A crash file, and its JSON."""

    text: str
    head: dict[str, str]
    records: list[str]
    trace: str
    json: dict[str, Any]

    @property
    def events(self) -> list[str]:
        """What was logged, oldest first."""
        return [record["event"] for record in self.json["records"]]


def crash_files(folder: Path) -> list[Path]:
    """The texts in a folder; each has its JSON, and there is no more that has to do with crashes."""
    texts = sorted(folder.glob("*.crash-*.txt"))
    assert sorted(folder.glob("*crash*")) == sorted([*texts, *(text.with_suffix(".json") for text in texts)])
    return texts


def read_report(path: Path, *, same_records: bool = True) -> Report:
    """Reads a crash file: it is whole, its owner's alone, and its JSON says the same. `same_records`: also of the records,
    which has to be so where no thread was in a log call when it crashed.
    """
    for file in (path, path.with_suffix(".json")):
        status = file.stat()
        assert (stat.S_IMODE(status.st_mode), status.st_nlink) == (0o600, 1), file
    text = path.read_text("utf-8")
    head, _, rest = text.partition("\nlast records, oldest first\n")
    records, _, rest = rest.partition("** end of the records: ")
    count, _, trace = rest.partition(" **\n\nPython threads\n")
    assert trace.endswith("\n** end of the report **\n"), text[-500:]
    trace = trace.removesuffix("** end of the report **\n")
    assert "**" not in trace, trace
    title, empty, *lines = head.splitlines()
    assert (title, empty) == ("printk_ring crash report", "")
    report = Report(
        text,
        {line[:11].rstrip(): line[11:] for line in lines},
        records.splitlines(),
        trace,
        json.loads(path.with_suffix(".json").read_text("utf-8")),
    )
    _compare_heads(report)
    if same_records:
        lines = [line for line in report.records if re.match(r"\[ *\d+\.\d+\] ", line)]  # the first one of each
        assert int(count) == len(lines) == len(report.json["records"])
        for line, record in zip(lines, report.json["records"], strict=True):
            assert record.get("message", record["event"]).partition("\n")[0] in line
    return report


def _compare_heads(report: Report) -> None:
    head, found = report.head, report.json
    assert found["complete"] is True
    assert head["reason"] == found["reason"] + (f": {found['detail']}" if found["detail"] else "").replace(
        "\n", r"\x0a"
    )
    assert head["thread"] == f"{found['thread']['tid']} {found['thread']['name']}"
    assert head["process"] == f"{found['pid']} {found['command']}"
    assert head["ring"] == found["ring"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z, monotonic \d+\.\d{9}", head["time"])
    counters = dict(word.split("=") for word in head.get("counters", "").split())
    assert counters.keys() == found["counters"].keys()
    signal = found["signal"]
    if signal is None:
        assert "signal" not in head
    else:
        where = f"sent by process {signal['sender_pid']}" if "sender_pid" in signal else f"address {signal['address']}"
        expected = f"{signal['number']} {signal['name']}, code {signal['code']} {signal['code_name']}, {where}"
        assert head["signal"] == expected

"""The ring without Python: timed by loops inside the native module, which give nanoseconds per operation."""

from __future__ import annotations

import os
from timeit import Timer
from typing import TYPE_CHECKING

from benches.entries import Probe
from printk_ring import _native

if TYPE_CHECKING:
    from pathlib import Path

# 8192 descriptors and 1 MiB of text; a record is 64 bytes.
DESC_BITS = 13
AVG_DATA_BITS = 7
# As many old records as a log retires at once.
RETIRE_AHEAD = 32
# What a JSON console writes for the record of call.fields4.
LINE = (
    b'{"ts":"2026-11-20T10:11:12.123456789Z","level":"INFO","logger":"bench","event":"event","seq":123456,'
    b'"pid":12345,"tid":12345,"a":1,"b":2.5,"c":"x","d":3}\n'
)


def ring_probe(name: str, operations: int, retire_ahead: int, threads: int) -> Probe:
    """Reserve, copy 64 bytes, finalize; with several threads the time of one operation of one thread."""
    yardstick = "cas" if threads == 1 else "pingpong"
    return Probe(
        name,
        yardstick,
        lambda: _native._bench(
            "ring_write",
            operations,
            desc_bits=DESC_BITS,
            avg_data_bits=AVG_DATA_BITS,
            retire_ahead=retire_ahead,
            threads=threads,
        ),
    )


def write_probe(folder: Path, writes: int) -> Probe:
    """One write(2) of a line to a file on the same file system, from Python: what storing a record costs without a ring."""

    def run() -> float:
        return one_by_one(folder / "write.out", writes)

    return Probe("write", "cas", run)


def one_by_one(path: Path, writes: int) -> float:
    """Nanoseconds per write."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        timer = Timer("write(descriptor, line)", globals={"write": os.write, "descriptor": descriptor, "line": LINE})
        return timer.timeit(writes) * 1e9 / writes
    finally:
        os.close(descriptor)


def probes(folder: Path, operations: int) -> list[Probe]:
    """Yardsticks of the machine, and the ring beside them."""
    return [
        Probe("cas", "noop.arg1", lambda: _native._bench("cas", operations)),
        Probe("pingpong", "cas", lambda: _native._bench("pingpong", operations // 10)),
        write_probe(folder, operations // 10),
        ring_probe("ring.write.1", operations, 0, 1),
        ring_probe("ring.write.1.log", operations, RETIRE_AHEAD, 1),
        ring_probe("ring.write.2", operations // 2, 0, 2),
        ring_probe("ring.write.2.log", operations // 2, RETIRE_AHEAD, 2),
        Probe(
            "ring.read",
            "cas",
            lambda: _native._bench("ring_read", operations, desc_bits=DESC_BITS, avg_data_bits=AVG_DATA_BITS),
        ),
    ]

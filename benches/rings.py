"""The ring without Python: timed by loops inside the native module, which give nanoseconds per operation."""

from __future__ import annotations

import os
from statistics import median
from timeit import Timer
from typing import TYPE_CHECKING

from benches.entries import INSTRUCTIONS, NS, PER_MILLION, Probe
from printk_ring import _native

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benches.entries import Facts, Results

# 8192 descriptors and 1 MiB of text; a record is 64 bytes.
DESC_BITS = 13
AVG_DATA_BITS = 7
# As many old records as a log retires at once.
RETIRE_AHEAD = 16
# Single calls of a writer are this far apart on average: far enough for chance meetings. In longer gaps an interrupt of the
# host comes to pass, and the slowest calls pay for that.
GAP_NS = 2_000
PERCENTILES = ("p50", "p99", "p999")
# Stepped through one by one: a multiple of what is retired at once.
STEPPED = 2 * RETIRE_AHEAD
# Cores whose cache lines take longer to change hands are far apart: hosts move virtual ones between the two states.
NEAR_NS = 200.0
# What a JSON console writes for the record of call.fields4.
LINE = (
    b'{"ts":"2026-11-20T10:11:12.123456789Z","level":"INFO","logger":"bench","event":"event","seq":123456,'
    b'"pid":12345,"tid":12345,"a":1,"b":2.5,"c":"x","d":3}\n'
)


def full_ring(retire_ahead: int, desc_bits: int = DESC_BITS) -> _native._BenchRing:
    """A ring in fresh memory, so that each round has its own luck with the pages."""
    return _native._BenchRing(desc_bits=desc_bits, avg_data_bits=AVG_DATA_BITS, retire_ahead=retire_ahead)


def alone(name: str, retire_ahead: int, timed: Callable[[_native._BenchRing, int], float]) -> Probe:
    """One thread at a ring, in turn with the compare-exchange; a fresh ring for each round."""
    rings: list[_native._BenchRing] = []
    slices = 0

    def run(parts: int) -> float:
        nonlocal slices
        if slices % parts == 0:
            rings[:] = [full_ring(retire_ahead)]
        slices += 1
        return timed(rings[0], parts)

    return Probe(name, "cas", run, in_turn=True)


def one_writer(name: str, operations: int, retire_ahead: int) -> Probe:
    """Reserve, copy 64 bytes, finalize."""
    return alone(name, retire_ahead, lambda ring, parts: ring.write(operations // parts))


def one_way(operations: int) -> float:
    """The latency of a cache line from core to core."""
    return _native._bench("pingpong", operations)


def two_writers(name: str, operations: int, retire_ahead: int) -> Probe:
    """The time of one operation of one of two threads; right before and after it, what a cache line takes."""
    before: list[float] = []
    after: list[float] = []

    def run(_: int) -> float:
        before.append(one_way(operations // 20))
        taken = full_ring(retire_ahead).write(operations, threads=2)
        after.append(one_way(operations // 20))
        return taken

    return Probe(name, "pingpong", run, lambda: {"one_way_before": median(before), "one_way_after": median(after)})


class Paced:
    """Percentiles of single calls of two writers: one run a round, three entries.

    Rounds with the cores far apart count only if there are no others.
    """

    def __init__(self, name: str, calls: int, retire_ahead: int) -> None:
        self.name = name
        self.calls = calls
        self.retire_ahead = retire_ahead
        self.rounds: list[dict[str, float]] = []

    def run(self) -> None:
        """One round."""
        before = one_way(self.calls)
        alone = full_ring(self.retire_ahead).paced(self.calls, gap_ns=GAP_NS, writers=1)
        word, record = (_native._bench_paced(name, self.calls, gap_ns=GAP_NS, writers=2) for name in ("word", "record"))
        found = full_ring(self.retire_ahead).paced(self.calls, gap_ns=GAP_NS, writers=2)
        for name, other in (("alone", alone), ("word", word), ("record", record)):
            found |= {f"{name}_{percentile}": other[percentile] for percentile in PERCENTILES}
        found["one_way"] = max(before, one_way(self.calls))
        self.rounds.append(found)

    def add_to(self, results: Results) -> None:
        """The entries; beside each the empty timing, a writer alone, the least of two, and what a cache line took."""
        near = [found for found in self.rounds if found["one_way"] <= NEAR_NS]
        counted = near or self.rounds
        beside: Facts = {"rounds": len(self.rounds), "near_rounds": len(near)}
        others = (f"{name}_{percentile}" for name in ("alone", "word", "record") for percentile in PERCENTILES)
        for fact in ("one_way", "clock", "clock_p99", "clock_p999", *others):
            beside[fact] = median(found[fact] for found in counted)
        for percentile in PERCENTILES:
            samples = [found[percentile] for found in counted]
            results.add(f"{self.name}.{percentile}", samples, NS, "cas", **beside)


def paced(results: Results, calls: int, rounds: int) -> None:
    """`ring.paced.p50`, `.p99`, `.p999`, and the same with `.log.` as a log runs it."""
    both = [Paced("ring.paced", calls, 0), Paced("ring.paced.log", calls, RETIRE_AHEAD)]
    for _ in range(rounds):
        for one in both:
            one.run()
    for one in both:
        one.add_to(results)


def instructions(results: Results) -> None:
    """Instructions of a record: exact, so once. Left out where they cannot be counted."""
    try:
        plain, log = (full_ring(retire_ahead).instructions(STEPPED) for retire_ahead in (0, RETIRE_AHEAD))
    except OSError:
        return
    results.add("cas.instructions", [plain["cas"]], INSTRUCTIONS, "ring.write.1.instructions")
    results.add("ring.write.1.instructions", [plain["write"]], INSTRUCTIONS, "cas.instructions")
    results.add("ring.write.1.log.instructions", [log["write"]], INSTRUCTIONS, "cas.instructions")
    results.add("ring.read.instructions", [plain["read"]], INSTRUCTIONS, "cas.instructions")


# Name, and the power of two of its descriptors: 8 KiB and 4 MiB of text.
CROWDED = (("8k", 6), ("4m", 15))
CROWD = 3


def refused(results: Results, operations: int, rounds: int) -> None:
    """`ring.refused.8k`, `.4m`: refused reserves per million records of three writers on what cores there are.

    Their yardstick is how often a writer lost its processor: that is what refusals come from.
    """
    sums = {name: dict.fromkeys(("records", "refused", "met", "preempted"), 0.0) for name, _ in CROWDED}
    samples: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name, _ in CROWDED}
    for _ in range(rounds):
        for name, desc_bits in CROWDED:
            found = full_ring(0, desc_bits).crowd(operations, threads=CROWD)
            for key in sums[name]:
                sums[name][key] += found[key]
            for values, key in zip(samples[name], ("refused", "preempted"), strict=True):
                values.append(found[key] * 1e6 / found["records"])
    for name, _ in CROWDED:
        refusals, switches = samples[name]
        facts = {key: int(value) for key, value in sums[name].items()}
        results.add(f"ring.refused.{name}", refusals, PER_MILLION, f"ring.preempted.{name}", **facts)
        results.add(f"ring.preempted.{name}", switches, PER_MILLION, f"ring.refused.{name}")


def write_probe(folder: Path, writes: int) -> Probe:
    """One write(2) of a line to a file on the same file system, from Python: what storing a record costs without a ring."""

    def run(_: int) -> float:
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
        Probe("cas", "noop.arg1", lambda parts: _native._bench("cas", operations // parts)),
        Probe("cas16", "cas", lambda _: _native._bench("cas16", operations)),
        Probe("pingpong", "cas", lambda _: one_way(operations // 10)),
        write_probe(folder, operations // 10),
        one_writer("ring.write.1", operations, 0),
        one_writer("ring.write.1.log", operations, RETIRE_AHEAD),
        two_writers("ring.write.2", operations // 2, 0),
        two_writers("ring.write.2.log", operations // 2, RETIRE_AHEAD),
        alone("ring.read", 0, lambda ring, parts: ring.read(operations // parts)),
    ]

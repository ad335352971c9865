"""What a log call costs its caller: the call as users write it, in a loop, beside a function that does nothing.

Also the latency of single calls, paced, with no, one and four consoles printing.
"""

from __future__ import annotations

import gc
import os
import time
from array import array
from contextlib import ExitStack
from statistics import median
from timeit import Timer
from typing import TYPE_CHECKING, NamedTuple

import printk_ring as pr
from benches.entries import NS, Probe
from printk_ring import _native

if TYPE_CHECKING:
    from pathlib import Path

    from benches.entries import Results

# The expression of every case, with TARGET for what is called. The same expression goes to the function that does nothing.
EXPRESSIONS = {
    "arg1": 'TARGET("event")',
    "arg3": 'TARGET("event %s %d", "x", 3)',
    "fields4": 'TARGET("event", a=1, b=2.5, c="x", d=3)',
}
# name -> (expression, method, yardstick)
CALLS = {
    "call.fields4": ("fields4", "logger.info", "noop.fields4"),
    "call.constant": ("arg1", "logger.info", "noop.arg1"),
    "call.args2": ("arg3", "logger.info", "noop.arg3"),
    "call.disabled": ("fields4", "disabled.info", "noop.fields4"),
    "call.disabled.constant": ("arg1", "disabled.info", "noop.arg1"),
    "call.fields4.public": ("fields4", "logger.info", "noop.fields4"),
    "call.constant.public": ("arg1", "logger.info", "noop.arg1"),
}
# With call sites found as in the build for the stable ABI: not by the interpreter's own frame.
PUBLIC = ".public"
# Between two readings of the clock in a row so much time passes only if something else had the processor.
INTERRUPT_NS = 1_000
# Between calls so near each other that nobody else has used the caches meanwhile.
NEAR_NS = 1_000


class Bench:
    """A file ring on a memory file system with a live console, and a second log that stores warnings and up only."""

    def __init__(self, folder: Path, stack: ExitStack, calls: int) -> None:
        self.calls = calls
        self.files = [folder / "calls.txt"]
        consoles = [{"sink": pr.sinks.file(self.files[0]), "format": "text"}]
        self.log = stack.enter_context(pr.Log(folder / "calls.ring", consoles=consoles))
        self.quiet = stack.enter_context(pr.Log(folder / "quiet.ring", level="WARNING"))
        self.names = {
            "logger": self.log.get_logger("bench"),
            "disabled": self.quiet.get_logger("bench"),
            "native": _native,
        }

    def timer(self, expression: str, target: str) -> Timer:
        """The loop around one call; what is called is looked up on a local, as in a user's function."""
        local = target.split(".", maxsplit=1)[0]
        return Timer(
            EXPRESSIONS[expression].replace("TARGET", target),
            setup=f"{local} = given_{local}",
            globals={f"given_{name}": value for name, value in self.names.items()},
        )

    def call_probe(self, name: str) -> Probe:
        """A log call; between two repeats the consoles catch up and their files are emptied."""
        expression, method, yardstick = CALLS[name]
        timer = self.timer(expression, method)
        log = self.log if method.startswith("logger") else self.quiet
        counted = {"calls": 0, "stored": 0, "failed": 0}

        def run(parts: int) -> float:
            calls = self.calls // parts
            before = log.stats()
            if name.endswith(PUBLIC):
                _native._use_public_frames()
            try:
                seconds = timer.timeit(calls)
            finally:
                _native._use_public_frames(False)
            after = log.stats()
            # A call below the log's level has nothing to store: it is not counted as a call that had.
            counted["calls"] += calls if log is self.log else 0
            counted["stored"] += after["emitted"] - before["emitted"]
            counted["failed"] += after["failed"] - before["failed"]
            self.catch_up()
            return seconds * 1e9 / calls

        return Probe(name, yardstick, run, lambda: dict(counted), in_turn=True)

    def noop_probe(self, expression: str) -> Probe:
        """The function that does nothing, called the same way."""
        timer = self.timer(expression, "native._noop")

        def run(parts: int) -> float:
            calls = self.calls // parts
            return timer.timeit(calls) * 1e9 / calls

        return Probe(f"noop.{expression}", "cas", run)

    def catch_up(self) -> None:
        """Nothing is left to print, and the files do not fill the memory."""
        assert self.log.flush(60.0), "the consoles did not catch up within a minute"
        for path in self.files:
            os.truncate(path, 0)

    def probes(self) -> list[Probe]:
        """Each call, in turn with its yardstick."""
        return [self.noop_probe(name) for name in EXPRESSIONS] + [self.call_probe(name) for name in CALLS]


class Paced(NamedTuple):
    """Times of single calls, sorted; those before which nothing had interrupted the pause; and the share of the others."""

    all: array[int]
    undisturbed: array[int]
    interrupted: float


def paced(target: object, calls: int, gap_ns: int) -> Paced:
    """The time of each single call, two clock readings included, `gap_ns` apart."""
    samples, steps = array("q", bytes(8 * calls)), array("q", bytes(8 * calls))
    clock = time.perf_counter_ns
    call = target
    assert callable(call)
    for index in range(calls):
        begin = last = clock()
        longest = 0
        while last - begin < gap_ns:
            now = clock()
            longest = max(longest, now - last)
            last = now
        begin = clock()
        call("event", a=1, b=2.5, c="x", d=3)
        end = clock()
        samples[index] = end - begin
        steps[index] = longest
    calm = [sample for sample, step in zip(samples, steps, strict=True) if step <= INTERRUPT_NS]
    return Paced(array("q", sorted(samples)), array("q", sorted(calm)), 1 - len(calm) / calls)


def percentiles(samples: array[int]) -> dict[str, float]:
    """p50, p99 and p99.9 of sorted samples."""
    last = len(samples) - 1
    return {name: float(samples[round(last * share)]) for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}


def callers(results: Results, folder: Path, calls: int, rounds: int, gap_ns: int) -> None:
    """`caller.pXX.CONSOLES`; their yardstick is `caller.pXX.noop`, the same loop around the function that does nothing.

    `caller.pXX.0.near`: the call of `.0`, `NEAR_NS` apart: out of caches that nobody else has used meanwhile.

    `caller.pXX.work`: around one that computes for a third of a log call's time, and shares nothing with anybody: a tail
    that comes from the machine alone. Many short rounds, all targets in turn: a disturbance of the host has a round or two,
    and the median of the rounds, or the best one, is without it. `interrupted`: the share of pauses in which something else
    ran on the processor, by the clock; `undisturbed`: the percentile of the calls behind the others.
    """
    with ExitStack() as stack:
        targets: dict[str, tuple[object, int]] = {"noop": (_native._noop, gap_ns), "work": (_native._work, gap_ns)}
        for consoles in (0, 1, 4):
            log = stack.enter_context(pr.Log(folder / f"caller{consoles}.ring"))
            for number in range(consoles):
                sink = pr.sinks.file(folder / f"caller{consoles}.{number}.out")
                log.add_console(sink, name=f"file{number}", format="json" if number % 2 else "text")
            targets[str(consoles)] = (log.get_logger("bench").info, gap_ns)
        targets["0.near"] = (targets["0"][0], NEAR_NS)
        found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        gc.disable()
        try:
            for _ in range(rounds):
                for name, (target, gap) in targets.items():
                    timed = paced(target, calls, gap)
                    calm = percentiles(timed.undisturbed or timed.all)  # a clock that takes as long has no calm pauses
                    for percentile, value in percentiles(timed.all).items():
                        found.setdefault((percentile, name), []).append((value, calm[percentile], timed.interrupted))
        finally:
            gc.enable()
    for (percentile, name), values in found.items():
        yardstick = "noop.fields4" if name == "noop" else f"caller.{percentile}.noop"
        samples, calm_ones, interrupted = (list(each) for each in zip(*values, strict=True))
        beside = {"undisturbed": median(calm_ones), "interrupted": median(interrupted)}
        results.add(f"caller.{percentile}.{name}", samples, NS, yardstick, **beside)

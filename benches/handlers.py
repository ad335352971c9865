"""What `RingHandler` adds to a call of the standard library's `logging`, beside a handler that does nothing."""

from __future__ import annotations

import logging
from timeit import Timer
from typing import TYPE_CHECKING

import printk_ring as pr
from benches.entries import Probe

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

# Case -> the call, as users write it.
CASES = {
    "": 'logger.info("event")',
    ".args2": 'logger.info("event %s %d", "x", 3)',
    ".extra4": 'logger.info("event", extra=fields)',
}
FIELDS = {"a": 1, "b": 2.5, "c": "x", "d": 3}


class Nothing(logging.Handler):
    """The least that a handler can do."""

    def emit(self, record: logging.LogRecord) -> None:
        """Nothing."""


def logger_with(name: str, handler: logging.Handler) -> logging.Logger:
    """A logger whose records go to this handler and to no other."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(handler)
    return logger


class Bench:
    """Two loggers of the standard library, a ring behind the one and nothing behind the other."""

    def __init__(self, folder: Path, stack: ExitStack, calls: int) -> None:
        self.calls = max(100, calls // 10)  # each takes twenty times one of ours
        self.log = stack.enter_context(pr.Log(folder / "handlers.ring"))
        self.noop = logger_with("bench.noop", Nothing())
        self.ring = logger_with("bench.ring", pr.RingHandler(self.log))

    def probe(self, case: str, call: str) -> list[Probe]:
        """A call with the ring, in turn with its yardstick."""
        timers = {
            name: Timer(call, setup="logger, fields = given", globals={"given": (logger, FIELDS)})
            for name, logger in (("noop", self.noop), ("ring", self.ring))
        }
        counted = {"calls": 0, "stored": 0, "failed": 0}

        def run(parts: int) -> float:
            calls = self.calls // parts
            before = self.log.stats()
            seconds = timers["ring"].timeit(calls)
            after = self.log.stats()
            counted["calls"] += calls
            counted["stored"] += after["emitted"] - before["emitted"]
            counted["failed"] += after["failed"] - before["failed"]
            return seconds * 1e9 / calls

        def nothing(parts: int) -> float:
            calls = self.calls // parts
            return timers["noop"].timeit(calls) * 1e9 / calls

        return [
            Probe(f"handler.noop{case}", "noop.arg1", nothing),
            Probe(f"handler.ring{case}", f"handler.noop{case}", run, lambda: dict(counted), in_turn=True),
        ]

    def probes(self) -> list[Probe]:
        """All cases."""
        return [probe for case, call in CASES.items() for probe in self.probe(case, call)]

"""`make bench`: all measurements of this project in one run, each beside its yardstick.

Writes `benches/results/latest.json` and prints a table. Ends with status 1 when something measured is not what it should
have been (a record lost, memory grown), never because of a time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for `benches.*`; the package itself is the installed one

from benches import (  # noqa: E402 - after the path is set
    calls,
    consoles,
    delivery,
    dump,
    handlers,
    million,
    report,
    rings,
    sizes,
    stuck,
)
from benches.entries import Results  # noqa: E402

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


class Effort(NamedTuple):
    """How much of everything. All of it is repeated, so a short run is noisier, not different."""

    rounds: int
    operations: int
    calls: int
    paced_calls: int
    paced_rounds: int
    stuck_rounds: int
    ring_paced: int
    ring_paced_rounds: int
    crowd: int
    crowd_rounds: int
    sized: int
    sized_rounds: int
    drained: int
    drain_rounds: int
    wakes: int
    idle_seconds: float
    ways: int
    million: int


FULL = Effort(
    rounds=61,
    operations=1_000_000,
    calls=100_000,
    paced_calls=10_000,
    paced_rounds=15,
    stuck_rounds=5,
    ring_paced=50_000,
    ring_paced_rounds=21,
    crowd=1_000_000,
    crowd_rounds=9,
    sized=300_000,
    sized_rounds=15,
    drained=100_000,
    drain_rounds=7,
    wakes=20,
    idle_seconds=60.0,
    ways=500,
    million=1_000_000,
)
QUICK = FULL._replace(
    rounds=9,
    operations=300_000,
    calls=30_000,
    paced_calls=3_000,
    paced_rounds=3,
    stuck_rounds=1,
    ring_paced=10_000,
    ring_paced_rounds=3,
    crowd=300_000,
    crowd_rounds=1,
    sized=100_000,
    sized_rounds=3,
    drained=50_000,
    drain_rounds=3,
    wakes=3,
    idle_seconds=1.0,
    ways=100,
)
# Not for figures: that every part works, in a few seconds.
SMOKE = QUICK._replace(
    rounds=1,
    operations=1_000,
    calls=500,
    paced_calls=200,
    paced_rounds=1,
    ring_paced=500,
    ring_paced_rounds=1,
    crowd=2_000,
    sized=1_000,
    sized_rounds=1,
    drained=1_000,
    drain_rounds=1,
    wakes=1,
    idle_seconds=0.1,
    ways=10,
    million=5_000,
)
GAP_NS = 50_000


def measure(effort: Effort, folder: Path) -> tuple[Results, list[str]]:
    """All measurements; the second value is what was wrong, in words."""
    results = Results()
    began = time.monotonic()

    def progress(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {text}", file=sys.stderr, flush=True)

    with ExitStack() as stack:
        bench = calls.Bench(folder, stack, effort.calls)
        progress("calls and ring")
        results.round_robin([*rings.probes(folder, effort.operations), *bench.probes()], effort.rounds, progress)
        progress("handlers of the standard library")
        results.round_robin(handlers.Bench(folder, stack, effort.calls).probes(), effort.rounds, progress)
    progress("ring, paced and crowded")
    rings.paced(results, effort.ring_paced, effort.ring_paced_rounds)
    rings.refused(results, effort.crowd, effort.crowd_rounds)
    progress("instructions")
    rings.instructions(results)
    progress("rings of all sizes")
    sizes.measure(results, folder, effort.sized, effort.sized_rounds)
    progress("callers, paced")
    calls.callers(results, folder, effort.paced_calls, effort.paced_rounds, GAP_NS)
    progress("callers whose stdout is stuck")
    wrong = stuck.stdout(results, folder, effort.paced_calls, effort.stuck_rounds, GAP_NS)
    progress("ways to a console")
    wrong += delivery.after_idle(results, folder, effort.wakes, effort.idle_seconds)
    delivery.beside_slow(results, folder, effort.ways)
    progress("consoles")
    consoles.rates(results, folder, effort.drained, effort.drain_rounds)
    progress("a dump in a handler")
    wrong += dump.in_handler(results, folder, effort.rounds)
    progress(f"{effort.million:,} records to a JSON file")
    wrong += million.both(results, folder, effort.million)
    results.settle()
    progress("done")
    return results, [*wrong, *uncounted(results)]


def uncounted(results: Results) -> list[str]:
    """Calls whose records were not all stored."""
    told = []
    for name, entry in results.entries.items():
        if name.startswith(("call.", "handler.ring")):
            facts = entry.facts
            if facts["stored"] != facts["calls"] or facts["failed"] != 0:
                told.append(f"{name}: {facts['calls']} calls, {facts['stored']} stored, {facts['failed']} failed")
    return told


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures everything beside its yardstick.")
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", dest="effort", action="store_const", const=QUICK, default=FULL, help="at most 45 s")
    effort.add_argument("--smoke", dest="effort", action="store_const", const=SMOKE, help="does every part work?")
    parser.add_argument("--out", type=Path, default=ROOT / "benches" / "results" / "latest.json", metavar="FILE")
    parser.add_argument("--write-readme", action="store_true", help="put the table into benches/README.md")
    parser.add_argument("--directory", type=Path, default=MEMORY if MEMORY.is_dir() else None, metavar="DIR")
    return parser.parse_args()


def main() -> int:
    """Measure, write, show."""
    chosen = options()
    with tempfile.TemporaryDirectory(prefix="printk-ring-bench-", dir=chosen.directory) as folder:
        results, wrong = measure(chosen.effort, Path(folder))
    results.write(chosen.out)
    report.show(results)
    if chosen.write_readme:
        how = "A full run." if chosen.effort is FULL else "A short run (`QUICK=1`)."
        report.write_readme(results, ROOT / "benches" / "README.md", how)
    for text in wrong:
        print(f"WRONG: {text}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

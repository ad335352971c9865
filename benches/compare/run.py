"""`make compare`: this package beside other ways to log from Python, in one run, each record counted where it arrived.

Writes `compare.md`, `compare.svg` and `compare.json` into `benches/results/`; a short run writes `quick.*`, for what is kept
there is of a full one. Ends with status 1 when this package lost a
record unsaid, never because of a time, and never because of a peer: what a peer loses is told in the table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # for `benches.*`; the package itself is the installed one

from benches.compare import chart, table  # noqa: E402 - after the path is set
from benches.compare.arena import Arena, Effort, Results  # noqa: E402
from benches.compare.measures import calls, killed, memory, paced, slow, threads  # noqa: E402
from benches.compare.registry import KNOWN  # noqa: E402
from benches.report import machine  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it

FULL = Effort(
    rounds=21,
    slice_ns=10e6,
    paced_calls=10_000,
    paced_rounds=3,
    group_ns=0.25e9,
    group_rounds=3,
    slow_calls=2_000,
    kills=5,
    burst=50_000,
    hang_seconds=10.0,
    quiet_seconds=1.0,
)
QUICK = replace(
    FULL,
    rounds=5,
    slice_ns=4e6,
    paced_calls=1_000,
    paced_rounds=1,
    group_ns=0.03e9,
    group_rounds=1,
    slow_calls=500,
    kills=1,
    burst=10_000,
    hang_seconds=4.0,
)
# Not for figures: that every part works, in a few seconds.
SMOKE = replace(
    QUICK,
    rounds=1,
    slice_ns=0.2e6,
    paced_calls=50,
    group_ns=0.002e9,
    slow_calls=50,
    burst=500,
    quiet_seconds=0.2,
)
NAMES = {id(FULL): "A full run", id(QUICK): "A short run (`QUICK=1`)", id(SMOKE): "Not for figures (`--smoke`)"}


def measure(arena: Arena) -> Results:
    """All measurements, in the table's order."""
    calls.measure(arena)
    paced.measure(arena)
    threads.measure(arena)
    slow.measure(arena)
    killed.measure(arena)
    memory.measure(arena)
    arena.progress("done")
    return arena.results


def unsaid(results: Results) -> Iterable[str]:
    """Losses of this package that nothing told: what must not be."""
    for name, told in results.peers.items():
        if not told["ours"]:
            continue
        for measure_name, count in results.counts.get(name, {}).items():
            if count.missing or count.doubled:
                yield f"{name}, {measure_name}: {count.missing} missing, {count.doubled} doubled of {count.expected}"
        killed_ = results.measures.get("killed", {}).get(name, {"acknowledged": 0, "found": 0})
        if killed_["found"] < killed_["acknowledged"]:
            yield f"{name}, SIGKILL: {killed_['found']} of {killed_['acknowledged']} found"
        for trouble in results.trouble:
            if trouble["peer"] == name:
                yield f"{name}, {trouble['measure']}: {trouble['what']}"


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures this package beside other ways to log.")
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", dest="effort", action="store_const", const=QUICK, default=FULL, help="a minute")
    effort.add_argument("--smoke", dest="effort", action="store_const", const=SMOKE, help="does every part work?")
    known = ", ".join(KNOWN)
    parser.add_argument(
        "--peers", default=",".join(KNOWN), help=f"of {known}; or the path of a file with a class Adapter"
    )
    parser.add_argument("--packages", type=Path, default=Path("none"), metavar="DIR", help="where install.py put them")
    parser.add_argument("--out", type=Path, default=ROOT / "benches" / "results", metavar="DIR")
    parser.add_argument("--directory", type=Path, default=MEMORY if MEMORY.is_dir() else None, metavar="DIR")
    return parser.parse_args()


def about(chosen: argparse.Namespace, load: tuple[float, float, float]) -> dict[str, Any]:
    """What the figures were measured on, and beside what."""
    return {
        **machine(),
        "effort": NAMES[id(chosen.effort)],
        "load_before": load[0],
        "load_after": os.getloadavg()[0],
        "directory": str(chosen.directory or tempfile.gettempdir()),
    }


def main() -> int:
    """Measure, write, show."""
    chosen = options()
    load = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="printk-ring-compare-", dir=chosen.directory) as folder:
        arena = Arena(chosen.peers.split(","), Path(folder), chosen.packages.absolute(), chosen.effort)
        results = measure(arena)
    facts = about(chosen, load)
    chosen.out.mkdir(parents=True, exist_ok=True)
    stem = "compare" if chosen.effort is FULL else "quick"
    plain = json.dumps({"about": facts, **asdict(results)}, indent=2)
    (chosen.out / f"{stem}.json").write_text(plain + "\n", encoding="utf-8")
    (chosen.out / f"{stem}.svg").write_text(chart.svg(results), encoding="utf-8")
    (chosen.out / f"{stem}.md").write_text(table.markdown(results, facts, f"{stem}.svg"), encoding="utf-8")
    print(table.terminal(results))
    wrong = list(unsaid(results))
    for text in wrong:
        print(f"WRONG: {text}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

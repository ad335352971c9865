"""The log call on several interpreters, or in several builds of the package, in turn: `interpreters.py NAME=PYTHON ...`.

Each PYTHON has the package installed. A round is one child of each, which times every case of `calls.py` beside the function
that does nothing. The table has the lowest figure of all rounds, and its ratio to the lowest one of its yardstick: what
other work on the machine adds is in none of them, as long as one round was left alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for `benches.*`; the package itself is the installed one

from benches import calls  # noqa: E402 - after the path is set

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
CASES = ("call.fields4", "call.constant", "call.args2", "call.disabled", "call.disabled.constant")
REPEATS = 5


def measure(count: int) -> dict[str, float]:
    """In a child: the best of a few timings of each case and of its yardstick, in turn."""
    best: dict[str, float] = {}
    folder = tempfile.TemporaryDirectory(prefix="printk-ring-bench-", dir=MEMORY if MEMORY.is_dir() else None)
    with folder as name, ExitStack() as stack:
        bench = calls.Bench(Path(name), stack, count)
        probes = [bench.noop_probe(expression) for expression in calls.EXPRESSIONS]
        probes += [bench.call_probe(case) for case in CASES]
        for _ in range(REPEATS):
            for probe in probes:
                best[probe.name] = min(best.get(probe.name, float("inf")), probe.run(1))
        for probe in probes:
            facts = probe.facts()
            assert facts.get("stored") == facts.get("calls"), f"{probe.name}: {facts}"
    return best


def child(python: str, count: int) -> dict[str, float]:
    """One child's figures."""
    command = [python, "-P", __file__, "--child", str(count)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, check=False)
    assert done.returncode == 0, f"{python}:\n{done.stderr}"
    found: dict[str, float] = json.loads(done.stdout)
    return found


def table(found: dict[str, list[dict[str, float]]]) -> None:
    """What the rounds gave, one line for each case."""
    print("| |" + "".join(f" {name} |" for name in found))
    print("|---|" + "---:|" * len(found))
    for case in CASES:
        yardstick = calls.CALLS[case][2]
        cells = []
        for rounds in found.values():
            ns, does_nothing = (min(each[name] for each in rounds) for name in (case, yardstick))
            cells.append(f" {ns:.1f} ns, {ns / does_nothing:.2f} |")
        print(f"| `{case}` |" + "".join(cells))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="The log call on several interpreters, in turn.")
    parser.add_argument("interpreters", nargs="*", metavar="NAME=PYTHON")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(measure(chosen.child)))
        return
    pythons = dict(each.split("=", 1) for each in chosen.interpreters)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
    for number in range(chosen.rounds):
        print(f"round {number + 1} of {chosen.rounds}", file=sys.stderr, flush=True)
        for name, python in pythons.items():
            found[name].append(child(python, chosen.calls))
    table(found)


if __name__ == "__main__":
    main()

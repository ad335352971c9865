"""What a measurement is, how samples become one, and the file that holds them all."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NS = "ns"
PER_SECOND = "records/s"
PER_MILLION = "per million"
INSTRUCTIONS = "instructions"

# Into so many parts a round of a call and one of its yardstick are cut, to be measured in turn.
SLICES = 9

Facts = dict[str, int | float | bool]


@dataclass
class Entry:
    """One name in `latest.json`. `value` is the median of the repeats, `best` the best of them."""

    value: float
    unit: str
    yardstick: str
    best: float
    ratio: float = 0.0
    facts: Facts = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The entry with its facts beside the four keys that every entry has."""
        plain = asdict(self)
        return {**{key: plain[key] for key in ("value", "unit", "yardstick", "ratio", "best")}, **self.facts}


@dataclass
class Probe:
    """Something that is timed once in each round, between all the others.

    `run(parts)` gives nanoseconds per operation, over that part of a round. `in_turn`: it is timed in slices, each
    right behind one of its yardstick, which is among the probes too and then has no round of its own.
    """

    name: str
    yardstick: str
    run: Callable[[int], float]
    facts: Callable[[], Facts] = dict
    in_turn: bool = False


class Results:
    """The entries of one run, by name. Ratios are worked out when all are there."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def add(self, name: str, samples: list[float], unit: str, yardstick: str, **facts: float) -> None:
        """One entry from the repeats of a measurement; of a rate the highest is best, of a time the lowest."""
        assert name not in self.entries, f"{name} is measured twice"
        best = max(samples) if unit == PER_SECOND else min(samples)
        self.entries[name] = Entry(median(samples), unit, yardstick, best, facts=dict(facts))

    def round_robin(self, probes: list[Probe], rounds: int, progress: Callable[[str], None]) -> None:
        """All probes in turn, `rounds` times: a disturbance of the machine meets probe and yardstick alike."""
        samples: dict[str, list[float]] = {probe.name: [] for probe in probes}
        by_name = {probe.name: probe for probe in probes}
        beside = {probe.yardstick for probe in probes if probe.in_turn}
        for number in range(rounds):
            progress(f"round {number + 1} of {rounds}")
            for probe in probes:
                if probe.in_turn:
                    pairs = [(by_name[probe.yardstick].run(SLICES), probe.run(SLICES)) for _ in range(SLICES)]
                    for name, times in zip((probe.yardstick, probe.name), zip(*pairs, strict=True), strict=True):
                        samples[name].append(fmean(times))
                elif probe.name not in beside:
                    samples[probe.name].append(probe.run(1))
        for probe in probes:
            self.add(probe.name, samples[probe.name], NS, probe.yardstick, **probe.facts())

    def settle(self) -> None:
        """Every ratio: value divided by the yardstick's value, both in the same unit."""
        for name, entry in self.entries.items():
            yardstick = self.entries[entry.yardstick]
            assert yardstick is not entry, f"{name} is its own yardstick"
            assert yardstick.unit == entry.unit, f"{name} in {entry.unit}, but {entry.yardstick} in {yardstick.unit}"
            # What did not happen once has no ratio, and is none.
            entry.ratio = entry.value / yardstick.value if yardstick.value else 0.0

    def write(self, path: Path) -> None:
        """`latest.json`: name -> {value, unit, yardstick, ratio, best, further facts}."""
        path.parent.mkdir(parents=True, exist_ok=True)
        data = {name: entry.as_json() for name, entry in self.entries.items()}
        path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

"""What this package should reach among the peers of the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benches.compare.arena import Results

OURS = "printk_ring"


class Target(NamedTuple):
    """Ours is to be so many times below a peer's; `elsewhere`: that peer on the machine where the targets were set."""

    words: str
    case: str
    times: float
    peer: str | None  # None: the fastest that keeps every record
    elsewhere: str


TARGETS = (
    Target("four fields: 45 times below the fastest that keeps every record", "fields4", 45.0, None, "4,525 ns"),
    Target("constant: below spydlog, which keeps it in a buffer", "constant", 1.0, "spydlog", "186 ns"),
    Target("constant: below rusty-logger, which writes it", "constant", 1.0, "rusty-logger", "1,581 ns"),
    Target("two arguments: below spydlog, which keeps it in a buffer", "args2", 1.0, "spydlog", "350 ns"),
)


class Verdict(NamedTuple):
    """A target and what came of it; no `peer`: nothing to compare with in this run."""

    target: Target
    peer: str | None
    theirs: dict[str, float]
    ours: dict[str, float]

    @property
    def times(self) -> float:
        """How many times below, by the medians."""
        return self.theirs["ns"] / self.ours["ns"]

    @property
    def times_best(self) -> float:
        """The same by the best slices, which a busy machine disturbs less."""
        return self.theirs["best"] / self.ours["best"]

    @property
    def times_busy(self) -> float:
        """The same by the medians of the time on the processor, without that of others."""
        return self.theirs["busy"] / self.ours["busy"]

    @property
    def met(self) -> bool:
        """At least as many as wanted."""
        return self.times >= self.target.times


def keeps_every_record(results: Results, name: str) -> bool:
    """After SIGKILL, in every kill of this run; a peer that was not killed has shown nothing."""
    seen = results.measures.get("killed", {}).get(name)
    return seen is not None and seen["found"] >= seen["acknowledged"]


def rivals(results: Results, target: Target) -> list[str]:
    """Whom a target is measured by."""
    if target.peer is not None:
        return [target.peer]
    return [name for name, told in results.peers.items() if not told["ours"] and keeps_every_record(results, name)]


def verdicts(results: Results) -> list[Verdict]:
    """Each target, judged."""
    found = []
    calls = results.measures.get("calls", {})
    for target in TARGETS:
        ours = calls.get(OURS, {}).get(target.case)
        theirs = {
            name: calls[name][target.case] for name in rivals(results, target) if target.case in calls.get(name, {})
        }
        if ours is None or not theirs:
            found.append(Verdict(target, None, {}, {}))
            continue
        name = min(theirs, key=lambda key: theirs[key]["ns"])
        found.append(Verdict(target, name, theirs[name], ours))
    return found

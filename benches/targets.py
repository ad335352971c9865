"""What the figures should be: each target beside its entry, as a bound in the entry's own unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from benches.entries import Entry, Results


class Target(NamedTuple):
    """At most the largest of these: so many times each of the yardsticks, or the plain number under the name "".

    `every`: at most the smallest. `least`: not at most that, but at least.
    """

    bounds: dict[str, float]
    every: bool = False
    least: bool = False

    def words(self, entry: Entry) -> str:
        """As the table says it."""
        parts = []
        for name, times in self.bounds.items():
            if name == "":
                parts.append(f"{times:,.0f} {entry.unit}" if times >= 1e4 else f"{times:g} {entry.unit}")
            elif name == entry.yardstick:
                parts.append(f"{times:g}" if len(self.bounds) == 1 else f"{times:g} `{name}`")
            else:
                parts.append(f"{times:g} `{name}`")
        words = parts[0] if len(parts) == 1 else f"the {'smaller' if self.every else 'larger'} of {' and '.join(parts)}"
        return f"at least {words}" if self.least else words

    def used(self, entry: Entry, results: Results) -> float:
        """The share of the bound that the entry's value takes; met up to 1."""
        entries = results.entries
        bounds = [times * (entries[name].value if name else 1.0) for name, times in self.bounds.items()]
        bound = min(bounds) if self.every else max(bounds)
        return bound / entry.value if self.least else entry.value / bound


def times(factor: float, yardstick: str) -> Target:
    """So many times one yardstick."""
    return Target({yardstick: factor})


# A writer beside another: what the cores can do, or what it may cost where they are close.
CONTENDED = Target({"cas": 30.0, "pingpong": 1.2})

TARGETS: dict[str, Target] = {
    "ring.write.1": times(7.5, "cas"),
    "ring.write.1.instructions": Target({"": 350.0}),
    "ring.write.1.log": times(5.0, "cas"),
    "ring.write.1.log.instructions": Target({"": 300.0}),
    "ring.write.2": CONTENDED,
    "ring.write.2.log": CONTENDED,
    "ring.paced.p99": times(33.0, "cas"),
    "ring.paced.p999": times(48.0, "cas"),
    "ring.paced.log.p99": times(33.0, "cas"),
    "ring.paced.log.p999": times(48.0, "cas"),
    "ring.read": times(1.5, "cas"),
    "ring.size.1m": times(1.25, "ring.size.64k"),
    "ring.size.16m": times(1.25, "ring.size.64k"),
    "ring.size.256m": times(1.25, "ring.size.64k"),
    "ring.size.1g": times(1.25, "ring.size.64k"),
    "open.1g": times(1.25, "open.1m"),
    "call.fields4": times(6.0, "noop.fields4"),
    "call.constant": times(7.0, "noop.arg1"),
    "call.args2": times(7.0, "noop.arg3"),
    "call.disabled": times(1.3, "noop.fields4"),
    "call.disabled.constant": times(1.3, "noop.arg1"),
    "handler.ring": times(1.1, "handler.noop"),
    "handler.ring.args2": times(1.1, "handler.noop.args2"),
    "handler.ring.extra4": times(1.1, "handler.noop.extra4"),
    "caller.p50.1": times(1.1, "caller.p50.0"),
    "caller.p99.1": times(2.0, "caller.p50.1"),
    "caller.p999.1": times(4.0, "caller.p50.1"),
    "caller.p50.4": times(1.1, "caller.p50.0"),
    "stuck.p99": Target({"": 50_000.0, "stuck.p99.read": 1.5}, every=True),
    "wake.max": Target({"": 5e6}),
    "lag.max": Target({"": 1e7}),
    "dump.10k": times(3.0, "dump.10k.write"),
    "console.text.rate": Target({"": 3e6}, least=True),
    "console.json.rate": Target({"": 1.5e6}, least=True),
}

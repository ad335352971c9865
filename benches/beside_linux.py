"""The rows of the ring beside those of Linux's ring and of the prototype, as one table.

What stands there of these two was measured on another machine, once, by the same loops: Linux's ring compiled in user space,
and a ring in C that makes the same decisions by the mechanism that this one has. There a compare-exchange takes 4.7 ns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.entries import Entry, Results

# What it is; Linux's ring; the prototype; the entries of a run.
ROWS = (
    (
        "one writer, 64 bytes, nothing retired ahead",
        "66 ns, 14 compare-exchanges, 902 instructions",
        "33 ns, 335 instructions",
        ("ring.write.1", "ring.write.1.instructions"),
    ),
    (
        "one writer, as a log runs it",
        "",
        "19 ns, 284 instructions",
        ("ring.write.1.log", "ring.write.1.log.instructions"),
    ),
    (
        "two writers on two cores, for each",
        "450 ns, up to 1,800",
        "62 to 98 ns, far cores 230 to 340",
        ("ring.write.2", "ring.write.2.log"),
    ),
    (
        "p99 and p99.9 of two paced writers",
        "491 and 581 ns",
        "150 and 220 ns",
        ("ring.paced.p99", "ring.paced.p999", "ring.paced.log.p99", "ring.paced.log.p999"),
    ),
    ("sequential read, 64 bytes", "12 ns", "6.2 ns", ("ring.read", "ring.read.instructions")),
    (
        "refused, three writers on two cores, 8 KiB and 4 MiB",
        "0.1 % with two",
        "0.001 to 0.2 %",
        ("ring.refused.8k", "ring.refused.4m"),
    ),
    (
        "cost from 64 KiB to 1 GiB, and opening 1 GiB",
        "",
        "19 ns at 1 and 4 MiB",
        ("ring.size.64k", "ring.size.1g", "open.1g"),
    ),
)


def table(results: Results, amount: Callable[[Entry, float], str], ratio: Callable[[Entry], str]) -> list[str]:
    """The lines of the table: of each entry its median, and in brackets that over its yardstick."""
    lines = [
        "| | Linux's ring, elsewhere | prototype, elsewhere | here, in the same run as above |",
        "|---|---|---|---|",
    ]
    for what, linux, prototype, names in ROWS:
        found = [(name, results.entries[name]) for name in names if name in results.entries]
        here = "; ".join(f"`{name}` {amount(entry, entry.value)} ({ratio(entry)})" for name, entry in found)
        lines.append(f"| {what} | {linux} | {prototype} | {here} |")
    return lines

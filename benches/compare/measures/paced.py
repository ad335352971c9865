"""The latency of single calls with two arguments, 50 us apart, as percentiles."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benches.compare.session import PeerFailed

if TYPE_CHECKING:
    from benches.compare.arena import Arena

GAP_NS = 50_000
KINDS = ("p50", "p99", "p999", "max")


def once(arena: Arena, key: str) -> dict[str, float]:
    """One child, one series."""
    calls = arena.effort.paced_calls
    with arena.session(key, "text") as session:
        session.ask({"do": "calls", "case": "args2", "first": 0, "count": 100, "noops": 100})
        sink = arena.sink(session)
        answer = session.ask({"do": "paced", "first": 100, "count": calls, "gap_ns": GAP_NS})
        if session.peer.holds:
            count, _ = sink.settled("args2", 100, 100 + calls)
            arena.results.counted(session.peer.name, "paced", count)
        sink.close()
    return {kind: answer[kind] for kind in KINDS}


def measure(arena: Arena) -> None:
    """`paced`: the median of the rounds for each percentile, and the largest of all."""
    samples: dict[str, list[dict[str, float]]] = {}
    names = {key: arena.name(key) for key in arena.keys}
    for number in range(arena.effort.paced_rounds):
        arena.progress(f"paced calls: round {number + 1} of {arena.effort.paced_rounds}")
        for key, name in list(names.items()):
            try:
                samples.setdefault(name, []).append(once(arena, key))
            except PeerFailed as failure:
                arena.fail(name, "paced calls", failure)
                del names[key]
    for name in names.values():
        entry = arena.results.of("paced", name)
        for kind in KINDS:
            values = [sample[kind] for sample in samples[name]]
            entry[kind] = max(values) if kind == "max" else median(values)

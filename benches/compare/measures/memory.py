"""Peak memory of a burst: the resident set of a child at its highest, mapped files included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benches.compare.session import PeerFailed

if TYPE_CHECKING:
    from benches.compare.arena import Arena


def once(arena: Arena, key: str) -> dict[str, int]:
    """A fresh child, so that nothing is there from before."""
    records = arena.effort.burst
    with arena.session(key, "text") as session:
        sink = arena.sink(session)
        answer = session.ask({"do": "burst", "count": records})
        if session.peer.holds:
            count, _ = sink.settled("args2", 0, records)
            arena.results.counted(session.peer.name, "burst", count)
        sink.close()
    return {"records": records, "peak": answer["peak"], "growth": answer["peak"] - answer["before"]}


def measure(arena: Arena) -> None:
    """`memory`: peak and growth in bytes."""
    arena.progress(f"peak memory of {arena.effort.burst:,} records")
    for key in arena.keys:
        name = arena.name(key)
        try:
            arena.results.of("memory", name).update(once(arena, key))
        except PeerFailed as failure:
            arena.fail(name, "memory", failure)

"""One, two and four threads that log at once: what the group gets done, what a call costs, and what the file takes."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benches.compare.session import PeerFailed

if TYPE_CHECKING:
    from benches.compare.arena import Arena
    from benches.compare.session import Session
    from benches.compare.sink import Sink

GROUPS = (1, 2, 4)
LEAST, MOST = 1_000, 200_000


def wanted(arena: Arena, name: str) -> int:
    """As many records as take the effort's time at the pace of one thread."""
    calls = arena.results.of("calls", name)
    ns = calls["args2"]["ns"] if "args2" in calls else 10_000.0
    return int(min(MOST, max(LEAST, arena.effort.group_ns / ns))) // 4 * 4


def once(arena: Arena, session: Session, sink: Sink, threads: int, records: int) -> dict[str, float]:
    """One group. `rate`: calls per second until the last returned. `drained`: lines per second until the last was there."""
    first = session.next
    session.next += records
    order = {"do": "threads", "threads": threads, "first": first, "count": records}
    answer = session.ask(order, arena.effort.hang_seconds)
    sample: dict[str, float] = {
        "rate": records * 1e9 / (answer["end"] - answer["begin"]),
        "ns": answer["ns"],
    }
    if session.peer.holds:
        count, last_ns = sink.settled("args2", first, first + records)
        arena.results.counted(session.peer.name, f"{threads} threads", count)
        sample["drained"] = count.found * 1e9 / max(1, last_ns - answer["begin"])
    return sample


def groups(arena: Arena, key: str) -> None:
    """All groups of one peer, in one child unless it fails."""
    name = arena.name(key)
    records = wanted(arena, name)
    left = list(GROUPS)
    while left:
        with arena.session(key, "text") as session:
            sink = arena.sink(session)
            try:
                while left:
                    samples = [once(arena, session, sink, left[0], records) for _ in range(arena.effort.group_rounds)]
                    middle = {kind: median(sample[kind] for sample in samples) for kind in samples[0]}
                    arena.results.of("threads", name)[str(left.pop(0))] = {"records": records, **middle}
            except PeerFailed as failure:
                arena.fail(name, f"{left.pop(0)} threads", failure)
            sink.close()


def measure(arena: Arena) -> None:
    """`threads`: peer -> number of threads -> rate, ns, drained."""
    arena.progress("1, 2 and 4 threads")
    for key in arena.keys:
        groups(arena, key)

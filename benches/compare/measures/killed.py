"""SIGKILL at a random moment: which of the records whose calls had returned are still there?"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from benches.compare.session import PeerFailed
from benches.compare.sink import Numbers

if TYPE_CHECKING:
    from benches.compare.arena import Arena
    from benches.compare.session import Session

# The child stops by itself there: what no ring of usual size has overwritten.
MOST = 5_000
FROM, TO = 200, 1_500


def acknowledged(session: Session) -> int:
    """Kills the child while it logs; how many calls had returned, as far as it could say."""
    session.send({"do": "acknowledged", "count": MOST})
    kill_at = random.randint(FROM, TO)  # noqa: S311 - no secret
    last = -1
    while last < kill_at:
        line = session.line(60.0)
        if line.startswith(b"{"):
            raise PeerFailed(line.decode())
        last = int(line)
    session.kill()
    rest = session.remaining()
    whole = rest[: rest.rfind(b"\n") + 1].split()
    return int(whole[-1]) + 1 if whole else last + 1


def once(arena: Arena, key: str) -> dict[str, int]:
    """One killed child."""
    with arena.session(key, "text") as session:
        returned = acknowledged(session)
        numbers = Numbers(0, returned, "args2")
        numbers.take(session.peer.survivors(session.path))
        return {"acknowledged": returned, "found": len(numbers.seen)}


def measure(arena: Arena) -> None:
    """`killed`: acknowledged and found, of all kills together."""
    total: dict[str, dict[str, Any]] = {}
    for number in range(arena.effort.kills):
        arena.progress(f"SIGKILL {number + 1} of {arena.effort.kills}")
        for key in arena.loggers():
            name = arena.name(key)
            try:
                seen = once(arena, key)
            except PeerFailed as failure:
                arena.fail(name, "SIGKILL", failure)
                continue
            sums = total.setdefault(name, {"acknowledged": 0, "found": 0, "kills": 0})
            sums["kills"] += 1
            for kind, value in seen.items():
                sums[kind] += value
    for name, sums in total.items():
        arena.results.of("killed", name).update(sums)

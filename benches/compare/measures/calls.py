"""What a call costs its caller: each case of each peer in turn, round by round, each beside a function that does nothing."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from benches.compare.peers.peer import CASES, form_of
from benches.compare.registry import peer
from benches.compare.session import PeerFailed

if TYPE_CHECKING:
    from benches.compare.arena import Arena
    from benches.compare.session import Session
    from benches.compare.sink import Sink

# A slice is as long as the effort says, within these: the ring and the queues are not to overflow by the measurement.
LEAST, MOST = 50, 10_000
NOOPS = 5_000
WARM_UP = 50


class Case:
    """One case of one peer, and its samples."""

    def __init__(self, arena: Arena, session: Session, sink: Sink, case: str) -> None:
        self.arena = arena
        self.session = session
        self.sink = sink
        self.case = case
        self.count = WARM_UP
        self.samples: list[dict[str, float]] = []

    @property
    def name(self) -> str:
        """The peer's name."""
        return self.session.peer.name

    def slice(self) -> dict[str, float]:
        """So many calls; then all of them are looked for in the file."""
        first = self.session.next
        self.session.next += self.count
        order = {"do": "calls", "case": self.case, "first": first, "count": self.count, "noops": NOOPS}
        answer = self.session.ask(order)
        if self.session.peer.holds and self.case != "disabled":
            count, _ = self.sink.settled(self.case, first, first + self.count)
            self.arena.results.counted(self.name, self.case, count)
        return answer

    def warm_up(self) -> None:
        """The first calls; they say how long a slice is."""
        self.slice()
        ns = self.slice()["ns"]
        self.count = round(min(MOST, max(LEAST, self.arena.effort.slice_ns / ns)))

    def settle(self) -> None:
        """The entry of the table."""
        entry: dict[str, Any] = self.arena.results.of("calls", self.name)
        entry[self.case] = {
            "ns": median(sample["ns"] for sample in self.samples),
            "best": min(sample["ns"] for sample in self.samples),
            "busy": median(sample["busy"] for sample in self.samples),
            "ratio": median(sample["ns"] / sample["noop_ns"] for sample in self.samples),
            "noop_ns": median(sample["noop_ns"] for sample in self.samples),
            "slices": len(self.samples),
            "calls": self.count,
        }


class Calls:
    """All cases of all peers, whose children live as long as the measurement."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.sessions: list[Session] = []
        self.sinks: list[Sink] = []
        self.cases: list[Case] = []

    def start(self, key: str) -> None:
        """One child for all cases that write the same format."""
        cases = [case for case in CASES if case in peer(key).calls]
        for form in sorted({form_of(case) for case in cases}, reverse=True):
            session = self.arena.started(key, form)
            self.sessions.append(session)
            self.sinks.append(self.arena.sink(session))
            for case in cases:
                if form_of(case) == form:
                    self.cases.append(Case(self.arena, session, self.sinks[-1], case))

    def attempt(self, case: Case, *, warm_up: bool) -> bool:
        """False if the peer failed: its other cases in the same child go on if that lives."""
        try:
            if warm_up:
                case.warm_up()
            else:
                case.samples.append(case.slice())
        except PeerFailed as failure:
            self.arena.fail(case.name, f"calls, {case.case}", failure)
            return False
        return True

    def run(self) -> None:
        """Round by round."""
        for key in list(self.arena.keys):
            try:
                self.start(key)
            except PeerFailed as failure:
                self.arena.dismiss(key, failure)
        self.cases = [case for case in self.cases if self.attempt(case, warm_up=True)]
        rounds = self.arena.effort.rounds
        for number in range(rounds):
            self.arena.progress(f"calls: round {number + 1} of {rounds}")
            self.cases = [case for case in self.cases if self.attempt(case, warm_up=False)]
        for case in self.cases:
            case.settle()
        for session, sink in zip(self.sessions, self.sinks, strict=True):
            if sink.forbidden:
                told = PeerFailed(f"{sink.forbidden} records in the file that are below the level")
                self.arena.fail(session.peer.name, "calls, disabled", told)

    def close(self) -> None:
        """The end of the children."""
        for sink in self.sinks:
            sink.close()
        for session in self.sessions:
            self.arena.end(session)


def measure(arena: Arena) -> None:
    """`calls`: peer -> case -> ns, best, busy, ratio."""
    calls = Calls(arena)
    try:
        calls.run()
    finally:
        calls.close()

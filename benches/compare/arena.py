"""Who takes part in a run, where their files are, and what went wrong with whom."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benches.compare.registry import peer
from benches.compare.session import PeerFailed, Session
from benches.compare.sink import Count, Sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Effort:
    """How much of everything. All of it is repeated, so a short run is noisier, not different."""

    rounds: int
    slice_ns: float
    paced_calls: int
    paced_rounds: int
    group_ns: float
    group_rounds: int
    slow_calls: int
    kills: int
    burst: int
    hang_seconds: float
    quiet_seconds: float


@dataclass
class Results:
    """Everything that is told, by the peer's name."""

    peers: dict[str, dict[str, Any]] = field(default_factory=dict)
    measures: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    counts: dict[str, dict[str, Count]] = field(default_factory=dict)
    trouble: list[dict[str, str]] = field(default_factory=list)

    def of(self, measure: str, name: str) -> dict[str, Any]:
        """What a measurement says of a peer."""
        return self.measures.setdefault(measure, {}).setdefault(name, {})

    def counted(self, name: str, measure: str, count: Count) -> None:
        """Adds to what was counted of a peer in a measurement."""
        self.counts.setdefault(name, {}).setdefault(measure, Count()).add(count)


class Arena:
    """The peers of one run. A peer that fails in a measurement takes no further part in that one, and is named."""

    def __init__(self, keys: list[str], folder: Path, packages: Path, effort: Effort) -> None:
        self.folder = folder
        self.packages = packages
        self.effort = effort
        self.results = Results()
        self.began = time.monotonic()
        self.made = 0
        self.keys: list[str] = []
        self.names: dict[str, str] = {}
        for key in keys:
            self.admit(key)

    def admit(self, key: str) -> None:
        """Notes what a peer says of itself; one that cannot be had here is named with the reason."""
        adapter = peer(key)
        self.names[key] = adapter.name
        told = self.results.peers[adapter.name] = {"how": adapter.how, "holds": adapter.holds, "ours": adapter.ours}
        missing = self.missing()
        lacking = [missing[name] for name in adapter.packages if name in missing]
        if lacking:
            told["missing"] = lacking[0]
        else:
            self.keys.append(key)

    def dismiss(self, key: str, failure: PeerFailed) -> None:
        """One whose library cannot be had, or that cannot open a file here."""
        self.results.peers[self.name(key)]["missing"] = str(failure)
        self.keys.remove(key)

    def name(self, key: str) -> str:
        """What the table calls it."""
        return self.names[key]

    def loggers(self) -> list[str]:
        """All but the function that does nothing."""
        return [key for key in self.keys if self.results.peers[self.names[key]]["holds"]]

    def missing(self) -> dict[str, str]:
        """What `install.py` could not install."""
        noted = self.packages / "missing.json"
        if not noted.exists():
            return {}
        content: dict[str, str] = json.loads(noted.read_text(encoding="utf-8"))
        return content

    def progress(self, text: str) -> None:
        """A line on the terminal: where the run is."""
        print(f"[{time.monotonic() - self.began:5.1f} s] {text}", file=sys.stderr, flush=True)

    def path(self, key: str, form: str) -> Path:
        """A file that nobody has had."""
        self.made += 1
        stem = key.rsplit("/", maxsplit=1)[-1].removesuffix(".py")
        return self.folder / f"{stem}-{self.made}.{form}"

    def started(self, key: str, form: str, path: Path | None = None) -> Session:
        """A child with an open logger."""
        session = Session(key, peer(key), self.packages, path or self.path(key, form), form)
        try:
            session.open()
        except PeerFailed:
            session.close()
            raise
        self.results.peers[self.name(key)]["versions"] = session.versions
        return session

    @contextmanager
    def session(self, key: str, form: str, path: Path | None = None) -> Iterator[Session]:
        """A child for the length of a block; its files are gone afterwards."""
        session = self.started(key, form, path)
        try:
            yield session
        finally:
            self.end(session)

    def sink(self, session: Session) -> Sink:
        """The file of a child, to count what arrives there."""
        return Sink(session.path, session.peer, self.effort.quiet_seconds)

    def end(self, session: Session) -> None:
        """The end of a child and its files."""
        session.close()
        for file in self.folder.glob(f"{session.path.name}*"):
            file.unlink()

    def fail(self, name: str, measure: str, failure: Exception) -> None:
        """For the table."""
        self.results.trouble.append({"peer": name, "measure": measure, "what": str(failure)})

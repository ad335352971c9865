"""The measuring side of a child: orders, answers in time or none, and its end."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benches.compare.peers.peer import Peer

CHILD = Path(__file__).with_name("child.py")
PATIENCE_SECONDS = 60.0
END_SECONDS = 10.0


class PeerFailed(Exception):
    """A peer did not do what it was asked to; the text is for the table."""


class Session:
    """One child with one open logger."""

    def __init__(self, key: str, peer: Peer, packages: Path, path: Path, form: str) -> None:
        self.peer = peer
        self.path = path
        self.form = form
        self.next = 0  # the number of the next record
        self.rest = b""
        with Path(f"{path}.stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-P", CHILD, key, packages],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self.versions: dict[str, str] = {}

    def open(self) -> None:
        """Imports and opens."""
        answer = self.ask({"do": "open", "path": str(self.path), "form": self.form})
        self.versions = answer["versions"]

    def send(self, order: dict[str, Any]) -> None:
        """An order, without waiting."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise PeerFailed(self.last_words()) from None

    def ask(self, order: dict[str, Any], seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """An order and its answer."""
        self.send(order)
        answer: dict[str, Any] = json.loads(self.line(seconds))
        if "error" in answer:
            raise PeerFailed(answer["error"])
        return answer

    def line(self, seconds: float) -> bytes:
        """The next line of the child; one that does not come in time is a hang, and the end of the child."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                self.kill()
                raise PeerFailed(f"hangs: no answer within {seconds:g} s")
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise PeerFailed(self.last_words())
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return line

    def remaining(self) -> bytes:
        """All that a killed child had written."""
        assert self.process.stdout is not None
        rest = self.rest + self.process.stdout.read()
        self.rest = b""
        return rest

    def last_words(self) -> str:
        """How a child ended that should not have."""
        status = self.process.wait(END_SECONDS)
        said = Path(f"{self.path}.stderr").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"ended with status {status}" + (f": {said[-1]}" if said else "")

    def kill(self) -> None:
        """SIGKILL, and the funeral."""
        self.process.kill()
        self.process.wait(END_SECONDS)

    def close(self) -> None:
        """The orderly end, or the other one."""
        if self.process.poll() is None:
            try:
                self.ask({"do": "close"}, END_SECONDS)
                assert self.process.stdin is not None
                self.process.stdin.close()
                self.process.wait(END_SECONDS)
            except (PeerFailed, subprocess.TimeoutExpired):
                self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None and not stream.closed:
                stream.close()

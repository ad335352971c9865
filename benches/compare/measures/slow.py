"""A sink that is slow: the log file is a FIFO whose reader takes 512 bytes a millisecond. Does the caller wait?"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING

from benches.compare.measures.paced import GAP_NS, KINDS
from benches.compare.session import PeerFailed
from benches.compare.sink import Numbers

if TYPE_CHECKING:
    from pathlib import Path

    from benches.compare.arena import Arena
    from benches.compare.peers.peer import Peer

READ_BYTES = 512
READ_SECONDS = 0.001
PIPE_BYTES = 4096


class SlowReader:
    """Reads slowly until told to hurry, then all that is left."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self.descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.pieces: list[bytes] = []
        self.hurry = threading.Event()
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self) -> None:
        """The loop of the thread; it ends when it hurries and nobody has the pipe open for writing any more."""
        while True:
            hurry = self.hurry.is_set()
            try:
                piece = os.read(self.descriptor, 65536 if hurry else READ_BYTES)
            except BlockingIOError:
                piece = b""  # empty, but not at its end
            else:
                if hurry and not piece:
                    return
            self.pieces.append(piece)
            if not (piece and hurry):
                time.sleep(READ_SECONDS)

    def all(self) -> bytes:
        """Everything that came; the writer has gone."""
        self.hurry.set()
        self.thread.join()
        os.close(self.descriptor)
        return b"".join(self.pieces)


def counted(arena: Arena, peer: Peer, text: bytes, calls: int) -> None:
    """What was in the pipe."""
    numbers = Numbers(0, calls, "args2")
    numbers.take(text)
    numbers.count.expected = calls
    numbers.count.told = peer.told(text)
    arena.results.counted(peer.name, "slow sink", numbers.count)


def once(arena: Arena, key: str) -> dict[str, float]:
    """One series of paced calls."""
    path = arena.path(key, "pipe")
    reader = SlowReader(path)
    try:
        with arena.session(key, "text", path) as session:
            order = {"do": "paced", "first": 0, "count": arena.effort.slow_calls, "gap_ns": GAP_NS}
            answer = session.ask(order)
            peer = session.peer
            os.close(os.open(path, os.O_WRONLY))  # a writer was there, whatever the peer does
            reader.hurry.set()
    finally:
        text = reader.all()
    if peer.holds:
        counted(arena, peer, text, arena.effort.slow_calls)
    return {kind: answer[kind] for kind in KINDS}


def measure(arena: Arena) -> None:
    """`slow`: the caller's percentiles."""
    arena.progress("a slow sink")
    for key in arena.keys:
        name = arena.name(key)
        try:
            arena.results.of("slow", name).update(once(arena, key))
        except PeerFailed as failure:
            arena.fail(name, "slow sink", failure)

"""This package: a ring in a file, and a console that prints it to a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

import printk_ring as pr
from benches.compare.peers.peer import Peer

TOLD = re.compile(rb"\*\* (\d+) printk messages dropped|\"dropped\":(\d+)")


class Ring(Peer):
    """As installed: what a console cannot keep up with is lost there, and told; the ring has it."""

    name = "printk_ring"
    packages = ("printk-ring",)
    how = "a 4 MiB ring file, one console to the log file (`text`; `json` for the four fields); all else as by default"
    holds = "the ring file, mapped: the kernel keeps it"
    ours = True
    overflow: Literal["drop_oldest", "block"] = "drop_oldest"
    calls: ClassVar = {
        "disabled": 'log.debug("hidden")',
        "constant": 'log.info("served")',
        "args2": 'log.info("served %s %d", "x", i)',
        "fields4": 'log.info("served", a=i, b=2.5, c="x", d=3)',
        "exception": 'log.exception("failed")',
    }

    def open(self, path: Path, form: str) -> Any:
        """The ring lies beside the file that its console writes."""
        format_: Any = form
        self.log = pr.Log(ring_of(path), level="INFO")
        self.log.add_console(pr.sinks.file(path), format=format_, overflow=self.overflow)
        return self.log.get_logger("bench")

    def flush(self) -> None:
        """Until the console has printed all."""
        assert self.log.flush(60.0), "the console did not catch up within a minute"

    def close(self) -> None:
        """The orderly end."""
        self.log.close()

    def survivors(self, path: Path) -> bytes:
        """Every record that the ring file has, read by another process than the one that died."""
        with pr.open(ring_of(path)) as dead:
            return b"".join(f"{record.message}\n".encode() for record in dead.reader())

    def told(self, text: bytes) -> int:
        """The console's own notices."""
        return sum(int(number) for match in TOLD.findall(text) for number in match if number)


class BlockingRing(Ring):
    """For who wants every line in the log file, and waits for it."""

    name = "printk_ring, block"
    how = 'the same with `overflow="block"`: a caller waits for a console that cannot keep up, up to 1 s'
    overflow = "block"


def ring_of(path: Path) -> Path:
    """The ring file that belongs to a log file."""
    return Path(f"{path}.ring")

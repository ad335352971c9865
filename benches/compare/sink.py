"""What arrived: every record's number read back from the file, by a process that never logged."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from benches.compare.peers.peer import Peer

# How a record of a case is known in any of the formats; the group is its number. Constant ones are counted.
PATTERNS = {
    "constant": re.compile(rb"\bserved\b"),
    "args2": re.compile(rb"served x (\d+)"),
    "fields4": re.compile(rb'"a": ?(\d+)'),
    "exception": re.compile(rb"ValueError: (\d+)"),
}
# What the calls say that are below the logger's level.
FORBIDDEN = b"hidden"
LOOK_EVERY_SECONDS = 0.0005
READ_AFTER_SECONDS = 0.004


@dataclass
class Count:
    """Records of one measurement: how many there should be, and what there was."""

    expected: int = 0
    found: int = 0
    doubled: int = 0
    told: int = 0  # losses that the file itself tells of

    @property
    def missing(self) -> int:
        """Neither there nor told."""
        return max(0, self.expected - self.found - self.told)

    def add(self, other: Count) -> None:
        """Both together."""
        self.expected += other.expected
        self.found += other.found
        self.doubled += other.doubled
        self.told += other.told


@dataclass
class Numbers:
    """Numbers as they come in."""

    first: int
    last: int
    case: str
    seen: set[int] = field(default_factory=set)
    count: Count = field(default_factory=Count)

    def take(self, text: bytes) -> None:
        """What is in a piece of text; numbers of other measurements are none of this one's."""
        found = PATTERNS[self.case].findall(text)
        if self.case == "constant":
            together = self.count.found + len(found)
            self.count.found = min(together, self.last - self.first)
            self.count.doubled += together - self.count.found
            return
        for number in map(int, found):
            if not self.first <= number < self.last:
                continue
            if number in self.seen:
                self.count.doubled += 1
            self.seen.add(number)
        self.count.found = len(self.seen)


class Sink:
    """A log file that grows, read from where the last look ended. One that was `quiet` so long (s) has all that comes."""

    def __init__(self, path: Path, peer: Peer, quiet: float) -> None:
        path.touch()
        self.file = path.open("rb")
        self.peer = peer
        self.quiet = quiet
        self.rest = b""
        self.forbidden = 0  # records below the level that came all the same

    def size(self) -> int:
        """How long the file is now."""
        return os.fstat(self.file.fileno()).st_size

    def whole_lines(self) -> bytes:
        """What is new, up to the last newline."""
        text = self.rest + self.file.read()
        end = text.rfind(b"\n") + 1
        self.rest = text[end:]
        return text[:end]

    def settled(self, case: str, first: int, last: int) -> tuple[Count, int]:
        """Waits until all of these records are there, or nothing more comes; and when (monotonic, ns) the last came."""
        numbers = Numbers(first, last, case)
        count = numbers.count
        count.expected = last - first
        size, grown_ns = -1, time.monotonic_ns()
        read = -1
        while True:
            now = time.monotonic_ns()
            if self.size() != size:
                size, grown_ns = self.size(), now
            quiet = (now - grown_ns) / 1e9
            if read != size and quiet >= READ_AFTER_SECONDS:
                read = size
                text = self.whole_lines()
                numbers.take(text)
                count.told += self.peer.told(text)
                self.forbidden += text.count(FORBIDDEN)
                if count.found + count.told >= count.expected:
                    return count, grown_ns
            if quiet >= self.quiet:
                return count, grown_ns
            time.sleep(LOOK_EVERY_SECONDS)

    def close(self) -> None:
        """When its writer has gone."""
        self.file.close()

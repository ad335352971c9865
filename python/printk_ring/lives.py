"""Previous lives: what processes that are gone have left in their ring files, for whoever starts next."""

import os
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from printk_ring import _native
from printk_ring._native import Reader, Record, RingFile, RingFileInfo
from printk_ring.typing import Start, StrPath

if TYPE_CHECKING:
    from printk_ring.snapshot import Snapshot

__all__ = ["PreviousLife", "headline", "moment", "recover"]

_NSEC_PER_SEC = 1_000_000_000


class PreviousLife:
    """The ring of a process that is gone. Made by `recover`; iterating yields its records, oldest first.

    It stays readable while this object lives, also when the file is rotated away or removed meanwhile.
    """

    def __init__(self, ring: RingFile) -> None:
        self._ring = ring
        self._info = ring.info

    @property
    def path(self) -> Path:
        """Where it was found."""
        return self._info.path

    @property
    def info(self) -> RingFileInfo:
        """Pid, start, command line, whether it ended in order, and how many records were left unfinished."""
        return self._info

    @property
    def ended(self) -> int | None:
        """The time of its last record, nanoseconds since the epoch; None: it has none."""
        return self._info.last

    def reader(self, start: Start = "oldest") -> Reader:
        """A reader of its records, as `Log.reader`."""
        return self._ring.reader(start)

    def __iter__(self) -> Iterator[Record]:
        """Its records, oldest first."""
        return iter(self.reader())

    def snapshot(self) -> "Snapshot":
        """As `Log.snapshot`."""
        return self._ring.snapshot()

    def to_file(self, path: StrPath) -> int:
        """Writes its records as text, behind a line that says whose they are and how it ended. How many records.

        A file at the path is appended to; where there is none it is made with mode 0600. A symbolic link is not followed.

        Raises:
            OSError: the path cannot be opened or written.
            RingFileError: the ring was cut off meanwhile.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        count = 0
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(f"** {headline(self._ring, self._info)} **\n")
            for record in self:
                file.write(f"{record}\n")
                count += 1
        return count

    def remove(self) -> bool:
        """Removes the file, whatever it is called by now. False: it has gone already, or somebody is at it.

        Raises:
            RingFileError: the system refused.
        """
        return _native._remove_ring(self._ring)  # noqa: SLF001 - our own

    def __repr__(self) -> str:
        """Whose life it was."""
        return f"<PreviousLife {os.fspath(self.path)!r}: {headline(self._ring, self._info)}>"


def moment(nsec: int) -> str:
    """A time as people write it, to the second: 2026-11-20T10:11:12Z."""
    return datetime.fromtimestamp(nsec // _NSEC_PER_SEC, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def headline(ring: RingFile, info: RingFileInfo, state: str | None = None) -> str:
    """Whose ring it is and how that process ended, from when to when, and what it has left, in one line.

    `state` replaces what the file itself says about the end. Whatever the file holds, no terminal obeys the line.
    """
    records = ring.stats()["records"]
    parts = [f"started {moment(info.started)}"]
    parts += [f"last record {moment(info.last)}"] if info.last is not None else []
    parts += [f"{records} record{'' if records == 1 else 's'}"]
    parts += [f"{info.unfinished} half-written and not shown"] if info.unfinished else []
    words = " ".join(shlex.quote(word) if word.isprintable() else repr(word) for word in info.argv)
    command = f"; {words}" if words else ""
    return f"{info.name!r}, process {info.pid}, {state or info.state}; {', '.join(parts)}{command}"


def recover(path_or_dir: StrPath) -> list[PreviousLife]:
    """What processes that are gone have left, newest first; never a ring that is in use.

    Of a path: the ring there, the previous lives beside it (`.old.N`), and the rings of its forked children
    (`.fork-<pid>`). Of a directory: every ring in it. Where nothing is, the list is empty. What is no ring is left out.

    Called before `install` it finds the last life under its own name, afterwards as `.old.1`.

    Raises:
        RingFileError: the directory cannot be read.
        ConfigError: no file can have that path.
    """
    return [PreviousLife(ring) for ring in _native._recover(path_or_dir)]  # noqa: SLF001 - our own

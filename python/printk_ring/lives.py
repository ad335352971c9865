"""Previous lives: what processes that are gone have left in their ring files, for whoever starts next."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from printk_ring import _native

if TYPE_CHECKING:
    from printk_ring._native import Reader, Record, RingFile, RingFileInfo
    from printk_ring.snapshot import Snapshot
    from printk_ring.typing import Start, StrPath

__all__ = ["PreviousLife", "recover"]


class PreviousLife:
    """The ring of a process that is gone. Made by `recover`; iterating yields its records, oldest first.

    It stays readable while this object lives, also when the file is rotated away or removed meanwhile.
    """

    def __init__(self, ring: "RingFile") -> None:
        self._ring = ring
        self._info = ring.info

    @property
    def path(self) -> Path:
        """Where it was found."""
        return self._info.path

    @property
    def info(self) -> "RingFileInfo":
        """Pid, start, command line, whether it ended in order, and how many records were left unfinished."""
        return self._info

    @property
    def ended(self) -> int | None:
        """The time of its last record, nanoseconds since the epoch; None: it has none."""
        last = None
        for record in self.reader():
            last = record.wall_nsec
        return last

    def reader(self, start: "Start" = "oldest") -> "Reader":
        """A reader of its records, as `Log.reader`."""
        return self._ring.reader(start)

    def __iter__(self) -> Iterator["Record"]:
        """Its records, oldest first."""
        return iter(self.reader())

    def snapshot(self) -> "Snapshot":
        """As `Log.snapshot`."""
        return self._ring.snapshot()

    def to_file(self, path: "StrPath") -> int:
        """Writes its records as text, behind a line that says whose they are. How many.

        A file at the path is appended to; where there is none it is made with mode 0600. A symbolic link is not followed.

        Raises:
            OSError: the path cannot be opened or written.
            RingFileError: the ring was cut off meanwhile.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        count = 0
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(f"** {self._headline()} **\n")
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

    def _headline(self) -> str:
        info = self._info
        started = datetime.fromtimestamp(info.started / 1e9, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        how = "ended in order" if info.clean else "was killed or crashed"
        return f"{info.name!r}, process {info.pid}, started {started}, {how}"

    def __repr__(self) -> str:
        """Whose life it was."""
        return f"<PreviousLife {os.fspath(self.path)!r}: {self._headline()}>"


def recover(path_or_dir: "StrPath") -> list[PreviousLife]:
    """What processes that are gone have left, newest first; never a ring that is in use.

    Of a path: the ring there, the previous lives beside it (`.old.N`), and the rings of its forked children
    (`.fork-<pid>`). Of a directory: every ring in it. Where nothing is, the list is empty. What is no ring is left out.

    Called before `install` it finds the last life under its own name, afterwards as `.old.1`.

    Raises:
        RingFileError: the directory cannot be read.
    """
    return [PreviousLife(ring) for ring in _native._recover(path_or_dir)]  # noqa: SLF001 - our own

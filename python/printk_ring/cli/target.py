"""A ring that was found, and what the user should know about it."""

from pathlib import Path
from typing import Any, NamedTuple

from printk_ring import _native
from printk_ring._native import RingFile, RingFileInfo

__all__ = ["NoRing", "Target"]


class NoRing(Exception):
    """There is no ring where one was looked for; the text says where."""


class Target(NamedTuple):
    """A ring, open."""

    ring: RingFile
    info: RingFileInfo
    """What it said when it was found. Asking again costs a walk over its records."""
    place: str
    """Where it was found, for people."""
    remarks: list[str]
    """What is told about it before its records."""
    state: str | None = None
    """What has become of its process; None: what the file says."""
    about: dict[str, Any] | None = None
    """What a program that reads the heading is told besides."""

    @classmethod
    def at(cls, path: Path) -> "Target":
        """The ring file at a path."""
        return cls.of(_native.open(path))

    @classmethod
    def of(cls, ring: RingFile) -> "Target":
        """A ring file that is open already."""
        info = ring.info
        return cls(ring, info, str(info.path), [])

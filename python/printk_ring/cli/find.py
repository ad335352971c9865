"""Which ring file FILE means: a path, the newest ring of a directory, or the ring of a process."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from printk_ring import _native
from printk_ring._native import RingFileError

__all__ = ["NoRing", "Target", "find"]

_DIRECTORY_VARIABLE = "PRINTK_RING_DIR"


class NoRing(Exception):
    """There is no ring where one was looked for; the text says where."""


class Target(NamedTuple):
    """A ring file, and what the user should know about the choice."""

    path: Path
    remarks: list[str]


def find(name: str) -> Target:
    """The ring file that `name` means; raises NoRing when there is none."""
    path = Path(name)
    if path.is_dir():
        return _newest_in(path)
    if not os.path.lexists(path) and name.isdecimal():
        return _ring_of_process(int(name))
    return Target(path, [])


def _newest_in(directory: Path) -> Target:
    found: list[tuple[bool, int, Path]] = []
    for path in sorted(directory.iterdir()):
        try:
            if path.is_file():
                with _native.open_ring(path) as ring:
                    info = ring.info
                    found.append((info.alive, info.started, path))
        except RingFileError:
            continue  # something else may well lie in the directory
    if not found:
        raise NoRing(f"{directory}: no ring in this directory")
    newest = max(found)[2]
    remarks = [f"{directory}: {len(found)} rings; showing {newest.name}"] if len(found) > 1 else []
    return Target(newest, remarks)


def _ring_of_process(pid: int) -> Target:
    for path in [*_open_files(pid), *_named_after(pid)]:
        try:
            with _native.open_ring(path) as ring:
                if ring.info.pid == pid:
                    return Target(path, [])
        except RingFileError:
            continue  # a file of the process that is not a ring
    if not Path(f"/proc/{pid}").exists():
        raise NoRing(f"{pid}: no such file, and no process of this number")
    raise NoRing(f"{pid}: this process has no ring file that can be read (a log without a path is anonymous memory)")


def _open_files(pid: int) -> list[Path]:
    """The regular files that a process has open: by their names, and those without one by /proc/<pid>/fd."""
    try:
        entries = sorted(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return []  # it has gone, or is not ours to look at
    return list(dict.fromkeys(_by_name(entry) for entry in entries if _is_regular(entry)))


def _is_regular(entry: Path) -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return False  # closed meanwhile


def _by_name(entry: Path) -> Path:
    try:
        path = entry.readlink()
        return path if path.samefile(entry) else entry
    except OSError:  # the name is gone, or was never one
        return entry


def _named_after(pid: int) -> list[Path]:
    directory = os.environ.get(_DIRECTORY_VARIABLE)
    return sorted(Path(directory).glob(f"*-{pid}.ring")) if directory else []

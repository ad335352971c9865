"""Which rings are meant: a path, the newest of a directory, that of a process, those of the dead, or those in a core."""

import os
import stat
from pathlib import Path

from printk_ring import _native
from printk_ring._native import RingFileError
from printk_ring.cli.core import rings_in_core
from printk_ring.cli.options import Options
from printk_ring.cli.target import NoRing, Target

__all__ = ["find"]

_DIRECTORY_VARIABLE = "PRINTK_RING_DIR"


def find(options: Options) -> list[Target]:
    """The rings that the user means: one, or several in the order in which they began; raises NoRing for none."""
    if options.core is not None:
        return rings_in_core(Path(options.core), options.target)
    name = options.target or ""
    if options.dead:
        return _in_order(_dead_rings(name))
    if options.listing and Path(name).is_dir():
        return _in_order(_rings_in(Path(name)))
    return [_one(name)]


def _one(name: str) -> Target:
    path = Path(name)
    if path.is_dir():
        return _newest_in(path)
    if not os.path.lexists(path) and name.isdecimal():
        return _ring_of_process(int(name))
    return Target.at(path)


def _in_order(targets: list[Target]) -> list[Target]:
    return sorted(targets, key=lambda target: target.info.started)


def _rings_in(directory: Path) -> list[Target]:
    """The rings in a directory, by name; raises NoRing when there is none."""
    found = []
    for path in sorted(directory.iterdir()):
        try:
            if path.is_file():
                found.append(Target.at(path))
        except RingFileError:
            continue  # something else may well lie in the directory
    if not found:
        raise NoRing(f"{directory}: no ring in this directory")
    return found


def _newest_in(directory: Path) -> Target:
    found = _rings_in(directory)

    def age(target: Target) -> tuple[bool, int, Path]:
        info = target.info
        return info.alive, info.started, info.path

    newest = max(found, key=age)
    if len(found) > 1:
        newest.remarks.append(f"{directory}: {len(found)} rings; the newest is {newest.info.path.name}")
    return newest


def _dead_rings(name: str) -> list[Target]:
    """What processes that are gone have left at a path, in a directory, or under their number in the rings' directory."""
    path = Path(name)
    if os.path.lexists(path) or not name.isdecimal():
        found = _native._recover(path)  # noqa: SLF001 - our own
        why = f"{path}: {_nobody_dead(path)}" if not found else ""
    elif directory := os.environ.get(_DIRECTORY_VARIABLE):
        found = [ring for ring in _native._recover(directory) if ring.info.pid == int(name)]  # noqa: SLF001 - our own
        why = f"{name}: no such file, and no process of this number that is gone has left a ring in {directory}"
    else:
        raise NoRing(
            f"{name}: no such file; rings of dead processes are looked for by number in ${_DIRECTORY_VARIABLE}"
        )
    if not found:
        raise NoRing(why)
    return [Target.of(ring) for ring in found]


def _nobody_dead(path: Path) -> str:
    """Why nothing of the dead was found there; raises RingFileError where a file is that is no ring."""
    if not path.exists():
        return "nobody has left a ring here"
    if path.is_dir():
        return "no ring of a process that is gone in this directory"
    info = Target.at(path).info
    return f"this ring is that of process {info.pid}, which is alive, and none before it has left one"


def _ring_of_process(pid: int) -> Target:
    found: dict[Path, Target] = {}
    for path in [*_open_files(pid), *_named_after(pid)]:
        try:
            target = Target.at(path)
        except RingFileError:
            continue  # a file of the process that is not a ring
        if target.info.pid == pid:
            found.setdefault(target.info.path, target)
    if found:
        first, *others = _in_order(list(found.values()))
        if others:
            names = ", ".join(str(other.info.path) for other in others)
            first.remarks.append(f"{pid}: {len(found)} rings; this is {first.info.path}, and by their paths: {names}")
        return first
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

"""Rings in a core file: the memory of a process, written when it crashed, or by gcore while it ran.

A ring that has no file is in every core. One that has a file is left out by default, since the file outlives the process:
the core then tells its path, and it is read from there, if it still is the ring of that process.
"""

from pathlib import Path

from printk_ring import _native
from printk_ring._native import RingFile, RingFileError, RingFileInfo
from printk_ring.cli.elf import Mapping, Tables, tables_of
from printk_ring.cli.target import NoRing, Target

__all__ = ["rings_in_core"]

_PAGE_BYTES = 4096
_NO_RING = "it is not a ring file"
_STATE_IN_CORE = "no orderly exit before the core was written"
_HOW_TO_SAVE = "rings in files are saved too after: echo 0x3f > /proc/PID/coredump_filter"


def rings_in_core(core: Path, wanted: str | None) -> list[Target]:
    """The rings in a core, those of its own process first; `wanted`: only those with that number, name or path.

    Raises NoRing for none, and NoReader without pyelftools.
    """
    tables = tables_of(core)
    carved, damaged = _native._carve(core, tables.segments)  # noqa: SLF001 - our own
    mapped_at = {mapping.address: mapping.path for mapping in tables.mappings}
    found = [_saved(core, ring, address, missing, mapped_at) for address, ring, missing in carved]
    remarks = [f"at {address:#x} something begins like a ring: {why}" for address, why in damaged]
    if tables.length > core.stat().st_size:
        remarks.append(f"it is cut off, {core.stat().st_size} of {tables.length} bytes are there")
    for mapping in tables.mappings:
        if not _is_saved(mapping, tables):
            ring = _from_file(core, mapping, tables.pid)
            if isinstance(ring, Target):
                found.append(ring)
            elif ring:
                remarks.append(f"{mapping.path} was mapped, and is not in it: {ring}")
    if not found:
        raise NoRing("; ".join([f"{core}: no ring in this core", *remarks, _HOW_TO_SAVE]))
    found.sort(key=lambda target: (target.info.pid != tables.pid, target.info.started))
    found = [_numbered(target, number, len(found)) for number, target in enumerate(found, 1)]
    if wanted is not None:
        found = _chosen(core, found, wanted, remarks)
    found[0].remarks[:0] = [f"{core}: {remark}" for remark in remarks]
    return found


def _is_saved(mapping: Mapping, tables: Tables) -> bool:
    """Whether the core holds some of it."""
    end = mapping.address + mapping.size
    return any(start < end and mapping.address < start + size for start, _, size in tables.segments)


def _saved(core: Path, ring: RingFile, address: int, missing: int, mapped_at: dict[int, str]) -> Target:
    """A ring that the core holds, or most of it."""
    info = ring.info
    path = mapped_at.get(address, "")
    about = {"core": str(core), "address": address, "missing_bytes": missing, "mapped": path or None}
    remarks = []
    if missing:
        remarks.append(
            f"{core}: {missing} of {info.size_bytes} bytes of the ring at {address:#x} are not in this core: "
            "records that were there are missing, or torn, or lack what their call sites say"
        )
    shown = f", mapped from {path}" if path and not path.startswith("/memfd:") else ""
    return Target(ring, info, f"{core}, at {address:#x}{shown}", remarks, None if info.clean else _STATE_IN_CORE, about)


def _from_file(core: Path, mapping: Mapping, pid: int | None) -> Target | str:
    """The ring in a mapped file that the core does not hold; else why it cannot be had, empty for what is no ring."""
    path = Path(mapping.path)
    there: list[Target] = []
    why = ""
    try:
        there.append(Target.at(path))
    except RingFileError as error:
        if error.reason == _NO_RING:
            return ""
        why = error.reason
    # Whoever has taken the path since has made it a previous life.
    there += [Target.of(ring) for ring in _native._recover(path)] if path.parent.is_dir() else []  # noqa: SLF001 - our own
    written = core.stat().st_mtime_ns
    its = [target for target in there if _is_its(target.info, mapping, pid, written)]
    if its:
        found = max(its, key=lambda target: target.info.started)
        whence = f"what follows is read from {found.place}, as it is now"
        found.remarks.append(f"{core}: the ring of {path} is not in this core; {whence}")
        return found._replace(about={"core": str(core), "mapped": mapping.path})
    others = ", ".join(f"that of process {target.info.pid} in {target.place}" for target in there)
    return f"there is {others}, another one" if others else why


def _is_its(info: RingFileInfo, mapping: Mapping, pid: int | None, written_nsec: int) -> bool:
    """Whether a ring file is the one that was mapped: of that process, of that length, and begun before the core."""
    pages = -(-info.size_bytes // _PAGE_BYTES)
    return pid in {None, info.pid} and pages * _PAGE_BYTES == mapping.size and info.started <= written_nsec


def _numbered(target: Target, number: int, count: int) -> Target:
    return target._replace(place=f"ring {number} of {count}, {target.place}") if count > 1 else target


def _chosen(core: Path, found: list[Target], wanted: str, remarks: list[str]) -> list[Target]:
    def is_wanted(number: int, target: Target) -> bool:
        mapped = (target.about or {}).get("mapped") or ""
        return wanted in {str(number), target.info.name, str(target.info.path), mapped, Path(mapped).name}

    chosen = [target for number, target in enumerate(found, 1) if is_wanted(number, target)]
    if not chosen:
        there = ", ".join(f"{number} {target.info.name!r}" for number, target in enumerate(found, 1))
        raise NoRing("; ".join([f"{core}: no ring {wanted!r} in this core, there are {there}", *remarks]))
    return chosen

"""What a core file says about itself: which memory it holds, which files were mapped, whose it is. Read by pyelftools."""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from printk_ring.cli.target import NoRing

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

__all__ = ["Mapping", "NoReader", "Tables", "tables_of"]

_WORD_BITS = 64
_COMPRESSED = {
    b"\x1f\x8b": "gunzip",
    b"\x28\xb5\x2f\xfd": "unzstd",
    b"\xfd7zXZ": "unxz",
    b"\x04\x22\x4d\x18": "unlz4",
    b"BZh": "bunzip2",
}


class NoReader(Exception):
    """What reads the tables of a core is not installed."""


class Mapping(NamedTuple):
    """A file that was mapped from its beginning on, and how much of it in one piece."""

    address: int
    size: int
    path: str


class Tables(NamedTuple):
    """What a core says about itself."""

    segments: list[tuple[int, int, int]]
    """Memory that it holds: address, offset in the core, length in the core."""
    mappings: list[Mapping]
    pid: int | None
    """None: it does not say."""
    length: int
    """How long the core is, unless it was cut off."""


def tables_of(core: Path) -> Tables:
    """The tables of a core; raises NoRing for what is no core of a process that could have a ring."""
    try:
        from elftools.elf.elffile import ELFFile  # noqa: PLC0415 - an extra, for this option only
    except ImportError:
        raise NoReader("--core reads a core with pyelftools: pip install 'printk-ring[core]'") from None
    with core.open("rb") as stream:
        _check_beginning(core, stream.read(8))
        try:
            elf = ELFFile(stream)
            _check_kind(core, elf)
            return _read(elf)
        except (NoRing, MemoryError):
            raise
        except Exception as error:  # of a damaged file the library raises whatever it stumbles over
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # a place that no file has
                raise
            why = "its tables cannot be read, it is damaged or cut off"
            raise NoRing(f"{core}: {why}") from error


def _check_beginning(core: Path, start: bytes) -> None:
    for magic, command in _COMPRESSED.items():
        if start.startswith(magic):
            raise NoRing(f"{core}: it is compressed: {command} it first")
    if not start.startswith(b"\x7fELF"):
        raise NoRing(f"{core}: it is not a core file" + ("" if start else ", it is empty"))


def _check_kind(core: Path, elf: "ELFFile") -> None:
    if elf["e_type"] != "ET_CORE":
        raise NoRing(f"{core}: it is a program or a library, not a core file")
    if elf.elfclass != _WORD_BITS:
        raise NoRing(f"{core}: it is the core of a {elf.elfclass}-bit process: those have no rings")


def _read(elf: "ELFFile") -> Tables:
    segments: list[tuple[int, int, int]] = []
    mappings: list[Mapping] = []
    pid, length = None, 0
    for segment in elf.iter_segments():
        length = max(length, segment["p_offset"] + segment["p_filesz"])
        if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
            segments.append((segment["p_vaddr"], segment["p_offset"], segment["p_filesz"]))
        # By the method: the class that has it would have to be imported.
        notes = getattr(segment, "iter_notes", None)
        for note in notes() if notes else ():
            if note["n_type"] == "NT_FILE":
                mappings += _merged(note["n_desc"])
            elif note["n_type"] == "NT_PRPSINFO":
                pid = note["n_desc"]["pr_pid"]
    return Tables(segments, mappings, pid, length)


def _merged(files: Any) -> Iterator[Mapping]:
    """The mapped files: of each what follows in memory as it does in the file."""
    last = None
    for entry, name in zip(files["Elf_Nt_File_Entry"], files["filename"], strict=False):
        start, end, path = entry["vm_start"], entry["vm_end"], name.decode("utf-8", "surrogateescape")
        offset = entry["page_offset"] * files["page_size"]
        if last and (last.path, last.address + last.size, last.size) == (path, start, offset):
            last = last._replace(size=last.size + end - start)
            continue
        if last:
            yield last
        last = Mapping(start, end - start, path) if offset == 0 else None
    if last:
        yield last

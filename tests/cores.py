"""Core files of running children: by the kernel, by gdb's gcore where that is installed, and by these tests themselves.

The one that the tests write needs nothing but /proc, and can be made wrong on purpose: in pieces, or with parts left out.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.children import PATIENCE_SECONDS, kill, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PAGE_BYTES = 4096
# Bits of /proc/PID/coredump_filter.
ANONYMOUS, ANONYMOUS_SHARED, MAPPED_SHARED = 1, 2, 8
DEFAULT_FILTER = 0x33
EVERYTHING = 0x3F

_CAP_SYS_PTRACE = 19
_NOTE, _LOAD = 4, 1
_PSINFO, _FILES = 3, 0x46494C45


class Area(NamedTuple):
    """A mapping of a process."""

    start: int
    end: int
    permissions: str
    offset: int
    path: str

    def is_saved(self, wanted: int) -> bool:
        """Whether a core has it, as the kernel decides."""
        if "r" not in self.permissions or self.path in {"[vvar]", "[vvar_vclock]", "[vsyscall]"}:
            return False
        if "s" in self.permissions:
            nameless = self.path.endswith(" (deleted)")
            return bool(wanted & (ANONYMOUS_SHARED if nameless else MAPPED_SHARED))
        return "w" in self.permissions and bool(wanted & ANONYMOUS)


def areas(pid: int) -> list[Area]:
    """The mappings of a process."""
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines():
        span, permissions, offset, _, _, *path = line.split(None, 5)
        start, end = (int(number, 16) for number in span.split("-"))
        found.append(Area(start, end, permissions, int(offset, 16), path[0] if path else ""))
    return found


class Piece(NamedTuple):
    """A part of memory as the core has it."""

    address: int
    content: bytes


def written_by_hand(
    child: subprocess.Popen[str],
    core: Path,
    wanted: int = DEFAULT_FILTER,
    *,
    change: Callable[[Area, bytes], Iterable[Piece]] | None = None,
    mapped_as: Callable[[list[Area]], list[Area]] = list,
    of: int | None = None,
    named: int | None = None,
) -> Path:
    """A core of a child, as the kernel writes it; the child is killed.

    `change`: what the core has instead of an area. `mapped_as`: the mappings that it lists. `of`: a process that is a child
    of this child. `named`: the number that the core says.
    """
    pid = of or child.pid
    os.kill(pid, signal.SIGSTOP)
    stat = Path(f"/proc/{pid}/stat")
    wait_until(lambda: stat.read_text("utf-8").rpartition(")")[2].split()[0] == "T", "it stops")
    mapped = areas(pid)
    pieces: list[Piece] = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for area in mapped:
            if area.is_saved(wanted):
                content = os.pread(memory.fileno(), area.end - area.start, area.start)
                pieces += [Piece(area.start, content)] if change is None else change(area, content)
    os.kill(pid, signal.SIGKILL)
    kill(child)
    _write(core, named or pid, mapped_as(mapped), pieces)
    return core


def _write(core: Path, pid: int, mapped: list[Area], pieces: list[Piece]) -> None:
    notes = _note(_PSINFO, _psinfo(pid)) + _note(_FILES, _files(mapped))
    count = 1 + len(pieces)
    at = 64 + 56 * count
    headers = [struct.pack("<2I6Q", _NOTE, 4, at, 0, 0, len(notes), len(notes), 4)]
    at += len(notes)
    body = [notes]
    for piece in pieces:
        padding = -at % PAGE_BYTES
        body += [bytes(padding), piece.content]
        size = len(piece.content)
        headers.append(struct.pack("<2I6Q", _LOAD, 6, at + padding, piece.address, 0, size, size, PAGE_BYTES))
        at += padding + size
    core_of_x86_64 = struct.pack("<16s2HI3QI6H", b"\x7fELF\2\1\1", 4, 62, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
    core.write_bytes(b"".join([core_of_x86_64, *headers, *body]))


def _note(kind: int, content: bytes) -> bytes:
    return struct.pack("<3I8s", 5, len(content), kind, b"CORE") + content + bytes(-len(content) % 4)


def _psinfo(pid: int) -> bytes:
    return struct.pack(
        "<4B4xQ6I16s80s", 0, ord("R"), 0, 0, 0, 0, 0, pid, os.getpid(), pid, pid, b"python", b"python -c"
    )


def _files(mapped: list[Area]) -> bytes:
    files = [area for area in mapped if area.path.startswith("/")]
    places = [struct.pack("<3Q", area.start, area.end, area.offset // PAGE_BYTES) for area in files]
    names = [area.path.encode() + b"\0" for area in files]
    return b"".join([struct.pack("<2Q", len(files), PAGE_BYTES), *places, *names])


def written_by_gcore(child: subprocess.Popen[str], core: Path, wanted: int = DEFAULT_FILTER) -> Path:
    """A core as gdb writes it of a process that runs; the child is killed behind that."""
    _wish(child, wanted)
    done = subprocess.run(
        ["gcore", "-o", core, str(child.pid)], check=False, capture_output=True, timeout=PATIENCE_SECONDS
    )
    kill(child)
    assert done.returncode == 0, done.stderr
    return core.with_name(f"{core.name}.{child.pid}")


def written_by_the_kernel(child: subprocess.Popen[str], core: Path, wanted: int = DEFAULT_FILTER) -> Path:
    """A core as the kernel writes it of a process that aborts, into its working directory."""
    _wish(child, wanted)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.prlimit(child.pid, resource.RLIMIT_CORE, (hard, hard))
    directory = Path(f"/proc/{child.pid}/cwd").readlink()
    child.send_signal(signal.SIGABRT)
    assert child.wait(PATIENCE_SECONDS) == -signal.SIGABRT
    kill(child)
    [written] = directory.glob("core*")
    return written.rename(core)


def _wish(child: subprocess.Popen[str], wanted: int) -> None:
    Path(f"/proc/{child.pid}/coredump_filter").write_text(f"{wanted:#x}", "ascii")


def makers() -> dict[str, Callable[..., Path]]:
    """The ways to a core that there are on this machine."""
    found: dict[str, Callable[..., Path]] = {"by hand": written_by_hand}
    unlimited = resource.getrlimit(resource.RLIMIT_CORE)[1] == resource.RLIM_INFINITY
    if unlimited and Path("/proc/sys/kernel/core_pattern").read_text("utf-8").strip() == "core":
        found["kernel"] = written_by_the_kernel
    [able] = re.findall(r"^CapEff:\s*(\w+)$", Path("/proc/self/status").read_text("utf-8"), re.MULTILINE)
    if shutil.which("gcore") and int(able, 16) >> _CAP_SYS_PTRACE & 1:  # others may be forbidden to look into a process
        found["gcore"] = written_by_gcore
    return found

"""Where a log call's instructions and time go: reads what `benches/profile.sh` has recorded, and writes a table.

`profile.py FOLDER LIBRARY [--write-readme]`. Instructions are those that callgrind counted in the calling thread, of a run
with calls less those of a run without. Time is what a call took of its processor without either, shared out by the samples
that `perf` took of that thread. Each address is looked up with everything that was inlined there, so that a line of the
standard library counts for the part that it stands in.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- profile: begin -->", "<!-- profile: end -->"
CALLS = 20_000
KINDS = ("noop", "ring")

# What a part is called, in a call's order.
PYTHON = "the interpreter: the loop, the call, making and dropping its arguments"
ENTRY = "entry: the logger, its level, what kind of call it is"
SITE = "call site: the interpreter's frame, the table of sites, its number in the log"
FIELDS = "fields: Python values to typed ones"
HEADER = "thread, process and state of the log; the record's header"
CLOCK = "the clock"
ENCODE = "encoding"
RESERVE = "ring: reserve, old records retired"
COPY = "ring: the copy"
SUM = "its sum"
COMMIT = "ring: finalize"
WAKE = "the console: does anybody have to be woken, the next slots fetched ahead"
OTHER = "the rest: the C library, what could not be placed"
KERNEL = "the kernel, and whatever else ran on this processor"
PARTS = (PYTHON, ENTRY, SITE, FIELDS, HEADER, CLOCK, ENCODE, RESERVE, COPY, SUM, COMMIT, WAKE, OTHER, KERNEL)

# The first that a source file matches, from the innermost inlined function outwards.
SOURCES = (
    (r"rust/printk/src/sum", SUM),
    (r"fastcall/(site|frame|interned)\.rs|printk/src/sites\.rs|host/src/site_memory\.rs", SITE),
    (r"fastcall/(gather|object|args|kept|ambient)\.rs|python/src/convert/", FIELDS),
    (r"printk/src/stamp\.rs", CLOCK),
    (r"printk/src/(kick|futex)\.rs", WAKE),
    (r"rust/record/src/", ENCODE),
    (r"rust/printk/src/|rust/host/src/", HEADER),
    (r"rust/python/src/", ENTRY),
)
# Of the ring's functions the outermost that is in the chain.
RING = (("finalize", COMMIT), ("fetch_ahead", WAKE), ("fill", COPY), ("reserve", RESERVE))


class Place(NamedTuple):
    """An address in an object (a file), and the function that it is in."""

    name: str
    address: int
    function: str


class Call(NamedTuple):
    """From a place to a function of another object."""

    caller: Place
    name: str
    function: str


class Counts(NamedTuple):
    """What callgrind counted: each place's own instructions, and what the functions took that were called from there."""

    own: Counter[Place]
    called: Counter[Call]


def counted(path: Path) -> Counts:
    """From a file of callgrind."""
    own: Counter[Place] = Counter()
    called: Counter[Call] = Counter()
    at: dict[str, str] = {}
    is_of_callee = False
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition("=")
        if key in {"ob", "fn", "cob", "cfn"}:
            at[key] = value
        elif key == "calls":
            is_of_callee = True
        elif line.startswith("0x"):
            where, _, count = line.split()
            place = Place(at["ob"], int(where, 16), at["fn"])
            if not is_of_callee:
                own[place] += int(count)
                continue
            is_of_callee = False
            if "cob" in at:  # said where it is another object
                called[Call(place, at.pop("cob"), at["cfn"])] += int(count)
    return Counts(own, called)


def chains(library: str, addresses: set[int]) -> dict[int, list[tuple[str, str]]]:
    """(function, file) of each address, the innermost first."""
    ordered = sorted(addresses)
    text = subprocess.run(
        ["addr2line", "-a", "-i", "-f", "-C", "-e", library],
        input="".join(f"{address:#x}\n" for address in ordered),
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout
    found: dict[int, list[tuple[str, str]]] = {}
    chain: list[tuple[str, str]] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("0x"):
            chain = found.setdefault(int(line, 16), [])
        else:
            chain.append((line, next(lines)))
    return found


def part_of_chain(chain: list[tuple[str, str]]) -> str:
    """Where an address of our library belongs."""
    for function, file in reversed(chain):
        if "/rust/ring/src/" in file:
            for word, part in RING:
                if word in function:
                    return part
    for _, file in chain:
        for pattern, part in SOURCES:
            if re.search(pattern, file):
                return part
    return OTHER


def part_of_object(name: str, function: str) -> str:
    """Where an address of another object belongs."""
    if "libpython" in name or Path(name).name.startswith("python"):
        return PYTHON
    if "[vdso]" in name or "clock_gettime" in function:
        return CLOCK
    if "kernel" in name or name == "[unknown]":
        return KERNEL
    return OTHER


def plain(function: str) -> str:
    """The name without what tells one processor's `memcpy` from another's."""
    found = re.search(r"mem(cpy|move|set|cmp)", function)
    return found[0] if found else function


class Parts:
    """Places to parts, each looked up once."""

    def __init__(self, library: str) -> None:
        self.library = library
        self.chains: dict[int, list[tuple[str, str]]] = {}
        self.served: dict[str, str] = {}  # a function of others that we call -> the part that it works for

    def is_ours(self, name: str) -> bool:
        """Of the extension."""
        return Path(name).name == Path(self.library).name

    def look_up(self, places: set[Place]) -> None:
        """All at once: it starts a process."""
        self.chains |= chains(self.library, {place.address for place in places if self.is_ours(place.name)})

    def of(self, place: Place) -> str:
        """The part of a place."""
        if self.is_ours(place.name):
            return part_of_chain(self.chains[place.address])
        return self.served.get(plain(place.function)) or part_of_object(place.name, place.function)

    def instructions(self, counts: Counts) -> Counter[str]:
        """What falls to each part. What others' functions do for us falls to the part that calls them."""
        self.look_up({*counts.own, *(call.caller for call in counts.called)})
        sums: Counter[str] = Counter()
        for place, count in counts.own.items():
            part = self.of(place) if self.is_ours(place.name) else part_of_object(place.name, place.function)
            sums[part] += count
        for call, count in counts.called.items():
            if self.is_ours(call.caller.name) and count > 0:
                part = self.of(call.caller)
                sums[part_of_object(call.name, call.function)] -= count
                sums[part] += count
                self.served[plain(call.function)] = part
        return sums


def instructions(folder: Path, kind: str, parts: Parts) -> dict[str, float]:
    """Instructions of a call, by part."""
    counts, without = counted(folder / f"{kind}.calls-01"), counted(folder / f"{kind}.none-01")
    counts.own.subtract(without.own)
    counts.called.subtract(without.called)
    # What is done once or twice in all calls together is none of theirs.
    often = Counts(
        Counter({place: count for place, count in counts.own.items() if abs(count) > CALLS / 100}),
        Counter({call: count for call, count in counts.called.items() if abs(count) > CALLS / 100}),
    )
    return {part: count / CALLS for part, count in parts.instructions(often).items()}


def link_address(library: str, offset: int) -> int:
    """The address that a byte of an ELF file is linked at: what debug information speaks of."""
    data = Path(library).read_bytes()
    (headers,) = struct.unpack_from("<Q", data, 32)
    size, number = struct.unpack_from("<HH", data, 54)
    for index in range(number):
        kind, _, start, address, _, length = struct.unpack_from("<IIQQQQ", data, headers + index * size)
        if kind == 1 and start <= offset < start + length:
            return int(address - start + offset)
    return offset


def samples(folder: Path, kind: str, library: str) -> Counter[Place]:
    """Samples by address, of the thread that logs, while it was in the loop."""
    ours = []
    for line in (folder / f"{kind}.maps").read_text(encoding="utf-8").splitlines():
        if line.endswith(Path(library).name):
            area, _, mapped, *_ = line.split()
            start, behind = (int(bound, 16) for bound in area.split("-"))
            ours.append((start, behind, int(mapped, 16)))
    counts: Counter[Place] = Counter()
    begin, end = map(float, (folder / f"{kind}.span").read_text(encoding="utf-8").split())
    pattern = re.compile(r"^\s*(\d+)/(\d+)\s+([\d.]+):\s+([0-9a-f]+)\s+(.*) \((.*)\)$")
    for line in (folder / f"{kind}.samples").read_text(encoding="utf-8").splitlines():
        found = pattern.match(line)
        if found is None or found[1] != found[2] or not begin <= float(found[3]) <= end:
            continue  # another thread, or not in the loop
        address, name = int(found[4], 16), found[6]
        for start, behind, offset in ours:
            if start <= address < behind:
                address = link_address(library, address - start + offset)
                name = library
        counts[Place(name, address, found[5])] += 1
    return counts


def times(folder: Path, kind: str, library: str, parts: Parts) -> dict[str, float]:
    """Nanoseconds of a call, by part."""
    whole = min(float(line) for line in (folder / f"{kind}.ns").read_text(encoding="utf-8").split())
    counts = samples(folder, kind, library)
    parts.look_up(set(counts))
    sums: Counter[str] = Counter()
    for place, count in counts.items():
        sums[parts.of(place)] += count
    return {part: whole * count / counts.total() for part, count in sums.items()}


def table(folder: Path, library: str) -> str:
    """Part, instructions and nanoseconds; the yardstick's beside."""
    parts = Parts(library)
    asked = {kind: instructions(folder, kind, parts) for kind in KINDS}
    timed = {kind: times(folder, kind, library, parts) for kind in KINDS}
    lines = ["| | instructions | no-op | ns | no-op |", "|---|---:|---:|---:|---:|"]
    columns = (asked["ring"], asked["noop"], timed["ring"], timed["noop"])
    for part in PARTS:
        figures = [column.get(part, 0.0) for column in columns]
        if any(figure >= 0.05 for figure in figures):
            lines.append(
                f"| {part} | " + " | ".join(f"{figure:.1f}" if figure >= 0.05 else "" for figure in figures) + " |"
            )
    lines.append("| **all** | " + " | ".join(f"**{sum(column.values()):.1f}**" for column in columns) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print, and put into the README if asked to."""
    text = table(Path(sys.argv[1]), sys.argv[2])
    print(text)
    if "--write-readme" in sys.argv[3:]:
        page = README.read_text(encoding="utf-8")
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What a record costs in rings of 64 KiB to 1 GiB, and what opening the smallest and the largest costs a reader."""

from __future__ import annotations

import os
from timeit import Timer
from typing import TYPE_CHECKING

import printk_ring as pr
from benches.entries import NS
from benches.rings import AVG_DATA_BITS
from printk_ring import _native

if TYPE_CHECKING:
    from pathlib import Path

    from benches.entries import Results

# Name, and the power of two of its descriptors; the text is 128 times as many bytes.
SIZES = {"64k": 9, "1m": 13, "16m": 17, "256m": 21, "1g": 23}
# A ring file takes one and a half times its text; this much more must be free.
SPARE = 2.0
OPENED = 200


def fits(folder: Path, desc_bits: int) -> bool:
    """Whether memory for the ring is there, on the file system and in the machine."""
    needed = int(SPARE * 1.5 * (1 << (desc_bits + AVG_DATA_BITS)))
    found = os.statvfs(folder)
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return found.f_bavail * found.f_frsize > needed and pages > needed


def measure(results: Results, folder: Path, operations: int, rounds: int) -> None:
    """`ring.size.64k` to `ring.size.1g`, in turn; `open.1m` and `open.1g`. Rings that do not fit are left out."""
    rings: dict[str, _native._BenchRing] = {}
    paths: dict[str, Path] = {}
    try:
        for name, desc_bits in SIZES.items():
            if fits(folder, desc_bits):
                paths[name] = folder / f"size-{name}.ring"
                rings[name] = _native._BenchRing(
                    desc_bits=desc_bits, avg_data_bits=AVG_DATA_BITS, retire_ahead=0, path=paths[name]
                )
        samples: dict[str, list[float]] = {name: [] for name in rings}
        opened: dict[str, list[float]] = {name: [] for name in ("1m", "1g") if name in rings}
        for _ in range(rounds):
            for name, ring in rings.items():
                samples[name].append(ring.write(operations))
            for name, times in opened.items():
                timer = Timer("open(path).close()", globals={"open": pr.open, "path": paths[name]})
                times.append(timer.timeit(OPENED) * 1e9 / OPENED)
    finally:
        for path in paths.values():
            path.unlink(missing_ok=True)
    for name, values in samples.items():
        results.add(f"ring.size.{name}", values, NS, "cas" if name == "64k" else "ring.size.64k")
    for name, values in opened.items():
        results.add(f"open.{name}", values, NS, "cas" if name == "1m" else "open.1m")

"""The loop that `benches/profile.sh` looks at: `profiled.py PACKAGE FOLDER KIND CALLS`.

`KIND`: `ring` (four fields into a ring in a file, with a live console) or `noop` (the same call of the function that does
nothing). `PACKAGE` is the folder with the build that has symbols. Says what a call took of the thread's processor
time, and leaves in `FOLDER` the process's memory map, by which addresses become places in the code, and when the loop began
and ended.
"""

from __future__ import annotations

import gc
import sys
import time
from itertools import repeat
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

import printk_ring as pr
from printk_ring import _native


def noop(calls: int) -> None:
    """The yardstick."""
    log: Any = _native
    for _ in repeat(None, calls):
        log._noop("x", a=1, b=2, c=3, d=4)


def ring(log: pr.Logger, calls: int) -> None:
    """The log call."""
    for _ in repeat(None, calls):
        log.info("x", a=1, b=2, c=3, d=4)


def main() -> None:
    """Warm, then the calls."""
    assert Path(pr.__file__).is_relative_to(sys.argv[1]), "another build is installed before this one"
    folder, kind, calls = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    gc.disable()
    with pr.Log(folder / f"{kind}.ring") as log:
        log.add_console(pr.sinks.file("/dev/null"))
        logger = log.get_logger("bench")
        ring(logger, 100)
        (folder / f"{kind}.maps").write_text(Path("/proc/self/maps").read_text(encoding="utf-8"), encoding="utf-8")
        begin, busy = time.monotonic(), time.thread_time_ns()
        if kind == "ring":
            ring(logger, calls)
        else:
            noop(calls)
        end, busy = time.monotonic(), time.thread_time_ns() - busy
        (folder / f"{kind}.span").write_text(f"{begin} {end}\n", encoding="utf-8")
        print(busy / max(1, calls))


if __name__ == "__main__":
    main()

"""What a log call costs where several threads make it at once: `threads.py [--threads N]`, on the interpreter that runs it.

Without the interpreter's lock a call of one thread costs what it costs alone, as long as no thread writes to what others
read. Under it threads take turns: two of them take twice as long for a call each, and the table says no more than that.

Each thread has a processor of its own, if there are as many. The interpreter counts the references to what threads share
where it cannot do without: `named` shows what that alone costs.
"""

from __future__ import annotations

import argparse
import os
import sys
import sysconfig
import tempfile
import threading
import time
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from statistics import median
from types import FunctionType
from typing import TYPE_CHECKING

import printk_ring as pr

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[pr.Logger, int], None]

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


def disabled(logger: pr.Logger, calls: int) -> None:
    """Below the log's level."""
    info = logger.info
    for n in repeat(1, calls):
        info("event", a=n)


def disabled_by_name(logger: pr.Logger, calls: int) -> None:
    """The same, and the method is looked up at each call, as in users' functions."""
    for n in repeat(1, calls):
        logger.info("event", a=n)


def stored(logger: pr.Logger, calls: int) -> None:
    """Four fields, stored."""
    for n in repeat(1, calls):
        logger.error("event", a=n, b=2.5, c="x", d=3)


def named(logger: pr.Logger, calls: int) -> None:
    """No call: the logger is only named."""
    for _ in repeat(1, calls):
        logger  # noqa: B018 - that is what is timed


def own_code(work: Work) -> Work:
    """The same function with a code object of its own: what belongs to that is shared with no other thread."""
    return FunctionType(work.__code__.replace(), work.__globals__)


def timed(works: list[Work], loggers: list[pr.Logger], calls: int) -> float:
    """Nanoseconds a call, of the slowest thread; all begin at one moment."""
    start = threading.Barrier(len(works))
    taken: list[float] = []

    processors = sorted(os.sched_getaffinity(0))

    def run(work: Work, logger: pr.Logger, number: int) -> None:
        if len(works) <= len(processors):
            os.sched_setaffinity(0, {processors[number]})
        start.wait(60)
        began = time.perf_counter_ns()
        work(logger, calls)
        taken.append((time.perf_counter_ns() - began) / calls)

    threads = [
        threading.Thread(target=run, args=(*each, number))
        for number, each in enumerate(zip(works, loggers, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(taken)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="The log call of several threads at once.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--calls", type=int, default=200_000)
    chosen = parser.parse_args()
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    free = sysconfig.get_config_var("Py_GIL_DISABLED")
    build = "free-threaded" if free else "ordinary"
    print(f"Python {sys.version.split()[0]}, {build} build, the interpreter's lock {'on' if locked else 'off'}")
    many = chosen.threads
    works: tuple[Work, ...] = (named, disabled, disabled_by_name, stored)
    cases = [(work, shared) for work in works for shared in (False, True)]
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder, ExitStack() as stack:
        log = stack.enter_context(pr.Log(Path(folder) / "threads.ring", level="ERROR", size="16 MiB"))
        found: dict[tuple[str, bool, int], list[float]] = {}
        for _ in range(chosen.rounds):
            for work, shared in cases:
                for count in (1, many):
                    one = log.get_logger("shared")
                    loggers = [one if shared else log.get_logger(f"own.{n}") for n in range(count)]
                    copies = [work if shared else own_code(work) for _ in range(count)]
                    found.setdefault((work.__name__, shared, count), []).append(timed(copies, loggers, chosen.calls))
        print(f"| ns a call: least, median | 1 thread | {many} threads | ratio |\n|---|---:|---:|---:|")
        for work, shared in cases:
            times = [found[work.__name__, shared, count] for count in (1, many)]
            least, middle = map(min, times), map(median, times)
            shown = " | ".join(f"{low:.1f}, {mid:.1f}" for low, mid in zip(least, middle, strict=True))
            ratios = [kind(times[1]) / kind(times[0]) for kind in (min, median)]
            name = f"{work.__name__}, {'one logger, one function' if shared else 'own loggers and functions'}"
            print(f"| {name} | {shown} | {ratios[0]:.2f}, {ratios[1]:.2f} |")
        refused = log.stats()["failed"]
        if refused:  # a writer lost its processor between reserve and finalize, and the other went round the ring
            print(f"\n{refused:,} records were refused: this ran beside something else.")


if __name__ == "__main__":
    main()

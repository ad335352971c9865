"""Threads that begin together, and what went wrong in any of them."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PATIENCE_SECONDS = 60.0


@contextmanager
def often() -> Iterator[None]:
    """Under the interpreter's lock threads take turns after each few instructions; without it they need no help."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def let_others(round_: int) -> None:
    """Every few rounds of a loop: under the interpreter's lock whoever waits may wait long."""
    if round_ % 16 == 0:
        time.sleep(1e-4)


def together(*works: Callable[[], object]) -> None:
    """Runs each on a thread of its own, all from the same moment on; raises the first exception of any."""
    start = threading.Barrier(len(works))
    failures: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            start.wait(PATIENCE_SECONDS)
            work()
        except BaseException as error:
            failures.append(error)

    with often():
        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
    stuck = [thread.name for thread in threads if thread.is_alive()]
    assert not stuck, f"still running: {stuck}"
    if failures:
        raise failures[0]


def beside(disturb: Callable[[], object], works: Sequence[Callable[[], object]]) -> int:
    """Runs the works together, and `disturb` over and over as long as any of them runs. How often that was."""
    left = [len(works)]
    lock = threading.Lock()
    rounds = [0]

    def counted(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            finally:
                with lock:
                    left[0] -= 1

        return run

    def disturbing() -> None:
        while True:
            disturb()
            rounds[0] += 1
            if not left[0]:
                return

    together(disturbing, *map(counted, works))
    return rounds[0]

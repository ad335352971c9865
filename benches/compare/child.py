"""One peer in a process of its own: `child.py KEY PACKAGES`, orders as JSON lines on stdin, answers as JSON lines.

What a peer does to its process (threads, stdout, a hang, a crash) meets nobody else, and what it logs is counted by
another process, which has only the file.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import os
import sys
import threading
import time
import traceback
from array import array
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
sys.path.insert(0, sys.argv[2])

from benches.calls import percentiles
from benches.compare.peers.noop import CALLS as NOTHING
from benches.compare.registry import peer
from printk_ring import _native

if TYPE_CHECKING:
    from collections.abc import Callable

# The loops around a call. `i` is the record's number; an exception carries it in its text.
PLAIN = """
def run(log, native, first, last, clock):
    begin = clock()
    for i in range(first, last):
        CALL
    return clock() - begin
"""
RAISING = """
def run(log, native, first, last, clock):
    begin = clock()
    for i in range(first, last):
        try:
            raise ValueError(i)
        except ValueError:
            CALL
    return clock() - begin
"""
PACED = """
def run(log, native, first, last, clock, gap_ns, samples):
    for i in range(first, last):
        begin = clock()
        CALL
        end = clock()
        samples[i - first] = end - begin
        while clock() - end < gap_ns:
            pass
"""
ACKNOWLEDGED = """
def run(log, native, first, last, clock, write, descriptor):
    for i in range(first, last):
        CALL
        write(descriptor, b"%d\\n" % i)
"""


def compiled(frame: str, call: str) -> Callable[..., Any]:
    """The loop with this call in it, as a function of a module."""
    names: dict[str, Any] = {"traceback": traceback}
    exec(compile(frame.replace("CALL", call), "<bench>", "exec"), names)  # noqa: S102 - the calls are ours
    run: Callable[..., Any] = names["run"]
    return run


def peak_bytes() -> int:
    """The most memory that the process has had since `forget_peak`."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    message = "no VmHWM in /proc/self/status"
    raise AssertionError(message)


def forget_peak() -> None:
    """The peak begins anew with what is there now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


class Child:
    """The orders, each a method that returns its answer."""

    def __init__(self, key: str, answers: IO[str]) -> None:
        self.answers = answers
        self.peer = peer(key)
        self.log: Any = None
        self.loops: dict[tuple[str, str], Callable[..., Any]] = {}

    def loop(self, frame: str, case: str, calls: dict[str, str]) -> Callable[..., Any]:
        """Compiled once: a call site that is met again is the same one."""
        frame = RAISING if case == "exception" and frame == PLAIN else frame
        key = (frame, calls[case])
        if key not in self.loops:
            self.loops[key] = compiled(*key)
        return self.loops[key]

    def open(self, path: str, form: str) -> dict[str, Any]:
        """Imports the library and opens the file."""
        self.log = self.peer.open(Path(path), form)
        return {"versions": {name: importlib.metadata.version(name) for name in self.peer.packages}}

    def calls(self, case: str, first: int, count: int, noops: int) -> dict[str, Any]:
        """So many calls, right after some of the function that does nothing, in ns; `busy`: on the processor."""
        nothing = self.loop(PLAIN, case, NOTHING)(None, _native, 0, noops, time.perf_counter_ns)
        run = self.loop(PLAIN, case, self.peer.calls)
        busy = time.thread_time_ns()
        spent = run(self.log, _native, first, first + count, time.perf_counter_ns)
        busy = time.thread_time_ns() - busy
        self.peer.flush()
        return {"ns": spent / count, "busy": busy / count, "noop_ns": nothing / noops}

    def paced(self, first: int, count: int, gap_ns: int) -> dict[str, Any]:
        """Single calls with two arguments, `gap_ns` apart; clock readings included."""
        samples = array("q", bytes(8 * count))
        run = self.loop(PACED, "args2", self.peer.calls)
        run(self.log, _native, first, first + count, time.perf_counter_ns, gap_ns, samples)
        self.peer.flush()
        ordered = array("q", sorted(samples))
        return {**percentiles(ordered), "max": float(ordered[-1])}

    def threads(self, threads: int, first: int, count: int) -> dict[str, Any]:
        """`count` records by so many threads; begin and end of the calls by the monotonic clock."""
        run = self.loop(PLAIN, "args2", self.peer.calls)
        share = count // threads
        spent: list[float] = []
        start = threading.Barrier(threads + 1)

        def work(number: int) -> None:
            own = first + number * share
            start.wait()
            spent.append(run(self.log, _native, own, own + share, time.perf_counter_ns) / share)
            self.peer.leave_thread()

        workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)]
        for worker in workers:
            worker.start()
        start.wait()
        begin = time.monotonic_ns()
        for worker in workers:
            worker.join()
        end = time.monotonic_ns()
        self.peer.flush()
        return {"begin": begin, "end": end, "ns": sum(spent) / len(spent), "records": share * threads}

    def burst(self, count: int) -> dict[str, Any]:
        """Peak memory of so many records, without a pause; `before`: when the logger was open."""
        forget_peak()
        before = peak_bytes()
        self.loop(PLAIN, "args2", self.peer.calls)(self.log, _native, 0, count, time.perf_counter_ns)
        self.peer.flush()
        return {"before": before, "peak": peak_bytes()}

    def acknowledged(self, count: int) -> dict[str, Any]:
        """Numbered records, each number written to the answers' pipe when its call has returned. Then waits to be killed."""
        run = self.loop(ACKNOWLEDGED, "args2", self.peer.calls)
        run(self.log, _native, 0, count, None, os.write, self.answers.fileno())
        time.sleep(600)
        return {}

    def close(self) -> dict[str, Any]:
        """The orderly end."""
        self.peer.close()
        return {}

    def serve(self) -> None:
        """Until stdin ends. A failure is an answer, too."""
        for line in sys.stdin:
            order = json.loads(line)
            gc.collect()
            gc.disable()  # as `timeit` does
            try:
                answer = getattr(self, order.pop("do"))(**order)
            except Exception as error:  # noqa: BLE001 - whatever a peer raises is told in the table
                answer = {"error": f"{type(error).__name__}: {error}"}
            gc.enable()
            self.answers.write(json.dumps(answer) + "\n")
            self.answers.flush()


if __name__ == "__main__":
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)  # a peer may have stdout for itself
    Child(sys.argv[1], channel).serve()

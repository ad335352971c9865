"""How long a record is under way to whoever reads its console: beside a slow one, and as the first after an idle time.

The console writes into a pipe, and who logs then waits for the line in a blocking read, as no loop of looks would: that
would keep a processor from the printer.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import printk_ring as pr
from benches.entries import NS

if TYPE_CHECKING:
    from benches.entries import Results

SLOW_SECONDS = 0.05
# Between two records: the slow console falls behind from the first second on.
EVERY_SECONDS = 0.005
# Printers park 200 ms after their last record.
IDLE_SECONDS = 0.4


class Piped:
    """A console, and the pipe that it writes into."""

    def __init__(self, log: pr.Log, path: Path) -> None:
        os.mkfifo(path)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.console = log.add_console(pr.sinks.file(path), name="piped")
        self.info = log.get_logger("bench").info
        os.set_blocking(self.reader, True)

    def way_ns(self) -> int:
        """From before the call to when the line was read."""
        begin = time.perf_counter_ns()
        self.info("event", a=1, b=2.5, c="x", d=3)
        line = os.read(self.reader, 4096)
        end = time.perf_counter_ns()
        assert line.endswith(b"d=3\n")
        return end - begin

    def ways(self, records: int) -> list[float]:
        """That many of them, some milliseconds apart, sorted."""
        found = []
        for _ in range(records):
            found.append(float(self.way_ns()))
            time.sleep(EVERY_SECONDS)
        return sorted(found)

    def close(self) -> None:
        """When the console has gone."""
        os.close(self.reader)


def beside_slow(results: Results, folder: Path, records: int) -> None:
    """`lag.p50` and `lag.max` of a console beside one that takes 50 ms a record; yardsticks `.alone`."""
    with pr.Log(folder / "lag.ring") as log:
        fast = Piped(log, folder / "lag.pipe")
        alone = fast.ways(records)
        slow = log.add_console(pr.sinks.callable(lambda _: time.sleep(SLOW_SECONDS)), name="slow")
        beside = fast.ways(records)
        behind = slow.lag
        slow.remove(0.0)
    fast.close()
    for name, pick in (("p50", records // 2), ("max", records - 1)):
        results.add(f"lag.{name}.alone", [alone[pick]], NS, "wake.cat")
        results.add(f"lag.{name}", [beside[pick]], NS, f"lag.{name}.alone", slow_console_behind=behind)


def switches(thread: str) -> int:
    """How often the kernel has let the thread of this name go to sleep."""
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text(encoding="utf-8").strip() == thread:
            status = (task / "status").read_text(encoding="utf-8")
            return int(status.partition("voluntary_ctxt_switches:")[2].split()[0])
    message = f"no thread {thread}"
    raise AssertionError(message)


def after_idle(results: Results, folder: Path, rounds: int, idle_seconds: float) -> list[str]:
    """`wake`: the first record after an idle time; its yardstick is a byte through an idle `cat`. Returns complaints."""
    woken, through_cat = [], []
    pipe = subprocess.PIPE
    with (
        pr.Log(folder / "wake.ring") as log,
        subprocess.Popen(["cat"], stdin=pipe, stdout=pipe, bufsize=0) as cat,
    ):
        assert cat.stdin is not None
        assert cat.stdout is not None
        idle = Piped(log, folder / "wake.pipe")
        for _ in range(rounds):
            time.sleep(IDLE_SECONDS)
            begin = time.perf_counter_ns()
            cat.stdin.write(b"x")
            cat.stdout.read(1)
            through_cat.append(float(time.perf_counter_ns() - begin))
            woken.append(float(idle.way_ns()))
        time.sleep(IDLE_SECONDS)
        before = switches("pr/piped")
        time.sleep(idle_seconds)
        meanwhile = switches("pr/piped") - before
        cat.stdin.close()
    idle.close()
    facts = {"idle_seconds": idle_seconds, "idle_switches": meanwhile}
    results.add("wake.cat", through_cat, NS, "cas")
    results.add("wake", woken, NS, "wake.cat", **facts)
    results.add("wake.max", [max(woken)], NS, "wake.cat")
    return [f"{meanwhile} wake-ups of an idle printer in {idle_seconds:g} s"] if meanwhile else []

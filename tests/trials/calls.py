"""What a burst of records asks of the kernel: nothing, counted by strace.

    python -m tests.trials.calls RECORDS

Four threads log; once RECORDS each, once twice as many. What the second process has called more than the first is what the
records have cost: fewer calls than one for a thousand records. Futexes are counted apart, by which the interpreter's
threads take turns, all the more often the longer it takes: fewer than one for twenty records.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from tests.children import PATIENCE_SECONDS

THREADS = 4

PROGRAM = """
    import os, sys, threading
    import printk_ring as pr

    path, records, acknowledged = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "True"
    log = pr.install(path, size="1 MiB", consoles=())
    null = os.open("/dev/null", os.O_WRONLY)

    def work(thread):
        logger = pr.get_logger(str(thread))
        for number in range(records):
            logger.info("event", number=number, text="x", share=0.5)
            if acknowledged:
                os.write(null, b"x")

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.stats()["emitted"] == 4 * records
"""


def calls(records: int, *, acknowledged: bool) -> dict[str, int]:
    """How often a process that logs so much in each thread makes which system call."""
    with tempfile.TemporaryDirectory(prefix="printk-calls-") as name:
        table = Path(name, "table")
        counted = ["strace", "-f", "-c", "-U", "calls,name", "-o", str(table)]
        program = [sys.executable, "-c", textwrap.dedent(PROGRAM), f"{name}/app.ring", str(records), str(acknowledged)]
        subprocess.run([*counted, *program], check=True, timeout=PATIENCE_SECONDS)
        rows = [line.split() for line in table.read_text("utf-8").splitlines()]
    return {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit() and row[1] != "total"}


def cost(records: int, *, acknowledged: bool) -> tuple[int, dict[str, int]]:
    """The calls that so many more records in each thread make."""
    once = calls(records, acknowledged=acknowledged)
    twice = calls(2 * records, acknowledged=acknowledged)
    more = {name: count - once.get(name, 0) for name, count in twice.items() if count > once.get(name, 0)}
    return sum(more.values()), more


def main(arguments: list[str]) -> None:
    """Runs the trial."""
    records = int(arguments[0])
    many, which = cost(records, acknowledged=False)
    turns = which.get("futex", 0)
    found = f"{many} system calls for {records * THREADS} records: {which}"
    assert (many - turns) * 1000 < records * THREADS, found
    assert turns * 20 < records * THREADS, found
    # And they would be seen: a write for each record.
    seen, _ = cost(1000, acknowledged=True)
    assert seen >= 1000 * THREADS, f"a write for each of {1000 * THREADS} records, and {seen} calls are counted"
    told = ", ".join(f"{name} {count}" for name, count in sorted(which.items(), key=lambda item: -item[1]))
    print(f"calls: {records * THREADS} records, {many} system calls ({told or 'none'})")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Forks while eight threads log: nothing hangs, and every line is there once, with the number of the process that logged it.

    python -m tests.trials.forks FORKS

A process with a console on a file logs in eight threads as fast as they can, and its main thread forks. Each child logs
three lines and leaves by `os._exit`, every second one after a flush. The rings of the children are read one by one, for
the package keeps 64 of them; the console's file is read at the end.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import printk_ring as pr
from tests.children import run

LINES = 3
THREADS = 8
# The program goes on for long: a hang is what is looked for.
LIMIT_SECONDS = 1500.0

PROGRAM = """
    import os, sys, threading, warnings
    import printk_ring as pr

    warnings.simplefilter("ignore")  # newer Pythons warn of forks in threaded programs
    path, text, forks = sys.argv[1], sys.argv[2], int(sys.argv[3])
    sys.setswitchinterval(0.0005)  # nine threads share one interpreter, and one of them is to fork often
    log = pr.install(path, size="256 KiB", consoles=[(pr.sinks.file(text), {"overflow": "block", "block_timeout": 60.0})])
    stop = threading.Event()
    said = [0] * 8

    def work(thread):
        logger = pr.get_logger(f"t{thread}", pid=os.getpid())
        while not stop.is_set():
            logger.info("line", number=said[thread])
            said[thread] += 1

    def child(number):
        logger = pr.get_logger("child", pid=os.getpid())
        for line in range(3):
            logger.info("line", number=3 * number + line)
        if number % 2:
            log.flush(timeout=60.0)
        os._exit(0)

    def bury(pid, number):
        assert os.waitpid(pid, 0)[1] == 0, number
        with pr.open(f"{path}.fork-{pid}") as ring:
            records = list(ring.reader())
            found = [(record.pid, record.logger, record.fields["number"]) for record in records if record.logger == "child"]
            others = {record.logger for record in records} - {"child", "printk_ring"}
        assert found == [(pid, "child", 3 * number + line) for line in range(3)], (number, found)
        assert not others, others
        os.unlink(f"{path}.fork-{pid}")
        print("child", number, pid)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    alive = []
    for number in range(forks):
        if (pid := os.fork()) == 0:
            child(number)
        alive.append((pid, number))
        if len(alive) == 4:
            bury(*alive.pop(0))
    for pid, number in alive:
        bury(pid, number)
    stop.set()
    for thread in threads:
        thread.join()
    assert log.flush(timeout=60.0)
    stats = log.stats()
    assert (stats["failed"], stats["block_timeouts"], stats["emitted"]) == (0, 0, sum(said)), (stats, sum(said))
    with pr.open(path) as ring:
        assert {record.pid for record in ring.reader()} == {os.getpid()}
    for thread, count in enumerate(said):
        print("thread", thread, count)
    print("parent", 0, os.getpid())
"""

LINE = re.compile(rb"\[ *[0-9]+\.[0-9]{6}\] (t[0-7]|child): line pid=([0-9]+) number=([0-9]+)\n")


def judge(text: Path, told: str, forks: int) -> tuple[int, int]:
    """Compares what was printed with what the process has told: lines of the parent, and of its children."""
    words = [line.split() for line in told.splitlines()]
    pids = {int(number): pid.encode() for kind, number, pid in words if kind == "child"}
    counts = {int(number): int(count) for kind, number, count in words if kind == "thread"}
    (parent,) = (pid.encode() for kind, _, pid in words if kind == "parent")
    assert (len(pids), len(counts)) == (forks, THREADS)
    next_of = dict.fromkeys((f"t{thread}".encode() for thread in range(THREADS)), 0)
    of_children: Counter[int] = Counter()
    with text.open("rb") as lines:
        for line in lines:
            matched = LINE.fullmatch(line)
            assert matched, f"a line that is none: {line!r}"
            logger, pid, number = matched[1], matched[2], int(matched[3])
            if logger == b"child":
                assert pids[number // LINES] == pid, line
                of_children[number] += 1
            else:
                assert (pid, number) == (parent, next_of[logger]), f"{line!r}, not {next_of[logger]}"
                next_of[logger] += 1
    assert {f"t{thread}".encode(): count for thread, count in counts.items()} == next_of
    twice = [number for number, times in of_children.items() if times > 1]
    assert not twice, f"printed twice: {twice[:10]}"
    flushed = {LINES * number + line for number in range(1, forks, 2) for line in range(LINES)}
    missing = flushed - of_children.keys()
    assert not missing, f"flushed and not printed: {sorted(missing)[:10]}"
    return sum(counts.values()), len(of_children)


def main(arguments: list[str]) -> None:
    """Runs the trial."""
    forks = int(arguments[0])
    with tempfile.TemporaryDirectory(prefix="printk-forks-") as name:
        path, text = Path(name, "app.ring"), Path(name, "console.txt")
        done = run(PROGRAM, path, text, forks, timeout=LIMIT_SECONDS)
        assert done.returncode == 0, f"status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        printed, of_children = judge(text, done.stdout, forks)
        left = [life for life in pr.recover(path) if life.info.path != path]
        assert not left, left
    print(
        f"forks: {forks} of a process with {THREADS} threads: {LINES * forks} lines of children in their rings, each once "
        f"and with the right pid; {of_children} of them printed, none twice, all of those that were flushed; "
        f"{printed} lines of the parent, each once and in order"
    )


if __name__ == "__main__":
    main(sys.argv[1:])

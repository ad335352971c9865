"""Log calls from signal handlers, finalizers and threads at once: every sequence number comes once, and nothing raises.

    python -m tests.trials.handlers SECONDS

SIGALRM comes 2,000 times a second, and its handler, written in Python, logs. Garbage in cycles logs when it is collected,
in whichever thread that happens. Four threads log. A console that makes its callers wait prints all of it, as JSON lines
on stdout; whoever reads them must find each sequence number, and each number of each source, once.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import textwrap
from collections import defaultdict

PROGRAM = """
    import gc, itertools, signal, sys, threading, time
    import printk_ring as pr

    seconds = float(sys.argv[1])
    sys.setswitchinterval(0.0002)  # handlers wait for the interpreter
    raised = []
    sys.unraisablehook = raised.append
    threading.excepthook = raised.append
    console = (pr.sinks.stdout(), {"format": "json", "overflow": "block", "block_timeout": 60.0})
    log = pr.install(size="16 MiB", consoles=[console])
    stop = threading.Event()
    said = {}

    def source(name):
        numbers, logger = itertools.count(), pr.get_logger(name)

        def say():
            logger.info("said", number=next(numbers))

        said[name] = numbers  # whose next one is how many there were
        return say

    alarm, finalizer = source("alarm"), source("finalizer")

    class Garbage:
        def __init__(self):
            self.cycle = self

        def __del__(self):
            finalizer()

    def work(name):
        say = source(name)
        while not stop.is_set():
            say()
            Garbage()

    nested = 0

    def on_alarm(number, frame):
        # On a machine that is busy the next one comes within this one, and so on, and nothing else would ever run.
        global nested
        if nested < 2:
            nested += 1
            alarm()
            nested -= 1

    def end():
        time.sleep(seconds)
        stop.set()
        signal.setitimer(signal.ITIMER_REAL, 0)

    threads = [threading.Thread(target=work, args=(f"t{thread}",)) for thread in range(4)]
    threads.append(threading.Thread(target=end))  # not the main thread: that may be in handlers
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    for thread in threads:
        thread.start()
    while not stop.is_set():
        time.sleep(0.0001)  # handlers run here, between bytecodes of the main thread
        Garbage()
    for thread in threads:
        thread.join()
    gc.collect()
    assert log.flush(timeout=60.0)
    stats = log.stats()
    assert not raised, raised
    said = {name: next(numbers) for name, numbers in said.items()}
    calls = sum(said.values())
    dropped = stats["consoles"][log.consoles()[0].name]["dropped"]
    assert stats["emitted"] == calls, (stats, said)
    counts = (stats["failed"], stats["recursion_dropped"], stats["block_timeouts"], dropped)
    assert counts == (0, 0, 0, 0), (stats, said)
    for name, count in said.items():
        print(name, count, file=sys.stderr)
"""

LINE = re.compile(rb'.*"logger":"([a-z0-9]+)".*"seq":([0-9]+),.*"number":([0-9]+)}')


class Once:
    """Numbers of which each is to come once."""

    def __init__(self) -> None:
        self.seen = bytearray()

    def note(self, number: int) -> None:
        """One came."""
        if number >= len(self.seen):
            self.seen.extend(bytes(max(number + 1 - len(self.seen), 1 << 16)))
        self.seen[number] += 1

    def is_every(self, count: int) -> bool:
        """Whether those below `count` came once, and no others."""
        return self.seen[:count].count(1) == count and not any(self.seen[count:])


def judge(numbers: dict[str, Once], seqs: Once, counts: dict[str, int]) -> None:
    """Compares what was printed with what was said."""
    assert numbers.keys() == counts.keys() == {"alarm", "finalizer", "t0", "t1", "t2", "t3"}, counts
    for source, count in counts.items():
        assert numbers[source].is_every(count), f"{source}: not each number below {count} once"
    assert seqs.is_every(sum(counts.values())), "a sequence number that is missing, or came twice"


def main(arguments: list[str]) -> None:
    """Runs the trial."""
    seconds = float(arguments[0])
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(seconds)]
    numbers: defaultdict[str, Once] = defaultdict(Once)
    seqs = Once()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told) as program:
            assert program.stdout is not None
            for line in program.stdout:
                found = LINE.match(line)
                assert found, f"a line that is none: {line!r}"
                seqs.note(int(found[2]))
                numbers[found[1].decode()].note(int(found[3]))
        told.seek(0)
        words = told.read()
    assert program.returncode == 0, f"status {program.returncode}\n{words}"
    counts = {source: int(count) for source, count in (line.split() for line in words.splitlines())}
    judge(numbers, seqs, counts)
    print(
        f"handlers: {seconds:g} s: {sum(counts.values())} records, each sequence number once; {counts['alarm']} by the "
        f"handler of SIGALRM, {counts['finalizer']} by finalizers; nothing raised"
    )


if __name__ == "__main__":
    main(sys.argv[1:])

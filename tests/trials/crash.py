"""Processes that crash while four threads log: the crash file is whole, has what it has to have, and the end is as ever.

    python -m tests.trials.crash ROUNDS

Lets ROUNDS processes crash at a random moment of their work, by a fault, a call of nothing, a stack overflow, an abort and a
double free in turn, in the main thread or in another one, and as many without a log. The threads that log say what they
have logged through a pipe. What must be in the crash file, in its text and in its JSON:
every record from before the crash that the ring still holds, as far back as a report goes, in order. A record whose call
was interrupted by the crash and came to its end behind it is allowed to be missing where the file says so.
"""

from __future__ import annotations

import json
import os
import random
import re
import select
import statistics
import struct
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import printk_ring as pr
from tests.children import PATIENCE_SECONDS, kill, start
from tests.crashes import CAUSES, Report, crash_files, read_report
from tests.printed import LOST
from tests.trials.death import LARGE, SMALL, THREADS, WORD

# What a report holds at most.
MOST_RECORDS = 16_384
# What the thread that is about to crash says in the place of its number.
CRASHES = 255
HOWS = {"segfault": -11, "null call": -11, "overflow": -11, "abort": -6, "double free": -6}
MILLISECONDS = 1e-6  # of a nanosecond

BURST = (
    CAUSES
    + """
import struct

path, size, how, elsewhere, told, when = sys.argv[1:5] + [int(argument) for argument in sys.argv[5:7]]
after = float(sys.argv[7])
if size:
    pr.install(path, size=size, consoles=[{"sink": pr.sinks.file(path + ".jsonl"), "format": "json"}])


def work(thread):
    logger = pr.get_logger(str(thread))
    number = 0
    while True:
        logger.info("event", number=number)
        os.write(told, struct.pack("<II", thread, number))  # said only after the call has returned
        number += 1


def end():
    pr.get_logger("end").info("a thread has a stack for its end from its first call on")
    time.sleep(after)
    os.write(told, struct.pack("<II", 255, 0))  # what is said behind this may be of a call that was let go unheard
    os.write(when, struct.pack("<q", time.monotonic_ns()))
    die(how)


print("ready", flush=True)
for thread in range(4):
    threading.Thread(target=work, args=(thread,), daemon=True).start()
if elsewhere == "yes":
    threading.Thread(target=end, daemon=True).start()
    time.sleep(600)
end()
"""
)


@dataclass
class Said:
    """What the threads have said before one of them crashed."""

    fd: int
    rest: bytes = b""
    numbers: list[int] = field(default_factory=lambda: [-1] * THREADS)
    count: int = 0
    is_over: bool = False

    def hear(self) -> bool:
        """Reads what there is. False: the pipe has ended."""
        got = os.read(self.fd, 1 << 16)
        whole = self.rest + got
        end = len(whole) // WORD.size * WORD.size
        for thread, number in WORD.iter_unpack(whole[:end]):
            self.is_over |= thread == CRASHES
            if not self.is_over:
                assert number == self.numbers[thread] + 1, "a thread says its numbers in order"
                self.numbers[thread] = number
                self.count += 1
        self.rest = whole[end:]
        return bool(got)


@dataclass
class Figures:
    """What has been seen."""

    nsec: dict[tuple[str, bool], list[int]] = field(default_factory=lambda: defaultdict(list))
    said: int = 0
    found: int = 0
    late: int = 0
    full: int = 0
    printed: int = 0
    broken: int = 0
    overtaken: int = 0
    refused: int = 0

    def __str__(self) -> str:
        rows = []
        for how in HOWS:
            shown = []
            for installed in (True, False):
                taken = [nsec * MILLISECONDS for nsec in self.nsec[how, installed]]
                shown.append(f"{min(taken):.1f} / {statistics.median(taken):.1f} / {max(taken):.1f} ms")
            rows.append(f"  {how}: {shown[0]}; without a log {shown[1]}")
        return "\n".join(["to the end, from least over median to most:", *rows])


def crash(folder: Path, how: str, size: str, chance: random.Random) -> tuple[Said, int, int]:
    """One process, from its start to its end: what it said, how it ended, and how long that took, in nanoseconds."""
    (told, tell), (when, write) = os.pipe(), os.pipe()
    elsewhere = chance.choice(["yes", "no"])
    after = chance.random() * 0.1
    child = start(
        BURST,
        folder / "app.ring",
        size,
        how,
        elsewhere,
        tell,
        write,
        after,
        pass_fds=(tell, write),
        cwd=folder,
        stderr=-3,
    )
    ended = os.pidfd_open(child.pid)
    os.close(tell)
    os.close(write)
    said = Said(told)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while ended not in select.select([told, ended], [], [], PATIENCE_SECONDS)[0]:
            said.hear()
            assert time.monotonic() < deadline, f"{how}: it does not end"
        end = time.monotonic_ns()
        status = child.wait()
    finally:
        kill(child)
    (begin,) = struct.unpack("<q", os.read(when, 8))
    while said.hear():
        pass
    assert said.is_over
    for descriptor in (told, when, ended):
        os.close(descriptor)
    return said, status, end - begin


def judge(folder: Path, said: Said, figures: Figures) -> None:
    """Looks at the crash file, at the ring, at what the threads said, and at the console."""
    (path,) = crash_files(folder)
    report = read_report(path, same_records=False)
    records = report.json["records"]
    found = {record["seq"]: record for record in records if record["event"] != LOST}
    notices = [record for record in records if record["event"] == LOST]
    reason = next((seq for seq, record in found.items() if record["event"] == report.json["detail"]), None)
    if reason is None:  # the ring was full behind a thread that did not get its processor back in time
        assert report.json["counters"]["failed"] > 0, "the reason of the crash is no record"
        reason = max(found)
        figures.refused += 1
    held = read_ring(folder / "app.ring", max(0, reason - MOST_RECORDS))
    check_said(held, said, report.json["counters"]["failed"])
    assert list(found) == sorted(found), "in order"
    assert len(found) <= MOST_RECORDS
    told = {seq for notice in notices for seq in range(notice["first_seq"], notice["last_seq"] + 1)}
    first = max(min(held), reason + 1 - MOST_RECORDS + THREADS)
    missing = [seq for seq in held if first <= seq <= reason and seq not in found]
    late = [seq for seq in missing if seq in told]
    assert missing == late, f"{missing[:5]} are in the ring and not in the crash file"
    assert len(late) <= THREADS, f"{len(late)} came to their end behind the crash"
    for seq, record in found.items():
        if seq in held:
            assert (record["logger"], record.get("number")) == (held[seq].logger, held[seq].fields.get("number"))
    check_text(report, len(found) - sum(record["event"] != "event" for record in found.values()))
    printed, broken, overtaken = console_seqs(folder / "app.ring.jsonl")
    figures.said += said.count
    figures.found += len(found)
    figures.late += len(late)
    figures.full += len(found) >= MOST_RECORDS - THREADS
    figures.printed += reason in printed
    figures.broken += broken
    figures.overtaken += overtaken


def console_seqs(path: Path) -> tuple[list[int], int, int]:
    """The numbers of what was printed, in order; how many lines are none; and how many came late.

    Where the console was taken by force from its printer nobody knows what that had written, so that its line is ended, and
    what it had in hand is printed again. If the ring holds that no more, it is printed by that printer alone: should its
    thread come to the write only after the panic's own, these lines stand together behind newer ones.
    """
    seqs, broken = [], 0
    for line in path.read_text("utf-8").splitlines():
        try:
            seqs.append(json.loads(line).get("seq"))
        except json.JSONDecodeError:
            broken += 1
    assert broken <= 2, f"{broken} lines of the console are broken"
    once = list(dict.fromkeys(seq for seq in seqs if seq is not None))
    newest = list(accumulate(once, max))
    late = [at for at, seq in enumerate(once) if seq < newest[at]]
    if late:
        first, last = late[0], late[-1]
        run = once[first : last + 1]
        where = f"{once[max(0, first - 2) : first]} {run[:2]} .. {run[-2:]} {once[last + 1 : last + 3]} of {len(once)}"
        assert run == sorted(run), f"the console is not in order: {where}"
        assert len(run) == len(late), f"the console is not in order: {where}"
        print(f"crash: {len(run)} lines of a printer that was overtaken: {where}", flush=True)
    return sorted(once), broken, len(late)


def read_ring(path: Path, start: int) -> dict[int, pr.Record]:
    """What is left of the ring, by its numbers."""
    with pr.open(path) as ring:
        reader = ring.reader(start=start)
        held = {record.seq: record for record in reader}
        assert (ring.info.clean, reader.torn) == (False, 0)
    return held


def check_said(held: dict[int, pr.Record], said: Said, refused: int) -> None:
    """What the threads have said is in the ring, but for what that has refused and counted."""
    last = dict.fromkeys(range(THREADS), -1)
    for record in held.values():
        if record.event == "event":
            last[int(record.logger or "")] = record.fields["number"]
    for thread, number in enumerate(said.numbers):
        gone = min(held) > 0 and last[thread] == -1
        lacking = max(0, number - last[thread])
        assert gone or lacking <= refused, f"thread {thread}: {number} was said, and {last[thread]} is there"
        refused -= 0 if gone else lacking


def check_text(report: Report, count: int) -> None:
    """The text has as many, and each thread's in order."""
    in_text = re.findall(r"^\[ *\d+\.\d+\] (\d): event number=(\d+)$", report.text, re.MULTILINE)
    assert abs(len(in_text) - count) <= THREADS, "what came to its end in between"
    numbers: dict[str, list[int]] = defaultdict(list)
    for logger, number in in_text:
        numbers[logger].append(int(number))
    # A call that the ring refused is counted, and in the file that is all there is of it.
    refused = report.json["counters"]["failed"]
    notices = report.text.count("printk messages dropped **")
    for logger, seen in numbers.items():
        lacking = seen[-1] - seen[0] + 1 - len(seen)
        assert seen == sorted(set(seen)), f"thread {logger}: not in order"
        assert lacking <= notices + refused, f"thread {logger}: {lacking} are missing, and {refused} were refused"
        refused -= max(0, lacking - notices)


def trial(rounds: int, chance: random.Random) -> Figures:
    """So many crashes with a log, and as many without."""
    figures = Figures()
    for number in range(2 * rounds):
        how = list(HOWS)[number // 2 % len(HOWS)]
        size = chance.choice([SMALL, LARGE]) if number % 2 else ""
        with tempfile.TemporaryDirectory(prefix="printk-crash-") as name:
            folder = Path(name)
            try:
                said, status, taken = crash(folder, how, size, chance)
                assert status == HOWS[how], f"it ended with {status}"
                if size:
                    judge(folder, said, figures)
            except (AssertionError, json.JSONDecodeError, ValueError) as why:
                raise AssertionError(f"round {number} ({how}, {size or 'no log'}): {why!r}") from why
            figures.nsec[how, bool(size)].append(taken)
    return figures


def main(arguments: list[str]) -> None:
    """Runs the trial."""
    rounds = int(arguments[0])
    seed = int(os.environ.get("PR_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"crash: PR_SEED={seed}", flush=True)
    figures = trial(rounds, random.Random(seed))
    print(
        f"crash: {rounds} processes crashed under load, each with its signal and with a whole crash file: {figures.said} "
        f"records acknowledged, {figures.found} in the files, none missing that the ring held, but {figures.late} that "
        f"came to their end behind the crash; {figures.full} files full; the reason on {figures.printed} consoles, "
        f"of whose lines {figures.broken} are broken, and {figures.overtaken} came late; refused by the ring on "
        f"{figures.refused}\n"
        f"crash: {figures}",
        flush=True,
    )


if __name__ == "__main__":
    main(sys.argv[1:])

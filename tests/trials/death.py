"""Processes killed while four threads log: every record whose call had returned is in the ring, in order.

    python -m tests.trials.death ROUNDS [PACKAGE]

Kills a process ROUNDS times at a random moment of its work. Each of its threads writes the number of a record to a pipe when
the call that logged it has returned, so the pipe says what must be found. In every second round the ring has been
overwritten three times by then, in the others never. PACKAGE is a folder with a build of this package that stops
between reserving a record and finalizing it when it is told to (`ci/death.sh` makes one): then ROUNDS more processes
are killed there.
"""

from __future__ import annotations

import os
import random
import select
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import printk_ring as pr
from tests.children import kill, prdmesg, start

THREADS = 4
PATIENCE_SECONDS = 60.0
# What says which record is safe: a thread, and the number of its record. Written in one piece, as pipes do.
WORD = struct.Struct("<II")
# A ring that is overwritten soon, and one that is not in a round.
SMALL, LARGE = "256 KiB", "16 MiB"

BURST = """
    import ctypes, os, struct, sys, threading
    import printk_ring as pr

    path, size, told, place, after, stopped = sys.argv[1:3] + [int(argument) for argument in sys.argv[3:]]
    log = pr.install(path, size=size, consoles=[pr.sinks.file(path + ".txt")])

    def work(thread):
        logger = pr.get_logger(str(thread))
        number = 0
        while True:
            logger.info("event", number=number)
            os.write(told, struct.pack("<II", thread, number))  # said only after the call has returned
            number += 1

    if place:
        module = ctypes.PyDLL(pr._native.__file__)
        module.pr_stop_between(place, ctypes.c_int64(after), stopped)
    threads = [threading.Thread(target=work, args=(thread,), daemon=True) for thread in range(4)]
    print("ready", flush=True)
    for thread in threads:
        thread.start()
    sys.stdin.read()
"""


@dataclass
class Said:
    """What a process has said of its records before it died."""

    fd: int
    rest: bytes = b""
    numbers: list[int] = field(default_factory=lambda: [-1] * THREADS)
    count: int = 0

    def hear(self) -> bool:
        """Reads what there is. False: the pipe has ended."""
        got = os.read(self.fd, 1 << 16)
        whole = self.rest + got
        words = len(whole) // WORD.size
        for thread, number in WORD.iter_unpack(whole[: words * WORD.size]):
            assert number == self.numbers[thread] + 1, "a thread says its numbers in order"
            self.numbers[thread] = number
        self.count += words
        self.rest = whole[words * WORD.size :]
        return bool(got)

    def hear_until(self, done: float, count: int, stopped: int = -1) -> None:
        """Reads until that time and that many words, or until the other descriptor can be read."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        descriptors = [self.fd] + [stopped] * (stopped >= 0)
        while time.monotonic() < deadline:
            ready, _, _ = select.select(descriptors, [], [], max(0.0, min(done - time.monotonic(), 0.001)))
            if stopped in ready:
                return
            if self.fd in ready:
                assert self.hear(), "it has ended by itself"
            if stopped < 0 and self.count >= count and time.monotonic() >= done:
                return
        raise AssertionError(f"it has logged {self.count} records, not {count}")


@dataclass(frozen=True)
class Moment:
    """When a process is killed."""

    wrapped: bool
    place: int  # 0: anywhere

    def size(self) -> str:
        return SMALL if self.wrapped else LARGE

    def count(self, chance: random.Random) -> int:
        """How many records are logged before."""
        return chance.randrange(4500, 9000) if self.wrapped else chance.randrange(1, 3000)


def die(folder: Path, moment: Moment, chance: random.Random, package: str | None) -> Said:
    """One process, from its start to its end."""
    (told, tell), (stopped, stop) = os.pipe(), os.pipe()
    count = moment.count(chance)
    environment = os.environ | ({"PYTHONPATH": package} if package else {})
    options: dict[str, Any] = {"pass_fds": (tell, stop), "env": environment}
    child = start(BURST, folder / "app.ring", moment.size(), tell, moment.place, count, stop, **options)
    os.close(tell)
    os.close(stop)
    said = Said(told)
    try:
        if moment.place:
            said.hear_until(time.monotonic(), 0, stopped)
        else:
            said.hear_until(time.monotonic() + chance.random() * 0.02, count)
    finally:
        kill(child)
        os.close(stopped)
    while said.hear():
        pass
    os.close(told)
    return said


def judge(path: Path, moment: Moment, said: Said) -> tuple[int, int]:
    """Looks at what is left of it: how many records there are, and how many were unfinished."""
    with pr.open(path) as ring:
        info, stats = ring.info, ring.stats()
        assert (info.alive, info.clean) == (False, False)
        reader = ring.reader()
        records = list(reader)
        torn = reader.torn
    assert torn == 0, f"{torn} torn records"
    if moment.place:
        assert info.unfinished == 1, f"{info.unfinished} unfinished records"
    assert info.unfinished <= THREADS
    seqs = [record.seq for record in records]
    assert seqs == sorted(set(seqs)), "not in order"
    holes = seqs[-1] - seqs[0] + 1 - len(seqs)
    assert holes <= info.unfinished, f"{holes} records are missing, {info.unfinished} are unfinished"
    if moment.wrapped:
        assert seqs[0] >= 3 * len(seqs), f"overwritten less than three times: {len(seqs)} records from {seqs[0]} on"
        assert len(seqs) > 0.8 * min(stats["descriptors"], stats["data_bytes"] / 100), f"only {len(seqs)} records"
    else:
        assert seqs[0] == 0
    numbers: dict[str | None, list[int]] = {str(thread): [] for thread in range(THREADS)}
    for record in records:
        numbers[record.logger].append(record.fields["number"])
    for thread, last_said in enumerate(said.numbers):
        seen = numbers[str(thread)]
        if not seen:
            assert last_said < 0 or moment.wrapped, f"thread {thread}: all of {last_said + 1} records are missing"
            continue
        assert seen == list(range(seen[0], seen[-1] + 1)), f"thread {thread}: a gap in the middle"
        assert seen[-1] >= last_said, f"thread {thread}: {last_said} was said, and the last one found is {seen[-1]}"
        assert moment.wrapped or seen[0] == 0, f"thread {thread}: the first ones are missing"
    shown = prdmesg(path, "-r")
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout.splitlines()) == len(records)
    return len(records), info.unfinished


def trial(rounds: int, places: tuple[int, ...], chance: random.Random, package: str | None = None) -> str:
    """So many deaths, and their figures."""
    said, found, unfinished, wrapped = 0, 0, 0, 0
    for number in range(rounds):
        moment = Moment(wrapped=number % 2 == 1, place=places[number // 2 % len(places)])
        with tempfile.TemporaryDirectory(prefix="printk-death-") as name:
            folder = Path(name)
            heard = die(folder, moment, chance, package)
            try:
                records, open_ones = judge(folder / "app.ring", moment, heard)
            except AssertionError as why:
                raise AssertionError(f"round {number} ({moment}, {heard.count} records said): {why}") from why
        said += heard.count
        found += records
        unfinished += open_ones
        wrapped += moment.wrapped
    return (
        f"{rounds} processes killed, {wrapped} of them with a ring overwritten three times: {said} records acknowledged, "
        f"{found} found, none missing, 0 torn, {unfinished} unfinished"
    )


def main(arguments: list[str]) -> None:
    """Runs the trial."""
    rounds, package = int(arguments[0]), arguments[1] if len(arguments) > 1 else None
    seed = int(os.environ.get("PR_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"death: PR_SEED={seed}", flush=True)
    chance = random.Random(seed)
    print(f"death: at random: {trial(rounds, (0,), chance)}", flush=True)
    if package:
        print(f"death: between reserve and finalize: {trial(rounds, (1, 2), chance, package)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

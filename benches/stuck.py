"""A program whose stdout goes into a process that stops reading: what a log call costs meanwhile, beside the same program
while it is read. The file console beside gets every record either way.

Run by itself it is that program: `stuck.py READER FOLDER CALLS ROUNDS GAP` stops and continues its reader, whose process
number it is given, and prints what it saw as one line of JSON on stderr.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import printk_ring as pr

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where it is run by itself

from benches.calls import paced, percentiles
from benches.entries import NS

if TYPE_CHECKING:
    from benches.entries import Results

PATIENCE_SECONDS = 100.0


def until_stuck(log: pr.Log, piped: pr.Console) -> int:
    """Logs until the pipe is full and its console stands still; returns the number of records that it took."""
    logger, said = log.get_logger("bench"), 0
    while True:
        before = piped.seq
        for _ in range(200):
            logger.info("fill", text="x" * 100)
        said += 200
        time.sleep(0.02)
        if piped.seq == before:
            return said


def program(reader: int, folder: Path, calls: int, rounds: int, gap_ns: int) -> dict[str, Any]:
    """The percentiles of each round, and whether the file console had every record."""
    found: dict[str, list[dict[str, float]]] = {"read": [], "stuck": []}
    path, said = folder / "stuck.json", 0
    with pr.Log(folder / "stuck.ring") as log:
        piped = log.add_console(pr.sinks.stdout())
        file = log.add_console(pr.sinks.file(path), format="json")
        call = log.get_logger("bench").info
        gc.disable()
        for _ in range(rounds):
            found["read"].append(percentiles(paced(call, calls, gap_ns).all))
            os.kill(reader, signal.SIGSTOP)
            said += until_stuck(log, piped)
            found["stuck"].append(percentiles(paced(call, calls, gap_ns).all))
            os.kill(reader, signal.SIGCONT)
            said += 2 * calls
            assert log.flush(PATIENCE_SECONDS), "the pipe is read again, and its console does not get on"
        lost = {"piped": piped.dropped, "file": file.dropped}
    with path.open("rb") as lines:
        printed = sum(1 for _ in lines)
    return {"found": found, "said": said, "printed": printed, "lost": lost}


def stdout(results: Results, folder: Path, calls: int, rounds: int, gap_ns: int) -> list[str]:
    """`stuck.pXX`, their yardsticks `stuck.pXX.read`; returns complaints."""
    out = folder / "stdout.txt"
    with out.open("wb") as file, subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file) as reader:
        assert reader.stdin is not None
        command = [sys.executable, "-P", __file__, *map(str, (reader.pid, folder, calls, rounds, gap_ns))]
        try:
            done = subprocess.run(
                command, check=True, stdout=reader.stdin, stderr=subprocess.PIPE, timeout=PATIENCE_SECONDS
            )
        finally:
            reader.send_signal(signal.SIGCONT)
            reader.stdin.close()
    seen = json.loads(done.stderr)
    told = 0
    with out.open("rb") as lines:
        told = sum(int(line.split()[1]) for line in lines if line.startswith(b"** "))
    out.unlink()
    for percentile in ("p50", "p99", "p999"):
        read, stuck = ([one[percentile] for one in seen["found"][name]] for name in ("read", "stuck"))
        results.add(f"stuck.{percentile}.read", read, NS, f"caller.{percentile}.noop")
        results.add(
            f"stuck.{percentile}", stuck, NS, f"stuck.{percentile}.read", dropped=seen["lost"]["piped"], told=told
        )
    wrong = []
    if seen["printed"] != seen["said"] or seen["lost"]["file"]:
        wrong.append(f"the file beside the stuck pipe has {seen['printed']} of {seen['said']} records")
    if told != seen["lost"]["piped"]:
        wrong.append(f"the stuck pipe lost {seen['lost']['piped']} records, and its notices say {told}")
    return wrong


if __name__ == "__main__":
    reader, folder, *rest = sys.argv[1:]
    seen = program(int(reader), Path(folder), *map(int, rest))
    print(json.dumps(seen), file=sys.stderr)

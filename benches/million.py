"""1,000,000 records to a JSON file: none lost with `overflow="block"`; by default every lost one is told. Memory stays.

Run by itself it is the child that logs: `million.py POLICY RECORDS FOLDER` prints what it saw as one JSON line. The parent
reads the file afterwards, so that its parsing is not counted as the child's memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import printk_ring as pr

if TYPE_CHECKING:
    from benches.entries import Results

    Policy = Literal["block", "drop_oldest"]

MAX_GROWTH_BYTES = 2 * 1024 * 1024
SAMPLE_EVERY = 50_000
PATIENCE_SECONDS = 300.0


def resident_bytes() -> int:
    """What the process holds in memory at this moment, the mapped ring included."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    message = "no VmRSS in /proc/self/status"
    raise AssertionError(message)


def log_all(policy: Policy, records: int, folder: Path) -> dict[str, Any]:
    """Logs `records` records as fast as it can; returns rate and memory."""
    block_timeout = PATIENCE_SECONDS if policy == "block" else 1.0
    with pr.Log(folder / "million.ring") as log:
        log.add_console(
            pr.sinks.file(folder / "million.json"), format="json", overflow=policy, block_timeout=block_timeout
        )
        logger = log.get_logger("million")
        resident_bytes()  # its own imports and buffers are there before the start
        start = resident_bytes()
        peak = start
        begin = time.perf_counter()
        for number in range(records):
            logger.info("event", i=number, b=2.5, c="x", d=3)
            if number % SAMPLE_EVERY == 0:
                peak = max(peak, resident_bytes())
        logged = time.perf_counter() - begin
        flushed = log.flush(PATIENCE_SECONDS)
        seconds = time.perf_counter() - begin
        peak = max(peak, resident_bytes())
        failed = log.stats()["failed"]
    return {
        "rate": records / seconds,
        "call_ns": logged * 1e9 / records,
        "growth_bytes": peak - start,
        "flushed": flushed,
        "failed": failed,
    }


def count(path: Path) -> tuple[int, int]:
    """(record lines, losses told). Every line must parse; numbers must rise, and the gaps be exactly the losses told."""
    lines = lost = 0
    awaited = 0
    with path.open("rb") as file:
        for raw in file:
            line = json.loads(raw)
            if line["event"] == "records dropped":
                lost += line["dropped"]
                continue
            assert line["i"] >= awaited, f"record {line['i']} came after {awaited - 1}"
            awaited = line["i"] + 1
            lines += 1
    return lines, lost


def run(policy: Policy, records: int, folder: Path) -> dict[str, Any]:
    """One run in a process of its own; what it saw, and what its file holds."""
    command = [sys.executable, __file__, policy, str(records), str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8", timeout=2 * PATIENCE_SECONDS)
    seen: dict[str, Any] = json.loads(done.stdout)
    out = folder / "million.json"
    seen["lines"], seen["lost"] = count(out)
    out.unlink()
    (folder / "million.ring").unlink()
    return seen


def complaints(policy: Policy, records: int, seen: dict[str, Any]) -> list[str]:
    """What is not as promised, in words."""
    told = []
    if policy == "block" and (seen["lines"], seen["lost"]) != (records, 0):
        told.append(f"{seen['lines']} lines and {seen['lost']} losses instead of {records} lines")
    if seen["lines"] + seen["lost"] != records:
        told.append(f"{seen['lines']} lines + {seen['lost']} announced losses are not {records}")
    if seen["growth_bytes"] > MAX_GROWTH_BYTES:
        told.append(f"memory grew by {seen['growth_bytes']} bytes")
    if not seen["flushed"] or seen["failed"]:
        told.append(f"flushed {seen['flushed']}, failed {seen['failed']}")
    return [f"million, {policy}: {text}" for text in told]


def both(results: Results, folder: Path, records: int) -> list[str]:
    """`million.block.rate` and `million.drop.rate`, against the same bytes by one write; returns complaints."""
    policies: tuple[tuple[str, Policy], ...] = (("million.block.rate", "block"), ("million.drop.rate", "drop_oldest"))
    told = []
    for name, policy in policies:
        seen = run(policy, records, folder)
        results.add(
            name,
            [seen["rate"]],
            "records/s",
            "write.json.rate",
            records=records,
            lines=seen["lines"],
            lost=seen["lost"],
            loss_share=seen["lost"] / records,
            memory_growth_bytes=seen["growth_bytes"],
            call_ns=seen["call_ns"],
        )
        told += complaints(policy, records, seen)
    return told


if __name__ == "__main__":
    chosen: Any = sys.argv[1]
    print(json.dumps(log_all(chosen, int(sys.argv[2]), Path(sys.argv[3]))))

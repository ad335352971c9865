"""How fast one console drains a full ring to a file, beside one write of the same bytes."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Literal

import printk_ring as pr
from benches.entries import PER_SECOND

if TYPE_CHECKING:
    from pathlib import Path

    from benches.entries import Results

    Format = Literal["text", "json"]


def drain(folder: Path, form: Format, records: int) -> tuple[float, bytes]:
    """Records per second of a console that has `records` waiting, and what it wrote."""
    out = folder / f"drain.{form}"
    out.unlink(missing_ok=True)
    # Twice the room that the records take, so that none is overwritten while they wait.
    with pr.Log(folder / "drain.ring", size=max(1 << 20, records * 512)) as log:
        console = log.add_console(pr.sinks.file(out), format=form)
        console.suspend()
        logger = log.get_logger("bench")
        for number in range(records):
            logger.info("event", a=number, b=2.5, c="x", d=3)
        begin = time.perf_counter()
        console.resume()
        assert console.flush(60.0), "the console did not drain the ring within a minute"
        seconds = time.perf_counter() - begin
        assert console.dropped == 0
    written = out.read_bytes()
    assert written.count(b"\n") == records
    out.unlink()
    (folder / "drain.ring").unlink()
    return records / seconds, written


def at_once(folder: Path, data: bytes, records: int) -> float:
    """Records per second if their bytes are written by one write(2)."""
    out = folder / "at-once"
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        begin = time.perf_counter()
        assert os.write(descriptor, data) == len(data)
        return records / (time.perf_counter() - begin)
    finally:
        os.close(descriptor)
        out.unlink()


def rates(results: Results, folder: Path, records: int, rounds: int) -> None:
    """`console.text.rate`, `console.json.rate`, and their yardsticks `write.text.rate`, `write.json.rate`."""
    forms: tuple[Format, Format] = ("text", "json")
    drained: dict[Format, list[float]] = {form: [] for form in forms}
    written: dict[Format, list[float]] = {form: [] for form in forms}
    for _ in range(rounds):
        for form in forms:
            rate, data = drain(folder, form, records)
            drained[form].append(rate)
            written[form].append(at_once(folder, data, records))
    for form, other in (forms, forms[::-1]):
        results.add(f"write.{form}.rate", written[form], PER_SECOND, f"write.{other}.rate")
        results.add(f"console.{form}.rate", drained[form], PER_SECOND, f"write.{form}.rate", records=records)

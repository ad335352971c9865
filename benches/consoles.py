"""How fast one console drains a full ring to a file, beside one write of the same bytes, and beside a `QueueListener`."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Literal

import printk_ring as pr
from benches import peers
from benches.entries import PER_SECOND

if TYPE_CHECKING:
    from pathlib import Path

    from benches.entries import Results

    Format = Literal["text", "json"]


# What a record of the text console says: 64 bytes. Those of the JSON console have four fields.
TEXT = "a record of sixty-four bytes, which is what the targets speak of."[:64]


def fill(logger: pr.Logger, form: Format, records: int) -> None:
    """What is to be drained."""
    for number in range(records):
        if form == "text":
            logger.info(TEXT)
        else:
            logger.info("event", a=number, b=2.5, c="x", d=3)


def drain(folder: Path, form: Format, records: int) -> tuple[float, bytes]:
    """Records per second of a console that has `records` waiting, and what it wrote."""
    out = folder / f"drain.{form}"
    out.unlink(missing_ok=True)
    # Twice the room that the records take, so that none is overwritten while they wait.
    with pr.Log(folder / "drain.ring", size=max(1 << 20, records * 512)) as log:
        console = log.add_console(pr.sinks.file(out), format=form)
        console.suspend()
        fill(log.get_logger("bench"), form, records)
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
    """`console.text.rate`, `console.json.rate`, and their yardsticks `write.text.rate`, `write.json.rate`; `peer.*.rate`."""
    forms: tuple[Format, Format] = ("text", "json")
    drained: dict[Format, list[float]] = {form: [] for form in forms}
    written: dict[Format, list[float]] = {form: [] for form in forms}
    listened: dict[Format, list[float]] = {form: [] for form in forms}
    for _ in range(rounds):
        for form in forms:
            rate, data = drain(folder, form, records)
            drained[form].append(rate)
            written[form].append(at_once(folder, data, records))
            # A tenth of the records: it is that much slower, and as fast with few as with many.
            listened[form].append(peers.drain(folder, form, TEXT if form == "text" else "event", records // 10))
    for form, other in (forms, forms[::-1]):
        results.add(f"write.{form}.rate", written[form], PER_SECOND, f"write.{other}.rate")
        results.add(f"console.{form}.rate", drained[form], PER_SECOND, f"write.{form}.rate", records=records)
        results.add(f"peer.queuelistener.{form}.rate", listened[form], PER_SECOND, f"console.{form}.rate")

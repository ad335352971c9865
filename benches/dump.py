"""10,000 records of 128 bytes written as text from a handler of a signal, as a crash does, beside one write of the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import printk_ring as pr
from benches.entries import NS
from printk_ring import _native

if TYPE_CHECKING:
    from pathlib import Path

    from benches.entries import Results

RECORDS = 10_000
TEXT = "0123456789abcdef" * 8


def in_handler(results: Results, folder: Path, rounds: int) -> list[str]:
    """Both, one after the other, so many times."""
    with pr.Log(size="16 MiB") as log:
        logger = log.get_logger()
        for _ in range(RECORDS):
            logger.info(TEXT)
        done = [_native._bench_dump(log, folder) for _ in range(rounds)]
    records, size = done[0][:2]
    facts = {"records": records, "bytes": size}
    results.add("dump.10k.write", [float(dump[3]) for dump in done], NS, "cas", **facts)
    results.add("dump.10k", [float(dump[2]) for dump in done], NS, "dump.10k.write", **facts)
    return [] if all(dump[:2] == (RECORDS, size) for dump in done) else [f"dump.10k: not {RECORDS:,} records each time"]

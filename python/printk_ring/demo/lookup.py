"""The fresh process that has only the ring file: `python -m printk_ring.demo.lookup RING ANSWER`.

On stdin it is told the ids that clients had acknowledged. It shows the last records on stdout, as `prdmesg` does, looks
every id up, and writes what it found to the file ANSWER, as JSON.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import printk_ring as pr
from printk_ring import cli
from printk_ring.demo.access import ACCESS_LOGGER, ids_in

_SHOWN = 10


def _look_up(path: str, acknowledged: set[str]) -> dict[str, Any]:
    seqs: list[int] = []
    debug = 0
    ids: set[str] = set()
    with pr.open(path) as ring:
        reader = ring.reader()
        for record in reader:
            seqs.append(record.seq)
            debug += record.level == pr.Level.DEBUG
            if record.logger == ACCESS_LOGGER:
                ids.update(ids_in(record.message))
        return {
            "pid": os.getpid(),
            "seqs": seqs,
            "debug": debug,
            "found": sorted(ids & acknowledged),
            "surplus": len(ids - acknowledged),
            "torn": reader.torn,
            "alive": ring.info.alive,
        }


def _main(ring: str, answer: str) -> int:
    acknowledged = set(json.load(sys.stdin))
    status = cli.main(["--last", str(_SHOWN), ring])
    if status == 0:
        Path(answer).write_text(json.dumps(_look_up(ring, acknowledged)), "utf-8")
    return status


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

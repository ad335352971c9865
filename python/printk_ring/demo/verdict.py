"""What a fresh process finds in the ring, and what of it the JSON file holds.

`python -m printk_ring.demo.verdict RING` is that process: it is told the ids on stdin and knows nothing else but the file.
"""

import json
import re
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

import printk_ring as pr

__all__ = ["Verdict", "ids_in_json_file", "look_up_in_fresh_process"]

_ID = re.compile(r"/item/([0-9a-f]{32})")
_ACCESS_LOGGER = "demo.http"
_SHOWN = 10


class Verdict(NamedTuple):
    """What the ring holds of what was acknowledged."""

    expected: frozenset[str]
    """The acknowledged ids that must be there."""
    found: frozenset[str]
    """Those of them that are."""
    surplus: int
    """Ids in the ring that nobody acknowledged: their answers were under way."""
    times_wrapped: float
    """Overwritten records over readable ones."""
    torn: int
    owner_alive: bool

    @property
    def missing(self) -> frozenset[str]:
        """What must be there and is not."""
        return self.expected - self.found


def look_up_in_fresh_process(ring: Path, acknowledged: dict[str, int], *, newest_half: bool) -> Verdict:
    """Has another interpreter show the last records of `ring` and look up the ids; passes on what it prints."""
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "printk_ring.demo.verdict", str(ring)],
        input=json.dumps(sorted(acknowledged)),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    *shown, answer = done.stdout.splitlines()
    for line in shown:
        sys.stdout.write(f"  {line}\n")
    sys.stdout.flush()
    return _judge(json.loads(answer), acknowledged, newest_half=newest_half)


def ids_in_json_file(path: Path) -> frozenset[str]:
    """The ids in the access records that the JSON console has written; a last line cut off by the kill does not count."""
    ids = set()
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            record = json.loads(line)
            if record["logger"] == _ACCESS_LOGGER:
                ids.update(_ID.findall(record.get("message", record["event"])))
    return frozenset(ids)


def _judge(answer: dict[str, Any], acknowledged: dict[str, int], *, newest_half: bool) -> Verdict:
    first, last = answer["first_seq"], answer["last_seq"]
    middle = first + (last - first) // 2 if newest_half else 0
    expected = frozenset(item for item, least_seq in acknowledged.items() if least_seq >= middle)
    return Verdict(
        expected=expected,
        found=expected.intersection(answer["found"]),
        surplus=answer["surplus"],
        times_wrapped=first / (last - first + 1),
        torn=answer["torn"],
        owner_alive=answer["alive"],
    )


def _look_up(path: str) -> None:
    """The fresh process: ids on stdin; on stdout the last records, and as the last line what was found."""
    acknowledged = set(json.load(sys.stdin))
    ids: set[str] = set()
    newest: deque[pr.Record] = deque(maxlen=_SHOWN)
    first_seq = last_seq = -1
    with pr.open(path) as ring:
        reader = ring.reader()
        for record in reader:
            first_seq = record.seq if first_seq < 0 else first_seq
            last_seq = record.seq
            newest.append(record)
            if record.logger == _ACCESS_LOGGER:
                ids.update(_ID.findall(record.message))
        alive = ring.info.alive
        torn = reader.torn
    lines = [line for record in newest for line in str(record).split("\n")]
    answer = {
        "first_seq": first_seq,
        "last_seq": last_seq,
        "found": sorted(ids & acknowledged),
        "surplus": len(ids - acknowledged),
        "torn": torn,
        "alive": alive,
    }
    sys.stdout.write("\n".join([*lines, json.dumps(answer)]) + "\n")


if __name__ == "__main__":
    _look_up(sys.argv[1])

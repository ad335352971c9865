"""What a fresh process finds in the ring, set against what the clients had read and what the JSON file holds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["LookUpFailed", "Verdict", "look_up_in_fresh_process"]


class LookUpFailed(Exception):
    """The ring could not be read; the reason is on stderr."""


class Verdict(NamedTuple):
    """What the ring holds of what was acknowledged."""

    expected: frozenset[str]
    """The acknowledged ids that must be there."""
    found: frozenset[str]
    """Those of them that are."""
    surplus: int
    """Ids in the ring that nobody acknowledged: their answers were under way."""
    in_json: int
    """Records in the JSON file."""
    only_in_ring: int
    """Records in the ring that are not in the JSON file: all at DEBUG, and what its console had not printed yet."""
    debug: int
    """Records in the ring at DEBUG."""
    times_wrapped: float
    """Overwritten records over readable ones."""
    torn: int
    owner_alive: bool

    @property
    def missing(self) -> frozenset[str]:
        """What must be there and is not."""
        return self.expected - self.found


def look_up_in_fresh_process(
    ring: Path, json_file: Path, acknowledged: dict[str, int], *, newest_half: bool
) -> Verdict:
    """Has another interpreter show the last records of `ring` and look up the ids, and judges its answer."""
    answer = ring.with_name("answer.json")
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", "printk_ring.demo.lookup", str(ring), str(answer)],
        input=json.dumps(sorted(acknowledged)),
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        raise LookUpFailed(f"the fresh process could not read the ring (status {done.returncode})")
    printed = _seqs_in_json_file(json_file)
    return _judge(json.loads(answer.read_text("utf-8")), printed, acknowledged, newest_half=newest_half)


def _seqs_in_json_file(path: Path) -> frozenset[int]:
    """The numbers of the records that the JSON console has written; a last line cut off by the kill does not count."""
    lines = path.read_bytes().splitlines(keepends=True)
    written = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return frozenset(record["seq"] for record in written if "dropped" not in record)


def _judge(
    answer: dict[str, Any], printed: frozenset[int], acknowledged: dict[str, int], *, newest_half: bool
) -> Verdict:
    seqs = answer["seqs"]
    first, last = (seqs[0], seqs[-1]) if seqs else (0, 0)
    middle = first + (last - first) // 2 if newest_half else 0
    expected = frozenset(item for item, least_seq in acknowledged.items() if least_seq >= middle)
    return Verdict(
        expected=expected,
        found=expected.intersection(answer["found"]),
        surplus=answer["surplus"],
        in_json=len(printed),
        only_in_ring=len(set(seqs) - printed),
        debug=answer["debug"],
        times_wrapped=first / max(1, len(seqs)),
        torn=answer["torn"],
        owner_alive=answer["alive"],
    )

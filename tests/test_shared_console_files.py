"""One file, or one pipe, for a parent and its forked children: whole lines, none lost, none twice."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from tests.children import PATIENCE_SECONDS
from tests.printed import lines_of, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

COUNT = 3_000
CHILDREN = 3

FAMILY = """
    import os, sys
    import printk_ring as pr

    path, long = sys.argv[1], int(sys.argv[2])
    count, children = int(sys.argv[3]), int(sys.argv[4])
    log = pr.Log(size="256 KiB")
    sink = pr.sinks.stdout() if path == "-" else pr.sinks.file(path)
    console = log.add_console(sink, format="json", overflow="block", block_timeout=60.0)
    log.offload.mode = sys.argv[5]
    logger = log.get_logger()

    def work():
        for number in range(count):
            logger.info("event", number=number, long="x" * (long if number % 50 == 0 else 1))

    logger.info("event", number=-1)  # printed, or not yet printed, when the children come
    family = []
    for _ in range(children):
        if (child := os.fork()) == 0:
            work()
            assert log.flush(60.0)
            assert (console.dropped, console.errors) == (0, 0)
            os._exit(0)
        family.append(child)
    work()
    assert log.flush(60.0)
    assert (console.dropped, console.errors) == (0, 0)
    for child in family:
        assert os.waitpid(child, 0)[1] == 0
    log.close()
    """


def by_process(lines: Iterable[dict[str, Any]]) -> list[list[int]]:
    """The numbers that each process printed, in their order; the parent's first."""
    found = defaultdict(list)
    for line in lines:
        found[line["pid"]].append(line["number"])
    return sorted(found.values())


def run_family(path: str, long: int, mode: str) -> str:
    """What the family wrote to stdout."""
    command = [sys.executable, "-c", textwrap.dedent(FAMILY), path, str(long), str(COUNT), str(CHILDREN), mode]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


EXPECTED = [[-1, *range(COUNT)], *([list(range(COUNT))] * CHILDREN)]


@pytest.mark.parametrize("long", [1, 20_000], ids=["short lines", "long lines too"])
def test_parent_and_children_share_a_file(tmp_path: Path, long: int, mode: str) -> None:
    run_family(str(tmp_path / "shared.json"), long, mode)
    assert by_process(lines_of(tmp_path / "shared.json")) == EXPECTED


def test_parent_and_children_share_a_pipe_with_lines_that_a_pipe_keeps_whole(mode: str) -> None:
    assert by_process(parsed(run_family("-", 3_000, mode))) == EXPECTED

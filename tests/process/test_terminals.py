"""Terminals and pipes that nobody reads: who logs is not held, and who ends, ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.children import succeed

if TYPE_CHECKING:
    from pathlib import Path

# Full from some hundred records on; what is behind `stdout` is nobody's to read.
UNREAD = """
import atexit, fcntl, os, pty, sys, time

late = []
atexit.register(lambda: [act() for act in late])  # runs after what the package has registered

import printk_ring as pr

kind, path = sys.argv[1:3]
reader, writer = pty.openpty() if kind == "terminal" else os.pipe()
flags = fcntl.fcntl(writer, fcntl.F_GETFL)
kept = os.dup(1)
os.dup2(writer, 1)
log = pr.Log(size="1 MiB", consoles=[pr.sinks.stdout(), pr.sinks.file(path)])
stream, file = log.consoles()
os.dup2(kept, 1)
logger = log.get_logger("a")
time.sleep(0.5)  # the printers park: callers come first


def fill(records=1500, most=97):
    # Of lengths at which a terminal has been seen to take the beginning of a line.
    for number in range(records):
        logger.info("record %d " % number + "y" * (number % most))


def tell():
    left = log.stats()["left_behind"]
    assert left > 0, "not counted"
    assert stream.lag > 0 and stream.dropped == 0, "what nobody read was passed"
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == flags, "the flags of the others' descriptor"
    print("left", left, flush=True)
"""


def numbers(path: Path) -> list[int]:
    """Of the records that the file has."""
    return [int(number) for number in re.findall(r" record (\d+) ", path.read_text())]


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
@pytest.mark.parametrize("way", ["caller", "enforced"])
def test_callers_that_print_are_not_held_by_what_nobody_reads(tmp_path: Path, kind: str, way: str) -> None:
    output = tmp_path / "out"
    told = succeed(
        UNREAD
        + """
if sys.argv[3] == "caller":
    log.offload.mode = "caller"
else:
    log.offload.enforce_emergency = True
fill()
tell()
""",
        kind,
        output,
        way,
    )
    assert told.startswith("left ")
    assert numbers(output) == list(range(1500))


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
def test_an_exit_hook_that_logs_after_ours_ends_though_nobody_reads(tmp_path: Path, kind: str) -> None:
    output = tmp_path / "out"
    assert succeed(UNREAD + "late += [fill, tell]\n", kind, output).startswith("left ")
    assert numbers(output) == list(range(1500))


def test_a_caller_that_prints_goes_on_after_its_descriptors_were_closed(tmp_path: Path) -> None:
    # By a program that closes whatever it does not know, from the second one of the console on.
    succeed(
        """
        import os, sys
        import printk_ring as pr

        reader, writer = os.pipe()
        os.dup2(writer, 1)
        before = set(os.listdir("/proc/self/fd"))
        log = pr.Log(size="256 KiB", consoles=[pr.sinks.stdout()])
        stdout = log.consoles()[0]
        target = os.fstat(1)

        def own():
            numbers = set(os.listdir("/proc/self/fd")) - before
            return [int(fd) for fd in numbers if os.path.exists(f"/proc/self/fd/{fd}") and os.fstat(int(fd)) == target]

        log.offload.mode = "caller"
        logger = log.get_logger("app")
        text = ""

        def said(what):
            global text
            logger.info(what)
            while what not in text:
                text += os.read(reader, 4096).decode()

        said("first")
        numbers = sorted(own())
        assert len(numbers) == 2, numbers  # what was inherited, and a description of our own
        for number in reversed(numbers):
            null = os.open("/dev/null", os.O_WRONLY)
            os.dup2(null, number)
            os.close(null)
            said(f"after {number}")
            said(f"and again {number}")
            if number == numbers[-1]:
                assert len(own()) == 2, own()  # opened anew, for callers
        assert stdout.dropped == 0
        os._exit(0)
        """
    )

"""The demo: a web server is killed in mid-burst, and nothing that it acknowledged is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

COUNTS = re.compile(
    r"acknowledged (\d+), found (\d+), missing (\d+), surplus in the ring (\d+), "
    r"in the JSON file (\d+), only in the ring (\d+)"
)
PATIENCE_SECONDS = 110


def demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "printk_ring", "demo", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def counts(done: subprocess.CompletedProcess[str]) -> list[int]:
    match = COUNTS.fullmatch(done.stdout.splitlines()[-1])
    assert match is not None, done.stdout + done.stderr
    return [int(figure) for figure in match.groups()]


def test_everything_acknowledged_before_the_kill_is_found(tmp_path: Path) -> None:
    done = demo("--requests", 600, "--size", "8 MiB", "--directory", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    acknowledged, found, missing, _, printed, only_in_ring = counts(done)
    assert acknowledged >= 600
    assert (found, missing) == (acknowledged, 0)
    assert printed + only_in_ring == found
    assert "demo.http: " in done.stdout
    assert list(tmp_path.iterdir()) == [], "a success leaves nothing behind"


def test_a_small_ring_that_wrapped_several_times_holds_its_newest_half(tmp_path: Path) -> None:
    done = demo("--requests", 1500, "--size", "256 KiB", "--newest-half", "--directory", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    acknowledged, found, missing, *_ = counts(done)
    assert 0 < acknowledged < 1500
    assert (found, missing) == (acknowledged, 0)


def test_a_ring_that_wrapped_unexpectedly_fails_the_demo_and_says_so(tmp_path: Path) -> None:
    done = demo("--requests", 1500, "--size", "256 KiB", "--directory", tmp_path)
    assert done.returncode == 1
    assert "wrapped before the kill" in done.stdout
    assert counts(done)[2] > 0
    [kept] = tmp_path.iterdir()
    assert (kept / "app.ring").exists()


def test_a_server_that_cannot_start_fails_the_demo_with_its_reason(tmp_path: Path) -> None:
    done = demo("--size", "1 KiB", "--directory", tmp_path)
    assert done.returncode == 1
    assert "FAILED: the server did not start" in done.stdout
    assert "256 KiB" in done.stdout


def test_an_unknown_command_is_usage() -> None:
    done = subprocess.run([sys.executable, "-m", "printk_ring", "nonsense"], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"usage" in done.stderr

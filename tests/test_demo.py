"""The demo: a web server is killed in mid-burst, and nothing that it acknowledged is missing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import printk_ring as pr

COUNTS = re.compile(
    r"requests: acknowledged (?P<acknowledged>\d+), found (?P<found>\d+), missing (?P<missing>\d+), "
    r"surplus in the ring (?P<surplus>\d+); "
    r"records: in the JSON file (?P<in_json>\d+), "
    r"only in the ring (?P<only_in_ring>\d+) \(DEBUG (?P<debug>\d+), not printed yet (?P<not_printed>\d+)\)"
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


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    match = COUNTS.fullmatch(done.stdout.splitlines()[-1])
    assert match is not None, done.stdout + done.stderr
    return {name: int(figure) for name, figure in match.groupdict().items()}


def test_everything_acknowledged_before_the_kill_is_found(tmp_path: Path) -> None:
    done = demo("--requests", 600, "--size", "8 MiB", "--directory", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = counts(done)
    assert told["acknowledged"] >= 600
    assert (told["found"], told["missing"]) == (told["acknowledged"], 0)
    assert "demo.http: " in done.stdout or "demo.app: " in done.stdout
    assert "\x1b" not in done.stdout
    assert list(tmp_path.iterdir()) == [], "a success leaves nothing behind"


def test_the_counts_are_those_of_the_files(tmp_path: Path) -> None:
    done = demo("--requests", 300, "--size", "8 MiB", "--directory", tmp_path, "--keep")
    told = counts(done)
    [kept] = tmp_path.iterdir()
    with pr.open(kept / "app.ring") as ring:
        records = list(ring.reader())
        assert not ring.info.alive
        assert not ring.info.clean
    whole_lines = [line for line in (kept / "app.json").read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    printed = {json.loads(line)["seq"] for line in whole_lines}
    assert told["in_json"] == len(printed)
    assert told["only_in_ring"] == sum(record.seq not in printed for record in records)
    assert told["debug"] == sum(record.level is pr.Level.DEBUG for record in records) > 0
    assert told["debug"] + told["not_printed"] == told["only_in_ring"]
    assert told["acknowledged"] + told["surplus"] == sum(record.logger == "demo.http" for record in records)
    assert (kept / "stderr.txt").read_text("utf-8").count("demo.http: ") > 0


def test_a_small_ring_that_wrapped_several_times_holds_its_newest_half(tmp_path: Path) -> None:
    done = demo("--requests", 1500, "--size", "256 KiB", "--newest-half", "--directory", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    told = counts(done)
    assert 0 < told["acknowledged"] < 1500
    assert (told["found"], told["missing"]) == (told["acknowledged"], 0)


def test_a_ring_that_wrapped_unexpectedly_fails_the_demo_and_says_so(tmp_path: Path) -> None:
    done = demo("--requests", 1500, "--size", "256 KiB", "--directory", tmp_path)
    assert done.returncode == 1
    assert "wrapped before the kill" in done.stdout
    assert counts(done)["missing"] > 0
    [kept] = tmp_path.iterdir()
    assert (kept / "app.ring").exists()


def test_an_interrupted_demo_leaves_neither_files_nor_a_server(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "printk_ring", "demo", "--requests", "100000", "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as child:
        assert child.stdout is not None
        lines = [child.stdout.readline(), child.stdout.readline()]
        match = re.search(r"server +pid (\d+),", "".join(lines))
        assert match is not None, lines
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE_SECONDS) == 130
    assert list(tmp_path.iterdir()) == []
    assert not Path(f"/proc/{match[1]}").exists()


@pytest.mark.parametrize(
    "wrong", [["--requests", "0"], ["--clients", "-1"], ["--size", "many"], ["--directory", "/nonexistent"]], ids=str
)
def test_wrong_options_of_the_demo_are_usage(wrong: list[str]) -> None:
    done = demo(*wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_cannot_start_fails_the_demo_with_its_reason(tmp_path: Path) -> None:
    done = demo("--size", "1 KiB", "--directory", tmp_path)
    assert done.returncode == 1
    assert "FAILED: the server did not start" in done.stdout
    assert "256 KiB" in done.stdout


def test_an_unknown_command_is_usage() -> None:
    done = subprocess.run([sys.executable, "-m", "printk_ring", "nonsense"], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"usage" in done.stderr

"""`make bench` writes what it promises. Only that it works is tested here, never a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).resolve().parent.parent / "benches" / "run.py"
YARDSTICKS = {"cas", "pingpong", "noop.arg1", "noop.arg3", "noop.fields4", "write"}
MEASURED = {
    "ring.write.1",
    "ring.write.1.log",
    "ring.write.2",
    "ring.write.2.log",
    "ring.read",
    *(f"ring.{kind}.{percentile}" for kind in ("paced", "paced.log") for percentile in ("p50", "p99", "p999")),
    "ring.refused.8k",
    "ring.refused.4m",
    "ring.size.64k",
    "ring.size.1m",
    "call.fields4",
    "call.constant",
    "call.args2",
    "call.disabled",
    "handler.noop",
    "handler.ring",
    "handler.ring.args2",
    "handler.ring.extra4",
    "console.text.rate",
    "console.json.rate",
    "stuck.p99",
    "wake.max",
    "lag.max",
    "peer.queuelistener.text.rate",
    "peer.queuelistener.json.rate",
    *(f"caller.{percentile}.{consoles}" for percentile in ("p50", "p99", "p999") for consoles in (0, "0.near", 1, 4)),
}


@pytest.fixture(scope="module")
def latest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The file that a short run leaves."""
    folder = tmp_path_factory.mktemp("bench")
    out = folder / "latest.json"
    done = subprocess.run(
        [sys.executable, "-P", DRIVER, "--smoke", "--out", out, "--directory", folder],
        capture_output=True,
        encoding="utf-8",
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    content: dict[str, dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))
    return content


def test_every_promised_entry_is_there(latest: dict[str, dict[str, Any]]) -> None:
    assert latest.keys() >= YARDSTICKS | MEASURED


def test_every_ratio_is_value_over_the_yardsticks_value(latest: dict[str, dict[str, Any]]) -> None:
    for name, entry in latest.items():
        yardstick = latest[entry["yardstick"]]
        assert entry["yardstick"] != name
        assert entry["unit"] == yardstick["unit"]
        if entry["unit"] == "per million" and not yardstick["value"]:
            assert entry["ratio"] == 0
            continue
        assert entry["value"] > 0 or entry["unit"] == "per million"
        assert entry["ratio"] == pytest.approx(entry["value"] / yardstick["value"])


def test_every_call_was_stored(latest: dict[str, dict[str, Any]]) -> None:
    calls = {name: entry for name, entry in latest.items() if name.startswith(("call.", "handler.ring"))}
    assert all(entry["stored"] == entry["calls"] for entry in calls.values())
    assert all(entry["failed"] == 0 for entry in calls.values())
    assert calls["call.fields4"]["calls"] > 0
    assert calls["handler.ring"]["calls"] > 0
    assert calls["call.disabled"]["calls"] == 0


def test_no_record_of_a_long_run_is_lost_unsaid(latest: dict[str, dict[str, Any]]) -> None:
    for name, lost_allowed in (("million.block.rate", False), ("million.drop.rate", True)):
        entry = latest[name]
        assert entry["lines"] + entry["lost"] == entry["records"]
        assert lost_allowed or entry["lost"] == 0


def test_no_record_of_a_stuck_stdout_is_lost_unsaid(latest: dict[str, dict[str, Any]]) -> None:
    assert latest["stuck.p99"]["told"] == latest["stuck.p99"]["dropped"]


def test_an_idle_printer_was_not_woken(latest: dict[str, dict[str, Any]]) -> None:
    assert latest["wake"]["idle_switches"] == 0


def test_the_slow_console_was_slow(latest: dict[str, dict[str, Any]]) -> None:
    assert latest["lag.max"]["slow_console_behind"] > 0

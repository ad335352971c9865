"""`make compare` counts what arrived, and tells who lost something. Only that it works is tested here, never a time."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

import pytest

from benches.compare.arena import Arena, Results
from benches.compare.install import reason
from benches.compare.peers.peer import CASES
from benches.compare.registry import peer
from benches.compare.run import SMOKE, about, unsaid
from benches.compare.sink import Count, Numbers
from benches.compare.table import markdown
from benches.compare.targets import TARGETS, verdicts
from printk_ring import _native

if TYPE_CHECKING:
    from printk_ring.typing import FormatName

DRIVER = Path(__file__).resolve().parent.parent / "benches" / "compare" / "run.py"
# A peer that holds lines back until it is flushed, loses every tenth, writes every seventh with arguments twice, and
# debug ones as well.
CARELESS = """
import traceback
from benches.compare.peers.peer import Peer

class Adapter(Peer):
    name = "careless"
    how = "planted"
    holds = "a list"
    calls = {
        "disabled": 'log.debug("hidden")',
        "constant": 'log.info("served")',
        "args2": 'log.info("served %s %d" % ("x", i))',
        "exception": 'log.info(traceback.format_exc())',
    }

    def open(self, path, form):
        self.path, self.held, self.number = path, [], 0
        return self

    def debug(self, text):
        self.held.append(text)

    def info(self, text):
        self.number += 1
        if self.number % 10:
            self.held.extend([text] * (1 + (" x " in text and self.number % 7 == 0)))

    def flush(self):
        with self.path.open("a") as file:
            file.writelines(line + "\\n" for line in self.held)
        self.held.clear()
"""
# One that cannot be had here.
ABSENT = """
from benches.compare.peers.peer import Peer

class Adapter(Peer):
    name, how, holds, calls = "absent", "planted", "nothing", {"constant": 'log.info("served")'}

    def open(self, path, form):
        import a_library_that_nobody_has
"""
LOGGERS = ["printk_ring", "printk_ring, block", "logging, file", "logging, queue"]
COUNTED = [
    "constant",
    "args2",
    "fields4",
    "exception",
    "paced",
    "1 threads",
    "2 threads",
    "4 threads",
    "slow sink",
    "burst",
]


class Run(NamedTuple):
    results: dict[str, Any]
    page: str
    chart: str


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The three files of a short run with the standard library and two planted peers."""
    folder = tmp_path_factory.mktemp("compare")
    planted = []
    for name, code in (("careless", CARELESS), ("absent", ABSENT)):
        planted.append(str(folder / f"{name}.py"))
        Path(planted[-1]).write_text(code, encoding="utf-8")
    peers = ",".join(["noop", "ring", "ring-block", "stdlib-file", "stdlib-queue", *planted])
    done = subprocess.run(
        [sys.executable, "-P", DRIVER, "--smoke", "--peers", peers, "--out", folder, "--directory", folder],
        capture_output=True,
        encoding="utf-8",
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    texts = [(folder / f"quick.{kind}").read_text(encoding="utf-8") for kind in ("json", "md", "svg")]
    return Run(json.loads(texts[0]), texts[1], texts[2])


def rows_of(page: str, title: str) -> dict[str, list[str]]:
    """The first table under a heading: name -> its cells."""
    [_, part] = page.split(f"\n## {title}")
    lines = [line for line in part.split("\n## ")[0].splitlines() if line.startswith("| ")]
    found: dict[str, list[str]] = {}
    for line in lines[1:]:
        name, *cells = (cell.strip().strip("*") for cell in line.strip("|").split("|"))
        found.setdefault(name, cells)
    return found


@pytest.mark.parametrize("title", ["A call", "Single calls", "The same into a FIFO", "Threads", "After SIGKILL"])
def test_every_table_has_a_row_for_each_that_was_measured(run: Run, title: str) -> None:
    found = rows_of(run.page, title)
    assert {"no-op", "careless", *LOGGERS} <= found.keys()
    assert "absent" not in found
    assert all("–" not in cells for name, cells in found.items() if name in LOGGERS)
    assert all("failed" not in cells for name, cells in found.items() if name in LOGGERS)


def test_every_case_has_a_time_and_how_often_it_is_that_of_the_yardstick(run: Run) -> None:
    for name in LOGGERS:
        for case in CASES:
            figures = run.results["measures"]["calls"][name][case]
            assert figures["ns"] >= figures["best"] > 0
            assert figures["busy"] > 0
            assert figures["ratio"] > 0


def test_every_record_of_every_measurement_was_counted_where_it_arrived(run: Run) -> None:
    for name in LOGGERS:
        counts = run.results["counts"][name]
        assert set(counts) == set(COUNTED)
        for measure, count in counts.items():
            assert count["expected"] > 0, (name, measure)
            assert count["found"] + count["told"] == count["expected"], (name, measure)
            assert count["doubled"] == 0, (name, measure)


def test_a_peer_that_loses_records_is_told(run: Run) -> None:
    counts = run.results["counts"]["careless"]
    for measure in ("constant", "args2", "exception", "paced", "1 threads", "4 threads", "slow sink", "burst"):
        count = counts[measure]
        missing = count["expected"] - count["found"]
        assert missing > 0, measure
        assert abs(missing - count["expected"] / 10) <= 4, measure
        assert f"careless, {measure}: **{missing:,} of {count['expected']:,} records missing**" in run.page


def test_a_peer_that_writes_records_twice_is_told(run: Run) -> None:
    doubled = run.results["counts"]["careless"]["args2"]["doubled"]
    assert doubled > 0
    assert f"careless, args2: **{doubled:,} records twice**" in run.page


def test_a_peer_that_writes_what_its_level_forbids_is_told(run: Run) -> None:
    assert "careless, calls, disabled: **" in run.page
    assert "below the level" in run.page


def test_a_peer_that_holds_records_back_has_lost_them_when_it_is_killed(run: Run) -> None:
    killed = run.results["measures"]["killed"]
    assert killed["careless"]["found"] == 0 < killed["careless"]["acknowledged"]
    for name in ("printk_ring", "printk_ring, block", "logging, file"):
        assert killed[name]["found"] == killed[name]["acknowledged"] > 0
    assert rows_of(run.page, "After SIGKILL")["careless"][0].startswith("0 of ")


def test_a_peer_that_cannot_be_had_is_named_with_the_reason(run: Run) -> None:
    assert "- absent: **not measured**: ModuleNotFoundError: No module named 'a_library_that_nobody_has'" in run.page


def test_the_chart_has_a_bar_for_each_and_ours_in_its_own_colour(run: Run) -> None:
    parsed = ET.fromstring(run.chart)
    space = "{http://www.w3.org/2000/svg}"
    texts = {element.text: element.get("fill") for element in parsed.iter(f"{space}text")}
    assert {*LOGGERS, "careless", "2 arguments", "4 fields"} <= texts.keys()
    assert texts["printk_ring"] != texts["logging, file"]
    # Two panels; a peer without fields has one bar; the legend has three squares, and there is the paper.
    assert len(list(parsed.iter(f"{space}rect"))) == 2 * len(LOGGERS) + 1 + 3 + 1


def test_a_peer_that_pip_could_not_install_is_named_with_its_words(tmp_path: Path) -> None:
    said = "WARNING: old\nERROR: no version satisfies\nERROR: No matching distribution found for structlog==99\n"
    (tmp_path / "missing.json").write_text(json.dumps({"structlog": reason(said)}), encoding="utf-8")
    arena = Arena(["stdlib-file", "structlog"], tmp_path, tmp_path, SMOKE)
    assert arena.keys == ["stdlib-file"]
    page = markdown(
        arena.results, about(argparse.Namespace(effort=SMOKE, directory=tmp_path), (0.0, 0.0, 0.0)), "x.svg"
    )
    assert "- structlog + orjson: **not measured**: No matching distribution found for structlog==99." in page


def made_up(**calls: float) -> Results:
    """Results in which a case takes so many nanoseconds, for us and for two peers."""
    results = Results()
    for name, ours in (("printk_ring", True), ("keeps", False), ("loses", False), ("spydlog", False)):
        results.peers[name] = {"ours": ours}
        results.of("killed", name).update(acknowledged=10, found=9 if name in {"loses", "spydlog"} else 10)
        ns = calls.get(name, 1.0)
        results.of("calls", name).update({case: {"ns": ns, "best": ns, "busy": ns} for case in CASES})
    return results


def test_the_target_of_four_fields_looks_at_peers_that_keep_every_record_only() -> None:
    [fields, *_] = verdicts(made_up(printk_ring=100.0, keeps=4_500.0, loses=200.0))
    assert (fields.peer, fields.times, fields.met) == ("keeps", 45.0, True)
    [fields, *_] = verdicts(made_up(printk_ring=100.0, keeps=4_499.0, loses=200.0))
    assert not fields.met


def test_a_target_without_its_peer_is_not_said_to_be_met() -> None:
    results = made_up(printk_ring=100.0, spydlog=99.0)
    judged = {verdict.target.words: verdict for verdict in verdicts(results)}
    assert len(judged) == len(TARGETS)
    assert judged["constant: below rusty-logger, which writes it"].peer is None
    assert not judged["constant: below spydlog, which keeps it in a buffer"].met


def test_a_loss_of_ours_that_nothing_told_is_wrong_and_one_of_a_peer_is_not() -> None:
    results = made_up()
    results.counted("spydlog", "args2", Count(expected=10, found=5))
    results.counted("printk_ring", "args2", Count(expected=10, found=5, told=5))
    assert list(unsaid(results)) == []
    results.counted("printk_ring", "burst", Count(expected=10, found=5, told=4))
    results.of("killed", "printk_ring")["found"] = 9
    assert list(unsaid(results)) == [
        "printk_ring, burst: 1 missing, 0 doubled of 10",
        "printk_ring, SIGKILL: 9 of 10 found",
    ]


@pytest.mark.parametrize("form", ["text", "json"])
def test_losses_that_our_console_tells_are_read_from_its_lines(form: FormatName) -> None:
    line = _native._format_dropped(form, 17, 1, 17)
    assert peer("ring").told(f"before\n{line}\nafter\n{line}\n".encode()) == 34


def test_numbers_of_another_measurement_are_not_counted() -> None:
    numbers = Numbers(10, 20, "args2")
    numbers.take(b"served x 9\nserved x 10\nserved x 19\nserved x 20\nserved x 10\n")
    assert (numbers.count.found, numbers.count.doubled) == (2, 1)

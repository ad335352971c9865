"""Records that something has changed after they were logged, in a log's own memory: told as torn wherever they are shown."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import run

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS = 8


class Scribbler:
    """Writes into a live log's ring file, which is the memory of its process too."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR)
        (self._ring,) = self._words(64, 1)
        (desc_bits,) = struct.unpack("=I", os.pread(self._file, 4, 32))
        self._descriptors = 1 << desc_bits
        *_, slots, text = self._words(128, 5)
        self._slots, self._text = self._ring + slots, self._ring + text

    def _words(self, at: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"={count}Q", os.pread(self._file, 8 * count, at))

    def put(self, at: int, data: bytes) -> None:
        os.pwrite(self._file, data, at)

    def flip(self, at: int) -> None:
        (byte,) = os.pread(self._file, 1, at)
        self.put(at, bytes([byte ^ 1]))

    def slot(self, seq: int) -> int:
        return int(self._slots + 64 * ((seq + 1) % self._descriptors))

    def text(self, seq: int) -> int:
        begin = self._words(self.slot(seq) + 8, 1)[0]
        return int(self._text + begin + 8)  # of a ring that has not come round


# Which byte of a record is changed.
PLACES: dict[str, Callable[[Scribbler, int], int]] = {
    "text": lambda ring, seq: ring.text(seq) + 20,
    "time": lambda ring, seq: ring.slot(seq) + 24,
    "caller": lambda ring, seq: ring.slot(seq) + 32,
    "level": lambda ring, seq: ring.slot(seq) + 40 + 4,
    "flags": lambda ring, seq: ring.slot(seq) + 40 + 6,
    "sum": lambda ring, seq: ring.slot(seq) + 56 + 5,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_changed_record_is_told_as_torn_by_whoever_shows_it(tmp_path: Path, place: str) -> None:
    path, written, dumped = tmp_path / "app.ring", tmp_path / "console", tmp_path / "dump"
    sink = pr.sinks.memory()
    with pr.Log(path, size="256 KiB") as log:
        log.add_console(pr.sinks.file(written), format="text")
        log.add_console(sink)
        log.suspend()
        for number in range(RECORDS):
            log.get_logger("app").info("event %d", number, value="a text that is changed")
        ring = Scribbler(path)
        ring.flip(PLACES[place](ring, 3))
        log.resume()
        assert log.flush(30)
        shown = written.read_text().splitlines()
        assert [line.endswith("** printk message 3 is torn **") for line in shown] == [
            n == 3 for n in range(RECORDS)
        ], shown
        assert [record.torn for record in sink.records] == [n == 3 for n in range(RECORDS)]
        assert log.stats()["torn"] == 2, "one for each console"
        assert [record.torn for record in log.reader()] == [n == 3 for n in range(RECORDS)]
        snapshot = log.snapshot()
        assert [snapshot.text(row) for row in range(RECORDS)] == [
            "record torn" if number == 3 else f"event {number}" for number in range(RECORDS)
        ]
        assert snapshot.fields(3) == {}
        log.dump(dumped)
        assert dumped.read_text().count("** printk message 3 is torn **") == 1
    with pr.open(path) as file:
        assert [record.torn for record in file.reader()] == [n == 3 for n in range(RECORDS)]


@pytest.mark.parametrize("level", ["EMERG", "DEBUG"])
def test_a_record_whose_level_was_changed_is_told_by_a_console_that_would_not_print_it(
    tmp_path: Path, level: str
) -> None:
    """Or it would be passed over without a word, since its level is what decides."""
    path, written = tmp_path / "app.ring", tmp_path / "console"
    sink = pr.sinks.memory()
    with pr.Log(path, size="256 KiB") as log:
        log.add_console(pr.sinks.file(written), level="ERR")
        log.add_console(sink, level="ERR")
        log.suspend()
        log.get_logger("app").error("before")
        log.get_logger("app").log(pr.Level[level], "changed")
        log.get_logger("app").error("behind")
        ring = Scribbler(path)
        ring.put(ring.slot(1) + 40 + 4, b"\x06")
        log.resume()
        assert log.flush(30)
        assert "** printk message 1 is torn **" in written.read_text()
        assert [record.torn for record in sink.records] == [False, True, False]


def test_a_crash_file_tells_a_changed_record(tmp_path: Path) -> None:
    done = run(
        """
        import os, sys
        import printk_ring as pr
        from tests.test_changed_records import PLACES, Scribbler

        log = pr.install("app.ring", size="256 KiB", consoles=())
        for number in range(8):
            log.get_logger("app").info("event %d", number, value="a text that is changed")
        ring = Scribbler("app.ring")
        ring.flip(PLACES["text"](ring, 3))
        os.abort()
        """,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONSAFEPATH": "1"},
    )
    assert done.returncode == -signal.SIGABRT, done.stderr
    (text,) = tmp_path.glob("app.ring.crash-*.txt")
    content = text.read_text()
    assert content.count("** printk message 3 is torn **") == 1
    assert "event 2" in content
    assert "event 3" not in content
    assert "event 4" in content

"""Files that others rotate while records come: by renaming, and by copying and truncating. Whole lines over all parts, none
lost, none twice.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import kill, start, wait_until
from tests.printed import lines_of, lost, numbers

if TYPE_CHECKING:
    import subprocess

    from printk_ring.typing import OffloadMode

ROTATIONS = 20


@pytest.mark.parametrize("creates", [False, True], ids=["rename", "rename and create"])
def test_a_file_that_is_renamed_under_load_loses_no_line(tmp_path: Path, mode: OffloadMode, *, creates: bool) -> None:
    path = tmp_path / "app.json"
    parts: list[Path] = []
    done = threading.Event()
    with pr.Log(size="256 KiB") as log:
        console = log.add_console(pr.sinks.file(path), format="json", overflow="block", block_timeout=60.0)
        log.offload.mode = mode
        logger, count = log.get_logger(), 0

        def rotate() -> None:
            for number in range(ROTATIONS):
                wait_until(lambda: path.exists() and path.stat().st_size > 0, "the file has lines again")
                part = tmp_path / f"app.json.{number}"
                path.rename(part)
                if creates:
                    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
                parts.append(part)
            done.set()

        tool = threading.Thread(target=rotate)
        tool.start()
        while not done.is_set():
            logger.info("event", number=count)
            count += 1
        tool.join()
        assert log.flush(60.0)
        assert (console.dropped, console.errors) == (0, 0)
    # After the last rename nothing need have been printed, and then there is no new file.
    printed = lines_of(*parts, *([path] if path.exists() else []))
    assert len(parts) == ROTATIONS
    assert lost(printed) == 0
    assert numbers(printed) == list(range(count))


WRITER = """
    import select, sys, threading
    import printk_ring as pr

    log = pr.Log(size="256 KiB")
    console = log.add_console(pr.sinks.file(sys.argv[1]), format="json", overflow="block", block_timeout=60.0)
    log.offload.mode = sys.argv[2]
    logger = log.get_logger()
    print("ready", flush=True)
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        for number in range(number, number + 100):
            logger.info("event", number=number)
        number += 1
    log.close()
    assert (console.dropped, console.errors) == (0, 0)
    print(number)
    """


def all_threads_stopped(pid: int) -> bool:
    """Whether no thread of the process runs, or is in the middle of a write."""
    stats = (task / "stat" for task in Path(f"/proc/{pid}/task").iterdir())
    return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in stats)


def ask_to_end(child: subprocess.Popen[str]) -> int:
    """How many records a writer has logged, and its consoles printed."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    said = child.stdout.read()
    child.stdout.close()
    assert child.wait(60.0) == 0
    return int(said)


def test_a_file_that_is_copied_and_truncated_under_load_loses_no_line(tmp_path: Path, mode: str) -> None:
    """What is written between a copy and its truncation is lost by the tool, whoever wrote it; this one stops the writer
    meanwhile, in the middle of whatever it does.
    """
    path = tmp_path / "app.json"
    parts: list[Path] = []
    child = start(WRITER, path, mode)
    try:
        for number in range(ROTATIONS):
            wait_until(lambda: path.exists() and path.stat().st_size > 0, "the file has lines again")
            child.send_signal(signal.SIGSTOP)
            wait_until(lambda: all_threads_stopped(child.pid), "the writer stands still")
            part = tmp_path / f"app.json.{number}"
            shutil.copy(path, part)
            os.truncate(path, 0)
            parts.append(part)
            child.send_signal(signal.SIGCONT)
        count = ask_to_end(child)
    finally:
        kill(child)
    printed = lines_of(*parts, path)
    assert lost(printed) == 0
    assert numbers(printed) == list(range(count))


def test_a_process_that_is_stopped_and_continued_under_load_loses_no_line(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "app.json"
    child = start(WRITER, path, mode)
    try:
        for _ in range(50):
            size = path.stat().st_size
            child.send_signal(signal.SIGSTOP)
            wait_until(lambda: all_threads_stopped(child.pid), "the writer stands still")
            child.send_signal(signal.SIGCONT)
            wait_until(lambda size=size: path.stat().st_size > size, "it goes on")  # type: ignore[misc]  # bound here
        count = ask_to_end(child)
    finally:
        kill(child)
    printed = lines_of(path)
    assert lost(printed) == 0
    assert numbers(printed) == list(range(count))

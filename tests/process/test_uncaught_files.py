"""Crash files of uncaught exceptions that end the process, and of `Log.panic`; and of nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import PATIENCE_SECONDS, run, succeed
from tests.crashes import crash_files, read_report

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = """
import os, signal, sys, threading
import printk_ring as pr

log = pr.install("app.ring", size="256 KiB", consoles=())
pr.get_logger().info("event")
"""


def program(body: str) -> str:
    """BEGIN, and what comes then."""
    return BEGIN + textwrap.dedent(body)


def test_an_uncaught_exception_that_ends_the_process_leaves_one(tmp_path: Path) -> None:
    done = run(
        program("""
        def waits():
            threading.Event().wait()

        threading.Thread(target=waits, daemon=True).start()

        def fails():
            raise ValueError("wrong")

        fails()
        """),
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.count("ValueError: wrong") == 1
    (path,) = crash_files(tmp_path)
    report = read_report(path)
    pid = report.json["pid"]
    assert path.name == f"app.ring.crash-{pid}-1.txt"
    assert (report.json["reason"], report.json["detail"]) == ("Oops", "ValueError: wrong")
    assert report.json["signal"] is None
    assert report.json["thread"]["tid"] == pid
    assert report.events == ["event", "uncaught exception"]
    exception = report.json["records"][-1]["exception"]
    assert (exception["type"], exception["message"]) == ("ValueError", "wrong")
    assert "in fails" in exception["stacktrace"]
    assert "in waits" in report.trace
    with pr.open(tmp_path / "app.ring") as ring:
        assert ring.info.clean, "it ends in order"


ASYNC = """
import asyncio

async def main():
    pr.crash.watch(asyncio.get_running_loop())
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0.01)

asyncio.run(main())
"""
NO_CRASHES = {
    "raise KeyboardInterrupt": -signal.SIGINT,
    "raise SystemExit(3)": 3,
    "sys.exit('an error')": 1,
    "os._exit(4)": 4,
    "threading.Thread(target=lambda: 1 / 0).start()": 0,
    "class Fails:\n    def __del__(self): 1 / 0\nFails()": 0,
    ASYNC: 0,
    "sys.ps1 = '>>> '\nraise ValueError": 1,
}


@pytest.mark.parametrize("body", NO_CRASHES)
def test_what_is_no_crash_leaves_none(tmp_path: Path, body: str) -> None:
    assert run(program(body), cwd=tmp_path).returncode == NO_CRASHES[body]
    assert not crash_files(tmp_path)


def test_an_interpreter_that_goes_on_after_an_exception_leaves_none(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-i", "-c", program("raise ValueError")],
        check=False,
        capture_output=True,
        cwd=tmp_path,
        input="1 / 0\nprint(log.stats()['emitted'])\n",
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stdout) == (0, "3\n")
    assert not crash_files(tmp_path)


def test_a_hook_that_is_called_again_and_again_writes_no_more_than_eight(tmp_path: Path) -> None:
    succeed(
        program("""
        for number in range(20):
            sys.excepthook(ValueError, ValueError(number), None)
        """),
        cwd=tmp_path,
    )
    paths = crash_files(tmp_path)
    details = {read_report(path).json["detail"] for path in paths}
    assert details == {f"ValueError: {number}" for number in range(8)}


def test_a_forked_child_has_its_own_and_its_own_eight(tmp_path: Path) -> None:
    said = succeed(
        program("""
        if not (child := os.fork()):
            raise ValueError("the child's")
        os.waitpid(child, 0)
        print(child)
        """),
        cwd=tmp_path,
    )
    child = int(said)
    (path,) = crash_files(tmp_path)
    assert path.name == f"app.ring.fork-{child}.crash-{child}-1.txt"
    assert read_report(path).events == ["uncaught exception"]


def test_an_exception_and_then_a_fatal_signal_leave_two(tmp_path: Path) -> None:
    done = run(
        program("""
        sys.excepthook(ValueError, ValueError("first"), None)
        os.abort()
        """),
        cwd=tmp_path,
    )
    assert done.returncode == -signal.SIGABRT
    first, second = map(read_report, crash_files(tmp_path))
    assert (first.json["reason"], second.json["reason"]) == ("Oops", "Panic")
    assert second.events == ["event", "uncaught exception", "fatal signal SIGABRT"]


def test_a_directory_that_is_gone_costs_only_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "rings"
    folder.mkdir()
    done = run(
        program("""
        import shutil
        log.add_console(pr.sinks.stdout())
        shutil.rmtree(os.getcwd())
        raise ValueError("wrong")
        """),
        cwd=folder,
    )
    assert done.returncode == 1
    assert "uncaught exception" in done.stdout
    assert "no crash file: " in done.stdout
    assert done.stdout.count("ValueError: wrong\n") == 1, "by the console"
    assert done.stderr.count("ValueError: wrong\n") == 1, "by Python, which writes a line in pieces"


@pytest.mark.parametrize("thread", [False, True])
def test_a_panic_has_its_words_in_its_crash_file(tmp_path: Path, *, thread: bool) -> None:
    done = run(
        program("""
        import ctypes

        def gives_up():
            if threading.current_thread() is not threading.main_thread():
                ctypes.CDLL(None).prctl(15, b"the worker")
            log.panic("out of\\nideas")

        if sys.argv[1] == "True":
            thread = threading.Thread(target=gives_up)
            thread.start()
            thread.join()
        gives_up()
        """),
        thread,
        cwd=tmp_path,
    )
    assert done.returncode == -signal.SIGABRT
    (path,) = crash_files(tmp_path)
    report = read_report(path)
    assert report.head["reason"] == r"Panic: out of\x0aideas"
    assert (report.json["reason"], report.json["detail"]) == ("Panic", "out of\nideas")
    assert report.json["signal"] is None
    assert report.json["thread"]["name"] == ("the worker" if thread else "python")
    assert report.events == ["event", "out of\nideas"]
    assert "in gives_up" in report.trace

"""SIGKILL: what was logged is in the file, whoever reads it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import printk_ring as pr
from tests.children import PATIENCE_SECONDS, kill, start, succeed

BUSY = """
    import os, sys, threading
    import printk_ring as pr

    log = pr.install(sys.argv[1], size=sys.argv[2], consoles=[pr.sinks.file(sys.argv[3])])
    told = os.open(sys.argv[4], os.O_WRONLY | os.O_CREAT, 0o600)

    def work(name):
        logger = pr.get_logger(name)
        number = 0
        while True:
            logger.info("event", number=number)
            os.pwrite(told, b"%012d" % number, 12 * int(name))  # said only after the call has returned
            number += 1

    for name in range(4):
        threading.Thread(target=work, args=(str(name),), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
"""


def stored(path: Path) -> dict[str | None, list[int]]:
    numbers: dict[str | None, list[int]] = {str(name): [] for name in range(4)}
    with pr.open(path) as ring:
        for record in ring.reader():
            numbers[record.logger].append(record.fields["number"])
    return numbers


@pytest.mark.parametrize("after_seconds", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("size", ["256 KiB", "16 MiB"])
def test_everything_logged_before_the_kill_is_read_in_order(tmp_path: Path, size: str, after_seconds: float) -> None:
    told = tmp_path / "told"
    child = start(BUSY, tmp_path / "app.ring", size, tmp_path / "console.txt", told)
    try:
        child.wait(after_seconds)
    except Exception:  # the expected timeout: it is killed at some moment of its work
        child.send_signal(signal.SIGKILL)
    kill(child)
    with pr.open(tmp_path / "app.ring") as ring:
        assert (ring.info.alive, ring.info.clean, ring.info.pid) == (False, False, child.pid)
        overwritten = ring.stats()["overwritten"]
    numbers = stored(tmp_path / "app.ring")
    said = told.read_bytes().ljust(48, b"\0")
    for name in range(4):
        seen = numbers[str(name)]
        last_said = said[12 * name : 12 * name + 12].strip(b"\0")
        if not seen:
            assert not last_said or overwritten
            continue
        assert seen == list(range(seen[0], seen[-1] + 1)), "a gap in the middle"
        assert not last_said or seen[-1] >= int(last_said)
        assert overwritten or seen[0] == 0


def test_a_new_life_takes_the_path_of_the_killed_one_and_keeps_its_records(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    child = start(BUSY, path, "1 MiB", tmp_path / "console.txt", tmp_path / "told")
    kill(child)
    before = stored(path)
    with pr.Log(path, size="1 MiB") as log:
        log.get_logger("0").info("event", number=0)
    assert stored(Path(f"{path}.old.1")) == before


def test_a_path_held_by_another_process_is_refused_with_its_pid(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    child = start(BUSY, path, "1 MiB", tmp_path / "console.txt", tmp_path / "told")
    try:
        with pytest.raises(pr.RingFileError, match=str(child.pid)) as caught:
            pr.Log(path, size="1 MiB")
        assert caught.value.filename == str(path)
        with pr.open(path) as ring:
            assert ring.info.alive
    finally:
        kill(child)


def test_of_two_processes_that_start_at_once_one_gets_the_path(tmp_path: Path) -> None:
    code = """
        import sys
        import printk_ring as pr

        print("ready", flush=True)
        sys.stdin.readline()
        try:
            log = pr.Log(sys.argv[1], size="256 KiB")
            print("got it", flush=True)
        except pr.RingFileError as error:
            print("refused", flush=True)
        sys.stdin.read()
    """
    children = [start(code, tmp_path / "app.ring") for _ in range(6)]
    try:
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        answers = [child.stdout.readline().strip() for child in children if child.stdout is not None]
        assert sorted(answers) == ["got it"] + ["refused"] * 5
    finally:
        for child in children:
            kill(child)


def test_a_killed_printer_leaves_whole_lines(tmp_path: Path) -> None:
    child = start(BUSY, tmp_path / "app.ring", "16 MiB", tmp_path / "console.txt", tmp_path / "told")
    try:
        child.wait(0.3)
    except Exception:  # the expected timeout
        kill(child)
    lines = (tmp_path / "console.txt").read_text("utf-8").splitlines(keepends=True)
    for line in lines[:-1]:
        assert line.startswith("[")
        assert "event number=" in line
        assert line.endswith("\n")


def test_a_process_in_another_pid_namespace_holds_its_path_too(tmp_path: Path) -> None:
    """The holder is a child that is number 1 in a namespace of its own; where that is forbidden, a plain child."""
    succeed(
        """
        import ctypes, os, sys
        import printk_ring as pr

        CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
        libc = ctypes.CDLL(None, use_errno=True)
        allowed = libc.unshare(CLONE_NEWPID) == 0 or libc.unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0
        ready, tell = os.pipe()
        wait, release = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(release)
            assert not allowed or os.getpid() == 1
            log = pr.Log(sys.argv[1], size="256 KiB")
            log.get_logger().info("from inside")
            os.write(tell, b"x")
            os.read(wait, 1)
            os._exit(0)
        os.close(tell)
        assert os.read(ready, 1) == b"x"
        with pr.open(sys.argv[1]) as ring:
            assert ring.info.alive
            assert [record.event for record in ring.reader()] == ["from inside"]
        try:
            pr.Log(sys.argv[1], size="256 KiB")
        except pr.RingFileError as error:
            assert error.filename == sys.argv[1], error
        else:
            raise SystemExit("it was given away")
        os.close(release)
        os.waitpid(child, 0)
        with pr.open(sys.argv[1]) as ring:
            assert not ring.info.alive
        pr.Log(sys.argv[1], size="256 KiB").close()
        """,
        tmp_path / "app.ring",
        timeout=PATIENCE_SECONDS,
    )

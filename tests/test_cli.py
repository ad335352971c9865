"""`prdmesg`, the installed command."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import PATIENCE_SECONDS, PRDMESG, kill, prdmesg, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TWO_RINGS = """
    import sys, time
    import printk_ring as pr

    logs = [pr.Log(f"{sys.argv[1]}/{name}.ring") for name in ("z", "a")]
    for name, log in zip("za", logs):
        log.get_logger("child").info(f"in {name}")
    print("ready", flush=True)
    time.sleep(60)
"""
LOGGING_CHILD = """
    import os, signal, sys
    import printk_ring as pr

    log = pr.install(sys.argv[1], consoles=())
    logger = pr.get_logger("child")
    logger.info("first")
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "die\\n":
            os.kill(os.getpid(), signal.SIGKILL)
        logger.info(line.strip())
"""


@pytest.fixture
def dead_ring(ring_path: Path) -> Path:
    """The file of a log that ended in order, with a record at each level, two seconds apart."""
    with pr.Log(ring_path, size="256 KiB") as log:
        for level in pr.Level:
            log._emit(
                level, f"at {level.name}", logger="app", ts_nsec=(10 + 2 * level) * 10**9, fields={"n": int(level)}
            )
    return ring_path


def shown(*arguments: object) -> list[str]:
    done = prdmesg(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_records_are_shown_as_text(dead_ring: Path) -> None:
    lines = shown(dead_ring)
    assert lines[0] == "[   10.000000] app: at EMERG n=0"
    assert lines[-1] == "[   24.000000] app: at DEBUG n=7"
    assert len(lines) == 8


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ("err", [3]),
        ("err,warn", [3, 4]),
        ("ERROR", [3]),
        ("3", [3]),
        ("err+", [0, 1, 2, 3]),
        ("+notice", [5, 6, 7]),
        ("emerg,+info", [0, 6, 7]),
    ],
)
def test_l_selects_levels(dead_ring: Path, levels: str, expected: list[int]) -> None:
    assert [int(line[-1]) for line in shown("-l", levels, dead_ring)] == expected


def test_upper_t_shows_local_time(dead_ring: Path) -> None:
    with pr.open(dead_ring) as ring:
        first = next(ring.reader())
    local = time.strftime("%a %b %e %H:%M:%S %Y", time.localtime(first.wall_nsec // 10**9))
    assert shown("-T", dead_ring)[0] == f"[{local}] app: at EMERG n=0"


def test_t_shows_no_time(dead_ring: Path) -> None:
    assert shown("-t", dead_ring)[0] == "app: at EMERG n=0"


def test_d_shows_the_time_since_the_record_before(dead_ring: Path) -> None:
    lines = shown("-d", dead_ring)
    assert lines[0] == "[   10.000000 <    0.000000>] app: at EMERG n=0"
    assert lines[1] == "[   12.000000 <    2.000000>] app: at ALERT n=1"
    assert shown("-d", "-t", dead_ring)[1] == "[<    2.000000>] app: at ALERT n=1"


def test_r_puts_the_priority_before_each_line(ring_path: Path) -> None:
    with pr.Log(ring_path, size="256 KiB") as log:
        log._emit(pr.Level.INFO, "one\ntwo", ts_nsec=0)
        log._emit(pr.Level.ERROR, "three", ts_nsec=0)
    assert shown("-r", ring_path) == [
        "<14>[    0.000000] one",
        "<14>[    0.000000]|two",
        "<11>[    0.000000] three",
    ]


def test_upper_j_shows_the_lines_of_a_json_console(ring_path: Path, tmp_path: Path) -> None:
    with pr.Log(ring_path, size="256 KiB") as log:
        log.add_console(pr.sinks.file(tmp_path / "console.json"), format="json")
        log.get_logger("app").info("event %d", 1, a=[1, "é"], b=None)
    assert shown("-J", ring_path) == (tmp_path / "console.json").read_text("utf-8").splitlines()
    [line] = shown("-J", ring_path)
    assert json.loads(line)["message"] == "event 1"


def test_last_shows_the_newest_of_what_was_selected(dead_ring: Path) -> None:
    assert [int(line[-1]) for line in shown("--last", 3, dead_ring)] == [5, 6, 7]
    assert [int(line[-1]) for line in shown("--last", 2, "-l", "err+", dead_ring)] == [2, 3]
    assert shown("--last", 0, dead_ring) == []
    assert len(shown("--last", 100, dead_ring)) == 8


def test_stats_shows_the_counters_of_the_file(dead_ring: Path) -> None:
    figures = dict(line.split(None, 1) for line in shown("--stats", dead_ring))
    assert (figures["emitted"], figures["records"], figures["overwritten"]) == ("8", "8", "0")
    assert (figures["pid"], figures["alive"], figures["clean"]) == (str(os.getpid()), "false", "true")
    [line] = shown("--stats", "-J", dead_ring)
    assert json.loads(line)["emitted"] == 8
    assert json.loads(line)["path"] == str(dead_ring)


def test_plain_prdmesg_begins_where_the_log_was_cleared(log: pr.Log, ring_path: Path) -> None:
    log.get_logger().info("old")
    log.clear()
    log.get_logger().info("new")
    assert [line.split()[-1] for line in shown(ring_path)] == ["new"]
    assert [line.split()[-1] for line in shown("--all", ring_path)] == ["old", "new"]


def test_further_lines_cannot_pass_for_records_with_any_time_option(ring_path: Path) -> None:
    with pr.Log(ring_path, size="256 KiB") as log:
        log._emit(pr.Level.INFO, "one\n[    9.000000] forged", ts_nsec=0)
    for options in ([], ["-t"], ["-T"], ["-d"], ["-r"], ["-r", "-t"]):
        first, second = shown(*options, ring_path)
        assert first.endswith("one")
        assert second.endswith("|[    9.000000] forged")


def test_nothing_matching_is_no_error(dead_ring: Path, ring_path: Path) -> None:
    with pr.Log(ring_path.with_name("empty.ring"), size="256 KiB") as log:
        assert log.path is not None
        assert shown(log.path) == []
    assert shown("-l", "alert", "--last", "0", dead_ring) == []


SGR = re.compile(r"\x1b\[[0-9;]*m")


def test_colours_come_when_asked_for_and_change_no_text(dead_ring: Path) -> None:
    plain = shown(dead_ring)
    coloured = shown("--color=always", dead_ring)
    assert [SGR.sub("", line) for line in coloured] == plain
    assert all(SGR.search(line) for line in coloured)
    assert shown("--color=never", dead_ring) == plain
    assert shown("--color=auto", dead_ring) == shown("--color", dead_ring) == shown("-L", dead_ring) == plain
    assert shown("--color=always", "-J", dead_ring) == shown("-J", dead_ring)
    assert shown("--color=always", "-r", dead_ring) == shown("-r", dead_ring)


def on_a_terminal(*arguments: object, **environment: str) -> str:
    """What the command writes to a terminal."""
    main, terminal = pty.openpty()
    variables = {**os.environ, "TERM": "xterm", **environment}
    variables = {name: value for name, value in variables.items() if name != "NO_COLOR" or "NO_COLOR" in environment}
    child = subprocess.Popen([PRDMESG, *map(str, arguments)], stdout=terminal, stderr=terminal, env=variables)
    os.close(terminal)
    output = b""
    try:
        while chunk := os.read(main, 65536):
            output += chunk
    except OSError:  # how a terminal says that its last writer has gone
        pass
    os.close(main)
    assert child.wait(PATIENCE_SECONDS) == 0
    return output.decode()


def test_a_terminal_gets_colours_unless_no_color_is_set(dead_ring: Path) -> None:
    assert SGR.search(on_a_terminal(dead_ring))
    assert not SGR.search(on_a_terminal(dead_ring, NO_COLOR="1"))
    assert SGR.search(on_a_terminal(dead_ring, NO_COLOR=""))
    assert not SGR.search(on_a_terminal(dead_ring, TERM="dumb"))
    assert not SGR.search(on_a_terminal("--color=never", dead_ring))
    assert SGR.search(on_a_terminal("--color=always", dead_ring, NO_COLOR="1"))


def test_no_such_ring_is_status_1_and_named(tmp_path: Path) -> None:
    done = prdmesg(tmp_path / "none.ring")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("prdmesg: ")
    assert str(tmp_path / "none.ring") in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_a_ring_is_status_1_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n" * 1000)
    for options in ([], ["-w"], ["--stats"], ["--consoles"], ["-J"]):
        done = prdmesg(*options, tmp_path / "text")
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(rf"prdmesg: {re.escape(str(tmp_path))}/text: .*ring.*\n", done.stderr)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--nonsense"],
        ["-l", "loud"],
        ["--last", "-3"],
        ["--last", "many"],
        ["-J", "-r"],
        ["-T", "-t"],
        ["a", "b"],
        ["--consoles", "-w", "x"],
    ],
)
def test_wrong_usage_is_status_2(wrong: list[str]) -> None:
    done = prdmesg(*wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: prdmesg" in done.stderr


def test_without_a_file_the_directory_variable_is_taken_or_it_is_usage(tmp_path: Path, dead_ring: Path) -> None:
    without = {name: value for name, value in os.environ.items() if name != "PRINTK_RING_DIR"}
    assert prdmesg(env=without).returncode == 2
    done = prdmesg(env={**without, "PRINTK_RING_DIR": str(tmp_path)})
    assert done.returncode == 0
    assert "at EMERG" in done.stdout
    assert dead_ring.parent == tmp_path


def test_a_directory_stands_for_its_newest_ring_and_says_which(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("not a ring")
    with pr.Log(tmp_path / "dead.ring", size="256 KiB") as log:
        log.get_logger().info("from the dead one")
    with pr.Log(tmp_path / "live.ring", size="256 KiB") as log:
        log.get_logger().info("from the live one")
        done = prdmesg(tmp_path)
    assert done.returncode == 0
    assert "from the live one" in done.stdout
    assert "2 rings" in done.stderr
    assert "live.ring" in done.stderr
    (tmp_path / "empty").mkdir()
    done = prdmesg(tmp_path / "empty")
    assert (done.returncode, done.stdout) == (1, "")
    assert str(tmp_path / "empty") in done.stderr


def test_a_number_stands_for_the_ring_of_that_process_unless_it_is_a_path(tmp_path: Path) -> None:
    child = start(LOGGING_CHILD, tmp_path / "app.ring")
    try:
        assert shown(child.pid)[0].endswith("child: first")
        (tmp_path / str(child.pid)).write_text("an existing path wins")
        done = prdmesg(child.pid, cwd=tmp_path)
        assert done.returncode == 1
        assert "ring" in done.stderr
    finally:
        kill(child)
    done = prdmesg(child.pid, cwd="/")
    assert (done.returncode, done.stdout) == (1, "")
    assert str(child.pid) in done.stderr


def test_a_number_stands_for_a_ring_whose_name_was_deleted_too(ring_path: Path) -> None:
    child = start(LOGGING_CHILD, ring_path)
    ring_path.unlink()
    try:
        assert shown("-t", child.pid) == ["child: first"]
        figures = dict(line.split(None, 1) for line in shown("--stats", child.pid))
        assert (figures["pid"], figures["alive"]) == (str(child.pid), "true")
    finally:
        kill(child)


def test_of_a_process_with_several_rings_the_first_is_taken_and_the_others_are_told(tmp_path: Path) -> None:
    child = start(TWO_RINGS, tmp_path)
    try:
        done = prdmesg("-t", child.pid, cwd="/")
    finally:
        kill(child)
    assert (done.returncode, done.stdout) == (0, "child: in z\n")
    told = f"2 rings; this is {tmp_path}/z.ring, and by their paths: {tmp_path}/a.ring\n"
    assert done.stderr == f"prdmesg: {child.pid}: {told}"


def test_a_process_that_logs_into_anonymous_memory_has_no_ring_file_and_the_error_says_so() -> None:
    child = start(LOGGING_CHILD.replace("sys.argv[1]", "None"))
    try:
        done = prdmesg(child.pid)
    finally:
        kill(child)
    assert (done.returncode, done.stdout) == (1, "")
    assert "anonymous" in done.stderr


@pytest.fixture
def follow() -> Callable[..., subprocess.Popen[str]]:
    """Starts `prdmesg -w` with its output on a pipe."""

    def start_following(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [PRDMESG, "-w", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        )

    return start_following


def send(child: subprocess.Popen[str], *lines: str) -> None:
    assert child.stdin is not None
    child.stdin.write("".join(f"{line}\n" for line in lines))
    child.stdin.flush()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_w_shows_what_comes_and_ends_with_0_when_the_owner_exits_cleanly(
    ring_path: Path, follow: Callable[..., subprocess.Popen[str]]
) -> None:
    child = start(LOGGING_CHILD, ring_path)
    watcher = follow("-t", ring_path)
    assert next_line(watcher) == "child: first\n"
    for number in range(5):
        send(child, f"event {number}")
        assert next_line(watcher) == f"child: event {number}\n"
    send(child, "last words")
    child.communicate(timeout=PATIENCE_SECONDS)
    out, err = watcher.communicate(timeout=PATIENCE_SECONDS)
    assert (out, err, watcher.returncode) == ("child: last words\n", "", 0)


def test_w_ends_with_1_when_the_owner_died_and_shows_its_last_words(
    ring_path: Path, follow: Callable[..., subprocess.Popen[str]]
) -> None:
    child = start(LOGGING_CHILD, ring_path)
    watcher = follow("-t", ring_path)
    assert next_line(watcher) == "child: first\n"
    send(child, "last words", "die")
    assert child.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    kill(child)
    out, err = watcher.communicate(timeout=PATIENCE_SECONDS)
    assert (out, watcher.returncode) == ("child: last words\n", 1)
    assert str(child.pid) in err


def test_w_on_a_dead_ring_shows_it_and_ends(dead_ring: Path, follow: Callable[..., subprocess.Popen[str]]) -> None:
    out, err = follow("-t", "--last", "2", dead_ring).communicate(timeout=PATIENCE_SECONDS)
    assert (out, err) == ("app: at INFO n=6\napp: at DEBUG n=7\n", "")


def test_an_interrupt_is_status_130(log: pr.Log, ring_path: Path, follow: Callable[..., subprocess.Popen[str]]) -> None:
    log.get_logger().info("first")
    watcher = follow("-t", ring_path)
    assert next_line(watcher) == "first\n"
    watcher.send_signal(signal.SIGINT)
    out, err = watcher.communicate(timeout=PATIENCE_SECONDS)
    assert (out, err, watcher.returncode) == ("", "", 130)


def test_a_broken_pipe_is_no_error(log: pr.Log, ring_path: Path) -> None:
    for number in range(3000):
        log.get_logger().info("event", number=number)
    for options in ([], ["-J"], ["-w"]):
        child = subprocess.Popen([PRDMESG, *options, ring_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline()
        child.stdout.close()
        for number in range(3000):
            log.get_logger().info("event", number=number)
        err = child.stderr.read()
        child.stderr.close()
        assert (child.wait(PATIENCE_SECONDS), err) == (0, b"")


def test_a_full_disk_is_an_error_with_a_reason(dead_ring: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device, not a file of ours
        done = prdmesg(dead_ring, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_text_is_written_as_utf_8_whatever_the_locale(ring_path: Path) -> None:
    with pr.Log(ring_path, size="256 KiB") as log:
        log.get_logger().info("naïve ☃")
    done = prdmesg("-t", ring_path, env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert (done.returncode, done.stdout) == (0, "naïve ☃\n")


def test_help_and_version_are_status_0() -> None:
    done = prdmesg("--help")
    assert done.returncode == 0
    for option in (
        "-w",
        "-l",
        "-T",
        "-t",
        "-d",
        "-r",
        "-J",
        "--last",
        "--stats",
        "--consoles",
        "--color",
        "--dead",
        "--core",
        "--list",
    ):
        assert option in done.stdout
    done = prdmesg("--version")
    assert (done.returncode, done.stdout) == (0, f"prdmesg {pr.__version__}\n")


def test_a_torn_record_is_told_in_its_place_and_on_stderr_with_every_option(ring_path: Path) -> None:
    with pr.Log(ring_path, size="256 KiB") as log:
        for event in ("before", "damaged", "behind"):
            log.get_logger().info(event)
    content = bytearray(ring_path.read_bytes())
    at = content.index(b"damaged")
    content[at - 12 : at] = bytes(12)  # the block's id among them
    ring_path.write_bytes(content)
    for options in ([], ["-t"], ["-T"], ["-d"], ["-r"], ["--color=always"], ["-J"]):
        done = prdmesg(*options, ring_path)
        assert done.returncode == 1
        assert done.stderr == f"prdmesg: {ring_path}: 1 torn record: not what was logged\n"
        first, torn, last = done.stdout.splitlines()
        assert "before" in first
        assert "** printk message 1 is torn **" in torn or json.loads(torn)["event"] == "record torn"
        assert "behind" in last


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--set", "+p", "--last", "5"], ("--set", "--last")),
        (["-n", "debug", "-J"], ("-n", "-J")),
        (["-C", "--all"], ("-C", "--all")),
        (["--set", "+p", "-l", "err"], ("--set", "-l")),
        (["--stats", "--last", "5"], ("--stats", "--last")),
        (["--list", "-T"], ("--list", "-T")),
        (["--index", "-l", "err"], ("--index", "-l")),
    ],
    ids=str,
)
def test_an_option_that_would_be_passed_over_is_refused(
    dead_ring: Path, arguments: list[str], names: tuple[str, str]
) -> None:
    done = prdmesg(*arguments, dead_ring)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{names[0]} and {names[1]} exclude each other" in done.stderr


@pytest.mark.parametrize("nothing", ["", " ", "\n;"], ids=repr)
def test_an_empty_command_is_refused_with_an_example(dead_ring: Path, nothing: str) -> None:
    done = prdmesg("--set", nothing, dead_ring)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--set: no command: give one such as 'file db.py +p'" in done.stderr


def test_the_help_says_where_a_value_may_be_left_out() -> None:
    shown = " ".join(prdmesg("--help").stdout.split())
    assert "[-L [=WHEN]]" in shown
    assert "--color [=WHEN] colours: " in shown

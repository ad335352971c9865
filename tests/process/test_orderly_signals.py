"""`install(signals=...)`: a signal ends the process in order, and then as it would have."""

from __future__ import annotations

import signal
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import FULL_PIPE, PATIENCE_SECONDS, kill, run, start, succeed, wait_until
from tests.crashes import crash_files
from tests.interpreters import FREE_THREADED

if TYPE_CHECKING:
    import subprocess

BEGIN = """
import ctypes, os, signal, sys, threading, time
import printk_ring as pr

def stick(library):
    lock = (ctypes.c_uint64 * 8)()
    while True:
        library.pthread_mutex_lock(lock)  # which no signal ends


def begin(*signals, **options):
    options = {"size": "256 KiB", "consoles": [pr.sinks.file("console.txt")], **options}
    log = pr.install("app.ring", signals=signals, **options)
    log.register_dumper(lambda *why: os.write(1, f"{why[0].name} {why[1]}\\n".encode()), max_reason=pr.Reason.SHUTDOWN)
    pr.get_logger().info("event")
    return log
"""
ENDED = "printk_ring: {}: the process ends in order"


def program(body: str) -> str:
    """BEGIN, and what comes then."""
    return BEGIN + textwrap.dedent(body)


def ended(child: subprocess.Popen[str], number: int) -> tuple[int, str]:
    """Sends a signal to a program, and waits for its end: its status, and what it wrote."""
    try:
        child.send_signal(number)
        status = child.wait(PATIENCE_SECONDS)  # its stdin stays open until then
        assert child.stdout is not None
        return status, child.stdout.read()
    finally:
        kill(child)


def is_asleep(pid: int) -> bool:
    """The program's main thread sleeps, and goes on sleeping."""
    states = []
    for _ in range(5):
        states.append(Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2][0])
        time.sleep(0.01)
    return states == ["S"] * 5


def printed(folder: Path) -> list[str]:
    """What was logged to the console, without the times."""
    return [line.partition("] ")[2] for line in (folder / "console.txt").read_text("utf-8").splitlines()]


def is_clean(ring: Path) -> bool:
    with pr.open(ring) as found:
        assert not found.info.alive
        return found.info.clean


# What the main thread does when the signal comes.
DOINGS = {
    "reads": "sys.stdin.read()",
    "is stuck in a C call that has the interpreter": "stick(ctypes.PyDLL(None))",
    "is stuck in a C call that has given it away": "stick(ctypes.CDLL(None))",
    "works": "while True: pass",
    "logs": "while True: time.sleep(0.001) or pr.get_logger().debug('more')",
}


@pytest.mark.parametrize("doing", DOINGS)
def test_a_process_ends_by_the_signal_in_order_whatever_it_is_at(tmp_path: Path, doing: str) -> None:
    stuck = "has the interpreter" in doing and not FREE_THREADED
    child = start(
        program(f"""
        log = begin(signal.SIGTERM)
        log.suspend()
        pr.get_logger().info("not printed yet")
        print("ready", flush=True)
        {DOINGS[doing]}
        """),
        cwd=tmp_path,
    )
    if "stuck" in doing:
        wait_until(lambda: is_asleep(child.pid), "it is stuck")
    status, output = ended(child, signal.SIGTERM)
    assert status == -signal.SIGTERM
    assert printed(tmp_path) == ["event", "not printed yet", ENDED.format("SIGTERM")]
    assert output == ("" if stuck else "SHUTDOWN SIGTERM\n"), "a dumper in Python needs the interpreter"
    assert is_clean(tmp_path / "app.ring")
    assert not crash_files(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1])
def test_every_signal_that_ends_a_process_may_be_named(tmp_path: Path, number: signal.Signals) -> None:
    child = start(
        program("""
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        begin(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1)
        print("ready", flush=True)
        sys.stdin.read()
        """),
        cwd=tmp_path,
    )
    assert ended(child, number) == (-number, f"SHUTDOWN {number.name}\n")
    assert printed(tmp_path)[-1] == ENDED.format(number.name)
    assert not crash_files(tmp_path)


def test_a_handler_in_python_is_called_after_it_and_may_let_the_process_go_on(tmp_path: Path) -> None:
    succeed(
        program("""
        heard = []

        def handle(number, frame):
            assert threading.current_thread() is threading.main_thread()
            heard.append((number, open("console.txt").read().count("ends in order")))

        signal.signal(signal.SIGTERM, handle)
        log = begin(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        while not heard:
            time.sleep(0.001)
        assert heard == [(signal.SIGTERM, 1)], heard
        pr.get_logger().info("it goes on")
        assert log.flush(timeout=30.0)
        signal.raise_signal(signal.SIGTERM)
        while len(heard) < 2:
            time.sleep(0.001)
        """),
        cwd=tmp_path,
    )
    assert printed(tmp_path) == ["event", ENDED.format("SIGTERM"), "it goes on"], "once: it is Python's from then on"


def test_ctrl_c_is_a_keyboard_interrupt_in_the_main_thread_after_it(tmp_path: Path) -> None:
    child = start(
        program("""
        begin(signal.SIGINT)
        try:
            print("ready", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted", open("console.txt").read().count("ends in order"))
        """),
        cwd=tmp_path,
    )
    status, output = ended(child, signal.SIGINT)
    assert (status, output.splitlines()[:2]) == (0, ["SHUTDOWN SIGINT", "interrupted 1"])


def test_a_main_thread_that_waits_hears_of_one_that_another_thread_was_given(tmp_path: Path) -> None:
    child = start(
        program("""
        begin(signal.SIGINT)
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        urgent = signal.getsignal(signal.SIGURG)
        try:
            print("ready", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted", urgent is signal.getsignal(signal.SIGURG) is signal.SIG_DFL)
        """),
        cwd=tmp_path,
    )
    status, output = ended(child, signal.SIGINT)
    assert (status, output.splitlines()[:2]) == (0, ["SHUTDOWN SIGINT", "interrupted True"])


def test_one_that_is_ignored_stays_so_and_close_gives_the_others_back(tmp_path: Path) -> None:
    succeed(
        program("""
        def handler(number):
            status = open("/proc/self/status").read()
            word = lambda name: int(status.partition(name)[2].split()[0], 16) >> number - 1 & 1
            return "caught" if word("SigCgt:") else "ignored" if word("SigIgn:") else "default"

        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        log = begin(signal.SIGHUP, signal.SIGTERM, crash=False)
        assert (handler(signal.SIGHUP), handler(signal.SIGTERM)) == ("ignored", "caught")
        os.kill(os.getpid(), signal.SIGHUP)
        log.close()
        assert (handler(signal.SIGHUP), handler(signal.SIGTERM)) == ("ignored", "default")
        log = begin(signal.SIGTERM)
        assert handler(signal.SIGTERM) == "caught"
        log.close()
        assert handler(signal.SIGTERM) == "default"
        """),
        cwd=tmp_path,
    )
    assert printed(tmp_path) == ["event", "event"]


def test_signals_that_cannot_be_orderly_ones_are_refused_and_nothing_is_installed() -> None:
    for number, why in (
        (signal.SIGSEGV, "SIGSEGV is fatal"),
        (signal.SIGABRT, "SIGABRT is fatal"),
        (signal.SIGKILL, "cannot be handled"),
        (signal.SIGSTOP, "cannot be handled"),
        (0, "signal 0 cannot be handled"),
        (65, "signal 65 cannot be handled"),
        (32, "signal 32 cannot be handled"),
    ):
        with pytest.raises(pr.ConfigError, match=why):
            pr.install(size="256 KiB", consoles=(), crash=False, signals=[signal.SIGUSR2, number])
        assert pr.default_log() is None
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


def test_other_signals_are_another_configuration() -> None:
    with pr.install(size="256 KiB", consoles=(), crash=False, signals=[signal.SIGUSR2]) as log:
        assert pr.install(size="256 KiB", consoles=(), crash=False, signals=(signal.SIGUSR2,)) is log
        with pytest.raises(pr.ConfigError, match="signals was"):
            pr.install(size="256 KiB", consoles=(), crash=False)


@pytest.mark.parametrize("logs", [True, False])
def test_a_forked_child_ends_in_order_too_and_one_that_never_logged_as_ever(tmp_path: Path, *, logs: bool) -> None:
    said = succeed(
        program("""
        log = begin(signal.SIGTERM, consoles=[pr.sinks.file("console.txt")])
        assert log.flush(timeout=30.0)
        ready, tell = os.pipe()
        if not (child := os.fork()):
            if sys.argv[1] == "True":
                pr.get_logger().info("of the child")
            os.write(tell, b"x")
            while True:
                time.sleep(60)
        os.read(ready, 1)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        pr.get_logger().info("it goes on")
        os.write(1, f"{child} {os.waitstatus_to_exitcode(status)}\\n".encode())
        """),
        logs,
        cwd=tmp_path,
    )
    *dumped, end, last = said.splitlines()
    child, status = map(int, end.split())
    assert (status, last) == (-signal.SIGTERM, "SHUTDOWN None")
    assert dumped == ["SHUTDOWN SIGTERM"] * logs
    ring = tmp_path / f"app.ring.fork-{child}"
    assert ring.exists() == logs
    if logs:
        assert is_clean(ring)
    of_child = ["of the child", ENDED.format("SIGTERM")] * logs
    assert printed(tmp_path) == ["event", *of_child, "it goes on"]


def test_a_console_that_takes_nothing_costs_its_second(tmp_path: Path) -> None:
    child = start(
        FULL_PIPE
        + program("""
        os.dup2(writer, 2)
        begin(signal.SIGTERM, consoles=[pr.sinks.stderr(), pr.sinks.file("console.txt")])
        print("ready", flush=True)
        time.sleep(60)
        """),
        cwd=tmp_path,
    )
    assert ended(child, signal.SIGTERM) == (-signal.SIGTERM, "SHUTDOWN SIGTERM\n")
    assert printed(tmp_path) == ["event", ENDED.format("SIGTERM")]


def test_a_dumper_that_does_not_come_back_leaves_the_consoles_time(tmp_path: Path) -> None:
    child = start(
        program("""
        log = begin(signal.SIGTERM, size="4 MiB")
        log.register_dumper(lambda *why: time.sleep(60), max_reason=pr.Reason.SHUTDOWN)
        log.suspend()
        for number in range(5000):
            pr.get_logger().info("event", number=number)
        print("ready", flush=True)
        time.sleep(60)
        """),
        cwd=tmp_path,
    )
    assert ended(child, signal.SIGTERM) == (-signal.SIGTERM, "SHUTDOWN SIGTERM\n")
    assert printed(tmp_path)[1:] == [*(f"event number={number}" for number in range(5000)), ENDED.format("SIGTERM")]


def test_two_signals_at_once_are_one_end(tmp_path: Path) -> None:
    done = run(
        program("""
        begin(signal.SIGTERM, signal.SIGINT)
        for _ in range(5):
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        """),
        cwd=tmp_path,
    )
    assert done.returncode == -signal.SIGTERM
    assert done.stdout == "SHUTDOWN SIGTERM\n"
    assert printed(tmp_path) == ["event", ENDED.format("SIGTERM")]


def test_one_that_comes_while_another_is_served_is_served_after_it_and_once(tmp_path: Path) -> None:
    succeed(
        program("""
        heard = []

        def handle(number, frame):
            heard.append(number)

        def send(number):
            os.kill(os.getpid(), number)
            while int(open("/proc/self/status").read().partition("ShdPnd:")[2].split()[0], 16):
                time.sleep(0.001)  # it has not come yet

        def more(reason, detail):
            for number in [signal.SIGTERM] * 3 + [signal.SIGHUP]:  # which is served now, and not passed on yet
                send(number)

        signal.signal(signal.SIGHUP, handle)
        signal.signal(signal.SIGTERM, handle)
        log = begin(signal.SIGHUP, signal.SIGTERM)
        log.register_dumper(more, max_reason=pr.Reason.SHUTDOWN)
        os.kill(os.getpid(), signal.SIGHUP)
        while len(heard) < 2:
            time.sleep(0.001)
        assert heard == [signal.SIGHUP, signal.SIGTERM], heard
        pr.get_logger().info("it goes on")
        assert log.flush(timeout=30.0)
        """),
        cwd=tmp_path,
    )
    assert printed(tmp_path) == ["event", ENDED.format("SIGHUP"), ENDED.format("SIGTERM"), "it goes on"]


def test_one_thread_serves_whatever_is_taken_however_often(tmp_path: Path) -> None:
    done = run(
        program("""
        def names():
            return [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]

        for _ in range(40):
            pr.install(size="256 KiB", consoles=(), crash=False, signals=[signal.SIGTERM, signal.SIGHUP]).close()
        begin(signal.SIGTERM, crash=False)
        assert names().count("pr/exit") == 1, names()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        """),
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "SHUTDOWN SIGTERM\n", "")
    assert printed(tmp_path) == ["event", ENDED.format("SIGTERM")]


def test_a_log_that_nobody_else_holds_any_more_does_not_hold_up_the_end_where_python_is_stuck(tmp_path: Path) -> None:
    done = run(
        FULL_PIPE
        + program("""
        os.dup2(writer, 2)
        begin(signal.SIGTERM)
        other = pr.Log(size="256 KiB", consoles=[pr.sinks.stderr()])  # which takes its second
        other.get_logger().info("event")
        os.kill(os.getpid(), signal.SIGTERM)
        while "ends in order" not in open("console.txt").read():
            time.sleep(0.001)
        del other
        stick(ctypes.PyDLL(None))
        """),
        cwd=tmp_path,
    )
    assert done.returncode == -signal.SIGTERM

"""Ctrl-Z, for real: a process that SIGTSTP stops has printed before that what it logged, and goes on where it was."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.children import kill, start, succeed, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    import printk_ring as pr

# Of this program's own parts: those that run in a child of a test.
BEGIN = """
import os, signal, sys, threading, time
import printk_ring as pr

signal.signal(signal.SIGTSTP, signal.SIG_DFL)
path = sys.argv[1]
log = pr.Log(size="1 MiB", consoles=[pr.sinks.file(path)])
logger = log.get_logger()


def printed():
    return [int(line.rpartition("number=")[2]) for line in open(path)]


def say(number):
    logger.info("event", number=number)
"""


def program(body: str) -> str:
    """BEGIN, and what comes then."""
    return BEGIN + textwrap.dedent(body)


def numbers(path: Path) -> list[int]:
    """What was logged as `number`, in the order of the file, which has whole lines."""
    text = path.read_text("utf-8")
    assert not text or text.endswith("\n")
    return [int(line.rpartition("number=")[2]) for line in text.splitlines()]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the console of the test writes."""
    return tmp_path / "console.txt"


def wait_until_stopped(child: subprocess.Popen[str]) -> None:
    """A shell sees it as it sees any job that Ctrl-Z has stopped."""
    seen: list[int] = []

    def looked() -> bool:
        pid, status = os.waitpid(child.pid, os.WUNTRACED | os.WNOHANG)
        seen.extend([status] if pid else [])
        return bool(pid)

    wait_until(looked, "it stops")
    assert os.WIFSTOPPED(seen[0]), f"ended with {seen[0]}"
    assert os.WSTOPSIG(seen[0]) == signal.SIGTSTP


def test_a_stopped_process_has_printed_what_it_logged_and_loses_nothing_of_what_comes(output: Path, mode: str) -> None:
    # In a process group of its own whose leader has a parent in the session, as a shell's job.
    child = start(
        program("""
        log.consoles()[0].remove()
        log.add_console(pr.sinks.file(path), overflow="block", block_timeout=60.0)
        log.offload.mode = sys.argv[2]
        log.offload.suspend_on_stop = True
        counts = [0, 0]
        enough = threading.Event()

        def work():
            while not enough.is_set():
                say(2 * counts[1] + 1)
                counts[1] += 1

        print("ready", flush=True)
        thread = threading.Thread(target=work)
        thread.start()
        for _ in range(3):
            for _ in range(200):
                say(2 * counts[0])
                counts[0] += 1
            os.kill(os.getpid(), signal.SIGTSTP)
        enough.set()
        thread.join()
        assert log.flush(timeout=60.0)
        print(*counts)
        """),
        output,
        mode,
        process_group=0,
    )
    try:
        for stops in range(1, 4):
            wait_until_stopped(child)
            before = numbers(output)
            assert [number for number in before if number % 2 == 0] == list(range(0, 400 * stops, 2))
            os.kill(child.pid, signal.SIGCONT)
        assert child.stdout is not None
        counts = [int(count) for count in child.stdout.read().split()]
        assert child.wait(60.0) == 0
    finally:
        kill(child)
    assert counts[0] == 600
    assert counts[1] > 0
    for rest, count in enumerate(counts):
        assert [number for number in numbers(output) if number % 2 == rest] == list(range(rest, 2 * count, 2))


def test_a_process_stops_though_nobody_reads_and_what_waits_is_printed_when_somebody_does(mode: str) -> None:
    child = start(
        """
        import os, signal, sys
        import printk_ring as pr

        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        print("ready", flush=True)
        log = pr.Log(size="4 MiB", consoles=[pr.sinks.stdout()])
        log.offload.suspend_on_stop = True
        log.offload.mode = sys.argv[1]
        for number in range(4000):
            log.get_logger().info("event", number=number)
        os.kill(os.getpid(), signal.SIGTSTP)
        assert log.flush(timeout=60.0)
        """,
        mode,
        process_group=0,
    )
    try:
        wait_until_stopped(child)
        os.kill(child.pid, signal.SIGCONT)
        assert child.stdout is not None
        text = child.stdout.read()
        assert child.wait(60.0) == 0
    finally:
        kill(child)
    assert [int(number) for number in re.findall(r" number=(\d+)\n", text)] == list(range(4000))


def test_a_second_stop_during_the_flush_is_the_same_and_an_interruption_comes_out_after_it() -> None:
    child = start(
        """
        import os, signal, sys, threading, time
        import printk_ring as pr

        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        reader, writer = os.pipe()
        kept = os.dup(1)
        os.dup2(writer, 1)
        log = pr.Log(size="1 MiB", consoles=[pr.sinks.stdout()])
        os.dup2(kept, 1)
        log.offload.suspend_on_stop = True
        for number in range(3000):
            log.get_logger().info("event", number=number)
        print("ready", flush=True)

        def interrupt():
            time.sleep(0.2)  # the flush waits for a reader
            os.kill(os.getpid(), signal.SIGTSTP)  # once more: it stops once
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        try:
            thread.start()
            os.kill(os.getpid(), signal.SIGTSTP)
            thread.join()
            sys.exit("not interrupted")
        except KeyboardInterrupt:
            thread.join()
        read = b""
        while b" number=2999" not in read:
            read += os.read(reader, 65536)
        assert read.count(b" number=") == 3000
        """,
        process_group=0,
    )
    try:
        wait_until_stopped(child)
        os.kill(child.pid, signal.SIGCONT)
        assert child.wait(60.0) == 0
    finally:
        kill(child)


def test_a_handler_that_was_there_is_called_in_place_of_the_stop_and_put_back(output: Path, mode: str) -> None:
    succeed(
        program("""
        log.offload.mode = sys.argv[2]
        seen = []

        def handler(number, frame):
            say(1)
            time.sleep(0.05)  # many looks of a printer
            seen.append((number, frame is not None, printed()))

        signal.signal(signal.SIGTSTP, handler)
        log.offload.suspend_on_stop = True
        say(0)
        signal.raise_signal(signal.SIGTSTP)
        assert seen == [(signal.SIGTSTP, True, [0])], seen
        while printed() != [0, 1]:
            time.sleep(0.001)  # nobody has to flush
        log.offload.suspend_on_stop = False
        assert signal.getsignal(signal.SIGTSTP) is handler
        signal.raise_signal(signal.SIGTSTP)
        assert len(seen) == 2
        """),
        output,
        mode,
    )


def test_what_a_handler_that_was_there_raises_comes_out_and_printing_goes_on(output: Path) -> None:
    succeed(
        program("""
        def handler(number, frame):
            say(0)
            raise LookupError("the handler's own")

        signal.signal(signal.SIGTSTP, handler)
        log.offload.suspend_on_stop = True
        for count in range(1, 3):
            try:
                signal.raise_signal(signal.SIGTSTP)
            except LookupError as error:
                assert str(error) == "the handler's own"
            else:
                sys.exit("nothing came out")
            assert log.flush(timeout=60.0) and printed() == [0] * count
        """),
        output,
    )


def test_a_handler_that_stops_by_the_default_action_and_puts_itself_back_is_chained_every_time(output: Path) -> None:
    child = start(
        program("""
        def handler(number, frame):
            global silent
            say(0)
            time.sleep(0.05)
            silent += printed() == before
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, handler)

        silent = 0
        signal.signal(signal.SIGTSTP, handler)
        log.offload.suspend_on_stop = True
        print("ready", flush=True)
        for _ in range(3):
            assert log.flush(timeout=60.0)
            before = printed()
            os.kill(os.getpid(), signal.SIGTSTP)
        assert silent == 3, silent
        log.offload.suspend_on_stop = False
        assert signal.getsignal(signal.SIGTSTP) is handler
        """),
        output,
        process_group=0,
    )
    try:
        for _ in range(3):
            wait_until_stopped(child)
            os.kill(child.pid, signal.SIGCONT)
        assert child.wait(60.0) == 0
    finally:
        kill(child)
    assert numbers(output) == [0, 0, 0]


def test_a_log_that_was_suspended_before_the_stop_stays_so(output: Path) -> None:
    succeed(
        program("""
        signal.signal(signal.SIGTSTP, lambda *_: None)
        log.offload.suspend_on_stop = True
        log.suspend()
        signal.raise_signal(signal.SIGTSTP)
        say(0)
        time.sleep(0.05)
        assert printed() == []
        log.resume()
        assert log.flush(timeout=60.0) and printed() == [0]
        """),
        output,
    )


def test_several_logs_share_one_handler_which_is_there_as_long_as_one_asks_for_it(output: Path) -> None:
    succeed(
        program("""
        other = pr.Log(size="256 KiB")
        assert log.offload.suspend_on_stop is other.offload.suspend_on_stop is False
        assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL, "not before it is asked for"
        log.offload.suspend_on_stop = True
        handler = signal.getsignal(signal.SIGTSTP)
        assert callable(handler) and log.offload.suspend_on_stop and not other.offload.suspend_on_stop
        other.offload.suspend_on_stop = True
        log.offload.suspend_on_stop = True
        assert signal.getsignal(signal.SIGTSTP) is handler
        log.offload.suspend_on_stop = False
        assert signal.getsignal(signal.SIGTSTP) is handler
        assert not log.offload.suspend_on_stop and other.offload.suspend_on_stop
        other.offload.suspend_on_stop = False
        assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
        # One that was installed later stays.
        log.offload.suspend_on_stop = True
        signal.signal(signal.SIGTSTP, print)
        log.offload.suspend_on_stop = False
        assert signal.getsignal(signal.SIGTSTP) is print
        # And what is ignored stays ignored, for what this process executes, too.
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        log.offload.suspend_on_stop = True
        assert signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN
        """),
        output,
    )


def test_only_the_main_thread_can_ask_for_it_and_others_are_told_so(output: Path) -> None:
    succeed(
        program("""
        told = []

        def ask(on):
            try:
                log.offload.suspend_on_stop = on
            except pr.ConfigError as error:
                told.append(str(error))

        for on in (True, False):
            thread = threading.Thread(target=ask, args=(on,))
            thread.start()
            thread.join()
        assert len(told) == 2 and all("main thread" in text and "set it there" in text for text in told), told
        assert log.offload.suspend_on_stop is False
        assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
        """),
        output,
    )


def test_what_is_no_bool_is_a_type_error(log: pr.Log) -> None:
    before = signal.getsignal(signal.SIGTSTP)
    with pytest.raises(TypeError):
        log.offload.suspend_on_stop = "yes"  # type: ignore[assignment]  # that is the test
    assert log.offload.suspend_on_stop is False
    assert signal.getsignal(signal.SIGTSTP) is before


def test_a_forked_child_is_stopped_by_itself_and_so_is_its_printing(output: Path) -> None:
    child = start(
        program("""
        log.offload.suspend_on_stop = True
        print("ready", flush=True)
        say(0)
        assert log.flush(timeout=60.0)
        pid = os.fork()
        if pid == 0:
            for number in range(1, 200):
                say(number)
            os.kill(os.getpid(), signal.SIGTSTP)
            say(201)
            os._exit(not log.flush(timeout=60.0))
        _, status = os.waitpid(pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGTSTP, status
        assert printed() == list(range(200))
        say(200)
        assert log.flush(timeout=60.0), "the parent prints"
        os.kill(pid, signal.SIGCONT)
        assert os.waitpid(pid, 0) == (pid, 0)
        """),
        output,
        process_group=0,
    )
    try:
        assert child.wait(60.0) == 0
    finally:
        kill(child)
    assert numbers(output) == list(range(202))


def test_a_child_that_another_thread_forks_during_a_stop_prints_and_can_be_stopped(output: Path) -> None:
    succeed(
        program("""
        entered, forked = threading.Event(), threading.Event()
        called = []
        parent = os.getpid()

        def handler(number, frame):
            called.append(os.getpid())
            entered.set()
            if os.getpid() == parent:
                forked.wait(60.0)

        signal.signal(signal.SIGTSTP, handler)
        log.offload.suspend_on_stop = True

        def fork():
            entered.wait(60.0)
            pid = os.fork()
            if pid == 0:
                say(1)
                flushed = log.flush(timeout=60.0) and printed() == [1]
                signal.raise_signal(signal.SIGTSTP)
                os._exit(0 if flushed and called[-1] == os.getpid() else 1)
            results.append(os.waitpid(pid, 0)[1])
            forked.set()

        results = []
        thread = threading.Thread(target=fork)
        thread.start()
        signal.raise_signal(signal.SIGTSTP)
        thread.join()
        assert results == [0], results
        """),
        output,
    )


def test_a_process_that_no_shell_looks_after_is_not_stopped_and_prints(output: Path) -> None:
    succeed(
        program("""
        log.offload.suspend_on_stop = True
        say(0)
        os.kill(os.getpid(), signal.SIGTSTP)
        say(1)
        assert log.flush(timeout=60.0)
        assert callable(signal.getsignal(signal.SIGTSTP))
        os.kill(os.getpid(), signal.SIGTSTP)
        """),
        output,
        start_new_session=True,
    )
    assert numbers(output) == [0, 1]


# What an interactive shell does for one job.
SHELL = """
import fcntl, os, signal, sys, termios, time

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    while os.tcgetpgrp(0) != os.getpid():
        time.sleep(0.001)
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
try:
    os.setpgid(job, job)
except PermissionError:
    pass  # it has done that, and runs
os.tcsetpgrp(0, job)
for _ in range(2):
    _, status = os.waitpid(job, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpid())
    print("<stopped by %d>" % os.WSTOPSIG(status) if os.WIFSTOPPED(status) else status, flush=True)
    sys.stdin.readline()
    print("<fg>", flush=True)
    os.tcsetpgrp(0, job)
    os.kill(-job, signal.SIGCONT)
print("<ended with %d>" % os.waitpid(job, 0)[1], flush=True)
"""

JOB = """
import threading
import printk_ring as pr

log = pr.Log(size="4 MiB")
log.add_console(pr.sinks.stdout(), overflow="block", block_timeout=60.0)
log.offload.suspend_on_stop = True
enough = threading.Event()

def work():
    number = 0
    while not enough.wait(0.001):
        log.get_logger().info("event", number=number)
        number += 1
    log.get_logger().info("last", number=number)

thread = threading.Thread(target=work)
thread.start()
input()
enough.set()
thread.join()
"""


def test_on_a_terminal_ctrl_z_stops_the_job_and_fg_has_it_go_on_where_it_was() -> None:
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[3] |= termios.NOFLSH  # or the terminal itself drops what is on its way at ^Z
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    shell = subprocess.Popen(
        [sys.executable, "-c", SHELL, JOB], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    os.set_blocking(master, False)
    text = ""

    def says(what: str) -> bool:
        nonlocal text
        try:
            text += os.read(master, 65536).decode()
        except BlockingIOError:
            pass
        except OSError:  # all others have closed it
            assert what in text, text
        return what in text

    def numbers_in(part: str) -> list[int]:
        return [int(number) for number in re.findall(r" number=(\d+)\r\n", part)]

    try:
        for stops in (1, 2):
            begun = text.count(" number=")
            wait_until(lambda begun=begun: says("") and text.count(" number=") > begun + 20, "it logs")  # type: ignore[misc]  # bound
            os.write(master, b"\x1a")
            stopped = f"<stopped by {signal.SIGTSTP:d}>"
            wait_until(lambda stops=stops, stopped=stopped: says(stopped) and text.count(stopped) == stops, "stopped")  # type: ignore[misc]  # bound
            os.write(master, b"fg\n")
            wait_until(lambda stops=stops: says("<fg>") and text.count("<fg>") == stops, "fg")  # type: ignore[misc]  # bound
        os.write(master, b"enough\n")
        wait_until(lambda: says("<ended with 0>"), "it ends")
    finally:
        shell.kill()
        shell.wait(60.0)
        os.close(master)
    assert "last" in text
    assert numbers_in(text) == list(range(len(numbers_in(text))))
    for pause in re.findall(r"<stopped by \d+>(.*?)<fg>", text, flags=re.DOTALL):
        assert numbers_in(pause) == []

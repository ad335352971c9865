"""Terminals and pipes that nobody reads: who logs is not held, and who ends, ends."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.children import FULL_PIPE, mounting, succeed

if TYPE_CHECKING:
    from pathlib import Path

# Full from some hundred records on; what is behind `stdout` is nobody's to read.
UNREAD = """
import atexit, fcntl, os, pty, sys, time

late = []
atexit.register(lambda: [act() for act in late])  # runs after what the package has registered

import printk_ring as pr

kind, path = sys.argv[1:3]
reader, writer = pty.openpty() if kind == "terminal" else os.pipe()
flags = fcntl.fcntl(writer, fcntl.F_GETFL)
kept = os.dup(1)
os.dup2(writer, 1)
log = pr.Log(size="1 MiB", consoles=[pr.sinks.stdout(), pr.sinks.file(path)])
stream, file = log.consoles()
os.dup2(kept, 1)
logger = log.get_logger("a")
time.sleep(0.5)  # the printers park: callers come first


def fill(records=1500, most=97):
    # Of lengths at which a terminal has been seen to take the beginning of a line.
    for number in range(records):
        logger.info("record %d " % number + "y" * (number % most))


def tell():
    left = log.stats()["left_behind"]
    assert left > 0, "not counted"
    assert stream.lag > 0 and stream.dropped == 0, "what nobody read was passed"
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == flags, "the flags of the others' descriptor"
    print("left", left, flush=True)
"""


def numbers(path: Path) -> list[int]:
    """Of the records that the file has."""
    return [int(number) for number in re.findall(r" record (\d+) ", path.read_text())]


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
@pytest.mark.parametrize("way", ["caller", "enforced"])
def test_callers_that_print_are_not_held_by_what_nobody_reads(tmp_path: Path, kind: str, way: str) -> None:
    output = tmp_path / "out"
    told = succeed(
        UNREAD
        + """
if sys.argv[3] == "caller":
    log.offload.mode = "caller"
else:
    log.offload.enforce_emergency = True
fill()
tell()
""",
        kind,
        output,
        way,
    )
    assert told.startswith("left ")
    assert numbers(output) == list(range(1500))


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
def test_an_exit_hook_that_logs_after_ours_ends_though_nobody_reads(tmp_path: Path, kind: str) -> None:
    output = tmp_path / "out"
    assert succeed(UNREAD + "late += [fill, tell]\n", kind, output).startswith("left ")
    assert numbers(output) == list(range(1500))


def test_a_caller_is_not_held_by_a_pipe_that_another_process_fills_whenever_there_is_room(tmp_path: Path) -> None:
    # Both wait for room in it, and get to know of it at the same time. In an emergency section callers are on their own.
    succeed(
        """
        import os, select, signal, sys, threading, time
        import printk_ring as pr

        reader, writer = os.pipe()
        filler = os.fork()
        if filler == 0:
            signal.alarm(50)
            own = os.open(f"/proc/self/fd/{writer}", os.O_WRONLY | os.O_NONBLOCK)
            while True:
                select.select([], [own], [])
                try:
                    os.write(own, b"." * 4096)
                except BlockingIOError:
                    pass
        signal.alarm(50)
        kept = os.dup(1)
        os.dup2(writer, 1)
        log = pr.Log(size="1 MiB", consoles=[pr.sinks.stdout()])
        os.dup2(kept, 1)
        calls, enough = 0, False

        def work():
            global calls
            with log.emergency():
                while not enough:
                    log.get_logger("a").info("event", number=calls)
                    calls += 1

        def goes_on():
            awaited, deadline = calls + 2, time.monotonic() + 15.0
            while calls < awaited and time.monotonic() < deadline:
                time.sleep(0.0005)
            return calls >= awaited

        thread = threading.Thread(target=work)
        thread.start()
        rounds = 0
        while rounds < 300 and goes_on():
            os.read(reader, 4096)  # room for one of them, and for nobody until the next round
            rounds += 1
        os.kill(filler, signal.SIGKILL)
        os._exit(rounds != 300)
        """
    )


def test_a_caller_that_prints_goes_on_after_its_descriptors_were_closed(tmp_path: Path) -> None:
    # By a program that closes whatever it does not know, from the second one of the console on.
    succeed(
        """
        import os, sys
        import printk_ring as pr

        reader, writer = os.pipe()
        os.dup2(writer, 1)
        before = set(os.listdir("/proc/self/fd"))
        log = pr.Log(size="256 KiB", consoles=[pr.sinks.stdout()])
        stdout = log.consoles()[0]
        target = os.fstat(1)

        def own():
            numbers = set(os.listdir("/proc/self/fd")) - before
            return [int(fd) for fd in numbers if os.path.exists(f"/proc/self/fd/{fd}") and os.fstat(int(fd)) == target]

        log.offload.mode = "caller"
        logger = log.get_logger("app")
        text = ""

        def said(what):
            global text
            logger.info(what)
            while what not in text:
                text += os.read(reader, 4096).decode()

        said("first")
        numbers = sorted(own())
        assert len(numbers) == 2, numbers  # what was inherited, and a description of our own
        for number in reversed(numbers):
            null = os.open("/dev/null", os.O_WRONLY)
            os.dup2(null, number)
            os.close(null)
            said(f"after {number}")
            said(f"and again {number}")
            if number == numbers[-1]:
                assert len(own()) == 2, own()  # opened anew, for callers
        assert stdout.dropped == 0
        os._exit(0)
        """
    )


# Descriptor 2 is a pipe that is full, and nobody's to read.
UNREAD_STDERR = (
    FULL_PIPE
    + """
import fcntl, shutil, signal, sys
import printk_ring as pr

kept = os.dup(2)
os.dup2(writer, 2)
flags = fcntl.fcntl(2, fcntl.F_GETFL)
signal.alarm(50)  # nothing of this outlives the test


def end(well):
    os.dup2(kept, 2)
    assert well and fcntl.fcntl(writer, fcntl.F_GETFL) == flags
"""
)


def test_a_child_that_has_something_to_say_on_stderr_goes_on_though_nobody_reads(tmp_path: Path) -> None:
    succeed(
        UNREAD_STDERR
        + """
folder = sys.argv[1]
os.mkdir(folder)
log = pr.Log(folder + "/a.ring", size="256 KiB")
shutil.rmtree(folder)  # no ring can be made there any more
pid = os.fork()
if pid == 0:
    signal.alarm(50)
    log.get_logger().info("the child's")
    events = [record.event for record in log.reader()]
    os._exit((log.path, events) != (None, ["the child's"]))
end(os.waitpid(pid, 0) == (pid, 0))
""",
        tmp_path / "folder",
    )


def test_a_console_whose_code_fails_goes_on_though_nobody_reads_what_is_said_of_it() -> None:
    succeed(
        UNREAD_STDERR
        + """
def fail_at_first(record):
    seen.append(record.fields["number"])
    if len(seen) <= 3:
        raise ValueError("the first ones")

seen = []
log = pr.Log(size="256 KiB")
console = log.add_console(pr.sinks.callable(fail_at_first))
for number in range(10):
    log.get_logger().info("event", number=number)
end(log.flush(timeout=30.0) and seen == list(range(10)) and console.errors == 3)
"""
    )


# A console that writes where callers cannot be sure not to be held; then what was logged, in both ways to print by callers.
HELD = """
import os, resource, socket, subprocess, sys, time
import printk_ring as pr

kind = sys.argv[1]
if kind == "no /proc":
    subprocess.run(["mount", "-t", "tmpfs", "none", "/proc"], check=True)
reader, writer = (end.detach() for end in socket.socketpair()) if kind == "socket" else os.pipe()
if kind == "another's":
    pr.Log(size="256 KiB").close()  # imports what the new user may not read
    os.setgid(65534)
    os.setuid(65534)
kept = os.dup(1)
os.dup2(writer, 1)
log = pr.Log(size="1 MiB")
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if kind == "no number left":
    os.close(number := os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        log.add_console(pr.sinks.stdout())
    except OSError as error:
        assert "cannot be duplicated" in str(error) and log.consoles() == [], error
    else:
        sys.exit("there was a number")
    resource.setrlimit(resource.RLIMIT_NOFILE, (number + 1, hard))  # for the console's thread, not for callers
console = log.add_console(pr.sinks.stdout())
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
os.dup2(kept, 1)


def logged_and_left(begin):
    before, text = log.stats()["left_behind"], b""
    for number in range(begin, begin + 10):
        log.get_logger("a").info("event", number=number)
    while b"number=%d" % (begin + 9) not in text:  # without a flush
        text += os.read(reader, 4096)
    assert [int(line.rpartition(b"=")[2]) for line in text.splitlines()] == list(range(begin, begin + 10)), text
    return log.stats()["left_behind"] - before


log.offload.mode = "caller"
time.sleep(0.3)  # its thread would rest if callers came
by_turns = logged_and_left(0)
log.offload.mode = "console"
log.offload.enforce_emergency = True
time.sleep(0.3)
print(by_turns, logged_and_left(10), console.reliability)
"""


@pytest.mark.parametrize("kind", ["socket", "no /proc", "another's", "no number left"])
def test_what_callers_cannot_write_to_without_being_held_is_left_to_the_console_s_thread(kind: str) -> None:
    prefix = mounting() if kind == "no /proc" else ()
    if prefix is None or (kind == "another's" and os.geteuid() != 0):
        pytest.skip("needs the right to it")  # to mount, or to be another user; the others run everywhere
    told = succeed(HELD, kind, prefix=prefix)
    # What was to be printed before its call returned is counted; a socket is of the class that callers never print on.
    assert told.split() == (["0", "0", "3"] if kind == "socket" else ["0", "10", "2"])

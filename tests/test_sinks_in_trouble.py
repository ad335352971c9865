"""Sinks that are stuck, slow, full, broken or gone: the program goes on, the failure is told once, printing goes on by
itself, and no line is torn, lost unsaid, or printed twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import PATIENCE_SECONDS, mounting, succeed, wait_until
from tests.printed import failures, lines_of, lost, numbers, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from printk_ring.typing import OffloadMode

# More than twice what a ring of 256 KiB holds.
MANY = 5_000


def begin(code: str, *arguments: object, prefix: Sequence[str] = (), **options: Any) -> subprocess.Popen[str]:
    """Starts a program without waiting for anything."""
    command = [*prefix, sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, **{"encoding": "utf-8", **options})


def end(child: subprocess.Popen[str]) -> tuple[str, str]:
    """Lets a program end, which has to end well, and returns what it still had to say: little on stderr."""
    if child.stdin is not None:
        child.stdin.close()
    said = []
    for stream in (child.stdout, child.stderr):
        said.append("" if stream is None or stream.closed else stream.read())
        if stream is not None:
            stream.close()
    stdout, stderr = said
    assert child.wait(PATIENCE_SECONDS) == 0, f"status {child.returncode}\n{stderr}"
    return stdout, stderr


def beside(log: pr.Log, path: Path) -> pr.Console:
    """A console that loses nothing: it makes its callers wait rather."""
    return log.add_console(pr.sinks.file(path), name="beside", format="json", overflow="block", block_timeout=60.0)


def say(log: pr.Log, first: int, after: int) -> None:
    """Records `first` to `after`, the latter not included."""
    logger = log.get_logger()
    for number in range(first, after):
        logger.info("event", number=number)


PIPED = """
    import sys
    import printk_ring as pr

    form, beside, count = sys.argv[1:]
    log = pr.Log(size="256 KiB")
    piped = log.add_console(pr.sinks.stdout(), format=form)
    file = log.add_console(pr.sinks.file(beside), format="json", overflow="block", block_timeout=60.0)
    logger = log.get_logger()
    for number in range(int(count)):
        logger.info("event", number=number)
    assert file.flush(60.0)
    print("logged", file=sys.stderr, flush=True)
    sys.stdin.readline()
    assert log.flush(60.0)
    print(piped.dropped, file=sys.stderr)
    """


@pytest.fixture
def log(log: pr.Log, mode: OffloadMode) -> pr.Log:
    """In each mode."""
    log.offload.mode = mode
    return log


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_reader_that_stops_costs_its_own_console_records_and_the_notice_says_which(tmp_path: Path, form: str) -> None:
    pipe = subprocess.PIPE
    child = begin(PIPED, form, tmp_path / "beside", MANY, stdin=pipe, stdout=pipe, stderr=pipe)
    assert child.stdout is not None
    assert child.stderr is not None
    first = child.stdout.readline()  # and from here on the reader reads no more
    assert child.stderr.readline() == "logged\n"
    assert numbers(lines_of(tmp_path / "beside")) == list(range(MANY))
    stdout, stderr = end(child)
    dropped = int(stderr)
    assert 0 < dropped < MANY
    if form == "json":
        assert lost(parsed(first + stdout)) == dropped
        assert numbers(parsed(first + stdout))[-1] == MANY - 1
    else:
        assert told_in_text(first + stdout) == dropped


def told_in_text(text: str) -> int:
    """The losses that a text console told; each notice counts exactly the numbers that are missing there."""
    total = untold = 0
    awaited = 0
    for line in text.splitlines():
        if line.startswith("** "):
            untold = int(line.split()[1])
            continue
        number = int(line.rpartition("number=")[2])
        assert number == awaited + untold, line
        total, untold, awaited = total + untold, 0, number + 1
    return total


def test_a_slow_sink_holds_up_no_fast_one(log: pr.Log, tmp_path: Path) -> None:
    """The slow one takes a record only when it is let: one of four."""
    os.mkfifo(tmp_path / "slow")
    reader = os.open(tmp_path / "slow", os.O_RDONLY | os.O_NONBLOCK)
    page = fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)  # room for one record
    slow = log.add_console(pr.sinks.file(tmp_path / "slow"), name="slow", format="json")
    fast = log.add_console(pr.sinks.file(tmp_path / "fast"), name="fast", format="json")
    logger, taken = log.get_logger(), bytearray()

    def take() -> None:
        wait_until(lambda: read_some(reader, page, taken), "the slow console's next record")

    for number in range(40):
        logger.info("event", number=number, long="x" * 3700)
        wait_until(lambda: fast.lag == 0, "the fast console has it")
        if number % 4 == 0:
            take()
    assert numbers(lines_of(tmp_path / "fast")) == list(range(40))
    assert len(taken.splitlines()) == 10
    assert slow.lag > 20
    while len(taken.splitlines()) < 40:
        take()
    os.close(reader)
    assert numbers(parsed(taken.decode())) == list(range(40))
    assert (slow.dropped, fast.dropped, slow.errors, fast.errors) == (0, 0, 0, 0)


def read_some(reader: int, most: int, into: bytearray) -> bool:
    """Reads what is there, if anything is."""
    try:
        data = os.read(reader, most)
    except BlockingIOError:
        return False
    into += data
    return bool(data)


FULL = """
    import errno, json, os, resource, shutil, subprocess, sys, time
    from pathlib import Path
    import printk_ring as pr

    how, folder, copy, count = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    out, filler = folder / "app.json", folder / "filler"

    def fill():
        if how == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (out.stat().st_size + 1000, resource.RLIM_INFINITY))
            return
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as why:
                assert why.errno == errno.ENOSPC, why

    def make_room():
        if how == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            return
        if how == "cut":
            shutil.copy(out, copy + ".cut")
            os.truncate(out, 0)
        filler.unlink()

    if how != "limit":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
    log = pr.Log(size="256 KiB")
    full = log.add_console(pr.sinks.file(out), name="full", format="json")
    log.add_console(pr.sinks.stdout(), name="beside", format="json", overflow="block", block_timeout=60.0)
    logger = log.get_logger()
    numbers = iter(range(2 * count))

    def say(how_many):
        for _ in range(how_many):
            logger.info("event", number=next(numbers))

    say(10)
    assert log.flush(60.0)
    fill()
    say(count)
    while full.errors < 3:
        time.sleep(0.002)
    make_room()
    assert log.flush(60.0)
    say(10)
    assert log.flush(60.0)
    log.close()
    shutil.copy(out, copy)
    print(json.dumps({"dropped": full.dropped, "errors": full.errors}), file=sys.stderr)
    """


def fill_and_make_room(how: str, folder: Path) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """What the console beside the full one printed, and what that one counted."""
    prefix = () if how == "limit" else mounting()
    if prefix is None:
        pytest.skip("no file system can be mounted here")  # needs the right to; "limit" needs none and runs everywhere
    (folder / "disk").mkdir()
    pipe = subprocess.PIPE
    child = begin(FULL, how, folder / "disk", folder / "copy", MANY, prefix=prefix, stdout=pipe, stderr=pipe)
    stdout, stderr = end(child)
    return parsed(stdout), json.loads(stderr)


@pytest.mark.parametrize("how", ["disk", "limit"])
def test_a_full_disk_is_told_once_and_printing_goes_on_when_there_is_room(tmp_path: Path, how: str) -> None:
    other, counted = fill_and_make_room(how, tmp_path)
    (told,) = failures(other)
    assert {"disk": "No space left on device", "limit": "File too large"}[how] in told["event"]
    assert numbers(other) == list(range(MANY + 20))
    printed = lines_of(tmp_path / "copy")
    assert lost(printed, own={told["seq"]}) == counted["dropped"] > 0
    assert numbers(printed)[:10] == list(range(10))
    assert numbers(printed)[-10:] == list(range(MANY + 10, MANY + 20))
    assert counted["errors"] >= 3


def test_a_file_that_is_emptied_to_make_room_begins_with_a_whole_line(tmp_path: Path) -> None:
    """The disk was full in the middle of a line; the rest of it is no line."""
    other, counted = fill_and_make_room("cut", tmp_path)
    (told,) = failures(other)
    whole = (tmp_path / "copy.cut").read_text("utf-8").rpartition("\n")[0] + "\n"
    printed = parsed(whole) + lines_of(tmp_path / "copy")
    assert lost(printed, own={told["seq"]}) == counted["dropped"] > 0


def test_a_pipe_without_a_reader_is_told_once_and_the_next_reader_gets_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    parts: list[bytes] = []
    with pr.Log(size="256 KiB") as log:
        console = log.add_console(pr.sinks.file(path), format="json")
        beside(log, tmp_path / "beside")
        say(log, 0, 10)
        assert log.flush(60.0)
        parts.append(os.read(first, 1 << 16))
        os.close(first)
        say(log, 10, MANY)
        wait_until(lambda: console.errors >= 3, "several attempts")
        reading = threading.Thread(target=lambda: parts.append(path.read_bytes()))
        reading.start()
        assert log.flush(60.0)
        dropped = console.dropped
    reading.join(PATIENCE_SECONDS)
    printed = parsed(b"".join(parts).decode())
    (told,) = failures(lines_of(tmp_path / "beside"))
    assert "Broken pipe" in told["event"]
    assert lost(printed, own={told["seq"]}) == dropped > 0
    assert numbers(printed)[-1] == MANY - 1


def test_a_pipe_that_nobody_reads_yet_is_refused_instead_of_waited_for(log: pr.Log, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device or address"):
        log.add_console(pr.sinks.file(tmp_path / "pipe"))
    assert log.consoles() == []


PROGRAM_WHOSE_STDOUT_ENDS = """
    import signal, sys, time
    import printk_ring as pr

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as command-line programs do, so that `| head` ends them
    log = pr.Log(size="256 KiB")
    piped = log.add_console(pr.sinks.stdout(), name="piped")
    log.add_console(pr.sinks.file(sys.argv[1]), name="beside", format="json", overflow="block", block_timeout=60.0)
    logger = log.get_logger()
    logger.info("event", number=0)
    sys.stdin.readline()
    for number in range(1, 1000):
        logger.info("event", number=number)
    while piped.errors < 3:
        time.sleep(0.002)
    assert log.consoles()[1].flush(60.0)
    """


def test_a_program_whose_stdout_is_a_closed_pipe_goes_on_and_no_signal_ends_it(tmp_path: Path) -> None:
    pipe = subprocess.PIPE
    child = begin(PROGRAM_WHOSE_STDOUT_ENDS, tmp_path / "beside", stdin=pipe, stdout=pipe, stderr=pipe)
    assert child.stdout is not None
    assert child.stdout.readline().endswith("event number=0\n")
    child.stdout.close()
    end(child)
    (told,) = failures(lines_of(tmp_path / "beside"))
    assert "console piped: write failed: Broken pipe" in told["event"]
    assert numbers(lines_of(tmp_path / "beside")) == list(range(1000))


def test_a_terminal_that_hangs_up_is_told_once_and_the_program_goes_on(tmp_path: Path) -> None:
    controller, terminal = os.openpty()
    child = begin(
        PROGRAM_WHOSE_STDOUT_ENDS, tmp_path / "beside", stdin=subprocess.PIPE, stdout=terminal, stderr=subprocess.PIPE
    )
    os.close(terminal)
    assert b"event number=0" in os.read(controller, 4096)
    os.close(controller)
    end(child)
    (told,) = failures(lines_of(tmp_path / "beside"))
    assert "console piped: write failed: Input/output error" in told["event"]
    assert numbers(lines_of(tmp_path / "beside")) == list(range(1000))


def test_an_input_output_error_is_told_once_and_every_record_follows_when_it_is_over(
    log: pr.Log, tmp_path: Path
) -> None:
    """The name is a link, and what it means changes: to a file whose every write is an EIO, and to a good one again."""
    link = tmp_path / "link"

    def point_to(target: Path | str) -> None:
        (tmp_path / "new").symlink_to(target)
        (tmp_path / "new").rename(link)

    point_to(tmp_path / "before")
    console = log.add_console(pr.sinks.file(link), format="json")
    beside(log, tmp_path / "beside")
    say(log, 0, 10)
    assert log.flush(60.0)
    point_to("/proc/self/mem")  # it is written from address 0 on, and there is nothing
    say(log, 10, 20)
    wait_until(lambda: console.errors >= 3, "several attempts")
    point_to(tmp_path / "after")
    assert log.flush(60.0)
    say(log, 20, 30)
    assert log.flush(60.0)
    (told,) = failures(lines_of(tmp_path / "beside"))
    assert "Input/output error" in told["event"]
    printed = lines_of(tmp_path / "before", tmp_path / "after")
    assert lost(printed, own={told["seq"]}) == 0
    assert numbers(lines_of(tmp_path / "before")) == list(range(10))
    assert numbers(lines_of(tmp_path / "after")) == list(range(10, 30))


def test_what_is_logged_while_the_files_directory_is_gone_is_printed_when_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    with pr.Log(size="256 KiB") as log:
        console = log.add_console(pr.sinks.file(folder / "app.json"), format="json")
        beside(log, tmp_path / "beside")
        say(log, 0, 10)
        assert log.flush(60.0)
        shutil.rmtree(folder)
        say(log, 10, MANY)
        wait_until(lambda: console.errors >= 3, "several attempts")
        folder.mkdir()
        assert log.flush(60.0)
        say(log, MANY, MANY + 10)
        assert log.flush(60.0)
        dropped = console.dropped
    (told,) = failures(lines_of(tmp_path / "beside"))
    assert "No such file or directory" in told["event"]
    printed = lines_of(folder / "app.json")
    assert lost(printed, first=10, own={told["seq"]}) == dropped > 0
    assert numbers(printed)[-10:] == list(range(MANY, MANY + 10))


def test_a_renamed_file_whose_place_cannot_be_made_anew_takes_what_follows(log: pr.Log, tmp_path: Path) -> None:
    """A daemon that has given up its rights cannot make a file where it once could: the old one, renamed, is still one."""
    folder = tmp_path / "logs"
    folder.mkdir()
    console = log.add_console(pr.sinks.file(folder / "app.json"), format="json")
    say(log, 0, 10)
    assert log.flush(60.0)
    (folder / "app.json").rename(tmp_path / "kept.json")
    folder.rmdir()
    say(log, 10, 20)
    assert log.flush(60.0)
    assert numbers(lines_of(tmp_path / "kept.json")) == list(range(20))
    assert console.errors == 0


CLOSING = """
    import json, os, sys
    from pathlib import Path
    import printk_ring as pr

    folder = Path(sys.argv[1])
    log = pr.Log(folder / "app.ring", size="256 KiB")
    log.add_console(pr.sinks.file(folder / "app.json"), format="json", name="file")
    log.add_console(pr.sinks.stdout(), format="json", name="stdout")
    logger = log.get_logger()
    for number in range(10):
        logger.info("event", number=number)
    assert log.flush(60.0)

    os.closerange(3, 1024)  # as a daemon does that wants nothing of what it inherited
    mine = {}
    for name in map(str, range(8)):
        mine[name] = os.open(folder / name, os.O_WRONLY | os.O_CREAT)
        os.write(mine[name], b"mine ")
    for number in range(10, 5000):
        logger.info("event", number=number)
        if number % 100 == 0:
            assert log.flush(60.0)
    assert log.flush(60.0)
    if (child := os.fork()) == 0:
        logger.info("event", number=0)
        for name, descriptor in mine.items():
            os.write(descriptor, b"the child's ")
        log.close()
        for name, descriptor in mine.items():
            os.write(descriptor, b"too ")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.close()
    for descriptor in mine.values():
        os.write(descriptor, b"and still open")
    for name, descriptor in mine.items():
        assert os.fstat(descriptor).st_ino == os.stat(folder / name).st_ino
    """


def test_a_program_that_closes_every_descriptor_finds_no_line_in_its_own_files(tmp_path: Path) -> None:
    stdout = succeed(CLOSING, tmp_path)
    for number in range(8):
        assert (tmp_path / str(number)).read_text() == "mine the child's too and still open"
    for printed in (lines_of(tmp_path / "app.json"), parsed(stdout)):
        assert [line["number"] for line in printed if line["seq"] == 0][1:] == [0]  # the child's
        own = [line for line in printed if line["seq"] == line["number"]]
        assert numbers(own)[:-1] == list(range(5000)) or numbers(own) == list(range(5000))


def test_the_exit_takes_one_second_for_all_logs_whose_sinks_are_stuck(mode: OffloadMode) -> None:
    # With one more second for each of them, it would take twice as long as the test waits.
    out = succeed(
        """
        import fcntl, os, sys
        import printk_ring as pr

        reader, writer = os.pipe()
        flags = fcntl.fcntl(writer, fcntl.F_GETFL)
        fcntl.fcntl(writer, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        try:
            while True:
                os.write(writer, bytes(4096))
        except BlockingIOError:
            fcntl.fcntl(writer, fcntl.F_SETFL, flags)
        stdout = os.dup(1)
        os.dup2(writer, 1)
        logs = []
        for number in range(60):
            log = pr.Log(name=str(number), size="256 KiB")
            log.offload.mode = sys.argv[1]
            log.add_console(pr.sinks.stdout())
            logs.append(log)
        os.dup2(stdout, 1)
        for log in logs:
            log.get_logger().info("it does not take this")
        print(all(log.consoles()[0].lag == 1 for log in logs), flush=True)
        """,
        mode,
        timeout=PATIENCE_SECONDS / 2,
    )
    assert out == "True\n"

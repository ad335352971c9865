"""`Log.dump`: the records as text, to a path, a descriptor, a binary file or standard error."""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from pathlib import Path

MARKER = b"<truncated>\n"


@pytest.fixture
def filled(log: pr.Log) -> pr.Log:
    """A log with ten records."""
    logger = log.get_logger("app")
    for number in range(10):
        logger.info("event", number=number)
    return log


def text_of(log: pr.Log) -> bytes:
    """All of it."""
    return b"".join(str(record).encode() + b"\n" for record in log.reader())


def test_a_dump_to_a_path_holds_the_records_oldest_first_and_says_how_many(filled: pr.Log, tmp_path: Path) -> None:
    path = tmp_path / "dump.txt"
    assert filled.dump(path) == 10
    assert path.read_bytes() == text_of(filled)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_dump_is_appended_on_a_line_of_its_own_and_leaves_the_mode_alone(
    filled: pr.Log, tmp_path: Path
) -> None:
    path = tmp_path / "dump.txt"
    path.write_bytes(b"notes without an end")
    path.chmod(0o644)
    assert filled.dump(str(path)) == 10
    assert filled.dump(path, last=1) == 1
    newest = text_of(filled).splitlines(keepends=True)[-1]
    assert path.read_bytes() == b"notes without an end\n" + text_of(filled) + newest
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_dump_goes_to_a_descriptor_which_stays_open_and_as_it_was(filled: pr.Log) -> None:
    reading, writing = os.pipe()
    flags = os.get_blocking(writing)
    assert filled.dump(writing) == 10
    assert os.get_blocking(writing) == flags
    os.write(writing, b"still open")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == text_of(filled) + b"still open"


def test_a_dump_goes_to_a_binary_file_and_is_flushed(filled: pr.Log, tmp_path: Path) -> None:
    memory = io.BytesIO()
    assert filled.dump(memory) == 10
    assert memory.getvalue() == text_of(filled)
    with (tmp_path / "buffered").open("wb") as buffered:
        assert filled.dump(buffered) == 10
        assert (tmp_path / "buffered").read_bytes() == text_of(filled)
    with (tmp_path / "raw").open("wb", buffering=0) as raw:
        assert filled.dump(raw) == 10
    assert (tmp_path / "raw").read_bytes() == text_of(filled)


def test_a_file_that_takes_a_few_bytes_at_a_time_gets_all_and_one_that_fails_says_so(filled: pr.Log) -> None:
    class Slow:
        def __init__(self) -> None:
            self.taken = b""

        def write(self, data: bytes) -> int:
            self.taken += data[:7]
            return min(7, len(data))

    class Full:
        def write(self, _data: bytes) -> int:
            raise OSError(28, "No space left on device")

    class Stuck(io.RawIOBase):
        def write(self, _data: Any) -> None:
            return None

    slow = Slow()
    assert filled.dump(slow) == 10
    assert slow.taken == text_of(filled)
    with pytest.raises(OSError, match="No space left"):
        filled.dump(Full())
    with pytest.raises(BlockingIOError):
        filled.dump(Stuck())


def test_without_a_target_a_dump_goes_to_standard_error() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import printk_ring as pr; l = pr.Log(); l.get_logger().info('hi'); print(l.dump())"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == b"1\n"
    assert done.stderr.endswith(b"] hi\n")
    assert done.stderr.count(b"\n") == 1


def test_last_is_a_number_of_records(filled: pr.Log) -> None:
    lines = text_of(filled).splitlines(keepends=True)
    for count in (0, 1, 3, 10, 11, 1 << 70):
        memory = io.BytesIO()
        assert filled.dump(memory, last=count) == min(count, 10)
        assert memory.getvalue() == b"".join(lines[len(lines) - min(count, 10) :])


def test_last_is_a_time(log: pr.Log) -> None:
    second = 1_000_000_000
    now = time.monotonic_ns()
    for age in (95, 80, 65, 10):  # a machine may have been up for two minutes only
        log._emit(6, f"{age} s ago", ts_nsec=now - age * second)
    for last, count in [("1ms", 0), ("30s", 1), ("50.5 s", 1), ("1.2min", 2), ("88s", 3), ("1h", 4), ("1d", 4)]:
        memory = io.BytesIO()
        assert log.dump(memory, last=last) == count, last
        assert memory.getvalue().count(b"ago\n") == count


def test_an_old_time_stamp_among_new_ones_does_not_end_a_dump_of_a_time(log: pr.Log) -> None:
    now, boot = time.monotonic_ns(), 1
    for event, ts_nsec in [("old", boot), ("new", now), ("late", boot), ("newer", now)]:
        log._emit(6, event, ts_nsec=ts_nsec)
    memory = io.BytesIO()
    assert log.dump(memory, last="30s") == 3
    assert [line.split()[-1] for line in memory.getvalue().splitlines()] == [b"new", b"late", b"newer"]


def test_max_bytes_takes_the_newest_that_fit_and_cuts_one_that_does_not_fit_alone(filled: pr.Log) -> None:
    lines = text_of(filled).splitlines(keepends=True)
    for most in (*range(60), 200, 10_000, "1 KiB"):
        memory = io.BytesIO()
        records = filled.dump(memory, max_bytes=most)
        given, size = memory.getvalue(), 1024 if most == "1 KiB" else int(most)
        assert len(given) <= size
        if size >= len(lines[-1]):
            assert given == b"".join(lines[len(lines) - records :])
            assert len(given) + len(lines[0]) > size or records == 10
        else:
            assert records == (size > 0)
            assert given.endswith(MARKER) == (size >= len(MARKER))


def test_last_and_max_bytes_together_are_both_kept(filled: pr.Log) -> None:
    memory = io.BytesIO()
    assert filled.dump(memory, last=2, max_bytes=10_000) == 2
    assert filled.dump(memory, last=5, max_bytes=len(text_of(filled).splitlines()[-1]) + 1) == 1


def test_a_description_is_a_first_line_that_no_record_can_forge(filled: pr.Log) -> None:
    memory = io.BytesIO()
    assert filled.dump(memory, description="disk full\n[    0.000000] forged \x1b[31m") == 10
    first, _, rest = memory.getvalue().partition(b"\n")
    assert first == rb"** dump: disk full\x0a[    0.000000] forged \x1b[31m **"
    assert rest == text_of(filled)
    memory = io.BytesIO()
    assert filled.dump(memory, description="why", max_bytes=100) == 2
    assert memory.getvalue().startswith(b"** dump: why **\n")
    assert len(memory.getvalue()) <= 100
    for most in range(200):
        memory = io.BytesIO()
        filled.dump(memory, description="why", max_bytes=most)
        assert len(memory.getvalue()) <= most
    memory = io.BytesIO()
    assert filled.dump(memory, description="why" * 100, max_bytes=100) == 2
    assert b"why" not in memory.getvalue()


def test_what_was_cleared_is_not_dumped(filled: pr.Log) -> None:
    filled.clear()
    memory = io.BytesIO()
    assert filled.dump(memory) == 0
    assert filled.dump(memory, last=5) == 0
    assert memory.getvalue() == b""
    filled.get_logger().info("after")
    assert filled.dump(memory, last="1h") == 1
    assert memory.getvalue().endswith(b"after\n")


def test_a_symbolic_link_is_not_followed(filled: pr.Log, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"theirs\n")
    for points_to in (target, tmp_path / "nothing"):
        link.unlink(missing_ok=True)
        link.symlink_to(points_to)
        with pytest.raises(pr.RingFileError, match="symbolic link") as caught:
            filled.dump(link)
        assert caught.value.filename == str(link)
    assert target.read_bytes() == b"theirs\n"
    assert not (tmp_path / "nothing").exists()


def test_a_ring_file_is_not_written_to(filled: pr.Log, ring_path: Path) -> None:
    before = ring_path.stat().st_size
    with pytest.raises(pr.RingFileError, match="ring file"):
        filled.dump(ring_path)
    assert ring_path.stat().st_size == before


def test_what_cannot_be_written_to_is_named(filled: pr.Log, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(pr.RingFileError, match="nobody reads"):
        filled.dump(tmp_path / "pipe")
    with pytest.raises(pr.RingFileError) as caught:
        filled.dump(tmp_path)
    assert caught.value.errno == 21
    with pytest.raises(pr.RingFileError) as caught:
        filled.dump(tmp_path / "no" / "where")
    assert caught.value.errno == 2
    with pytest.raises(pr.RingFileError) as caught:
        filled.dump("/dev/full")
    assert caught.value.errno == 28
    closed = os.dup(2)
    os.close(closed)
    with pytest.raises(OSError, match=f"descriptor {closed}") as bad:
        filled.dump(closed)
    assert bad.value.errno == 9


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"last": -1}, "last is -1"),
        ({"last": "30"}, 'last: "30"'),
        ({"last": "soon"}, "ms, s, min"),
        ({"last": ""}, "last: "),
        ({"max_bytes": -1}, "size"),
        ({"max_bytes": "much"}, "size"),
        ({"to": -1}, "-1 is no descriptor"),
        ({"to": 1 << 40}, "no descriptor"),
    ],
    ids=str,
)
def test_a_wrong_value_is_named(filled: pr.Log, arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(pr.ConfigError, match=match):
        filled.dump(**{"to": io.BytesIO(), **arguments})


@pytest.mark.parametrize(
    "arguments",
    [
        {"to": True},
        {"to": 1.5},
        {"to": object()},
        {"to": io.StringIO()},
        {"last": 1.5},
        {"last": True},
        {"max_bytes": 1.5},
        {"description": 5},
        {"description": b"why"},
    ],
    ids=lambda arguments: " ".join(f"{name}={type(value).__name__}" for name, value in arguments.items()),
)
def test_a_wrong_type_is_refused(filled: pr.Log, arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        filled.dump(**{"to": io.BytesIO(), **arguments})


def test_a_text_file_is_refused_with_what_to_do(filled: pr.Log, tmp_path: Path) -> None:
    with (tmp_path / "text").open("w") as file, pytest.raises(TypeError, match="give its buffer"):
        filled.dump(file)  # type: ignore[arg-type]


def test_a_dump_ends_with_what_was_there_when_it_began(log: pr.Log) -> None:
    logger = log.get_logger()

    class Echo:
        """Logs for every piece that it is given."""

        taken = b""

        def write(self, data: bytes) -> int:
            self.taken += data
            logger.info("written", bytes=len(data))
            return len(data)

    for _ in range(3000):
        logger.info("before", filler="x" * 80)
    expected = text_of(log)
    echo = Echo()
    assert log.dump(echo) == expected.count(b"\n")
    assert echo.taken == expected
    assert sum(record.event == "written" for record in log.reader()) > 3


def test_what_is_overwritten_during_a_dump_is_told_in_it(tmp_path: Path) -> None:
    with pr.Log(tmp_path / "small.ring", size="256 KiB") as log:
        logger = log.get_logger()

        class Flood:
            """Overwrites the whole ring at the first piece."""

            taken = b""

            def write(self, data: bytes) -> int:
                if not self.taken:
                    for _ in range(20_000):
                        logger.info("flood")
                self.taken += data
                return len(data)

        for _ in range(5000):
            logger.info("before", filler="y" * 100)
        flood = Flood()
        kept = sum(1 for _ in log.reader())
        written = log.dump(flood)
        assert 0 < written < kept
        *lines, notice = flood.taken.splitlines()
        assert sum(b"before" in line for line in lines) == written == len(lines)
        assert notice == b"** %d printk messages dropped **" % (kept - written)


def test_a_reader_that_is_slow_holds_the_dump_and_nobody_else_and_signals_come_through(filled: pr.Log) -> None:
    succeed("""
        import os, signal, threading
        import printk_ring as pr

        log = pr.Log(size="1 MiB")
        logger = log.get_logger()
        for _ in range(2000):
            logger.info("filler", text="x" * 100)
        reading, writing = os.pipe()

        class Interrupted(Exception):
            pass

        def interrupt(*_):
            raise Interrupted

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            log.dump(writing)
        except Interrupted:
            pass
        else:
            raise SystemExit("nobody reads, and all was written")

        dumped = []

        def dump():
            dumped.append(log.dump(writing))
            os.close(writing)

        thread = threading.Thread(target=dump)
        thread.start()
        before = log.stats()["emitted"]
        for _ in range(100):
            logger.info("meanwhile")
        assert log.stats()["emitted"] == before + 100
        assert thread.is_alive()
        while os.read(reading, 1 << 16):
            pass
        thread.join()
        assert 2000 <= dumped[0] <= 2100, dumped
    """)


def test_two_dumps_at_once_have_whole_lines(filled: pr.Log, tmp_path: Path) -> None:
    path = tmp_path / "both"
    threads = [threading.Thread(target=filled.dump, args=(path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.read_bytes().splitlines()) == sorted(text_of(filled).splitlines() * 4)


def test_a_reader_that_has_gone_is_an_error_and_no_signal(filled: pr.Log) -> None:
    succeed("""
        import os, signal
        import printk_ring as pr

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        log = pr.Log()
        log.get_logger().info("hello")
        reading, writing = os.pipe()
        os.close(reading)
        try:
            log.dump(writing)
        except OSError as error:
            assert error.errno == 32, error
        else:
            raise SystemExit("no error")
    """)
    assert signal.getsignal(signal.SIGPIPE) is not None


def test_dumpers_that_want_emergency_are_called_when_the_text_is_written_and_told_why(
    filled: pr.Log, tmp_path: Path
) -> None:
    path, seen = tmp_path / "dump.txt", list[tuple[pr.Reason, str | None, int]]()
    filled.register_dumper(
        lambda reason, detail: seen.append((reason, detail, path.stat().st_size)), max_reason=pr.Reason.EMERGENCY
    )
    filled.register_dumper(lambda *_: pytest.fail("it wants OOPS and PANIC only"))
    filled.dump(path)
    filled.dump(path, description="why")
    sizes = [len(text_of(filled)), path.stat().st_size]
    assert seen == [(pr.Reason.EMERGENCY, None, sizes[0]), (pr.Reason.EMERGENCY, "why", sizes[1])]
    with pytest.raises(OSError, match="cannot be written"):
        filled.dump("/dev/full", description="full")
    assert [detail for _, detail, _ in seen] == [None, "why", "full"]


def test_a_dumper_may_dump(filled: pr.Log) -> None:
    calls, memory = list[str | None](), io.BytesIO()

    def dump(_reason: pr.Reason, detail: str | None) -> None:
        calls.append(detail)
        filled.dump(memory, description="from a dumper")

    filled.register_dumper(dump, max_reason="emergency")
    assert filled.dump(io.BytesIO(), description="first") == 10
    assert calls == ["first"]
    assert memory.getvalue() == b"** dump: from a dumper **\n" + text_of(filled)

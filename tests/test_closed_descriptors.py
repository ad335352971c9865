"""Processes that are started without stdin, stdout or stderr: what is opened next gets those numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import printk_ring as pr
from tests.children import run

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

CLOSED = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
WITHOUT_STDERR = ("sh", "-c", 'exec "$@" 2>&-', "sh")

# Whatever anybody writes to the three, and which of them mean anything.
SCRIBBLE = """
import json, os, sys
from pathlib import Path

def scribble():
    found = {}
    for fd in (0, 1, 2):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
            os.write(fd, b"X" * 8192)
        except OSError:
            pass
    return found
"""


def run_closed(code: str, *arguments: object, prefix: tuple[str, ...] = CLOSED) -> subprocess.CompletedProcess[str]:
    done = run(SCRIBBLE + code, *arguments, prefix=prefix)
    assert done.returncode == 0, done
    return done


def test_no_file_that_is_kept_has_the_number_of_a_closed_standard_stream(ring_path: Path, tmp_path: Path) -> None:
    """A ring under number 2 is overwritten by the first library that complains."""
    output, told = tmp_path / "console.txt", tmp_path / "told.json"
    run_closed(
        """
import printk_ring as pr

path, output, told = sys.argv[1:]
log = pr.install(path, consoles=[pr.sinks.file(output)], dump_on="ERROR")
other = pr.Log(consoles=[])
ring, control = pr.open(path), pr.control(path)
logger = pr.get_logger("app")
for number in range(500):
    logger.info("event", number=number)
logger.error("a dump")
found = scribble()
logger.info("after")
log.flush()
Path(told).write_text(json.dumps(found))
        """,
        ring_path,
        output,
        told,
    )
    assert json.loads(told.read_text()) == {}
    with pr.open(ring_path) as ring:
        assert [record.event for record in ring.reader()] == ["event"] * 500 + ["a dump", "after"]
        assert ring.info.clean
    lines = output.read_text().splitlines()
    assert len(lines) == 502
    assert "X" not in "".join(lines)


def test_a_crash_file_has_no_standard_stream_s_number(ring_path: Path, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    done = run(
        SCRIBBLE
        + """
import printk_ring as pr

pr.install(sys.argv[1], consoles=[])
pr.get_logger("app").info("event")
Path(sys.argv[2]).write_text(json.dumps(scribble()))
os.abort()
        """,
        ring_path,
        told,
        prefix=CLOSED,
    )
    assert done.returncode == -6
    assert json.loads(told.read_text()) == {}
    [text] = tmp_path.glob("*.crash-*.txt")
    assert "app: event" in text.read_text()
    assert "X" * 9 not in text.read_text()


def test_without_stderr_the_default_console_is_left_out(ring_path: Path) -> None:
    done = run(
        """
        import os, sys
        import printk_ring as pr

        stranger = os.open(sys.argv[1] + ".txt", os.O_RDWR | os.O_CREAT)
        assert stranger == 2 and sys.stderr is None
        with pr.install(sys.argv[1]) as log:
            assert log.consoles() == []
            assert pr.install(sys.argv[1]) is log
            pr.get_logger("app").info("event")
            log.flush()
        assert os.fstat(stranger).st_size == 0
        print("fine")
        """,
        ring_path,
        prefix=WITHOUT_STDERR,
    )
    assert done.stdout == "fine\n", done


def test_where_stderr_was_closed_the_default_console_is_left_out() -> None:
    done = run("""
        import os
        import printk_ring as pr

        os.close(2)
        with pr.install() as log:
            assert log.consoles() == []
            assert pr.install(consoles=[pr.sinks.stderr()]) is log
        print("fine")
    """)
    assert done.stdout == "fine\n", done


def test_where_stderr_goes_afterwards_install_still_finds_its_log() -> None:
    done = run("""
        import os, sys
        import printk_ring as pr

        with pr.install() as log:
            assert len(log.consoles()) == 1
            sys.stderr = None
            assert pr.install() is log
        print("fine")
    """)
    assert done.stdout == "fine\n", done


def test_what_is_told_on_stderr_goes_into_no_other_file(ring_path: Path) -> None:
    """The first file that is opened is number 2."""
    done = run(
        """
        import os, sys
        import printk_ring as pr

        stranger = os.open(sys.argv[1] + ".txt", os.O_RDWR | os.O_CREAT)
        assert stranger == 2

        def fail(record):
            raise ValueError

        sys.stderr = open(os.devnull, "w")  # a program's own, which is not number 2
        with pr.install(sys.argv[1]) as log:
            assert log.consoles() == []
            log.add_console(pr.sinks.callable(fail))
            pr.get_logger("app").info("event")
            assert log.flush(timeout=30.0)
            [console] = log.consoles()
            assert console.errors == 1
            sys.stderr = None
            try:
                log.dump()
            except OSError as error:
                assert "stderr" in str(error), error
            else:
                raise SystemExit("it was dumped somewhere")
        assert os.fstat(stranger).st_size == 0, os.pread(stranger, 1000, 0)
        print("fine")
        """,
        ring_path,
        prefix=WITHOUT_STDERR,
    )
    assert done.stdout == "fine\n", done


def test_what_a_program_makes_its_stderr_is_its_stderr() -> None:
    done = run(
        """
        import os, sys
        import printk_ring as pr

        reader, writer = os.pipe()
        assert 2 in (reader, writer)
        spare = os.dup(reader)
        os.dup2(writer, 2)
        sys.stderr = os.fdopen(2, "w")
        with pr.install() as log:
            pr.get_logger("app").info("event")
            assert log.flush(timeout=30.0)
        assert b"app: event" in os.read(spare, 1000)
        print("fine")
        """,
        prefix=WITHOUT_STDERR,
    )
    assert done.stdout == "fine\n", done

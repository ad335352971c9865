"""Consoles as they are listed: in the process, from outside by the file, and by `prdmesg --consoles`."""

from __future__ import annotations

import json
import os
import re
import struct
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import FULL_PIPE, kill, prdmesg, start, succeed, wait_until

if TYPE_CHECKING:
    from pathlib import Path

ATTRIBUTES = (
    "name flags level seq lag dropped errors enabled owner alive format target reliability".split()  # noqa: SIM905
)
SLOT_BYTES, NAME_AT, TARGET_AT = 256, 128, 192


def letters(log: pr.Log) -> list[str]:
    return [console.flags for console in log.consoles()]


def seen(console: pr.Console | pr.FileConsole) -> dict[str, object]:
    return {name: getattr(console, name) for name in ATTRIBUTES}


def shown(*arguments: object) -> list[str]:
    done = prdmesg("--consoles", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def consoles_at(path: Path) -> int:
    """Where the consoles section lies: the last of five pairs of words in the header."""
    return int(struct.unpack_from("=10Q", path.read_bytes(), 48)[8])


def scribble(path: Path, slot: int, at: int, what: bytes) -> None:
    """Overwrites a part of a console's slot."""
    with path.open("r+b") as file:
        file.seek(consoles_at(path) + slot * SLOT_BYTES + at)
        file.write(what)


@pytest.fixture
def dead_ring(ring_path: Path, tmp_path: Path) -> Path:
    """The file of a process that died with two consoles, one of them suspended."""
    child = start(
        """
        import sys
        import printk_ring as pr

        log = pr.Log(sys.argv[1], size="256 KiB")
        log.get_logger().info("before")
        first = log.add_console(pr.sinks.file(sys.argv[2]), name="first", level="ERROR", replay=True)
        second = log.add_console(pr.sinks.stderr(), format="json")
        second.suspend()
        log.get_logger().error("event")
        assert log.flush(timeout=30.0)
        print("ready", flush=True)
        sys.stdin.read()
        """,
        ring_path,
        tmp_path / "out.txt",
    )
    kill(child)
    return ring_path


def test_the_first_console_stands_for_all_until_it_goes(log: pr.Log, tmp_path: Path) -> None:
    first = log.add_console(pr.sinks.file(tmp_path / "a"), replay=True)
    second = log.add_console(pr.sinks.file(tmp_path / "b"))
    log.add_console(pr.sinks.file(tmp_path / "c"))
    assert letters(log) == ["EC Np a", "E  N  a", "E  N  a"]
    assert first.remove(timeout=30.0)
    assert letters(log) == ["EC N  a", "E  N  a"]
    assert first.flags == "   Np a", "a removed one is neither enabled nor stands for anything"
    assert first.reliability == 1
    second.suspend()
    assert letters(log) == [" C N  a", "E  N  a"]
    second.resume()
    assert letters(log) == ["EC N  a", "E  N  a"]


def test_a_bootstrap_console_says_so_until_the_first_other_one_comes(log: pr.Log, ring_path: Path) -> None:
    log.add_console(pr.sinks.file("/dev/null"), bootstrap=True, replay=True)
    assert letters(log) == ["ECBNp a"]
    with pr.open(ring_path) as ring:
        assert [console.flags for console in ring.consoles()] == ["ECBNp a"]
    log.add_console(pr.sinks.stderr())
    assert letters(log) == ["EC N  a"]


def test_a_console_says_what_it_is_and_how_far(log: pr.Log, tmp_path: Path) -> None:
    console = log.add_console(pr.sinks.file(tmp_path / "out"), name="out", format="json")
    assert (console.format, console.target, console.reliability) == ("json", str(tmp_path / "out"), 1)
    log.get_logger().info("event")
    assert log.flush(timeout=30.0)
    wait_until(lambda: console.owner is None, "its printer lets go")
    line = f'<Console "out" (EC N  a) json to "{tmp_path}/out", seq 1, lag 0, dropped 0, errors 0>'
    assert repr(console) == line
    console.suspend()
    log.get_logger().info("event")
    assert repr(console).endswith("seq 1, lag 1, dropped 0, errors 0>")


def test_a_console_of_python_code_is_neither_native_nor_there_at_any_time(log: pr.Log, ring_path: Path) -> None:
    log.add_console(pr.sinks.callable(repr))
    log.add_console(pr.sinks.file("/dev/null"), format=lambda record: record.message)
    assert letters(log) == ["EC     ", "E      "]
    assert [(console.format, console.reliability) for console in log.consoles()] == [(None, 3), (None, 3)]
    with pr.open(ring_path) as ring:
        assert [seen(console) for console in ring.consoles()] == [seen(console) for console in log.consoles()]
    assert [line.split()[-2] for line in shown(ring_path)[1:]] == ["-", "-"]


def test_the_file_says_of_its_consoles_what_the_process_says(log: pr.Log, ring_path: Path) -> None:
    names = ["first", "sécond", "third", "fourth"]
    first = log.add_console(pr.sinks.file("/dev/null"), name=names[0], format="iso", level="NOTICE")
    log.add_console(pr.sinks.file("/dev/null"), name=names[1], replay=True)
    third = log.add_console(pr.sinks.stderr(), name=names[2], level="EMERG")
    third.suspend()
    assert first.remove(timeout=30.0)
    log.add_console(pr.sinks.file("/dev/null"), name=names[3])  # in the slot of the first
    for number in range(5):
        log.get_logger().info("event", number=number)
    assert log.flush(timeout=30.0)
    wait_until(lambda: all(console.owner is None for console in log.consoles()), "the printers let go")
    with pr.open(ring_path) as ring:
        inside, outside = log.consoles(), ring.consoles()
        assert [console.name for console in outside] == names[1:], "in the order they were added"
        assert [seen(console) for console in outside] == [seen(console) for console in inside]
        assert [repr(console) for console in outside] == [f"<File{repr(console)[1:]}" for console in inside]
        assert outside[1].lag == 5
        assert ring.stats()["consoles"] == log.stats()["consoles"]


def test_a_log_without_consoles_has_an_empty_list(log: pr.Log, ring_path: Path) -> None:
    assert log.path == ring_path
    with pr.open(ring_path) as ring:
        assert ring.consoles() == []
    assert len(shown(ring_path)) == 1, "the header line"
    assert shown("-J", ring_path) == []


def test_a_dead_file_says_how_far_its_consoles_were(dead_ring: Path) -> None:
    with pr.open(dead_ring) as ring:
        first, second = ring.consoles()
    assert (first.name, first.flags, first.level) == ("first", "EC Np a", pr.Level.ERROR)
    assert (first.seq, first.lag) == (2, 0)
    assert (second.name, second.flags, second.level) == ("stderr", "   N  a", None)
    assert (second.seq, second.lag, second.enabled) == (1, 1, False)
    assert (first.alive, second.alive) == (False, False), "nobody prints for a dead process"
    assert (first.format, first.reliability) == ("text", 1)
    assert (second.format, second.target) == ("json", "fd 2")


def test_a_console_that_was_given_up_is_still_seen_from_outside(ring_path: Path) -> None:
    succeed(
        FULL_PIPE
        + """
import sys
import printk_ring as pr

os.dup2(writer, 1)
log = pr.Log(sys.argv[1], size="256 KiB")
stuck = log.add_console(pr.sinks.stdout(), name="stuck")
log.add_console(pr.sinks.file("/dev/null"), name="healthy")
log.get_logger().info("nobody reads this")
assert stuck.remove(timeout=0.1) is False
assert [console.name for console in log.consoles()] == ["healthy"]
with pr.open(sys.argv[1]) as ring:
    stuck, healthy = ring.consoles()
assert (stuck.name, stuck.enabled, stuck.alive, stuck.owner) == ("stuck", False, False, "printer"), stuck
assert (stuck.flags, healthy.flags) == ("   N  a", "EC N  a")
        """,
        ring_path,
    )


def test_prdmesg_shows_an_aligned_table(dead_ring: Path, tmp_path: Path) -> None:
    header, first, second = shown(dead_ring)
    columns = "NAME FLAGS LEVEL SEQ LAG DROPPED ERRORS OWNER FORMAT TARGET"
    assert header.split() == columns.split()
    assert first.startswith("first   (EC Np a)  ERROR ")
    assert first.endswith(f"  text    {str(tmp_path / 'out.txt')[:64]}")
    assert second.startswith("stderr  (   N  a)  -     ")
    assert second.endswith("  json    fd 2")
    for column, words in (("SEQ", ("2", "1")), ("LAG", ("0", "1")), ("ERRORS", ("0", "0"))):
        end = header.index(f" {column} ") + 1 + len(column)
        assert tuple(line[:end].split()[-1] for line in (first, second)) == words, "figures end under their heading"


def test_upper_j_shows_one_object_a_console(dead_ring: Path) -> None:
    with pr.open(dead_ring) as ring:
        expected = [seen(console) for console in ring.consoles()]
    objects = [json.loads(line) for line in shown("-J", dead_ring)]
    assert [list(found) for found in objects] == [ATTRIBUTES, ATTRIBUTES]
    for found, console in zip(objects, expected, strict=True):
        level = console.pop("level")
        assert found.pop("level") == (level.name if isinstance(level, pr.Level) else None)
        assert found == console


def test_a_live_process_is_shown_while_it_runs(log: pr.Log, ring_path: Path) -> None:
    console = log.add_console(pr.sinks.file("/dev/null"), name="live")
    console.suspend()
    log.get_logger().info("event")
    _, line = shown(ring_path)
    assert line.split() == ["live", "(", "C", "N", "a)", "-", "0", "1", "0", "0", "-", "text", "/dev/null"]
    assert json.loads(*shown("-J", ring_path))["alive"] is True


def test_colours_mark_trouble_and_change_no_text(dead_ring: Path) -> None:
    scribble(dead_ring, 0, 32, struct.pack("=Q", 7))
    plain, coloured = shown(dead_ring), shown("--color=always", dead_ring)
    sgr = re.compile(r"\x1b\[[0-9;]*m")
    assert [sgr.sub("", line) for line in coloured] == plain
    assert coloured[0].startswith("\x1b[1mNAME")
    assert re.search(r"\x1b\[31m *7\x1b\[0m", coloured[1]), "errors are red"
    assert coloured[2].startswith("\x1b[2mstderr"), "what does not print is dim"
    assert shown("--color=always", "-J", dead_ring) == shown("-J", dead_ring)


EVIL = "\x1b[2J\nforged  (EC N  a)\u202e\x9b31m"


def test_names_out_of_a_damaged_file_reach_no_terminal(dead_ring: Path) -> None:
    scribble(dead_ring, 0, NAME_AT, EVIL.encode() + b"\xff\0")
    scribble(dead_ring, 1, TARGET_AT, EVIL.encode() + b"\0")
    for options in ([], ["--color=never"], ["-J"]):
        lines = shown(*options, dead_ring)
        assert len(lines) == 2 + (options != ["-J"]), "no line more than there are consoles"
        assert all(line.isprintable() for line in lines)
    with pr.open(dead_ring) as ring:
        first, second = ring.consoles()
        assert (first.name, second.target) == (EVIL + "\ufffd", EVIL)
        assert repr(first).isprintable()
        assert repr(second).isprintable()


def test_a_damaged_console_is_odd_and_no_error(dead_ring: Path) -> None:
    scribble(dead_ring, 0, 0, b"\xff" * SLOT_BYTES)
    scribble(dead_ring, 5, 0, struct.pack("=Q", 1))  # in use, and neither enabled nor given up: being filled
    with pr.open(dead_ring) as ring:
        odd = ring.consoles()[-1]
        assert len(ring.consoles()) == 2
    assert (odd.seq, odd.lag, odd.format, odd.owner) == (2**64 - 1, 0, None, "panic")
    assert odd.level is None
    assert odd.alive is False
    assert len(shown(dead_ring)) == 3


def test_a_file_that_is_cut_off_under_its_reader_is_an_error(dead_ring: Path) -> None:
    with pr.open(dead_ring) as ring:
        os.truncate(dead_ring, consoles_at(dead_ring) + 100)
        with pytest.raises(pr.RingFileError, match="truncated"):
            ring.consoles()
    done = prdmesg("--consoles", dead_ring)
    assert (done.returncode, done.stdout) == (1, "")

"""`prdmesg --core`: rings in the core of a process that is gone."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from printk_ring.cli import elf
from printk_ring.cli.target import NoRing
from tests.children import prdmesg, run, start, succeed
from tests.cores import EVERYTHING, PAGE_BYTES, Piece, makers, written_by_hand

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.cores import Area

MAKERS = makers()

# Two logs, one without a file and one with: a record at each level.
LOGGING = """
    import sys
    import printk_ring as pr

    hidden = pr.Log(name="hidden", size="256 KiB")
    shown = pr.Log(sys.argv[1], size="256 KiB")
    for level in pr.Level:
        hidden.get_logger("app").log(level, f"hidden at {level.name}", n=int(level))
        shown.get_logger("app").log(level, f"shown at {level.name}\\nand more", n=int(level))
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def child(tmp_path: Path) -> subprocess.Popen[str]:
    """A process with these logs. Whoever writes its core kills it."""
    return start(LOGGING, tmp_path / "app.ring", cwd=tmp_path)


def shown(*arguments: object) -> list[str]:
    done = prdmesg(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_ring_without_a_file_is_found_in_every_core(
    tmp_path: Path, child: subprocess.Popen[str], make: Callable[..., Path]
) -> None:
    core = make(child, tmp_path / "saved")
    done = prdmesg("--core", core, "-t", "hidden")
    assert (done.returncode, done.stderr) == (0, "")
    heading, *lines = done.stdout.splitlines()
    assert heading.startswith(f"** ring 1 of 2, {core}, at 0x")
    assert f": 'hidden', process {child.pid}, no orderly exit before the core was written; started 20" in heading
    assert ", 8 records; -c " in heading
    assert lines == [f"app: hidden at {level.name} n={int(level)}" for level in pr.Level]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_ring_in_a_file_is_read_from_the_file_unless_the_core_has_it(
    tmp_path: Path, child: subprocess.Popen[str], make: Callable[..., Path]
) -> None:
    path = tmp_path / "app.ring"
    core = make(child, tmp_path / "without")
    done = prdmesg("--core", core, "-l", "err", path)
    assert done.returncode == 0
    assert f"the ring of {path} is not in this core; what follows is read from {path}" in done.stderr
    assert f"** ring 2 of 2, {path}: 'app', process {child.pid}, killed, no orderly exit; " in done.stdout
    again = start(LOGGING, path, cwd=tmp_path)
    assert f" read from {path}.old.1, " in prdmesg("--core", core, "app").stderr, "it was moved there"
    saved = make(again, tmp_path / "with", EVERYTHING)
    path.unlink()
    done = prdmesg("--core", saved, "-l", "err", "app.ring")
    assert (done.returncode, done.stderr) == (0, "")
    assert f", mapped from {path}: 'app', process {again.pid}, no orderly exit before the core was" in done.stdout
    assert done.stdout.splitlines()[1:] == shown("-l", "err", f"{path}.old.1") or "shown at ERROR" in done.stdout


OPTIONS = [
    [],
    ["-T"],
    ["-d", "-r"],
    ["-J"],
    ["-l", "err+", "--last", "2"],
    ["-t", "--all", "--color=always"],
    ["--consoles"],
]


def all_shown(commands: list[list[object]]) -> list[list[str]]:
    """What the command writes for each of these arguments, in one process."""
    written = succeed(
        """
        import io, json, sys
        from printk_ring.cli import main

        stdout, texts = sys.stdout, []
        for arguments in json.loads(sys.argv[1]):
            sys.stdout = io.TextIOWrapper(io.BytesIO(), "utf-8")
            assert main(arguments) == 0, arguments
            texts.append(sys.stdout.buffer.getvalue().decode().splitlines())
        json.dump(texts, stdout)
        """,
        json.dumps([[str(word) for word in arguments] for arguments in commands]),
    )
    texts: list[list[str]] = json.loads(written)
    return texts


def test_every_option_shows_what_it_shows_of_a_file(tmp_path: Path, child: subprocess.Popen[str]) -> None:
    core = written_by_hand(child, tmp_path / "core", EVERYTHING)
    file = tmp_path / "app.ring"
    of_core = all_shown([["--core", core, "app", *options] for options in [*OPTIONS, ["--stats", "-J"]]])
    of_file = all_shown([[*options, file] for options in [*OPTIONS, ["--stats", "-J"]]])
    for found, expected, options in zip(of_core, of_file, OPTIONS, strict=False):
        heading, lines = found[0], found[1:]
        assert "'app', process" in heading or json.loads(heading)["name"] == "app"
        assert heading.startswith("<13>** ") == ("-r" in options)
        assert lines == expected, options
        assert lines
    assert json.loads(of_core[-1][0]) == {**json.loads(of_file[-1][0]), "path": str(core)}


def test_several_rings_are_shown_in_turn_or_chosen_by_number_name_or_path(
    tmp_path: Path, child: subprocess.Popen[str]
) -> None:
    core = written_by_hand(child, tmp_path / "core", EVERYTHING)
    path = tmp_path / "app.ring"
    choices: list[list[object]] = [[], [1], [2], ["hidden"], ["app"], [path], ["app.ring"]]
    everything, first, second, *by_name = all_shown([["--core", core, *choice] for choice in choices])
    assert everything == first + second
    assert by_name == [first, second, second, second]
    listed, as_json = all_shown([["--core", core, "--list"], ["--core", core, "--list", "-J"]])
    assert [line.split(",")[0] for line in listed] == ["ring 1 of 2", "ring 2 of 2"]
    assert [line for line in everything if line.startswith("**")] == [f"** {line} **" for line in listed]
    headings = [json.loads(line) for line in as_json]
    assert [heading["name"] for heading in headings] == ["hidden", "app"]
    assert headings[1]["mapped"] == str(path)
    assert [(heading["event"], heading["missing_bytes"]) for heading in headings] == [("ring", 0)] * 2
    done = prdmesg("--core", core, "other")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"prdmesg: {core}: no ring 'other' in this core, there are 1 'hidden', 2 'app'\n"


def nothing(area: Area, content: bytes) -> list[Piece]:
    return []


def is_ring(area: Area) -> bool:
    return "printk_ring:hidden" in area.path


def test_a_ring_in_pieces_is_put_together(tmp_path: Path, child: subprocess.Popen[str]) -> None:
    def in_pieces(area: Area, content: bytes) -> list[Piece]:
        size = 3 * PAGE_BYTES if is_ring(area) else len(content)
        starts = range(0, len(content), size)
        return [Piece(area.start + at, content[at : at + size]) for at in reversed(starts)]

    core = written_by_hand(child, tmp_path / "core", change=in_pieces)
    assert len(shown("--core", core, "hidden")) == 9


def test_a_core_that_is_cut_off_says_so_and_shows_what_is_there(tmp_path: Path, child: subprocess.Popen[str]) -> None:
    def ring_last(area: Area, content: bytes) -> list[Piece]:
        return [Piece(area.start, content)] if is_ring(area) else []

    core = written_by_hand(child, tmp_path / "core", change=ring_last)
    (tmp_path / "app.ring").unlink()
    content = core.read_bytes()
    end = content.index(b"hidden at DEBUG") + 10
    os.truncate(core, end)
    done = prdmesg("--core", core, "-t")
    assert f"{core}: it is cut off, {end} of {len(content)} bytes are there" in done.stderr
    assert " bytes of the ring at 0x" in done.stderr
    assert (
        " are not in this core: records that were there are missing, or torn, or lack what their call sites say"
        in done.stderr
    )
    assert f"{core}: 1 torn record: not what was logged" in done.stderr
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    # What the records leave to their call site is behind the ring, and not there.
    assert lines[1:-1] == [f"hidden at {level.name} ?={int(level)}" for level in pr.Level][:-1]
    assert "hidden" not in lines[-1]
    os.truncate(core, content.index(b"PRTKRING"))
    done = prdmesg("--core", core)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no ring in this core; it is cut off" in done.stderr


def test_a_file_that_is_another_processs_by_now_is_not_taken_for_the_ring(
    tmp_path: Path, child: subprocess.Popen[str]
) -> None:
    path = tmp_path / "app.ring"
    core = written_by_hand(child, tmp_path / "core", change=nothing)
    path.unlink()
    done = prdmesg("--core", core)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        f"no ring in this core; {path} was mapped, and is not in it: it cannot be opened: No such file" in done.stderr
    )
    assert "echo 0x3f > /proc/PID/coredump_filter" in done.stderr
    with pr.Log(path, size="256 KiB"):
        done = prdmesg("--core", core)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"there is that of process {os.getpid()} in {path}, another one" in done.stderr


def test_a_ring_of_the_same_number_that_began_after_the_core_is_another_one(
    tmp_path: Path, child: subprocess.Popen[str]
) -> None:
    core = written_by_hand(child, tmp_path / "core", change=nothing)
    assert len(shown("--core", core)) == 17
    os.utime(core, (1, 1))
    done = prdmesg("--core", core)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"that of process {child.pid} in {tmp_path / 'app.ring'}, another one" in done.stderr


def test_a_ring_of_another_number_or_length_is_another_one(tmp_path: Path, child: subprocess.Popen[str]) -> None:
    def longer(mapped: list[Area]) -> list[Area]:
        return [area._replace(end=area.end + PAGE_BYTES) if area.path.endswith("app.ring") else area for area in mapped]

    (tmp_path / "other").mkdir()
    other = start(LOGGING, tmp_path / "other" / "app.ring", cwd=tmp_path)
    cores = [
        written_by_hand(child, tmp_path / "number", change=nothing, named=1),
        written_by_hand(other, tmp_path / "length", change=nothing, mapped_as=longer),
    ]
    for core, path in zip(cores, (tmp_path / "app.ring", tmp_path / "other" / "app.ring"), strict=True):
        done = prdmesg("--core", core)
        assert (done.returncode, done.stdout) == (1, "")
        assert f" in {path}, another one" in done.stderr


def test_a_mapping_that_is_listed_in_pieces_is_one(tmp_path: Path, child: subprocess.Popen[str]) -> None:
    def in_pieces(mapped: list[Area]) -> list[Area]:
        pieces = []
        for area in mapped:
            middle = area.start + 2 * PAGE_BYTES
            if area.path.endswith("app.ring"):
                pieces += [area._replace(end=middle), area._replace(start=middle, offset=2 * PAGE_BYTES)]
            else:
                pieces.append(area)
        return pieces

    core = written_by_hand(child, tmp_path / "core", change=nothing, mapped_as=in_pieces)
    assert len(shown("--core", core)) == 17


def test_rings_of_the_process_itself_come_first_and_one_that_was_closed_is_told(tmp_path: Path) -> None:
    """A forked child has its parent's memory too, and with it the rings there."""
    child = start(
        """
        import os, sys
        import printk_ring as pr

        log = pr.Log(name="family", size="256 KiB")
        log.get_logger().info("of the parent")
        closed = pr.Log(name="closed", size="256 KiB")
        closed.close()
        if os.fork():
            os.wait()
            os._exit(0)
        log.get_logger().info("of the child")
        print("ready", flush=True)
        print(os.getpid(), flush=True)
        sys.stdin.read()
        """
    )
    assert child.stdout is not None
    pid = int(child.stdout.readline())
    core = written_by_hand(child, tmp_path / "core", of=pid)
    headings = [json.loads(line) for line in shown("--core", core, "--list", "-J")]
    whose = [(heading["name"], heading["pid"], heading["state"]) for heading in headings]
    assert whose[0] == ("family", pid, "no orderly exit before the core was written")
    assert whose[1:] == [
        ("family", child.pid, "no orderly exit before the core was written"),
        ("closed", child.pid, "ended in order"),
    ]
    assert shown("--core", core, "1", "-t")[1:] == ["of the child"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not a core file, it is empty"),
        (b"hello, world", "it is not a core file"),
        (b"\x7fELF", "its tables cannot be read, it is damaged or cut off"),
        (b"\x28\xb5\x2f\xfd....", "it is compressed: unzstd it first"),
        (b"\x1f\x8b......", "it is compressed: gunzip it first"),
        (b"\xfd7zXZ\0..", "it is compressed: unxz it first"),
        (b"\x04\x22\x4d\x18....", "it is compressed: unlz4 it first"),
    ],
)
def test_what_is_no_core_is_status_1_with_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    core = tmp_path / "core"
    core.write_bytes(content)
    done = prdmesg("--core", core)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"prdmesg: {core}: {why}\n")


def test_programs_and_cores_of_32_bits_and_missing_files_are_told_apart(
    tmp_path: Path, child: subprocess.Popen[str]
) -> None:
    core = written_by_hand(child, tmp_path / "core", change=nothing)
    content = core.read_bytes()
    done = prdmesg("--core", sys.executable)
    assert (done.returncode, done.stdout) == (1, "")
    assert "it is a program or a library, not a core file" in done.stderr
    core.write_bytes(content[:4] + b"\1" + content[5:])
    done = prdmesg("--core", core)
    assert done.returncode == 1
    assert "it is the core of a 32-bit process" in done.stderr
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file or directory")):
        done = prdmesg("--core", path)
        assert (done.returncode, done.stderr) == (1, f"prdmesg: {path}: {why}\n")


def test_damaged_tables_are_an_error_and_nothing_else(tmp_path: Path, child: subprocess.Popen[str]) -> None:
    core = written_by_hand(child, tmp_path / "core", change=nothing)
    content = core.read_bytes()
    errors = 0
    for at in [*range(64), *range(64, len(content), 211)]:
        for byte in (0, 0xFF):
            core.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
            try:
                elf.tables_of(core)
            except NoRing:
                errors += 1
        core.write_bytes(content[:at])
        try:
            elf.tables_of(core)
        except NoRing:
            errors += 1
    assert errors > 40


def test_without_pyelftools_the_error_says_what_to_install(tmp_path: Path) -> None:
    done = run(
        """
        import sys
        sys.modules["elftools"] = None  # as if it were not installed
        from printk_ring.cli import main

        sys.exit(main(["--core", sys.argv[1]]))
        """,
        tmp_path / "core",
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "prdmesg: --core reads a core with pyelftools: pip install 'printk-ring[core]'\n"

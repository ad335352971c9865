"""What is left of a process when nothing of it ran at its end: its ring file, told and shown by `prdmesg --dead`."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from printk_ring import cli
from printk_ring.cli.find import find
from printk_ring.cli.options import parse
from tests.children import kill, prdmesg, run, start

if TYPE_CHECKING:
    from pathlib import Path

LIFE = """
    import os, signal, sys, time
    import printk_ring as pr

    log = pr.install(sys.argv[1], size="256 KiB", consoles=())
    pr.get_logger("app").info("first")
    pr.get_logger("app").warning("last words")
    """
ENDS = {
    "os._exit": ("os._exit(0)", "killed, no orderly exit"),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", "killed, no orderly exit"),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", "killed, no orderly exit"),
    "the last line": ("", "ended in order"),
    "sys.exit": ("sys.exit(1)", "ended in order"),
    "close": ("log.close(); os.kill(os.getpid(), signal.SIGKILL)", "ended in order"),
}


@pytest.mark.parametrize(("end", "state"), ENDS.values(), ids=ENDS)
def test_how_a_process_ended_is_told_with_its_number_times_and_command_line(
    ring_path: Path, end: str, state: str
) -> None:
    before = time.time_ns()
    run(LIFE + end, ring_path, "--an-argument")
    after = time.time_ns()
    with pr.open(ring_path) as ring:
        info = ring.info
        assert (info.alive, info.clean, info.state) == (False, state == "ended in order", state)
        assert info.argv == ["-c", str(ring_path), "--an-argument"]
        assert info.last is not None
        assert before <= info.started <= info.last <= after
        assert [record.event for record in ring.reader()] == ["first", "last words"]
        assert repr(info) == f'<RingFileInfo "app" of process {info.pid}, {state}>'
        assert info.last == list(ring.reader())[-1].wall_nsec
    done = prdmesg("--dead", "-t", ring_path)
    assert (done.returncode, done.stderr) == (0, "")
    heading, *lines = done.stdout.splitlines()
    started, last = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at // 10**9)) for at in (info.started, info.last))
    assert heading == (
        f"** {ring_path}: 'app', process {info.pid}, {state}; started {started}, last record {last}, 2 records; "
        f"-c {ring_path} --an-argument **"
    )
    assert lines == ["app: first", "app: last words"]


def test_a_record_in_whose_middle_the_process_died_is_told_and_not_shown(ring_path: Path) -> None:
    run(
        """
        import os, signal, sys
        import printk_ring as pr

        def event(text):
            return bytes([1, 1, len(text)]) + text  # as docs/layout.md says

        ring = pr.Ring(desc_bits=8, avg_data_bits=5, path=sys.argv[1])
        for text in (b"whole", b"half", b"behind"):
            record = ring.reserve(40, level=6)
            record.write(event(text)[: 5 if text == b"half" else None])
            if text == b"half":
                kept = record  # never committed
            else:
                record.finalize()
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        ring_path,
    )
    with pr.open(ring_path) as ring:
        assert ring.info.unfinished == 1
        assert [record.event for record in ring.reader()] == ["whole", "behind"]
    done = prdmesg("--dead", "-t", ring_path)
    assert (done.returncode, done.stderr) == (0, "")
    heading, *lines = done.stdout.splitlines()
    assert ", killed, no orderly exit; started 20" in heading
    assert ", 2 records, 1 half-written and not shown **" in heading
    assert lines == ["whole", "behind"]
    done = prdmesg("-t", ring_path)
    assert (done.returncode, done.stdout) == (0, "whole\nbehind\n")
    assert done.stderr.startswith(f"prdmesg: {ring_path}: 1 record was half-written when process ")
    (life,) = pr.recover(ring_path)
    assert life.info.unfinished == 1
    life.to_file(ring_path.with_name("text"))
    assert "1 half-written and not shown" in ring_path.with_name("text").read_text()


def test_the_rings_of_the_dead_are_shown_oldest_first_and_never_a_live_one(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    run(LIFE + "os._exit(0)", path)
    run(LIFE, path)
    run(LIFE + "os.kill(os.getpid(), signal.SIGKILL)", tmp_path / "other.ring")
    living = start(LIFE + "print('ready', flush=True); sys.stdin.read()", path)
    try:
        names = [["app.ring.old.2", "killed"], ["app.ring.old.1", "ended"], ["other.ring", "killed"]]
        for place, expected in ((tmp_path, names), (path, names[:2])):
            done = prdmesg("--dead", "-t", place)
            assert done.returncode == 0
            headings = [line.split() for line in done.stdout.splitlines() if line.startswith("** ")]
            assert [[words[1].strip(":"), words[5].strip(",")] for words in headings] == [
                [str(tmp_path / name), how] for name, how in expected
            ]
            assert done.stdout.count("app: last words") == len(expected)
        listed = prdmesg("--dead", "--list", tmp_path).stdout.splitlines()
        assert [line.split(":")[0] for line in listed] == [str(tmp_path / name) for name, _ in names]
        everybody = prdmesg("--list", "-J", tmp_path).stdout.splitlines()
        assert [json.loads(line)["state"] for line in everybody] == [
            "killed, no orderly exit",
            "ended in order",
            "killed, no orderly exit",
            "alive",
        ]
        lines = [json.loads(line) for line in prdmesg("--dead", "-J", "--last", 1, tmp_path).stdout.splitlines()]
        assert [line["event"] for line in lines] == ["ring", "last words"] * 3
        assert lines[0]["argv"] == ["-c", str(path)]
        (path.with_name("app.ring.old.1")).unlink()
        (path.with_name("app.ring.old.2")).unlink()
        done = prdmesg("--dead", path)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"this ring is that of process {living.pid}, which is alive" in done.stderr
    finally:
        kill(living)


def test_a_dead_process_is_found_by_its_number_in_the_directory(tmp_path: Path) -> None:
    done = run(
        LIFE.replace("sys.argv[1]", "directory=sys.argv[1]") + "print(os.getpid(), flush=True); os._exit(0)", tmp_path
    )
    run(LIFE.replace("sys.argv[1]", "directory=sys.argv[1]"), tmp_path)
    environment = {**os.environ, "PRINTK_RING_DIR": str(tmp_path)}
    shown = prdmesg("--dead", done.stdout.strip(), env=environment, cwd="/")
    assert (shown.returncode, shown.stdout.count("** ")) == (0, 1)
    assert f", process {done.stdout.strip()}, killed, no orderly exit; " in shown.stdout
    assert prdmesg("--dead", env=environment).stdout.count("** /") == 2
    nobody = prdmesg("--dead", "4194304", env=environment, cwd="/")
    assert nobody.returncode == 1
    assert "no process of this number that is gone has left a ring in" in nobody.stderr


def test_where_nobody_has_left_anything_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no ring")
    for place, why in (
        (tmp_path, "no ring of a process that is gone in this directory"),
        (tmp_path / "none", "nobody has left a ring here"),
        (tmp_path / "text", "it is not a ring file"),
    ):
        done = prdmesg("--dead", place)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"prdmesg: {place}: {why}\n"


def test_a_ring_that_is_cut_off_while_it_is_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        run(LIFE + "os._exit(0)", tmp_path / f"{name}.ring")
    arguments = ["--dead", "-t", str(tmp_path)]
    found = find(parse(arguments))
    os.truncate(tmp_path / "first.ring", 5000)
    monkeypatch.setattr(cli, "find", lambda options: found)
    assert cli.main(arguments) == 1
    shown = capfd.readouterr()
    assert shown.err == f"prdmesg: {tmp_path / 'first.ring'}: it was truncated while it was read\n"
    assert shown.out.startswith(f"** {tmp_path / 'second.ring'}: 'second', process ")
    assert shown.out.endswith("\napp: first\napp: last words\n")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--dead", "-w", "x"],
        ["--dead", "--core", "y"],
        ["--core", "y", "-w"],
        ["--list", "--stats", "x"],
        ["--list", "-w", "x"],
        ["--core"],
    ],
)
def test_what_cannot_be_asked_for_at_once_is_usage(wrong: list[str]) -> None:
    done = prdmesg(*wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: prdmesg" in done.stderr


def test_no_terminal_obeys_what_a_dead_process_called_itself(ring_path: Path) -> None:
    run(
        """
        import os, sys
        import printk_ring as pr

        sys.argv.append("\\x1b[31mred\\n** forged")
        pr.Log(sys.argv[1], name="na\\nme\\x1b[0m", size="256 KiB")
        os._exit(0)
        """,
        ring_path,
    )
    done = prdmesg("--dead", ring_path)
    assert done.returncode == 0
    [line] = done.stdout.splitlines()
    assert "\x1b" not in line
    assert "'na\\nme\\x1b[0m', process" in line
    assert "'\\x1b[31mred\\n** forged'" in line

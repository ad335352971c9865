"""Previous lives: what processes that are gone have left, for whoever starts next."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import run

if TYPE_CHECKING:
    from pathlib import Path


def live(path: Path, *events: str, end: str = "os._exit(0)", option: str = "path") -> None:
    """A process that logs these events into a ring there, and ends like that."""
    done = run(
        f"""
        import os, signal, sys
        import printk_ring as pr

        log = pr.Log({"" if option == "path" else "directory="}sys.argv[1], size="256 KiB")
        for event in sys.argv[2:]:
            log.get_logger().info(event)
        {end}
        """,
        path,
        *events,
    )
    assert done.returncode in {0, -9}, done.stderr


def events(life: pr.PreviousLife) -> list[str]:
    return [record.event for record in life]


def test_of_a_path_there_are_the_last_life_the_ones_before_and_those_of_forked_children(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    assert pr.recover(path) == []
    live(path, "first", end="log.close()")
    live(path, "second", "again", end="os.kill(os.getpid(), signal.SIGKILL)")
    live(
        path,
        "third",
        end="child = os.fork(); child or log.get_logger().info('of a child'); child and os.wait(); os._exit(0)",
    )
    lives = pr.recover(str(path))
    assert [events(life) for life in lives] == [["of a child"], ["third"], ["second", "again"], ["first"]]
    names = [life.path.name for life in lives]
    assert names[1:] == ["app.ring", "app.ring.old.1", "app.ring.old.2"]
    assert names[0] == f"app.ring.fork-{lives[0].info.pid}"
    assert [life.info.clean for life in lives] == [False, False, False, True]
    with pr.Log(path, size="256 KiB") as log:
        log.get_logger().info("the living")
        found = pr.recover(path)
        assert [events(life) for life in found] == [["of a child"], ["third"], ["second", "again"], ["first"]]
        assert found[1].path.name == "app.ring.old.1"


def test_of_a_directory_there_is_every_dead_ring_whatever_its_name(tmp_path: Path) -> None:
    assert pr.recover(tmp_path / "nothing") == []
    live(tmp_path, "of a directory", option="directory")
    live(tmp_path / "named", "before")
    live(tmp_path / "named", "after")
    (tmp_path / "text").write_text("no ring")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pr.Log(tmp_path / "alive.ring", size="256 KiB"):
        assert [events(life) for life in pr.recover(tmp_path)] == [["after"], ["before"], ["of a directory"]]


def test_a_life_stays_readable_when_its_file_has_another_name_or_none(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    live(path, "first")
    (life,) = pr.recover(path)
    live(path, "second")
    path.unlink()
    (tmp_path / "app.ring.old.1").unlink()
    assert events(life) == ["first"]
    assert [record.event for record in life.reader("newest")] == []
    assert len(life.snapshot()) == 1
    assert not life.remove()


def test_what_is_removed_is_this_life_whatever_it_is_called_by_now(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    live(path, "first")
    (first,) = pr.recover(path)
    live(path, "second")
    assert [life.path.name for life in pr.recover(path)] == ["app.ring", "app.ring.old.1"]
    assert first.remove()
    assert not first.remove()
    (second,) = pr.recover(path)
    assert events(second) == ["second"]
    with pr.Log(path, size="256 KiB"):
        assert second.remove(), "it is called .old.1 by now"
        assert pr.recover(path) == []
    assert path.exists()


def test_a_life_is_written_to_a_file_behind_a_line_that_says_whose_it_is(tmp_path: Path) -> None:
    path, copy = tmp_path / "app.ring", tmp_path / "life.txt"
    live(path, "killed", "two\nlines")
    (life,) = pr.recover(path)
    assert life.to_file(copy) == 2
    lines = copy.read_text().splitlines()
    assert lines[0].startswith(f"** 'app', process {life.info.pid}, killed, no orderly exit; started 20")
    assert lines[0].endswith(" killed 'two\\nlines' **")
    assert [line.partition("]")[2] for line in lines[1:]] == [" killed", " two", "|lines"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert life.to_file(copy) == 2
    assert len(copy.read_text().splitlines()) == 8, "appended"
    (tmp_path / "link").symlink_to(copy)
    with pytest.raises(OSError, match="link"):
        life.to_file(tmp_path / "link")
    assert repr(life).startswith(f"<PreviousLife '{path}': 'app', process")
    (*_, last) = life
    assert life.ended == last.wall_nsec


def test_a_directory_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(pr.RingFileError, match="this directory cannot be read") as caught:
        pr.recover(tmp_path / "file" / "app.ring")
    assert str(tmp_path / "file") in str(caught.value)

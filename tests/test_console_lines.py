"""What a console writes of a record is what a reader makes of the whole record, though it copies most of the line."""

from __future__ import annotations

import json
import types
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from printk_ring.typing import FormatName

FORMATS: list[FormatName] = ["text", "iso", "json", "logfmt", "syslog"]

CALLS = r"""
def f(logger, n):
    logger.info("constant")
    logger.info("fields", a=n, b=2.5, c="x y", d=None)
    logger.warning("quoted \"\\ \x1b \u2028", odd="\x7f")
    logger.error("two\nlines", n=n)
    logger.info("reserved", seq=n, level="x", file="y")
    logger.info("both", seq=n, seq_=n)
    logger.info(f"not a constant {n}", a=n)
    logger.info("with %d and %s", n, "x")
    logger.bind(a=0, seq=1).info("bound", a=n)
    logger.bind(z=0).info("bound besides", a=n)
    with logger.contextualize(request=n):
        logger.info("around", a=n)
    logger.info("long", text="x" * 40_000)
    logger.log(25, "numbered", n=n)
    try:
        raise ValueError("failed")
    except ValueError:
        logger.exception("failed", n=n)
"""


def compiled(source: str, file: str = "/srv/app/lines.py") -> Callable[..., Any]:
    """The function `f` of a module of its own."""
    module = types.ModuleType("compiled")
    exec(compile(source, file, "exec"), module.__dict__)
    found: Callable[..., Any] = module.__dict__["f"]
    return found


def written_and_read(log: pr.Log, path: Path, form: FormatName) -> tuple[str, str]:
    """What the console wrote to the file, and the same of whole records."""
    assert log.flush(30.0)
    return path.read_text(), "".join(f"{record.format(form)}\n" for record in log.reader())


@pytest.mark.parametrize("form", FORMATS)
def test_every_kind_of_record_is_written_as_a_reader_shows_it(tmp_path: Path, form: FormatName) -> None:
    out = tmp_path / "out"
    function = compiled(CALLS, 'C:\\srv\\"lines"\n.py')
    with pr.Log(size="4 MiB") as log:
        log.add_console(pr.sinks.file(out), format=form, level="DEBUG")
        for n in range(4):
            function(log.get_logger("shop"), n)
            function(log.get_logger(None), n)
            function(log.get_logger("a\nb"), n)
        assert log.stats()["sites"] > 10
        written, read = written_and_read(log, out, form)
    assert written == read
    assert written.count("constant") >= 12


@pytest.mark.parametrize("form", ["text", "json"])
def test_two_logs_by_turns_write_each_its_own_sites(tmp_path: Path, form: FormatName) -> None:
    functions = [compiled(f'def f(logger):\n{chr(10) * n}    logger.info("event {n}", n{n}={n})\n') for n in range(6)]
    paths = [tmp_path / "first", tmp_path / "second"]
    with pr.Log(size="512 KiB") as first, pr.Log(size="512 KiB") as second:
        first.add_console(pr.sinks.file(paths[0]), format=form)
        second.add_console(pr.sinks.file(paths[1]), format=form)
        for _ in range(3):
            # The numbers that sites have in one log belong to others in the other one.
            for n in range(6):
                functions[n](first.get_logger("first"))
                functions[5 - n](second.get_logger("second"))
        for log, path in zip((first, second), paths, strict=True):
            written, read = written_and_read(log, path, form)
            assert written == read
            assert [written.count(f"event {n}") for n in range(6)] == [3] * 6


def test_a_log_that_has_no_room_for_all_sites_writes_all_lines_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    calls = "".join(f'    logger.info("event {n}", name{n}={n})\n' for n in range(400))
    function = compiled(f"def f(logger):\n{calls}")
    with pr.Log(size="256 KiB") as log:
        log.add_console(pr.sinks.file(out), format="json")
        for _ in range(2):
            function(log.get_logger("small"))
            assert log.flush(30.0)
        stats = log.stats()
        assert min(stats["sites"], stats["sites_refused"]) > 40
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    shown = [(line["event"], line["line"], line["func"], line[f"name{n % 400}"]) for n, line in enumerate(lines)]
    assert shown == [(f"event {n}", n + 2, "f", n) for n in range(400)] * 2


def test_a_forked_child_writes_its_own_sites_though_they_have_its_parents_numbers(tmp_path: Path) -> None:
    out = tmp_path / "out"
    succeed(
        """
        import os
        import sys
        import printk_ring as pr

        log = pr.Log(size="512 KiB")
        log.add_console(pr.sinks.file(sys.argv[1]), format="json")
        logger = log.get_logger("app")

        def first(who):
            logger.info("first", who=who)

        def second(who):
            logger.info("second", whose=who)

        def third(who):
            logger.info("third", name=who)

        def both(calls, who):
            for _ in range(3):
                for call in calls:
                    call(who)
            assert log.flush(30.0)

        both((first, second, third), "parent")
        child = os.fork()
        if child == 0:
            both((third, second, first), "child")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        both((second, first, third), "parent")
        """,
        out,
    )
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    parent = lines[0]["pid"]
    key = {"first": "who", "second": "whose", "third": "name"}
    # The line of each call, found in one of the parent's: those of the child say the same.
    places = {line["event"]: line["line"] for line in lines if line["pid"] == parent}
    assert len(set(places.values())) == 3
    calls = [line for line in lines if line["event"] in key]
    order = {
        True: ["first", "second", "third"] * 3 + ["second", "first", "third"] * 3,
        False: ["third", "second", "first"] * 3,
    }
    for of_parent, events in order.items():
        assert [line["event"] for line in calls if (line["pid"] == parent) == of_parent] == events
    for line in calls:
        assert line[key[line["event"]]] == ("parent" if line["pid"] == parent else "child")
        assert (line["func"], line["line"]) == (line["event"], places[line["event"]])


def test_a_file_that_is_opened_anew_gets_the_same_lines(tmp_path: Path) -> None:
    ring, out = tmp_path / "app.ring", tmp_path / "out"
    for life in range(2):
        functions = [compiled(f'def f(logger):\n    logger.info("life {life} event {n}", n={n})\n') for n in range(4)]
        with pr.Log(ring, size="512 KiB") as log:
            log.add_console(pr.sinks.file(out), format="json")
            for function in functions[:: 1 if life == 0 else -1] * 3:
                function(log.get_logger("app"))
            assert log.flush(30.0)
    written = [json.loads(line)["event"] for line in out.read_text().splitlines()]
    assert written[:4] == [f"life 0 event {n}" for n in range(4)]
    assert written[12:16] == [f"life 1 event {n}" for n in (3, 2, 1, 0)]
    # The next life moved the first one aside: a reader in another life reads the same of it.
    with pr.open(f"{ring}.old.1") as dead:
        lines = [record.format("json") for record in dead.reader()]
    assert out.read_text().splitlines()[:12] == lines

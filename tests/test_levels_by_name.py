"""`Logger.level`: levels belong to names, and names inherit them as in the standard library."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import printk_ring as pr

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = [None, *pr.Level]


def test_a_name_has_the_level_of_the_nearest_one_above_it(log: pr.Log) -> None:
    names: list[str | None] = ["db", "db.pool", "db.pool.idle", "dbx", "web", None]
    loggers = {name: log.get_logger(name) for name in names}

    def levels() -> dict[str | None, str]:
        return {name: logger.level.name for name, logger in loggers.items()}

    loggers["db"].level = "WARNING"
    assert levels() == {
        **dict.fromkeys(names, "DEBUG"),
        "db": "WARNING",
        "db.pool": "WARNING",
        "db.pool.idle": "WARNING",
    }
    loggers["db.pool"].level = "INFO"
    loggers[None].level = "ERROR"
    assert levels() == {
        **dict.fromkeys(names, "ERROR"),
        "db": "WARNING",
        "db.pool": "INFO",
        "db.pool.idle": "INFO",
    }
    loggers["db.pool"].level = None
    loggers[None].level = None
    assert levels()["db.pool.idle"] == "WARNING"
    assert levels()["web"] == "DEBUG"


def test_what_a_level_says_holds_for_calls_from_then_on(log: pr.Log) -> None:
    pool = log.get_logger("db.pool")
    pool.info("one")
    log.get_logger("db").level = "WARNING"
    pool.info("not this")
    assert not pool.is_enabled_for("INFO")
    pool.warning("two")
    log.get_logger("db").level = None
    pool.info("three")
    assert [record.event for record in log.reader()] == ["one", "two", "three"]


def test_all_loggers_of_a_name_have_its_level_older_newer_and_bound_ones(log: pr.Log) -> None:
    older = log.get_logger("db")
    bound = older.bind(a=1)
    log.get_logger("db").level = "ERROR"
    newer = log.get_logger("db", b=2)
    assert {logger.level for logger in (older, bound, newer)} == {pr.Level.ERROR}
    bound.level = "INFO"
    assert {logger.level for logger in (older, bound, newer)} == {pr.Level.INFO}


def test_a_level_stays_when_no_logger_of_its_name_is_left(log: pr.Log) -> None:
    log.get_logger("db").level = "ERROR"
    assert log.get_logger("db").level is pr.Level.ERROR
    assert log.get_logger("db.pool").level is pr.Level.ERROR


def test_levels_are_of_one_log(log: pr.Log) -> None:
    with pr.Log(size="256 KiB") as other:
        log.get_logger("db").level = "ERROR"
        assert other.get_logger("db").level is pr.Level.DEBUG


def test_the_default_log_has_the_levels_of_loggers_made_before_it(tmp_path: Path) -> None:
    early = pr.get_logger("early.bird")
    pr.get_logger("early").level = "ERROR"
    try:
        for life in range(2):
            with pr.install(tmp_path / f"{life}.ring", consoles=(), size="256 KiB") as log:
                own = log.get_logger("early.bird")
                assert {own.level, early.level} == {pr.Level.ERROR}
                log.get_logger("early").level = "NOTICE"
                assert {own.level, early.level} == {pr.Level.NOTICE}
            own.level = "INFO"
            assert {own.level, early.level} == {pr.Level.INFO}, "also of a log that is closed"
            own.level = None
            pr.get_logger("early").level = "ERROR"
    finally:
        pr.get_logger("early").level = None


@pytest.mark.parametrize("wrong", ["loud", -1, "", "INFO "])
def test_a_wrong_level_is_refused_and_changes_nothing(log: pr.Log, wrong: object) -> None:
    logger = log.get_logger("db")
    logger.level = "ERROR"
    with pytest.raises(pr.ConfigError):
        logger.level = wrong  # type: ignore[assignment]  # that is the point
    assert logger.level is pr.Level.ERROR


names = st.lists(st.sampled_from(["a", "b", ""]), min_size=1, max_size=3).map(".".join)


@given(changes=st.lists(st.tuples(names, st.sampled_from([None, "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]))))
@settings(max_examples=100, deadline=None)
def test_names_inherit_as_in_the_standard_library(changes: list[tuple[str, str | None]]) -> None:
    manager = logging.Manager(logging.RootLogger(logging.DEBUG))
    all_names = [".".join(parts) for size in (1, 2, 3) for parts in itertools.product("ab", repeat=size)]
    with pr.Log(size="256 KiB") as log:
        for name, level in changes:
            if "" in name.split("."):
                log.get_logger(name).level = None  # such names are names, and the standard library's are not all
                continue
            manager.getLogger(name).setLevel(logging.NOTSET if level is None else level)
            log.get_logger(name).level = level
        for name in all_names:
            theirs = logging.getLevelName(manager.getLogger(name).getEffectiveLevel())
            assert log.get_logger(name).level.name == theirs, name


def test_threads_may_set_levels_while_others_make_loggers_and_log(log: pr.Log) -> None:
    end = threading.Event()

    def change() -> None:
        for number in range(2000):
            log.get_logger("a").level = ("ERROR", None)[number % 2]
        end.set()

    def make() -> None:
        number = 0
        while not end.is_set():
            number += 1
            log.get_logger(f"a.{number % 300}").bind(n=number).error("always")

    threads = [threading.Thread(target=make), threading.Thread(target=change)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.get_logger("a.1").level is pr.Level.DEBUG
    assert log.stats()["emitted"] > 0

"""A log: its options, its memory, its counters, its end."""

from __future__ import annotations

import gc
import inspect
import os
import stat
from pathlib import Path
from typing import Any

import pytest

import printk_ring as pr
from printk_ring import _native
from printk_ring.typing import ConsoleStats, Stats


def events(log: pr.Log | pr.RingFile) -> list[str]:
    return [record.event for record in log.reader()]


def test_a_log_without_a_path_lives_in_anonymous_memory() -> None:
    with pr.Log(size="256 KiB") as log:
        assert log.path is None
        log.get_logger("app").info("here")
        assert events(log) == ["here"]


def test_a_log_with_a_path_is_a_private_file_of_at_most_its_size(ring_path: Path) -> None:
    for size in ("256 KiB", "1 MiB", 5_000_000):
        with pr.Log(ring_path, size=size) as log:
            assert log.path == ring_path
            status = ring_path.stat()
            assert stat.S_IMODE(status.st_mode) == 0o600
            assert status.st_size <= _native.parse_size(size)
            assert status.st_size >= _native.parse_size(size) // 4
            assert status.st_blocks * 512 >= status.st_size, "a full disk would be met only later"
            assert log.stats()["size_bytes"] == status.st_size


def test_a_directory_gets_a_file_named_after_the_log_and_its_process(tmp_path: Path) -> None:
    with pr.Log(directory=tmp_path, name="web", size="256 KiB") as log:
        assert log.path == tmp_path / f"web-{os.getpid()}.ring"
        assert log.name == "web"


def test_its_repr_is_one_line_that_no_terminal_obeys(tmp_path: Path) -> None:
    with pr.Log(tmp_path / "it's\n\x1b[2J.ring", size="256 KiB") as log:
        assert repr(log) == f'<Log "it\'s\\n\\u{{1b}}[2J" "{tmp_path}/it\'s\\n\\u{{1b}}[2J.ring">'
    with pr.Log(name="app") as log:
        assert repr(log) == '<Log "app" in memory>'


def test_path_and_directory_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(pr.ConfigError, match=r"path.*directory|directory.*path"):
        pr.Log(tmp_path / "a.ring", directory=tmp_path)


@pytest.mark.parametrize("size", [0, 1, "255 KiB", 256 * 1024 - 1])
def test_too_small_a_size_is_a_config_error_that_names_the_minimum(size: int | str) -> None:
    with pytest.raises(pr.ConfigError, match=r"256 KiB|262144"):
        pr.Log(size=size)


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": "loud"},
        {"console_level": -3},
        {"size": "big"},
        {"avg_record": 0},
        {"avg_record": 2**80},
        {"consoles": [{"format": "text"}]},
        {"consoles": [{"sink": pr.sinks.stderr(), "format": "xml"}]},
        {"consoles": [{"sink": pr.sinks.stderr(), "no": 1}]},
    ],
)
def test_wrong_arguments_are_config_errors_and_leave_no_file(ring_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises((pr.ConfigError, TypeError)):
        pr.Log(ring_path, **wrong)
    assert not ring_path.exists()


def test_what_is_wrong_with_an_argument_is_said_as_it_was_given(ring_path: Path) -> None:
    with pytest.raises(pr.ConfigError, match="avg_record is -1"):
        pr.Log(avg_record=-1)
    for make in (pr.Log, pr.install):
        for wrong in (pr.sinks.stderr(), 5):
            with pytest.raises(TypeError, match=f"consoles is a list .* not {type(wrong).__name__}"):
                make(ring_path, consoles=wrong)  # type: ignore[arg-type]  # that is the test
    assert not ring_path.exists()


def test_options_are_keyword_only(ring_path: Path) -> None:
    with pytest.raises(TypeError):
        pr.Log(ring_path, "name")  # type: ignore[call-arg]  # that is the test


def test_the_signatures_say_the_defaults_of_the_host_crate() -> None:
    defaults = _native.defaults()
    for function in (pr.install, pr.Log, pr.Log.add_console, pr.Console.flush, pr.Console.remove, pr.Log.flush):
        renamed = {"timeout": "remove_timeout" if "remove" in function.__name__ else "flush_timeout"}
        if function is pr.Log.add_console:
            renamed["level"] = "the log's console_level"  # None follows it
        for name, parameter in inspect.signature(function).parameters.items():
            known = defaults.get(renamed.get(name, name))
            if known is not None:
                assert parameter.default == known, (function, name)
    assert inspect.signature(pr.Log.add_console).parameters["level"].default is None
    stated = inspect.signature(pr.install).parameters
    assert {"size", "avg_record", "level", "console_level"} <= set(stated) & set(defaults)


def test_the_level_is_judged_when_logging(log: pr.Log) -> None:
    logger = log.get_logger()
    log.level = "NOTICE"
    assert log.level is pr.Level.NOTICE
    logger.info("too little")
    logger.notice("enough")
    log.level = 20
    logger.info("now enough")
    logger.debug("too little")
    assert events(log) == ["enough", "now enough"]


def test_a_closed_log_is_quiet_and_still_readable(log: pr.Log, ring_path: Path) -> None:
    logger = log.get_logger()
    logger.info("before")
    log.close()
    assert log.closed
    logger.info("after")
    log.close()
    assert not logger.is_enabled_for("EMERG")
    assert events(log) == ["before"]
    with pr.open(ring_path) as ring:
        assert ring.info.clean
        assert not ring.info.alive


def test_a_context_manager_closes_at_its_end(ring_path: Path) -> None:
    def fail_inside(log: pr.Log) -> None:
        with log as same:
            assert same is log
            assert not log.closed
            raise KeyError

    log = pr.Log(ring_path, size="256 KiB")
    with pytest.raises(KeyError):
        fail_inside(log)
    assert log.closed


def test_a_log_that_is_garbage_lets_go_of_its_file(ring_path: Path) -> None:
    log = pr.Log(ring_path, size="256 KiB")
    log.get_logger().info("first life")
    del log
    gc.collect()
    with pr.Log(ring_path, size="256 KiB"):
        assert events(pr.open(Path(f"{ring_path}.old.1"))) == ["first life"]


def test_stats_count_what_was_stored_and_what_is_there(log: pr.Log) -> None:
    logger = log.get_logger("app")
    for number in range(100):
        logger.info("event", number=number)
    logger.debug("x" * 100_000)
    stats = log.stats()
    assert stats["emitted"] == stats["records"] == 101
    assert stats["overwritten"] == stats["failed"] == 0
    assert stats["truncated"] == 1
    assert stats["bytes"] > 100 * len("event")
    assert stats["descriptors"] >= 101
    assert 0 < stats["data_bytes"] < stats["size_bytes"]
    assert stats["memory"]
    assert stats["consoles"] == {}


def test_stats_count_what_was_overwritten() -> None:
    with pr.Log(size="256 KiB") as log:
        logger = log.get_logger()
        for _ in range(20_000):
            logger.info("event")
        stats = log.stats()
        assert stats["emitted"] == 20_000
        assert stats["overwritten"] > 0
        assert stats["records"] + stats["overwritten"] == 20_000


def test_stats_have_every_key_of_their_type(log: pr.Log) -> None:
    log.add_console(pr.sinks.file("/dev/null"), name="null")
    stats = log.stats()
    assert set(stats) == set(Stats.__annotations__)
    assert set(stats["consoles"]["null"]) == set(ConsoleStats.__annotations__)


def test_clear_moves_the_mark_and_removes_nothing(log: pr.Log) -> None:
    logger = log.get_logger()
    logger.info("old")
    log.clear()
    logger.info("new")
    assert events(log) == ["old", "new"]
    assert [record.event for record in log.reader("clear")] == ["new"]


def test_emit_stores_all_that_it_is_given(log: pr.Log) -> None:
    stored = log._emit(
        pr.Level.ERROR,
        "event %s",
        message="event 1",
        logger="mod",
        levelno=41,
        ts_nsec=5_000_000_001,
        file="a.py",
        line=12,
        func="f",
        exc=("KeyError", "'k'", "Traceback\nKeyError: 'k'"),
        fields={"a": 1},
    )
    assert stored
    [record] = log.reader()
    assert (record.level, record.event, record.message, record.logger) == (3, "event %s", "event 1", "mod")
    assert (record.levelno, record.ts_nsec, record.file, record.line, record.func) == (
        41,
        5_000_000_001,
        "a.py",
        12,
        "f",
    )
    assert record.exc == {"type": "KeyError", "message": "'k'", "stacktrace": "Traceback\nKeyError: 'k'"}
    assert record.fields == {"a": 1}


def test_emit_says_when_it_did_not_store(log: pr.Log) -> None:
    log.level = "ERROR"
    assert not log._emit(pr.Level.INFO, "too little")
    assert log._emit(pr.Level.ERROR, "enough")
    log.close()
    assert not log._emit(pr.Level.EMERG, "too late")

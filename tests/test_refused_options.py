"""Wrong options: said at once and by name, and before anything has happened to a file."""

from __future__ import annotations

import signal
import typing
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("signals", "why"),
    [
        (15, r"signals is 15: give a list of signal numbers, such as \[signal\.SIGTERM\]"),
        ("SIGTERM", "signals is 'SIGTERM': give a list"),
        (b"ab", "signals is b'ab': give a list"),
        (["SIGTERM"], "signals: 'SIGTERM' is no signal number: give one such as signal.SIGTERM"),
        ([15.5], "signals: 15.5 is no signal number"),
        ([None], "signals: None is no signal number"),
        ([True], "signals: True is no signal number"),
        ([1 << 70], f"signals: {1 << 70} is no signal number"),
        ([signal.SIGKILL], "signal 9 cannot be handled"),
        ([signal.SIGSEGV], "SIGSEGV is fatal"),
    ],
    ids=repr,
)
def test_wrong_signals_are_named(signals: Any, why: str) -> None:
    with pytest.raises(pr.ConfigError, match=why):
        pr.install(consoles=(), crash=False, signals=signals)
    assert pr.default_log() is None


@pytest.mark.parametrize("path", ["", "a\0b"], ids=repr)
def test_what_is_no_path_is_no_file_sink(path: str) -> None:
    with pytest.raises(pr.ConfigError, match="path"):
        pr.sinks.file(path)


@pytest.mark.parametrize("limit", [0, -1, -(1 << 70)])
def test_a_sink_in_memory_keeps_something(limit: int) -> None:
    with pytest.raises(pr.ConfigError, match="limit is "):
        pr.sinks.memory(limit=limit)


def test_a_sink_in_memory_with_any_limit_keeps_what_it_can() -> None:
    assert pr.sinks.memory(limit=1 << 70).records == []


@pytest.mark.parametrize(
    "function", [pr.recover, pr.install, pr.sinks.handler, pr.sinks.file], ids=lambda function: function.__name__
)
def test_the_types_of_parameters_can_be_looked_up(function: Callable[..., object]) -> None:
    assert typing.get_type_hints(function)["return"] is not None


def wrong_consoles(tmp_path: Path) -> dict[str, list[Any]]:
    """Lists of consoles that no log can have."""
    good = pr.sinks.file(tmp_path.parent / "console.txt")
    return {
        "a name twice": [{"sink": good, "name": "a"}, {"sink": good, "name": "a"}],
        "a name that another one has been given": [good, {"sink": good, "name": "file"}],
        "a name that is none": [{"sink": good, "name": "\n"}],
        "a late bootstrap console": [good, {"sink": good, "bootstrap": True}],
        "a format of what takes records": [{"sink": pr.sinks.memory(), "format": "json"}],
        "no such reliability": [{"sink": pr.sinks.memory(), "reliability": 1}],
        "no such directory": [good, pr.sinks.file(tmp_path.parent / "missing" / "console.txt")],
        "too many": [good] * 100,
        "a directory": [pr.sinks.file(tmp_path)],
    }


CASES = [
    "a name twice",
    "a name that another one has been given",
    "a name that is none",
    "a late bootstrap console",
    "a format of what takes records",
    "no such reliability",
    "no such directory",
    "too many",
    "a directory",
]


def told(tmp_path: Path, options: dict[str, Any], make: Callable[..., pr.Log]) -> str:
    """What is said of wrong options at a path that has a previous life, which stays where it is."""
    path = tmp_path / "app.ring"
    with pr.Log(path, size="256 KiB") as log:
        log.get_logger("app").info("the previous life")
    before = sorted(tmp_path.iterdir())
    with pytest.raises((pr.PrintkError, OSError)) as raised:
        make(path, size="256 KiB", **options)
    assert sorted(tmp_path.iterdir()) == before
    with pr.open(path) as ring:
        assert [record.event for record in ring.reader()] == ["the previous life"]
    assert pr.default_log() is None
    return str(raised.value)


@pytest.mark.parametrize("make", [pr.Log, pr.install], ids=["Log", "install"])
@pytest.mark.parametrize("case", CASES)
def test_wrong_consoles_leave_the_previous_life_in_its_place(
    tmp_path: Path, case: str, make: Callable[..., pr.Log]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert told(home, {"consoles": wrong_consoles(home)[case]}, make)


def test_wrong_options_of_install_leave_the_previous_life_in_its_place(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert "signal 9" in told(home, {"consoles": (), "signals": [9]}, pr.install)
    assert "missing" in told(home, {"consoles": (), "crash_dir": tmp_path / "missing"}, pr.install)
    assert "crash_dir" in told(home, {"consoles": (), "crash_dir": "a\0b"}, pr.install)


def test_a_console_that_comes_too_late_for_the_process_leaves_the_previous_life_in_its_place(ring_path: Path) -> None:
    said = succeed(
        """
        import atexit, sys

        def late():  # behind the hook of the first log
            try:
                pr.Log(sys.argv[1], consoles=[pr.sinks.callable(print)])
            except pr.ConfigError as error:
                print(error)

        atexit.register(late)
        import printk_ring as pr
        with pr.Log(sys.argv[1]) as log:
            log.get_logger().info("event")
        """,
        ring_path,
    )
    assert "the process is about to end" in said
    assert not ring_path.with_name(ring_path.name + ".old.1").exists()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"directory": "."}, "exclude"),
        ({"size": 100}, "size"),
        ({"dump_last": 10}, "dump_on"),
    ],
    ids=["both places", "too small", "half a dump"],
)
def test_a_refused_log_makes_no_file_for_its_consoles(tmp_path: Path, wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(pr.ConfigError, match=named):
        pr.Log(tmp_path / "app.ring", consoles=[pr.sinks.file(tmp_path / "app.log")], **wrong)
    assert list(tmp_path.iterdir()) == []

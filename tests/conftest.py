"""What many tests start from: a log in a file of its own, and its records read back."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, get_args

import pytest

import printk_ring as pr
from printk_ring.typing import OffloadMode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_configure() -> None:
    """Programs of tests begin with these signals as usual, however tests were started: `&` and nohup ignore them."""
    for number in signal.SIGINT, signal.SIGQUIT, signal.SIGHUP:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def ring_path(tmp_path: Path) -> Path:
    """Where the ring file of the test is, or will be."""
    return tmp_path / "app.ring"


@pytest.fixture
def log(ring_path: Path) -> Iterator[pr.Log]:
    """A log in a file, without consoles."""
    with pr.Log(ring_path, size="1 MiB") as log:
        yield log


@pytest.fixture
def default_log(ring_path: Path) -> Iterator[pr.Log]:
    """The process's default log, without consoles, for as long as the test runs."""
    with pr.install(ring_path, size="1 MiB", consoles=()) as log:
        yield log


@pytest.fixture(params=get_args(OffloadMode))
def mode(request: pytest.FixtureRequest) -> OffloadMode:
    """Who prints, one after the other: the test runs once for each."""
    chosen: OffloadMode = request.param
    return chosen

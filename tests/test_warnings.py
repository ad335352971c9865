"""Captured warnings."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """What somebody who had replaced `warnings.showwarning` before us is shown."""
    texts: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *rest: texts.append(str(message))
        yield texts


def test_a_warning_is_stored_and_who_was_there_before_is_told_too(ring_path: Path, shown: list[str]) -> None:
    with pr.install(ring_path, consoles=(), capture_warnings=True) as log:
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
        [record] = log.reader()
    assert (record.level, record.logger, record.event) == (pr.Level.WARNING, "py.warnings", "old ways")
    assert record.fields["category"] == "DeprecationWarning"
    assert record.file == __file__
    assert record.line is not None
    assert shown == ["old ways"]


def test_without_a_default_log_warnings_go_where_they_went(ring_path: Path, shown: list[str]) -> None:
    with pr.install(ring_path, consoles=(), capture_warnings=True) as log:
        pass
    warnings.warn("later", UserWarning, stacklevel=1)
    assert shown == ["later"]
    assert list(log.reader()) == []


def test_a_captured_warning_does_not_appear_on_stderr_besides(ring_path: Path) -> None:
    done = run(
        """
        import sys, warnings
        import printk_ring as pr
        pr.install(sys.argv[1], consoles=(), capture_warnings=True)
        warnings.warn("captured")
        pr.default_log().close()
        warnings.warn("not captured")
        """,
        ring_path,
    )
    assert done.returncode == 0
    assert "UserWarning: not captured" in done.stderr
    assert "UserWarning: captured" not in done.stderr
    with pr.open(ring_path) as ring:
        assert [record.event for record in ring.reader()] == ["captured"]


def test_catch_warnings_still_catches(ring_path: Path) -> None:
    with (
        pr.install(ring_path, consoles=(), capture_warnings=True) as log,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        warnings.warn("caught", UserWarning, stacklevel=1)
        assert [str(warning.message) for warning in caught] == ["caught"]
        assert list(log.reader()) == []

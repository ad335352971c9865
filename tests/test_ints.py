"""Ints of log calls, which are read as the interpreter keeps them, without asking it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from printk_ring import _native

if TYPE_CHECKING:
    from collections.abc import Iterator

AROUND = [sign * (2**power + beside) for power in range(70) for beside in (-1, 0, 1) for sign in (1, -1)]


@pytest.fixture(params=["quick", "public"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways to read them."""
    if request.param == "public":
        _native._use_public_frames()
    yield str(request.param)
    _native._use_public_frames(False)


def test_an_int_is_logged_as_it_is_whatever_its_digits(log: pr.Log, way: str) -> None:
    logger = log.get_logger()
    for number in AROUND:
        logger.info("field", number=number)
        logger.info("argument %d", number)
    assert (_native._ints() == "public") >= (way == "public")
    records = list(log.reader())
    kept = [number if -(2**63) <= number < 2**64 else str(number) for number in AROUND]
    assert [record.fields["number"] for record in records[::2]] == kept
    assert [record.message for record in records[1::2]] == [f"argument {number}" for number in AROUND]


def test_what_is_only_like_an_int_is_none(log: pr.Log, way: str) -> None:
    class Own(int):
        """A class of its own."""

    del way
    log.get_logger().info("event", own=Own(7), on=True, off=False)
    [record] = log.reader()
    assert record.fields == {"own": 7, "on": True, "off": False}
    assert [type(value) for value in record.fields.values()] == [int, bool, bool]


@pytest.mark.skipif("abi3" in _native.__file__, reason="a build for the stable ABI asks the interpreter")
def test_this_interpreter_keeps_them_as_declared() -> None:
    assert _native._ints() == "digits"

"""Levels: names in any case, kernel numbers, standard-library numbers."""

from __future__ import annotations

import logging

import pytest

import printk_ring as pr
from printk_ring import _native

NAMES = {
    "EMERG": 0,
    "ALERT": 1,
    "CRITICAL": 2,
    "CRIT": 2,
    "ERROR": 3,
    "ERR": 3,
    "WARNING": 4,
    "WARN": 4,
    "NOTICE": 5,
    "INFO": 6,
    "DEBUG": 7,
}


def test_the_levels_have_the_kernels_numbers_and_aliases() -> None:
    assert {name: level.value for name, level in pr.Level.__members__.items()} == NAMES


def test_the_reasons_are_in_the_kernels_order() -> None:
    assert [(reason.name, reason.value) for reason in pr.Reason] == [
        ("PANIC", 1),
        ("OOPS", 2),
        ("EMERGENCY", 3),
        ("SHUTDOWN", 4),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_accepted_in_any_case(name: str) -> None:
    for spelling in (name, name.lower(), name.title(), name.swapcase()):
        assert _native.parse_level(spelling) == NAMES[name]
        assert _native.parse_stdlib_level(spelling) == NAMES[name]
        assert pr.Level(spelling) is pr.Level(NAMES[name])  # type: ignore[arg-type]  # mypy knows the values only


@pytest.mark.parametrize(
    ("number", "level"),
    [
        *((n, n) for n in range(8)),
        (8, 7),
        (10, 7),
        (19, 7),
        (20, 6),
        (24, 6),
        (25, 5),
        (29, 5),
        (30, 4),
        (39, 4),
        (40, 3),
        (49, 3),
        (50, 2),
        (99, 2),
        (10**6, 2),
    ],
)
def test_natively_eight_and_more_are_standard_library_numbers(number: int, level: int) -> None:
    assert _native.parse_level(number) == level


@pytest.mark.parametrize(
    ("number", "level"),
    [
        (-5, 7),
        (0, 7),
        (3, 7),
        (7, 7),
        (logging.DEBUG, 7),
        (logging.INFO, 6),
        (logging.WARNING, 4),
        (logging.ERROR, 3),
        (logging.CRITICAL, 2),
        (25, 5),
        (45, 3),
    ],
)
def test_on_logging_paths_every_number_is_a_standard_library_number(number: int, level: int) -> None:
    assert _native.parse_stdlib_level(number) == level


def test_a_level_stays_itself_on_both_paths() -> None:
    for level in pr.Level:
        assert _native.parse_level(level) == level
        assert _native.parse_stdlib_level(level) == level


@pytest.mark.parametrize("wrong", ["", "loud", "INFO ", "ÍNFO", "in\0fo", -1])
def test_an_unknown_level_is_a_config_error_that_shows_it(wrong: int | str) -> None:
    with pytest.raises(pr.ConfigError) as caught:
        _native.parse_level(wrong)
    assert str(wrong).split("\0")[0] in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 6.0, True, b"info", [], object()])
def test_what_is_neither_number_nor_name_is_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError):
        _native.parse_level(wrong)  # type: ignore[arg-type]  # that is the test


def test_no_level_is_a_value_error_of_the_enum() -> None:
    with pytest.raises(ValueError, match="loud"):
        pr.Level("loud")  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64 KiB", 65536),
        ("4 MiB", 4 << 20),
        ("4MiB", 4 << 20),
        ("1 gib", 1 << 30),
        ("300000", 300000),
        ("7 B", 7),
        ("2 KB", 2000),
        ("3 mb", 3000000),
    ],
)
def test_a_size_is_text_with_a_unit(text: str, size: int) -> None:
    assert _native.parse_size(text) == size
    assert _native.parse_size(size) == size


@pytest.mark.parametrize("wrong", ["", "MiB", "4 MB/s", "-1", "1.5 MiB", "99999999999 GiB", -1, 2**64], ids=repr)
def test_what_is_no_size_is_a_config_error(wrong: int | str) -> None:
    with pytest.raises(pr.ConfigError):
        _native.parse_size(wrong)

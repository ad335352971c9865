"""What consoles write: text, iso and json, through real consoles into real files."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import os
import pathlib
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr

if TYPE_CHECKING:
    from collections.abc import Callable

    from printk_ring.typing import FormatName

TS_NSEC = 1_234_567_891


@pytest.fixture
def written(log: pr.Log, tmp_path: pathlib.Path) -> Callable[..., str]:
    """Stores one record, and gives what a console of a format writes for it; `str(record)` has to agree."""

    def write(form: FormatName, event: str, level: int = pr.Level.INFO, **given: Any) -> str:
        path = tmp_path / f"console.{form}"
        console = log.add_console(pr.sinks.file(path), format=form, level="DEBUG")
        log._emit(level, event, **{"ts_nsec": TS_NSEC, **given})
        assert log.flush(timeout=30.0)
        console.remove(timeout=30.0)
        text = path.read_text("utf-8")
        path.unlink()
        *_, record = log.reader()
        assert record.format(form) + "\n" == text
        if form == "text":
            assert str(record) + "\n" == text
        return text

    return write


def test_text_has_the_kernels_time_the_logger_and_the_fields(written: Callable[..., str]) -> None:
    assert written("text", "started", logger="app", fields={"port": 8080}) == "[    1.234567] app: started port=8080\n"


def test_text_without_a_logger_has_no_prefix(written: Callable[..., str]) -> None:
    assert written("text", "started") == "[    1.234567] started\n"


def test_the_time_grows_to_the_left(written: Callable[..., str]) -> None:
    assert written("text", "x", ts_nsec=123_456_789_000_001_999) == "[123456789.000001] x\n"
    assert written("text", "x", ts_nsec=0) == "[    0.000000] x\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("bare", "bare"),
        ("a_Z.0:/+-", "a_Z.0:/+-"),
        ("", '""'),
        ("two words", '"two words"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("a=b", '"a=b"'),
        ("naïve ☃", '"naïve ☃"'),
        ("two\nlines", '"two\\nlines"'),
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (-5, "-5"),
        (2**64 - 1, str(2**64 - 1)),
        (2.5, "2.5"),
        (["a", "b"], '["a","b"]'),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ([], "[]"),
        (pathlib.Path("/etc/hosts"), "/etc/hosts"),
        (pathlib.Path("/a b"), '"/a b"'),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
    ids=repr,
)
def test_a_value_in_text_is_bare_or_as_json_writes_it(written: Callable[..., str], value: object, text: str) -> None:
    assert written("text", "e", fields={"k": value}) == f"[    1.234567] e k={text}\n"


def test_a_newline_in_the_message_starts_a_line_that_cannot_pass_for_a_record(written: Callable[..., str]) -> None:
    assert written("text", "one\ntwo\n[    9.999999] forged", logger="app", fields={"k": 1}) == (
        "[    1.234567] app: one\n[    1.234567]|two\n[    1.234567]|[    9.999999] forged k=1\n"
    )


def test_the_traceback_follows_line_by_line(written: Callable[..., str]) -> None:
    trace = "Traceback (most recent call last):\n  here\nKeyError: 'k'"
    text = written("text", "failed", logger="app", fields={"k": 1}, exc=("KeyError", "'k'", trace))
    assert text.splitlines() == [
        "[    1.234567] app: failed k=1",
        "[    1.234567]|Traceback (most recent call last):",
        "[    1.234567]|  here",
        "[    1.234567]|KeyError: 'k'",
    ]


def test_the_message_replaces_the_event_in_text(written: Callable[..., str]) -> None:
    assert written("text", "took %d ms", message="took 12 ms") == "[    1.234567] took 12 ms\n"


def test_iso_has_utc_time_and_level(log: pr.Log, written: Callable[..., str]) -> None:
    line = written("iso", "started", pr.Level.WARNING, logger="app", fields={"port": 8080}, ts_nsec=None)
    *_, record = log.reader()
    moment = dt.datetime.fromtimestamp(record.wall_nsec // 1_000_000_000, dt.UTC)
    micros = record.wall_nsec % 1_000_000_000 // 1000
    assert line == f"{moment:%Y-%m-%dT%H:%M:%S}.{micros:06d}Z WARNING app: started port=8080\n"
    assert abs(moment - dt.datetime.now(dt.UTC)) < dt.timedelta(hours=1)


def test_json_is_a_flat_line_with_the_keys_in_order(log: pr.Log, written: Callable[..., str]) -> None:
    line = written("json", "took %d", pr.Level.ERROR, message="took 5", logger="app", fields={"b": 1, "a": [2]})
    record = json.loads(line)
    assert list(record)[:8] == ["ts", "level", "logger", "event", "message", "seq", "pid", "tid"]
    assert list(record)[8:10] == ["b", "a"]
    assert (record["level"], record["logger"], record["event"], record["message"]) == (
        "ERROR",
        "app",
        "took %d",
        "took 5",
    )
    assert (record["pid"], record["tid"]) == (os.getpid(), threading.get_native_id())
    *_, stored = log.reader()
    assert record["seq"] == stored.seq
    seconds, nanos = divmod(stored.wall_nsec, 1_000_000_000)
    assert record["ts"] == f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"


def test_json_leaves_out_a_message_that_is_the_event(written: Callable[..., str]) -> None:
    assert "message" not in json.loads(written("json", "event"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**64 - 1, 2**64 - 1),
        (2**70, str(2**70)),
        (2.5, 2.5),
        (1e300, 1e300),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        ("naïve ☃ \x00 \x1b \u2028", "naïve ☃ \x00 \x1b \u2028"),
        (b"ab\x00\xff", "ab\\x00\\xff"),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.Path("/etc/hosts"), "/etc/hosts"),
        (dt.datetime(2026, 11, 20, 10, 11, 12, tzinfo=dt.UTC), "2026-11-20T10:11:12+00:00"),
        ([1, [2, {"k": None}]], [1, [2, {"k": None}]]),
    ],
    ids=repr,
)
def test_a_value_in_json(written: Callable[..., str], value: object, expected: object) -> None:
    assert json.loads(written("json", "event", fields={"k": value}))["k"] == expected


RESERVED = "ts level logger event message seq pid tid file line func exception truncated dropped"


@pytest.mark.parametrize("name", RESERVED.split())
def test_a_reserved_name_gets_an_underscore_until_it_is_free(written: Callable[..., str], name: str) -> None:
    record = json.loads(written("json", "event", fields={name: "mine", f"{name}_": "other"}))
    assert record.get(name) != "mine"
    assert [record[f"{name}_"], record[f"{name}__"]] in (["mine", "other"], ["other", "mine"])


def test_no_key_occurs_twice_in_a_json_line(written: Callable[..., str]) -> None:
    line = written("json", "event", fields={"level": 1, "level_": 2, "level__": 3, "x": 4})
    pairs = json.loads(line, object_pairs_hook=list)
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys))
    assert sorted(value for key, value in pairs if key.startswith("level_") or key == "x") == [1, 2, 3, 4]


def test_an_exception_in_json_is_an_object(written: Callable[..., str]) -> None:
    record = json.loads(written("json", "failed", exc=("KeyError", "'k'", "Traceback\nKeyError: 'k'")))
    assert record["exception"] == {"type": "KeyError", "message": "'k'", "stacktrace": "Traceback\nKeyError: 'k'"}


def test_the_place_of_the_call_and_truncation_are_told_in_json(written: Callable[..., str]) -> None:
    record = json.loads(written("json", "x" * 200_000, file="a.py", line=12, func="f"))
    assert (record["file"], record["line"], record["func"], record["truncated"]) == ("a.py", 12, "f", True)


DANGEROUS = {
    "escape": "\x1b[31mred\x1b[0m",
    "carriage return": "fine\rforged",
    "bell": "\x07",
    "null": "a\x00b",
    "delete": "\x7f",
    "c1": "\x9b31m",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "right-to-left override": "a\u202eb",
    "isolate": "a\u2066b\u2069",
    "arabic letter mark": "a\u061cb",
    "vertical tab": "a\x0bb",
    "form feed": "a\x0cb",
}


def escaped(text: str) -> str:
    """The contract's rule: `\\xNN` per UTF-8 byte, lower case; a tab stays."""
    dangerous = {*range(0x20), 0x7F, *range(0x80, 0xA0), 0x2028, 0x2029, 0x061C, 0x200E, 0x200F}
    dangerous |= {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    dangerous -= {0x09}
    return "".join(
        "".join(f"\\x{byte:02x}" for byte in character.encode()) if ord(character) in dangerous else character
        for character in text
    )


@pytest.mark.parametrize("name", DANGEROUS)
@pytest.mark.parametrize("form", ["text", "iso"])
def test_nothing_that_a_terminal_obeys_comes_through(written: Callable[..., str], form: str, name: str) -> None:
    bad = DANGEROUS[name]
    line = written(form, f"message {bad}", logger=f"logger{bad}", fields={f"key{bad}": bad})
    assert line.count("\n") == 1
    assert f": message {escaped(bad)} " in line
    assert f"logger{escaped(bad)}: " in line
    assert f"key{escaped(bad)}=" in line
    assert escaped(line[:-1]) == line[:-1]


def test_a_tab_and_a_backslash_stay_themselves(written: Callable[..., str]) -> None:
    assert written("text", "a\tb\\x1b\\n") == "[    1.234567] a\tb\\x1b\\n\n"


@pytest.mark.parametrize("form", ["text", "iso", "json"])
def test_a_newline_in_a_key_or_a_name_makes_no_line(written: Callable[..., str], form: str) -> None:
    line = written(form, "event", logger="app\n[    0.000000] forged", fields={"k\n[    0.000000] forged": "v\nw"})
    assert line.count("\n") == 1


def test_in_json_no_data_forges_a_field_or_a_record(written: Callable[..., str]) -> None:
    bad = '","level":"EMERG"}\n{"event":"forged'
    line = written("json", bad, logger=bad, fields={bad: bad, "list": [bad, {bad: bad}]})
    assert line.count("\n") == 1
    record = json.loads(line)
    assert (record["event"], record["logger"], record["level"]) == (bad, bad, "INFO")
    assert record[bad] == bad
    assert record["list"] == [bad, {bad: bad}]


@pytest.mark.parametrize("name", DANGEROUS)
def test_json_gives_dangerous_text_back_unchanged_and_raw_nowhere(written: Callable[..., str], name: str) -> None:
    bad = DANGEROUS[name]
    line = written("json", bad, fields={bad: bad})
    record = json.loads(line)
    assert (record["event"], record[bad]) == (bad, bad)
    assert not any(ord(character) < 0x20 for character in line[:-1])

"""The program in docs/layout.md reads a ring with nothing but that page: what it finds is what the package finds."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import pathlib
import re
import signal
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import printk_ring as pr
from tests.children import prdmesg, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "layout.md"


@pytest.fixture(scope="module")
def read_ring() -> Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The page's reader."""
    [program] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    definitions, main = program.split('if __name__ == "__main__":\n')
    assert "printk_ring" not in definitions, "it reads without the package"
    assert "assert" in main
    namespace: dict[str, Any] = {"__name__": "page"}
    exec(compile(definitions, PAGE, "exec"), namespace)
    found: Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]] = namespace["read_ring"]
    return found


def by_the_package(path: Path) -> list[dict[str, Any]]:
    """The same words for what the package reads."""
    found = []
    with pr.open(path) as ring:
        for record in ring.reader():
            words: dict[str, Any] = {"seq": record.seq, "ts_nsec": record.ts_nsec, "wall_nsec": record.wall_nsec}
            words |= {"level": int(record.level), "pid": record.pid, "tid": record.tid}
            if record.torn:
                found.append(words | {"torn": True})
                continue
            words |= {"event": record.event, "fields": record.fields, "truncated": record.truncated}
            optional = {
                "message": record.message if record.message != record.event else None,
                "logger": record.logger,
                "levelno": record.levelno,
                "file": record.file,
                "line": record.line,
                "func": record.func,
                "exception": record.exc and tuple(record.exc.values()),
            }
            found.append(words | {name: word for name, word in optional.items() if word is not None})
    return found


class Colour(enum.Enum):
    RED = "red"


VALUES: dict[str, Any] = {
    "null": None,
    "flags": [True, False],
    "ints": [0, -1, 127, -128, 128, 32767, -32769, 2**31 - 1, -(2**31) - 1, 2**63 - 1, -(2**63)],
    "uint": 2**64 - 1,
    "huge": 2**64,
    "floats": [0.0, -1.5, 1e300, float("inf")],
    "text": "naïve ☃ \ud800 \x00",
    "long": "x" * 200,
    "bytes": bytes(range(256)),
    "datetime": dt.datetime(2026, 11, 21, 10, 11, 12, 123456, tzinfo=dt.UTC),
    "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "decimal": decimal.Decimal("9.9900"),
    "path": pathlib.PurePath("/run/app.ring"),
    "enum": Colour.RED,
    "numpy": np.float32(0.5),
    "nested": {"a": [{"b": [1, None]}], "c": {}},
    "empty": [],
    "object": object,
}


def test_every_kind_of_value_part_and_length_is_on_the_page(
    ring_path: Path, read_ring: Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]
) -> None:
    with pr.Log(ring_path, size="1 MiB", name="näme") as log:
        logger = log.get_logger("app")
        logger.info("all kinds", **VALUES)
        for name, value in VALUES.items():
            logger.log(pr.Level.ERR, f"one {name}", value=value)
        logger.log(35, "with %s and %d", "arguments", 2)
        logger.info("%(kind)s by name, 100%%, %(number)08.3f", {"kind": b"some", "number": -1.5, "unused": None})
        logger.info("%s", "%s")
        logger.info("%s by the call", [1])
        logger.info("")
        try:
            raise ValueError("for the page")
        except ValueError:
            logger.exception("caught", stack_info=True)
        logger.info("cut", text="x" * 100_000)
        log.get_logger().emerg("without a name")
        handler = pr.RingHandler(log)
        import logging  # noqa: PLC0415 - one record of the standard library's

        handler.handle(logging.LogRecord("std", logging.WARNING, "/a/file.py", 17, "by %s", ("logging",), None, "func"))
        log.clear()
        about, records = read_ring(ring_path)
        assert about["clear_seq"] == len(records)
        assert not about["clean"]
        assert records == by_the_package(ring_path)
        assert {"file", "line", "func", "levelno", "exception", "message"} <= {
            key for words in records for key in words
        }
        assert any(words["truncated"] for words in records)
    about, records = read_ring(ring_path)
    assert about["clean"]
    with pr.open(ring_path) as ring:
        info = ring.info
        assert (about["pid"], about["name"], about["argv"]) == (info.pid, info.name, info.argv)
        assert about["started"] == info.started
    shown = [line for line in prdmesg("-t", "--all", ring_path).stdout.splitlines() if not line.startswith("|")]
    texts = [words.get("message", words["event"]) for words in records]
    assert len(shown) == len(texts)
    for line, words, text in zip(shown, records, texts, strict=True):
        logger_name = f"{words['logger']}: " if "logger" in words else ""
        assert line.startswith(f"{logger_name}{text}".rstrip()) or words["truncated"]


def test_a_ring_that_has_come_round_and_whose_owner_was_killed_is_read_too(
    ring_path: Path, read_ring: Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]
) -> None:
    done = run(
        """
        import os, signal, sys
        import printk_ring as pr

        log = pr.Log(sys.argv[1], size="256 KiB")
        for number in range(5000):
            log.get_logger("round").info("event", number=number, text="x" * (number % 300))
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        ring_path,
    )
    assert done.returncode == -signal.SIGKILL
    about, records = read_ring(ring_path)
    assert records == by_the_package(ring_path)
    assert 100 < len(records) < 5000
    assert records[-1]["fields"]["number"] == 4999
    assert not about["clean"]


def test_what_is_unfinished_committed_lost_or_torn_is_told_apart(
    ring_path: Path, read_ring: Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]
) -> None:
    done = run(
        """
        import os, signal, sys
        import printk_ring as pr

        ring = pr.Ring(desc_bits=6, avg_data_bits=5, path=sys.argv[1])
        kept = []
        for number in range(100):
            text = bytes([1, 1, 3]) + b"%03d" % number
            empty = number in {36, 90}
            record = ring.reserve(0 if empty else len(text), level=number % 8)
            if not empty:
                record.write(text)
            if number in {80, 85}:
                kept.append(record)  # never finished
            elif number == 99:
                record.commit()
            else:
                record.finalize()
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        ring_path,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    content = bytearray(ring_path.read_bytes())
    at = content.index(b"\x01\x01\x03070")
    content[at - 8 : at] = bytes(8)  # the block of 70 has another id: torn
    at = content.index(b"\x01\x01\x03071")
    content[at : at + 2] = b"\x01\x7f"  # a tag that there is not
    content[4096 + 128] |= 1  # R: the oldest, 36, is dropped
    slot = 4096 + 384 + 64 * (61 % 64)
    content[slot : slot + 8] = ((61 + 64) << 2 | 3).to_bytes(8, "little")  # what was 60 is of a later record by now
    for number, begin in ((61, 1), (62, 13)):
        slot = 4096 + 384 + 64 * ((number + 1) % 64)
        content[slot + 8 : slot + 16] = begin.to_bytes(8, "little")  # lost
    ring_path.write_bytes(content)
    about, records = read_ring(ring_path)
    assert records == by_the_package(ring_path)
    assert about["unfinished"] == 2
    assert records[0]["seq"] == 37
    assert not {60, 61, 62} & {words["seq"] for words in records}
    assert [words["seq"] for words in records if "torn" in words] == [70, 71]
    events = [words["event"] for words in records if "torn" not in words]
    assert events[-1] == "099"
    assert "080" not in events
    assert "" in events, "90 is empty on purpose"


def test_what_was_changed_is_torn_by_the_page_and_by_the_package(
    ring_path: Path, read_ring: Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]
) -> None:
    with pr.Log(ring_path, size="256 KiB") as log:
        for number in range(20):
            log.get_logger("app").info("event", number=f"number {number}")
            log.get_logger("app").info("another", number=number)
    content = bytearray(ring_path.read_bytes())
    content[content.index(b"number 7")] ^= 1
    slot = 4096 + 384 + 64 * 11  # of record 10
    content[slot + 36] ^= 1  # the caller
    slot += 64
    content[slot + 47] = 1  # bits that mean nothing
    ring_path.write_bytes(content)
    _, records = read_ring(ring_path)
    assert records == by_the_package(ring_path)
    assert [words["seq"] for words in records if "torn" in words] == [10, 14]
    content[content.index(b"another")] ^= 1  # the description of a call site
    ring_path.write_bytes(content)
    _, records = read_ring(ring_path)
    assert [words["seq"] for words in records if "torn" in words] == sorted({10, 14, *range(1, 40, 2)})

"""What consoles printed, read back: whole lines only, and every record number accounted for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

LOST = "records dropped"


def parsed(text: str) -> list[dict[str, Any]]:
    """The lines of a JSON console. Each of them is whole: it ends, and it parses."""
    assert text == "" or text.endswith("\n"), f"the last line does not end: {text[-200:]!r}"
    return [json.loads(line) for line in text.splitlines()]


def lines_of(*parts: Path) -> list[dict[str, Any]]:
    """The lines of a JSON console's file, or of the parts that it was rotated into, oldest first. None spans two parts."""
    return [line for part in parts for line in parsed(part.read_text("utf-8"))]


def numbers(lines: Iterable[dict[str, Any]]) -> list[int]:
    """The field `number` of the lines that have one."""
    return [line["number"] for line in lines if "number" in line]


def lost(lines: Iterable[dict[str, Any]], *, first: int = 0, own: Collection[int] = ()) -> int:
    """How many records the notices say were lost, after a look at each line: it has the number that is next, or it is a
    notice that begins with that number and counts as many records as it names. `own`: numbers that the console itself
    caused, and therefore leaves out.
    """
    total, awaited = 0, first
    for line in lines:
        notice = line["event"] == LOST
        assert notice or "seq" in line, f"another notice where {awaited} was to come: {line}"
        at = line["first_seq"] if notice else line["seq"]
        while awaited in own and awaited != at:
            awaited += 1
        assert at == awaited, f"{at} where {awaited} was to come: {line}"
        if notice:
            assert line["dropped"] == line["last_seq"] - line["first_seq"] + 1 > 0
            total += line["dropped"]
            awaited = line["last_seq"] + 1
        else:
            awaited += 1
    return total


def failures(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that tell of a console whose sink fails."""
    return [line for line in lines if "write failed" in line["event"]]

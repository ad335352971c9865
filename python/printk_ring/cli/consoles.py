"""The consoles of a ring file: who prints, and how far it is."""

import json
from typing import Any

from printk_ring._native import FileConsole, RingFile
from printk_ring.cli.output import Output, one_line

__all__ = ["show_consoles"]

_COLUMNS = ("NAME", "FLAGS", "LEVEL", "SEQ", "LAG", "DROPPED", "ERRORS", "OWNER", "FORMAT", "TARGET")
_FIGURES = frozenset({"SEQ", "LAG", "DROPPED", "ERRORS"})
_TROUBLE = frozenset({"DROPPED", "ERRORS"})
_GAP = "  "
_RESET = "\x1b[0m"
_HEADER = "\x1b[1m"
_BAD = "\x1b[31m"
_OFF = "\x1b[2m"


def show_consoles(ring: RingFile, out: Output, *, as_json: bool, colour: bool) -> None:
    """Writes a table with a header line, or one JSON object a line."""
    consoles = ring.consoles()
    if as_json:
        for console in consoles:
            # In ASCII: whatever the file holds for a name, no terminal obeys it.
            out.line(json.dumps(_attributes(console)))
        return
    rows = [_row(console) for console in consoles]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    header = _aligned(_COLUMNS, widths)
    out.line(_painted(_GAP.join(header).rstrip(), _HEADER if colour else ""))
    for console, row in zip(consoles, rows, strict=True):
        cells = _aligned(row, widths)
        cells[-1] = cells[-1].rstrip()
        if colour:
            cells = [_painted(cell, _colour_of(console, name)) for name, cell in zip(_COLUMNS, cells, strict=True)]
        out.line(_GAP.join(cells))


def _attributes(console: FileConsole) -> dict[str, Any]:
    return {
        "name": console.name,
        "flags": console.flags,
        "level": None if console.level is None else console.level.name,
        "seq": console.seq,
        "lag": console.lag,
        "dropped": console.dropped,
        "errors": console.errors,
        "enabled": console.enabled,
        "owner": console.owner,
        "alive": console.alive,
        "format": console.format,
        "target": console.target,
        "reliability": console.reliability,
    }


def _row(console: FileConsole) -> tuple[str, ...]:
    return (
        one_line(console.name),
        f"({console.flags})",
        "-" if console.level is None else console.level.name,
        str(console.seq),
        str(console.lag),
        str(console.dropped),
        str(console.errors),
        console.owner or "-",
        console.format or "-",
        one_line(console.target),
    )


def _aligned(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    """Figures to the right, words to the left."""
    aligned = zip(_COLUMNS, cells, widths, strict=True)
    return [cell.rjust(width) if name in _FIGURES else cell.ljust(width) for name, cell, width in aligned]


def _colour_of(console: FileConsole, column: str) -> str:
    if column in _TROUBLE and getattr(console, column.lower()):
        return _BAD
    return "" if console.enabled else _OFF


def _painted(text: str, colour: str) -> str:
    return f"{colour}{text}{_RESET}" if colour else text

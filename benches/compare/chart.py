"""The calls as a picture: SVG, bars on a logarithmic scale, ours marked, and who loses records when it is killed."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from benches.compare.peers.noop import Noop
from benches.compare.table import ns, present

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.compare.arena import Results

PANELS = (("args2", "2 arguments"), ("fields4", "4 fields"))
ROW, BAR = 30, 18
LEFT, TOP, BOTTOM = 160, 86, 64
PANEL, BETWEEN, RIGHT = 330, 96, 84
LOW, HIGH = 10.0, 100_000.0  # ns
INK, FAINT, GRID, PAPER = "#1f2937", "#6b7280", "#e5e7eb", "#ffffff"
OURS, KEEPS, LOSES = "#0f7b52", "#5b7083", "#e3b23c"


class Bar(NamedTuple):
    """One figure of one peer."""

    name: str
    value: float
    colour: str


def share(value: float) -> float:
    """Where a time is on the scale, 0 to 1."""
    inside = min(max(value, LOW), HIGH)
    return math.log(inside / LOW) / math.log(HIGH / LOW)


def text(
    x: float, y: float, words: str, *, size: int = 13, colour: str = INK, anchor: str = "start", bold: bool = False
) -> str:
    """A line of text."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{weight}>'
        f"{escape(words)}</text>"
    )


def colour_of(results: Results, name: str) -> str:
    """Ours, keeps every record, or loses some."""
    if results.peers[name]["ours"]:
        return OURS
    seen = results.measures.get("killed", {}).get(name)
    lost = seen is None or seen["found"] < seen["acknowledged"]
    return LOSES if lost else KEEPS


def names(results: Results) -> list[str]:
    """The rows: by the time of the first panel, ours among the others."""
    calls = results.measures.get("calls", {})
    measured = [name for name in present(results) if name != Noop.name and PANELS[0][0] in calls.get(name, {})]
    return sorted(measured, key=lambda name: float(calls[name][PANELS[0][0]]["ns"]))


def scale(left: float, height: float) -> Iterator[str]:
    """Lines at the powers of ten."""
    for power in range(round(math.log10(LOW)), round(math.log10(HIGH)) + 1):
        x = left + PANEL * share(10.0**power)
        yield f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{TOP + height:.1f}" stroke="{GRID}"/>'
        label = f"{10**power} ns" if power < 3 else f"{10 ** (power - 3)} µs"
        yield text(x, TOP - 12, label, size=11, colour=FAINT, anchor="middle")


def panel(results: Results, rows: list[str], number: int) -> Iterator[str]:
    """One case: its scale, its bars, and the function that does nothing as a line."""
    case, title = PANELS[number]
    left = LEFT + number * (PANEL + BETWEEN)
    height = ROW * len(rows)
    calls = results.measures.get("calls", {})
    yield text(left, TOP - 36, title, size=15, bold=True)
    yield from scale(left, height)
    for row, name in enumerate(rows):
        middle = TOP + ROW * row + ROW / 2
        figures = calls.get(name, {}).get(case)
        if figures is None:
            yield text(left + 66, middle + 4, "has none", size=11, colour=FAINT)
            continue
        width = PANEL * share(figures["ns"])
        colour = colour_of(results, name)
        yield f'<rect x="{left}" y="{middle - BAR / 2:.1f}" width="{width:.1f}" height="{BAR}" rx="2" fill="{colour}"/>'
        ours = results.peers[name]["ours"]
        yield text(left + width + 6, middle + 4, ns(figures["ns"]), size=12, colour=OURS if ours else INK, bold=ours)
    noop = calls.get(Noop.name, {}).get(case)
    if noop is not None:
        x = left + PANEL * share(noop["ns"])
        yield (
            f'<line x1="{x:.1f}" y1="{TOP - 2}" x2="{x:.1f}" y2="{TOP + height + 6:.1f}" stroke="{INK}" '
            'stroke-width="1.5" stroke-dasharray="4 3"/>'
        )
        yield text(x, TOP + height + 20, f"no-op {ns(noop['ns'])}", size=11, colour=INK, anchor="middle")


def legend(results: Results, y: float) -> Iterator[str]:
    """What the colours say."""
    lost = any(colour_of(results, name) == LOSES for name in names(results))
    entries = [
        (OURS, "printk_ring: every record is there after SIGKILL"),
        (KEEPS, "every record is there after SIGKILL"),
    ]
    entries += [(LOSES, "records are lost by SIGKILL")] if lost else []
    x = float(LEFT)
    for colour, words in entries:
        yield f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="12" height="12" rx="2" fill="{colour}"/>'
        yield text(x + 18, y, words, size=12)
        x += 40 + 6.6 * len(words)


def svg(results: Results) -> str:
    """The whole picture."""
    rows = names(results)
    width = LEFT + len(PANELS) * PANEL + (len(PANELS) - 1) * BETWEEN + RIGHT
    height = TOP + ROW * len(rows) + BOTTOM
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" role="img" '
        'aria-label="What a log call costs its caller, by library">'
    )
    parts = [
        head,
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        text(16, 26, "What a log call costs its caller (median, logarithmic scale)", size=16, bold=True),
    ]
    for row, name in enumerate(rows):
        ours = results.peers[name]["ours"]
        middle = TOP + ROW * row + ROW / 2
        parts.append(text(LEFT - 10, middle + 4, name, colour=OURS if ours else INK, anchor="end", bold=ours))
    for number in range(len(PANELS)):
        parts += panel(results, rows, number)
    parts += [*legend(results, height - 14), "</svg>"]
    return "\n".join(parts) + "\n"

"""The results as Markdown, and in short on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benches.compare.peers.peer import CASES
from benches.compare.targets import OURS, verdicts
from benches.report import FAINT, GREEN, PLAIN, RED, coloured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.compare.arena import Results

NONE = "–"
TITLES = {
    "disabled": "disabled",
    "constant": "constant",
    "args2": "2 arguments",
    "fields4": "4 fields",
    "exception": "exception",
}
Row = tuple[str, ...]
Cell = Callable[[dict[str, Any]], str]


def ns(value: float) -> str:
    """Nanoseconds, as short as they can be read."""
    if value < 10_000:
        return f"{value:,.0f} ns"
    return f"{value / 1e3:,.0f} µs" if value < 1e7 else f"{value / 1e6:,.0f} ms"


def per_second(value: float) -> str:
    """A rate."""
    return f"{value / 1e6:.2f} M/s" if value >= 1e6 else f"{value / 1e3:,.0f} k/s"


def mebibytes(value: float) -> str:
    """Bytes."""
    return f"{value / 2**20:.1f} MiB"


def grid(head: Row, rows: list[Row]) -> Iterator[str]:
    """A table; the first column is a name, the others are figures."""
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def bold(name: str, results: Results) -> str:
    """Ours stands out."""
    return f"**{name}**" if results.peers[name]["ours"] else name


def present(results: Results) -> list[str]:
    """Who could be measured."""
    return [name for name, told in results.peers.items() if "missing" not in told]


def why_not(results: Results, name: str, measure: str) -> str:
    """Instead of a figure: that a peer failed, or that it has no such thing."""
    failed = any(note["peer"] == name and note["measure"] == measure for note in results.trouble)
    return "failed" if failed else NONE


def rows(results: Results, measure: str, cells: list[tuple[str, Cell]]) -> list[Row]:
    """One row for each peer; `cells`: (what failing is called, how a figure is written)."""
    found = []
    for name in present(results):
        entry = results.measures.get(measure, {}).get(name, {})
        written = []
        for failing, cell in cells:
            try:
                written.append(cell(entry))
            except KeyError:
                written.append(why_not(results, name, failing))
        found.append((bold(name, results), *written))
    return found


def call_cell(case: str) -> Cell:
    """Time, and how many times the function that does nothing."""

    def cell(entry: dict[str, Any]) -> str:
        figures = entry[case]
        ratio = figures["ratio"]
        return f"{ns(figures['ns'])} ({ratio:,.1f})" if ratio < 100 else f"{ns(figures['ns'])} ({ratio:,.0f})"

    return cell


def plain(kind: str, write: Callable[[float], str]) -> Cell:
    """A figure of an entry."""
    return lambda entry: write(entry[kind])


def deeper(outer: str, kind: str, write: Callable[[float], str]) -> Cell:
    """A figure of a part of an entry."""
    return lambda entry: write(entry[outer][kind])


def killed_cell(entry: dict[str, Any]) -> str:
    """How many of the acknowledged records were found."""
    found, acknowledged = entry["found"], entry["acknowledged"]
    return f"all {acknowledged:,}" if found >= acknowledged else f"{found:,} of {acknowledged:,}"


def calls_part(results: Results) -> Iterator[str]:
    """The cost of a call."""
    yield "## A call, for its caller"
    yield ""
    yield "Median of the slices; in brackets how many times a function that does nothing, called the same way right before."
    yield ""
    head = ("", *(TITLES[case] for case in CASES))
    yield from grid(head, rows(results, "calls", [(f"calls, {case}", call_cell(case)) for case in CASES]))
    yield ""
    for title, kind in (
        ("The best slice:", "best"),
        ("The calling thread on its processor, without what others took of it meanwhile (median):", "busy"),
    ):
        yield title
        yield ""
        yield from grid(head, rows(results, "calls", [(f"calls, {case}", deeper(case, kind, ns)) for case in CASES]))
        yield ""


def paced_part(results: Results) -> Iterator[str]:
    """Single calls."""
    kinds = ("p50", "p99", "p999", "max")
    head = ("", "p50", "p99", "p99.9", "longest")
    for title, measure, failing in (
        ("Single calls, two arguments, 50 us apart", "paced", "paced calls"),
        ("The same into a FIFO whose reader takes 512 bytes a millisecond", "slow", "slow sink"),
    ):
        yield f"## {title}"
        yield ""
        yield from grid(head, rows(results, measure, [(failing, plain(kind, ns)) for kind in kinds]))
        yield ""


def threads_part(results: Results) -> Iterator[str]:
    """Groups of threads."""
    yield "## Threads, two arguments"
    yield ""
    yield "Calls of the group per second, and one call of one of its threads; last how many lines the file took per second,"
    yield "from the first call until the last line was there."
    yield ""
    cells: list[tuple[str, Cell]] = []
    head = [""]
    for group in ("1", "2", "4"):
        failing = f"{group} threads"
        head += [f"{group}: calls", "a call"]
        cells += [(failing, deeper(group, "rate", per_second)), (failing, deeper(group, "ns", ns))]
    for group in ("1", "2", "4"):
        head.append(f"{group}: drained")
        cells.append((f"{group} threads", deeper(group, "drained", per_second)))
    yield from grid(tuple(head), rows(results, "threads", cells))


def ends_part(results: Results) -> Iterator[str]:
    """What is left, and what it took."""
    yield "## After SIGKILL, and memory"
    yield ""
    yield "Found of the records whose calls had returned, all kills together; what holds a record at that moment; the peak"
    yield "of the resident set after a burst, mapped ring included, and what of it came with the burst."
    yield ""
    killed = rows(results, "killed", [("SIGKILL", killed_cell)])
    memory = rows(results, "memory", [("memory", plain("peak", mebibytes)), ("memory", plain("growth", mebibytes))])
    holds = [results.peers[name]["holds"] or NONE for name in present(results)]
    joined = [(*row, held, *peak[1:]) for row, held, peak in zip(killed, holds, memory, strict=True)]
    burst = max((entry.get("records", 0) for entry in results.measures.get("memory", {}).values()), default=0)
    yield from grid(("", "found", "a record is in", f"peak, {burst:,} records", "of the burst"), joined)


def targets_part(results: Results) -> Iterator[str]:
    """What should be, and is or is not."""
    yield "## Targets"
    yield ""
    yield "| | in this run | times below | by the best slices | on the processor | | theirs, where the targets were set |"
    yield "|---|---|---:|---:|---:|---|---:|"
    for verdict in verdicts(results):
        target = verdict.target
        if verdict.peer is None:
            nothing = f"nothing to compare with | {NONE} | {NONE} | {NONE} | not measured"
            yield f"| {target.words} | {nothing} | {target.elsewhere} |"
            continue
        met = "met" if verdict.met else "**missed**"
        figures = f"{ns(verdict.ours['ns'])}; {verdict.peer} {ns(verdict.theirs['ns'])}"
        times = f"{verdict.times:.1f} | {verdict.times_best:.1f} | {verdict.times_busy:.1f}"
        yield f"| {target.words} | {figures} | {times} | {met} | {target.elsewhere} |"


def losses(results: Results) -> Iterator[str]:
    """Every peer whose records did not all arrive, and every one that failed."""
    for name, measures in results.counts.items():
        for measure, count in measures.items():
            if count.told:
                yield f"{name}, {measure}: {count.told:,} of {count.expected:,} lost in the log file, and told there."
            if count.missing:
                yield f"{name}, {measure}: **{count.missing:,} of {count.expected:,} records missing**."
            if count.doubled:
                yield f"{name}, {measure}: **{count.doubled:,} records twice**."
    for note in results.trouble:
        yield f"{note['peer']}, {note['measure']}: **{note['what']}**."


def counted_part(results: Results) -> Iterator[str]:
    """What was counted."""
    totals = [count for measures in results.counts.values() for count in measures.values()]
    expected, found = sum(count.expected for count in totals), sum(count.found for count in totals)
    yield "## Counted"
    yield ""
    yield f"{expected:,} records were logged, and {found:,} found in the files, each by its number (constant ones by count)."
    yield ""
    told = list(losses(results))
    yield from (f"- {line}" for line in told or ["None is missing."])


def how_part(results: Results) -> Iterator[str]:
    """How each was set up."""
    yield "## Who, and how"
    yield ""
    for name, told in results.peers.items():
        if "missing" in told:
            yield f"- {name}: **not measured**: {told['missing']}."
            continue
        versions = ", ".join(f"{package} {version}" for package, version in told.get("versions", {}).items())
        yield f"- {bold(name, results)}{f' ({versions})' if versions else ''}: {told['how']}."


def markdown(results: Results, about: dict[str, Any], picture: str) -> str:
    """The whole page; the picture lies beside it."""
    said = (
        f"{about['effort']} of `make compare`. {about['processor']}; {about['system']}; {about['python']}. Files in "
        f"`{about['directory']}`. Load before {about['load_before']:.2f}, after {about['load_after']:.2f}. "
        "Method: [benches/README.md](../README.md#beside-other-ways-to-log)."
    )
    head = [
        "# Beside other ways to log",
        "",
        said,
        "",
        f"![A call for its caller]({picture})",
        "",
    ]
    parts = (targets_part, calls_part, paced_part, threads_part, ends_part, counted_part, how_part)
    body = "\n".join("\n".join([*part(results), ""]).rstrip("\n") + "\n" for part in parts)
    return "\n".join(head) + "\n" + body


def terminal(results: Results) -> str:
    """The calls, and the verdicts; colours only on a terminal."""
    red, green, faint, off = (RED, GREEN, FAINT, PLAIN) if coloured() else ("", "", "", "")
    width = max(map(len, results.peers))
    lines = [f"{faint}{'':{width}}" + "".join(f"{TITLES[case]:>14}" for case in CASES) + f"{'SIGKILL':>18}{off}"]
    for name in present(results):
        calls = results.measures.get("calls", {}).get(name, {})
        figures = "".join(f"{ns(calls[case]['ns']) if case in calls else NONE:>14}" for case in CASES)
        killed = results.measures.get("killed", {}).get(name)
        left = killed_cell(killed) if killed else NONE
        colour = green if name == OURS else ""
        lines.append(f"{colour}{name:{width}}{figures}{left:>18}{off if colour else ''}")
    for verdict in verdicts(results):
        if verdict.peer is None:
            lines.append(f"{faint}{verdict.target.words}: not measured{off}")
            continue
        colour, word = (green, "met") if verdict.met else (red, "MISSED")
        lines.append(f"{colour}{verdict.target.words}: {verdict.times:.1f} times ({verdict.peer}): {word}{off}")
    lines += [f"{red}{line.replace('**', '')}{off}" for line in losses(results)]
    return "\n".join(lines)

"""The results as a table: coloured with bars on a terminal, Markdown in `benches/README.md`."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benches import beside_linux
from benches.entries import INSTRUCTIONS, NS, PER_MILLION
from benches.targets import TARGETS

if TYPE_CHECKING:
    from benches.entries import Entry, Results

BAR = 24
# Entries whose facts stand below the table.
FACTS = (
    "million.",
    "caller.p99",
    "stuck.p99",
    "wake",
    "lag.max",
    "ring.write.2",
    "ring.paced.p99",
    "ring.paced.log.p99",
    "ring.refused.",
)
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
RED, GREEN, FAINT, PLAIN = "\033[31m", "\033[32m", "\033[2m", "\033[0m"


def amount(entry: Entry, value: float) -> str:
    """A figure with as many digits as it deserves."""
    if entry.unit == NS:
        return f"{value:,.1f} ns" if value < 1000 else f"{value:,.0f} ns"
    if entry.unit == INSTRUCTIONS:
        return f"{value:,.1f}"
    if entry.unit == PER_MILLION:
        return f"{value:,.3g} per million"
    return f"{value:,.0f} /s"


def ratio_text(entry: Entry) -> str:
    """The ratio, also where it is far below one."""
    return f"{entry.ratio:.2f}" if entry.ratio >= 0.1 else f"{entry.ratio:.3f}"


def bar(used: float) -> str:
    """How much of the target is used; what goes beyond is cut at twice the target."""
    cells = round(min(used, 2.0) * BAR / 2)
    line = ["█"] * cells + ["·"] * (BAR - cells)
    line.insert(BAR // 2, "│")
    return "".join(line)


def coloured() -> bool:
    """Colours only on a terminal that is not told otherwise."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def show(results: Results) -> None:
    """Prints all entries; those with a target get a bar whose middle is the target."""
    colours = coloured()
    width = max(map(len, results.entries))
    measured = max(len(entry.yardstick) for entry in results.entries.values())
    for name, entry in results.entries.items():
        target = TARGETS.get(name)
        line = (
            f"{name:{width}}  {amount(entry, entry.value):>16}  {ratio_text(entry):>8} x {entry.yardstick:{measured}}"
        )
        if target is None:
            print(f"{FAINT}{line}{PLAIN}" if colours else line)
            continue
        used = target.used(entry, results)
        met = used <= 1.0
        words = target.words(entry).replace("`", "")
        verdict = f"{bar(used)}  target {words}: {'met' if met else 'MISSED'}"
        print(f"{GREEN if met else RED}{line}  {verdict}{PLAIN}" if colours else f"{line}  {verdict}")


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def markdown(results: Results, how: str) -> str:
    """Machine and table, as they stand in the README; `how` long the run was."""
    lines = [f"Machine: {'; '.join(machine().values())}. {how}", ""]
    lines += ["| | median | best | yardstick | ratio | target | |", "|---|---:|---:|---|---:|---:|---|"]
    for name, entry in results.entries.items():
        target = TARGETS.get(name)
        bound = target.words(entry) if target else ""
        met = "" if target is None else "met" if target.used(entry, results) <= 1.0 else "**missed**"
        lines.append(
            f"| `{name}` | {amount(entry, entry.value)} | {amount(entry, entry.best)} | `{entry.yardstick}` "
            f"| {ratio_text(entry)} | {bound} | {met} |"
        )
    for name, entry in results.entries.items():
        if name.startswith(FACTS):
            facts = ", ".join(
                f"{key} {value:,.4g}" if isinstance(value, float) else f"{key} {value:,}"
                for key, value in entry.facts.items()
            )
            lines += ["", f"`{name}`: {facts}."]
    if "ring.read" in results.entries:
        lines += ["", *beside_linux.table(results, amount, ratio_text)]
    return "\n".join(lines)


def write_readme(results: Results, readme: Path, how: str) -> None:
    """Replaces what stands between the two markers."""
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{markdown(results, how)}\n{END}{after}", encoding="utf-8")

"""The counters of a ring file."""

import json
from typing import Any

from printk_ring._native import RingFile
from printk_ring.cli.heading import described
from printk_ring.cli.output import Output, one_line

__all__ = ["show_stats"]


def show_stats(ring: RingFile, out: Output, *, as_json: bool) -> None:
    """Writes what the file says about itself, its owner and its consoles: a line per figure, or one JSON object."""
    about = {**described(ring.info), **ring.stats()}
    if as_json:
        out.line(json.dumps(about, ensure_ascii=False))
        return
    consoles = about.pop("consoles", {})
    for name, value in about.items():
        out.line(f"{name:<16} {_shown(value)}")
    for name, console in consoles.items():
        figures = " ".join(f"{key}={_shown(value)}" for key, value in console.items())
        out.line(f"console {one_line(name)}: {figures}")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(json.dumps(str(item), ensure_ascii=True) for item in value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return one_line(str(value))

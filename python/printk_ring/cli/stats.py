"""The counters of a ring file."""

import json
from datetime import UTC, datetime
from typing import Any

from printk_ring._native import RingFile, RingFileInfo
from printk_ring.cli.output import Output, one_line

__all__ = ["show_stats"]

_NSEC_PER_SEC = 1_000_000_000


def show_stats(ring: RingFile, out: Output, *, as_json: bool) -> None:
    """Writes what the file says about itself, its owner and its consoles: a line per figure, or one JSON object."""
    about = {**_about(ring.info), **ring.stats()}
    if as_json:
        out.line(json.dumps(about, ensure_ascii=False))
        return
    consoles = about.pop("consoles", {})
    for name, value in about.items():
        out.line(f"{name:<16} {_shown(value)}")
    for name, console in consoles.items():
        figures = " ".join(f"{key}={_shown(value)}" for key, value in console.items())
        out.line(f"console {one_line(name)}: {figures}")


def _about(info: RingFileInfo) -> dict[str, Any]:
    started = datetime.fromtimestamp(info.started / _NSEC_PER_SEC, UTC)
    return {
        "path": str(info.path),
        "name": info.name,
        "pid": info.pid,
        "alive": info.alive,
        "clean": info.clean,
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "argv": info.argv,
        "layout_version": info.layout_version,
        "unfinished": info.unfinished,
    }


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(json.dumps(str(item), ensure_ascii=True) for item in value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return one_line(str(value))

"""What a file says about itself and its owner: a line in front of its records, or words for a program."""

import json
from typing import Any

from printk_ring._native import RingFileInfo
from printk_ring.cli.options import Options
from printk_ring.cli.output import one_line
from printk_ring.cli.target import Target
from printk_ring.levels import Level
from printk_ring.lives import headline, moment

__all__ = ["described", "heading"]

_NOTICE_PRIORITY = f"<{8 + Level.NOTICE}>"  # facility 1, user


def heading(target: Target, options: Options) -> str:
    """Whose ring it is, how that process ended, and what it left."""
    info = target.info
    if options.json:
        words = {**described(info), "records": target.ring.stats()["records"], **(target.about or {})}
        words["state"] = target.state or info.state
        return json.dumps({"level": "NOTICE", "event": "ring", **words}, ensure_ascii=True)
    text = f"{one_line(target.place)}: {headline(target.ring, info, target.state)}"
    if options.listing:
        return text
    return f"{_NOTICE_PRIORITY if options.raw else ''}** {text} **"


def described(info: RingFileInfo) -> dict[str, Any]:
    """What a file says about itself and its owner."""
    return {
        "path": str(info.path),
        "name": info.name,
        "pid": info.pid,
        "alive": info.alive,
        "clean": info.clean,
        "state": info.state,
        "started": moment(info.started),
        "last": None if info.last is None else moment(info.last),
        "argv": info.argv,
        "layout_version": info.layout_version,
        "unfinished": info.unfinished,
    }

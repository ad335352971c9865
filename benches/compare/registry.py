"""Who is compared, in the table's order; an adapter can also be given by the path of its file."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from benches.compare.peers.peer import Peer

if TYPE_CHECKING:
    from types import ModuleType

PEERS = "benches.compare.peers."
# Key (command line) -> module and class.
KNOWN = {
    "noop": ("noop", "Noop"),
    "ring": ("ring", "Ring"),
    "ring-block": ("ring", "BlockingRing"),
    "stdlib-file": ("stdlib", "File"),
    "stdlib-queue": ("stdlib", "Queue"),
    "structlog": ("structlog_orjson", "Structlog"),
    "loguru": ("loguru_file", "Loguru"),
    "loguru-enqueue": ("loguru_file", "LoguruEnqueue"),
    "picologging": ("picologging_file", "Picologging"),
    "spydlog": ("spydlog_file", "Spydlog"),
    "spydlog-async": ("spydlog_file", "SpydlogAsync"),
    "rapidlog": ("rapidlog_stdout", "Rapidlog"),
    "logust": ("logust_file", "Logust"),
    "rusty-logger": ("rusty_logger_file", "RustyLogger"),
}


def by_path(path: Path) -> ModuleType:
    """A file somewhere that has a class `Adapter`."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def peer(key: str) -> Peer:
    """A fresh adapter."""
    if key.endswith(".py"):
        made = by_path(Path(key)).Adapter()
    else:
        module, name = KNOWN[key]
        made = getattr(importlib.import_module(PEERS + module), name)()
    assert isinstance(made, Peer), key
    return made

"""logust: loguru's interface, in Rust."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, ClassVar

from benches.compare.peers.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path


class Logust(Peer):
    """`logger.add(path)`. It has no positional arguments."""

    name = "logust"
    packages = ("logust",)
    how = (
        '`logger.add(path, level="INFO")`, its own format; `serialize=True` for the four fields; arguments by `%` at '
        "the call"
    )
    holds = "a buffer in the process"
    calls: ClassVar = {
        "disabled": 'log.debug("hidden")',
        "constant": 'log.info("served")',
        "args2": 'log.info("served %s %d" % ("x", i))',
        "fields4": 'log.info("served", a=i, b=2.5, c="x", d=3)',
        "exception": 'log.exception("failed")',
    }

    def open(self, path: Path, form: str) -> Any:
        """The one logger that there is, with this file only."""
        library = importlib.import_module("logust")
        self.logger = library.logger
        self.logger.remove()
        self.logger.add(str(path), level="INFO", serialize=form == "json")
        return self.logger

    def flush(self) -> None:
        """Writes the buffers."""
        self.logger.complete()

    def close(self) -> None:
        """The orderly end."""
        self.logger.remove()

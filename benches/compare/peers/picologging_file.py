"""picologging: the standard library's interface, in C++."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, ClassVar

from benches.compare.peers.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path


class Picologging(Peer):
    """`FileHandler`. Its records do not have the fields of `extra` for a formatter."""

    name = "picologging"
    packages = ("picologging",)
    how = (
        "`FileHandler`, format `%(created)f %(levelname)s %(name)s: %(message)s`: its `%(asctime)s` without a format of "
        "its own wrote bytes that are no time"
    )
    holds = "the file, written"
    calls: ClassVar = {
        "disabled": 'log.debug("hidden")',
        "constant": 'log.info("served")',
        "args2": 'log.info("served %s %d", "x", i)',
        "exception": 'log.exception("failed")',
    }

    def open(self, path: Path, form: str) -> Any:
        """A logger with one handler."""
        del form
        library = importlib.import_module("picologging")
        self.handler = library.FileHandler(str(path))
        self.handler.setFormatter(library.Formatter("%(created)f %(levelname)s %(name)s: %(message)s"))
        logger = library.getLogger("bench")
        logger.addHandler(self.handler)
        logger.setLevel(library.INFO)
        return logger

    def close(self) -> None:
        """The orderly end."""
        self.handler.close()

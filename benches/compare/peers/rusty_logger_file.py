"""rusty-logger: `tracing` of Rust. One file for a process, whatever is configured later."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, ClassVar

from benches.compare.peers.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path


class RustyLogger(Peer):
    """Keyword arguments must be texts, and the file does not have them: no fields."""

    name = "rusty-logger"
    packages = ("rusty-logger",)
    how = (
        '`LogConfig(stdout=False, level="INFO", file_config=LogFileConfig(path))`; `{}` arguments, exceptions formatted '
        "at the call"
    )
    holds = "the file, written"
    calls: ClassVar = {
        "disabled": 'log.debug("hidden")',
        "constant": 'log.info("served")',
        "args2": 'log.info("served {} {}", "x", i)',
        "exception": 'log.error("failed\\n" + traceback.format_exc())',
    }

    def open(self, path: Path, form: str) -> Any:
        """As its documentation logs to a file."""
        del form
        library = importlib.import_module("rusty_logger")
        file = library.LogFileConfig(filename=str(path))
        config = library.LogConfig(stdout=False, level="INFO", file_config=file)
        return library.Logger.get_logger("bench", config)

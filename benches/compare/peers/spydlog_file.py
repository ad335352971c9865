"""spydlog: spdlog of C++. It takes a finished text: arguments and exceptions are formatted at the call."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, ClassVar

from benches.compare.peers.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path


class Spydlog(Peer):
    """`basic_logger_mt`: the C library's buffer, written when it is full."""

    name = "spydlog"
    packages = ("spydlog",)
    how = "`basic_logger_mt(name, path)`, its own pattern, no `flush_on`; arguments by `%` at the call"
    holds = "a buffer in the process"
    calls: ClassVar = {
        "disabled": 'log.debug("hidden")',
        "constant": 'log.info("served")',
        "args2": 'log.info("served %s %d" % ("x", i))',
        "exception": 'log.error("failed\\n" + traceback.format_exc())',
    }

    def open(self, path: Path, form: str) -> Any:
        """A logger with one file."""
        del form
        library = importlib.import_module("spydlog")
        self.logger = self.made(library, str(path))
        return self.logger

    def made(self, library: Any, path: str) -> Any:
        """By the factory that its documentation recommends."""
        return library.basic_logger_mt("bench", path)

    def flush(self) -> None:
        """Writes the buffer; the asynchronous one only asks for it."""
        self.logger.flush()


class SpydlogAsync(Spydlog):
    """`async_logger`: a queue of 8192, and a thread that formats."""

    name = "spydlog, async"
    how = "`async_logger(name, basic_file_sink_mt(path))`; the rest as above"
    holds = "a queue in the process"

    def made(self, library: Any, path: str) -> Any:
        """As in its documentation."""
        return library.async_logger("bench", library.basic_file_sink_mt(path))

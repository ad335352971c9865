"""rapidlog: JSON lines on stdout, written by a thread; stdout is the file."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, ClassVar

from benches.compare.peers.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path


class Rapidlog(Peer):
    """It has no arguments and no exceptions of its own."""

    name = "rapidlog"
    packages = ("rapidlog",)
    how = (
        '`get_logger(level="INFO")`, preset "balanced", stdout redirected to the file; arguments by `%` at the call, '
        "exceptions as a field"
    )
    holds = "a list of the thread, then a queue in the process"
    calls: ClassVar = {
        "disabled": 'log.debug("hidden")',
        "constant": 'log.info("served")',
        "args2": 'log.info("served %s %d" % ("x", i))',
        "fields4": 'log.info("served", a=i, b=2.5, c="x", d=3)',
        "exception": 'log.error("failed", exc=traceback.format_exc())',
    }

    def open(self, path: Path, form: str) -> Any:
        """Its only sink is stdout."""
        del form
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(file, 1)
        os.close(file)
        self.logger = importlib.import_module("rapidlog").get_logger(level="INFO")
        return self.logger

    def flush(self) -> None:
        """The list of this thread goes to the queue; the writer's thread does the rest in its own time."""
        self.logger.flush()

    def leave_thread(self) -> None:
        """Nobody else can flush a thread's list."""
        self.logger.flush()

    def close(self) -> None:
        """Waits for the writer."""
        self.logger.close()

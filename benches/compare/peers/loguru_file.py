"""loguru, writing at the call, and with `enqueue=True`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, ClassVar

from benches.compare.peers.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path


class Loguru(Peer):
    """`logger.add(path)`."""

    name = "loguru"
    packages = ("loguru",)
    how = (
        '`logger.add(path, level="INFO", diagnose=False)`, its own format; `serialize=True` for the four fields; '
        "`{}` arguments"
    )
    holds = "the file, written"
    enqueue = False
    calls: ClassVar = {
        "disabled": 'log.debug("hidden")',
        "constant": 'log.info("served")',
        "args2": 'log.info("served {} {}", "x", i)',
        "fields4": 'log.info("served", a=i, b=2.5, c="x", d=3)',
        "exception": 'log.exception("failed")',
    }

    def open(self, path: Path, form: str) -> Any:
        """The one logger that there is, with this file only."""
        self.logger = importlib.import_module("loguru").logger
        self.logger.remove()
        self.logger.add(path, level="INFO", serialize=form == "json", enqueue=self.enqueue, diagnose=False)
        return self.logger

    def flush(self) -> None:
        """Waits for the queue, where there is one."""
        self.logger.complete()

    def close(self) -> None:
        """The orderly end."""
        self.logger.remove()


class LoguruEnqueue(Loguru):
    """A queue between processes, and a thread that writes."""

    name = "loguru, enqueue"
    how = "the same with `enqueue=True`"
    holds = "a pipe of the process, pickled"
    enqueue = True

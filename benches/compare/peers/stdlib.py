"""The standard library: a file handler, and a queue with a listener that writes."""

from __future__ import annotations

import logging
import logging.handlers
import queue
from typing import TYPE_CHECKING, Any

from benches.compare.peers.peer import Peer
from benches.peers import Json

if TYPE_CHECKING:
    from pathlib import Path

CALLS = {
    "disabled": 'log.debug("hidden")',
    "constant": 'log.info("served")',
    "args2": 'log.info("served %s %d", "x", i)',
    "fields4": 'log.info("served", extra={"a": i, "b": 2.5, "c": "x", "d": 3})',
    "exception": 'log.exception("failed")',
}


def file_handler(path: Path, form: str) -> logging.FileHandler:
    """A file with times, levels and names, or with JSON lines."""
    handler = logging.FileHandler(path, encoding="utf-8")
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(Json() if form == "json" else text)
    return handler


def logger_with(handler: logging.Handler) -> logging.Logger:
    """A logger at INFO that nobody else has."""
    logger = logging.getLogger("bench")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    return logger


class File(Peer):
    """`FileHandler`, as in the Logging HOWTO."""

    name = "logging, file"
    how = (
        "`FileHandler`, format `%(asctime)s %(levelname)s %(name)s: %(message)s`; four fields by `extra` and a formatter "
        "around `json.dumps`"
    )
    holds = "the file, written"
    calls = CALLS

    def open(self, path: Path, form: str) -> Any:
        """A logger with one handler."""
        return logger_with(file_handler(path, form))


class Queue(Peer):
    """`QueueHandler` and `QueueListener`, as the Logging Cookbook recommends them where handlers may be slow."""

    name = "logging, queue"
    how = "`QueueHandler` on a `queue.Queue(-1)`, `QueueListener` with the `FileHandler` above"
    holds = "a queue in the process"
    calls = CALLS

    def open(self, path: Path, form: str) -> Any:
        """The listener's thread writes."""
        waiting: queue.Queue[logging.LogRecord] = queue.Queue(-1)
        self.listener = logging.handlers.QueueListener(waiting, file_handler(path, form), respect_handler_level=True)
        self.listener.start()
        return logger_with(logging.handlers.QueueHandler(waiting))

    def flush(self) -> None:
        """A listener that has stopped has emptied its queue."""
        self.listener.stop()
        self.listener.start()

    def close(self) -> None:
        """The orderly end."""
        self.listener.stop()

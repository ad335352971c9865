"""The standard library's way to the same end, in the same run: a `QueueHandler`, and a `QueueListener` that writes."""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Json(logging.Formatter):
    """The fields of `extra`, beside what the package's own lines have."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return json.dumps(
            {
                "ts": record.created,
                "level": record.levelname,
                "logger": record.name,
                "event": record.getMessage(),
                "pid": record.process,
                "tid": record.thread,
                **{key: record.__dict__[key] for key in "abcd"},
            }
        )


FORMATTERS: dict[str, Callable[[], logging.Formatter]] = {
    "text": lambda: logging.Formatter("[%(created).6f] %(name)s: %(message)s"),
    "json": Json,
}


class Listener:
    """A logger whose records go through a queue to a file, as the standard library's documentation recommends it."""

    def __init__(self, path: Path, form: str) -> None:
        self.queue: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
        self.file = logging.FileHandler(path, encoding="utf-8")
        self.file.setFormatter(FORMATTERS[form]())
        self.listener = logging.handlers.QueueListener(self.queue, self.file)
        self.logger = logging.Logger("bench", logging.INFO)  # noqa: LOG001 - nobody else is to have it
        self.logger.addHandler(logging.handlers.QueueHandler(self.queue))

    def close(self) -> None:
        """When the listener has stopped."""
        self.file.close()


def drain(folder: Path, form: str, event: str, records: int) -> float:
    """Records per second of a listener that has `records` waiting."""
    path = folder / f"peer.{form}"
    peer = Listener(path, form)
    for number in range(records):
        peer.logger.info(event, extra={"a": number, "b": 2.5, "c": "x", "d": 3})
    begin = time.perf_counter()
    peer.listener.start()
    peer.listener.stop()  # which is when the queue is empty
    seconds = time.perf_counter() - begin
    peer.close()
    with path.open("rb") as lines:
        assert sum(1 for _ in lines) == records
    path.unlink()
    return records / seconds

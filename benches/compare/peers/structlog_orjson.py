"""structlog, as the page "Performance" of its documentation sets it up."""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any, ClassVar

from benches.compare.peers.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path


class Structlog(Peer):
    """JSON lines in every case."""

    name = "structlog + orjson"
    packages = ("structlog", "orjson")
    how = (
        "`make_filtering_bound_logger(INFO)`, `merge_contextvars`, `add_log_level`, `format_exc_info`, ISO times, "
        "`JSONRenderer(orjson.dumps)`, `BytesLoggerFactory`, cached, a bound logger"
    )
    holds = "the file, written"
    calls: ClassVar = {
        "disabled": 'log.debug("hidden")',
        "constant": 'log.info("served")',
        "args2": 'log.info("served %s %d", "x", i)',
        "fields4": 'log.info("served", a=i, b=2.5, c="x", d=3)',
        "exception": 'log.exception("failed")',
    }

    def open(self, path: Path, form: str) -> Any:
        """JSON whatever the form."""
        del form
        structlog = importlib.import_module("structlog")
        self.file = path.open("ab")
        structlog.configure(
            cache_logger_on_first_use=True,
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.format_exc_info,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=importlib.import_module("orjson").dumps),
            ],
            logger_factory=structlog.BytesLoggerFactory(file=self.file),
        )
        return structlog.get_logger().bind()

    def close(self) -> None:
        """The orderly end."""
        self.file.close()

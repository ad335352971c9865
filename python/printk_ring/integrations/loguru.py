"""loguru, stored in a log: `logger.add(RingSink(), format="{message}")`."""

# ruff: noqa: SLF001 - Log._emit is this package's own general way to store a record

from typing import TYPE_CHECKING

from printk_ring import _native, exceptions
from printk_ring.log import default_log

if TYPE_CHECKING:
    from types import TracebackType

    from loguru import Message

    from printk_ring._native import Log

__all__ = ["RingSink"]

_LARGEST_NUMBER = 2**31 - 1


class RingSink:
    """A sink for `loguru.logger.add`: stores each record, and nothing of loguru's own format.

    `log` None: the default log, whichever that is when a record comes; without one the record goes nowhere. What was bound,
    contextualized or given to the call (loguru's `extra`) arrives as fields, typed; the exception as `Record.exc`; file,
    line and function as the record's. SUCCESS is NOTICE, TRACE is DEBUG; the number is in `Record.levelno`.

    The format of the sink is not used: `format="{message}"` spares loguru the work of making more.
    """

    def __init__(self, log: "Log | None" = None) -> None:
        """Remembers the log; opens nothing."""
        self._log = log

    def __call__(self, message: "Message") -> None:
        """Stores the record of a message."""
        log = self._log if self._log is not None else default_log()
        if log is None:
            return
        record = message.record
        number = record["level"].no
        exception = record["exception"]
        value = None if exception is None else exception.value
        log._emit(
            _native.parse_stdlib_level(number),
            record["message"],
            logger=record["name"],
            levelno=number if abs(number) <= _LARGEST_NUMBER else None,
            file=record["file"].path,
            line=record["line"],
            func=record["function"],
            exc=None if exception is None or value is None else _described(value, exception.traceback),
            fields=record["extra"],
        )


def _described(value: BaseException, trace: "TracebackType | None") -> tuple[str, str, str] | None:
    return exceptions.describe((type(value), value, trace))

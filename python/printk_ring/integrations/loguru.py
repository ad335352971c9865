"""loguru, stored in a log: `logger.add(RingSink(), format="{message}")`."""

# ruff: noqa: SLF001 - Log._emit is this package's own general way to store a record

import contextlib
import itertools
import re
from typing import TYPE_CHECKING, Any

from printk_ring import _native, exceptions
from printk_ring.log import checked, default_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loguru import Message

    from printk_ring._native import Log

__all__ = ["RingSink"]

_LARGEST_NUMBER = 2**31 - 1
_REDACTED: str = _native.defaults()["redacted"]
_MOST_HIDDEN = 1000  # values that are looked for in a message; where there may be more it is hidden whole


class RingSink:
    """A sink for `loguru.logger.add`: stores each record, and nothing of loguru's own format.

    `log` None: the default log, whichever that is when a record comes; without one the record goes nowhere. What was bound,
    contextualized or given to the call (loguru's `extra`) arrives as fields, typed; the exception as `Record.exc`; file,
    line and function as the record's. SUCCESS is NOTICE, TRACE is DEBUG; the number is in `Record.levelno`.

    What the log hides by a name (`redact`) is hidden in the message too, wherever that has the str() or repr() of such a
    value: loguru has put them together before. What a format specification makes of one (`{pin:06}`) only a pattern hides.

    The format of the sink is not used: `format="{message}"` spares loguru the work of making more.
    """

    def __init__(self, log: "Log | None" = None) -> None:
        """Remembers the log; opens nothing."""
        self._log = checked(log)

    def __call__(self, message: "Message") -> None:
        """Stores the record of a message."""
        log = self._log if self._log is not None else default_log()
        if log is None:
            return
        record = message.record
        number = record["level"].no
        log._emit(
            _native.parse_stdlib_level(number),
            _without_hidden(log, record["message"], record["extra"]),
            logger=record["name"],
            levelno=number if abs(number) <= _LARGEST_NUMBER else None,
            file=record["file"].path,
            line=record["line"],
            func=record["function"],
            exc=_exception(record["exception"]),
            fields=record["extra"],
        )


def _exception(given: Any) -> tuple[str, str, str] | None:
    if given is None:
        return None
    kind, value, trace = given
    if value is not None:
        return exceptions.describe((type(value), value, trace))
    # It could not be pickled: of such a one `enqueue=True` leaves the type.
    return (exceptions.qualified_name(kind), "", "") if isinstance(kind, type) else None


def _without_hidden(log: "Log", message: str, extra: "dict[Any, Any]") -> str:
    """The message without the texts of those values whose names the log hides."""
    if not log._hides():
        return message
    texts = {text for value in itertools.islice(_hidden(log, extra), _MOST_HIDDEN + 1) for text in _texts(value)}
    if len(texts) > _MOST_HIDDEN:
        return _REDACTED  # whatever of it is in the message
    longest_first = sorted(texts - {""}, key=len, reverse=True)
    if not longest_first:
        return message
    return re.sub("|".join(map(re.escape, longest_first)), lambda _: _REDACTED, message)


def _hidden(log: "Log", extra: "dict[Any, Any]") -> "Iterator[object]":
    """What stands under a hidden name, and all that is in it. Collections may be within themselves."""
    left: list[tuple[object, bool]] = [(extra, False)]
    seen = set()
    while left:
        value, is_hidden = left.pop()
        if is_hidden:
            yield value
        if (id(value), is_hidden) in seen:
            continue
        if isinstance(value, dict):
            entries = dict.copy(value)  # another thread may change it
            left.extend(
                (inner, is_hidden or (isinstance(key, str) and log._hides(key))) for key, inner in entries.items()
            )
        elif isinstance(value, list | tuple):
            items: Any = list.copy(value) if isinstance(value, list) else tuple.__iter__(value)
            left.extend((inner, is_hidden) for inner in items)
        else:
            continue
        seen.add((id(value), is_hidden))


def _texts(value: object) -> "Iterator[str]":
    """What `{}` and `{!r}` make of a value; nothing where that fails."""
    for show in (str, repr):
        with contextlib.suppress(Exception):
            yield show(value)

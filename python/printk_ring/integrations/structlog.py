"""structlog, stored in a log: `RingProcessor` at the end of a chain, or `RingLoggerFactory` behind one.

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, RingProcessor()])

Both take the event dict as it comes: no renderer, no `TimeStamper` and no `format_exc_info` are needed before them.
"""

# ruff: noqa: SLF001 - Log._emit is this package's own general way to store a record

import logging
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, NoReturn

import structlog

from printk_ring._native import Log
from printk_ring.integrations import event_dicts
from printk_ring.levels import Level
from printk_ring.log import checked, default_log

__all__ = ["RingLogger", "RingLoggerFactory", "RingProcessor"]

_LARGEST_NUMBER = 2**31 - 1
# The least number of the standard library's that a log of this level stores.
_LEAST = {
    Level.DEBUG: logging.NOTSET,
    Level.INFO: logging.INFO,
    Level.NOTICE: 25,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
    Level.CRITICAL: logging.CRITICAL,
}
_NONE = _LARGEST_NUMBER


class RingProcessor:
    """The last processor of a chain: stores the event dict in a log, and drops it there.

    `log` None: the default log, whichever that is when a record comes; without one the record goes nowhere. `event` becomes
    the event, everything else fields, typed; `exc_info` arrives as `Record.exc`, a `stack` as the field `stack_info`. What
    `add_logger_name`, `add_log_level`, `add_log_level_number` and `CallsiteParameterAdder` have put in (`logger`, `level`,
    `level_number`; `pathname`, `lineno` and `func_name` together) is where records have it; the level of a call is known
    without them.
    """

    def __init__(self, log: Log | None = None) -> None:
        """Remembers the log; opens nothing."""
        self._log = checked(log)

    def __call__(self, logger: Any, method_name: str, event_dict: MutableMapping[str, Any]) -> NoReturn:
        """Stores; then tells structlog that there is nothing to pass on."""
        log = self._log if self._log is not None else default_log()
        if log is not None:
            _store(log, getattr(logger, "name", None), method_name, dict(event_dict))
        raise structlog.DropEvent


class RingLogger:
    """What structlog wraps: one method for each level, which store what the chain hands them, an event dict or a text."""

    disabled = False

    def __init__(self, name: str | None = None, log: Log | None = None) -> None:
        """Remembers the name and the log; opens nothing."""
        self.name = name
        self._log = checked(log)

    def getEffectiveLevel(self) -> int:  # noqa: N802 - the name is logging's, and `filter_by_level` asks by it
        """The standard library's number from which on a record would be stored now."""
        log = self._log if self._log is not None else default_log()
        return _NONE if log is None or log.closed else _LEAST.get(log.level, _NONE)

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the same
        """True when a record of this level of the standard library would be stored now."""
        return level >= self.getEffectiveLevel()

    def __getattr__(self, name: str) -> Callable[..., None]:
        """The method of a level."""
        if name not in event_dicts.LEVELS:
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(message)

        def store(*args: object, **event_dict: Any) -> None:
            log = self._log if self._log is not None else default_log()
            if log is None:
                return
            _store(log, self.name, name, _event_dict(args, event_dict))

        self.__dict__[name] = store
        return store


class RingLoggerFactory:
    """For `structlog.configure(logger_factory=RingLoggerFactory())`; the name given to `get_logger` is the record's logger.

    `log` None: the default log, whichever that is when a record comes.
    """

    def __init__(self, log: Log | None = None) -> None:
        """Remembers the log; opens nothing."""
        self._log = checked(log)

    def __call__(self, *args: Any) -> RingLogger:
        """A logger of this name."""
        return RingLogger(str(args[0]) if args and args[0] is not None else None, self._log)


def _event_dict(args: tuple[object, ...], given: dict[str, Any]) -> dict[str, Any]:
    """What a logger was handed, as an event dict. Some chains end in the arguments of a logger of the standard library."""
    if not args and "event" not in given and "msg" in given:
        args = (given.pop("msg"),)
    if not args:
        return given
    extra = given.pop("extra", None)
    if isinstance(extra, Mapping) and (event_dict := event_dicts.wrapped(args[0], extra)) is not None:
        return {**event_dict, **given}
    event_dict = {**extra, **given} if isinstance(extra, Mapping) else given
    event_dict.pop("stacklevel", None)
    event_dict.setdefault("event", _rendered(args[0]))
    if len(args) > 1:
        event_dict.setdefault("positional_args", args[1:])
    return event_dict


def _rendered(event: object) -> object:
    """What a renderer has made; some make UTF-8 of the text."""
    return event.decode("utf-8", "replace") if isinstance(event, bytes) else event


def _store(log: Log, name: Any, method_name: str, fields: dict[str, Any]) -> None:
    """Stores what is in `fields`, which is the caller's no more."""
    number = event_dicts.take_number(fields)
    level = event_dicts.level_of(method_name, event_dicts.take_level(fields, method_name), number)
    if level > log.level:
        return
    event = fields.pop("event", None)  # structlog leaves out one that is None
    name = fields.pop("logger", name)
    place = event_dicts.take_place(fields)
    interruption = message = None
    try:
        message = event_dicts.message_of(log, event, fields)
    except BaseException as error:  # noqa: BLE001 - it is raised behind the record
        interruption = error
    log._emit(
        level,
        event,
        message=message,
        logger=name,
        levelno=number if number is not None and abs(number) <= _LARGEST_NUMBER else None,
        exc=event_dicts.take_exception(fields),
        fields=event_dicts.take_stack(fields),
        **place,
    )
    if interruption is not None:
        raise interruption

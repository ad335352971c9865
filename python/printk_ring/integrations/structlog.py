"""structlog, stored in a log: `RingProcessor` at the end of a chain, or `RingLoggerFactory` behind one.

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, RingProcessor()])

Both take the event dict as it comes: no renderer, no `TimeStamper` and no `format_exc_info` are needed before them.
"""

# ruff: noqa: SLF001 - Log._emit is this package's own general way to store a record; frames have no other way

import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, NoReturn

import structlog

from printk_ring import _native, exceptions, templates
from printk_ring._native import Log
from printk_ring.levels import Level
from printk_ring.log import checked, default_log

__all__ = ["RingLogger", "RingLoggerFactory", "RingProcessor"]

_LEVELS = {
    "debug": Level.DEBUG,
    "notset": Level.DEBUG,
    "trace": Level.DEBUG,
    "info": Level.INFO,
    "msg": Level.INFO,
    "log": Level.INFO,
    "notice": Level.NOTICE,
    "warning": Level.WARNING,
    "warn": Level.WARNING,
    "error": Level.ERROR,
    "err": Level.ERROR,
    "exception": Level.ERROR,
    "failure": Level.ERROR,
    "critical": Level.CRITICAL,
    "fatal": Level.CRITICAL,
    "alert": Level.ALERT,
    "emerg": Level.EMERG,
}
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
# What `format_exc_info` makes: several lines, or one with the type of an exception that was never raised.
_FORMATTED = re.compile(r".*\n.|(\w+\.)*\w*(Error|Exception|Exit|Group|Interrupt|Iteration|Warning)(: |\Z)", re.DOTALL)


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
        if name not in _LEVELS:
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
    number = fields.pop("level_number") if type(fields.get("level_number")) is int else None
    named = fields.pop("level") if _is_level(fields.get("level"), method_name) else None
    level = _level(method_name, named, number)
    if level > log.level:
        return
    event = fields.pop("event", None)  # structlog leaves out one that is None
    name = fields.pop("logger", name)
    place = _place(fields)
    interruption = message = None
    try:
        message = _message(log, event, fields)
    except BaseException as error:  # noqa: BLE001 - it is raised behind the record
        interruption = error
    log._emit(
        level,
        event,
        message=message,
        logger=name,
        levelno=number if number is not None and abs(number) <= _LARGEST_NUMBER else None,
        exc=_exception(fields),
        fields=_with_stack(fields),
        **place,
    )
    if interruption is not None:
        raise interruption


def _is_level(given: object, method_name: str) -> bool:
    """True for what `add_log_level` has put in; any other `level` is the caller's field."""
    return isinstance(given, str) and (given == method_name or given.lower() in _LEVELS)


def _level(method_name: str, level: str | None, number: int | None) -> int:
    """By the number if `add_log_level_number` was there, else by the method; one that nobody knows by what `level` says."""
    if number is not None:
        return _native.parse_stdlib_level(number)
    known = _LEVELS.get(method_name)
    if known is None and level is not None:
        known = _LEVELS.get(level.lower())
    return Level.INFO if known is None else known


def _place(fields: dict[str, Any]) -> dict[str, Any]:
    names = ("pathname", "lineno", "func_name")
    if not all(name in fields for name in names):
        return {}
    path, line, function = (fields.pop(name) for name in names)
    return {"file": path, "line": line if type(line) is int and line >= 0 else 0, "func": function}


def _message(log: Log, event: object, fields: dict[str, Any]) -> str | None:
    """The text of a `%` template, as the standard library would make it; None: the event is the message."""
    if not isinstance(fields.get("positional_args"), tuple | list):
        return None  # a field of somebody's own, if there is one
    args = _native._as_held(log, fields.pop("positional_args"))
    if not args:
        return None
    single = args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args
    if isinstance(single, Mapping):
        single = _native._named_as_held(log, str(event), single)
    try:
        return str(event) % single
    except Exception as error:  # noqa: BLE001 - arguments that do not fit, or whose __str__ fails
        message, is_whole = _second_try(log, event, single)
        if not is_whole:
            fields["format_args"] = list(args)
            described = exceptions.describe(error)
            fields["format_error"] = f"{type(error).__name__}: {described[1] if described else ''}"
        return message


def _second_try(log: Log, event: object, args: Any) -> tuple[str | None, bool]:
    """The text with what resists left out, or None; and whether nothing is missing."""
    rendered = templates.second_try(event, args, _native._hidden(log)) if isinstance(event, str) else None
    return (None, False) if rendered is None else rendered


def _exception(fields: dict[str, Any]) -> tuple[str, str, str] | None:
    """The exception of `exc_info`; else the text of one that `format_exc_info` has made."""
    given = fields.pop("exc_info", None)
    if given:
        return exceptions.describe(sys.exc_info() if given is True else given)
    text = fields.get("exception")
    if isinstance(text, str) and _FORMATTED.match(text):
        del fields["exception"]
        kind, _, message = text.rstrip("\n").rpartition("\n")[2].partition(": ")
        return kind, message, text
    return None


def _stacklevel() -> int:
    """That of whoever called structlog, for a function that its caller calls."""
    level = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_between(frame.f_globals.get("__name__")):
        frame = frame.f_back
        level += 1
    return level


def _is_between(module: object) -> bool:
    return module == __name__ or (isinstance(module, str) and module.partition(".")[0] == "structlog")


def _with_stack(fields: dict[str, Any]) -> dict[str, Any]:
    given = fields.pop("stack_info", None)
    stack = fields.pop("stack", None)
    if stack is None and given:
        stack = given if isinstance(given, str) else exceptions.stack(_stacklevel())
    if stack is not None:
        fields["stack_info"] = stack
    return fields

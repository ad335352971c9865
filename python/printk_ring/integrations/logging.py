"""The standard library's `logging`, stored in a log: `RingHandler`."""

# ruff: noqa: SLF001 - Log._emit is this package's own general way to store a record

import contextlib
import copy
import logging
import os
import re
import threading
from collections.abc import Mapping
from typing import Any

from printk_ring import _native, exceptions, templates
from printk_ring._native import Log
from printk_ring.integrations import event_dicts
from printk_ring.levels import Level
from printk_ring.log import default_log
from printk_ring.logrecords import NUMBERS

__all__ = ["RingHandler", "capture_root_logger"]

# What every LogRecord carries, in its order, as the native module looks for it.
_FRESH_ATTRIBUTES = tuple(logging.LogRecord("", 0, "", 0, "", (), None).__dict__)
# What a formatter adds.
_LATER_ATTRIBUTES = ("message", "asctime")
# Any other attribute came by `extra` or a record factory, and becomes a field.
_STANDARD_ATTRIBUTES = frozenset((*_FRESH_ATTRIBUTES, *_LATER_ATTRIBUTES))
_LARGEST_NUMBER = 2**31 - 1
_SMALLEST_NUMBER = -(2**31)
# A width or a precision that no record has room for, or one of the arguments'.
_PADDED = re.compile(r"%[^a-zA-Z]*(\d{5}|\*)")
_PLAIN_TYPES = (str, int, float, bool, bytes, type(None))


# What `basicConfig` takes for a format where it was given none.
_UNASKED_FORMATS = (logging.BASIC_FORMAT, "{levelname}:{name}:{message}", "${levelname}:${name}:${message}")


class _Inside(threading.local):
    """What a handler is at on this thread."""

    filters = False
    handles = False
    stores = False
    emits = False


class RingHandler(_native._RingHandler, logging.Handler):
    """A handler that stores what it is given in a log: `RingHandler(log=None, level=NOTSET)`.

    `log` None: the default log, whichever that is when a record comes; without one the record goes nowhere. Level
    numbers are the standard library's; the original one is in `Record.levelno`. `record.msg` becomes the event, the
    rendered text the message; `exc_info` arrives as `Record.exc`, `stack_info` and everything in `extra` as fields,
    `stacklevel` in file, line and func. A record that another thread made, and a queue has brought, has its
    `threadName` as a field, unless that is the main one; that of another process `process` and `processName` too. The
    format that `basicConfig` sets without being told one is left out. A formatter, or a `format` of a derived class,
    replaces the message and nothing else; it is given the record without exception and stack, which are kept on their
    own. An event dict that structlog hands on for its `ProcessorFormatter` is taken apart as by `RingProcessor`. `level`
    is a number of the standard library's, a name in any case, or a `Level`. It raises nothing but what a filter raises,
    as any handler does, takes no lock, and a record logged from inside (by a filter, a formatter, a `__str__`) is stored
    without running any more of such code, and without waiting.

    For `dictConfig`: `{"class": "printk_ring.RingHandler", "level": "INFO"}`.
    """

    def __init__(self, log: Log | None = None, level: int | str = logging.NOTSET) -> None:
        """Remembers the log; opens nothing."""
        super().__init__(_as_logging_has_it(level))
        self._log = log
        self._inside = _Inside()
        self._serve(log, type(self) is RingHandler)

    @property
    def serves_nobody(self) -> bool:
        """True when the log it was made for is closed."""
        return self._log is not None and self._log.closed

    def setLevel(self, level: int | str) -> None:  # noqa: N802 - the name is logging's
        """As everywhere in `logging`; also with a name in any case, one of this package's, or a `Level`."""
        super().setLevel(_as_logging_has_it(level))

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 - the name is logging's
        """As everywhere in `logging`, but for the one that `basicConfig` gives to handlers without: it is for text."""
        super().setFormatter(None if _is_unasked(fmt) else fmt)

    def createLock(self) -> None:  # noqa: N802 - the name is logging's
        """No lock: storing needs none, and a lock held during a fork would stay held in the child."""
        self.lock: Any = None

    def _handle(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        """What the native `handle` calls for a record that it does not store itself, as a part of its log call."""
        verdict: Any = self._filtered(record) if self.filters else self.filter(record)
        if isinstance(verdict, logging.LogRecord):
            record = verdict
        if verdict:
            if type(self).emit is RingHandler.emit and "emit" not in self.__dict__:
                self._emit(record)
            else:
                self._inside.handles = True  # it is to come back here, by super().emit()
                self.emit(record)
        return verdict  # type: ignore[no-any-return]  # a bool, or from 3.12 on the record

    def _filtered(self, record: logging.LogRecord) -> bool | logging.LogRecord:
        """What the filters say; of a record that one of them logs, that it is wanted."""
        inside = self._inside
        if inside.filters:
            return True
        inside.filters = True
        try:
            return self.filter(record)
        finally:
            inside.filters = False

    def emit(self, record: logging.LogRecord) -> None:
        """Stores the record. Never raises."""
        handled, self._inside.handles = self._inside.handles, False
        log = self._log if self._log is not None else default_log()
        if handled:
            self._emit(record)
        elif log is not None:
            _native._nested(log, self._emit, record)

    def _emit(self, record: logging.LogRecord) -> None:
        inside = self._inside
        log = self._log if self._log is not None else default_log()
        if log is None:
            return
        if inside.stores or inside.filters:
            _store_plainly(log, record)
            return
        inside.stores, inside.emits = True, False
        try:
            self._store(log, record)
        except MemoryError:
            _store_plainly(log, record)
        except BaseException as error:
            if inside.emits:
                raise  # a signal's exception, or that of a __str__: the record is stored
            _store_plainly(log, record)
            if not isinstance(error, Exception):
                raise  # an interruption, which is not this call's own
        finally:
            inside.stores = False

    def _store(self, log: Log, record: logging.LogRecord) -> None:
        record = _as_held(log, record)
        fields = _fields_beside(record.__dict__)
        if record.stack_info:
            fields["stack_info"] = record.stack_info
        for key in _elsewhere(record.__dict__):
            fields.setdefault(key, record.__dict__[key])
        event: Any
        given = event_dicts.wrapped(record.msg, record.__dict__)
        if given is None:
            event, parts, message = _text(record.msg), _parts(record), self._message(log, record, fields)
        else:
            event, parts, message = self._unwrapped(log, record, dict(given), fields)
        if type(event) is str and message == event:
            message = None
        self._inside.emits = True
        log._emit(_kernel_level(record.levelno), event, message=message, fields=fields, nested=True, **parts)

    def _unwrapped(
        self, log: Log, record: logging.LogRecord, given: dict[str, Any], fields: dict[str, object]
    ) -> tuple[object, dict[str, Any], str | None]:
        """Event, parts and message of a record that structlog has wrapped for its `ProcessorFormatter`."""
        parts = _parts(record)
        parts["exc"] = event_dicts.take_exception(given) or parts["exc"]
        bare = copy.copy(record)
        bare.__dict__["msg"] = {key: value for key, value in given.items() if key not in ("stack", "stack_info")}
        event_dicts.take_stack(given)
        event_dicts.take_number(given)  # the record has its own
        event_dicts.take_level(given, record.__dict__["_name"])
        parts["logger"] = given.pop("logger", parts["logger"])
        parts |= event_dicts.take_place(given)
        event = given.pop("event", None)
        message = self._message(log, bare, fields) if self._formats() else event_dicts.message_of(log, event, given)
        fields |= given
        return event, parts, message

    def _message(self, log: Log, record: logging.LogRecord, fields: dict[str, object]) -> str | None:
        """The rendered text; None, and the reason among the fields, when it cannot be rendered."""
        try:
            return self._text(record)
        except Exception as error:  # noqa: BLE001 - wrong format arguments, or a formatter that fails
            message, is_whole = self._second_try(log, record)
            if not is_whole:
                if record.args:
                    fields["format_args"] = list(record.args) if isinstance(record.args, tuple) else [record.args]
                fields["format_error"] = f"{type(error).__name__}: {_text(error)}"
            return message

    def _text(self, record: logging.LogRecord) -> str:
        if not self._formats():
            return record.getMessage()
        return self.format(_without_exception(record))

    def _formats(self) -> bool:
        """Whether somebody wants to make the text."""
        is_overridden = type(self).format is not logging.Handler.format or "format" in self.__dict__
        return self.formatter is not None or is_overridden

    def _second_try(self, log: Log, record: logging.LogRecord) -> tuple[str | None, bool]:
        """The text with what resists left out, or None; and whether nothing is missing."""
        if not record.args or type(record).getMessage is not logging.LogRecord.getMessage:
            return None, False
        rendered = templates.second_try(_text(record.msg), record.args, _native._hidden(log))
        if rendered is None:
            return None, False
        finished = copy.copy(record)
        finished.msg, finished.args = rendered[0], ()
        try:
            return self._text(finished), rendered[1]
        except Exception:  # noqa: BLE001 - the formatter fails
            return None, False


# As the native module looks for a `format` that somebody has set on the class itself.
_FRESH_CLASS = (RingHandler.__dict__, len(RingHandler.__dict__))


def capture_root_logger(log: Log) -> None:
    """Adds a handler for `log` to the root logger, leaving all levels alone; says once if root's level hides records."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, RingHandler) and handler.serves_nobody:
            root.removeHandler(handler)
    root.addHandler(RingHandler(log))
    threshold = root.getEffectiveLevel()
    if _kernel_level(threshold) < log.level:
        log._emit(
            Level.NOTICE,
            "the root logger's level hides records that this log would store",
            logger="printk_ring",
            fields={"root_level": logging.getLevelName(threshold), "log_level": log.level.name},
        )


def _parts(record: logging.LogRecord) -> dict[str, Any]:
    """What a record has a place for, but for event and message."""
    return {
        "args": record.args or None,
        "logger": _text_or_none(record.name),
        "levelno": _number(record.levelno),
        "file": _text_or_none(record.pathname),
        "line": _line(record.lineno),
        "func": _text_or_none(record.funcName),
        "exc": _exception(record),
    }


def _fields_beside(given: dict[str, Any]) -> dict[str, Any]:
    """What came by `extra` or a record factory; what structlog wraps an event dict with is no field."""
    fields = {key: value for key, value in given.items() if key not in _STANDARD_ATTRIBUTES}
    if event_dicts.wrapped(given.get("msg"), fields) is not None:
        for name in event_dicts.WRAPPING:
            del fields[name]
    return fields


def _store_plainly(log: Log, record: logging.LogRecord) -> None:
    """Stores what can be had without running anybody's code: of what is not plain, the name of its type."""
    given = record.__dict__  # from which anything may have been taken
    fields = {key: _plain(value) for key, value in _fields_beside(given).items()}
    if given.get("stack_info"):
        fields["stack_info"] = _plain(given["stack_info"])
    for key in _elsewhere(given):
        fields.setdefault(key, _plain(given[key]))
    event, args = given.get("msg", ""), _plain_args(log, given.get("args"))
    if type(event) is dict and event_dicts.wrapped(event, given) is not None:
        fields |= {key: _plain(value) for key, value in event.items() if key != "event"}
        event = event.get("event")
    message = event = _plain(event)
    if type(event) is str and args:
        try:
            if _PADDED.search(event) is not None:
                raise ValueError("its width or precision may be more than a record holds")  # noqa: TRY301 - told below
            message = event % args
        except Exception as error:  # noqa: BLE001 - a number was expected, say, where only a type's name is left
            fields["format_args"] = args if isinstance(args, dict) else list(args)
            fields["format_error"] = f"{type(error).__name__}: {error}"
    with contextlib.suppress(Exception):
        log._emit(
            _kernel_level(given.get("levelno")),
            event,
            message=None if message is event else message,
            args=args,
            logger=_plain_or_none(given.get("name")),
            levelno=_number(given.get("levelno")),
            file=_plain_or_none(given.get("pathname")),
            line=_line(given.get("lineno")),
            func=_plain_or_none(given.get("funcName")),
            exc=_plain_exception(given),
            fields=fields,
            nested=True,
        )


def _elsewhere(given: dict[str, Any]) -> list[str]:
    """The attributes that say where a record comes from, if it is another thread or process than that which stores it."""
    if not _is(given.get("process"), os.getpid()):
        names = ["process", "processName", "threadName"]
    elif not _is(given.get("thread"), threading.get_ident()):
        names = ["threadName"]
    else:
        return []
    return [name for name in names if not _is_usual(given.get(name))]


def _is(given: object, own: int) -> bool:
    """What is not said is taken to be so. Of other types nothing is asked: they may do anything."""
    return given is None or (type(given) is int and given == own)


def _is_usual(value: object) -> bool:
    return value is None or (type(value) is str and value == "MainThread")


def _plain(value: object) -> Any:
    return value if type(value) in _PLAIN_TYPES else f"<{type(value).__name__}>"


def _plain_or_none(value: object) -> Any:
    return None if value is None else _plain(value)


def _plain_args(log: Log, args: object) -> tuple[object, ...] | dict[object, object] | None:
    if type(args) is tuple:
        return tuple(_plain(arg) for arg in args) or None
    if type(args) is dict and args:
        held: dict[object, object] = _native._as_held(log, {_plain(key): _plain(arg) for key, arg in args.items()})
        return held
    return None


def _plain_exception(given: dict[str, Any]) -> tuple[str, str, str] | None:
    exc_info, exc_text = given.get("exc_info"), given.get("exc_text")
    if type(exc_text) is str and exc_text:
        return _told_exception(exc_text)
    value = exc_info[1] if type(exc_info) is tuple and len(exc_info) > 1 else None
    return None if value is None else (exceptions.qualified_name(type(value)), "", "")


def _kernel_level(levelno: object) -> int:
    return _native.parse_stdlib_level(_number(levelno))


def _number(value: object) -> int:
    """The number nearest to `value` that a record can hold; 0 for what is none: records can be given anything as a level."""
    if not isinstance(value, int):
        return 0
    return max(_SMALLEST_NUMBER, min(int.__index__(value), _LARGEST_NUMBER))  # of True, 1


def _line(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value <= _LARGEST_NUMBER else 0


def _is_unasked(formatter: logging.Formatter | None) -> bool:
    """Level and name would stand in the message once more, and it would be text at the call."""
    is_plain = type(formatter) is logging.Formatter and formatter.datefmt is None
    return is_plain and getattr(formatter, "_fmt", None) in _UNASKED_FORMATS


def _as_logging_has_it(level: int | str) -> int | str:
    """The number that `logging` has for a level; what nobody knows, as it is: `logging` refuses it."""
    if isinstance(level, Level):
        return NUMBERS[level]
    known = logging.getLevelNamesMapping()
    if not isinstance(level, str) or level in known:
        return level
    name = level.upper()
    if name in known:
        return known[name]
    return NUMBERS[Level[name]] if name in Level.__members__ else level


def _without_exception(record: logging.LogRecord) -> logging.LogRecord:
    bare = logging.makeLogRecord(record.__dict__)
    bare.exc_info = bare.exc_text = bare.stack_info = None
    return bare


def _as_held(log: Log, record: logging.LogRecord) -> logging.LogRecord:
    """The record as the log may make text of it: a copy, with what is hidden by its name."""
    args = record.args
    if isinstance(args, Mapping) and type(args) is not dict:  # it may make values when it is asked
        args = _native._named_as_held(log, _text(record.msg), args)
    if args is record.args and _native._as_held(log, record.__dict__) is record.__dict__:
        return record
    bare = copy.copy(record)
    for key, value in record.__dict__.items():
        if key in _STANDARD_ATTRIBUTES:
            bare.__dict__[key] = _native._as_held(log, value)
        else:
            bare.__dict__.update(_native._as_held(log, {key: value}))
    if args is not record.args:
        bare.args = args
    return bare


def _exception(record: logging.LogRecord) -> tuple[str, str, str] | None:
    if record.exc_info:
        return exceptions.describe(record.exc_info)
    if record.exc_text:  # only the text has come over a queue or a socket
        return _told_exception(record.exc_text)
    return None


def _told_exception(text: str) -> tuple[str, str, str]:
    kind, _, message = text.rstrip("\n").rpartition("\n")[2].partition(": ")
    return kind, message, text


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - whatever a __str__ does
        return f"<unprintable {type(value).__name__}>"

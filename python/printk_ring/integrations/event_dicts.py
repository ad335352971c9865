"""structlog's event dicts, taken apart: what records have a place for, and the fields that remain. Needs no structlog."""

# ruff: noqa: SLF001 - the native module is this package's own; frames have no other way

import re
import sys
from collections.abc import Mapping
from typing import Any, cast

from printk_ring import _native, exceptions, templates
from printk_ring._native import Log
from printk_ring.levels import Level

__all__ = [
    "LEVELS",
    "WRAPPING",
    "level_of",
    "message_of",
    "take_exception",
    "take_level",
    "take_number",
    "take_place",
    "take_stack",
    "wrapped",
]

LEVELS = {
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
# What `format_exc_info` makes: several lines, or one with the type of an exception that was never raised.
_FORMATTED = re.compile(r".*\n.|(\w+\.)*\w*(Error|Exception|Exit|Group|Interrupt|Iteration|Warning)(: |\Z)", re.DOTALL)

# What `ProcessorFormatter.wrap_for_formatter` puts beside an event dict that a logger of the standard library is handed.
WRAPPING = ("_logger", "_name")


def wrapped(given: object, beside: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event dict that `wrap_for_formatter` has handed on as the message; None: it is another message."""
    is_dict = issubclass(type(given), dict)  # isinstance would ask an object what it says it is
    return cast("dict[str, Any]", given) if is_dict and all(name in beside for name in WRAPPING) else None


def take_number(fields: dict[str, Any]) -> int | None:
    """The number that `add_log_level_number` has put in."""
    return fields.pop("level_number") if type(fields.get("level_number")) is int else None


def take_level(fields: dict[str, Any], method_name: object) -> str | None:
    """What `add_log_level` has put in."""
    return fields.pop("level") if _is_level(fields.get("level"), method_name) else None


def _is_level(given: object, method_name: object) -> bool:
    """Any other `level` is the caller's field."""
    return isinstance(given, str) and (given == method_name or given.lower() in LEVELS)


def level_of(method_name: str, level: str | None, number: int | None) -> int:
    """By the number if `add_log_level_number` was there, else by the method; one that nobody knows by what `level` says."""
    if number is not None:
        return _native.parse_stdlib_level(number)
    known = LEVELS.get(method_name)
    if known is None and level is not None:
        known = LEVELS.get(level.lower())
    return Level.INFO if known is None else known


def take_place(fields: dict[str, Any]) -> dict[str, Any]:
    """The place that `CallsiteParameterAdder` has put in."""
    names = ("pathname", "lineno", "func_name")
    if not all(name in fields for name in names):
        return {}
    path, line, function = (fields.pop(name) for name in names)
    return {"file": path, "line": line if type(line) is int and line >= 0 else 0, "func": function}


def message_of(log: Log, event: object, fields: dict[str, Any]) -> str | None:
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


def take_exception(fields: dict[str, Any]) -> tuple[str, str, str] | None:
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
    if not isinstance(module, str):
        return False
    return module.startswith("printk_ring.integrations.") or module.partition(".")[0] in ("structlog", "logging")


def take_stack(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with a stack where records have one."""
    given = fields.pop("stack_info", None)
    stack = fields.pop("stack", None)
    if stack is None and given:
        stack = given if isinstance(given, str) else exceptions.stack(_stacklevel())
    if stack is not None:
        fields["stack_info"] = stack
    return fields

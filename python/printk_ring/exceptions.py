"""Exceptions and stacks as text. The native module calls these two when a record carries one."""

import sys
import traceback
from types import TracebackType

from printk_ring.typing import ExcInfoLike

if sys.version_info[:2] == (3, 13):
    # There `traceback` imports these when it first shows a line. A child that is forked meanwhile waits for them for ever.
    import ast  # noqa: F401
    import tokenize  # noqa: F401

__all__ = ["describe", "qualified_name", "stack"]


def describe(exc_info: ExcInfoLike) -> tuple[str, str, str] | None:
    """The (type, message, stacktrace) of an exception, None when there is none.

    `exc_info` is True for the exception being handled, an exception, or the tuple of `sys.exc_info()`. The type is the
    qualified name, with its module unless that is `builtins`. The stacktrace is what Python would print, without the final
    newline. Never raises for a faulty exception.
    """
    value, trace = _exception(exc_info)
    if value is None:
        return None
    kind = qualified_name(type(value))
    message = _text(value)
    try:
        lines = traceback.format_exception(type(value), value, trace)
        stacktrace = "".join(lines).rstrip("\n")
    except Exception:  # noqa: BLE001 - a traceback that cannot be formatted must not cost the record
        stacktrace = f"{kind}: {message}"
    return kind, message, stacktrace


def stack(stacklevel: int = 1) -> str:
    """The stack of the caller, `stacklevel` 1; its caller, 2; and so on; as `traceback.print_stack` shows it."""
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a frame
    for _ in range(stacklevel - 1):
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "Stack (most recent call last):\n" + "".join(traceback.format_stack(frame)).rstrip("\n")


def _exception(exc_info: object) -> tuple[BaseException | None, TracebackType | None]:
    if exc_info is None or exc_info is False:
        return None, None
    if isinstance(exc_info, BaseException):
        try:
            return exc_info, exc_info.__traceback__
        except Exception:  # noqa: BLE001 - a class may have a property of that name
            return exc_info, None
    if isinstance(exc_info, tuple):
        value = exc_info[1] if len(exc_info) > 1 else None
        trace = exc_info[2] if len(exc_info) > 2 else None  # noqa: PLR2004 - a triple
        return (value if isinstance(value, BaseException) else None), trace
    _, value, trace = sys.exc_info()
    return value, trace


def qualified_name(kind: type) -> str:
    """The name of a class, with its module unless that is `builtins`."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _text(value: BaseException) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - whatever a __str__ does
        return f"<unprintable {type(value).__name__}>"

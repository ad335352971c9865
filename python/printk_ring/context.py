"""What the native code asks Python: whether another task runs inside of a section, and whether this is a handler.

The native module calls these; there is nothing in here for users.
"""

# ruff: noqa: SLF001 - Log._emit is this package's own general way to store a record, _getframe the documented way to frames

import gc
import os
import sys
import weakref
from _thread import get_ident
from itertools import count
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from printk_ring.levels import Level

if TYPE_CHECKING:
    import asyncio

    from printk_ring._native import Log

__all__: list[str] = []

# Between a section or a log call and the code that wants it.
_BETWEEN = ("contextlib", "logging", "printk_ring")


class _Watch:
    """A section that a task has entered. Never holds the task: a section must not keep alive what it waits for."""

    def __init__(self, context: str, log: "Log", task: "asyncio.Task[Any]", place: str) -> None:
        self.context = context
        self.log = log
        self.thread = get_ident()
        self.task = weakref.ref(task)
        self.task_name = task.get_name()
        self.place = place
        self.switched = False
        self.told = False
        self.other: dict[str, object] = {}
        self.marker = task.get_loop().call_soon(self._the_loop_has_run)

    def _the_loop_has_run(self) -> None:
        """Called by the event loop: so the task has let go of the thread, with the section open."""
        self.switched = True

    def tell(self, event: str) -> None:
        """One warning, which names the task, where it entered, and the other task if that is known."""
        fields = {"section": self.context, "task": self.task_name, "entered": self.place, **self.other}
        self.log._emit(Level.WARNING, event, logger="printk_ring", fields=fields)


_watches: dict[int, _Watch] = {}
_task_numbers: "weakref.WeakKeyDictionary[asyncio.Task[Any], int]" = weakref.WeakKeyDictionary()
_keys = count(1)


def _watch(context: str, log: "Log") -> int:
    """Begins to watch a section that was just entered; 0: not by a task, there is nothing to watch."""
    task = _current_task()
    if task is None:
        return 0
    key = next(_keys)
    _watches[key] = _Watch(context, log, task, _place())
    return key


def _unwatch(key: int) -> None:
    """The section was left. Tells if its task was switched inside."""
    watch = _watches.pop(key)
    watch.marker.cancel()
    if watch.switched:
        watch.tell("task switch inside a section")


def _look() -> None:
    """A record was just logged by a thread that is in a section. Tells, once a section, if by another task than its own."""
    thread = get_ident()
    for watch in list(_watches.values()):
        if watch.thread != thread or watch.told:
            continue
        task = _current_task()
        if task is not None and watch.task() is task:
            continue
        watch.told = True  # first: telling is a log call too
        watch.other = {"other_task": None if task is None else task.get_name(), "other": _place()}
        watch.tell("log call of another task inside a section")


def _current_task() -> "asyncio.Task[Any] | None":
    module = sys.modules.get("asyncio")
    try:
        return None if module is None else module.current_task()
    except RuntimeError:  # no event loop runs here
        return None


def _task_number() -> int:
    """A number for the task that runs on this thread, which no other one has had; 0: none does."""
    task = _current_task()
    if task is None:
        return 0
    number = _task_numbers.get(task)
    if number is None:
        number = _task_numbers[task] = next(_keys)
    return number


def _place() -> str:
    """Where the code of the application stands that has come here: "file:line"."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame = frame.f_back
    return "?" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_in_handler() -> bool:
    """Whether this thread runs a signal handler, a fork hook or a finalizer: code that came in the middle of any other.

    Only asked before a wait, so that it may look at every frame.
    """
    handlers = _handler_codes()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code in handlers or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _handler_codes() -> set[CodeType]:
    """The code of all signal handlers and fork hooks that are written in Python."""
    signal: Any = sys.modules.get("_signal")
    handlers: list[Any] = [] if signal is None else [signal.getsignal(number) for number in signal.valid_signals()]
    for hooks in _fork_hooks():
        handlers.extend(hooks)
    codes: set[CodeType] = set()
    for registered in filter(callable, handlers):
        handler: Any = registered
        while hasattr(handler, "func"):  # functools.partial
            handler = handler.func
        for candidate in (handler, getattr(type(handler), "__call__", None)):  # noqa: B004 - its code is wanted
            code = getattr(candidate, "__code__", None)
            if isinstance(code, CodeType):
                codes.add(code)
    return codes


def _fork_hooks() -> list[list[Any]]:
    """The interpreter's own lists of what `os.register_at_fork` was given, whoever gave it, and whoever will.

    They have no name: a hook of ours that stands in all of them leads there.
    """
    global _hook_lists  # noqa: PLW0603 - found once for the life of the process
    if _hook_lists is None:
        _hook_lists = []  # first: a finalizer that runs meanwhile does without
        os.register_at_fork(before=_marker, after_in_parent=_marker, after_in_child=_marker)
        _hook_lists = [holder for holder in gc.get_referrers(_marker) if type(holder) is list]
    return _hook_lists


def _marker() -> None:
    """Stands among the fork hooks, and does nothing."""


_hook_lists: list[list[Any]] | None = None

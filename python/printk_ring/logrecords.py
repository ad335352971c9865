"""Records as the standard library's `logging` knows them: for handlers and formatters that print a console."""

import atexit
import logging
import os
import sys
import threading
import weakref
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from printk_ring import _native
from printk_ring._native import ConfigError
from printk_ring.levels import Level

if TYPE_CHECKING:
    from collections.abc import Callable

    from printk_ring._native import Record

__all__ = ["NUMBERS", "formatting", "handing", "let_go_of_stuck_handlers", "log_record", "name_threads"]

# The standard library's number of a level.
NUMBERS = {
    Level.EMERG: logging.CRITICAL,
    Level.ALERT: logging.CRITICAL,
    Level.CRITICAL: logging.CRITICAL,
    Level.ERROR: logging.ERROR,
    Level.WARNING: logging.WARNING,
    Level.NOTICE: 25,
    Level.INFO: logging.INFO,
    Level.DEBUG: logging.DEBUG,
}
# Attributes that are the record's own: a field of such a name gets a "_" behind it.
_TAKEN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_ROOT = "root"
# Threads that were alive at the last look, by the kernel's number.
_threads: weakref.WeakValueDictionary[int, threading.Thread] = weakref.WeakValueDictionary()
# Number and name of threads that have logged, the last 1024 of them, by the kernel's number.
_names: dict[int, tuple[int, str]] = {}
# What a terminal would act upon, in the name of a thread.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_CONTROLS |= {
    code: f"\\u{code:04x}" for code in (0x61C, *range(0x200E, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}
# A handler that has been at one record for so many seconds at the exit is stuck.
_PATIENCE = 0.5
# Of each console with a handler, as long as it is there.
_hands: "list[weakref.ref[_Hand]]" = []


def handing(handler: logging.Handler) -> "Callable[[Record], None]":
    """What gives records to `handler`, as a logger would: by the handler's own level, filters and lock."""
    if not isinstance(handler, logging.Handler):
        raise TypeError(f"a handler is a logging.Handler, not {type(handler).__name__}")

    name_threads()
    hand = _Hand(handler)
    _hands[:] = [*(known for known in _hands if known() is not None), weakref.ref(hand)]
    # `logging` waits for each handler at the exit, also for one that is stuck; what is registered later is called before.
    atexit.unregister(let_go_of_stuck_handlers)
    atexit.register(let_go_of_stuck_handlers)
    return hand


class _Hand:
    """What gives a console's records to its handler."""

    def __init__(self, handler: logging.Handler) -> None:
        self.handler = handler
        self.at: tuple[int, float] | None = None  # the process, and since when it is at this record

    def __call__(self, record: "Record") -> None:
        made = log_record(record)
        handler = self.handler
        if made.levelno < handler.level:
            return
        if _is_deaf(handler):
            raise ConfigError(
                f"{handler!r} was closed, by dictConfig perhaps, and writes no more: add a console with a new one"
            )
        self.at = os.getpid(), monotonic()
        try:
            handler.handle(made)
        finally:
            self.at = None

    def is_stuck(self) -> bool:
        """Waits until that is known."""
        at = self.at
        if at is None or at[0] != os.getpid():
            return False
        while self.at is at and monotonic() < at[1] + _PATIENCE:
            sleep(_PATIENCE / 100)
        return self.at is at


def _is_deaf(handler: logging.Handler) -> bool:
    """A file that was closed and is not opened again: such a handler says nothing of what it leaves out."""
    if type(handler).emit is not logging.FileHandler.emit or not isinstance(handler, logging.FileHandler):
        return False
    return handler.stream is None and handler.mode == "w" and bool(getattr(handler, "_closed", False))


def let_go_of_stuck_handlers() -> None:
    """At the exit: `logging` is not to wait for a handler that is stuck, nor for one that this one was called by."""
    known = getattr(logging, "_handlerList", None)
    hands = [hand for hand in (known_hand() for known_hand in list(_hands)) if hand is not None]
    if not isinstance(known, list) or not [hand for hand in hands if hand.is_stuck()]:
        return
    known[:] = [reference for reference in known if _is_free(reference())]


def _is_free(handler: Any) -> bool:
    """Whether nobody is in a handler."""
    lock = getattr(handler, "lock", None)
    if lock is None or not lock.acquire(blocking=False):
        return lock is None
    lock.release()
    return True


def formatting(formatter: logging.Formatter) -> "Callable[[Record], str]":
    """What makes text of records by `formatter`."""
    name_threads()

    def text(record: "Record") -> str:
        return formatter.format(log_record(record))

    return text


def name_threads() -> None:
    """From now on each thread tells its name when it logs: it may have ended when somebody asks for it."""
    global _names  # noqa: PLW0603 - one dict for all, once there is one
    known = getattr(threading, "_active", None)
    if isinstance(known, dict):
        _names = _native._name_threads(known, threading.get_ident)  # noqa: SLF001 - our own


def log_record(record: "Record") -> logging.LogRecord:
    """A `logging.LogRecord` of a record, made by the factory that the application has set.

    It has what `logging` itself would give that call: `msg` is the template and `args` its arguments, if the record has
    kept them; where the call has put them together itself `msg` is the message, without `args`. `levelno` is the number that
    the caller gave, else that of the level (NOTICE 25; EMERG, ALERT and CRITICAL 50). `exc_text` has the traceback;
    `exc_info` is None. Fields are attributes, those of `extra` too; one whose name is an attribute or a method of every
    record has a "_" behind it, or as many as make it a new name: the field `name` is shown by `%(name_)s`. A call whose
    place is not known has the names that `logging` gives in that case. `thread` and `threadName` are those of a thread that
    lives, or of one that has ended and has told its name when it logged (see `name_threads`); else, and for another
    process, `thread` is the kernel's number. `taskName` is None.
    """
    levelno = record.levelno if record.levelno is not None else NUMBERS[record.level]
    msg, args = _template(record)
    fields = record.fields
    exc = record.exc
    made = logging.getLogRecordFactory()(
        record.logger or _ROOT,
        levelno,
        record.file or "(unknown file)",
        record.line or 0,
        msg,
        args,
        None,
        record.func or "(unknown function)",
        fields.pop("stack_info", None),
    )
    made.levelname = _level_name(record, levelno)
    made.exc_text = exc["stacktrace"] if exc else None
    made.process = record.pid
    if sys.version_info >= (3, 12):
        made.taskName = None  # not that of whoever formats it
    _set_time(made, record.wall_nsec)
    _set_thread(made, record)
    for key, value in fields.items():
        made.__dict__[_free_name(key, fields, type(made))] = value
    return made


def _template(record: "Record") -> tuple[str, tuple[Any, ...]]:
    """Message and arguments, as a call of `logging` has them."""
    args = record._args  # noqa: SLF001 - our own
    if args is None:
        return record.message, ()
    return record.event, (args,) if isinstance(args, dict) else args


def _level_name(record: "Record", levelno: int) -> str:
    """That of `logging`; a level of ours which that does not know has ours."""
    name = logging.getLevelName(levelno)
    return record.level.name if record.levelno is None and name == f"Level {levelno}" else str(name)


def _set_time(made: logging.LogRecord, wall_nsec: int) -> None:
    """The time of the call, where the factory has put that of now."""
    created = wall_nsec / 1e9
    made.relativeCreated += (created - made.created) * 1e3
    made.created = created
    made.msecs = float(wall_nsec % 1_000_000_000 // 1_000_000)


def _set_thread(made: logging.LogRecord, record: "Record") -> None:
    is_ours = record.pid == os.getpid()
    thread = _living(record.tid) if is_ours else None
    unknown = (record.tid, f"tid {record.tid}")
    if thread is not None:
        made.thread, name = thread.ident, thread.name
    else:
        made.thread, name = _names.get(record.tid, unknown) if is_ours else unknown
    made.threadName = str(name).translate(_CONTROLS)
    if not is_ours:
        made.processName = f"pid {record.pid}"


def _living(tid: int) -> threading.Thread | None:
    thread = _threads.get(tid)
    if thread is None or thread.native_id != tid or not thread.is_alive():
        _threads.clear()
        _threads.update({one.native_id: one for one in threading.enumerate() if one.native_id is not None})
        thread = _threads.get(tid)
    return thread


def _free_name(key: str, fields: dict[str, Any], kind: type[logging.LogRecord]) -> str:
    """The name of a field among the attributes; methods are such, too."""
    if not _is_taken(key, kind):
        return key
    name = f"{key}_"
    while name in fields or _is_taken(name, kind):
        name += "_"
    return name


def _is_taken(name: str, kind: type[logging.LogRecord]) -> bool:
    return name in _TAKEN or hasattr(kind, name)

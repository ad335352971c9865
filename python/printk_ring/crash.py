"""Crashes of the process: fatal signals, and uncaught exceptions.

`install` begins this, unless told `crash=False`. Nothing is replaced: what Python, a framework or the application does about
a signal or an uncaught exception it does as ever, after the default log has what there is to know of it, and a crash file
stands beside its ring: `<ring file>.crash-<pid>-<n>.txt`, and `.json`.
"""

import faulthandler
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

from printk_ring import _native
from printk_ring._native import Log
from printk_ring.exceptions import describe
from printk_ring.levels import Level, Reason
from printk_ring.log import default_log

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from printk_ring.typing import StrPath

__all__ = ["watch"]

# Of an exception with a long history, and of a group, so much is taken apart; the stack trace has all of it.
_MOST = 16
# No trouble: somebody wants the program to end.
_NO_OOPS = (KeyboardInterrupt, SystemExit)

# What was there before, by the name of the hook.
_before: "dict[str, Callable[[Any], object]]" = {}


# The signal that faulthandler has a handler for which writes to the crash file; 0: none yet.
_trace_signal = 0


def prepare(log: Log, directory: "StrPath | None") -> None:
    """Has fatal signals told of this log, in files in `directory`; None: beside its ring, or in the working directory.

    Where that is not `directory` and nothing can be written there, consoles and dumpers still get the reason.

    Raises:
        RingFileError: nothing can be written in `directory`.
    """
    why = _native._tell_crashes(log, directory)  # noqa: SLF001 - our own
    _native._arm_signals()  # noqa: SLF001 - our own
    _prepare_trace()
    if why is not None:
        event = f"no crash files: {why}; give crash_dir"  # the working directory need not be ours
        log._emit(Level.WARNING, event, logger="printk_ring")  # noqa: SLF001 - our own


def _prepare_trace() -> None:
    """Has faulthandler ready to write where Python's threads are: a handler of its, which a crash calls as a function."""
    global _trace_signal  # noqa: PLW0603 - one a process, as faulthandler's table
    places = _native._trace_places()  # noqa: SLF001 - our own
    if places is None:
        return
    unused, descriptor = places
    number = _trace_signal or unused
    faulthandler.register(number, file=descriptor, all_threads=True, chain=False)
    if _native._take_trace(number, descriptor):  # noqa: SLF001 - our own
        _trace_signal = number


def watch_process() -> None:
    """Has uncaught exceptions of this process stored: of all threads, of finalizers, and of the running event loop."""
    for module, hook, ours in (
        (sys, "excepthook", _uncaught),
        (threading, "excepthook", _uncaught_in_thread),
        (sys, "unraisablehook", _unraisable),
    ):
        name = f"{module.__name__}.{hook}"
        found = getattr(module, hook)
        # Whoever came after us and went on to us is left where it is.
        if name not in _before or found is getattr(module, f"__{hook}__"):
            _before[name] = found
            setattr(module, hook, ours)
    loop = _running_loop()
    if loop is not None:
        watch(loop)


def watch(loop: "asyncio.AbstractEventLoop") -> None:
    """Has exceptions that nobody handles in this event loop stored in the default log; then its handler goes on.

    `install` does this for the loop that runs then. Twice is once. It has no effect while there is no default log.
    """
    before = loop.get_exception_handler()
    if isinstance(before, _LoopHandler):
        return
    loop.set_exception_handler(_LoopHandler(before))


class _LoopHandler:
    """The handler of one event loop."""

    def __init__(self, before: "Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None") -> None:
        self.before = before

    def __call__(self, loop: "asyncio.AbstractEventLoop", context: dict[str, Any]) -> None:
        try:
            _tell_loop(context)
        finally:
            if self.before is None:
                loop.default_exception_handler(context)
            else:
                self.before(loop, context)


def _uncaught(kind: type[BaseException], value: BaseException | None, trace: TracebackType | None) -> None:
    try:
        detail = _oops(Level.CRITICAL, "uncaught exception", {}, (kind, value, trace))
        if detail is not None and not _is_interactive():
            _report(detail)
    finally:
        _before["sys.excepthook"](kind, value, trace)  # type: ignore[call-arg]


def _uncaught_in_thread(args: "threading.ExceptHookArgs") -> None:
    try:
        thread = args.thread
        fields = {} if thread is None else {"thread": thread.name}
        _oops(
            Level.ERROR, "uncaught exception in a thread", fields, (args.exc_type, args.exc_value, args.exc_traceback)
        )
    finally:
        _before["threading.excepthook"](args)


def _unraisable(args: "sys.UnraisableHookArgs", before: "dict[str, Callable[[Any], object]]" = _before) -> None:
    try:
        if _before is before:  # else the interpreter is taking this module apart at its end, and its names are None
            fields = {"object": _shown(args.object)} if args.object is not None else {}
            if args.err_msg:
                fields["while"] = str(args.err_msg)
            _oops(Level.ERROR, "unraisable exception", fields, (args.exc_type, args.exc_value, args.exc_traceback))
    finally:
        before["sys.unraisablehook"](args)


def _tell_loop(context: dict[str, Any]) -> None:
    fields = {"message": str(context.get("message", ""))}
    for name in ("task", "future", "handle", "transport", "protocol"):
        if context.get(name) is not None:
            fields[name] = _shown(context[name])
    value = context.get("exception")
    if isinstance(value, BaseException):
        _oops(Level.ERROR, "unhandled exception in an event loop", fields, (type(value), value, value.__traceback__))
        return
    log = default_log()
    if log is not None:
        log._emit(Level.ERROR, "trouble in an event loop", logger="printk_ring", fields=fields)  # noqa: SLF001 - our own


def _oops(
    level: Level,
    event: str,
    fields: "Mapping[str, object]",
    raised: tuple[type[BaseException], BaseException | None, TracebackType | None],
) -> str | None:
    """One record in the default log, and its dumpers. What it was; None: no trouble, or there is no log."""
    log, (kind, value, trace) = default_log(), raised
    if log is None or issubclass(kind, _NO_OOPS):
        return None
    name = kind.__qualname__
    described = describe((kind, value, trace)) if value is not None else None
    exc = described or (name, "", name)  # raised from C, and never made
    fields = {**fields, **_details(value)}
    log._emit(level, event, logger="printk_ring", exc=exc, fields=fields)  # noqa: SLF001 - our own
    detail = log._redacted(f"{exc[0]}: {exc[1]}")  # noqa: SLF001 - our own
    log._call_dumpers(Reason.OOPS, detail)  # noqa: SLF001 - our own
    return detail


def _report(detail: str) -> None:
    """Writes a crash file for an exception that ends the process."""
    log = default_log()
    if log is None:
        return
    try:
        path = _native._report_oops(log, detail)  # noqa: SLF001 - our own
        if path is not None:
            with path.open("a", encoding="utf-8") as file:
                file.write("\nPython threads\n")
                file.flush()
                faulthandler.dump_traceback(file, all_threads=True)
                file.write("** end of the report **\n")
    except OSError as why:
        log._emit(Level.ERROR, f"no crash file: {why}", logger="printk_ring")  # noqa: SLF001 - our own


def _is_interactive() -> bool:
    """Whether the interpreter goes on after an uncaught exception."""
    return hasattr(sys, "ps1") or bool(sys.flags.inspect)


def _details(value: BaseException | None) -> dict[str, object]:
    """Notes, causes and the members of a group, as fields; what there is none of is left out."""
    details: dict[str, object] = {}
    if value is None:
        return details
    notes = value.__dict__.get("__notes__")
    if isinstance(notes, list):
        details["notes"] = [note for note in notes[:_MOST] if isinstance(note, str)]
    causes = _causes(value)
    if causes:
        details["causes"] = causes
    if isinstance(value, BaseExceptionGroup):
        details["group"] = _members(value)
    return details


def _causes(value: BaseException) -> list[dict[str, str]]:
    """What it was raised from, or while, the nearest first."""
    causes: list[dict[str, str]] = []
    seen = {id(value)}
    while len(causes) < _MOST:
        how = "cause"
        before = value.__cause__
        if before is None and not value.__suppress_context__:
            how, before = "context", value.__context__
        if before is None or id(before) in seen:
            break
        seen.add(id(before))
        causes.append({"how": how, **_named(before)})
        value = before
    return causes


def _members(group: "BaseExceptionGroup[BaseException]") -> list[dict[str, str]]:
    """The exceptions of a group; of groups within, only that they are."""
    return [_named(member) for member in group.exceptions[:_MOST]]


def _named(value: BaseException) -> dict[str, str]:
    described = describe((type(value), value, None))
    kind, message = described[:2] if described is not None else (type(value).__name__, "")
    return {"type": kind, "message": message}


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - whatever a __repr__ does
        return f"<unprintable {type(value).__name__}>"


def _running_loop() -> "asyncio.AbstractEventLoop | None":
    asyncio = sys.modules.get("asyncio")  # a program that has not imported it runs no loop
    if asyncio is None:
        return None
    try:
        return asyncio.get_running_loop()  # type: ignore[no-any-return]
    except RuntimeError:
        return None

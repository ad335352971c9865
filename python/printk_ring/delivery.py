"""Records to Python code, one by one: what a console's own thread runs while it is attached to the interpreter.

The native module calls `hand_over` and `hand_over_text` with a batch. Everything that may run code of the application runs
in here, so that an exception of any kind belongs to one record, and an interpreter that ends finds only Python's own
frames.
"""

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from printk_ring._native import Record, _Batch

__all__ = ["hand_over", "hand_over_text", "text_maker"]

# A fork waits so long, in seconds, for consoles to come out of the application's code: it may hold locks there.
_FORK_PATIENCE = 0.5
# A console waits at most so long for forks, whatever other hooks of a fork do.
_CONSOLE_PATIENCE = 1.0


class _Gate:
    """Which threads are in code of the application, and whether another may go in: not while the process forks."""

    def __init__(self) -> None:
        self.inside: set[int] = set()
        self.begin_child()

    def begin_child(self) -> None:
        """The other threads are not there, and one of them may have held the lock."""
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.inside &= {threading.get_ident()}
        self.forks = 0

    def enter(self) -> None:
        with self.lock:
            if self.forks:
                self.changed.wait_for(lambda: not self.forks, _CONSOLE_PATIENCE)
            self.inside.add(threading.get_ident())

    def leave(self) -> None:
        with self.lock:
            self.inside.discard(threading.get_ident())
            if self.forks:
                self.changed.notify_all()

    def close(self) -> None:
        if not self._hold():
            return
        own = {threading.get_ident()}
        try:
            self.forks += 1
            self.changed.wait_for(lambda: self.inside <= own, _FORK_PATIENCE)
        finally:
            self.lock.release()

    def open(self) -> None:
        if not self._hold():
            return
        try:
            self.forks = max(0, self.forks - 1)
            self.changed.notify_all()
        finally:
            self.lock.release()

    def _hold(self) -> bool:
        """For a fork: a signal handler may make one in the middle of its own thread's, and is not to wait for that."""
        return self.lock.acquire(timeout=_FORK_PATIENCE)


_gate = _Gate()
os.register_at_fork(before=_gate.close, after_in_parent=_gate.open, after_in_child=_gate.begin_child)


def _called(call: "Callable[[Record], Any]", record: "Record") -> Any:
    _gate.enter()
    try:
        return call(record)
    finally:
        _gate.leave()


def hand_over(call: "Callable[[Record], object]", batch: "_Batch") -> None:
    """Calls `call` with each record of a batch; an exception is told, and the next record goes on."""
    for record in batch:
        try:
            _called(call, record)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must not end the console
            batch.failed(_told(error))
        else:
            batch.done()


def hand_over_text(call: "Callable[[Record], str]", batch: "_Batch") -> None:
    """Gives the console the text that `call` makes of each record; an exception is told, and the next record goes on."""
    for record in batch:
        try:
            batch.write(_called(call, record))
        except BaseException as error:  # noqa: BLE001 - as above
            batch.failed(_told(error))


def text_maker(given: Any) -> "Callable[[Record], str] | None":
    """What makes text of a record by `given`, a `logging.Formatter` or a function; None: it is neither."""
    logging = sys.modules.get("logging")  # who has a formatter has imported it
    if logging is not None and isinstance(given, logging.Formatter):
        from printk_ring.logrecords import formatting  # noqa: PLC0415 - not before somebody has a formatter

        return formatting(given)
    maker: Any = given
    return maker if callable(given) else None


def _told(error: BaseException) -> str:
    kind = type(error).__qualname__
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - whatever a __str__ does
        return f"{kind}: <unprintable>"
    return f"{kind}: {message}" if message else kind

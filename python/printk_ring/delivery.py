"""Records to Python code, one by one: what a console's own thread runs while it is attached to the interpreter.

The native module calls `hand_over` and `hand_over_text` with a batch. Everything that may run code of the application runs
in here, so that an exception of any kind belongs to one record, and an interpreter that ends finds only Python's own
frames.
"""

import os
import sys
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from printk_ring._native import Record, _Batch

__all__ = ["hand_over", "hand_over_text", "text_maker"]

# A fork waits so long, in seconds, for consoles to come out of the application's code: it may hold locks there.
_FORK_PATIENCE = 0.5
# A console waits at most so long for forks, whatever other hooks of a fork do.
_CONSOLE_PATIENCE = 1.0
_STEP = 0.0005


class _Gate:
    """Which threads are in code of the application, and which ones fork: none goes in then.

    Sets of threads, and no lock: an exception that somebody sends a console's thread, or a signal handler that forks in the
    middle of a fork's hook, would leave it locked.
    """

    def __init__(self) -> None:
        self.inside: set[int] = set()
        self.forking: set[int] = set()

    def enter(self) -> None:
        own = threading.get_ident()
        self.inside.add(own)
        if self.forking:
            self.inside.discard(own)
            _wait(lambda: not self.forking, _CONSOLE_PATIENCE)
            self.inside.add(own)

    def leave(self) -> None:
        self.inside.discard(threading.get_ident())

    def close(self) -> None:
        own = threading.get_ident()
        self.forking.add(own)
        _wait(lambda: self.inside <= {own}, _FORK_PATIENCE)

    def open(self) -> None:
        self.forking.discard(threading.get_ident())

    def begin_child(self) -> None:
        """The other threads are not there."""
        self.inside = self.inside & {threading.get_ident()}
        self.forking = set()


def _wait(is_over: "Callable[[], bool]", patience: float) -> None:
    deadline = monotonic() + patience
    while not is_over() and monotonic() < deadline:
        sleep(_STEP)


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

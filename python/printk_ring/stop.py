"""SIGTSTP, for logs that ask for it (`Offload.suspend_on_stop`): nobody prints on them while the process is stopped.

The native module calls `_handle`; there is nothing in here for users.
"""

import os
import signal
import threading
from functools import partial
from types import FrameType
from typing import Any

from printk_ring import _native
from printk_ring._native import ConfigError

__all__: list[str] = []


class _Handler:
    """Stands in front of what SIGTSTP did before: one for all logs."""

    def __init__(self, previous: Any) -> None:
        self.previous = previous
        self.runs_in = 0  # the process: in a child that another thread forks meanwhile nobody is in here

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.runs_in == os.getpid():
            return  # another Ctrl-Z during the flush: the process is about to stop
        self.runs_in = os.getpid()
        try:
            _native._while_suspended(partial(self._stop, number, frame))  # noqa: SLF001 - our own
        finally:
            self.runs_in = 0

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not callable(self.previous):  # what is ignored is not handled, so this is the default action
            _native._stop_process()  # noqa: SLF001 - our own
            return
        try:
            self.previous(number, frame)
        finally:
            self._stand_in_front()

    def _stand_in_front(self) -> None:
        """A handler that stops the process by the default action puts itself back after that."""
        found = signal.getsignal(signal.SIGTSTP)
        if _handler is self and found == self.previous:
            signal.signal(signal.SIGTSTP, self)


_handler: _Handler | None = None


def _handle(wanted: bool, /) -> None:
    """Installs the handler, or puts back what was there before.

    Raises:
        ConfigError: not in this thread, or not in front of what is there.
    """
    if threading.get_ident() != threading.main_thread().ident:
        message = "suspend_on_stop needs a signal handler, which Python has in the main thread only: set it there"
        raise ConfigError(message)
    if wanted:
        _install()
    else:
        _take_away()


def _install() -> None:
    global _handler  # noqa: PLW0603 - the process has one SIGTSTP
    found = signal.getsignal(signal.SIGTSTP)
    if found is None:
        message = "SIGTSTP has a handler that is not Python's: call the log's suspend() and resume() from there"
        raise ConfigError(message)
    if _handler is not None or found == signal.SIG_IGN:
        return  # who ignores it is not stopped by it
    handler = _Handler(found)
    signal.signal(signal.SIGTSTP, handler)
    _handler = handler


def _take_away() -> None:
    global _handler  # noqa: PLW0603 - see above
    found: Any = signal.getsignal(signal.SIGTSTP)
    handler = _handler
    _handler = None
    # Another one that was installed later stays, and may call this one, which does what was done before.
    if handler is not None and found is handler:
        signal.signal(signal.SIGTSTP, handler.previous)

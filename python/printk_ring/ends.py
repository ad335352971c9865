"""How processes end in order: by the interpreter's exit, and as children of multiprocessing, which leave by `os._exit`."""

import atexit
import os
import sys

from printk_ring import _native

_ended_in = 0  # the process whose orderly exit has begun
_known_to_multiprocessing = False


def watch() -> None:
    """Has the logs end in order with this process, and with its children. By the first log of a process."""
    atexit.register(_end)
    _native._watch_multiprocessing(sys.modules, _tell_multiprocessing)  # noqa: SLF001 - our own
    os.register_at_fork(before=_native._look_for_multiprocessing)  # noqa: SLF001 - our own
    _tell_multiprocessing()


def _end() -> None:
    global _ended_in  # noqa: PLW0603 - one end for the process
    if _ended_in == os.getpid():
        return
    _ended_in = os.getpid()
    _native._shutdown()  # noqa: SLF001 - our own
    logrecords = sys.modules.get("printk_ring.logrecords")
    if logrecords is not None:
        logrecords.let_go_of_stuck_handlers()


def _tell_multiprocessing() -> None:
    """Before a fork, for multiprocessing may have been imported since the last one; not imported for this."""
    global _known_to_multiprocessing  # noqa: PLW0603 - told once
    util = sys.modules.get("multiprocessing.util")
    # Half imported, by another thread, it lacks the last of its names.
    if _known_to_multiprocessing or util is None or not hasattr(util, "register_after_fork"):
        return
    _known_to_multiprocessing = True
    util.register_after_fork(_tell_multiprocessing, _begin_child)
    process = sys.modules["multiprocessing.process"]
    if process.parent_process() is not None:
        _begin_child()  # this process is such a child itself, and made its log just now


def _begin_child(_: object = None) -> None:
    """A child of multiprocessing begins: what it runs last, before it leaves, is the orderly exit."""
    sys.modules["multiprocessing.util"].Finalize(None, _end, exitpriority=-1000)

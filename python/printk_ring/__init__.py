"""Linux's printk for Python processes: a lockless ring that survives SIGKILL, consoles that never block the caller.

    import printk_ring as pr

    pr.install("/dev/shm/app.ring")
    log = pr.get_logger("app")
    log.info("started", port=8080)

Importing has no side effect: no thread, file, handler or hook before the first explicit call. One is asked for by the
environment: with PRINTK_RING_LOCKDEP=1 the locks of `threading` are watched from the import on (see `printk_ring.lockdep`).
"""

import os
from typing import TYPE_CHECKING

# Those that only log calls need are imported here too: a child that is forked while a thread imports one waits for ever.
from printk_ring import context, delivery, ends, exceptions, kernel, sinks, templates  # noqa: F401
from printk_ring._native import (
    CallSite,
    ConfigError,
    Console,
    Context,
    ContextError,
    ContextFields,
    Control,
    Dumper,
    DumpIter,
    FileConsole,
    Log,
    Logger,
    Offload,
    Overrun,
    PrintkError,
    RawRecord,
    Reader,
    Record,
    RecordInfo,
    Reservation,
    ReservationError,
    Ring,
    RingFile,
    RingFileError,
    RingFileInfo,
    Sink,
    __version__,
    control,
    open,  # noqa: A004 - the contract's name
)
from printk_ring.levels import Level, Reason
from printk_ring.lives import PreviousLife, recover
from printk_ring.log import (
    default_log,
    default_offload,
    deferred,
    emergency,
    get_logger,
    install,
    report,
    resume,
    suspend,
)

if os.environ.get("PRINTK_RING_LOCKDEP", "0") not in {"", "0"}:
    from printk_ring import lockdep

    lockdep.start()

if TYPE_CHECKING:
    from printk_ring import crash
    from printk_ring.integrations.logging import RingHandler
    from printk_ring.snapshot import Snapshot

    offload: Offload

__all__ = [
    "CallSite",
    "ConfigError",
    "Console",
    "Context",
    "ContextError",
    "ContextFields",
    "Control",
    "DumpIter",
    "Dumper",
    "FileConsole",
    "Level",
    "Log",
    "Logger",
    "Offload",
    "Overrun",
    "PreviousLife",
    "PrintkError",
    "RawRecord",
    "Reader",
    "Reason",
    "Record",
    "RecordInfo",
    "Reservation",
    "ReservationError",
    "Ring",
    "RingFile",
    "RingFileError",
    "RingFileInfo",
    "RingHandler",
    "Sink",
    "Snapshot",
    "__version__",
    "control",
    "crash",
    "default_log",
    "deferred",
    "emergency",
    "get_logger",
    "install",
    "kernel",
    "lockdep",
    "open",
    "recover",
    "report",
    "resume",
    "sinks",
    "suspend",
]

# What the first look imports: RingHandler brings in the standard library's logging, and with it an exit hook.
_ON_FIRST_USE = {
    "RingHandler": "printk_ring.integrations.logging",
    "Snapshot": "printk_ring.snapshot",
    "crash": "printk_ring.crash",
    "lockdep": "printk_ring.lockdep",
}


def __getattr__(name: str) -> object:
    if name == "offload":
        return default_offload()
    home = _ON_FIRST_USE.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415 - part of the deferred work

    module = import_module(home)
    value = module if home == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

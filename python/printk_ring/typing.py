"""The type aliases and typed dictionaries of the public API.

Nothing here exists to be called: these are names for annotations, in user code as in this package.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict

from printk_ring.levels import Level

if TYPE_CHECKING:
    import logging

    from printk_ring._native import Record, Sink

__all__ = [
    "BinaryFile",
    "ConsoleFormat",
    "ConsoleSpec",
    "ConsoleStats",
    "DumperStats",
    "ExcInfoLike",
    "FormatName",
    "LevelLike",
    "OffloadMode",
    "OverflowPolicy",
    "RecordException",
    "Redact",
    "Reliability",
    "Start",
    "Stats",
    "StrPath",
]

LevelLike: TypeAlias = Level | int | str
"""A level: a `Level`, a number (0..7 kernel, 8 and more standard library), or a name in any case."""

StrPath: TypeAlias = str | os.PathLike[str]
"""A path of the file system, as text."""

FormatName: TypeAlias = Literal["text", "iso", "json", "logfmt", "kmsg", "syslog"]
"""How a console writes a record."""

OverflowPolicy: TypeAlias = Literal["drop_oldest", "block"]
"""What happens when the writers are faster than a console."""

OffloadMode: TypeAlias = Literal["console", "smp", "caller"]
"""Who prints the records of a log: each console's own thread; threads that serve any console, one for each processor;
whoever logs, one record more than its own at most."""

Redact: TypeAlias = Iterable[str | re.Pattern[str]]
"""What a log is not to hold: names of fields, and compiled patterns for texts."""

Reliability: TypeAlias = Literal[0, 1, 2, 3]
"""How far a sink can be relied on when everything else is broken: memory, a file, a pipe or a terminal, what takes locks."""

Start: TypeAlias = Literal["oldest", "clear", "newest"] | int
"""Where a reader starts: a name, or a record number."""

ExcInfoLike: TypeAlias = (
    bool
    | BaseException
    | tuple[type[BaseException], BaseException, TracebackType | None]
    | tuple[None, None, None]
    | None
)
"""What `exc_info=` takes: True for the exception being handled, an exception, or `sys.exc_info()`."""

if TYPE_CHECKING:
    ConsoleFormat: TypeAlias = FormatName | logging.Formatter | Callable[[Record], str]
    """What makes text of a record on a console: a format by name, a formatter of `logging`, or a function."""

    ConsoleSpec: TypeAlias = Sink | Mapping[str, Any] | tuple[Sink, Mapping[str, Any]]
    """One console of `consoles=`: a sink, the arguments of `add_console` as a mapping (with `sink`), or both."""

else:

    def __getattr__(name: str) -> object:
        """What needs more than this module imports: who has no use for a formatter of `logging` need not pay for it."""
        if name == "ConsoleFormat":
            from logging import Formatter  # noqa: PLC0415

            from printk_ring._native import Record  # noqa: PLC0415

            value = FormatName | Formatter | Callable[[Record], str]
        elif name == "ConsoleSpec":
            from printk_ring._native import Sink  # noqa: PLC0415

            value = Sink | Mapping[str, Any] | tuple[Sink, Mapping[str, Any]]
        else:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        return globals().setdefault(name, value)


class BinaryFile(Protocol):
    """What `Log.dump` writes to: any file opened for bytes."""

    def write(self, data: bytes, /) -> int | None:
        """Takes bytes and says how many; None: all."""


class RecordException(TypedDict):
    """An exception as a record keeps it."""

    type: str
    """The qualified name of the class; of a class outside `builtins` with its module."""
    message: str
    """`str()` of the exception."""
    stacktrace: str
    """The traceback as Python prints it, causes and contexts included, without the final newline."""


class ConsoleStats(TypedDict):
    """One console's attributes at the moment of `Log.stats()`."""

    level: Level | None
    seq: int
    lag: int
    dropped: int
    errors: int
    enabled: bool
    owner: str | None
    alive: bool
    flags: str


class DumperStats(TypedDict):
    """What `Log.stats()` says of one registered dumper: calls that have ended, and how many of them raised."""

    calls: int
    errors: int


class Stats(TypedDict):
    """What `Log.stats()` returns. Counts are records, unless the name ends in `bytes`."""

    emitted: int
    records: int
    overwritten: int
    failed: int
    reaped: int
    truncated: int
    torn: int
    suppressed: int
    recursion_dropped: int
    block_timeouts: int
    report_timeouts: int
    left_behind: int
    panic_dropped: int
    syncs: int
    sync_errors: int
    syncs_left: int
    dumps: int
    dump_errors: int
    sites: int
    sites_refused: int
    bytes: int
    size_bytes: int
    descriptors: int
    data_bytes: int
    memory: dict[str, int]
    consoles: dict[str, ConsoleStats]
    dumpers: dict[str, DumperStats]

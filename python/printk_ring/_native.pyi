"""The native module: the ring, the log with its consoles, and the reader.

It is private; `printk_ring` re-exports its public names, and their `__module__` is the module that has them.
It translates and decides nothing: defaults and policy are stated in `rust/host`.

Everywhere: times in nanoseconds are ints; timeouts are seconds as float (negative, NaN: ConfigError; infinity waits without
end); sizes are bytes; record numbers (seq) start at 0 and are never reused. A wrong type is a TypeError, a wrong value a
ConfigError, unless the docstring says otherwise. Everything that waits releases the interpreter and notices signals (so
that Ctrl-C works) at least every 100 ms.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from logging import Handler, LogRecord
from pathlib import Path
from threading import Thread
from types import ModuleType, TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar, final, overload

from typing_extensions import Buffer, disjoint_base

from printk_ring.catching import Catch
from printk_ring.levels import Level, Reason
from printk_ring.snapshot import Snapshot
from printk_ring.typing import (
    BinaryFile,
    ConsoleFormat,
    ConsoleSpec,
    ExcInfoLike,
    FormatName,
    LevelLike,
    OffloadMode,
    OverflowPolicy,
    RecordException,
    Redact,
    Reliability,
    Start,
    Stats,
    StrPath,
)

_T = TypeVar("_T")
_R = TypeVar("_R")

__version__: str
"""The version of the crates that this module was built from."""

# --- errors ----------------------------------------------------------------------------------------------------------

class PrintkError(Exception):
    """The base of all errors of this package."""

class ConfigError(PrintkError, ValueError):
    """Wrong arguments: the text says which, and what is allowed."""

class ContextError(PrintkError):
    """A section (`deferred`, `emergency`, `report`) was entered twice, left without being entered, or left on another
    thread than the one that entered it; in the last case it has ended all the same.
    """

class ReservationError(PrintkError):
    """A `Reservation` was used after it had been committed or finalized."""

class Overrun(PrintkError):
    """Records were overwritten before the reader came to them. `Overrun(lost)`."""

    @property
    def lost(self) -> int:
        """How many records were lost; 0 when made without arguments."""

class RingFileError(PrintkError, OSError):
    """A ring file cannot be used: its content, kind, permission or holder. `RingFileError(errno, reason, path)`.

    `errno` is EBUSY for a file that a live log holds, EINVAL for one that is not a whole ring of this layout, EEXIST for
    one that must not exist yet, and the system's number where the system refused (ENOENT, EACCES, EISDIR, ELOOP, ENOSPC).
    `filename` is the path as text. str() names both the path and the reason.
    """

    @property
    def reason(self) -> str:
        """What is wrong, in words; the same as `strerror`."""

# --- levels, sizes, defaults -----------------------------------------------------------------------------------------

def parse_level(level: LevelLike, /) -> int:
    """The kernel level 0..7 of a level given to the native API.

    0..7 is a kernel level, 8 and more a standard-library number, a str a name or alias in any case (or such a number as
    decimal text).

    Raises:
        ConfigError: an unknown name or a negative number.
        TypeError: neither int nor str (a bool is neither).
    """

def parse_stdlib_level(level: LevelLike, /) -> int:
    """The kernel level 0..7 of a standard-library level: every number is a standard-library number, negative ones too.

    A `Level` is taken as it is; a str as in `parse_level`, but numbers as text are standard-library numbers.

    Raises:
        ConfigError: an unknown name.
        TypeError: neither int nor str (a bool is neither).
    """

def parse_redact(redact: Redact | None, /) -> tuple[str | re.Pattern[str], ...]:
    """What `redact` names, in order.

    Raises:
        ConfigError: as `Log`.
    """

def parse_size(size: int | str, /) -> int:
    """Bytes of a size: an int, or text such as "64 KiB", "4 MiB", "1 GiB", "300000" (a space before the unit is optional;
    units in any case: B, KiB, MiB, GiB; KB, MB, GB are powers of 1000).

    Raises:
        ConfigError: not a size, negative, or beyond 2**63-1.
        TypeError: neither int nor str.
    """

def defaults() -> dict[str, Any]:
    """Every default of `rust/host` under the name of its parameter: `size`, `avg_record`, `level`, `console_level`,
    `format`, `replay`, `overflow`, `block_timeout`, `flush_timeout`, `remove_timeout`, `exit_timeout`; besides
    `memory_records`, `memory_bytes`, `redacted` (what stands for what is hidden), `min_size_bytes`, `max_record_bytes`.
    Values as the signatures below spell them (levels are names in upper case).
    """

# --- the ring itself -------------------------------------------------------------------------------------------------

@final
class RecordInfo:
    """What a ring knows about a record besides its text. Immutable; equal when all fields are; hashable."""

    def __new__(
        cls,
        *,
        seq: int,
        ts_nsec: int,
        level: int,
        facility: int,
        flags: int,
        caller_id: int,
        text_len: int = 0,
    ) -> Self:
        """Made by hand. Ranges as of the properties; OverflowError or ConfigError beyond."""
    @property
    def seq(self) -> int:
        """The record's number, u64."""
    @property
    def ts_nsec(self) -> int:
        """The time stamp given at `reserve`, u64 nanoseconds."""
    @property
    def text_len(self) -> int:
        """Bytes of text, u32; the full length also where a read was cut."""
    @property
    def facility(self) -> int:
        """Syslog facility, 0..255."""
    @property
    def flags(self) -> int:
        """Flags, 0..31."""
    @property
    def level(self) -> int:
        """Kernel level, 0..7."""
    @property
    def caller_id(self) -> int:
        """Who wrote it, u64."""
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

@final
class RawRecord:
    """One record as read from a `Ring`."""

    @property
    def info(self) -> RecordInfo:
        """The record's info; `info.text_len` is the full length even when `text` was cut by `max_text`."""
    @property
    def text(self) -> bytes:
        """The text; at most `max_text` bytes of it."""

@final
class Reservation:
    """Space in the ring that belongs to this object until it commits or finalizes.

    Dropped unfinished it is committed as it stands. Every method and the setter of `text_len` raise ReservationError
    after that; the other properties keep their last value. In a forked child the reservations of a ring in a file are its
    parent's: there, too, they raise ReservationError, and dropping one does nothing.
    """

    @property
    def seq(self) -> int:
        """The record's number."""
    @property
    def capacity(self) -> int:
        """Bytes that can be written."""
    @property
    def space(self) -> int:
        """Bytes of the ring that the record owns, header and wasted end of the ring included; 0 for an empty record."""
    @property
    def text_len(self) -> int:
        """Bytes of text the record will have."""
    @text_len.setter
    def text_len(self, value: int, /) -> None:
        """0..capacity, else ValueError. Wins over what `write` set."""
    def write(self, data: Buffer, offset: int = 0) -> None:
        """Copies the bytes of `data` (any C-contiguous buffer) to `offset`; `text_len` becomes at least offset + len.

        Raises:
            ValueError: `offset` is negative or the bytes do not fit into `capacity`; nothing is written then.
            ReservationError: already committed or finalized, or reserved by the process that forked this one.
        """
    def commit(self) -> None:
        """Ends the reservation; the record can be reopened with `Ring.reserve_in_last` while it is the newest."""
    def finalize(self) -> None:
        """Ends the reservation; the record is final and readable."""

@final
class Ring:
    """The bare ring: bytes in order, any number of writers and readers. It is the code that a `Log` runs.

    `Ring(*, desc_bits, avg_data_bits, path=None, retire_ahead=0)`: 2**desc_bits descriptors (1..24) and
    2**(desc_bits + avg_data_bits) bytes of text (avg_data_bits 3..16). `retire_ahead` 0..32 old records are retired at
    once (at most descriptors/64 take effect). Memory is anonymous, or a new file at `path` with mode 0600.

    Raises:
        ConfigError: bits or retire_ahead out of range; the message gives the range.
        RingFileError: `path` exists (EEXIST) or cannot be created.
        MemoryError: no memory of that size.
    """

    def __new__(
        cls,
        *,
        desc_bits: int,
        avg_data_bits: int,
        path: StrPath | None = None,
        retire_ahead: int = 0,
    ) -> Self: ...
    def reserve(
        self,
        size: int,
        *,
        caller_id: int = 0,
        level: int = 6,
        facility: int = 1,
        flags: int = 0,
        ts_nsec: int | None = None,
    ) -> Reservation | None:
        """Reserves a record of `size` bytes of text; None when the ring refuses. Never blocks.

        `level` 0..7, `facility` 0..255, `flags` 0..31, `caller_id` u64, `ts_nsec` u64 (None: time.monotonic_ns() now).

        Raises:
            TypeError: a wrong type. ValueError: a negative `size`, or an argument out of its range (OverflowError too).
        """
    def reserve_in_last(self, caller_id: int, size: int, max_size: int) -> Reservation | None:
        """Reopens the newest record, if it is committed and of `caller_id`, and adds `size` bytes; its total size is
        bounded by `max_size`. None when refused. `text_len` starts at the old length, the info stays.

        Raises:
            TypeError, ValueError: as `reserve`.
        """
    def read_valid(self, seq: int, max_text: int | None = None) -> RawRecord | None:
        """The first readable record at or after `seq`; None: there is none yet. `max_text` cuts the text (0: none)."""
    def read_valid_info(self, seq: int) -> tuple[RecordInfo, int] | None:
        """The same search without the text: (info, number of lines). An empty text is one line."""
    @property
    def first_seq(self) -> int:
        """The number of the oldest record still in the ring, readable or not."""
    @property
    def first_valid_seq(self) -> int:
        """The number of the oldest readable record; `next_seq` when there is none."""
    @property
    def next_seq(self) -> int:
        """The first number that is not there yet: after the finished records, lost ones among them."""
    @property
    def next_reserve_seq(self) -> int:
        """The number that the next reserve will get."""
    @property
    def fail(self) -> int:
        """How often a reserve was refused for want of a descriptor."""
    @property
    def size_bytes(self) -> int:
        """Bytes of text: 2**(desc_bits + avg_data_bits)."""
    @property
    def descriptors(self) -> int:
        """Number of descriptors: 2**desc_bits."""

# --- the kernel's own formatting and walk -----------------------------------------------------------------------------

def print_text(
    info: RecordInfo,
    text: Buffer,
    *,
    syslog: bool,
    time: bool,
    caller: bool,
    size: int,
) -> bytes:
    """The record in the human format, as the kernel's consoles and syslog have it: whole lines only, at most size - 1 bytes.

    Each line of `text` has its prefix: `<prio>` (`syslog`), `[seconds.microseconds]` (`time`), `[T<thread>]` or
    `[C<processor>]` (`caller`). Where not even the first line fits there is none. Nothing is escaped; `info.text_len` is not
    looked at; of a `caller_id` wider than 32 bits the lower half counts.

    Raises:
        TypeError: a wrong type. ValueError: a negative `size`.
    """

def print_size(info: RecordInfo, text: Buffer, *, syslog: bool, time: bool, caller: bool) -> int:
    """Bytes that the whole record takes in the human format."""

def kmsg(info: RecordInfo, text: Buffer, *, caller: bool, subsystem: Buffer = b"", device: Buffer = b"") -> bytes:
    """The record as a read of `/dev/kmsg` gives it, dictionary lines included, cut at 2048 bytes as there: what is cut may
    end without a newline, or with half an escape.
    """

@final
class KernelDumpIter:
    """The kernel's walk over a bare ring, for dumps: two numbers, `cur_seq` and `next_seq`, both 0 before the first call.

    `DumpIter(ring, *, clear_seq=0, time=True, caller=False)`. Needs no registration; any number of them walk at once, while
    others write. `time` and `caller`: whether each line has the time stamp, and who logged. `copy.copy` makes another one
    that goes its own way from here. Public as `printk_ring.kernel.DumpIter`.
    """

    def __new__(cls, ring: Ring, *, clear_seq: int = 0, time: bool = True, caller: bool = False) -> Self: ...
    def rewind(self) -> None:
        """Goes to the clear mark; blocks will end where the ring ends now."""
    def get_line(self, size: int, syslog: bool = False) -> bytes | None:
        """The next record, oldest first, also one that was stored after `rewind`: its whole lines that fit into size - 1
        bytes, from the first, which may be none. None: there is no record.

        Raises:
            TypeError: a wrong type. ValueError: a negative `size`.
        """
    def get_line_size(self, syslog: bool = False) -> int | None:
        """Moves on like `get_line`, and says how many bytes all lines of the record take. None: there is no record."""
    def get_buffer(self, size: int, syslog: bool = False) -> bytes | None:
        """The newest records not given yet that fit into size - 1 bytes, the oldest of them first. None: no more, or `size`
        is 0.

        A record that does not fit alone, where the kernel gives nothing for ever, is cut and ends in `<truncated>` and a
        newline (where there is no room for that, in the beginning of it). Records that were stored after `rewind` are
        never given.

        Raises:
            TypeError: a wrong type. ValueError: a negative `size`. MemoryError: there is more than fits into memory.
        """
    @property
    def cur_seq(self) -> int:
        """The number of the record that comes next, at least."""
    @property
    def next_seq(self) -> int:
        """The number that the next block ends before."""
    @property
    def clear_seq(self) -> int:
        """The clear mark: nothing before it is given. Settable."""
    @clear_seq.setter
    def clear_seq(self, value: int, /) -> None: ...
    def __copy__(self) -> KernelDumpIter:
        """Another one, as far as this one is."""

# --- sinks and consoles ----------------------------------------------------------------------------------------------

@disjoint_base
class Sink:
    """Where a console writes. A description, opened when the console is added; equal when kind and target are; hashable.

    Made by the static methods (public as `printk_ring.sinks`).
    """

    @staticmethod
    def stderr() -> Sink:
        """File descriptor 2 as it is at this moment (it is duplicated; its flags are never changed)."""
    @staticmethod
    def stdout() -> Sink:
        """File descriptor 1 as it is at this moment (it is duplicated; its flags are never changed)."""
    @staticmethod
    def file(path: StrPath) -> Sink:
        """Appends whole lines to `path` (O_APPEND, created with 0600, re-opened when its inode changes)."""
    @staticmethod
    def callable(fn: Callable[[Record], object], /) -> Sink:
        """Calls `fn(record)` for each record."""
    @staticmethod
    def handler(handler: Handler, /) -> Sink:
        """Gives each record to a `logging.Handler`."""
    @staticmethod
    def memory(*, limit: int = 10000) -> MemorySink:
        """Keeps the last records in memory."""
    @property
    def kind(self) -> Literal["stderr", "stdout", "file", "callable", "handler", "memory"]:
        """Which static method made it."""
    @property
    def path(self) -> Path | None:
        """The absolute path of a file sink, else None."""
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...

@final
class MemorySink(Sink):
    """Keeps the last records of its consoles in memory, for tests. Made by `sinks.memory`."""

    @property
    def records(self) -> list[Record]:
        """What was printed, oldest first: the last `limit` records, and at most 16 MiB of them."""
    def clear(self) -> None:
        """Forgets what was printed."""

@final
class _Batch:
    """A batch of records in the hands of `printk_ring.delivery`. An iterator: each record has to be told as `done`, `failed`
    or written before the next one.
    """

    @property
    def console(self) -> str:
        """The name of the console."""
    @property
    def life(self) -> int:
        """As `Log._life`, of the console's log."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> Record:
        """The next record."""
    def done(self) -> None:
        """The record was taken."""
    def write(self, text: str, /) -> None:
        """The record is this text."""
    def failed(self, why: str, /) -> None:
        """The record could not be printed, and why."""

@final
class Console:
    """One console of a log: a sink, a format, a level, and a place in the ring. Made by `Log.add_console`.

    Every property is read without waiting for, and without performing, printing. After `remove` the properties keep
    working (`enabled` and `alive` are False) and the methods return False or do nothing.
    """

    @property
    def name(self) -> str:
        """Its name, unique within the log."""
    @property
    def level(self) -> Level | None:
        """The least severe level it prints; None: that of `Log.console_level`. Settable with any level."""
    @level.setter
    def level(self, value: LevelLike | None, /) -> None: ...
    @property
    def seq(self) -> int:
        """The number of the record it prints next."""
    @property
    def lag(self) -> int:
        """Records stored and not yet printed."""
    @property
    def dropped(self) -> int:
        """Records overwritten before it came to them, since it was added."""
    @property
    def errors(self) -> int:
        """Failed writes, or exceptions in its callback, since it was added."""
    @property
    def enabled(self) -> bool:
        """False while suspended, and after `remove`."""
    @property
    def owner(self) -> str | None:
        """The context that prints on it at this moment, None when none does ("printer": its own thread)."""
    @property
    def alive(self) -> bool:
        """True while it has a printer thread that is not abandoned."""
    @property
    def flags(self) -> str:
        """Seven letters or spaces in the places of `/proc/consoles`, such as "EC N  a".

        E enabled; C it stands for all of its log: the first one that is not a bootstrap console; B bootstrap: it goes when
        the first other console comes; N native: an emergency and a dying process can print on it; p it began with the oldest
        record; b never, it is for Braille; a at any time: it needs no interpreter, which may be ending.
        """
    @property
    def format(self) -> FormatName | None:
        """How it writes a record; None: it is handed whole records, or a formatter of the application's makes its text."""
    @property
    def target(self) -> str:
        """Where it prints, for people: a path, or "fd 2"."""
    @property
    def reliability(self) -> int:
        """How far its sink can be relied on when everything else is broken, 0 the most: memory 0, a file 1, a pipe or
        terminal 2, what takes locks 3.
        """
    def suspend(self) -> None:
        """Stops printing after the record in hand; records wait in the ring, and are dropped there when it wraps."""
    def resume(self) -> None:
        """Goes on printing where `suspend` stopped; wakes the printer."""
    def reopen(self) -> None:
        """Closes and opens a file sink again before the next record (after a rotation by others). Else nothing."""
    def flush(self, timeout: float = 1.0) -> bool:
        """As `Log.flush`, for this console alone; True at once when it is suspended."""
    def remove(self, timeout: float = 1.0) -> bool:
        """Prints what was stored before the call, within `timeout`, and takes the console away.

        False: the sink is stuck; the thread is abandoned and calls nothing more. Called by the console's own callback it
        is False at once, and the callback is called no more once it returns.
        """

# --- logger ----------------------------------------------------------------------------------------------------------

@final
class ContextFields:
    """Fields for a block of code: `with logger.contextualize(request=4711):`.

    They are fields of all records that are logged in it, by whatever logger and into whatever log, also by `RingHandler`: in
    this thread or task, and in tasks that are begun in it. It can be entered again, also within itself. Left in another
    context than it was entered in (a generator that another task ends), it changes nothing there. Around a `yield` it holds
    for whoever runs in between.
    """

    def __enter__(self) -> None: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Logger:
    """Logs into one log under one name. Made by `Log.get_logger`, `printk_ring.get_logger`, or `bind`. A copy is the same
    object. One of `printk_ring.get_logger` can be pickled, and is for the default log where it is unpickled.

    `event` is any object (str() of it is taken when it is not a str). With `args` it is a %-template (a single non-empty
    mapping as the only argument serves named ones, as in the standard library), kept with its arguments and put together by
    whoever reads the record; without, `%` is literal. A template string (Python 3.14) stands for the f-string of the same
    source, which is the message, and for fields: `t"{user} has {n:.1f}"` is the event `{user} has {n}` with the fields
    `user` and `n`, typed. An expression that is no name is a field by its number: `t"{a} {b.c}"` is `{a} {1}`. Every other
    keyword is a field, whatever its name (`level=`, `event=`, `self=` too), kept typed as the contract says. `exc_info`:
    True, an exception, or the tuple of `sys.exc_info()`; it arrives as `Record.exc`. `stack_info=True`: the field
    `stack_info`. `stacklevel`: as in the standard library; it moves the place of the call and the end of that stack.
    `extra`: a mapping of further fields; the call's own keywords win.

    A call never raises (but TypeError for a missing event, and for a key by `**` that is no str); an interruption that comes
    while it runs Python code of an argument (Ctrl-C, `sys.exit` in a signal handler, whatever is no `Exception`) is passed
    on once the record is stored. A template that its arguments do not fit is stored as it stands, with the fields
    `format_args` (a list) and `format_error` (text); an object whose `__str__` fails is `<unprintable TYPE>`; a level that
    `log` cannot understand counts as INFO. Below the level a call returns at once and evaluates nothing.

    The text of an exception comes from `printk_ring.exceptions.describe(exc_info)` and that of a stack from
    `printk_ring.exceptions.stack(stacklevel)`, imported when first needed; whatever they raise is swallowed.
    """

    def __copy__(self) -> Logger:
        """This one: a logger never changes."""
    def __deepcopy__(self, _memo: object, /) -> Logger:
        """This one."""
    @property
    def name(self) -> str | None:
        """Its name."""
    @property
    def level(self) -> Level:
        """The least severe level it stores: that of its name if set, else of the nearest name above it ("db" is above
        "db.pool", a logger without a name above all), else that of the log (DEBUG while there is none).

        Settable with any level, or None to follow again; the log's own level always applies too. It is the name's: all
        loggers of this name in this log have it, bound ones too. The default log shares its names with loggers that were
        made before it, and with the default logs that come after it.
        """
    @level.setter
    def level(self, value: LevelLike | None, /) -> None: ...
    def is_enabled_for(self, level: LevelLike) -> bool:
        """True when a record of this level would be stored now; False also while there is no open log.

        Rules of dynamic debug are not asked: they are of call sites, and this is one of its own.

        Raises:
            ConfigError, TypeError: as `parse_level`.
        """
    def bind(self, /, **fields: object) -> Logger:
        """A logger with these fields in front of those of every call. The same key: the newer binding wins.

        Values are taken (typed or by str()) now.

        Raises:
            TypeError: a key by `**` is no str.
        """
    def once(self) -> Logger:
        """This logger, once: of each call site of its log methods one record is stored in the life of the log.

        A call site is an instruction of a code object: two calls are two sites, also if they look the same and stand in one
        line. Of threads that come at once one stores. A call that is below the level does not count. What is held back is
        no loss, and not counted in `stats()["suppressed"]`. `cont` is not held back.
        """
    def ratelimited(self, interval: float = 5.0, burst: int = 10) -> Logger:
        """This logger, with a limit for each call site of its log methods: `burst` records are stored in `interval` seconds.

        The rest is counted in `stats()["suppressed"]`, and told by the first call after that time: a WARNING
        "<function>: <n> callbacks suppressed". Interval 0: no limit; burst 0: nothing is stored. A call site as with `once`;
        the time is that of the monotonic clock, in whole milliseconds.

        Raises:
            ConfigError: `interval` or `burst` is negative, or `interval` NaN.
            TypeError: one of them is no number, or `burst` no int.
        """
    def cont(self, text: object, /) -> None:
        """Text of a line that several calls put together: goes on with the line that this thread or task has begun under
        this name, or begins one, at INFO.

        The line is one record, with the time, the level and the fields of its first text. A text that ends in a newline ends
        it; so do any other record in the log, `flush`, the exit, and 100 ms without a further text. Nobody sees the record
        before. What comes after such an end, or has no room in the record, is a record of its own, with the flag 8 in
        `Record.flags`; of more than 128 lines that are not ended some rests may lack it. `text` is any object, of a
        template string what the f-string would be; "" does nothing. Of `once` and `ratelimited` it knows nothing: they would
        take pieces out of lines.
        """
    @overload
    def catch(self, reraise: Literal[True] = True) -> Catch[Literal[False]]:
        """A context manager and a decorator: an exception that comes out of the block or the function is logged at ERROR
        with its traceback, and goes on; with `reraise=False` it ends there.

        For functions, coroutine functions, generator functions and asynchronous generator functions; the record of one has
        its qualified name in the field `function`. Its place is where the block stands, or of whoever called the function;
        that of a coroutine or an asynchronous generator is where its function is defined. `KeyboardInterrupt`, `SystemExit`,
        `GeneratorExit` and the cancellation of a task are not logged, and never kept back.

        Raises:
            TypeError: `reraise` is no bool: a decorator is written `@logger.catch()`.
        """
    @overload
    def catch(self, reraise: bool) -> Catch[bool]: ...
    def contextualize(self, /, **fields: object) -> ContextFields:
        """A context manager: in its block these fields are in all records, of whatever logger and `RingHandler`, that this
        thread or task logs. The same key: the call wins, then the innermost block, then what is bound.

        Values are taken (typed or by str()) now.

        Raises:
            TypeError: a key by `**` is no str.
        """
    def debug(
        self,
        event: object,
        /,
        *args: object,
        exc_info: ExcInfoLike = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        """Stores a record at DEBUG."""
    def info(
        self,
        event: object,
        /,
        *args: object,
        exc_info: ExcInfoLike = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        """Stores a record at INFO."""
    def notice(
        self,
        event: object,
        /,
        *args: object,
        exc_info: ExcInfoLike = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        """Stores a record at NOTICE."""
    def warning(
        self,
        event: object,
        /,
        *args: object,
        exc_info: ExcInfoLike = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        """Stores a record at WARNING."""
    def error(
        self,
        event: object,
        /,
        *args: object,
        exc_info: ExcInfoLike = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        """Stores a record at ERROR."""
    def critical(
        self,
        event: object,
        /,
        *args: object,
        exc_info: ExcInfoLike = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        """Stores a record at CRITICAL."""
    def alert(
        self,
        event: object,
        /,
        *args: object,
        exc_info: ExcInfoLike = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        """Stores a record at ALERT."""
    def emerg(
        self,
        event: object,
        /,
        *args: object,
        exc_info: ExcInfoLike = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        """Stores a record at EMERG."""
    def log(
        self,
        level: LevelLike,
        event: object,
        /,
        *args: object,
        exc_info: ExcInfoLike = None,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        """Stores a record at `level` (as `parse_level`; a number of 8 and more stays in `Record.levelno`)."""
    def exception(
        self,
        event: object,
        /,
        *args: object,
        exc_info: ExcInfoLike = True,
        stack_info: bool = False,
        stacklevel: int = 1,
        extra: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        """Stores a record at ERROR with the exception being handled."""

# --- log -------------------------------------------------------------------------------------------------------------

@final
class Log:
    """A ring with its consoles. `Log(path=None, *, ...)`.

    `path`: the ring file; an existing whole ring of a process that is gone is rotated to `<path>.old.1` first.
    `directory`: one ring file per process in it, `<name or argv[0] stem>-<pid>.ring`. Neither: anonymous memory (a memfd).
    `size`: upper bound of the whole file or memory, int bytes or text (`parse_size`). `avg_record`: expected bytes of an
    encoded record, which sets the number of descriptors. `level`: the least severe level stored. `console_level`: what
    consoles without their own level print. `consoles`: sinks, mappings of `add_console`'s arguments with the key `sink`,
    or (sink, mapping) pairs. `sync_on`: a log call at this level syncs the file to its disk before it returns (one `msync`,
    without the interpreter; counted in `stats()["syncs"]`). Handlers, deferred sections and calls from within another one
    leave that to a thread, counted in `stats()["syncs_left"]`. A sync that fails is told once, and counted in
    `stats()["sync_errors"]`.

    `dump_on`: the flight recorder. What led up to a record at this level, and what has come since, is appended as text to
    `<ring file>.dump-<pid>.txt` (mode 0600, no symbolic link followed) by a thread, at most once a second, behind a line
    that names the record. `dump_last`: how much led up to it, a time ("30s", the default) or a number of records, counted
    back from the first such record that no dump has yet; or "context": all records that were logged with the same
    `contextualize` values, however long ago (for a record without any it is the default). No record is written twice.
    Counted in `stats()["dumps"]`; a dump that fails is told once, counted in `stats()["dump_errors"]`, and tried again with
    the next such record and at the end.

    `redact`: what the log is not to hold, a list of key names and compiled patterns. The value of a field of such a name (in
    any case; also of a key in dicts within, and of an argument that goes by its name) becomes "[redacted]", whoever gave it:
    the call, `extra`, `bind`, `contextualize`, `RingHandler`. A pattern is for texts: the part that it matches becomes that,
    in the event, the message, the exception's message and traceback, and in values that are str; other values whose text it
    matches, and those under names that it matches whole, do so as a whole. It happens at the call, before anything is in the
    ring.

    The first log of a process registers the orderly exit with `atexit`, and with multiprocessing for its children, which
    leave by `os._exit`. A log that is garbage is closed.

    Raises:
        ConfigError: both `path` and `directory`; a size below the minimum (named); a wrong level, format or console;
            `sync_on` or `dump_on` without a file; `dump_last` without `dump_on`, or no time, "context" or number from 1 on;
            `redact` with anything else than names and patterns of text, or with a pattern that matches nothing at all.
        RingFileError: the file is no whole ring, is of a newer layout, is held by a live log (named), or the system refused.
            The file is left untouched.
    """

    def __new__(
        cls,
        path: StrPath | None = None,
        *,
        directory: StrPath | None = None,
        name: str | None = None,
        size: int | str = "4 MiB",
        avg_record: int = 128,
        level: LevelLike = "DEBUG",
        console_level: LevelLike = "INFO",
        consoles: Iterable[ConsoleSpec] = (),
        sync_on: LevelLike | None = None,
        dump_on: LevelLike | None = None,
        dump_last: str | int | None = None,
        redact: Redact | None = None,
    ) -> Self: ...
    @property
    def path(self) -> Path | None:
        """The absolute path of the ring file; None for anonymous memory."""
    @property
    def name(self) -> str:
        """The name given, else the stem of the path, else that of argv[0]."""
    @property
    def closed(self) -> bool:
        """True after `close`."""
    @property
    def level(self) -> Level:
        """The least severe level stored. Settable with any level."""
    @level.setter
    def level(self, value: LevelLike, /) -> None: ...
    @property
    def console_level(self) -> Level:
        """What consoles without a level of their own print. Settable with any level; judged when printing."""
    @console_level.setter
    def console_level(self, value: LevelLike, /) -> None: ...
    def get_logger(self, name: str | None = None, **bound: object) -> Logger:
        """A logger for this log, with these fields bound.

        Raises:
            TypeError: a key by `**` is no str.
        """
    def add_console(
        self,
        sink: Sink,
        *,
        name: str | None = None,
        level: LevelLike | None = None,
        format: ConsoleFormat = "text",
        replay: bool = False,
        reliability: Reliability | None = None,
        overflow: OverflowPolicy = "drop_oldest",
        block_timeout: float = 1.0,
        bootstrap: bool = False,
    ) -> Console:
        """Adds a console with a printer thread of its own and returns it.

        `name`: unique; None: the sink's kind, with "-2", "-3" .. where taken. `format`: a name, a `logging.Formatter` (what
        it is given says `printk_ring.logrecords.log_record`), or a function that makes text of a `Record`. A newline is
        added to the text where it has none. So that no data forges a record: where there are line breaks in the record
        itself, a traceback's too, further lines of the text begin with `| `; where there are control characters in it, those
        of the text are escaped. `replay`: begin with the oldest record instead of the next one. `reliability`: 0 (memory), 1
        (a file), 2 (a pipe or a terminal), 3 (what takes locks); None: what the sink is decides. Callers that print
        themselves begin with the lowest number and never print on 3. `overflow="block"`: writers wait for this console, each
        call up to `block_timeout` seconds, before a record that it has not printed would be overwritten. `bootstrap`: begin
        with the oldest record, and go when the first console comes that is none of this kind; that one goes on where this
        one ends (`replay` or not, where both write to the same).

        Raises:
            ConfigError: a name in use, an unknown format, policy or reliability, a bootstrap console that comes after a
                real one, too many consoles, or the log is closed.
            OSError: the sink cannot be opened (with its path).
        """
    def register_dumper(
        self,
        fn: Callable[[Reason, str | None], object],
        *,
        max_reason: Reason | int | str = 2,
        name: str | None = None,
        always: bool = False,
        preserves: bool = False,
    ) -> Dumper:
        """Has `fn(reason, detail)` called when the process gets into trouble, after those registered before.

        `detail` is a short text or None. `max_reason`: called for this reason and more important ones; `always`: for every
        reason. `preserves`: what it did counts as saved, and a panic leaves out the consoles of the least reliable class.
        `name`: None: that of `fn`; where it is taken "-2", "-3" .. follows. An exception in it is counted and goes to
        `sys.unraisablehook`. Two dumps may call it at once: see `Dumper.running` and `Dumper.alone`.

        It is called on a thread that has the interpreter: for `Log.panic`, uncaught exceptions, dumps on demand and the
        orderly exit. A handler of a fatal signal cannot call Python code. At most 32 at a time.

        Raises:
            ConfigError: no such reason, too many dumpers, or the log is closed.
            TypeError: `fn` cannot be called.
        """
    def panic(self, text: str) -> NoReturn:
        """Gives the process up: stores `text` at EMERG, prints all logs of the process, and ends it by SIGABRT.

        Printing takes at most 20 ms, the most reliable consoles first; what that is too short for is in the ring. Before
        that `text` waits 10 ms at most, where the ring is full behind a record that another thread has in hand. What other
        threads log meanwhile is dropped and counted in `stats()["panic_dropped"]`. Consoles that take locks, as all Python
        ones do, come last, and their own threads print on them. A second thread that panics waits for the first.
        """
    def deferred(self) -> Context:
        """A section: what its thread logs, into any log, is only stored; leaving the outermost one tells the printers."""
    def emergency(self) -> Context:
        """A section: what its thread logs here is printed before the call returns; printers stay out until the last one
        ends.

        Printed on every console that can do so in any context, most reliable first, within 2 ms a call; what that is too
        short for is left to the printers and counted in `stats()["left_behind"]`.
        """
    def report(self) -> Context:
        """A section: what its thread logs here stays together; log calls of other threads wait up to 10 ms each.

        Others wait at most 1 s in all, and never in handlers, deferred sections or calls from within another one; those
        whose wait was over are counted in `stats()["report_timeouts"]`.
        """
    def _redacted(self, text: str, /) -> str:
        """A text as this log may hold it."""
    def _hides(self, name: str | None = None, /) -> bool:
        """Whether this log hides values of this name; without one: whether it hides anything."""
    @property
    def _life(self) -> int:
        """What tells this log's consoles from those of others, for debugging. A number; a forked child has another one."""
    def consoles(self) -> list[Console]:
        """The consoles, in the order they were added. Never waits for printing."""
    def flush(self, timeout: float = 1.0) -> bool:
        """Waits until every enabled, unsuspended console has had everything stored before the call accepted by its sink.

        False: not within `timeout`, or called from a console's own callback (at once). True when there is nothing to do.
        """
    def suspend(self) -> bool:
        """Flushes, at most 1 s, and stops printing on all consoles: records wait in the ring, and are dropped there when it
        wraps; not those of consoles that block, for which callers wait then, as long as they wait at all. Twice is once.

        False: a sink did not take everything in time, or is stuck in a write; that write is its last. Removing a console,
        closing the log and the orderly exit print what has waited.
        """
    def resume(self) -> None:
        """Goes on printing where `suspend` stopped."""
    @property
    def offload(self) -> Offload:
        """Who prints: its attributes are settable."""
    def stats(self) -> Stats:
        """Counters of this log; keys in `printk_ring.typing.Stats`. Works on a closed log too."""
    def dynamic_debug(self, commands: str, /) -> int:
        """Switches call sites on, whatever their levels say, and back: commands as the kernel's dynamic debug has them, one
        a line or separated by `;`, each conditions (`file`, `func`, `logger`, `line`, `format`) and then flags (`+p`, `-p`,
        `=pfl`, `=_`); `docs/dynamic-debug.md` has all of it. They hold for sites that run later too. Returns how many of the
        sites that have logged they match.

        Raises:
            ConfigError: a command is wrong (the others are in force all the same), or there is no room for more.
        """
    @property
    def rules(self) -> str:
        """The commands of dynamic debug in force, one a line."""
    def sites(self) -> list[CallSite]:
        """The call sites that have logged so far, in the order in which they came."""
    def clear(self) -> None:
        """Moves the mark of dumps, `start="clear"` and plain `prdmesg` behind the newest record; removes nothing."""
    def reader(self, start: Start = "oldest", follow: bool = False) -> Reader:
        """A reader of this log's records. "newest": only what comes. `follow`: wait for more instead of ending."""
    def dump_iter(self) -> DumpIter:
        """An iterator over the records as text, for dumps: rewound, behind the clear mark."""
    def dump(
        self,
        to: StrPath | int | BinaryFile | None = None,
        *,
        last: int | str | None = None,
        max_bytes: int | str | None = None,
        description: str | None = None,
    ) -> int:
        """Writes the records behind the clear mark as text, oldest first, and returns how many.

        `to`: a path, a descriptor, a binary file, or None: standard error. A file at the path is appended to, so that no
        earlier dump is lost; where there is none it is made with mode 0600. A symbolic link is not followed. `last`: only
        that many records, the newest, or those of that time ("30s", "1.5 min", "250ms"). `max_bytes`: only the newest that
        fit into that many bytes (int or text, as `parse_size`); one that does not fit alone is cut and ends in
        `<truncated>`. `description`: why, in a first line, `** dump: .. **`, without what the patterns of `redact` match; it
        is left out where `max_bytes` is less.

        Ends with what was there at the call. Records that are overwritten while it writes have a line that says how many.
        Waits as long as what it writes to does; writing to a path does not sync it. Then the dumpers are called that want
        EMERGENCY, with `description`, also where nothing could be written; not by a dump that a dumper makes.

        Raises:
            ConfigError: a negative number, or text that is no time or no size.
            RingFileError: the path is a symbolic link, a directory, a pipe without a reader or a ring file, or the system
                refused to open or write it.
            OSError: the descriptor is not open, or takes nothing. What a binary file raises is raised.
            TypeError: a wrong type; a text file.
        """
    def snapshot(self) -> Snapshot:
        """The whole ring as columns: `printk_ring.snapshot.Snapshot(*self._snapshot())`, imported on use."""
    def _snapshot(self) -> tuple[bytes, bytes]:
        """One copy of all readable records: (rows of 40 bytes, payloads back to back).

        A row, little endian, packed: seq u64, ts_nsec u64, caller_id u64, text_offset u64 (into the second item),
        text_len u32, level u8, facility u8, flags u8, zero u8.
        """
    def _call_dumpers(self, reason: Reason | int | str, detail: str | None = None, /) -> int:
        """Calls the dumpers that want this reason. How many were called."""
    def _emit(
        self,
        level: int,
        event: str,
        *,
        message: str | None = None,
        args: object = None,
        logger: str | None = None,
        levelno: int | None = None,
        ts_nsec: int | None = None,
        file: str | None = None,
        line: int = 0,
        func: str | None = None,
        exc: tuple[str, str, str] | None = None,
        fields: Mapping[str, object] | None = None,
        nested: bool = False,
    ) -> bool:
        """Stores one record with everything given: the general, slower way, for integrations.

        `level` is a kernel level 0..7 (beyond: clamped). `exc` is (type, message, stacktrace). `fields` as a logger's,
        str() of keys that are not str. Never raises for content; lone surrogates become U+FFFD, numbers beyond their range
        the nearest one within. False: not stored (level, closed, too deep in log calls, or the ring refused). `nested`:
        called by `_nested`, for its own record.
        """
    def close(self) -> None:
        """Flushes all consoles (together at most 1 s), removes them, marks the file clean and lets go of it.

        Later records go nowhere; what is stored stays readable through this object. Twice is once.
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Offload:
    """Who prints the records of a log. Made by `Log.offload`."""

    @property
    def mode(self) -> OffloadMode:
        """Who prints. Settable at any time: what waits is printed all the same, once and in order.

        "console": each console's own thread. "smp": threads that serve any console, one on each of `cpus`; the next record
        wakes one that is not on the processor of its caller. "caller": whoever logs prints, on all consoles that can be
        written to in any context, by turns: a call prints what there is until another one waits, and waits itself for one
        record of another call at most. That takes 2 ms at most; what it could not print is counted and left to the console's
        thread. From within other log calls, from handlers and in deferred sections nothing is printed.

        Raises:
            ConfigError: there is no such mode.
            OSError: no thread could be started for it; the mode is what it was.
        """
    @mode.setter
    def mode(self, value: OffloadMode, /) -> None: ...
    @property
    def cpus(self) -> frozenset[int]:
        """The processors that the mode "smp" prints on. Settable at any time, in any mode, to whatever yields their numbers;
        None, which a log starts with: all that the calling thread may use (`os.sched_getaffinity`) when the mode begins.

        There is one thread on each, and more where there are more consoles, since a sink that hangs holds its thread.

        Raises:
            ConfigError: there are none, or one that the calling thread may not use. The text names those it may.
            OSError: no thread could be started. The processors are what they were.
        """
    @cpus.setter
    def cpus(self, value: Iterable[int] | None, /) -> None: ...
    @property
    def enforce_emergency(self) -> bool:
        """True: every record is on all consoles that can be written to in any context before its call returns. Settable.

        A call waits at most 2 ms for that; what it could not print is counted and left to the printer threads.
        """
    @enforce_emergency.setter
    def enforce_emergency(self, value: bool, /) -> None: ...
    @property
    def skip_unreliable_if_saved(self) -> bool:
        """True, which a log starts with: a panic leaves out the consoles of the least reliable class when a dumper has saved
        the records. Settable.
        """
    @skip_unreliable_if_saved.setter
    def skip_unreliable_if_saved(self, value: bool, /) -> None: ...
    @property
    def suspend_on_stop(self) -> bool:
        """True: SIGTSTP (Ctrl-Z) suspends printing before it stops the process, and SIGCONT resumes it. False to begin with.

        All logs that are set so flush together at most 1 s, then nobody prints on them, then the process is stopped. A log
        that `Log.suspend` has suspended stays that. They share one signal handler, which the first one installs and the
        last one that is set back takes away. A handler that was there before is called in place of the stop: whether the
        process stops is up to that. A SIGTSTP that is ignored stays ignored.

        Raises:
            ConfigError: set in another thread than the main one, the only one in which Python handles signals; or SIGTSTP
                has a handler that is not Python's.
        """
    @suspend_on_stop.setter
    def suspend_on_stop(self, value: bool, /) -> None: ...
    def threads(self) -> list[tuple[str, int]]:
        """The printer threads: their names and the kernel's numbers of them.

        In the mode "smp" these are the threads of `cpus` and those of Python consoles: the consoles' own ones rest.
        """

@final
class _Alone:
    """A block that one call of a dumper at a time is in."""

    def __enter__(self) -> bool: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Dumper:
    """A function that is called when the process gets into trouble. Made by `Log.register_dumper`."""

    @property
    def name(self) -> str:
        """Its name, unique within the log."""
    @property
    def max_reason(self) -> Reason:
        """It is called for this reason and more important ones."""
    @property
    def always(self) -> bool:
        """Whether it is called for every reason."""
    @property
    def preserves(self) -> bool:
        """Whether what it has done counts as saved: in a panic consoles of the least reliable class are left out then."""
    @property
    def registered(self) -> bool:
        """Whether it is called; False after `unregister`, and once the log is closed."""
    @property
    def running(self) -> int:
        """How many dumps are in it at this moment.

        More than one: a second one has come while the first was under way, on another thread or from within.
        """
    @property
    def calls(self) -> int:
        """How many calls of it have ended."""
    @property
    def errors(self) -> int:
        """How many of them raised."""
    def alone(self) -> _Alone:
        """For use within the function: `with dumper.alone() as alone:`, which never waits.

        `alone` is False if another call of it is inside of such a block already: what they share may be in the middle of
        anything.
        """
    def unregister(self) -> None:
        """Has it called no more, and waits for calls that are under way on other threads.

        From within its own function it takes effect when that returns; late in the exit it waits at most 1 s. Twice is once.
        """

@final
class Context:
    """A section of the thread that enters it: `with log.deferred():`, `with log.emergency():`, `with log.report():`.

    It has to be left on the same thread, and can be entered again then; nested ones are made by further calls. Not for use
    around `await`: other tasks of the thread would run in it. What does all the same is told by a WARNING of the logger
    `printk_ring`. Around a `yield` it holds for whoever runs in between.
    """

    def __enter__(self) -> None:
        """Begins it. A report waits for another thread's up to 10 ms, and then goes on beside it.

        Raises:
            ContextError: it is entered already.
        """
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Ends it.

        Raises:
            ContextError: it was not entered; or on another thread, and then it has ended all the same.
        """

def _listed_consoles(consoles: Iterable[ConsoleSpec], /) -> list[ConsoleSpec]:
    """What `consoles=` has in it.

    Raises:
        TypeError: it has nothing in it, as a single sink has not.
    """

def _no_context(name: str, /) -> Context:
    """A section of this name that does nothing: of the default log while there is none."""

def _nested(log: Log, function: Callable[[_T], _R], argument: _T, /) -> _R | Literal[False]:
    """Calls `function(argument)` as a part of a log call into `log`: what is logged in there is stored, and never waits.

    False, and counted, where this thread is too deep in log calls already.
    """

def _as_held(log: Log, object: _T, /) -> _T:
    """This object as the log may hold its text: itself, or, where the log hides anything, a copy with the values hidden that
    are under such names, and template strings; "[redacted]" for one of these.
    """

def _named_as_held(log: Log, template: str, mapping: _T, /) -> _T:
    """The mapping that a template takes its arguments from, as the log may make text of it: itself, or a copy with the
    values hidden that are under such names.
    """

def _name_threads(known: dict[int, Thread], ident: Callable[[], int], /) -> dict[int, tuple[int, str]]:
    """Has each thread's name kept from its next log call on, in a dict from the kernel's number to number and name of
    `threading`: of the last 1024 threads. `known` are the threads that `threading` knows by its number, `ident()` says the
    calling one's. For good; whoever comes later gets the same dict.
    """

def _hidden(log: Log, /) -> str | None:
    """What stands in the log in the place of what it hides. None: it hides nothing."""

@disjoint_base
class _RingHandler:
    """What `printk_ring.RingHandler` is made from, beside the standard library's `Handler`."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def _serve(self, log: Log | None, plain: bool) -> None:
        """Says which log it is for (None: the default), at the end of its `__init__`. `plain`: its class is `RingHandler`
        itself.
        """

    def handle(self, record: LogRecord) -> bool:
        """Filters and stores the record, without the lock that the standard library takes here.

        False: it was not wanted, there is no log, or this thread is too deep in log calls already.
        """

def _default_logger(name: str | None = None, **bound: object) -> Logger:
    """A logger for the default log, whichever that is at each call; while there is none its records go nowhere."""

def _unpickled_logger(
    name: str | None, bound: dict[str, object], is_once: bool, rate: tuple[int, int] | None, /
) -> Logger:
    """A logger for the default log, as `pickle` has kept it: `rate` is milliseconds and a number of records."""

def _set_default(log: Log | None, /) -> None:
    """Makes `log` the one that default loggers write to; None: none."""

def _open_logs(*, closed: bool = False) -> list[Log]:
    """The logs of this process that are open; `closed`: those too that are closed, as long as somebody holds them, or they
    are kept.
    """

def _keep_closed(most: int, /) -> None:
    """Keeps the last so many closed logs that nobody holds any more; those that were kept before go."""

def _watch_multiprocessing(modules: dict[str, ModuleType], tell: Callable[[], object], /) -> None:
    """Has `_look_for_multiprocessing` call `tell`."""

def _look_for_multiprocessing() -> None:
    """Before every fork: calls who has to know of multiprocessing, where that has been imported."""

def _call_sites() -> tuple[str, int, int]:
    """How call sites are found ("frame": read from the interpreter's own, or "public"), how many places of the table are
    taken, and by how many sites.
    """

def _use_public_frames(public: bool = True, /) -> None:
    """Has call sites found and ints read by the public way from now on, or by the quick one again. For tests and
    measurements.
    """

def _ints() -> str:
    """How ints are read: "digits", as the interpreter keeps them, or "public"."""

def _watch(told: Callable[[int], object], /) -> None:
    """Has `told(life)` called before each log call that stores and each flush, with `Log._life` of the log. For good."""

def _while_suspended(stop: Callable[[], object], /) -> None:
    """Calls `stop()` while nobody prints on the logs with `Offload.suspend_on_stop`. They flush before that, together at
    most 1 s.
    """

def _stop_process() -> None:
    """Stops the process as SIGTSTP does where nobody handles it. Returns when it was continued."""

def _tell_crashes(log: Log, directory: StrPath | None = None, /) -> str | None:
    """From now on crashes are told of this log.

    In a file in `directory`, else beside the ring file, else in the working directory. Returns why there can be none in the
    latter two.

    Raises:
        RingFileError: nothing can be written in `directory`.
    """

def _arm_signals() -> None:
    """From now on fatal signals are told before they end the process."""

def _trace_places() -> tuple[int, int] | None:
    """A real-time signal that nobody handles, and the descriptor that a crash is written to."""

def _take_trace(signal: int, descriptor: int, /) -> bool:
    """Takes the handler of this signal, which writes to that descriptor where Python's threads are. False: it has none."""

def _report_oops(log: Log, detail: str, /) -> Path | None:
    """Writes a report of trouble that ends the process in order, for this log. Where it is.

    None: crashes are not told of it, or there were too many.
    """

def _has_stderr() -> bool:
    """Whether descriptor 2 is what people look at: it may be any file where the interpreter began without it."""

def _check_crash_dir(directory: StrPath, /) -> None:
    """Whether crash files can be written there.

    Raises:
        RingFileError: they cannot.
        ConfigError: no directory can have that path.
    """

def _listed_signals(signals: object, /) -> list[int]:
    """What `signals=` has in it.

    Raises:
        ConfigError: something in it is no signal that ends the process in order.
    """

def _take_signals(log: Log, signals: list[int], /) -> None:
    """Takes these signals as an orderly exit of all logs, then passes them on to whoever handled them before.

    Until this log is closed.

    Raises:
        ConfigError: one of them cannot be handled, or is fatal.
    """

def _shutdown() -> None:
    """The orderly exit: flushes all consoles of all open logs, together at most 1 s, and marks their files clean.

    Consoles with a Python sink or format are taken away after that: no Python code may be run from then on. It does not
    close: a record that is logged later in the exit is still stored, and printed by its caller before the call returns.
    Does nothing in a fork child for logs that belong to its parent.
    """

# --- reading ---------------------------------------------------------------------------------------------------------

@final
class Record:
    """One record, decoded. Immutable. str() is the `text` format, all its lines, without the final newline."""

    @property
    def seq(self) -> int:
        """Its number."""
    @property
    def ts_nsec(self) -> int:
        """When it was stored, on the clock of `time.monotonic_ns`."""
    @property
    def wall_nsec(self) -> int:
        """The same in nanoseconds since the epoch, by the offset of the clocks sampled nearest before it."""
    @property
    def level(self) -> Level:
        """Its level."""
    @property
    def levelno(self) -> int | None:
        """The number the caller gave, where there was one of 8 and more or a standard-library one; else None."""
    @property
    def facility(self) -> int:
        """Syslog facility; 1 (user) unless set otherwise."""
    @property
    def flags(self) -> int:
        """The flags, numbered as the kernel's: 2, the call that made it ended its line, as all but `cont` do; 8, it goes on
        with a line of `cont` that was broken off; 10, both.
        """
    @property
    def caller_id(self) -> int:
        """The ring's identity of the writer: pid and tid in one word."""
    @property
    def pid(self) -> int:
        """The process that logged it."""
    @property
    def tid(self) -> int:
        """The kernel's number of the thread that logged it."""
    @property
    def logger(self) -> str | None:
        """The logger's name."""
    @property
    def event(self) -> str:
        """The event as given: with arguments the template."""
    @property
    def message(self) -> str:
        """The event with its arguments; the same as `event` when there are none."""
    @property
    def _args(self) -> tuple[Any, ...] | dict[str, Any] | None:
        """The arguments that a reader puts into the event, typed; a dict where they have names.

        None: there are none, or the call has put them into the message itself.
        """
    @property
    def fields(self) -> dict[str, Any]:
        """The fields, typed, bound ones first, then in call order. A new dict at each access.

        A tuple comes back as a list, a Path as a PurePath, an Enum as its value, a NumPy scalar as the Python scalar (the
        Enum's qualified name and the dtype stay in the record).
        """
    @property
    def file(self) -> str | None:
        """The file of the call; None where none is known: of a line of `cont`, a notice of `ratelimited`, an integration
        that was told none.
        """
    @property
    def line(self) -> int | None:
        """The line of the call; as `file`."""
    @property
    def func(self) -> str | None:
        """The function of the call; as `file`."""
    @property
    def exc(self) -> RecordException | None:
        """The exception logged with it."""
    @property
    def truncated(self) -> bool:
        """True when it was too large and something was cut."""
    @property
    def torn(self) -> bool:
        """True when it is not what was logged: its text cannot be had, or something of it was changed since, perhaps its
        time or its level. `event` says so.
        """
    def format(self, format: FormatName = "text") -> str:
        """The record as a console of that format writes it, without the final newline.

        Raises:
            ConfigError: an unknown format.
        """

@final
class DumpIter:
    """A log's records as text, for dumps, from the clear mark (`Log.clear`) on. Made by `Log.dump_iter`, rewound.

    It holds a place of its own, registers nothing, and never makes a writer wait; what others overwrite before it comes to
    it is left out. Iterating gives the lines of one record after the other, and ends with what was there at the rewind.
    `copy.copy` makes another one that goes its own way from here. Of a closed `RingFile` every method raises RingFileError.
    """

    def rewind(self) -> None:
        """Goes back to the clear mark; blocks and iterating will end with what is there now."""
    def get_line(self, syslog: bool = False) -> str | None:
        """The next record, oldest first, all its lines, without the final newline; also one that came after the rewind.

        None: there is none. `syslog`: with `<prio>` before each line.
        """
    def get_buffer(self, size: int, syslog: bool = False) -> bytes | None:
        """The newest records not given yet that fit into size - 1 bytes, the oldest of them first, each ending in a newline.

        Blocks come newest first: put in reverse order they are what `get_line` gives, record by record. None: no more, or
        `size` is 0. A record that does not fit alone is cut and ends in `<truncated>` and a newline (where there is no room
        for that, in the beginning of it), so that every call gives at least one record. Records that came after the rewind
        are never given, nor are those that `get_line` has given.

        Raises:
            ValueError: a negative `size`. MemoryError: there is more than fits into memory.
        """
    @property
    def cur_seq(self) -> int:
        """The number of the record that comes next, at least."""
    @property
    def next_seq(self) -> int:
        """The number that the next block ends before."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> str:
        """As `get_line`, but only of what was there at the rewind."""
    def __copy__(self) -> DumpIter:
        """Another one, as far as this one is."""

@final
class Reader:
    """Goes through the records in order. An iterator that ends where nothing more is available; with `follow` it waits,
    and ends when the log was closed or its process is gone and everything was read.
    """

    def __iter__(self) -> Self: ...
    def __next__(self) -> Record:
        """The next record; overruns are counted in `lost` and passed over."""
    def read(self, timeout: float | None = None) -> Record | None:
        """The next record, or None: nothing available (within `timeout`; None waits only with `follow`).

        Raises:
            Overrun: records were lost before this one; raised once for them, then reading goes on at the oldest.
        """
    def seek(self, start: Start) -> None:
        """Goes to "oldest", "clear", "newest" or a record number. Records passed over by this are not lost."""
    @property
    def seq(self) -> int:
        """The number of the record it looks for next."""
    @property
    def lost(self) -> int:
        """Records lost to overruns so far."""
    @property
    def torn(self) -> int:
        """Torn records read so far."""

@final
class RingFileInfo:
    """What a ring file says about itself and its owner, at one moment."""

    @property
    def path(self) -> Path:
        """The absolute path it was opened by."""
    @property
    def name(self) -> str:
        """The log's name."""
    @property
    def pid(self) -> int:
        """The owner's process id, in the owner's pid namespace."""
    @property
    def alive(self) -> bool:
        """True while the owner holds the file."""
    @property
    def clean(self) -> bool:
        """True when the owner closed it or exited in order."""
    @property
    def state(self) -> str:
        """What has become of the owner: "alive", "ended in order", or "killed, no orderly exit"."""
    @property
    def started(self) -> int:
        """When the log was made, nanoseconds since the epoch."""
    @property
    def last(self) -> int | None:
        """The time of its newest record, nanoseconds since the epoch; None: it has none."""
    @property
    def argv(self) -> list[str]:
        """The owner's command line; empty when not kept."""
    @property
    def descriptors(self) -> int:
        """Number of descriptors."""
    @property
    def data_bytes(self) -> int:
        """Bytes of text."""
    @property
    def size_bytes(self) -> int:
        """Bytes of the whole file."""
    @property
    def layout_version(self) -> int:
        """Version of the layout, as `docs/layout.md` describes it."""
    @property
    def unfinished(self) -> int:
        """Records reserved and never committed; 0 while the owner lives."""

@final
class RingFile:
    """A ring file, open for reading: live or dead, from any process, without its owner's help. Made by `open`."""

    @property
    def info(self) -> RingFileInfo:
        """Read anew at each access. Raises RingFileError when the file has become unusable."""
    def reader(self, start: Start = "oldest", follow: bool = False) -> Reader:
        """A reader of its records, as `Log.reader`. `follow` polls and ends when the owner has ended.

        The reader raises RingFileError when the file is cut off under it.
        """
    def dump_iter(self) -> DumpIter:
        """As `Log.dump_iter`. Raises RingFileError when the file is cut off under it."""
    def sites(self) -> list[CallSite]:
        """The call sites that had logged by now, in the order in which they came. Raises RingFileError when the file is cut
        off.
        """
    def snapshot(self) -> Snapshot:
        """As `Log.snapshot`."""
    def _snapshot(self) -> tuple[bytes, bytes]:
        """As `Log._snapshot`."""
    def stats(self) -> dict[str, Any]:
        """What the file knows of `Log.stats`: all of it but memory and dumpers; consoles are {name: the keys of
        `printk_ring.typing.ConsoleStats`}.
        """
    def consoles(self) -> list[FileConsole]:
        """The consoles at this moment, in the order they were added; besides those of `Log.consoles` the ones that were
        removed while their sinks were stuck, for as long as they are.
        """
    def close(self) -> None:
        """Closes the file; its readers raise RingFileError then. Twice is once."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class CallSite:
    """A place in a program that has logged. Made by `Log.sites`, `RingFile.sites` and `Control.sites`."""

    @property
    def id(self) -> int:
        """Its number in the log."""
    @property
    def file(self) -> str | None:
        """Its file, as the interpreter names it; None: unknown."""
    @property
    def line(self) -> int | None:
        """Its line; None: unknown."""
    @property
    def func(self) -> str | None:
        """Its function; None: unknown."""
    @property
    def logger(self) -> str | None:
        """The name of the logger that was called first; None: it has none."""
    @property
    def event(self) -> str | None:
        """The event or template, where it is the same at each call; else None."""
    @property
    def names(self) -> list[str]:
        """The names of its fields, where they are the same at each call."""
    @property
    def flags(self) -> str:
        """What dynamic debug has switched on there: letters as in its commands, "_" for none."""

@final
class Control:
    """The switches of a log of any process of this user. Made by `control`."""

    @property
    def level(self) -> Level:
        """The least severe level that is stored. Settable."""
    @level.setter
    def level(self, value: int | str) -> None: ...
    @property
    def console_level(self) -> Level:
        """What consoles without a level of their own print. Settable."""
    @console_level.setter
    def console_level(self, value: int | str) -> None: ...
    def clear(self) -> None:
        """Moves the clear mark behind the newest record, as `Log.clear`."""
    def dynamic_debug(self, commands: str, /) -> int:
        """As `Log.dynamic_debug`."""
    @property
    def rules(self) -> str:
        """The commands of dynamic debug in force, one a line."""
    def sites(self) -> list[CallSite]:
        """The call sites that have logged so far."""
    def close(self) -> None:
        """Lets go of the file. Twice is once."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class FileConsole:
    """A console as a ring file held it at one moment: what `Console` says, from outside. Made by `RingFile.consoles`.

    Names and targets are what the file holds: in a damaged one they may be anything.
    """

    @property
    def name(self) -> str:
        """Its name, unique within the log unless the file is damaged."""
    @property
    def level(self) -> Level | None:
        """The least severe level it prints; None: that of `Log.console_level`."""
    @property
    def seq(self) -> int:
        """The number of the record it prints next."""
    @property
    def lag(self) -> int:
        """Records stored and not yet printed."""
    @property
    def dropped(self) -> int:
        """Records overwritten before it came to them, since it was added."""
    @property
    def errors(self) -> int:
        """Failed writes since it was added."""
    @property
    def enabled(self) -> bool:
        """False while suspended, and for one that was removed while its sink was stuck."""
    @property
    def owner(self) -> str | None:
        """The context that printed on it at that moment, as `Console.owner`; in a dead file, when its process died."""
    @property
    def alive(self) -> bool:
        """True while its process lives and it has a printer thread that is not abandoned."""
    @property
    def flags(self) -> str:
        """As `Console.flags`."""
    @property
    def format(self) -> FormatName | None:
        """As `Console.format`; None also for a format that this version does not know."""
    @property
    def target(self) -> str:
        """Where it prints, for people; the file keeps 64 bytes of it."""
    @property
    def reliability(self) -> int:
        """As `Console.reliability`."""

def _carve(
    core: StrPath, segments: list[tuple[int, int, int]], /
) -> tuple[list[tuple[int, RingFile, int]], list[tuple[int, str]]]:
    """The rings in the memory of a process that is gone. `segments`: the address of each part of that memory, its offset in
    the core, and its length there, in bytes. Rings with their addresses and how many bytes of them the core does not hold,
    and the addresses of what only begins like a ring, with what is wrong there.

    Raises:
        RingFileError: the core cannot be read.
        OSError: there is no memory for a copy.
    """

def _recover(path: StrPath, /) -> list[RingFile]:
    """The rings that processes that are gone have left there, newest first. Public as `printk_ring.recover`."""

def _remove_ring(ring: RingFile, /) -> bool:
    """Removes a dead ring, whatever it is called by now. False: it has gone, or somebody is at it."""

def control(path: StrPath, /) -> Control:
    """The switches of the log whose ring file is at `path`, for the user whose process it is. Only the control page of the
    file is ever written; the process needs no help, and sees the change at its next log call.

    Raises:
        RingFileError: no such file, not a ring, another user's, or not writable.
        ConfigError: no file can have that path.
    """

def open(path: StrPath) -> RingFile:  # noqa: A001 - the contract's name
    """Opens a ring file read-only. It is read with pread and re-checked, never mapped.

    Raises:
        RingFileError: no such file, a directory, no permission, not a ring, truncated, a newer layout, bad geometry.
        ConfigError: no file can have that path.
    """

def decode_text(payload: Buffer, /) -> str:
    """The message of one encoded record (a slice of `_snapshot()[1]`). Total: bytes that are no record give the text that
    a reader shows for a torn one.
    """

def decode_fields(payload: Buffer, /) -> dict[str, Any]:
    """The typed fields of one encoded record. Total: empty for bytes that are no record."""

def _format_dropped(format: FormatName, dropped: int, first_seq: int, last_seq: int) -> str:
    """The notice of lost records as a console of that format would write it now, without the final newline."""

# --- yardsticks ------------------------------------------------------------------------------------------------------

def _noop_arg1(x: object, /) -> None:
    """Does nothing (METH_FASTCALL | METH_KEYWORDS): what a call with one argument costs at least."""

def _work(*args: object, **kwargs: object) -> None:
    """Sums up 512 bytes that never change: the tail of a call that computes a little, and shares nothing."""

def _noop(*args: object, **kwargs: object) -> None:
    """Does nothing (METH_FASTCALL | METH_KEYWORDS): what the same call expression costs at least."""

def _bench_dump(log: Log, folder: StrPath, /) -> tuple[int, int, int, int]:
    """Writes what a log holds into a file in `folder` from a handler of a signal, as a crash does.

    And the same bytes into another one at once: (records, bytes, nanoseconds within the handler, nanoseconds of the one
    write).
    """

def _bench(name: str, n: int, /) -> float:
    """Nanoseconds of one operation of the yardstick `name`, over `n` of them: "cas", "cas16", "pingpong".

    Raises:
        ConfigError: an unknown name.
    """

def _bench_paced(name: str, n: int, /, *, gap_ns: int, writers: int) -> dict[str, float]:
    """Single calls of `writers` that do the least that a ring must, `gap_ns` apart on average.

    "word": one shared word is replaced, and nothing else. "record": two words are replaced together, as a ring's head, then
    a slot and 64 bytes of text are stored; nothing is asked and no tail is moved.

    What it returns is what `_BenchRing.paced` does.

    Raises:
        ConfigError: an unknown name.
    """

@final
class _BenchRing:
    """A bare ring that is full, to be timed without Python: in memory of its own, or in a new file at `path`.

    Raises:
        ConfigError: no ring has this shape.
        RingFileError: the file cannot be made.
    """

    def __new__(
        cls, *, desc_bits: int, avg_data_bits: int, retire_ahead: int, path: StrPath | None = None
    ) -> _BenchRing: ...
    def write(self, n: int, /, *, threads: int = 1) -> float:
        """Nanoseconds of reserve, copy of 64 bytes, finalize, for each of `threads` at once: the slowest of them."""

    def read(self, n: int, /) -> float:
        """Nanoseconds of reading one record of many in order."""

    def paced(self, n: int, /, *, gap_ns: int, writers: int) -> dict[str, float]:
        """Single calls of `writers` at once, `gap_ns` apart on average: "p50", "p99", "p999" in nanoseconds with the clock's
        own cost taken off, and the empty timing: "clock" (what was taken off), "clock_p99", "clock_p999".
        """

    def crowd(self, n: int, /, *, threads: int) -> dict[str, float]:
        """`threads` writers of `n` records each: "records", "refused" (reserves), "met" (records refused at least once),
        "preempted" (times that a writer lost its processor), "ns" (a record, of all writers together).
        """

    def instructions(self, n: int, /) -> dict[str, float]:
        """Instructions of a written record, a read one, and a compare-exchange in its loop, counted over `n` of each:
        "write", "read", "cas".

        Raises:
            OSError: they cannot be counted here.
        """

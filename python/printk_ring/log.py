"""The process's default log: `install` makes it, `default_log` finds it, `get_logger` gives loggers for it."""

import os
import threading
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from printk_ring import _native
from printk_ring._native import ConfigError, Context, Log, Logger, Offload, Sink
from printk_ring.typing import ConsoleSpec, LevelLike, Redact, StrPath

__all__ = [
    "default_log",
    "default_offload",
    "deferred",
    "emergency",
    "get_logger",
    "install",
    "report",
    "required_log",
    "resume",
    "suspend",
]


class _Installed(NamedTuple):
    log: Log
    arguments: dict[str, object]


_installed: _Installed | None = None
_lock = threading.Lock()
_watching_forks = False


def install(
    path: StrPath | None = None,
    *,
    directory: StrPath | None = None,
    name: str | None = None,
    size: int | str = "4 MiB",
    avg_record: int = 128,
    level: LevelLike = "DEBUG",
    console_level: LevelLike = "INFO",
    consoles: Iterable[ConsoleSpec] | None = None,
    capture_logging: bool = False,
    capture_warnings: bool = False,
    crash: bool = True,
    crash_dir: StrPath | None = None,
    signals: Iterable[int] = (),
    sync_on: LevelLike | None = None,
    dump_on: LevelLike | None = None,
    dump_last: str | int | None = None,
    redact: Redact | None = None,
) -> Log:
    """Makes the process's default log, or returns it: with the same arguments any number of calls give the same log.

    `path`: that ring file. `directory`: one ring file per process in it, `<name or argv[0] stem>-<pid>.ring`. Neither:
    anonymous memory. `size`: upper bound of the whole file or memory, bytes or "4 MiB". `avg_record`: expected bytes of an
    encoded record. `level`: the least severe level stored; `console_level`: the least severe one that consoles without a
    level of their own print. `consoles`: sinks, mappings of `Log.add_console`'s arguments, or (sink, mapping) pairs; None:
    one on stderr, if the process has that. `capture_logging`: what the standard library's root logger gets is stored too.
    `capture_warnings`: warnings are stored too. `crash`: uncaught exceptions are stored too, also those of threads,
    finalizers and the running event loop (others: `printk_ring.crash.watch`), and dumpers are called with the reason OOPS;
    then whatever hook was there before goes on. And a fatal signal, or an exception that ends the process, leaves a crash
    file, as text and as JSON, with the reason and the last records: `<ring file>.crash-<pid>-<n>.txt` and `.json`;
    `crash_dir`: in that directory (an anonymous ring's else in the working directory). Whoever handled the signal before is
    asked then, and the process ends as it would have. `signals`: further signals taken as an orderly exit: all logs are
    flushed within 1 s, dumpers are called with SHUTDOWN, on a thread of its own; then the signal goes to whoever handled it
    before.

    `sync_on`: a log call at this level syncs the ring file to its disk before it returns, for records that are to outlive
    the power; see `Log` for when that is left to a thread. `dump_on`: the flight recorder: what led up to a record at this
    level is appended to `<ring file>.dump-<pid>.txt`, at most once a second; `dump_last`: how much of it, a time ("30s", the
    default), a number of records, or "context": what was logged with the same `Logger.contextualize` values.

    `redact`: what the log is not to hold: names of fields (in any case, also of keys in dicts), whose values become
    "[redacted]", and compiled patterns, for the parts of texts that they match; see `Log`.

    At an orderly exit all consoles are flushed, together at most 1 s, and the file is marked clean.

    Raises:
        ConfigError: wrong arguments, or a default log exists that was made with other ones.
        RingFileError: the file at `path` is not a whole ring, or a live log holds it; it is left untouched.
    """
    global _installed  # noqa: PLW0603 - the default log is the one global of this package
    chosen = (Sink.stderr(),) if consoles is None else tuple(_native._listed_consoles(consoles))  # noqa: SLF001 - our own
    options: dict[str, Any] = {
        "directory": directory,
        "name": name,
        "size": size,
        "avg_record": avg_record,
        "level": level,
        "console_level": console_level,
        "sync_on": sync_on,
        "dump_on": dump_on,
        "dump_last": dump_last,
        "redact": _native.parse_redact(redact),
    }
    arguments = _comparable(path, options, chosen)
    arguments.update(capture_logging=bool(capture_logging), capture_warnings=bool(capture_warnings), crash=bool(crash))
    chosen_signals = _native._listed_signals(signals)  # noqa: SLF001 - our own
    arguments.update(crash_dir=_absolute(crash_dir), signals=chosen_signals)
    with _lock:
        if _installed is not None and not _installed.log.closed:
            _refuse_other_arguments(_installed.arguments, arguments)
            return _installed.log
        if crash and crash_dir is not None:
            _native._check_crash_dir(crash_dir)  # noqa: SLF001 - our own
        left_out = consoles is None and not _native._has_stderr()  # noqa: SLF001 - our own
        log = Log(path, consoles=() if left_out else chosen, **options)
        try:
            _watch_signals(log, chosen_signals, crash=crash, crash_dir=crash_dir)
        except BaseException:
            log.close()
            raise
        _installed = _Installed(log, arguments)
        _native._set_default(log)  # noqa: SLF001 - our own
        _watch_forks()
    _capture(log, capture_logging=capture_logging, capture_warnings=capture_warnings)
    if crash:
        from printk_ring.crash import watch_process  # noqa: PLC0415 - on use: who has no need of it need not pay for it

        watch_process()
    return log


def _watch_signals(log: Log, signals: list[int], *, crash: bool, crash_dir: StrPath | None) -> None:
    """Fatal signals, and those that end the process in order."""
    if crash:
        from printk_ring.crash import prepare  # noqa: PLC0415 - on use: who has no need of it need not pay for it

        prepare(log, crash_dir)
    if signals:
        _native._take_signals(log, signals)  # noqa: SLF001 - our own


def checked(log: Log | None) -> Log | None:
    """The log that somebody is to store into; None, the default one. Raises TypeError for anything else."""
    if log is not None and not isinstance(log, Log):
        raise TypeError(f"log is a Log, or None for the default one, not {type(log).__name__}")
    return log


def default_log() -> Log | None:
    """The log that `install` made; None before the first call and after that log was closed."""
    installed = _installed
    if installed is None or installed.log.closed:
        return None
    return installed.log


class _NoDefaultLog(ConfigError, AttributeError):
    """There is no default log whose attribute this would be: `hasattr` says no, and does not raise."""


def required_log(error: type[ConfigError] = ConfigError) -> Log:
    """The default log, for what makes no sense without one.

    Raises:
        ConfigError: there is none; this kind of one.
    """
    log = default_log()
    if log is None:
        message = "there is no default log: install() makes one"
        raise error(message)
    return log


def default_offload() -> Offload:
    """`Log.offload` of the default log.

    Raises:
        ConfigError: there is none; it is an AttributeError too.
    """
    return required_log(_NoDefaultLog).offload


def suspend() -> bool:
    """`Log.suspend` of the default log."""
    return required_log().suspend()


def resume() -> None:
    """`Log.resume` of the default log."""
    required_log().resume()


def get_logger(name: str | None = None, **bound: object) -> Logger:
    """A logger for the default log with these fields bound, usable at any time.

    Before `install` its records go nowhere; from then on the same object writes to the default log.

    Raises:
        TypeError: a key by `**` is no str.
    """
    return _native._default_logger(name, **bound)  # noqa: SLF001 - our own


def deferred() -> Context:
    """A section: what its thread logs, into any log, is only stored; leaving the outermost one tells the printers.

    Of the default log; one that does nothing while there is none. See `Context` for what sections are not for.
    """
    log = default_log()
    return _native._no_context("deferred") if log is None else log.deferred()  # noqa: SLF001 - our own


def emergency() -> Context:
    """A section: what its thread logs into the default log is printed before the call returns, as by `Log.emergency`.

    One that does nothing while there is no default log.
    """
    log = default_log()
    return _native._no_context("emergency") if log is None else log.emergency()  # noqa: SLF001 - our own


def report() -> Context:
    """A section: what its thread logs into the default log stays together, as by `Log.report`.

    One that does nothing while there is no default log.
    """
    log = default_log()
    return _native._no_context("report") if log is None else log.report()  # noqa: SLF001 - our own


def _comparable(
    path: StrPath | None,
    options: dict[str, Any],
    consoles: tuple[ConsoleSpec, ...],
) -> dict[str, object]:
    """The arguments in one spelling, so that "4 MiB" and 4194304 count as the same."""
    return {
        "path": _absolute(path),
        "directory": _absolute(options["directory"]),
        "name": options["name"],
        "size": _native.parse_size(options["size"]),
        "avg_record": options["avg_record"],
        "level": _native.parse_level(options["level"]),
        "console_level": _native.parse_level(options["console_level"]),
        "sync_on": _level_or_none(options["sync_on"]),
        "dump_on": _level_or_none(options["dump_on"]),
        "dump_last": options["dump_last"],
        "redact": options["redact"],
        "consoles": [_console_arguments(spec) for spec in consoles],
    }


def _level_or_none(level: LevelLike | None) -> int | None:
    return None if level is None else _native.parse_level(level)


def _absolute(path: StrPath | None) -> str | None:
    return None if path is None else os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links


def _console_arguments(spec: ConsoleSpec) -> dict[str, object]:
    arguments: dict[str, Any]
    if isinstance(spec, Mapping):
        arguments = dict(spec)
    elif isinstance(spec, tuple):
        sink, options = spec
        arguments = {**options, "sink": sink}
    else:
        arguments = {"sink": spec}
    if arguments.get("level") is not None:
        arguments["level"] = _native.parse_level(arguments["level"])
    return arguments


def _refuse_other_arguments(first: dict[str, object], second: dict[str, object]) -> None:
    different = [name for name in first if first[name] != second[name]]
    if different:
        name = different[0]
        message = (
            f"the default log is already installed with other arguments ({', '.join(different)}): "
            f"{name} was {first[name]!r} and now is {second[name]!r}"
        )
        raise ConfigError(message)


def _capture(log: Log, *, capture_logging: bool, capture_warnings: bool) -> None:
    # On use: these import the standard library's logging and warnings, which a program without them need not pay for.
    if capture_logging:
        from printk_ring.integrations.logging import capture_root_logger  # noqa: PLC0415

        capture_root_logger(log)
    if capture_warnings:
        from printk_ring.integrations.warnings import capture_warnings as capture  # noqa: PLC0415

        capture()


def _watch_forks() -> None:
    global _watching_forks  # noqa: PLW0603 - registered once for the life of the process
    if not _watching_forks:
        os.register_at_fork(after_in_child=_renew_lock)
        _watching_forks = True


def _renew_lock() -> None:
    """A thread that held the lock during the fork does not exist in the child."""
    global _lock  # noqa: PLW0603 - see above
    _lock = threading.Lock()

"""Where consoles write. Each function describes a sink; it is opened when a console is added.

`log.add_console(pr.sinks.file("/var/log/app.json"), format="json")`
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from printk_ring._native import MemorySink, Record, Sink
from printk_ring.typing import StrPath

if TYPE_CHECKING:
    import logging
else:

    class _OnUse:
        """`logging` for whoever looks annotations up: a program without it need not pay for it."""

        def __getattr__(self, name: str) -> object:
            import logging  # noqa: PLC0415 - that is the point

            return getattr(logging, name)

    logging = _OnUse()

__all__ = ["MemorySink", "Sink", "callable", "file", "handler", "memory", "stderr", "stdout"]


def stderr() -> Sink:
    """File descriptor 2 as it is at this moment; its flags are never changed."""
    return Sink.stderr()


def stdout() -> Sink:
    """File descriptor 1 as it is at this moment; its flags are never changed."""
    return Sink.stdout()


def file(path: StrPath) -> Sink:
    """Appends whole lines to the file at `path`, created with mode 0600 if need be.

    It is opened with O_APPEND and opened again when its inode changes, so that whoever rotates it by renaming needs to tell
    nobody.
    """
    return Sink.file(path)


def callable(fn: Callable[[Record], object], /) -> Sink:  # noqa: A001 - the contract's name
    """Calls `fn(record)` for each record, on a thread that belongs to the console and always is the same one.

    The record is printed when `fn` returns. An exception of any kind is counted in `Console.errors` and told on stderr, the
    first one and each that comes after `fn` has worked again; the record counts as printed, and the next one goes on. What
    `fn` logs is stored and printed by other consoles. What was lost before `fn` came to it is a record too: its event is
    "records dropped", its fields are `dropped`, `first_seq` and `last_seq`, its facility is 0, the log's own.

    At the exit of the interpreter `fn` has what is left, at most 1 s for all consoles together; records that are logged
    after that do not come to it.
    """
    return Sink.callable(fn)


def handler(handler: "logging.Handler", /) -> Sink:
    """Gives each record to a handler of the standard library, as `callable`: `handler.handle(LogRecord)`.

    `printk_ring.logrecords.log_record` says what the LogRecord has; fields are attributes of it, one that is called as an
    attribute of all (`name`, `msg`) with a `_` behind its name. The handler's level and filters apply; whoever made
    it closes it.
    """
    return Sink.handler(handler)


def memory(*, limit: int = 10000) -> MemorySink:
    """Keeps the last `limit` records (at most 16 MiB of them) in memory: `.records`, `.clear()`. For tests."""
    return Sink.memory(limit=limit)

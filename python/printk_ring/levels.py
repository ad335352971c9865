"""Levels and reasons, with the kernel's numbers: the smaller, the more severe."""

from enum import IntEnum

__all__ = ["Level", "Reason"]


class Level(IntEnum):
    """How severe a record is. "At level L" always means L and everything more severe.

    `Level("info")`, `Level("Err")` and `Level(6)` all work: names are taken in any case, aliases included.
    """

    EMERG = 0
    """The system is unusable."""
    ALERT = 1
    """Action must be taken immediately."""
    CRITICAL = 2
    """A critical condition."""
    ERROR = 3
    """An error."""
    WARNING = 4
    """Something that may lead to an error."""
    NOTICE = 5
    """Normal, but worth a notice."""
    INFO = 6
    """What is going on."""
    DEBUG = 7
    """What only somebody who looks for an error wants to read."""

    CRIT = 2
    ERR = 3
    WARN = 4

    @classmethod
    def _missing_(cls, value: object) -> "Level | None":
        if isinstance(value, str):
            return cls.__members__.get(value.upper())
        return None


class Reason(IntEnum):
    """Why the log is dumped, most important first."""

    PANIC = 1
    """A fatal signal, an abort, or `Log.panic`."""
    OOPS = 2
    """An uncaught exception in a thread or task."""
    EMERGENCY = 3
    """A dump on demand."""
    SHUTDOWN = 4
    """An orderly exit."""

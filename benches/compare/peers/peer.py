"""What every adapter says and does. One file each beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pathlib import Path

# Measured in this order; `fields4` goes to a file of JSON lines where a peer has two formats.
CASES = ("disabled", "constant", "args2", "fields4", "exception")


def form_of(case: str) -> str:
    """The format of the file that a case writes."""
    return "json" if case == "fields4" else "text"


class Peer:
    """One way to log, as its own documentation recommends it for a file.

    `calls`: case -> the call as users write it, with `log` (what `open` returns) and `i`, the record's number. Where a
    library has no such thing a case is missing. Only `open` may import the library: the class is read by the process that
    counts, too.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    how: ClassVar[str]
    holds: ClassVar[str]  # where a record is when the call returns
    ours: ClassVar[bool] = False
    calls: ClassVar[dict[str, str]]

    def open(self, path: Path, form: str) -> Any:
        """Logs at INFO into this file from now on; returns the logger. Each peer has its own way."""
        message = f"{self.name}: the adapter does not say how to open {path} for {form}"
        raise TypeError(message)

    def flush(self) -> None:
        """Whatever the library has for handing over what it holds back."""

    def leave_thread(self) -> None:
        """Called by each thread of a measurement after its last record."""

    def close(self) -> None:
        """The orderly end."""

    def survivors(self, path: Path) -> bytes:
        """What is left of a process that was killed, for the pattern of the case to be looked for."""
        return path.read_bytes() if path.exists() else b""

    def told(self, text: bytes) -> int:
        """How many lost records the file itself tells of."""
        del text
        return 0

"""The floor: a native function that does nothing, called the same way. No row for losses: it has no records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benches.compare.peers.peer import Peer

if TYPE_CHECKING:
    from pathlib import Path

# What each case calls in the yardstick; `native` is the extension module of this package.
CALLS = {
    "disabled": 'native._noop("hidden")',
    "constant": 'native._noop("served")',
    "args2": 'native._noop("served %s %d", "x", i)',
    "fields4": 'native._noop("served", a=i, b=2.5, c="x", d=3)',
    "exception": 'native._noop("failed")',
}


class Noop(Peer):
    """What a loop, a call and two readings of the clock cost without any logging."""

    name = "no-op"
    how = "a METH_FASTCALL builtin that returns None"
    holds = ""
    calls = CALLS

    def open(self, path: Path, form: str) -> Any:
        """Nothing to open."""
        path.touch()
        return form

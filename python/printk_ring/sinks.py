"""Where consoles write. Each function describes a sink; it is opened when a console is added.

`log.add_console(pr.sinks.file("/var/log/app.json"), format="json")`
"""

from printk_ring._native import Sink
from printk_ring.typing import StrPath

__all__ = ["Sink", "file", "stderr", "stdout"]


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

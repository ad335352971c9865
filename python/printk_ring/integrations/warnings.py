"""Warnings, stored in the default log."""

import contextlib
import threading
import warnings
from typing import Any, TextIO

from printk_ring.levels import Level
from printk_ring.log import default_log

__all__ = ["capture_warnings"]

_LOGGER = "py.warnings"
_STANDARD = {"warnings", "_py_warnings"}  # where it is from; the second since Python 3.14
_inside = threading.local()


def capture_warnings() -> None:
    """Has every warning that would be shown stored at WARNING instead, in the log that is the default then.

    Who replaced `warnings.showwarning` before us is called too; so is the standard one when there is no default log, or
    when the warning is to go to a file. Twice is once.
    """
    previous: Any = warnings.showwarning
    if getattr(previous, "stores_in_default_log", False):
        return
    standard = getattr(previous, "__module__", None) in _STANDARD

    def showwarning(  # noqa: PLR0917 - the standard library calls it like this
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        stored = file is None and _store(message, category, filename, lineno)
        if not stored or not standard:
            previous(message, category, filename, lineno, file, line)

    showwarning.stores_in_default_log = True  # type: ignore[attr-defined]  # the mark that makes twice once
    warnings.showwarning = showwarning


def _store(message: Warning | str, category: type[Warning], filename: str, lineno: int) -> bool:
    log = default_log()
    if log is None or getattr(_inside, "here", False):
        return False
    _inside.here = True
    try:
        with contextlib.suppress(Exception):
            fields = {"category": category.__name__}
            log._emit(Level.WARNING, str(message), logger=_LOGGER, file=filename, line=lineno, fields=fields)  # noqa: SLF001 - our own
            return True
        return False
    finally:
        _inside.here = False

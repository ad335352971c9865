"""What the demo says on stdout: lines with a label, in colour on a terminal unless NO_COLOR is set."""

import os
import sys

__all__ = ["bad", "good", "say", "strong"]

_RESET = "\x1b[0m"
_LABEL_WIDTH = 9


def say(label: str, text: str) -> None:
    """A line: what it is about, and the text."""
    _write(f"{_painted(label.ljust(_LABEL_WIDTH), '36')} {text}\n")


def strong(text: str) -> None:
    """A line that stands out."""
    _write(f"{_painted(text, '1')}\n")


def good(text: str) -> None:
    """A line with good news."""
    _write(f"{_painted(text, '1;32')}\n")


def bad(text: str) -> None:
    """A line with bad news."""
    _write(f"{_painted(text, '1;31')}\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _painted(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}{_RESET}" if _has_colours() else text


def _has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

"""A progress display: a bar that moves on a terminal, a line at each quarter elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from printk_ring.demo.screen import say

__all__ = ["Progress"]

_WIDTH = 40
_QUARTERS = 4


class Progress:
    """Shows how far a count is on its way to `goal`. A context manager: the bar is finished at its end."""

    def __init__(self, goal: int) -> None:
        """Draws nothing yet."""
        self._goal = goal
        self._begin = time.monotonic()
        self._moves = sys.stdout.isatty()
        self._quarters_told = 0

    def show(self, count: int) -> None:
        """Draws the state if it is worth drawing."""
        rate = count / max(time.monotonic() - self._begin, 1e-9)
        text = f"{count} of {self._goal} answers, {rate:.0f} a second"
        if self._moves:
            filled = min(_WIDTH, count * _WIDTH // self._goal)
            sys.stdout.write(f"\r[{'#' * filled}{'-' * (_WIDTH - filled)}] {text}\x1b[K")
        elif count * _QUARTERS // self._goal > self._quarters_told:
            self._quarters_told = count * _QUARTERS // self._goal
            say("progress", text)
        sys.stdout.flush()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leaves the bar's line."""
        if self._moves:
            sys.stdout.write("\n")
            sys.stdout.flush()

"""Standard output as UTF-8 bytes, written in large pieces."""

from types import TracebackType
from typing import BinaryIO, Self

__all__ = ["Output", "one_line"]

_FLUSH_CHARACTERS = 64 * 1024


class Output:
    """Collects lines and writes them when there are enough, on `flush`, and at the end of its `with` block."""

    def __init__(self, stream: BinaryIO) -> None:
        """Writes to `stream`, which stays open."""
        self._stream = stream
        self._lines: list[str] = []
        self._characters = 0

    def line(self, text: str) -> None:
        """One line, or several: `text` and a newline."""
        self._lines.append(text)
        self._characters += len(text)
        if self._characters >= _FLUSH_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Writes what has been collected."""
        if self._lines:
            text = "\n".join(self._lines) + "\n"
            self._lines.clear()
            self._characters = 0
            self._stream.write(text.encode("utf-8", "replace"))
        self._stream.flush()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Writes the rest, unless nobody reads any more."""
        if exc_type is None or not issubclass(exc_type, BrokenPipeError):
            self.flush()


def one_line(text: str) -> str:
    """Text of the file, which may hold anything, without a byte that a terminal would obey."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)

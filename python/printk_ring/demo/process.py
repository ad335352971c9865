"""The parent's handle of the web server that will be killed."""

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["ServerDied", "ServerProcess"]


class ServerDied(Exception):
    """The server ended by itself; the text says what it wrote last."""


class ServerProcess:
    """The server in a child process. Killed at the end of the `with` block if it still runs."""

    def __init__(self, ring: Path, json_file: Path, stderr: Path, size: str) -> None:
        """Starts it and waits until it listens; raises ServerDied if it does not."""
        self._stderr = stderr
        command = [sys.executable, "-P", "-m", "printk_ring.demo.server", str(ring), str(json_file), size]
        with stderr.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            self.__exit__(None, None, None)
            raise ServerDied(f"the server did not start: {self._last_words()}")
        self.port: int = int(line)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raises ServerDied if it runs no more."""
        if self._process.poll() is not None:
            raise ServerDied(f"the server ended by itself ({self._process.returncode}): {self._last_words()}")

    def kill(self) -> None:
        """SIGKILL, and the funeral."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leaves no process behind."""
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _last_words(self) -> str:
        """The last of its lines on stderr; of a traceback that is the one with the reason. All are in the file."""
        lines = self._stderr.read_text("utf-8", "replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it wrote nothing")

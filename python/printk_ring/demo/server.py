"""The web server that will be killed: both sides of it.

`ServerProcess` is the parent's handle. `python -m printk_ring.demo.server RING JSON SIZE` is the child: it says its port on
stdout and serves until it is killed, or its stdin ends.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import printk_ring as pr

__all__ = ["ServerDied", "ServerProcess"]

_app = pr.get_logger("demo.app")


class ServerDied(Exception):
    """The server ended by itself; the text says what it wrote last."""


class ServerProcess:
    """The server in a child process. Killed at the end of the `with` block if it still runs."""

    def __init__(self, ring: Path, json_file: Path, stderr: Path, size: str) -> None:
        """Starts it and waits until it listens; raises ServerDied if it does not."""
        self._stderr = stderr
        command = [sys.executable, "-m", "printk_ring.demo.server", str(ring), str(json_file), size]
        with stderr.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        line = self._process.stdout.readline()
        if not line.strip().isdigit():
            self.kill()
            raise ServerDied(f"the server did not start:\n{self._last_words()}")
        self.port = int(line)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raises ServerDied if it runs no more."""
        if self._process.poll() is not None:
            raise ServerDied(f"the server ended by itself ({self._process.returncode}):\n{self._last_words()}")

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
        return self._stderr.read_text("utf-8", "replace")[-2000:]


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    log: pr.Log


class _Handler(BaseHTTPRequestHandler):
    """Answers GET /item/<id>. Of the inherited logging methods only `log_message` is overridden."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        logging.getLogger("demo.http").info(format, *args, extra={"client": self.client_address[0]})

    def do_GET(self) -> None:
        item = self.path.rpartition("/")[2]
        # All records of this request get numbers from here on: the client learns the least that its record can have.
        least_seq = self.server.log.stats()["emitted"]
        _app.debug("request begins", id=item, peer_port=self.client_address[1])
        _app.debug("headers read", id=item, count=len(self.headers))
        body = json.dumps({"id": item, "least_seq": least_seq}).encode()
        _app.debug("answer made", id=item, bytes=len(body), ratio=len(body) / 2)
        self.send_response(200)  # this stores the access record, before the first byte of the answer is sent
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        _app.debug("answer sent", id=item)


def _serve(ring: str, json_file: str, size: str) -> None:
    logging.getLogger().setLevel(logging.INFO)
    log = pr.install(
        ring,
        name="demo",
        size=size,
        level="DEBUG",
        console_level="INFO",
        consoles=[pr.sinks.stderr(), {"sink": pr.sinks.file(json_file), "format": "json"}],
        capture_logging=True,
    )
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.log = log
        server.daemon_threads = True
        threading.Thread(target=_end_with_parent, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    _serve(*sys.argv[1:])

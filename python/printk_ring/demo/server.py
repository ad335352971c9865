"""The web server that will be killed: `python -m printk_ring.demo.server RING JSON SIZE`.

It says its port on stdout and serves until it is killed, or its stdin ends.
"""

import json
import logging
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import printk_ring as pr

_app = pr.get_logger("demo.app")


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    log: pr.Log


class _Handler(BaseHTTPRequestHandler):
    """Answers GET /item/<id>. Of the inherited logging methods only `log_message` is overridden."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - its only one, made below

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

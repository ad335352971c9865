"""The clients: requests in parallel, until the server is killed under them."""

import http.client
import json
import secrets
import threading
import time
from typing import NamedTuple

from printk_ring.demo.process import ServerProcess
from printk_ring.demo.progress import Progress

__all__ = ["Burst", "run_clients"]

_PATIENCE_SECONDS = 60.0
_DRAW_EVERY_SECONDS = 0.1


class Burst(NamedTuple):
    """What the clients know."""

    acknowledged: dict[str, int]
    """The ids whose whole answer was read, with the least number that the server's record of it can have."""
    at_kill: int
    """How many there were when the kill was sent."""
    cut_off: int
    """Clients that the kill met before they had read a whole answer."""
    seconds: float
    errors: list[str]
    """What went wrong before the kill."""


class _Tally:
    """What the client threads share."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.acknowledged: dict[str, int] = {}
        self.errors: list[str] = []
        self.cut_off = 0
        self.killed = False

    def answered(self, item: str, least_seq: int) -> None:
        with self.changed:
            self.acknowledged[item] = least_seq
            self.changed.notify()

    def broken_off(self, error: Exception) -> None:
        with self.changed:
            self.cut_off += 1
            if not self.killed:
                self.errors.append(repr(error))
            self.changed.notify()


def run_clients(server: ServerProcess, *, clients: int, kill_at: int) -> Burst:
    """Sends requests by `clients` threads, kills the server once `kill_at` answers were read, and waits for the threads."""
    tally = _Tally()
    threads = [
        threading.Thread(target=_send_requests, args=(server.port, tally), name=f"client-{number}", daemon=True)
        for number in range(clients)
    ]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    _watch(server, tally, kill_at)
    with tally.changed:
        tally.killed = True
        at_kill = len(tally.acknowledged)
    server.kill()
    seconds = time.monotonic() - begin
    for thread in threads:
        thread.join(_PATIENCE_SECONDS)
    stuck = [thread.name for thread in threads if thread.is_alive()]
    errors = tally.errors + [f"{name} did not notice the kill" for name in stuck]
    return Burst(dict(tally.acknowledged), at_kill, tally.cut_off, seconds, errors)


def _watch(server: ServerProcess, tally: _Tally, kill_at: int) -> None:
    """Returns when there are `kill_at` answers, or something went wrong; raises ServerDied if the server ended."""
    with Progress(kill_at) as progress:
        last_change = time.monotonic()
        seen = 0
        while seen < kill_at and not tally.errors and time.monotonic() - last_change < _PATIENCE_SECONDS:
            with tally.changed:
                tally.changed.wait_for(lambda: len(tally.acknowledged) >= kill_at, _DRAW_EVERY_SECONDS)
                count = len(tally.acknowledged)
            if count > seen:
                seen, last_change = count, time.monotonic()
            progress.show(seen)
            server.check()
        if seen < kill_at and not tally.errors:
            tally.errors.append(f"no answer within {_PATIENCE_SECONDS:.0f} s")


def _send_requests(port: int, tally: _Tally) -> None:
    """One client on one connection: asks until the connection breaks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    try:
        while True:
            item = secrets.token_hex(16)
            connection.request("GET", f"/item/{item}")
            answer = json.loads(connection.getresponse().read())  # the whole of it: a short one is an IncompleteRead
            tally.answered(answer["id"], answer["least_seq"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        tally.broken_off(error)
    finally:
        connection.close()

"""A server that forks its workers from a loaded application, one of which is killed under load.

    python -m tests.trials.prefork SECONDS

gunicorn with `--preload` and three workers serves an application whose log was made before the fork. Clients ask for
numbered pages; a worker logs the number, then answers with it and its own number. One worker is killed: the others go on,
and in the ring of the dead one is everything that it had answered.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import printk_ring as pr
from tests.children import PATIENCE_SECONDS, wait_until

CLIENTS = 6
WORKERS = 3

APPLICATION = """
    import os
    import printk_ring as pr

    log = pr.install(os.environ["PR_RING"], size="16 MiB", consoles=[pr.sinks.file(os.environ["PR_RING"] + ".txt")])
    logger = pr.get_logger("app")
    logger.info("loaded")

    def app(environ, start_response):
        number = int(environ["PATH_INFO"].strip("/"))
        logger.info("request", number=number)
        body = b"%d %d" % (os.getpid(), number)
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
"""


@dataclass
class Clients:
    """Threads that ask for one page after another."""

    port: int
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    # What each process has answered, in the order of the answers' arrival.
    answers: dict[int, list[int]] = field(default_factory=dict)
    refused: int = 0
    last: int = 0

    def work(self) -> None:
        """One client."""
        while not self.stop.is_set():
            with self.lock:
                self.last += 1
                number = self.last
            try:
                answer = self.ask(number)
            except (OSError, http.client.HTTPException):
                with self.lock:
                    self.refused += 1  # whoever had the request was killed
                continue
            pid, answered = map(int, answer.split())
            assert answered == number
            with self.lock:
                self.answers.setdefault(pid, []).append(number)

    def ask(self, number: int) -> bytes:
        """One page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", f"/{number}")
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                raise http.client.HTTPException(response.status)
            return response.read()

    def counts(self) -> dict[int, int]:
        """How many pages each process has answered."""
        with self.lock:
            return {pid: len(numbers) for pid, numbers in self.answers.items()}


def serve(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Starts the server: it, and its port."""
    (folder / "application.py").write_text(textwrap.dedent(APPLICATION), encoding="utf-8")
    options = ["--preload", f"--workers={WORKERS}", "--bind=127.0.0.1:0", f"--chdir={folder}", "--log-level=info"]
    environment = os.environ | {"PR_RING": str(folder / "app.ring")}
    with (folder / "server.txt").open("wb") as said:
        command = [sys.executable, "-m", "gunicorn", *options, "application:app"]
        server = subprocess.Popen(command, stdout=said, stderr=said, env=environment)

    def port() -> int:
        assert server.poll() is None, said_by(folder)
        _, found, rest = said_by(folder).partition("Listening at: http://127.0.0.1:")
        return int(rest.split()[0]) if found and rest.split() else 0

    wait_until(port, "the server listens")
    return server, port()


def said_by(folder: Path) -> str:
    """What the server has told."""
    return (folder / "server.txt").read_text("utf-8")


def numbers_of(path: Path) -> tuple[pr.RingFileInfo, list[int]]:
    """What is in a ring: what it says of itself, and the requests."""
    with pr.open(path) as ring:
        records = list(ring.reader())
        info = ring.info
    assert {record.pid for record in records} == {info.pid}
    return info, [record.fields["number"] for record in records if record.event == "request"]


def under_load(clients: Clients, seconds: float) -> int:
    """Serves, kills a worker in the middle, and serves on. The worker that was killed."""
    wait_until(lambda: len(clients.counts()) == WORKERS, "each worker has answered")
    time.sleep(seconds / 2)
    victim = max(clients.counts().items(), key=lambda item: item[1])[0]
    os.kill(victim, signal.SIGKILL)
    killed = clients.counts()
    survivors = killed.keys() - {victim}
    time.sleep(seconds / 2)

    def serve_on() -> bool:
        now = clients.counts()
        return len(now) > WORKERS and all(now[pid] > killed[pid] + 20 for pid in survivors)

    wait_until(serve_on, "the others, and a new one, serve")
    return victim


def judge(folder: Path, clients: Clients, victim: int) -> str:
    """Looks at the rings."""
    path = folder / "app.ring"
    info, numbers = numbers_of(path)
    assert info.clean, "the master has ended in order"
    assert not numbers, "a worker's requests in the ring of the master"
    logged: list[int] = []
    for pid, answered in clients.answers.items():
        info, numbers = numbers_of(Path(f"{path}.fork-{pid}"))
        assert (info.pid, info.alive, info.clean) == (pid, False, pid != victim)
        missing = set(answered) - set(numbers)
        assert not missing, f"worker {pid}: answered, and not in its ring: {sorted(missing)[:10]}"
        logged += numbers
    assert len(logged) == len(set(logged)), "a request in two rings"
    assert clients.refused <= CLIENTS, "requests that nobody had in hand were lost"
    return (
        f"{len(clients.answers)} workers, one of them killed: {sum(map(len, clients.answers.values()))} requests answered, "
        f"all of them in the rings; {len(clients.answers[victim])} by the dead one, the last of them in its ring; "
        f"{clients.refused} connections lost"
    )


def main(arguments: list[str]) -> None:
    """Runs the trial."""
    with tempfile.TemporaryDirectory(prefix="printk-prefork-") as name:
        folder = Path(name)
        server, port = serve(folder)
        try:
            clients = Clients(port)
            threads = [threading.Thread(target=clients.work) for _ in range(CLIENTS)]
            for thread in threads:
                thread.start()
            try:
                victim = under_load(clients, float(arguments[0]))
            finally:
                clients.stop.set()
                for thread in threads:
                    thread.join()
            server.terminate()
            assert server.wait(PATIENCE_SECONDS) == 0, said_by(folder)
        except BaseException:
            print(said_by(folder), file=sys.stderr)
            raise
        finally:
            server.kill()
            server.wait()
        print(f"prefork: {judge(folder, clients, victim)}")


if __name__ == "__main__":
    main(sys.argv[1:])

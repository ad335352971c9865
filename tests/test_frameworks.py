"""The snippets of docs/integrations.md, in the real servers: what these log, and what applications log, is in the rings."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import PATIENCE_SECONDS, succeed, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parent.parent / "docs" / "integrations.md"


def snippet(heading: str) -> str:
    """The program under a heading of the page."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    [program] = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert isinstance(program, str)
    return program


def write(folder: Path, **programs: str) -> None:
    for name, text in programs.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")


@contextmanager
def running(folder: Path, *command: str, end: int = signal.SIGTERM) -> Iterator[subprocess.Popen[bytes]]:
    """A server and its processes, which get this signal in the end."""
    with (folder / "output").open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            stdout=output,
            stderr=output,
            env={"PYTHONPATH": str(folder)},
            start_new_session=True,
        )
        try:
            yield server
            os.kill(server.pid, end)
            server.wait(PATIENCE_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait(PATIENCE_SECONDS)


def ask(place: Path, path: str) -> str:
    """One request by a unix socket, as soon as somebody listens there."""
    answer = b""

    def answered() -> bool:
        nonlocal answer
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(PATIENCE_SECONDS)
                connection.connect(str(place))
                connection.sendall(f"GET {path} HTTP/1.0\r\nHost: test\r\n\r\n".encode())
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
        except (FileNotFoundError, ConnectionError):
            return False
        return True

    wait_until(answered, "the server answers")
    return answer.decode()


def records_of(*paths: Path) -> list[pr.Record]:
    found = []
    for path in paths:
        with pr.open(path) as ring:
            found += list(ring.reader())
    return found


def is_ended_in_order(path: Path) -> bool:
    with pr.open(path) as ring:
        return ring.info.state == "ended in order"


def only(records: list[pr.Record], logger: str, text: str) -> pr.Record:
    [found] = [record for record in records if record.logger == logger and text in record.message]
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the server listens."""
    return tmp_path / "s"


def test_uvicorn_and_its_application_log_into_one_ring(tmp_path: Path, place: Path) -> None:
    write(tmp_path, app=snippet("uvicorn"))
    with running(tmp_path, "uvicorn", "app:app", "--uds", str(place)):
        assert ask(place, "/hello").endswith("hello")
    records = records_of(tmp_path / "app.ring")
    assert only(records, "app", "request").fields == {"path": "/hello"}
    access = only(records, "uvicorn.access", '"GET /hello HTTP/1.0" 200')
    assert access.event == '%s - "%s %s HTTP/%s" %d'
    assert only(records, "uvicorn.error", "Finished server process").level is pr.Level.INFO
    assert is_ended_in_order(tmp_path / "app.ring")
    assert "uvicorn.error: Finished server process" in (tmp_path / "output").read_text("utf-8"), "its console has it"


def test_workers_of_uvicorn_end_in_order(tmp_path: Path, place: Path) -> None:
    program = snippet("uvicorn")
    assert '"app.ring", ' in program
    write(tmp_path, app=program.replace('"app.ring", ', 'directory=".", name="web", '))
    with running(tmp_path, "uvicorn", "app:app", "--uds", str(place), "--workers", "2"):
        assert ask(place, "/hello").endswith("hello")
        # Whoever is still starting is sent its signal before it looks for one.
        wait_until(
            lambda: (tmp_path / "output").read_text("utf-8").count("uvicorn.error: Application startup") == 2, "both"
        )
    rings = list(tmp_path.glob("web-*.ring"))
    assert len(rings) == 2
    assert all(is_ended_in_order(path) for path in rings)
    assert (tmp_path / "output").read_text("utf-8").count("uvicorn.error: Finished server process") == 2


def test_gunicorn_and_its_workers_have_a_ring_each(tmp_path: Path, place: Path) -> None:
    conf = snippet("gunicorn")
    (tmp_path / "gunicorn.conf.py").write_text(conf, encoding="utf-8")
    write(
        tmp_path,
        app="""
        import printk_ring as pr

        def app(environ, start_response):
            pr.get_logger("app").info("request", path=environ["PATH_INFO"])
            start_response("200 OK", [])
            return [b"hello"]
        """,
    )
    with running(tmp_path, "gunicorn", "--no-control-socket", "--bind", f"unix:{place}", "app:app") as master:
        assert ask(place, "/hello").endswith("hello")
    rings = sorted(tmp_path.glob("web-*.ring"))
    assert len(rings) == 2
    assert tmp_path / f"web-{master.pid}.ring" in rings
    records = records_of(*rings)
    request = only(records, "app", "request")
    assert request.fields == {"path": "/hello"}
    assert request.pid != master.pid
    assert only(records, "gunicorn.access", "GET /hello HTTP/1.0").pid == request.pid
    assert only(records, "gunicorn.error", "Listening at").pid == master.pid


def test_a_celery_worker_logs_its_tasks_from_a_process_of_its_own(tmp_path: Path) -> None:
    write(
        tmp_path,
        tasks=snippet("Celery"),
        main="""
        import pathlib
        from tasks import add, app

        for name in ("queue", "control", "results"):
            pathlib.Path(name).mkdir(exist_ok=True)
        app.conf.update(
            broker_url="filesystem://",
            broker_transport_options={
                "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control",
                "polling_interval": 0.05,
            },
            result_backend="file://results",
            broker_connection_retry_on_startup=True,
        )
        """,
    )
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    command = ("celery", "-A", "main", "worker", "--pool", "prefork", "-c", "1", *quiet)
    with running(tmp_path, *command) as worker:  # which takes six seconds to end in order
        told = succeed(
            """
            from main import add
            print(add.delay(2, 3).get(timeout=60, interval=0.02))
            """,
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path)},
        )
        assert told == "5\n"
    records = records_of(*tmp_path.glob("celery-*.ring"))
    adding = only(records, "tasks", "adding")
    assert adding.fields == {"x": 2, "y": 3}
    assert adding.pid != worker.pid
    assert only(records, "celery.worker.strategy", "tasks.add").pid == worker.pid
    assert only(records, "celery.app.trace", "succeeded").pid == adding.pid
    assert all(is_ended_in_order(path) for path in tmp_path.glob("celery-*.ring"))


def test_django_logs_its_requests_and_their_exceptions(tmp_path: Path) -> None:
    write(
        tmp_path,
        settings=snippet("Django") + '\nROOT_URLCONF = "urls"\nALLOWED_HOSTS = ["*"]\nSECRET_KEY = "x"\n',
        urls="""
        import logging
        from django.urls import path

        def broken(request):
            logging.getLogger("app.views").info("about to break", extra={"user": "ann"})
            raise KeyError("k")

        urlpatterns = [path("broken", broken)]
        """,
    )
    succeed(
        """
        import django
        from django.test import Client
        django.setup()
        client = Client(raise_request_exception=False)
        assert client.get("/broken").status_code == 500
        assert client.get("/missing").status_code == 404
        """,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "settings"},
    )
    records = records_of(*tmp_path.glob("django-*.ring"))
    assert only(records, "app.views", "about to break").fields == {"user": "ann"}
    failed = only(records, "django.request", "Internal Server Error: /broken")
    assert failed.exc is not None
    assert (failed.exc["type"], failed.fields["status_code"]) == ("KeyError", 500)
    assert "GET '/broken'" in failed.fields["request"]
    assert only(records, "django.request", "Not Found: /missing").level is pr.Level.WARNING

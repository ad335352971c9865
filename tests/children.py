"""Children that run real programs, and waiting for what they do."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 60.0
PRDMESG = Path(sys.executable).with_name("prdmesg")


# Of a program: a pipe that blocks, is full, and has nobody who reads it.
FULL_PIPE = """
import os

reader, writer = os.pipe()
os.set_blocking(writer, False)
try:
    while True:
        os.write(writer, b"." * 4096)
except BlockingIOError:
    os.set_blocking(writer, True)
"""


def run(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end; what it wrote to stderr is shown when it fails. `prefix`: how the command begins."""
    command = [*options.pop("prefix", ()), sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    options = {"capture_output": True, "encoding": "utf-8", "timeout": PATIENCE_SECONDS, **options}
    return subprocess.run(command, check=False, **options)


def succeed(code: str, *arguments: object, **options: Any) -> str:
    """Runs a program that has to end well, and returns what it wrote to stdout."""
    done = run(code, *arguments, **options)
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def start(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Starts a program and waits until it has written the line "ready"."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8", **options}
    child = subprocess.Popen(command, **options)
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line == "ready\n", f"instead of being ready: {line!r}"
    return child


def kill(child: subprocess.Popen[str]) -> None:
    """SIGKILL, and the funeral; harmless for one that has ended."""
    child.kill()
    child.wait(PATIENCE_SECONDS)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            stream.close()


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Waits for something that has to come true in the end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.002)


@functools.cache
def mounting() -> tuple[str, ...] | None:
    """What goes before a command that may mount file systems; None: there is no way here."""
    command = ("unshare", "--map-root-user", "--mount")
    if shutil.which(command[0]) is None:
        return None
    mount = [*command, "mount", "-t", "tmpfs", "none", "/mnt"]
    return command if subprocess.run(mount, check=False, capture_output=True).returncode == 0 else None


def prdmesg(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs the installed command."""
    options = {"capture_output": True, "encoding": "utf-8", "timeout": PATIENCE_SECONDS, **options}
    return subprocess.run([PRDMESG, *map(str, arguments)], check=False, **options)

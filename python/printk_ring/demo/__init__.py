"""The promise, end to end: a web server is killed in mid-burst, and a fresh process finds every request in its ring.

The server is a child process: the standard library's `ThreadingHTTPServer`, whose access log goes through `logging` into a
ring in a file, with a text console on stderr and a JSON file console behind it. Clients on loopback send requests in
parallel, each with a random id, and note the id once they have read the whole answer. Then SIGKILL. The access record is
stored before the first byte of its answer is sent, so every noted id has to be in the ring; whatever the consoles had not
printed yet is only there.
"""

import argparse
import os
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from printk_ring import _native
from printk_ring.demo.clients import Burst, run_clients
from printk_ring.demo.process import ServerDied, ServerProcess
from printk_ring.demo.screen import bad, good, say, strong
from printk_ring.demo.verdict import LookUpFailed, Verdict, look_up_in_fresh_process

__all__ = ["main"]

_MEMORY_FILE_SYSTEM = Path("/dev/shm")  # noqa: S108 - the recommended place of a ring; a directory of our own is made in it
_SPARE_BYTES = 16 * 1024 * 1024
_WRAPPED_SEVERAL_TIMES = 3
_INTERRUPTED = 130


class _Files(NamedTuple):
    ring: Path
    json: Path
    stderr: Path


def main(arguments: Sequence[str]) -> int:
    """Runs the demo and returns 0 when everything that was acknowledged is found, 1 when not, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    parent = options.directory or _roomy_directory(_native.parse_size(options.size))
    place = Path(tempfile.mkdtemp(prefix="printk-ring-demo-", dir=parent))
    files = _Files(place / "app.ring", place / "app.json", place / "stderr.txt")
    say("ring", f"{files.ring} ({options.size})")
    try:
        failures, counts = _run(options, files)
    except (ServerDied, LookUpFailed) as error:
        failures, counts = [str(error)], "nothing was counted"
    except KeyboardInterrupt:
        shutil.rmtree(place)
        return _INTERRUPTED
    for failure in failures:
        bad(f"FAILED: {failure}")
    if failures or options.keep:
        say("kept", str(place))
    else:
        shutil.rmtree(place)
    (bad if failures else good)(counts)
    return 1 if failures else 0


def _run(options: argparse.Namespace, files: _Files) -> tuple[list[str], str]:
    """The whole story. Returns what failed, and the counts in a line."""
    burst = _burst_until_killed(options, files)
    strong("A fresh process that has only the ring file shows its last records, and looks every answered request up:")
    verdict = look_up_in_fresh_process(files.ring, files.json, burst.acknowledged, newest_half=options.newest_half)
    not_printed = verdict.only_in_ring - verdict.debug
    counts = (
        f"requests: acknowledged {len(verdict.expected)}, found {len(verdict.found)}, missing {len(verdict.missing)}, "
        f"surplus in the ring {verdict.surplus}; records: in the JSON file {verdict.in_json}, "
        f"only in the ring {verdict.only_in_ring} (DEBUG {verdict.debug}, not printed yet {not_printed})"
    )
    return _failures(verdict, burst, newest_half=options.newest_half), counts


def _burst_until_killed(options: argparse.Namespace, files: _Files) -> Burst:
    """Starts the server, lets the clients loose, kills it while they are at it."""
    # Not at a round number: the kill should meet a different moment of the server's work at every run.
    kill_at = options.requests + random.randrange(max(1, options.requests // 10))  # noqa: S311 - not a secret
    with ServerProcess(files.ring, files.json, files.stderr, options.size) as server:
        say("server", f"pid {server.pid}, http://127.0.0.1:{server.port}/; {options.clients} clients in parallel")
        burst = run_clients(server, clients=options.clients, kill_at=kill_at)
    say(
        "killed",
        f"pid {server.pid} by SIGKILL after {burst.at_kill} answers in {burst.seconds:.1f} s, "
        f"with {burst.cut_off} clients waiting for theirs",
    )
    return burst


def _failures(verdict: Verdict, burst: Burst, *, newest_half: bool) -> list[str]:
    failures = [f"a client: {error}" for error in burst.errors]
    if not verdict.expected:
        failures.append("nothing was acknowledged, so nothing was shown")
    if verdict.missing:
        failures.append(f"{len(verdict.missing)} acknowledged ids are not in the ring, {min(verdict.missing)} for one")
    if verdict.torn:
        failures.append(f"{verdict.torn} records are torn")
    if verdict.owner_alive:
        failures.append("the ring says that its owner lives")
    if newest_half and verdict.times_wrapped < _WRAPPED_SEVERAL_TIMES:
        failures.append(f"the ring wrapped only {verdict.times_wrapped:.1f} times; send more requests")
    if not newest_half and verdict.times_wrapped > 0:
        failures.append("the ring wrapped before the kill: give it more room with --size, or look at --newest-half")
    return failures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m printk_ring demo",
        description="Kills a real web server in mid-burst and finds every request that it had answered in its ring.",
    )
    parser.add_argument(
        "--requests", type=_positive, default=4000, metavar="N", help="kill after about so many answers (4000)"
    )
    parser.add_argument("--clients", type=_positive, default=8, metavar="N", help="clients in parallel (8)")
    parser.add_argument("--size", type=_size, default="32 MiB", metavar="SIZE", help="size of the ring file (32 MiB)")
    parser.add_argument(
        "--newest-half",
        action="store_true",
        help="for a ring so small that it wraps several times: look only for what its newest half must hold",
    )
    parser.add_argument(
        "--directory", type=_directory, metavar="DIR", help="where to make the files (a memory file system)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the files")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"not a number of 1 or more: {text!r}")
    return int(text)


def _size(text: str) -> str:
    try:
        _native.parse_size(text)
    except _native.ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _directory(text: str) -> Path:
    if not os.access(text, os.W_OK | os.X_OK) or not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"not a directory to write in: {text!r}")
    return Path(text)


def _roomy_directory(size_bytes: int) -> Path | None:
    """The memory file system if it has room for the ring and the consoles' files; None: where temporary files go."""
    try:
        if shutil.disk_usage(_MEMORY_FILE_SYSTEM).free > size_bytes + _SPARE_BYTES:
            return _MEMORY_FILE_SYSTEM
    except OSError:
        pass
    return None

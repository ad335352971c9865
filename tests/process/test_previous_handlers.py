"""Whoever handled a fatal signal before is asked as ever: faulthandler, a framework, Python code, or nobody."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import PATIENCE_SECONDS, run, succeed
from tests.crashes import CAUSES, crash_files, read_report
from tests.interpreters import FREE_THREADED

if TYPE_CHECKING:
    from pathlib import Path

INSTALL = 'log = pr.install("app.ring", size="256 KiB", consoles=())\n'
ENABLE = "import faulthandler; faulthandler.enable()\n"
# Of a program: C functions as handlers, as a framework has them.
HANDLERS = """
HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)
libc.signal.restype = ctypes.c_void_p
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
kept = []


def put_handler(number, function):
    handler = HANDLER(function)
    kept.append(handler)
    libc.signal(number, ctypes.cast(handler, ctypes.c_void_p))
"""


def program(body: str) -> str:
    """CAUSES, HANDLERS, and what comes then."""
    return CAUSES + HANDLERS + textwrap.dedent(body)


def shown(text: str) -> str:
    """What faulthandler wrote, but for the numbers of threads, which are random, and the C stack (Python 3.14).

    Without the interpreter's lock its own handlers of crashes show the one thread, as "Stack": ours asks for all of them.
    """
    text = re.sub(r"\nCurrent thread's C stack trace .*?\n(?=\n|\Z)", "", text, flags=re.DOTALL)
    if FREE_THREADED:
        text = re.sub(r"(<Cannot show all threads.*>\nStack|Current thread .*) \(most", "Current thread (most", text)
    return re.sub(r"0x[0-9a-f]{16}", "0x", text)


@pytest.mark.parametrize("how", ["segfault", "abort", "division", "overflow"])
def test_faulthandler_writes_what_it_writes_without_us_whichever_came_first(tmp_path: Path, how: str) -> None:
    written, status = {}, {}
    for name, before, options in (
        ("without", ENABLE, ()),
        ("enabled before", ENABLE + INSTALL, ()),
        ("enabled after", INSTALL + ENABLE, ()),
        ("by the option", INSTALL, ("-X", "faulthandler")),
    ):
        folder = tmp_path / name
        folder.mkdir()
        # In one line, so that line numbers are the same.
        code = program("").rstrip() + "\n" + before.replace("\n", ";") + f"die({how!r})"
        done = subprocess.run(
            [sys.executable, *options, "-c", code], check=False, capture_output=True, cwd=folder, text=True
        )
        written[name], status[name] = shown(done.stderr), done.returncode
        assert len(crash_files(folder)) == (name != "without")
        for path in crash_files(folder):
            report = read_report(path)
            assert shown(report.trace).strip() in written[name], "and the same is in the crash file"
    assert written["without"].startswith("Fatal Python error: ")
    assert len(set(status.values())) == 1, status
    assert len(set(written.values())) == 1, written


def test_faulthandlers_own_signals_and_its_state_are_left_alone(tmp_path: Path) -> None:
    done = run(
        program("""
        import faulthandler
        faulthandler.register(signal.SIGUSR1, all_threads=False)
        log = pr.install("app.ring", size="256 KiB", consoles=())
        assert not faulthandler.is_enabled()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert faulthandler.unregister(signal.SIGUSR1)
        assert all(signal.getsignal(number) is signal.SIG_DFL for number in range(signal.SIGRTMIN, signal.SIGRTMAX))
        faulthandler.dump_traceback()
        os.kill(os.getpid(), signal.SIGRTMAX - 1)
        """),
        cwd=tmp_path,
    )
    assert done.returncode == -(signal.SIGRTMAX - 1), "which is anybody's, and ends a process"
    assert done.stderr.count("most recent call first") == 2
    assert not crash_files(tmp_path)


def test_a_handler_in_c_that_was_there_before_is_called_after_the_crash_is_told(tmp_path: Path) -> None:
    done = run(
        program("""
        put_handler(signal.SIGSEGV, lambda number: (os.write(1, b"asked %d" % number), os._exit(42)))
        pr.install("app.ring", size="256 KiB", consoles=[pr.sinks.file("/dev/stdout")])
        die("segfault")
        """),
        cwd=tmp_path,
    )
    assert done.returncode == 42
    first, second = done.stdout.splitlines()
    assert "fatal signal SIGSEGV" in first
    assert second == "asked 11"
    (path,) = crash_files(tmp_path)
    assert read_report(path).events == ["fatal signal SIGSEGV"]


def test_a_handler_that_crashes_itself_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    done = run(
        program("""
        put_handler(signal.SIGSEGV, lambda number: ctypes.string_at(8))
        pr.install("app.ring", size="256 KiB", consoles=())
        die("segfault")
        """),
        cwd=tmp_path,
    )
    assert done.returncode == -signal.SIGSEGV
    (path,) = crash_files(tmp_path)
    assert read_report(path).events == ["fatal signal SIGSEGV"]


def test_a_signal_that_was_sent_and_was_ignored_before_stays_ignored(tmp_path: Path) -> None:
    succeed(
        program("""
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            signal.signal(number, signal.SIG_IGN)
        log = pr.install("app.ring", size="256 KiB", consoles=())
        ctypes.set_errno(0)
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
            os.kill(os.getpid(), number)
            signal.raise_signal(number)
        pr.get_logger().info("it goes on")
        assert [record.event for record in log.reader()] == ["it goes on"]
        """),
        cwd=tmp_path,
    )
    assert not crash_files(tmp_path)
    for how in ("segfault", "abort"):
        ignore = f"signal.signal(signal.{'SIGSEGV' if how == 'segfault' else 'SIGABRT'}, signal.SIG_IGN)\n"
        without = run(program(ignore + f"die({how!r})"), cwd=tmp_path)
        done = run(program(ignore + INSTALL + f"die({how!r})"), cwd=tmp_path)
        assert without.returncode == done.returncode < 0, "what the thread itself does cannot be ignored"


def test_somebody_who_mends_what_was_wrong_has_the_process_go_on_and_the_logs_too(tmp_path: Path) -> None:
    succeed(
        program("""
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        at = libc.mmap(None, 4096, 1, 0x22, -1, 0)
        calls = []

        def mend(number):
            calls.append(number)
            libc.mprotect(at, 4096, 3)

        put_handler(signal.SIGSEGV, mend)
        log = pr.install("app.ring", size="256 KiB", consoles=[pr.sinks.file("console.txt")])
        logger = log.get_logger()
        for number in range(10):
            libc.mprotect(at, 4096, 1)
            ctypes.memset(at, 1, 1)
            logger.info("it goes on", number=number)
        assert calls == [signal.SIGSEGV] * 10
        worker = threading.Thread(target=lambda: logger.info("in another thread"))
        worker.start()
        worker.join()
        assert log.flush(timeout=30.0)
        events = [record.event for record in log.reader()]
        told = ["fatal signal SIGSEGV", "it goes on"] * 8
        told.insert(15, "another handler mends fatal signals: they are told no more")
        assert events == [*told, "it goes on", "it goes on", "in another thread"], events
        """),
        cwd=tmp_path,
    )
    lines = (tmp_path / "console.txt").read_text().splitlines()
    said = [line.partition("] ")[2].partition(" signal=")[0] for line in lines]
    twice = [("printk_ring: fatal signal SIGSEGV", f"it goes on number={number}") for number in range(8)]
    told = list(itertools.chain(*twice))
    told.insert(15, "printk_ring: another handler mends fatal signals: they are told no more")
    assert said == [*told, "it goes on number=8", "it goes on number=9", "in another thread"]
    paths = crash_files(tmp_path)
    assert len(paths) == 8, "no more than that of a process"
    numbers = sorted(int(path.stem.rpartition("-")[2]) for path in paths)
    assert numbers == [*range(1, 9)]
    for path in paths:
        report = read_report(path)
        assert report.events.count("fatal signal SIGSEGV") == int(path.stem.rpartition("-")[2])
    with pr.open(tmp_path / "app.ring") as ring:
        assert ring.info.clean


def test_a_handler_in_python_is_called_when_its_interpreter_comes_to_it(tmp_path: Path) -> None:
    done = run(
        program("""
        signal.signal(signal.SIGABRT, lambda number, frame: print("asked", number, flush=True))
        log = pr.install("app.ring", size="256 KiB", consoles=())
        os.kill(os.getpid(), signal.SIGABRT)
        pr.get_logger().info("it goes on")
        print(*(record.event for record in log.reader()), sep=", ", flush=True)
        die("abort")
        """),
        cwd=tmp_path,
    )
    # abort() itself insists, after its handler has come back: that was the interpreter's, which notes it for later.
    assert done.returncode == -signal.SIGABRT
    assert done.stdout.splitlines() == ["asked 6", "fatal signal SIGABRT, it goes on"]
    assert len(crash_files(tmp_path)) == 2


def test_a_handler_that_comes_after_ours_and_goes_on_to_it_works(tmp_path: Path) -> None:
    done = run(
        program("""
        log = pr.install("app.ring", size="256 KiB", consoles=())

        class Action(ctypes.Structure):
            _fields_ = [("handler", ctypes.c_void_p), ("rest", ctypes.c_char * 256)]

        FULL = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        ours, theirs = Action(), Action()
        libc.sigaction(signal.SIGSEGV, None, ctypes.byref(ours))
        ctypes.memmove(ctypes.byref(theirs), ctypes.byref(ours), ctypes.sizeof(ours))

        def handle(number, info, context):
            os.write(1, b"theirs, ")
            FULL(ours.handler)(number, info, context)

        handler = FULL(handle)
        theirs.handler = ctypes.cast(handler, ctypes.c_void_p).value
        libc.sigaction(signal.SIGSEGV, ctypes.byref(theirs), None)
        assert pr.install("app.ring", size="256 KiB", consoles=()) is log
        die("segfault")
        """),
        cwd=tmp_path,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == -signal.SIGSEGV
    assert done.stdout.startswith("theirs, ")
    (path,) = crash_files(tmp_path)
    assert read_report(path).json["signal"]["code_name"] == "SEGV_MAPERR"


def test_a_signal_that_was_mended_does_not_keep_the_process_from_ending_in_order(tmp_path: Path) -> None:
    code = """
        def mends(number):
            time.sleep(0.5)  # the main thread ends meanwhile

        put_handler(signal.SIGSEGV, mends)
        INSTALL
        ready = threading.Event()

        def raises():
            ready.set()
            libc.raise_ = libc["raise"]
            libc.raise_(signal.SIGSEGV)
            time.sleep(60)

        threading.Thread(target=raises, daemon=True).start()
        ready.wait()
        time.sleep(0.1)
        """
    done = run(program(textwrap.dedent(code).replace("INSTALL", INSTALL.strip())), tmp_path, cwd=tmp_path)
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_an_install_after_somebody_has_reset_the_handlers_handles_signals_again(tmp_path: Path) -> None:
    code = f"""
        import faulthandler
        faulthandler.enable()
        {INSTALL.strip()}
        faulthandler.disable()
        log.close()
        {INSTALL.strip()}
        die("segfault")
        """
    done = run(program(textwrap.dedent(code)), tmp_path, cwd=tmp_path)
    assert done.returncode == -signal.SIGSEGV, done.stderr
    (path,) = crash_files(tmp_path)
    assert read_report(path).text.endswith("** end of the report **\n")


def test_a_crash_behind_the_end_of_the_interpreter_asks_nobody_where_its_threads_are(tmp_path: Path) -> None:
    code = f"""
        {INSTALL.strip()}
        log.get_logger("app").info("alive")
        libc.on_exit(ctypes.cast(libc.abort, ctypes.c_void_p), None)  # called when the interpreter is gone
        """
    done = run(program(code), tmp_path, cwd=tmp_path)
    assert done.returncode == -signal.SIGABRT, (done.returncode, done.stderr)
    (path,) = crash_files(tmp_path)
    text = path.read_text()
    assert text.endswith("** end of the report **\n"), text
    assert "fatal signal SIGABRT" in text
    assert "** SIG" not in text, "no step of the report has crashed"
    assert 'File "' not in text

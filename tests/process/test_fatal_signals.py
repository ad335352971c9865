"""Fatal signals, for real: what a process leaves that dies of one, and that it dies as it would have."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import run, start, succeed
from tests.crashes import CAUSES, crash_files, read_report
from tests.interpreters import FREE_THREADED

if TYPE_CHECKING:
    from pathlib import Path

NAMES_FUNCTION = FREE_THREADED or sys.version_info >= (3, 14)  # of a stack that has grown too deep: the Python one
EXPECTED = {
    "segfault": (signal.SIGSEGV, "SEGV_MAPERR", "string_at"),
    "null call": (signal.SIGSEGV, "SEGV_MAPERR", "in die"),
    "overflow": (signal.SIGSEGV, "SEGV_MAPERR", "in overflow" if NAMES_FUNCTION else "__getattr__"),
    "abort": (signal.SIGABRT, "SI_TKILL", "in die"),
    "double free": (signal.SIGABRT, "SI_TKILL", "free_twice"),
    "bus": (signal.SIGBUS, "BUS_ADRERR", "read_beyond"),
    "division": (signal.SIGFPE, "FPE_INTDIV", "run_code"),
    "illegal": (signal.SIGILL, "ILL_ILLOPN", "run_code"),
}


def program(body: str) -> str:
    """CAUSES, and what comes then."""
    return CAUSES + textwrap.dedent(body)


def dies(folder: Path, body: str, *arguments: object, **options: Any) -> Any:
    """Runs a program that ends by a signal, in `folder`, which is its first argument."""
    done = run(program(body), folder, *arguments, cwd=folder, **options)
    assert done.returncode < 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.mark.parametrize("how", EXPECTED)
def test_the_end_is_the_same_as_without_us_and_the_reason_and_the_last_records_are_everywhere(
    tmp_path: Path, how: str
) -> None:
    expected, code, where = EXPECTED[how]
    without = dies(tmp_path, "die(sys.argv[2])", how)
    done = dies(
        tmp_path,
        """
        log = pr.install("app.ring", size="1 MiB", consoles=[pr.sinks.file("console.txt"), pr.sinks.stderr()])
        logger = pr.get_logger("app")
        for number in range(100):
            logger.info("event", number=number)
        logger.debug("the last one")
        die(sys.argv[2])
        """,
        how,
    )
    assert without.returncode == done.returncode == -expected
    (path,) = crash_files(tmp_path)
    report = read_report(path)
    pid = report.json["pid"]
    assert path.name == f"app.ring.crash-{pid}-1.txt"
    assert (report.json["reason"], report.json["detail"]) == ("Panic", f"fatal signal {expected.name}")
    fault = report.json["signal"]
    assert (fault["number"], fault["name"], fault["code_name"]) == (expected, expected.name, code)
    if code == "SI_TKILL":
        assert fault["sender_pid"] == pid
    elif how in ("segfault", "null call"):
        assert fault["address"] == "0x0000000000000000"
    assert report.json["thread"] == {"tid": pid, "name": "python"}
    assert report.json["ring"] == str(tmp_path / "app.ring")
    assert report.json["command"] == f"-c {tmp_path} {how}"
    assert report.json["counters"]["emitted"] == 102
    reason = f"fatal signal {expected.name}"
    assert report.events == [*["event"] * 100, "the last one", reason]
    assert [record["number"] for record in report.json["records"][:100]] == list(range(100))
    assert report.trace.startswith("Current thread 0x")
    assert where in report.trace
    *records, last = pr.open(tmp_path / "app.ring").reader()
    assert [record.seq for record in records] == list(range(101))
    assert (last.event, last.level, last.fields["code"]) == (reason, pr.Level.EMERG, code)
    for console in ((tmp_path / "console.txt").read_text(), done.stderr.replace(without.stderr, "", 1)):
        *events, end = console.splitlines()
        assert [line.partition("] ")[2] for line in events] == [f"app: event number={n}" for n in range(100)]
        assert end.partition("] ")[2].startswith(f"printk_ring: {reason} signal={int(expected)} code={code} ")


@pytest.mark.parametrize("how", ["segfault", "overflow", "abort"])
def test_a_thread_that_dies_is_named_and_all_threads_are_shown(tmp_path: Path, how: str) -> None:
    dies(
        tmp_path,
        """
        pr.install("app.ring", size="1 MiB", consoles=())
        logger = pr.get_logger("app")

        def work():
            libc.prctl(15, b"the worker")
            logger.info("its first call")
            die(sys.argv[2])

        def waits_elsewhere():
            threading.Event().wait()

        threading.stack_size(1 << 18)  # that of the thread, which overflows
        threading.Thread(target=waits_elsewhere, daemon=True).start()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """,
        how,
    )
    (path,) = crash_files(tmp_path)
    report = read_report(path)
    assert report.json["thread"]["name"] == "the worker"
    assert report.json["thread"]["tid"] != report.json["pid"]
    assert report.events[0] == "its first call"
    assert report.json["records"][-1]["thread"] == "the worker"
    assert report.json["records"][-1]["tid"] == report.json["thread"]["tid"]
    assert report.trace.index("in waits_elsewhere") > report.trace.index("Current thread")
    assert "in <module>" in report.trace, "the main thread, which waits for it"


def test_of_several_threads_that_crash_at_once_one_is_told_of_and_what_others_log_then_is_not_stored(
    tmp_path: Path,
) -> None:
    for _ in range(3):
        dies(
            tmp_path,
            """
            log = pr.install("app.ring", size="1 MiB", consoles=[pr.sinks.file("console.txt")])
            start = threading.Barrier(8)

            def work(number):
                logger = pr.get_logger(str(number))
                logger.info("event")
                start.wait()
                if number % 2:
                    libc.memset(None, 0, 1)  # without the interpreter's lock: they are there at once
                while True:
                    logger.info("event")

            for number in range(8):
                threading.Thread(target=work, args=(number,)).start()
            """,
        )
        (path,) = crash_files(tmp_path)
        report = read_report(path, same_records=False)
        reason = report.events.index("fatal signal SIGSEGV")
        assert len(report.events) - reason <= 8, "calls that had begun, and none that began after it"
        assert report.json["records"][reason]["tid"] == report.json["thread"]["tid"]
        assert (tmp_path / "console.txt").read_text().count("fatal signal") <= 1, "none if the time was over before"
        for file in tmp_path.iterdir():
            file.unlink()


def test_a_report_has_the_newest_records_of_a_large_ring(tmp_path: Path) -> None:
    dies(
        tmp_path,
        """
        log = pr.install("app.ring", size="8 MiB", consoles=())
        logger = pr.get_logger()
        for number in range(20000):
            logger.info("event", number=number)
        die("segfault")
        """,
    )
    (path,) = crash_files(tmp_path)
    report = read_report(path)
    numbers = [record["number"] for record in report.json["records"][:-1]]
    assert numbers == list(range(20001 - 16384, 20000)), "the newest 16,384, of which the reason is one"


def test_what_was_cleared_is_left_out(tmp_path: Path) -> None:
    dies(
        tmp_path,
        """
        log = pr.install("app.ring", size="1 MiB", consoles=())
        pr.get_logger().info("before")
        log.clear()
        pr.get_logger().info("after")
        die("segfault")
        """,
    )
    (path,) = crash_files(tmp_path)
    assert read_report(path).events == ["after", "fatal signal SIGSEGV"]


def test_records_of_any_kind_are_in_the_text_and_in_the_json_as_on_any_console(tmp_path: Path) -> None:
    dies(
        tmp_path,
        """
        pr.install("app.ring", size="1 MiB", consoles=())
        logger = pr.get_logger("app")
        logger.info("two\\nlines", text='a "b"', bytes=b"\\xff", escape="\\x1b[31m")
        try:
            1 / 0
        except ZeroDivisionError:
            logger.exception("raised")
        logger.info("long " + "x" * 40000)
        die("segfault")
        """,
    )
    (path,) = crash_files(tmp_path)
    shown = [str(record) for record in pr.open(tmp_path / "app.ring").reader()]
    text = path.read_text("utf-8")
    assert "\n".join(["last records, oldest first", *shown, "** end of the records: 4 **", ""]) in text
    records = json.loads(path.with_suffix(".json").read_text())["records"]
    assert [record["event"][:9] for record in records] == ["two\nlines", "raised", "long xxxx", "fatal sig"]
    assert records[1]["exception"]["type"] == "ZeroDivisionError"
    assert records[2]["truncated"] is True


def test_a_signal_that_was_sent_names_its_sender(tmp_path: Path) -> None:
    child = start(
        program("""
        pr.install("app.ring", size="1 MiB", consoles=())
        print("ready", flush=True)
        sys.stdin.read()
        """),
        cwd=tmp_path,
    )
    with child:
        child.send_signal(signal.SIGSEGV)
        assert child.wait() == -signal.SIGSEGV
    (path,) = crash_files(tmp_path)
    report = read_report(path)
    assert report.head["signal"] == f"11 SIGSEGV, code 0 SI_USER, sent by process {os.getpid()}"


def test_a_core_file_is_written_as_without_us(tmp_path: Path) -> None:
    ended = succeed(
        program("""
        import resource
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        for installs, how in ((False, "segfault"), (True, "segfault"), (False, "abort"), (True, "abort")):
            if not (child := os.fork()):
                if installs:
                    pr.install("app.ring", size="1 MiB", consoles=())
                die(how)
            _, status = os.waitpid(child, 0)
            print(os.WTERMSIG(status), os.WCOREDUMP(status))
        """),
        cwd=tmp_path,
    ).splitlines()
    assert ended[0] == ended[1], "a segfault"
    assert ended[2] == ended[3], "an abort"
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("no core files may be written here")  # what comes before it runs everywhere
    assert len(crash_files(tmp_path)) == 2
    for core in tmp_path.glob("core*"):
        core.unlink()


def test_who_dies_by_sigkill_or_ends_in_order_leaves_no_crash_file(tmp_path: Path) -> None:
    end = 'pr.install("app.ring", size="1 MiB", consoles=())\npr.get_logger().info("event")\n'
    done = run(CAUSES + end + "os.kill(os.getpid(), signal.SIGKILL)", cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    succeed(CAUSES + end, cwd=tmp_path)
    assert run(CAUSES + end + "sys.exit(3)", cwd=tmp_path).returncode == 3
    assert sorted(file.name for file in tmp_path.iterdir()) == ["app.ring", "app.ring.old.1", "app.ring.old.2"]


def test_without_crash_and_before_install_and_after_close_nothing_is_touched(tmp_path: Path) -> None:
    succeed(
        program("""
        SIGNALS = [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT]

        def caught():
            status = open("/proc/self/status").read()
            return int(status.partition("SigCgt:")[2].split()[0], 16)

        def has_handlers():
            return [bool(caught() >> signal - 1 & 1) for signal in SIGNALS]

        def nameless():
            paths = []
            for name in os.listdir("/proc/self/fd"):
                try:
                    paths.append(os.readlink(f"/proc/self/fd/{name}"))
                except FileNotFoundError:
                    pass  # that of listdir itself
            return [path for path in paths if path.endswith("(deleted)")]

        alternate = (ctypes.c_size_t * 3)()

        def has_alternate_stack():
            assert libc.sigaltstack(None, alternate) == 0
            return alternate[1] & 0xFFFFFFFF != 2

        before = caught()
        assert not any(has_handlers()) and not has_alternate_stack()
        log = pr.install("app.ring", size="256 KiB", consoles=(), crash=False)
        pr.get_logger().info("event")
        assert caught() == before and not has_alternate_stack()
        assert nameless() == [], nameless()
        log.close()
        for _ in range(3):
            log = pr.install("app.ring", size="256 KiB", consoles=())
            assert all(has_handlers()) and has_alternate_stack()
            assert caught() & ~before == sum(1 << number - 1 for number in SIGNALS), "and no other"
            assert len(nameless()) == 2, nameless()
            log.close()
            assert not any(has_handlers())
            assert nameless() == [], nameless()
        """),
        cwd=tmp_path,
    )
    assert not crash_files(tmp_path)
    dies(
        tmp_path,
        """
        for number in range(2):
            log = pr.install("app.ring", size="256 KiB", consoles=())
            pr.get_logger().info("event", number=number)
            if number == 0:
                log.close()
        die("segfault")
        """,
    )
    (path,) = crash_files(tmp_path)
    assert [record.get("number") for record in read_report(path).json["records"]] == [1, None]
    path.unlink()
    path.with_suffix(".json").unlink()
    dies(tmp_path, 'pr.install("app.ring", size="256 KiB", consoles=()).close()\ndie("segfault")')
    assert not crash_files(tmp_path)


def test_the_ring_file_cut_short_is_named(tmp_path: Path) -> None:
    dies(
        tmp_path,
        """
        pr.install("app.ring", size="1 MiB", consoles=())
        logger = pr.get_logger()
        logger.info("event")
        os.truncate("app.ring", 8192)
        while True:
            logger.info("event")
        """,
    )
    (path,) = crash_files(tmp_path)
    text = path.read_text("utf-8")
    assert "\nsignal     7 SIGBUS, code 2 BUS_ADRERR, address 0x" in text
    assert "the address is in the memory of a log of this process: its ring file was cut short" in text
    assert text.endswith("** end of the report **\n")

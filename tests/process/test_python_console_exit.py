"""Python consoles and the end of the interpreter, of a thread, of a process: it neither hangs nor aborts."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.children import run, succeed

if TYPE_CHECKING:
    from pathlib import Path

# Longer than any of these programs may take, shorter than what they would hang on.
LIMIT = {"timeout": 60.0}

STUCK = """
    import sys, threading, time
    import printk_ring as pr

    entered = threading.Event()
    lock = threading.Lock()
    lock.acquire()

    def callback(record):
        entered.set()
        {stick}

    log = pr.install(size="256 KiB", consoles=[pr.sinks.callable(callback)])
    pr.get_logger().info("event")
    assert entered.wait(30.0)
    {end}
"""


@pytest.mark.parametrize(
    "stick", ["time.sleep(1000)", "lock.acquire()", "threading.Event().wait()", "sys.stdin.read()"]
)
@pytest.mark.parametrize("end", ["", "log.close()", "sys.exit(0)", "log.consoles()[0].remove(timeout=0.1)"])
def test_a_callback_that_never_returns_does_not_hold_up_the_exit(stick: str, end: str) -> None:
    done = run(STUCK.format(stick=stick, end=end), stdin=None, **LIMIT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("wakes", ["time.sleep(2.5)", "give_up.wait(2.5)", "lock.acquire(timeout=2.5)"])
def test_a_callback_that_wakes_while_the_interpreter_ends_stands_still(wakes: str) -> None:
    # The exit waits 1 s for the callback; then the end of a module takes so long that it wakes in the middle of that.
    done = run(
        f"""
        import os, sys, threading, time, types
        import printk_ring as pr

        class Slow:
            def __del__(self, sleep=time.sleep, write=os.write):
                for _ in range(400):
                    sleep(0.01)
                write(2, b"the end")

        sys.modules["slow"] = types.ModuleType("slow")
        sys.modules["slow"].slow = Slow()
        entered = threading.Event()
        give_up = threading.Event()
        lock = threading.Lock()
        lock.acquire()

        def callback(record):
            entered.set()
            {wakes}
            os.write(2, b"woken in a dead interpreter")

        log = pr.install(size="256 KiB", consoles=[pr.sinks.callable(callback)])
        pr.get_logger().info("event")
        assert entered.wait(30.0)
        """,
        **LIMIT,
    )
    assert (done.returncode, done.stderr) == (0, "the end")


def test_a_callback_that_computes_without_end_does_not_hold_up_the_exit() -> None:
    done = run(STUCK.format(stick="while True: pass", end=""), **LIMIT)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_left_is_handed_over_at_the_exit() -> None:
    out = succeed(
        """
        import printk_ring as pr

        log = pr.install(size="1 MiB", consoles=[pr.sinks.callable(lambda record: print(record.message))])
        for number in range(3000):
            pr.get_logger().info(str(number))
        """,
        **LIMIT,
    )
    assert out.split() == [str(number) for number in range(3000)]


def test_threads_that_log_while_the_interpreter_ends_neither_hang_nor_abort() -> None:
    done = run(
        """
        import threading, time
        import printk_ring as pr

        log = pr.install(
            size="256 KiB",
            consoles=[
                {"sink": pr.sinks.callable(lambda record: time.sleep(0.0001)), "overflow": "block"},
                (pr.sinks.file("/dev/null"), {"format": lambda record: record.message}),
            ],
        )
        logger = pr.get_logger()

        class Late:
            def __del__(self):
                for number in range(2000):
                    logger.info("late %d", number)

        late = Late()

        def work():
            while True:
                logger.info("event", a=1, b="x")

        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
        """,
        **LIMIT,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "call",
    [
        "logger.info('event', x=Slow())",
        "logger.info(Slow())",
        "logger.info('%s', Slow())",
        "logger.info('event', x=[{'a': Slow()}])",
        "logger.info('event', exc_info=Slow())",
        "logger.info('event', extra={Slow(): 1})",
        "logging.getLogger().warning('%s', Slow())",
        "logger.info('event', stack_info=Truth())",
        "logger.info('event', when=datetime.datetime(2026, 1, 1, tzinfo=Zone()))",
        "logger.info('event', path=Place('a'))",
        "logger.info('event', id=Number(int=1))",
        "logger.info('event', extra=Items())",
        "logger.info('%s', Items())",
        "logger.info('event', exc_info=Truth())",
    ],
)
def test_a_daemon_thread_in_a_log_call_when_the_interpreter_ends_stands_still(call: str) -> None:
    done = run(
        f"""
        import collections.abc, datetime, logging, os, pathlib, sys, threading, time, types, uuid
        import printk_ring as pr

        class Late:
            def __del__(self, sleep=time.sleep, write=os.write):
                for _ in range(100):
                    sleep(0.01)
                write(2, b"the end")

        sys.modules["late"] = types.ModuleType("late")
        sys.modules["late"].late = Late()

        def slowly(*_):
            entered.set()
            time.sleep(0.3)

        class Slow(Exception):
            __index__ = __hash__ = __str__ = slowly

        class Truth:
            __bool__ = slowly

        class Zone(datetime.tzinfo):
            utcoffset = slowly

        class Place(pathlib.PurePosixPath):
            __str__ = slowly

        class Number(uuid.UUID):
            bytes = property(slowly)

        class Items(collections.abc.Mapping):
            __getitem__ = __iter__ = __len__ = items = slowly

        entered = threading.Event()
        log = pr.install(size="256 KiB", consoles=[], capture_logging=True)
        logger = pr.get_logger()
        threading.Thread(target=lambda: {call}, daemon=True).start()
        assert entered.wait(30.0)
        """,
        **LIMIT,
    )
    assert (done.returncode, done.stderr) == (0, "the end")


def test_after_the_exit_has_begun_nothing_is_handed_over_and_no_such_console_is_added() -> None:
    out = succeed(
        """
        import atexit, time
        import printk_ring as pr

        def late():  # registered before the log's own hook, and so run after it
            logger.info("late")
            time.sleep(0.2)
            assert log.consoles() == []
            assert log.flush(timeout=30.0)
            for attempt in (
                lambda: log.add_console(pr.sinks.callable(print)),
                lambda: log.add_console(pr.sinks.stderr(), format=lambda record: "text"),
            ):
                try:
                    attempt()
                except pr.ConfigError as error:
                    assert "about to end" in str(error)
                else:
                    raise AssertionError
            assert [record.message for record in log.reader()] == ["event", "late"]
            print("checked")

        atexit.register(late)
        log = pr.install(size="256 KiB", consoles=[pr.sinks.callable(lambda record: print(record.message))])
        logger = pr.get_logger()
        logger.info("event")
        """,
        **LIMIT,
    )
    assert out.split() == ["event", "checked"]


def test_sys_exit_in_a_thread_and_in_a_callback_ends_neither() -> None:
    out = succeed(
        """
        import sys, threading
        import printk_ring as pr

        def callback(record):
            if record.message == "exit":
                sys.exit(3)
            print(record.message)

        log = pr.install(size="256 KiB", consoles=[pr.sinks.callable(callback)])
        logger = pr.get_logger()

        def work():
            logger.info("exit")
            sys.exit(3)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        logger.info("event")
        """,
        **LIMIT,
    )
    assert out.split() == ["event"]


def test_os_exit_ends_at_once_also_inside_a_callback() -> None:
    done = run(STUCK.format(stick="time.sleep(1000)", end="import os; os._exit(3)"), **LIMIT)
    assert (done.returncode, done.stderr) == (3, "")
    done = run(STUCK.format(stick="import os; os._exit(4)", end="time.sleep(1000)"), **LIMIT)
    assert (done.returncode, done.stderr) == (4, "")


def test_an_interrupt_reaches_the_main_thread_and_not_the_callback() -> None:
    done = run(
        """
        import os, signal, threading, time
        import printk_ring as pr

        entered = threading.Event()
        failed = []

        def callback(record):
            entered.set()
            try:
                time.sleep(0.5)
            except BaseException as error:
                failed.append(error)

        log = pr.install(size="256 KiB", consoles=[pr.sinks.callable(callback)])
        pr.get_logger().info("event")
        assert entered.wait(30.0)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1000)
        except KeyboardInterrupt:
            print("interrupted")
        assert log.flush(timeout=30.0)
        assert not failed
        """,
        **LIMIT,
    )
    assert (done.returncode, done.stdout) == (0, "interrupted\n")


def test_a_signal_that_the_main_thread_waits_for_is_not_taken_by_an_idle_console() -> None:
    out = succeed(
        """
        import os, signal, time
        import printk_ring as pr

        log = pr.install(size="256 KiB", consoles=[pr.sinks.callable(lambda record: None), pr.sinks.memory()])
        pr.get_logger().info("event")
        assert log.flush(timeout=30.0)
        time.sleep(0.3)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        os.kill(os.getpid(), signal.SIGUSR1)  # a thread that does not block it would end the process
        print(signal.sigwait([signal.SIGUSR1]).name)
        """,
        **LIMIT,
    )
    assert out == "SIGUSR1\n"


def test_a_program_that_a_callback_starts_has_its_usual_signals(tmp_path: Path) -> None:
    out = tmp_path / "mask"
    succeed(
        """
        import signal, subprocess, sys
        import printk_ring as pr

        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])

        def callback(record):
            with open(sys.argv[1], "w") as file:
                subprocess.run(["grep", "SigBlk", "/proc/self/status"], stdout=file)

        log = pr.install(size="256 KiB", consoles=[pr.sinks.callable(callback)])
        pr.get_logger().info("event")
        assert log.flush(timeout=30.0)
        """,
        out,
        **LIMIT,
    )
    assert int(out.read_text().split()[1], 16) == 1 << (signal.SIGUSR1 - 1)


FORKED = """
    import os, sys, threading, time, warnings
    import printk_ring as pr

    warnings.simplefilter("ignore")  # newer Pythons warn of forks in threaded programs
    shown = []
    out = os.dup(1)

    def callback(record):
        shown.append((os.getpid(), record.message, threading.get_native_id()))
        {extra}

    memory = pr.sinks.memory()
    log = pr.install(size="1 MiB", consoles=[
        pr.sinks.callable(callback), memory, (pr.sinks.file(sys.argv[1]), {{"format": lambda record: record.message}})
    ])
    logger = pr.get_logger()
    logger.info("of the parent")
    assert log.flush(timeout=30.0)
"""


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)"])
def test_a_forked_childs_python_consoles_work_in_the_child(tmp_path: Path, end: str) -> None:
    out = tmp_path / "out"
    succeed(
        FORKED.format(extra="pass")
        + f"""
    if (child := os.fork()) == 0:
        shown.clear()
        memory.clear()
        for number in range(100):
            logger.info(f"of the child {{number}}")
        assert log.flush(timeout=30.0)
        pids, messages, threads = zip(*shown)
        assert set(pids) == {{os.getpid()}}
        assert list(messages) == [f"of the child {{number}}" for number in range(100)]
        assert len(set(threads)) == 1 and threads[0] != threading.get_native_id()
        assert [record.message for record in memory.records] == list(messages)
        {end}
    assert os.waitpid(child, 0)[1] == 0
    logger.info("of the parent again")
    assert log.flush(timeout=30.0)
    assert [message for _, message, _ in shown] == ["of the parent", "of the parent again"]
    """,
        out,
        **LIMIT,
    )
    lines = out.read_text().splitlines()
    assert lines[0] == "of the parent"
    assert lines[-1] == "of the parent again"
    assert lines[1:-1] == [f"of the child {number}" for number in range(100)]


def test_a_fork_while_a_callback_runs_leaves_both_processes_working(tmp_path: Path) -> None:
    succeed(
        FORKED.format(extra="time.sleep(0.01)")
        + """
    for round in range(10):
        for _ in range(3):
            logger.info("event")
        if (child := os.fork()) == 0:
            shown.clear()
            logger.info("of the child")
            assert log.flush(timeout=30.0)
            assert [message for _, message, _ in shown] == ["of the child"]
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert log.flush(timeout=30.0)
    assert len(shown) == 31
    """,
        tmp_path / "out",
        **LIMIT,
    )


@pytest.mark.parametrize("end", ["os._exit(7)", "return"])
def test_a_fork_inside_a_callback_leaves_the_parents_console_alone(tmp_path: Path, end: str) -> None:
    succeed(
        f"""
        import os, sys, warnings
        import printk_ring as pr

        warnings.simplefilter("ignore")
        ends = []

        def callback(record):
            if record.message != "fork":
                return
            if (child := os.fork()) == 0:
                pr.get_logger().info("of the child")
                assert [record.message for record in log.reader()] == ["of the child"]
                assert log.flush(timeout=30.0)
                {end}
            else:
                ends.append(os.waitpid(child, 0)[1])

        log = pr.install(sys.argv[1], size="256 KiB", consoles=[pr.sinks.callable(callback)])
        for message in ("a", "fork", "b"):
            pr.get_logger().info(message)
        assert log.flush(timeout=30.0)
        console = log.consoles()[0]
        assert (console.seq, console.alive, console.errors) == (3, True, 0)
        assert ends == [7 << 8 if {end!r} == "os._exit(7)" else 0], ends
        pr.get_logger().info("c")
        assert log.flush(timeout=30.0)
        assert console.seq == 4
        """,
        tmp_path / "app.ring",
        **LIMIT,
    )


def test_a_killed_process_leaves_its_file_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    done = run(
        """
        import os, signal, sys, threading, time
        import printk_ring as pr

        entered = threading.Event()

        def callback(record):
            entered.set()
            time.sleep(1000)

        log = pr.install(sys.argv[1], size="256 KiB", consoles=[pr.sinks.callable(callback)])
        pr.get_logger().info("event")
        assert entered.wait(30.0)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        path,
        **LIMIT,
    )
    assert done.returncode == -signal.SIGKILL
    import printk_ring as pr  # noqa: PLC0415

    with pr.open(path) as ring:
        assert [record.event for record in ring.reader()] == ["event"]
        assert ring.stats()["consoles"]["callable"]["lag"] == 1

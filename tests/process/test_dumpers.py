"""Dumpers in whole processes: in forked children, at the exit, while logs close."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.children import run, succeed

if TYPE_CHECKING:
    from pathlib import Path


def test_dumpers_that_threads_of_a_child_register_first_of_all_are_registered_once(tmp_path: Path) -> None:
    succeed(
        """
        import os, sys, threading
        import printk_ring as pr

        log, parents = pr.Log(sys.argv[1], size="256 KiB"), []
        for _ in range(3):
            log.register_dumper(lambda *_: parents.append(1))
        for _ in range(100):
            child = os.fork()
            if child:
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
                continue
            start, dumpers, calls = threading.Barrier(3), [], []

            def register():
                start.wait()
                dumpers.append(log.register_dumper(lambda *_: calls.append(1)))

            threads = [threading.Thread(target=register) for _ in range(2)]
            [thread.start() for thread in threads]
            start.wait()
            [thread.join() for thread in threads]
            log._call_dumpers("panic")
            called = len(calls), len(parents)
            [dumper.unregister() for dumper in dumpers]
            os._exit(0 if called == (2, 3) and log._call_dumpers("panic") == 3 else 1)
        """,
        tmp_path / "app.ring",
    )


def test_in_a_child_that_is_forked_during_a_dump_nobody_is_in_the_dumper() -> None:
    succeed("""
        import os, threading
        import printk_ring as pr

        log, parent = pr.Log(size="256 KiB"), os.getpid()
        entered, leave, seen = threading.Event(), threading.Event(), []

        def code(reason, detail):
            with dumper.alone() as alone:
                seen.append((dumper.running, alone))
                if os.getpid() == parent:  # a lock of the event may be held for ever in the child
                    entered.set()
                    leave.wait(30)

        dumper = log.register_dumper(code)
        thread = threading.Thread(target=log._call_dumpers, args=("panic",))
        thread.start()
        assert entered.wait(30)
        child = os.fork()
        if not child:
            log.get_logger().info("the child's")
            running = dumper.running
            log._call_dumpers("panic")
            os._exit(0 if (running, seen[1]) == (0, (1, True)) else 1)
        leave.set()
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert seen == [(1, True)]
    """)


def test_a_dumper_that_comes_while_its_log_closes_is_refused_or_taken_off() -> None:
    succeed("""
        import threading, time
        import printk_ring as pr

        late = 0
        for round in range(400):
            log, start = pr.Log(size="256 KiB"), threading.Barrier(2)
            dumpers = []

            def register():
                start.wait()
                for _ in range(31):
                    try:
                        dumpers.append(log.register_dumper(lambda *_: None))
                    except pr.ConfigError as error:
                        assert "closed" in str(error)

            thread = threading.Thread(target=register)
            thread.start()
            start.wait()
            time.sleep(round % 30 * 1e-5)
            log.close()
            thread.join()
            late += any(dumper.registered for dumper in dumpers) + log._call_dumpers("panic")
        assert late == 0, late
    """)


def test_what_a_dumper_logs_at_the_exit_is_printed_however_long_it_takes() -> None:
    done = run("""
        import time
        import printk_ring as pr

        log = pr.install(size="1 MiB", consoles=[pr.sinks.callable(lambda record: print(record.event, flush=True))])

        def slow(reason, detail):
            time.sleep(1.5)  # longer than the exit's own second
            for number in range(100):
                pr.get_logger().info(f"number {number}")

        log.register_dumper(slow, always=True)
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"number {number}" for number in range(100)]


def test_threads_that_are_in_a_dumper_when_the_interpreter_ends_stand_still() -> None:
    for fails in (False, True):
        for _ in range(6):
            done = run(
                """
                import sys, threading, time
                import printk_ring as pr

                log, fails = pr.Log(size="256 KiB"), sys.argv[1] == "True"
                sys.setswitchinterval(1e-5)
                sys.unraisablehook = lambda args: sum(range(2000))

                def code(reason, detail):
                    if fails:
                        raise ValueError

                log.register_dumper(code)

                def loop():
                    while True:
                        log._call_dumpers("oops")

                for _ in range(3):
                    threading.Thread(target=loop, daemon=True).start()
                time.sleep(0.05)
                """,
                fails,
            )
            assert (done.returncode, done.stderr) == (0, "")


def test_unregistering_late_in_the_exit_waits_for_nobody_for_ever() -> None:
    succeed("""
        import sys, threading, time
        import printk_ring as pr

        log, entered = pr.Log(size="256 KiB"), threading.Event()
        dumper = log.register_dumper(lambda *_: entered.set() or time.sleep(3600))

        class Unregisters:
            def __init__(self):
                self.dumper, self.log = dumper, log

            def __del__(self):
                self.dumper.unregister()

        sys.unregisters = Unregisters()
        threading.Thread(target=log._call_dumpers, args=("oops",), daemon=True).start()
        assert entered.wait(30)
    """)

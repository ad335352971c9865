"""`Log.panic`: a process that gives itself up, and what is left of it."""

from __future__ import annotations

import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import printk_ring as pr
from tests.children import run

if TYPE_CHECKING:
    from pathlib import Path


def dies(program: str, *arguments: object, **options: Any) -> str:
    """Runs a program that has to end by SIGABRT, and returns what it wrote to stderr."""
    done = run(program, *arguments, **options)
    assert done.returncode == -signal.SIGABRT, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return str(done.stderr)


def test_the_reason_is_the_last_line_of_every_console_of_every_log_and_of_the_ring(tmp_path: Path) -> None:
    stderr = dies(
        """
        import sys
        import printk_ring as pr

        ring, first, second = sys.argv[1:]
        log = pr.install(ring, size="256 KiB", consoles=[pr.sinks.file(first), pr.sinks.stderr()])
        other = pr.Log(size="256 KiB", consoles=[pr.sinks.file(second)])
        other.get_logger().info("of the other log")
        pr.get_logger("app").info("before")
        log.panic("out of ideas \\udcff")
        """,
        tmp_path / "app.ring",
        tmp_path / "first.txt",
        tmp_path / "second.txt",
    )
    for text in (stderr, (tmp_path / "first.txt").read_text()):
        before, reason = text.splitlines()
        assert before.endswith("app: before")
        assert reason.endswith("] out of ideas \ufffd")
    assert (tmp_path / "second.txt").read_text().endswith("] of the other log\n")
    ring = pr.open(tmp_path / "app.ring")
    *_, last = ring.reader()
    assert (last.event, last.level) == ("out of ideas \ufffd", pr.Level.EMERG)
    assert not ring.info.clean


def test_nothing_comes_behind_the_reason_however_much_other_threads_log(tmp_path: Path) -> None:
    dies(
        """
        import sys, threading, time
        import printk_ring as pr

        log = pr.install(sys.argv[1], size="1 MiB", consoles=[pr.sinks.file(sys.argv[2])])
        logger = log.get_logger("app")

        def work():
            while True:
                logger.info("work")

        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.05)
        log.panic("enough")
        """,
        tmp_path / "app.ring",
        tmp_path / "console.txt",
    )
    records = list(pr.open(tmp_path / "app.ring").reader())
    # A call that had begun may have ended behind the reason; none that began after it.
    after = [record.event for record in records].index("enough")
    assert len(records) - after <= 5, "one each, and the reason"


def test_whoever_panics_second_waits_for_the_first_and_its_reason_is_not_heard(tmp_path: Path) -> None:
    for _ in range(5):
        dies(
            """
            import sys, threading
            import printk_ring as pr

            log = pr.Log(sys.argv[1], size="256 KiB", consoles=[pr.sinks.file(sys.argv[2])])
            start = threading.Barrier(4)

            def panic(number):
                start.wait()
                log.panic(f"reason {number}")

            threads = [threading.Thread(target=panic, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            """,
            tmp_path / "app.ring",
            tmp_path / "console.txt",
        )
        assert sum("reason" in record.event for record in pr.open(tmp_path / "app.ring").reader()) == 1
        printed = (tmp_path / "console.txt").read_text()
        assert printed.count("reason") == 1
        (tmp_path / "console.txt").unlink()


def test_a_reader_that_does_not_read_and_a_console_that_hangs_cost_only_themselves(tmp_path: Path) -> None:
    dies(
        """
        import os, sys, threading, time
        import printk_ring as pr

        os.dup2(os.pipe()[1], 1)  # which nobody reads
        entered = threading.Event()

        def hangs(record):
            entered.set()
            threading.Event().wait()

        log = pr.Log(size="256 KiB", consoles=[pr.sinks.stdout(), pr.sinks.file(sys.argv[1])])
        log.add_console(pr.sinks.callable(hangs))
        logger = log.get_logger("app")
        pipe, file, hung = log.consoles()
        while pipe.lag < 100:
            logger.info("x" * 1000)
            time.sleep(0.0002)
        assert entered.wait(30)
        log.panic("nobody listens")
        """,
        tmp_path / "console.txt",
    )
    assert (tmp_path / "console.txt").read_text().endswith("] nobody listens\n")


def test_a_python_console_prints_the_reason_by_its_own_thread(tmp_path: Path) -> None:
    for _ in range(10):
        dies(
            """
            import os, sys
            import printk_ring as pr

            path = sys.argv[1]

            def code(record):
                with open(path, "a") as file:
                    print(record.event, file=file)

            log = pr.Log(size="256 KiB", consoles=[pr.sinks.callable(code)])
            log.flush()
            log.panic("the end")
            """,
            tmp_path / "printed.txt",
        )
        # Within the bound, if the machine lets it run: what is promised is that it is let.
        if (tmp_path / "printed.txt").exists():
            break
    assert (tmp_path / "printed.txt").read_text().endswith("the end\n")


def test_a_panic_within_sections_while_suspended_and_where_callers_print(tmp_path: Path) -> None:
    for section in ("deferred", "emergency", "report", "suspended", "caller", "enforced"):
        path = tmp_path / f"{section}.txt"
        dies(
            """
            import sys
            import printk_ring as pr

            section, path = sys.argv[1:]
            log = pr.Log(size="256 KiB", consoles=[pr.sinks.file(path)])
            match section:
                case "suspended":
                    log.suspend()
                case "caller":
                    log.offload.mode = "caller"
                case "enforced":
                    log.offload.enforce_emergency = True
                case name:
                    getattr(log, name)().__enter__()
            log.get_logger().info("before")
            log.panic("the end")
            """,
            section,
            path,
        )
        before, reason = path.read_text().splitlines()
        assert (before.endswith("before"), reason.endswith("the end")) == (True, True), section


def test_a_forked_child_that_panics_first_of_all_has_a_ring_of_its_own(tmp_path: Path) -> None:
    done = run(
        """
        import os, signal, sys
        import printk_ring as pr

        log = pr.install(sys.argv[1], size="256 KiB", consoles=[pr.sinks.file(sys.argv[2])])
        pr.get_logger().info("the parent's")
        child = os.fork()
        if not child:
            log.panic("the child's end")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGABRT
        pr.get_logger().info("goes on")
        assert log.flush(30)
        print(child)
        """,
        tmp_path / "app.ring",
        tmp_path / "console.txt",
    )
    assert done.returncode == 0, done.stderr
    (last,) = pr.open(tmp_path / f"app.ring.fork-{done.stdout.strip()}").reader()
    assert last.event == "the child's end"
    events = [line.partition("] ")[2] for line in (tmp_path / "console.txt").read_text().splitlines()]
    assert sorted(events) == ["goes on", "the child's end", "the parent's"]


def test_a_closed_log_panics_too(tmp_path: Path) -> None:
    dies(
        """
        import sys
        import printk_ring as pr

        other = pr.Log(size="256 KiB", consoles=[pr.sinks.file(sys.argv[1])])
        other.suspend()
        other.get_logger().info("of the other log")
        log = pr.Log(size="256 KiB")
        log.close()
        log.panic("too late")
        """,
        tmp_path / "console.txt",
    )
    assert (tmp_path / "console.txt").read_text().endswith("] of the other log\n")


def test_faulthandler_shows_where_it_was(tmp_path: Path) -> None:
    stderr = dies(
        """
        import faulthandler
        import printk_ring as pr

        faulthandler.enable()

        def gives_up():
            pr.Log(size="256 KiB").panic("the end")

        gives_up()
        """
    )
    assert "Fatal Python error: Aborted" in stderr
    assert "gives_up" in stderr


def test_what_is_no_text_is_refused_and_the_process_goes_on(log: pr.Log) -> None:
    for wrong in (None, 3, b"bytes"):
        try:
            log.panic(wrong)  # type: ignore[arg-type]
        except TypeError:
            continue
        raise AssertionError(f"{wrong!r} was taken")


def test_dumpers_are_called_before_anything_is_printed_those_of_all_logs(tmp_path: Path) -> None:
    dies(
        """
        import sys
        import printk_ring as pr

        console, notes = sys.argv[1:]
        log = pr.Log(size="256 KiB", consoles=[pr.sinks.file(console)])
        other = pr.Log(size="256 KiB")

        def note(name):
            def dumper(reason, detail):
                with open(notes, "a") as file:
                    print(name, reason.name, detail, open(console).read().count("the end"), file=file)
            return dumper

        other.register_dumper(note("other"))
        log.register_dumper(note("first"))
        log.register_dumper(note("second"), max_reason="panic")
        log.register_dumper(lambda *_: 1 / 0)
        log.register_dumper(lambda *_: log.panic("once more"))
        log.panic("the end")
        """,
        tmp_path / "console.txt",
        tmp_path / "notes.txt",
    )
    notes = (tmp_path / "notes.txt").read_text().splitlines()
    assert notes[:2] == ["first PANIC the end 0", "second PANIC the end 0"]
    printed = [line.partition("] ")[2] for line in (tmp_path / "console.txt").read_text().splitlines()]
    assert printed == ["the end", "once more"], "a dumper that panics ends the dump, and not the rest"


def test_dumpers_of_other_logs_are_called_after_those_of_the_log_that_panics(tmp_path: Path) -> None:
    dies(
        """
        import sys
        import printk_ring as pr

        def note(name):
            def dumper(reason, detail):
                with open(sys.argv[1], "a") as file:
                    print(name, reason.name, detail, file=file)
            return dumper

        logs = [pr.Log(size="256 KiB") for _ in range(3)]
        for at, log in enumerate(logs):
            log.register_dumper(note(at))
        logs[1].panic("the end")
        """,
        tmp_path / "notes.txt",
    )
    first, *others = (tmp_path / "notes.txt").read_text().splitlines()
    assert first == "1 PANIC the end"
    assert sorted(others) == ["0 PANIC the end", "2 PANIC the end"]


def test_where_a_dumper_has_saved_the_records_python_consoles_are_left_out(tmp_path: Path) -> None:
    program = """
        import sys
        import printk_ring as pr

        path, saves, skips = sys.argv[1:]

        def code(record):
            with open(path, "a") as file:
                print(record.event, file=file)

        log = pr.Log(size="256 KiB", consoles=[pr.sinks.callable(code)])
        log.offload.skip_unreliable_if_saved = skips == "skips"
        log.register_dumper(lambda *_: None, preserves=saves == "saves")
        log.get_logger().info("before")
        assert log.flush(30)
        log.panic("the end")
        """
    for saves, skips in (("saves", "skips"), ("saves", "asks"), ("fails", "skips")):
        is_left_out, printed = (saves, skips) == ("saves", "skips"), False
        for attempt in range(10):
            path = tmp_path / f"{saves}-{skips}-{attempt}.txt"
            dies(program, path, saves, skips)
            printed = path.read_text().splitlines() == ["before", "the end"]
            if printed or is_left_out:  # within the bound, if the machine lets it
                break
        assert printed is not is_left_out


def test_the_orderly_exit_is_a_reason_too(tmp_path: Path) -> None:
    done = run(
        """
        import sys
        import printk_ring as pr

        log = pr.install(size="256 KiB", consoles=[pr.sinks.file(sys.argv[1])])
        log.register_dumper(lambda reason, detail: pr.get_logger().info(reason.name), max_reason="shutdown")
        log.register_dumper(lambda reason, detail: print("not for this"))
        """,
        tmp_path / "console.txt",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "console.txt").read_text().endswith("] SHUTDOWN\n")


def test_a_console_that_only_its_own_thread_can_print_on_gets_the_reason_too() -> None:
    # A socket, as stderr is under many service managers, cannot be opened once more for callers that must not wait.
    program = """
        import sys
        import printk_ring as pr

        # With a crash file consoles that take locks are not asked: it has saved the records.
        log = pr.install(crash=False, consoles=[{"sink": pr.sinks.stderr(), "reliability": int(sys.argv[1])}])
        if sys.argv[2] == "smp":
            log.offload.mode = "smp"
        if sys.argv[2] == "suspended":
            log.suspend()
        if sys.argv[2] == "emergency":
            log.emergency().__enter__()
        log.panic("the end")
        """
    for reliability in (2, 3):
        for how in ("usual", "smp", "suspended", "emergency"):
            said = b""
            for _ in range(10):  # within the bound, if the machine lets it run
                ours, theirs = socket.socketpair()
                with ours, theirs:
                    dies(program, reliability, how, stderr=theirs, capture_output=False, stdout=subprocess.PIPE)
                    theirs.close()
                    said = ours.recv(65536)
                if said.endswith(b"] the end\n"):
                    break
            assert said.endswith(b"] the end\n"), (reliability, how)


def test_a_log_that_goes_while_a_thread_panics_keeps_nobody_waiting_and_its_dumpers_are_called() -> None:
    for who in ("another thread", "its own dumper"):
        stderr = dies(
            """
            import os, sys, threading
            import printk_ring as pr

            log, other = pr.Log(size="256 KiB", consoles=[pr.sinks.stderr()]), pr.Log(size="256 KiB")
            started, dropped = threading.Event(), threading.Event()

            def drop():
                global other
                other = None
                dropped.set()

            def first(reason, detail):
                started.set()
                if sys.argv[1] == "its own dumper":
                    drop()
                assert dropped.wait(30)
                [bytearray(200 + size) for size in range(20_000)]

            def second(reason, detail):
                os.write(2, b"called\\n")

            other.register_dumper(first)
            other.register_dumper(second)
            log.register_dumper(lambda *_: os.write(2, b"called\\n"))
            if sys.argv[1] == "another thread":
                threading.Thread(target=lambda: started.wait() and drop(), daemon=True).start()
            log.panic("the end")
            """,
            who,
            timeout=9.0,
        )
        assert stderr.endswith("] the end\n"), who
        assert stderr.count("called") >= 1


def test_what_a_dumper_logs_in_a_panic_waits_for_no_console(tmp_path: Path) -> None:
    dies(
        """
        import sys
        import printk_ring as pr

        log = pr.Log(size="256 KiB")
        log.add_console(pr.sinks.callable(lambda record: None), overflow="block", block_timeout=30.0)

        def much(reason, detail):
            for _ in range(5000):
                log.get_logger().info("x" * 100)
            with open(sys.argv[1], "w") as file:
                print(log.stats()["block_timeouts"], file=file)

        log.register_dumper(much)
        log.panic("the end")
        """,
        tmp_path / "timeouts.txt",
        timeout=25.0,
    )
    assert (tmp_path / "timeouts.txt").read_text() == "0\n"


def test_a_process_whose_main_thread_ends_while_another_one_panics_ends_by_that(tmp_path: Path) -> None:
    dies(
        """
        import sys, threading, time
        import printk_ring as pr

        log = pr.install(size="256 KiB", consoles=[pr.sinks.file(sys.argv[1])])
        started = threading.Event()
        log.register_dumper(lambda *_: started.set() or time.sleep(2.5))
        threading.Thread(target=lambda: log.panic("the end"), daemon=True).start()
        assert started.wait(30)
        """,
        tmp_path / "console.txt",
        cwd=tmp_path,  # for its crash file
    )
    assert (tmp_path / "console.txt").read_text().endswith("] the end\n")


def test_a_python_console_that_hangs_costs_other_logs_nothing(tmp_path: Path) -> None:
    for first in ("hangs", "prints"):
        path = tmp_path
        for attempt in range(10):
            path = tmp_path / f"{first}-{attempt}.txt"
            dies(
                """
                import sys, threading
                import printk_ring as pr

                path, first = sys.argv[1:]

                def prints(record):
                    with open(path, "a") as file:
                        print(record.event, file=file)

                def hangs(record):
                    threading.Event().wait()

                codes = (hangs, prints) if first == "hangs" else (prints, hangs)
                logs = [pr.Log(size="256 KiB", consoles=[pr.sinks.callable(code)]) for code in codes]
                for log in logs:
                    log.suspend()
                    log.get_logger().info("the end")
                logs[0].panic("panic")
                """,
                path,
                first,
            )
            if path.exists() and "the end" in path.read_text():
                break
        assert "the end" in path.read_text(), first

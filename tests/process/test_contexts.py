"""Sections in whole processes: killed in an emergency, unread by the reader of a pipe, forked, in a rain of signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.children import PATIENCE_SECONDS, run, succeed

if TYPE_CHECKING:
    from pathlib import Path


def test_the_last_words_of_an_emergency_are_on_the_console_when_the_process_is_killed(tmp_path: Path) -> None:
    output = tmp_path / "console.txt"
    for attempt in range(10):
        output.unlink(missing_ok=True)
        killed = run(
            """
            import os, signal, sys
            import printk_ring as pr

            log = pr.install(sys.argv[1], size="256 KiB", consoles=[pr.sinks.file(sys.argv[2])])
            with pr.emergency():
                pr.get_logger("app").critical("last words", n=1)
                if log.stats()["left_behind"]:
                    sys.exit("left to the printer")  # it had the console, and no processor: the bound was over
                os.kill(os.getpid(), signal.SIGKILL)
            """,
            tmp_path / f"app-{attempt}.ring",
            output,
        )
        if killed.returncode == -signal.SIGKILL:
            assert output.read_text().endswith("] app: last words n=1\n")
            return
        assert "left to the printer" in killed.stderr, killed.stderr
    pytest.fail("never printed at once")


@pytest.mark.parametrize("stuck", ["printer", "pipe"])
def test_a_reader_that_does_not_read_costs_the_pipe_and_not_the_file(tmp_path: Path, stuck: str) -> None:
    # Nobody reads the program's stdout. Either its printer is stuck in a write, or has nothing to do and the pipe is full.
    program = """
        import fcntl, os, sys, time
        import printk_ring as pr

        path, stuck = sys.argv[1:]
        log = pr.Log(size="1 MiB", consoles=[pr.sinks.stdout(), pr.sinks.file(path)])
        pipe, file = log.consoles()
        logger = log.get_logger("app")
        if stuck == "printer":

            def moves():
                for number in range(100):
                    logger.info("fill", number=number)
                before = pipe.seq
                time.sleep(0.1)
                return pipe.seq != before or not pipe.lag

            while moves():
                pass
        else:
            flags = fcntl.fcntl(1, fcntl.F_GETFL)
            fcntl.fcntl(1, fcntl.F_SETFL, flags | os.O_NONBLOCK)
            while True:
                try:
                    os.write(1, bytes(4096))
                except BlockingIOError:
                    break
            fcntl.fcntl(1, fcntl.F_SETFL, flags)
        while file.lag:
            time.sleep(0.001)
        seq = pipe.seq
        whole = 0
        with log.emergency():
            for number in range(30):
                behind = log.stats()["left_behind"]
                logger.error("emergency", number=number)
                grown = log.stats()["left_behind"] - behind
                told = sum("emergency" in line for line in open(path))
                assert told == number + 1 or grown == 2, (number, told, grown)
                assert grown >= 1, "the pipe's record was not counted"
                whole += told == number + 1
        assert whole > 0
        assert pipe.seq == seq, "what nobody read was passed"
        assert pipe.dropped == 0
        os._exit(0)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "out"), stuck]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    assert child.stderr is not None
    said = child.stderr.read()  # and stdout not at all
    assert child.wait(PATIENCE_SECONDS) == 0, said
    for stream in (child.stdout, child.stderr):
        assert stream is not None
        stream.close()


def test_sections_of_the_forking_thread_go_on_in_the_child_and_those_of_others_do_not(tmp_path: Path) -> None:
    succeed(
        """
        import os, sys, threading, time, warnings
        import printk_ring as pr

        warnings.simplefilter("ignore")  # newer Pythons warn of forks in threaded programs
        output = sys.argv[2]
        log = pr.Log(sys.argv[1], size="256 KiB", consoles=[pr.sinks.file(output)])
        logger = log.get_logger("app")

        def lines(what):
            return sum(what in line for line in open(output))

        def wait_until(done):
            while not done():
                time.sleep(0.002)

        entered, leave = threading.Event(), threading.Event()

        def other():
            with log.emergency(), log.deferred(), log.report():
                entered.set()
                leave.wait()

        thread = threading.Thread(target=other)
        thread.start()
        entered.wait()

        if (child := os.fork()) == 0:
            # Another thread's sections: neither deferred, nor held up, nor are the printers kept out.
            logger.info("other thread's")
            wait_until(lambda: lines("other thread's") == 1)
            assert log.stats()["report_timeouts"] == 0
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        leave.set()
        thread.join()

        at_once = 0
        for number in range(10):
            with log.emergency():
                if (child := os.fork()) == 0:
                    logger.info("emergency", number=number)
                    done = lines(f"emergency number={number}") == 1
                    assert done or log.stats()["left_behind"] == 1
                    os._exit(0 if done else 1)
                at_once += os.waitpid(child, 0)[1] == 0
        assert at_once > 0

        with log.deferred():
            if (child := os.fork()) == 0:
                logger.info("first")
                wait_until(lambda: not log.consoles()[0].lag)
                time.sleep(0.5)  # its printer parks
                logger.info("deferred")
                time.sleep(0.1)
                seen = lines("deferred")
            else:
                assert os.waitpid(child, 0)[1] == 0
        if child == 0:
            wait_until(lambda: lines("deferred") == 1)
            os._exit(seen)

        section = log.emergency()
        section.__enter__()
        if (child := os.fork()) == 0:
            section.__exit__(None, None, None)  # entered by this thread, in its parent
            logger.info("after")
            wait_until(lambda: lines("after") == 1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        section.__exit__(None, None, None)
        """,
        tmp_path / "app.ring",
        tmp_path / "console.txt",
    )


def test_handlers_that_log_a_thousand_times_a_second_lose_nothing_uncounted(tmp_path: Path) -> None:
    succeed(
        """
        import itertools, os, signal, sys, threading, time
        import printk_ring as pr

        log = pr.Log(size="256 KiB", consoles=[])
        file = log.add_console(pr.sinks.file(sys.argv[1]), format="json", overflow="block", block_timeout=30.0)
        reader, writer = os.pipe()
        os.dup2(writer, 1)
        slow = log.add_console(pr.sinks.stdout(), name="slow", format="json", overflow="block", block_timeout=30.0)

        def drain():  # slower than the main thread logs: it waits for this
            while True:
                os.read(reader, 4096)
                time.sleep(0.0005)

        threading.Thread(target=drain, daemon=True).start()
        main, handler, handled = log.get_logger("main"), log.get_logger("handler"), 0
        ticks = itertools.count()

        def on_alarm(number, frame):  # the next one may come within it
            global handled
            handler.info("tick", number=next(ticks))
            handled += 1

        signal.signal(signal.SIGALRM, on_alarm)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        calls, end = 0, time.monotonic() + 2.0
        while time.monotonic() < end or handled < 200:
            for _ in range(500):
                main.info("event", number=calls, text="x" * 200)
                calls += 1
            with log.report():
                main.info("event", number=calls, text=[1, 2, 3])
                calls += 1
            with log.deferred():
                main.info("event", number=calls)
                calls += 1
            log.flush(0.01)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert log.flush(60.0)
        stats = log.stats()
        assert stats["emitted"] + stats["failed"] + stats["recursion_dropped"] == calls + handled, (stats, calls, handled)
        assert stats["failed"] == stats["recursion_dropped"] == 0, stats
        import json
        lines = [json.loads(line) for line in open(sys.argv[1])]
        dropped = sum(line["dropped"] for line in lines if line["event"] == "records dropped")
        assert dropped == file.dropped
        for name, count in (("main", calls), ("handler", handled)):
            numbers = [line["number"] for line in lines if line.get("logger") == name]
            assert len(numbers) == len(set(numbers))
            assert name == "handler" or numbers == sorted(numbers)
            assert count - dropped <= len(numbers) <= count
        assert len(lines) - sum(line["event"] == "records dropped" for line in lines) + dropped == calls + handled
        os._exit(0)
        """,
        tmp_path / "out.json",
    )

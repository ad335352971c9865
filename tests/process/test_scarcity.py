"""Where the system has no more to give: who asks is told, and nothing else changes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.children import succeed


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes a user without processes: the limit counts those of a user")
def test_a_console_for_which_there_is_no_thread_is_refused_and_leaves_nothing() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # where another user finds it
        Path(folder).chmod(0o777)
        becomes_nobody_and_asks(folder)


def becomes_nobody_and_asks(folder: str) -> None:
    """Has as many threads as it may, and adds consoles."""
    succeed(
        """
        import os, resource, sys, time
        import printk_ring as pr

        def paths(kind):
            return os.listdir(f"/proc/self/{kind}")

        pr.Log(size="256 KiB").close()  # imports what the new user may not read
        os.setgid(65534)
        os.setuid(65534)
        log = pr.Log(size="1 MiB")
        first = log.add_console(pr.sinks.file("first"), name="first")
        log.offload.cpus = [min(os.sched_getaffinity(0))]
        log.offload.mode = "smp"
        soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        logger, count = log.get_logger(), 0

        def refused(times):
            '''What is said when there are none, again and again: the table of consoles has 32 places.'''
            global count
            before, told = len(paths("fd")), set()
            for _ in range(times):
                try:
                    log.add_console(pr.sinks.file("second"), name="second")
                except OSError as error:
                    told.add(error.strerror or str(error))
                else:
                    sys.exit("there was a thread")
                assert log.consoles() == [first] and len(paths("fd")) == before
            for _ in range(3):
                logger.info("event", number=count)
                count += 1
                while first.lag > 0:
                    time.sleep(0.001)  # the other console is printed on, and nobody has to flush
                time.sleep(0.3)  # and its printer rests
            return told

        threads = len(paths("task"))
        resource.setrlimit(resource.RLIMIT_NPROC, (threads, hard))
        (told,) = refused(40)
        assert "no printer thread" in told and "second" not in told, told  # none of those that serve any console
        assert len(paths("task")) == threads
        resource.setrlimit(resource.RLIMIT_NPROC, (threads + 1, hard))
        (told,) = refused(40)
        assert "console second: no printer thread" in told, told  # that one was to be had, but none of its own
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
        second = log.add_console(pr.sinks.file("second"), name="second")
        logger.info("event", number=count)
        assert log.flush(timeout=30.0) and log.consoles() == [first, second]
        assert len(log.offload.threads()) == 2, "one that serves any console for each"
        numbers = [[int(line.rpartition("=")[2]) for line in open(name)] for name in ("first", "second")]
        assert numbers == [[*range(7)], [6]], numbers
        """,
        cwd=folder,
    )

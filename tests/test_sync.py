"""`sync_on`: a record that is to outlive the power is on its disk before its call returns, and nobody else pays for it.

Which calls are made is seen by the kernel's filters, not by our counters alone.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import succeed
from tests.msyncs import MSYNCS

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = MSYNCS + textwrap.dedent("""
    import os, signal, sys, threading, time
    import printk_ring as pr

    log = pr.Log(sys.argv[1], size="256 KiB", sync_on="ERROR")
    logger = log.get_logger("app")

    def events():
        return [record.event for record in log.reader()]

    def counted():
        stats = log.stats()
        return stats["syncs"], stats["sync_errors"], stats["syncs_left"]

    def once(condition):
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.001)
    """)


def program(path: Path, code: str) -> str:
    return succeed(BEGIN + textwrap.dedent(code), path)


def test_a_call_at_the_level_returns_when_its_record_is_synced_and_the_others_sync_nothing(ring_path: Path) -> None:
    """The call is held by the kernel: that this program goes on meanwhile says that it waits without the interpreter."""
    program(
        ring_path,
        """
        watched, threads = [], []

        def work():
            watched.append(Msyncs())
            for event in ("debug", "info", "notice", "warning", "error", "debug", "critical"):
                getattr(logger, event)(event)

        worker = threading.Thread(target=work)
        worker.start()
        once(lambda: watched)
        start, length, flags = watched[0].next()
        assert events() == ["debug", "info", "notice", "warning", "error"]
        assert worker.is_alive()
        [first] = [line.split()[0] for line in open("/proc/self/maps") if line.rstrip().endswith(sys.argv[1])]
        at, end = (int(part, 16) for part in first.split("-"))
        assert (start, flags) == (at, 4), "the whole mapping from its start, MS_SYNC"
        assert (end - at) * 3 // 4 < length < end - at, "but for the consoles"
        assert counted() == (0, 0, 0)
        watched[0].answer()
        watched[0].next()
        assert events()[5:] == ["debug", "critical"]
        assert counted() == (1, 0, 0)
        watched[0].answer()
        worker.join(60)
        assert counted() == (2, 0, 0)
        """,
    )


def test_a_sync_that_fails_is_counted_and_told_once_until_one_succeeds(ring_path: Path) -> None:
    program(
        ring_path,
        """
        watched = []

        def work():
            watched.append(Msyncs())
            for number in range(6):
                logger.error("lost")

        worker = threading.Thread(target=work)
        worker.start()
        once(lambda: watched)
        for errno in (5, 5, 28, 0, 0, 5):
            watched[0].next()
            watched[0].answer(errno)
        worker.join(60)
        assert counted() == (2, 4, 0)
        told = [str(record) for record in log.reader() if record.logger == "printk_ring"]
        assert len(told) == 2, told
        assert all("sync failed" in line and sys.argv[1] in line and "Input/output error" in line for line in told)
        """,
    )


def test_where_a_call_cannot_wait_a_thread_syncs_and_the_call_returns_at_once(ring_path: Path) -> None:
    """The calling thread has every sync refused, so that each of its own would be counted as an error."""
    program(
        ring_path,
        """
        class Nested:
            def __str__(self):
                logger.error("from within another call")
                return "nested"

        class Garbage:
            def __del__(self):
                logger.error("from a finalizer")

        def handler(number, frame):
            logger.error("from a handler")

        def deferred():
            with log.deferred():
                logger.error("from a deferred section")

        def signalled():
            signal.signal(signal.SIGUSR1, handler)
            os.kill(os.getpid(), signal.SIGUSR1)

        refuse_msyncs()
        places = [lambda: logger.info(Nested()), lambda: Garbage() and None, signalled, deferred]
        for left, place in enumerate(places, 1):
            before = counted()[0]
            place()
            once(lambda: counted()[0] > before)
            assert counted()[1:] == (0, left)
        logger.error("from an ordinary place")
        assert counted()[1:] == (1, len(places))
        """,
    )


def test_records_of_the_standard_library_are_synced_too_and_so_are_those_of_a_forked_child(ring_path: Path) -> None:
    program(
        ring_path,
        """
        import logging

        ours = logging.getLogger("ours")
        ours.addHandler(pr.RingHandler(log))
        ours.warning("no")
        assert counted() == (0, 0, 0)
        ours.error("yes")
        assert counted() == (1, 0, 0)
        child = os.fork()
        if child == 0:
            logger.error("a child's own")
            with log.deferred():
                ours.error("left to a thread of the child's")
            once(lambda: counted()[0] == 2)
            os._exit(0 if counted() == (2, 0, 1) and log.path != sys.argv[1] else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert counted() == (1, 0, 0)
        """,
    )


def test_what_is_left_to_the_thread_is_done_before_the_end(ring_path: Path) -> None:
    for end in ("log.close()", "pr._native._shutdown()"):
        program(
            ring_path,
            f"""
            with log.deferred():
                logger.error("left")
                {end}
                assert counted() == (1, 0, 1)
            """,
        )


def test_memory_cannot_be_synced() -> None:
    with pytest.raises(pr.ConfigError, match=r"sync_on.*path"):
        pr.Log(sync_on="ERROR")
    with pytest.raises(pr.ConfigError, match="sync_on"):
        pr.install(sync_on="ERROR", consoles=())
    assert pr.default_log() is None


def test_install_takes_the_level_in_any_spelling(tmp_path: Path) -> None:
    arguments = {"directory": tmp_path, "consoles": ()}
    with pr.install(sync_on="error", **arguments) as log:  # type: ignore[arg-type]
        assert pr.install(sync_on=40, **arguments) is log  # type: ignore[arg-type]
        with pytest.raises(pr.ConfigError, match="sync_on"):
            pr.install(**arguments)  # type: ignore[arg-type]
        log.get_logger().error("synced")
        assert log.stats()["syncs"] == 1

"""fork(): a child never holds its parent's path, and never speaks for its parent."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import PATIENCE_SECONDS, kill, start, succeed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("logs", [False, True])
def test_a_child_that_outlives_its_parent_does_not_hold_the_path(tmp_path: Path, *, logs: bool) -> None:
    path = tmp_path / "app.ring"
    parent = start(
        """
        import os, sys
        import printk_ring as pr

        log = pr.install(sys.argv[1], size="256 KiB", consoles=())
        log.get_logger().info("from the parent")
        done, tell = os.pipe()
        if (child := os.fork()) == 0:
            if sys.argv[2] == "True":
                log.get_logger().info("from the child")
            os.write(tell, b"x")
            sys.stdin.read()  # the test's own end of this pipe keeps the child alive beyond its parent
            os._exit(0)
        os.read(done, 1)
        print("ready", flush=True)
        print(child, flush=True)
        while True:
            os.waitpid(child, 0)
        """,
        path,
        logs,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    try:
        os.kill(child, 0)
        with pr.open(path) as ring:
            assert not ring.info.alive
            assert [record.event for record in ring.reader()][:1] == ["from the parent"]
        with pr.Log(path, size="256 KiB") as log:
            assert log.path == path
    finally:
        kill(parent)


def test_what_a_child_logs_does_not_disturb_the_parents_ring(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    succeed(
        """
        import os, sys
        import printk_ring as pr

        log = pr.install(sys.argv[1], size="256 KiB", consoles=[pr.sinks.file(sys.argv[2])])
        logger = pr.get_logger("app")
        children = []
        for number in range(4):
            logger.info("parent", number=number)
            if (child := os.fork()) == 0:
                for _ in range(2000):
                    logger.info("child", number=number)
                os._exit(0)
            children.append(child)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        logger.info("parent", number=4)
        assert log.flush(timeout=30.0)
        mine = [record.fields["number"] for record in log.reader() if record.event == "parent"]
        assert mine == [0, 1, 2, 3, 4], mine
        """,
        path,
        tmp_path / "console.txt",
    )
    with pr.open(path) as ring:
        assert ring.info.clean


def test_a_childs_exit_does_not_mark_the_parents_file_clean(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    parent = start(
        """
        import os, sys
        import printk_ring as pr

        log = pr.install(sys.argv[1], size="256 KiB", consoles=())
        if (child := os.fork()) == 0:
            sys.exit(0)  # an orderly exit, with all its hooks
        os.waitpid(child, 0)
        print("ready", flush=True)
        sys.stdin.read()
        """,
        path,
    )
    try:
        with pr.open(path) as ring:
            assert (ring.info.alive, ring.info.clean) == (True, False)
    finally:
        kill(parent)
    with pr.open(path) as ring:
        assert (ring.info.alive, ring.info.clean) == (False, False)


def test_a_program_started_by_the_process_inherits_nothing(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    succeed(
        """
        import subprocess, sys
        import printk_ring as pr

        log = pr.Log(sys.argv[1], size="256 KiB")
        sleeper = subprocess.Popen(["sleep", "60"], close_fds=False)
        log.close()
        try:
            pr.Log(sys.argv[1], size="256 KiB").close()
        finally:
            sleeper.kill()
            sleeper.wait()
        """,
        path,
    )


def test_fork_while_threads_log_hangs_nobody(tmp_path: Path) -> None:
    succeed(
        """
        import os, sys, threading, warnings
        import printk_ring as pr

        warnings.simplefilter("ignore")  # newer Pythons warn of forks in threaded programs
        log = pr.install(sys.argv[1], size="1 MiB", consoles=[pr.sinks.file(sys.argv[2])])
        logger = pr.get_logger("app")
        stop = threading.Event()

        def work():
            while not stop.is_set():
                logger.info("event", a=1, b="x")

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(40):
            if (child := os.fork()) == 0:
                logger.info("from the child")
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads:
            thread.join()
        assert log.flush(timeout=30.0)
        """,
        tmp_path / "app.ring",
        tmp_path / "console.txt",
    )


def test_a_childs_copy_of_an_open_reservation_leaves_the_parents_record_alone(tmp_path: Path) -> None:
    succeed(
        """
        import os, sys
        import printk_ring as pr

        ring = pr.Ring(desc_bits=3, avg_data_bits=5, path=sys.argv[1])
        mine = ring.reserve(16)
        mine.write(b"half")
        if (child := os.fork()) == 0:
            for use in (lambda: mine.write(b"x"), mine.commit, mine.finalize, lambda: setattr(mine, "text_len", 1)):
                try:
                    use()
                except pr.ReservationError as error:
                    assert str(os.getppid()) in str(error), error
                else:
                    raise AssertionError("another process's reservation was used")
            del use, mine
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        next = ring.reserve(4)
        assert ring.read_valid(0) is None  # the parent's record is open
        mine.write(b"B" * 16)
        mine.finalize()
        next.finalize()
        assert ring.read_valid(0).text == b"B" * 16
        for _ in range(40):
            ring.reserve(8).finalize()
        assert ring.fail == 0
        """,
        tmp_path / "bare.ring",
    )


def test_a_child_goes_on_with_a_reservation_of_a_ring_of_its_own() -> None:
    succeed("""
        import os
        import printk_ring as pr

        ring = pr.Ring(desc_bits=3, avg_data_bits=5)
        mine = ring.reserve(16)
        if (child := os.fork()) == 0:
            mine.write(b"child")
            mine.finalize()
            assert ring.read_valid(0).text == b"child"
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert ring.read_valid(0) is None
        mine.write(b"parent")
        mine.finalize()
        assert ring.read_valid(0).text == b"parent"
    """)


@pytest.mark.parametrize("logs", [False, True])
def test_a_daemon_does_not_hold_what_its_parents_consoles_write_to(*, logs: bool) -> None:
    parent = start(
        """
        import os, sys
        import printk_ring as pr

        print("ready", flush=True)
        log = pr.install(consoles=(pr.sinks.stdout(),))
        log.get_logger().info("from the parent")
        log.flush()
        done, tell = os.pipe()
        end = os.dup(0)
        if os.fork() == 0:
            os.close(done)
            null = os.open("/dev/null", os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            if sys.argv[1] == "True":
                log.get_logger().info("from the daemon")
                log.flush()
            os.close(tell)
            os.read(end, 1)  # lives until the test lets it go
            os._exit(0)
        os.close(tell)
        os.read(done, 1)
        """,
        logs,
    )
    assert parent.stdout is not None
    out = parent.stdout.fileno()
    try:
        while True:
            more, _, _ = select.select([out], [], [], PATIENCE_SECONDS)
            assert more, "its stdout never ends"
            if not os.read(out, 4096):
                break
    finally:
        kill(parent)

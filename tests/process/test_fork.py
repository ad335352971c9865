"""fork(): a child never holds its parent's path, and never speaks for its parent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import kill, start, succeed

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

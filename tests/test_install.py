"""The default log: install, default_log, get_logger, the orderly exit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import run, succeed

if TYPE_CHECKING:
    from pathlib import Path


def test_before_install_there_is_no_default_log() -> None:
    assert pr.default_log() is None
    pr.get_logger("app").emerg("nobody hears this")


def test_install_is_idempotent(ring_path: Path) -> None:
    with pr.install(ring_path, size="1 MiB", level="info", consoles=()) as log:
        assert pr.default_log() is log
        assert pr.install(ring_path, size=1 << 20, level=20, consoles=[]) is log
        assert pr.install(str(ring_path), size="1MiB", level=pr.Level.INFO, consoles=()) is log


@pytest.mark.parametrize(
    "other",
    [
        {"size": "2 MiB"},
        {"level": "ERROR"},
        {"consoles": None},
        {"name": "x"},
        {"capture_logging": True},
        {"path": None},
    ],
    ids=str,
)
def test_install_with_other_arguments_is_a_config_error_that_names_them(ring_path: Path, other: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"path": ring_path, "size": "1 MiB", "consoles": ()}
    with pr.install(**arguments) as log:
        with pytest.raises(pr.ConfigError, match=next(iter(other))):
            pr.install(**{**arguments, **other})
        assert pr.default_log() is log


def test_consoles_are_compared_by_what_they_mean(ring_path: Path, tmp_path: Path) -> None:
    def consoles(level: str) -> list[Any]:
        return [{"sink": pr.sinks.file(tmp_path / "a"), "level": level}, pr.sinks.file(tmp_path / "b")]

    with pr.install(ring_path, consoles=consoles("info")) as log:
        assert pr.install(ring_path, consoles=consoles("INFO")) is log
        with pytest.raises(pr.ConfigError, match="consoles"):
            pr.install(ring_path, consoles=consoles("ERROR"))


def test_a_generator_of_consoles_is_taken_too(ring_path: Path, tmp_path: Path) -> None:
    with pr.install(ring_path, consoles=(pr.sinks.file(tmp_path / name) for name in "ab")) as log:
        assert len(log.consoles()) == 2


def test_after_its_log_was_closed_install_makes_a_new_one(ring_path: Path, tmp_path: Path) -> None:
    logger = pr.get_logger("app")
    first = pr.install(ring_path, consoles=())
    first.close()
    assert pr.default_log() is None
    with pr.install(tmp_path / "second.ring", consoles=()) as second:
        assert second is not first
        logger.info("to the second")
        assert [record.event for record in second.reader()] == ["to the second"]


def test_a_failed_install_leaves_no_default_log(tmp_path: Path) -> None:
    with pytest.raises(pr.RingFileError):
        pr.install(tmp_path / "missing" / "app.ring")
    assert pr.default_log() is None


def test_installing_from_many_threads_makes_one_log() -> None:
    out = succeed("""
        import threading
        import printk_ring as pr

        start, logs = threading.Barrier(8), []

        def install():
            start.wait()
            logs.append(pr.install(consoles=()))

        threads = [threading.Thread(target=install) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(len(set(map(id, logs))), len(logs))
    """)
    assert out.split() == ["1", "8"]


def test_by_default_there_is_one_console_on_stderr() -> None:
    done = run("""
        import printk_ring as pr
        pr.install()
        pr.get_logger("app").info("hello", n=1)
        pr.get_logger("app").debug("too little for a console")
    """)
    assert done.returncode == 0
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.endswith("] app: hello n=1")


def test_an_orderly_exit_prints_everything_and_marks_the_file_clean(ring_path: Path, tmp_path: Path) -> None:
    output = tmp_path / "console.txt"
    succeed(
        """
        import sys
        import printk_ring as pr

        pr.install(sys.argv[1], consoles=[pr.sinks.file(sys.argv[2])])
        logger = pr.get_logger("app")
        for number in range(5000):
            logger.info("event", number=number)
        """,
        ring_path,
        output,
    )
    assert len(output.read_text().splitlines()) == 5000
    with pr.open(ring_path) as ring:
        assert (ring.info.alive, ring.info.clean) == (False, True)


@pytest.mark.parametrize("way", ["raise SystemExit(3)", "raise RuntimeError", "import os; os.kill(os.getpid(), 2)"])
def test_every_exit_that_runs_python_is_an_orderly_one(ring_path: Path, tmp_path: Path, way: str) -> None:
    output = tmp_path / "console.txt"
    done = run(
        f"""
        import sys
        import printk_ring as pr

        pr.install(sys.argv[1], consoles=[pr.sinks.file(sys.argv[2])])
        pr.get_logger("app").info("last words")
        {way}
        """,
        ring_path,
        output,
    )
    assert done.returncode != 0
    assert "app: last words\n" in output.read_text()
    with pr.open(ring_path) as ring:
        assert ring.info.clean


def test_an_independent_log_is_flushed_at_exit_too(ring_path: Path, tmp_path: Path) -> None:
    succeed(
        """
        import sys
        import printk_ring as pr

        log = pr.Log(sys.argv[1], consoles=[pr.sinks.file(sys.argv[2])])
        log.get_logger().info("last words")
        """,
        ring_path,
        tmp_path / "console.txt",
    )
    assert (tmp_path / "console.txt").read_text().endswith("last words\n")
    with pr.open(ring_path) as ring:
        assert ring.info.clean


def test_what_is_logged_late_in_the_exit_is_stored(ring_path: Path) -> None:
    succeed(
        """
        import atexit, sys
        import printk_ring as pr

        logger = pr.get_logger("app")
        atexit.register(lambda: logger.info("later than the log's own exit hook"))
        pr.install(sys.argv[1], consoles=())
        """,
        ring_path,
    )
    with pr.open(ring_path) as ring:
        assert [record.event for record in ring.reader()] == ["later than the log's own exit hook"]


def test_the_exit_does_not_wait_for_a_stuck_sink() -> None:
    succeed("""
        import os
        import printk_ring as pr

        read_end, write_end = os.pipe()
        os.dup2(write_end, 2)
        pr.install(size="256 KiB")
        for number in range(20_000):
            pr.get_logger().info("nobody reads this", number=number)
    """)

"""Consoles: places, levels, suspension, losses, overflow."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import succeed, wait_until
from tests.printed import lines_of, lost

if TYPE_CHECKING:
    from printk_ring.typing import OffloadMode


@pytest.fixture
def log(log: pr.Log, mode: OffloadMode) -> pr.Log:
    """In each mode."""
    log.offload.mode = mode
    return log


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the console of the test writes."""
    return tmp_path / "console.txt"


def messages(path: Path) -> list[str]:
    """The lines without their time."""
    return [line.partition("] ")[2] for line in path.read_text("utf-8").splitlines()]


def test_a_console_prints_what_is_logged_after_it_was_added(log: pr.Log, output: Path) -> None:
    logger = log.get_logger("app")
    logger.info("before")
    console = log.add_console(pr.sinks.file(output))
    logger.info("after", n=1)
    assert log.flush(timeout=30.0)
    assert messages(output) == ["app: after n=1"]
    assert (console.lag, console.dropped, console.errors) == (0, 0, 0)
    assert (console.enabled, console.alive) == (True, True)
    assert console.seq == 2


def test_replay_begins_with_the_oldest_record(log: pr.Log, output: Path) -> None:
    log.get_logger().info("before")
    log.add_console(pr.sinks.file(output), replay=True)
    log.get_logger().info("after")
    assert log.flush(timeout=30.0)
    assert messages(output) == ["before", "after"]


def test_a_console_prints_by_itself_without_a_flush(log: pr.Log, output: Path) -> None:
    log.add_console(pr.sinks.file(output))
    log.get_logger().info("unasked")
    wait_until(lambda: messages(output) == ["unasked"], "the record is printed")


def test_a_console_that_has_parked_wakes_for_the_next_record(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    for number in range(3):
        log.get_logger().info("event", number=number)
        wait_until(lambda: console.lag == 0, "the record is printed")
        time.sleep(0.3)  # a printer parks after 200 ms without a record: each but the first record meets a parked one
    assert messages(output) == [f"event number={number}" for number in range(3)]


def test_a_console_follows_the_logs_console_level_until_it_has_its_own(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    logger = log.get_logger()
    assert console.level is None
    assert log.console_level is pr.Level.INFO
    logger.debug("1 hidden")
    assert log.flush(timeout=30.0)
    log.console_level = "DEBUG"
    logger.debug("2 shown")
    assert log.flush(timeout=30.0)
    console.level = 40
    assert console.level is pr.Level.ERROR
    logger.warning("3 hidden")
    logger.error("4 shown")
    assert log.flush(timeout=30.0)
    console.level = None
    logger.debug("5 shown")
    assert log.flush(timeout=30.0)
    assert messages(output) == ["2 shown", "4 shown", "5 shown"]
    assert console.dropped == 0


def test_a_level_that_changes_under_load_hides_what_it_must_and_nothing_else(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output), format="json", overflow="block", block_timeout=60.0)
    logger, stop = log.get_logger(), threading.Event()
    logged = 0

    def change() -> None:
        for number in range(50):
            console.level = "ERROR" if number % 2 == 0 else "INFO"
            seq = console.seq
            wait_until(lambda seq=seq: console.seq > seq, "it goes on")  # type: ignore[misc]  # bound here
        stop.set()

    changing = threading.Thread(target=change)
    changing.start()
    while not stop.is_set():
        (logger.error if logged % 10 == 0 else logger.info)("event", number=logged)
        logged += 1
    changing.join()
    assert log.flush(timeout=30.0)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    numbers = [line["number"] for line in lines]
    assert numbers == sorted(set(numbers)), "in order, and none twice"
    assert [number for number in numbers if number % 10 == 0] == list(range(0, logged, 10))
    assert len(numbers) < logged, "some were hidden"
    assert (console.dropped, console.errors, console.lag) == (0, 0, 0)


def test_each_console_has_its_own_place_level_and_format(log: pr.Log, tmp_path: Path) -> None:
    log.add_console(pr.sinks.file(tmp_path / "a.txt"), level="ERROR")
    log.add_console(pr.sinks.file(tmp_path / "b.json"), format="json", level="DEBUG")
    logger = log.get_logger("app")
    logger.debug("one")
    logger.error("two")
    assert log.flush(timeout=30.0)
    assert messages(tmp_path / "a.txt") == ["app: two"]
    lines = (tmp_path / "b.json").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["one", "two"]


def test_consoles_are_listed_in_order_under_unique_names(log: pr.Log, tmp_path: Path) -> None:
    log.add_console(pr.sinks.file(tmp_path / "a"))
    log.add_console(pr.sinks.file(tmp_path / "b"))
    log.add_console(pr.sinks.file(tmp_path / "c"), name="third")
    assert [console.name for console in log.consoles()] == ["file", "file-2", "third"]
    with pytest.raises(pr.ConfigError, match="third"):
        log.add_console(pr.sinks.file(tmp_path / "d"), name="third")
    assert set(log.stats()["consoles"]) == {"file", "file-2", "third"}


@pytest.mark.parametrize(
    "wrong", [{"format": "xml"}, {"overflow": "explode"}, {"level": "loud"}, {"block_timeout": -1.0}], ids=str
)
def test_wrong_options_of_a_console_are_config_errors(log: pr.Log, output: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(pr.ConfigError):
        log.add_console(pr.sinks.file(output), **wrong)  # type: ignore[arg-type]  # that is the test
    assert log.consoles() == []


def test_consoles_can_be_given_when_the_log_is_made(ring_path: Path, tmp_path: Path) -> None:
    sinks = [pr.sinks.file(tmp_path / name) for name in "abc"]
    consoles = [sinks[0], {"sink": sinks[1], "format": "json", "name": "second"}, (sinks[2], {"level": "ERROR"})]
    with pr.Log(ring_path, size="256 KiB", consoles=consoles) as log:  # type: ignore[arg-type]  # a list of several kinds
        log.get_logger().info("event")
        assert [console.name for console in log.consoles()][1] == "second"
        assert log.consoles()[2].level is pr.Level.ERROR
    assert messages(tmp_path / "a") == ["event"]
    assert json.loads((tmp_path / "b").read_text())["event"] == "event"
    assert (tmp_path / "c").read_text() == ""


def test_a_suspended_console_catches_up_after_resume(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    console.suspend()
    assert [console.enabled] == [False]
    for number in range(5):
        log.get_logger().info("event", number=number)
    assert log.flush(timeout=30.0), "a suspended console is not waited for"
    assert messages(output) == []
    assert console.lag == 5
    console.resume()
    assert [console.enabled] == [True]
    assert log.flush(timeout=30.0)
    assert messages(output) == [f"event number={number}" for number in range(5)]


@pytest.mark.parametrize("form", ["text", "iso", "json"])
def test_what_a_console_lost_is_told_once_and_adds_up(tmp_path: Path, output: Path, form: str) -> None:
    count = 20_000
    with pr.Log(size="256 KiB") as log:
        console = log.add_console(pr.sinks.file(output), format=form)  # type: ignore[arg-type]  # one of three
        console.suspend()
        for number in range(count):
            log.get_logger().info("event", number=number)
        console.resume()
        assert log.flush(timeout=30.0)
        dropped = console.dropped
    notice, *lines = output.read_text("utf-8").splitlines()
    assert 0 < dropped < count
    assert dropped + len(lines) == count
    if form == "json":
        told = json.loads(notice)
        assert told["level"] == "WARNING"
        assert told["event"] == "records dropped"
        assert (told["dropped"], told["first_seq"], told["last_seq"]) == (dropped, 0, dropped - 1)
        assert [json.loads(line)["number"] for line in lines] == list(range(dropped, count))
    else:
        assert f"** {dropped} printk messages dropped **" in notice
        assert [int(line.rpartition("=")[2]) for line in lines] == list(range(dropped, count))


def test_with_block_a_console_loses_nothing_however_small_the_ring(output: Path) -> None:
    count = 50_000
    with pr.Log(size="256 KiB") as log:
        console = log.add_console(pr.sinks.file(output), format="json", overflow="block", block_timeout=30.0)
        logger = log.get_logger("app")
        for number in range(count):
            logger.info("event", number=number)
        assert log.flush(timeout=30.0)
        assert console.dropped == 0
        assert log.stats()["overwritten"] > 0
    assert [json.loads(line)["number"] for line in output.read_text().splitlines()] == list(range(count))


def test_a_removed_console_has_printed_what_came_before_and_prints_no_more(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output), name="gone")
    log.get_logger().info("before")
    assert console.remove(timeout=30.0)
    log.get_logger().info("after")
    assert log.flush(timeout=30.0)
    assert messages(output) == ["before"]
    assert log.consoles() == []
    assert (console.name, console.enabled, console.alive) == ("gone", False, False)
    console.suspend()
    console.resume()
    assert not console.remove()
    log.add_console(pr.sinks.file(output), name="gone")


def _entries(folder: str) -> int:
    return len([*Path(folder).iterdir()])


def test_a_thousand_consoles_come_and_go_while_four_threads_log_and_leave_nothing(log: pr.Log, tmp_path: Path) -> None:
    stays = log.add_console(pr.sinks.file(tmp_path / "stays"), format="json", overflow="block", block_timeout=60.0)
    logger = log.get_logger()
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.001):
            logger.info("event")

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    tasks, files = _entries("/proc/self/task"), _entries("/proc/self/fd")
    path, awaited = tmp_path / "comes", 0
    for _ in range(1000):
        console = log.add_console(pr.sinks.file(path), format="json")
        logger.info("at least one")
        assert console.remove(timeout=60.0)
        printed = lines_of(path)
        path.unlink()
        assert printed[0]["seq"] >= awaited
        assert lost(printed, first=printed[0]["seq"]) == 0
        awaited = printed[-1]["seq"] + 1
    done.set()
    for worker in workers:
        worker.join()
    assert log.flush(timeout=60.0)
    assert (stays.dropped, lost(lines_of(tmp_path / "stays"))) == (0, 0)
    # On a single processor the second console has made a second thread that serves any, and stays.
    stay = max(0, 2 - len(log.offload.cpus)) if log.offload.mode == "smp" else 0
    wait_until(lambda: _entries("/proc/self/task") <= tasks - len(workers) + stay, "the threads have ended")
    assert _entries("/proc/self/fd") <= files


def test_a_file_sink_appends_and_is_private_when_new(log: pr.Log, output: Path) -> None:
    output.write_text("[    0.000000] what was there\n")
    log.add_console(pr.sinks.file(output))
    new = output.with_name("new.txt")
    log.add_console(pr.sinks.file(new))
    log.get_logger().info("event")
    assert log.flush(timeout=30.0)
    assert messages(output) == ["what was there", "event"]
    assert new.stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_renamed_away_is_made_anew(log: pr.Log, output: Path) -> None:
    log.add_console(pr.sinks.file(output))
    log.get_logger().info("first")
    assert log.flush(timeout=30.0)
    output.rename(output.with_suffix(".1"))
    log.get_logger().info("second")
    wait_until(lambda: log.flush() and output.exists(), "the file is made anew")
    assert messages(output.with_suffix(".1")) + messages(output) == ["first", "second"]


def test_reopen_closes_and_opens_the_file(log: pr.Log, output: Path) -> None:
    console = log.add_console(pr.sinks.file(output))
    log.get_logger().info("first")
    assert log.flush(timeout=30.0)
    output.rename(output.with_suffix(".1"))
    console.reopen()
    log.get_logger().info("second")
    assert log.flush(timeout=30.0)
    assert messages(output) == ["second"]


def test_sinks_are_equal_when_they_mean_the_same(tmp_path: Path) -> None:
    assert pr.sinks.file(tmp_path / "a") == pr.sinks.file(str(tmp_path / "a"))
    assert hash(pr.sinks.file(tmp_path / "a")) == hash(pr.sinks.file(str(tmp_path / "a")))
    assert pr.sinks.file(tmp_path / "a") != pr.sinks.file(tmp_path / "b")
    assert pr.sinks.stderr() != pr.sinks.stdout()
    assert pr.sinks.stderr() == pr.sinks.stderr()
    assert (pr.sinks.stderr().kind, pr.sinks.stderr().path) == ("stderr", None)
    assert (pr.sinks.file("a").kind, pr.sinks.file("a").path) == ("file", Path.cwd() / "a")


def test_stderr_and_stdout_are_the_descriptors_of_that_moment(tmp_path: Path) -> None:
    succeed(
        """
        import os, sys
        import printk_ring as pr

        first, second = sys.argv[1:]
        os.dup2(os.open(first, os.O_CREAT | os.O_WRONLY, 0o600), 2)
        log = pr.Log(size="256 KiB", consoles=[pr.sinks.stderr()])
        os.dup2(os.open(second, os.O_CREAT | os.O_WRONLY, 0o600), 2)
        log.get_logger().info("to the first")
        assert log.flush(timeout=30.0)
        log.close()
        """,
        tmp_path / "first",
        tmp_path / "second",
    )
    assert messages(tmp_path / "first") == ["to the first"]
    assert messages(tmp_path / "second") == []


def test_a_sink_that_is_stuck_holds_up_nobody() -> None:
    succeed("""
        import fcntl, os
        import printk_ring as pr

        read_end, write_end = os.pipe()
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)  # less than the ring holds
        os.dup2(write_end, 1)
        log = pr.Log(size="256 KiB")
        console = log.add_console(pr.sinks.stdout())
        healthy = log.add_console(pr.sinks.file("/dev/null"))
        logger = log.get_logger()
        for number in range(20_000):
            logger.info("nobody reads this", number=number)
        assert log.stats()["emitted"] == 20_000
        assert log.flush(timeout=0.2) is False
        assert healthy.flush(timeout=30.0) is True
        assert console.flush(timeout=0.1) is False
        assert console.remove(timeout=0.1) is False
        assert not console.alive
        assert log.flush(timeout=30.0) is True
    """)


def test_flush_has_had_everything_accepted(log: pr.Log, output: Path) -> None:
    log.add_console(pr.sinks.file(output))
    logger = log.get_logger()
    for number in range(200):
        logger.info("event", number=number)
        assert log.flush(timeout=30.0)
        assert len(output.read_bytes().splitlines()) == number + 1


def test_flush_without_consoles_has_nothing_to_wait_for(log: pr.Log) -> None:
    log.get_logger().info("event")
    assert log.flush(timeout=0.0)


@pytest.mark.parametrize("wrong", [-1.0, float("nan")])
def test_a_timeout_that_is_none_is_a_config_error(log: pr.Log, wrong: float) -> None:
    with pytest.raises(pr.ConfigError):
        log.flush(timeout=wrong)


def test_a_closed_log_takes_no_more_consoles(log: pr.Log, output: Path) -> None:
    log.close()
    with pytest.raises(pr.ConfigError, match="closed"):
        log.add_console(pr.sinks.file(output))


def test_the_first_real_console_goes_on_where_the_bootstrap_one_ends(log: pr.Log, tmp_path: Path) -> None:
    logger = log.get_logger()
    logger.info("1 before any console")
    log.add_console(pr.sinks.file(tmp_path / "boot"), name="early", bootstrap=True)
    logger.info("2 with the early one")
    log.add_console(pr.sinks.file(tmp_path / "real"), name="real")
    logger.info("3 with the real one")
    assert log.flush(timeout=30.0)
    assert [console.name for console in log.consoles()] == ["real"]
    assert messages(tmp_path / "boot") == ["1 before any console", "2 with the early one"]
    assert messages(tmp_path / "real") == ["3 with the real one"]


def test_a_bootstrap_console_that_comes_too_late_is_a_config_error(log: pr.Log, tmp_path: Path) -> None:
    log.add_console(pr.sinks.file(tmp_path / "real"), name="real")
    with pytest.raises(pr.ConfigError, match=r'"early" comes too late: the log has "real" already'):
        log.add_console(pr.sinks.file(tmp_path / "boot"), name="early", bootstrap=True)
    assert not (tmp_path / "boot").exists()


def test_a_log_may_begin_with_a_bootstrap_console_and_a_real_one(ring_path: Path, tmp_path: Path) -> None:
    boot = {"sink": pr.sinks.file(tmp_path / "boot"), "bootstrap": True, "reliability": 0}
    with pr.Log(ring_path, size="256 KiB", consoles=[boot, pr.sinks.file(tmp_path / "real")]) as log:
        assert len(log.consoles()) == 1
        log.get_logger().info("event")
    assert messages(tmp_path / "real") == ["event"]


@pytest.mark.parametrize("wrong", [4, -1, 2**40])
def test_a_reliability_that_is_none_is_a_config_error_that_names_them(log: pr.Log, output: Path, wrong: int) -> None:
    with pytest.raises(pr.ConfigError, match=rf"reliability is {wrong}: give 0 \(memory\), 1"):
        log.add_console(pr.sinks.file(output), reliability=wrong)  # type: ignore[arg-type]  # that is the test
    with pytest.raises(pr.ConfigError, match="it is 3"):
        log.add_console(pr.sinks.memory(), reliability=1)
    assert log.consoles() == []

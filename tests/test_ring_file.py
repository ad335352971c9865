"""Ring files: what they say about themselves, previous lives, and files that cannot be used."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from collections.abc import Callable


def life(path: Path, event: str) -> None:
    """One log at `path` that stores one record and ends in order."""
    with pr.Log(path, size="256 KiB") as log:
        log.get_logger().info(event)


def events(path: Path) -> list[str]:
    with pr.open(path) as ring:
        return [record.event for record in ring.reader()]


def test_a_live_file_says_who_holds_it(log: pr.Log, ring_path: Path) -> None:
    with pr.open(ring_path) as ring:
        info = ring.info
        assert (info.path, info.name, info.pid, info.alive, info.clean) == (ring_path, "app", os.getpid(), True, False)
        assert abs(info.started - time.time_ns()) < 3600 * 10**9
        assert info.argv
        assert info.argv == sys.argv
        assert info.size_bytes == ring_path.stat().st_size
        assert (info.descriptors, info.data_bytes) == (log.stats()["descriptors"], log.stats()["data_bytes"])
        assert info.layout_version >= 1
        assert info.unfinished == 0
        log.close()
        assert info.alive, "an info is what was true at one moment"
        assert (ring.info.alive, ring.info.clean) == (False, True)


class Nested:
    """Logs itself when it is logged."""

    def __init__(self, log: pr.Log) -> None:
        self.log = log

    def __str__(self) -> str:
        self.log.get_logger().info("inside", value=self)
        return "nested"


def test_a_file_knows_the_counters_of_its_log(log: pr.Log, ring_path: Path, tmp_path: Path) -> None:
    log.add_console(pr.sinks.file(tmp_path / "console.txt"), name="out", level="ERROR")
    for number in range(10):
        log.get_logger().info("event", number=number)
    log.get_logger().info("long", text="x" * 40_000)
    log.get_logger().info("nested", value=Nested(log))
    log.get_logger().ratelimited(interval=1e6, burst=0).info("held back")
    assert log.flush(timeout=30.0)
    with pr.open(ring_path) as ring:
        stats = ring.stats()
    theirs = log.stats()
    assert set(theirs) - set(stats) == {"memory", "dumpers"}
    assert {name: stats[name] for name in stats if name != "consoles"} == {
        name: value for name, value in theirs.items() if name not in {"memory", "dumpers", "consoles"}
    }
    assert min(stats["truncated"], stats["recursion_dropped"], stats["suppressed"], stats["sites"]) > 0
    assert stats["consoles"]["out"]["seq"] == theirs["emitted"]
    assert stats["consoles"]["out"]["level"] == pr.Level.ERROR


def test_a_second_life_keeps_the_first_as_old_1(ring_path: Path) -> None:
    life(ring_path, "first")
    life(ring_path, "second")
    assert events(ring_path) == ["second"]
    assert events(Path(f"{ring_path}.old.1")) == ["first"]


def test_eight_previous_lives_are_kept_newest_first(ring_path: Path) -> None:
    for number in range(12):
        life(ring_path, f"life {number}")
    assert events(ring_path)[-1:] == ["life 11"]
    for age in range(1, 9):
        assert "life " + str(11 - age) in events(Path(f"{ring_path}.old.{age}"))
    assert not Path(f"{ring_path}.old.9").exists()


def test_the_life_that_has_to_go_is_named_in_the_new_ring(ring_path: Path) -> None:
    for number in range(10):
        life(ring_path, f"life {number}")
    with pr.open(ring_path) as ring:
        text = "\n".join(str(record) for record in ring.reader())
    assert f"{ring_path}.old.8" in text


def test_a_path_that_a_log_of_this_process_holds_is_refused_with_its_holder(log: pr.Log, ring_path: Path) -> None:
    log.get_logger().info("event")
    with pytest.raises(pr.RingFileError) as caught:
        pr.Log(ring_path, size="256 KiB")
    assert caught.value.errno == errno.EBUSY
    assert caught.value.filename == str(ring_path)
    assert str(os.getpid()) in caught.value.reason
    assert str(ring_path) in str(caught.value)
    assert events(ring_path) == ["event"]
    assert not Path(f"{ring_path}.old.1").exists()


@pytest.mark.parametrize("content", [b"", b"not a ring\n", b"\x00" * 4096, b"x" * 1_000_000])
def test_a_file_that_is_not_a_ring_is_refused_and_left_untouched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.file"
    path.write_bytes(content)
    for attempt in (lambda: pr.open(path), lambda: pr.Log(path, size="256 KiB"), lambda: pr.install(path, consoles=())):
        with pytest.raises(pr.RingFileError) as caught:
            attempt()
        assert caught.value.filename == str(path)
        assert caught.value.errno == errno.EINVAL
        assert caught.value.reason
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
    assert pr.default_log() is None


def test_a_path_with_a_zero_byte_is_a_wrong_argument_everywhere(tmp_path: Path, log: pr.Log) -> None:
    wrong = tmp_path / "a\0b"
    takers: list[Callable[[], object]] = [
        lambda: pr.open(wrong),
        lambda: pr.control(wrong),
        lambda: pr.recover(wrong),
        lambda: pr.Log(wrong),
        lambda: pr.Log(directory=wrong),
        lambda: pr.install(wrong),
        lambda: log.dump(wrong),
        lambda: log.add_console(pr.sinks.file(wrong)),
    ]
    for take in takers:
        with pytest.raises(pr.ConfigError, match=r'^path ".*/a\\0b.*": a path has no zero byte$'):
            take()
    assert log.consoles() == []


def test_half_a_character_is_no_path_and_any_text_elsewhere(log: pr.Log) -> None:
    half = "\ud800"
    calls: list[Callable[[], object]] = [
        lambda: pr.Log(half),
        lambda: pr.Log(directory=half),
        lambda: pr.Ring(desc_bits=5, avg_data_bits=5, path=half),
        lambda: pr.open(half),
        lambda: pr.control(half),
        lambda: pr.recover(half),
        lambda: pr.sinks.file(half),
        lambda: log.dump(half),
        lambda: setattr(log.offload, "mode", half),
    ]
    for call in calls:
        with pytest.raises(pr.ConfigError, match=r"ud800|\ufffd"):
            call()
    assert log.dynamic_debug(f"func {half} +p") == 0
    console = log.add_console(pr.sinks.memory(), name=half)
    assert console.name == "\ufffd"


def test_a_missing_file_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(pr.RingFileError) as caught:
        pr.open(tmp_path / "none.ring")
    assert caught.value.errno == errno.ENOENT
    assert caught.value.filename == str(tmp_path / "none.ring")


def test_a_directory_is_neither_ring_nor_place_of_one(tmp_path: Path) -> None:
    for attempt in (lambda: pr.open(tmp_path), lambda: pr.Log(tmp_path, size="256 KiB")):
        with pytest.raises(pr.RingFileError) as caught:
            attempt()
        assert caught.value.filename == str(tmp_path)
        assert caught.value.reason


def test_a_log_in_a_missing_directory_says_so(tmp_path: Path) -> None:
    with pytest.raises(pr.RingFileError) as caught:
        pr.Log(tmp_path / "missing" / "app.ring")
    assert caught.value.errno == errno.ENOENT


def test_a_symlink_is_not_followed_when_a_log_is_made(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link.ring"
    target.write_bytes(b"precious")
    link.symlink_to(target)
    with pytest.raises(pr.RingFileError) as caught:
        pr.Log(link, size="256 KiB")
    assert caught.value.filename == str(link)
    assert target.read_bytes() == b"precious"
    dangling = tmp_path / "dangling.ring"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(pr.RingFileError):
        pr.Log(dangling, size="256 KiB")
    assert not (tmp_path / "nowhere").exists()


def test_a_fifo_and_a_device_are_refused_without_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.ring"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/null"), Path("/dev/zero")):
        with pytest.raises(pr.RingFileError):
            pr.open(path)
        with pytest.raises(pr.RingFileError):
            pr.Log(path, size="256 KiB")


def test_without_permission_the_path_and_the_reason_are_named(tmp_path: Path) -> None:
    path = tmp_path / "secret.ring"
    life(path, "secret")
    # As root every file can be read: the child becomes somebody else once it has imported what it needs.
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    path.chmod(0 if os.geteuid() else 0o600)
    succeed(
        """
        import errno, os, sys
        import printk_ring as pr

        path = sys.argv[1]
        if os.geteuid() == 0:
            os.setegid(65534)
            os.seteuid(65534)
        for attempt in (lambda: pr.open(path), lambda: pr.Log(path)):
            try:
                attempt()
            except pr.RingFileError as error:
                assert error.errno == errno.EACCES, error
                assert error.filename == path, error
            else:
                raise SystemExit("it was opened")
        """,
        path,
    )


def test_a_full_disk_is_an_error_at_the_start_and_leaves_nothing(tmp_path: Path) -> None:
    succeed(
        """
        import os, resource, signal, sys
        import printk_ring as pr

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # what a full disk is to this process
        try:
            pr.Log(sys.argv[1], size="1 MiB")
        except pr.RingFileError as error:
            assert error.filename == sys.argv[1], error
        else:
            raise SystemExit("made")
        assert not os.path.exists(sys.argv[1])
        """,
        tmp_path / "app.ring",
    )


def test_a_file_cut_off_under_its_reader_ends_in_an_error_and_not_in_a_signal(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    with pr.Log(path, size="256 KiB") as log:
        for number in range(1000):
            log.get_logger().info("event", number=number)
    with pr.open(path) as ring:
        reader = ring.reader()
        assert next(reader).fields == {"number": 0}
        os.truncate(path, 8192)
        with pytest.raises(pr.RingFileError):
            list(reader)


def test_a_closed_ring_file_says_so(tmp_path: Path) -> None:
    life(tmp_path / "app.ring", "event")
    ring = pr.open(tmp_path / "app.ring")
    reader = ring.reader()
    ring.close()
    ring.close()
    with pytest.raises(pr.RingFileError):
        next(reader)


def test_a_ring_file_error_is_an_os_error_and_a_config_error_a_value_error() -> None:
    assert issubclass(pr.RingFileError, (pr.PrintkError, OSError))
    assert pr.RingFileError.__mro__.index(OSError) > 0
    assert issubclass(pr.ConfigError, ValueError)
    error = pr.RingFileError(errno.EINVAL, "not a ring", "/some/path")
    assert (error.errno, error.reason, error.strerror, error.filename) == (
        errno.EINVAL,
        "not a ring",
        "not a ring",
        "/some/path",
    )
    for kind in (pr.ConfigError, pr.ReservationError, pr.Overrun, pr.RingFileError):
        assert issubclass(kind, pr.PrintkError)

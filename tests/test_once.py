"""`Logger.once`: of each call site one record."""

from __future__ import annotations

import gc
import threading
import types
import weakref
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def events(log: pr.Log) -> list[str]:
    """Of all records."""
    return [record.event for record in log.reader()]


def test_a_call_site_logs_once_whatever_it_says_and_by_whatever_logger(log: pr.Log) -> None:
    for number in range(5):
        log.get_logger(f"app.{number}").once().info(f"number {number}", n=number)
    [record] = log.reader()
    assert (record.event, record.logger, record.fields) == ("number 0", "app.0", {"n": 0})


def test_what_once_holds_back_is_no_loss_and_not_counted_as_one(log: pr.Log) -> None:
    for number in range(5):
        log.get_logger().once().info("once", number=number)
        log.get_logger().ratelimited(interval=3600.0, burst=2).info("limited", number=number)
    assert log.stats()["suppressed"] == 3
    assert len(events(log)) == 3


def test_calls_that_look_the_same_are_sites_of_their_own_in_one_line_too(log: pr.Log) -> None:
    same = "once.info('same')"
    code = f"for _ in range(3): {same}; {same}; [{same}, {same}]"
    exec(code, {"once": log.get_logger().once()})
    assert events(log) == ["same"] * 4


CALLED_BACK = """
import functools, sys, weakref
import printk_ring as pr

log = pr.Log(size="1 MiB")
logger = log.get_logger()
logger = logger.once() if sys.argv[1] == "once" else logger

class Thing:
    pass

def leaves(_):
    thing = Thing()  # goes when this frame has gone, and the one below is the interpreter's own: `map` has called
    kept.append(weakref.ref(thing, functools.partial(logger.info, "%s is gone")))

def one(): list(map(leaves, "x"))
def other(): list(map(leaves, "x"))

kept = []
for _ in range(3):
    one()
    other()
print(*(record.func for record in log.reader()))
"""


@pytest.mark.parametrize(("limit", "expected"), [("once", ["one", "other"]), ("none", ["one", "other"] * 3)])
def test_what_is_called_back_when_a_function_has_ended_is_of_the_code_around(limit: str, expected: list[str]) -> None:
    """`sys._getframe` crashes there (seen on CPython 3.14.4), and no instruction of any code calls."""
    assert succeed(CALLED_BACK, limit).split() == expected


def test_each_way_to_log_is_limited(log: pr.Log) -> None:
    once = log.get_logger().once()
    for _ in range(3):
        once.debug("debug")
        once.log(30, "log")
        once.error("with %s", "arguments", exc_info=True)
        once.exception("exception")
        once.bind(a=1).warning("bound")
        with once.contextualize(b=2):
            once.info("around")
    assert events(log) == ["debug", "log", "with %s", "exception", "bound", "around"]
    assert [record.fields for record in log.reader()][-2:] == [{"a": 1}, {"b": 2}]


def test_a_call_that_is_below_the_level_does_not_count(log: pr.Log) -> None:
    logger = log.get_logger("quiet")
    for level in ("ERROR", "INFO", "INFO"):
        logger.level = level
        logger.once().info(level)
    assert events(log) == ["INFO"]


def test_each_log_has_its_own_first_time(log: pr.Log) -> None:
    with pr.Log(size="256 KiB") as other:
        for one in (log, other, log, other):
            one.get_logger().once().info("event")
        assert events(log) == events(other) == ["event"]


def test_of_threads_that_come_at_once_one_logs(log: pr.Log) -> None:
    start = threading.Barrier(4)

    def work(calls: list[Callable[[], None]]) -> None:
        for call in calls:
            start.wait(60)
            call()

    names = {"once": log.get_logger().once()}
    calls = [eval(f"lambda: once.info('{number}')", names) for number in range(200)]
    threads = [threading.Thread(target=work, args=(calls,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(events(log), key=int) == [str(number) for number in range(200)]


def test_code_that_is_gone_leaves_nothing_behind_and_other_code_in_its_place_is_other_code(log: pr.Log) -> None:
    names = {"once": log.get_logger().once()}
    places = set()
    for number in range(3000):
        code = compile(f"once.info({number})", "<made>", "exec")
        places.add(id(code))
        exec(code, names)
        exec(code, names)
        del code
        if number % 100 == 0:
            gc.collect()  # without the interpreter's lock code goes only by that
    assert len(places) < 3000, "some code lay where other code had been"
    assert log.stats()["emitted"] == 3000
    kept = [one for one in gc.get_objects() if type(one) is weakref.ref and one() is None]
    assert len(kept) < 1500


def test_code_that_stays_is_remembered_among_much_that_goes(log: pr.Log) -> None:
    names = {"once": log.get_logger().once()}
    kept = compile("once.info('kept')", "<kept>", "exec")
    assert isinstance(kept, types.CodeType)
    for number in range(1500):
        exec(kept, names)
        exec(compile(f"once.debug({number})", "<made>", "exec"), names)
    assert events(log).count("kept") == 1


def test_caught_exceptions_are_limited_by_where_they_are_caught(log: pr.Log) -> None:
    catch = log.get_logger().once().catch(reraise=False)
    for number in range(3):
        with catch:
            raise ValueError(number)
        with catch:
            raise KeyError(number)
    assert [record.exc["type"] for record in log.reader() if record.exc is not None] == ["ValueError", "KeyError"]


def test_a_logger_of_no_log_says_nothing_and_has_its_first_time_later(ring_path: Path) -> None:
    logger = pr.get_logger("early").once()
    for number in range(3):
        if number == 1:
            pr.install(ring_path, consoles=(), size="256 KiB")
        logger.info(f"number {number}")
    log = pr.default_log()
    assert log is not None
    with log:
        assert events(log) == ["number 1"]


def test_a_child_does_not_say_again_what_its_parent_has_said(ring_path: Path) -> None:
    succeed(
        """
        import os, sys
        import printk_ring as pr

        log = pr.Log(sys.argv[1], size="256 KiB")
        for child in (None, False):
            if child is False:
                child = os.fork()
            log.get_logger().once().info("once")
            if child == 0:
                log.get_logger().once().info("the child's own")
                assert [record.event for record in log.reader()] == ["the child's own"]
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert [record.event for record in log.reader()] == ["once"]
        """,
        ring_path,
    )


def test_it_is_a_logger_of_the_same_name_and_takes_nothing(log: pr.Log) -> None:
    logger = log.get_logger("app", a=1)
    assert isinstance(logger.once(), pr.Logger)
    assert logger.once().name == "app"
    logger.once().info("bound")
    assert [record.fields for record in log.reader()] == [{"a": 1}]
    with pytest.raises(TypeError):
        logger.once(1)  # type: ignore[call-arg]  # that is the test

"""`Logger.ratelimited`: so many records of a call site in a window, and a word about the others."""

from __future__ import annotations

import inspect
import math
import re
import threading
import time
from typing import Any

import pytest

import printk_ring as pr
from printk_ring import _native
from tests.children import wait_until

FOREVER = 1e9


def events(log: pr.Log) -> list[str]:
    """Of all records."""
    return [record.event for record in log.reader()]


def test_a_site_logs_so_often_and_the_rest_is_counted(log: pr.Log) -> None:
    for number in range(10):
        log.get_logger().ratelimited(FOREVER, 3).info(f"number {number}")
    assert events(log) == ["number 0", "number 1", "number 2"]
    assert log.stats()["suppressed"] == 7


def test_each_site_has_a_limit_of_its_own_in_one_line_too(log: pr.Log) -> None:
    same = "limited.info('same')"
    exec(f"for _ in range(5): {same}; {same}", {"limited": log.get_logger().ratelimited(FOREVER, 2)})
    assert events(log) == ["same"] * 4


def test_the_first_call_after_the_window_says_how_many_were_held_back(log: pr.Log) -> None:
    limited = log.get_logger("app", a=1).ratelimited(0.05, 1)

    def call(event: str) -> None:
        limited.error(event)

    call("first")
    held = 0
    while log.stats()["suppressed"] < 3:  # until a window held three of them, however slow this machine is
        call("more")
        held = log.stats()["suppressed"]
    assert held == 3
    time.sleep(0.06)
    call("after")
    records = list(log.reader())
    notices = [record for record in records if record.event.endswith("callbacks suppressed")]
    assert all(record.event.startswith("call: ") for record in notices)
    assert sum(int(record.event.split()[1]) for record in notices) == 3
    assert {(record.level, record.logger) for record in notices} == {(pr.Level.WARNING, "app")}
    assert [record.event for record in records][-1] == "after"
    assert records[-2].event == notices[-1].event, "just before the record that has ended the silence"


def test_who_logs_no_warnings_is_told_nothing(log: pr.Log) -> None:
    logger = log.get_logger("quiet")
    logger.level = "ERROR"

    def is_another_window() -> bool:
        logger.ratelimited(0.01, 1).error("event")
        return log.stats()["emitted"] > 1

    wait_until(is_another_window, "another window")
    assert set(events(log)) == {"event"}


def test_interval_0_lets_all_through_and_burst_0_nothing(log: pr.Log) -> None:
    for _ in range(50):
        log.get_logger().ratelimited(interval=0, burst=0).info("always")
        log.get_logger().ratelimited(interval=0.0).info("always")
        log.get_logger().ratelimited(interval=1e-9, burst=0).info("never")
    assert events(log) == ["always"] * 100
    assert log.stats()["suppressed"] == 50


def test_a_site_that_is_not_limited_any_more_begins_anew_when_it_is_again(log: pr.Log) -> None:
    for interval in (FOREVER, FOREVER, 0, FOREVER, FOREVER):
        log.get_logger().ratelimited(interval, 1).info(str(interval))
    told = f"{inspect.stack()[0].function}: 1 callbacks suppressed"
    assert events(log) == [str(FOREVER), "0", told, str(FOREVER)]


def test_a_window_may_last_for_ever_and_a_burst_be_beyond_all_numbers(log: pr.Log) -> None:
    for _ in range(3):
        log.get_logger().ratelimited(math.inf, 1).info("one")
        log.get_logger().ratelimited(math.inf, 10**30).info("any")
    assert events(log) == ["one", "any", "any", "any"]


def test_what_is_below_the_level_costs_nothing_of_the_burst(log: pr.Log) -> None:
    logger = log.get_logger("quiet")
    for level in ("ERROR", "ERROR", "INFO", "INFO"):
        logger.level = level
        logger.ratelimited(FOREVER, 1).info(level)
    assert events(log) == ["INFO"]
    assert log.stats()["suppressed"] == 1


def test_threads_share_the_burst_of_a_site(log: pr.Log) -> None:
    limited = log.get_logger().ratelimited(FOREVER, 100)

    def work() -> None:
        for _ in range(200):
            limited.info("event")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(events(log)) == 100
    assert log.stats()["suppressed"] == 700


def test_once_and_a_limit_at_one_site_do_not_mix(log: pr.Log) -> None:
    logger = log.get_logger()
    for limited in (logger.ratelimited(FOREVER, 2), logger.once()) * 3:
        limited.info("event")
    assert len(events(log)) == 3
    assert isinstance(logger.ratelimited(), pr.Logger)


def test_the_defaults_are_those_of_the_host(log: pr.Log) -> None:
    parameters = inspect.signature(pr.Logger.ratelimited).parameters
    defaults = _native.defaults()
    assert {name: parameters[name].default for name in ("interval", "burst")} == {
        name: defaults[name] for name in ("interval", "burst")
    }
    for _ in range(12):
        log.get_logger().ratelimited().info("event")
    assert events(log) in (["event"] * 10, ["event"] * 11, ["event"] * 12), "unless five seconds went by"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"interval": -1}, "interval is -1"),
        ({"interval": -math.inf}, "interval is -inf"),
        ({"interval": math.nan}, "interval is nan"),
        ({"burst": -1}, "burst is -1"),
        ({"burst": -(10**30)}, "burst is -1000"),
    ],
)
def test_a_limit_that_is_none_is_refused(log: pr.Log, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(pr.ConfigError, match=said):
        log.get_logger().ratelimited(**arguments)


@pytest.mark.parametrize("arguments", [{"interval": "5"}, {"interval": None}, {"burst": 1.5}, {"burst": "1"}])
def test_a_limit_of_another_type_is_a_type_error_that_names_it(log: pr.Log, arguments: dict[str, Any]) -> None:
    [(name, value)] = arguments.items()
    with pytest.raises(TypeError, match=rf"^{name} is {re.escape(repr(value))}: give "):
        log.get_logger().ratelimited(**arguments)


def test_an_interruption_of_a_number_is_passed_on(log: pr.Log) -> None:
    class Interrupted:
        def __float__(self) -> float:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        log.get_logger().ratelimited(Interrupted())  # type: ignore[arg-type]

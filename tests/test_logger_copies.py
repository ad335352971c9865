"""Copies of loggers: of objects that have one, and in other processes."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from pathlib import Path


class Worker:
    """As applications have it."""

    def __init__(self, logger: pr.Logger) -> None:
        """Keeps the logger."""
        self.logger = logger

    def work(self, number: int) -> int:
        """Says so."""
        self.logger.info("working", number=number)
        return number


def test_a_copy_of_what_has_a_logger_has_the_same_one(log: pr.Log) -> None:
    worker = Worker(log.get_logger("w", bound=[1]).once())
    for other in (copy.copy(worker), copy.deepcopy(worker)):
        assert other is not worker
        assert other.logger is worker.logger


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_logger_for_the_default_log_is_one_again_where_it_is_unpickled(default_log: pr.Log, protocol: int) -> None:
    bound: dict[str, Any] = {"a": 1, "b": ["x", None], "name": b"\x00", "self": "ß"}
    worker = Worker(pr.get_logger("w").bind(**bound))
    same = pickle.loads(pickle.dumps(worker, protocol))
    same.work(3)
    [record] = default_log.reader()
    assert (record.logger, record.event, record.fields) == ("w", "working", {**bound, "number": 3})
    assert pickle.loads(pickle.dumps(pr.get_logger(), protocol)).name is None


def test_how_often_it_may_log_is_kept(default_log: pr.Log) -> None:
    once = pickle.loads(pickle.dumps(pr.get_logger("once").once()))
    seldom = pickle.loads(pickle.dumps(pr.get_logger("seldom").ratelimited(interval=60.0, burst=2)))
    for _ in range(5):
        once.info("event")
        seldom.info("event")
    assert [record.logger for record in default_log.reader()] == ["once", "seldom", "seldom"]


def test_a_logger_of_one_log_cannot_leave_its_process_and_says_what_can(log: pr.Log) -> None:
    with pytest.raises(TypeError, match=r"printk_ring\.get_logger gives loggers that can"):
        pickle.dumps(log.get_logger("w"))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_it_goes_with_a_task_to_a_worker_process(method: str, tmp_path: Path) -> None:
    (tmp_path / "workers.py").write_text(textwrap.dedent(inspect.getsource(Worker)).replace("pr.Logger", "object"))
    succeed(
        f"""
        import multiprocessing, sys
        sys.path.insert(0, sys.argv[1])
        import printk_ring as pr
        from workers import Worker
        if __name__ == "__main__":
            worker = Worker(pr.get_logger("w"))
            with multiprocessing.get_context({method!r}).Pool(1) as pool:
                assert pool.map(worker.work, [1, 2]) == [1, 2]
        """,
        tmp_path,
    )

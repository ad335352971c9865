"""`Logger.contextualize`: fields of whatever is logged in a block, each task and each thread with its own."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator


def fields(log: pr.Log) -> list[dict[str, Any]]:
    """Of all records."""
    return [record.fields for record in log.reader()]


def shown(log: pr.Log) -> list[str]:
    """All records as text, without their times."""
    return [str(record).partition("] ")[2] for record in log.reader()]


def test_the_call_wins_over_the_block_and_the_block_over_what_is_bound(log: pr.Log) -> None:
    logger = log.get_logger().bind(a="bound", b="bound", c="bound")
    with logger.contextualize(b="block", c="block", d="block", e="block"):
        logger.info("fast", c="call", e="call", f="call")
        logger.info("slow %s", "way", c="call", e="call", f="call")
    expected = {"a": "bound", "c": "call", "b": "block", "d": "block", "e": "call", "f": "call"}
    for found in fields(log):
        assert found == expected
        assert list(found) == list(expected), "bound ones first, then those of the block, then the call's"
    logger.info("after")
    assert fields(log)[2] == {"a": "bound", "b": "bound", "c": "bound"}


def test_blocks_nest_and_end_also_by_an_exception(log: pr.Log) -> None:
    logger = log.get_logger()

    def fail() -> None:
        with logger.contextualize(step="parse", user="bob"):
            logger.info("inner")
            raise KeyError

    with logger.contextualize(request=1, user="ann"):
        with pytest.raises(KeyError):
            fail()
        logger.info("outer")
    logger.info("none")
    assert fields(log) == [{"request": 1, "user": "bob", "step": "parse"}, {"request": 1, "user": "ann"}, {}]


def test_one_block_is_for_all_loggers_and_logs_and_for_the_standard_library(log: pr.Log) -> None:
    ours = logging.Logger("ours")
    ours.addHandler(pr.RingHandler(log))
    with pr.Log(size="256 KiB") as other:
        with pr.get_logger("default").contextualize(request=1, extra="block", path="block"):
            log.get_logger("native").info("x")
            other.get_logger("native").info("x")
            ours.warning("x", extra={"path": "call"})
        assert fields(other) == [{"request": 1, "extra": "block", "path": "block"}]
    native, handled = fields(log)
    assert native == {"request": 1, "extra": "block", "path": "block"}
    assert handled == {"request": 1, "extra": "block", "path": "call"}


def test_a_block_can_be_entered_again_and_within_itself(log: pr.Log) -> None:
    logger = log.get_logger()
    block = logger.contextualize(a=1)
    for _ in range(2):
        with block, logger.contextualize(b=2), block:
            logger.info("x")
        logger.info("x")
    assert fields(log) == [{"a": 1, "b": 2}, {}] * 2


def test_tasks_have_their_own_and_inherit_what_was_there_when_they_began(log: pr.Log) -> None:
    logger = log.get_logger()

    async def work(number: int) -> None:
        with logger.contextualize(task=number):
            for step in range(3):
                await asyncio.sleep(0)
                logger.info("x", step=step)

    async def main() -> None:
        with logger.contextualize(request=1):
            await asyncio.gather(*(work(number) for number in range(3)))
            logger.info("end")

    asyncio.run(main())
    *found, last = fields(log)
    assert last == {"request": 1}
    assert [(entry["step"], entry["task"]) for entry in found] == [
        (step, task) for step in range(3) for task in range(3)
    ]
    assert {entry["request"] for entry in found} == {1}


def test_a_thread_begins_without_and_takes_over_what_it_is_given(log: pr.Log) -> None:
    logger = log.get_logger()

    def run(work: Any) -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with logger.contextualize(request=1):
        run(lambda: contextvars.Context().run(logger.info, "fresh"))
        here = contextvars.copy_context()
        run(lambda: here.run(logger.info, "given"))
    assert fields(log) == [{}, {"request": 1}]


def test_a_block_that_is_left_in_another_context_changes_nothing_there(log: pr.Log) -> None:
    logger = log.get_logger()

    async def rows() -> AsyncGenerator[int]:
        with logger.contextualize(query="q"):
            yield 1

    async def main() -> None:
        generator = rows()
        await asyncio.create_task(generator.__anext__())
        with logger.contextualize(request=1):
            await generator.aclose()
            logger.info("x")

    asyncio.run(main())
    assert fields(log) == [{"request": 1}]


def test_leaving_an_outer_block_ends_the_inner_ones_too(log: pr.Log) -> None:
    logger = log.get_logger()
    outer, inner = logger.contextualize(a=1), logger.contextualize(b=2)
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    logger.info("x")
    inner.__exit__(None, None, None)
    outer.__exit__(None, None, None)
    logger.info("x")
    assert fields(log) == [{}, {}]


def test_values_are_taken_when_the_block_is_made(log: pr.Log) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise ValueError

    changing = [1]
    logger = log.get_logger()
    with logger.contextualize(changing=changing, bad=Unprintable(), none=None, path=b"x"):
        changing.append(2)
        logger.info("x")
    assert fields(log) == [{"changing": [1], "bad": "<unprintable Unprintable>", "none": None, "path": b"x"}]


def test_more_fields_than_the_fast_way_takes_and_names_of_options(log: pr.Log) -> None:
    logger = log.get_logger().bind(**{f"b{number}": number for number in range(20)})
    many = {f"c{number}": number for number in range(20)}
    with logger.contextualize(**many, exc_info="a field here", event="too"):
        logger.info("x", last=1)
        logger.info("x %d", 1, exc_info=False, last=1)
    expected = {**{f"b{n}": n for n in range(20)}, **many, "exc_info": "a field here", "event": "too", "last": 1}
    assert fields(log) == [expected, expected]
    assert [list(found) for found in fields(log)] == [list(expected)] * 2


def test_an_exception_and_a_cut_record_have_them_too(log: pr.Log) -> None:
    logger = log.get_logger()
    with logger.contextualize(request=1):
        try:
            raise KeyError("x")
        except KeyError:
            logger.exception("failed")
        logger.info("long", text="x" * 100_000)
    first, second = log.reader()
    assert (first.fields, first.truncated) == ({"request": 1}, False)
    assert (second.fields["request"], second.truncated) == (1, True)
    assert shown(log)[0].startswith("failed request=1")


def test_a_generator_of_the_same_thread_shares_the_block_that_is_around_it(log: pr.Log) -> None:
    """As every context variable does: only tasks and threads have their own."""
    logger = log.get_logger()

    def rows() -> Generator[None]:
        with logger.contextualize(row=1):
            yield

    generator = rows()
    next(generator)
    logger.info("between")
    generator.close()
    logger.info("after")
    assert fields(log) == [{"row": 1}, {}]


def test_threads_that_enter_and_leave_at_once_see_only_their_own() -> None:
    succeed(
        """
        import threading
        import printk_ring as pr

        log = pr.Log(size="4 MiB")
        logger = log.get_logger()
        block = logger.contextualize(shared=True)

        def work(worker):
            for number in range(500):
                with block, logger.contextualize(worker=worker, number=number):
                    logger.info("x", own=worker, at=number)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        records = [record.fields for record in log.reader()]
        assert len(records) == 2000
        assert all(found["worker"] == found["own"] and found["number"] == found["at"] for found in records)
        """
    )


def test_the_block_says_what_it_is_for() -> None:
    assert repr(pr.get_logger().contextualize(request=1, user="ann")) == "<ContextFields request, user>"


def test_of_very_many_names_the_newer_value_is_in_the_older_ones_place(log: pr.Log) -> None:
    older = {f"n{number}": number for number in range(2_000)}
    logger = log.get_logger().bind(first=0, **older).bind(n1="bound", last=1)
    logger.info("w")
    with logger.contextualize(**older), logger.contextualize(n2="around", most=2):
        logger.bind(kept=3).info("x", n0="call")
        log.get_logger().info("y")
    bound, with_bound, without = log.reader()
    assert list(bound.fields.items())[:3] == [("first", 0), ("n0", 0), ("n1", "bound")]
    start = list(with_bound.fields.items())[:4]
    assert start == [("first", 0), ("n0", "call"), ("last", 1), ("kept", 3)], "the others are those around"
    assert list(without.fields.items())[:4] == [("n0", 0), ("n1", 1), ("n2", "around"), ("n3", 3)]
    for record in (bound, with_bound, without):
        assert [str(record).count(f" {name}=") for name in ("n0", "n1", "n2")] == [1, 1, 1]

"""`Logger.catch`: exceptions of blocks and functions become records, and go on, or end there."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator


class Odd(BaseException):
    """Neither an error nor an end."""


def caught(log: pr.Log) -> list[tuple[str, str]]:
    """The exceptions that were logged: type and message, each in a record at ERROR."""
    found = []
    for record in log.reader():
        assert (record.event, record.level) == ("exception caught", pr.Level.ERROR)
        assert record.exc is not None
        assert record.exc["stacktrace"].startswith("Traceback (most recent call last)")
        found.append((record.exc["type"], record.exc["message"]))
    return found


def fail(what: str = "bad") -> None:
    raise ValueError(what)


def test_an_exception_of_a_block_is_logged_and_goes_on(log: pr.Log) -> None:
    with pytest.raises(ValueError, match="bad") as raised, log.get_logger("app", a=1).catch():
        fail()
    [record] = log.reader()
    assert (record.logger, record.fields) == ("app", {"a": 1})
    assert caught(log) == [("ValueError", "bad")]
    assert record.exc is not None
    assert "in fail" in record.exc["stacktrace"]
    assert raised.value.__context__ is None


def test_the_place_is_that_of_the_block_or_of_whoever_called_the_function(log: pr.Log) -> None:
    logger = log.get_logger()

    @logger.catch(reraise=False)
    @logger.catch()
    @logger.catch()
    def work() -> None:
        fail()

    def call() -> None:
        work()

    def block() -> None:
        with logger.catch(reraise=False), logger.catch():
            work()
            fail()

    call()
    block()
    places = [(record.func, record.file) for record in log.reader()]
    assert places == [("call", __file__)] * 3 + [("block", __file__)] * 5


def test_what_an_event_loop_drives_has_a_place_of_its_own(log: pr.Log) -> None:
    logger = log.get_logger()

    @logger.catch(reraise=False)
    @logger.catch()
    async def work() -> None:
        await asyncio.sleep(0)
        fail()

    @logger.catch(reraise=False)
    async def count() -> AsyncGenerator[int, None]:
        yield 1
        fail()

    async def plain(what: str) -> None:
        fail(what)

    async def main() -> None:
        await asyncio.create_task(work())
        await work()
        assert [number async for number in count()] == [1]
        await logger.catch(reraise=False)(functools.partial(plain, "bad"))()

    asyncio.run(main())
    places = [(record.file, record.func, record.line) for record in log.reader()]
    codes = [inspect.unwrap(function).__code__ for function in (work, work, work, work, count, plain)]
    assert places == [(__file__, code.co_name, code.co_firstlineno) for code in codes]
    assert {site.func for site in log.sites()} == {"work", "count", "plain"}, "dynamic debug knows them so, too"


def test_once_is_once_for_each_coroutine_function_however_often_it_is_decorated(log: pr.Log) -> None:
    logger = log.get_logger().once()

    async def one() -> None:
        raise KeyError("one")

    async def two() -> None:
        raise KeyError("two")

    async def main() -> None:
        for _ in range(3):
            for work in (one, two):
                await asyncio.create_task(logger.catch(reraise=False)(work)())

    asyncio.run(main())
    assert caught(log) == [("KeyError", "'one'"), ("KeyError", "'two'")]


def test_without_reraise_it_ends_there(log: pr.Log) -> None:
    catch = log.get_logger().catch(reraise=False)
    for what in ("one", "two"):
        with catch, catch:
            fail(what)
    with catch:
        pass
    assert caught(log) == [("ValueError", "one"), ("ValueError", "two")]


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("reraise", [True, False])
def test_what_ends_a_program_or_a_task_is_not_logged_and_never_kept_back(
    log: pr.Log, end: type[BaseException], reraise: bool
) -> None:
    with pytest.raises(end), log.get_logger().catch(reraise=reraise):
        raise end
    assert caught(log) == []


def test_what_is_no_exception_of_the_usual_kind_is_logged_and_never_kept_back(log: pr.Log) -> None:
    with pytest.raises(Odd), log.get_logger().catch(reraise=False):
        raise Odd
    assert [kind for kind, _ in caught(log)] == [f"{__name__}.Odd"]


def test_a_function_is_logged_by_its_name_and_keeps_it(log: pr.Log) -> None:
    @log.get_logger(None, function="bound").catch()
    def divide(one: float, other: float = 0) -> float:
        """Divides."""
        return one / other

    assert divide(4, other=2) == 2
    with pytest.raises(ZeroDivisionError):
        divide(4)
    [record] = log.reader()
    assert record.fields == {"function": "test_a_function_is_logged_by_its_name_and_keeps_it.<locals>.divide"}
    assert (divide.__name__, divide.__doc__) == ("divide", "Divides.")
    assert list(inspect.signature(divide).parameters) == ["one", "other"]


def test_a_function_without_reraise_returns_none(log: pr.Log) -> None:
    assert log.get_logger().catch(reraise=False)(fail)() is None
    assert caught(log) == [("ValueError", "bad")]


def test_a_method_and_a_partial_are_functions(log: pr.Log) -> None:
    class Thing:
        @log.get_logger().catch(reraise=False)
        def method(self) -> Thing:
            fail("method")
            return self

        @classmethod
        @log.get_logger().catch(reraise=False)
        def of_class(cls) -> None:
            fail(cls.__name__)

    Thing().method()
    Thing.of_class()
    log.get_logger().catch(reraise=False)(functools.partial(fail, "partial"))()
    assert [message for _, message in caught(log)] == ["method", "Thing", "partial"]


def test_a_coroutine_function_stays_one(log: pr.Log) -> None:
    @log.get_logger().catch(reraise=False)
    async def work(seconds: float) -> str:
        await asyncio.sleep(seconds)
        if seconds == 0:
            fail("in a task")
        return "done"

    async def main() -> None:
        assert await work(0.001) == "done"
        assert await work(0) is None
        cancelled = asyncio.create_task(work(600))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    assert inspect.iscoroutinefunction(work)
    asyncio.run(main())
    assert caught(log) == [("ValueError", "in a task")]


def test_a_generator_function_stays_one_and_is_spoken_to_as_before(log: pr.Log) -> None:
    steps = []

    @log.get_logger().catch(reraise=False)
    def count(end: int) -> Generator[int, str, str]:
        try:
            for number in range(end):
                try:
                    steps.append((yield number))
                except KeyError:
                    steps.append("thrown")
            fail("at its end")
        finally:
            steps.append("left")
        return "never"

    assert inspect.isgeneratorfunction(count)
    counter = count(3)
    assert next(counter) == 0
    assert counter.send("sent") == 1
    assert counter.throw(KeyError()) == 2
    assert list(counter) == []
    assert steps == ["sent", "thrown", None, "left"]
    assert caught(log) == [("ValueError", "at its end")]
    closed = count(3)
    next(closed)
    closed.close()
    assert steps[4:] == ["left"]
    assert len(caught(log)) == 1, "a generator that is closed has not failed"


def test_an_asynchronous_generator_function_stays_one_and_is_spoken_to_as_before(log: pr.Log) -> None:
    steps: list[Any] = []

    @log.get_logger().catch()
    async def count(end: int) -> AsyncGenerator[int, str]:
        try:
            for number in range(end):
                await asyncio.sleep(0)
                try:
                    steps.append((yield number))
                except KeyError:
                    steps.append("thrown")
            if end == 3:
                fail("at its end")
        finally:
            steps.append("left")

    async def main() -> None:
        assert [number async for number in count(2)] == [0, 1]
        steps.clear()
        counter = count(3)
        assert await anext(counter) == 0
        assert await counter.asend("sent") == 1
        assert await counter.athrow(KeyError()) == 2
        with pytest.raises(ValueError, match="at its end"):
            await anext(counter)
        assert steps == ["sent", "thrown", None, "left"]
        closed = count(3)
        await anext(closed)
        await closed.aclose()
        assert steps[4:] == ["left"]

    assert inspect.isasyncgenfunction(count)
    asyncio.run(main())
    assert caught(log) == [("ValueError", "at its end")]


def test_a_logger_that_stores_nothing_lets_exceptions_through_all_the_same(log: pr.Log) -> None:
    logger = log.get_logger("quiet")
    logger.level = "CRITICAL"
    with pytest.raises(ValueError, match="bad"), logger.catch():
        fail()
    with pr.get_logger("no log at all").catch(reraise=False):
        fail()
    assert caught(log) == []


@pytest.mark.parametrize("wrong", [fail, 1, None, "yes"])
def test_what_reraise_is_not_is_refused_with_what_to_write(log: pr.Log, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"@logger\.catch\(\)"):
        log.get_logger().catch(wrong)


@pytest.mark.parametrize(
    "wrong",
    [staticmethod(fail), classmethod(lambda cls: cls), property(fail), 1, None],
    ids=["static method", "class method", "property", "number", "None"],
)
def test_what_is_no_function_is_refused_with_what_to_do(log: pr.Log, wrong: Any) -> None:
    with pytest.raises(TypeError, match="below @staticmethod, @classmethod"):
        log.get_logger().catch()(wrong)

"""loguru at the front, a log behind it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import loguru
import pytest

import printk_ring as pr
from printk_ring.integrations.loguru import RingSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def logger() -> Iterator[Any]:
    """loguru's logger without its handler on stderr; a new one each time would need loguru's private constructor."""
    loguru.logger.remove()
    yield loguru.logger
    loguru.logger.remove()


def only(log: pr.Log) -> pr.Record:
    [record] = log.reader()
    return record


def test_what_is_no_log_is_refused() -> None:
    with pytest.raises(TypeError, match="log is a Log, or None for the default one, not str"):
        RingSink("x")  # type: ignore[arg-type]


def test_a_record_arrives_with_all_it_says(log: pr.Log, logger: Any) -> None:
    logger.add(RingSink(log), format="{message}", catch=False)
    logger.bind(user="ann").info("paid {amount}", amount=2.5)
    record = only(log)
    assert (record.message, record.level, record.levelno) == ("paid 2.5", pr.Level.INFO, 20)
    assert record.fields == {"user": "ann", "amount": 2.5}
    assert (record.file, record.func) == (__file__, "test_a_record_arrives_with_all_it_says")
    assert record.line == test_a_record_arrives_with_all_it_says.__code__.co_firstlineno + 2
    assert record.logger == __name__


@pytest.mark.parametrize(
    ("method", "number", "level"),
    [("trace", 5, 7), ("debug", 10, 7), ("info", 20, 6), ("success", 25, 5), ("warning", 30, 4), ("critical", 50, 2)],
)
def test_levels_are_the_kernels_and_numbers_are_kept(
    log: pr.Log, logger: Any, method: str, number: int, level: int
) -> None:
    logger.add(RingSink(log), level=0, catch=False)
    getattr(logger, method)("event")
    assert (only(log).levelno, only(log).level) == (number, level)


def test_an_exception_arrives_as_such_and_not_in_the_message(log: pr.Log, logger: Any) -> None:
    logger.add(RingSink(log), catch=False)
    try:
        raise KeyError("k")
    except KeyError:
        logger.exception("failed")
    record = only(log)
    assert record.exc is not None
    assert (record.message, record.exc["type"], record.exc["message"]) == ("failed", "KeyError", "'k'")
    assert "test_an_exception_arrives_as_such" in record.exc["stacktrace"]


def test_what_is_caught_arrives_too(log: pr.Log, logger: Any) -> None:
    logger.add(RingSink(log), catch=False)

    @logger.catch  # type: ignore[untyped-decorator]
    def divide() -> float:
        return 1 / 0

    divide()
    record = only(log)
    assert record.exc is not None
    assert (record.level, record.exc["type"]) == (pr.Level.ERROR, "ZeroDivisionError")


def test_a_queue_and_contexts_carry_their_fields(log: pr.Log, logger: Any) -> None:
    logger.add(RingSink(log), enqueue=True, catch=False)
    with logger.contextualize(request=7):
        logger.info("queued", k=[1, {"a": None}])
        logger.opt(exception=ValueError("wrong")).error("failed")
    logger.complete()
    first, second = log.reader()
    assert first.fields == {"request": 7, "k": [1, {"a": None}]}
    assert second.exc is not None
    assert (second.exc["type"], second.exc["message"]) == ("ValueError", "wrong")


def test_odd_values_raise_nothing(log: pr.Log, logger: Any) -> None:
    class Raising:
        def __str__(self) -> str:
            raise RuntimeError("no text")

        __repr__ = __str__

    logger.add(RingSink(log), format="{message}", catch=False)
    logger.info("event", value=Raising(), seq=1, **{"k\udc80": "v\udc80"})
    logger.log(10**6, "a number beyond all others")
    first, second = log.reader()
    assert first.fields == {"value": "<unprintable Raising>", "seq": 1, "k\ufffd": "v\ufffd"}
    assert (second.level, second.levelno) == (pr.Level.CRITICAL, 10**6)


def test_without_a_log_it_serves_the_default_one(default_log: pr.Log, logger: Any) -> None:
    logger.add(RingSink(), catch=False)
    logger.info("event")
    default_log.close()
    logger.info("nobody hears this")
    assert only(default_log).event == "event"


def test_what_is_hidden_by_a_name_is_hidden_in_the_message_that_loguru_has_made_of_it(
    ring_path: Path, logger: Any
) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no text")

        __repr__ = __str__

    with pr.Log(ring_path, redact=["Password", "pin", "empty", re.compile("to.en")]) as log:
        logger.add(RingSink(log), format="{message}", catch=False)
        logger.info("in as {user} by {password}, {password!r} and {0}", *["open"], user="ann", password="hun\nter2")
        logger.bind(token={"id": 4711, "of": [b"by\0tes"]}).info(
            "{t[id]} {t[of][0]} {t}", t={"id": 4711, "of": [b"by\0tes"]}
        )
        logger.info("{user[password]} of {user}", user={"password": "swordfish", "name": "ann"})
        logger.info("longest first: {pin} {password}", pin="12", password="1234")
        logger.info("{empty}e {pin}", empty="", pin=Hidden())
        logger.bind(password=Unprintable(), pin=None).info("a nice day")
        texts = [(record.message, record.fields) for record in log.reader()]
    hidden = "[redacted]"
    nested = {"id": 4711, "of": [b"by\0tes"]}
    assert texts == [
        (f"in as ann by {hidden}, {hidden} and open", {"user": "ann", "password": hidden}),
        (f"{hidden} {hidden} {hidden}", {"token": hidden, "t": nested}),
        (f"{hidden} of {{'password': {hidden}, 'name': 'ann'}}", {"user": {"password": hidden, "name": "ann"}}),
        (f"longest first: {hidden} {hidden}", {"pin": hidden, "password": hidden}),
        (f"e {hidden}", {"empty": hidden, "pin": hidden}),
        ("a nice day", {"password": hidden, "pin": hidden}),
    ]
    content = ring_path.read_bytes()
    assert b"swordfish" not in content
    assert b"hun" not in content


def test_a_message_that_may_have_more_hidden_values_than_are_looked_for_is_hidden_whole(
    ring_path: Path, logger: Any
) -> None:
    with pr.Log(ring_path, redact=["codes"]) as log:
        logger.add(RingSink(log), catch=False)
        logger.info("first {codes[0]}", codes=list(range(100, 2000)))
        assert only(log).message == "[redacted]"


def test_a_log_that_hides_nothing_has_the_message_as_it_is(log: pr.Log, logger: Any) -> None:
    logger.add(RingSink(log), catch=False)
    logger.info("by {password}", password="x")
    assert only(log).message == "by x"


class Hidden:
    def __str__(self) -> str:
        return "a number of its own"


class StaysError(Exception):
    """It cannot be pickled; its class can, by its name."""

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("no")


def test_an_exception_that_cannot_be_pickled_keeps_its_type_in_a_queue(log: pr.Log, logger: Any) -> None:
    logger.add(RingSink(log), enqueue=True, catch=False)
    try:
        raise StaysError("no")
    except StaysError:
        logger.exception("failed")
    logger.complete()
    record = only(log)
    assert record.exc == {"type": f"{__name__}.StaysError", "message": "", "stacktrace": ""}

"""Log calls of a process that has run out of memory: it is not ended by them, and the record is there."""

from __future__ import annotations

import sys

import pytest

from tests.children import run, succeed

NOT_ON_3_14 = pytest.mark.skipif(
    sys.version_info[:2] == (3, 14),
    reason="3.14.4 ends by a segmentation fault of its own here, also if nothing is imported",
)

# Calls `log_it` where a MemoryError is handled and there is none left.
WITHOUT_MEMORY = """
import resource

class Node:
    __slots__ = ("next",)

def without_memory(log_it):
    hoard, size = [], 1 << 26
    while size > 1 << 12:
        try:
            hoard.append(bytearray(size))
        except MemoryError:
            size >>= 1
    newest = None
    try:
        while True:
            node = Node()
            node.next, newest = newest, node
    except MemoryError:
        log_it()
        while newest is not None:  # one by one: a long chain that goes at once takes the stack
            newest = newest.next

resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
"""

# What they are given is there before: a MemoryError of its making is the program's own.
CALLS = [
    'logger.error("constant")',
    'logger.error("out %s %d", "x", 3)',
    'logger.error("fields", thing=thing, items=items)',
    'logger.error("\\u00e9 %s", thing)',
    'logger.exception("exception")',
    'bound.error("bound")',
    'logger.error("extra", extra=extra, stacklevel=2)',
    'hiding.error("%s %(password)s", extra)',
]


@NOT_ON_3_14
@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_a_process_without_memory_logs_that(call: str, is_warm: bool) -> None:
    succeed(f"""
        import re
        import printk_ring as pr

        log = pr.Log(size="1 MiB")
        log_that_hides = pr.Log(size="1 MiB", redact=["password", re.compile("secret")])
        logger, hiding = log.get_logger("app"), log_that_hides.get_logger("app")

        class Thing:
            pass

        thing, items = Thing(), [1, 2, {{"a": "b"}}]
        extra, bound = {{"a": thing, "password": "hunter2"}}, logger.bind(items=items)

        def call_often():
            for _ in range(100):
                {call}

        def call_once():
            {call}

        if {is_warm}:
            call_once()
        before = sum(1 for one in (log, log_that_hides) for _ in one.reader())
        exec({WITHOUT_MEMORY!r})
        without_memory(call_often)
        found = sum(1 for one in (log, log_that_hides) for _ in one.reader())
        assert found - before == 100, found
    """)


@NOT_ON_3_14
@pytest.mark.parametrize("limit", ["once()", "ratelimited(60.0, 1)"])
def test_places_that_are_limited_and_new_log_without_memory(limit: str) -> None:
    done = run(f"""
        import printk_ring as pr

        log = pr.Log(size="8 MiB")
        limited = log.get_logger("app").{limit}
        names = {{"limited": limited}}
        exec("".join(f"def place{{n}}(): limited.error('event')\\n" for n in range(1000)), names)
        places = [names[f"place{{n}}"] for n in range(1000)]

        def call_all():
            for place in places:
                place()

        exec({WITHOUT_MEMORY!r})
        without_memory(call_all)
        found = sum(1 for _ in log.reader())
        assert found == 1000, found
    """)
    assert done.returncode == 0, done.stderr[-2000:]


# Where each allocation of the interpreter fails, as none does in practice: what makes no object of its own is stored whole.
STARVED = """
import logging, sys, _testcapi
import printk_ring as pr

log = pr.Log(size="1 MiB")
logger = log.get_logger("app")

class Thing:
    def __str__(self):
        return "thing"

thing, nested = Thing(), {"a": [{"b": (1, 2, "x")}] * 5}
calls = [
    lambda: logger.info("constant"),
    lambda: logger.info("%s %d", thing, 5),
    lambda: logger.info("fields", a=thing, b=nested, c=1.5),
    lambda: logger.info("misfit %s %d", thing),
    lambda: logger.info("more", extra={"a": thing}, stacklevel=2),
    lambda: logger.cont("piece"),
    lambda: once.info("once"),
    lambda: rare.info("rare"),
    lambda: handler.handle(made("plain")),
    lambda: handler.handle(made("args")),
    lambda: handler.handle(made("extra")),
    lambda: handler.handle(made("misfit")),
    lambda: logger.info(thing),
    lambda: handler.handle(made("object")),
]
records = {
    "plain": logging.makeLogRecord({"msg": "event"}),
    "args": logging.makeLogRecord({"msg": "%s %d", "args": (thing, 5)}),
    "extra": logging.makeLogRecord({"msg": "event", "a": thing, "b": nested, "c": 1.5}),
    "object": logging.makeLogRecord({"msg": thing}),
    "misfit": logging.makeLogRecord({"msg": "event %s %d", "args": (thing,)}),
}
made, handler = records.__getitem__, pr.RingHandler(log)
once, rare = logger.once(), logger.ratelimited(60.0, 1)
call, start, stop = calls[int(sys.argv[1])], int(sys.argv[2]), int(sys.argv[3])
raised = None
_testcapi.set_nomemory(start, stop)
try:
    call()
except MemoryError as error:
    raised = error  # of the call's own arguments, which are no part of ours
finally:
    _testcapi.remove_mem_hooks()
log.flush()
events = [record.event for record in log.reader()]
assert raised is not None or call is calls[5] or len(events) == 1, events
logger.info("behind")
assert [record.event for record in log.reader()][-1] == "behind"
"""


@pytest.mark.parametrize("number", range(14))
def test_wherever_the_interpreters_memory_ends_the_process_goes_on_and_the_event_is_stored(number: int) -> None:
    pytest.importorskip("_testcapi", reason="this interpreter was installed without its own tests")
    for start in (*range(8), *range(8, 40, 5)):
        for stop in (0, start + 1):
            done = run(STARVED, str(number), str(start), str(stop))
            assert done.returncode == 0, (start, stop, done.stderr[-2000:])

"""Many threads in the same log, at the same sites, beside others that change what there is to change.

On a build without the interpreter's lock they run side by side; under it they take turns after each few instructions
(`tests/together.py`), which finds what lasts longer than one. Each record is there once, with its call's site and fields.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from collections import Counter
from decimal import Decimal
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from printk_ring import _native
from tests.children import succeed
from tests.interpreters import FREE_THREADED
from tests.together import beside, let_others, together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

THREADS = 6
CALLS = 400


@pytest.fixture
def log() -> Iterator[pr.Log]:
    """Nothing that these tests store is overwritten."""
    with pr.Log(size="32 MiB") as made:
        yield made
        assert not made.stats()["overwritten"]


def each_once(records: list[pr.Record], name: str = "thread") -> None:
    """Every call of every thread has its record, and no call has two."""
    found = Counter((record.fields[name], record.fields["n"]) for record in records)
    assert found == Counter((thread, n) for thread in range(THREADS) for n in range(CALLS))


def in_order(records: list[pr.Record]) -> None:
    """Each thread's own records are in the order of its calls."""
    for thread in range(THREADS):
        numbers = [record.fields["n"] for record in records if record.fields["thread"] == thread]
        assert numbers == sorted(numbers)


def test_threads_at_one_site_store_each_record_once_and_leave_one_site(log: pr.Log) -> None:
    logger = log.get_logger("app")

    def work(thread: int) -> None:
        for n in range(CALLS):
            let_others(n)
            logger.info("at one site", thread=thread, n=n)

    together(*(partial(work, thread) for thread in range(THREADS)))
    records = list(log.reader())
    each_once(records)
    in_order(records)
    assert {(record.event, record.func, record.logger) for record in records} == {("at one site", "work", "app")}
    assert len({record.line for record in records}) == 1
    [site] = log.sites()
    assert (site.func, site.line) == ("work", records[0].line)


def test_threads_that_come_to_new_sites_at_once_agree_on_them(log: pr.Log) -> None:
    names = {"log": log.get_logger("app")}
    lines = 120
    source = "def run(thread):\n" + "".join(f"    log.info('site {n}', thread=thread, n={n})\n" for n in range(lines))
    exec(compile(source, "/srv/shared.py", "exec"), names)
    run: Any = names["run"]
    together(*(partial(run, thread) for thread in range(THREADS)))
    records = list(log.reader())
    found = Counter((record.fields["thread"], record.line) for record in records)
    assert found == Counter((thread, 2 + n) for thread in range(THREADS) for n in range(lines))
    assert all(record.event == f"site {record.fields['n']}" for record in records)
    assert all(record.line == 2 + record.fields["n"] for record in records)
    assert sorted(site.line or 0 for site in log.sites()) == [2 + n for n in range(lines)]


COPIES = """
import json, sys, threading
from collections import Counter
import printk_ring as pr
from printk_ring import _native

if sys.argv[1] == "public":
    _native._use_public_frames()
log = pr.Log(sys.argv[2], size="16 MiB")
logger = log.get_logger("app")
threads, rounds = 4, 200
start, turn, failures = threading.Barrier(threads), threading.Lock(), []

def run(n):
    logger.info("alone", n=n)
    logger.info("alone", n=n)
    logger.info("in one line", n=n); logger.info("in one line", n=n)
    (lambda: logger.info("inner", n=n))()

def steps():
    while True:
        try:
            logger.info("sent", n=(yield))
        except KeyError as thrown:
            logger.info("thrown", n=thrown.args[0])

def work():
    try:
        start.wait(60)
        for n in range(rounds):
            run(n)
            with turn:
                shared.send(n)
                shared.throw(KeyError(n))
    except BaseException as error:
        failures.append(error)

shared = steps()
next(shared)
workers = [threading.Thread(target=work) for _ in range(threads)]
[worker.start() for worker in workers]
[worker.join(60) for worker in workers]
assert not failures, failures
run(rounds)
found = Counter((record.event, record.func, record.line) for record in log.reader())
data = open(sys.argv[2], "rb").read()
repeated = sum(data.count(event.encode()) for event, *_ in found)
print(json.dumps([_native._call_sites()[0], len(log.sites()), repeated, sorted(found.items())]))
"""


@pytest.mark.parametrize("copies", ["1", "0"])
@pytest.mark.parametrize("way", ["own", "public"])
def test_calls_of_code_that_each_thread_runs_a_copy_of_are_at_the_sites_of_all(
    tmp_path: Path, way: str, copies: str
) -> None:
    """A call has one address for each thread then, and a generator goes on in the copy of whichever resumes it."""
    output = succeed(COPIES, way, tmp_path / "copies.ring", env={**os.environ, "PYTHON_TLBC": copies})
    used, sites, repeated, found = json.loads(output)
    assert used == ("public" if way == "public" else _native._call_sites()[0])
    calls = 4 * 200
    first, second, in_one_line, inner, sent, thrown = (
        number for number, line in enumerate(COPIES.splitlines(), 1) if "logger.info(" in line
    )
    assert found == sorted(
        [
            [["alone", "run", first], calls + 1],
            [["alone", "run", second], calls + 1],
            [["in one line", "run", in_one_line], 2 * (calls + 1)],
            [["inner", "<lambda>", inner], calls + 1],
            [["sent", "steps", sent], calls],
            [["thrown", "steps", thrown], calls],
        ]
    )
    assert sites == 7
    assert repeated < 200, "what a site says is in its records all the same: they did not find it"


@pytest.mark.skipif(not FREE_THREADED, reason="other builds have had a quick way for longer")
def test_without_the_interpreters_lock_the_quick_way_is_in_use() -> None:
    for copies in "10":
        found = succeed(
            "from printk_ring import _native; print(_native._call_sites()[0])",
            env={**os.environ, "PYTHON_TLBC": copies},
        )
        assert found == "frame\n"


def test_code_that_comes_and_goes_on_all_threads_is_never_taken_for_other_code(log: pr.Log) -> None:
    logger = log.get_logger()
    gc.collect()
    before = _native._call_sites()[2]

    def work(thread: int) -> None:
        for n in range(CALLS):
            padding = "\n" * (n % 7)
            source = f"def made_{thread}_{n % 5}(log):\n{padding}    log.info('event {n}', thread={thread}, n={n})\n"
            names: dict[str, Any] = {}
            let_others(n)
            exec(compile(source, f"/srv/{thread}.py", "exec"), names)
            names[f"made_{thread}_{n % 5}"](logger)

    together(*(partial(work, thread) for thread in range(THREADS)))
    records = list(log.reader())
    each_once(records)
    for record in records:
        thread, n = record.fields["thread"], record.fields["n"]
        assert record.event == f"event {n}"
        assert (record.file, record.func, record.line) == (f"/srv/{thread}.py", f"made_{thread}_{n % 5}", 2 + n % 7)
    gc.collect()
    assert _native._call_sites()[2] <= before + THREADS, "sites of code that is gone are still kept"


def test_levels_that_change_lose_nothing_that_no_level_holds_back(log: pr.Log) -> None:
    logger = log.get_logger("app.part")
    levels = (pr.Level.DEBUG, pr.Level.ERROR, pr.Level.INFO)
    turns = count()

    def work(thread: int) -> None:
        own = log.get_logger("app.part.own")
        for n in range(CALLS):
            let_others(n)
            logger.error("always", thread=thread, n=n)
            own.debug("now and then", thread=thread, n=n)

    def disturb() -> None:
        turn = next(turns)
        log.level = levels[turn % 3]
        log.get_logger("app").level = levels[turn % 2]
        log.get_logger(f"app.other{turn % 50}").level = None
        logger.level = None if turn % 4 else levels[turn % 2]

    assert beside(disturb, [partial(work, thread) for thread in range(THREADS)]) > 3
    records = list(log.reader())
    each_once([record for record in records if record.event == "always"])
    others = Counter(
        (record.fields["thread"], record.fields["n"]) for record in records if record.event == "now and then"
    )
    assert set(others.values()) <= {1}
    assert {record.level.name for record in records} <= {"ERROR", "DEBUG"}


def test_rules_of_dynamic_debug_that_change_choose_records_and_spoil_none(log: pr.Log) -> None:
    log.level = "WARNING"
    logger = log.get_logger("app")
    commands = ("func work +p", "func work =_", "func work +pfl", "=_", "format chosen +p")
    turns = count()

    def work(thread: int) -> None:
        for n in range(CALLS):
            let_others(n)
            logger.error("always", thread=thread, n=n)
            logger.debug("chosen", thread=thread, n=n)

    beside(
        lambda: log.dynamic_debug(commands[next(turns) % len(commands)]),
        [partial(work, thread) for thread in range(THREADS)],
    )
    records = list(log.reader())
    each_once([record for record in records if record.event == "always"])
    chosen = [record for record in records if record.event == "chosen"]
    assert set(Counter((record.fields["thread"], record.fields["n"]) for record in chosen).values()) <= {1}
    lines = {record.line for record in chosen}
    assert len(lines) <= 1
    allowed = {"chosen", "work: chosen", *(f"work:{line}: chosen" for line in lines)}
    assert {record.message for record in chosen} <= allowed


def test_what_one_thread_binds_and_contextualizes_is_in_its_records_alone(log: pr.Log) -> None:
    shared = log.get_logger("app").bind(shared="yes")

    def work(thread: int) -> None:
        bound = shared.bind(thread=thread)
        for n in range(CALLS):
            with bound.contextualize(round=f"{thread}.{n}"):
                let_others(n)
                bound.bind(n=n).info("event", late=n)

    together(*(partial(work, thread) for thread in range(THREADS)))
    records = list(log.reader())
    each_once(records)
    for record in records:
        thread, n = record.fields["thread"], record.fields["n"]
        assert record.fields == {"shared": "yes", "thread": thread, "n": n, "round": f"{thread}.{n}", "late": n}


def test_consoles_that_come_and_go_take_nothing_from_the_one_that_stays(log: pr.Log, tmp_path: Path) -> None:
    path = tmp_path / "stays.jsonl"
    log.add_console(pr.sinks.file(path), name="stays", format="json", level="DEBUG")
    logger = log.get_logger()
    seen: list[list[int]] = []

    def work(thread: int) -> None:
        for n in range(CALLS):
            let_others(n)
            logger.info("event", thread=thread, n=n)

    def disturb() -> None:
        memory = pr.sinks.memory()
        console = log.add_console(memory)
        log.consoles()
        log.stats()
        assert console.remove(30.0)
        seen.append([record.seq for record in memory.records])

    assert beside(disturb, [partial(work, thread) for thread in range(THREADS)]) > 0
    assert log.flush(30.0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    found = Counter((line["thread"], line["n"]) for line in lines if line["event"] == "event")
    assert found == Counter((thread, n) for thread in range(THREADS) for n in range(CALLS))
    for numbers in seen:
        assert numbers == sorted(set(numbers))


def test_who_reads_dumps_and_opens_other_logs_beside_disturbs_no_record(log: pr.Log) -> None:
    logger = log.get_logger("app")
    seen: list[pr.Record] = []
    log.add_console(pr.sinks.callable(seen.append), name="seen", level="DEBUG")
    shared_reader, shared_lines = log.reader(), iter(log.dump_iter())
    dumped: list[object] = []

    def work(thread: int) -> None:
        for n in range(CALLS):
            let_others(n)
            logger.info("event", thread=thread, n=n)
            logger.cont(f"{thread}.")
            logger.cont(f"{n}\n")

    def read() -> None:
        shared_reader.read(0.0)
        next(shared_lines, None)
        lines = log.dump_iter()
        lines.get_line()
        lines.get_buffer(4096)
        log.sites()
        log.stats()

    def dump() -> None:
        dumper = log.register_dumper(lambda *why: dumped.append(why), name="dumper")
        log._call_dumpers("oops", "a test's")
        dumper.unregister()
        with log.deferred(), log.report():
            logger.debug("in sections")
        log.flush(0.01)

    def close_another() -> None:
        with pr.Log(size="256 KiB") as other:
            own = other.get_logger("other")

            def talk() -> None:
                for n in range(20):
                    own.info("into the other", n=n)

            together(talk, talk, other.close)
            own.info("after its end")

    works = [partial(work, thread) for thread in range(THREADS)]
    beside(read, [lambda: beside(dump, [lambda: beside(close_another, works)])])
    assert log.flush(30.0)
    for records in list(log.reader()), seen:
        each_once([record for record in records if record.event == "event"])
        assert not any(record.torn for record in records)
        text = "".join(record.message for record in records if record.event not in {"event", "in sections"})
        assert sum(map(text.count, "0123456789.")) == sum(
            len(f"{thread}.{n}") for thread in range(THREADS) for n in range(CALLS)
        )
    assert dumped


def test_values_that_other_threads_change_are_taken_as_they_are_at_some_moment(log: pr.Log) -> None:
    logger = log.get_logger()
    shared_dict: dict[str, object] = {}
    shared_list: list[object] = []
    turns = count()

    def disturb() -> None:
        turn = next(turns)
        shared_dict[f"key {turn % 40}"] = [turn, "x" * (turn % 9)]
        shared_dict.pop(f"key {(turn * 7) % 40}", None)
        shared_list.append({"n": turn})
        if turn % 50 == 0:
            shared_list.clear()
            shared_dict.clear()

    def work(thread: int) -> None:
        for n in range(CALLS):
            let_others(n)
            logger.info("typed", thread=thread, n=n, d=shared_dict, items=shared_list)
            logger.info("%d of %s", n, shared_dict, extra=shared_dict)
            logger.info("%(missing)s", shared_dict)

    beside(disturb, [partial(work, thread) for thread in range(THREADS)])
    records = list(log.reader())
    each_once([record for record in records if record.event == "typed"])
    for record in records:
        if record.event == "typed":
            assert isinstance(record.fields["d"], dict)
            assert isinstance(record.fields["items"], list | str)  # text beyond 64 items
    assert not any(record.torn for record in records)


def test_a_site_that_logs_once_does_so_for_all_threads(log: pr.Log) -> None:
    logger = log.get_logger()
    once, limited = logger.once(), logger.ratelimited(3600.0, 7)

    def work() -> None:
        for n in range(CALLS):
            once.info("once", n=n)
            limited.info("limited", n=n)

    together(*[work] * THREADS)
    found = Counter(record.event for record in log.reader())
    assert found == {"once": 1, "limited": 7}
    assert log.stats()["suppressed"] == THREADS * CALLS - 7


def test_the_standard_librarys_loggers_and_redaction_serve_all_threads() -> None:
    with pr.Log(size="8 MiB", redact=["password"]) as log:
        stdlib = logging.Logger("stdlib")
        stdlib.addHandler(pr.RingHandler(log))
        logger = log.get_logger()

        def work(thread: int) -> None:
            for n in range(CALLS):
                let_others(n)
                stdlib.info("of %d", thread, extra={"worker": thread, "n": n, "password": "hunter2"})
                logger.info("native", which=thread, password="hunter2", price=Decimal("1.5"))

        def disturb() -> None:
            list(log.reader(start="newest"))
            log.snapshot()

        beside(disturb, [partial(work, thread) for thread in range(THREADS)])
        records = list(log.reader())
        each_once([record for record in records if record.logger == "stdlib"], "worker")
        native = [record for record in records if record.event == "native"]
        assert Counter(record.fields["which"] for record in native) == dict.fromkeys(range(THREADS), CALLS)
        assert {record.fields["password"] for record in records} == {"[redacted]"}
        assert b"hunter2" not in bytes(log.snapshot().data)


FIRST_USE = """
import sys, threading, printk_ring as pr
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from uuid import UUID

class Colour(Enum):
    RED = 1

log = pr.Log(size="1 MiB")
sys.setswitchinterval(1e-6)
threads = 6
start = threading.Barrier(threads)
failures = []

def work(which):
    try:
        start.wait(60)
        logger = log.get_logger(f"app.{which}")
        logger.level = "DEBUG"
        assert logger.level is pr.Level.DEBUG
        with logger.contextualize(which=which):
            logger.log("INFO", "%(a)s", {"a": 1}, c=Colour.RED, d=Decimal(1), p=Path("/x"), u=UUID(int=1), t=datetime.min)
    except BaseException as error:
        failures.append(error)

workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
[worker.start() for worker in workers]
[worker.join(60) for worker in workers]
assert not failures, failures
records = list(log.reader())
assert sorted(record.fields["which"] for record in records) == list(range(threads)), records
for record in records:
    assert record.message == "1"
    assert record.level is pr.Level.INFO
    assert record.fields["d"] == Decimal(1) and record.fields["u"] == UUID(int=1), record.fields
"""


def test_what_is_made_at_its_first_use_is_made_by_all_threads_at_once() -> None:
    for _ in range(2):
        succeed(FIRST_USE)


def test_the_module_leaves_an_interpreter_without_a_lock_without_one() -> None:
    check = """
import sys
before = getattr(sys, "_is_gil_enabled", lambda: True)()
import printk_ring
printk_ring.Log(size="256 KiB").get_logger().info("event")
print(before, getattr(sys, "_is_gil_enabled", lambda: True)())
"""
    before, after = succeed(check).split()
    assert before == after


@pytest.mark.skipif(
    not FREE_THREADED or sys.version_info < (3, 14),
    reason="references are counted there; that threads share a logger is tested above everywhere",
)
def test_running_code_counts_no_references_to_a_logger_that_threads_share(log: pr.Log) -> None:
    interpreter: Any = pytest.importorskip("_testinternalcapi", reason="Debian has it in another package")
    for logger in log.get_logger("shared"), pr.get_logger("shared"), pr.get_logger(bound=1):
        assert interpreter.has_deferred_refcount(logger)
        assert not interpreter.has_deferred_refcount(logger.bind(a=1)), "it goes when nobody has it any more"

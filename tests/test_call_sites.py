"""Call sites: every record knows where it was logged, and what a place logs each time is stored once."""

from __future__ import annotations

import _thread
import gc
import json
import linecache
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from printk_ring import _native
from tests.children import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def log() -> Iterator[pr.Log]:
    """A log without consoles."""
    with pr.Log(size="1 MiB") as log:
        yield log


BOUND: list[dict[str, int]] = [{}, {"z": 1}]


def sites(log: pr.Log) -> int:
    """How many sites this log has described."""
    found: int = log.stats()["sites"]
    return found


def compiled(source: str, **names: Any) -> Callable[..., Any]:
    """The function `f` of a module of its own."""
    module = types.ModuleType("compiled")
    module.__dict__.update(names)
    exec(compile(source, "/srv/app/compiled.py", "exec"), module.__dict__)
    found: Callable[..., Any] = module.__dict__["f"]
    return found


def test_a_record_knows_file_line_and_function_by_every_way_of_logging(log: pr.Log) -> None:
    logger = log.get_logger("app")
    source = """
def f(logger, log):
    logger.info("plain", a=1)
    logger.info(f"not a constant {a}", a=1)
    logger.warning("with %d", 3)
    logger.log(30, "any", b=object)
    logger.bind(x=1).error("bound", x=2)
    logger.info("options", exc_info=None, c=1)
    logger.info("keywords", **{"d": 1})
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("failed")
"""
    compiled(source, a=5)(logger, log)
    found = [(record.event, record.line) for record in log.reader()]
    assert found == [
        ("plain", 3),
        ("not a constant 5", 4),
        ("with %d", 5),
        ("any", 6),
        ("bound", 7),
        ("options", 8),
        ("keywords", 9),
        ("failed", 13),
    ]
    assert {(record.file, record.func) for record in log.reader()} == {("/srv/app/compiled.py", "f")}


def test_every_round_of_a_loop_says_the_same(log: pr.Log) -> None:
    logger = log.get_logger("app")
    for n in range(50):  # the interpreter rewrites what it runs often
        logger.info("again", n=n, name="x" * n)
    found = [(record.event, record.fields["n"], len(record.fields["name"]), record.line) for record in log.reader()]
    [line] = {line for *_, line in found}
    assert found == [("again", n, n, line) for n in range(50)]
    assert line
    assert "again" in linecache.getline(__file__, line)
    assert sites(log) == 1


def test_a_call_without_fields_is_one_site_however_often_it_runs(log: pr.Log) -> None:
    logger = log.get_logger("app")
    function = compiled('def f(logger):\n    for _ in range(100): logger.info("constant"); logger.info("constant")\n')
    function(logger)
    assert {(record.event, record.line) for record in log.reader()} == {("constant", 2)}
    assert sites(log) == 2, "CPython 3.11 makes a call by either of two instructions"


def test_two_identical_calls_are_two_sites(log: pr.Log) -> None:
    logger = log.get_logger("app")
    source = """
def f(logger):
    logger.info("same", a=1)
    logger.info("same", a=1)
    logger.info("same", a=1); logger.info("same", a=1)
"""
    function = compiled(source)
    for _ in range(20):
        function(logger)
    assert [record.line for record in log.reader()] == [3, 4, 5, 5] * 20
    assert sites(log) == 4


def test_stacklevel_names_an_outer_frame_and_never_the_site(log: pr.Log) -> None:
    logger = log.get_logger("app")

    def inner(level: int) -> None:
        logger.info("who", stacklevel=level, level=level)

    def outer(level: int) -> None:
        inner(level)

    for _ in range(12):
        for level in (1, 2, 3, 1000):
            outer(level)
    funcs = [record.func for record in log.reader()]
    assert [funcs[n::4] for n in range(3)] == [["inner"] * 12, ["outer"] * 12, [sys._getframe().f_code.co_name] * 12]
    assert len(set(funcs[3::4])) == 1


def test_a_site_serves_several_loggers_and_logs(log: pr.Log) -> None:
    with pr.Log(size="256 KiB") as other:
        loggers = [
            each.get_logger(name, **bound) for each in (log, other) for name in (None, "a", "b") for bound in BOUND
        ]
        for n in range(30):
            for logger in loggers:
                logger.info("hello", n=n)
        for each in (log, other):
            found = [(record.logger, record.fields) for record in each.reader()]
            expected = [(name, bound | {"n": n}) for n in range(30) for name in (None, "a", "b") for bound in BOUND]
            assert found == expected
            assert sites(each) == 1


def test_fields_that_are_bound_in_force_and_given_keep_their_order(log: pr.Log) -> None:
    logger = log.get_logger().bind(a=1, b=2)
    for _ in range(10):
        with logger.contextualize(c=3, d=4):
            logger.info("all", b=5, d=6, e=7)
            logger.info("none of them", x=1, y=2)
    for record, expected in zip(
        log.reader(),
        [{"a": 1, "b": 5, "c": 3, "d": 6, "e": 7}, {"a": 1, "b": 2, "c": 3, "d": 4, "x": 1, "y": 2}] * 10,
        strict=True,
    ):
        assert list(record.fields.items()) == list(expected.items())
    shown = {str(record).split("] ", 1)[1] for record in log.reader()}
    assert shown == {"all a=1 b=5 c=3 d=6 e=7", "none of them a=1 b=2 c=3 d=4 x=1 y=2"}, "each once"


def test_keywords_that_differ_from_call_to_call_are_those_of_the_call(log: pr.Log) -> None:
    logger = log.get_logger()
    expected: list[dict[str, Any]] = [{}, {"after": "none"}, {}]
    expected += [{f"key{n}": n, "x": 1} if n % 3 else {"only": n} for n in range(60)]
    for fields in expected:
        logger.info("by **", **fields)
    assert [record.fields for record in log.reader()] == expected


def test_a_call_that_comes_from_no_python_code_has_no_place(log: pr.Log) -> None:
    done = threading.Event()
    log.add_console(pr.sinks.callable(lambda _: done.set()), level="ERROR")
    _thread.start_new_thread(log.get_logger().error, ("from a thread of its own",))
    assert done.wait(30)
    [record] = log.reader()
    assert (record.event, record.file, record.line, record.func) == ("from a thread of its own", None, None, None)


def test_a_call_by_native_code_is_at_the_line_that_called_that(log: pr.Log) -> None:
    events = ["a", "b"]
    list(map(log.get_logger().info, events))
    found = list(log.reader())
    assert [record.event for record in found] == events
    assert {record.func for record in found} == {sys._getframe().f_code.co_name}


def test_a_site_goes_with_its_code_and_its_place_is_free_for_another(log: pr.Log) -> None:
    logger = log.get_logger()
    gc.collect()  # what tests before this one have left
    _, places, before = _native._call_sites()
    for n in range(20_000):
        compiled(f'def f(logger):\n    logger.info("{n % 10}", n={n})\n')(logger)
    gc.collect()
    _, places_then, then = _native._call_sites()
    assert (places_then, then) == (places, before)
    newest = list(log.reader())[-10:]
    assert [(record.event, record.fields["n"] % 10, record.line) for record in newest] == [
        (str(n), n, 2) for n in range(10)
    ]


def test_ten_thousand_sites_are_told_apart_though_not_all_are_kept() -> None:
    with pr.Log(size="16 MiB") as log:
        calls = "".join(f'    logger.info("event {n}", n={n}, name="x")\n' for n in range(10_000))
        function = compiled(f"def f(logger):\n{calls}")
        logger = log.get_logger("many")
        for _ in range(2):
            function(logger)
        found = [(record.event, record.fields["n"], record.line, record.func) for record in log.reader()]
        assert found == [(f"event {n}", n, n + 2, "f") for n in range(10_000)] * 2
        stats = log.stats()
        assert 1000 < stats["sites"] < 10_000
        _, places, _ = _native._call_sites()
        assert places <= 4096
        del function
    gc.collect()


def test_a_log_without_room_for_a_site_has_everything_in_the_record() -> None:
    with pr.Log(size="256 KiB") as log:
        logger = log.get_logger("small")
        calls = "".join(f'    logger.info("event {n}", n={n})\n' for n in range(400))
        compiled(f"def f(logger):\n{calls}")(logger)
        stats = log.stats()
        assert 50 < stats["sites"] < 400
        assert stats["sites_refused"] == 400 - stats["sites"]
        for record in log.reader():
            n = record.fields["n"]
            assert (record.event, record.line, record.func, record.logger) == (f"event {n}", n + 2, "f", "small")


def test_a_site_with_a_long_name_is_none_and_says_everything_itself(log: pr.Log) -> None:
    logger = log.get_logger()
    name = "k" * 3000
    function = compiled(f"def f(logger):\n    logger.info('long', {name}=1)\n")
    for _ in range(12):
        function(logger)
    assert [(record.fields, record.line) for record in log.reader()] == [({name: 1}, 2)] * 12
    assert (sites(log), log.stats()["sites_refused"]) == (0, 1)


def test_names_with_surrogates_are_those_of_any_call(log: pr.Log) -> None:
    fields: dict[str, Any] = {"\ud800": 1, "b": 2}
    for _ in range(10):
        log.get_logger().info("odd", **fields)
    assert [list(record.fields.values()) for record in log.reader()] == [[1, 2]] * 10


def test_a_record_that_is_cut_keeps_its_names(log: pr.Log) -> None:
    for n in range(10):
        log.get_logger("cut").info("long one", n=n, long="x" * 40_000)
    for n, record in enumerate(log.reader()):
        assert record.truncated
        assert record.event == "long one"
        assert (record.fields["n"], set(record.fields["long"])) == (n, {"x"})
        assert record.func == sys._getframe().f_code.co_name


def test_all_formats_snapshots_and_dead_files_have_what_the_site_says(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    program = f"""
import os
import printk_ring as pr
log = pr.Log({str(path)!r}, size="512 KiB")
logger = log.get_logger("shop").bind(user="ann")
for n in range(30):
    logger.info("paid", order=n, currency="EUR")
os._exit(0)
"""
    assert run(program).returncode == 0
    with pr.open(path) as ring:
        records = list(ring.reader())
        snapshot = ring.snapshot()
        lines = ring.dump_iter()
        shown = [line.split("] ", 1)[1] for line in lines]
    assert shown == [f"shop: paid user=ann order={n} currency=EUR" for n in range(30)]
    assert [record.fields for record in records] == [{"user": "ann", "order": n, "currency": "EUR"} for n in range(30)]
    assert {(record.logger, record.event, record.line) for record in records} == {("shop", "paid", 7)}
    assert [snapshot.text(n) for n in range(30)] == ["paid"] * 30
    assert snapshot.fields(29) == {"user": "ann", "order": 29, "currency": "EUR"}
    as_json = [json.loads(record.format("json")) for record in records]
    assert {(each["event"], each["line"], each["func"]) for each in as_json} == {("paid", 7, "<module>")}


def test_the_public_way_finds_the_same(tmp_path: Path) -> None:
    program = """
import printk_ring as pr
from printk_ring import _native
import sys
assert _native._call_sites()[0] == sys.argv[2], _native._call_sites()
if sys.argv[1] == "public":
    _native._use_public_frames()
    assert _native._call_sites()[0] == "public"
log = pr.Log(size="512 KiB")
logger = log.get_logger("x")
def f():
    for n in range(30):
        logger.info("one", n=n); logger.info("one", n=n)
        logger.info(f"two {n}", n=n, m="y")
f()
for record in log.reader():
    print(record.event, record.fields, record.line, record.func)
print(log.stats()["sites"])
"""
    way = _native._call_sites()[0]
    outputs = [run(program, each, way).stdout for each in ("own", "public")]
    assert outputs[0] == outputs[1]
    assert outputs[0].endswith("\n3\n")


def test_a_logger_without_a_name_has_none_where_another_called_first(log: pr.Log) -> None:
    function = compiled('def f(logger):\n    logger.info("hello", a=1)\n')
    for name in ("alpha", None, "beta", None):
        function(log.get_logger(name))
    assert [record.logger for record in log.reader()] == ["alpha", None, "beta", None]


@pytest.mark.parametrize("length", [30_000, 31_700, 31_760, 32_300, 32_700])
def test_the_largest_records_have_what_their_site_says(log: pr.Log, length: int) -> None:
    event = "E" * 1500
    function = compiled(f'def f(logger, data):\n    logger.info("{event}", data=data)\n')
    seen: list[pr.Record] = []
    log.add_console(pr.sinks.callable(seen.append))
    for _ in range(3):
        function(log.get_logger("large"), "x" * length)
    assert log.flush(30.0)
    snapshot = log.snapshot()
    assert [snapshot.text(n) for n in range(3)] == [event] * 3
    for record in [*log.reader(), *seen]:
        assert (record.event, record.logger, record.func, record.line) == (event, "large", "f", 2)
        assert record.fields == {"data": "x" * length}


def test_code_that_goes_when_the_interpreter_is_at_its_limit_leaves_nothing_to_others() -> None:
    program = """
import sys
import printk_ring as pr

log = pr.Log(size="4 MiB")
logger = log.get_logger("alpha")

def made(i):
    names = {}
    exec(compile(f"def g(l): l.info('event-{i}', key{i}=1)", f"<made-{i}>", "exec"), names)
    return names.pop("g")

def down(k):
    functions[k] = None
    down(k + 1)

sys.unraisablehook = lambda _: None  # nobody could tell that the code went
limit = sys.getrecursionlimit()
for begun in range(0, 7500, 250):
    functions = [made(1000 + begun + j) for j in range(250)]
    for function in functions:
        function(logger)
    del function
    sys.setrecursionlimit(150)
    try:
        down(0)
    except RecursionError:
        pass
    sys.setrecursionlimit(limit)
    functions.clear()

kept = []
reader = log.reader("newest")
for i in range(20_000, 23_000):
    kept.append(made(i))
    kept[-1](logger)
    record = next(reader)
    assert (record.event, record.fields, record.file) == (f"event-{i}", {f"key{i}": 1}, f"<made-{i}>"), (i, record.file)
"""
    done = run(program)
    assert done.returncode == 0, done.stderr


def test_what_runs_between_two_frames_is_not_taken_for_the_code_around(tmp_path: Path) -> None:
    """A callback of a collection that begins where a frame is not whole: its caller is somebody else than it looks."""
    program = f"""
import functools, gc, weakref
import printk_ring as pr
log = pr.Log({str(tmp_path / "a.ring")!r}, size="1 MiB")
logger = log.get_logger("alpha")

def inside():
    value = 1
    def inner():
        return value

class Cycle:
    pass

kept, references = [], []

def prepare():
    gc.collect()
    gc.disable()
    cycle = Cycle()
    cycle.me = cycle
    references.append(weakref.ref(cycle, functools.partial(logger.info, "gone", "x")))
    del cycle
    kept.append([[] for _ in range(1500)])

def made(name):
    names = {{}}
    exec(compile("def outer(inside, enable):\\n  enable()\\n  inside()\\n", name, "exec"), names)
    return names.pop("outer")

for name in ("<first>", "<second>"):
    outer = made(name)
    kept.append(outer)
    prepare()
    outer(inside, gc.enable)
    gc.collect()
for record in log.reader():
    print(record.file, record.func)
"""
    done = run(program)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert "<first> outer" not in lines[1]


def test_what_others_write_into_the_file_does_not_change_what_this_process_knows(tmp_path: Path) -> None:
    path = tmp_path / "a.ring"
    with pr.Log(path, size="512 KiB") as log:
        compiled('def f(logger):\n    logger.info("no command line", user="ann")\n')(log.get_logger())
        with path.open("r+b") as file:
            content = file.read()
            at = content.index(b"no command line")
            while content[at : at + 8] != (1).to_bytes(8, "little") or at % 4096:
                at -= 1  # the section's head: one site
            file.seek(at)
            file.write(bytes(16))
        compiled('def f(logger):\n    logger.info("second", amount=2)\n')(log.get_logger())
        assert [(record.event, record.fields) for record in log.reader()] == [
            ("no command line", {"user": "ann"}),
            ("second", {"amount": 2}),
        ]


def test_a_child_that_is_forked_while_a_call_waits_gives_it_no_other_site(tmp_path: Path) -> None:
    program = f"""
import os, signal, sys, threading
import printk_ring as pr
log = pr.Log({str(tmp_path / "a.ring")!r}, size="256 KiB")
logger = log.get_logger("alpha")
gate = threading.Event()
log.add_console(pr.sinks.callable(lambda _: gate.wait(30)), overflow="block", block_timeout=3.0, level="DEBUG")
forked, parent = [], os.getpid()

def fork(*_):
    if not forked:
        forked.append(os.fork())

signal.signal(signal.SIGALRM, fork)
signal.setitimer(signal.ITIMER_REAL, 0.5)
while not forked:
    logger.info("paid", amount=1, account="x" * 200)
if os.getpid() == parent:
    _, status = os.waitpid(forked[0], 0)
    os._exit(status >> 8)
logger.info("other", user="u")
for record in log.reader():
    print(record.event, sorted(record.fields), flush=True)
os._exit(0)
"""
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["paid ['account', 'amount']", "other ['user']"]

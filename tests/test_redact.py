"""`redact`: what a log is not to hold, and does not, in any of its bytes."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import json
import logging
import pathlib
import re
import signal
import types
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import structlog

import printk_ring as pr
from printk_ring.integrations.structlog import RingProcessor
from tests.children import run

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN = "[redacted]"
SECRET = "hunter2"
MISFIT = {"format_args", "format_error"}


@pytest.fixture
def log(ring_path: pathlib.Path) -> Iterator[pr.Log]:
    """A log that holds no password, no card number, and nothing that calls itself a secret."""
    redact: list[str | re.Pattern[str]] = [
        "Password",
        "api_key",
        "STRASSE",
        re.compile(r"\b\d{4}-\d{4}\b"),
        re.compile(r"(?i)secret\w*"),
    ]
    with pr.Log(ring_path, size="1 MiB", redact=redact) as log:
        yield log


@pytest.fixture
def named(ring_path: pathlib.Path) -> Iterator[pr.Log]:
    """A log that goes by names only."""
    with pr.Log(ring_path.with_name("named.ring"), size="1 MiB", redact=["Password", "naïve"]) as log:
        yield log


def fields(log: pr.Log) -> list[dict[str, Any]]:
    """Of all records."""
    return [record.fields for record in log.reader()]


def test_the_value_of_a_name_is_hidden_in_any_spelling_and_wherever_it_comes_from(log: pr.Log, named: pr.Log) -> None:
    for one in (log, named):
        bound = one.get_logger("app", PASSWORD=SECRET).bind(other=1)
        bound.info("bound")
        bound.info("and given", PASSWORD=SECRET + "!")
        one.get_logger().info("call", password=SECRET, Password=42, passwords="kept", user="ann")
        one.get_logger().info("slow", passWord=SECRET, exc_info=False, extra={"pAssword": SECRET, "a": 1})
        with one.get_logger().contextualize(password=SECRET):
            one.get_logger().info("around")
            one.get_logger().info("slow %s", "around", exc_info=False)
        one._emit(6, "general", fields={"PassWord": SECRET})
        assert fields(one) == [
            {"PASSWORD": HIDDEN, "other": 1},
            {"PASSWORD": HIDDEN, "other": 1},
            {"password": HIDDEN, "Password": HIDDEN, "passwords": "kept", "user": "ann"},
            {"passWord": HIDDEN, "pAssword": HIDDEN, "a": 1},
            {"password": HIDDEN},
            {"password": HIDDEN},
            {"PassWord": HIDDEN},
        ]


@pytest.fixture(autouse=True)
def nothing_of_it_is_in_the_file(ring_path: pathlib.Path) -> Iterator[None]:
    """After each test: no byte of what is secret was written, nor by what the log knows of call sites."""
    yield
    for file in ring_path.parent.iterdir():
        content = file.read_bytes()
        assert SECRET.encode() not in content, file
        assert b"1234-5678" not in content, file


def test_names_are_compared_beyond_ascii(named: pr.Log) -> None:
    named.get_logger().info("event", NAÏVE=SECRET, naive="kept")
    assert fields(named) == [{"NAÏVE": HIDDEN, "naive": "kept"}]


def test_names_are_the_same_whatever_the_case_of_their_letters(ring_path: pathlib.Path) -> None:
    with pr.Log(ring_path, size="1 MiB", redact=["straße", "SECRET", "ﬁeld", "Σίσυφος"]) as log:
        keys = ["STRASSE", "Straße", "ſecret", "secret", "FIELD", "ΣΊΣΥΦΟΣ"]
        given: dict[str, Any] = dict.fromkeys(keys, SECRET)
        log.get_logger().info("keys", **given)
        [record] = log.reader()
    assert record.fields == dict.fromkeys(keys, HIDDEN)


def test_names_within_values_are_hidden_at_any_depth(log: pr.Log, named: pr.Log) -> None:
    for one in (log, named):
        nested = {"user": "ann", "password": SECRET, "more": [{"PASSWORD": [SECRET, 1]}, 2.5, None]}
        expected = {"user": "ann", "password": HIDDEN, "more": [{"PASSWORD": HIDDEN}, 2.5, None]}
        one.get_logger().info("event", request=nested)
        one.get_logger(bound=nested).info("bound")
        with one.get_logger().contextualize(around=nested):
            one.get_logger().info("around")
        assert fields(one) == [{"request": expected}, {"bound": expected}, {"around": expected}]


def deep(value: Any, times: int) -> Any:
    """That value within so many dicts."""
    for _ in range(times):
        value = {"in": value}
    return value


def test_names_within_what_becomes_text_are_hidden_too(log: pr.Log, named: pr.Log) -> None:
    secret = {"user": "ann", "password": SECRET, 1: {"PASSWORD": [SECRET]}}
    shown = {"user": "ann", "password": HIDDEN, 1: {"PASSWORD": HIDDEN}}
    wide = {f"k{number}": number for number in range(80)}
    for one in (log, named):
        logger = one.get_logger()
        logger.info("wide", value={**wide, "password": SECRET})
        logger.info("deep", value=deep({"password": SECRET}, 6))
        logger.info("keys", value=secret, error=(secret, {"ok"}))
        logger.bind(bound=secret).info("bound")
        with logger.contextualize(around=secret):
            logger.info("around")
        found = fields(one)
        assert found[0] == {"value": str({**wide, "password": HIDDEN})}
        assert found[1] == {"value": deep(str(deep({"password": HIDDEN}, 2)), 4)}
        assert found[2] == {"value": str(shown), "error": [str(shown), "{'ok'}"]}
        assert found[3:] == [{"bound": str(shown)}, {"around": str(shown)}]
        assert SECRET.encode() not in bytes(one.snapshot().data)


def test_names_of_arguments_are_hidden(log: pr.Log, named: pr.Log) -> None:
    secret = {"user": "ann", "password": SECRET}
    shown = {"user": "ann", "password": HIDDEN}
    for one in (log, named):
        logger = one.get_logger()
        logger.info("%(user)s: %(password)s", secret)
        logger.info("%(user)s: %(password)s", types.MappingProxyType(secret), exc_info=False)
        logger.info("%s and %r", [secret], (secret, 1))
        logger.info("%(user)s: %(deep)s", {"user": "ann", "deep": deep(secret, 20)})
        logger.info(secret)
        logger.info("%d", secret)
        logger.cont(secret)
        logger.cont("\n")
        expected = [
            f"ann: {HIDDEN}",
            f"ann: {HIDDEN}",
            f"[{shown}] and ({shown}, 1)",
            f"ann: {deep(shown, 20)}",
            str(shown),
            "%d",
            str(shown),
        ]
        assert [record.message for record in one.reader()] == expected
        assert fields(one)[5]["format_args"] == [shown]
        assert SECRET.encode() not in bytes(one.snapshot().data)
        assert secret == {"user": "ann", "password": SECRET}


class Raising:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_a_hidden_argument_fits_any_conversion(log: pr.Log, named: pr.Log) -> None:
    given = {"password": 1234, "user": "ann", "n": 7}
    for one in (log, named):
        stdlib = logging.Logger("std")
        stdlib.addHandler(handler := pr.RingHandler(one))
        for info in (one.get_logger().info, stdlib.info):
            info("%(password)d of %(user)s", given)
            info("%(password)06.1f %(password)c %(password)x%% %(n)03d %(user)5s", given)
            info("%(password)d of %(user)s", given | {"user": Raising()})
            info("%(password)d of %(user)d", given)  # does not fit anyway
        handler.setFormatter(logging.Formatter("<%(message)s>"))
        stdlib.info("%(password)d of %(user)s", given)
        expected = [
            f"{HIDDEN} of ann",
            f"{HIDDEN} {HIDDEN} {HIDDEN}% 007   ann",
            f"{HIDDEN} of <unprintable Raising>",
            "%(password)d of %(user)d",
        ]
        records = list(one.reader())
        assert [record.message for record in records] == [*expected, *expected, f"<{HIDDEN} of ann>"]
        assert [set(record.fields) for record in records] == [*([set(), set(), MISFIT, MISFIT] * 2), set()]
        assert b"1234" not in bytes(one.snapshot().data)


def test_structlogs_arguments_are_no_exception(named: pr.Log) -> None:
    logger = structlog.wrap_logger(None, processors=[RingProcessor(named)], wrapper_class=structlog.stdlib.BoundLogger)
    logger.info("%(password)d of %(user)s", {"password": 1234, "user": "ann"})
    [record] = named.reader()
    assert (record.message, record.fields) == (f"{HIDDEN} of ann", {})


class Resisting(dict[Any, Any]):
    """A dict whose methods all fail; what is in it is there all the same."""

    def fails(self, *_: object) -> Any:
        raise RuntimeError

    keys = values = items = copy = __iter__ = fails


def test_dicts_of_classes_of_their_own_are_looked_at_and_not_asked(named: pr.Log) -> None:
    resisting = Resisting(password=SECRET, a=1)
    shown = {"password": HIDDEN, "a": 1}
    named.get_logger().info("%s", resisting)
    named.get_logger().info("%(a)s %(password)s", resisting)
    named.get_logger().info("event", value={1: resisting})
    one, two, three = named.reader()
    assert (one.message, two.message) == (str(shown), f"1 {HIDDEN}")
    assert three.fields == {"value": str({1: shown})}


class Made(dict[str, object]):
    """A dict that makes what it does not have."""

    def __missing__(self, key: str) -> object:
        return "made" if key == "other" else SECRET


@pytest.mark.parametrize("front", ["native", "stdlib", "structlog"])
def test_mappings_that_make_their_values_when_they_are_asked_are_no_exception(named: pr.Log, front: str) -> None:
    logger: Any = named.get_logger()
    if front == "stdlib":
        logger = logging.Logger("stdlib")
        logger.addHandler(pr.RingHandler(named))
    elif front == "structlog":
        logger = structlog.wrap_logger(
            None, processors=[RingProcessor(named)], wrapper_class=structlog.stdlib.BoundLogger
        )
    logger.info("%(password)s", Made(user=1))
    made: collections.defaultdict[str, object] = collections.defaultdict(lambda: SECRET, user=1)
    logger.info("%(user)03d %(password)5d", made)
    logger.info("%(user)s %(other)s", Made(user=1))
    logger.info("%(user)s %%(password)s", Made(user=1))
    logger.info("%(naïve)s", collections.ChainMap({}, Made(user=1)))
    messages = [record.message for record in named.reader()]
    assert messages == [HIDDEN, f"001 {HIDDEN}", "1 made", "1 %(password)s", HIDDEN]


def test_keys_that_are_bytes_are_no_exception(named: pr.Log) -> None:
    extra: Any = {b"Password": SECRET}
    named.get_logger().info("keys", within={b"password": SECRET, "deep": [{b"PASSWORD": SECRET}]}, extra=extra)
    [record] = named.reader()
    assert SECRET not in f"{record} {record.fields}"


def test_collections_without_an_end_are_shown_as_far_as_a_record_goes(named: pr.Log) -> None:
    endless: dict[str, Any] = {"password": SECRET}
    endless["self"] = [endless, endless]
    long = [{"password": SECRET}] * 100_000
    named.get_logger().info("%s %s", endless, 1)
    named.get_logger().info("long", value=long)
    one, two = named.reader()
    assert one.message.startswith(f"{{'password': '{HIDDEN}', 'self': [{{'password': '{HIDDEN}'")
    assert two.truncated
    assert two.fields["value"].startswith(f"[{{'password': '{HIDDEN}'}}, ")
    assert SECRET.encode() not in bytes(named.snapshot().data)


def test_arguments_of_the_standard_librarys_records_are_no_exception(log: pr.Log, named: pr.Log) -> None:
    secret = {"user": "ann", "password": SECRET}
    shown = {"user": "ann", "password": HIDDEN}
    for one in (log, named):
        logger = logging.Logger("std")
        handler = pr.RingHandler(one)
        logger.addHandler(handler)
        logger.info("%(user)s: %(password)s", secret)
        logger.info("%s", [secret])
        logger.info(secret)
        logger.info("%d", secret)
        handler.setFormatter(logging.Formatter("%(password)s %(message)s"))
        logger.info("hello", extra={"password": SECRET})
        assert [record.message for record in one.reader()] == [
            f"ann: {HIDDEN}",
            str([shown]),
            str(shown),
            "%d",
            f"{HIDDEN} hello",
        ]
        assert SECRET.encode() not in bytes(one.snapshot().data)


def test_a_pattern_hides_what_it_matches_in_texts(log: pr.Log) -> None:
    logger = log.get_logger()
    logger.info("card 1234-5678 of ann")
    logger.info(
        "card %s, %s",
        "1234-5678",
        "secret1 and secret2",
        note="no 1234-5678",
        list=["1234-5678", {"a": "ok 1234-5678"}],
    )
    first, second = log.reader()
    assert first.event == f"card {HIDDEN} of ann"
    assert second.message == f"card {HIDDEN}, {HIDDEN} and {HIDDEN}"
    assert second.fields == {"note": f"no {HIDDEN}", "list": [HIDDEN, {"a": f"ok {HIDDEN}"}]}


CARDS = [f"4111{number:012}" for number in range(5000)]


def long_texts_in_all_places(log: pr.Log, text: str) -> int:
    """Logs a text in every place of a record that texts are cut in; the number of records."""

    class Shown:
        def __str__(self) -> str:
            return text

    logger = log.get_logger()
    stdlib = logging.Logger("stdlib")
    stdlib.addHandler(pr.RingHandler(log))
    logger.info("a field", cards=text)
    logger.info("an argument: %s", text)
    logger.info("a named one: %(cards)s", {"cards": text})
    logger.info("not a number: %d", text)
    logger.info("an object", cards=Shown())
    logger.info("a path", cards=pathlib.PurePath(text))
    logger.info("extra", extra={"cards": text})
    logger.info("within", cards=[text, {"cards": text}])
    logger.info("a key", cards={text: 1})
    logger.bind(cards=text).info("bound")
    with logger.contextualize(cards=text):
        logger.info("around")
    stdlib.info("an argument of logging: %s", text)
    stdlib.info("of logging", extra={"cards": text})
    logger.info(text)
    return 14


@pytest.mark.parametrize("shift", range(18))
def test_patterns_see_a_text_before_it_is_cut(ring_path: pathlib.Path, shift: int) -> None:
    with pr.Log(ring_path, size="2 MiB", redact=[re.compile(r"\b\d{16}\b")]) as log:
        count = long_texts_in_all_places(log, " " * shift + " ".join(CARDS))
        records = list(log.reader())
        assert len(records) == count
        for record in records:
            shown = f"{record.message} {record.fields}"
            assert re.findall(r"4111\d*", shown) == [], record.event[:40]
            assert HIDDEN in shown
            assert record.truncated, record.event[:40]  # 55,000 characters are left of it, and more than fits


def test_patterns_see_many_short_texts_before_the_last_ones_are_left_out(ring_path: pathlib.Path) -> None:
    with pr.Log(ring_path, size="2 MiB", redact=[re.compile(r"\b\d{16}\b")]) as log:
        rows = [CARDS[start : start + 50] for start in range(0, 3000, 50)]
        log.get_logger().info("rows", rows=rows)
        log.get_logger().info("rows", rows=[[f"key {card}" for card in row] for row in rows])
        hidden, prefixed = log.reader()
    for record, text in (hidden, HIDDEN), (prefixed, f"key {HIDDEN}"):
        shown = f"{record.message} {record.fields}"
        assert re.findall(r"4111\d*", shown) == []
        assert shown.count(text) > 1000
        assert record.truncated


def test_a_match_longer_than_a_record_is_hidden_whole(ring_path: pathlib.Path) -> None:
    key = f"-----BEGIN KEY-----{'A' * 100_000}-----END KEY-----"
    with pr.Log(ring_path, size="2 MiB", redact=[re.compile("(?s)-----BEGIN KEY-----.*?-----END KEY-----")]) as log:
        log.get_logger().info("a key", text="." * 32_200 + key + "behind")
        [record] = log.reader()
    assert record.fields["text"] == "." * 32_200 + HIDDEN + "behind"
    assert not record.truncated


def test_a_pattern_hides_exceptions_and_stacks(log: pr.Log) -> None:
    try:
        raise ValueError("no such card: 1234-5678") from KeyError("secret7")
    except ValueError:
        log.get_logger().exception("failed", stack_info=True)
    [record] = log.reader()
    assert record.exc is not None
    assert record.exc["type"] == "ValueError"
    assert record.exc["message"] == f"no such card: {HIDDEN}"
    assert "1234-5678" not in record.exc["stacktrace"]
    assert "secret7" not in json.dumps(record.fields) + record.exc["stacktrace"]


class Kind(enum.Enum):
    SECRET = "secret-kind"


def test_other_values_whose_text_matches_are_hidden_whole(ring_path: pathlib.Path) -> None:
    with pr.Log(ring_path, size="256 KiB", redact=[re.compile("4711|secret")]) as log:
        values: dict[str, Any] = {
            "int": 47110,
            "uint": 2**63 + 4711,
            "float": 4711.5,
            "bytes": b"\xff4711",
            "decimal": decimal.Decimal("0.4711"),
            "path": pathlib.PurePath("/home/4711"),
            "uuid": uuid.UUID("00000000-4711-0000-0000-000000000000"),
            "datetime": dt.datetime(4711, 1, 1, tzinfo=dt.UTC),
            "enum": Kind.SECRET,
            "other": object,
        }
        log.get_logger().info("event", **values, kept=4712, also=b"\xff", none=None, true=True)
        kept = {"other": str(object), "kept": 4712, "also": b"\xff", "none": None, "true": True}
        expected = {**dict.fromkeys(values, HIDDEN), **kept, "enum": f"{HIDDEN}-kind"}
        assert fields(log)[0] == expected | {"uint": fields(log)[0]["uint"]}


def test_a_pattern_that_matches_a_name_whole_hides_its_value(log: pr.Log) -> None:
    log.get_logger().info("event", secret_id=1, top_secret=2, a={"SECRETS": [3], "b": 4})
    assert fields(log) == [{"secret_id": HIDDEN, "top_secret": 2, "a": {"SECRETS": HIDDEN, "b": 4}}]


def test_records_of_the_standard_library_are_no_exception(log: pr.Log) -> None:
    logger = logging.Logger("std")
    logger.addHandler(pr.RingHandler(log))
    logger.info("pay with %s", "1234-5678", extra={"password": SECRET})
    logger.info("pay with %s", ["1234-5678"], extra={"request": {"password": SECRET}})
    try:
        raise ValueError("1234-5678")
    except ValueError:
        logger.exception("failed")
    one, two, three = log.reader()
    assert (one.message, one.fields) == (f"pay with {HIDDEN}", {"password": HIDDEN})
    assert (two.message, two.fields) == (f"pay with ['{HIDDEN}']", {"request": {"password": HIDDEN}})
    assert three.exc is not None
    assert three.exc["message"] == HIDDEN


def test_lines_and_caught_exceptions_are_no_exception(log: pr.Log) -> None:
    logger = log.get_logger(None, password=SECRET)
    logger.cont("card 1234-5678 ")
    logger.cont("secret9\n")
    with logger.catch(reraise=False):
        raise ValueError("secret5")
    line, caught = log.reader()
    assert (line.event, line.fields) == (f"card {HIDDEN} {HIDDEN}", {"password": HIDDEN})
    assert caught.exc is not None
    assert caught.exc["message"] == HIDDEN


def test_a_log_that_hides_nothing_and_one_beside_it_are_left_alone(log: pr.Log) -> None:
    with pr.Log(size="256 KiB") as other, pr.Log(size="256 KiB", redact=()) as empty:
        for one in (other, empty):
            one.get_logger().info("card 1234-5678", password="kept")
            assert [(record.event, record.fields) for record in one.reader()] == [
                ("card 1234-5678", {"password": "kept"})
            ]
    log.get_logger().info("event", password=SECRET)
    assert fields(log) == [{"password": HIDDEN}]


def test_what_a_dying_process_says_of_itself_is_hidden_too(ring_path: pathlib.Path) -> None:
    code = """
    import re, sys
    import printk_ring as pr

    log = pr.install(sys.argv[1], size="256 KiB", consoles=(), redact=[re.compile("hunter.")])
    if sys.argv[2] == "panic":
        log.panic("the end of hunter2")
    if sys.argv[2] == "dumper":
        log.register_dumper(lambda reason, detail: print(detail))
    raise ValueError("hunter2")
    """
    for how in ("panic", "raise", "dumper"):
        path = ring_path.with_name(f"{how}.ring")
        done = run(code, path, how)
        assert (done.returncode == -signal.SIGABRT) == (how == "panic"), done.stderr
        files = [file.read_bytes() for file in path.parent.glob(f"{how}.ring*")]
        assert len(files) == 3
        assert all(b"hunter2" not in content for content in files)
        assert all(HIDDEN.encode() in content for content in files)
        assert done.stdout == ("ValueError: [redacted]\n" if how == "dumper" else "")


def test_why_something_is_dumped_is_no_exception(ring_path: pathlib.Path) -> None:
    told: list[str | None] = []
    with pr.Log(ring_path, redact=[re.compile(SECRET)]) as log:
        log.register_dumper(lambda _, detail: told.append(detail), always=True)
        log.get_logger().info("event")
        dump = ring_path.with_name("dump.txt")
        assert log.dump(dump, description=f"asked for by {SECRET}") == 1
    assert dump.read_text().splitlines()[0] == f"** dump: asked for by {HIDDEN} **"
    assert told[0] == f"asked for by {HIDDEN}"


def test_the_command_line_that_a_file_keeps_is_no_exception(ring_path: pathlib.Path) -> None:
    code = """
    import re, sys
    import printk_ring as pr

    with pr.Log(sys.argv[1], size="256 KiB", redact=["Api_Key", "password", re.compile("tok_.")]) as log:
        log.get_logger().info("event")
    """
    given = [
        "--password=hunter2",
        "--API-KEY",
        "hunter2",
        "--user=ann",
        "-password",
        "hunter2",
        "as=tok_1",
        "password",
        "x",
    ]
    done = run(code, ring_path, *given)
    assert done.returncode == 0, done.stderr
    assert b"hunter2" not in ring_path.read_bytes()
    assert b"tok_1" not in ring_path.read_bytes()
    kept = pr.open(ring_path).info.argv[2:]
    assert kept == [
        "--password=[redacted]",
        "--API-KEY",
        HIDDEN,
        "--user=ann",
        "-password",
        HIDDEN,
        f"as={HIDDEN}",
        "password",
        "x",
    ]


def test_a_pattern_that_is_interrupted_hides_all_and_the_interruption_goes_on() -> None:
    with pr.Log(size="256 KiB", redact=[re.compile("(a+)+$")]) as slow:  # takes longer than anybody waits

        def interrupt(_signal: int, _frame: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                slow.get_logger().info("a" * 60 + "b")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert [record.event for record in slow.reader()] == [HIDDEN]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("password", "'password'"),
        (b"password", "b'password'"),
        (5, "5"),
        (re.compile("x"), "re.compile('x')"),
        ([5], "5"),
        ([None], "None"),
        (["ok", b"bytes"], "b'bytes'"),
        ([""], "''"),
        ([re.compile(b"x")], "re.compile(b'x')"),
        ([re.compile("x*")], "re.compile('x*')"),
        ([["password"]], "['password']"),
    ],
)
def test_what_cannot_be_hidden_is_refused_with_what_can(ring_path: pathlib.Path, wrong: Any, said: str) -> None:
    for make in (pr.Log, pr.install):
        with pytest.raises(pr.ConfigError, match=re.escape(said)):
            make(ring_path.with_name("never.ring"), redact=wrong)
    assert not ring_path.with_name("never.ring").exists()
    assert pr.default_log() is None


def test_install_is_the_same_log_with_the_same_names_and_patterns(ring_path: pathlib.Path) -> None:
    with pr.install(ring_path, size="256 KiB", consoles=(), redact=["a", re.compile("b")]) as log:
        assert pr.install(ring_path, size="256 KiB", consoles=(), redact=iter(("a", re.compile("b")))) is log
        with pytest.raises(pr.ConfigError, match="redact"):
            pr.install(ring_path, size="256 KiB", consoles=(), redact=["a"])
        pr.get_logger().info("event", A=SECRET)
        assert fields(log) == [{"A": HIDDEN}]

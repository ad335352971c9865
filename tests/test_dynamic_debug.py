"""Dynamic debug: call sites are switched on and off while the program runs, from inside and from outside."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import prdmesg, run, start, succeed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = """
def pay(logger, n):
    logger.debug("paying %d", n)
    logger.debug(f"amount {n}", n=n)
    logger.info("paid", n=n)


def ship(logger, n):
    logger.debug("shipping", n=n); logger.debug("shipped", n=n)
"""


def functions(path: str = "/srv/shop/db.py") -> dict[str, Callable[..., None]]:
    """The functions of a module of its own."""
    module = types.ModuleType("shop")
    exec(compile(SOURCE, path, "exec"), module.__dict__)
    return module.__dict__


SHOP = functions()


@pytest.fixture
def log() -> Iterator[pr.Log]:
    """A log that stores INFO, without consoles."""
    with pr.Log(size="512 KiB", level="INFO") as log:
        yield log


def shown(log: pr.Log) -> list[str]:
    """What one round of the program stores in the log: the messages."""
    logger = log.get_logger("shop.db")
    reader = log.reader("newest")
    SHOP["pay"](logger, 5)
    SHOP["ship"](logger, 5)
    return [record.message for record in reader]


ALL = ["paying 5", "amount 5", "paid", "shipping", "shipped"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("+p", ALL),
        ("=p", ALL),
        ("file db.py +p", ALL),
        ("file /srv/shop/db.py +p", ALL),
        ("file shop/db.py +p", ALL),
        ("file *.py +p", ALL),
        ("file b.py +p", ["paid"]),
        ("file other.py +p", ["paid"]),
        ("func pay +p", ALL[:3]),
        ("func ?ay +p", ALL[:3]),
        ("func p* line 4 +p", ["amount 5", "paid"]),
        ("line 3 +p", ["paying 5", "paid"]),
        ("line 3-4 +p", ALL[:3]),
        ("line -3 +p", ["paying 5", "paid"]),
        ("line 4- +p", ALL[1:]),
        ("file db.py:9 +p", ALL[2:]),
        ("file db.py:3-4 +p", ALL[:3]),
        ("file db.py:ship +p", ALL[2:]),
        ("logger shop.* +p", ALL),
        ("module shop.db +p", ALL),
        ("logger shop +p", ["paid"]),
        ("format ship +p", ALL[2:]),
        ("format ^shipp +p", ALL[2:]),
        ("format ^hipp +p", ["paid"]),
        ('format "paying %d" +p', ["paying 5", "paid"]),
        ("text shipped +p", ["paid", "shipped"]),
        (r"format \163hipped +p", ["paid", "shipped"]),
        ("func pay -p", ["paid"]),
        ("+p ; func ship -p", ALL[:3]),
        ("+p\nfunc pay -p", ALL[2:]),
        ("# nothing at all", ["paid"]),
        ("+p # all of them", ALL),
        ("+p; =_", ["paid"]),
        ("+pfl; -fl", ALL),
    ],
)
def test_commands_choose_sites_as_the_kernel_has_it(log: pr.Log, command: str, expected: list[str]) -> None:
    assert shown(log) == ["paid"]
    log.dynamic_debug(command)
    assert shown(log) == expected
    assert shown(log) == expected
    log.dynamic_debug("=_")
    assert (shown(log), log.rules) == (["paid"], "")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("p", "flags like"),
        ("+", "no flags"),
        ("+x", "no flag 'x'"),
        ("file", "flags like"),
        ("file +p", "without a value"),
        ("colour red +p", "no keyword"),
        ("class tls +p", "no class"),
        ("line x +p", "no line"),
        ("line - +p", "no line"),
        ("line 9-3 +p", "ends before"),
        ("file a.py file b.py +p", "twice"),
        ('format "open +p', "quote"),
        ("format a\\ +p", "backslash"),
        ("func a line 1 file b logger c format d +p", "more than 9 words"),
    ],
)
def test_a_wrong_command_is_named_and_the_others_hold(log: pr.Log, command: str, why: str) -> None:
    with pytest.raises(pr.ConfigError, match=re.escape(why)):
        log.dynamic_debug(f"func ship +p; {command}; func pay +p")
    assert log.rules.splitlines() == ["func ship +p", "func pay +p"]
    assert shown(log) == ALL
    with pytest.raises(pr.ConfigError, match="dynamic debug"):
        log.dynamic_debug(command)


def test_a_logger_without_a_name_has_an_empty_one(log: pr.Log) -> None:
    logger = log.get_logger()
    for command, count in (("logger * +p", 1), ("logger ?* +p", 0), ("logger shop* +p", 0)):
        log.dynamic_debug(f"=_; {command}")
        reader = log.reader("newest")
        logger.debug("anything")
        assert len(list(reader)) == count, command


def test_flags_put_in_front_what_the_site_is(log: pr.Log) -> None:
    log.dynamic_debug("func pay +ptmfsl")
    tid = threading.get_native_id()
    front = f"[{tid}] shop.db:pay:/srv/shop/db.py:"
    assert shown(log) == [f"{front}3: paying 5", f"{front}4: amount 5", f"{front}5: paid"]
    log.dynamic_debug("func pay =pl")
    assert shown(log) == ["3: paying 5", "4: amount 5", "5: paid"]
    log.dynamic_debug("func pay =f")  # decorates, and forces nothing
    assert shown(log) == ["pay: paid"]
    [record] = [record for record in log.reader() if record.message == "pay: paid"]
    assert (record.event, record.fields, record.line) == ("paid", {"n": 5}, 5)


def test_what_is_in_front_is_cut_at_128_bytes(log: pr.Log) -> None:
    with_long = functions("/" + "ü" * 200 + ".py")
    log.dynamic_debug("=ps")
    reader = log.reader("newest")
    with_long["ship"](log.get_logger(), 1)
    front, event = next(reader).message.rsplit(" ", 1)
    assert event == "shipping"
    assert len(front.encode()) in {127, 128}


def test_loggers_and_other_levels_go_on_by_themselves(log: pr.Log) -> None:
    log.dynamic_debug("func ship +p")
    logger = log.get_logger("quiet")
    logger.level = "ERROR"
    reader = log.reader("newest")
    SHOP["pay"](logger, 1)
    SHOP["ship"](logger, 1)
    assert [record.message for record in reader] == ["shipping", "shipped"], "whatever the logger's level says"
    assert not logger.is_enabled_for("INFO"), "that is told by levels alone"
    log.level = "DEBUG"
    assert log.level == pr.Level.DEBUG
    assert shown(log) == ALL
    log.level = "ERROR"
    assert shown(log) == ALL[3:]


def test_exceptions_options_and_any_level_are_judged_too(log: pr.Log) -> None:
    log.level = "CRITICAL"
    logger = log.get_logger()

    def everything() -> None:
        logger.log("DEBUG", "any")
        logger.debug("options", exc_info=None, extra={"a": 1})
        try:
            raise ValueError("x")
        except ValueError:
            logger.exception("failed")
        logger.bind(b=1).debug("bound")

    everything()
    log.dynamic_debug("func everything +p")
    everything()
    log.dynamic_debug("=_")
    everything()
    assert [record.event for record in log.reader()] == ["any", "options", "failed", "bound"]


def test_a_handler_of_logging_is_not_concerned(log: pr.Log) -> None:
    import logging  # noqa: PLC0415 - only here

    log.dynamic_debug("+p")
    handler = pr.RingHandler(log)
    handler.handle(logging.LogRecord("a", logging.DEBUG, "f", 1, "below", None, None))
    handler.handle(logging.LogRecord("a", logging.INFO, "f", 1, "stored", None, None))
    assert [record.message for record in log.reader()] == ["stored"]


def test_a_closed_log_stays_closed(log: pr.Log) -> None:
    log.dynamic_debug("+p")
    logger = log.get_logger()
    log.close()
    SHOP["ship"](logger, 1)
    assert log.stats()["emitted"] == 0


def test_the_sites_are_listed_with_what_is_switched_on(log: pr.Log) -> None:
    log.dynamic_debug("func pay +pl")
    shown(log)
    first, second, third = log.sites()
    assert (first.file, first.line, first.func, first.logger) == ("/srv/shop/db.py", 3, "pay", "shop.db")
    assert (first.event, first.names, first.flags, first.id) == ("paying %d", [], "pl", 0)
    assert (second.event, second.names) == (None, ["n"]), "an f-string is another text at each call"
    assert (third.event, third.names, third.flags) == ("paid", ["n"], "pl")
    assert log.dynamic_debug("func pay -l") == 3
    assert log.dynamic_debug("line 5 -p") == 1
    assert [site.flags for site in log.sites()] == ["p", "p", "_"]
    assert repr(first) == '<CallSite 0 /srv/shop/db.py:3 "paying %d">'
    assert repr(second) == "<CallSite 1 /srv/shop/db.py:4>"


def test_there_is_an_end_to_commands(log: pr.Log) -> None:
    for n in range(60):
        log.dynamic_debug(f"func {n:040} +p")
    with pytest.raises(pr.ConfigError, match="'=_' takes all back"):
        log.dynamic_debug("\n".join(f"func {n:040} +p" for n in range(60, 200)))
    before = log.rules
    log.dynamic_debug(before.splitlines()[3])  # the same again takes no room
    assert sorted(log.rules.splitlines()) == sorted(before.splitlines())
    log.dynamic_debug("=p")
    assert log.rules == "=p"


PROGRAM = """
import sys
import printk_ring as pr
log = pr.Log(sys.argv[1], size="512 KiB", level="INFO")
seen = []
log.add_console(pr.sinks.callable(lambda record: seen.append(record.message)))
logger = log.get_logger("app")

def work(n):
    logger.debug("step", n=n)
    logger.info("done", n=n)

print("ready", flush=True)
for line in sys.stdin:
    work(int(line))
    log.flush()
    print(len(list(log.reader())), len(seen), log.level.name, log.console_level.name, flush=True)
"""


def test_another_process_sets_switches_without_the_help_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    child = start(PROGRAM, path)

    def step() -> str:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("1\n")
        child.stdin.flush()
        return child.stdout.readline().strip()

    before = path.read_bytes()
    assert step() == "1 1 INFO INFO"
    done = prdmesg("--set", "func work +p", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1 call site that logged so far matches; others are switched when they first run\n"
    assert prdmesg("--set", "func nobody +p", path).stdout.startswith("0 call sites that logged so far match; ")
    assert step() == "3 2 INFO INFO", "stored, and below the console's level"
    assert prdmesg("-n", "debug", path).returncode == 0
    assert step().split()[0::3] == ["5", "DEBUG"]
    with pr.control(path) as switches:
        assert (switches.level, switches.console_level, switches.rules) == (6, 7, "func work +p\nfunc nobody +p")
        switches.level = pr.Level.ERROR
        assert [site.flags for site in switches.sites()] == ["p", "p"]
        switches.dynamic_debug("=_")
    assert step().split()[0::2] == ["5", "ERROR"]
    assert prdmesg("-C", path).returncode == 0
    assert prdmesg(path).stdout == ""
    child.communicate("", timeout=30)
    assert child.returncode == 0
    assert len(path.read_bytes()) == len(before)


def test_only_the_control_page_is_written(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    with pr.Log(path, size="512 KiB") as log:
        shown(log)
        before = path.read_bytes()
        with pr.control(path) as switches:
            switches.level = "ERROR"
            switches.console_level = "DEBUG"
            switches.clear()
            switches.dynamic_debug("func pay +p")
        after = path.read_bytes()
    assert before != after
    where = {at // 4096 for at in range(0, len(before), 8) if before[at : at + 8] != after[at : at + 8]}
    assert len(where) == 1


def test_the_index_lists_sites_of_a_dead_file_too(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    succeed(
        f"""
        import os, printk_ring as pr
        log = pr.Log({str(path)!r}, size="512 KiB")
        log.get_logger("app").info("said \\x1b[31m %d", 5)
        log.get_logger().info("plain", a=1, b=2)
        os._exit(0)
        """
    )
    done = prdmesg("--index", path)
    assert (done.returncode, done.stderr) == (0, "")
    head, first, second = done.stdout.splitlines()
    assert head.startswith("# ")
    assert first == '<string>:4 [app]<module> =_ "said \\u001b[31m %d"'
    assert second == '<string>:5 []<module> =_ "plain" a= b='
    lines = [json.loads(line) for line in prdmesg("--index", "-J", path).stdout.splitlines()]
    assert [(line["line"], line["names"]) for line in lines] == [(4, []), (5, ["a", "b"])]


def test_switches_are_for_logs_that_are_written(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"something else" * 1000)
    with pytest.raises(pr.RingFileError, match="not a ring"):
        pr.control(other)
    with pytest.raises(pr.RingFileError):
        pr.control(tmp_path / "none")
    with pytest.raises(pr.RingFileError, match="a directory: give a file in it"):
        pr.control(tmp_path)
    for arguments in (
        ["--set", "+p", "--index"],
        ["--set", "+p", "--dead"],
        ["-n", "debug", "--stats"],
        ["-n", "loud"],
        ["-C", "-w"],
    ):
        done = prdmesg(*arguments, other)
        assert done.returncode == 2, arguments
    with pr.Log(tmp_path / "app.ring", size="512 KiB") as log:
        done = prdmesg("--set", "colour red +p", tmp_path / "app.ring")
        assert done.returncode == 2
        assert "no keyword" in done.stderr
        assert log.rules == ""
        switches = pr.control(tmp_path / "app.ring")
        switches.close()
        switches.close()
        with pytest.raises(pr.RingFileError):
            switches.level = "DEBUG"
    before = (tmp_path / "app.ring").read_bytes()
    for arguments in (["--set", "+p"], ["-n", "debug"]):
        done = prdmesg(*arguments, tmp_path / "app.ring")
        assert (done.returncode, done.stdout) == (1, "")
        assert "is gone" in done.stderr
    assert (tmp_path / "app.ring").read_bytes() == before
    assert prdmesg("-C", tmp_path / "app.ring").returncode == 0, "whoever reads it later goes by its clear mark"


@pytest.mark.parametrize(
    "command",
    [
        "{} +p",
        "{} x +p",
        "func x {}",
        "func x +{}",
        "line {} +p",
        "func {} func x +p",
        "format {}\\ +p",
        "format {}\\777 +p",
        """format '"{}' line x" +p""",
        "func 'a {}",
        "file x:1 line {} +p",
    ],
)
def test_an_error_quotes_the_beginning_of_a_long_command(log: pr.Log, command: str) -> None:
    with pytest.raises(pr.ConfigError, match=r"^dynamic debug: ") as raised:
        log.dynamic_debug(command.format("é" * 100_000))
    assert "é…" in str(raised.value).replace('"', "")
    assert len(str(raised.value)) < 600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_switches_are_for_the_same_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    with pr.Log(path, size="512 KiB"):
        path.chmod(0o666)
        tmp_path.chmod(0o755)
        done = run(
            f"""
            import os
            import printk_ring as pr
            try:
                os.chown({str(path)!r}, 12345, 12345)
                pr.control({str(path)!r})
            except pr.RingFileError as why:
                print(why)
            """
        )
    assert "it is user 12345's" in done.stdout, done.stderr


def test_many_threads_set_and_log_at_once(log: pr.Log) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def setter(name: str) -> None:
        try:
            for n in range(200):
                log.dynamic_debug(f"func {name}{n % 5} +p")
        except BaseException as why:
            failures.append(why)

    def caller() -> None:
        try:
            while not stop.is_set():
                shown(log)
        except BaseException as why:
            failures.append(why)

    setters = [threading.Thread(target=setter, args=(name,)) for name in "abc"]
    callers = [threading.Thread(target=caller) for _ in range(2)]
    for thread in (*setters, *callers):
        thread.start()
    for thread in setters:
        thread.join()
    stop.set()
    for thread in callers:
        thread.join()
    assert not failures
    assert sorted(log.rules.splitlines()) == sorted(f"func {name}{n} +p" for name in "abc" for n in range(5))


def _child(results: Any, log: pr.Log) -> None:
    results.put((shown(log), log.rules))


def test_a_forked_child_goes_by_what_its_parent_went_by(log: pr.Log) -> None:
    log.dynamic_debug("func ship +p")
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_child, args=(results, log))
    child.start()
    assert results.get(timeout=60) == (["paid", "shipping", "shipped"], "func ship +p")
    child.join(60)


def test_a_word_with_quotes_within_is_kept_as_it_was_written(log: pr.Log) -> None:
    logger = log.get_logger()

    def said() -> None:
        logger.debug('say "it\'s" so')

    assert log.dynamic_debug('format say\\040"it\'s" +p') == 0
    said()
    assert [record.message for record in log.reader()] == ['say "it\'s" so']


@pytest.mark.parametrize(
    "command", ["file x.py:10-20 line 5 +p", "file x.py:f func g +p", "logger a module b +p", "text a format b +p"]
)
def test_a_condition_is_there_once_by_whatever_name(log: pr.Log, command: str) -> None:
    with pytest.raises(pr.ConfigError, match="once more"):
        log.dynamic_debug(command)


def test_the_text_that_is_logged_counts_where_it_differs_from_call_to_call(log: pr.Log) -> None:
    logger = log.get_logger()
    log.dynamic_debug("format ^two +p")
    for event in ("one", "two", "three"):
        logger.debug(event)
        logger.debug(f"{event} more")
    assert [record.message for record in log.reader()] == ["two", "two more"]


def test_a_writer_that_died_while_it_replaced_the_rules_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "app.ring"
    with pr.Log(path, size="512 KiB", level="INFO") as log:
        log.dynamic_debug("func ship +p")
        assert shown(log) == ["paid", "shipping", "shipped"]
        with path.open("r+b") as file:
            at = file.read().index(b"func ship +p") - 64
            file.seek(at)
            number = int.from_bytes(file.read(8), "little")
            file.seek(at)
            file.write((number + 1).to_bytes(8, "little"))
        assert shown(log) == ["paid", "shipping", "shipped"], "by the rules that there were"
        log.dynamic_debug("=_; func pay +p")  # takes over
        assert shown(log) == ["paying 5", "amount 5", "paid"]


def test_a_child_goes_by_the_levels_that_it_has_set_itself(log: pr.Log) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            log.level, log.console_level = pr.Level.ERROR, pr.Level.EMERG
            log.get_logger().info("below")
            before = log.level, log.console_level
            log.get_logger().error("stored")
            told = before, (log.level, log.console_level), [record.event for record in log.reader()]
            os.write(writer, json.dumps(told).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    assert json.loads(os.read(reader, 1000)) == [[3, 0], [3, 0], ["stored"]]
    assert log.level == pr.Level.INFO

"""Uncaught exceptions: stored with all there is to know of them, dumpers called, and whoever was there before goes on."""

from __future__ import annotations

import json
import signal
import textwrap
from typing import TYPE_CHECKING, Any

import printk_ring as pr
from tests.children import run

if TYPE_CHECKING:
    from pathlib import Path

PRELUDE = """
import asyncio, gc, json, sys, threading, warnings
import printk_ring as pr

def make(**options):
    log = pr.install(sys.argv[1], size="1 MiB", consoles=(), **options)
    log.register_dumper(lambda reason, detail: print(reason.name, detail, flush=True))
    return log
"""


def ends(program: str, ring: Path, *arguments: object) -> tuple[list[pr.Record], Any]:
    """The records of a program in a file, and how it ended."""
    done = run(PRELUDE + textwrap.dedent(program), ring, *arguments)
    return list(pr.open(ring).reader()), done


def test_an_exception_that_ends_the_process_is_stored_and_shown_as_ever(tmp_path: Path) -> None:
    program = """
        def fails():
            raise ValueError("no \\udcff")

        make(crash=sys.argv[2] == "crash")
        fails()
        """
    (record,), done = ends(program, tmp_path / "app.ring", "crash")
    assert (record.event, record.level, record.logger) == ("uncaught exception", pr.Level.CRITICAL, "printk_ring")
    assert record.exc is not None
    assert (record.exc["type"], record.exc["message"]) == ("ValueError", "no \ufffd")
    assert "in fails" in record.exc["stacktrace"]
    assert record.fields == {}
    assert done.stdout == "OOPS ValueError: no \ufffd\n"
    assert done.returncode == 1
    records, without = ends(program, tmp_path / "other.ring", "nothing")
    assert (records, without.stdout) == ([], "")
    assert done.stderr.replace("app.ring", "") == without.stderr.replace("other.ring", "")


def test_notes_causes_and_groups_are_fields(tmp_path: Path) -> None:
    records, done = ends(
        """
        make()
        try:
            try:
                try:
                    1 / 0
                except ZeroDivisionError:
                    {}["key"]
            except KeyError as error:
                raise OSError("third") from error
        except OSError as error:
            inner = ExceptionGroup("inner", [TypeError("deep")])
            group = ExceptionGroup("several", [ValueError("one"), inner])
            group.add_note("a note")
            group.add_note("another")
            raise group from error
        """,
        tmp_path / "app.ring",
    )
    (record,) = records
    assert record.exc is not None
    assert record.exc["type"] == "ExceptionGroup"
    assert record.fields["notes"] == ["a note", "another"]
    assert record.fields["causes"] == [
        {"how": "cause", "type": "OSError", "message": "third"},
        {"how": "cause", "type": "KeyError", "message": "'key'"},
        {"how": "context", "type": "ZeroDivisionError", "message": "division by zero"},
    ]
    group = record.fields["group"]
    assert isinstance(group, list)
    assert group[0] == {"type": "ValueError", "message": "one"}
    assert group[1]["type"] == "ExceptionGroup"
    assert "deep" in record.exc["stacktrace"]
    assert done.returncode == 1


def test_threads_finalizers_and_the_running_loop_are_watched_and_the_program_goes_on(tmp_path: Path) -> None:
    records, done = ends(
        """
        class Fails:
            def __del__(self):
                raise RuntimeError("in a finalizer")

            def __repr__(self):
                raise RuntimeError("and in its repr")

        async def fails():
            raise LookupError("in a task")

        async def main():
            make()
            asyncio.get_running_loop().call_soon(lambda: 1 / 0)
            task = asyncio.ensure_future(fails())
            await asyncio.sleep(0.01)
            del task
            gc.collect()

        asyncio.run(main())

        def in_a_thread():
            raise KeyError("in a thread")

        thread = threading.Thread(target=in_a_thread, name="worker")
        thread.start()
        thread.join()
        Fails()
        print("goes on")
        """,
        tmp_path / "app.ring",
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "goes on")
    kinds = [(record.exc["type"], record.exc["message"]) if record.exc else None for record in records]
    assert kinds == [
        ("ZeroDivisionError", "division by zero"),
        ("LookupError", "in a task"),
        ("KeyError", "'in a thread'"),
        ("RuntimeError", "in a finalizer"),
    ]
    assert [record.level for record in records] == [pr.Level.ERROR] * 4
    assert "handle" in records[0].fields
    assert records[1].fields["message"] == "Task exception was never retrieved"
    assert records[2].fields == {"thread": "worker"}
    fields = records[3].fields  # since Python 3.14 it is named in the message
    assert "Fails.__del__" in f"{fields.get('object')} {fields.get('while')}"
    assert done.stdout.count("OOPS ") == 4
    for told in ("ZeroDivisionError", "LookupError", "KeyError", "RuntimeError: in a finalizer"):
        assert told in done.stderr, "Python says it as ever"


def test_a_loop_that_does_not_run_yet_is_watched_when_asked_and_its_own_handler_goes_on(tmp_path: Path) -> None:
    records, done = ends(
        """
        make()
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: print("its own", context["message"]))
        pr.crash.watch(loop)
        pr.crash.watch(loop)
        loop.call_exception_handler({"message": "no exception at all"})
        loop.call_soon(lambda: 1 / 0)
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        """,
        tmp_path / "app.ring",
    )
    assert [record.event for record in records] == ["trouble in an event loop", "unhandled exception in an event loop"]
    assert records[0].fields == {"message": "no exception at all"}
    lines = done.stdout.splitlines()
    assert lines[0] == "its own no exception at all"
    assert lines[1] == "OOPS ZeroDivisionError: division by zero"
    assert lines[2].startswith("its own Exception in callback")
    assert len(lines) == 3


def test_hooks_that_were_there_go_on_and_those_that_come_later_may_go_on_to_ours(tmp_path: Path) -> None:
    records, done = ends(
        """
        def note(name, before):
            def hook(*args):
                print(name, flush=True)
                before(*args)
            return hook

        sys.excepthook = note("earlier", sys.excepthook)
        threading.excepthook = note("earlier", threading.excepthook)
        sys.unraisablehook = note("earlier", sys.unraisablehook)
        make().close()
        sys.excepthook = note("later", sys.excepthook)
        make_again = pr.install(sys.argv[1], size="1 MiB", consoles=())
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        raise ValueError
        """,
        tmp_path / "app.ring",
    )
    assert sum(record.event.startswith("uncaught") for record in records) == 2, "once each, also after a second install"
    assert sorted(done.stdout.splitlines()) == ["earlier", "earlier", "later"]
    assert "ValueError" in done.stderr


def test_whoever_ends_the_program_on_purpose_is_no_trouble(tmp_path: Path) -> None:
    for how, status in (("sys.exit(3)", 3), ("raise KeyboardInterrupt", -signal.SIGINT), ("raise SystemExit", 0)):
        ring = tmp_path / f"{status}.ring"
        records, done = ends(f"make()\n{how}", ring)
        assert (records, done.returncode, done.stdout) == ([], status, "")


def test_without_a_log_and_in_a_forked_child_uncaught_exceptions_are_as_ever(tmp_path: Path) -> None:
    records, done = ends(
        """
        import os
        log = make()
        child = os.fork()
        if not child:
            raise ValueError("the child's")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        print(json.dumps(child))
        log.close()
        raise ValueError("after the log")
        """,
        tmp_path / "app.ring",
    )
    assert records == []
    assert done.stderr.count("Traceback") == 2
    child = json.loads(done.stdout.splitlines()[-1])
    (record,) = pr.open(tmp_path / f"app.ring.fork-{child}").reader()
    assert record.exc is not None
    assert record.exc["message"] == "the child's"
    assert done.stdout.splitlines()[0] == "OOPS ValueError: the child's"


def test_a_dumper_that_fails_in_an_oops_does_not_call_itself_for_ever(tmp_path: Path) -> None:
    records, done = ends(
        """
        log = make()
        log.register_dumper(lambda *_: 1 / 0)
        raise ValueError("first")
        """,
        tmp_path / "app.ring",
    )
    assert [record.exc["type"] for record in records if record.exc] == ["ValueError", "ZeroDivisionError"]
    assert done.stdout == "OOPS ValueError: first\n"
    assert done.returncode == 1


def test_an_exception_that_resists_costs_only_what_it_hides(tmp_path: Path) -> None:
    records, done = ends(
        """
        class Resists(Exception):
            def __str__(self):
                raise RuntimeError("no text")

        make()
        error = Resists()
        error.__notes__ = [1, "a note", Resists()]
        loop = error
        for _ in range(40):
            loop.__context__ = Resists()
            loop = loop.__context__
        raise error
        """,
        tmp_path / "app.ring",
    )
    (record,) = records
    assert record.exc is not None
    assert record.exc["message"] == "<unprintable Resists>"
    assert record.fields["notes"] == ["a note"]
    causes = record.fields["causes"]
    assert isinstance(causes, list)
    assert len(causes) == 16
    assert done.returncode == 1


def test_causes_that_are_hidden_are_left_out_and_those_in_a_circle_are_told_once(tmp_path: Path) -> None:
    (hidden, circle), _ = ends(
        """
        make()
        try:
            try:
                1 / 0
            except ZeroDivisionError:
                raise ValueError("alone") from None
        except ValueError as error:
            sys.excepthook(ValueError, error, None)
        first, second = ValueError("first"), ValueError("second")
        first.__context__, second.__context__ = second, first
        sys.excepthook(ValueError, first, None)
        """,
        tmp_path / "app.ring",
    )
    assert hidden.fields == {}
    assert circle.fields["causes"] == [{"how": "context", "type": "ValueError", "message": "second"}]


def test_an_exception_in_an_exit_hook_says_so(tmp_path: Path) -> None:
    (record,), done = ends(
        """
        import atexit
        make()
        atexit.register(lambda: 1 / 0)
        """,
        tmp_path / "app.ring",
    )
    assert record.event == "unraisable exception"
    assert str(record.fields["while"]).startswith(
        "Exception ignored in atexit callback"
    )  # since Python 3.14: which one
    assert "ZeroDivisionError" in done.stderr


def test_what_goes_wrong_when_the_interpreter_has_taken_modules_apart_is_told_as_ever() -> None:
    done = run(
        """
        import sys, types
        earlier = sys.modules["earlier"] = types.ModuleType("earlier")
        import printk_ring as pr
        from printk_ring import crash

        class Late:
            def __del__(self):
                raise ValueError("late")

        pr.install(size="256 KiB", consoles=())
        earlier.late = Late()
        sys.kept = earlier, crash  # so each is emptied in its turn, that module first
        """
    )
    assert "ValueError: late" in done.stderr
    assert "sys.unraisablehook" not in done.stderr

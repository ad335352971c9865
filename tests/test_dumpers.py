"""Dumpers: Python functions that are called when the process gets into trouble."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from printk_ring import _native
from tests.children import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def trouble(log: pr.Log, reason: pr.Reason = pr.Reason.PANIC, detail: str | None = None) -> int:
    """What whoever finds the trouble does."""
    return log._call_dumpers(reason, detail)


def test_they_are_called_in_the_order_of_their_registration_with_the_reason_and_a_text(log: pr.Log) -> None:
    told: list[tuple[str, pr.Reason, str | None]] = []

    def noting(name: str) -> Callable[[pr.Reason, str | None], None]:
        return lambda reason, detail: told.append((name, reason, detail))

    for name in "abc":
        log.register_dumper(noting(name))
    assert trouble(log, pr.Reason.OOPS, "a \udcff text") == 3
    assert told == [(name, pr.Reason.OOPS, "a \ufffd text") for name in "abc"]
    assert type(told[0][1]) is pr.Reason
    told.clear()
    trouble(log)
    assert told == [(name, pr.Reason.PANIC, None) for name in "abc"]


def test_the_reason_chooses_who_is_called(log: pr.Log) -> None:
    told: list[str] = []
    for reason in pr.Reason:
        log.register_dumper(lambda *_, name=reason.name: told.append(name), max_reason=reason)
    log.register_dumper(lambda *_: told.append("default"))
    log.register_dumper(lambda *_: told.append("always"), max_reason="panic", always=True)
    names = ["PANIC", "OOPS", "EMERGENCY", "SHUTDOWN"]
    for at, reason in enumerate(pr.Reason):
        told.clear()
        count = trouble(log, reason)
        default = ["default"] if reason <= pr.Reason.OOPS else []
        assert told == [*names[at:], *default, "always"]
        assert count == len(told)


def test_a_dumper_says_what_it_is(log: pr.Log) -> None:
    def save(reason: pr.Reason, detail: str | None) -> None:
        """Saves nothing."""

    dumper = log.register_dumper(save)
    assert dumper.name.endswith("save")
    assert (dumper.max_reason, dumper.always, dumper.preserves) == (pr.Reason.OOPS, False, False)
    assert type(dumper.max_reason) is pr.Reason
    assert (dumper.registered, dumper.running, dumper.calls, dumper.errors) == (True, 0, 0, 0)
    other = log.register_dumper(save, name=dumper.name, max_reason=4, always=True, preserves=True)
    assert other.name == f"{dumper.name}-2"
    assert (other.max_reason, other.always, other.preserves) == (pr.Reason.SHUTDOWN, True, True)
    assert repr(other) == f'<Dumper "{other.name}">'
    other.unregister()
    other.unregister()
    assert not other.registered
    assert repr(other) == f'<Dumper "{other.name}", unregistered>'
    assert _native.defaults()["max_reason"] == pr.Reason.OOPS


def test_wrong_arguments_are_named(log: pr.Log) -> None:
    for wrong in (0, 5, -1, 2**80, "often", ""):
        with pytest.raises(
            pr.ConfigError, match="is no reason: PANIC, OOPS, EMERGENCY or SHUTDOWN in any case, or 1 to 4"
        ):
            log.register_dumper(print, max_reason=wrong)
    for kind in (None, 2.0, True):
        with pytest.raises(TypeError, match="a reason is a Reason, an int or a str, not"):
            log.register_dumper(print, max_reason=kind)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a dumper is called with a reason and a text: int cannot be"):
        log.register_dumper(7)  # type: ignore[arg-type]
    dumpers = [log.register_dumper(print) for _ in range(32)]
    with pytest.raises(pr.ConfigError, match="the log has 32 dumpers already: unregister one of them"):
        log.register_dumper(print)
    dumpers[5].unregister()
    log.register_dumper(print)
    log.close()
    assert not any(dumper.registered for dumper in dumpers)
    with pytest.raises(pr.ConfigError, match="the log is closed: it takes no more dumpers"):
        log.register_dumper(print)


def test_an_exception_is_counted_and_told_and_the_others_are_called(log: pr.Log, monkeypatch: Any) -> None:
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda hook: unraisable.append(hook.exc_value))
    told: list[str] = []

    def fails(reason: pr.Reason, detail: str | None) -> None:
        raise SystemExit("no")

    failing = log.register_dumper(fails)
    log.register_dumper(lambda *_: told.append("called"))
    assert trouble(log) == 2
    assert told == ["called"]
    assert (failing.calls, failing.errors, failing.running) == (1, 1, 0)
    counted = log.stats()["dumpers"]
    assert counted[failing.name] == {"calls": 1, "errors": 1}
    assert sorted(counts["errors"] for counts in counted.values()) == [0, 1]
    assert [type(value) for value in unraisable] == [SystemExit]
    unraisable.clear()


def test_after_unregister_it_does_not_run_and_never_will(log: pr.Log) -> None:
    entered, leave, returned = threading.Event(), threading.Event(), threading.Event()

    def waits(reason: pr.Reason, detail: str | None) -> None:
        entered.set()
        assert leave.wait(30)

    dumper = log.register_dumper(waits)
    dump = threading.Thread(target=trouble, args=(log,))
    dump.start()
    assert entered.wait(30)
    assert dumper.running == 1

    def unregister() -> None:
        dumper.unregister()
        returned.set()

    waiting = threading.Thread(target=unregister)
    waiting.start()
    wait_until(lambda: not dumper.registered, "it is on its way")
    assert trouble(log) == 0, "no further calls"
    assert not returned.wait(0.2), "it still runs"
    leave.set()
    assert returned.wait(30)
    assert (dumper.running, dumper.calls) == (0, 1)
    dump.join()
    waiting.join()


def test_within_its_own_function_unregistering_takes_effect_when_that_returns(log: pr.Log) -> None:
    def leaves(reason: pr.Reason, detail: str | None) -> None:
        dumper.unregister()
        assert dumper.running == 1

    dumper = log.register_dumper(leaves)
    assert [trouble(log), trouble(log)] == [1, 0]
    assert (dumper.calls, dumper.errors, dumper.registered) == (1, 0, False)
    for _ in range(40):
        log.register_dumper(leaves).unregister()  # its place is free again


def test_a_second_dump_is_told_of_the_first(log: pr.Log) -> None:
    seen: list[tuple[int, bool]] = []

    def nests(reason: pr.Reason, detail: str | None) -> None:
        with dumper.alone() as alone:
            seen.append((dumper.running, alone))
            if len(seen) == 1:
                trouble(log)
                thread = threading.Thread(target=trouble, args=(log,))
                thread.start()
                thread.join()
        if len(seen) == 3:
            with dumper.alone() as alone:
                seen.append((dumper.running, alone))
            seen.append((0, False))

    dumper = log.register_dumper(nests)
    trouble(log)
    assert seen[:3] == [(1, True), (2, False), (2, False)]
    assert seen[3] == (2, False), "of the one on the other thread: the first still has it"
    assert trouble(log) == 1
    assert seen[-1] == (1, True)


def test_what_a_dumper_logs_is_stored(log: pr.Log) -> None:
    log.register_dumper(lambda reason, detail: log.get_logger("dumper").info("here", reason=reason.name))
    trouble(log)
    (record,) = log.reader()
    assert (record.event, record.fields) == ("here", {"reason": "PANIC"})


def test_a_dumper_that_has_gone_keeps_nothing_alive() -> None:
    class Saver:
        def save(self, reason: pr.Reason, detail: str | None) -> None:
            """Saves nothing."""

    log, saver = pr.Log(size="256 KiB"), Saver()
    gone = weakref.ref(saver)
    dumper = log.register_dumper(saver.save)
    trouble(log)
    dumper.unregister()
    del dumper, saver
    gc.collect()
    assert gone() is None
    log.close()


def test_a_forked_child_has_its_parents_dumpers_in_order(log: pr.Log) -> None:
    read, write = os.pipe()
    for name in (b"a", b"b"):
        log.register_dumper(lambda *_, name=name: os.write(write, name))
    gone = log.register_dumper(lambda *_: os.write(write, b"-"))
    gone.unregister()
    child = os.fork()
    if not child:
        trouble(log)  # it has logged nothing: there is nothing to dump
        log.get_logger().info("the child's")
        trouble(log)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(write)
    assert os.read(read, 100) == b"ab"
    os.close(read)

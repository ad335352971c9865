"""Deadlocks that are found before they happen. Each program runs in a process of its own, with the variable set."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

import printk_ring as pr
from tests.children import kill, run, start, succeed

if TYPE_CHECKING:
    from pathlib import Path

ON = {**os.environ, "PRINTK_RING_LOCKDEP": "1"}

PRELUDE = """
    import _thread, contextlib, gc, logging, os, pickle, queue, signal, sys, threading, time, weakref
    import printk_ring as pr
    from printk_ring import lockdep

    PATIENCE = 30.0

    def in_a_thread(work):
        failed = []
        def run():
            try:
                work()
            except BaseException as error:
                failed.append(error)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it hangs"
        if failed:
            raise failed[0]

    def reported():
        return [(len(report.locks), [step.stack for step in report.steps]) for report in lockdep.reports()]

    def nothing_reported():
        assert lockdep.reports() == [], "\\\\n\\\\n".join(map(str, lockdep.reports()))

    class Names:
        '''Locks by names, which reports can be told by.'''
        def __init__(self, make=threading.Lock):
            self.make, self.locks = make, {}
        def __getitem__(self, name):
            return self.locks.setdefault(name, self.make())
        def take(self, names):
            with contextlib.ExitStack() as stack:
                for name in names:
                    stack.enter_context(self[name])
        def found(self):
            '''The reports as sets of names.'''
            by_name = {lock._node.name: name for name, lock in self.locks.items()}
            return ["".join(sorted(by_name.get(lock, "?") for lock in report.locks)) for report in lockdep.reports()]
"""


def watched(code: str, *arguments: object, **options: Any) -> str:
    """Runs a program under the variable; it has to end well."""
    program = textwrap.dedent(PRELUDE) + textwrap.dedent(code)
    return succeed(program, *arguments, **{"env": ON, **options})


# --- off and on ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "", "0"])
def test_without_the_variable_nothing_is_touched(value: str | None) -> None:
    environment = {name: kept for name, kept in os.environ.items() if name != "PRINTK_RING_LOCKDEP"}
    if value is not None:
        environment["PRINTK_RING_LOCKDEP"] = value
    succeed(
        """
        import sys, threading
        from threading import Lock, RLock
        import printk_ring as pr
        methods = {name: getattr(pr.Logger, name) for name in ("info", "log", "exception")}
        assert threading.Lock is Lock and threading.RLock is RLock
        assert "printk_ring.lockdep" not in sys.modules and "printk_ring.lockorder" not in sys.modules
        assert pr.lockdep.reports() == [], "may be asked all the same"
        assert not pr.lockdep.is_on()
        assert threading.Lock is Lock and threading.RLock is RLock
        assert methods == {name: getattr(pr.Logger, name) for name in methods}
        """,
        env=environment,
    )


def test_the_import_begins_it_and_leaves_older_locks_alone() -> None:
    succeed(
        """
        import threading
        older = threading.Lock()
        import printk_ring as pr
        assert pr.lockdep.is_on()
        newer = threading.Lock()
        assert isinstance(newer, pr.lockdep.Lock) and not isinstance(older, pr.lockdep.Lock)
        for first, second in ((older, newer), (newer, older)):
            with first, second:
                pass
        assert pr.lockdep.reports() == []
        pr.lockdep.start()
        assert isinstance(threading.Lock(), pr.lockdep.Lock)
        """,
        env=ON,
    )


def test_locks_are_used_as_those_of_threading_are() -> None:
    watched("""
        lock, rlock = threading.Lock(), threading.RLock()
        for each in (lock, rlock):
            assert each.acquire() is True
            each.release()
            with each as entered:
                assert entered is True
            assert each.acquire(False) and each.acquire(blocking=True, timeout=1.0) is (each is rlock)
            each.release()
            assert weakref.ref(each)() is each
            for wrong in (lambda: each.acquire(False, 1.0), lambda: each.acquire(True, -2.0)):
                try:
                    wrong()
                except ValueError:
                    pass
                else:
                    raise AssertionError("no error")
            try:
                pickle.dumps(each)
            except TypeError as error:
                assert "cannot pickle" in str(error)
            else:
                raise AssertionError("a lock is not copied")
        rlock.release()
        for each in (lock, rlock):
            try:
                each.release()
            except RuntimeError:
                pass
            else:
                raise AssertionError("it was not locked")
        assert "unlocked" in repr(lock) and not lock.locked()
        with lock:
            assert "unlocked" not in repr(lock) and lock.locked()
        lock.acquire()
        lock._at_fork_reinit()
        assert not lock.locked()
        with rlock, rlock:
            in_a_thread(lambda: (_ for _ in ()).throw(AssertionError) if rlock.acquire(False) else None)
        assert rlock.acquire(False)
        rlock.release()
        nothing_reported()
    """)


# --- two locks, and three --------------------------------------------------------------------------------------------


def test_opposite_orders_are_reported_with_both_stacks_although_they_never_met() -> None:
    watched("""
        first, second = threading.Lock(), threading.Lock()

        def pay():
            with first:
                charge()
        def charge():
            with second:
                pass
        def refund():
            second.acquire()
            credit()
            second.release()
        def credit():
            first.acquire()
            first.release()

        in_a_thread(pay)
        in_a_thread(pay)
        nothing_reported()
        in_a_thread(refund)
        [(count, [one, other])] = reported()
        assert count == 2
        assert "in pay" in one and "in charge" in one and "in refund" not in one
        assert "in charge" in one.splitlines()[-1], one
        assert "in refund" in other and "in credit" in other.splitlines()[-1] and "in pay" not in other
        [report] = lockdep.reports()
        assert report.locks == (first._node.name, second._node.name)
        assert [(step.holding, step.taking) for step in report.steps] == [report.locks, report.locks[::-1]]
        assert report.steps[0].held_since.endswith("in pay") and report.steps[1].held_since.endswith("in refund")
        for _ in range(3):
            in_a_thread(refund)
            in_a_thread(pay)
        assert len(lockdep.reports()) == 1, "each pair once"
    """)


def test_the_report_is_a_record_with_everything_in_it(ring_path: Path) -> None:
    watched(
        """
        log = pr.install(sys.argv[1], consoles=())
        locks = Names()
        def one_way(): locks.take("ab")
        def other_way(): locks.take("ba")
        in_a_thread(one_way)
        in_a_thread(other_way)
        [record] = log.reader()
        assert (record.level, record.logger) == (pr.Level.WARNING, "printk_ring.lockdep")
        assert record.exc["type"] == "LockOrderInversion" and "opposite orders" in record.exc["message"]
        assert "in one_way" in record.exc["stacktrace"] and "in other_way" in record.exc["stacktrace"]
        assert record.fields["locks"] == [locks[name]._node.name for name in "ab"]
        assert not record.truncated
        """,
        ring_path,
    )
    with pr.open(ring_path) as ring:
        [record] = ring.reader()
        assert "in other_way" in str(record)


def test_three_locks_in_a_circle_are_reported_with_three_stacks() -> None:
    watched("""
        locks = Names()
        def first(): locks.take("ab")
        def second(): locks.take("bc")
        def third(): locks.take("ca")
        for work in (first, second, third, first, second):
            in_a_thread(work)
        [(count, stacks)] = reported()
        assert count == 3
        for name in ("first", "second", "third"):
            assert sum(f"in {name}" in stack for stack in stacks) == 1
        assert "in third" in stacks[-1], "the newest is the last"
    """)


def test_it_is_reported_before_it_happens(ring_path: Path) -> None:
    """The two threads do meet: the process hangs for good, and its file says why."""
    program = textwrap.dedent(PRELUDE) + textwrap.dedent("""
        log = pr.install(sys.argv[1], consoles=())
        a, b = threading.Lock(), threading.Lock()
        barrier = threading.Barrier(2)
        def one_way():
            with a:
                barrier.wait()
                with b: pass
        def other_way():
            with b:
                barrier.wait()
                with a: pass
        threads = [threading.Thread(target=work, daemon=True) for work in (one_way, other_way)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + PATIENCE
        while not lockdep.reports() and time.monotonic() < deadline:
            time.sleep(0.01)
        for thread in threads:
            thread.join(0.5)
        print("ready", flush=True)
        sys.stdin.read()
    """)
    child = start(program, ring_path, env=ON)
    try:
        with pr.open(ring_path) as ring:
            [record] = ring.reader()
        assert record.exc is not None
        assert "in one_way" in record.exc["stacktrace"]
        assert "in other_way" in record.exc["stacktrace"]
    finally:
        kill(child)


# --- what makes no order ---------------------------------------------------------------------------------------------


def test_a_lock_taken_again_by_its_owner_is_waited_for_by_nobody() -> None:
    watched("""
        locks = Names(threading.RLock)
        def again(): locks.take("aba")
        in_a_thread(again)
        in_a_thread(again)
        nothing_reported()
        assert lockdep._graph.orders == 1
        in_a_thread(lambda: locks.take("ba"))
        assert locks.found() == ["ab"]
    """)


def test_a_recursive_lock_is_held_until_it_was_released_as_often() -> None:
    watched("""
        locks = Names(threading.RLock)
        def twice():
            a = locks["a"]
            a.acquire()
            a.acquire()
            a.release()
            locks.take("b")  # still under a
            a.release()
            locks.take("c")  # no more
        in_a_thread(twice)
        in_a_thread(lambda: locks.take("ca"))
        nothing_reported()
        in_a_thread(lambda: locks.take("ba"))
        assert locks.found() == ["ab"]
    """)


def test_an_attempt_waits_for_nothing_but_what_it_has_taken_is_held() -> None:
    watched("""
        locks = Names()
        def attempts():
            with locks["a"]:
                for how in ((False,), (True, 5.0)):
                    assert locks["b"].acquire(*how)
                    locks["b"].release()
        in_a_thread(attempts)
        in_a_thread(lambda: locks.take("ba"))
        nothing_reported()
        def holds_what_it_tried():
            assert locks["c"].acquire(blocking=False)
            locks.take("d")
            locks["c"].release()
        in_a_thread(holds_what_it_tried)
        in_a_thread(lambda: locks.take("dc"))
        assert locks.found() == ["cd"]
    """)


def test_an_attempt_that_fails_leaves_nothing_held() -> None:
    watched("""
        locks = Names()
        def fails():
            assert not locks["a"].acquire(False)
            assert not locks["a"].acquire(True, 0.01)
            locks.take("b")
        with locks["a"]:
            in_a_thread(fails)
        in_a_thread(lambda: locks.take("ba"))
        nothing_reported()
    """)


def test_a_lock_that_another_thread_releases_is_held_no_more() -> None:
    watched("""
        locks = Names()
        locks["a"].acquire()
        in_a_thread(locks["a"].release)
        locks.take("b")
        in_a_thread(lambda: locks.take("ba"))
        nothing_reported()
        # And handed to and fro, as a signal is.
        ping, pong = threading.Lock(), threading.Lock()
        ping.acquire(), pong.acquire()
        def answers():
            for _ in range(200):
                ping.acquire()
                pong.release()
        thread = threading.Thread(target=answers)
        thread.start()
        for _ in range(200):
            ping.release()
            pong.acquire()
        thread.join(PATIENCE)
        assert not [hold for hold in lockdep._here.held if hold.node is ping._node]
    """)


def test_a_lock_behind_which_both_orders_lie_keeps_them_apart() -> None:
    watched("""
        locks = Names()
        for names in ("gab", "gba", "gab"):
            in_a_thread(lambda: locks.take(names))
        nothing_reported()
        in_a_thread(lambda: locks.take("ba"))
        assert locks.found() == ["ab"]
    """)


def test_locks_that_are_released_in_any_order_are_held_as_long_as_they_are() -> None:
    watched("""
        locks = Names()
        a, b, c = (locks[name] for name in "abc")
        def chain():
            a.acquire(); b.acquire(); a.release(); c.acquire(); b.release(); c.release()
        in_a_thread(chain)
        in_a_thread(lambda: locks.take("ca"))
        assert locks.found() == ["abc"], "by way of b: a was released before c"
    """)


# --- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["threading.Condition()", "threading.Condition(threading.Lock())"])
def test_a_condition_takes_its_lock_again_after_waiting(make: str) -> None:
    watched(f"""
        condition, other = {make}, threading.Lock()
        ready = []
        def waits():
            with condition:
                other.acquire()
                condition.wait_for(lambda: ready, PATIENCE)  # gives the lock away, and takes it again under the other
                other.release()
        thread = threading.Thread(target=waits)
        thread.start()
        while not other.locked():
            time.sleep(0.001)
        with condition:
            ready.append(1)
            condition.notify_all()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        [report] = lockdep.reports()
        assert "wait" in report.steps[-1].stack and len(report.locks) == 2
        assert lockdep._here.held == []
    """)


def test_a_condition_that_waits_holds_its_lock_not_however_deep() -> None:
    watched("""
        condition, other = threading.Condition(), threading.Lock()
        def waits():
            with condition, condition:
                condition.wait(0.01)
                assert len(lockdep._here.held) == 1
            assert lockdep._here.held == []
            with other:
                pass
        in_a_thread(waits)
        def reverse():
            with other, condition:
                pass
        in_a_thread(reverse)
        nothing_reported()
        def under():
            with condition, condition:
                condition.wait(0.01)
                with other:
                    pass
        in_a_thread(under)
        assert len(lockdep.reports()) == 1
    """)


# --- consoles --------------------------------------------------------------------------------------------------------

SINKS = {
    "callable": "pr.sinks.callable(code)",
    "handler": "pr.sinks.handler(type('H', (logging.Handler,), {'emit': lambda self, record: code(record)})())",
    "formatter": "pr.sinks.file('/dev/null'), format=lambda record: code(record) or 'text'",
}


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("first", ["the call", "the console"])
def test_a_lock_held_by_who_logs_and_wanted_by_the_console_is_reported(sink: str, first: str) -> None:
    watched(f"""
        log = pr.Log(size="256 KiB")
        shared = threading.Lock()
        armed = []
        def code(record):
            if armed:
                with shared:
                    pass
        log.add_console({SINKS[sink]}, name="mine")
        logger = log.get_logger("app")

        def works_under_the_lock():
            with shared:
                logger.info("under the lock")
        def logs():
            logger.info("without")
        def console():
            armed.append(1)
            in_a_thread(logs)
            assert log.flush(PATIENCE)
            armed.clear()

        for work in ((works_under_the_lock,), (console,))[:: 1 if {first!r} == "the call" else -1]:
            nothing_reported()
            in_a_thread(*work)
            assert log.flush(PATIENCE)
        [report] = lockdep.reports()
        assert set(report.locks) == {{shared._node.name, "console 'mine'"}}
        by_name = {{step.holding: step.stack for step in report.steps}}
        assert "in works_under_the_lock" in by_name[shared._node.name].splitlines()[-1]
        assert "in code" in by_name["console 'mine'"].splitlines()[-1]
        assert [record.level for record in log.reader() if record.logger == "printk_ring.lockdep"] == [pr.Level.WARNING]
    """)


@pytest.mark.parametrize(
    "call",
    [
        "logger.debug('event')",
        "logger.log('ERROR', 'event %d', 1)",
        "logger.exception('event', field=[1])",
        "logger.bind(a=1).info('event')",
        "pr.get_logger().critical('event')",
        "logging.getLogger('std').warning('event')",
        "log.flush(0.0)",
        "log.consoles()[0].flush(0.0)",
    ],
)
def test_each_way_to_log_or_to_wait_for_consoles_counts(call: str) -> None:
    watched(f"""
        log = pr.install(size="256 KiB", consoles=(), capture_logging=True)
        log.add_console(pr.sinks.file("/dev/null"))
        logger = log.get_logger("app")
        shared = threading.Lock()
        with lockdep.writing("mine"):
            with shared:
                pass
        nothing_reported()
        with shared:
            {call}
        [report] = lockdep.reports()
        assert report.locks == ("console 'mine'", shared._node.name)
        assert "in <module>" in report.steps[-1].stack
    """)


def test_a_call_below_the_level_waits_for_no_console() -> None:
    watched("""
        log = pr.install(size="256 KiB", level="WARNING", consoles=())
        shared = threading.Lock()
        with lockdep.writing("mine"), shared:
            pass
        with shared:
            pr.get_logger().info("not stored")
        nothing_reported()
    """)


@pytest.mark.parametrize("place", ["deferred", "signal handler", "finalizer", "another call"])
def test_a_call_that_waits_for_nothing_waits_for_no_console(place: str) -> None:
    watched(f"""
        log = pr.Log(size="256 KiB")
        shared = threading.Lock()
        logger = log.get_logger()
        with lockdep.writing("mine", log._life), shared:
            pass
        class Odd:
            def __del__(self):
                logger.info("from a finalizer")
        def handle(number, frame):
            logger.info("from a signal handler")
        place = {place!r}
        odd = Odd() if place == "finalizer" else None
        deferred = log.deferred() if place == "deferred" else contextlib.nullcontext()
        signal.signal(signal.SIGUSR1, handle)

        def formatted():  # the inner call is made under the lock; the outer one is not
            class Held:
                def __str__(self):
                    with shared:
                        logger.info("from within another call")
                    return "held"
            logger.info(Held())
        if place == "another call":
            formatted()
        else:
            with shared, deferred:
                if place == "deferred":
                    logger.info("put off")
                elif place == "signal handler":
                    signal.raise_signal(signal.SIGUSR1)
                else:
                    del odd
        assert [record for record in log.reader() if record.logger is None]
        nothing_reported()
        with shared:
            logger.info("an ordinary call")
        assert len(lockdep.reports()) == 1
    """)


def test_the_consoles_of_another_log_are_waited_for_by_nobody() -> None:
    watched("""
        log, other = pr.Log(size="256 KiB"), pr.Log(size="256 KiB")
        shared = threading.Lock()
        def code(record):
            with shared:
                pass
        other.add_console(pr.sinks.callable(code))
        other.get_logger().info("event")
        assert other.flush(PATIENCE)
        with shared:
            log.get_logger().info("event")
        nothing_reported()
        with shared:
            other.get_logger().info("event")
        assert len(lockdep.reports()) == 1
    """)


def test_what_a_console_itself_logs_waits_for_no_console() -> None:
    watched("""
        log = pr.Log(size="256 KiB")
        shared = threading.Lock()
        seen = []
        def code(record):
            seen.append(record)
            with lockdep.writing("as if"):  # a console of the other kind, in the same log
                pass
            if len(seen) < 3:
                lock = threading.Lock()
                with lock:
                    log.get_logger().info("from the console")
                with lockdep.writing("once more"), lock:
                    pass
        log.add_console(pr.sinks.callable(code))
        log.get_logger().info("event")
        assert log.flush(PATIENCE)
        assert seen
        lock = threading.Lock()
        with lockdep.writing("one that is printed on by its caller"), lock:
            log.get_logger().info("from its code")
        with lockdep.writing("another"), lock:
            pass
        nothing_reported()
    """)


def test_two_consoles_that_take_two_locks_in_opposite_orders_are_reported() -> None:
    watched("""
        log = pr.Log(size="256 KiB")
        locks, one_at_a_time = Names(), _thread.allocate_lock()  # which no one watches: both at once would hang
        def takes(names):
            def code(record):
                with one_at_a_time:
                    locks.take(names)
            log.add_console(pr.sinks.callable(code))
        takes("ab")
        takes("ba")
        log.get_logger().info("event")
        assert log.flush(PATIENCE)
        assert locks.found() == ["ab"], "that both are consoles keeps them not apart"
    """)


# --- where reports go ------------------------------------------------------------------------------------------------


def test_a_report_before_there_is_a_log_waits_for_one() -> None:
    watched("""
        locks = Names()
        locks.take("ab")
        locks.take("ba")
        assert locks.found() == ["ab"]
        log = pr.install(size="256 KiB", consoles=())
        pr.get_logger().info("the first call")
        assert [record.logger for record in log.reader()] == ["printk_ring.lockdep", None]
        pr.get_logger().info("another")
        assert len(list(log.reader())) == 3
    """)


def test_a_report_that_no_log_has_taken_goes_to_stderr_at_the_exit() -> None:
    program = textwrap.dedent(PRELUDE) + "locks = Names(); locks.take('ab'); locks.take('ba')\n"
    done = run(program, env=ON)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("printk_ring: possible deadlock: ")
    assert done.stderr.count("in take") == 2


def test_a_report_is_not_held_up_by_a_console_that_holds_up_callers() -> None:
    watched("""
        log = pr.Log(size="256 KiB", level="WARNING")
        read_end, write_end = os.pipe()
        os.dup2(write_end, 1)
        console = log.add_console(pr.sinks.stdout(), overflow="block", block_timeout=1e9)
        logger = log.get_logger()
        full = threading.Event()
        def fill():
            while not full.is_set():
                logger.warning("x" * 1000)
        thread = threading.Thread(target=fill, daemon=True)
        thread.start()
        same = 0
        while same < 50:  # it is held up
            before = log.stats()["emitted"]
            time.sleep(0.01)
            same = same + 1 if before == log.stats()["emitted"] > 0 else 0
        locks = Names()
        in_a_thread(lambda: locks.take("ab"))
        in_a_thread(lambda: locks.take("ba"))
        assert locks.found() == ["ab"]
        assert [record.logger for record in log.reader()][-1] == "printk_ring.lockdep"
        full.set()
        assert not console.remove(0.01)
        thread.join(PATIENCE)
        assert not thread.is_alive()
    """)


# --- bounds, garbage, forks, everything at once ----------------------------------------------------------------------


def test_locks_that_are_gone_leave_nothing_and_lend_their_place_to_nobody() -> None:
    watched("""
        keeper = threading.Lock()
        places = set()
        for round in range(5000):
            lock = threading.Lock()
            places.add(id(lock))
            # One order each round, and the reverse the next: of other locks, which lie in the same place.
            if round % 2:
                with keeper, lock: pass
            else:
                with lock, keeper: pass
            del lock
        assert len(places) < 1000, "places were used again"
        nothing_reported()
        with keeper, threading.Lock(): pass
        assert lockdep._graph.orders < 10 and len(lockdep._graph._nodes) < 10
        assert len(lockdep._graph._gone) < 10
    """)


def test_a_lock_that_goes_while_it_is_held_is_held_no_more() -> None:
    watched("""
        for _ in range(100):
            threading.Lock().acquire()
            threading.RLock().acquire()
        gc.collect()
        with threading.Lock(), threading.Lock():
            assert len(lockdep._here.held) == 2
    """)


def test_what_is_written_down_is_bounded() -> None:
    watched("""
        early, late = Names(), Names()
        early.take("ab")
        locks = [threading.Lock() for _ in range(200)]
        with contextlib.ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
        assert lockdep._graph.orders == 8192 and lockdep._graph.ignored > 0
        late.take("ab")
        late.take("ba")
        nothing_reported()
        del locks, lock, stack
        early.take("ba") # the bound holds for orders that are there, not for those that were
        late.take("ab")
        late.take("ba")
        assert early.found() == ["ab", "??"]
    """)


def test_reports_are_bounded_too() -> None:
    watched("""
        for _ in range(150):
            a, b = threading.Lock(), threading.Lock()
            with a, b: pass
            with b, a: pass
        assert len(lockdep.reports()) == 100
    """)


def test_a_forked_child_goes_on_whatever_the_threads_of_its_parent_did(ring_path: Path) -> None:
    out = watched(
        """
        log = pr.install(sys.argv[1], consoles=())
        going = True
        def churn():
            while going:
                kept = [threading.Lock() for _ in range(6)]
                with contextlib.ExitStack() as stack:
                    for lock in kept:
                        stack.enter_context(lock)
        threads = [threading.Thread(target=churn, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(20):
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                locks = Names()
                locks.take("ab")
                locks.take("ba")
                found = [record.logger for record in log.reader()]
                os._exit(0 if locks.found() == ["ab"] and found.count("printk_ring.lockdep") == 1 else 1)
            _, status = os.waitpid(child, 0)
            assert status == 0, status
        going = False
        for thread in threads:
            thread.join(PATIENCE)
        nothing_reported()
        print("done")
        """,
        ring_path,
    )
    assert out == "done\n"


def test_locks_that_a_child_inherits_held_are_held_there_by_who_forked() -> None:
    watched("""
        locks = Names()
        with locks["a"]:
            child = os.fork()
            if child == 0:
                signal.alarm(30)
                locks.take("b")
                locks["a"]._at_fork_reinit()
                locks.take("c")
                nothing = lockdep._here.held
                locks.take("ca")
                assert not nothing
                nothing_reported()
                locks.take("ba")
                os._exit(0 if locks.found() == ["ab"] else 1)
            assert os.waitpid(child, 0)[1] == 0
    """)


def test_the_standard_library_works_on_it(ring_path: Path) -> None:
    watched(
        """
        import asyncio, concurrent.futures, functools, multiprocessing, socketserver, subprocess, tempfile

        log = pr.install(sys.argv[1], consoles=(), capture_logging=True)
        logging.getLogger("app").warning("event")

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(lambda number: number + 1, range(100))) == 5050
        fork = multiprocessing.get_context("fork")
        with fork.Pool(2) as pool:
            assert pool.map(abs, range(-20, 0)) == list(range(20, 0, -1))
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=fork) as pool:
            assert list(pool.map(abs, [-1, -2])) == [1, 2]
        with fork.Manager() as manager:
            shared = manager.dict(a=1)
            assert shared["a"] == 1

        async def many():
            lock = asyncio.Lock()
            async with lock:
                done = await asyncio.gather(*(asyncio.to_thread(abs, -number) for number in range(20)))
            process = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")
            return sum(done), await process.wait()
        assert asyncio.run(many()) == (190, 0)

        items, taken = queue.Queue(2), []
        def consume():
            while (item := items.get(timeout=PATIENCE)) is not None:
                taken.append(item)
                items.task_done()
        thread = threading.Thread(target=consume)
        thread.start()
        for number in range(100):
            items.put(number)
        items.join()
        items.put(None)
        thread.join(PATIENCE)
        assert taken == list(range(100))

        semaphore, barrier, event = threading.BoundedSemaphore(2), threading.Barrier(3), threading.Event()
        def meet():
            with semaphore:
                logging.getLogger("app").info("met")
            barrier.wait(PATIENCE)
            assert event.wait(PATIENCE)
        threads = [threading.Thread(target=meet) for _ in range(2)]
        for thread in threads:
            thread.start()
        barrier.wait(PATIENCE)
        event.set()
        for thread in threads:
            thread.join(PATIENCE)
        threading.Timer(0.0, event.set).start()
        @functools.lru_cache
        def cached(number): return number
        assert cached(1) == cached(1)
        assert subprocess.run([sys.executable, "-c", "pass"]).returncode == 0
        handler = logging.handlers.QueueHandler(queue.Queue()) if hasattr(logging, "handlers") else logging.NullHandler()
        logging.getLogger("other").addHandler(handler)
        logging.getLogger("other").error("event")
        nothing_reported()
        assert lockdep._here.held == []
        """,
        ring_path,
    )


def test_many_threads_in_one_order_are_never_reported_whatever_interrupts_them() -> None:
    watched("""
        log = pr.Log(size="1 MiB")
        logger = log.get_logger("app")
        locks = [threading.RLock() for _ in range(8)]
        log.add_console(pr.sinks.callable(lambda record: None), name="mine")
        log.add_console(pr.sinks.file("/dev/null"))

        class Noisy:  # garbage that takes a lock of its own and logs, wherever it is collected
            lock = threading.Lock()
            def __init__(self): self.me = self
            def __del__(self):
                if Noisy.lock.acquire(False):
                    logger.debug("collected")
                    Noisy.lock.release()

        alarms = []
        def on_alarm(number, frame):
            with locks[-1]:  # the innermost one: in order under whatever was interrupted
                alarms.append(number)
                logger.debug("alarm")
        signal.signal(signal.SIGALRM, on_alarm)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        gc.set_threshold(20)

        def work(seed):
            import random
            chance = random.Random(seed)
            for _ in range(400):
                Noisy()
                chosen = sorted(chance.sample(range(7), chance.randint(1, 4)))
                with contextlib.ExitStack() as stack:
                    for number in chosen:
                        stack.enter_context(locks[number])
                        if chance.random() < 0.3:
                            logger.info("event", number=number)
                        made = threading.Lock()
                        with made:
                            pass
        threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(6)]
        for thread in threads:
            thread.start()
        work(6)
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "it hangs"
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        assert alarms
        nothing_reported()
        assert lockdep._here.held == []
        assert log.flush(PATIENCE)
    """)


def test_real_threads_in_opposite_orders_are_reported_once_though_they_take_care() -> None:
    """They only try the second lock for a while, so that the program ends; once, one of them really waits for it."""
    watched("""
        a, b = threading.Lock(), threading.Lock()
        going = threading.Event()
        def careful(first, second):
            going.wait()
            for _ in range(300):
                with first:
                    if second.acquire(timeout=0.001):
                        second.release()
        threads = [threading.Thread(target=careful, args=order, daemon=True) for order in ((a, b), (b, a))]
        for thread in threads:
            thread.start()
        going.set()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        nothing_reported()
        def careless(first, second):
            with first, second:
                pass
        for order in ((a, b), (b, a), (a, b), (b, a)):
            in_a_thread(lambda: careless(*order))
        assert len(lockdep.reports()) == 1
    """)

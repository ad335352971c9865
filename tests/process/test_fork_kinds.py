"""Forks of every kind, and in every place: by multiprocessing, by C code, in handlers, within log calls."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import printk_ring as pr
from tests.children import succeed

if TYPE_CHECKING:
    from pathlib import Path

WORK = """
import os
import sys

import printk_ring as pr


def work(number):
    folder = os.environ["PR_FOLDER"]
    if pr.default_log() is None:  # a process that has nothing of its parent's
        pr.install(f"{folder}/app.ring.fork-{os.getpid()}", size="256 KiB", consoles=[pr.sinks.file(f"{folder}/text")])
    pr.get_logger("worker").info("work", number=number)
    return os.getpid()


def end_badly(number):
    work(number)
    os._exit(0)
"""

SUPPLIES = """
    import multiprocessing, os, sys
    from concurrent.futures import ProcessPoolExecutor
    import printk_ring as pr

    folder, method = sys.argv[1:3]
    os.environ["PR_FOLDER"] = folder
    sys.path.insert(0, folder)
    import work

    log = pr.install(f"{folder}/app.ring", size="256 KiB", consoles=[pr.sinks.file(f"{folder}/text")])
    pr.get_logger("parent").info("begins")
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as workers:
        pids = list(workers.map(work.work, range(6)))
    processes = [context.Process(target=work.work, args=(number,)) for number in (6, 7)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    with context.Pool(1) as pool:
        pids.append(pool.apply(work.work, (8,)))
        pool.close()
        pool.join()
    assert os.getpid() not in pids
    pr.get_logger("parent").info("ends")
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_workers_of_multiprocessing_have_rings_of_their_own_and_end_in_order(tmp_path: Path, method: str) -> None:
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
    succeed(SUPPLIES, tmp_path, method)
    numbers: list[int] = []
    for ring in tmp_path.glob("app.ring*"):
        with pr.open(ring) as file:
            records = list(file.reader())
            assert file.info.clean, f"{ring.name}: its process has not ended in order"
            assert {record.pid for record in records} == {file.info.pid}
        if ring.name != "app.ring":
            assert ring.name == f"app.ring.fork-{records[0].pid}"
            numbers += [record.fields["number"] for record in records]
    assert sorted(numbers) == list(range(9))
    lines = Counter(line.partition("] ")[2] for line in (tmp_path / "text").read_text("utf-8").splitlines())
    assert lines == Counter(["parent: begins", "parent: ends"] + [f"worker: work number={n}" for n in range(9)])


def test_what_a_worker_has_logged_that_leaves_by_itself_is_in_its_ring(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
    succeed(
        """
        import multiprocessing, os, sys
        import printk_ring as pr

        os.environ["PR_FOLDER"] = sys.argv[1]
        sys.path.insert(0, sys.argv[1])
        import work

        log = pr.install(f"{sys.argv[1]}/app.ring", size="256 KiB", consoles=())
        process = multiprocessing.get_context("fork").Process(target=work.end_badly, args=(1,))
        process.start()
        process.join()
        with pr.open(f"{sys.argv[1]}/app.ring.fork-{process.pid}") as ring:
            assert (ring.info.alive, ring.info.clean) == (False, False)
            assert [record.fields["number"] for record in ring.reader()] == [1]
        """,
        tmp_path,
    )


def test_logs_are_made_without_multiprocessing(tmp_path: Path) -> None:
    succeed("""
        import sys
        import printk_ring as pr

        pr.install(size="256 KiB", consoles=())
        assert "multiprocessing" not in sys.modules
    """)


# By the C library, which runs its hooks, and by the bare system call, which runs none.
C_FORKS = {"fork": "libc.fork()", "clone": "libc.syscall(clone, 17, 0, 0, 0, 0)"}


@pytest.mark.parametrize("fork", C_FORKS)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of the system call")
def test_a_fork_that_python_does_not_see_has_a_ring_of_its_own_and_frees_the_path(tmp_path: Path, fork: str) -> None:
    succeed(
        f"""
        import ctypes, os, sys
        import printk_ring as pr

        libc, clone = ctypes.PyDLL(None), 56
        path, text = sys.argv[1:3]
        log = pr.install(path, size="256 KiB", consoles=[pr.sinks.file(text)])
        logger = pr.get_logger("app")
        logger.info("parent")
        assert log.flush(timeout=60.0)

        def held(pid):
            links = (f"/proc/{{pid}}/fd/{{number}}" for number in os.listdir(f"/proc/{{pid}}/fd"))
            return sorted(target for link in links if (target := os.path.realpath(link)) in (path, text))

        assert held("self") == [path, text]
        logged, tell = os.pipe()
        end, release = os.pipe()
        if (child := {C_FORKS[fork]}) == 0:
            os.close(release)
            logger.info("child", pid=os.getpid())
            assert log.flush(timeout=60.0)
            os.write(tell, b"x")
            os.read(end, 1)
            os._exit(0)
        os.close(end)
        assert os.read(logged, 1) == b"x"
        assert held(child) == [text], held(child)  # its own
        with pr.open(f"{{path}}.fork-{{child}}") as ring:
            assert [(record.event, record.pid) for record in ring.reader()] == [("child", child)]
        logger.info("parent")
        assert log.flush(timeout=60.0)
        os.close(release)
        assert os.waitpid(child, 0)[1] == 0
        told = [line.partition("] ")[2] for line in open(text)]
        assert told == ["app: parent\\n", f"app: child pid={{child}}\\n", "app: parent\\n"], told
        """,
        tmp_path / "app.ring",
        tmp_path / "text",
    )


@pytest.mark.parametrize("consoles", ["()", "[pr.sinks.file(sys.argv[2])]"])
def test_children_of_children_have_rings_beside_the_first_one(tmp_path: Path, consoles: str) -> None:
    succeed(
        f"""
        import os, sys
        import printk_ring as pr

        path = sys.argv[1]
        log = pr.install(path, size="256 KiB", consoles={consoles})
        logger = pr.get_logger("app")
        pids = os.pipe()

        def descend(depth):
            logger.info("generation", depth=depth)
            os.write(pids[1], b"%d %d\\n" % (depth, os.getpid()))
            if depth == 4:
                return
            if (child := os.fork()) == 0:
                if depth % 2:  # each second generation never logs, but its children do
                    if (child := os.fork()) == 0:
                        descend(depth + 1)
                        log.flush(timeout=60.0)
                        os._exit(0)
                    os._exit(os.waitpid(child, 0)[1] != 0)
                descend(depth + 1)
                log.flush(timeout=60.0)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0

        descend(0)
        log.flush(timeout=60.0)
        found = [line.split() for line in os.read(pids[0], 4096).splitlines()]
        names = {{name for name in os.listdir(os.path.dirname(path)) if ".ring" in name}}
        assert names == {{"app.ring"}} | {{f"app.ring.fork-{{int(pid)}}" for depth, pid in found if depth != b"0"}}
        for depth, pid in found:
            with pr.open(path if depth == b"0" else f"{{path}}.fork-{{int(pid)}}") as ring:
                assert [record.fields["depth"] for record in ring.reader()] == [int(depth)]
        """,
        tmp_path / "app.ring",
        tmp_path / "text",
    )
    if consoles != "()":
        # Each process has a thread of its own that prints: which is first nobody says.
        lines = (tmp_path / "text").read_text("utf-8").splitlines()
        assert sorted(line.partition("depth=")[2] for line in lines) == ["0", "1", "2", "3", "4"]


def test_log_calls_import_nothing(tmp_path: Path) -> None:
    """A child that is forked while another thread imports a module finds that module's lock held for ever."""
    succeed(
        """
        import sys, threading
        import printk_ring as pr

        console = (pr.sinks.file(sys.argv[1]), {"overflow": "block"})
        log = pr.install(size="256 KiB", consoles=[console])
        logger = pr.get_logger("app")
        before = set(sys.modules)
        log.offload.mode = "caller"
        for section in (log.emergency, log.deferred, log.report):
            with section():
                logger.info("within")
        try:
            raise ValueError("expected")
        except ValueError:
            logger.exception("failed")
        logger.info("placed", stack_info=True, stacklevel=2)
        logger.info("rendered %s", object())
        delivered = threading.Event()
        log.add_console(pr.sinks.callable(lambda record: delivered.set()))
        logger.info("delivered")
        assert delivered.wait(60.0)
        log.register_dumper(lambda *_: None).unregister()
        log.dump(sys.argv[1])
        more = set(sys.modules) - before
        assert not more, more
        """,
        tmp_path / "text",
    )


# What other threads are in the middle of, again and again, while forks happen: one thread for each.
BUSY = {
    "calls": [
        "logger.info('busy', a=1)",
        "logger.info('busy %s', 'x' * 9000)",
        "logger.error('busy', exc_info=ValueError('busy'))",
        "with_section(log.emergency)",
        "with_section(log.deferred)",
        "with_section(log.report)",
    ],
    "looks": [
        "log.dump(os.devnull)",
        "log.dump_iter().get_buffer(4000)",
        "list(log.reader())",
        "log.snapshot()",
        "log.stats()",
        "pr.recover(sys.argv[1])",
    ],
    "consoles": [
        "log.add_console(pr.sinks.file(os.devnull), name=name).remove()",
        "log.add_console(pr.sinks.callable(lambda record: None), name=name).remove()",
        "log.register_dumper(lambda *_: None, max_reason='EMERGENCY').unregister()",
        "log.flush(timeout=60.0)",
    ],
    "modes": [
        "(log.suspend(), log.resume())",
        "setattr(log.offload, 'mode', next(modes))",
        "pr.Log(sys.argv[1] + '.' + name, size='256 KiB').close()",
        "logger.info('busy')",
    ],
}


@pytest.mark.parametrize("busy", BUSY)
def test_a_fork_while_other_threads_are_in_the_middle_of_anything_hangs_nobody(tmp_path: Path, busy: str) -> None:
    succeed(
        f"""
        import itertools, os, sys, threading, warnings
        import printk_ring as pr

        warnings.simplefilter("ignore")  # newer Pythons warn of forks in threaded programs
        sys.setswitchinterval(0.0002)
        log = pr.install(sys.argv[1], size="256 KiB", consoles=[pr.sinks.file(sys.argv[2])])
        logger = pr.get_logger("app")
        stop, failed = threading.Event(), []
        modes = itertools.cycle(["smp", "caller", "console"])

        def with_section(section):
            with section():
                logger.info("busy")

        def work(code, name):
            try:
                while not stop.is_set():
                    exec(code, globals(), {{"name": name}})
            except BaseException as error:
                failed.append(error)
                raise

        codes = [compile(source, source, "exec") for source in {BUSY[busy]!r}]
        threads = [threading.Thread(target=work, args=(code, f"busy{{at}}")) for at, code in enumerate(codes)]
        for thread in threads:
            thread.start()
        for number in range(20):
            if (child := os.fork()) == 0:
                logger.info("from the child", number=number)
                with log.emergency():
                    logger.info("again")
                log.dump(os.devnull)
                log.register_dumper(lambda *_: None).unregister()
                log.add_console(pr.sinks.file(os.devnull), name="own").remove()
                found = [record.event for record in log.reader()]
                flushed = log.flush(timeout=60.0)
                log.close()
                os._exit(found[:2] != ["from the child", "again"] or not flushed)
            assert os.waitpid(child, 0)[1] == 0, number
        stop.set()
        for thread in threads:
            thread.join()
        assert not failed, failed
        """,
        tmp_path / "app.ring",
        tmp_path / "text",
        timeout=100.0,
    )


def test_a_fork_within_a_log_call_lets_it_be_logged_once_by_each_process(tmp_path: Path) -> None:
    succeed(
        """
        import os, sys
        import printk_ring as pr

        log = pr.install(sys.argv[1], size="256 KiB", consoles=[pr.sinks.file(sys.argv[2])])
        logger = pr.get_logger("app")

        class Forks:
            child = 0

            def __str__(self):
                logger.info("before")
                Forks.child = os.fork()
                logger.info("after", child=not Forks.child)
                return "child" if Forks.child == 0 else "parent"

        logger.info("call", who=Forks())
        logger.info("behind")
        assert log.flush(timeout=60.0)
        found = [(record.event, record.fields, record.pid) for record in log.reader()]
        own = os.getpid()
        if Forks.child == 0:
            expected = [("after", {"child": True}, own), ("call", {"who": "child"}, own), ("behind", {}, own)]
            os._exit(found != expected)
        assert os.waitpid(Forks.child, 0)[1] == 0
        assert found == [
            ("before", {}, own), ("after", {"child": False}, own), ("call", {"who": "parent"}, own), ("behind", {}, own)
        ], found
        """,
        tmp_path / "app.ring",
        tmp_path / "text",
    )
    lines = (tmp_path / "text").read_text("utf-8").splitlines()
    assert sorted(line.partition("] app: ")[2] for line in lines) == sorted(
        ["before", "after child=false", "after child=true", "call who=parent", "call who=child", "behind", "behind"]
    )


# Where a child's first record comes. Each is code of a child that has logged nothing yet.
FIRST = {
    "signal handler": "signal.signal(signal.SIGUSR1, lambda *_: say()); signal.raise_signal(signal.SIGUSR1)",
    "finalizer": "Logs(); gc.collect()",
    "deferred section": "within(log.deferred)",
    "emergency section": "within(log.emergency)",
    "report": "within(log.report)",
    "another log call": "logger.debug('outer', value=Says())",
    "another thread": "thread = threading.Thread(target=say); thread.start(); thread.join()",
    "a RingHandler": "logging.getLogger('std').warning('first')",
    "a fork hook": "os._exit(os.wait()[1] >> 8 if os.fork() else hooked[0])",
}


@pytest.mark.parametrize("mode", ["console", "caller"])
def test_a_childs_first_record_may_come_wherever_python_runs(tmp_path: Path, mode: str) -> None:
    succeed(
        f"""
        import gc, logging, os, signal, sys, threading
        import printk_ring as pr

        console = (pr.sinks.file(sys.argv[2]), {{"overflow": "block"}})
        log = pr.install(sys.argv[1], size="256 KiB", console_level="DEBUG", consoles=[console])
        log.offload.mode = sys.argv[3]
        logger = pr.get_logger("app")
        logging.getLogger("std").addHandler(pr.RingHandler())
        hooked = []

        def say():
            logger.info("first")

        class Logs:
            def __init__(self):
                self.cycle = self

            def __del__(self):
                say()

        class Says:
            def __str__(self):
                say()
                return "said"

        def within(section):
            with section():
                say()

        def is_wrong():
            events = [record.event for record in log.reader()]
            own = str(log.path) == f"{{sys.argv[1]}}.fork-{{os.getpid()}}"
            return not log.flush(timeout=60.0) or not own or events[:1] != ["first"]

        def in_hook():
            if hooked:
                say()
                hooked[0] = is_wrong()

        os.register_at_fork(after_in_child=in_hook)
        for place, code in {FIRST!r}.items():
            if (child := os.fork()) == 0:
                if place == "a fork hook":
                    hooked.append(2)
                exec(code)
                os._exit(is_wrong())
            assert os.waitpid(child, 0)[1] == 0, place
        assert log.stats()["emitted"] == 0
        """,
        tmp_path / "app.ring",
        tmp_path / "text",
        mode,
    )
    assert (tmp_path / "text").read_text("utf-8").count("first") == len(FIRST)


def test_a_fork_in_a_signal_handler_between_records_gives_the_child_a_ring(tmp_path: Path) -> None:
    succeed(
        """
        import os, signal, sys
        import printk_ring as pr

        log = pr.install(sys.argv[1], size="1 MiB", consoles=[pr.sinks.file(sys.argv[2])])
        logger = pr.get_logger("app")
        children = []

        def fork(number, frame):
            if (child := os.fork()) == 0:
                signal.setitimer(signal.ITIMER_REAL, 0)
                logger.info("child")
                log.flush(timeout=60.0)
                events = [record.event for record in log.reader()]
                os._exit(events != ["child"])
            children.append(child)

        signal.signal(signal.SIGALRM, fork)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.005)
        count = 0
        while len(children) < 20:
            logger.info("parent", number=count)
            count += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        assert log.stats()["emitted"] == count
        """,
        tmp_path / "app.ring",
        tmp_path / "text",
    )
    assert (tmp_path / "text").read_text("utf-8").count("app: child\n") >= 20


def test_other_threads_run_while_a_childs_ring_is_created(tmp_path: Path) -> None:
    out = succeed(
        """
        import os, sys, threading, warnings
        import printk_ring as pr

        warnings.simplefilter("ignore")  # newer Pythons warn of forks in threaded programs
        log = pr.install(sys.argv[1], size="4 MiB", consoles=())
        logger = pr.get_logger("app")
        for _ in range(20):
            if (child := os.fork()) == 0:
                gate, waits, logged, before = threading.Lock(), threading.Event(), [], []
                gate.acquire()

                def other():
                    waits.set()
                    gate.acquire()
                    before.append(not logged)

                thread = threading.Thread(target=other)
                thread.start()
                waits.wait()
                sys.setswitchinterval(1000.0)  # nobody is asked to give the interpreter away
                gate.release()
                logger.info("first")
                logged.append(True)
                thread.join()
                os._exit(before[0])
            print(os.waitpid(child, 0)[1] >> 8)
        """,
        tmp_path / "app.ring",
    )
    assert "1" in out.split(), "the interpreter is held all the time"


def test_a_fork_and_a_kill_leave_the_parents_records_to_the_parent(tmp_path: Path) -> None:
    succeed(
        f"""
        import os, sys
        import printk_ring as pr

        log = pr.install(sys.argv[1], size="256 KiB", consoles=())
        logger = pr.get_logger("app")
        logger.info("before")
        if (child := os.fork()) == 0:
            logger.info("child")
            os.kill(os.getpid(), {int(signal.SIGKILL)})
        os.waitpid(child, 0)
        logger.info("after")
        (life,) = [life for life in pr.recover(sys.argv[1])]
        assert (life.info.pid, life.info.alive, life.info.clean) == (child, False, False)
        assert [record.event for record in life.reader()] == ["child"]
        assert [record.event for record in log.reader()] == ["before", "after"]
        """,
        tmp_path / "app.ring",
    )

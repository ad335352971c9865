"""Forks while another thread makes what a process makes once: a child cannot wait for a thread that it does not have."""

from __future__ import annotations

import pytest

from tests.children import succeed

# What makes something at its first use, and the module that it asks for it then.
FIRSTS = {
    "a field of any class": ("logger.info('field', it=object())", "sys"),
    "an argument of any class": ("logger.info('argument %s', object())", "collections.abc"),
    "a handler of the standard library": (
        "(logging.getLogger('std').addHandler(handler()), logging.getLogger('std').warning('theirs'))",
        "logging",
    ),
    "a level": ("next(log.reader('oldest')).level", "printk_ring.levels"),
    "a date that is read": ("next(log.reader('oldest')).fields", "datetime"),
}


@pytest.mark.parametrize("first", FIRSTS)
def test_a_child_forked_while_a_thread_makes_something_for_the_first_time_makes_its_own(first: str) -> None:
    code, module = FIRSTS[first]
    succeed(
        f"""
        import builtins, logging, os, threading, warnings
        from datetime import datetime
        import printk_ring as pr

        warnings.simplefilter("ignore")  # newer Pythons warn of forks in threaded programs
        log = pr.install(size="256 KiB", consoles=(), crash=False)
        logger, handler = log.get_logger("app"), pr.RingHandler
        logger.info("begins", **dict([("at", datetime(2026, 1, 1))] if {module!r} == "datetime" else []))
        began, forked, its_own = threading.Event(), threading.Event(), builtins.__import__

        def halting(name, *rest):
            if name == {module!r} and threading.current_thread() is thread and not began.is_set():
                began.set()
                assert forked.wait(60.0)
            return its_own(name, *rest)

        thread = threading.Thread(target=lambda: [{code}])
        builtins.__import__ = halting
        thread.start()
        assert began.wait(60.0), "made already: this tries nothing"
        if (child := os.fork()) == 0:
            {code}
            logger.info("goes on")
            os._exit([record.event for record in log.reader()][-1:] != ["goes on"])
        assert os.waitpid(child, 0)[1] == 0
        forked.set()
        thread.join()
        {code}
        """
    )

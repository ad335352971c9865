"""The plugin for pytest, in runs of pytest over files of tests that users could have written."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CONFTEST = """
import pytest
import printk_ring as pr

@pytest.fixture(scope="session", autouse=True)
def app_log(tmp_path_factory):
    with pr.install(tmp_path_factory.mktemp("rings") / "app.ring", size="1 MiB", consoles=(), crash=False) as log:
        yield log
"""


def run(folder: Path, tests: str, *options: str, conftest: str = CONFTEST) -> tuple[int, str]:
    """Runs the tests in a process of their own. Its status and what it wrote."""
    (folder / "conftest.py").write_text(textwrap.dedent(conftest), encoding="utf-8")
    (folder / "test_app.py").write_text(textwrap.dedent(tests), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *options]
    done = subprocess.run(
        [*command, "--rootdir", folder, folder],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


PLUGIN = ("-p", "printk_ring.integrations.pytest")


def test_records_of_the_native_logger_are_in_caplog_beside_those_of_logging(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        """
        import gc
        import logging
        import pytest
        import printk_ring as pr

        logger = pr.get_logger("app")
        stdlib = logging.getLogger("lib")

        @pytest.fixture
        def noisy():
            logger.warning("from a fixture")

        def test_all_that_caplog_can(caplog):
            logger.info("paid %d", 1, order=5)
            stdlib.warning("between")
            logger.error("failed")
            assert caplog.messages == ["paid 1", "between", "failed"]
            assert caplog.record_tuples[0] == ("app", logging.INFO, "paid 1")
            assert caplog.records[0].order == 5
            assert [line.split()[0] for line in caplog.text.splitlines()] == ["INFO", "WARNING", "ERROR"]
            caplog.clear()
            assert caplog.records == []
            logger.info("after")
            assert "after" in caplog.text

        def test_a_place_that_logs_again_after_a_look(caplog):
            for number in range(3):
                logger.info("native %d", number)
                assert caplog.messages[-1] == f"native {number}"
                stdlib.warning("std %d", number)
                assert caplog.messages[-1] == f"std {number}"
            assert len(caplog.records) == 6

        def test_a_record_that_two_logs_have_is_there_once(caplog):
            with pr.Log(size="256 KiB") as other:
                handlers = [pr.RingHandler(), pr.RingHandler(other)]
                stdlib.handlers[:] = handlers
                for number in range(3):
                    stdlib.warning("std %d", number)
                    assert caplog.messages == [f"std {n}" for n in range(number + 1)]
                stdlib.propagate = False
                stdlib.warning("std 3")
                assert caplog.messages.count("std 3") == 2, "caplog has it from the rings alone"
                stdlib.propagate = True
                stdlib.handlers.clear()

        def test_levels(caplog):
            with caplog.at_level(logging.WARNING):
                logger.info("too little")
                logger.warning("enough")
            logger.debug("all again")
            assert caplog.messages == ["enough", "all again"]
            caplog.set_level(logging.ERROR)
            logger.warning("too little")
            assert caplog.messages == ["enough", "all again"]

        def test_phases(noisy, caplog):
            logger.info("in the call")
            assert [record.message for record in caplog.get_records("setup")] == ["from a fixture"]
            assert caplog.messages == ["in the call"]

        def test_what_was_logged_before_is_not_of_this_test(caplog):
            assert caplog.messages == []

        def test_a_log_of_the_tests_own_counts(caplog):
            with pr.Log(size="1 MiB") as own:
                own.get_logger("own").info("here")
                assert caplog.messages == ["here"]

        def test_what_a_ring_handler_stores_comes_once(app_log, caplog):
            handler = pr.RingHandler(app_log)
            root = logging.getLogger()
            root.addHandler(handler)
            try:
                for number in range(3):
                    stdlib.warning("number %d", number)
                logger.info("native")
                assert caplog.messages == ["number 0", "number 1", "number 2", "native"]
            finally:
                root.removeHandler(handler)

        def test_a_log_that_is_closed_is_looked_at_too(caplog):
            with pr.Log(size="256 KiB") as other:
                other.get_logger("own").info("native")
            assert caplog.messages == ["native"]

        def of_its_own(is_closed, path):
            log = pr.Log(path, size="256 KiB")
            log.get_logger("own").info("closed %s", is_closed)
            if is_closed:
                log.close()

        def test_logs_that_nobody_holds_any_more_are_looked_at_too(caplog, tmp_path):
            for is_closed in (True, False, True):
                of_its_own(is_closed, tmp_path / "one.ring")
                gc.collect()  # without the interpreter's lock a logger goes then
            assert caplog.messages == ["closed True", "closed False", "closed True"]

        def test_what_was_kept_of_the_last_test_is_not_of_this_one(caplog):
            assert caplog.messages == []

        def test_what_is_cleared_does_not_come_back(caplog):
            logger.info("before")
            caplog.clear()
            logger.info("after")
            assert caplog.messages == ["after"]

        def test_a_twin_has_the_same_text(app_log, caplog):
            plain, tagged = pr.RingHandler(app_log), pr.RingHandler(app_log)
            tagged.setFormatter(logging.Formatter("tagged %(message)s"))
            for number, handlers in enumerate(([], [plain], [tagged], [plain, tagged])):
                stdlib.handlers[:] = handlers
                for name, call in (("std", stdlib.warning), ("native", pr.get_logger("lib").warning)):
                    call("event %d", number)  # from one and the same place
            stdlib.handlers.clear()
            assert [message for message in caplog.messages if "tagged" not in message] == [
                f"event {number}" for number in range(4) for _ in range(2)
            ]

        def test_a_twin_has_the_same_template(app_log, caplog):
            tagged = pr.RingHandler(app_log)
            tagged.setFormatter(logging.Formatter("tagged %(message)s"))
            for is_alone, text in ((False, "for caplog alone"), (True, "for the ring alone")):
                stdlib.handlers[:] = [tagged] if is_alone else []
                stdlib.propagate = not is_alone
                stdlib.warning(text)  # from one and the same place
            stdlib.handlers.clear()
            stdlib.propagate = True
            assert caplog.messages == ["for caplog alone", "tagged for the ring alone"]

        def test_one_place_and_one_text_for_both_loggers(app_log, caplog):
            handler = pr.RingHandler(app_log)
            stdlib.addHandler(handler)
            try:
                for call in (pr.get_logger("lib").warning, stdlib.warning, pr.get_logger("lib").warning) * 2:
                    call("again")
                stdlib.warning("again")  # elsewhere
            finally:
                stdlib.removeHandler(handler)
            assert caplog.messages == ["again"] * 7

        def test_text_that_no_record_holds_as_it_is_has_its_twin(caplog):
            with pr.Log(size="256 KiB", redact=["password", "hunter2"]) as hiding:
                handler = pr.RingHandler(hiding)
                handler.setFormatter(logging.Formatter("tagged %(message)s"))
                stdlib.addHandler(handler)
                try:
                    for text in ("a hunter2", "lone \\ud800", "long " + "x" * 100_000):
                        stdlib.warning(text)
                finally:
                    stdlib.removeHandler(handler)
                assert len(caplog.records) == 3, caplog.messages

        def test_a_twin_may_come_late(app_log, caplog):
            record = stdlib.makeRecord("lib", 30, "app.py", 7, "event", (), None, "f")
            pr.RingHandler(app_log).handle(record)
            assert caplog.messages == ["event"]  # that of the ring
            logger.info("behind it")
            caplog.handler.handle(record)
            assert caplog.messages == ["event", "behind it"]
            assert caplog.records[0] is record
            assert caplog.text.count("event") == 1
        """,
        *PLUGIN,
    )
    assert "17 passed" in said, said
    assert status == 0


FAILING = """
import os
import signal
import printk_ring as pr

def test_that_fails():
    pr.get_logger("app").info("about to fail", step=1)
    assert False

def test_that_works():
    pr.get_logger("app").info("works")
"""


def test_a_failure_is_told_with_the_end_of_the_ring(tmp_path: Path) -> None:
    status, said = run(tmp_path, FAILING, *PLUGIN)
    assert status == 1
    assert said.count("ring app") == 1, said
    assert "app: about to fail step=1" in said
    assert "1 failed, 1 passed" in said


def test_a_failure_is_told_with_the_end_of_a_ring_that_was_closed_in_the_test(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        """
        import printk_ring as pr

        before = pr.Log(size="256 KiB", name="before")
        before.get_logger("app").info("before the test")
        before.close()

        def test_that_fails():
            with pr.Log(size="256 KiB", name="own") as log:
                log.get_logger("app").info("in a log of its own")
            assert False
        """,
        *PLUGIN,
        conftest="",
    )
    assert status == 1
    assert "ring own" in said, said
    assert "app: in a log of its own" in said
    assert "ring before" not in said


def test_a_failure_is_told_with_the_ends_of_rings_that_nobody_holds_any_more(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        """
        import printk_ring as pr

        def work(number):
            with pr.Log(size="256 KiB", name=f"own{number}") as log:
                log.get_logger("app").info("work %d", number)

        def test_that_works():
            work(0)

        def test_that_fails():
            for number in range(1, 41):
                work(number)
            assert False
        """,
        *PLUGIN,
        conftest="",
    )
    assert status == 1
    assert "app: work 40" in said, said
    assert "ring own0" not in said
    assert said.count("- ring own") == 16, "the last of very many"


def test_without_the_plugin_pytest_knows_nothing_of_it(tmp_path: Path) -> None:
    _, said = run(tmp_path, FAILING)
    assert "about to fail step=1" not in said
    assert "1 failed, 1 passed" in said


def test_with_the_plugin_and_without_a_log_all_is_as_without(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        """
        import logging
        import threading

        def test_that_fails(caplog):
            logging.getLogger("lib").warning("said")
            assert caplog.messages == ["said"]
            assert threading.active_count() == 1
            assert False
        """,
        *PLUGIN,
        conftest="",
    )
    assert status == 1
    assert "1 failed" in said
    assert "-- ring" not in said
    assert "- Captured log call -" in said


def test_the_ring_of_a_worker_that_died_is_in_its_tests_report(tmp_path: Path) -> None:
    status, said = run(
        tmp_path,
        FAILING
        + textwrap.dedent("""
        def test_that_kills():
            pr.get_logger("app").warning("last words", number=7)
            os.kill(os.getpid(), signal.SIGKILL)
        """),
        *PLUGIN,
        "-n1",
    )
    assert status == 1
    assert "crashed while running" in said, said
    assert "killed, no orderly exit" in said
    assert "app: last words number=7" in said
    assert "2 failed, 1 passed" in said

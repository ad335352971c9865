"""Importing has no side effect."""

from __future__ import annotations

import sys

import pytest

from tests.children import succeed


def test_importing_starts_no_thread_opens_no_file_and_leaves_no_hook() -> None:
    succeed("""
        import atexit, os, signal, sys, warnings

        def state():
            return {
                "threads": len(os.listdir("/proc/self/task")),
                "files": sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd in "012"),
                "open": len(os.listdir("/proc/self/fd")),
                "exit hooks": atexit._ncallbacks(),
                "signals": [signal.getsignal(number) for number in signal.valid_signals()],
                "excepthook": sys.excepthook,
                "showwarning": warnings.showwarning,
            }

        before = state()
        import printk_ring
        after = state()
        assert before == after, (before, after)
    """)


def test_importing_brings_in_neither_numpy_nor_logging() -> None:
    succeed("""
        import sys
        import printk_ring
        heavy = {"numpy", "logging", "argparse", "http", "json", "asyncio"} & set(sys.modules)
        assert not heavy, heavy
    """)


def test_aliases_are_objects_and_annotations_can_be_looked_up() -> None:
    succeed("""
        import sys, typing
        import printk_ring as pr
        from printk_ring.typing import ConsoleSpec
        assert "logging" not in sys.modules

        import printk_ring.typing
        for name in printk_ring.typing.__all__:
            assert not isinstance(getattr(printk_ring.typing, name), str), name
        from printk_ring.typing import ConsoleFormat
        assert sys.modules["logging"].Formatter in typing.get_args(ConsoleFormat)

        def by_users(form: ConsoleFormat, spec: "ConsoleSpec | None" = None) -> None: pass
        assert typing.get_type_hints(by_users)["form"] == ConsoleFormat
        for function in (pr.install, pr.recover, pr.PreviousLife.to_file, pr.sinks.file):
            typing.get_type_hints(function)
        try:
            from printk_ring.typing import ConsoleForm
        except ImportError as error:
            assert "ConsoleForm" in str(error)
        else:
            raise SystemExit("no error")
    """)


def test_every_public_name_is_there_and_documented() -> None:
    succeed("""
        import printk_ring as pr
        for name in pr.__all__:
            value = getattr(pr, name)
            assert name in dir(pr), name
            assert name in {"__version__", "sinks"} or (value.__doc__ or "").strip(), name
    """)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    succeed("""
        import printk_ring as pr
        try:
            pr.no_such_name
        except AttributeError as error:
            assert "no_such_name" in str(error)
        else:
            raise SystemExit("no error")
    """)


def test_the_native_classes_say_that_they_belong_to_the_package() -> None:
    succeed("""
        import printk_ring as pr
        for name in ("Ring", "Log", "Logger", "Console", "Reader", "Record", "RingFile", "ConfigError", "RingFileError"):
            assert getattr(pr, name).__module__ == "printk_ring", name
    """)


def test_whatever_is_public_is_found_where_it_says() -> None:
    succeed("""
        import importlib, pickle
        import printk_ring as pr
        from printk_ring import _native

        classes = [value for name, value in vars(_native).items() if isinstance(value, type) and not name.startswith("_")]
        assert len(classes) > 20
        functions = [pr.open, pr.control, pr.kernel.kmsg, pr.kernel.print_text, pr.kernel.print_size]
        for value in (*classes, *functions):
            assert "_native" not in value.__module__, value
            home = importlib.import_module(value.__module__)
            assert getattr(home, value.__qualname__, None) is value, (value.__module__, value.__qualname__)
            assert pickle.loads(pickle.dumps(value)) is value
    """)


def test_a_subinterpreter_is_told_that_it_cannot_have_it() -> None:
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    pytest.importorskip(name, reason="this interpreter has no others")
    succeed(f"""
        import {name} as interpreters
        import printk_ring as pr

        lines = [
            "try:",
            "    import printk_ring",
            "except ImportError as error:",
            "    assert 'subinterpreter' in str(error), error",
            "else:",
            "    raise AssertionError('it was imported')",
        ]
        run = getattr(interpreters, "exec", None) or interpreters.run_string
        failed = run(interpreters.create(), chr(10).join(lines))
        assert failed is None, failed
        log = pr.Log(size="1 MiB")
        log.get_logger().info("here")
        assert len(list(log.reader())) == 1
    """)

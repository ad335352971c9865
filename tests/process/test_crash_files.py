"""Crash files: what they are called, whose they are, and that they come into being when not much works any more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from tests.children import mounting, run, succeed
from tests.crashes import CAUSES, crash_files, read_report

if TYPE_CHECKING:
    from pathlib import Path


def program(body: str) -> str:
    """CAUSES, and what comes then."""
    return CAUSES + textwrap.dedent(body)


def dies(folder: Path, body: str, *arguments: object, expected: int = signal.SIGSEGV, **options: Any) -> Any:
    """Runs a program in `folder`, which is its first argument, that ends by a signal."""
    done = run(program(body), folder, *arguments, **{"cwd": folder, **options})
    assert done.returncode == -expected, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


# What is in a log's way to `install`, and what its crash files are called.
PLACES = {
    '"app.ring"': "app.ring",
    '"app.ring", crash_dir="elsewhere"': "elsewhere/app.ring",
    'directory=".", name="web"': "web-{pid}.ring",
    'directory="."': "-c-{pid}.ring",
    'directory=".", name="web", crash_dir="elsewhere"': "elsewhere/web-{pid}.ring",
    "": "-c",
    'name="we/b"': "we_b",
    'name="web", crash_dir="elsewhere"': "elsewhere/web",
}


@pytest.mark.parametrize("arguments", PLACES)
def test_a_crash_file_is_called_as_its_ring_and_lies_beside_it_unless_told_otherwise(
    tmp_path: Path, arguments: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    done = dies(
        tmp_path,
        f"""
        install = lambda *args, **options: pr.install(*args, size="256 KiB", consoles=(), **options)
        log = install({arguments})
        print(os.getpid(), flush=True)
        os.chdir("/")
        die("segfault")
        """,
    )
    pid = int(done.stdout)
    expected = tmp_path / PLACES[arguments].format(pid=pid)
    (path,) = [*crash_files(tmp_path), *crash_files(tmp_path / "elsewhere")]
    assert path == expected.with_name(f"{expected.name}.crash-{pid}-1.txt")
    report = read_report(path)
    in_memory = '"app.ring"' not in arguments and "directory" not in arguments
    assert report.json["ring"] == ("in memory" if in_memory else str(tmp_path / expected.name))


def test_a_name_that_is_taken_is_left_alone_and_the_next_one_is_used(tmp_path: Path) -> None:
    dies(
        tmp_path,
        """
        stem = f"app.ring.crash-{os.getpid()}-"
        os.symlink("/nowhere", stem + "1.txt")
        open(stem + "2.json", "w").write("somebody's")
        pr.install("app.ring", size="256 KiB", consoles=())
        die("segfault")
        """,
    )
    names = sorted(file.name.partition(".crash-")[2].partition("-")[2] for file in tmp_path.glob("*.crash-*"))
    assert names == ["1.txt", "2.json", "2.txt", "3.json"]
    (text,) = tmp_path.glob("*-2.txt")
    (found,) = tmp_path.glob("*-3.json")
    assert text.read_text("utf-8").endswith("** end of the report **\n")
    assert json.loads(found.read_text("utf-8"))["complete"] is True
    assert next(tmp_path.glob("*-2.json")).read_text() == "somebody's"


def test_each_forked_child_has_its_own_also_one_that_never_logged(tmp_path: Path) -> None:
    said = succeed(
        program("""
        logger = pr.get_logger()

        def fork(work):
            if not (child := os.fork()):
                work()
                os._exit(0)
            _, status = os.waitpid(child, 0)
            print(child, os.waitstatus_to_exitcode(status), flush=True)

        def logs():
            logger.info("of a child")
            die("segfault")

        def forks():
            logger.info("of a child, which goes on")
            fork(logs)

        pr.install("app.ring", size="256 KiB", consoles=())
        logger.info("of the parent")
        fork(logs)
        fork(lambda: die("segfault"))
        fork(lambda: fork(logs))
        fork(forks)
        fork(lambda: None)
        fork(lambda: os.kill(os.getpid(), signal.SIGKILL))
        fork(lambda: os.execv(sys.executable, [sys.executable, "-c", "import ctypes; ctypes.string_at(0)"]))
        """),
        cwd=tmp_path,
    )
    ended = [(int(pid), int(status)) for pid, status in (line.split() for line in said.splitlines())]
    assert [status for _, status in ended] == [-11, -11, -11, 0, -11, 0, 0, -9, -11]
    crashed = {
        pid: read_report(tmp_path / f"app.ring.fork-{pid}.crash-{pid}-1.txt") for pid, status in ended[:5] if status
    }
    assert len(crash_files(tmp_path)) == len(crashed) == 4
    silent = ended[1][0]
    for pid, report in crashed.items():
        assert report.json["pid"] == pid
        if pid == silent:
            assert report.events == []
            assert report.json["ring"] == "none: this process has logged nothing since it was forked"
        else:
            assert report.events == ["of a child", "fatal signal SIGSEGV"]
            assert report.json["ring"] == str(tmp_path / f"app.ring.fork-{pid}")
        assert "in die" in report.trace


@pytest.mark.parametrize("arguments", ['directory=".", name="web"', 'name="web"'])
def test_a_forked_child_of_a_log_in_a_directory_or_in_memory_too(tmp_path: Path, arguments: str) -> None:
    said = succeed(
        program(f"""
        pr.install(size="256 KiB", consoles=(), {arguments})
        if not (child := os.fork()):
            pr.get_logger().info("event")
            die("segfault")
        os.waitpid(child, 0)
        print(child)
        """),
        cwd=tmp_path,
    )
    child = int(said)
    stem = f"web-{child}.ring" if "directory" in arguments else "web"
    assert read_report(tmp_path / f"{stem}.crash-{child}-1.txt").events == ["event", "fatal signal SIGSEGV"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_of_multiprocessing_has_its_own(tmp_path: Path, method: str) -> None:
    (tmp_path / "program.py").write_text(
        program("""
        import multiprocessing

        def work():
            log = pr.install(directory="rings", name="web", size="256 KiB", consoles=())
            pr.get_logger().info("of the process")
            die("segfault")

        if __name__ == "__main__":
            os.mkdir("rings")
            log = pr.install(directory="rings", name="web", size="256 KiB", consoles=())
            process = multiprocessing.get_context(sys.argv[1]).Process(target=work)
            process.start()
            process.join()
            print(process.pid, process.exitcode)
        """)
    )
    command = "import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    done = run(command, tmp_path / "program.py", method, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    pid, status = map(int, done.stdout.split())
    assert status == -signal.SIGSEGV
    (path,) = crash_files(tmp_path / "rings")
    assert path.name == f"web-{pid}.ring.crash-{pid}-1.txt"
    assert read_report(path).events == ["of the process", "fatal signal SIGSEGV"]


def test_a_daemon_that_closes_all_descriptors_has_its_crash_file_and_its_other_files_get_nothing(
    tmp_path: Path,
) -> None:
    for reuses in (False, True):
        folder = tmp_path / str(reuses)
        folder.mkdir()
        done = dies(
            folder,
            """
            log = pr.install("app.ring", size="256 KiB", consoles=())
            pr.get_logger().info("before")
            os.closerange(3, 256)
            if sys.argv[2] == "True":
                for number in range(3, 256):
                    fd = os.open(f"other-{number}", os.O_CREAT | os.O_RDWR)
                    if fd != number:
                        os.dup2(fd, number)
                        os.close(fd)
            pr.get_logger().info("after")
            die("segfault")
            """,
            reuses,
        )
        (path,) = crash_files(folder)
        report_text = path.read_text("utf-8")
        assert "after" in report_text, done.stderr
        assert report_text.endswith("** end of the report **\n")
        assert json.loads(path.with_suffix(".json").read_text("utf-8"))["complete"] is True
        others = sorted(folder.glob("other-*"))
        assert len(others) == (253 if reuses else 0)
        assert [other.name for other in others if other.stat().st_size] == []
        if not reuses:
            assert "in die" in report_text
        else:
            assert "not known: Python's faulthandler" in report_text


TROUBLES = {
    "no descriptor left": """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        try:
            while True:
                os.open("/dev/null", os.O_RDONLY)
        except OSError:
            pass
        """,
    "the directory was renamed": """
        os.rename(sys.argv[1], sys.argv[1] + "-moved")
        """,
    "a umask that takes everything away": """
        os.umask(0o777)
        """,
    "another root": """
        os.chroot("/proc")
        os.chdir("/")
        """,
    "no privileges any more, in a directory of the new user": """
        os.chown(sys.argv[1], 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        """,
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_was_prepared_works_when_it_could_not_be_made_any_more(tmp_path: Path, trouble: str) -> None:
    if os.geteuid() != 0 and "os.ch" in TROUBLES[trouble]:
        pytest.skip("root can do this")  # needs the right to; the others run everywhere
    folder = tmp_path / "rings"
    folder.mkdir()
    dies(
        folder,
        'pr.install("app.ring", size="256 KiB", consoles=())\npr.get_logger().info("event")\n'
        + textwrap.dedent(TROUBLES[trouble])
        + 'die("segfault")\n',
    )
    folder = folder if folder.exists() else tmp_path / "rings-moved"
    (path,) = crash_files(folder)
    assert read_report(path).events == ["event", "fatal signal SIGSEGV"]


def test_no_crash_file_is_no_reason_to_die_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / "rings"
    folder.mkdir()
    done = dies(
        folder,
        """
        import shutil
        pr.install("app.ring", size="256 KiB")
        os.chdir("/")
        shutil.rmtree(sys.argv[1])
        pr.get_logger().info("event")
        die("segfault")
        """,
    )
    assert "] event\n" in done.stderr
    assert "fatal signal SIGSEGV" in done.stderr, "the consoles still say it"
    assert list(tmp_path.iterdir()) == []


def test_a_crash_file_that_may_not_grow_is_cut_short_and_the_process_ends_as_it_would_have(tmp_path: Path) -> None:
    done = dies(
        tmp_path,
        """
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        pr.install("app.ring", size="256 KiB")
        for number in range(100):
            pr.get_logger().info("event", number=number)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        die("segfault")
        """,
    )
    (path,) = crash_files(tmp_path)
    assert path.stat().st_size == path.with_suffix(".json").stat().st_size == 1000
    assert path.read_text("utf-8").startswith("printk_ring crash report\n\nreason     Panic: fatal signal SIGSEGV\n")
    assert "fatal signal SIGSEGV" in done.stderr, "the consoles still say it"


def test_a_full_disk_too(tmp_path: Path) -> None:
    prefix = mounting()
    if prefix is None:
        pytest.skip("no file system can be mounted here")  # needs the right to; TROUBLES run everywhere
    done = dies(
        tmp_path,
        """
        import subprocess
        os.mkdir("small")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", "small"], check=True)
        pr.install("small/app.ring", size="256 KiB")
        pr.get_logger().info("event")
        with open("small/filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        die("segfault")
        """,
        prefix=prefix,
    )
    assert "] event\n" in done.stderr
    assert "fatal signal SIGSEGV" in done.stderr


def test_a_directory_that_cannot_be_written_to_is_refused_if_it_was_asked_for_and_told_of_if_not(
    tmp_path: Path,
) -> None:
    if os.geteuid() == 0:
        become = "os.setresuid(65534, 65534, 65534)"
        tmp_path.chmod(0o755)
    else:
        become = "os.chmod('.', 0o500)"
    done = run(
        program(f"""
        pr.install(size="256 KiB", consoles=(), crash_dir=".").close()  # imports what the new user may not read
        {become}
        try:
            pr.install(size="256 KiB", crash_dir=".", name="web")
        except pr.RingFileError as error:
            print(error)
        else:
            sys.exit("that was possible")
        assert pr.default_log() is None
        log = pr.install(size="256 KiB", name="web")
        print(*(record.event for record in log.reader()))
        log.flush()
        die("segfault")
        """),
        cwd=tmp_path,
    )
    assert done.returncode == -signal.SIGSEGV, done.stderr
    refused, told = done.stdout.splitlines()
    assert "crash files cannot be written there" in refused
    assert told.startswith("no crash files: ")
    assert "give crash_dir" in told
    assert "fatal signal SIGSEGV" in done.stderr
    assert list(tmp_path.iterdir()) == []


# Instead of a file system that has none: a library that refuses them, between the package and the system.
REFUSES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>

int openat(int directory, const char *path, int flags, ...) {
    int (*real)(int, const char *, int, int) = dlsym(RTLD_NEXT, "openat");
    if ((flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return real(directory, path, flags, 0600);
}
"""


def test_where_files_without_names_cannot_be_had_empty_ones_wait_and_go_at_the_end(tmp_path: Path) -> None:
    library = tmp_path / "refuses.so"
    (tmp_path / "refuses.c").write_text(REFUSES)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "refuses.c"], check=True)
    folder = tmp_path / "rings"
    folder.mkdir()
    body = """
        pr.install("app.ring", size="256 KiB", consoles=())
        names = sorted(file for file in os.listdir() if "crash" in file)
        assert names == [f"app.ring.crash-{os.getpid()}-1.{kind}" for kind in ("json", "txt")], names
        assert [os.stat(file).st_size for file in names] == [0, 0]
        pr.get_logger().info("event")
        """
    environment = os.environ | {"LD_PRELOAD": str(library)}
    succeed(program(body), cwd=folder, env=environment)
    assert crash_files(folder) == []
    dies(folder, textwrap.dedent(body) + 'die("segfault")', env=environment)
    (path,) = crash_files(folder)
    assert read_report(path).events == ["event", "fatal signal SIGSEGV"]


def test_a_name_that_leaves_no_room_is_cut(tmp_path: Path) -> None:
    ring = "n" * 225 + ".ring"
    dies(tmp_path, f'pr.install("{ring}", size="256 KiB", consoles=())\ndie("segfault")')
    (path,) = crash_files(tmp_path)
    assert path.name.startswith(ring[:200] + ".crash-")


def test_logs_that_come_and_go_leave_no_descriptor_and_no_memory_of_crash_files_behind(tmp_path: Path) -> None:
    succeed(
        program(
            """
            def once(crash):
                pr.install("app.ring", size="256 KiB", consoles=(), crash=crash).close()

            def grown(crash):  # a default log itself is kept for good
                before = int(open("/proc/self/statm").read().split()[1])
                for _ in range(40):
                    once(crash)
                return (int(open("/proc/self/statm").read().split()[1]) - before) * 4

            for _ in range(5):
                once(True)
            descriptors = len(os.listdir("/proc/self/fd"))
            more = grown(True) - grown(False)
            assert len(os.listdir("/proc/self/fd")) == descriptors
            assert more < 4096, f"{more} KiB"
            """
        ),
        tmp_path,
        cwd=tmp_path,
    )

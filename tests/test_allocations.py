"""The log call makes nothing: at a site that is known it allocates neither an object nor a byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from typing import TYPE_CHECKING

import pytest

from tests.children import succeed

if TYPE_CHECKING:
    from pathlib import Path

COMPILER = shutil.which("cc") or shutil.which("gcc")
# In front of the C library: what each thread allocates is counted. Python asks it for each object, with PYTHONMALLOC=malloc.
COUNTER = """
#include <stddef.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
static __thread long allocated;

long allocations(void) { return allocated; }
void *malloc(size_t size) { allocated++; return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { allocated++; return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { allocated++; return __libc_realloc(old, size); }
void *memalign(size_t align, size_t size) { allocated++; return __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { allocated++; return __libc_memalign(align, size); }
int posix_memalign(void **to, size_t align, size_t size) {
    allocated++;
    *to = __libc_memalign(align, size);
    return *to == NULL ? 12 : 0;
}
"""
CALLS = {
    "constant": 'logger.info("event")',
    "four fields": 'logger.info("event", a=1, b="text", c=2.5, d=None)',
    "two arguments": 'logger.info("event %s %d", "x", 3)',
    "a mapping": 'logger.info("event %(it)s", mapping)',
    "bound fields": 'bound.warning("event", c=True)',
    "a level by its number": 'logger.log(20, "event", a=1)',
    "below the level": 'quiet.info("event", a=1, b="text")',
}


@pytest.mark.skipif(
    COMPILER is None, reason="no C compiler: the counting is C code; test_call_sites has what the way does"
)
@pytest.mark.skipif(
    sysconfig.get_config_var("Py_GIL_DISABLED") == 1, reason="Python's own allocator is the only one there"
)
def test_a_log_call_at_a_known_site_allocates_nothing(tmp_path: Path) -> None:
    source, library = tmp_path / "counter.c", tmp_path / "counter.so"
    source.write_text(COUNTER, encoding="utf-8")
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-O1", "-fno-builtin", "-o", library, source], check=True)
    succeed(
        f"""
        import ctypes, sys
        from itertools import repeat
        import printk_ring as pr
        from printk_ring import _native

        count = ctypes.PyDLL(sys.argv[1]).allocations
        count.restype = ctypes.c_long
        log = pr.install(sys.argv[2], size="4 MiB", consoles=[pr.sinks.file("/dev/null")], crash=False)
        logger = log.get_logger("app")
        bound = logger.bind(a=1, b="text")
        quiet = log.get_logger("quiet")
        quiet.level = "ERROR"
        mapping = {{"it": "text"}}

        def allocated(work, calls):
            before = count()
            work(repeat(None, calls))
            return count() - before

        def loop(call):
            names = dict(globals())
            exec(f"def work(calls):\\n for _ in calls: {{call}}", names)
            work = names["work"]
            for _ in range(3):  # the site is learned, and the interpreter has made its instructions quick
                allocated(work, 100)
            few, many = allocated(work, 1000), allocated(work, 3000)
            return few, many

        few, many = loop("bytes(100)")
        assert many - few >= 2000, "this counts nothing"
        for name, call in {CALLS!r}.items():
            few, many = loop(call)
            if _native._call_sites()[0] == "frame" or "quiet" in call:
                assert few == many, (name, few, many)
        stats = log.stats()
        assert stats["failed"] == 0
        assert stats["emitted"] == 6 * (3 * 100 + 1000 + 3000), stats["emitted"]
        """,
        library,
        tmp_path / "app.ring",
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONMALLOC": "malloc"},
    )


def test_code_and_events_without_end_leave_nothing_behind() -> None:
    succeed("""
        import ctypes, gc, sys, sysconfig
        import printk_ring as pr
        from printk_ring import _native

        class Info(ctypes.Structure):
            _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd us fs used free keep".split()]

        told = getattr(ctypes.CDLL(None), "mallinfo2", None)
        if told is not None:
            told.restype = Info

        def used():
            gc.collect()
            return sys.getallocatedblocks(), 0 if told is None else told().used

        log = pr.Log(size="4 MiB")
        logger = log.get_logger("app")
        names = {"logger": logger, "once": logger.once(), "limited": logger.ratelimited()}

        def code(n):
            source = f"logger.info(f'event {{n}} {n}', n=n, key{n}=1); once.info('{n}'); limited.info('{n}')"
            return compile(source, f"<{n}>", "exec")

        def work(first, last):
            for n in range(first, last):
                if n % 500 == 0 and sysconfig.get_config_var("Py_GIL_DISABLED"):
                    gc.collect()  # code goes only then
                exec(code(n), {**names, "n": n})
                logger.info(f"unbounded {n}", n=n)
                logger.info(f"unbounded {n} %s %s", n, n)

        for n in range(12_000):
            code(n)  # from 3.14 on the interpreter keeps each name for good
        work(0, 2000)
        blocks, bytes_used = used()
        work(2000, 12_000)
        blocks_then, bytes_then = used()
        assert blocks_then - blocks < 2000, (blocks, blocks_then)
        assert bytes_then - bytes_used < 500_000, (bytes_used, bytes_then)
        assert _native._call_sites()[1] < 20
        assert log.stats()["emitted"] == 5 * 12_000
    """)

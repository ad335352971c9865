"""`prdmesg`: shows a ring file, live or dead, from outside.

Exit status: 0 (also when nothing matched, or the reader of a pipe has gone), 1 no such ring, not a ring, torn records, or
under -w an owner that died; 2 usage; 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence

from printk_ring import _native
from printk_ring._native import PrintkError, RingFile
from printk_ring.cli.consoles import show_consoles
from printk_ring.cli.find import NoRing, find
from printk_ring.cli.options import Options, parse
from printk_ring.cli.output import Output
from printk_ring.cli.show import show
from printk_ring.cli.stats import show_stats

__all__ = ["main"]

_FAILED = 1
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with `arguments` (None: those of the process) and returns its exit status."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(options)
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (NoRing, PrintkError) as error:
        _complain(_reason(error))
        return _FAILED
    except OSError as error:
        _forget_stdout()
        _complain(_reason(error))
        return _FAILED


def _run(options: Options) -> int:
    target = find(options.target)
    for remark in target.remarks:
        _complain(remark)
    with _native.open_ring(target.path) as ring, Output(sys.stdout.buffer) as out:
        if options.stats:
            show_stats(ring, out, as_json=options.json)
            return 0
        if options.consoles:
            show_consoles(ring, out, as_json=options.json, colour=options.colour)
            return 0
        torn = show(ring, out, options)
        out.flush()
        return _verdict(ring, torn, options)


def _verdict(ring: RingFile, torn: int, options: Options) -> int:
    info = ring.info
    if torn:
        _complain(f"{info.path}: {torn} torn record{'s' if torn > 1 else ''}: the bytes are not a record")
        return _FAILED
    if options.follow and not info.clean:
        _complain(f"{info.path}: its process ({info.pid}) died without closing it")
        return _FAILED
    return 0


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return str(error)


def _complain(text: str) -> None:
    sys.stderr.write(f"prdmesg: {text}\n")


def _forget_stdout() -> None:
    """Points stdout elsewhere, so that the interpreter's own flush at exit does not complain about the pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)

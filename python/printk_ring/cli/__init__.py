"""`prdmesg`: shows a ring file, live or dead, from outside.

Exit status: 0 (also when nothing matched, or the reader of a pipe has gone), 1 no such ring, not a ring, torn records, or
under -w an owner that died; 2 usage, a wrong command of --set, or --core without what reads a core; 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence

from printk_ring._native import ConfigError, PrintkError, RingFile, RingFileError
from printk_ring.cli.consoles import show_consoles
from printk_ring.cli.elf import NoReader
from printk_ring.cli.find import find
from printk_ring.cli.heading import heading
from printk_ring.cli.options import Options, parse
from printk_ring.cli.output import Output, one_line
from printk_ring.cli.show import show
from printk_ring.cli.stats import show_stats
from printk_ring.cli.switches import set_switches, show_index
from printk_ring.cli.target import NoRing, Target

__all__ = ["main"]

_FAILED = 1
_USAGE = 2
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
    except (NoReader, ConfigError) as error:
        _complain(str(error))
        return _USAGE
    except (NoRing, PrintkError) as error:
        _complain(_reason(error))
        return _FAILED
    except OSError as error:
        _forget_stdout()
        _complain(_reason(error))
        return _FAILED


def _run(options: Options) -> int:
    status = 0
    with Output(sys.stdout.buffer) as out:
        for target in find(options):
            out.flush()  # what is said about a ring comes behind the records of the one before
            for remark in target.remarks:
                _complain(remark)
            try:
                with target.ring:
                    status = max(status, _show_one(target, out, options))
            except RingFileError as error:  # cut off meanwhile: that hides no other one
                out.flush()
                _complain(_reason(error))
                status = _FAILED
    return status


def _show_one(target: Target, out: Output, options: Options) -> int:
    ring = target.ring
    if options.sets:
        set_switches(target, out, options)
        return 0
    # The counters say themselves whose they are.
    headed = options.listing or ((options.dead or options.core is not None) and not options.stats)
    if headed:
        out.line(heading(target, options))
    if options.listing:
        return 0
    if options.stats:
        show_stats(ring, out, as_json=options.json)
        return 0
    if options.catalogue:
        show_index(ring, out, as_json=options.json)
        return 0
    if options.consoles:
        show_consoles(ring, out, as_json=options.json, colour=options.colour)
        return 0
    torn = show(ring, out, options)
    out.flush()
    return _verdict(ring, torn, options, headed=headed)


def _verdict(ring: RingFile, torn: int, options: Options, *, headed: bool) -> int:
    info = ring.info
    if info.unfinished and not headed:
        many = f"{info.unfinished} records were" if info.unfinished > 1 else "1 record was"
        _complain(f"{info.path}: {many} half-written when process {info.pid} died: not shown")
    if torn:
        _complain(f"{info.path}: {torn} torn record{'s' if torn > 1 else ''}: not what was logged")
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
    sys.stderr.write(f"prdmesg: {one_line(text)}\n")


def _forget_stdout() -> None:
    """Points stdout elsewhere, so that the interpreter's own flush at exit does not complain about the pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)

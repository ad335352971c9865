"""The command line of `prdmesg`, parsed and checked."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from printk_ring import _native
from printk_ring.levels import Level

__all__ = ["Options", "parse"]

_DIRECTORY_VARIABLE = "PRINTK_RING_DIR"
_EPILOG = """\
FILE is a ring file; a directory stands for the newest ring in it, a number for the ring of that process (an existing path
wins). Without FILE the directory in $PRINTK_RING_DIR is taken. Reading needs no help of the process that logs, and works as
well after its death. A log that was cleared is shown from there on, unless --all is given.

Exit status: 0 all well; 1 no such ring, not a ring, torn records, or (with -w) a process that died; 2 usage;
130 interrupted.
"""


class Options(NamedTuple):
    """What the user asked for."""

    target: str
    follow: bool
    levels: frozenset[int] | None
    """None: all."""
    ctime: bool
    notime: bool
    delta: bool
    raw: bool
    json: bool
    last: int | None
    everything: bool
    stats: bool
    consoles: bool
    colour: bool


def parse(arguments: Sequence[str]) -> Options:
    """The options in `arguments`; exits with status 2, or after --help and --version with 0, as argparse does."""
    parser = _parser()
    # A bare --color means auto, and never takes the FILE behind it for its value.
    given = parser.parse_args(["--color=auto" if word in {"-L", "--color"} else word for word in arguments])
    target = given.FILE or os.environ.get(_DIRECTORY_VARIABLE)
    if not target:
        parser.error(f"which ring? give a FILE, or a directory in ${_DIRECTORY_VARIABLE}")
    if given.json and given.raw:
        parser.error("-J and -r exclude each other: both say how a record is written")
    if given.stats and given.consoles:
        parser.error("--stats and --consoles exclude each other: ask for one after the other")
    if (given.stats or given.consoles) and given.follow:
        parser.error(f"--{'stats' if given.stats else 'consoles'} and -w exclude each other: figures are shown once")
    return Options(
        target=target,
        follow=given.follow,
        levels=given.level,
        ctime=given.ctime,
        notime=given.notime,
        delta=given.show_delta,
        raw=given.raw,
        json=given.json,
        last=given.last,
        everything=given.all,
        stats=given.stats,
        consoles=given.consoles,
        colour=_wants_colour(given.color) and not given.raw and not given.json,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prdmesg",
        description="Shows the records of a ring file, of a process that runs or is dead.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("FILE", nargs="?", help="a ring file, a directory of rings, or a process id")
    parser.add_argument("-w", "--follow", action="store_true", help="wait for new records until the process ends")
    parser.add_argument("-l", "--level", type=_levels, metavar="LIST", help="only these: err,warn or err+ or +notice")
    parser.add_argument("--last", type=_count, metavar="N", help="only the last N of them")
    parser.add_argument("--all", action="store_true", help="also what was stored before the log was cleared")
    times = parser.add_mutually_exclusive_group()
    times.add_argument("-T", "--ctime", action="store_true", help="time of day instead of seconds since boot")
    times.add_argument("-t", "--notime", action="store_true", help="no times")
    parser.add_argument("-d", "--show-delta", action="store_true", help="the time since the record before")
    parser.add_argument("-r", "--raw", action="store_true", help="each line with its <priority>")
    parser.add_argument("-J", "--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--stats", action="store_true", help="the counters of the ring instead of its records")
    parser.add_argument("--consoles", action="store_true", help="who prints, and how far it is, instead of the records")
    parser.add_argument(
        "-L",
        "--color",
        choices=("auto", "always", "never"),
        metavar="WHEN",
        default="auto",
        help="colours: always, never or auto, which is on a terminal unless NO_COLOR is set",
    )
    parser.add_argument("-V", "--version", action="version", version=f"prdmesg {_native.__version__}")
    return parser


def _levels(text: str) -> frozenset[int]:
    """Levels as dmesg lists them: `err,warn` exactly these, `err+` these and more severe, `+err` these and less severe."""
    chosen: set[int] = set()
    for word in text.split(","):
        level = _level(word.strip("+"))
        if word.endswith("+"):
            chosen.update(range(level + 1))
        elif word.startswith("+"):
            chosen.update(range(level, Level.DEBUG + 1))
        else:
            chosen.add(level)
    return frozenset(chosen)


def _level(word: str) -> int:
    try:
        return _native.parse_level(word)
    except _native.ConfigError:
        names = ", ".join(level.name.lower() for level in Level)
        raise argparse.ArgumentTypeError(f"no level {word!r}; there are {names}, and 0 to 7") from None


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"not a number of records: {text!r}")
    return int(text)


def _wants_colour(when: str) -> bool:
    if when != "auto":
        return when == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

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

With --dead FILE is a ring file (its previous lives and forked children included), a directory, or the number of a process
that is gone (in $PRINTK_RING_DIR); the rings are shown one after the other, the oldest first. With --core FILE is the
number, the name or the path of a ring, where the core has several. Each ring begins with a line that says whose it is.

--set, -n and -C write the control page of a ring, and nothing else: for the user whose process it is. The process needs no
signal, and sees the change at its next log call.

Exit status: 0 all well; 1 no such ring, not a ring, torn records, or (with -w, --set, -n) a process that died; 2 usage,
a wrong command of --set, or --core without pyelftools (pip install 'printk-ring[core]'); 130 interrupted.
"""


class Options(NamedTuple):
    """What the user asked for."""

    target: str | None
    """None: only with `core`, all of its rings."""
    core: str | None
    dead: bool
    listing: bool
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
    catalogue: bool
    commands: str | None
    console_level: int | None
    clear: bool
    colour: bool

    @property
    def sets(self) -> bool:
        """Whether something of the log is to be set, instead of shown."""
        return self.commands is not None or self.console_level is not None or self.clear


def parse(arguments: Sequence[str]) -> Options:
    """The options in `arguments`; exits with status 2, or after --help and --version with 0, as argparse does."""
    parser = _parser()
    # A bare --color means auto, and never takes the FILE behind it for its value.
    given = parser.parse_args(["--color=auto" if word in {"-L", "--color"} else word for word in arguments])
    target = given.FILE or (None if given.core else os.environ.get(_DIRECTORY_VARIABLE))
    if not target and not given.core:
        parser.error(f"which ring? give a FILE, or a directory in ${_DIRECTORY_VARIABLE}")
    _check_together(parser, given)
    return Options(
        target=target,
        core=given.core,
        dead=given.dead,
        listing=given.list,
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
        catalogue=given.index,
        commands=given.set,
        console_level=given.console_level,
        clear=given.clear,
        colour=_wants_colour(given.color) and not given.raw and not given.json,
    )


def _check_together(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Refuses what cannot be asked for at once."""
    if given.json and given.raw:
        parser.error("-J and -r exclude each other: both say how a record is written")
    instead = [f"--{name}" for name in ("list", "stats", "consoles", "index") if getattr(given, name)]
    if len(instead) > 1:
        parser.error(f"{instead[0]} and {instead[1]} exclude each other: ask for one after the other")
    if instead and given.follow:
        parser.error(f"{instead[0]} and -w exclude each other: figures are shown once")
    setting = [
        name
        for name, value in (("--set", given.set), ("-n", given.console_level), ("-C", given.clear or None))
        if value is not None
    ]
    for showing in (*instead, *(["-w"] if given.follow else [])):
        if setting:
            parser.error(f"{setting[0]} and {showing} exclude each other: set it, then look")
    passed_over = _about_records(given) + (["-J"] if setting and given.json else [])
    for instead_of_records in setting + instead if passed_over else []:
        parser.error(f"{instead_of_records} and {passed_over[0]} exclude each other: no records are shown")
    if setting and (given.core or given.dead):
        parser.error(f"{setting[0]} is for a log that is written: what is dead has no switches")
    if given.core and given.dead:
        parser.error("--core and --dead exclude each other: what is in a core is dead anyway")
    if given.follow and (given.core or given.dead):
        parser.error(f"--{'core' if given.core else 'dead'} and -w exclude each other: the dead write no more")


def _about_records(given: argparse.Namespace) -> list[str]:
    """The options that say which records are shown, and how."""
    values = {
        "-l": given.level,
        "--last": given.last,
        "--all": given.all or None,
        "-T": given.ctime or None,
        "-t": given.notime or None,
        "-d": given.show_delta or None,
        "-r": given.raw or None,
    }
    return [name for name, value in values.items() if value is not None]


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
    parser.add_argument(
        "--dead", action="store_true", help="what processes that are gone have left, and how they ended"
    )
    parser.add_argument(
        "--core", metavar="CORE", help="the rings in a core file, of a process that crashed or by gcore"
    )
    parser.add_argument("--list", action="store_true", help="only whose rings there are, one line each")
    parser.add_argument("--stats", action="store_true", help="the counters of the ring instead of its records")
    parser.add_argument("--consoles", action="store_true", help="who prints, and how far it is, instead of the records")
    parser.add_argument("--index", action="store_true", help="the call sites that have logged, instead of the records")
    parser.add_argument(
        "--set",
        type=_commands,
        metavar="COMMANDS",
        help="dynamic debug: 'file db.py +p', 'func handle* line 10-20 =pf', '=_'",
    )
    parser.add_argument(
        "-n", "--console-level", type=_one_level, metavar="LEVEL", help="what consoles without their own level print"
    )
    parser.add_argument("-C", "--clear", action="store_true", help="moves the clear mark behind the newest record")
    parser.add_argument(
        "-L",
        "--color",
        nargs="?",
        choices=("auto", "always", "never"),
        metavar="=WHEN",
        default="auto",
        const="auto",
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


def _one_level(word: str) -> int:
    return _level(word)


def _commands(text: str) -> str:
    if not text.strip(" \t\r\n;"):
        raise argparse.ArgumentTypeError("no command: give one such as 'file db.py +p', or '=_', which takes all back")
    return text


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"not a number of records: {text!r}")
    return int(text)


def _wants_colour(when: str) -> bool:
    if when != "auto":
        return when == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

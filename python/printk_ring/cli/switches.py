"""The switches of a log that runs: its console level, its clear mark, its call sites. Only its control page is written."""

import json
from typing import Any

from printk_ring import _native
from printk_ring._native import CallSite, RingFile
from printk_ring.cli.options import Options
from printk_ring.cli.output import Output, one_line
from printk_ring.cli.target import NoRing, Target
from printk_ring.levels import Level

__all__ = ["set_switches", "show_index"]

_HEADER = '# file:line [logger]function =flags "event"'


def set_switches(target: Target, out: Output, options: Options) -> None:
    """Sets what the user asked for, and says what that meets; raises PrintkError for a wrong command."""
    info = target.info
    if not info.alive and (options.commands is not None or options.console_level is not None):
        raise NoRing(f"{info.path}: its process ({info.pid}) is gone: nobody is left to go by what is set")
    with _native.control(info.path) as switches:
        if options.console_level is not None:
            switches.console_level = Level(options.console_level)
        if options.commands is not None:
            matching = switches.dynamic_debug(options.commands)
            sites, match = ("call site", "matches") if matching == 1 else ("call sites", "match")
            out.line(f"{matching} {sites} that logged so far {match}; others are switched when they first run")
        if options.clear:
            switches.clear()


def show_index(ring: RingFile, out: Output, *, as_json: bool) -> None:
    """Writes the catalogue of call sites: a line each, or one JSON object a line."""
    sites = ring.sites()
    if as_json:
        for site in sites:
            out.line(json.dumps(_attributes(site)))
        return
    out.line(_HEADER)
    for site in sites:
        out.line(one_line(_line(site)))


def _line(site: CallSite) -> str:
    event = "(differs)" if site.event is None else json.dumps(site.event, ensure_ascii=False)
    fields = "".join(f" {name}=" for name in site.names)
    return f"{site.file}:{site.line or 0} [{site.logger or ''}]{site.func} ={site.flags} {event}{fields}"


def _attributes(site: CallSite) -> dict[str, Any]:
    return {
        "id": site.id,
        "file": site.file,
        "line": site.line,
        "func": site.func,
        "logger": site.logger,
        "event": site.event,
        "names": site.names,
        "flags": site.flags,
    }

"""The records, selected, and written the way the options say."""

import time
from collections import deque
from collections.abc import Callable, Iterator

from printk_ring import _native
from printk_ring._native import Overrun, Reader, Record, RingFile
from printk_ring.cli.options import Options
from printk_ring.cli.output import Output
from printk_ring.levels import Level
from printk_ring.typing import FormatName

__all__ = ["show"]

_RESET = "\x1b[0m"
_TIME = "\x1b[32m"
_LOGGER = "\x1b[33m"
_BY_LEVEL = {
    Level.EMERG: "\x1b[7;31m",
    Level.ALERT: "\x1b[7;31m",
    Level.CRITICAL: "\x1b[1;31m",
    Level.ERROR: "\x1b[31m",
    Level.WARNING: "\x1b[1m",
    Level.DEBUG: "\x1b[2m",
}
_NOTICE_PRIORITY = f"<{8 + Level.WARNING}>"  # facility 1, user
_NSEC_PER_SEC = 1_000_000_000


def show(ring: RingFile, out: Output, options: Options) -> int:
    """Writes the records of `ring` to `out`; with -w until its owner has ended. Returns how many were torn."""
    reader = ring.reader("oldest" if options.everything else "clear", follow=options.follow)
    written = _written_as_json if options.json else _Text(options).written
    if options.last is not None:
        for item in _last(_items(_available(reader), reader, options), options.last):
            out.line(written(item))
    if options.follow or options.last is None:
        for item in _items(_all(reader, out), reader, options):
            out.line(written(item))
    return reader.torn


class _Lost:
    """A gap: `count` records were overwritten before the one with number `next_seq`."""

    def __init__(self, count: int, next_seq: int) -> None:
        self.count = count
        self.next_seq = next_seq

    def told_as(self, form: FormatName) -> str:
        first = self.next_seq - self.count
        return _native._format_dropped(form, self.count, first, self.next_seq - 1)  # noqa: SLF001 - our own


_Item = Record | _Lost


def _available(reader: Reader) -> Iterator[Record]:
    """What is there now, without waiting."""
    while True:
        try:
            record = reader.read(timeout=0)
        except Overrun:
            continue  # counted in reader.lost
        if record is None:
            return
        yield record


def _all(reader: Reader, out: Output) -> Iterator[Record]:
    """Everything up to the reader's end. What was written so far is shown before each wait."""
    while True:
        yield from _available(reader)
        out.flush()
        record = next(reader, None)
        if record is None:
            return
        yield record


def _items(records: Iterator[Record], reader: Reader, options: Options) -> Iterator[_Item]:
    """The records at the levels asked for, and the gaps between them."""
    told = reader.lost
    for record in records:
        if reader.lost > told:
            yield _Lost(reader.lost - told, record.seq)
            told = reader.lost
        if options.levels is None or record.torn or record.level in options.levels:  # whose level may not be its own
            yield record


def _last(items: Iterator[_Item], count: int) -> list[_Item]:
    """The last `count` records; gaps between them are kept and not counted."""
    kept: deque[_Item] = deque()
    records = 0
    for item in items:
        kept.append(item)
        records += isinstance(item, Record)
        while kept and (records > count or not isinstance(kept[0], Record)):
            records -= isinstance(kept.popleft(), Record)
    return list(kept)


def _written_as_json(item: _Item) -> str:
    return item.format("json") if isinstance(item, Record) else item.told_as("json")


class _Text:
    """Writes records as text. Keeps the time of the one before, for the differences."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._before_nsec: int | None = None
        self._stamp: Callable[[Record], str] = _local_time if options.ctime else _seconds

    def written(self, item: _Item) -> str:
        if isinstance(item, _Lost) or item.torn:
            notice = item.told_as("text") if isinstance(item, _Lost) else str(item)
            return f"{_NOTICE_PRIORITY}{notice}" if self._options.raw else notice
        prefix = self._prefix(item)
        first, *further = _lines(item)
        # A further line begins with "|" in place of the space, so that no text can pass for a record of its own.
        head = f"{prefix} " if prefix else ""
        lines = [head + self._coloured(first, item), *(f"{prefix}|{self._body(line, item)}" for line in further)]
        if self._options.raw:
            lines = [f"<{item.facility * 8 + item.level}>{line}" for line in lines]
        return "\n".join(lines)

    def _prefix(self, record: Record) -> str:
        parts = [] if self._options.notime else [self._stamp(record)]
        if self._options.delta:
            before = record.ts_nsec if self._before_nsec is None else self._before_nsec
            parts.append(f"<{(record.ts_nsec - before) / _NSEC_PER_SEC:12.6f}>")
            self._before_nsec = record.ts_nsec
        text = f"[{' '.join(parts)}]" if parts else ""
        return f"{_TIME}{text}{_RESET}" if text and self._options.colour else text

    def _coloured(self, line: str, record: Record) -> str:
        logger = f"{record.logger}: "
        if not self._options.colour or record.logger is None or not line.startswith(logger):
            return self._body(line, record)
        return f"{_LOGGER}{logger}{_RESET}{self._body(line[len(logger) :], record)}"

    def _body(self, text: str, record: Record) -> str:
        colour = _BY_LEVEL.get(record.level) if self._options.colour else None
        return f"{colour}{text}{_RESET}" if colour and text else text


def _lines(record: Record) -> list[str]:
    """The lines of a record's text without their time: each begins with the same "[seconds]" and one more character."""
    text = str(record)
    cut = text.index("]") + 2
    return [line[cut:] for line in text.split("\n")]


def _seconds(record: Record) -> str:
    seconds, nanoseconds = divmod(record.ts_nsec, _NSEC_PER_SEC)
    return f"{seconds:5d}.{nanoseconds // 1000:06d}"


def _local_time(record: Record) -> str:
    return time.strftime("%a %b %e %H:%M:%S %Y", time.localtime(record.wall_nsec // _NSEC_PER_SEC))

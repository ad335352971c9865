"""A pytest plugin: `pytest -p printk_ring.integrations.pytest`, or that line in `addopts`.

- What a `Logger` of this package logs is in `caplog`, beside the records of the standard library.
- The report of a test that fails has the end of each open ring, and of those closed in it; that of a test whose xdist worker
  died, the end of the rings that the worker had in files.

It logs nothing, makes no log and replaces nothing; where nobody uses this package's loggers there is nothing to see of it.
"""

import json
import logging
import os
import shutil
import tempfile
import weakref
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from printk_ring import _native
from printk_ring._native import DumpIter, Log, PrintkError
from printk_ring.logrecords import log_record, name_threads

__all__ = ["RingCaplog", "caplog"]

# How much of a ring's text a report has.
_TAIL_BYTES = 16 * 1024
_NOTES = "printk_ring_notes"
# So many logs that were closed in a test and let go of, the last of them.
_MOST_KEPT = 16

# Of each log, by its life: the number of the record that nobody has looked at yet, and of the first one of this test.
# Numbers alone: to hold a log here would keep it open.
_places: dict[int, int] = {}
_begun: dict[int, int] = {}
_noted: list[str] = []


class _Source(NamedTuple):
    """What a record was made of."""

    life: int  # of its log
    event: str | None  # None: not as it was given, but cut, or with something hidden


# Records that were made of a ring's; those of them that a RingHandler has stored, and whose twin, the record itself, the
# handler has not been given; and of twins, of which logs their copy has been met.
_made: weakref.WeakKeyDictionary[logging.LogRecord, _Source] = weakref.WeakKeyDictionary()
_single: weakref.WeakSet[logging.LogRecord] = weakref.WeakSet()
_met: weakref.WeakKeyDictionary[logging.LogRecord, set[int]] = weakref.WeakKeyDictionary()


class RingCaplog(pytest.LogCaptureFixture):  # type: ignore[misc]  # final to users: the fixture below is one of these
    """pytest's own, which asks the rings for what has come whenever it is looked at."""

    @property
    def handler(self) -> Any:
        """The handler, with what the rings have got since."""
        handler = super().handler
        _hand_over(handler)
        return handler

    def get_records(self, when: Any) -> list[logging.LogRecord]:
        """As pytest's own."""
        _hand_over(super().handler)
        return super().get_records(when)


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The usual fixture, with the records of this package's loggers besides."""
    caplog.__class__ = RingCaplog
    name_threads()
    return caplog


def _hand_over(handler: Any) -> None:
    """Gives pytest's handler the new records, in the order of their times."""
    fresh = _fresh()
    late = [made for made in handler.records if made in _single]
    if not fresh and not late:
        return
    twins = [record for record in handler.records if record not in _made]
    paired = _paired([*late, *(made for made in fresh if made in _single)], twins)
    _single.difference_update(paired)
    known = len(handler.records)
    handler.records[:] = [record for record in handler.records if record not in paired]
    is_changed = len(handler.records) != known
    for made in fresh:
        if made not in paired and made.levelno >= handler.level:
            handler.handle(made)
    times = [record.created for record in handler.records]
    if is_changed or times != sorted(times):
        handler.records.sort(key=lambda record: record.created)
        handler.stream.seek(0)
        handler.stream.truncate()
        handler.stream.writelines(handler.format(record) + handler.terminator for record in handler.records)


def _fresh() -> list[logging.LogRecord]:
    """Records that have come since the last look, of all logs, also of those that were closed meanwhile."""
    found = []
    for log in _native._open_logs(closed=True):  # noqa: SLF001 - our own
        life = log._life  # noqa: SLF001 - our own
        reader = log.reader(_places.get(life, "oldest"))
        for record in reader:
            made = log_record(record)
            is_whole = not (record.truncated or log._hides())  # noqa: SLF001 - our own
            _made[made] = _Source(life, record.event if is_whole else None)
            if record.levelno is not None:  # a RingHandler has stored it, which the handler may have been given too
                _single.add(made)
            found.append(made)
        _places[life] = reader.seq
    return found


def _paired(singles: list[logging.LogRecord], twins: list[logging.LogRecord]) -> set[logging.LogRecord]:
    """Those whose twin is there: of the same place and text, or, where a formatter has made the text, of the same event.

    Of several the nearest in time.
    """
    known = defaultdict(list)
    for twin in twins:
        known[_origin(twin)].append(twin)
    paired: set[logging.LogRecord] = set()
    for is_like in (_has_text_of, _has_event_of):
        for made in singles:
            if made in paired:
                continue
            life = _made[made].life
            left = [twin for twin in known[_origin(made)] if life not in _met.setdefault(twin, set())]
            left = [twin for twin in left if is_like(made, twin)]
            if left:
                _met[min(left, key=lambda twin: abs(twin.created - made.created))].add(life)
                paired.add(made)
    return paired


def _has_text_of(made: logging.LogRecord, twin: logging.LogRecord) -> bool:
    return _text(twin) == _text(made)


def _has_event_of(made: logging.LogRecord, twin: logging.LogRecord) -> bool:
    """Whether it may have, if that is not known: what is no text may say something else by now."""
    event = _made[made].event
    if event is None or type(twin.msg) is not str:
        return True
    return event == twin.msg or not _is_storable(twin.msg)


def _is_storable(text: str) -> bool:
    """A record has another character for half of one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(record: logging.LogRecord) -> str | None:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - wrong arguments of a test's own
        return None


def _origin(record: logging.LogRecord) -> tuple[object, ...]:
    return record.name, record.levelno, record.pathname, record.lineno, record.funcName


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """What was logged before a test is none of its own."""
    _native._keep_closed(_MOST_KEPT)  # noqa: SLF001 - our own
    _places.clear()
    for log in _native._open_logs(closed=True):  # noqa: SLF001 - our own
        _places[log._life] = log.reader("newest").seq  # noqa: SLF001 - our own
    _begun.clear()
    _begun.update(_places)
    try:
        return (yield)
    finally:
        _end_of_phase(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """What is logged in a test belongs to this phase."""
    _note_rings(item.config)
    try:
        return (yield)
    finally:
        _end_of_phase(item)


def _end_of_phase(item: pytest.Item) -> None:
    fixture = getattr(item, "funcargs", {}).get("caplog")
    if isinstance(fixture, RingCaplog):
        fixture.get_records("call")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure is told with the ends of the rings."""
    report = yield
    if report.failed:
        logs = _native._open_logs(closed=True)  # noqa: SLF001 - our own
        closed = [log for log in logs if log.closed and _is_of_this_test(log)]
        for log in logs:
            if not log.closed or log in closed[-_MOST_KEPT:]:
                _add_tail(report, f"ring {log.name}", log.dump_iter())
    return report


def _is_of_this_test(log: Log) -> bool:
    return next(log.reader(_begun.get(log._life, "oldest")), None) is not None  # noqa: SLF001 - our own


def _add_tail(report: pytest.TestReport, title: str, lines: DumpIter) -> None:
    text = lines.get_buffer(_TAIL_BYTES)
    if text:
        report.sections.append((title, text.decode("utf-8", "replace")))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """Notes where rings lie as soon as there are any."""
    try:
        return (yield)
    finally:
        _note_rings(request.config)


def _note_rings(config: pytest.Config) -> None:
    """In an xdist worker: writes down the paths of the open rings, for the controller to read if this process dies."""
    worker: dict[str, Any] = getattr(config, "workerinput", {})
    if _NOTES not in worker:
        return
    paths = sorted(str(log.path) for log in _native._open_logs() if log.path is not None)  # noqa: SLF001 - our own
    if paths != _noted:
        _noted[:] = paths
        place = Path(worker[_NOTES], worker["workerid"])
        draft = place.with_suffix(".new")
        draft.write_text(json.dumps(paths), encoding="utf-8")
        draft.replace(place)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the controller of xdist: tells a worker where to leave its notes."""
    folder = node.config.stash.setdefault(_FOLDER, None) or tempfile.mkdtemp(prefix="printk-ring-pytest-")
    node.config.stash[_FOLDER] = folder
    node.workerinput[_NOTES] = folder


_FOLDER = pytest.StashKey[str | None]()


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(report: pytest.TestReport) -> None:
    """In the controller: what the rings of a worker that died say."""
    node: Any = getattr(report, "node", None)
    if node is None:
        return
    folder = node.config.stash.get(_FOLDER, None)
    notes = Path(folder or ".", node.gateway.id)
    if folder is None or not notes.exists():
        return
    for path in json.loads(notes.read_text(encoding="utf-8")):
        try:
            with _native.open(path) as ring:
                _add_tail(report, f"ring {path} ({ring.info.state})", ring.dump_iter())
        except (PrintkError, OSError) as error:
            report.sections.append((f"ring {path}", f"cannot be read: {error}"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """The notes go, and the logs that were kept."""
    _native._keep_closed(0)  # noqa: SLF001 - our own
    folder = config.stash.get(_FOLDER, None)
    if folder is not None and not os.environ.get("PYTEST_XDIST_WORKER"):
        shutil.rmtree(folder, ignore_errors=True)

"""User code that has to type-check. It is read by mypy and never run."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, assert_type

import loguru
import structlog

import printk_ring as pr
from printk_ring.integrations.loguru import RingSink
from printk_ring.integrations.structlog import RingLogger, RingLoggerFactory, RingProcessor
from printk_ring.typing import ConsoleFormat, ConsoleSpec, ConsoleStats, LevelLike, OffloadMode, RecordException, Stats

if TYPE_CHECKING:
    import numpy as np
    import pytest
    from numpy.typing import NDArray


def installing(directory: Path) -> None:
    log = pr.install(
        directory / "app.ring",
        size="16 MiB",
        console_level=pr.Level.NOTICE,
        consoles=[
            pr.sinks.stderr(),
            {"sink": pr.sinks.file("app.json"), "format": "json", "level": "DEBUG"},
            (pr.sinks.file(directory / "app.log"), {"format": "iso"}),
        ],
        capture_logging=True,
        capture_warnings=True,
    )
    assert_type(log, pr.Log)
    assert_type(pr.default_log(), pr.Log | None)
    pr.install(directory=directory, name="web", sync_on="CRITICAL", dump_on=40, dump_last="context")
    pr.install(directory=directory, dump_on=pr.Level.ERROR, dump_last=100)
    pr.install(directory=directory, dump_last=1.5)  # type: ignore[arg-type]  # a time has its unit
    pr.install("text", path="twice")  # type: ignore[misc]  # a path is a path


def logging_calls(level: LevelLike) -> None:
    logger = pr.get_logger("app", user=5)
    assert_type(logger, pr.Logger)
    logger.info("started")
    logger.warning("%s took %d ms", "it", 12, code=200, path=Path("/x"))
    logger.log(level, "event", exc_info=True)
    logger.log(logging.INFO, "event", exc_info=ValueError("x"), stack_info=True, stacklevel=2, extra={"a": 1})
    logger.error(ValueError("x"))
    logger.info("fields", level=1, event=2, self=3)
    logger.level = "WARNING"
    logger.level = None
    assert_type(logger.level, pr.Level)
    assert_type(logger.bind(a=1).bind(b=None), pr.Logger)
    assert_type(logger.is_enabled_for("DEBUG"), bool)
    with logger.contextualize(request=1, self=2) as nothing:
        assert_type(nothing, None)
    logger.info()  # type: ignore[call-arg]  # an event is needed
    logger.info("event", stacklevel="2")  # type: ignore[arg-type]


class Catching:
    """What an exception leaves of a function's type."""

    log = pr.get_logger("app")

    @log.catch()
    def goes_on(self, text: str) -> int:
        return len(text)

    @log.catch(reraise=False)
    def ends_here(self, text: str, times: int = 1) -> int:
        return len(text) * times

    @log.catch(reraise=False)
    async def in_a_task(self) -> int:
        return 1

    @log.catch(reraise=False)
    def items(self) -> Generator[int, str, bytes]:
        yield 1
        return b""

    @log.catch(reraise=False)
    async def asynchronous_items(self) -> AsyncGenerator[int, str]:
        yield 1

    async def uses(self, *, sometimes: bool) -> None:
        assert_type(self.goes_on("x"), int)
        assert_type(self.ends_here("x", times=2), int | None)
        self.ends_here(5)  # type: ignore[arg-type]  # the parameters stay
        assert_type(await self.in_a_task(), int | None)
        assert_type(self.items(), Generator[int, str, bytes | None])
        assert_type(self.asynchronous_items(), AsyncGenerator[int, str])
        assert_type(self.log.catch(reraise=sometimes)(len)(b""), int | None)
        self.log.catch(len)  # type: ignore[call-overload]  # written catch()

    def returns_or_raises(self) -> int:
        with self.log.catch():
            return self.goes_on("x")

    def returns_or_goes_on(self) -> int:  # type: ignore[return]  # the code behind the block is reached
        with self.log.catch(reraise=False):
            return self.goes_on("x")


def described_consoles(spec: ConsoleSpec, form: ConsoleFormat, log: pr.Log) -> None:
    pr.install(consoles=[spec, (pr.sinks.stderr(), {"format": form})])
    log.add_console(pr.sinks.stderr(), format=form)


def consoles(log: pr.Log) -> None:
    console = log.add_console(pr.sinks.file("x"), format="json", level=20, overflow="block", block_timeout=2.5)
    assert_type(console, pr.Console)
    assert_type(console.level, pr.Level | None)
    assert_type(console.flush(timeout=0.5), bool)
    assert_type(log.consoles(), list[pr.Console])
    console.level = None
    log.console_level = "ERROR"
    log.add_console(pr.sinks.stderr(), format=logging.Formatter("%(message)s"))
    log.add_console(pr.sinks.stderr(), format=lambda record: record.message)
    log.add_console(pr.sinks.callable(print))
    log.add_console(pr.sinks.handler(logging.StreamHandler()))
    memory = pr.sinks.memory(limit=100)
    log.add_console(memory, level="DEBUG")
    assert_type(memory, pr.sinks.MemorySink)
    assert_type(memory.records, list[pr.Record])
    memory.clear()
    pr.sinks.callable("print")  # type: ignore[arg-type]  # not callable
    pr.sinks.handler(logging.Formatter())  # type: ignore[arg-type]  # no handler
    log.add_console(pr.sinks.stderr(), format=lambda record: record.seq)  # type: ignore[arg-type,return-value]  # no text
    log.add_console(pr.sinks.file("x"), format="xml")  # type: ignore[arg-type]  # no such format
    log.add_console("stderr")  # type: ignore[arg-type]  # a sink is needed
    assert_type(log.suspend(), bool)
    log.resume()
    assert_type(log.offload, pr.Offload)
    assert_type(pr.offload, pr.Offload)
    assert_type(log.offload.mode, OffloadMode)
    log.offload.mode = "caller"
    log.offload.mode = "threads"  # type: ignore[assignment]  # no such mode
    assert_type(log.offload.cpus, frozenset[int])
    log.offload.cpus = {0}
    log.offload.cpus = None
    log.offload.cpus = 0  # type: ignore[assignment]  # no set of them
    assert_type(log.offload.enforce_emergency, bool)
    log.offload.enforce_emergency = True
    assert_type(log.offload.skip_unreliable_if_saved, bool)
    log.offload.skip_unreliable_if_saved = False
    log.offload.enforce_emergency = "yes"  # type: ignore[assignment]  # a bool
    assert_type(log.offload.suspend_on_stop, bool)
    log.offload.suspend_on_stop = True
    log.offload.suspend_on_stop = "yes"  # type: ignore[assignment]  # a bool
    assert_type(log.offload.threads(), list[tuple[str, int]])
    stats = log.stats()
    assert_type(stats, Stats)
    assert_type(stats["consoles"]["x"], ConsoleStats)


def gives_up(log: pr.Log) -> NoReturn:
    log.panic("the reason")


def sections(log: pr.Log) -> None:
    with log.deferred() as nothing, log.emergency(), log.report():
        assert_type(nothing, None)
    assert_type(pr.deferred(), pr.Context)
    assert_type(pr.emergency(), pr.Context)
    assert_type(pr.report(), pr.Context)
    stats = log.stats()
    assert_type((stats["left_behind"], stats["report_timeouts"], stats["block_timeouts"]), tuple[int, int, int])
    wrong: ValueError = pr.ContextError("x")  # type: ignore[assignment]  # it says nothing about a value
    print(wrong)


async def no_section_of_a_task(log: pr.Log) -> None:
    async with log.deferred():  # type: ignore[attr-defined]  # a section belongs to a thread
        pass


def reading(path: Path) -> None:
    with pr.open(path) as ring, pr.Log() as log:
        assert_type(ring, pr.RingFile)
        assert_type(ring.info.argv, list[str])
        for record in ring.reader(start="clear", follow=True):
            assert_type(record, pr.Record)
            assert_type(record.level, pr.Level)
            assert_type(record.fields, dict[str, Any])
            assert_type(record.exc, RecordException | None)
        reader = log.reader(5)
        try:
            assert_type(reader.read(timeout=1.0), pr.Record | None)
        except pr.Overrun as overrun:
            assert_type(overrun.lost, int)
        reader.seek("newest")
        log.reader("middle")  # type: ignore[arg-type]  # no such place


def columns(log: pr.Log) -> None:
    snapshot = log.snapshot()
    assert_type(snapshot, pr.Snapshot)
    info: NDArray[np.void] = snapshot.info
    assert_type(len(info), int)
    assert_type(snapshot.text(-1), str)


def bare_ring() -> None:
    ring = pr.Ring(desc_bits=10, avg_data_bits=6)
    reservation = ring.reserve(100, caller_id=1, level=pr.Level.ERROR)
    if reservation is not None:
        reservation.write(b"text")
        reservation.write(memoryview(b"text"), offset=4)
        reservation.text_len = 8
        reservation.finalize()
    record = ring.read_valid(0, max_text=4)
    if record is not None:
        assert_type(record.text, bytes)
        assert_type(record.info, pr.RecordInfo)


def errors(path: Path) -> None:
    try:
        pr.open(path)
    except pr.RingFileError as error:
        assert_type(error.reason, str)
        base: OSError = error
        ours: pr.PrintkError = error
        print(base.filename, ours.args)
    wrong: ValueError = pr.ConfigError("size")
    print(wrong)


def other_libraries(log: pr.Log, caplog: pytest.LogCaptureFixture) -> None:
    handler: logging.Handler = pr.RingHandler(level="INFO")
    logging.getLogger().addHandler(pr.RingHandler(log, logging.WARNING))
    logging.basicConfig(handlers=[handler])
    assert_type(pr.RingHandler(log).serves_nobody, bool)
    pr.RingHandler("app.ring")  # type: ignore[arg-type]  # a log is wanted, not a path
    pr.RingHandler(level=None)  # type: ignore[arg-type]  # NOTSET is 0
    pr.RingHandler(log).handle("event")  # type: ignore[arg-type]  # a LogRecord is wanted
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, RingProcessor()])
    structlog.configure(processors=[RingProcessor(log)], logger_factory=RingLoggerFactory(log))
    assert_type(RingLoggerFactory()("app"), RingLogger)
    RingProcessor("app")  # type: ignore[arg-type]  # a log is wanted
    loguru.logger.add(RingSink(), format="{message}", level="DEBUG")
    loguru.logger.add(RingSink(log), enqueue=True)
    RingSink(5)  # type: ignore[arg-type]  # a log is wanted
    assert_type(caplog.records, list[logging.LogRecord])


class Own(pr.RingHandler):
    """A handler is derived from as any other is."""

    def __init__(self, tenant: str) -> None:
        super().__init__(level=logging.INFO)
        self.tenant = tenant

    def emit(self, record: logging.LogRecord) -> None:
        record.tenant = self.tenant
        super().emit(record)


def dumps(log: pr.Log, ring: pr.Ring, file: pr.RingFile, target: BinaryIO) -> None:
    walk = log.dump_iter()
    assert_type(walk, pr.DumpIter)
    assert_type(walk.get_line(syslog=True), str | None)
    assert_type(walk.get_buffer(1024), bytes | None)
    assert_type(list(file.dump_iter()), list[str])
    assert_type(log.dump(), int)
    log.dump("dump.txt", last=100, max_bytes="64 KiB", description="why")
    log.dump(Path("dump.txt"), last="30s")
    log.dump(2, max_bytes=1000)
    log.dump(target)
    log.dump(None, 5)  # type: ignore[call-arg]  # by name
    log.dump("x", last=1.5)  # type: ignore[arg-type]
    kernel_walk = pr.kernel.DumpIter(ring, clear_seq=1, time=False, caller=True)
    assert_type(kernel_walk.get_line(100, syslog=True), bytes | None)
    assert_type(kernel_walk.get_line_size(syslog=False), int | None)
    assert_type(kernel_walk.get_buffer(100), bytes | None)
    kernel_walk.clear_seq = 5
    kernel_walk.cur_seq = 5  # type: ignore[misc]  # read only
    info = pr.RecordInfo(seq=0, ts_nsec=0, level=6, facility=0, flags=0, caller_id=0)
    assert_type(pr.kernel.print_text(info, b"x", syslog=True, time=True, caller=False, size=100), bytes)
    assert_type(pr.kernel.print_size(info, bytearray(b"x"), syslog=True, time=True, caller=False), int)
    assert_type(pr.kernel.kmsg(info, b"x", caller=False, device=b"sda"), bytes)

//! `Log`: a ring with its consoles.

use crate::beside::Beside;
use crate::columns::{self, Copied};
use crate::console::{self, Console};
use crate::context::Context;
use crate::control::{self, CallSite};
use crate::convert::{Taker, text};
use crate::dump::DumpIter;
use crate::dump_target::{LastArg, Target};
use crate::dumper::{self, Callback, Dumper};
use crate::errors;
use crate::general::{self, Parts};
use crate::levels::{self, LevelArg};
use crate::logger::Logger;
use crate::logs::{self, LogHandle};
use crate::offload::Offload;
use crate::opening::{argv, default_level, default_size, prepare_process};
use crate::parameters::{
    Clamped, LookArg, OverflowArg, PathArg, ReliabilityArg, Seconds, TextArg, WindowArg,
};
use crate::reader::{Place, Reader, Start};
use crate::reasons::ReasonArg;
use crate::redact;
use crate::sink::Sink;
use crate::sizes::SizeArg;
use crate::stats;
use crate::watch;
use pr_host::dump::TextDump;
use pr_host::log::{check_consoles, check_options};
use pr_host::options::default;
use pr_host::{ConsoleOptions, DumperOptions, ErrandOptions, LogOptions};
use pr_printk::dumper::Reason;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::borrow::Cow;
use std::path::PathBuf;

/// A ring with its consoles. `Log(path=None, *, ...)`.
///
/// `path`: the ring file; an existing whole ring of a process that is gone is rotated to `<path>.old.1` first.
/// `directory`: one ring file per process in it, `<name or argv[0] stem>-<pid>.ring`. Neither: anonymous memory (a memfd).
/// `size`: upper bound of the whole file or memory, int bytes or text (`parse_size`). `avg_record`: expected bytes of an
/// encoded record, which sets the number of descriptors. `level`: the least severe level stored. `console_level`: what
/// consoles without their own level print. `consoles`: sinks, mappings of `add_console`'s arguments with the key `sink`,
/// or (sink, mapping) pairs. `sync_on`: the file is synced to its disk before a log call at this level returns.
/// `dump_on`: what led up to a record at this level is appended to `<ring file>.dump-<pid>.txt`, at most once a second;
/// `dump_last`: how much of it, a time, a number of records, or "context". `redact`: what it is not to hold: names of
/// fields (in any case, also of keys in dicts), whose values become `[redacted]`, and compiled patterns, for the parts of
/// texts that they match.
///
/// The first log of a process registers the orderly exit with `atexit`, and with multiprocessing for its children, which
/// leave by `os._exit`. A log that is garbage is closed.
#[pyclass(frozen, module = "printk_ring")]
pub struct Log {
    handle: LogHandle,
}

impl Log {
    /// A log as Python sees it.
    pub fn of(handle: LogHandle) -> Log {
        Log { handle }
    }

    /// The log.
    pub fn handle(&self) -> &LogHandle {
        &self.handle
    }

    /// A text as this log may hold it. An interruption that comes meanwhile is not passed on: the process is in trouble.
    fn redacted<'t>(&self, py: Python<'_>, text: &'t str) -> Cow<'t, str> {
        redact::of(&self.handle).map_or(Cow::Borrowed(text), |redaction| redaction.text(py, text).0)
    }

    fn add(&self, py: Python<'_>, options: ConsoleOptions) -> PyResult<Console> {
        let added = py.detach(|| self.handle.add_console(options));
        added
            .map(|console| Console::new(&self.handle, console))
            .map_err(|why| errors::from_host(py, why))
    }
}

#[pymethods]
impl Log {
    #[new]
    #[pyo3(
        signature = (
            path=None, *, directory=None, name=None, size=default_size(), avg_record=Clamped(default::AVG_RECORD.into()),
            level=default_level(default::LEVEL), console_level=default_level(default::CONSOLE_LEVEL), consoles=None,
            sync_on=None, dump_on=None, dump_last=None, redact=None
        ),
        text_signature = "(path=None, *, directory=None, name=None, size='4 MiB', avg_record=128, level='DEBUG', \
                          console_level='INFO', consoles=(), sync_on=None, dump_on=None, dump_last=None, redact=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "all but the first by name")]
    fn new(
        py: Python<'_>,
        path: Option<PathArg>,
        directory: Option<PathArg>,
        name: Option<&Bound<'_, PyString>>,
        size: SizeArg,
        avg_record: Clamped,
        level: LevelArg,
        console_level: LevelArg,
        consoles: Option<&Bound<'_, PyAny>>,
        sync_on: Option<LevelArg>,
        dump_on: Option<LevelArg>,
        dump_last: Option<WindowArg>,
        redact: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Log> {
        let beside = Beside {
            redaction: redact::wanted(py, redact)?,
            ..Beside::default()
        };
        let mut specs = Vec::new();
        if let Some(consoles) = consoles {
            for spec in console::_listed_consoles(consoles)? {
                specs.push(console::from_spec(&spec)?);
            }
        }
        let options = LogOptions {
            path: path.map(|path| path.0),
            directory: directory.map(|directory| directory.0),
            name: name.map(text::owned),
            size_bytes: size.0,
            avg_record: avg_record.0,
            level: level.0,
            console_level: console_level.0,
            argv: argv(py, beside.redaction.as_deref()),
            errands: ErrandOptions {
                sync_on: sync_on.map(|level| level.0),
                dump_on: dump_on.map(|level| level.0),
                dump_last: dump_last.map(|last| last.0),
            },
        };
        let told = |why| errors::from_host(py, why);
        check_options(&options).map_err(told)?;
        let _open = py.detach(|| check_consoles(&specs)).map_err(told)?;
        let opened = py.detach(|| pr_host::Log::open(options)).map_err(told)?;
        opened.attach(Box::new(beside));
        let log = Log {
            handle: LogHandle::adopt(opened),
        };
        prepare_process(py)?;
        for spec in specs {
            log.add(py, spec)?;
        }
        Ok(log)
    }

    /// The absolute path of the ring file; None for anonymous memory.
    #[getter]
    fn path(&self) -> Option<PathBuf> {
        self.handle.path()
    }

    /// The name given, else the stem of the path, else that of the program.
    #[getter]
    fn name(&self) -> &str {
        self.handle.name()
    }

    /// True after `close`.
    #[getter]
    fn closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// The least severe level stored. Settable with any level.
    #[getter]
    fn level<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        levels::member(py, self.handle.level())
    }

    #[setter]
    fn set_level(&self, value: LevelArg) {
        self.handle.set_level(value.0);
    }

    /// What consoles without a level of their own print. Settable with any level; judged when printing.
    #[getter]
    fn console_level<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        levels::member(py, self.handle.console_level())
    }

    #[setter]
    fn set_console_level(&self, value: LevelArg) {
        self.handle.set_console_level(value.0);
    }

    /// A logger for this log, with these fields bound.
    #[pyo3(signature = (name=None, **bound))]
    fn get_logger<'py>(
        &self,
        py: Python<'py>,
        name: Option<&Bound<'_, PyString>>,
        bound: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Bound<'py, Logger>> {
        Logger::for_all(py, Some(self.handle.clone()), name, bound)
    }

    /// Adds a console with a printer thread of its own and returns it.
    ///
    /// `name`: unique; None: the sink's kind, with "-2", "-3" .. where taken. `format`: a name, a `logging.Formatter`, or a
    /// function that makes text of a `Record`; a newline is added where it has none. `replay`: begin with the oldest record
    /// instead of the next one. `reliability`: 0 (memory), 1 (a file), 2 (a pipe or a terminal), 3 (what takes locks); None:
    /// what the sink is decides. Callers that print themselves begin with the lowest number and never print on 3.
    /// `overflow="block"`: writers wait for this console, each call up to `block_timeout` seconds, before a record that it
    /// has not printed would be overwritten. `bootstrap`: begin with the oldest record, and go when the first console comes
    /// that is none of this kind; that one goes on where this one ends (`replay` or not, where both write to the same).
    #[pyo3(
        signature = (
            sink, *, name=None, level=None, format=LookArg::default(), replay=false, reliability=None,
            overflow=OverflowArg::default(), block_timeout=Seconds::of(default::BLOCK_TIMEOUT_S), bootstrap=false
        ),
        text_signature = "($self, sink, *, name=None, level=None, format='text', replay=False, reliability=None, \
                          overflow='drop_oldest', block_timeout=1.0, bootstrap=False)"
    )]
    #[expect(clippy::too_many_arguments, reason = "all but the sink by name")]
    fn add_console(
        &self,
        py: Python<'_>,
        sink: &Bound<'_, Sink>,
        name: Option<TextArg>,
        level: Option<LevelArg>,
        format: LookArg,
        replay: bool,
        reliability: Option<ReliabilityArg>,
        overflow: OverflowArg,
        block_timeout: Seconds,
        bootstrap: bool,
    ) -> PyResult<Console> {
        let mut options = ConsoleOptions {
            name: name.map(|name| name.0),
            level: level.map(|level| level.0),
            replay,
            reliability: reliability.map(|class| class.0),
            overflow: overflow.0,
            block_timeout: block_timeout.0,
            bootstrap,
            ..console::plain(sink.get())
        };
        format.give(&mut options);
        self.add(py, options)
    }

    /// A text as this log may hold it.
    #[pyo3(signature = (text, /))]
    fn _redacted(&self, py: Python<'_>, text: &Bound<'_, PyString>) -> String {
        self.redacted(py, &text::of_str(text)).into_owned()
    }

    /// Whether this log hides values of this name; without one: whether it hides anything.
    #[pyo3(signature = (name=None, /))]
    fn _hides(&self, py: Python<'_>, name: Option<&Bound<'_, PyString>>) -> bool {
        redact::of(&self.handle).is_some_and(|redaction| {
            name.is_none_or(|name| redaction.hides_name(py, &text::of_str(name)))
        })
    }

    /// What tells this log's consoles from those of others, for debugging. A number; a forked child has another one.
    #[getter]
    fn _life(&self) -> u64 {
        self.handle.life_number()
    }

    /// The consoles, in the order they were added. Never waits for printing.
    fn consoles(&self) -> Vec<Console> {
        self.handle
            .consoles()
            .into_iter()
            .map(|console| Console::new(&self.handle, console))
            .collect()
    }

    /// Waits until every enabled, unsuspended console has had everything stored before the call accepted by its sink.
    ///
    /// False: not within `timeout`, or called from a console's own callback (at once). True when there is nothing to do.
    #[pyo3(signature = (timeout=Seconds::of(default::FLUSH_TIMEOUT_S)), text_signature = "($self, timeout=1.0)")]
    fn flush(&self, py: Python<'_>, timeout: Seconds) -> PyResult<bool> {
        logs::flush(py, &self.handle, timeout.0)
    }

    /// Flushes, at most 1 s, and stops printing on all consoles: records wait in the ring, and are dropped there when it
    /// wraps; not those of consoles that block, for which callers wait then, as long as they wait at all. Twice is once.
    ///
    /// False: a sink did not take everything in time, or is stuck in a write; that write is its last. Removing a console,
    /// closing the log and the orderly exit print what has waited.
    fn suspend(&self, py: Python<'_>) -> PyResult<bool> {
        logs::suspend(py, &self.handle)
    }

    /// Goes on printing where `suspend` stopped.
    fn resume(&self, py: Python<'_>) {
        py.detach(|| self.handle.resume());
    }

    /// Who prints: its attributes are settable.
    #[getter]
    fn offload(&self) -> Offload {
        Offload::new(self.handle.clone())
    }

    /// Gives the process up: stores `text` at EMERG, prints all logs of the process within 20 ms, most reliable consoles
    /// first, and ends the process by SIGABRT. Never returns.
    ///
    /// What other threads log meanwhile is dropped and counted. Consoles that take locks, as all Python ones, come last, and
    /// their own threads print on them.
    fn panic(&self, py: Python<'_>, text: &Bound<'_, PyString>) {
        let mut taker = Taker::default();
        let text = taker.text_of(text);
        let text = self.redacted(py, &text);
        py.detach(|| self.handle.panic(&text))
    }

    /// Has `fn(reason, detail)` called when the process gets into trouble, after those registered before. `detail` is a short
    /// text or None.
    ///
    /// `max_reason`: called for this reason and more important ones; `always`: for every reason. `preserves`: what it did
    /// counts as saved, and a panic leaves out the consoles of the least reliable class. `name`: None: that of `fn`; where
    /// it is taken "-2", "-3" .. follows. An exception in it is counted and goes to `sys.unraisablehook`. Two dumps may
    /// call it at once: see `Dumper.running` and `Dumper.alone`.
    ///
    /// It is called on a thread that has the interpreter: for `Log.panic`, uncaught exceptions, dumps on demand and the
    /// orderly exit. A handler of a fatal signal cannot call Python code.
    #[pyo3(
        signature = (r#fn, *, max_reason=ReasonArg(default::MAX_REASON), name=None, always=false, preserves=false),
        text_signature = "($self, fn, *, max_reason=2, name=None, always=False, preserves=False)"
    )]
    fn register_dumper(
        &self,
        py: Python<'_>,
        r#fn: &Bound<'_, PyAny>,
        max_reason: ReasonArg,
        name: Option<&Bound<'_, PyString>>,
        always: bool,
        preserves: bool,
    ) -> PyResult<Dumper> {
        if !r#fn.is_callable() {
            let kind = r#fn.get_type().name()?;
            let why = format!("a dumper is called with a reason and a text: {kind} cannot be");
            return Err(PyTypeError::new_err(why));
        }
        let callback = Callback::new(r#fn);
        let options = DumperOptions {
            name: name.map_or_else(|| dumper::name_of(r#fn), text::owned),
            max_reason: max_reason.0,
            always,
            preserves,
        };
        let registered = py.detach(|| self.handle.register_dumper(options, callback.clone()));
        registered
            .map(|dumper| Dumper::new(&self.handle, dumper, callback))
            .map_err(|why| errors::from_host(py, why))
    }

    /// Calls the dumpers that want this reason. How many were called; from within a dumper only a panic calls any.
    #[pyo3(signature = (reason, detail=None, /))]
    fn _call_dumpers(
        &self,
        py: Python<'_>,
        reason: ReasonArg,
        detail: Option<&Bound<'_, PyString>>,
    ) -> u32 {
        if dumper::is_inside() && reason.0 != Reason::Panic {
            return 0;
        }
        let detail = detail.map(text::owned);
        py.detach(|| self.handle.call_dumpers(reason.0, detail.as_deref()))
            .called
    }

    /// A section: what its thread logs, into any log, is only stored; leaving the outermost one tells the printers.
    fn deferred(log: &Bound<'_, Log>) -> Context {
        Context::new(Some(log), pr_host::Context::Deferred)
    }

    /// A section: what its thread logs here is printed before the call returns; printers stay out until the last one ends.
    ///
    /// Printed on every console that can do so in any context, most reliable first, within 2 ms a call; what that is too
    /// short for is left to the printers and counted in `stats()["left_behind"]`.
    fn emergency(log: &Bound<'_, Log>) -> Context {
        Context::new(Some(log), pr_host::Context::Emergency)
    }

    /// A section: what its thread logs here stays together; log calls of other threads wait up to 10 ms each.
    ///
    /// Others wait at most 1 s in all, and never in handlers, deferred sections or calls from within another one; those
    /// whose wait was over are counted in `stats()["report_timeouts"]`.
    fn report(log: &Bound<'_, Log>) -> Context {
        Context::new(Some(log), pr_host::Context::Report)
    }

    /// Counters of this log; keys in `printk_ring.typing.Stats`. Works on a closed log too.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stats::of(py, &self.handle)
    }

    /// Switches call sites on, whatever their levels say, and back: commands as the kernel's dynamic debug has them, one a
    /// line or separated by `;`, each conditions (`file`, `func`, `logger`, `line`, `format`) and then flags (`+p`, `-p`,
    /// `=pfl`, `=_`). They hold for sites that run later too. Returns how many of the sites that have logged they match.
    ///
    /// ConfigError: a command is wrong (the others are in force all the same), or there is no room for more.
    #[pyo3(signature = (commands, /))]
    fn dynamic_debug(&self, py: Python<'_>, commands: TextArg) -> PyResult<usize> {
        let commands = &*commands.0;
        let done = py.detach(|| {
            self.handle.add_rules(commands)?;
            let sites = self.handle.core().sites();
            Ok(control::matching(sites, sites.described(), commands))
        });
        done.map_err(|why| errors::from_host(py, why))
    }

    /// The commands of dynamic debug in force, one a line.
    #[getter]
    fn rules(&self) -> String {
        self.handle.ruling().text
    }

    /// The call sites that have logged so far, in the order in which they came.
    fn sites(&self, py: Python<'_>) -> Vec<CallSite> {
        py.detach(|| {
            let sites = self.handle.core().sites();
            control::sites_of(sites, sites.described(), &self.handle.ruling())
        })
    }

    /// Moves the mark of dumps, `start="clear"` and plain `prdmesg` behind the newest record; removes nothing.
    fn clear(&self) {
        self.handle.clear();
    }

    /// A reader of this log's records. "newest": only what comes. `follow`: wait for more instead of ending.
    #[pyo3(signature = (start=Start::Oldest, follow=false), text_signature = "($self, start='oldest', follow=False)")]
    fn reader(&self, py: Python<'_>, start: Start, follow: bool) -> PyResult<Reader> {
        Reader::new(Place::Log(self.handle.clone()), &start, py, follow)
    }

    /// An iterator over the records as text, for dumps: rewound, behind the clear mark.
    fn dump_iter(&self, py: Python<'_>) -> PyResult<DumpIter> {
        DumpIter::new(Place::Log(self.handle.clone()), py)
    }

    /// Writes the records behind the clear mark as text, oldest first, and returns how many.
    ///
    /// `to`: a path (appended to; made with mode 0600; a symbolic link is not followed), a descriptor, a binary file, or
    /// None: standard error. `last`: only that many records, or those of that time ("30s"). `max_bytes`: only the newest
    /// that fit. `description`: why, in a first line.
    #[pyo3(signature = (to=None, *, last=None, max_bytes=None, description=None))]
    fn dump(
        &self,
        py: Python<'_>,
        to: Option<&Bound<'_, PyAny>>,
        last: Option<LastArg>,
        max_bytes: Option<SizeArg>,
        description: Option<&Bound<'_, PyString>>,
    ) -> PyResult<u64> {
        let target = Target::of(py, to)?;
        let description = description.map(text::owned);
        let description = description.map(|why| self.redacted(py, &why).into_owned());
        let dump = py.detach(|| {
            let most = max_bytes.map(|most| usize::try_from(most.0).unwrap_or(usize::MAX));
            let last = last.map(|last| last.0);
            TextDump::begin(
                self.handle.shared().clone(),
                last,
                most,
                description.as_deref(),
            )
        });
        let dump = dump.map_err(|why| errors::from_host(py, why))?;
        let written = target.take(py, dump);
        if !dumper::is_inside() {
            let detail = description.as_deref();
            py.detach(|| self.handle.call_dumpers(Reason::Emergency, detail)); // also where nothing could be written
        }
        written
    }

    /// The whole ring as columns: `printk_ring.snapshot.Snapshot(*self._snapshot())`, imported on use.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        columns::wrapped(py, self._snapshot(py)?)
    }

    /// One copy of all readable records: (rows of 40 bytes, payloads back to back).
    ///
    /// A row, little endian, packed: seq u64, ts_nsec u64, caller_id u64, text_offset u64 (into the second item),
    /// text_len u32, level u8, facility u8, flags u8, zero u8.
    fn _snapshot<'py>(&self, py: Python<'py>) -> PyResult<Copied<'py>> {
        let place = Place::Log(self.handle.clone());
        columns::snapshot(py, &place.records(py)?, place.end(py)?)
    }

    /// Stores one record with everything given: the general, slower way, for integrations.
    ///
    /// `level` is a kernel level 0..7 (beyond: clamped). `args`: those that make `message` of the event, a tuple or a dict as a
    /// LogRecord has them; kept if a reader can do the same with them. `exc` is (type, message, stacktrace). `fields` as a logger's,
    /// str() of keys that are not str. Never raises for content; lone surrogates become U+FFFD. False: not stored
    /// (level, closed, too deep in log calls, or the ring refused). `nested`: called by `_nested`, for its own record.
    #[pyo3(signature = (
        level, event, *, message=None, args=None, logger=None, levelno=None, ts_nsec=None, file=None,
        line=Clamped(0), func=None, exc=None, fields=None, nested=false
    ), text_signature = "($self, level, event, *, message=None, args=None, logger=None, levelno=None, ts_nsec=None, \
                         file=None, line=0, func=None, exc=None, fields=None, nested=False)")]
    #[expect(
        clippy::too_many_arguments,
        reason = "one per part of a record, all by name"
    )]
    fn _emit(
        &self,
        py: Python<'_>,
        level: Clamped,
        event: &Bound<'_, PyAny>,
        message: Option<&Bound<'_, PyAny>>,
        args: Option<&Bound<'_, PyAny>>,
        logger: Option<&Bound<'_, PyAny>>,
        levelno: Option<Clamped>,
        ts_nsec: Option<u64>,
        file: Option<&Bound<'_, PyAny>>,
        line: Clamped,
        func: Option<&Bound<'_, PyAny>>,
        exc: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>)>,
        fields: Option<&Bound<'_, PyAny>>,
        nested: bool,
    ) -> PyResult<bool> {
        let level = level.within(0, 7) as u8;
        if !self.handle.is_enabled(level) {
            return Ok(false);
        }
        let told = watch::told(py, &self.handle, u32::from(nested));
        let parts = Parts {
            event,
            message,
            args,
            logger,
            levelno,
            file,
            line,
            func,
            exc,
            fields,
        };
        let stored = general::emit(py, &self.handle, level, ts_nsec, parts, nested)?;
        told?;
        Ok(stored)
    }

    /// Flushes all consoles (together at most 1 s), removes them, marks the file clean and lets go of it.
    ///
    /// Later records go nowhere; what is stored stays readable through this object. Twice is once.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        logs::close(py, &self.handle, logs::exit_timeout())
    }

    fn __enter__(log: Bound<'_, Log>) -> Bound<'_, Log> {
        log
    }

    #[pyo3(signature = (exc_type, exc_value, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: &Bound<'_, PyAny>,
        exc_value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (exc_type, exc_value, traceback);
        self.close(py)
    }

    fn __repr__(&self) -> String {
        let place = self
            .handle
            .path()
            .map_or_else(|| "in memory".to_owned(), |path| format!("{path:?}"));
        format!("<Log {:?} {place}>", self.handle.name())
    }
}

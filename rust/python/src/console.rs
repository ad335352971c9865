//! `Console`, and the ways to ask for one.

use crate::convert::{mapping, text};
use crate::levels::{self, LevelArg};
use crate::logs::{self, LogHandle};
use crate::parameters::{FormatArg, LookArg, OverflowArg, ReliabilityArg, Seconds};
use crate::sink::Sink;
use crate::watch;
use crate::{ending, errors};
use pr_host::options::default;
use pr_host::{ConsoleOptions, Log};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use std::borrow::Cow;
use std::fmt::{Display, Formatter, Result};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// One console of a log: a sink, a format, a level, and a place in the ring. Made by `Log.add_console`.
///
/// Every property is read without waiting for, and without performing, printing. After `remove` the properties keep
/// working (`enabled` and `alive` are False) and the methods return False or do nothing.
#[pyclass(frozen, module = "printk_ring")]
pub struct Console {
    console: Arc<pr_host::Console>,
    log: Weak<Log>,
}

impl Console {
    /// The console as Python sees it. It does not keep its log open.
    pub fn new(log: &LogHandle, console: Arc<pr_host::Console>) -> Console {
        Console {
            console,
            log: Arc::downgrade(log.shared()),
        }
    }

    /// The log, while it has this console.
    fn log(&self) -> Option<LogHandle> {
        let log = LogHandle::from(self.log.upgrade()?);
        log.consoles()
            .iter()
            .any(|console| Arc::ptr_eq(console, &self.console))
            .then_some(log)
    }
}

#[pymethods]
impl Console {
    /// Its name, unique within the log.
    #[getter]
    fn name(&self) -> &str {
        self.console.name()
    }

    /// The least severe level it prints; None: that of `Log.console_level`. Settable with any level.
    #[getter]
    fn level<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.console
            .level()
            .map(|level| levels::member(py, level))
            .transpose()
    }

    #[setter]
    fn set_level(&self, value: Option<LevelArg>) {
        self.console.set_level(value.map(|level| level.0));
    }

    /// The number of the record it prints next.
    #[getter]
    fn seq(&self) -> u64 {
        self.console.seq()
    }

    /// Records stored and not yet printed.
    #[getter]
    fn lag(&self) -> u64 {
        self.console.lag()
    }

    /// Records overwritten before it came to them, since it was added.
    #[getter]
    fn dropped(&self) -> u64 {
        self.console.dropped()
    }

    /// Failed writes, or exceptions in its callback, since it was added.
    #[getter]
    fn errors(&self) -> u64 {
        self.console.errors()
    }

    /// False while suspended, and after `remove`.
    #[getter]
    fn enabled(&self) -> bool {
        self.console.is_enabled()
    }

    /// The context that prints on it at this moment, None when none does ("printer": its own thread).
    #[getter]
    fn owner(&self) -> Option<&'static str> {
        self.console.owner()
    }

    /// True while it has a printer thread that is not abandoned.
    #[getter]
    fn alive(&self) -> bool {
        self.console.is_alive()
    }

    /// Seven letters or spaces in the places of `/proc/consoles`, such as "EC N  a".
    ///
    /// E enabled; C it stands for all of its log: the first one that is not a bootstrap console; B bootstrap: it goes when
    /// the first other console comes; N native: an emergency and a dying process can print on it; p it began with the oldest
    /// record; b never, it is for Braille; a at any time: it needs no interpreter, which may be ending.
    #[getter]
    fn flags(&self) -> String {
        match self.log() {
            Some(log) => log.letters(&self.console),
            None => self.console.letters(false),
        }
    }

    /// How it writes a record; None: it is handed whole records, or a formatter of the application's makes its text.
    #[getter]
    fn format(&self) -> Option<&'static str> {
        Some(self.console.options().own_format()?.name())
    }

    /// Where it prints, for people: a path, or "fd 2".
    #[getter]
    fn target(&self) -> String {
        self.console.options().sink.target()
    }

    /// How far its sink can be relied on when everything else is broken, 0 the most: memory 0, a file 1, a pipe or terminal
    /// 2, what takes locks 3.
    #[getter]
    fn reliability(&self) -> u64 {
        self.console.class()
    }

    /// Stops printing after the record in hand; records wait in the ring, and are dropped there when it wraps.
    fn suspend(&self) {
        self.console.suspend();
    }

    /// Goes on printing where `suspend` stopped; wakes the printer.
    fn resume(&self) {
        self.console.resume();
    }

    /// Closes and opens a file sink again before the next record (after a rotation by others). Else nothing.
    fn reopen(&self) {
        self.console.reopen();
    }

    /// As `Log.flush`, for this console alone; True at once when it is suspended.
    #[pyo3(signature = (timeout=Seconds::of(default::FLUSH_TIMEOUT_S)), text_signature = "($self, timeout=1.0)")]
    fn flush(&self, py: Python<'_>, timeout: Seconds) -> PyResult<bool> {
        let Some(log) = self.log() else {
            return Ok(false);
        };
        let told = watch::told(py, &log, 0);
        let flushed = flush(py, &self.console, timeout.0);
        told.and(flushed)
    }

    /// Prints what was stored before the call, within `timeout`, and takes the console away.
    ///
    /// False: the sink is stuck; the thread is abandoned and calls nothing more. Called by the console's own callback it
    /// is False at once, and the callback is called no more once it returns.
    #[pyo3(signature = (timeout=Seconds::of(default::REMOVE_TIMEOUT_S)), text_signature = "($self, timeout=1.0)")]
    fn remove(&self, py: Python<'_>, timeout: Seconds) -> PyResult<bool> {
        let Some(log) = self.log() else {
            return Ok(false);
        };
        if self.console.is_handing_over_here() {
            // Its own callback: nothing to wait for, it is called no more once it returns.
            return Ok(py.detach(|| log.remove_console(&self.console, Duration::ZERO)));
        }
        // In slices, so that Ctrl-C is noticed; its exception comes when the console is gone.
        let told = watch::told(py, &log, 0);
        log.begin_removal(&self.console);
        let waited = logs::wait(py, timeout.0, |slice| self.console.has_stopped(slice));
        let ended = py.detach(|| log.remove_console(&self.console, Duration::ZERO));
        told.and(waited).map(|_| ended)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Console>()
            .is_ok_and(|other| Arc::ptr_eq(&self.console, &other.get().console))
    }

    fn __hash__(&self) -> usize {
        Arc::as_ptr(&self.console).addr()
    }

    fn __repr__(&self) -> String {
        let console = &self.console;
        let line = Line {
            name: console.name(),
            letters: &self.flags(),
            format: self.format(),
            target: &self.target(),
            counts: [
                console.seq(),
                console.lag(),
                console.dropped(),
                console.errors(),
            ],
            owner: console.owner(),
        };
        format!("<Console {line}>")
    }
}

/// A console in a line, as its repr shows it.
pub struct Line<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its letters.
    pub letters: &'a str,
    /// How it writes, where that is known.
    pub format: Option<&'a str>,
    /// Where it prints.
    pub target: &'a str,
    /// seq, lag, dropped, errors.
    pub counts: [u64; 4],
    /// Who prints.
    pub owner: Option<&'a str>,
}

impl Display for Line<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> Result {
        let Line {
            name,
            letters,
            target,
            counts: [seq, lag, dropped, errors],
            ..
        } = self;
        let format = self.format.unwrap_or("records");
        write!(
            to,
            "{name:?} ({letters}) {format} to {target:?}, seq {seq}, lag {lag}"
        )?;
        write!(to, ", dropped {dropped}, errors {errors}")?;
        match self.owner {
            Some(owner) => write!(to, ", owned by {owner}"),
            None => Ok(()),
        }
    }
}

fn flush(py: Python<'_>, console: &pr_host::Console, timeout: Duration) -> PyResult<bool> {
    if pr_printk::thread::prints_for().is_some() {
        return Ok(false);
    }
    let target = console.flush_target();
    logs::wait(py, timeout, |slice| console.flush_until(target, slice))
}

/// A console's attributes, for `Log.stats`.
pub fn attributes<'py>(
    py: Python<'py>,
    log: &Log,
    console: &Arc<pr_host::Console>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item(
        "level",
        console
            .level()
            .map(|level| levels::member(py, level))
            .transpose()?,
    )?;
    dict.set_item("seq", console.seq())?;
    dict.set_item("lag", console.lag())?;
    dict.set_item("dropped", console.dropped())?;
    dict.set_item("errors", console.errors())?;
    dict.set_item("enabled", console.is_enabled())?;
    dict.set_item("owner", console.owner())?;
    dict.set_item("alive", console.is_alive())?;
    dict.set_item("flags", log.letters(console))?;
    Ok(dict)
}

/// What a console is when nothing else is said.
pub fn plain(sink: &Sink) -> ConsoleOptions {
    ConsoleOptions {
        sink: sink.spec().clone(),
        name: None,
        level: None,
        format: FormatArg::default().0,
        replay: false,
        reliability: None,
        overflow: OverflowArg::default().0,
        block_timeout: Seconds::of(default::BLOCK_TIMEOUT_S).0,
        bootstrap: false,
    }
}

/// The parameters of `add_console`, for those who give one that is not there.
const PARAMETERS: &str =
    "sink, name, level, format, replay, reliability, overflow, block_timeout, bootstrap";

/// What `consoles=` has in it. Raises TypeError for what has nothing in it, such as a single sink.
#[pyfunction]
#[pyo3(signature = (consoles, /))]
pub fn _listed_consoles<'py>(consoles: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let py = consoles.py();
    consoles.try_iter().map_err(|why| {
        if !why.is_instance_of::<PyTypeError>(py) {
            return why;
        }
        let kind = consoles.get_type().name();
        let kind = kind.as_ref().map_or(Cow::Borrowed("this"), text::of_str);
        PyTypeError::new_err(format!(
            "consoles is a list of sinks, of mappings of add_console's arguments, or of pairs of both; not {kind}"
        ))
    })?;
    ending::list(consoles)
}

/// A console of `consoles=`: a sink, a mapping of `add_console`'s arguments, or a pair of both.
pub fn from_spec(spec: &Bound<'_, PyAny>) -> PyResult<ConsoleOptions> {
    let py = spec.py();
    if let Ok(sink) = spec.cast::<Sink>() {
        return Ok(plain(sink.get()));
    }
    if let Ok(pair) = spec.cast::<PyTuple>()
        && let Ok((sink, arguments)) = pair.extract::<(Bound<'_, Sink>, Bound<'_, PyAny>)>()
    {
        return from_arguments(Some(&sink), &arguments);
    }
    if mapping::is_mapping(spec)? {
        return from_arguments(None, spec);
    }
    let kind = spec.get_type().name()?;
    let text = format!(
        "a console is a sink, a mapping of add_console's arguments, or a pair of both; not {kind}"
    );
    Err(errors::config(py, text))
}

fn from_arguments(
    sink: Option<&Bound<'_, Sink>>,
    arguments: &Bound<'_, PyAny>,
) -> PyResult<ConsoleOptions> {
    let py = arguments.py();
    let mut sink = sink.cloned();
    let mut others = Vec::new();
    for (name, value) in mapping::entries(arguments)? {
        match &*text::of_str(name.cast::<PyString>()?) {
            "sink" => sink = sink.or(Some(value.cast_into::<Sink>()?)),
            name => others.push((name.to_owned(), value)),
        }
    }
    let Some(sink) = sink else {
        let text = "a console needs a sink: give one as \"sink\", such as sinks.stderr()";
        return Err(errors::config(py, text));
    };
    let mut options = plain(sink.get());
    for (name, value) in others {
        set(&mut options, &name, &value)?;
    }
    Ok(options)
}

fn set(options: &mut ConsoleOptions, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
    match name {
        "name" => options.name = value.extract()?,
        "level" => options.level = value.extract::<Option<LevelArg>>()?.map(|level| level.0),
        "format" => value.extract::<LookArg>()?.give(options),
        "replay" => options.replay = value.extract()?,
        "reliability" => {
            let given = value.extract::<Option<ReliabilityArg>>()?;
            options.reliability = given.map(|class| class.0);
        }
        "overflow" => options.overflow = value.extract::<OverflowArg>()?.0,
        "block_timeout" => options.block_timeout = value.extract::<Seconds>()?.0,
        "bootstrap" => options.bootstrap = value.extract()?,
        _ => {
            return Err(errors::config(
                value.py(),
                format!("{name:?} is no parameter of a console: {PARAMETERS}"),
            ));
        }
    }
    Ok(())
}

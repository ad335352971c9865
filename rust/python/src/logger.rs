//! `Logger`: a log, a name, a level and bound fields. Its log calls are in [`crate::fastcall`].

use crate::contextualize::{ContextFields, take_fields};
use crate::convert::{Taken, give, text};
use crate::errors;
use crate::fastcall::kept::Kept;
use crate::fastcall::{default_log, shared};
use crate::levels::{self, LevelArg};
use crate::limits::{self, Often};
use crate::line;
use crate::logs::LogHandle;
use pr_host::options::default;
use pr_host::{Gate, Judged, Log, Names};
use pr_printk::limit::Rate;
use pr_record::Level;
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyString};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Which log a logger writes to.
#[derive(Clone)]
enum Target {
    /// This one.
    Own {
        log: LogHandle,
        /// It was the default log when the logger was made.
        is_default: bool,
    },
    /// The process's default log, whichever that is at each call.
    Default,
}

/// What a logger says its level is while there is no log.
const LEAST_SEVERE: u8 = pr_record::Level::Debug.number();

/// How many records.
struct Count(u64);

impl<'py> FromPyObject<'_, 'py> for Count {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Count> {
        let refused = || -> PyResult<String> {
            let shown = text::shown(&given)?;
            Ok(format!(
                "burst is {shown}: give a number of records from 0 on"
            ))
        };
        let Ok(number) = given.cast::<PyInt>() else {
            return Err(PyTypeError::new_err(refused()?));
        };
        if number.lt(0)? {
            return Err(errors::config(given.py(), refused()?));
        }
        Ok(Count(number.extract().unwrap_or(u64::MAX)))
    }
}

/// How long.
struct Seconds(f64);

impl<'py> FromPyObject<'_, 'py> for Seconds {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Seconds> {
        let py = given.py();
        let seconds = given.extract::<f64>();
        if let Ok(seconds) = seconds
            && seconds >= 0.0
        {
            return Ok(Seconds(seconds));
        }
        let shown = text::shown(&given)?;
        let told = format!("interval is {shown}: give seconds from 0 on");
        Err(match seconds {
            Ok(_) => errors::config(py, told),
            Err(why) if why.is_instance_of::<PyException>(py) => PyTypeError::new_err(told),
            Err(why) => why, // an interruption
        })
    }
}

/// `reraise`, which a function is not.
struct Flag(bool);

impl<'py> FromPyObject<'_, 'py> for Flag {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Flag> {
        let flag = given.cast::<PyBool>().map_err(|_| {
            PyTypeError::new_err("reraise is True or False; a decorator is written @logger.catch()")
        })?;
        Ok(Flag(flag.is_true()))
    }
}

/// Logs into one log under one name. Made by `Log.get_logger`, `printk_ring.get_logger`, or `bind`.
///
/// `event` is any object (str() of it is taken when it is not a str). With `args` it is a %-template (a single non-empty
/// mapping as the only argument serves named ones, as in the standard library); without, `%` is literal. Every other
/// keyword is a field, whatever its name, kept typed. A call never raises (but TypeError for a missing event, and for a key
/// by `**` that is no str); an interruption that arrives while it runs Python code of an argument (Ctrl-C, `sys.exit` in a
/// signal handler) is passed on once the record is stored.
#[pyclass(frozen, module = "printk_ring")]
pub struct Logger {
    target: Target,
    gate: Arc<Gate>,
    /// None: as often as it likes.
    often: Option<Often>,
    name: Option<Arc<str>>,
    bound: Vec<(Box<str>, Taken)>,
}

/// What makes a logger again, and of what.
type Reduced<'py> = (
    Bound<'py, PyAny>,
    (Option<String>, Bound<'py, PyDict>, bool, Option<(u64, u64)>),
);

/// A logger for the default log, as `pickle` has kept it.
#[pyfunction]
#[pyo3(signature = (name, bound, is_once, rate, /))]
pub fn _unpickled_logger(
    name: Option<&Bound<'_, PyString>>,
    bound: &Bound<'_, PyDict>,
    is_once: bool,
    rate: Option<(u64, u64)>,
) -> PyResult<Logger> {
    let often = rate.map(|(interval_ms, burst)| Often::Rate(Rate { interval_ms, burst }));
    let mut logger = Logger::new(None, name, Some(bound))?;
    logger.often = is_once.then_some(Often::Once).or(often);
    Ok(logger)
}

/// The levels of the names of the default log, whichever that is.
static DEFAULT_NAMES: Kept<Names> = Kept::new();

impl Target {
    fn of(log: LogHandle) -> Target {
        let is_default = default_log().is_some_and(|other| std::ptr::eq(other, &*log));
        Target::Own { log, is_default }
    }

    /// The levels of its names. A log that is the default one has those that loggers made before it have.
    fn names(&self) -> &Names {
        match self {
            Target::Own {
                log,
                is_default: false,
            } => log.names(),
            _ => match DEFAULT_NAMES.get() {
                Some(names) => names,
                None => DEFAULT_NAMES.keep(Names::default()).0,
            },
        }
    }
}

impl Logger {
    /// A logger for `log`; None: for the default log. Such a one is made once and used by all threads, as a rule; those of
    /// `bind` come and go.
    pub fn for_all<'py>(
        py: Python<'py>,
        log: Option<LogHandle>,
        name: Option<&Bound<'_, PyString>>,
        bound: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Bound<'py, Logger>> {
        shared(py, Logger::new(log, name, bound)?)
    }

    fn new(
        log: Option<LogHandle>,
        name: Option<&Bound<'_, PyString>>,
        bound: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Logger> {
        let target = log.map_or(Target::Default, Target::of);
        let name: Option<Arc<str>> = name.map(|name| text::of_str(name).into());
        let gate = target.names().gate(name.as_deref().unwrap_or_default());
        let mut logger = Logger {
            target,
            gate,
            often: None,
            name,
            bound: Vec::new(),
        };
        logger.add(bound)?;
        Ok(logger)
    }

    /// Binds more fields. A key that is bound already keeps its place.
    fn add(&mut self, fields: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        take_fields(&mut self.bound, fields)
    }

    /// The log, open or not.
    #[inline(always)]
    fn log(&self) -> Option<&Log> {
        match &self.target {
            Target::Own { log, .. } => Some(log),
            Target::Default => default_log(),
        }
    }

    /// Whether the logger's own level lets a record of this one pass.
    #[inline(always)]
    pub fn wants(&self, level: u8) -> bool {
        self.gate.passes(level)
    }

    /// The log, and what it is to do with the record of this level that a call is about to store. None: nothing.
    #[inline(always)]
    pub fn judge(&self, level: u8) -> Option<(&Log, Judged)> {
        let log = self.log()?;
        match log.judge(level) {
            Judged::No => None,
            Judged::Stored if !self.wants(level) || !self.is_admitted(log) => None,
            judged => Some((log, judged)),
        }
    }

    /// The log, if it would store a record of this level now.
    #[inline(always)]
    pub fn enabled(&self, level: u8) -> Option<&Log> {
        let log = self.log()?;
        (log.is_enabled(level) && self.gate.passes(level)).then_some(log)
    }

    /// Whether the call that is being made may store as often as it does.
    #[inline(always)]
    pub fn is_admitted(&self, log: &Log) -> bool {
        self.often.is_none_or(|often| self.admits(log, often))
    }

    #[cold]
    #[inline(never)]
    fn admits(&self, log: &Log, often: Often) -> bool {
        let tells = self.enabled(Level::Warning.number()).is_some();
        limits::admits(log, often, self.name.as_deref(), tells)
    }

    /// The same logger, which may log so often.
    fn with(&self, often: Often) -> Logger {
        Logger {
            target: self.target.clone(),
            gate: self.gate.clone(),
            often: Some(often),
            name: self.name.clone(),
            bound: self.bound.clone(),
        }
    }

    /// The name as it is stored.
    #[inline(always)]
    pub fn stored_name(&self) -> Option<&Arc<str>> {
        self.name.as_ref()
    }

    /// The bound fields.
    #[inline(always)]
    pub fn bound(&self) -> &[(Box<str>, Taken)] {
        &self.bound
    }
}

#[pymethods]
impl Logger {
    /// Its name.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The least severe level it stores: that of its name if set, else of the nearest name above it ("db" is above
    /// "db.pool", a logger without a name above all), else that of the log (DEBUG while there is none).
    ///
    /// Settable with any level, or None to follow again; the log's own level always applies too. It is the name's: all
    /// loggers of this name in this log have it, bound ones too. The default log shares its names with loggers that were made
    /// before it, and with the default logs that come after it.
    #[getter]
    fn level<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let level = self.gate.level();
        let level = level.unwrap_or_else(|| self.log().map_or(LEAST_SEVERE, Log::level));
        levels::member(py, level)
    }

    #[setter]
    fn set_level(&self, value: Option<LevelArg>) {
        let name = self.name.as_deref().unwrap_or_default();
        self.target.names().set(name, value.map(|level| level.0));
    }

    /// True when a record of this level would be stored now; False also while there is no open log. Rules of dynamic debug are
    /// not asked: they are of call sites.
    fn is_enabled_for(&self, level: LevelArg) -> bool {
        self.enabled(level.0).is_some()
    }

    /// A logger with these fields in front of those of every call. The same key: the newer binding wins.
    ///
    /// Values are taken (typed or by str()) now. Raises TypeError for a key by `**` that is no str.
    #[pyo3(signature = (**fields))]
    fn bind(&self, fields: Option<&Bound<'_, PyDict>>) -> PyResult<Logger> {
        let mut logger = Logger {
            target: self.target.clone(),
            gate: self.gate.clone(),
            often: self.often,
            name: self.name.clone(),
            bound: self.bound.clone(),
        };
        logger.add(fields)?;
        Ok(logger)
    }

    /// This logger, once: of each call site of its log methods one record is stored in the life of the log.
    ///
    /// A call site is an instruction of a code object: two calls are two sites, also if they look the same and stand in one
    /// line. Of threads that come at once one stores. A call that is below the level does not count. What is held back is no
    /// loss, and not counted in `stats()["suppressed"]`. `cont` is not held back.
    fn once(&self) -> Logger {
        self.with(Often::Once)
    }

    /// This logger, with a limit for each call site of its log methods: `burst` records are stored in `interval` seconds.
    ///
    /// The rest is counted in `stats()["suppressed"]`, and told by the first call after that time: a WARNING
    /// `function: n callbacks suppressed`. Interval 0: no limit; burst 0: nothing is stored. A call site as with `once`;
    /// the time is the monotonic clock's, in whole milliseconds. Raises ConfigError for what is negative or NaN, TypeError for what is no number.
    #[pyo3(
        signature = (interval=Seconds(default::RATE_INTERVAL_S), burst=Count(default::RATE_BURST.into())),
        text_signature = "($self, interval=5.0, burst=10)"
    )]
    fn ratelimited(&self, interval: Seconds, burst: Count) -> PyResult<Logger> {
        Ok(self.with(Often::Rate(Rate {
            interval_ms: (interval.0 * 1000.0).ceil() as u64, // more than any clock has is all there is
            burst: burst.0,
        })))
    }

    /// Text of a line that several calls put together: goes on with the line that this thread or task has begun under this
    /// name, or begins one, at INFO.
    ///
    /// The line is one record, with the time, the level and the fields of its first text. A text that ends in a newline ends
    /// it; so do any other record in the log, `flush`, the exit, and 100 ms without a further text. Nobody sees the record
    /// before. What comes after such an end, or has no room in the record, is a record of its own, with the flag 8 in
    /// `Record.flags`; of more than 128 lines that are not ended some rests may lack it. `text` is any object, of a template
    /// string what the f-string would be; "" does nothing. Of `once` and `ratelimited` it knows nothing: they would take
    /// pieces out of lines.
    #[pyo3(signature = (text, /))]
    fn cont(&self, py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<()> {
        // The library panics where no memory can be had; a log call raises nothing.
        let stored = catch_unwind(AssertUnwindSafe(|| line::cont(py, self, text)));
        stored.unwrap_or(Ok(()))
    }

    /// A context manager and a decorator: an exception that comes out of the block or the function is logged at ERROR with
    /// its traceback, and goes on; with `reraise=False` it ends there.
    ///
    /// For functions, coroutine functions, generator functions and asynchronous generator functions; the record of one has
    /// its qualified name in the field `function`. Its place is where the block stands, or of whoever called the function; that
    /// of a coroutine or an asynchronous generator is where its function is defined. `KeyboardInterrupt`, `SystemExit`,
    /// `GeneratorExit` and a task's cancellation are not logged, and never kept back.
    ///
    /// Raises:
    ///     TypeError: `reraise` is no bool: a decorator is written `@logger.catch()`.
    #[pyo3(signature = (reraise=Flag(true)), text_signature = "($self, reraise=True)")]
    fn catch<'py>(logger: &Bound<'py, Logger>, reraise: Flag) -> PyResult<Bound<'py, PyAny>> {
        let module = logger.py().import("printk_ring.catching")?;
        module.getattr("Catch")?.call1((logger, reraise.0))
    }

    /// A context manager: in its block these fields are in all records, of whatever logger and `RingHandler`, that this
    /// thread or task logs. The same key: the call wins, then the innermost block, then what is bound.
    ///
    /// Values are taken (typed or by str()) now. Raises TypeError for a key by `**` that is no str.
    #[pyo3(signature = (**fields))]
    fn contextualize(&self, fields: Option<&Bound<'_, PyDict>>) -> PyResult<ContextFields> {
        ContextFields::new(fields)
    }

    /// A logger never changes: a copy is this one.
    fn __copy__<'py>(logger: &Bound<'py, Logger>) -> Bound<'py, Logger> {
        logger.clone()
    }

    #[pyo3(signature = (_memo, /))]
    fn __deepcopy__<'py>(
        logger: &Bound<'py, Logger>,
        _memo: &Bound<'py, PyAny>,
    ) -> Bound<'py, Logger> {
        logger.clone()
    }

    /// What `pickle` keeps of a logger for the default log, which is another one where it is unpickled.
    ///
    /// Raises:
    ///     TypeError: it is a logger of one log.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        if let Target::Own { .. } = self.target {
            return Err(PyTypeError::new_err(
                "a logger of one log cannot be pickled, for that log is this process's: \
                 printk_ring.get_logger gives loggers that can, for whatever log is the default",
            ));
        }
        let bound = PyDict::new(py);
        for (key, taken) in &self.bound {
            bound.set_item(&**key, give::value(py, &taken.value())?)?;
        }
        let rate = match self.often {
            Some(Often::Rate(rate)) => Some((rate.interval_ms, rate.burst)),
            _ => None,
        };
        let is_once = matches!(self.often, Some(Often::Once));
        let make = py
            .import("printk_ring._native")?
            .getattr("_unpickled_logger")?;
        Ok((
            make,
            (
                self.name.as_deref().map(str::to_owned),
                bound,
                is_once,
                rate,
            ),
        ))
    }

    fn __repr__(&self) -> String {
        match &self.name {
            Some(name) => format!("<Logger {name:?}>"),
            None => "<Logger>".to_owned(),
        }
    }
}

//! `Logger`: a log, a name, a level and bound fields. Its log calls are in [`crate::fastcall`].

use crate::contextualize::{ContextFields, take_fields};
use crate::convert::{Taken, text};
use crate::fastcall::default_log;
use crate::levels::{self, LevelArg};
use crate::logs::LogHandle;
use pr_host::Log;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::sync::atomic::{AtomicU8, Ordering};

/// Which log a logger writes to.
#[derive(Clone)]
enum Target {
    /// This one.
    Own(LogHandle),
    /// The process's default log, whichever that is at each call.
    Default,
}

/// The logger's own level is not set.
const FOLLOWS: u8 = u8::MAX;
/// What a logger says its level is while there is no log.
const LEAST_SEVERE: u8 = pr_record::Level::Debug.number();

/// Logs into one log under one name. Made by `Log.get_logger`, `printk_ring.get_logger`, or `bind`.
///
/// `event` is any object (str() of it is taken when it is not a str). With `args` it is a %-template (a single non-empty
/// mapping as the only argument serves named ones, as in the standard library); without, `%` is literal. Every other
/// keyword is a field, whatever its name, kept typed. A call never raises (but TypeError for a missing event); an
/// interruption that arrives while it runs Python code of an argument (Ctrl-C, `sys.exit` in a signal handler) is passed
/// on once the record is stored.
#[pyclass(frozen, module = "printk_ring")]
pub struct Logger {
    target: Target,
    level: AtomicU8,
    name: Option<Box<str>>,
    bound: Vec<(Box<str>, Taken)>,
}

impl Logger {
    /// A logger for `log`; None: for the default log.
    pub fn new(
        log: Option<LogHandle>,
        name: Option<&Bound<'_, PyString>>,
        bound: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Logger> {
        let mut logger = Logger {
            target: log.map_or(Target::Default, Target::Own),
            level: AtomicU8::new(FOLLOWS),
            name: name.map(|name| text::of_str(name).into()),
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
            Target::Own(log) => Some(log),
            Target::Default => default_log(),
        }
    }

    /// The log, if it would store a record of this level now.
    #[inline(always)]
    pub fn enabled(&self, level: u8) -> Option<&Log> {
        let log = self.log()?;
        (log.is_enabled(level) && level <= self.level.load(Ordering::Relaxed)).then_some(log)
    }

    /// The name as it is stored.
    #[inline(always)]
    pub fn stored_name(&self) -> Option<&str> {
        self.name.as_deref()
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

    /// The least severe level it stores: its own if set, else that of the log (DEBUG while there is none).
    ///
    /// Settable with any level, or None to follow the log again; the log's own level always applies too. `bind` copies
    /// the setting.
    #[getter]
    fn level<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let level = match self.level.load(Ordering::Relaxed) {
            FOLLOWS => self.log().map_or(LEAST_SEVERE, Log::level),
            own => own,
        };
        levels::member(py, level)
    }

    #[setter]
    fn set_level(&self, value: Option<LevelArg>) {
        self.level
            .store(value.map_or(FOLLOWS, |level| level.0), Ordering::Relaxed);
    }

    /// True when a record of this level would be stored now; False also while there is no open log.
    fn is_enabled_for(&self, level: LevelArg) -> bool {
        self.enabled(level.0).is_some()
    }

    /// A logger with these fields in front of those of every call. The same key: the newer binding wins.
    ///
    /// Values are taken (typed or by str()) now.
    #[pyo3(signature = (**fields))]
    fn bind(&self, fields: Option<&Bound<'_, PyDict>>) -> PyResult<Logger> {
        let mut logger = Logger {
            target: self.target.clone(),
            level: AtomicU8::new(self.level.load(Ordering::Relaxed)),
            name: self.name.clone(),
            bound: self.bound.clone(),
        };
        logger.add(fields)?;
        Ok(logger)
    }

    /// A context manager: in its block these fields are in all records, of whatever logger and `RingHandler`, that this
    /// thread or task logs. The same key: the call wins, then the innermost block, then what is bound.
    ///
    /// Values are taken (typed or by str()) now.
    #[pyo3(signature = (**fields))]
    fn contextualize(&self, fields: Option<&Bound<'_, PyDict>>) -> PyResult<ContextFields> {
        ContextFields::new(fields)
    }

    fn __repr__(&self) -> String {
        match &self.name {
            Some(name) => format!("<Logger {name:?}>"),
            None => "<Logger>".to_owned(),
        }
    }
}

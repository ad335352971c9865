//! One record with everything given, as integrations store it. Any object is any part; nothing of it raises.

use crate::arguments::{Objects, Values};
use crate::call;
use crate::convert::Taker;
use crate::fastcall::ambient;
use crate::logs::{self, LogHandle};
use crate::parameters::Clamped;
use pr_host::Emit;
use pr_printk::thread;
use pr_record::{Args, Exc, Payload};
use pyo3::prelude::*;

/// The parts of a record.
pub struct Parts<'a, 'py> {
    /// What it is about.
    pub event: &'a Bound<'py, PyAny>,
    /// Its text, if the event is not.
    pub message: Option<&'a Bound<'py, PyAny>>,
    /// The arguments that make that text of the event, as a record of the standard library has them.
    pub args: Option<&'a Bound<'py, PyAny>>,
    /// The logger's name.
    pub logger: Option<&'a Bound<'py, PyAny>>,
    /// The level's number where it came from.
    pub levelno: Option<Clamped>,
    /// The file of the call.
    pub file: Option<&'a Bound<'py, PyAny>>,
    /// Its line.
    pub line: Clamped,
    /// Its function.
    pub func: Option<&'a Bound<'py, PyAny>>,
    /// Class, message and stack of an exception.
    pub exc: Option<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)>,
    /// The fields.
    pub fields: Option<&'a Bound<'py, PyAny>>,
}

/// Stores it. False: it was not. `nested`: within a log call, for its own record.
pub fn emit(
    py: Python<'_>,
    log: &LogHandle,
    level: u8,
    ts_nsec: Option<u64>,
    parts: Parts<'_, '_>,
    nested: bool,
) -> PyResult<bool> {
    // What runs in the following is this log call's own: what it logs is reentrant.
    let nest = if nested { None } else { thread::enter() };
    if nest.is_none() && !nested {
        log.count_recursion();
        return Ok(false);
    }
    let mut taker = Taker::of(log);
    let mut text = |object: &Bound<'_, PyAny>| taker.text_of(object);
    let event = text(parts.event);
    let [message, logger, file, func] =
        [parts.message, parts.logger, parts.file, parts.func].map(|part| part.map(&mut text));
    let exc = parts
        .exc
        .map(|(kind, message, stacktrace)| (text(&kind), text(&message), text(&stacktrace)));
    let given = call::taken(&mut taker, parts.fields)?;
    let around = ambient::current(py);
    let (fields, ambient) = call::all_fields(&[], ambient::fields(around.as_ref()), &given);
    let objects = parts.args.and_then(Objects::of_record);
    let values = objects.as_ref();
    let values = values.and_then(|objects| objects.for_reader(log, &event));
    let values = values.filter(|values| values.show(&event, message.as_deref().unwrap_or(&event)));
    let message = message.as_deref().filter(|message| *message != event);
    let payload = Payload {
        event: &event,
        message: message.filter(|_| values.is_none()),
        args: values.as_ref().map_or(Args::NONE, Values::args),
        logger: logger.as_deref(),
        levelno: parts
            .levelno
            .map(|levelno| levelno.within(i64::from(i32::MIN), i64::from(i32::MAX)) as i32),
        file: file.as_deref(),
        line: parts.line.within(0, i64::from(u32::MAX)) as u32,
        func: func.as_deref(),
        exc: exc.as_ref().map(|(kind, message, stacktrace)| Exc {
            kind,
            message,
            stacktrace,
        }),
        fields: &fields,
        ambient,
        site: None,
    };
    let (outcome, signalled) = logs::store(py, log, level, &payload, ts_nsec);
    taker.interrupt().map_or(signalled, Err)?;
    Ok(outcome == Emit::Stored)
}

//! `Logger.cont`: lines that several calls put together.

use crate::convert::{Taker, text};
use crate::fastcall::ambient;
use crate::fastcall::interned::name;
use crate::fastcall::kept::Kept;
use crate::logger::Logger;
use crate::tstring::Template;
use crate::{call, context, ending, logs, redact, watch};
use pr_host::{Log, Piece};
use pr_printk::thread;
use pr_record::{Level, Payload};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a line is logged at: as with a level that says nothing.
const LEVEL: u8 = Level::Info.number();

/// Goes on with the line of this logger's name that this thread or task has open, or begins one. An error is an interruption
/// that came while Python code ran, to be passed on.
pub fn cont(py: Python<'_>, logger: &Logger, given: &Bound<'_, PyAny>) -> PyResult<()> {
    let Some(log) = logger.enabled(LEVEL) else {
        return Ok(());
    };
    let told = watch::told(py, log, 0);
    let is_in_handler = context::seems_in_handler(py);
    let Some(_nest) = thread::enter() else {
        log.count_recursion();
        return Ok(());
    };
    // What is in the middle of other code speaks for itself: one deeper is somebody else to the ring.
    let _deeper = is_in_handler.then(thread::enter);
    let mut taker = Taker::of(log);
    let template = Template::of(&mut taker, log, given);
    let message = template.and_then(|template| {
        let message = template.message(&mut taker);
        taker.ok(py, message)
    });
    let given = match message {
        Some(message) => PyString::new(py, &message),
        None => taker.str_of(given),
    };
    let task = taker.ok(py, task(py)).unwrap_or_default();
    let stored = store(py, logger, log, &text::of_str(&given), task);
    taker.interrupt().map_or(stored, Err).and(told)
}

fn store(py: Python<'_>, logger: &Logger, log: &Log, given: &str, task: u64) -> PyResult<()> {
    if given.is_empty() {
        return Ok(()); // neither begins a line nor ends one
    }
    let end = given.strip_suffix('\n');
    let around = ambient::current(py);
    let around = ambient::fields(around.as_ref());
    let (fields, ambient) = call::all_fields::<&str>(logger.bound(), around, &[]);
    let piece = Piece {
        payload: Payload {
            event: end.unwrap_or(given),
            logger: logger.stored_name().map(|name| &**name),
            fields: &fields,
            ambient,
            ..Payload::default()
        },
        ends: end.is_some(),
        speaker: speaker(log, logger.stored_name().map(|name| &**name), task),
    };
    let store = |payload: &Payload<'_>| {
        let piece = Piece {
            payload: *payload,
            ..piece
        };
        logs::store_by(py, log, |waited| log.emit_piece(waited, LEVEL, &piece)).1
    };
    let Some(redaction) = redact::of(log) else {
        return store(&piece.payload);
    };
    let (signalled, interrupted) = redaction.apply(py, &piece.payload, store);
    interrupted.and(signalled)
}

/// The number of the task that runs on this thread; 0: none does. Where no event loop runs there is none; that is asked first,
/// without Python code.
fn task(py: Python<'_>) -> PyResult<u64> {
    static MODULES: Kept<Py<PyDict>> = Kept::new();
    static RUNNING_LOOP: Kept<Py<PyAny>> = Kept::new();
    static TASK_NUMBER: Kept<Py<PyAny>> = Kept::new();
    let modules = MODULES.import(py, "sys", "modules")?;
    if !modules.contains(name!(py, c"asyncio"))? {
        return Ok(0);
    }
    if RUNNING_LOOP.get().is_some() || modules.contains(name!(py, c"_asyncio"))? {
        let found = RUNNING_LOOP.import(py, "_asyncio", "_get_running_loop")?;
        if ending::call(found, &PyTuple::empty(py))?.is_none() {
            return Ok(0);
        }
    }
    let number = TASK_NUMBER.import(py, "printk_ring.context", "_task_number")?;
    ending::call(number, &PyTuple::empty(py))?.extract()
}

/// Who speaks, in one word: a logger's name in a task, into a log.
fn speaker(log: &Log, name: Option<&str>, task: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (std::ptr::from_ref(log), name, task).hash(&mut hasher);
    hasher.finish().max(1)
}

//! The log call. `Logger`'s methods are raw functions of the interpreter's fast calling convention: no tuple, no dict and
//! no allocation on the way from the caller's stack into the ring, and no Python code run, as long as the event is a str,
//! all values are of simple types, and arguments can be left to a reader. Everything else goes to [`crate::call`].
//!
//! The `unsafe` that this takes is here and nowhere else in the binding.

pub mod ambient;
mod args;
pub mod attributes;
mod contextvar;
#[cfg(all(Py_GIL_DISABLED, not(any(Py_LIMITED_API, PyPy, GraalPy))))]
mod copies;
mod default;
pub mod digits;
mod frame;
mod gather;
pub mod glance;
pub mod interned;
pub mod kept;
mod methods;
mod object;
mod shared;
pub mod site;
pub mod way;

use crate::bare::Bare;
use crate::call::{self, Call};
use crate::ending::StandStill;
use crate::levels::{self, Given};
use crate::logger::Logger;
use crate::logs;
use crate::redact;
use crate::threads;
use crate::watch;
use gather::{Gathered, STACK_FIELDS, gather};
use object::{Names, Object, Objects};
use pr_host::rules::Flags;
use pr_host::{Emit, Judged, Log};
use pr_printk::context::Owed;
use pr_printk::thread;
use pr_record::{FromSite, Level, Payload};
use pyo3::exceptions::{PyImportError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{Borrowed, ffi};
use site::{Caller, Site};
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use default::{default_log, set_default};
pub use frame::{Frame, looking};
pub use methods::{add_to, watch};
pub use object::{clear_error, text_of, value_of};
pub use shared::shared;

/// What a raw function is given: the arguments of one call, alive until it returns.
#[derive(Clone, Copy)]
struct Arguments<'a> {
    positional: Objects<'a>,
    names: Names<'a>,
    values: Objects<'a>,
}

impl<'a> Arguments<'a> {
    /// Of a fast call with keywords.
    ///
    /// # Safety
    /// The arguments are those that the interpreter passed to a function of that convention.
    #[inline(always)]
    unsafe fn new(
        args: *const *mut ffi::PyObject,
        nargs: ffi::Py_ssize_t,
        names: *mut ffi::PyObject,
    ) -> Arguments<'a> {
        let positional = nargs as usize;
        // SAFETY: the convention: a tuple of str, or null.
        let names = unsafe { Names::new(names) };
        // SAFETY: the convention: the positional arguments come first..
        let first = unsafe { Objects::new(args, positional) };
        // SAFETY: .. and the values of the keywords follow.
        let behind = unsafe { args.add(positional) };
        // SAFETY: as above: one for each name.
        let values = unsafe { Objects::new(behind, names.len()) };
        Arguments {
            positional: first,
            names,
            values,
        }
    }
}

/// The logger that a method was called on.
///
/// # Safety
/// `logger` is a `Logger`: the method's descriptor has seen to that.
#[inline(always)]
unsafe fn logger_of<'a>(logger: *mut ffi::PyObject) -> &'a Logger {
    // SAFETY: a method runs attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the caller's promise, and the interpreter holds it during the call.
    let object = unsafe { Borrowed::from_ptr(py, logger) };
    // SAFETY: the caller's promise.
    let logger = unsafe { object.cast_unchecked::<Logger>() };
    logger.get()
}

/// A log call at a fixed level. `WATCHED`: see [`methods::watch`].
unsafe extern "C" fn log_at<const LEVEL: u8, const WATCHED: bool>(
    logger: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    nargs: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    if nargs < 1 {
        return missing_event(LEVEL);
    }
    // SAFETY: a method of `Logger`.
    let logger = unsafe { logger_of(logger) };
    let Some((log, judged)) = logger.judge(LEVEL) else {
        return none();
    };
    // SAFETY: the interpreter's own arguments.
    let arguments = unsafe { Arguments::new(args, nargs, names) };
    let given = Given {
        level: LEVEL,
        levelno: None,
    };
    if judged != Judged::Stored {
        return by_rules::<WATCHED>(logger, log, given, arguments, judged, false);
    }
    telling::<WATCHED>(log, || store(logger, log, given, arguments))
}

/// `Logger.log`: the level is the first argument. One that says nothing counts as INFO.
unsafe extern "C" fn log_any<const WATCHED: bool>(
    logger: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    nargs: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    if nargs < 2 {
        return missing(c"log() missing required positional arguments: 'level' and 'event'");
    }
    // SAFETY: the interpreter's own arguments.
    let mut arguments = unsafe { Arguments::new(args, nargs, names) };
    let Some((level, rest)) = arguments.positional.split_first() else {
        return none();
    };
    arguments.positional = rest;
    let given = attached(|py| levels::native(&bound(py, level)).ok());
    let given = given.unwrap_or(Given {
        level: Level::Info.number(),
        levelno: None,
    });
    // SAFETY: a method of `Logger`.
    let logger = unsafe { logger_of(logger) };
    match logger.judge(given.level) {
        None => none(),
        Some((log, Judged::Stored)) => {
            telling::<WATCHED>(log, || store(logger, log, given, arguments))
        }
        Some((log, judged)) => by_rules::<WATCHED>(logger, log, given, arguments, judged, false),
    }
}

/// `Logger.exception`.
unsafe extern "C" fn exception<const WATCHED: bool>(
    logger: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    nargs: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    if nargs < 1 {
        return missing(c"exception() missing 1 required positional argument: 'event'");
    }
    let given = Given {
        level: Level::Error.number(),
        levelno: None,
    };
    // SAFETY: a method of `Logger`.
    let logger = unsafe { logger_of(logger) };
    // SAFETY: the interpreter's own arguments.
    let arguments = unsafe { Arguments::new(args, nargs, names) };
    match logger.judge(given.level) {
        None => none(),
        Some((log, Judged::Stored)) => telling::<WATCHED>(log, || {
            store_any(logger, log, given, arguments, true, Flags::NONE)
        }),
        Some((log, judged)) => by_rules::<WATCHED>(logger, log, given, arguments, judged, true),
    }
}

/// Stores, where there are rules of dynamic debug, what they or its level want.
#[cold]
#[inline(never)]
fn by_rules<const WATCHED: bool>(
    logger: &Logger,
    log: &Log,
    given: Given,
    arguments: Arguments<'_>,
    judged: Judged,
    is_exception: bool,
) -> *mut ffi::PyObject {
    let Some((event, _)) = arguments.positional.split_first() else {
        return none();
    };
    let site = site_of(logger, event, arguments.names);
    let flags = site.map_or(Flags::NONE, |site| {
        site.flags(log, logger.stored_name(), event)
    });
    let by_level = judged == Judged::Ruled(true) && logger.wants(given.level);
    if !by_level && !flags.has(Flags::PRINT) || !logger.is_admitted(log) {
        return none();
    }
    telling::<WATCHED>(log, || {
        if is_exception || flags.has(!Flags::PRINT) {
            store_any(logger, log, given, arguments, is_exception, flags)
        } else {
            store(logger, log, given, arguments)
        }
    })
}

/// Stores, and if the call is watched tells who listens before. What that raises comes when the record is stored.
#[inline(always)]
fn telling<const WATCHED: bool>(
    log: &Log,
    store: impl FnOnce() -> *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    if !WATCHED {
        return store();
    }
    let told = attached(|py| watch::told(py, log, 0));
    let stored = store();
    match told {
        Err(why) if !stored.is_null() => {
            // SAFETY: the reference that `store` has given.
            unsafe { ffi::Py_DECREF(stored) };
            answer(|_| Err(why))
        }
        _ => stored,
    }
}

/// Stores a record, the short way if there is one.
#[inline(never)]
fn store(logger: &Logger, log: &Log, given: Given, arguments: Arguments<'_>) -> *mut ffi::PyObject {
    let stored = if threads::is_new() {
        None
    } else if ambient::is_used() || redact::is_used() {
        store_with_ambient(logger, log, given, arguments)
    } else if arguments.positional.len() == 1 {
        store_simple::<false>(logger, log, given, arguments)
    } else {
        store_template(logger, log, given, arguments)
    };
    match stored {
        // Where a console makes its callers wait, a forked child has no ring yet, or a thread's name is to be kept: the way
        // that can.
        None | Some(Emit::MustWait | Emit::MustBegin) => {
            store_any(logger, log, given, arguments, false, Flags::NONE)
        }
        Some(Emit::Owing(owed)) => settle(log, owed),
        Some(_) => none(),
    }
}

/// In a section, or where callers print.
#[cold]
#[inline(never)]
fn settle(log: &Log, owed: Owed) -> *mut ffi::PyObject {
    answer(|py| logs::settle(py, log, owed))
}

/// Stores a record whose event is a template: apart, for the code of other calls is quicker without that of its arguments.
#[inline(never)]
fn store_template(
    logger: &Logger,
    log: &Log,
    given: Given,
    arguments: Arguments<'_>,
) -> Option<Emit> {
    store_simple::<true>(logger, log, given, arguments)
}

/// The short way. None: the call is none of those that can take it, and nothing has happened.
#[inline(always)]
fn store_simple<const TEMPLATE: bool>(
    logger: &Logger,
    log: &Log,
    given: Given,
    arguments: Arguments<'_>,
) -> Option<Emit> {
    let event = arguments.positional.get(0)?;
    let site = site_of(logger, event, arguments.names)?;
    let mut room = gather::room();
    let gathered = gather::<false>(logger, site, arguments, &[], &mut room)?;
    let mut payload = payload(log, logger, site, event, given, gathered)?;
    let mut args_room = args::Room::new();
    if TEMPLATE {
        payload.args = args::take(payload.event, arguments.positional, &mut args_room)?;
    }
    Some(log.emit(given.level, &payload, None))
}

/// The same with the fields that are in force around the call, and without values that the log is not to hold. It stores by
/// another door than the one above, which is made a part of its caller only if it has no other.
#[cold]
#[inline(never)]
fn store_with_ambient(
    logger: &Logger,
    log: &Log,
    given: Given,
    arguments: Arguments<'_>,
) -> Option<Emit> {
    // Where no memory can be had, it is a call for the long way.
    let stored = catch_unwind(AssertUnwindSafe(|| {
        attached(|py| {
            let event = arguments.positional.get(0)?;
            let site = site_of(logger, event, arguments.names)?;
            let around = ambient::current(py);
            let around = ambient::fields(around.as_ref());
            let mut room = gather::room();
            let gathered = gather::<true>(logger, site, arguments, around, &mut room)?;
            let mut hidden = [redact::NO_FIELD; STACK_FIELDS];
            let gathered = Gathered {
                fields: redact::without_hidden(log, gathered.fields, &mut hidden)?,
                ..gathered
            };
            let mut payload = payload(log, logger, site, event, given, gathered)?;
            if arguments.positional.len() > 1 && redact::of(log).is_some() {
                return None; // what the text would hold is looked at as text
            }
            let mut args_room = args::Room::new();
            payload.args = args::take(payload.event, arguments.positional, &mut args_room)?;
            let Some(_nest) = thread::enter() else {
                log.count_recursion();
                return Some(Emit::Refused);
            };
            Some(log.emit_inside(false, given.level, &payload, None))
        })
    }));
    stored.ok().flatten()
}

/// The site of a call.
#[inline(always)]
fn site_of<'a>(logger: &'a Logger, event: Object<'a>, names: Names<'a>) -> Option<&'a Site> {
    let caller = Caller {
        event,
        names,
        logger: logger.stored_name(),
    };
    // SAFETY: called by a log method, which Python code has called, before any Python code of its arguments.
    unsafe { site::here(caller) }
}

/// What is stored, without what the log knows of its site.
#[inline(always)]
fn payload<'r>(
    log: &Log,
    logger: &'r Logger,
    site: &'r Site,
    event: Object<'r>,
    given: Given,
    gathered: Gathered<'r>,
) -> Option<Payload<'r>> {
    let has_event = site.has_event(event);
    let mut payload = Payload {
        event: event.text()?,
        logger: logger.stored_name().map(|name| &**name),
        levelno: given.levelno,
        fields: gathered.fields,
        ambient: gathered.ambient,
        ..Payload::default()
    };
    match site.number(log, logger.stored_name()) {
        Some((id, table)) => {
            payload.site = Some(FromSite {
                id,
                table,
                has_event,
                has_logger: site.has_logger(logger.stored_name()),
                named_from: gathered.named_from,
            });
        }
        None => {
            let (file, line, func) = site.source();
            (payload.file, payload.line, payload.func) = (Some(file), line, Some(func));
        }
    }
    Some(payload)
}

/// Any call, the long way.
#[cold]
#[inline(never)]
fn store_any(
    logger: &Logger,
    log: &Log,
    given: Given,
    arguments: Arguments<'_>,
    is_exception: bool,
    flags: Flags,
) -> *mut ffi::PyObject {
    let store = |py: Python<'_>| {
        let (event, args) = arguments
            .positional
            .split_first()
            .ok_or_else(|| PyTypeError::new_err("no event"))?;
        let head = event;
        let event = bound(py, event);
        let args: Vec<_> = (0..args.len())
            .filter_map(|index| args.get(index))
            .map(|arg| bound(py, arg))
            .collect();
        let mut keywords = Vec::with_capacity(arguments.names.len());
        for index in 0..arguments.names.len() {
            if let (Some(name), Some(value)) =
                (arguments.names.get(index), arguments.values.get(index))
            {
                keywords.push((bound(py, name).cast_into::<PyString>()?, bound(py, value)));
            }
        }
        let call = Call {
            given,
            site: site_of(logger, head, arguments.names),
            flags,
            is_exception,
            event: &event,
            args: &args,
            keywords: &keywords,
        };
        call::emit(py, logger, log, &call)
    };
    match attempt(store) {
        Ok(answer) => answer,
        Err(Panicked) => {
            store_bare(logger, log, given, arguments);
            none()
        }
    }
}

/// Stores what can be had without any memory.
#[cold]
#[inline(never)]
fn store_bare(logger: &Logger, log: &Log, given: Given, arguments: Arguments<'_>) {
    let bare = Bare {
        event: arguments.positional.get(0).and_then(Object::text),
        logger: logger.stored_name().map(|name| &**name),
        level: given.level,
        levelno: given.levelno,
    };
    let _ = bare.store(log);
}

/// The object with a reference of its own.
fn bound<'py>(py: Python<'py>, object: Object<'_>) -> Bound<'py, PyAny> {
    // SAFETY: a live object; the bound one takes its own reference.
    unsafe { Bound::from_borrowed_ptr(py, object.as_ptr()) }
}

/// Runs ordinary binding code.
fn attached<R>(work: impl FnOnce(Python<'_>) -> R) -> R {
    // SAFETY: called in a function of the interpreter, which is attached.
    unsafe { Python::attach_unchecked(work) }
}

/// Runs ordinary binding code and turns its outcome into that of a raw function.
fn answer(work: impl FnOnce(Python<'_>) -> PyResult<()>) -> *mut ffi::PyObject {
    attempt(work).unwrap_or_else(|Panicked| none())
}

/// There was a panic. It was told by the panic hook and ends here, for it is not the caller's to handle: the library panics where
/// no memory can be had, and anything else would be a defect of this package.
struct Panicked;

/// Runs ordinary binding code and turns its outcome into that of a raw function, if it has one.
fn attempt(work: impl FnOnce(Python<'_>) -> PyResult<()>) -> Result<*mut ffi::PyObject, Panicked> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        attached(|py| match StandStill::within(|| work(py)) {
            Ok(()) => true,
            Err(why) => {
                why.restore(py);
                false
            }
        })
    }));
    if let Ok(false) = outcome {
        return Ok(std::ptr::null_mut());
    }
    object::clear_error(); // of a function that has said nothing of it: no memory
    outcome.map(|_| none()).map_err(|_| Panicked)
}

/// What a process has once is here for its first interpreter: in another one a log call would wait for that.
pub fn refuse_other_interpreters() -> PyResult<()> {
    // SAFETY: called attached, while a module is imported.
    let own = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: the interpreter that runs this.
    match unsafe { ffi::PyInterpreterState_GetID(own) } {
        0 => Ok(()),
        _ => Err(PyImportError::new_err(
            "printk_ring does not run in a subinterpreter: import it in the main one",
        )),
    }
}

/// None, as an answer.
#[inline(always)]
fn none() -> *mut ffi::PyObject {
    // SAFETY: a constant of the interpreter.
    let none = unsafe { ffi::Py_None() };
    // SAFETY: a live object.
    unsafe { ffi::Py_INCREF(none) };
    none
}

/// The method of a fixed level was called without anything; it is called as its level is.
#[cold]
fn missing_event(level: u8) -> *mut ffi::PyObject {
    answer(|_| {
        let method = Level::from_bits(level).name();
        Err(PyTypeError::new_err(format!(
            "{}() missing 1 required positional argument: 'event'",
            method.to_ascii_lowercase()
        )))
    })
}

#[cold]
fn missing(what: &'static CStr) -> *mut ffi::PyObject {
    answer(|_| Err(PyTypeError::new_err(what.to_string_lossy().into_owned())))
}

//! `RingHandler.handle`, the short way: a `LogRecord` whose parts are of simple types goes into its log without any Python
//! code being run. Everything else is the business of the handler's Python code, called as a part of this log call.

use crate::arguments::{MOST_ARGS, plain};
use crate::bare::Bare;
use crate::call;
use crate::ending;
use crate::fastcall::interned::name;
use crate::fastcall::kept::Kept;
use crate::fastcall::{ambient, attributes, clear_error, default_log, text_of, value_of};
use crate::log::Log;
use crate::logs::{self, LogHandle};
use crate::{redact, watch};
use pr_printk::thread;
use pr_record::{Args, Field, Level, Payload, Value, template};
use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList, PyString, PyTuple, PyType};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `printk_ring.RingHandler` is made from, beside the standard library's `Handler`.
#[pyclass(
    subclass,
    frozen,
    module = "printk_ring._native",
    name = "_RingHandler"
)]
pub struct RingHandler {
    serves: Kept<Serves>,
}

/// What a handler was made for.
struct Serves {
    /// None: the default log, whichever that is at each call.
    log: Option<LogHandle>,
    /// How many attributes a handler has that nobody has given any more. None: its class is one that somebody has derived,
    /// which may do anything.
    attributes: Option<usize>,
}

/// What the standard library's records look like.
struct Records {
    class: Py<PyType>,
    /// `LogRecord.getMessage`; None: it was replaced.
    get_message: Option<Py<PyAny>>,
    /// What `RingHandler` itself has, and how much that was to begin with: to count it is quicker than to look for a name.
    handlers: (Py<PyAny>, usize),
    /// The attributes of a fresh record, in their order, and which part each is.
    fresh: Vec<(Py<PyString>, Option<usize>)>,
    /// The attributes that a record may get later, and that are no fields either.
    later: Vec<String>,
}

static RECORDS: Kept<Records> = Kept::new();

/// What is looked at of a record's attributes.
const PARTS: [&str; 12] = [
    "msg",
    "args",
    "name",
    "levelno",
    "pathname",
    "lineno",
    "funcName",
    "thread",
    "process",
    "exc_info",
    "exc_text",
    "stack_info",
];

impl Records {
    fn get(py: Python<'_>) -> PyResult<&Records> {
        RECORDS.get_or_make(|| {
            let ours = py.import("printk_ring.integrations.logging")?;
            let class = py.import("logging")?.getattr("LogRecord")?;
            let get_message = class.getattr("getMessage")?;
            let is_own = get_message.getattr("__module__")?.eq("logging")?;
            let mut fresh = Vec::new();
            for name in ours.getattr("_FRESH_ATTRIBUTES")?.try_iter()? {
                let name = name?.cast_into::<PyString>()?;
                let part = PARTS.iter().position(|part| name == *part);
                fresh.push((name.unbind(), part));
            }
            Ok(Records {
                class: class.cast_into::<PyType>()?.unbind(),
                get_message: is_own.then(|| get_message.unbind()),
                handlers: ours.getattr("_FRESH_CLASS")?.extract()?,
                fresh,
                later: ours.getattr("_LATER_ATTRIBUTES")?.extract()?,
            })
        })
    }

    /// The name of one of [`PARTS`], as an object that is there.
    fn name_of(&self, part: &str) -> Option<&Py<PyString>> {
        let wanted = PARTS.iter().position(|name| *name == part)?;
        let found = self.fresh.iter().find(|(_, part)| *part == Some(wanted));
        found.map(|(name, _)| name)
    }

    /// True for a record of the standard library's own class, which makes its message as that does.
    fn are_of(&self, record: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = record.py();
        let Some(get_message) = &self.get_message else {
            return Ok(false);
        };
        let class = self.class.bind(py);
        Ok(record.get_type().is(class) && class.getattr(name!(py, c"getMessage"))?.is(get_message))
    }

    /// The attributes of a record: the parts, and what came by `extra`. None: a fresh record's are not all there, in their
    /// order.
    fn taken_apart<'py>(
        &self,
        all: &Bound<'py, PyDict>,
    ) -> Option<([Option<Bound<'py, PyAny>>; PARTS.len()], Extra<'py>)> {
        let mut extra = Vec::with_capacity(all.len().saturating_sub(self.fresh.len()));
        let parts = attributes::taken_apart(all, &self.fresh, |name, value| {
            let name = name.cast_into_exact::<PyString>().ok()?;
            let text = text_of(&name)?;
            if self.later.iter().all(|later| later != text) {
                extra.push((name, value));
            }
            Some(())
        })?;
        Some((parts, extra))
    }
}

type Extra<'py> = Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>;

/// A record's parts, where all are simple.
struct Parts<'py> {
    level: u8,
    levelno: i32,
    event: Bound<'py, PyString>,
    args: Option<Bound<'py, PyTuple>>,
    name: Bound<'py, PyString>,
    file: Bound<'py, PyString>,
    line: u32,
    func: Bound<'py, PyString>,
    extra: Extra<'py>,
}

#[pymethods]
impl RingHandler {
    #[new]
    #[pyo3(signature = (*args, **kwargs))]
    fn new(args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> RingHandler {
        let _ = (args, kwargs);
        RingHandler {
            serves: Kept::new(),
        }
    }

    /// Says which log it is for (None: the default one), at the end of its `__init__`. `plain`: its class is `RingHandler`
    /// itself.
    fn _serve(
        handler: &Bound<'_, Self>,
        log: Option<&Bound<'_, Log>>,
        plain: bool,
    ) -> PyResult<()> {
        Records::get(handler.py())?; // while there is memory
        let attributes = if plain {
            Some(attributes::of(handler)?.len())
        } else {
            None
        };
        let log = log.map(|log| log.get().handle().clone());
        // Whoever calls `__init__` once more keeps the log that was given first.
        handler.get().serves.keep(Serves { log, attributes });
        Ok(())
    }

    /// Filters and stores the record, without the lock that the standard library takes here.
    ///
    /// False: it was not wanted, there is no log, or this thread is too deep in log calls already.
    fn handle(handler: &Bound<'_, Self>, record: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Some(log) = log_of(handler) else {
            return Ok(false);
        };
        let handled = catch_unwind(AssertUnwindSafe(|| handled(handler, record, log)));
        handled.unwrap_or_else(|_| {
            // There was a panic, which was told, and is not the caller's to handle: no memory.
            clear_error();
            Ok(store_bare(record, log))
        })
    }
}

/// The log that a handler stores in.
#[inline(always)]
fn log_of<'a>(handler: &'a Bound<'_, RingHandler>) -> Option<&'a pr_host::Log> {
    let serves = handler.get().serves.get();
    match serves.and_then(|serves| serves.log.as_ref()) {
        Some(log) => Some(log),
        None => default_log(),
    }
}

/// Stores the record, by the short way if there is one for it. False: it was not wanted, there is no log, or this thread is
/// too deep in log calls already.
fn handled(
    handler: &Bound<'_, RingHandler>,
    record: &Bound<'_, PyAny>,
    log: &pr_host::Log,
) -> PyResult<bool> {
    let py = handler.py();
    let looked = is_plain(handler).and_then(|plain| match plain {
        true => parts(record, log),
        false => Ok(None),
    });
    if let Ok(Some(parts)) = &looked {
        if !log.is_enabled(parts.level) {
            return Ok(true);
        }
        if let Some(stored) = store(py, log, parts) {
            return stored;
        }
    }
    match looked.and_then(|_| by_python(handler, record, log)) {
        Err(why) if why.is_instance_of::<PyMemoryError>(py) => Ok(store_bare(record, log)),
        done => done,
    }
}

/// Stores what can be had of a record without any memory. False: its level is not stored.
#[cold]
#[inline(never)]
fn store_bare(record: &Bound<'_, PyAny>, log: &pr_host::Log) -> bool {
    let py = record.py();
    let part = |part: &str| {
        let name = RECORDS.get()?.name_of(part)?.bind(py); // a new one would take memory
        record.getattr(name).ok()
    };
    let text = |name| part(name)?.cast_into_exact::<PyString>().ok();
    let (event, logger) = (text("msg"), text("name"));
    let levelno = part("levelno").and_then(|levelno| levelno.extract::<i32>().ok());
    let level = levelno.map_or(Level::Info, |levelno| Level::from_stdlib(levelno.into()));
    let bare = Bare {
        event: event.as_ref().and_then(|event| text_of(event)),
        logger: logger.as_ref().and_then(|logger| text_of(logger)),
        level: level.number(),
        levelno,
    };
    bare.store(log)
}

/// Has the handler's Python code look at the record, as a part of this log call.
#[cold]
#[inline(never)]
fn by_python(
    handler: &Bound<'_, RingHandler>,
    record: &Bound<'_, PyAny>,
    log: &pr_host::Log,
) -> PyResult<bool> {
    let Some(_nest) = thread::enter() else {
        log.count_recursion();
        return Ok(false);
    };
    let handle = ending::attribute(handler, "_handle")?;
    ending::truth(&ending::call1(&handle, record)?)
}

/// True when nothing but this stands between the record and the log: no filter, no formatter, nobody's own method.
fn is_plain(handler: &Bound<'_, RingHandler>) -> PyResult<bool> {
    let py = handler.py();
    let serves = handler.get().serves.get();
    let Some(expected) = serves.and_then(|serves| serves.attributes) else {
        return Ok(false);
    };
    let own = attributes::of(handler)?;
    if own.len() != expected {
        return Ok(false);
    }
    let (class, fresh) = &Records::get(py)?.handlers;
    let class = class.bind(py);
    if class.len()? != *fresh && class.contains(name!(py, c"format"))? {
        return Ok(false); // somebody has set it on `RingHandler` itself
    }
    let formatter = own.get_item(name!(py, c"formatter"))?;
    let filters = own.get_item(name!(py, c"filters"))?;
    Ok(formatter.is_some_and(|formatter| formatter.is_none())
        && filters.is_some_and(|filters| {
            filters
                .cast_exact::<PyList>()
                .is_ok_and(|filters| filters.is_empty())
        }))
}

/// The parts of a record. None: not all are simple, or it has what Python code is to look at: an exception, a stack, another
/// thread or process that it comes from.
fn parts<'py>(record: &Bound<'py, PyAny>, log: &pr_host::Log) -> PyResult<Option<Parts<'py>>> {
    let py = record.py();
    let records = Records::get(py)?;
    if !records.are_of(record)? {
        return Ok(None);
    }
    Ok(simple(&attributes::of(record)?, records, log))
}

fn simple<'py>(
    all: &Bound<'py, PyDict>,
    records: &Records,
    log: &pr_host::Log,
) -> Option<Parts<'py>> {
    let (parts, extra) = records.taken_apart(all)?;
    let [
        msg,
        args,
        name,
        levelno,
        pathname,
        lineno,
        func,
        thread,
        process,
        rest @ ..,
    ] = parts;
    if !is_from_here(thread?, process?, log) {
        return None;
    }
    if !rest
        .into_iter()
        .all(|part| part.is_some_and(|part| part.is_none()))
    {
        return None;
    }
    let text = |part: Option<Bound<'py, PyAny>>| part?.cast_into_exact::<PyString>().ok();
    let number = |part: Option<Bound<'py, PyAny>>| {
        part.filter(|part| part.is_exact_instance_of::<PyInt>())?
            .extract::<i32>()
            .ok()
    };
    let args = args?;
    let args = if args.is_none() {
        None
    } else {
        Some(args.cast_into_exact::<PyTuple>().ok()?).filter(|args| !args.is_empty())
    };
    let levelno = number(levelno)?;
    Some(Parts {
        level: Level::from_stdlib(levelno.into()).number(),
        levelno,
        event: text(msg)?,
        args,
        name: text(name)?,
        file: text(pathname)?,
        line: u32::try_from(number(lineno)?).unwrap_or(0),
        func: text(func)?,
        extra,
    })
}

/// Whether a record was made by the thread that brings it; what it does not say is taken to be so.
fn is_from_here(thread: Bound<'_, PyAny>, process: Bound<'_, PyAny>, log: &pr_host::Log) -> bool {
    // SAFETY: asks the calling thread for its number.
    let ident = unsafe { ffi::PyThread_get_thread_ident() };
    let is = |said: &Bound<'_, PyAny>, own: u64| {
        said.is_none() || said.extract::<u64>().is_ok_and(|said| said == own)
    };
    is(&thread, ident as u64) && is(&process, u64::from(log.pid()))
}

/// Stores the record. None: one of its values is not simple after all, and nothing has happened.
fn store(py: Python<'_>, log: &pr_host::Log, parts: &Parts<'_>) -> Option<PyResult<bool>> {
    let event = text_of(&parts.event)?;
    let mut values = [Value::Null; MOST_ARGS];
    let items = parts.args.as_ref().map(items);
    let listed = items.as_ref().and_then(|args| arguments(args, &mut values));
    // What a text is not to hold is looked for in the text.
    let kept = listed
        .filter(|values| redact::of(log).is_none() && template::fits(event, values))
        .map(Args::listed);
    let message = match &parts.args {
        Some(args) if kept.is_none() => Some(rendered(&parts.event, args)?),
        _ => None,
    };
    let message = match &message {
        Some(message) => Some(text_of(message)?),
        None => None,
    };
    let around = ambient::current(py);
    let given = parts
        .extra
        .iter()
        .map(|(key, value)| {
            Some(Field {
                key: text_of(key)?,
                value: value_of(value)?,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let (fields, ambient) = call::with_ambient(ambient::fields(around.as_ref()), given);
    let payload = Payload {
        event,
        message: message.filter(|message| *message != event),
        args: kept.unwrap_or(Args::NONE),
        logger: Some(text_of(&parts.name)?),
        levelno: Some(parts.levelno),
        file: Some(text_of(&parts.file)?),
        line: parts.line,
        func: Some(text_of(&parts.func)?),
        fields: &fields,
        ambient,
        ..Payload::default()
    };
    let told = watch::told(py, log, 0);
    let Some(_nest) = thread::enter() else {
        log.count_recursion();
        return Some(told.map(|()| false));
    };
    let (_, signalled) = logs::store(py, log, parts.level, &payload, None);
    Some(signalled.and(told).map(|()| true))
}

/// What is in a tuple, in its place.
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
fn items<'a, 'py>(tuple: &'a Bound<'py, PyTuple>) -> &'a [Bound<'py, PyAny>] {
    tuple.as_slice()
}

/// The same where the place is not known.
#[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
fn items<'py>(tuple: &Bound<'py, PyTuple>) -> Vec<Bound<'py, PyAny>> {
    tuple.iter().collect()
}

/// Arguments as values. None: one of them is not simple, or they are many.
fn arguments<'r, 'a>(
    args: &'a [Bound<'_, PyAny>],
    room: &'r mut [Value<'a>; MOST_ARGS],
) -> Option<&'r [Value<'a>]> {
    for (index, arg) in args.iter().enumerate() {
        *room.get_mut(index)? = value_of(arg)?;
    }
    room.get(..args.len())
}

/// The message. None: an argument's text is made by Python code, or the template does not fit the arguments.
fn rendered<'py>(
    template: &Bound<'py, PyString>,
    args: &Bound<'py, PyTuple>,
) -> Option<Bound<'py, PyString>> {
    if !args.iter().all(|arg| plain(&arg).is_some()) {
        return None;
    }
    let message = ending::remainder(template, args).ok()?;
    message.cast_into_exact::<PyString>().ok()
}

//! A log call in full: what the fast path does not take. Any object is an event, a value, an option; nothing of it raises.

use crate::arguments::{Objects, Values};
use crate::convert::{Taken, Taker, mapping, text};
use crate::ending;
use crate::fastcall::ambient;
use crate::fastcall::site::Site;
use crate::fastcall::{Frame, looking};
use crate::levels::Given;
use crate::logger::Logger;
use crate::tstring::Template;
use crate::{logs, redact};
use pr_host::Log;
use pr_host::options::default::REDACTED;
use pr_host::rules::Flags;
use pr_printk::thread;
use pr_record::{Ambient, Args, Exc, Field, FromSite, Payload, template};
use pyo3::exceptions::{PyBaseException, PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyList, PyString, PyTuple};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Deref;

/// A call as it came.
pub struct Call<'a, 'py> {
    /// The level.
    pub given: Given,
    /// Where it was made, if that could be kept.
    pub site: Option<&'a Site>,
    /// What the rules of dynamic debug want of its message.
    pub flags: Flags,
    /// `exc_info` is True unless it is given.
    pub is_exception: bool,
    /// What the record is about.
    pub event: &'a Bound<'py, PyAny>,
    /// Arguments of the template.
    pub args: &'a [Bound<'py, PyAny>],
    /// The keywords and their values.
    pub keywords: &'a [(Bound<'py, PyString>, Bound<'py, PyAny>)],
}

/// The keywords that are no fields.
#[derive(Default)]
struct Options<'a, 'py> {
    exc_info: Option<&'a Bound<'py, PyAny>>,
    stack_info: Option<&'a Bound<'py, PyAny>>,
    stacklevel: Option<&'a Bound<'py, PyAny>>,
    extra: Option<&'a Bound<'py, PyAny>>,
}

impl<'a, 'py> Options<'a, 'py> {
    /// Where the value of the keyword belongs; None: it is a field.
    fn place(&mut self, name: &str) -> Option<&mut Option<&'a Bound<'py, PyAny>>> {
        match name {
            "exc_info" => Some(&mut self.exc_info),
            "stack_info" => Some(&mut self.stack_info),
            "stacklevel" => Some(&mut self.stacklevel),
            "extra" => Some(&mut self.extra),
            _ => None,
        }
    }
}

/// True for a keyword that is no field.
#[inline]
pub fn is_option(name: &str) -> bool {
    match name.len() {
        5 => name == "extra",
        8 => name == "exc_info",
        10 => name == "stack_info" || name == "stacklevel",
        _ => false,
    }
}

/// A record in the making.
struct Draft<'a> {
    fields: Vec<(Cow<'a, str>, Taken)>,
    message: Option<String>,
    exc: Option<(String, String, String)>,
    place: Option<Place>,
}

/// Where the call stands in the source.
struct Place {
    file: String,
    line: u32,
    func: String,
}

/// Makes the record and stores it. An error is not the call's own: an interruption that came while Python code of the
/// arguments ran, to be passed on.
pub fn emit(py: Python<'_>, logger: &Logger, log: &Log, call: &Call<'_, '_>) -> PyResult<()> {
    let level = call.given.level;
    let Some(_nest) = thread::enter() else {
        log.count_recursion(); // a `__str__` that logs itself
        return Ok(());
    };
    let mut taker = Taker::of(log);
    let mut template = Template::of(&mut taker, log, call.event);
    let event = match &template {
        Some(template) => PyString::new(py, &template.event()),
        None => taker.str_of(call.event),
    };
    let is_decorated = call.flags.has(!Flags::PRINT);
    let head = event.clone();
    let objects = Objects::of_call(call.args).filter(|_| !is_decorated && template.is_none());
    let event = text::of_str(&event);
    let values = objects.as_ref();
    let values = values.and_then(|objects| objects.for_reader(log, &event));
    let mut draft = draft(py, &mut taker, template.as_mut(), call);
    if !call.args.is_empty() && values.is_none() && template.is_none() {
        render(py, &mut taker, &mut draft, log, &head, call.args);
    }
    if is_decorated {
        decorate(&mut draft, logger, call, &head);
    }
    let around = ambient::current(py);
    let around = ambient::fields(around.as_ref());
    let (fields, ambient) = all_fields(logger.bound(), around, &draft.fields);
    let exc = draft.exc.as_ref().map(|(kind, message, stacktrace)| Exc {
        kind,
        message,
        stacktrace,
    });
    let mut payload = Payload {
        event: &event,
        message: draft.message.as_deref().filter(|message| *message != event),
        args: values.as_ref().map_or(Args::NONE, Values::args),
        logger: logger.stored_name().map(|name| &**name),
        levelno: call.given.levelno,
        file: draft.place.as_ref().map(|place| &*place.file),
        line: draft.place.as_ref().map_or(0, |place| place.line),
        func: draft.place.as_ref().map(|place| &*place.func),
        exc,
        fields: &fields,
        ambient,
        site: None,
    };
    let found = if payload.file.is_some() {
        None
    } else {
        call.site
    };
    name_site(&mut payload, found, log, &head, logger);
    let (_, signalled) = logs::store(py, log, level, &payload, None);
    taker.interrupt().map_or(signalled, Err)
}

/// The longest that is put in front of a message.
const MOST_DECORATION: usize = 128;

/// Puts in front of the message what the rules of dynamic debug ask for.
fn decorate(
    draft: &mut Draft<'_>,
    logger: &Logger,
    call: &Call<'_, '_>,
    event: &Bound<'_, PyString>,
) {
    let (file, line, func) = match (&draft.place, call.site) {
        (Some(place), _) => (&*place.file, place.line, &*place.func),
        (None, Some(site)) => site.source(),
        (None, None) => return,
    };
    let mut front = String::new();
    if call.flags.has(Flags::THREAD) {
        front += &format!("[{}] ", thread::tid());
    }
    let module = logger.stored_name().map_or("", |name| &**name);
    let line = line.to_string();
    for (flag, part) in [
        (Flags::MODULE, module),
        (Flags::FUNCTION, func),
        (Flags::SOURCE, file),
        (Flags::LINE, &line),
    ] {
        if call.flags.has(flag) && !part.is_empty() {
            front += part;
            front.push(':');
        }
    }
    let end = (0..=front.len().min(MOST_DECORATION)).rev();
    let cut = end
        .filter_map(|end| front.get(..end))
        .next()
        .unwrap_or_default();
    let message = draft
        .message
        .take()
        .unwrap_or_else(|| text::of_str(event).into_owned());
    let blank = if cut.ends_with(' ') || cut.is_empty() {
        ""
    } else {
        " "
    };
    draft.message = Some(format!("{cut}{blank}{message}"));
}

/// Leaves to the site what the log knows of it; or says it.
fn name_site<'a>(
    payload: &mut Payload<'a>,
    site: Option<&'a Site>,
    log: &Log,
    event: &Bound<'_, PyString>,
    logger: &Logger,
) {
    let Some(site) = site else {
        return;
    };
    let number = if redact::keeps_sites_out(log) {
        None
    } else {
        site.number(log, logger.stored_name())
    };
    match number {
        Some((id, table)) => {
            payload.site = Some(FromSite {
                id,
                table,
                has_event: site.is_event(event),
                has_logger: site.has_logger(logger.stored_name()),
                named_from: payload.fields.len(),
            });
        }
        None => {
            let (file, line, func) = site.source();
            (payload.file, payload.line, payload.func) = (Some(file), line, Some(func));
        }
    }
}

/// The bound fields, with the call's value where it gives one of that name; those around the call that it does not give;
/// then the others of the call. And which of them are ambient.
pub fn all_fields<'a, K: Deref<Target = str>>(
    bound: &'a [(Box<str>, Taken)],
    around: &'a [(Box<str>, Taken)],
    given: &'a [(K, Taken)],
) -> (Vec<Field<'a>>, Ambient) {
    let given = || given.iter().map(|(key, value)| (&**key, value));
    let field = |(key, value): (&'a str, &'a Taken)| Field {
        key,
        value: value.value(),
    };
    if bound.is_empty() && around.is_empty() {
        return (given().map(field).collect(), Ambient::default());
    }
    let anew: HashMap<&str, &Taken> = given().collect();
    let names: HashSet<&str> = bound.iter().map(|(key, _)| &**key).collect();
    let around_names: HashSet<&str> = around.iter().map(|(key, _)| &**key).collect();
    let mut fields: Vec<Field<'a>> = bound
        .iter()
        .map(|(key, value)| (&**key, anew.get(&**key).copied(), value))
        .filter(|(key, anew, _)| anew.is_some() || !around_names.contains(key))
        .map(|(key, anew, value)| field((key, anew.unwrap_or(value))))
        .collect();
    let from = fields.len();
    let own = around.iter().map(|(key, value)| (&**key, value));
    fields.extend(own.filter(|(key, _)| !anew.contains_key(key)).map(field));
    let to = fields.len();
    fields.extend(given().filter(|(key, _)| !names.contains(key)).map(field));
    (fields, Ambient { from, to })
}

/// Fields of a call that has no bound ones: those around the call that it does not give, then its own. And which of them
/// are ambient.
pub fn with_ambient<'a>(
    around: &'a [(Box<str>, Taken)],
    given: Vec<Field<'a>>,
) -> (Vec<Field<'a>>, Ambient) {
    if around.is_empty() {
        return (given, Ambient::default());
    }
    let is_given: HashSet<&str> = given.iter().map(|field| field.key).collect();
    let mut fields: Vec<Field<'a>> = around
        .iter()
        .filter(|(key, _)| !is_given.contains(&**key))
        .map(|(key, value)| Field {
            key,
            value: value.value(),
        })
        .collect();
    let to = fields.len();
    fields.extend(given);
    (fields, Ambient { from: 0, to })
}

/// The fields of a mapping.
pub fn taken(
    taker: &mut Taker,
    fields: Option<&Bound<'_, PyAny>>,
) -> PyResult<Vec<(String, Taken)>> {
    let mut list = Vec::new();
    if let Some(fields) = fields {
        for (key, value) in mapping::entries(fields)? {
            list.push((taker.text_of(&key), taker.take(&value)));
        }
    }
    Ok(list)
}

impl Draft<'_> {
    fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(key, _)| &**key)
    }

    /// Adds a field unless there is one of that name.
    fn add_new(&mut self, key: &'static str, value: Taken) {
        if self.keys().all(|known| known != key) {
            self.fields.push((Cow::Borrowed(key), value));
        }
    }
}

fn draft<'a>(
    py: Python<'_>,
    taker: &mut Taker,
    template: Option<&mut Template<'_>>,
    call: &'a Call<'_, '_>,
) -> Draft<'a> {
    let mut options = Options::default();
    let mut draft = Draft {
        fields: Vec::with_capacity(call.keywords.len()),
        message: None,
        exc: None,
        place: None,
    };
    for (name, value) in call.keywords {
        let name = text::of_str(name);
        match options.place(&name) {
            Some(place) => *place = Some(value),
            None => draft.fields.push((name, taker.take(value))),
        }
    }
    if let Some(template) = template {
        fill_in(py, taker, &mut draft, template, call.args);
    }
    let level = options.stacklevel.and_then(stacklevel);
    if options
        .stack_info
        .is_some_and(|wanted| is_true(taker, wanted))
    {
        let stack = py
            .import("printk_ring.exceptions")
            .and_then(|module| module.getattr("stack"))
            .and_then(|stack| ending::call(&stack, &(level.unwrap_or(1),).into_pyobject(py)?));
        if let Some(stack) = taker.ok(py, stack) {
            draft.fields.push((
                Cow::Borrowed("stack_info"),
                Taken::Str(taker.text_of(&stack)),
            ));
        }
    }
    if let Some(extra) = options.extra {
        add_extra(taker, &mut draft, extra);
    }
    draft.exc = described(py, taker, options.exc_info, call.is_exception);
    if level.is_some_and(|level| level > 1) || call.site.is_none() {
        let place = looking(|| place(py, level.unwrap_or(1)));
        draft.place = place.and_then(|place| taker.ok(py, place));
    }
    draft
}

/// Fields from `extra`; those that the call gives by keyword win. What is no mapping is itself a field.
fn add_extra(taker: &mut Taker, draft: &mut Draft<'_>, extra: &Bound<'_, PyAny>) {
    if extra.is_none() {
        return;
    }
    let Some(entries) = taker.ok(extra.py(), mapping::entries(extra)) else {
        let value = taker.take(extra);
        return draft.add_new("extra", value);
    };
    let mut known: HashSet<String> = draft.keys().map(str::to_owned).collect();
    for (key, value) in entries {
        let key = taker.text_of(&key);
        let value = taker.take(&value);
        if known.insert(key.clone()) {
            draft.fields.push((Cow::Owned(key), value));
        }
    }
}

/// Fields and message of a template string. Fields that the call gives by keyword win.
fn fill_in(
    py: Python<'_>,
    taker: &mut Taker,
    draft: &mut Draft<'_>,
    template: &mut Template<'_>,
    args: &[Bound<'_, PyAny>],
) {
    let fields = template.fields(taker, draft.keys()).into_iter();
    draft
        .fields
        .splice(0..0, fields.map(|(name, value)| (Cow::Owned(name), value)));
    match template.message(taker) {
        Ok(message) if args.is_empty() => draft.message = Some(message),
        Ok(message) => {
            draft.message = Some(message);
            let why = PyTypeError::new_err("a template string takes no arguments");
            tell_misfit(py, taker, draft, args, why);
        }
        Err(why) => tell_misfit(py, taker, draft, args, why),
    }
}

/// The message: the event with its arguments.
fn render(
    py: Python<'_>,
    taker: &mut Taker,
    draft: &mut Draft<'_>,
    log: &Log,
    event: &Bound<'_, PyString>,
    args: &[Bound<'_, PyAny>],
) {
    let shown = redact::shown::arguments(taker, log, event, args);
    let why = match shown.and_then(|args| attempt(py, taker, log, event, &args)) {
        Ok(Rendered { message, why }) => {
            draft.message = Some(message);
            why
        }
        Err(why) => Some(why),
    };
    if let Some(why) = why {
        tell_misfit(py, taker, draft, args, why);
    }
}

/// What is wrong with a template that asks for more padding than any record holds.
pub fn too_much_padding() -> PyErr {
    let most = template::MOST_PADDING;
    let why = format!("the template's widths and precisions add up to more than {most}");
    PyValueError::new_err(why)
}

/// A message, and what was wrong if it does not have all of its arguments.
struct Rendered {
    message: String,
    why: Option<PyErr>,
}

/// As the interpreter puts them together; else one by one: what is hidden fits no number, and an object may have no text.
fn attempt(
    py: Python<'_>,
    taker: &mut Taker,
    log: &Log,
    event: &Bound<'_, PyString>,
    args: &[Bound<'_, PyAny>],
) -> PyResult<Rendered> {
    if is_enormous(event, args) {
        return Err(too_much_padding());
    }
    let right = right_of(py, args)?;
    let why = match ending::remainder(event, &right) {
        Ok(message) => {
            let message = taker.owned(message.cast::<PyString>()?);
            return Ok(Rendered { message, why: None });
        }
        Err(why) => why,
    };
    if !why.is_instance_of::<PyException>(py) {
        return Err(why);
    }
    let hidden = redact::of(log).map(|_| REDACTED);
    let second = py
        .import("printk_ring.templates")
        .and_then(|module| module.getattr("second_try"))
        .and_then(|again| ending::call(&again, &(event, right, hidden).into_pyobject(py)?));
    let second = taker.ok(py, second);
    let second = second.and_then(|second| second.extract::<(Bound<'_, PyString>, bool)>().ok());
    match second {
        Some((message, is_whole)) => Ok(Rendered {
            message: taker.owned(&message),
            why: (!is_whole).then_some(why),
        }),
        None => Err(why),
    }
}

/// If values do not fit their template, the record says so, and which arguments there were.
fn tell_misfit(
    py: Python<'_>,
    taker: &mut Taker,
    draft: &mut Draft<'_>,
    args: &[Bound<'_, PyAny>],
    why: PyErr,
) {
    let kind = why
        .get_type(py)
        .name()
        .map_or_else(|_| "Exception".to_owned(), |name| text::owned(&name));
    let told = taker.text_of(&why.value(py).clone().into_any());
    if !args.is_empty() {
        let args = PyList::new(py, args).map(Bound::into_any);
        let args = taker
            .ok(py, args)
            .map_or(Taken::Null, |args| taker.take(&args));
        draft.add_new("format_args", args);
    }
    let _: Option<()> = taker.ok(py, Err(why));
    draft.add_new("format_error", Taken::Str(format!("{kind}: {told}")));
}

fn is_enormous(event: &Bound<'_, PyString>, args: &[Bound<'_, PyAny>]) -> bool {
    let int = |n: usize| args.get(n)?.cast::<PyInt>().ok()?.extract::<i64>().ok();
    template::is_enormous(&event.to_string_lossy(), int)
}

/// What stands right of the `%`: an only mapping that is not empty, or all arguments.
fn right_of<'py>(py: Python<'py>, args: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
    match args {
        [only] if mapping::is_mapping(only)? && ending::truth(only)? => Ok(only.clone()),
        _ => Ok(PyTuple::new(py, args)?.into_any()),
    }
}

/// Type, message and stack trace of the exception that `exc_info` names.
fn described(
    py: Python<'_>,
    taker: &mut Taker,
    exc_info: Option<&Bound<'_, PyAny>>,
    is_exception: bool,
) -> Option<(String, String, String)> {
    let wanted = match exc_info {
        None if !is_exception => return None,
        None => true.into_pyobject(py).ok()?.to_owned().into_any(),
        Some(given) => given.clone(),
    };
    if !wanted.is_instance_of::<PyBaseException>() && !is_true(taker, &wanted) {
        return None;
    }
    let described = py
        .import("printk_ring.exceptions")
        .and_then(|module| module.getattr("describe"))
        .and_then(|describe| ending::call(&describe, &(wanted,).into_pyobject(py)?));
    let described = taker.ok(py, described)?.cast_into::<PyTuple>().ok()?;
    let mut parts = described.iter().map(|part| taker.text_of(&part));
    Some((parts.next()?, parts.next()?, parts.next()?))
}

/// Truth; an object that cannot tell is not true.
fn is_true(taker: &mut Taker, object: &Bound<'_, PyAny>) -> bool {
    taker
        .ok(object.py(), ending::truth(object))
        .unwrap_or(false)
}

/// The number of `stacklevel`, at least 1. None: it is no number.
fn stacklevel(given: &Bound<'_, PyAny>) -> Option<u32> {
    let given = given.cast::<PyInt>().ok()?;
    let number = given.extract::<i64>().unwrap_or_else(|_| {
        if given.gt(0).unwrap_or(false) {
            i64::MAX
        } else {
            1
        }
    });
    Some(u32::try_from(number.max(1)).unwrap_or(u32::MAX))
}

/// File, line and function of the frame that is `level` calls up, or of the outermost. Not by `sys._getframe`: where C code calls,
/// as what a weak reference calls back when a function ends, that takes the interpreter's own frame for one of code, and crashes.
fn place(py: Python<'_>, level: u32) -> PyResult<Place> {
    let nobody = || PyValueError::new_err("no Python code calls");
    let mut frame = Frame::current(py).ok_or_else(nobody)?;
    for _ in 1..level {
        let Some(outer) = frame.outer()? else {
            break;
        };
        frame = outer;
    }
    let code = frame.code()?;
    Ok(Place {
        file: text::owned(code.getattr("co_filename")?.cast::<PyString>()?),
        line: frame.line()?,
        func: text::owned(code.getattr("co_name")?.cast::<PyString>()?),
    })
}

//! Arguments that are left to whoever reads the record, by calls that do not take the short way: those with an exception, a
//! stack or an `extra`, and records of the standard library that Python code has looked at.

use crate::convert::mapping;
use crate::redact;
use pr_host::Log;
use pr_record::{Args, Field, Text, Value, template};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyString, PyTuple};

/// Arguments up to this number are kept as they are, and put into their template by whoever reads the record.
pub const MOST_ARGS: usize = 8;

/// The objects that arguments are taken from: each behind its name, where they have names.
pub struct Objects<'py> {
    is_named: bool,
    entries: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>,
}

impl<'py> Objects<'py> {
    /// Of a call: an only argument that is a dict, and not empty, has names. None: they are none, or too many.
    pub fn of_call(args: &[Bound<'py, PyAny>]) -> Option<Objects<'py>> {
        if args.is_empty() || args.len() > MOST_ARGS {
            return None;
        }
        if let [only] = args
            && let Ok(dict) = only.cast_exact::<PyDict>()
        {
            return Objects::of_dict(dict);
        }
        let entries = args.iter().map(|arg| (arg.clone(), arg.clone()));
        Some(Objects {
            is_named: false,
            entries: entries.collect(),
        })
    }

    /// Of a record of the standard library, which has a dict in place of a tuple with nothing else in it.
    pub fn of_record(args: &Bound<'py, PyAny>) -> Option<Objects<'py>> {
        if let Ok(dict) = args.cast_exact::<PyDict>() {
            return Objects::of_dict(dict);
        }
        let args = args.cast_exact::<PyTuple>().ok()?;
        let is_dict = |arg: Bound<'_, PyAny>| arg.is_instance_of::<PyDict>();
        if args.iter().any(is_dict) {
            return None;
        }
        let args: Vec<_> = args.iter().collect();
        Objects::of_call(&args)
    }

    fn of_dict(dict: &Bound<'py, PyDict>) -> Option<Objects<'py>> {
        if dict.len() > MOST_ARGS {
            return None;
        }
        let entries = mapping::copied(dict);
        // The copy counts: without the interpreter's lock another thread may have changed the dict since.
        let fits = !entries.is_empty() && entries.len() <= MOST_ARGS;
        fits.then_some(Objects {
            is_named: true,
            entries,
        })
    }

    /// Their values, if a reader of this log's records can put them into the event just as the interpreter does. None: it is
    /// the call that has to.
    pub fn for_reader<'a>(&'a self, log: &Log, event: &str) -> Option<Values<'a>> {
        if redact::of(log).is_some() {
            return None; // what a text is not to hold is looked for in the text
        }
        let values = if self.is_named {
            let entries = self.entries.iter();
            let fields = entries.map(|(key, value)| {
                let key = key.cast_exact::<PyString>().ok()?.to_str().ok()?;
                let value = plain(value)?;
                Some(Field { key, value })
            });
            Values::Named(fields.collect::<Option<_>>()?)
        } else {
            let values = self.entries.iter().map(|(_, value)| plain(value));
            Values::Listed(values.collect::<Option<_>>()?)
        };
        values.fit(event).then_some(values)
    }
}

/// Arguments as a record keeps them.
pub enum Values<'a> {
    /// In the order of the conversions.
    Listed(Vec<Value<'a>>),
    /// By their names.
    Named(Vec<Field<'a>>),
}

impl Values<'_> {
    /// For a payload.
    pub fn args(&self) -> Args<'_> {
        match self {
            Values::Listed(values) => Args::listed(values),
            Values::Named(fields) => Args::named(fields),
        }
    }

    /// Whether a reader shows this text.
    pub fn show(&self, event: &str, text: &str) -> bool {
        Text::new(event, self.args()) == *text
    }

    fn fit(&self, event: &str) -> bool {
        match self {
            Values::Listed(values) => template::fits(event, values),
            Values::Named(fields) => template::fits_named(event, fields),
        }
    }
}

/// The value of an object that is exactly of a simple type.
pub fn plain<'a>(object: &'a Bound<'_, PyAny>) -> Option<Value<'a>> {
    if let Ok(text) = object.cast_exact::<PyString>() {
        return text.to_str().ok().map(Value::Str);
    }
    if object.is_exact_instance_of::<PyInt>() {
        return object.extract().ok().map(Value::Int);
    }
    if let Ok(number) = object.cast_exact::<PyFloat>() {
        return Some(Value::Float(number.value()));
    }
    if let Ok(truth) = object.cast_exact::<PyBool>() {
        return Some(Value::Bool(truth.is_true()));
    }
    if object.is_none() {
        return Some(Value::Null);
    }
    let bytes = object.cast_exact::<PyBytes>().ok()?;
    Some(Value::Bytes(bytes.as_bytes()))
}

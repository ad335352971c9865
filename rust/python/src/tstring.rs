//! Template strings (`t"..."`, Python 3.14) as events: the text as it is written, a field for each value, and the message that an
//! f-string would be.

use crate::convert::{Taken, Taker, text};
use crate::{ending, redact};
use pr_host::Log;
use pr_host::options::default::REDACTED;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use std::fmt::Write;

/// A template string, taken apart.
pub struct Template<'py> {
    strings: Vec<Bound<'py, PyString>>,
    values: Vec<Interpolation<'py>>,
}

/// One value in it, and how it is to be written.
struct Interpolation<'py> {
    /// Of the field: the expression if that is a name, else which one in the template it is, from 0 on.
    name: String,
    /// The expression names what the log is not to hold.
    is_hidden: bool,
    value: Bound<'py, PyAny>,
    conversion: Bound<'py, PyAny>,
    format_spec: Bound<'py, PyAny>,
}

impl<'py> Template<'py> {
    /// The template string that an event is. None: it is something else.
    pub fn of(taker: &mut Taker, log: &Log, event: &Bound<'py, PyAny>) -> Option<Template<'py>> {
        if !is_template(event) {
            return None;
        }
        taker.ok(event.py(), Template::parts(log, event))
    }

    fn parts(log: &Log, event: &Bound<'py, PyAny>) -> PyResult<Template<'py>> {
        let strings = tuple(event, "strings")?;
        let strings: Result<Vec<_>, _> = strings.iter().map(Bound::cast_into::<PyString>).collect();
        let mut values = Vec::new();
        for (index, given) in tuple(event, "interpolations")?.iter().enumerate() {
            let expression = ending::attribute(&given, "expression")?;
            let expression = ending::method(&expression, "strip")?;
            let is_name = ending::method(&expression, "isidentifier")?.is_truthy()?;
            let expression = text::owned(expression.cast::<PyString>()?);
            values.push(Interpolation {
                is_hidden: redact::hides_part_of(log, &expression),
                name: if is_name {
                    expression
                } else {
                    index.to_string()
                },
                value: ending::attribute(&given, "value")?,
                conversion: ending::attribute(&given, "conversion")?,
                format_spec: ending::attribute(&given, "format_spec")?,
            });
        }
        Ok(Template {
            strings: strings?,
            values,
        })
    }

    /// The event: the text with the fields' names in braces. Braces of the text are doubled, as in the source.
    pub fn event(&self) -> String {
        let mut event = String::new();
        for (index, part) in self.strings.iter().enumerate() {
            for character in text::of_str(part).chars() {
                event.push(character);
                if matches!(character, '{' | '}') {
                    event.push(character);
                }
            }
            if let Some(value) = self.values.get(index) {
                let _ = write!(event, "{{{}}}", value.name); // a String takes it
            }
            if event.len() > text::LONGEST {
                break;
            }
        }
        event
    }

    /// The fields, each name once.
    pub fn fields(&self, taker: &mut Taker) -> Vec<(String, Taken)> {
        let mut fields: Vec<(String, Taken)> = Vec::with_capacity(self.values.len());
        for value in &self.values {
            if fields.iter().all(|(known, _)| *known != value.name) {
                let taken = if value.is_hidden {
                    Taken::Str(REDACTED.to_owned())
                } else {
                    taker.take(&value.value)
                };
                fields.push((value.name.clone(), taken));
            }
        }
        fields
    }

    /// The message.
    pub fn message(&self) -> PyResult<String> {
        let mut message = String::new();
        for (index, part) in self.strings.iter().enumerate() {
            message += &text::of_str(part);
            if let Some(value) = self.values.get(index) {
                message += &value.written()?;
            }
            if message.len() > text::LONGEST {
                break; // what lies beyond no record can hold
            }
        }
        Ok(message)
    }
}

impl Interpolation<'_> {
    /// The value as an f-string writes it.
    fn written(&self) -> PyResult<String> {
        if self.is_hidden {
            return Ok(REDACTED.to_owned());
        }
        let conversion = self.conversion.extract::<Option<char>>()?;
        let converted = match conversion {
            None => self.value.clone(),
            Some('s') => ending::str(&self.value)?.into_any(),
            Some('r') => ending::repr(&self.value)?,
            Some('a') => ending::ascii(&self.value)?,
            Some(other) => {
                let why = format!("a conversion is s, r or a, not {other}");
                return Err(PyTypeError::new_err(why));
            }
        };
        let written = ending::format(&converted, &self.format_spec)?;
        Ok(text::owned(written.cast::<PyString>()?))
    }
}

fn tuple<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyTuple>> {
    Ok(ending::attribute(object, name)?.cast_into::<PyTuple>()?)
}

/// By the name of its type: a literal makes one without the module that has that type, which is not imported for this.
fn is_template(event: &Bound<'_, PyAny>) -> bool {
    let class = event.get_type();
    let is_named = |name: PyResult<Bound<'_, PyString>>, wanted: &str| {
        name.is_ok_and(|name| name.to_str().is_ok_and(|name| name == wanted))
    };
    is_named(class.name(), "Template") && is_named(class.module(), "string.templatelib")
}

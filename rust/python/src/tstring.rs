//! Template strings (`t"..."`, Python 3.14) as events: the text as it is written, a field for each value, and the message that an
//! f-string would be.

use crate::call;
use crate::convert::{Kind, Taken, Taker, is_fraction, kind_of, text};
use crate::{ending, redact};
use pr_host::Log;
use pr_host::options::default::REDACTED;
use pr_record::template;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyComplex, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use std::collections::HashSet;
use std::fmt::Write;

/// How deep a template string may lie in collections to be found there.
const MOST_DEPTH: usize = 8;

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
    /// The value's text would show something of that kind.
    is_hidden_in_text: bool,
    /// The value, where it had to be taken to know.
    taken: Option<Taken>,
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
        let template = Template::parts(taker, log, event);
        taker.ok(event.py(), template)
    }

    fn parts(taker: &mut Taker, log: &Log, event: &Bound<'py, PyAny>) -> PyResult<Template<'py>> {
        let strings = tuple(event, "strings")?;
        let strings: Result<Vec<_>, _> = strings.iter().map(Bound::cast_into::<PyString>).collect();
        let mut values = Vec::new();
        for (index, given) in tuple(event, "interpolations")?.iter().enumerate() {
            let mut value = Interpolation::of(index, &given)?;
            if redact::of(log).is_some() {
                value.hide(taker, log, &given)?;
            }
            values.push(value);
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

    /// The fields, each name once, but for those that are given already.
    pub fn fields<'a>(
        &'a mut self,
        taker: &mut Taker,
        given: impl Iterator<Item = &'a str>,
    ) -> Vec<(String, Taken)> {
        let mut known: HashSet<&str> = given.collect();
        let mut fields = Vec::new();
        let mut size = 0;
        for value in &mut self.values {
            if size > text::LONGEST {
                break; // what lies beyond no record can hold
            }
            if known.insert(&value.name) {
                size += value.name.len();
                let taken = match value.taken.take() {
                    _ if value.is_hidden => Taken::Str(REDACTED.to_owned()),
                    Some(taken) => taken,
                    None => taker.take(&value.value),
                };
                fields.push((value.name.clone(), taken));
            }
        }
        fields
    }

    /// The message. Patterns look for their matches in all of it, before it is cut.
    pub fn message(&self, taker: &mut Taker) -> PyResult<String> {
        let longest = if taker.has_patterns() {
            usize::MAX
        } else {
            text::LONGEST
        };
        let mut message = String::new();
        let mut padding = 0;
        for (index, part) in self.strings.iter().enumerate() {
            message += &text::of_str(part);
            if let Some(value) = self.values.get(index) {
                message += &value.written(longest, &mut padding)?;
            }
            if message.len() > longest {
                break; // what lies beyond no record can hold
            }
        }
        match self.strings.first() {
            Some(part) if message.len() > text::LONGEST && taker.has_patterns() => {
                let message = redact::without_matches(part.py(), taker, &message);
                Ok(text::cut(&message, text::LONGEST).to_owned())
            }
            _ => Ok(message),
        }
    }
}

impl<'py> Interpolation<'py> {
    fn of(index: usize, given: &Bound<'py, PyAny>) -> PyResult<Interpolation<'py>> {
        let expression = expression(given)?;
        let is_name = ending::method(expression.as_any(), "isidentifier")?.is_truthy()?;
        Ok(Interpolation {
            name: if is_name {
                text::owned(&expression)
            } else {
                index.to_string()
            },
            is_hidden: false,
            is_hidden_in_text: false,
            taken: None,
            value: ending::attribute(given, "value")?,
            conversion: ending::attribute(given, "conversion")?,
            format_spec: ending::attribute(given, "format_spec")?,
        })
    }

    /// Looks whether this log may hold it.
    fn hide(&mut self, taker: &mut Taker, log: &Log, given: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = given.py();
        let expression = text::owned(&expression(given)?);
        self.is_hidden = redact::hides_part_of(py, taker, log, &expression);
        self.is_hidden_in_text = self.is_hidden || holds_template(&self.value);
        if !self.is_hidden_in_text {
            let taken = taker.take(&self.value);
            self.is_hidden_in_text = redact::hides_within(py, taker, log, &taken.value())
                || redact::shown::of(taker, &self.value).is_some();
            self.taken = Some(taken);
        }
        Ok(())
    }

    /// The value as an f-string writes it, at most so many bytes. `padding` is that of the values before it, and then of this
    /// one too.
    fn written(&self, longest: usize, padding: &mut u64) -> PyResult<String> {
        if self.is_hidden_in_text {
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
        *padding = padding.saturating_add(asked_of(&converted, &self.format_spec));
        if *padding > template::MOST_PADDING {
            return Err(call::too_much_padding());
        }
        let written = ending::format(&converted, &self.format_spec)?;
        Ok(text::cut(&text::of_str(written.cast::<PyString>()?), longest).to_owned())
    }
}

/// How much padding a format asks for, of a value that would be given it: a dozen digits of a width are as many bytes as a
/// machine has not got. Other values do with their format what they like.
fn asked_of(value: &Bound<'_, PyAny>, format_spec: &Bound<'_, PyAny>) -> u64 {
    let is_text = value.is_instance_of::<PyString>();
    match format_spec.cast::<PyString>() {
        Ok(spec) if is_text || is_number(value) => asked(&text::of_str(spec), is_text),
        _ => 0,
    }
}

fn is_number(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyInt>()
        || value.is_instance_of::<PyFloat>()
        || value.is_instance_of::<PyComplex>()
        || matches!(kind_of(value), Some(Kind::Decimal | Kind::Numpy))
        || is_fraction(value)
}

/// Width and precision of a format together. Of text a precision takes something off.
fn asked(spec: &str, is_text: bool) -> u64 {
    let mut rest = spec.chars();
    rest.next(); // what it is filled with may be anything, a digit too
    let is_aligned = rest.next().is_some_and(|align| "<>=^".contains(align));
    let sizes = if is_aligned { rest.as_str() } else { spec };
    let (width, precision) = sizes.split_once('.').unwrap_or((sizes, ""));
    let precision = if is_text { 0 } else { first_number(precision) };
    first_number(width).saturating_add(precision)
}

fn first_number(text: &str) -> u64 {
    text.bytes()
        .skip_while(|byte| !byte.is_ascii_digit())
        .take_while(u8::is_ascii_digit)
        .map(|digit| u64::from(digit.wrapping_sub(b'0')))
        .fold(0, |number: u64, digit| {
            number.saturating_mul(10).saturating_add(digit)
        })
}

fn tuple<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyTuple>> {
    Ok(ending::attribute(object, name)?.cast_into::<PyTuple>()?)
}

fn expression<'py>(interpolation: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let expression = ending::attribute(interpolation, "expression")?;
    Ok(ending::method(&expression, "strip")?.cast_into::<PyString>()?)
}

/// By the name of its type: a literal makes one without the module that has that type, which is not imported for this.
pub fn is_template(object: &Bound<'_, PyAny>) -> bool {
    let is = |name: &Bound<'_, PyString>, wanted| name.to_str().is_ok_and(|name| name == wanted);
    let class = object.get_type();
    class.name().is_ok_and(|name| is(&name, "Template"))
        && ending::attribute(&class, "__module__").is_ok_and(|module| {
            module
                .cast::<PyString>()
                .is_ok_and(|module| is(module, "string.templatelib"))
        })
}

/// Whether an object is a template string, or a collection with one in it: its text shows the values of that, whatever their
/// names.
pub fn holds_template(object: &Bound<'_, PyAny>) -> bool {
    holds_template_within(object, MOST_DEPTH)
}

fn holds_template_within(object: &Bound<'_, PyAny>, depth: usize) -> bool {
    let Some(within) = depth.checked_sub(1) else {
        return false;
    };
    let holds = |item: Bound<'_, PyAny>| holds_template_within(&item, within);
    if let Ok(list) = object.cast::<PyList>() {
        return list.iter().any(holds);
    }
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return tuple.iter().any(holds);
    }
    if let Ok(dict) = object.cast::<PyDict>() {
        return dict.values().iter().any(holds);
    }
    is_template(object)
}

/// What stands in the log in the place of what it hides. None: it hides nothing.
#[pyfunction]
#[pyo3(signature = (log, /))]
pub fn _hidden(log: &Bound<'_, crate::log::Log>) -> Option<&'static str> {
    redact::of(log.get().handle()).map(|_| REDACTED)
}

/// This object as the log may hold its text: itself, or a copy with the values hidden that are under such names, and template
/// strings; `[redacted]` for one of these. An error is an interruption that came meanwhile.
#[pyfunction]
#[pyo3(signature = (log, object, /))]
pub fn _as_held<'py>(
    log: &Bound<'py, crate::log::Log>,
    object: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let log = log.get().handle();
    if redact::of(log).is_none() {
        return Ok(object);
    }
    if is_template(&object) {
        return Ok(PyString::new(object.py(), REDACTED).into_any());
    }
    let mut taker = Taker::of(log);
    let shown = redact::shown::of(&mut taker, &object);
    taker.interrupt().map_or(Ok(()), Err)?;
    Ok(shown.unwrap_or(object))
}

/// The mapping that a template takes its arguments from, as the log may make text of it: itself, or a copy with the values hidden
/// that are under such names. An error is an interruption that came meanwhile.
#[pyfunction]
#[pyo3(signature = (log, template, mapping, /))]
pub fn _named_as_held<'py>(
    log: &Bound<'py, crate::log::Log>,
    template: &Bound<'py, PyString>,
    mapping: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let log = log.get().handle();
    let mut taker = Taker::of(log);
    let args = [mapping];
    let shown = redact::shown::arguments(&mut taker, log, template, &args);
    let shown = taker.ok(template.py(), shown).map(|shown| shown[0].clone());
    taker.interrupt().map_or(Ok(()), Err)?;
    let [mapping] = args;
    Ok(shown.unwrap_or(mapping))
}

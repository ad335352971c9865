//! What a log is not to hold: values under names, and texts that match patterns. They are replaced before a record is
//! encoded, so that no byte of them is in the ring.

mod command_line;
pub mod shown;

use crate::beside;
use crate::convert::take::{Tree, seal};
use crate::convert::{Taken, Taker, text};
use crate::ending;
use crate::errors;
use crate::fastcall::glance::GLANCE;
use pr_host::Log;
use pr_host::options::default::REDACTED;
use pr_record::{Exc, Field, Payload, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What is to be hidden in one log.
#[derive(Debug)]
pub struct Redaction {
    names: Vec<Box<str>>,
    patterns: Vec<Pattern>,
}

/// The two methods of a compiled pattern that are needed.
#[derive(Debug)]
struct Pattern {
    sub: Py<PyAny>,
    fullmatch: Py<PyAny>,
}

/// What an array of fields is filled with.
pub const NO_FIELD: Field<'static> = Field {
    key: "",
    value: Value::Null,
};

/// What all logs of this process hide.
static EVERYWHERE: Mutex<Vec<Weak<Redaction>>> = Mutex::new(Vec::new());

/// One load, which is all that it costs those who hide nothing.
#[inline(always)]
pub fn is_used() -> bool {
    GLANCE.hides.load(Ordering::Relaxed)
}

/// What this log hides.
#[inline]
pub fn of(log: &Log) -> Option<&Redaction> {
    if is_used() {
        beside::of(log)?.redaction.as_deref()
    } else {
        None
    }
}

/// The same, to be kept.
pub fn kept(log: &Log) -> Option<Arc<Redaction>> {
    if is_used() {
        beside::of(log)?.redaction.clone()
    } else {
        None
    }
}

/// What all logs of this process hide, for values of which nobody knows yet which log they come to.
pub fn everywhere() -> Vec<Arc<Redaction>> {
    if !is_used() {
        return Vec::new();
    }
    let all = EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().filter_map(Weak::upgrade).collect()
}

/// What a log is to hide; None: nothing.
pub fn wanted(
    py: Python<'_>,
    given: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<Arc<Redaction>>> {
    let redaction = parse(py, given)?;
    if redaction.names.is_empty() && redaction.patterns.is_empty() {
        return Ok(None);
    }
    let redaction = Arc::new(redaction);
    let mut all = EVERYWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|other| other.strong_count() > 0);
    all.push(Arc::downgrade(&redaction));
    GLANCE.hides.store(true, Ordering::Relaxed);
    Ok(Some(redaction))
}

/// What `redact=` names, in order. Raises ConfigError for what it may not name.
#[pyfunction]
#[pyo3(signature = (redact, /))]
pub fn parse_redact<'py>(
    py: Python<'py>,
    redact: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let items = items(py, redact)?;
    parse_items(py, &items)?;
    PyTuple::new(py, items)
}

fn parse(py: Python<'_>, given: Option<&Bound<'_, PyAny>>) -> PyResult<Redaction> {
    parse_items(py, &items(py, given)?)
}

fn items<'py>(
    py: Python<'py>,
    given: Option<&Bound<'py, PyAny>>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    let is_one = given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>();
    let list = if is_one {
        None
    } else {
        ending::list(given).ok()
    };
    let Some(list) = list else {
        let (given, why) = (
            text::shown(given)?,
            "give a list of key names and compiled patterns",
        );
        return Err(errors::config(py, format!("redact is {given}: {why}")));
    };
    Ok(list.iter().collect())
}

fn parse_items(py: Python<'_>, items: &[Bound<'_, PyAny>]) -> PyResult<Redaction> {
    let mut redaction = Redaction {
        names: Vec::new(),
        patterns: Vec::new(),
    };
    let compiled = py.import("re")?.getattr("Pattern")?;
    for item in items {
        let refused = |why: &str| {
            let item = text::shown(item)?;
            Err(errors::config(py, format!("redact has {item}: {why}")))
        };
        if let Ok(name) = item.cast::<PyString>() {
            if name.is_empty()? {
                return refused("no field has an empty name");
            }
            let name = folded(&text::of_str(name));
            redaction.names.push(name.into());
        } else if !item.is_instance(&compiled)? {
            return refused("a key name is a str, a pattern is compiled by re.compile()");
        } else if !item.getattr("pattern")?.is_instance_of::<PyString>() {
            return refused("a pattern of bytes matches no text");
        } else if !item.call_method1("search", ("",))?.is_none() {
            return refused("a pattern that matches nothing at all would match everywhere");
        } else {
            redaction.patterns.push(Pattern {
                sub: item.getattr("sub")?.unbind(),
                fullmatch: item.getattr("fullmatch")?.unbind(),
            });
        }
    }
    Ok(redaction)
}

/// Whether an expression has a name in it that the log goes by to hide values: also `user.password` and `head["api-key"]` do.
pub fn hides_part_of(py: Python<'_>, taker: &mut Taker, log: &Log, expression: &str) -> bool {
    let Some(redaction) = of(log) else {
        return false;
    };
    let lower = folded(expression);
    if redaction.names.iter().any(|name| stands_in(&lower, name)) {
        return true;
    }
    let mut words = expression.split(|c| !is_of_word(c));
    Hiding::with(py, redaction, taker, |hiding| {
        words.any(|word| hiding.is_matched_by_any(word))
    })
}

/// A text without what the patterns match that a taker goes by.
pub fn without_matches(py: Python<'_>, taker: &mut Taker, text: &str) -> String {
    let mut now = text.to_owned();
    for redaction in taker.hidden() {
        let found = Hiding::with(py, &redaction, taker, |hiding| hiding.text(&now));
        now = found.unwrap_or(now);
    }
    now
}

/// Whether the log hides a part of this value because of the part's name.
pub fn hides_within(py: Python<'_>, taker: &mut Taker, log: &Log, value: &Value<'_>) -> bool {
    of(log).is_some_and(|redaction| {
        Hiding::with(py, redaction, taker, |hiding| hiding.has_hidden(value))
    })
}

/// Whether the log may not know what call sites say: a pattern may be for their texts, too.
pub fn keeps_sites_out(log: &Log) -> bool {
    of(log).is_some_and(|redaction| !redaction.has_names_only())
}

/// The fields of a record with nothing in those that its log hides by their names; `room` is for them. None: it takes more
/// than names, or a value has names within.
pub fn without_hidden<'r, 'a>(
    log: &Log,
    fields: &'r [Field<'a>],
    room: &'r mut [Field<'a>],
) -> Option<&'r [Field<'a>]> {
    match of(log) {
        Some(redaction) => redaction.without_hidden(fields, room),
        None => Some(fields),
    }
}

impl Redaction {
    /// Whether it only goes by names, for which nothing of Python is needed.
    fn has_names_only(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether there are any for texts.
    pub fn has_patterns(&self) -> bool {
        !self.has_names_only()
    }

    /// Whether the value of this name is hidden because of the name.
    fn hides(&self, key: &str) -> bool {
        let key = within_bytes(key);
        self.names.iter().any(|name| is_spelt(key, name))
    }

    /// Whether the value of this name is hidden because of the name, by a pattern too.
    pub fn hides_name(&self, py: Python<'_>, key: &str) -> bool {
        Hiding::with(py, self, &mut Taker::default(), |hiding| {
            hiding.is_hidden(key)
        })
    }

    fn without_hidden<'r, 'a>(
        &self,
        fields: &[Field<'a>],
        room: &'r mut [Field<'a>],
    ) -> Option<&'r [Field<'a>]> {
        if !self.has_names_only() {
            return None;
        }
        for (place, field) in room.iter_mut().zip(fields) {
            *place = match field.value {
                _ if self.hides(field.key) => Field {
                    key: field.key,
                    value: Value::Str(REDACTED),
                },
                Value::List(_) | Value::Dict(_) => return None,
                _ => *field,
            };
        }
        room.get(..fields.len())
    }

    /// Calls `store` with the record as it may be stored. The second answer is an interruption that came meanwhile.
    pub fn apply<R>(
        &self,
        py: Python<'_>,
        payload: &Payload<'_>,
        store: impl FnOnce(&Payload<'_>) -> R,
    ) -> (R, PyResult<()>) {
        let mut hiding = Hiding {
            py,
            redaction: self,
            taker: Taker::default(),
        };
        let event = hiding.part(payload.event);
        let message = payload.message.map(|message| hiding.part(message));
        let exc = payload.exc.map(|exc| {
            let [message, trace] = [exc.message, exc.stacktrace].map(|text| hiding.part(text));
            (exc.kind, message, trace)
        });
        let changed: Vec<Option<Taken>> = payload
            .fields
            .iter()
            .map(|field| hiding.field(field.key, &field.value))
            .collect();
        let fields: Vec<Field<'_>> = payload.fields.iter().zip(&changed).map(as_hidden).collect();
        let hidden = Payload {
            event: &event,
            message: message.as_deref(),
            exc: exc.as_ref().map(|(kind, message, stacktrace)| Exc {
                kind,
                message,
                stacktrace,
            }),
            fields: &fields,
            ..*payload
        };
        let stored = store(&hidden);
        (stored, hiding.taker.interrupt().map_or(Ok(()), Err))
    }

    /// A text as it may be stored.
    pub fn text<'t>(&self, py: Python<'_>, text: &'t str) -> (Cow<'t, str>, PyResult<()>) {
        let mut hiding = Hiding {
            py,
            redaction: self,
            taker: Taker::default(),
        };
        let text = hiding.part(text);
        (text, hiding.taker.interrupt().map_or(Ok(()), Err))
    }
}

fn as_hidden<'a>((field, changed): (&Field<'a>, &'a Option<Taken>)) -> Field<'a> {
    Field {
        key: field.key,
        value: changed.as_ref().map_or(field.value, Taken::value),
    }
}

/// The name in a key that was bytes, and is written as those are.
fn within_bytes(key: &str) -> &str {
    let quoted = key.strip_prefix('b').unwrap_or_default();
    let within = |quote: char| quoted.strip_prefix(quote)?.strip_suffix(quote);
    within('\'').or_else(|| within('"')).unwrap_or(key)
}

/// Whether two words are the same but for upper and lower case; `lower` is [`folded`].
fn is_spelt(key: &str, lower: &str) -> bool {
    if key.is_ascii() && lower.is_ascii() {
        return key.eq_ignore_ascii_case(lower);
    }
    folded(key) == lower
}

/// A name whose letters are neither upper nor lower case: "Straße" and "STRASSE" are one.
fn folded(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

/// Whether a name stands in a text on its own; both are in lower case.
fn stands_in(text: &str, name: &str) -> bool {
    text.char_indices().any(|(at, _)| {
        let (before, from) = text.split_at(at);
        !before.ends_with(is_of_word)
            && from
                .strip_prefix(name)
                .is_some_and(|after| !after.starts_with(is_of_word))
    })
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn redacted() -> Taken {
    Taken::Str(REDACTED.into())
}

/// One record at work.
struct Hiding<'a, 'py> {
    py: Python<'py>,
    redaction: &'a Redaction,
    taker: Taker,
}

impl<'a, 'py> Hiding<'a, 'py> {
    /// Looks at what is not in a record yet, with the call's own taker.
    fn with<R>(
        py: Python<'py>,
        redaction: &'a Redaction,
        taker: &mut Taker,
        look: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let mut hiding = Hiding {
            py,
            redaction,
            taker: std::mem::take(taker),
        };
        let seen = look(&mut hiding);
        *taker = hiding.taker;
        seen
    }
}

impl Hiding<'_, '_> {
    /// A text that is always there.
    fn part<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        self.text(text).map_or(Cow::Borrowed(text), Cow::Owned)
    }

    /// A text without what the patterns match. None: they match nothing. What a pattern fails on is hidden whole.
    fn text(&mut self, text: &str) -> Option<String> {
        let redaction = self.redaction;
        let mut now: Option<String> = None;
        for pattern in &redaction.patterns {
            let from = now.as_deref().unwrap_or(text);
            let arguments = (REDACTED, from).into_pyobject(self.py);
            let found =
                arguments.and_then(|arguments| ending::call(pattern.sub.bind(self.py), &arguments));
            let found = found.and_then(|found| Ok(found.cast_into::<PyString>()?));
            let Some(found) = self.taker.ok(self.py, found) else {
                return Some(REDACTED.into());
            };
            let found = text::of_str(&found);
            if found != from {
                now = Some(found.into_owned());
            }
        }
        now
    }

    /// A field's value as it may be stored. None: as it is.
    fn field(&mut self, key: &str, value: &Value<'_>) -> Option<Taken> {
        if self.is_hidden(key) {
            return Some(redacted());
        }
        match value {
            Value::List(_) | Value::Dict(_) | Value::Enum { .. } | Value::Numpy { .. } => {
                let mut is_changed = false;
                let tree = self.tree(value, &mut is_changed);
                is_changed.then(|| seal(&tree).unwrap_or_else(redacted))
            }
            plain => self.leaf(plain),
        }
    }

    fn is_hidden(&mut self, key: &str) -> bool {
        self.redaction.hides(key) || self.is_matched_by_any(key)
    }

    /// Whether there is a key in this value that is hidden.
    fn has_hidden(&mut self, value: &Value<'_>) -> bool {
        match value {
            Value::List(items) => items.iter().any(|item| self.has_hidden(&item)),
            Value::Dict(entries) => entries
                .iter()
                .any(|Field { key, value }| self.is_hidden(key) || self.has_hidden(&value)),
            Value::Enum { value, .. } | Value::Numpy { value, .. } => {
                self.has_hidden(&value.value())
            }
            _ => false,
        }
    }

    fn is_matched_by_any(&mut self, key: &str) -> bool {
        let redaction = self.redaction;
        redaction
            .patterns
            .iter()
            .any(|pattern| self.is_matched(pattern, key))
    }

    /// Whether the pattern matches the whole of it; also if it fails.
    fn is_matched(&mut self, pattern: &Pattern, key: &str) -> bool {
        let arguments = (key,).into_pyobject(self.py);
        let found = arguments
            .and_then(|arguments| ending::call(pattern.fullmatch.bind(self.py), &arguments));
        self.taker
            .ok(self.py, found)
            .is_none_or(|found| !found.is_none())
    }

    /// A plain value: its text is what the patterns see. What is no str is hidden whole.
    fn leaf(&mut self, value: &Value<'_>) -> Option<Taken> {
        if self.redaction.has_names_only() {
            return None;
        }
        let text: Cow<'_, str> = match value {
            Value::Str(text) => return self.text(text).map(Taken::Str),
            Value::DateTime(text) | Value::Decimal(text) | Value::Path(text) => Cow::Borrowed(text),
            Value::Int(number) => number.to_string().into(),
            Value::UInt(number) => number.to_string().into(),
            Value::Float(number) => number.to_string().into(),
            Value::Bytes(bytes) => bytes
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>()
                .into(),
            Value::Uuid(bytes) => spelt(bytes).into(),
            _ => return None,
        };
        self.text(&text).map(|_| redacted())
    }

    fn tree(&mut self, value: &Value<'_>, is_changed: &mut bool) -> Tree {
        match value {
            Value::List(items) => Tree::List(
                items
                    .iter()
                    .map(|item| self.tree(&item, is_changed))
                    .collect(),
            ),
            Value::Dict(entries) => Tree::Dict(
                entries
                    .iter()
                    .map(|Field { key, value }| {
                        (key.to_owned(), self.entry(key, &value, is_changed))
                    })
                    .collect(),
            ),
            Value::Enum { name, value } => {
                let inner = self.tree(&value.value(), is_changed);
                Tree::Enum((*name).to_owned(), Box::new(inner))
            }
            Value::Numpy { dtype, value } => {
                let inner = self.tree(&value.value(), is_changed);
                Tree::Numpy((*dtype).to_owned(), Box::new(inner))
            }
            plain => {
                let changed = self.leaf(plain);
                *is_changed |= changed.is_some();
                Tree::Leaf(changed.unwrap_or_else(|| Taken::of(plain)))
            }
        }
    }

    fn entry(&mut self, key: &str, value: &Value<'_>, is_changed: &mut bool) -> Tree {
        if self.is_hidden(key) {
            *is_changed = true;
            return Tree::Leaf(redacted());
        }
        self.tree(value, is_changed)
    }
}

/// A UUID as it is usually written.
fn spelt(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

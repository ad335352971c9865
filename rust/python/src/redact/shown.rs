//! What a log that hides values under names shows of a collection whose text is taken: a copy in which they are hidden. In
//! the text itself nobody could tell any more which part is whose.

use super::{Hiding, Redaction};
use crate::convert::{Taker, mapping, text};
use crate::ending;
use crate::tstring::{holds_template, is_template};
use pr_host::Log;
use pr_host::options::default::REDACTED;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use std::borrow::Cow;

/// Collections that lie deeper are hidden whole, so that those within themselves have an end.
const MOST_DEPTH: usize = 32;

/// With so many items the text of a collection is longer than a record can be, and what is behind them cut.
const MOST_ITEMS: usize = text::LONGEST / 2;

/// What may be shown of an object. None: all of it, or it is no collection.
pub fn of<'py>(taker: &mut Taker, object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    if !is_collection(object) {
        return None;
    }
    let mut shown = None;
    for redaction in taker.hidden() {
        let from = shown.as_ref().unwrap_or(object);
        if let Some(copy) = without_hidden(taker, &redaction, from) {
            shown = Some(copy);
        }
    }
    shown
}

fn is_collection(object: &Bound<'_, PyAny>) -> bool {
    object.is_instance_of::<PyDict>()
        || object.is_instance_of::<PyList>()
        || object.is_instance_of::<PyTuple>()
}

fn without_hidden<'py>(
    taker: &mut Taker,
    redaction: &Redaction,
    object: &Bound<'py, PyAny>,
) -> Option<Bound<'py, PyAny>> {
    let py = object.py();
    let (copy, is_changed) = Hiding::with(py, redaction, taker, |hiding| {
        let mut copying = Copying {
            hiding,
            room: MOST_ITEMS,
            is_changed: false,
        };
        (copying.copy(object, MOST_DEPTH), copying.is_changed)
    });
    match taker.ok(py, copy) {
        Some(copy) => is_changed.then_some(copy),
        None => Some(redacted(py)), // a key that can be no key any more
    }
}

fn redacted(py: Python<'_>) -> Bound<'_, PyAny> {
    PyString::new(py, REDACTED).into_any()
}

/// The way through a collection.
struct Copying<'h, 'r, 'py> {
    hiding: &'h mut Hiding<'r, 'py>,
    room: usize,
    is_changed: bool,
}

impl<'py> Copying<'_, '_, 'py> {
    fn copy(&mut self, object: &Bound<'py, PyAny>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
        if is_template(object) {
            return Ok(self.hidden());
        }
        if !is_collection(object) {
            return Ok(object.clone());
        }
        let Some(within) = depth.checked_sub(1) else {
            return Ok(self.hidden());
        };
        let py = object.py();
        if let Ok(dict) = object.cast::<PyDict>() {
            self.entries(mapping::copied(dict), within)
        } else if let Ok(list) = object.cast::<PyList>() {
            let items = self.items(list.iter(), within)?;
            Ok(PyList::new(py, items)?.into_any())
        } else {
            let items = self.items(object.cast::<PyTuple>()?.iter(), within)?;
            Ok(PyTuple::new(py, items)?.into_any())
        }
    }

    fn items(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        depth: usize,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut copies = Vec::new();
        for item in items {
            if !self.has_room() {
                break;
            }
            copies.push(self.copy(&item, depth)?);
        }
        Ok(copies)
    }

    fn entries(
        &mut self,
        entries: mapping::Entries<'py>,
        depth: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let copy = PyDict::new(self.hiding.py);
        let set = ending::attribute(&copy, "__setitem__")?;
        for (key, value) in entries {
            if !self.has_room() {
                break;
            }
            let value = if self.hides(&key) {
                self.hidden()
            } else {
                self.copy(&value, depth)?
            };
            ending::call(&set, &(key, value).into_pyobject(self.hiding.py)?)?;
        }
        Ok(copy.into_any())
    }

    fn hides(&mut self, key: &Bound<'py, PyAny>) -> bool {
        if let Ok(bytes) = key.cast::<PyBytes>() {
            let name = String::from_utf8_lossy(bytes.as_bytes());
            return self.hiding.is_hidden(&name);
        }
        key.cast::<PyString>()
            .is_ok_and(|key| self.hiding.is_hidden(&text::of_str(key)))
    }

    /// Whether one more item can matter. What is left out makes another object of it.
    fn has_room(&mut self) -> bool {
        let room = self.room.checked_sub(1);
        self.is_changed |= room.is_none();
        self.room = room.unwrap_or_default();
        room.is_some()
    }

    fn hidden(&mut self) -> Bound<'py, PyAny> {
        self.is_changed = true;
        redacted(self.hiding.py)
    }
}

/// The arguments of a template, as the log may have them in a text.
pub fn arguments<'a, 'py>(
    taker: &mut Taker,
    log: &Log,
    template: &Bound<'py, PyString>,
    args: &'a [Bound<'py, PyAny>],
) -> PyResult<Cow<'a, [Bound<'py, PyAny>]>> {
    let Some(redaction) = super::of(log) else {
        return Ok(Cow::Borrowed(args));
    };
    if let [only] = args
        && mapping::is_mapping(only)?
    {
        let shown = if only.is_exact_instance_of::<PyDict>() {
            None
        } else {
            asked_for(taker, redaction, template, only)?
        };
        let shown = match shown {
            None => named(taker, redaction, only)?,
            shown => shown,
        };
        return Ok(shown.map_or(Cow::Borrowed(args), |shown| Cow::Owned(vec![shown])));
    }
    let shown: Vec<_> = args.iter().map(|arg| argument(taker, arg)).collect();
    if shown.iter().all(Option::is_none) {
        return Ok(Cow::Borrowed(args));
    }
    let shown = args.iter().zip(shown);
    Ok(Cow::Owned(
        shown
            .map(|(arg, shown)| shown.unwrap_or_else(|| arg.clone()))
            .collect(),
    ))
}

/// None: as it is.
fn argument<'py>(taker: &mut Taker, arg: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    if holds_template(arg) {
        Some(redacted(arg.py()))
    } else {
        of(taker, arg)
    }
}

/// What a template asks a mapping for that may make its values when it is asked: then no look at its entries tells. None: it asks
/// for nothing that is hidden.
fn asked_for<'py>(
    taker: &mut Taker,
    redaction: &Redaction,
    template: &Bound<'py, PyString>,
    only: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = only.py();
    let names = py.import("printk_ring.templates")?.getattr("names")?;
    let names = ending::list(&ending::call1(&names, template.as_any())?)?;
    let copy = PyDict::new(py);
    let mut hides_any = false;
    for name in &names {
        let text = text::of_str(name.cast::<PyString>()?).into_owned();
        if Hiding::with(py, redaction, taker, |hiding| hiding.is_hidden(&text)) {
            hides_any = true;
            copy.set_item(name, REDACTED)?;
        }
    }
    if !hides_any {
        return Ok(None);
    }
    let get = ending::attribute(only, "__getitem__")?;
    for name in names
        .iter()
        .filter(|name| !copy.contains(name).unwrap_or(true))
    {
        // One that it does not have is missed when the text is made.
        if let Some(value) = taker.ok(py, ending::call1(&get, &name)) {
            let shown = argument(taker, &value).unwrap_or(value);
            copy.set_item(name, shown)?;
        }
    }
    Ok(Some(copy.into_any()))
}

/// Arguments that go by their names. None: as they are.
fn named<'py>(
    taker: &mut Taker,
    redaction: &Redaction,
    only: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = only.py();
    let copy = PyDict::new(py);
    let set = ending::attribute(&copy, "__setitem__")?;
    let mut is_changed = false;
    let entries = match only.cast::<PyDict>() {
        Ok(dict) => mapping::copied(dict), // whatever its own methods say: the interpreter does not ask them either
        Err(_) => mapping::entries(only)?,
    };
    for (name, value) in entries {
        let is_hidden = name.cast::<PyString>().is_ok_and(|name| {
            let name = text::of_str(name);
            Hiding::with(py, redaction, taker, |hiding| hiding.is_hidden(&name))
        });
        let shown = if is_hidden {
            Some(redacted(py))
        } else {
            argument(taker, &value)
        };
        is_changed |= shown.is_some();
        let shown = shown.unwrap_or(value);
        ending::call(&set, &(name, shown).into_pyobject(py)?)?;
    }
    Ok(is_changed.then(|| copy.into_any()))
}

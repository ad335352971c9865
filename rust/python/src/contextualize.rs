//! `Logger.contextualize`: fields of all records that are logged in a block of code, wherever that calls.

use crate::convert::{Taken, Taker, text};
use crate::fastcall::ambient;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Fields for a block of code: `with logger.contextualize(request=4711):`.
///
/// They are fields of all records that are logged in it, by whatever logger and into whatever log, also by `RingHandler`: in
/// this thread or task, and in tasks that are begun in it. It can be entered again, also within itself.
#[pyclass(frozen, module = "printk_ring")]
pub struct ContextFields {
    fields: Vec<(Box<str>, Taken)>,
    number: u64,
}

/// How many there have been.
static MADE: AtomicU64 = AtomicU64::new(0);

impl ContextFields {
    /// Takes the values now.
    pub fn new(fields: Option<&Bound<'_, PyDict>>) -> PyResult<ContextFields> {
        let mut taken = Vec::new();
        take_fields(&mut taken, fields)?;
        Ok(ContextFields {
            fields: taken,
            number: MADE.fetch_add(1, Ordering::Relaxed) + 1,
        })
    }
}

/// Takes more fields. A key that is there already keeps its place.
pub fn take_fields(
    taken: &mut Vec<(Box<str>, Taken)>,
    fields: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    // Which log it will be for nobody knows: what is to be text is hidden for all where one hides values.
    let mut taker = Taker::of_any_log();
    let entries = fields.map_or_else(Vec::new, |fields| fields.iter().collect());
    let keys = entries.iter().map(|(key, _)| name(key));
    let keys: Vec<Box<str>> = keys.collect::<PyResult<_>>()?;
    let newer = keys.into_iter().zip(entries);
    merge(
        taken,
        newer.map(|(key, (_, value))| (key, taker.take(&value))),
    );
    taker.interrupt().map_or(Ok(()), Err)
}

/// A key, which `**` may take from any dict. The interpreter itself refuses what is no str only where it calls Python code
/// or what takes its arguments as an array, as log calls do.
fn name(key: &Bound<'_, PyAny>) -> PyResult<Box<str>> {
    match key.cast::<PyString>() {
        Ok(key) => Ok(text::owned(key).into()),
        Err(_) => {
            let (key, kind) = (text::shown(key)?, key.get_type().name()?);
            let why = format!("keywords must be strings, not {key} ({kind})");
            Err(PyTypeError::new_err(why))
        }
    }
}

/// Among so many fields a name is searched for, which is quicker than to look it up.
const FEW: usize = 32;

/// Adds fields; of the same name the newer one wins, in the older one's place.
pub fn merge(
    fields: &mut Vec<(Box<str>, Taken)>,
    newer: impl ExactSizeIterator<Item = (Box<str>, Taken)>,
) {
    if fields.len() + newer.len() > FEW {
        return merge_many(fields, newer);
    }
    for (key, value) in newer {
        match fields.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => fields.push((key, value)),
        }
    }
}

fn merge_many(fields: &mut Vec<(Box<str>, Taken)>, newer: impl Iterator<Item = (Box<str>, Taken)>) {
    let known = fields.iter().enumerate();
    let mut places: HashMap<Box<str>, usize> = known
        .map(|(place, (key, _))| (key.clone(), place))
        .collect();
    for (key, value) in newer {
        let place = *places.entry(key.clone()).or_insert(fields.len());
        match fields.get_mut(place) {
            Some((_, old)) => *old = value,
            None => fields.push((key, value)),
        }
    }
}

#[pymethods]
impl ContextFields {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        ambient::enter(py, &self.fields, self.number)
    }

    #[pyo3(signature = (exc_type, exc_value, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: &Bound<'_, PyAny>,
        exc_value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (exc_type, exc_value, traceback);
        ambient::leave(py, self.number)
    }

    fn __repr__(&self) -> String {
        let keys: Vec<&str> = self.fields.iter().map(|(key, _)| &**key).collect();
        format!("<ContextFields {}>", keys.join(", "))
    }
}

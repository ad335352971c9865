//! Ambient fields: those of `Logger.contextualize` that are in force where a log call is made. They lie in a context
//! variable, so that each task and each thread has its own.

use super::contextvar;
use super::glance::GLANCE;
use crate::contextualize::merge;
use crate::convert::Taken;
use pyo3::ffi;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What is in force in one context: an entry that never changes, and the one around it.
#[pyclass(frozen, module = "printk_ring._native", name = "_Ambient")]
pub struct Ambient {
    fields: Vec<(Box<str>, Taken)>,
    outer: Option<Py<Ambient>>,
    /// Who has entered it.
    by: u64,
}

/// The context variable; null until somebody contextualizes anything.
#[inline(always)]
fn place() -> &'static AtomicPtr<ffi::PyObject> {
    &GLANCE.ambient
}

/// Whether anybody ever did. One load, which is all that it costs those who do not.
#[inline(always)]
pub fn is_used() -> bool {
    !place().load(Ordering::Acquire).is_null()
}

/// What is in force here. None: nothing.
pub fn current(py: Python<'_>) -> Option<Bound<'_, Ambient>> {
    let variable = place().load(Ordering::Acquire);
    if variable.is_null() {
        return None;
    }
    // SAFETY: the variable, which is never given back.
    let variable = unsafe { Bound::from_borrowed_ptr(py, variable) };
    contextvar::get(&variable)?
        .cast_into_exact::<Ambient>()
        .ok()
}

/// Puts this in force here; None: nothing.
fn set(py: Python<'_>, value: Option<Bound<'_, Ambient>>) -> PyResult<()> {
    let variable = variable(py)?;
    let value = value.map_or_else(|| py.None().into_bound(py), Bound::into_any);
    // SAFETY: the variable, which is never given back.
    let variable = unsafe { Bound::from_borrowed_ptr(py, variable) };
    contextvar::set(&variable, &value)
}

/// The variable, made at its first use and kept for ever.
fn variable(py: Python<'_>) -> PyResult<*mut ffi::PyObject> {
    let found = place().load(Ordering::Acquire);
    if !found.is_null() {
        return Ok(found);
    }
    let made = contextvar::new(py)?;
    let at = made.as_ptr();
    let null = std::ptr::null_mut();
    match place().compare_exchange(null, at, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(made.into_ptr()),
        Err(other) => Ok(other), // another thread was first
    }
}

/// Its fields, those of outer entries first.
#[inline]
pub fn fields<'a>(found: Option<&'a Bound<'_, Ambient>>) -> &'a [(Box<str>, Taken)] {
    found.map_or(&[], |found| &found.get().fields)
}

/// Adds fields to those that are in force here; of the same name the newer one wins, in its place.
pub fn enter(py: Python<'_>, fields: &[(Box<str>, Taken)], by: u64) -> PyResult<()> {
    let outer = current(py);
    let mut all = outer
        .as_ref()
        .map_or_else(Vec::new, |outer| outer.get().fields.clone());
    merge(&mut all, fields.iter().cloned());
    let entry = Ambient {
        fields: all,
        outer: outer.map(Bound::unbind),
        by,
    };
    set(py, Some(Bound::new(py, entry)?))
}

/// Ends the innermost entry of `by`, and what was entered within it. One that was not entered in this context changes
/// nothing here: a generator may be ended by another task than the one that ran it.
pub fn leave(py: Python<'_>, by: u64) -> PyResult<()> {
    let mut entry = current(py);
    while let Some(now) = entry {
        let outer = now.get().outer.as_ref().map(|outer| outer.bind(py).clone());
        if now.get().by == by {
            return set(py, outer);
        }
        entry = outer;
    }
    Ok(())
}

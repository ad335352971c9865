//! The attributes of an object, looked through in their order; what is passed over is never owned.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use pyo3::types::{PyDict, PyString};
use std::ptr::null_mut;

/// The attributes that an object has itself, if its class keeps them as all do that say nothing of it: without asking the
/// class for `__dict__`.
pub fn of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    // SAFETY: a live object, and this thread is attached.
    let own = unsafe { ffi::PyObject_GenericGetDict(object.as_ptr(), null_mut()) };
    // SAFETY: a new reference, or null and an exception.
    let own = unsafe { Bound::from_owned_ptr_or_err(object.py(), own) }?;
    Ok(own.cast_into()?)
}

/// Those at the beginning, whose names are `expected`, in that order: each value at the place that is said beside its name.
/// None: they have other names, or there are fewer. What comes behind them is given to `rest`.
pub fn taken_apart<'py, const PARTS: usize>(
    all: &Bound<'py, PyDict>,
    expected: &[(Py<PyString>, Option<usize>)],
    mut rest: impl FnMut(Bound<'py, PyAny>, Bound<'py, PyAny>) -> Option<()>,
) -> Option<[Option<Bound<'py, PyAny>>; PARTS]> {
    let mut parts = [const { None }; PARTS];
    with_critical_section(all, || {
        let mut at = 0;
        for (expected, part) in expected {
            let (name, value) = next(all, &mut at)?;
            if name != expected.as_ptr() {
                return None;
            }
            if let Some(place) = part.and_then(|part| parts.get_mut(part)) {
                // SAFETY: a live object, which the dict has; nobody changes that meanwhile.
                *place = Some(unsafe { Bound::from_borrowed_ptr(all.py(), value) });
            }
        }
        while let Some((name, value)) = next(all, &mut at) {
            // SAFETY: as above.
            let name = unsafe { Bound::from_borrowed_ptr(all.py(), name) };
            // SAFETY: as above.
            rest(name, unsafe { Bound::from_borrowed_ptr(all.py(), value) })?;
        }
        Some(())
    })?;
    Some(parts)
}

/// The next pair of a dict.
#[inline(always)]
fn next(
    all: &Bound<'_, PyDict>,
    at: &mut ffi::Py_ssize_t,
) -> Option<(*mut ffi::PyObject, *mut ffi::PyObject)> {
    let (mut name, mut value) = (null_mut(), null_mut());
    // SAFETY: a dict, and places of ours to write to.
    let found = unsafe { ffi::PyDict_Next(all.as_ptr(), at, &raw mut name, &raw mut value) };
    (found != 0).then_some((name, value))
}

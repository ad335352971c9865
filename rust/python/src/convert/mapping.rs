//! Mappings: dicts, and whatever else says that it is one.

use crate::ending;
use crate::fastcall::kept::Kept;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

/// Keys and values.
pub type Entries<'py> = Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

/// Whether an object is a mapping. It may run Python code to tell.
pub fn is_mapping(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    static MAPPING: Kept<Py<PyType>> = Kept::new();
    if object.is_instance_of::<PyDict>() {
        return Ok(true);
    }
    ending::is_instance(
        object,
        MAPPING.import(object.py(), "collections.abc", "Mapping")?,
    )
}

/// A copy of a mapping: it may change while Python code runs.
pub fn entries<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Entries<'py>> {
    if let Ok(dict) = mapping.cast_exact::<PyDict>() {
        return Ok(copied(dict));
    }
    if !is_mapping(mapping)? {
        let kind = mapping.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "a mapping is wanted, not {kind}"
        )));
    }
    ending::list(&ending::method(mapping, "items")?)?
        .iter()
        .map(|entry| entry.extract())
        .collect()
}

/// What is in a dict at one moment: without the interpreter's lock another thread may change it at any.
pub fn copied<'py>(dict: &Bound<'py, PyDict>) -> Entries<'py> {
    let items = dict.items();
    items
        .iter()
        .filter_map(|entry| entry.extract().ok())
        .collect()
}

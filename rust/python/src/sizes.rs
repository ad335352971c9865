//! Sizes, as a number or as text with a unit.

use crate::errors;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString};

/// A size in bytes as the parameter of a function.
#[derive(Clone, Copy, Debug)]
pub struct SizeArg(pub u64);

/// A size that no signed word of the system can say.
const TOO_LARGE: u64 = 1 << 63;

impl<'py> FromPyObject<'_, 'py> for SizeArg {
    type Error = PyErr;

    fn extract(size: Borrowed<'_, 'py, PyAny>) -> PyResult<SizeArg> {
        let py = size.py();
        let bytes = if let Ok(text) = size.cast::<PyString>() {
            pr_host::options::parse_size(&text.to_string_lossy())
                .map_err(|why| errors::from_host(py, why))?
        } else if size.is_instance_of::<PyInt>() && !size.is_instance_of::<PyBool>() {
            size.extract::<u64>().unwrap_or(TOO_LARGE)
        } else {
            let kind = size.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "a size is an int or a str, not {kind}"
            )));
        };
        if bytes >= TOO_LARGE {
            return Err(errors::config(py, "a size is 0 to 2**63-1 bytes"));
        }
        Ok(SizeArg(bytes))
    }
}

/// Bytes of a size: an int, or text such as "64 KiB", "4 MiB", "1 GiB", "300000" (a space before the unit is optional;
/// units in any case: B, KiB, MiB, GiB; KB, MB, GB are powers of 1000).
#[pyfunction]
#[pyo3(signature = (size, /))]
pub fn parse_size(size: SizeArg) -> u64 {
    size.0
}

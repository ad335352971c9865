//! Objects that all threads use. Without the interpreter's lock each use of one would count a reference to it, in a word that
//! the processors then hand to and fro, and a call that does nothing costs three times as much beside another thread's.

use pyo3::PyClass;
use pyo3::prelude::*;

/// A new object of which running code counts no references, where the interpreter can do without: 3.14 and later, without the
/// lock, and only for what the collector knows. It goes when that comes by.
pub fn shared<T: PyClass + Into<PyClassInitializer<T>>>(
    py: Python<'_>,
    object: T,
) -> PyResult<Bound<'_, T>> {
    let object = Bound::new(py, object)?;
    #[cfg(all(Py_3_14, not(any(Py_LIMITED_API, PyPy, GraalPy))))]
    // SAFETY: a live object, and this thread is attached.
    unsafe {
        uncounted(object.as_ptr());
    }
    Ok(object)
}

#[cfg(all(Py_3_14, not(any(Py_LIMITED_API, PyPy, GraalPy))))]
unsafe extern "C" {
    /// Whether it was done: never where the interpreter has its lock.
    #[link_name = "PyUnstable_Object_EnableDeferredRefcount"]
    fn uncounted(object: *mut pyo3::ffi::PyObject) -> std::ffi::c_int;
}

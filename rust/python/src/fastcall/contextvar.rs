//! The interpreter's context variables: by its own functions where they may be known, else as Python code has them.

#[cfg(not(Py_LIMITED_API))]
use pyo3::{ffi, prelude::*};

/// One without a default.
#[cfg(not(Py_LIMITED_API))]
pub fn new(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: attached; a terminated name, and no default.
    let made = unsafe { ffi::PyContextVar_New(c"printk_ring".as_ptr(), std::ptr::null_mut()) };
    // SAFETY: a new object, or null and an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, made) }
}

/// What it is here. None: nothing was set.
#[cfg(not(Py_LIMITED_API))]
pub fn get<'py>(variable: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let (py, none) = (variable.py(), std::ptr::null_mut());
    let mut value = std::ptr::null_mut();
    // SAFETY: attached, and a context variable; what is found is a new reference, or null.
    let failed = unsafe { ffi::PyContextVar_Get(variable.as_ptr(), none, &raw mut value) };
    if failed < 0 {
        drop(PyErr::take(py));
        return None;
    }
    // SAFETY: a reference of ours, or null.
    unsafe { Bound::from_owned_ptr_or_opt(py, value) }
}

/// Sets it here.
#[cfg(not(Py_LIMITED_API))]
pub fn set(variable: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: attached, and both objects live.
    let token = unsafe { ffi::PyContextVar_Set(variable.as_ptr(), value.as_ptr()) };
    // SAFETY: a reference of ours, or null and an exception.
    unsafe { Bound::from_owned_ptr_or_err(variable.py(), token) }.map(drop)
}

#[cfg(Py_LIMITED_API)]
pub use portable::{get, new, set};

#[cfg(Py_LIMITED_API)]
mod portable {
    use crate::fastcall::interned::name;
    use pyo3::prelude::*;

    pub fn new(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        class.call1((name!(py, c"printk_ring"),))
    }

    pub fn get<'py>(variable: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let py = variable.py();
        let found = || variable.call_method1(name!(py, c"get"), (py.None(),));
        found().ok()
    }

    pub fn set(variable: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let set = variable.getattr(name!(variable.py(), c"set"))?;
        set.call1((value,)).map(drop)
    }
}

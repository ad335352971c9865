//! Names of attributes as objects, made at their first use. Nobody waits for anybody who makes one: a thread that vanished in a
//! fork may have been at it.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::ffi::CStr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A name.
pub struct Name {
    text: &'static CStr,
    object: AtomicPtr<ffi::PyObject>,
}

impl Name {
    /// One that is not an object yet.
    pub const fn new(text: &'static CStr) -> Name {
        Name {
            text,
            object: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// The object, kept for ever.
    pub fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let mut found = self.object.load(Ordering::Acquire);
        if found.is_null() {
            // SAFETY: attached; a terminated text. A new reference, or null and an exception.
            let made = unsafe { ffi::PyUnicode_InternFromString(self.text.as_ptr()) };
            // SAFETY: as above.
            let made = unsafe { Bound::from_owned_ptr_or_err(py, made) }?;
            let null = std::ptr::null_mut();
            let (at, order) = (made.as_ptr(), Ordering::AcqRel);
            found = match self
                .object
                .compare_exchange(null, at, order, Ordering::Acquire)
            {
                Ok(_) => made.into_ptr(),
                Err(other) => other, // another thread was first; all make the same object
            };
        }
        // SAFETY: an object that is never given back.
        let name = unsafe { Bound::from_borrowed_ptr(py, found) };
        Ok(name.cast_into()?)
    }
}

/// The object of a name that is written here.
macro_rules! name {
    ($py:expr, $text:literal) => {{
        static NAME: $crate::fastcall::interned::Name =
            $crate::fastcall::interned::Name::new($text);
        NAME.get($py)?
    }};
}
pub(crate) use name;

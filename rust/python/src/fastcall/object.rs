//! Python objects as the fast path sees them: looked at by exact type, never owned, no Python code run.

use super::digits;
use pr_record::Value;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// An object that somebody else keeps alive for `'a`: an argument of a call in progress. This thread is attached to the
/// interpreter for `'a`.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    at: NonNull<ffi::PyObject>,
    alive: PhantomData<&'a ffi::PyObject>,
}

/// The value of an object that is exactly of a simple type. None: it is not, or does not fit one.
#[inline(always)]
pub fn value_of<'a>(object: &'a Bound<'_, PyAny>) -> Option<Value<'a>> {
    // SAFETY: whoever holds the reference keeps the object alive, and is attached.
    unsafe { Object::new(object.as_ptr()) }.value()
}

/// The text of a str. None: it has lone surrogates.
#[inline(always)]
pub fn text_of<'a>(text: &'a Bound<'_, PyString>) -> Option<&'a str> {
    // SAFETY: whoever holds the reference keeps the object alive, and is attached.
    unsafe { Object::new(text.as_ptr()) }.text_of_str()
}

impl<'a> Object<'a> {
    /// An object from a pointer.
    ///
    /// # Safety
    /// `at` points to an object that lives for `'a`, during which this thread is attached.
    #[inline(always)]
    pub unsafe fn new(at: *mut ffi::PyObject) -> Object<'a> {
        // SAFETY: the caller's promise: it points to an object.
        let at = unsafe { NonNull::new_unchecked(at) };
        Object {
            at,
            alive: PhantomData,
        }
    }

    /// The pointer.
    #[inline(always)]
    pub fn as_ptr(self) -> *mut ffi::PyObject {
        self.at.as_ptr()
    }

    #[inline(always)]
    fn class(self) -> *mut ffi::PyTypeObject {
        // SAFETY: a live object has a type.
        unsafe { ffi::Py_TYPE(self.as_ptr()) }
    }

    /// The text of an object that is exactly a str. None: it is not, or has lone surrogates.
    #[inline(always)]
    pub fn text(self) -> Option<&'a str> {
        if self.class() != &raw mut ffi::PyUnicode_Type {
            return None;
        }
        self.text_of_str()
    }

    /// The text of a str. It lies in the object itself, or in a cache that the object keeps.
    #[inline(always)]
    fn text_of_str(self) -> Option<&'a str> {
        self.ascii().or_else(|| self.text_by_call())
    }

    /// The text of a str that says of itself that it is ASCII: it lies behind the object's head.
    #[cfg(not(any(Py_LIMITED_API, Py_3_14, PyPy, GraalPy)))]
    #[inline(always)]
    fn ascii(self) -> Option<&'a str> {
        // SAFETY: the object is a str.
        if unsafe { ffi::PyUnicode_IS_COMPACT_ASCII(self.as_ptr()) } == 0 {
            return None;
        }
        // SAFETY: the object is a str.
        let len = unsafe { ffi::PyUnicode_GET_LENGTH(self.as_ptr()) };
        // SAFETY: the text of a compact ASCII str begins behind its head.
        let data = unsafe { self.as_ptr().cast::<ffi::PyASCIIObject>().add(1) };
        // SAFETY: that many bytes, which live as long as the object and never change.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len as usize) };
        // SAFETY: ASCII is UTF-8.
        Some(unsafe { std::str::from_utf8_unchecked(bytes) })
    }

    #[cfg(any(Py_LIMITED_API, Py_3_14, PyPy, GraalPy))]
    #[inline(always)]
    fn ascii(self) -> Option<&'a str> {
        None
    }

    // Where the quick way is never taken, it is the only one.
    #[cfg_attr(not(any(Py_LIMITED_API, Py_3_14, PyPy, GraalPy)), inline(never))]
    fn text_by_call(self) -> Option<&'a str> {
        let mut len: ffi::Py_ssize_t = 0;
        // SAFETY: the object is a str.
        let data = unsafe { ffi::PyUnicode_AsUTF8AndSize(self.as_ptr(), &raw mut len) };
        if data.is_null() {
            clear_error();
            return None;
        }
        // SAFETY: that many bytes, which live as long as the object and never change.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len as usize) };
        // SAFETY: the interpreter's UTF-8 is UTF-8.
        Some(unsafe { std::str::from_utf8_unchecked(bytes) })
    }

    /// The value of an object that is exactly of a simple type. None: it is not, or does not fit one.
    #[inline(always)]
    pub fn value(self) -> Option<Value<'a>> {
        let class = self.class();
        if class == &raw mut ffi::PyUnicode_Type {
            return self.text_of_str().map(Value::Str);
        }
        if class == &raw mut ffi::PyLong_Type {
            return self.int();
        }
        if class == &raw mut ffi::PyFloat_Type {
            // SAFETY: the object is a float.
            return Some(Value::Float(unsafe {
                ffi::PyFloat_AsDouble(self.as_ptr())
            }));
        }
        if class == &raw mut ffi::PyBool_Type {
            // SAFETY: a constant of the interpreter.
            return Some(Value::Bool(self.as_ptr() == unsafe { ffi::Py_True() }));
        }
        // SAFETY: a constant of the interpreter.
        if self.as_ptr() == unsafe { ffi::Py_None() } {
            return Some(Value::Null);
        }
        if class == &raw mut ffi::PyBytes_Type {
            return Some(Value::Bytes(self.bytes()));
        }
        None
    }

    /// Calls for each key and value of an object that is exactly a dict, as long as it answers something. None: it is none,
    /// or was left. As no Python code runs until the call's record is stored, nobody changes it meanwhile; but without the
    /// interpreter's lock another thread might.
    pub fn each_entry(
        self,
        mut each: impl FnMut(Object<'a>, Object<'a>) -> Option<()>,
    ) -> Option<()> {
        if cfg!(Py_GIL_DISABLED) || self.class() != &raw mut ffi::PyDict_Type {
            return None;
        }
        let (mut at, mut key, mut value) = (0, std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the object is a dict; what is found is borrowed from it.
        while unsafe { ffi::PyDict_Next(self.as_ptr(), &raw mut at, &raw mut key, &raw mut value) }
            != 0
        {
            // SAFETY: the dict holds it, and stays as it is.
            let key = unsafe { Object::new(key) };
            // SAFETY: as above.
            let value = unsafe { Object::new(value) };
            each(key, value)?;
        }
        Some(())
    }

    #[inline(always)]
    fn int(self) -> Option<Value<'a>> {
        // SAFETY: the object is an int, and this thread is attached.
        unsafe { digits::value(self.as_ptr()) }.map(Value::Int)
    }

    #[inline(never)]
    fn bytes(self) -> &'a [u8] {
        // SAFETY: the object is a bytes object.
        let data = unsafe { ffi::PyBytes_AsString(self.as_ptr()) };
        // SAFETY: as above.
        let len = unsafe { ffi::PyBytes_Size(self.as_ptr()) };
        // SAFETY: that many bytes, which live as long as the object and never change.
        unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len as usize) }
    }
}

/// Objects side by side that somebody else keeps alive for `'a`.
#[derive(Clone, Copy)]
pub struct Objects<'a> {
    first: *const *mut ffi::PyObject,
    len: usize,
    alive: PhantomData<&'a ffi::PyObject>,
}

impl<'a> Objects<'a> {
    /// `len` objects from a pointer to the first.
    ///
    /// # Safety
    /// `first` points to `len` pointers, each as [`Object::new`] wants it.
    #[inline(always)]
    pub unsafe fn new(first: *const *mut ffi::PyObject, len: usize) -> Objects<'a> {
        Objects {
            first,
            len,
            alive: PhantomData,
        }
    }

    /// How many.
    #[inline(always)]
    pub fn len(self) -> usize {
        self.len
    }

    /// The first, and the others.
    #[inline(always)]
    pub fn split_first(self) -> Option<(Object<'a>, Objects<'a>)> {
        let first = self.get(0)?;
        // SAFETY: there is one, so that this points to the next one, or to their end.
        let next = unsafe { self.first.add(1) };
        // SAFETY: what `new` was promised, but for the first.
        Some((first, unsafe { Objects::new(next, self.len - 1) }))
    }

    /// One of them.
    #[inline(always)]
    pub fn get(self, index: usize) -> Option<Object<'a>> {
        if index >= self.len {
            return None;
        }
        // SAFETY: within what `new` was promised.
        let place = unsafe { self.first.add(index) };
        // SAFETY: as above.
        let at = unsafe { *place };
        // SAFETY: as above.
        Some(unsafe { Object::new(at) })
    }
}

/// The names of the keywords of a call: a tuple of str, or nothing at all.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    tuple: *mut ffi::PyObject,
    len: usize,
    alive: PhantomData<&'a ffi::PyObject>,
}

impl<'a> Names<'a> {
    /// From the last argument of a fast call.
    ///
    /// # Safety
    /// `tuple` is null, or a tuple of str that lives for `'a`, during which this thread is attached.
    #[inline(always)]
    pub unsafe fn new(tuple: *mut ffi::PyObject) -> Names<'a> {
        let len = if tuple.is_null() {
            0
        } else {
            #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
            // SAFETY: a tuple.
            let len = unsafe { ffi::PyTuple_GET_SIZE(tuple) };
            #[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
            // SAFETY: a tuple.
            let len = unsafe { ffi::PyTuple_Size(tuple) };
            len as usize
        };
        Names {
            tuple,
            len,
            alive: PhantomData,
        }
    }

    /// The tuple; null if there is none.
    #[inline(always)]
    pub fn as_ptr(self) -> *mut ffi::PyObject {
        self.tuple
    }

    /// How many.
    #[inline(always)]
    pub fn len(self) -> usize {
        self.len
    }

    /// One of them.
    #[inline(always)]
    pub fn get(self, index: usize) -> Option<Object<'a>> {
        if index >= self.len {
            return None;
        }
        let index = index as ffi::Py_ssize_t;
        #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
        // SAFETY: the index is within the tuple.
        let name = unsafe { ffi::PyTuple_GET_ITEM(self.tuple, index) };
        #[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
        // SAFETY: the index is within the tuple.
        let name = unsafe { ffi::PyTuple_GetItem(self.tuple, index) };
        // SAFETY: the tuple holds it.
        Some(unsafe { Object::new(name) })
    }
}

/// Forgets the interpreter's error; only where this thread is attached.
#[cold]
pub fn clear_error() {
    // SAFETY: attached, as whoever has an `Object` is, or runs binding code.
    unsafe { ffi::PyErr_Clear() };
}

//! What becomes of a thread that is in Python code when the interpreter ends.
//!
//! Its next step never comes. Python 3.14 lets it hang; older ones end the thread, which unwinds its stack, and a Rust frame
//! that is not made for that aborts the process, or gives back what is no longer there. So the unwinding is stopped where it
//! comes out of Python's own frames, and the thread stands still while the process ends.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple, PyType};
use std::ffi::c_int;

/// Stops the thread for good when it is unwound through. A panic passes.
pub struct StandStill(());

impl StandStill {
    /// Runs `work`, and nothing outside of it if that is unwound.
    pub fn within<R>(work: impl FnOnce() -> R) -> R {
        let stop = StandStill(());
        let result = work();
        std::mem::forget(stop);
        result
    }
}

impl Drop for StandStill {
    fn drop(&mut self) {
        while !std::thread::panicking() {
            std::thread::park();
        }
    }
}

type At = *mut ffi::PyObject;

/// A function of the interpreter that may run Python code, as what it is: one through which a thread may be unwound. The
/// library declares it as never unwinding, and a compiler that knows which function this is would believe that.
macro_rules! unwinds {
    ($function:path as fn($($argument:ty),*) -> $result:ty) => {{
        let hidden = std::hint::black_box($function as *const ());
        // SAFETY: the same function; the two calling conventions differ only in what may pass through the call.
        unsafe {
            std::mem::transmute::<*const (), unsafe extern "C-unwind" fn($($argument),*) -> $result>(hidden)
        }
    }};
}

/// Calls a Python function. When the interpreter ends meanwhile, this does not return, and does not unwind either; nor do
/// the others here.
pub fn call<'py>(
    function: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    let call = unwinds!(ffi::PyObject_Call as fn(At, At, At) -> At);
    let (function_at, arguments_at) = (function.as_ptr(), arguments.as_ptr());
    let result = StandStill::within(|| {
        // SAFETY: attached, and both objects live; no keywords.
        unsafe { call(function_at, arguments_at, std::ptr::null_mut()) }
    });
    given(function.py(), result)
}

/// Calls a Python function with one argument.
pub fn call1<'py>(
    function: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    call(function, &PyTuple::new(function.py(), [argument])?)
}

/// Calls a method without arguments.
pub fn method<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    call(&attribute(object, name)?, &PyTuple::empty(object.py()))
}

/// Hands an exception to `sys.unraisablehook`.
pub fn write_unraisable(error: PyErr, object: &Bound<'_, PyAny>) {
    let write = unwinds!(ffi::PyErr_WriteUnraisable as fn(At) -> ());
    error.restore(object.py());
    // SAFETY: attached, the object lives, and the exception is set.
    StandStill::within(|| unsafe { write(object.as_ptr()) });
}

/// An attribute, which may be a property.
pub fn attribute<'py>(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let get = unwinds!(ffi::PyObject_GetAttr as fn(At, At) -> At);
    let (object_at, name) = (object.as_ptr(), PyString::new(object.py(), name));
    // SAFETY: attached, and both objects live.
    let result = StandStill::within(|| unsafe { get(object_at, name.as_ptr()) });
    given(object.py(), result)
}

/// `template % arguments`.
pub fn remainder<'py>(
    template: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let remainder = unwinds!(ffi::PyNumber_Remainder as fn(At, At) -> At);
    let (template_at, arguments_at) = (template.as_ptr(), arguments.as_ptr());
    // SAFETY: attached, and both objects live.
    let result = StandStill::within(|| unsafe { remainder(template_at, arguments_at) });
    given(template.py(), result)
}

/// `str()` of an object.
pub fn str<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let str = unwinds!(ffi::PyObject_Str as fn(At) -> At);
    let object_at = object.as_ptr();
    // SAFETY: attached, and the object lives.
    let result = StandStill::within(|| unsafe { str(object_at) });
    Ok(given(object.py(), result)?.cast_into::<PyString>()?)
}

/// `repr()` of an object.
pub fn repr<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let repr = unwinds!(ffi::PyObject_Repr as fn(At) -> At);
    let object_at = object.as_ptr();
    // SAFETY: attached, and the object lives.
    let result = StandStill::within(|| unsafe { repr(object_at) });
    given(object.py(), result)
}

/// `ascii()` of an object.
pub fn ascii<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let ascii = unwinds!(ffi::PyObject_ASCII as fn(At) -> At);
    let object_at = object.as_ptr();
    // SAFETY: attached, and the object lives.
    let result = StandStill::within(|| unsafe { ascii(object_at) });
    given(object.py(), result)
}

/// `format(object, spec)`.
pub fn format<'py>(
    object: &Bound<'py, PyAny>,
    spec: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let format = unwinds!(ffi::PyObject_Format as fn(At, At) -> At);
    let (object_at, spec_at) = (object.as_ptr(), spec.as_ptr());
    // SAFETY: attached, and both objects live.
    let result = StandStill::within(|| unsafe { format(object_at, spec_at) });
    given(object.py(), result)
}

/// `list()` of whatever can be iterated over.
pub fn list<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let list = unwinds!(ffi::PySequence_List as fn(At) -> At);
    let object_at = object.as_ptr();
    // SAFETY: attached, and the object lives.
    let result = StandStill::within(|| unsafe { list(object_at) });
    Ok(given(object.py(), result)?.cast_into::<PyList>()?)
}

/// Truth of an object.
pub fn truth(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let truth = unwinds!(ffi::PyObject_IsTrue as fn(At) -> c_int);
    let object_at = object.as_ptr();
    // SAFETY: attached, and the object lives.
    let result = StandStill::within(|| unsafe { truth(object_at) });
    told(object.py(), result)
}

/// `isinstance()`, which abstract classes answer by Python code.
pub fn is_instance(object: &Bound<'_, PyAny>, class: &Bound<'_, PyType>) -> PyResult<bool> {
    let is_instance = unwinds!(ffi::PyObject_IsInstance as fn(At, At) -> c_int);
    let (object_at, class_at) = (object.as_ptr(), class.as_ptr());
    // SAFETY: attached, and both objects live.
    let result = StandStill::within(|| unsafe { is_instance(object_at, class_at) });
    told(object.py(), result)
}

/// A result that is an object.
fn given(py: Python<'_>, result: At) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, result) }
}

/// A result that is a truth: negative with an exception set.
fn told(py: Python<'_>, result: c_int) -> PyResult<bool> {
    match result {
        ..0 => Err(PyErr::fetch(py)),
        truth => Ok(truth != 0),
    }
}

/// A thread's state in the interpreter, kept while it is not attached.
pub struct ThreadState(());

impl ThreadState {
    /// Keeps that of this thread, which is attached.
    pub fn keep(_py: Python<'_>) -> ThreadState {
        // SAFETY: attached already, so this only counts; given back on the same thread.
        unsafe { ffi::PyGILState_Ensure() };
        ThreadState(())
    }

    /// Gives it back: with it go the thread-local data of the code that ran here, which may run code of their own.
    pub fn give_back(self) {
        let release = unwinds!(ffi::PyGILState_Release as fn(ffi::PyGILState_STATE) -> ());
        StandStill::within(|| {
            // SAFETY: the interpreter has not begun to end: its exit takes the consoles away first. If it does now, this stops.
            unsafe { ffi::PyGILState_Ensure() };
            // SAFETY: of `keep`; the thread stays attached.
            unsafe { release(ffi::PyGILState_STATE::PyGILState_LOCKED) };
            // SAFETY: of the line before that; nothing is counted any more, and the state goes.
            unsafe { release(ffi::PyGILState_STATE::PyGILState_UNLOCKED) };
        });
    }
}

//! What becomes of a thread that is in Python code when the interpreter ends.
//!
//! Its next step never comes. Python 3.14 lets it hang; older ones end the thread, which unwinds its stack, and a Rust frame
//! that is not made for that aborts the process, or gives back what is no longer there. So the unwinding is stopped where it
//! comes out of Python's own frames, and the thread stands still while the process ends.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

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
type Call = unsafe extern "C-unwind" fn(At, At, At) -> At;
type Remainder = unsafe extern "C-unwind" fn(At, At) -> At;
type Str = unsafe extern "C-unwind" fn(At) -> At;
type Release = unsafe extern "C-unwind" fn(ffi::PyGILState_STATE);

/// Calls a Python function. When the interpreter ends meanwhile, this does not return, and does not unwind either.
pub fn call<'py>(
    function: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    // The library declares it as never unwinding, and a compiler that knows which function this is would believe that.
    let hidden = std::hint::black_box(ffi::PyObject_Call as *const ());
    // SAFETY: the same function; the two calling conventions differ only in what may pass through the call.
    let call: Call = unsafe { std::mem::transmute(hidden) };
    let (function_at, arguments_at) = (function.as_ptr(), arguments.as_ptr());
    let result = StandStill::within(|| {
        // SAFETY: attached, and both objects live; no keywords.
        unsafe { call(function_at, arguments_at, std::ptr::null_mut()) }
    });
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(function.py(), result) }
}

/// `template % arguments`, in the same way.
pub fn remainder<'py>(
    template: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let hidden = std::hint::black_box(ffi::PyNumber_Remainder as *const ());
    // SAFETY: as in `call`.
    let remainder: Remainder = unsafe { std::mem::transmute(hidden) };
    let (template_at, arguments_at) = (template.as_ptr(), arguments.as_ptr());
    // SAFETY: attached, and both objects live.
    let result = StandStill::within(|| unsafe { remainder(template_at, arguments_at) });
    // SAFETY: as in `call`.
    unsafe { Bound::from_owned_ptr_or_err(template.py(), result) }
}

/// `str()` of an object, in the same way.
pub fn str<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    let hidden = std::hint::black_box(ffi::PyObject_Str as *const ());
    // SAFETY: as in `call`.
    let str: Str = unsafe { std::mem::transmute(hidden) };
    let object_at = object.as_ptr();
    // SAFETY: attached, and the object lives.
    let result = StandStill::within(|| unsafe { str(object_at) });
    // SAFETY: as in `call`.
    let text = unsafe { Bound::from_owned_ptr_or_err(object.py(), result) }?;
    Ok(text.cast_into::<PyString>()?)
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
        let hidden = std::hint::black_box(ffi::PyGILState_Release as *const ());
        // SAFETY: as in `call`.
        let release: Release = unsafe { std::mem::transmute(hidden) };
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

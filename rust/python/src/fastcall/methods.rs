//! The raw functions as the interpreter is told of them: `Logger`'s log methods, and the module's yardsticks.

use super::ambient::Ambient;
use super::site::Forget;
use super::{digits, exception, frame, log_any, log_at, none};
use crate::logger::Logger;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::ffi::{CStr, c_int};
use std::hint::black_box;

/// Raw functions as the interpreter wants them described.
struct Methods<const N: usize>([ffi::PyMethodDef; N]);

// SAFETY: the pointers in it are to constants, and nobody writes to any of it.
unsafe impl<const N: usize> Sync for Methods<N> {}

const fn method(
    name: &'static CStr,
    function: ffi::PyCFunctionFastWithKeywords,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: function,
        },
        ml_flags: FLAGS,
        ml_doc: doc.as_ptr(),
    }
}

const FLAGS: c_int = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;

/// Signature and text of a log method.
macro_rules! doc {
    ($name:literal, $first:literal, $exc_info:literal, $text:literal) => {{
        const TEXT: &str = concat!(
            $name,
            "($self, ",
            $first,
            "event, /, *args, exc_info=",
            $exc_info,
            ", stack_info=False, stacklevel=1, extra=None, **fields)\n--\n\n",
            $text,
            "\0"
        );
        match CStr::from_bytes_with_nul(TEXT.as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("a NUL within the text"),
        }
    }};
}

static LOG_METHODS: Methods<10> = log_methods::<false>();
static WATCHED_METHODS: Methods<10> = log_methods::<true>();

const fn log_methods<const WATCHED: bool>() -> Methods<10> {
    Methods([
        method(
            c"debug",
            log_at::<7, WATCHED>,
            doc!("debug", "", "None", "Stores a record at DEBUG."),
        ),
        method(
            c"info",
            log_at::<6, WATCHED>,
            doc!("info", "", "None", "Stores a record at INFO."),
        ),
        method(
            c"notice",
            log_at::<5, WATCHED>,
            doc!("notice", "", "None", "Stores a record at NOTICE."),
        ),
        method(
            c"warning",
            log_at::<4, WATCHED>,
            doc!("warning", "", "None", "Stores a record at WARNING."),
        ),
        method(
            c"error",
            log_at::<3, WATCHED>,
            doc!("error", "", "None", "Stores a record at ERROR."),
        ),
        method(
            c"critical",
            log_at::<2, WATCHED>,
            doc!("critical", "", "None", "Stores a record at CRITICAL."),
        ),
        method(
            c"alert",
            log_at::<1, WATCHED>,
            doc!("alert", "", "None", "Stores a record at ALERT."),
        ),
        method(
            c"emerg",
            log_at::<0, WATCHED>,
            doc!("emerg", "", "None", "Stores a record at EMERG."),
        ),
        method(
            c"log",
            log_any::<WATCHED>,
            doc!(
                "log",
                "level, ",
                "None",
                "Stores a record at `level` (a number of 8 and more stays in `Record.levelno`)."
            ),
        ),
        method(
            c"exception",
            exception::<WATCHED>,
            doc!(
                "exception",
                "",
                "True",
                "Stores a record at ERROR with the exception being handled."
            ),
        ),
    ])
}

static YARDSTICKS: Methods<3> = Methods([
    method(
        c"_noop",
        noop,
        c"_noop($module, /, *args, **kwargs)\n--\n\nDoes nothing: what the same call expression costs at least.",
    ),
    method(
        c"_noop_arg1",
        noop,
        c"_noop_arg1($module, x, /)\n--\n\nDoes nothing: what a call with one argument costs at least.",
    ),
    method(
        c"_work",
        work,
        c"_work($module, /, *args, **kwargs)\n--\n\nSums up 512 bytes that never change: the tail of a call that computes a little, \
          and shares nothing.",
    ),
]);

/// From now on each log call that stores tells [`crate::watch::told`] before.
pub fn watch(py: Python<'_>) -> PyResult<()> {
    give_methods(py, &WATCHED_METHODS)
}

fn give_methods(py: Python<'_>, methods: &'static Methods<10>) -> PyResult<()> {
    let class = py.get_type::<Logger>();
    for definition in &methods.0 {
        let definition = std::ptr::from_ref(definition).cast_mut();
        // SAFETY: a type, and a description that lives for ever; the interpreter only reads it.
        let method = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
        // SAFETY: a new object, or null and an exception.
        let method = unsafe { Bound::from_owned_ptr_or_err(py, method) }?;
        class.setattr(method.getattr("__name__")?.cast_into::<PyString>()?, method)?;
    }
    Ok(())
}

/// Gives `Logger` its log methods and the module its yardsticks. The classes that only log calls use are made here too: who makes
/// one is waited for, and may be gone after a fork.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    frame::find_way(py);
    digits::find_way(py)?;
    py.get_type::<Ambient>();
    py.get_type::<Forget>();
    give_methods(py, &LOG_METHODS)?;
    let name = module.name()?;
    for definition in &YARDSTICKS.0 {
        let definition = std::ptr::from_ref(definition).cast_mut();
        // SAFETY: as above, and two live objects.
        let function =
            unsafe { ffi::PyCFunction_NewEx(definition, module.as_ptr(), name.as_ptr()) };
        // SAFETY: a new object, or null and an exception.
        let function = unsafe { Bound::from_owned_ptr_or_err(py, function) }?;
        module.add(
            function.getattr("__name__")?.cast_into::<PyString>()?,
            function,
        )?;
    }
    Ok(())
}

/// Does nothing with whatever it is given.
unsafe extern "C" fn noop(
    _module: *mut ffi::PyObject,
    _args: *const *mut ffi::PyObject,
    _nargs: ffi::Py_ssize_t,
    _names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    none()
}

/// Computes for a third of a log call's time, from memory that nobody writes to.
unsafe extern "C" fn work(
    _module: *mut ffi::PyObject,
    _args: *const *mut ffi::PyObject,
    _nargs: ffi::Py_ssize_t,
    _names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    static WORDS: [u64; 64] = [0x9e37_79b9_7f4a_7c15; 64];
    let sum = black_box(&WORDS)
        .iter()
        .fold(1_u64, |sum, word| sum.wrapping_mul(31).wrapping_add(*word));
    black_box(sum);
    none()
}

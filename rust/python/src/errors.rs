//! The exceptions of the package, and the only place where an error of the crates below becomes one of them.

use crate::fastcall::kept::Kept;
use pyo3::exceptions::{PyException, PyMemoryError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple, PyType};
use std::path::Path;

/// The exception classes, made once.
struct Classes {
    base: Py<PyType>,
    config: Py<PyType>,
    context: Py<PyType>,
    reservation: Py<PyType>,
    overrun: Py<PyType>,
    ring_file: Py<PyType>,
}

static CLASSES: Kept<Classes> = Kept::new();

fn classes(py: Python<'_>) -> PyResult<&Classes> {
    CLASSES.get_or_make(|| Classes::make(py))
}

impl Classes {
    fn make(py: Python<'_>) -> PyResult<Classes> {
        let exception = py.get_type::<PyException>();
        let base = class(
            py,
            "PrintkError",
            &[&exception],
            "The base of all errors of this package.",
        )?;
        let config = class(
            py,
            "ConfigError",
            &[&base, &py.get_type::<PyValueError>()],
            "Wrong arguments: the text says which, and what is allowed.",
        )?;
        let context = class(
            py,
            "ContextError",
            &[&base],
            "A section (`deferred`, `emergency`, `report`) was entered twice, left without being entered, or left on another\n\
             thread than the one that entered it; in the last case it has ended all the same.",
        )?;
        let reservation = class(
            py,
            "ReservationError",
            &[&base],
            "A `Reservation` was used after it had been committed or finalized.",
        )?;
        let overrun = class(
            py,
            "Overrun",
            &[&base],
            "Records were overwritten before the reader came to them. `Overrun(lost)`.",
        )?;
        let ring_file = class(
            py,
            "RingFileError",
            &[&base, &py.get_type::<PyOSError>()],
            "A ring file cannot be used: its content, kind, permission or holder. `RingFileError(errno, reason, path)`.\n\n\
             `errno` is EBUSY for a file that a live log holds, EINVAL for one that is not a whole ring of this layout,\n\
             EEXIST for one that must not exist yet, and the system's number where the system refused.\n\
             `filename` is the path as text. str() names both the path and the reason.",
        )?;
        overrun.setattr("lost", lost_property(py)?)?;
        ring_file.setattr("reason", reason_property(py)?)?;
        Ok(Classes {
            base: base.unbind(),
            config: config.unbind(),
            context: context.unbind(),
            reservation: reservation.unbind(),
            overrun: overrun.unbind(),
            ring_file: ring_file.unbind(),
        })
    }
}

/// As a class statement makes it.
fn class<'py>(
    py: Python<'py>,
    name: &str,
    bases: &[&Bound<'py, PyType>],
    doc: &str,
) -> PyResult<Bound<'py, PyType>> {
    let dict = PyDict::new(py);
    dict.set_item("__module__", "printk_ring")?;
    dict.set_item("__doc__", doc)?;
    let bases = PyTuple::new(py, bases)?;
    let made = py.get_type::<PyType>().call1((name, bases, dict))?;
    Ok(made.cast_into::<PyType>()?)
}

/// A read-only property whose getter is native.
fn property<'py, F>(py: Python<'py>, getter: F, doc: &str) -> PyResult<Bound<'py, PyAny>>
where
    F: Fn(&Bound<'_, PyAny>) -> PyResult<Py<PyAny>> + Send + Sync + 'static,
{
    let getter = PyCFunction::new_closure(
        py,
        None,
        None,
        move |args, _: Option<&Bound<'_, PyDict>>| getter(&args.get_item(0)?),
    )?;
    py.import("builtins")?
        .getattr("property")?
        .call1((getter, py.None(), py.None(), doc))
}

fn lost_property(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    property(
        py,
        |error| {
            let args = error.getattr("args")?.cast_into::<PyTuple>()?;
            match args.get_item(0) {
                Ok(lost) => Ok(lost.unbind()),
                Err(_) => Ok(0_u64.into_pyobject(error.py())?.into_any().unbind()),
            }
        },
        "How many records were lost; 0 when made without arguments.",
    )
}

fn reason_property(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    property(
        py,
        |error| Ok(error.getattr("strerror")?.unbind()),
        "What is wrong, in words; the same as `strerror`.",
    )
}

/// Puts the classes into the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let classes = classes(py)?;
    for class in [
        &classes.base,
        &classes.config,
        &classes.context,
        &classes.reservation,
        &classes.overrun,
        &classes.ring_file,
    ] {
        let class = class.bind(py);
        module.add(class.name()?, class)?;
    }
    Ok(())
}

/// An exception of one of our classes; what went wrong with the class itself, otherwise.
fn raise<A>(py: Python<'_>, pick: impl FnOnce(&Classes) -> &Py<PyType>, args: A) -> PyErr
where
    A: pyo3::PyErrArguments + Send + Sync + 'static,
{
    match classes(py) {
        Ok(classes) => PyErr::from_type(pick(classes).bind(py).clone(), args),
        Err(why) => why,
    }
}

/// A `ConfigError`: say which argument is wrong, and what is allowed.
pub fn config(py: Python<'_>, text: impl Into<String>) -> PyErr {
    raise(py, |classes| &classes.config, (text.into(),))
}

/// A `ContextError`: what was done wrong with the section of this name.
pub fn context(py: Python<'_>, name: &str, why: pr_host::Misuse) -> PyErr {
    raise(
        py,
        |classes| &classes.context,
        (format!("{name} section: {why}"),),
    )
}

/// A `ReservationError`: of a process that forked this one.
pub fn others_reservation(py: Python<'_>, pid: u32) -> PyErr {
    let text = format!(
        "the reservation belongs to process {pid}, which this one was forked from: reserve anew here"
    );
    raise(py, |classes| &classes.reservation, (text,))
}

/// A `ReservationError`.
pub fn reservation(py: Python<'_>) -> PyErr {
    raise(
        py,
        |classes| &classes.reservation,
        ("the reservation has been committed or finalized already",),
    )
}

/// An `Overrun`.
pub fn overrun(py: Python<'_>, lost: u64) -> PyErr {
    raise(py, |classes| &classes.overrun, (lost,))
}

/// The exception of an error of the host.
pub fn from_host(py: Python<'_>, why: pr_host::Error) -> PyErr {
    use pr_host::Error;
    let text = why.to_string();
    match why {
        Error::Config(text) => config(py, text),
        Error::RingFile {
            path,
            reason,
            errno,
        } => {
            let errno = errno.unwrap_or(libc::EINVAL);
            let path = path.to_string_lossy().into_owned();
            raise(py, |classes| &classes.ring_file, (errno, reason, path))
        }
        Error::Os {
            errno: libc::ENOMEM,
            ..
        } => PyMemoryError::new_err(text),
        Error::Os { errno, .. } => PyOSError::new_err((errno, text)),
    }
}

/// The `RingFileError` of a file that was closed here.
pub fn closed(py: Python<'_>, path: &Path) -> PyErr {
    let path = path.to_string_lossy().into_owned();
    raise(
        py,
        |classes| &classes.ring_file,
        (libc::EBADF, "it was closed".to_owned(), path),
    )
}

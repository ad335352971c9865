//! Where `Log.dump` writes, and how much of the past.

use crate::errors;
use crate::logs::SLICE;
use crate::opening::_has_stderr;
use crate::parameters::PathArg;
use pr_host::Error;
use pr_host::dump::{Last, Outlet, TextDump};
use pr_host::options::parse_span;
use pyo3::exceptions::{PyBlockingIOError, PyOSError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyString};

/// How much of the past: a number of records, or a time such as "30s".
#[derive(Clone, Copy, Debug)]
pub struct LastArg(pub Last);

impl<'py> FromPyObject<'_, 'py> for LastArg {
    type Error = PyErr;

    fn extract(last: Borrowed<'_, 'py, PyAny>) -> PyResult<LastArg> {
        let py = last.py();
        if let Ok(text) = last.cast::<PyString>() {
            let span = parse_span(&text.to_string_lossy());
            let span = span.map_err(|why| errors::from_host(py, prefixed("last", why)))?;
            return Ok(LastArg(Last::Nanoseconds(span)));
        }
        if !last.is_instance_of::<PyInt>() || last.is_instance_of::<PyBool>() {
            let kind = last.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "last is a number of records (int) or a time (str), not {kind}"
            )));
        }
        if last.lt(0)? {
            let text = format!("last is {}: it must be 0 records or more", &*last);
            return Err(errors::config(py, text));
        }
        Ok(LastArg(Last::Records(last.extract().unwrap_or(u64::MAX))))
    }
}

/// Says which argument is meant.
fn prefixed(argument: &str, why: Error) -> Error {
    match why {
        Error::Config(text) => Error::Config(format!("{argument}: {text}")),
        other => other,
    }
}

/// Where a dump goes.
pub enum Target<'py> {
    /// A file or a descriptor.
    Outlet(Outlet),
    /// An object with a method `write` that takes bytes.
    Object(Bound<'py, PyAny>),
}

impl<'py> Target<'py> {
    /// What was given, opened.
    pub fn of(py: Python<'py>, to: Option<&Bound<'py, PyAny>>) -> PyResult<Target<'py>> {
        let opened = |outlet: Result<Outlet, Error>| {
            outlet
                .map(Target::Outlet)
                .map_err(|why| errors::from_host(py, why))
        };
        let Some(to) = to else {
            if !_has_stderr(py)? {
                let text = "the process has no stderr: give a path, a descriptor or a binary file";
                return Err(PyOSError::new_err((libc::EBADF, text)));
            }
            return opened(Outlet::descriptor(libc::STDERR_FILENO));
        };
        if to.is_instance_of::<PyInt>() && !to.is_instance_of::<PyBool>() {
            let number = to.extract::<libc::c_int>().ok().filter(|fd| *fd >= 0);
            let text = format!("{to} is no descriptor: it must be 0 or more");
            let fd = number.ok_or_else(|| errors::config(py, text))?;
            return opened(Outlet::descriptor(fd));
        }
        if to.is_instance_of::<PyString>() || to.hasattr("__fspath__")? {
            let PathArg(path) = to.extract()?;
            return opened(py.detach(|| Outlet::append_to(&path)));
        }
        let io = py.import("io")?;
        let is_text = to.is_instance(&io.getattr("TextIOBase")?)?;
        if !is_text && to.hasattr("write")? {
            return Ok(Target::Object(to.clone()));
        }
        let kind = to.get_type().name()?;
        let hint = if is_text { ": give its buffer" } else { "" };
        Err(PyTypeError::new_err(format!(
            "a dump goes to a path, a descriptor or a binary file, not {kind}{hint}"
        )))
    }

    /// Writes all of a dump. How many records.
    pub fn take(&self, py: Python<'_>, mut dump: TextDump) -> PyResult<u64> {
        if let Target::Outlet(outlet) = self {
            write_all(py, outlet, outlet.lead())?;
        }
        while let Some(piece) = py
            .detach(|| dump.next_piece())
            .map_err(|why| errors::from_host(py, why))?
        {
            match self {
                Target::Outlet(outlet) => write_all(py, outlet, &piece)?,
                Target::Object(object) => hand_over(object, &piece)?,
            }
        }
        if let Target::Object(object) = self
            && object.hasattr("flush")?
        {
            object.call_method0("flush")?;
        }
        Ok(dump.records())
    }
}

/// Writes without the interpreter, and looks at signals at least ten times a second.
fn write_all(py: Python<'_>, outlet: &Outlet, bytes: &[u8]) -> PyResult<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let wrote = py.detach(|| outlet.write(rest, SLICE));
        let wrote = wrote.map_err(|why| errors::from_host(py, why))?;
        rest = rest.get(wrote..).unwrap_or_default();
        py.check_signals()?;
    }
    Ok(())
}

/// Gives a binary file all of it: an unbuffered one may take less at a time, and one that says nothing has taken it.
fn hand_over(object: &Bound<'_, PyAny>, bytes: &[u8]) -> PyResult<()> {
    let py = object.py();
    let mut rest = bytes;
    while !rest.is_empty() {
        let answer = object.call_method1("write", (PyBytes::new(py, rest),))?;
        if answer.is_none() {
            let raw = py.import("io")?.getattr("RawIOBase")?;
            return if object.is_instance(&raw)? {
                Err(PyBlockingIOError::new_err("the file takes nothing now"))
            } else {
                Ok(())
            };
        }
        let wrote: usize = answer.extract()?;
        if wrote == 0 {
            return Err(PyBlockingIOError::new_err("the file takes nothing"));
        }
        rest = rest.get(wrote..).unwrap_or_default();
    }
    Ok(())
}

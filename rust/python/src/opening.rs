//! What it takes to open a log: defaults as the interpreter is told of them, and what the first log of a process prepares.

use crate::convert::Taker;
use crate::ending;
use crate::fastcall::kept::Kept;
use crate::levels::LevelArg;
use crate::redact::Redaction;
use crate::sizes::SizeArg;
use pr_host::options::{self, default};
use pr_host::sinks::keep_off_stderr;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

/// A level that is a default.
pub fn default_level(name: &str) -> LevelArg {
    LevelArg(pr_record::Level::parse(name).map_or(0, pr_record::Level::number))
}

/// The size that a log has unless told.
pub fn default_size() -> SizeArg {
    SizeArg(options::parse_size(default::SIZE).unwrap_or(options::MIN_SIZE))
}

/// The program's command line, if it has one, without what the log is not to hold.
pub fn argv(py: Python<'_>, redaction: Option<&Redaction>) -> Option<Vec<String>> {
    let argv = py.import("sys").and_then(|sys| sys.getattr("argv")).ok()?;
    let mut taker = Taker::default();
    let words = argv.cast::<PyList>().ok()?.iter();
    let words = words.map(|argument| taker.text_of(&argument)).collect();
    Some(match redaction {
        Some(redaction) => redaction.command_line(py, words),
        None => words,
    })
}

/// Has the orderly exit happen. Once a process; threads that come at the same moment do
/// it each, which does no harm.
pub fn prepare_process(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: Kept<()> = Kept::new();
    REGISTERED.get_or_make(|| {
        if !_has_stderr(py)? {
            keep_off_stderr();
        }
        let module = py.import("printk_ring.ends")?;
        ending::call(&module.getattr("watch")?, &PyTuple::empty(py)).map(|_| ())
    })?;
    Ok(())
}

/// Whether descriptor 2 is what people look at. Where the interpreter began without it, it is any file that was opened
/// since, unless the program has made that its stderr.
#[pyfunction]
pub fn _has_stderr(py: Python<'_>) -> PyResult<bool> {
    if pr_printk::fd::identity(libc::STDERR_FILENO).is_none() {
        return Ok(false);
    }
    let sys = py.import("sys")?;
    let stream = |name: &str| {
        sys.getattr_opt(name)
            .map(|stream| stream.filter(|stream| !stream.is_none()))
    };
    if stream("__stderr__")?.is_some() {
        return Ok(true);
    }
    let Some(now) = stream("stderr")? else {
        return Ok(false);
    };
    let number = now
        .call_method0("fileno")
        .and_then(|fd| fd.extract::<libc::c_int>());
    match number {
        Ok(number) => Ok(libc::STDERR_FILENO == number),
        Err(why) if why.is_instance_of::<PyException>(py) => Ok(false), // it is no file
        Err(why) => Err(why),
    }
}

//! Crashes: what tells them is prepared, and given back.

use crate::convert::text;
use crate::ending;
use crate::errors;
use crate::log::Log;
use crate::logs::{self, LogHandle};
use crate::parameters::PathArg;
use pr_host::crash::{orderly, report, rust_panics, signals};
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyString};
use std::path::PathBuf;
use std::sync::Arc;

/// From now on crashes are told of this log: a file in `directory`, else beside the ring file, else in the working directory.
/// Why there can be none in the latter two.
#[pyfunction]
#[pyo3(signature = (log, directory=None, /))]
pub fn _tell_crashes(
    py: Python<'_>,
    log: &Bound<'_, Log>,
    directory: Option<PathBuf>,
) -> PyResult<Option<String>> {
    let log = log.get().handle();
    let told = py.detach(|| log.tell_crashes(directory.as_deref()));
    let trouble = told.map_err(|why| errors::from_host(py, why))?;
    rust_panics::watch();
    Ok(trouble.map(|why| why.to_string()))
}

/// Raises RingFileError where crash files cannot be written in `directory`.
#[pyfunction]
#[pyo3(signature = (directory, /))]
pub fn _check_crash_dir(py: Python<'_>, directory: PathArg) -> PyResult<()> {
    let checked = py.detach(|| report::check_directory(&directory.0));
    checked.map_err(|why| errors::from_host(py, why))
}

/// From now on fatal signals are told before they end the process.
#[pyfunction]
pub fn _arm_signals() {
    signals::arm();
}

/// A real-time signal that nobody handles, and the descriptor that a crash is written to.
#[pyfunction]
pub fn _trace_places() -> Option<(i32, i32)> {
    signals::unused_signal().zip(report::text_descriptor())
}

/// Takes the handler of this signal, which writes to that descriptor where Python's threads are. False: it has none.
#[pyfunction]
#[pyo3(signature = (signal, descriptor, /))]
pub fn _take_trace(signal: i32, descriptor: i32) -> bool {
    signals::take_trace(signal, descriptor)
}

/// What `signals=` has in it. Raises ConfigError for what cannot be taken as an orderly exit.
#[pyfunction]
#[pyo3(signature = (signals, /))]
pub fn _listed_signals(py: Python<'_>, signals: &Bound<'_, PyAny>) -> PyResult<Vec<i32>> {
    let is_text = signals.is_instance_of::<PyString>() || signals.is_instance_of::<PyBytes>();
    match signals.try_iter() {
        Err(why) if !why.is_instance_of::<PyTypeError>(py) => return Err(why),
        Ok(_) if !is_text => {}
        _ => {
            let shown = text::shown(signals)?;
            let text = format!(
                "signals is {shown}: give a list of signal numbers, such as [signal.SIGTERM]"
            );
            return Err(errors::config(py, text));
        }
    }
    let numbers = ending::list(signals)?;
    let numbers = numbers.iter().map(|given| signal_number(&given));
    let numbers = numbers.collect::<PyResult<Vec<i32>>>()?;
    orderly::check(&numbers).map_err(|why| errors::from_host(py, why))?;
    Ok(numbers)
}

fn signal_number(given: &Bound<'_, PyAny>) -> PyResult<i32> {
    let py = given.py();
    match given.extract() {
        Ok(number) if !given.is_instance_of::<PyBool>() => Ok(number),
        Err(why) if !why.is_instance_of::<PyException>(py) => Err(why), // an interruption
        _ => {
            let shown = text::shown(given)?;
            let text =
                format!("signals: {shown} is no signal number: give one such as signal.SIGTERM");
            Err(errors::config(py, text))
        }
    }
}

/// Until this log is closed these signals are taken as an orderly exit of all logs, then passed on to whoever handled them
/// before.
#[pyfunction]
#[pyo3(signature = (log, signals, /))]
pub fn _take_signals(py: Python<'_>, log: &Bound<'_, Log>, signals: Vec<i32>) -> PyResult<()> {
    let log = log.get().handle();
    let timeout = logs::exit_timeout();
    let end = move |signal: &str| {
        // Not the handles: the last one of a log waits for the interpreter, which may not come.
        let shared = |log: &LogHandle| log.shared().clone();
        let open: Vec<Arc<pr_host::Log>> = logs::open().iter().map(shared).collect();
        orderly::end_logs(&open, signal, timeout);
    };
    let taken = py.detach(|| orderly::take(log, &signals, Box::new(end)));
    taken.map_err(|why| errors::from_host(py, why))
}

/// Writes a report of trouble that ends the process in order, for this log. Where it is; None: crashes are not told of it, or
/// there were too many.
#[pyfunction]
#[pyo3(signature = (log, detail, /))]
pub fn _report_oops(
    py: Python<'_>,
    log: &Bound<'_, Log>,
    detail: &Bound<'_, PyString>,
) -> PyResult<Option<PathBuf>> {
    let (log, detail) = (log.get().handle(), text::owned(detail));
    let written = py.detach(|| log.report_oops(&detail));
    written.map_err(|why| errors::from_host(py, why))
}

//! What concerns the process and not one log: the default log, the open ones, the orderly exit, the defaults.

use crate::ending;
use crate::fastcall;
use crate::fastcall::kept::Kept;
use crate::log::Log;
use crate::logger::Logger;
use crate::logs;
use pr_host::options::{self, default};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// A logger for the default log, whichever that is at each call; while there is none its records go nowhere.
#[pyfunction]
#[pyo3(signature = (name=None, **bound))]
pub fn _default_logger<'py>(
    py: Python<'py>,
    name: Option<&Bound<'_, PyString>>,
    bound: Option<&Bound<'_, PyDict>>,
) -> PyResult<Bound<'py, Logger>> {
    Logger::for_all(py, None, name, bound)
}

/// Makes `log` the one that default loggers write to; None: none.
#[pyfunction]
#[pyo3(signature = (log, /))]
pub fn _set_default(log: Option<&Bound<'_, Log>>) {
    fastcall::set_default(log.map(|log| log.get().handle()));
}

/// The logs of this process that are open; `closed`: those too that are closed, as long as somebody holds them, or they are kept.
#[pyfunction]
#[pyo3(signature = (*, closed=false))]
pub fn _open_logs(closed: bool) -> Vec<Log> {
    let logs = if closed { logs::held() } else { logs::open() };
    logs.into_iter().map(Log::of).collect()
}

/// The modules there are, and who is to be called before a fork as long as there is one for multiprocessing.
struct Watched {
    modules: Py<PyDict>,
    tell: Py<PyAny>,
}

static WATCHED: Kept<Watched> = Kept::new();

/// Has `_look_for_multiprocessing` call `tell`.
#[pyfunction]
#[pyo3(signature = (modules, tell, /))]
pub fn _watch_multiprocessing(modules: Py<PyDict>, tell: Py<PyAny>) {
    WATCHED.keep(Watched { modules, tell });
}

/// Before every fork. Native, since a hook of Python code would have a signal's exception end in it: only where
/// multiprocessing is, which has such hooks itself, Python code is called.
#[pyfunction]
pub fn _look_for_multiprocessing(py: Python<'_>) -> PyResult<()> {
    let Some(watched) = WATCHED.get() else {
        return Ok(());
    };
    if watched.modules.bind(py).contains("multiprocessing.util")? {
        ending::call(watched.tell.bind(py), &PyTuple::empty(py))?;
    }
    Ok(())
}

/// Keeps the last so many closed logs that nobody holds any more; those that were kept before go.
#[pyfunction]
#[pyo3(signature = (most, /))]
pub fn _keep_closed(py: Python<'_>, most: usize) {
    py.detach(|| logs::keep(most));
}

/// The orderly exit: flushes all consoles of all open logs, together at most 1 s, and marks their files clean.
///
/// Consoles with a Python sink or format are taken away after that: no Python code may be run from then on. It does not
/// close: a record that is logged later in the exit is still stored, and printed by its caller before the call returns.
/// Does nothing in a fork child for logs that belong to its parent.
#[pyfunction]
pub fn _shutdown(py: Python<'_>) -> PyResult<()> {
    logs::shutdown(py, logs::exit_timeout())
}

/// Every default of `rust/host` under the name of its parameter.
#[pyfunction]
pub fn defaults(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("size", default::SIZE)?;
    dict.set_item("avg_record", default::AVG_RECORD)?;
    dict.set_item("level", default::LEVEL)?;
    dict.set_item("console_level", default::CONSOLE_LEVEL)?;
    dict.set_item("format", default::FORMAT)?;
    dict.set_item("replay", false)?;
    dict.set_item("bootstrap", false)?;
    dict.set_item("overflow", default::OVERFLOW)?;
    dict.set_item("block_timeout", default::BLOCK_TIMEOUT_S)?;
    dict.set_item("flush_timeout", default::FLUSH_TIMEOUT_S)?;
    dict.set_item("remove_timeout", default::REMOVE_TIMEOUT_S)?;
    dict.set_item("exit_timeout", default::EXIT_TIMEOUT_S)?;
    dict.set_item("memory_records", default::MEMORY_RECORDS)?;
    dict.set_item("memory_bytes", default::MEMORY_BYTES)?;
    dict.set_item("max_reason", default::MAX_REASON as u32)?;
    dict.set_item("interval", default::RATE_INTERVAL_S)?;
    dict.set_item("burst", default::RATE_BURST)?;
    dict.set_item("redacted", default::REDACTED)?;
    dict.set_item("min_size_bytes", options::MIN_SIZE)?;
    dict.set_item("max_record_bytes", pr_printk::core::MAX_RECORD_BYTES)?;
    Ok(dict)
}

//! A debugging aid is told, in the caller's own thread, of each call that may wait for consoles: one that logs, or that
//! flushes. `printk_ring.lockdep` is who listens. While nobody does, the log call itself does not know that it could be
//! watched: its methods are replaced by others when somebody begins to.

use crate::fastcall;
use crate::fastcall::kept::Kept;
use pr_host::Log;
use pr_printk::thread;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

static LISTENER: Kept<Py<PyAny>> = Kept::new();

/// Has `told(life)` called before each log call that stores and each flush, with `Log._life` of the log. For good.
#[pyfunction]
#[pyo3(signature = (told, /))]
pub fn _watch(told: Bound<'_, PyAny>) -> PyResult<()> {
    let py = told.py();
    let (_, is_first) = LISTENER.keep(told.unbind());
    if !is_first {
        return Err(PyRuntimeError::new_err("somebody is listening already"));
    }
    fastcall::watch(py)
}

/// Tells who listens, of a call that may wait: not of one within a log call (this is the `depth`-th here), in a console's own
/// code, or where records are only stored. What that raises is passed on by the caller, once its own work is done.
pub fn told(py: Python<'_>, log: &Log, depth: u32) -> PyResult<()> {
    let Some(listener) = LISTENER.get() else {
        return Ok(());
    };
    if !thread::may_wait(depth) {
        return Ok(());
    }
    listener.call1(py, (log.life_number(),)).map(drop)
}

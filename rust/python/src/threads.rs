//! Names of threads: the ring holds the kernel's number of a record's thread, and a `logging.Formatter` wants its name, when
//! that thread may have ended. From the moment that somebody wants names each thread tells its own at its first log call.

use crate::fastcall::glance::GLANCE;
use crate::fastcall::kept::Kept;
use pr_printk::thread;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::Cell;
use std::sync::atomic::Ordering;

/// So many names are kept; the oldest goes first.
const MAX_NAMES: usize = 1024;

/// What names are made from, and where they are kept.
struct Naming {
    /// The threads that `threading` knows, by its number of each.
    known: Py<PyDict>,
    /// The calling thread's number there.
    ident: Py<PyAny>,
    /// Both, by the kernel's number.
    names: Py<PyDict>,
}

static NAMING: Kept<Naming> = Kept::new();

thread_local! {
    /// The generation of the process in which this thread has told its name: in a forked child its number is another one.
    static TOLD: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// Has each thread's name kept from its next log call on, in a dict from the kernel's number to number and name of
/// `threading`: of the last 1024 threads. `known` are the threads that `threading` knows by its number, `ident()` says the
/// calling one's. For good; whoever comes later gets the same dict.
#[pyfunction]
#[pyo3(signature = (known, ident, /))]
pub fn _name_threads<'py>(
    known: Bound<'py, PyDict>,
    ident: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = known.py();
    let naming = NAMING.get_or_make(|| {
        Ok(Naming {
            known: known.unbind(),
            ident: ident.unbind(),
            names: PyDict::new(py).unbind(),
        })
    })?;
    GLANCE.names.store(true, Ordering::Release);
    Ok(naming.names.bind(py).clone())
}

/// Whether this thread has to tell its name. One load, where nobody wants names.
#[inline(always)]
pub fn is_new() -> bool {
    GLANCE.names.load(Ordering::Acquire) && has_not_told()
}

#[cold]
#[inline(never)]
fn has_not_told() -> bool {
    TOLD.get() != thread::generation()
}

/// Keeps this thread's name, if it is a new one and `threading` knows it. Runs no Python code, so that no signal's handler
/// raises in here: what fails is the name's own affair, and the record goes on without.
pub fn introduce(py: Python<'_>) {
    if is_new() {
        TOLD.set(thread::begin_generation());
        drop(keep(py));
    }
}

fn keep(py: Python<'_>) -> PyResult<()> {
    let Some(naming) = NAMING.get() else {
        return Ok(());
    };
    let ident = naming.ident.bind(py).call0()?;
    let Some(known) = naming.known.bind(py).get_item(&ident)? else {
        return Ok(());
    };
    // The attribute behind the property, which is Python code.
    let name = known.getattr("_name")?;
    let names = naming.names.bind(py);
    for _ in 0..2 {
        // Twice, for another thread may have dropped the same one.
        if names.len() >= MAX_NAMES {
            drop(drop_oldest(names));
        }
    }
    names.set_item(thread::tid(), (ident, name))
}

fn drop_oldest(names: &Bound<'_, PyDict>) -> PyResult<()> {
    match names.try_iter()?.next() {
        Some(oldest) => names.del_item(oldest?),
        None => Ok(()),
    }
}

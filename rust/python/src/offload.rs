//! `Offload`: who prints.

use crate::errors;
use crate::logs::{self, LogHandle};
use crate::parameters::TextArg;
use pr_host::Mode;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFrozenSet, PyInt};
use std::sync::Arc;

/// Who prints the records of a log. Made by `Log.offload`.
#[pyclass(frozen, module = "printk_ring")]
pub struct Offload {
    log: LogHandle,
}

impl Offload {
    /// That of a log.
    pub fn new(log: LogHandle) -> Offload {
        Offload { log }
    }
}

#[pymethods]
impl Offload {
    /// Who prints: "console", each console's own thread; "smp", threads that serve any console; "caller", whoever logs.
    /// Settable.
    #[getter]
    fn mode(&self) -> &'static str {
        self.log.mode().name()
    }

    #[setter]
    fn set_mode(&self, py: Python<'_>, mode: TextArg) -> PyResult<()> {
        let mode = &*mode.0;
        let mode = Mode::named(mode).map_err(|why| errors::from_host(py, why))?;
        py.detach(|| self.log.set_mode(mode))
            .map_err(|why| errors::from_host(py, why))
    }

    /// The processors that the printers of the mode "smp" use, each of one thread. Settable; None: all that there are.
    #[getter]
    fn cpus<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyFrozenSet>> {
        let cpus = self.log.printer_cpus();
        PyFrozenSet::new(py, cpus.map_err(|why| errors::from_host(py, why))?)
    }

    #[setter]
    fn set_cpus(&self, py: Python<'_>, cpus: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let cpus = match cpus {
            Some(cpus) => Some(numbers(&cpus)?),
            None => None,
        };
        py.detach(|| self.log.set_printer_cpus(cpus))
            .map_err(|why| errors::from_host(py, why))
    }

    /// True: every record is on all consoles that can be written to in any context before its call returns. Settable.
    #[getter]
    fn enforce_emergency(&self) -> bool {
        self.log.enforces_emergency()
    }

    #[setter]
    fn set_enforce_emergency(&self, py: Python<'_>, on: bool) {
        py.detach(|| self.log.set_enforce_emergency(on));
    }

    /// True: a panic leaves out the consoles of the least reliable class when a dumper has saved the records. Settable.
    #[getter]
    fn skip_unreliable_if_saved(&self) -> bool {
        self.log.skips_unreliable_if_saved()
    }

    #[setter]
    fn set_skip_unreliable_if_saved(&self, py: Python<'_>, on: bool) {
        py.detach(|| self.log.set_skip_unreliable_if_saved(on));
    }

    /// True: SIGTSTP suspends printing before it stops the process, and SIGCONT resumes it. Settable in the main thread.
    #[getter]
    fn suspend_on_stop(&self) -> bool {
        self.log.suspends_on_stop()
    }

    #[setter]
    fn set_suspend_on_stop(&self, py: Python<'_>, on: bool) -> PyResult<()> {
        let others = logs::open();
        let mut others = others
            .iter()
            .filter(|log| !Arc::ptr_eq(log.shared(), self.log.shared()));
        let any = on || others.any(|log| log.suspends_on_stop());
        py.import("printk_ring.stop")?
            .call_method1("_handle", (any,))?;
        self.log.set_suspend_on_stop(on);
        Ok(())
    }

    /// The printer threads: their names and the kernel's numbers of them.
    fn threads(&self, py: Python<'_>) -> Vec<(String, u32)> {
        py.detach(|| self.log.printer_threads())
    }

    fn __repr__(&self) -> String {
        let (mode, name) = (self.log.mode().name(), self.log.name());
        format!("<Offload of {name:?}: mode {mode:?}>")
    }
}

/// The numbers of processors. What is no number of one is an error that says so.
fn numbers(cpus: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    let mut numbers = Vec::new();
    for cpu in cpus.try_iter()? {
        let cpu = cpu?;
        if cpu.is_instance_of::<PyBool>() || !cpu.is_instance_of::<PyInt>() {
            let kind = cpu.get_type().name()?;
            let why = format!("cpus has the numbers of processors, ints, and no {kind}");
            return Err(PyTypeError::new_err(why));
        }
        numbers.push(cpu.extract().unwrap_or(u32::MAX)); // there is no such processor
    }
    Ok(numbers)
}

/// Calls `stop()` while nobody prints on the logs with `Offload.suspend_on_stop`. They flush before that, together at most 1 s.
#[pyfunction]
#[pyo3(signature = (stop, /))]
pub fn _while_suspended(stop: &Bound<'_, PyAny>) -> PyResult<()> {
    logs::stop(stop.py(), stop)
}

/// Stops the process as SIGTSTP does where nobody handles it. Returns when it was continued.
#[pyfunction]
#[pyo3(signature = ())]
pub fn _stop_process(py: Python<'_>) {
    py.detach(pr_host::stop::stop_process);
}

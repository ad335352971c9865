//! `Offload`: who prints.

use crate::errors;
use crate::logs::LogHandle;
use pr_host::Mode;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFrozenSet, PyInt};

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
    fn set_mode(&self, py: Python<'_>, mode: &str) -> PyResult<()> {
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

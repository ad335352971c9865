//! `Offload`: who prints.

use crate::errors;
use crate::logs::LogHandle;
use pr_host::Mode;
use pyo3::prelude::*;

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
    /// Who prints: "console", each console's own thread; "caller", whoever logs. Settable.
    #[getter]
    fn mode(&self) -> &'static str {
        self.log.mode().name()
    }

    #[setter]
    fn set_mode(&self, py: Python<'_>, mode: &str) -> PyResult<()> {
        let mode = Mode::named(mode).map_err(|why| errors::from_host(py, why))?;
        py.detach(|| self.log.set_mode(mode));
        Ok(())
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

    /// The printer threads: their names and the kernel's numbers of them.
    fn threads(&self, py: Python<'_>) -> Vec<(String, u32)> {
        py.detach(|| self.log.printer_threads())
    }

    fn __repr__(&self) -> String {
        let (mode, name) = (self.log.mode().name(), self.log.name());
        format!("<Offload of {name:?}: mode {mode:?}>")
    }
}

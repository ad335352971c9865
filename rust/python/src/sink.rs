//! `Sink`: where a console writes.

use pr_host::SinkSpec;
use pyo3::prelude::*;
use std::path::PathBuf;

/// Where a console writes. A description, opened when the console is added; equal when kind and target are; hashable.
///
/// Made by the static methods (public as `printk_ring.sinks`).
#[pyclass(frozen, eq, hash, module = "printk_ring")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sink(SinkSpec);

impl Sink {
    /// The description.
    pub fn spec(&self) -> &SinkSpec {
        &self.0
    }
}

#[pymethods]
impl Sink {
    /// File descriptor 2 as it is at this moment (it is duplicated; its flags are never changed).
    #[staticmethod]
    fn stderr() -> Sink {
        Sink(SinkSpec::Stderr)
    }

    /// File descriptor 1 as it is at this moment (it is duplicated; its flags are never changed).
    #[staticmethod]
    fn stdout() -> Sink {
        Sink(SinkSpec::Stdout)
    }

    /// Appends whole lines to `path` (O_APPEND, created with 0600, re-opened when its inode changes).
    #[staticmethod]
    fn file(path: PathBuf) -> PyResult<Sink> {
        Ok(Sink(SinkSpec::File(std::path::absolute(path)?)))
    }

    /// Which static method made it.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// The absolute path of a file sink, else None.
    #[getter]
    fn path(&self) -> Option<PathBuf> {
        match &self.0 {
            SinkSpec::File(path) => Some(path.clone()),
            SinkSpec::Stderr | SinkSpec::Stdout => None,
        }
    }

    fn __repr__(&self) -> String {
        match &self.0 {
            SinkSpec::File(path) => format!("sinks.file({:?})", path.display().to_string()),
            other => format!("sinks.{}()", other.kind()),
        }
    }
}

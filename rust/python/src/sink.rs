//! `Sink`: where a console writes.

use crate::callable::PythonSink;
use crate::errors;
use crate::parameters::{Clamped, PathArg};
use crate::record::Record;
use pr_host::options::default;
use pr_host::sinks::Memory;
use pr_host::{SharedRecordSink, SinkSpec};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

/// Where a console writes. A description, opened when the console is added; equal when kind and target are; hashable.
///
/// Made by the static methods (public as `printk_ring.sinks`).
#[pyclass(frozen, subclass, module = "printk_ring")]
pub struct Sink {
    spec: SinkSpec,
    /// What takes the records, if that is a Python object: two sinks are equal when it is the same one.
    object: Option<Py<PyAny>>,
}

impl Sink {
    /// The description.
    pub fn spec(&self) -> &SinkSpec {
        &self.spec
    }

    fn native(spec: SinkSpec) -> Sink {
        Sink { spec, object: None }
    }
}

#[pymethods]
impl Sink {
    /// File descriptor 2 as it is at this moment (it is duplicated; its flags are never changed).
    #[staticmethod]
    fn stderr() -> Sink {
        Sink::native(SinkSpec::Stderr)
    }

    /// File descriptor 1 as it is at this moment (it is duplicated; its flags are never changed).
    #[staticmethod]
    fn stdout() -> Sink {
        Sink::native(SinkSpec::Stdout)
    }

    /// Appends whole lines to `path` (O_APPEND, created with 0600, re-opened when its inode changes).
    #[staticmethod]
    fn file(py: Python<'_>, path: PathArg) -> PyResult<Sink> {
        let spec = SinkSpec::file(&path.0).map_err(|why| errors::from_host(py, why))?;
        Ok(Sink::native(spec))
    }

    /// Calls `fn(record)` for each record.
    #[staticmethod]
    #[pyo3(signature = (r#fn, /))]
    fn callable(r#fn: &Bound<'_, PyAny>) -> PyResult<Sink> {
        if !r#fn.is_callable() {
            let kind = r#fn.get_type().name()?;
            return Err(PyTypeError::new_err(format!("{kind} is not callable")));
        }
        let records = PythonSink::records("callable", described(r#fn), r#fn)?;
        Ok(Sink {
            spec: SinkSpec::Records(records),
            object: Some(r#fn.clone().unbind()),
        })
    }

    /// Gives each record to a `logging.Handler`.
    #[staticmethod]
    #[pyo3(signature = (handler, /))]
    fn handler(handler: &Bound<'_, PyAny>) -> PyResult<Sink> {
        // Imports logging, as whoever has a handler has done.
        let module = handler.py().import("printk_ring.logrecords")?;
        let hand = module.call_method1("handing", (handler,))?;
        let records = PythonSink::records("handler", described(handler), &hand)?;
        Ok(Sink {
            spec: SinkSpec::Records(records),
            object: Some(handler.clone().unbind()),
        })
    }

    /// Keeps the last records in memory.
    #[staticmethod]
    #[pyo3(signature = (*, limit=Clamped(default::MEMORY_RECORDS as i64)), text_signature = "(*, limit=10000)")]
    fn memory(py: Python<'_>, limit: Clamped) -> PyResult<Py<MemorySink>> {
        let Some(limit) = usize::try_from(limit.0).ok().filter(|limit| *limit > 0) else {
            let text = format!(
                "limit is {}: a sink in memory keeps at least 1 record",
                limit.0
            );
            return Err(errors::config(py, text));
        };
        let memory = Arc::new(Memory::new(limit, default::MEMORY_BYTES));
        let spec = SinkSpec::Records(SharedRecordSink(memory.clone()));
        let made = PyClassInitializer::from(Sink::native(spec)).add_subclass(MemorySink { memory });
        Py::new(py, made)
    }

    /// Which static method made it.
    #[getter]
    fn kind(&self) -> &'static str {
        self.spec.kind()
    }

    /// The absolute path of a file sink, else None.
    #[getter]
    fn path(&self) -> Option<PathBuf> {
        match &self.spec {
            SinkSpec::File(path) => Some(path.clone()),
            _ => None,
        }
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast::<Sink>() else {
            return Ok(false);
        };
        let (py, other) = (other.py(), other.get());
        match (&self.object, &other.object) {
            (Some(one), Some(two)) => {
                Ok(self.kind() == other.kind() && is_same(one.bind(py), two.bind(py))?)
            }
            (None, None) => Ok(self.spec == other.spec),
            _ => Ok(false),
        }
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<u64> {
        let mut hasher = DefaultHasher::new();
        match &self.object {
            None => self.spec.hash(&mut hasher),
            Some(object) => {
                self.kind().hash(&mut hasher);
                match owner_of_method(object.bind(py))? {
                    Some(owner) => owner.as_ptr().addr().hash(&mut hasher),
                    None => object.as_ptr().addr().hash(&mut hasher),
                }
            }
        }
        Ok(hasher.finish())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let kind = self.kind();
        let argument = match (&self.spec, &self.object) {
            (SinkSpec::File(path), _) => format!("{:?}", path.display().to_string()),
            (_, Some(object)) => object.bind(py).repr()?.to_string_lossy().into_owned(),
            _ => String::new(),
        };
        Ok(format!("sinks.{kind}({argument})"))
    }
}

/// The object of a bound method: each look at one makes another method object.
fn owner_of_method<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let method = object.py().import("types")?.getattr("MethodType")?;
    if object.is_instance(&method)? {
        object.getattr("__self__").map(Some)
    } else {
        Ok(None)
    }
}

/// The same object, or the same method of the same object.
fn is_same(one: &Bound<'_, PyAny>, two: &Bound<'_, PyAny>) -> PyResult<bool> {
    if one.is(two) {
        return Ok(true);
    }
    match (owner_of_method(one)?, owner_of_method(two)?) {
        (Some(first), Some(second)) if first.is(&second) => one.eq(two),
        _ => Ok(false),
    }
}

/// What it is, for people: its qualified name, or that of its class.
fn described(object: &Bound<'_, PyAny>) -> String {
    let name = |object: &Bound<'_, PyAny>| {
        let name = object.getattr("__qualname__").ok()?;
        Some(name.cast::<PyString>().ok()?.to_string_lossy().into_owned())
    };
    name(object)
        .or_else(|| name(object.get_type().as_any()))
        .unwrap_or_default()
}

/// Keeps the last records of its consoles in memory, for tests. Made by `sinks.memory`.
#[pyclass(frozen, extends = Sink, module = "printk_ring.sinks")]
pub struct MemorySink {
    memory: Arc<Memory>,
}

#[pymethods]
impl MemorySink {
    /// What was printed, oldest first: the last `limit` records, and at most 16 MiB of them.
    #[getter]
    fn records<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let kept = self.memory.records();
        let records = kept
            .iter()
            .map(|kept| Py::new(py, Record::new(kept.meta, kept.torn, &kept.payload)));
        PyList::new(py, records.collect::<PyResult<Vec<_>>>()?)
    }

    /// Forgets what was printed.
    fn clear(&self) {
        self.memory.clear();
    }
}

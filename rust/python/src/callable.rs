//! Whole records to Python code: what a console's own thread does while it is attached to the interpreter.
//!
//! It attaches for one batch at a time, and keeps its thread state in between, so that thread-local data of the code that it
//! runs lives as long as the console.

use crate::ending::{self, ThreadState};
use crate::gate;
use crate::record::Record;
use pr_host::{Batch, Post, RecordSink, SharedRecordSink, courier};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::sync::Arc;

/// Python code that takes whole records, or makes text of them.
#[derive(Debug)]
pub struct PythonSink {
    kind: &'static str,
    target: String,
    /// Goes through a batch: a function of `printk_ring.delivery`.
    deliver: Py<PyAny>,
    /// What it calls with each record.
    call: Py<PyAny>,
}

impl PythonSink {
    /// Hands each record to `call`.
    pub fn records(
        kind: &'static str,
        target: String,
        call: &Bound<'_, PyAny>,
    ) -> PyResult<SharedRecordSink> {
        PythonSink::shared(kind, target, "hand_over", call)
    }

    /// Writes what `call` makes of each record.
    pub fn text(call: &Bound<'_, PyAny>) -> PyResult<SharedRecordSink> {
        PythonSink::shared("text", String::new(), "hand_over_text", call)
    }

    fn shared(
        kind: &'static str,
        target: String,
        deliver: &str,
        call: &Bound<'_, PyAny>,
    ) -> PyResult<SharedRecordSink> {
        gate::watch_forks(call.py())?;
        let deliver = call.py().import("printk_ring.delivery")?.getattr(deliver)?;
        Ok(SharedRecordSink(Arc::new(PythonSink {
            kind,
            target,
            deliver: deliver.unbind(),
            call: call.clone().unbind(),
        })))
    }

    /// Goes through a batch. What escapes from there belongs to the record in hand, or costs the next one: it ends.
    fn hand_over(&self, py: Python<'_>, batch: &Arc<Batch>) {
        let handed = _Batch {
            batch: batch.clone(),
        };
        let Ok(arguments) = (self.call.bind(py), handed).into_pyobject(py) else {
            return;
        };
        while let Err(why) = ending::call(self.deliver.bind(py), &arguments) {
            gate::leave();
            if !batch.has_in_hand() && batch.take().is_none() {
                return;
            }
            let kind = why.get_type(py).name();
            batch.failed(&kind.map_or_else(|_| "exception".to_owned(), |name| name.to_string()));
        }
    }
}

impl RecordSink for PythonSink {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn target(&self) -> String {
        self.target.clone()
    }

    fn serve(&self, post: &mut Post) {
        let mut state = None;
        while let Some(batch) = post.next_batch() {
            let attached = Python::try_attach(|py| {
                state.get_or_insert_with(|| ThreadState::keep(py));
                self.hand_over(py, &batch);
            });
            if attached.is_none() {
                return; // there is no interpreter any more
            }
        }
        if let Some(state) = state
            && post.is_own()
            && !courier::is_closed()
        {
            state.give_back();
        }
    }
}

/// A batch of records in the hands of `printk_ring.delivery`. An iterator: each record has to be told as `done`, `failed`
/// or written before the next one.
#[pyclass(frozen, module = "printk_ring._native")]
pub struct _Batch {
    batch: Arc<Batch>,
}

#[pymethods]
impl _Batch {
    fn __iter__(batch: Bound<'_, _Batch>) -> Bound<'_, _Batch> {
        batch
    }

    /// The name of the console.
    #[getter]
    fn console(&self) -> String {
        self.batch.console_name()
    }

    /// As `Log._life`, of the console's log.
    #[getter]
    fn life(&self) -> u64 {
        self.batch.life_number()
    }

    /// The next record.
    fn __next__(&self, py: Python<'_>) -> Option<Record> {
        gate::enter(py);
        let Some(taken) = self.batch.take() else {
            gate::leave();
            return None;
        };
        Some(Record::new(*taken.meta, taken.torn, taken.payload))
    }

    /// The record was taken.
    fn done(&self) {
        gate::leave();
        self.batch.done();
    }

    /// The record is this text.
    #[pyo3(signature = (text, /))]
    fn write(&self, text: &Bound<'_, PyString>) {
        gate::leave();
        self.batch.write(&text.to_string_lossy());
    }

    /// The record could not be printed, and why.
    #[pyo3(signature = (why, /))]
    fn failed(&self, why: &Bound<'_, PyString>) {
        gate::leave();
        self.batch.failed(&why.to_string_lossy());
    }
}

/// What a `logging.Formatter` or a function of a record makes of records.
pub fn formatter(format: &Bound<'_, PyAny>) -> PyResult<SharedRecordSink> {
    let maker = format
        .py()
        .import("printk_ring.delivery")?
        .call_method1("text_maker", (format,))?;
    if maker.is_none() {
        let kind = format.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "a format is a name, a logging.Formatter, or a function that makes text of a record; not {kind}"
        )));
    }
    PythonSink::text(&maker)
}

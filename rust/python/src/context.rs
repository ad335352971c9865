//! Sections of a thread, as context managers; and what is noticed of tasks and handlers on the way.

use crate::ending;
use crate::errors;
use crate::fastcall::way::{Ways, way_here};
use crate::log::Log;
use crate::logs;
use pr_host::{Ended, Hold, Misuse, Section};
use pr_printk::context::REPORT_WAIT_NSEC;
use pr_printk::thread;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A section of the thread that enters it: `with log.deferred():`, `with log.emergency():`, `with log.report():`.
///
/// It has to be left on the same thread, and can be entered again then; nested ones are made by further calls. Not for use
/// around `await`: other tasks of the thread would run in it. What does all the same is told by a WARNING of the logger
/// `printk_ring`. Around a `yield` it holds for whoever runs in between.
#[pyclass(frozen, module = "printk_ring")]
pub struct Context {
    // Before the log: the last one closes it, without the interpreter.
    section: Option<Section>,
    log: Option<Py<Log>>,
    context: pr_host::Context,
    /// The key of what watches for task switches; 0: nothing does.
    watch: AtomicU64,
}

/// How many sections are watched for task switches.
static WATCHES: AtomicUsize = AtomicUsize::new(0);

impl Context {
    /// A section of `log`; None: one that does nothing.
    pub fn new(log: Option<&Bound<'_, Log>>, context: pr_host::Context) -> Context {
        let section = log.map(|log| Section::new(log.get().handle().shared().clone(), context));
        Context {
            section,
            log: log.map(|log| log.clone().unbind()),
            context,
            watch: AtomicU64::new(0),
        }
    }

    fn misused(&self, py: Python<'_>, why: Misuse) -> PyErr {
        errors::context(py, self.context.name(), why)
    }

    /// Ends the section, and prints what that owes.
    fn leave(&self, py: Python<'_>, section: &Section) -> PyResult<()> {
        let print = |ended: Ended| {
            if !ended.is_nothing() {
                py.detach(|| ended.print());
            }
        };
        match section.exit() {
            Ok(ended) => {
                print(ended);
                Ok(())
            }
            Err((why, ended)) => {
                print(ended);
                Err(self.misused(py, why))
            }
        }
    }

    /// Watches for task switches, if this is a task.
    fn begin_watch(&self, py: Python<'_>) -> PyResult<()> {
        let modules = py.import("sys")?.getattr("modules")?;
        if !modules.contains("asyncio")? {
            return Ok(());
        }
        let module = py.import("printk_ring.context")?;
        let arguments = (self.context.name(), &self.log).into_pyobject(py)?;
        let key = ending::call(&module.getattr("_watch")?, &arguments)?;
        let key: u64 = key.extract()?;
        if key != 0 {
            self.watch.store(key, Ordering::Relaxed);
            WATCHES.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn end_watch(&self, py: Python<'_>) -> PyResult<()> {
        let key = self.watch.swap(0, Ordering::Relaxed);
        if key != 0 {
            WATCHES.fetch_sub(1, Ordering::Relaxed);
            let unwatch = py.import("printk_ring.context")?.getattr("_unwatch")?;
            ending::call(&unwatch, &(key,).into_pyobject(py)?)?;
        }
        Ok(())
    }
}

#[pymethods]
impl Context {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        let Some(section) = &self.section else {
            return Ok(());
        };
        let holds = section.enter().map_err(|why| self.misused(py, why))?;
        let waited = if holds {
            Ok(())
        } else {
            wait_for_other(py, section)
        };
        let entered = waited.and_then(|()| ordinary(py, self.begin_watch(py)));
        if entered.is_err() {
            self.leave(py, section)?; // an interruption: `with` will not leave what it has not entered
        }
        entered
    }

    #[pyo3(signature = (exc_type, exc_value, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: &Bound<'_, PyAny>,
        exc_value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (exc_type, exc_value, traceback);
        let Some(section) = &self.section else {
            return Ok(());
        };
        let left = self.leave(py, section);
        let watched = ordinary(py, self.end_watch(py));
        left.and(watched)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = self.context.name();
        Ok(match &self.log {
            Some(log) => format!("<Context {name} of {}>", log.bind(py).repr()?),
            None => format!("<Context {name} of no log>"),
        })
    }
}

/// A report waits for another thread's as any log call does, and then goes on beside it.
fn wait_for_other(py: Python<'_>, section: &Section) -> PyResult<()> {
    if !thread::may_wait(0) || is_in_handler(py) {
        return Ok(());
    }
    let log = section.log();
    let patience = Duration::from_nanos(REPORT_WAIT_NSEC);
    let waited = logs::wait(py, patience, |slice| {
        log.wait_while(Hold::Report, slice) && section.try_hold()
    });
    if !section.try_hold() {
        log.count_timeout(Hold::Report);
    }
    waited.map(drop)
}

/// Watching is an extra: what goes wrong in it is told as unraisable. An interruption is passed on.
fn ordinary(py: Python<'_>, outcome: PyResult<()>) -> PyResult<()> {
    match outcome {
        Err(why) if why.is_instance_of::<PyException>(py) => {
            why.write_unraisable(py, None);
            Ok(())
        }
        other => other,
    }
}

/// After a record of this thread in a section: whether that is another task's than the section.
pub fn look_for_task(py: Python<'_>) -> PyResult<()> {
    if WATCHES.load(Ordering::Relaxed) == 0 {
        return Ok(());
    }
    let looked = py
        .import("printk_ring.context")
        .and_then(|module| ending::method(&module, "_look"));
    ordinary(py, looked.map(drop))
}

/// Whether this thread is in a signal handler or a finalizer: code that runs in the middle of any other.
pub fn is_in_handler(py: Python<'_>) -> bool {
    let found = py
        .import("printk_ring.context")
        .and_then(|module| ending::method(&module, "_is_in_handler"));
    found
        .and_then(|found| found.is_truthy())
        .unwrap_or_default()
}

/// The same where it only tells who speaks: a way that has led here before, from no handler then, is not looked at again.
/// Wrong for a function that was called before it became a handler, and is interrupted into at the very call; and for code
/// that lies where other code lay before, of which only the address is kept, and is gone the same way.
pub fn seems_in_handler(py: Python<'_>) -> bool {
    static NO_HANDLERS: Ways = Ways::new();
    let way = way_here(py);
    if way.is_some_and(|way| NO_HANDLERS.has(way)) {
        return false;
    }
    let found = is_in_handler(py);
    if let Some(way) = way.filter(|_| !found) {
        NO_HANDLERS.add(way);
    }
    found
}

/// A section that does nothing: of the default log while there is none.
#[pyfunction]
#[pyo3(signature = (name, /))]
pub fn _no_context(name: &str) -> Context {
    let all = [
        pr_host::Context::Deferred,
        pr_host::Context::Emergency,
        pr_host::Context::Report,
    ];
    let named = all.into_iter().find(|context| context.name() == name);
    Context::new(None, named.unwrap_or(pr_host::Context::Deferred))
}

/// Calls `function(argument)` as a part of a log call into `log`: what is logged in there is stored, and never waits.
///
/// False, and counted, where this thread is too deep in log calls already.
#[pyfunction]
#[pyo3(signature = (log, function, argument, /))]
pub fn _nested<'py>(
    py: Python<'py>,
    log: &Bound<'py, Log>,
    function: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    match thread::enter() {
        Some(_nest) => ending::call1(function, argument),
        None => {
            log.get().handle().count_recursion();
            Ok(false.into_pyobject(py)?.to_owned().into_any())
        }
    }
}

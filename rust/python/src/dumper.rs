//! `Dumper`: Python code that is called when the process gets into trouble.

use crate::convert::text;
use crate::ending;
use crate::logs::{self, LogHandle};
use crate::reasons;
use pr_host::{Dump, Log, courier};
use pr_printk::dumper::Why;
use pr_printk::thread;
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The Python side of a dumper.
#[derive(Debug)]
pub struct Callback {
    function: Py<PyAny>,
    /// Calls under way.
    running: AtomicU64,
    /// One of them has the dumper for itself.
    held: AtomicBool,
    /// The generation in which both are so: a forked child has none of its parent's calls.
    generation: AtomicU64,
}

thread_local! {
    /// The callbacks that this thread is in.
    static INSIDE: RefCell<Vec<*const Callback>> = const { RefCell::new(Vec::new()) };
}

/// Whether this thread is in a dumper, of whatever log: its trouble there is none to call dumpers for.
pub fn is_inside() -> bool {
    INSIDE.with_borrow(|inside| !inside.is_empty())
}

impl Callback {
    /// Calls `function`.
    pub fn new(function: &Bound<'_, PyAny>) -> Arc<Callback> {
        Arc::new(Callback {
            function: function.clone().unbind(),
            running: AtomicU64::new(0),
            held: AtomicBool::new(false),
            generation: AtomicU64::new(thread::generation()),
        })
    }

    /// In a forked child: forgets the calls that its parent was in. But this thread's own go on in both.
    fn begin_generation(&self) {
        let now = thread::begin_generation();
        if self.generation.swap(now, Ordering::SeqCst) != now {
            self.running.store(self.own_calls(), Ordering::SeqCst);
            self.held.store(false, Ordering::SeqCst);
        }
    }

    /// How many calls of it this thread is in.
    fn own_calls(&self) -> u64 {
        INSIDE.with_borrow(|inside| {
            let own = inside.iter().filter(|at| std::ptr::eq(**at, self));
            own.count() as u64
        })
    }

    fn call(&self, py: Python<'_>, why: &Why<'_>) -> PyResult<()> {
        let reason = reasons::member(py, why.reason)?;
        let arguments = (reason, why.detail).into_pyobject(py)?;
        ending::call(self.function.bind(py), &arguments).map(drop)
    }
}

impl Dump for Callback {
    /// An exception is counted and goes to `sys.unraisablehook`: whoever dumps has more to do.
    fn dump(&self, why: &Why<'_>) -> bool {
        self.begin_generation();
        INSIDE.with_borrow_mut(|inside| inside.push(self));
        self.running.fetch_add(1, Ordering::SeqCst);
        let done = Python::try_attach(|py| {
            let raised = self.call(py, why).err();
            let is_done = raised.is_none();
            if let Some(error) = raised {
                ending::write_unraisable(error, self.function.bind(py));
            }
            is_done
        });
        self.running.fetch_sub(1, Ordering::SeqCst);
        INSIDE.with_borrow_mut(Vec::pop);
        done == Some(true)
    }
}

/// A function that is called when the process gets into trouble. Made by `Log.register_dumper`.
#[pyclass(frozen, module = "printk_ring")]
pub struct Dumper {
    dumper: Arc<pr_host::Dumper>,
    callback: Arc<Callback>,
    log: Weak<Log>,
}

impl Dumper {
    /// The dumper as Python sees it. It does not keep its log open.
    pub fn new(log: &LogHandle, dumper: Arc<pr_host::Dumper>, callback: Arc<Callback>) -> Dumper {
        let log = Arc::downgrade(log.shared());
        Dumper {
            dumper,
            callback,
            log,
        }
    }
}

#[pymethods]
impl Dumper {
    /// Its name, unique within the log.
    #[getter]
    fn name(&self) -> &str {
        &self.dumper.options().name
    }

    /// It is called for this reason and more important ones.
    #[getter]
    fn max_reason<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        reasons::member(py, self.dumper.options().max_reason)
    }

    /// Whether it is called for every reason.
    #[getter]
    fn always(&self) -> bool {
        self.dumper.options().always
    }

    /// Whether what it has done counts as saved: in a panic consoles of the least reliable class are left out then.
    #[getter]
    fn preserves(&self) -> bool {
        self.dumper.options().preserves
    }

    /// Whether it is called; False after `unregister`, and once the log is closed.
    #[getter]
    fn registered(&self) -> bool {
        self.dumper.is_registered() && self.log.upgrade().is_some()
    }

    /// How many dumps are in it at this moment. More than one: a second one has come while the first was under way, on
    /// another thread or from within.
    #[getter]
    fn running(&self) -> u64 {
        self.callback.begin_generation();
        self.callback.running.load(Ordering::SeqCst)
    }

    /// How many calls of it have ended.
    #[getter]
    fn calls(&self) -> u64 {
        self.dumper.counts().0
    }

    /// How many of them raised.
    #[getter]
    fn errors(&self) -> u64 {
        self.dumper.counts().1
    }

    /// For use within the function: `with dumper.alone() as alone:`, where `alone` is False if another call of it is inside
    /// of such a block already. Never waits.
    fn alone(&self) -> _Alone {
        _Alone {
            callback: self.callback.clone(),
            has_it: AtomicBool::new(false),
        }
    }

    /// Has it called no more, and waits for calls that are under way on other threads. From within its own function it
    /// takes effect when that returns; late in the exit it waits at most 1 s. Twice is once.
    fn unregister(&self, py: Python<'_>) -> PyResult<()> {
        let Some(log) = self.log.upgrade().map(LogHandle::from) else {
            return Ok(());
        };
        let own = self.callback.own_calls();
        let ended = |slice| log.unregister_dumper(&self.dumper, own, slice);
        // Late in the exit a thread that is in it may never come back.
        let timeout = match courier::is_closed() {
            true => logs::exit_timeout(),
            false => Duration::MAX,
        };
        logs::wait(py, timeout, ended).map(drop)
    }

    fn __repr__(&self) -> String {
        let state = if self.registered() {
            ""
        } else {
            ", unregistered"
        };
        format!("<Dumper {:?}{state}>", self.name())
    }
}

/// A block that one call of a dumper at a time is in. Made by `Dumper.alone`.
#[pyclass(frozen, module = "printk_ring._native")]
pub struct _Alone {
    callback: Arc<Callback>,
    has_it: AtomicBool,
}

#[pymethods]
impl _Alone {
    fn __enter__(&self) -> bool {
        self.callback.begin_generation();
        let has_it = !self.callback.held.swap(true, Ordering::SeqCst);
        self.has_it.store(has_it, Ordering::SeqCst);
        has_it
    }

    #[pyo3(signature = (exc_type, exc_value, traceback, /))]
    fn __exit__(
        &self,
        exc_type: &Bound<'_, PyAny>,
        exc_value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) {
        let _ = (exc_type, exc_value, traceback);
        if self.has_it.swap(false, Ordering::SeqCst) {
            self.callback.held.store(false, Ordering::SeqCst);
        }
    }
}

/// What a function is called, for a dumper without a name.
pub fn name_of(function: &Bound<'_, PyAny>) -> String {
    let named = ending::attribute(function, "__qualname__").ok();
    let name = named.and_then(|name| Some(text::owned(name.cast::<PyString>().ok()?)));
    name.unwrap_or_else(|| "dumper".to_owned())
}

//! The gate between forks and consoles of Python code: the application's code may hold locks, which a child that is forked
//! meanwhile would find held for ever. A fork waits until the consoles have come out of it, and none goes in then.
//!
//! The hooks are native functions: a signal that comes while they run is handled behind the fork, in the application's own
//! code, and no exception of anybody can end in between.

use crate::fastcall::kept::Kept;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A fork waits so long.
const FORK_PATIENCE: Duration = Duration::from_millis(500);
/// A console waits at most so long for forks, whatever other hooks of a fork do.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_micros(500);

/// How many threads are in the application's code.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// How many fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// This thread is about to run code of the application; it waits for forks before.
pub fn enter(py: Python<'_>) {
    if IS_INSIDE.get() {
        return;
    }
    let mut may_wait = true;
    loop {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        IS_INSIDE.set(true);
        if FORKING.load(Ordering::SeqCst) == 0 || !may_wait {
            return;
        }
        leave();
        may_wait = wait(py, CONSOLE_PATIENCE, || FORKING.load(Ordering::SeqCst) == 0);
    }
}

/// This thread has come out of it, if it was there.
pub fn leave() {
    if IS_INSIDE.replace(false) {
        INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Has forks wait from now on. Once a process.
pub fn watch_forks(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: Kept<()> = Kept::new();
    REGISTERED.get_or_make(|| {
        let hooks = PyDict::new(py);
        hooks.set_item("before", wrap_pyfunction!(_fork_begins, py)?)?;
        hooks.set_item("after_in_parent", wrap_pyfunction!(_fork_ended, py)?)?;
        hooks.set_item("after_in_child", wrap_pyfunction!(_child_begins, py)?)?;
        let register = py.import("os")?.getattr("register_at_fork")?;
        register.call((), Some(&hooks)).map(|_| ())
    })?;
    Ok(())
}

#[pyfunction]
fn _fork_begins(py: Python<'_>) {
    FORKING.fetch_add(1, Ordering::SeqCst);
    let own = usize::from(IS_INSIDE.get());
    let are_out = || INSIDE.load(Ordering::SeqCst) <= own;
    if !are_out() {
        wait(py, FORK_PATIENCE, are_out);
    }
}

#[pyfunction]
fn _fork_ended() {
    // Hooks that were registered in the middle of a fork see only its end.
    let less = |count: usize| count.checked_sub(1);
    let _ = FORKING.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
}

#[pyfunction]
fn _child_begins() {
    INSIDE.store(usize::from(IS_INSIDE.get()), Ordering::SeqCst); // nobody else is here
    FORKING.store(0, Ordering::SeqCst);
}

/// Without the interpreter. False: the time was over before.
fn wait(py: Python<'_>, patience: Duration, is_over: impl Fn() -> bool + Send + Sync) -> bool {
    py.detach(|| {
        let begin = Instant::now();
        while !is_over() {
            if begin.elapsed() >= patience {
                return false;
            }
            std::thread::sleep(STEP);
        }
        true
    })
}

//! The logs of this process: the handles that Python objects hold, waiting without the interpreter, the orderly exit.

use crate::{context, ending};
use crate::{redact, threads, watch};
use pr_host::options::default;
use pr_host::{Emit, Hold, Log, crash, exit};
use pr_printk::context::Owed;
use pr_record::Payload;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Signals are looked at this often by everything that waits.
pub const SLICE: Duration = Duration::from_millis(100);

/// Longer than any process lives.
const FOREVER: Duration = Duration::from_secs(1 << 32);

/// How long an orderly end may take.
pub fn exit_timeout() -> Duration {
    Duration::from_secs_f64(default::EXIT_TIMEOUT_S)
}

/// A log, held by a Python object. The last one closes it, and lets Python run meanwhile.
#[derive(Clone, Debug)]
pub struct LogHandle(Arc<Log>);

impl LogHandle {
    /// Takes a log that was just opened among those of this process.
    pub fn adopt(log: Arc<Log>) -> LogHandle {
        let mut open = lock(&OPEN);
        open.retain(|log| log.strong_count() > 0);
        open.push(Arc::downgrade(&log));
        drop(open);
        LogHandle(log)
    }

    /// The log, shared.
    pub fn shared(&self) -> &Arc<Log> {
        &self.0
    }
}

impl From<Arc<Log>> for LogHandle {
    fn from(log: Arc<Log>) -> LogHandle {
        LogHandle(log)
    }
}

impl Deref for LogHandle {
    type Target = Log;
    fn deref(&self) -> &Log {
        &self.0
    }
}

impl Drop for LogHandle {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) == 1 && !self.0.is_closed() {
            let log = &self.0;
            // Without an interpreter to let go of, the log closes itself where it is dropped.
            let close = || exit::within(exit_timeout(), |timeout| log.close(timeout));
            Python::try_attach(|py| py.detach(close));
        }
        // Asked first: in a forked child a thread that is not there may have the lock.
        if KEEPS.load(Ordering::Relaxed) && Arc::strong_count(&self.0) == 1 && self.0.is_closed() {
            let gone = lock(&KEPT).take(&self.0);
            drop(gone); // not under the lock
        }
    }
}

/// The last closed logs that nobody holds any more, for who asks for them: a test's report is made when it is over.
#[derive(Debug)]
struct Kept {
    most: usize,
    logs: VecDeque<Arc<Log>>,
}

/// Whether any are kept.
static KEEPS: AtomicBool = AtomicBool::new(false);

static KEPT: Mutex<Kept> = Mutex::new(Kept {
    most: 0,
    logs: VecDeque::new(),
});

impl Kept {
    /// Takes one more. The one that has to go for it, if there is one.
    fn take(&mut self, log: &Arc<Log>) -> Option<Arc<Log>> {
        if self.most == 0 {
            return None;
        }
        let gone = self.logs.len() >= self.most;
        let gone = gone.then(|| self.logs.pop_front()).flatten();
        self.logs.push_back(log.clone());
        gone
    }
}

/// Lets go of the logs that were kept so far, and keeps from now on so many.
pub fn keep(most: usize) {
    KEEPS.store(most > 0, Ordering::Relaxed);
    let fresh = Kept {
        most,
        logs: VecDeque::new(),
    };
    let gone = std::mem::replace(&mut *lock(&KEPT), fresh);
    drop(gone); // not under the lock
}

/// Logs that may need an orderly exit.
static OPEN: Mutex<Vec<Weak<Log>>> = Mutex::new(Vec::new());

/// The logs that are open now.
pub fn open() -> Vec<LogHandle> {
    let mut logs = held();
    logs.retain(|log| !log.is_closed());
    logs
}

/// The logs that somebody holds, closed ones too, and those that are kept.
pub fn held() -> Vec<LogHandle> {
    let logs: Vec<Arc<Log>> = lock(&OPEN).iter().filter_map(Weak::upgrade).collect();
    logs.into_iter().map(LogHandle).collect()
}

/// A list whose holder panicked is still a list.
fn lock<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stores one record, by a caller that has entered a log call ([`pr_printk::thread::enter`]). Where it has to wait first,
/// or to print then, without the interpreter. A signal's exception that came meanwhile is the second answer: the record is
/// stored all the same.
pub fn store(
    py: Python<'_>,
    log: &Log,
    level: u8,
    payload: &Payload<'_>,
    ts_nsec: Option<u64>,
) -> (Emit, PyResult<()>) {
    let store = |payload: &Payload<'_>| {
        store_by(py, log, |waited| {
            log.emit_inside(waited, level, payload, ts_nsec)
        })
    };
    let Some(redaction) = redact::of(log) else {
        return store(payload);
    };
    let ((emitted, signalled), interrupted) = redaction.apply(py, payload, store);
    (emitted, interrupted.and(signalled))
}

/// The same, by whatever stores: it is told whether it has waited.
pub fn store_by(py: Python<'_>, log: &Log, emit: impl Fn(bool) -> Emit) -> (Emit, PyResult<()>) {
    threads::introduce(py);
    let mut signalled = Ok(());
    let mut emitted = emit(false);
    let mut waits = Waits::default();
    loop {
        let enough = match emitted {
            Emit::MustBegin => {
                py.detach(|| log.begin_own_life());
                false
            }
            Emit::MustWait => waits.wait(py, log, &mut signalled),
            _ => break,
        };
        emitted = emit(enough);
    }
    if let Emit::Owing(owed) = emitted {
        signalled = signalled.and(settle(py, log, owed));
        emitted = Emit::Stored;
    }
    (emitted, signalled)
}

/// What one log call has waited for. Whoever comes back to the interpreter may find that there is something to wait for
/// again; all of it together ends at the deadlines that the first look has set.
#[derive(Default)]
struct Waits([Option<Instant>; Hold::ALL.len()]);

impl Waits {
    /// Waits for whatever the record has to wait for now. True: for long enough, or this is no place to wait.
    ///
    /// In signal handlers and finalizers nothing is waited for: they run in the middle of code that may hold anything.
    fn wait(&mut self, py: Python<'_>, log: &Log, signalled: &mut PyResult<()>) -> bool {
        if self.0 == Waits::default().0 && context::is_in_handler(py) {
            return true;
        }
        for (hold, end) in Hold::ALL.into_iter().zip(&mut self.0) {
            let Some(patience) = log.patience(hold) else {
                continue;
            };
            let now = Instant::now();
            let end = *end.get_or_insert(now.checked_add(patience).unwrap_or(now + FOREVER));
            let left = end.saturating_duration_since(now);
            let waited = wait(py, left, |slice| log.wait_while(hold, slice));
            if matches!(waited, Ok(true)) {
                continue;
            }
            log.count_timeout(hold);
            *signalled = waited.map(drop);
            return true;
        }
        false
    }
}

/// Does what is owed after a record: prints and syncs without the interpreter; looks whether another task runs in a
/// section. Signal handlers and finalizers print only what is urgent, and leave syncs to others.
#[cold]
pub fn settle(py: Python<'_>, log: &Log, owed: Owed) -> PyResult<()> {
    let print = owed.print && log.prints_urgently();
    if print && !owed.sync {
        py.detach(|| log.settle(owed));
    } else if owed.print || owed.sync {
        let may_wait = !context::is_in_handler(py);
        settle_now(py, log, owed, (print || may_wait, may_wait));
    }
    if owed.section {
        context::look_for_task(py)?;
    }
    Ok(())
}

/// Prints and syncs, where that is owed and may be done here; leaves it to others, where it may not.
fn settle_now(py: Python<'_>, log: &Log, owed: Owed, (may_print, may_sync): (bool, bool)) {
    let now = Owed {
        print: owed.print && may_print,
        sync: owed.sync && may_sync,
        ..owed
    };
    if owed.print && !may_print {
        log.leave();
    }
    if owed.sync && !may_sync {
        log.leave_sync();
    }
    if now.print || now.sync {
        py.detach(|| log.settle(now));
    }
}

/// Waits in slices, without the interpreter, until `step` says so or the time is over: `step` is given how long it may
/// take. Signals are noticed between the slices.
pub fn wait(
    py: Python<'_>,
    timeout: Duration,
    step: impl Fn(Duration) -> bool + Send + Sync,
) -> PyResult<bool> {
    let start = Instant::now();
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        if py.detach(|| step(left.min(SLICE))) {
            return Ok(true);
        }
        py.check_signals()?;
        if start.elapsed() >= timeout {
            return Ok(false);
        }
    }
}

/// Waits until all consoles have printed what is stored now.
pub fn flush(py: Python<'_>, log: &Log, timeout: Duration) -> PyResult<bool> {
    if pr_printk::thread::prints_for().is_some() {
        return Ok(false);
    }
    log.end_line();
    let target = log.flush_target();
    let told = watch::told(py, log, 0);
    let flushed = wait(py, timeout, |slice| log.flush_until(target, slice));
    told.and(flushed)
}

/// Flushes, and stops printing, both within the time for one flush.
pub fn suspend(py: Python<'_>, log: &Log) -> PyResult<bool> {
    let (start, timeout) = (
        Instant::now(),
        Duration::from_secs_f64(default::FLUSH_TIMEOUT_S),
    );
    let flushed = flush(py, log, timeout)?;
    let left = timeout.saturating_sub(start.elapsed());
    Ok(py.detach(|| log.suspend(left)) && flushed)
}

/// Has the logs that ask for it print nothing while `stop` is called. They flush before, all within the time for one flush
/// together, and what they hold back meanwhile is printed afterwards. What comes out of `stop`, or of a signal that came
/// before, is passed on then.
pub fn stop(py: Python<'_>, stop: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut logs = open();
    logs.retain(|log| log.suspends_on_stop() && log.pid() == std::process::id());
    let (start, timeout) = (
        Instant::now(),
        Duration::from_secs_f64(default::FLUSH_TIMEOUT_S),
    );
    let left = || timeout.saturating_sub(start.elapsed());
    let mut outcome = Ok(());
    for log in &logs {
        outcome = outcome.and(flush(py, log, left()).map(drop));
        py.detach(|| log.suspend_for_stop(left()));
    }
    let stopped = ending::call(stop, &PyTuple::empty(py));
    py.detach(|| logs.iter().for_each(|log| log.resume_after_stop()));
    outcome.and(stopped.map(drop))
}

/// Closes; its consoles print what there is, within `timeout` together.
pub fn close(py: Python<'_>, log: &Log, timeout: Duration) -> PyResult<()> {
    let told = watch::told(py, log, 0);
    py.detach(|| log.close(timeout));
    told.and(py.check_signals())
}

/// The orderly exit of all logs of this process, within `timeout` together. What it leaves of that is for all that close
/// after it.
pub fn shutdown(py: Python<'_>, timeout: Duration) -> PyResult<()> {
    if pr_printk::panic::is_anothers() {
        py.detach(crash::await_the_end); // the process is ending, and not by this
    }
    for log in open() {
        py.detach(|| log.shut_dumpers(None)); // and what they log is flushed with the rest
    }
    exit::begin(timeout);
    exit::within(timeout, |timeout| shutdown_within(py, timeout))
}

fn shutdown_within(py: Python<'_>, timeout: Duration) -> PyResult<()> {
    let open: Vec<Arc<Log>> = lock(&OPEN).iter().filter_map(Weak::upgrade).collect();
    let start = Instant::now();
    let mut outcome = Ok(());
    for log in open.into_iter().map(LogHandle) {
        // In a forked child the parent's logs are the parent's to end.
        if log.is_closed() || log.pid() != std::process::id() {
            continue;
        }
        log.resume();
        log.hurry_errands();
        outcome = outcome.and(flush(py, &log, timeout.saturating_sub(start.elapsed())).map(|_| ()));
        py.detach(|| log.end_couriers(timeout.saturating_sub(start.elapsed())));
        let left = timeout.saturating_sub(start.elapsed());
        outcome = outcome.and(wait(py, left, |slice| log.wait_for_errands(slice)).map(|_| ()));
        log.orderly_exit(Duration::ZERO);
    }
    pr_host::courier::close();
    pr_printk::fatal::clear_trace(); // faulthandler ends with the interpreter
    outcome
}

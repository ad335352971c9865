//! The logs of this process: the handles that Python objects hold, waiting without the interpreter, the orderly exit.

use pr_host::options::default;
use pr_host::{Emit, Log};
use pr_record::Payload;
use pyo3::prelude::*;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Signals are looked at this often by everything that waits.
pub const SLICE: Duration = Duration::from_millis(100);

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
            Python::try_attach(|py| py.detach(|| log.close(exit_timeout())));
        }
    }
}

/// Logs that may need an orderly exit.
static OPEN: Mutex<Vec<Weak<Log>>> = Mutex::new(Vec::new());

/// A list whose holder panicked is still a list.
fn lock<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stores one record; where a console makes its callers wait, without the interpreter. A signal's exception that came
/// meanwhile is the second answer: the record is stored all the same.
pub fn store(
    py: Python<'_>,
    log: &Log,
    level: u8,
    payload: &Payload<'_>,
    ts_nsec: Option<u64>,
) -> (Emit, PyResult<()>) {
    match log.emit(level, payload, ts_nsec) {
        Emit::MustWait => {
            let waited = wait(py, log.block_patience(), |slice| log.wait_for_room(slice));
            if !matches!(waited, Ok(true)) {
                log.count_block_timeout();
            }
            (log.emit_now(level, payload, ts_nsec), waited.map(drop))
        }
        done => (done, Ok(())),
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
    let target = log.flush_target();
    wait(py, timeout, |slice| log.flush_until(target, slice))
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

/// Closes; its consoles print what there is, within `timeout` together.
pub fn close(py: Python<'_>, log: &Log, timeout: Duration) -> PyResult<()> {
    py.detach(|| log.close(timeout));
    py.check_signals()
}

/// The orderly exit of all logs of this process, within `timeout` together.
pub fn shutdown(py: Python<'_>, timeout: Duration) -> PyResult<()> {
    let open: Vec<Arc<Log>> = lock(&OPEN).iter().filter_map(Weak::upgrade).collect();
    let start = Instant::now();
    let mut outcome = Ok(());
    for log in open.into_iter().map(LogHandle) {
        // In a forked child the parent's logs are the parent's to end.
        if log.is_closed() || log.pid() != std::process::id() {
            continue;
        }
        log.resume();
        outcome = outcome.and(flush(py, &log, timeout.saturating_sub(start.elapsed())).map(|_| ()));
        py.detach(|| log.end_couriers(timeout.saturating_sub(start.elapsed())));
        log.orderly_exit(Duration::ZERO);
    }
    pr_host::courier::close();
    outcome
}

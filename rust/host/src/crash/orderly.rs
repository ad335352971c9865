//! Signals that are taken as an orderly exit.

use crate::error::Error;
use crate::log::Log;
use crate::printer::BlockedSignals;
use pr_printk::fatal::orderly::{begin_serving, handle, pass_on, wait};
use pr_printk::fatal::previous::{SIGNALS, disposition, put_before, take_back, was_ignored};
use pr_printk::fatal::{cause, stack};
use pr_record::Level;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// What ends the process in order, before a signal is passed on.
pub type End = dyn Fn(&str) + Send + Sync;

/// What has been taken; for a forked child to do the same.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

/// Signals that end the process in order.
struct Taken {
    /// The address of the log that they were taken for.
    log: usize,
    signals: Vec<libc::c_int>,
    /// What is done then.
    end: &'static End,
}

impl Taken {
    fn is_for(&self, log: &Log) -> bool {
        self.log == std::ptr::from_ref(log) as usize
    }

    fn give_back(&self) {
        self.signals
            .iter()
            .for_each(|signal| take_back(*signal, handle));
    }
}

/// From now on these signals have `end` called on a thread of its own, and are then passed on to whoever handled them
/// before. One that is ignored stays so. Until `log` is closed, or they are taken for another one.
///
/// # Errors
/// One of them cannot be handled, or is no orderly one; no thread for it.
pub fn take(log: &Log, signals: &[libc::c_int], end: Box<End>) -> Result<(), Error> {
    for signal in signals {
        check(*signal)?;
    }
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(before) = taken.take() {
        before.give_back();
    }
    let end: &'static End = Box::leak(end);
    serve(end)?;
    for signal in signals {
        let refused = || Error::Os {
            what: format!("signal {signal} cannot be handled"),
            errno: pr_printk::fd::errno(),
        };
        if !put_before(*signal, handle) {
            return Err(refused());
        }
        if was_ignored(*signal) {
            take_back(*signal, handle);
        }
    }
    *taken = Some(Taken {
        log: std::ptr::from_ref(log) as usize,
        signals: signals.to_vec(),
        end,
    });
    Ok(())
}

/// Gives back those that were taken for this log.
pub(crate) fn give_back(log: &Log) {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(taken) = taken.take_if(|taken| taken.is_for(log)) {
        taken.give_back();
    }
}

/// In the first life of this log in a forked child: a thread of its own for those that were taken for it.
pub(crate) fn take_again(log: &Log) {
    let Ok(taken) = TAKEN.try_lock() else {
        return; // its parent was at it, and the child's signals have their usual end
    };
    if let Some(taken) = taken.as_ref().filter(|taken| taken.is_for(log)) {
        let _ = serve(taken.end);
    }
}

/// Ends a log in order because of a signal: says so, has the dumpers called, and flushes. As long as it takes; but dumpers
/// and consoles that do not come back are not waited for beyond `timeout`, of which dumpers leave consoles a half.
pub fn end_log(log: &Arc<Log>, signal: &str, timeout: Duration) {
    if log.is_closed() || log.pid() != std::process::id() {
        return;
    }
    log.tell(
        Level::Notice,
        &format!("{signal}: the process ends in order"),
    );
    let start = Instant::now();
    let (done, is_done) = mpsc::channel();
    let (dumped, detail) = (log.clone(), signal.to_owned());
    let thread = std::thread::Builder::new().spawn(move || {
        dumped.shut_dumpers(Some(&detail));
        let _ = done.send(()); // nobody may be waiting any more
    });
    if thread.is_ok() {
        let _ = is_done.recv_timeout(timeout / 2);
    }
    log.orderly_exit(timeout.saturating_sub(start.elapsed()));
}

fn check(signal: libc::c_int) -> Result<(), Error> {
    let name = cause::name(signal);
    if SIGNALS.contains(&signal) {
        return Err(Error::Config(format!(
            "signals: {name} is fatal, and has a handler already: name those that end the process in order, as SIGTERM"
        )));
    }
    let is_nobodys = matches!(signal, libc::SIGKILL | libc::SIGSTOP) || !(1..=64).contains(&signal);
    // The C library keeps some for itself.
    if is_nobodys || disposition(signal).is_none() {
        return Err(Error::Config(format!(
            "signals: signal {signal} cannot be handled: name those that end the process in order, as SIGTERM"
        )));
    }
    Ok(())
}

fn serve(end: &'static End) -> Result<(), Error> {
    let blocked = BlockedSignals::new();
    begin_serving();
    let thread = std::thread::Builder::new()
        .name("pr/exit".into())
        .spawn(move || {
            stack::give_own();
            loop {
                let signal = wait();
                end(cause::name(signal));
                pass_on(signal);
            }
        });
    drop(blocked);
    let refused = |why: std::io::Error| Error::os("a thread for signals", &why);
    thread.map(drop).map_err(refused)
}

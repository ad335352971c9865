//! Signals that are taken as an orderly exit.

use crate::error::Error;
use crate::log::Log;
use crate::printer::BlockedSignals;
use pr_printk::fatal::orderly::{begin_serving, handle, pass_on, wait};
use pr_printk::fatal::previous::{SIGNALS, put_before, take_back, was_ignored};
use pr_printk::fatal::{cause, stack};
use pr_record::Level;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// What ends the process in order, before a signal is passed on.
pub type End = dyn Fn(&str) + Send + Sync;

/// The signals, and what is done then; for a forked child to do the same.
static TAKEN: Mutex<Option<(Vec<libc::c_int>, &'static End)>> = Mutex::new(None);

/// From now on these signals have `end` called on a thread of its own, and are then passed on to whoever handled them
/// before. One that is ignored stays so.
///
/// # Errors
/// One of them cannot be handled, or is no orderly one; no thread for it.
pub fn take(signals: &[libc::c_int], end: Box<End>) -> Result<(), Error> {
    for signal in signals {
        check(*signal)?;
    }
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((before, _)) = taken.take() {
        before.iter().for_each(|signal| take_back(*signal, handle));
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
    *taken = Some((signals.to_vec(), end));
    Ok(())
}

/// Gives them back.
pub fn give_back() {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((signals, _)) = taken.take() {
        signals.iter().for_each(|signal| take_back(*signal, handle));
    }
}

/// In a forked child's first life: its own thread.
pub(crate) fn take_again() {
    let Ok(taken) = TAKEN.try_lock() else {
        return; // its parent was at it, and the child's signals have their usual end
    };
    if let Some((_, end)) = *taken {
        let _ = serve(end);
    }
}

/// Ends a log in order because of a signal: says so, has the dumpers called, and flushes. As long as it takes; but dumpers
/// and consoles that do not come back are not waited for beyond `timeout`.
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
        let _ = is_done.recv_timeout(timeout);
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
    if matches!(signal, libc::SIGKILL | libc::SIGSTOP) || !(1..=64).contains(&signal) {
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

//! Signals that are taken as an orderly exit.

use crate::error::Error;
use crate::fork::{Listed, ShortLock};
use crate::log::Log;
use crate::printer::BlockedSignals;
use pr_printk::fatal::orderly::{begin_serving, end_serving, handle, pass_on, wait};
use pr_printk::fatal::previous::{SIGNALS, disposition, put_before, take_back, was_ignored};
use pr_printk::fatal::{cause, stack};
use pr_record::Level;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What ends the process in order, before a signal is passed on.
pub type End = dyn Fn(&str) + Send + Sync;

/// How long after a signal was passed on, and then after each other, the main thread is woken.
const MAIN_THREAD_WAKES: [Duration; 3] = [
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
];

/// What has been taken; for a forked child to do the same.
static TAKEN: Listed<Option<Taken>> = Listed::new(None);
/// One thread at a time changes who handles these signals. A forked child takes it over.
static CHANGING: ShortLock = ShortLock::new();

/// Signals that end the process in order.
struct Taken {
    /// The address of the log that they were taken for.
    log: usize,
    signals: Vec<libc::c_int>,
    /// What is done then.
    end: Arc<End>,
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

/// Nobody else changes who handles these signals meanwhile.
fn alone<R>(change: impl FnOnce() -> R) -> R {
    CHANGING.lock();
    let changed = change();
    CHANGING.unlock();
    changed
}

/// From now on these signals have `end` called on a thread of its own, and are then passed on to whoever handled them
/// before. One that is ignored stays so. Until `log` is closed, or they are taken for another one.
///
/// # Errors
/// One of them cannot be handled, or is no orderly one; no thread for it. Then none is taken.
pub fn take(log: &Log, signals: &[libc::c_int], end: Box<End>) -> Result<(), Error> {
    check(signals)?;
    serve()?;
    let taken = Taken {
        log: std::ptr::from_ref(log) as usize,
        signals: signals.to_vec(),
        end: Arc::from(end),
    };
    let (before, put) = alone(|| {
        let before = TAKEN.lock().take();
        before.iter().for_each(Taken::give_back);
        let put = put_all(&taken);
        if put.is_ok() {
            *TAKEN.lock() = Some(taken);
        }
        (before, put)
    });
    drop(before); // outside of the locks
    put
}

/// Puts our handler before those of all of them, or of none.
fn put_all(taken: &Taken) -> Result<(), Error> {
    for signal in &taken.signals {
        if !put_before(*signal, handle) {
            let errno = pr_printk::fd::errno();
            taken.give_back();
            return Err(Error::Os {
                what: format!("signal {signal} cannot be handled"),
                errno,
            });
        }
        if was_ignored(*signal) {
            take_back(*signal, handle);
        }
    }
    Ok(())
}

/// Gives back those that were taken for this log.
pub(crate) fn give_back(log: &Log) {
    let taken = alone(|| {
        let taken = TAKEN.lock().take_if(|taken| taken.is_for(log));
        taken.iter().for_each(Taken::give_back);
        taken
    });
    drop(taken); // outside of the locks
}

/// In the first life of this log in a forked child: a thread of its own for those that were taken for it.
pub(crate) fn take_again(log: &Log) {
    let is_taken = TAKEN.lock().as_ref().is_some_and(|taken| taken.is_for(log));
    if is_taken {
        let _ = serve(); // without one the child's signals have their usual end
    }
}

/// Ends all these logs in order because of a signal: says so, has the dumpers called, and flushes. As long as it takes; but
/// dumpers and consoles that do not come back are not waited for beyond `timeout` together, of which dumpers leave consoles
/// a half.
pub fn end_logs(logs: &[Arc<Log>], signal: &str, timeout: Duration) {
    let is_here = |log: &&Arc<Log>| !log.is_closed() && log.pid() == std::process::id();
    let logs: Vec<&Arc<Log>> = logs.iter().filter(is_here).collect();
    for log in &logs {
        log.tell(
            Level::Notice,
            &format!("{signal}: the process ends in order"),
        );
    }
    let start = Instant::now();
    each_within(timeout / 2, &logs, |log, left| {
        if let Some(is_done) = shut_dumpers(log, signal) {
            let _ = is_done.recv_timeout(left);
        }
    });
    for log in &logs {
        log.resume(); // all print at once, also those that the wait for others leaves no time
        log.hurry_errands();
    }
    let left = timeout.saturating_sub(start.elapsed());
    each_within(left, &logs, |log, left| log.orderly_exit(left));
}

/// Has the dumpers of a log called, by another thread. What hears of it that they are back; None: there is no thread.
fn shut_dumpers(log: &Arc<Log>, signal: &str) -> Option<Receiver<()>> {
    let (done, is_done) = channel();
    let (log, detail) = (log.clone(), signal.to_owned());
    let thread = std::thread::Builder::new().spawn(move || {
        log.shut_dumpers(Some(&detail));
        let _ = done.send(()); // nobody may be waiting any more
    });
    thread.is_ok().then_some(is_done)
}

/// Does for one after the other what may take as long as it is told: all together as long as `all`.
fn each_within<T>(all: Duration, each: &[T], mut work: impl FnMut(&T, Duration)) {
    let start = Instant::now();
    for one in each {
        work(one, all.saturating_sub(start.elapsed()));
    }
}

/// Whether all of these can be taken.
///
/// # Errors
/// One of them cannot be handled, or is no orderly one.
pub fn check(signals: &[libc::c_int]) -> Result<(), Error> {
    signals.iter().try_for_each(|signal| check_one(*signal))
}

fn check_one(signal: libc::c_int) -> Result<(), Error> {
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

/// Has a thread for this process that serves, whatever is taken. One a process.
fn serve() -> Result<(), Error> {
    let blocked = BlockedSignals::new();
    if !begin_serving() {
        return Ok(());
    }
    let thread = std::thread::Builder::new()
        .name("pr/exit".into())
        .spawn(run);
    drop(blocked);
    thread.map(drop).map_err(|why| {
        end_serving();
        Error::os("a thread for signals", &why)
    })
}

fn run() {
    stack::give_own();
    loop {
        let arrival = wait();
        let end = TAKEN.lock().as_ref().map(|taken| taken.end.clone());
        if let Some(end) = end {
            end(cause::name(arrival.signal()));
        }
        alone(|| pass_on(&arrival));
        if is_handled(arrival.signal()) {
            wake_main_thread();
        }
    }
}

/// Whether somebody's function handles this signal, and not the system.
fn is_handled(signal: libc::c_int) -> bool {
    let now = disposition(signal).map_or(libc::SIG_DFL, |now| now.sa_sigaction);
    !matches!(now, libc::SIG_DFL | libc::SIG_IGN)
}

/// Interrupts what the main thread waits in, a few times, by a signal that means nothing. Python's handlers leave a note,
/// which the main thread has to find: it looks before it waits and after an interruption. What is passed on comes when our
/// end has let go of the interpreter, which is when that thread goes to its wait again: a note left between its look and its
/// wait, or in another thread, would lie there as long as it waits.
fn wake_main_thread() {
    if is_handled(libc::SIGURG) {
        return; // it means something
    }
    // SAFETY: plain bits; zero has no flags, so that calls are interrupted, and an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let mut before = action;
    action.sa_sigaction = do_nothing as *const () as usize;
    // SAFETY: a whole action; its function may be called anywhere.
    if unsafe { libc::sigaction(libc::SIGURG, &raw const action, &raw mut before) } != 0 {
        return;
    }
    for wait in MAIN_THREAD_WAKES {
        std::thread::sleep(wait);
        let pid = std::process::id();
        // SAFETY: touches no memory. The main thread has the number of its process.
        unsafe { libc::syscall(libc::SYS_tgkill, pid, pid, libc::SIGURG) };
    }
    std::thread::sleep(MAIN_THREAD_WAKES[0]); // it comes late on a busy machine, and would be for nobody
    let is_ours =
        disposition(libc::SIGURG).is_some_and(|now| now.sa_sigaction == action.sa_sigaction);
    if is_ours {
        // SAFETY: what the system gave.
        unsafe { libc::sigaction(libc::SIGURG, &raw const before, std::ptr::null_mut()) };
    }
}

extern "C" fn do_nothing(_signal: libc::c_int) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_does_not_come_back_takes_the_time_of_all_and_no_more() {
        let (all, mut given) = (Duration::from_millis(5), Vec::new());
        each_within(all, &[(); 4], |(), left| {
            std::thread::sleep(left);
            given.push(left);
        });
        assert!(given[0] > Duration::ZERO && given[0] <= all, "{given:?}");
        assert!(given[1..].iter().all(Duration::is_zero), "{given:?}");
    }
}

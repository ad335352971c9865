//! What a fatal signal runs: the log says why it ends, in a file and on the consoles; then whoever was there before is
//! asked, and the process ends as it would have without us.
//!
//! | module | one idea |
//! |---|---|
//! | [`cause`] | what has happened |
//! | [`previous`] | who was asked before we were |
//! | [`orderly`] | signals that end the process in order |
//! | [`stack`] | stacks to work on |
//! | `steps` | what is done, step by step, and goes on behind a step that fails |
//!
//! Any context, and more: a handler that comes in the middle of anything, also of itself.

pub mod cause;
pub mod orderly;
pub mod previous;
pub mod stack;
mod steps;

pub use cause::Fault;
pub use steps::{Told, Trace, abandon, move_trace, run, run_rest, set_trace, tell_with, told_with};

use crate::fd::{errno, set_errno};
use crate::panic::{self, Begun};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use previous::Asked;

/// Longest wait for the end of the process, which another thread's panic brings: longer than any takes whose dumpers come
/// back. In pauses.
const PATIENCE: u32 = 200_000;

/// The signal that this process dies of; 0: none, or the panic is one of its own.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// Fatal signals that somebody has mended.
static SURVIVED: AtomicU64 = AtomicU64::new(0);

/// Handles a fatal signal.
///
/// # Safety
/// It is called by the kernel, or by a handler that was given the same.
pub unsafe extern "C" fn handle(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let interrupted = errno();
    // SAFETY: what the kernel gave.
    let fault = unsafe { Fault::of(signal, info) };
    if fault.is_sent() && previous::was_ignored(signal) {
        return;
    }
    let begun = begin();
    match begun {
        Begun::Mine => SIGNAL.store(signal, Ordering::SeqCst),
        Begun::Again => {}
        Begun::Anothers => end_by(signal), // it was waited for long enough
    }
    steps::tell(&fault, begun == Begun::Again);
    // SAFETY: this thread panics. What it did on that stack before does not go on.
    unsafe { stack::on_own(steps::go_on) };
    set_errno(interrupted);
    // SAFETY: what the kernel gave.
    unsafe { end(begun, &fault, info, context) };
    set_errno(interrupted);
}

/// Begins a panic, or waits for another thread's.
fn begin() -> Begun {
    for _ in 0..PATIENCE {
        match panic::begin() {
            Begun::Anothers => crate::fd::pause(),
            begun => return begun,
        }
    }
    Begun::Anothers
}

/// Everything is said: asks whoever was there before, and ends.
///
/// # Safety
/// As [`handle`].
unsafe fn end(begun: Begun, fault: &Fault, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let first = SIGNAL.load(Ordering::SeqCst);
    let signal = if first == 0 { fault.signal } else { first };
    if !steps::ask_now() {
        end_by(signal); // whoever was asked has crashed
    }
    // SAFETY: what the kernel gave, here or, if this is a crash within a crash, for the second one.
    let asked = unsafe { previous::ask(signal, info, context) };
    let is_ours = signal == fault.signal && begun == Begun::Mine;
    match asked {
        Asked::CameBack if begun == Begun::Mine => survive(),
        // The instruction is run again, and raises it again, this time to its end; or abort() goes on.
        Asked::Nobody if is_ours && !fault.is_sent() => previous::set_default(signal),
        Asked::Nobody if is_ours => {
            // SAFETY: what the kernel gave.
            unsafe { send_again(signal, info) };
        }
        _ => end_by(signal),
    }
}

/// Somebody has mended what was wrong, or wants the process to go on all the same: the logs go on.
fn survive() {
    SIGNAL.store(0, Ordering::SeqCst);
    SURVIVED.fetch_add(1, Ordering::Relaxed);
    steps::reset();
    panic::end();
}

/// How many fatal signals somebody has mended.
pub fn survived() -> u64 {
    SURVIVED.load(Ordering::Relaxed)
}

/// Has a signal that was sent come once more, as it was, when the handler has returned; this time to its end.
///
/// # Safety
/// `info` is what the kernel gave.
unsafe fn send_again(signal: libc::c_int, info: *const libc::siginfo_t) {
    change_mask(libc::SIG_BLOCK, signal); // until the handler returns
    previous::set_default(signal);
    // SAFETY: the caller's promise.
    if !unsafe { send_to_self(signal, info) } {
        end_by(signal);
    }
}

/// Sends the calling thread a signal, as it was. False: the system refused.
///
/// # Safety
/// `info` is what the kernel gave.
pub(crate) unsafe fn send_to_self(signal: libc::c_int, info: *const libc::siginfo_t) -> bool {
    let (pid, tid) = who();
    // SAFETY: the information is valid, and a process may send any to itself.
    unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, tid, signal, info) == 0 }
}

/// Ends the process by a signal, now.
fn end_by(signal: libc::c_int) -> ! {
    previous::set_default(signal);
    change_mask(libc::SIG_UNBLOCK, signal);
    let (pid, tid) = who();
    // SAFETY: touches no memory.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, signal) };
    // SAFETY: does not return.
    unsafe { libc::_exit(128 + signal) }
}

fn change_mask(how: libc::c_int, signal: libc::c_int) {
    // SAFETY: a signal set is plain bits; zero is the empty one.
    let mut set: libc::sigset_t = unsafe { core::mem::zeroed() };
    // SAFETY: the set is ours.
    unsafe { libc::sigaddset(&raw mut set, signal) };
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(how, &raw const set, core::ptr::null_mut()) };
}

/// The calling thread: its process's number, and its own.
fn who() -> (libc::pid_t, libc::pid_t) {
    // SAFETY: without arguments.
    let pid = unsafe { libc::getpid() };
    // SAFETY: as above.
    let tid = unsafe { libc::gettid() };
    (pid, tid)
}

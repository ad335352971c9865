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
pub use steps::{
    Told, Trace, abandon, clear_trace, move_trace, run, run_rest, set_trace, tell_with, told_with,
};

use crate::fd::{errno, set_errno};
use crate::panic::{self, Begun};
use crate::report::MOST_REPORTS;
use crate::thread;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use previous::Asked;

/// Longest wait for the end of the process, which another thread's panic brings: longer than any takes whose dumpers come
/// back. In pauses.
const PATIENCE: u32 = 200_000;

/// The signal that this process dies of; 0: none, or the panic is one of its own.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// Fatal signals that somebody has mended.
static SURVIVED: AtomicU64 = AtomicU64::new(0);
/// The process that has the handler, and its generation.
static ARMED_PID: AtomicI32 = AtomicI32::new(0);
static ARMED_GENERATION: AtomicU64 = AtomicU64::new(0);

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
    if is_vforked() {
        // SAFETY: what the kernel gave.
        return unsafe { send_again(signal, info) }; // its memory, and its logs, are its parent's
    }
    stack::give_own(); // a second signal must not come where this one is told
    // SAFETY: what the kernel gave.
    if survived() < MOST_REPORTS || unsafe { previous::ask(signal, info, context) } == Asked::Nobody
    {
        // SAFETY: as above.
        unsafe { tell_and_end(&fault, info, context, interrupted) };
    }
    set_errno(interrupted);
}

/// Tells it, if it has not been told, and ends the process, unless somebody mends what was wrong.
///
/// # Safety
/// As [`handle`].
unsafe fn tell_and_end(
    fault: &Fault,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    interrupted: i32,
) {
    // SAFETY: what the kernel gave.
    let at = unsafe { stack_pointer(context) };
    let mut begun = begin();
    if begun == Begun::Again {
        if fault.is_sent() && !fault.is_own() {
            return; // somebody else wants the end as well
        }
        if steps::has_asked_above(at) {
            survive(); // whoever was asked has left by a jump, and this is another crash
            begun = begin();
        }
    }
    match begun {
        Begun::Mine => {
            steps::reset();
            SIGNAL.store(fault.signal, Ordering::SeqCst);
        }
        Begun::Again => {}
        Begun::Anothers => end_by(fault.signal), // it was waited for long enough
    }
    steps::tell(fault, begun == Begun::Again);
    // SAFETY: this thread panics. What it did on that stack before does not go on, unless it is there still.
    unsafe { stack::on_own(steps::go_on) };
    set_errno(interrupted);
    // SAFETY: what the kernel gave.
    unsafe { end(begun, fault, info, context) };
}

/// Where the stack of what was interrupted ends.
///
/// # Safety
/// `context` is what the kernel gave.
unsafe fn stack_pointer(context: *const libc::c_void) -> usize {
    // SAFETY: the caller's promise.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    let registers = &context.uc_mcontext.gregs;
    let at = registers.get(libc::REG_RSP as usize).copied();
    at.unwrap_or_default() as usize
}

/// Whether this is a child that shares its parent's memory (`vfork`): what it does to the logs it does to its parent's.
fn is_vforked() -> bool {
    let (pid, _) = who();
    let generation = thread::generation();
    generation != 0
        && generation == ARMED_GENERATION.load(Ordering::SeqCst)
        && pid != ARMED_PID.load(Ordering::SeqCst)
}

/// In a process, or a forked child, that has the handler: whose it is.
pub fn note_process() {
    ARMED_PID.store(who().0, Ordering::SeqCst);
    ARMED_GENERATION.store(thread::begin_generation(), Ordering::SeqCst);
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
    panic::note_asking();
    // SAFETY: what the kernel gave, here or, if this is a crash within a crash, for the second one.
    let asked = unsafe { previous::ask(signal, info, context) };
    let is_ours = signal == fault.signal && begun == Begun::Mine;
    match asked {
        Asked::CameBack if begun == Begun::Mine => survive(),
        // SAFETY: what the kernel gave.
        Asked::Nobody if is_ours => unsafe { send_again(signal, info) },
        _ => end_by(signal),
    }
}

/// Somebody has mended what was wrong, or wants the process to go on all the same: the logs go on.
fn survive() {
    if SURVIVED.fetch_add(1, Ordering::Relaxed) + 1 == MOST_REPORTS {
        // SAFETY: this thread panics, and what it did on that stack is over.
        unsafe { stack::on_own(steps::say_enough) };
    }
    steps::reset();
    panic::end();
}

/// How many fatal signals somebody has mended.
pub fn survived() -> u64 {
    SURVIVED.load(Ordering::Relaxed)
}

/// Has a signal come once more, as it was, when the handler has returned: at the same instruction, with the same registers;
/// this time to its end. Not every one would come by itself: what was raised may have been mended by another thread.
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

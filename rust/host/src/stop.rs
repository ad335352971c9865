//! Stopping the process as SIGTSTP does where nobody handles it.

use std::mem::zeroed;

/// Stops the process, and returns when it was continued. Shells see one that SIGTSTP has stopped; one that no shell looks
/// after (an orphaned process group) is not stopped, as ever. Whoever handles the signal goes on doing so afterwards.
///
/// The signal is sent before the default action is put in place, and taken after that: a second one that stops the process
/// in between is followed by a SIGCONT, which takes this one away, and the process stops once.
pub fn stop_process() {
    let mut stop = no_signals();
    // SAFETY: the set is ours.
    unsafe { libc::sigaddset(&raw mut stop, libc::SIGTSTP) };
    let mask = change_mask(libc::SIG_BLOCK, &stop);
    // SAFETY: blocked, so it waits.
    unsafe { libc::raise(libc::SIGTSTP) };
    // SAFETY: plain bits; zero is the default action.
    let handler = handle_by(&unsafe { zeroed() });
    change_mask(libc::SIG_UNBLOCK, &stop); // stopped in here
    handle_by(&handler);
    change_mask(libc::SIG_SETMASK, &mask);
}

/// Changes what this thread blocks. What it was.
fn change_mask(how: libc::c_int, set: &libc::sigset_t) -> libc::sigset_t {
    let mut before = no_signals();
    // SAFETY: both sets are ours for the length of the call.
    unsafe { libc::pthread_sigmask(how, set, &raw mut before) };
    before
}

/// Changes what SIGTSTP does. What it did.
fn handle_by(action: &libc::sigaction) -> libc::sigaction {
    // SAFETY: plain bits; zero is a value of it.
    let mut before = unsafe { zeroed() };
    // SAFETY: the default action, or one that was in force before; both are ours for the length of the call.
    unsafe { libc::sigaction(libc::SIGTSTP, action, &raw mut before) };
    before
}

fn no_signals() -> libc::sigset_t {
    // SAFETY: a signal set is plain bits; zero is the empty one.
    unsafe { zeroed() }
}

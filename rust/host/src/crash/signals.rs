//! Fatal signals: their handler is put before whoever handles them, and taken away again.

use crate::fork::Listed;
use pr_printk::fatal::previous::{SIGNALS, disposition, put_before, set_default, take_back};
use pr_printk::fatal::{self, Trace, handle, stack};
use std::sync::atomic::{AtomicBool, Ordering};

/// One thread at a time arms, or disarms; a forked child finds nobody at it.
static ARMING: Listed<()> = Listed::new(());
static ARMED: AtomicBool = AtomicBool::new(false);

/// From now on fatal signals are told before they end the process.
pub fn arm() {
    let _alone = ARMING.lock();
    stack::make_own();
    stack::give_at_first_call();
    stack::give_own();
    fatal::note_process();
    for signal in SIGNALS {
        put_before(signal, handle);
    }
    ARMED.store(true, Ordering::SeqCst);
}

/// Gives the signals back to whoever had them, where nobody has come after us.
pub fn disarm() {
    let _alone = ARMING.lock();
    for signal in SIGNALS {
        take_back(signal, handle);
    }
    ARMED.store(false, Ordering::SeqCst);
}

/// Whether fatal signals are told.
pub fn is_armed() -> bool {
    ARMED.load(Ordering::SeqCst)
}

/// Takes the handler of this signal, which writes to that descriptor where Python's threads are, for crashes; once taken,
/// it may be given another descriptor. False: there is none.
pub fn take_trace(signal: libc::c_int, descriptor: libc::c_int) -> bool {
    if fatal::move_trace(signal, descriptor) {
        return true;
    }
    let Some(now) = disposition(signal) else {
        return false;
    };
    set_default(signal); // it is called as a function, and the signal is anybody's
    let handler = now.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN || now.sa_flags & libc::SA_SIGINFO != 0
    {
        return false;
    }
    // SAFETY: a handler of signals without further arguments.
    let handler =
        unsafe { std::mem::transmute::<usize, unsafe extern "C" fn(libc::c_int)>(handler) };
    fatal::set_trace(Trace {
        signal,
        handler,
        descriptor,
    });
    true
}

/// A real-time signal that nobody handles.
pub fn unused_signal() -> Option<libc::c_int> {
    let is_unused = |signal: &libc::c_int| {
        disposition(*signal).is_some_and(|now| now.sa_sigaction == libc::SIG_DFL)
    };
    (libc::SIGRTMIN()..libc::SIGRTMAX()).rev().find(is_unused)
}

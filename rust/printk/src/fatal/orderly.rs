//! Signals that end the process in order: their handler tells a thread, which does what takes time, and then sends the
//! signal once more, to whoever handled it before.
//!
//! Not the thread that was interrupted: it may be in the middle of anything, and may never come back from that.

use super::previous::{self, Handler};
use super::send_to_self;
use crate::fd::{errno, set_errno};
use crate::{futex, thread};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

/// What came with the signal that is being served.
struct Info(UnsafeCell<MaybeUninit<libc::siginfo_t>>);

impl Info {
    fn at(&self) -> *mut libc::siginfo_t {
        self.0.get().cast()
    }
}

// SAFETY: written by the handler that has set `IS_SERVING`, before it says so in `SIGNAL`; read after that.
unsafe impl Sync for Info {}

static INFO: Info = Info(UnsafeCell::new(MaybeUninit::uninit()));
/// One is being served.
static IS_SERVING: AtomicBool = AtomicBool::new(false);
/// Which; 0: none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// What the thread waits at.
static CALLS: AtomicU32 = AtomicU32::new(0);
/// The generation whose thread serves; 0: none.
static SERVED: AtomicU64 = AtomicU64::new(0);

const EVERYBODY: u32 = u32::MAX;

/// Handles a signal that is to end the process in order.
///
/// # Safety
/// It is called by the kernel, or by a handler that was given the same.
pub unsafe extern "C" fn handle(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    let interrupted = errno();
    if SERVED.load(Ordering::SeqCst) != thread::generation() {
        // A forked child that has logged nothing has nothing to end, and no thread for it.
        previous::take_back(signal, handle as Handler);
        // SAFETY: what the kernel gave.
        unsafe { send_to_self(signal, info) };
    } else if !IS_SERVING.swap(true, Ordering::SeqCst) {
        // SAFETY: what the kernel gave, and nobody else writes or reads now.
        unsafe { core::ptr::copy_nonoverlapping(info, INFO.at(), 1) };
        SIGNAL.store(signal, Ordering::SeqCst);
        CALLS.fetch_add(1, Ordering::SeqCst);
        futex::wake(&CALLS, 1, EVERYBODY);
    } // else the process is ending already
    set_errno(interrupted);
}

/// From now on the calling thread's process serves: somebody will wait.
pub fn begin_serving() {
    SERVED.store(thread::generation(), Ordering::SeqCst);
    IS_SERVING.store(false, Ordering::SeqCst);
    SIGNAL.store(0, Ordering::SeqCst);
}

/// Waits for a signal. Which.
pub fn wait() -> libc::c_int {
    loop {
        let calls = CALLS.load(Ordering::SeqCst);
        match SIGNAL.load(Ordering::SeqCst) {
            0 => futex::wait(&CALLS, calls, None, EVERYBODY),
            signal => return signal,
        }
    }
}

/// Everything is done: gives the signal to whoever handled it before.
pub fn pass_on(signal: libc::c_int) {
    previous::take_back(signal, handle as Handler);
    // SAFETY: without arguments.
    let pid = unsafe { libc::getpid() };
    // SAFETY: written before `wait` has said that there is one; a process may send any to itself.
    let sent = unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, pid, signal, INFO.at()) };
    if sent != 0 {
        // SAFETY: touches no memory.
        unsafe { libc::kill(pid, signal) };
    }
    SIGNAL.store(0, Ordering::SeqCst);
    IS_SERVING.store(false, Ordering::SeqCst);
}

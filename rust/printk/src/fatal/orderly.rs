//! Signals that end the process in order: their handler tells a thread, which does what takes time, and then sends the
//! signal once more, to whoever handled it before.
//!
//! Not the thread that was interrupted: it may be in the middle of anything, and may never come back from that.
//!
//! Each signal has a place of its own: one that comes while another one is served waits for its turn. One that comes again
//! before it is passed on is the same one, as the kernel has it with signals that are pending.

use super::previous::{self, Asked, Handler};
use super::{send_again, send_to_self};
use crate::fd::{errno, set_errno};
use crate::{futex, thread};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Words of what comes with a signal.
const INFO_WORDS: usize = size_of::<libc::siginfo_t>() / size_of::<u64>();
const _: () = assert!(size_of::<libc::siginfo_t>().is_multiple_of(size_of::<u64>()));

/// What came with one signal. Written by the handler that has claimed it, before it is pending; read before it may be claimed
/// again.
struct Info([AtomicU64; INFO_WORDS]);

static INFOS: [Info; 64] =
    [const { Info([const { AtomicU64::new(0) }; INFO_WORDS]) }; u64::BITS as usize];
/// Signals, by their bits, that a handler writes about, that are pending, or that are served and not passed on yet.
static CLAIMED: AtomicU64 = AtomicU64::new(0);
/// Those that wait for the thread.
static PENDING: AtomicU64 = AtomicU64::new(0);
/// Those that were passed on while somebody else's handler was before ours, and may come by here again.
static RETURNING: AtomicU64 = AtomicU64::new(0);
/// What the thread waits at.
static CALLS: AtomicU32 = AtomicU32::new(0);
/// The generation that has begun to be served.
static BEGUN: AtomicU64 = AtomicU64::new(NOBODY);
/// The generation whose thread serves.
static SERVED: AtomicU64 = AtomicU64::new(NOBODY);

/// No process's generation.
const NOBODY: u64 = u64::MAX;
const EVERYBODY: u32 = u32::MAX;

/// A signal's place.
fn place(signal: libc::c_int) -> u32 {
    (signal.wrapping_sub(1) as u32) % u64::BITS
}

fn bit(signal: libc::c_int) -> u64 {
    1 << place(signal)
}

/// A signal whose turn it is.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    signal: libc::c_int,
    info: [u64; INFO_WORDS],
}

impl Arrival {
    /// Which.
    pub fn signal(&self) -> libc::c_int {
        self.signal
    }
}

/// Handles a signal that is to end the process in order.
///
/// # Safety
/// It is called by the kernel, or by a handler that was given the same.
pub unsafe extern "C" fn handle(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let interrupted = errno();
    if RETURNING.fetch_and(!bit(signal), Ordering::SeqCst) & bit(signal) != 0 {
        // SAFETY: what the kernel gave.
        unsafe { go_straight_on(signal, info, context) };
    } else if SERVED.load(Ordering::SeqCst) == thread::generation() {
        // SAFETY: what the kernel gave.
        unsafe { announce(signal, info) };
    } else if is_first(signal) {
        // A forked child that has logged nothing has nothing to end, and no thread for it.
        previous::take_back(signal, handle as Handler);
        // SAFETY: what the kernel gave.
        unsafe { send_to_self(signal, info) };
    } else {
        // SAFETY: what the kernel gave.
        unsafe { go_straight_on(signal, info, context) };
    }
    set_errno(interrupted);
}

/// Whether the kernel calls our handler, and not somebody's who came later and goes on to it.
fn is_first(signal: libc::c_int) -> bool {
    let now = previous::disposition(signal);
    now.is_some_and(|now| now.sa_sigaction == handle as *const () as usize)
}

/// Has the thread serve this signal.
///
/// # Safety
/// `info` is what the kernel gave.
unsafe fn announce(signal: libc::c_int, info: *const libc::siginfo_t) {
    if CLAIMED.fetch_or(bit(signal), Ordering::SeqCst) & bit(signal) != 0 {
        return; // it waits for its turn already, or is about to be passed on
    }
    // SAFETY: valid for reads, and all of it is written: the kernel leaves no gaps.
    let came = unsafe { info.cast::<[u64; INFO_WORDS]>().read_unaligned() };
    if let Some(Info(words)) = INFOS.get(place(signal) as usize) {
        for (word, came) in words.iter().zip(came) {
            word.store(came, Ordering::Relaxed);
        }
    }
    PENDING.fetch_or(bit(signal), Ordering::SeqCst);
    CALLS.fetch_add(1, Ordering::SeqCst);
    futex::wake(&CALLS, 1, EVERYBODY);
}

/// Gives the signal to whoever was there before, without sending it: whoever is before us would have it come round again.
///
/// # Safety
/// `info` and `context` are what the handler was given.
unsafe fn go_straight_on(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    if previous::was_ignored(signal) {
        return;
    }
    // SAFETY: the caller's promise.
    if unsafe { previous::ask(signal, info, context) } == Asked::Nobody {
        // SAFETY: the caller's promise.
        unsafe { send_again(signal, info) };
    }
}

/// From now on the calling thread's process serves: somebody will wait. False: it does so already.
pub fn begin_serving() -> bool {
    RETURNING.store(0, Ordering::SeqCst);
    let generation = thread::begin_generation();
    if BEGUN.swap(generation, Ordering::SeqCst) == generation {
        return false;
    }
    // What a parent has left in the middle of. Nobody announces anything before this generation is served.
    PENDING.store(0, Ordering::SeqCst);
    CLAIMED.store(0, Ordering::SeqCst);
    SERVED.store(generation, Ordering::SeqCst);
    true
}

/// Nobody will wait after all.
pub fn end_serving() {
    SERVED.store(NOBODY, Ordering::SeqCst);
    BEGUN.store(NOBODY, Ordering::SeqCst);
}

/// Waits for a signal. One thread.
pub fn wait() -> Arrival {
    loop {
        let calls = CALLS.load(Ordering::SeqCst);
        let pending = PENDING.load(Ordering::SeqCst);
        let first = pending.trailing_zeros(); // in the kernel's order
        if let Some(Info(words)) = INFOS.get(first as usize) {
            PENDING.fetch_and(!(1 << first), Ordering::SeqCst);
            let mut info = [0; INFO_WORDS];
            for (came, word) in info.iter_mut().zip(words) {
                *came = word.load(Ordering::Relaxed);
            }
            return Arrival {
                signal: first as libc::c_int + 1,
                info,
            };
        }
        futex::wait(&CALLS, calls, None, EVERYBODY);
    }
}

/// Everything is done: gives the signal to whoever handled it before.
pub fn pass_on(arrival: &Arrival) {
    let Arrival { signal, info } = arrival;
    // What comes from here on is another one.
    CLAIMED.fetch_and(!bit(*signal), Ordering::SeqCst);
    if !is_first(*signal) {
        RETURNING.fetch_or(bit(*signal), Ordering::SeqCst);
    }
    previous::take_back(*signal, handle as Handler);
    // SAFETY: without arguments.
    let pid = unsafe { libc::getpid() };
    // SAFETY: what the kernel gave; a process may send any to itself.
    let sent = unsafe { libc::syscall(libc::SYS_rt_sigqueueinfo, pid, *signal, info.as_ptr()) };
    if sent != 0 {
        // SAFETY: touches no memory.
        unsafe { libc::kill(pid, *signal) };
    }
}

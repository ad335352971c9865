//! Who was asked about a signal before we were, and is asked after us.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

/// The signals that end a process for a reason that lies in it.
pub const SIGNALS: [libc::c_int; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGABRT,
];

/// Words of a signal set.
const SET_WORDS: usize = size_of::<libc::sigset_t>() / size_of::<u64>();

/// What a handler of ours is.
pub type Handler = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// One signal's disposition before ours. Words, since a handler may be reading them while they change.
struct Previous {
    is_armed: AtomicBool,
    handler: AtomicUsize,
    flags: AtomicI32,
    mask: [AtomicU64; SET_WORDS],
}

/// By their numbers, of which 0 is none.
static PREVIOUS: [Previous; 65] = [const {
    Previous {
        is_armed: AtomicBool::new(false),
        handler: AtomicUsize::new(libc::SIG_DFL),
        flags: AtomicI32::new(0),
        mask: [const { AtomicU64::new(0) }; SET_WORDS],
    }
}; 65];

fn place(signal: libc::c_int) -> Option<&'static Previous> {
    PREVIOUS.get(usize::try_from(signal).ok()?)
}

/// How a signal is handled now.
pub fn disposition(signal: libc::c_int) -> Option<libc::sigaction> {
    let mut now = MaybeUninit::uninit();
    // SAFETY: `now` is ours to write.
    let known = unsafe { libc::sigaction(signal, core::ptr::null(), now.as_mut_ptr()) } == 0;
    // SAFETY: written, as the call says.
    known.then(|| unsafe { now.assume_init() })
}

fn set_disposition(signal: libc::c_int, action: &libc::sigaction) -> bool {
    // SAFETY: a whole action, whose handler, if it has one, may be called anywhere.
    unsafe { libc::sigaction(signal, core::ptr::from_ref(action), core::ptr::null_mut()) == 0 }
}

/// Puts `handler` before whoever handles this signal now; but once, since somebody who came later may go on to it. On an
/// alternate stack, where the thread has one; and within itself, since a handler may crash as well. False: the system
/// refused. One thread at a time.
pub fn put_before(signal: libc::c_int, handler: Handler) -> bool {
    let (Some(now), Some(place)) = (disposition(signal), place(signal)) else {
        return false;
    };
    let nobody = matches!(now.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN);
    if place.is_armed.load(Ordering::SeqCst) && !nobody {
        return true;
    }
    place.remember(&now);
    let mut action = now;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    if nobody || now.sa_flags & libc::SA_RESTART != 0 {
        action.sa_flags |= libc::SA_RESTART; // what it interrupts goes on as it would have
    }
    // SAFETY: the set is ours.
    unsafe { libc::sigemptyset(&raw mut action.sa_mask) };
    let is_put = set_disposition(signal, &action);
    place.is_armed.store(is_put, Ordering::SeqCst);
    is_put
}

/// Gives the signal back, if nobody has come after us. One thread at a time.
pub fn take_back(signal: libc::c_int, handler: Handler) {
    let is_ours = disposition(signal).is_some_and(|now| now.sa_sigaction == handler as usize);
    if let Some(place) = place(signal).filter(|_| is_ours) {
        set_disposition(signal, &place.action());
        place.is_armed.store(false, Ordering::SeqCst);
    }
}

/// Whether a signal was to be ignored before we came.
pub fn was_ignored(signal: libc::c_int) -> bool {
    place(signal).is_some_and(|place| place.handler.load(Ordering::SeqCst) == libc::SIG_IGN)
}

/// Whether nobody handled a signal before we came.
pub fn was_default(signal: libc::c_int) -> bool {
    place(signal).is_none_or(|place| place.handler.load(Ordering::SeqCst) == libc::SIG_DFL)
}

/// What is to be done after whoever was there before has been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nobody was there, or nobody any more: the system's own action is next.
    Nobody,
    /// A handler was, and has come back: it may have mended what was wrong.
    CameBack,
}

/// Asks the handler that was there before, as the kernel would have.
///
/// # Safety
/// `info` and `context` are what a handler of ours was given.
pub unsafe fn ask(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) -> Asked {
    let Some(place) = place(signal) else {
        return Asked::Nobody;
    };
    let action = place.action();
    let handler = action.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        return Asked::Nobody; // what the processor raises cannot be ignored
    }
    if action.sa_flags & libc::SA_RESETHAND != 0 {
        place.handler.store(libc::SIG_DFL, Ordering::SeqCst);
    }
    let mut blocked = action.sa_mask;
    if action.sa_flags & libc::SA_NODEFER == 0 {
        // SAFETY: the set is ours.
        unsafe { libc::sigaddset(&raw mut blocked, signal) };
    }
    let mut before = MaybeUninit::uninit();
    // SAFETY: both sets are ours.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, before.as_mut_ptr()) };
    if action.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: a handler that was installed with this flag.
        let handler: Handler = unsafe { core::mem::transmute(handler) };
        // SAFETY: the arguments that the kernel gave.
        unsafe { handler(signal, info, context) };
    } else {
        // SAFETY: a handler that was installed without that flag.
        let handler: unsafe extern "C" fn(libc::c_int) = unsafe { core::mem::transmute(handler) };
        // SAFETY: the argument that the kernel gave.
        unsafe { handler(signal) };
    }
    // SAFETY: written by the call above.
    let before = unsafe { before.assume_init() };
    // SAFETY: the set that was in force before.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, core::ptr::null_mut());
    }
    Asked::CameBack
}

impl Previous {
    fn remember(&self, action: &libc::sigaction) {
        // SAFETY: a signal set is plain bits, as many as these words.
        let mask: [u64; SET_WORDS] = unsafe { core::mem::transmute(action.sa_mask) };
        for (word, bits) in self.mask.iter().zip(mask) {
            word.store(bits, Ordering::SeqCst);
        }
        self.flags.store(action.sa_flags, Ordering::SeqCst);
        self.handler.store(action.sa_sigaction, Ordering::SeqCst);
    }

    fn action(&self) -> libc::sigaction {
        // SAFETY: plain bits; zero is an action.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        let mut mask = [0_u64; SET_WORDS];
        for (bits, word) in mask.iter_mut().zip(&self.mask) {
            *bits = word.load(Ordering::SeqCst);
        }
        // SAFETY: as in `remember`.
        action.sa_mask = unsafe { core::mem::transmute::<[u64; SET_WORDS], libc::sigset_t>(mask) };
        action.sa_flags = self.flags.load(Ordering::SeqCst);
        action.sa_sigaction = self.handler.load(Ordering::SeqCst);
        action
    }
}

/// From now on the signal has the system's own action.
pub fn set_default(signal: libc::c_int) {
    // SAFETY: plain bits; zero is the default action with no flags.
    let action: libc::sigaction = unsafe { core::mem::zeroed() };
    set_disposition(signal, &action);
}

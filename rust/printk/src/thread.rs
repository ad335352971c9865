//! What a thread knows about itself, touchable in any context.
//!
//! The state lies in initial-exec thread-local storage: zeroed for a new thread, gone with it, and reached by one addition
//! to the thread pointer. Rust's own thread-locals may allocate at their first use; these never do.
//!
//! A fork is noticed by one load: the process's generation lies on a page that the kernel wipes in a child.

use crate::context::{SectionWord, Sections};
use crate::fatal::stack;
use crate::fd::{errno, set_errno};
use crate::glance::GLANCE;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// One thread's state. Only its own thread touches it; a signal handler that interrupts it finds it whole, since every
/// field is one relaxed store.
#[repr(C)]
struct State {
    /// The kernel's id of the thread; 0: not asked yet.
    tid: AtomicU32,
    /// How many log calls this thread is in.
    depth: AtomicU32,
    /// The generation in which `tid` was asked: a forked child must ask again.
    generation: AtomicU64,
    /// The epoch in which this thread has looked at what is expected of threads.
    epoch: AtomicU64,
    /// The id of the console whose printing this thread does; 0: none.
    prints_for: AtomicU32,
    /// A number that no other thread had lately, asked with `tid`: the kernel gives out a dead thread's id again.
    serial: AtomicU32,
    /// The sections that this thread is in; null: it was never in one, which is so for nearly all.
    sections: AtomicPtr<SectionWord>,
}

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".section .tbss.pr_printk_thread_state,\"awT\",@nobits",
    ".globl pr_printk_thread_state",
    ".hidden pr_printk_thread_state",
    ".type pr_printk_thread_state, @object",
    ".p2align 4",
    "pr_printk_thread_state:",
    ".zero 40",
    ".size pr_printk_thread_state, 40",
    ".previous",
);
const _: () = assert!(size_of::<State>() == 40);

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn state() -> &'static State {
    let at: *const State;
    // SAFETY: reads the thread pointer and a constant of the loader; touches no other memory.
    unsafe {
        core::arch::asm!(
            "mov {at}, qword ptr [rip + pr_printk_thread_state@GOTTPOFF]",
            "add {at}, qword ptr fs:[0]",
            at = out(reg) at,
            options(pure, readonly, nostack),
        );
    }
    // SAFETY: this thread's own block, zeroed at its start, all atomics; no reference outlives the call of a function
    // below, and so none the thread.
    unsafe { &*at }
}

#[cfg(not(target_arch = "x86_64"))]
compile_error!("printk_ring: write the thread state's access for this target");

/// How deep a log call may nest in another one of the same thread; deeper ones are dropped and counted.
pub const MAX_DEPTH: u32 = 4;

/// What lies on a page that is wiped in a forked child.
#[repr(C)]
#[derive(Debug)]
pub struct Times {
    /// The process's generation.
    generation: AtomicU64,
    /// Another number whenever threads have to look again: in another generation, or when more is expected of them.
    epoch: AtomicU64,
}

/// Those of a process that no host has prepared.
pub(crate) static UNPREPARED: Times = Times {
    generation: AtomicU64::new(1),
    epoch: AtomicU64::new(1),
};
/// The highest epoch so far; plain memory, so that a child goes on counting.
static LAST_EPOCH: AtomicU64 = AtomicU64::new(1);
/// The highest generation so far; plain memory, so that a child goes on counting.
static LAST: AtomicU64 = AtomicU64::new(1);

#[inline(always)]
fn times() -> &'static Times {
    // ORD(generation:A) pairs with ORD(watch_forks:A): the page is initialised.
    let at = GLANCE.times.load(Ordering::Acquire);
    // SAFETY: the static, or a page that `watch_forks`' caller promised to keep for ever.
    unsafe { &*at }
}

/// The generation of this process: 0 in a forked child that nobody has told yet.
#[inline(always)]
pub fn generation() -> u64 {
    times().generation.load(Ordering::Relaxed)
}

/// Has every thread look again at its next log call: more is expected of it.
pub(crate) fn begin_epoch() {
    let fresh = LAST_EPOCH.fetch_add(1, Ordering::Relaxed) + 1;
    times().epoch.store(fresh, Ordering::Relaxed);
}

/// Whether they lie on such a page.
pub fn watches_forks() -> bool {
    !core::ptr::eq(times(), &raw const UNPREPARED)
}

/// Puts generation and epoch on `page`, which the kernel wipes in a child. False: another thread has put them on another one,
/// and nobody uses this one.
///
/// # Safety
/// `page` is valid, 8-aligned, zeroed, and not unmapped unless this says so.
pub unsafe fn watch_forks(page: *mut Times) -> bool {
    // SAFETY: the caller's promise.
    let times = unsafe { &*page };
    let (generation, epoch) = (&LAST, &LAST_EPOCH);
    let now = generation.load(Ordering::Relaxed);
    times.generation.store(now, Ordering::Relaxed);
    times
        .epoch
        .store(epoch.load(Ordering::Relaxed), Ordering::Relaxed);
    let unprepared = (&raw const UNPREPARED).cast_mut();
    let place = &GLANCE.times;
    let published = place.compare_exchange(unprepared, page, Ordering::AcqRel, Ordering::Acquire); // ORD(watch_forks:A)
    published.is_ok()
}

/// In a forked child: gives it a generation of its own. Idempotent; any context.
pub fn begin_generation() -> u64 {
    let word = &times().generation;
    let found = word.load(Ordering::Relaxed);
    if found != 0 {
        return found;
    }
    let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match word.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => {
            begin_epoch();
            fresh
        }
        Err(other) => other,
    }
}

/// In a fork hook of the child: a new generation, also where the page was not wiped (it lies in plain memory then).
pub fn renew_generation() {
    let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    times().generation.store(fresh, Ordering::Relaxed);
    begin_epoch();
}

/// This thread's id in the kernel's numbers, asked once a thread and generation. In another epoch it looks again at what is
/// expected of it.
#[inline]
pub fn tid() -> u32 {
    let state = state();
    let tid = state.tid.load(Ordering::Relaxed);
    if tid != 0 && state.epoch.load(Ordering::Relaxed) == times().epoch.load(Ordering::Relaxed) {
        return tid;
    }
    look_again(state)
}

#[cold]
fn look_again(state: &State) -> u32 {
    let generation = begin_generation();
    let epoch = times().epoch.load(Ordering::Relaxed);
    let known = state.tid.load(Ordering::Relaxed);
    let is_known = known != 0 && state.generation.load(Ordering::Relaxed) == generation;
    let tid = if is_known { known } else { ask_tid(state) };
    stack::at_first_call(tid);
    state.epoch.store(epoch, Ordering::Relaxed);
    tid
}

fn ask_tid(state: &State) -> u32 {
    // SAFETY: a system call without arguments.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
    let serial = SERIALS.fetch_add(1, Ordering::Relaxed);
    state.serial.store(serial, Ordering::Relaxed);
    state.tid.store(tid, Ordering::Relaxed);
    state
        .generation
        .store(begin_generation(), Ordering::Relaxed);
    tid
}

/// Whether this process has a thread with this id. Any context.
pub fn is_alive(tid: u32) -> bool {
    let interrupted = errno(); // a handler must leave it as it was
    // SAFETY: a system call without arguments.
    let pid = unsafe { libc::getpid() };
    // SAFETY: touches no memory, and sends no signal.
    let found = unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, 0) };
    let alive = found == 0 || errno() != libc::ESRCH;
    set_errno(interrupted);
    alive
}

/// How many threads have asked for their id.
static SERIALS: AtomicU32 = AtomicU32::new(0);

/// What calls itself by this name in a ring: this thread, at this depth of log calls. A handler that interrupts a log call
/// is one deeper, and so somebody else. `tid` is what [`tid`] says.
#[inline]
pub fn owner(tid: u32) -> u64 {
    let state = state();
    let serial = state.serial.load(Ordering::Relaxed) & 0x00FF_FFFF;
    let depth = state.depth.load(Ordering::Relaxed) & 0xFF;
    u64::from(tid) << 32 | u64::from(serial << 8 | depth)
}

/// The thread that an owner is, or was.
pub fn tid_of(owner: u64) -> u32 {
    (owner >> 32) as u32
}

/// A log call in progress on this thread.
#[derive(Debug)]
#[must_use]
pub struct Nest(());

/// Enters a log call; None: this thread is too deep in log calls already, which is a program that logs from within its
/// own logging. What is then logged while the value lives is reentrant: it is stored, and never waits.
#[inline]
pub fn enter() -> Option<Nest> {
    let depth = &state().depth;
    let now = depth.load(Ordering::Relaxed);
    if now >= MAX_DEPTH {
        return None;
    }
    depth.store(now + 1, Ordering::Relaxed);
    Some(Nest(()))
}

impl Drop for Nest {
    #[inline]
    fn drop(&mut self) {
        let depth = &state().depth;
        // Saturating: a call that forks inside returns into a child that has forgotten its nesting.
        let outer = depth.load(Ordering::Relaxed).saturating_sub(1);
        depth.store(outer, Ordering::Relaxed);
    }
}

/// In a forked child: the forking thread's log calls in progress will never return into this process's ring.
pub fn forget_nesting() {
    state().depth.store(0, Ordering::Relaxed);
}

/// How many log calls this thread is in.
#[inline]
pub fn depth() -> u32 {
    state().depth.load(Ordering::Relaxed)
}

/// Whether a log call may make its thread wait: not one from within another one (it is the `depth`-th here), nor from
/// printing, nor where records are only stored.
pub fn may_wait(depth: u32) -> bool {
    self::depth() <= depth && prints_for().is_none() && !sections().deferred()
}

/// From now on this thread prints for the console with this id (from 1 on; 0: for none).
pub fn print_for(id: u32) {
    state().prints_for.store(id, Ordering::Relaxed);
}

/// The id of the console that this thread prints for.
#[inline]
pub fn prints_for() -> Option<u32> {
    Some(state().prints_for.load(Ordering::Relaxed)).filter(|id| *id != 0)
}

/// The word of this thread's sections, if it was ever in one.
#[inline(always)]
pub fn section_word() -> Option<&'static SectionWord> {
    let word = state().sections.load(Ordering::Relaxed);
    // SAFETY: null, or what `give_section_word` was given, which lives for ever.
    unsafe { word.as_ref() }
}

/// The sections that this thread is in.
#[inline(always)]
pub fn sections() -> Sections {
    section_word().map_or(Sections::NONE, SectionWord::sections)
}

/// Gives this thread a word for its sections; None: takes it back, when the thread ends.
pub fn give_section_word(word: Option<&'static SectionWord>) {
    let at = word.map_or(core::ptr::null_mut(), |word| {
        core::ptr::from_ref(word).cast_mut()
    });
    state().sections.store(at, Ordering::Relaxed);
}

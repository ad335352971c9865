//! Stacks: the alternate one of each thread, which a handler begins on, and the one that a panic works on.
//!
//! A handler's own stack may be as small as somebody else has made it, or the rest of one that has overflowed. So nothing
//! happens on it but the change to a stack that is large enough.

use crate::thread;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Bytes of an alternate stack.
const ALTERNATE_BYTES: usize = 64 << 10;
/// Bytes of the stack that a panic works on.
const OWN_BYTES: usize = 512 << 10;
/// The lowest page of a stack, which nobody may touch.
const GUARD_BYTES: usize = 4096;
/// How many threads get an alternate stack of us, at a time.
const STACKS: usize = 1024;
/// How many stacks of others are looked at, for one whose thread is gone.
const LOOKS: usize = 16;

/// An alternate stack, and the thread that has it: the low half of its process's generation, and its id. 0: nobody.
struct Alternate {
    owner: AtomicU64,
    base: AtomicPtr<libc::c_void>,
}

static ALTERNATES: [Alternate; STACKS] = [const {
    Alternate {
        owner: AtomicU64::new(0),
        base: AtomicPtr::new(null_mut()),
    }
}; STACKS];
/// How many were ever used.
static USED: AtomicUsize = AtomicUsize::new(0);
/// Where the look for a thread that is gone goes on.
static NEXT_LOOK: AtomicUsize = AtomicUsize::new(0);
/// Whether threads get a stack at their first log call.
static WANTED: AtomicBool = AtomicBool::new(false);
/// The highest address of the stack that a panic works on; null: there is none.
static OWN_TOP: AtomicPtr<libc::c_void> = AtomicPtr::new(null_mut());

/// From now on each thread gets an alternate stack at its first log call, or its next one.
pub fn give_at_first_call() {
    if !WANTED.swap(true, Ordering::SeqCst) {
        thread::begin_epoch();
    }
}

/// At a thread's first log call, or the first since they are given.
pub(crate) fn at_first_call(tid: u32) {
    if WANTED.load(Ordering::Relaxed) {
        give(tid);
    }
}

/// Gives the calling thread an alternate stack, unless it has one.
pub fn give_own() {
    give(thread::tid());
}

fn give(tid: u32) {
    let mut now = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: `now` is ours to write.
    if unsafe { libc::sigaltstack(core::ptr::null(), now.as_mut_ptr()) } != 0 {
        return;
    }
    // SAFETY: written, as the call says.
    if unsafe { now.assume_init() }.ss_flags & libc::SS_DISABLE == 0 {
        return; // it has one already
    }
    let me = thread::begin_generation() << 32 | u64::from(tid);
    let Some(place) = left_behind(me).or_else(|| unused(me)) else {
        return;
    };
    let mut base = place.base.load(Ordering::Acquire); // ORD(alternate:A) pairs with ORD(alternate:B)
    if base.is_null() {
        base = map(ALTERNATE_BYTES);
        if base.is_null() {
            place.owner.store(0, Ordering::Release);
            return;
        }
        place.base.store(base, Ordering::Release); // ORD(alternate:B) pairs with ORD(alternate:A)
    }
    let stack = libc::stack_t {
        ss_sp: base.wrapping_byte_add(GUARD_BYTES),
        ss_flags: 0,
        ss_size: ALTERNATE_BYTES - GUARD_BYTES,
    };
    // SAFETY: mapped memory of that size, which stays, and which no other thread uses.
    unsafe { libc::sigaltstack(&raw const stack, null_mut()) };
}

/// One whose thread is gone. Those of the process that this was forked from are nobody's: the thread that went on here may
/// have one of them.
fn left_behind(me: u64) -> Option<&'static Alternate> {
    let used = USED.load(Ordering::Relaxed).min(STACKS);
    if used == 0 {
        return None;
    }
    let first = NEXT_LOOK.fetch_add(LOOKS, Ordering::Relaxed);
    let looked_at =
        (0..LOOKS.min(used)).filter_map(|at| ALTERNATES.get(first.wrapping_add(at) % used));
    looked_at.into_iter().find(|place| {
        let owner = place.owner.load(Ordering::Relaxed);
        let is_free = owner == 0
            || owner >> 32 == me >> 32 && (owner == me || !thread::is_alive(owner as u32));
        is_free && take(place, owner, me)
    })
}

fn unused(me: u64) -> Option<&'static Alternate> {
    loop {
        let index = USED.fetch_add(1, Ordering::Relaxed);
        if index >= STACKS {
            USED.store(STACKS, Ordering::Relaxed);
            return None;
        }
        // Another thread may have found it free in the meantime.
        let place = ALTERNATES.get(index).filter(|place| take(place, 0, me));
        if place.is_some() {
            return place;
        }
    }
}

fn take(place: &Alternate, owner: u64, me: u64) -> bool {
    let taken = place
        .owner
        .compare_exchange(owner, me, Ordering::Acquire, Ordering::Relaxed);
    taken.is_ok()
}

/// Maps a stack, with a page below it that nobody may touch. Null: there is no memory.
fn map(bytes: usize) -> *mut libc::c_void {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let base = unsafe { libc::mmap(null_mut(), bytes, access, flags, -1, 0) };
    if base == libc::MAP_FAILED {
        return null_mut();
    }
    // SAFETY: the lowest page of the new mapping.
    unsafe { libc::mprotect(base, GUARD_BYTES, libc::PROT_NONE) };
    base
}

/// Makes the stack that a panic works on, with its pages there. Once; one thread at a time. False: there is no memory.
pub fn make_own() -> bool {
    if !OWN_TOP.load(Ordering::SeqCst).is_null() {
        return true;
    }
    let base = map(OWN_BYTES);
    if base.is_null() {
        return false;
    }
    let (pages, bytes) = (
        base.wrapping_byte_add(OWN_BYTES / 2),
        OWN_BYTES - OWN_BYTES / 2,
    );
    // SAFETY: pages of the new mapping. Without them there they come when they are used.
    unsafe { libc::madvise(pages, bytes, libc::MADV_POPULATE_WRITE) };
    OWN_TOP.store(base.wrapping_byte_add(OWN_BYTES), Ordering::SeqCst);
    true
}

/// Runs `work` on the stack that a panic works on, from its top: what ran there before does not go on.
///
/// # Safety
/// The caller panics, and nothing else does on that stack, or goes on doing so; unless the caller itself is on it.
pub unsafe fn on_own(work: extern "C" fn()) {
    let top = OWN_TOP.load(Ordering::SeqCst);
    let here = core::ptr::from_ref(&top) as usize;
    let room = (top as usize).checked_sub(here);
    // A thread that has no alternate stack is interrupted where it is: the handler's own frame lies there.
    if top.is_null() || room.is_some_and(|room| room < OWN_BYTES) {
        return work();
    }
    // SAFETY: the top of mapped memory, as the caller promises unused; aligned, as a call wants it.
    unsafe { call_on(top, work) };
}

#[cfg(target_arch = "x86_64")]
unsafe fn call_on(top: *mut libc::c_void, work: extern "C" fn()) {
    // SAFETY: `work` is called as the convention wants it, on memory that is the caller's; the stack is as before after it.
    unsafe {
        core::arch::asm!(
            "mov r12, rsp",
            "mov rsp, {top}",
            "call {work}",
            "mov rsp, r12",
            top = in(reg) top,
            work = in(reg) work,
            out("r12") _,
            clobber_abi("C"),
        );
    }
}

#[cfg(not(target_arch = "x86_64"))]
compile_error!("printk_ring: write the change of stacks for this target");

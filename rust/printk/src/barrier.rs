//! A full barrier between a common side and a rare side, for which only the rare side pays.
//!
//! A writer publishes a record and then looks whether a printer is parked; a printer parks and then looks for records
//! (M14). Both need a full barrier between their two steps, or both can miss each other. A writer passes here with every
//! record, a printer at most five times a second: so the printer asks the kernel to run a barrier on every processor that
//! runs a thread of this process (`membarrier`), and the writer's side is a compiler barrier. Where the kernel refuses,
//! both sides fence.

use crate::glance::GLANCE;
use core::sync::atomic::{AtomicU32, Ordering, compiler_fence, fence};

pub(crate) const UNKNOWN: u32 = 0;
const ASYMMETRIC: u32 = 1;
const SYMMETRIC: u32 = 2;

/// How this process pays. Decided before the first printer can park; SYMMETRIC is always right.
#[inline(always)]
fn setting() -> &'static AtomicU32 {
    &GLANCE.barrier
}

const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: a system call that touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Registers this process with the kernel. Once per process, and again in a forked child; before anything parks.
pub fn prepare() {
    let mode = if membarrier(REGISTER_PRIVATE_EXPEDITED) {
        ASYMMETRIC
    } else {
        SYMMETRIC
    };
    // A process that has once fenced goes on: a printer may be parked on the strength of it.
    let _ = setting().compare_exchange(UNKNOWN, mode, Ordering::SeqCst, Ordering::SeqCst);
}

/// The common side: after its store, before its load.
#[inline(always)]
pub fn light() {
    if setting().load(Ordering::Relaxed) == ASYMMETRIC {
        compiler_fence(Ordering::SeqCst); // ORD(light:A) pairs with ORD(heavy:A)
    } else {
        fence(Ordering::SeqCst); // ORD(light:B) pairs with ORD(heavy:B)
    }
}

/// The rare side: after its store, before its load. False: it did not work this time, and the caller must not rely on
/// being seen (it may try again; from now on both sides fence).
#[must_use]
pub fn heavy() -> bool {
    fence(Ordering::SeqCst); // ORD(heavy:B)
    if setting().load(Ordering::Relaxed) != ASYMMETRIC || membarrier(PRIVATE_EXPEDITED) {
        return true; // ORD(heavy:A): the kernel's barrier on every processor
    }
    setting().store(SYMMETRIC, Ordering::SeqCst);
    false
}

//! Errands: what a record's level asks for beside storing it. A log call syncs where it may wait, and marks what else is due,
//! in any context; a thread of the host's runs the errands that are due, and sleeps otherwise.

use crate::control::count;
use crate::core::Core;
use crate::futex;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use pr_ring::Seq;

/// Bits of what is due.
pub mod due {
    /// The memory is to be synced, for a record whose caller could not wait for that.
    pub const SYNC: u32 = 1;
    /// What led up to a record is to be written out.
    pub const DUMP: u32 = 1 << 1;
    /// Whatever is due is due at once. Cleared when it is done.
    pub const HURRY: u32 = 1 << 8;
    /// The thread that runs errands is to end, when it has done what is due.
    pub const END: u32 = 1 << 9;
    /// There is such a thread.
    pub const RUNS: u32 = 1 << 10;
}

/// Who waits for a change of what is due, for the futex.
const RUNNER: u32 = 1;
const WAITER: u32 = 1 << 1;

/// What the records of one log ask for, and what of it is due.
#[derive(Debug, Default)]
pub struct Errands {
    /// Levels whose records are to be synced: one bit each.
    synced: AtomicU32,
    /// Levels whose records are to be dumped, with what led up to them.
    dumped: AtomicU32,
    /// The number after the newest such record.
    dump_end: AtomicU64,
    /// Bits of [`due`].
    due: AtomicU32,
}

impl Errands {
    /// Nothing is asked for.
    pub const fn new() -> Errands {
        Errands {
            synced: AtomicU32::new(0),
            dumped: AtomicU32::new(0),
            dump_end: AtomicU64::new(0),
            due: AtomicU32::new(0),
        }
    }

    /// Whether a record of this level is to be synced.
    pub fn syncs(&self, level: u8) -> bool {
        has_level(&self.synced, level)
    }

    /// Whether what led up to a record of this level is to be written out.
    pub fn dumps(&self, level: u8) -> bool {
        has_level(&self.dumped, level)
    }

    /// Record `seq` was stored, and is to be dumped.
    pub fn mark_dump(&self, seq: Seq) {
        self.dump_end
            .fetch_max(seq.0.saturating_add(1), Ordering::SeqCst);
        self.mark(due::DUMP);
    }

    /// The number after the newest record that is to be dumped.
    pub fn dump_end(&self) -> Seq {
        Seq(self.dump_end.load(Ordering::SeqCst))
    }

    /// Bits of [`due`].
    pub fn due(&self) -> u32 {
        self.due.load(Ordering::SeqCst)
    }

    /// Marks what is due. Wakes the thread that sees to it, unless that was marked already: then it has yet to look.
    pub fn mark(&self, bits: u32) {
        if self.due.fetch_or(bits, Ordering::SeqCst) & bits != bits {
            futex::wake(&self.due, i32::MAX, RUNNER);
        }
    }

    /// By the thread that runs them: these are no longer due, or done.
    pub fn clear(&self, bits: u32) {
        self.due.fetch_and(!bits, Ordering::SeqCst);
        if bits & (due::HURRY | due::END) != 0 {
            futex::wake(&self.due, i32::MAX, WAITER);
        }
    }

    /// Sleeps as long as nothing else than `seen` is due, at most `timeout_ns`.
    pub fn sleep(&self, seen: u32, timeout_ns: Option<u64>) {
        futex::wait(&self.due, seen, timeout_ns, RUNNER);
    }

    /// Waits, at most `timeout_ns`, until none of `bits` is due, or there is nobody who would do it. False: it still is.
    pub fn wait_for(&self, bits: u32, timeout_ns: u64) -> bool {
        let end = crate::stamp::monotonic_nsec().saturating_add(timeout_ns);
        loop {
            let seen = self.due();
            if seen & bits == 0 || seen & due::RUNS == 0 {
                return true;
            }
            let left = end.saturating_sub(crate::stamp::monotonic_nsec());
            if left == 0 {
                return false;
            }
            futex::wait(&self.due, seen, Some(left), WAITER);
        }
    }
}

/// The set of this level and all that are more severe.
fn at_level(level: Option<u8>) -> u32 {
    level.map_or(0, |level| (2 << level.min(7)) - 1)
}

fn has_level(levels: &AtomicU32, level: u8) -> bool {
    levels.load(Ordering::Relaxed) >> level.min(7) & 1 != 0
}

impl Core {
    /// From now on records at the level `sync` are synced, and those at the level `dump` dumped.
    pub fn ask_for(&self, sync: Option<u8>, dump: Option<u8>) {
        let errands = self.errands();
        errands.synced.store(at_level(sync), Ordering::Relaxed);
        errands.dumped.store(at_level(dump), Ordering::Relaxed);
        self.heed_errands(sync.is_some() || dump.is_some());
    }

    /// Leaves the sync that a record asks for to the thread that runs errands, and counts it.
    pub fn leave_sync(&self) {
        count(&self.control().syncs_left);
        self.errands().mark(due::SYNC);
    }
}

//! One atomic word under the model checker, with a door in front that every access passes. With `--cfg shuttle` beside
//! `--cfg loom` the word is shuttle's, which tries schedules at random and needs no door.
//!
//! loom 0.7 explores two orders of two accesses only if it takes them for dependent, and for that it remembers a single
//! last access of each object. A load by the thread that stores next hides an earlier load by another thread, and the
//! order in which that load comes later is never tried. A relaxed store to a second object before each access makes any
//! two accesses of one word dependent. It orders nothing and is never read, so it takes no behaviour away.

use super::Ordering;
#[cfg(not(shuttle))]
use loom::sync::atomic::AtomicU64 as Checked;
#[cfg(shuttle)]
use shuttle::sync::atomic::AtomicU64 as Checked;

/// A word of the checker.
#[derive(Debug)]
pub(super) struct AtomicU64 {
    value: Checked,
    #[cfg(not(shuttle))]
    door: Checked,
}

impl AtomicU64 {
    pub(super) fn new(value: u64) -> Self {
        AtomicU64 {
            value: Checked::new(value),
            #[cfg(not(shuttle))]
            door: Checked::new(0),
        }
    }

    fn pass(&self) -> &Checked {
        #[cfg(not(shuttle))]
        self.door.store(0, Ordering::Relaxed);
        &self.value
    }

    pub(super) fn load(&self, order: Ordering) -> u64 {
        self.pass().load(order)
    }

    pub(super) fn store(&self, value: u64, order: Ordering) {
        self.pass().store(value, order);
    }

    pub(super) fn compare_exchange(
        &self,
        old: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.pass().compare_exchange(old, new, success, failure)
    }

    pub(super) fn fetch_add(&self, by: u64, order: Ordering) -> u64 {
        self.pass().fetch_add(by, order)
    }
}

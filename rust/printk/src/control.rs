//! The control page: the one page of a ring file that may be written from outside, and the counters.

use core::sync::atomic::{AtomicU64, Ordering};

/// The page, laid over the control section. Every field is one relaxed word: nothing else hangs on it.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Control {
    /// The least severe level that is stored, 0 to 7.
    pub level: AtomicU64,
    /// The least severe level that a console without its own prints, 0 to 7.
    pub console_level: AtomicU64,
    /// The clear mark: a record number.
    pub clear_seq: AtomicU64,
    spare: [AtomicU64; 5],
    /// Records that the ring refused.
    pub failed: AtomicU64,
    /// Of these, the ones that used up a number.
    pub failed_seqs: AtomicU64,
    /// Records that were cut to fit.
    pub truncated: AtomicU64,
    /// Records that a rate limit held back.
    pub suppressed: AtomicU64,
    /// Log calls dropped because the thread was too deep in log calls.
    pub recursion_dropped: AtomicU64,
    /// Records stored although a console asked its callers to wait, because the wait was over.
    pub block_timeouts: AtomicU64,
    /// Records that a console could not decode.
    pub torn: AtomicU64,
    /// Records that were to be on a console before their call returned, and were left to its printer.
    pub left_behind: AtomicU64,
    /// Records stored in the middle of another thread's report, because the wait for its end was over; and reports that
    /// held others up for too long.
    pub report_timeouts: AtomicU64,
    /// Log calls dropped because another thread panicked.
    pub panic_dropped: AtomicU64,
    /// How often the memory was synced because a record asked for it.
    pub syncs: AtomicU64,
    /// How often that failed.
    pub sync_errors: AtomicU64,
    /// Records that asked for it in places where nothing waits: left to a thread.
    pub syncs_left: AtomicU64,
    /// Dumps written because a record asked for it.
    pub dumps: AtomicU64,
    /// Those that could not be written, or not whole.
    pub dump_errors: AtomicU64,
    more: [AtomicU64; 1],
}

const _: () = assert!(size_of::<Control>() == 192);

/// Adds one to a counter.
#[inline]
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

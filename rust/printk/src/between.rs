//! A stop inside of a log call, for the trial that kills a process there (`ci/death.sh`). Only in builds with
//! `--cfg pr_stop_between`, which no wheel is.

use core::sync::atomic::{AtomicI32, AtomicI64, Ordering};

/// Where a log call may stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its record is reserved, and nothing of it is there.
    Reserved = 1,
    /// The record is all there, and not finalized.
    Filled = 2,
}

static PLACE: AtomicI32 = AtomicI32::new(0);
static AFTER: AtomicI64 = AtomicI64::new(0);
static TELL: AtomicI32 = AtomicI32::new(-1);

/// Asks that the log call which stores the `after`-th record from now on stops at `place` (1 or 2) for ever, and writes one
/// byte to `tell` before.
#[unsafe(no_mangle)]
pub extern "C" fn pr_stop_between(place: i32, after: i64, tell: i32) {
    TELL.store(tell, Ordering::Relaxed);
    AFTER.store(after, Ordering::Relaxed);
    PLACE.store(place, Ordering::Release);
}

/// A log call comes by.
pub(crate) fn pass(place: Place) {
    if PLACE.load(Ordering::Acquire) != place as i32 || AFTER.fetch_sub(1, Ordering::Relaxed) != 1 {
        return;
    }
    // SAFETY: one byte of a constant.
    unsafe { libc::write(TELL.load(Ordering::Relaxed), c"x".as_ptr().cast(), 1) };
    loop {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() };
    }
}

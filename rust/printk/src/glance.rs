//! What every record looks at and hardly anything ever changes, of the whole process: on one line of cache, for a call out of
//! cold caches pays for each.

use crate::barrier;
use crate::thread::{Times, UNPREPARED};
use core::sync::atomic::{AtomicPtr, AtomicU32};

/// See the module.
#[repr(C, align(64))]
pub(crate) struct Glance {
    /// Where the process's generation lies: see [`crate::thread`].
    pub(crate) times: AtomicPtr<Times>,
    /// How it pays for full barriers: see [`barrier`].
    pub(crate) barrier: AtomicU32,
}

pub(crate) static GLANCE: Glance = Glance {
    times: AtomicPtr::new((&raw const UNPREPARED).cast_mut()),
    barrier: AtomicU32::new(barrier::UNKNOWN),
};

//! How often a call site may log: so many records in a window, or one for good. What it takes to decide is one word, and a
//! bounded number of steps.

use crate::atomics::{AtomicU64, Ordering};

/// The lower bits of the word count the records of the window; the others are when it began, in milliseconds, plus one.
const COUNT_BITS: u32 = 24;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
/// The most records of one window that are told apart from any number: callers that come at the same moment may each count
/// one more.
const MOST: u64 = COUNT - 0xFFFF;

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How long a window is, in milliseconds; 0: everything is let through.
    pub interval_ms: u64,
    /// How many records it lets through; 0: none.
    pub burst: u64,
}

/// What was decided of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// It is let through.
    Passes,
    /// It is, as the first one of a window: so many were held back before it, and nobody has said so.
    PassesAfter(u64),
    /// It is held back.
    Held,
}

/// What is known of one call site.
#[derive(Debug, Default)]
pub struct Limit {
    window: AtomicU64,
    held: AtomicU64,
}

impl Limit {
    /// Whether the record of a call that is made now is let through. Wait-free; any context.
    pub fn admit(&self, now_nsec: u64, rate: Rate) -> Admission {
        if rate.interval_ms == 0 {
            self.window.store(0, Ordering::Relaxed); // what it is told next begins anew
            return Admission::Passes;
        }
        if rate.burst == 0 {
            return self.hold();
        }
        let now_ms = now_nsec / 1_000_000 + 1;
        let window = self.window.load(Ordering::Relaxed);
        if !is_over(window, now_ms, rate) {
            return self.count(window, rate);
        }
        let fresh = now_ms << COUNT_BITS | 1;
        match self
            .window
            .compare_exchange(window, fresh, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => match self.held.swap(0, Ordering::Relaxed) {
                0 => Admission::Passes,
                held => Admission::PassesAfter(held),
            },
            Err(now) => self.count(now, rate), // another call has begun it
        }
    }

    /// Counts one more record of a window that has begun.
    fn count(&self, window: u64, rate: Rate) -> Admission {
        let most = rate.burst.min(MOST);
        let has_room = |window: u64| window & COUNT < most;
        // Looked at before, so that the count never runs over into the time.
        if has_room(window) && has_room(self.window.fetch_add(1, Ordering::Relaxed)) {
            Admission::Passes
        } else {
            self.hold()
        }
    }

    fn hold(&self) -> Admission {
        self.held.fetch_add(1, Ordering::Relaxed);
        Admission::Held
    }

    /// Whether this is the first of all. True to one caller, ever.
    pub fn admit_once(&self) -> bool {
        self.window.swap(1, Ordering::Relaxed) == 0
    }
}

/// Whether a window has never begun, or is over. Times only grow, but a caller may look at an older one than another.
fn is_over(window: u64, now_ms: u64, rate: Rate) -> bool {
    let begun_ms = window >> COUNT_BITS;
    begun_ms == 0 || now_ms.saturating_sub(begun_ms) >= rate.interval_ms
}

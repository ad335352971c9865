//! What threads that are gone have left unfinished, and who looks after it: whoever is held up by it.
//!
//! A thread that ends inside a log call (the kernel ends it, or it ends itself with the bare system call) leaves a record
//! that stops every console, and every writer once the ring has come round to it. Nobody watches for that; but a console
//! or a reader that has waited at one record for a while, or a caller that is refused, has the ring settle it. A record
//! of a thread that lives is left alone, however long it takes.

use crate::core::Core;
use crate::store::Stamp;
use crate::{stamp, thread};
use core::sync::atomic::{AtomicU64, Ordering};
use pr_record::{Field, Level, Payload, Value};
use pr_ring::{Reaped, Seq};

/// A record that has not been finished for this long is looked after, and then again as often.
const PATIENCE_NSEC: u64 = 100_000_000;
/// No record has this number.
const NONE: u64 = u64::MAX;

/// The oldest unfinished record that somebody was held up by.
#[derive(Debug)]
pub(crate) struct Watch {
    seq: AtomicU64,
    since: AtomicU64,
}

impl Watch {
    pub(crate) const fn new() -> Watch {
        Watch {
            seq: AtomicU64::new(NONE),
            since: AtomicU64::new(0),
        }
    }

    /// Whether it is time: the same record has held somebody up for a while. True to one caller.
    fn is_due(&self, seq: Seq, now: u64) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        if self.seq.swap(seq.0, Ordering::Relaxed) != seq.0 {
            self.since.store(now, Ordering::Relaxed);
            return false;
        }
        now.saturating_sub(since) >= PATIENCE_NSEC
            && self
                .since
                .compare_exchange(since, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl Core {
    /// To be called by whoever cannot go on, and again while it cannot: settles what the dead have left, once the oldest
    /// unfinished record has been that for a while. Any context; costs nothing where nobody is held up. True: it has, so
    /// that the caller may go on.
    #[cold]
    pub fn look_after_unfinished(&self) -> bool {
        let ring = self.ring();
        let oldest = ring.next_seq();
        let is_held_up = oldest < ring.next_reserve_seq();
        (is_held_up || ring.is_crowded())
            && self.watch().is_due(oldest, stamp::monotonic_nsec())
            && self.settles_the_dead()
    }

    /// Whether something stood in the way that a dead thread had left, and no longer does.
    pub fn settles_the_dead(&self) -> bool {
        let reaped = self.reap();
        reaped.lost + reaped.finalized > 0
    }

    /// Settles what threads of this process have left that are gone, and says in the log what was lost by it.
    pub fn reap(&self) -> Reaped {
        if self.generation() != thread::generation() {
            return Reaped {
                busy: true,
                ..Reaped::default()
            };
        }
        let me = thread::owner(thread::tid());
        let reaped = self.ring().reap(me, |owner| self.is_gone(owner));
        if reaped.lost > 0 {
            self.tell_lost(reaped.lost);
        }
        reaped
    }

    /// Whether the thread of this owner is gone. Its number may have been given to another one: then it counts as alive.
    fn is_gone(&self, owner: u64) -> bool {
        !thread::is_alive(thread::tid_of(owner))
    }

    fn tell_lost(&self, records: u64) {
        let fields = [Field {
            key: "records",
            value: Value::UInt(records),
        }];
        let payload = Payload {
            event: "threads have died while they wrote: their records are lost",
            logger: Some("printk_ring"),
            fields: &fields,
            ..Payload::default()
        };
        let stamp = Stamp {
            level: Level::Warning as u8,
            ts_nsec: None,
        };
        // Said by whoever happens to find it: also a printer's own console prints it.
        let prints_for = thread::prints_for().unwrap_or(0);
        thread::print_for(0);
        let _ = self.store(stamp, &payload);
        thread::print_for(prints_for);
    }
}

//! One reaper at a time, also when reapers die; and a count that comes right although they do.

use crate::ids::DescId;
use crate::sync::{Word, acquire, release};

/// What the reapers of a handle share.
#[derive(Debug)]
pub(crate) struct Reaper {
    /// Who reaps now; 0: nobody.
    holder: Word,
    /// The record that was counted last, and what the count is with it.
    counted: Word,
    with_it: Word,
}

impl Reaper {
    pub(crate) fn new() -> Reaper {
        Reaper {
            holder: Word::new(0),
            counted: Word::new(0),
            with_it: Word::new(0),
        }
    }

    /// Becomes the one that reaps. False: another one is at it. A dead one's place is taken.
    pub(crate) fn begin(&self, me: u64, is_dead: &impl Fn(u64) -> bool) -> bool {
        let now = self.holder.get();
        if now != 0 && now != me && !is_dead(now) {
            return false;
        }
        // ORD(begin:A): pairs with ORD(end:A): what the last one has counted. Of a dead one `is_dead` tells.
        self.holder.replace(now, me, acquire("begin:A")).is_ok()
    }

    /// Makes place for the next.
    pub(crate) fn end(&self) {
        // ORD(end:A): pairs with ORD(begin:A).
        self.holder.store(0, release("end:A"));
    }

    /// Counts the record `id` in `counter`. Again and again, if one reaper dies after another: the number is worked out once,
    /// and then only written.
    pub(crate) fn count(&self, id: DescId, counter: &Word) {
        if self.counted.get() != id.0 {
            self.with_it.set(counter.get() + 1);
            self.counted.set(id.0);
        }
        counter.set(self.with_it.get());
    }
}

//! The fused head: the newest id, the position where the next block begins, and the bit C, "the newest record is
//! committed and may be reopened", in one word.
//!
//! One compare-exchange takes number and space together, so the order of blocks is the order of ids, and a dropped record
//! can be named by its id alone. C makes reopen and reserve meet on one word: whoever clears C decides what becomes of the
//! newest record: a reserver finalizes it, a reopener extends it. (A reaper may find it first, and finalize it: the other's
//! compare-exchange on the state then fails.) No store-buffering pair is left.
//!
//! Why halves may be loaded one by one: the id only grows, and with the same id and C the position changes only while C
//! is clear; so a pair whose high word was the same before and after did stand there.

use crate::ids::{DescId, Lpos};
use crate::sync::{Order, Pair};

/// A loaded head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest record.
    pub id: DescId,
    /// C: the newest record is committed; its caller may reopen it.
    pub reopenable: bool,
    /// Where the next block will begin.
    pub pos: Lpos,
}

/// The shared head word on a line of its own.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct HeadWord(Pair);

impl Head {
    /// As `(low, high)`: what fits into registers on the way to a function that is not inlined.
    #[inline(always)]
    pub(crate) const fn words(self) -> (u64, u64) {
        (self.pos.0, self.id.0 << 1 | self.reopenable as u64)
    }

    /// From `(low, high)`.
    #[inline(always)]
    pub(crate) const fn from_words((low, high): (u64, u64)) -> Head {
        Head {
            id: DescId(high >> 1),
            reopenable: high & 1 != 0,
            pos: Lpos(low),
        }
    }

    /// The head after taking the next number and the text up to `pos`.
    #[inline(always)]
    #[must_use]
    pub const fn taken(self, pos: Lpos) -> Head {
        Head {
            id: DescId(self.id.0 + 1),
            reopenable: false,
            pos,
        }
    }

    /// The same with C set or clear.
    #[inline(always)]
    #[must_use]
    pub const fn with_reopenable(self, reopenable: bool) -> Head {
        Head { reopenable, ..self }
    }

    /// The same with the next block beginning at `pos`.
    #[inline(always)]
    #[must_use]
    pub const fn with_pos(self, pos: Lpos) -> Head {
        Head { pos, ..self }
    }
}

impl HeadWord {
    /// An empty ring's head: the dummy is the newest.
    #[cfg(not(loom))]
    pub const fn new() -> HeadWord {
        HeadWord(Pair::new(0, 0))
    }

    /// An empty ring's head: the dummy is the newest.
    #[cfg(loom)]
    pub fn new() -> HeadWord {
        HeadWord(Pair::new(0, 0))
    }

    /// The head as it stood at some moment of the call, with a labelled ordering.
    #[inline(always)]
    pub fn load(&self, order: Order) -> Head {
        Head::from_words(self.0.load(order))
    }

    /// The head as it stood at some moment of the call, with no ordering.
    #[inline(always)]
    pub fn get(&self) -> Head {
        self.load(Order::NONE)
    }

    /// Only the newest id, with no ordering.
    #[inline(always)]
    pub fn newest(&self) -> DescId {
        DescId(self.0.load_high(Order::NONE) >> 1)
    }

    /// Replaces `old` by `new`; false if the head has changed.
    #[inline(always)]
    #[must_use]
    pub fn replace(&self, old: Head, new: Head, order: Order) -> bool {
        self.0.replace(old.words(), new.words(), order)
    }

    /// From the two words of a copied head (low, high), as another process reads them.
    pub fn decode(low: u64, high: u64) -> Head {
        Head::from_words((low, high))
    }
}

impl Default for HeadWord {
    fn default() -> Self {
        HeadWord::new()
    }
}

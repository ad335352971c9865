//! The text ring: block sizes, the wrap rule, and where the bytes of a block are.
//!
//! A text of n > 0 bytes takes one block of `round_up(n + 8, 8)` bytes: a header word that repeats the id, then the text.
//! A block is contiguous. One that would cross the end of the ring leaves the rest of the ring unused and lies at index
//! 0; a block that ends exactly at the end does not wrap. The span that it owns includes what it left unused.

use crate::ids::Lpos;

/// Bytes of a block's header.
pub const HEADER_BYTES: u64 = 8;

/// The text ring's size, a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextRing {
    size: u64,
    /// Worked out from the size, since each reserve and each read asks for it.
    max_text: u64,
}

/// Where a block comes to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laid {
    /// The end of its span.
    pub next: Lpos,
    /// Index of its header word, in words.
    pub header: u64,
}

/// Where the bytes of a block are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the header word, in words.
    pub header: u64,
    /// Index of the first text word, in words.
    pub text: u64,
    /// How many bytes of text the block can hold.
    pub capacity: u64,
}

/// A block that leaves the `rest` of the ring unused and lies at its beginning. Apart: a branch that is nearly never taken costs
/// less than choosing between two values each time.
#[cold]
#[inline(never)]
const fn wrapped(begin: Lpos, rest: u64, bytes: u64) -> Laid {
    Laid {
        next: Lpos(begin.0.wrapping_add(rest).wrapping_add(bytes)),
        header: 0,
    }
}

impl TextRing {
    /// A ring of `size` bytes, a power of two of at least 16.
    pub const fn new(size: u64) -> TextRing {
        TextRing {
            size,
            max_text: size / 2 - HEADER_BYTES,
        }
    }

    /// Size in bytes.
    #[inline(always)]
    pub const fn size(self) -> u64 {
        self.size
    }

    /// The largest text that may be reserved.
    #[inline(always)]
    pub const fn max_text(self) -> u64 {
        self.max_text
    }

    /// The block for `size` bytes of text; None above half of the ring. 0 for an empty text.
    #[inline(always)]
    pub const fn block_bytes(self, size: u64) -> Option<u64> {
        if size > self.max_text() {
            None // compared before rounding, so that no size can overflow its way in
        } else if size == 0 {
            Some(0)
        } else {
            Some((size + HEADER_BYTES + 7) & !7)
        }
    }

    /// A block of `bytes`, laid down at `begin`.
    #[inline(always)]
    pub const fn lay(self, begin: Lpos, bytes: u64) -> Laid {
        let index = begin.0 & (self.size - 1);
        let rest = self.size - index;
        if bytes <= rest {
            Laid {
                next: Lpos(begin.0.wrapping_add(bytes)),
                header: index / 8,
            }
        } else {
            wrapped(begin, rest, bytes)
        }
    }

    /// The end of the span of a block of `bytes` that is laid down at `begin`.
    #[inline(always)]
    pub const fn end_of(self, begin: Lpos, bytes: u64) -> Lpos {
        self.lay(begin, bytes).next
    }

    /// The place of the block that owns `[begin, next)`; None if no block can own that.
    #[inline(always)]
    pub const fn place(self, begin: Lpos, next: Lpos) -> Option<Place> {
        let span = next.0.wrapping_sub(begin.0);
        let index = begin.0 & (self.size - 1);
        let rest = self.size - index;
        let (at, bytes) = if span <= rest {
            (index, span)
        } else if span <= self.size {
            (0, span - rest)
        } else {
            return None;
        };
        // From 1 to the largest, in one comparison: without room for text it is 0, or wraps.
        let capacity = bytes.wrapping_sub(HEADER_BYTES);
        if (begin.0 | next.0) & 7 != 0 || capacity.wrapping_sub(1) >= self.max_text() {
            return None;
        }
        Some(Place {
            header: at / 8,
            text: at / 8 + 1,
            capacity,
        })
    }
}

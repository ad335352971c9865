//! The 64-byte descriptor slot: one cache line, so that a record's metadata costs one miss.

use crate::ids::{DescId, Lpos};
use crate::state::{Stage, State};
use crate::sync::{Order, Word, release};

/// `begin` of a record whose text was lost, or could not be had: it exists, but readers skip it.
pub const LOST: u64 = 1;
/// `begin` of a record that is empty on purpose: readers return an empty text.
pub const EMPTY: u64 = 3;

/// One descriptor. Who may touch which field: the owner of a reserved record (or a reaper, when that is dead) writes all of
/// them; anybody may read them and must ask afterwards whether the record is still there (`reader`).
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Slot {
    /// Id and stage; see [`State`].
    pub state: Word,
    /// Where the record's span begins, or [`LOST`], or [`EMPTY`].
    pub begin: Word,
    /// Where its span ends.
    pub next: Word,
    /// The caller's time stamp, in nanoseconds of a clock that the owner of the ring chooses.
    pub ts_nsec: Word,
    /// Who logged: an opaque id.
    pub caller_id: Word,
    /// Text length and the small fields; see [`Meta`].
    pub meta: Word,
    /// The writer that holds the record, as an opaque id, 0 for none.
    pub owner: Word,
    /// For the owner of the ring; the ring copies it and never looks.
    pub aux: Word,
}

/// The packed small fields: text length (32 bits), level (8), facility (8), flags (8), 8 spare bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Meta {
    /// Text bytes of the record.
    pub text_len: u32,
    /// 0 (emergency) to 7 (debug).
    pub level: u8,
    /// 0 is the kernel, 1 a user program.
    pub facility: u8,
    /// Bits of the owner of the ring.
    pub flags: u8,
}

impl Meta {
    /// Packed into a word.
    #[inline(always)]
    pub const fn pack(self) -> u64 {
        self.text_len as u64
            | (self.level as u64) << 32
            | (self.facility as u64) << 40
            | (self.flags as u64) << 48
    }

    /// From a word.
    #[inline(always)]
    pub const fn unpack(word: u64) -> Meta {
        let [a, b, c, d, level, facility, flags, _] = word.to_le_bytes();
        Meta {
            text_len: u32::from_le_bytes([a, b, c, d]),
            level,
            facility,
            flags,
        }
    }
}

/// Where a record's text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// No text, on purpose.
    Empty,
    /// No text: it could not be had.
    Lost,
    /// The owned span of the text ring.
    Block {
        /// Its first byte (before a wrap).
        begin: Lpos,
        /// The byte after its last.
        next: Lpos,
    },
}

/// A copy of a slot's contents. Means nothing until the record was seen to be still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotCopy {
    /// The span.
    pub span: Span,
    /// Time stamp.
    pub ts_nsec: u64,
    /// Caller.
    pub caller_id: u64,
    /// Small fields.
    pub meta: Meta,
    /// Opaque word.
    pub aux: u64,
}

impl SlotCopy {
    /// From the words of a slot in their order of declaration, the state left out.
    pub fn from_words(
        begin: u64,
        next: u64,
        ts_nsec: u64,
        caller_id: u64,
        meta: u64,
        aux: u64,
    ) -> SlotCopy {
        SlotCopy {
            span: Span::of(begin, next),
            ts_nsec,
            caller_id,
            meta: Meta::unpack(meta),
            aux,
        }
    }
}

impl Span {
    /// What the two position words of a slot mean. An odd `begin` that is not [`EMPTY`] counts as lost.
    #[inline(always)]
    pub const fn of(begin: u64, next: u64) -> Span {
        if begin & 7 == 0 {
            Span::Block {
                begin: Lpos(begin),
                next: Lpos(next),
            }
        } else if begin == EMPTY {
            Span::Empty
        } else {
            Span::Lost
        }
    }
}

impl Slot {
    /// A slot that was never used.
    #[cfg(not(loom))]
    pub const fn unused() -> Slot {
        Slot {
            state: Word::new(0),
            begin: Word::new(0),
            next: Word::new(0),
            ts_nsec: Word::new(0),
            caller_id: Word::new(0),
            meta: Word::new(0),
            owner: Word::new(0),
            aux: Word::new(0),
        }
    }

    /// A slot that was never used.
    #[cfg(loom)]
    pub fn unused() -> Slot {
        let word = || Word::new(0);
        Slot {
            state: word(),
            begin: word(),
            next: word(),
            ts_nsec: word(),
            caller_id: word(),
            meta: word(),
            owner: word(),
            aux: word(),
        }
    }

    /// The state word, with a labelled ordering.
    #[inline(always)]
    pub fn state(&self, order: Order) -> State {
        State(self.state.load(order))
    }

    /// The span, racy.
    #[inline(always)]
    pub fn span(&self) -> Span {
        Span::of(self.begin.get(), self.next.get())
    }

    /// Whether `begin` names text, racy.
    #[inline(always)]
    pub(crate) fn has_text(&self) -> bool {
        self.begin.get() & 7 == 0
    }

    /// Stores the span.
    #[inline(always)]
    pub(crate) fn set_span(&self, span: Span) {
        match span {
            Span::Empty => self.begin.set(EMPTY),
            Span::Lost => self.begin.set(LOST),
            Span::Block { begin, next } => {
                self.begin.set(begin.0);
                self.next.set(next.0);
            }
        }
    }

    /// All contents, racy.
    #[inline(always)]
    pub fn copy(&self) -> SlotCopy {
        SlotCopy {
            span: self.span(),
            ts_nsec: self.ts_nsec.get(),
            caller_id: self.caller_id.get(),
            meta: Meta::unpack(self.meta.get()),
            aux: self.aux.get(),
        }
    }

    /// Finalizes the record `id`, which the caller holds reserved.
    #[inline(always)]
    pub(crate) fn finalize_state(&self, id: DescId) {
        // ORD(finalize_state:A): pairs with ORD(state:A), ORD(obstacle:A) and ORD(is_final:A): after the contents and the text
        // (M8).
        self.state.store(
            State::new(id, Stage::Finalized).0,
            release("finalize_state:A"),
        );
    }

    /// Names the dummy: finalized, without text.
    pub fn init_dummy(&self) {
        self.begin.set(LOST);
        self.state
            .set(State::new(DescId::DUMMY, Stage::Finalized).0);
    }
}

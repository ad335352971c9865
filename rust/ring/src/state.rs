//! A descriptor's state word: the record's full id and what has become of it, changed in one store.
//!
//! | state | owner | a reader may return it | a tail may pass it |
//! |---|---|---|---|
//! | reserved | one writer | no: not there yet | no |
//! | reserved without block | one writer | no: not there yet | its descriptor no; the text tail steps over it |
//! | committed | nobody; its caller may reopen it while it is the newest | no: not there yet (yes, if its owner's process is dead) | no |
//! | finalized | nobody, for ever | yes | yes |
//!
//! "Miss" is not a state: the slot names another id than the one asked for. Only the owner of a record stores its state (or a
//! reaper in a dead one's place), so these stores are plain. Out of committed several may lead it: the successor that took C from
//! the head (see [`crate::head`]), a reopener, a reaper; so that is a compare-exchange, and one of them does it.

use crate::ids::DescId;

/// What has become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A writer fills it.
    Reserved = 0,
    /// A writer holds it, and it owns no text: a tail of the text ring has nothing to drop here.
    ReservedNoBlock = 1,
    /// Complete, and may be reopened while it is the newest.
    Committed = 2,
    /// Complete for ever.
    Finalized = 3,
}

/// A loaded state word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct State(pub u64);

/// What a slot says about a record that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// The slot still holds an older record: the one asked for is not there yet, or its writer has just taken the number.
    Older,
    /// The slot holds the record.
    Is(Stage),
    /// The slot holds a newer record: the one asked for is gone.
    Newer,
}

impl State {
    /// The word for `id` at `stage`.
    #[inline(always)]
    pub const fn new(id: DescId, stage: Stage) -> State {
        State(id.0 << 2 | stage as u64)
    }

    /// The id that the slot holds.
    #[inline(always)]
    pub const fn id(self) -> DescId {
        DescId(self.0 >> 2)
    }

    /// The stage of the record in the slot.
    #[inline(always)]
    pub const fn stage(self) -> Stage {
        match self.0 & 3 {
            0 => Stage::Reserved,
            1 => Stage::ReservedNoBlock,
            2 => Stage::Committed,
            _ => Stage::Finalized,
        }
    }

    /// What this word says about record `id`.
    #[inline(always)]
    pub const fn query(self, id: DescId) -> Query {
        let held = self.id().0;
        if held == id.0 {
            Query::Is(self.stage())
        } else if held < id.0 {
            Query::Older
        } else {
            Query::Newer
        }
    }
}

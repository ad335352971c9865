//! Who is about to take which number. This closes the gap between the head, which gives out a number, and the slot's
//! state, which names whoever has it.
//!
//! A writer that dies between the two would leave a number without a trace. So each one says which number it tries to
//! take, before it tries, in a cell of its own. Cells are found by a hash of the owner, claimed once, and given back by
//! [`crate::reap`] when the owner is dead. A writer without a cell is remembered in one word, and a number that such a
//! one may have taken is never given up for lost.

use crate::ids::DescId;
use crate::sync::{Order, Word, acquire};

/// How many owners can be told apart. A power of two.
const CELLS: usize = if cfg!(loom) { 2 } else { 128 };
/// How far from where its hash says an owner may have its cell.
const WINDOW: usize = if cfg!(loom) { 2 } else { 8 };

/// A cell, on a line that only its owner writes.
#[repr(align(64))]
#[derive(Debug)]
struct Cell(Word);

/// The cells of one handle of a ring; all writers of the ring use that handle.
#[derive(Debug)]
pub(crate) struct Announcements {
    /// Whose cell it is, 0 for nobody's. Apart from the cells: these words are searched, and hardly ever change.
    owners: [Word; CELLS],
    /// The number that the cell's owner tried to take last.
    tries: [Cell; CELLS],
    /// The highest number that a writer without a cell may have taken; all bits set once there was an anonymous one.
    unannounced: Word,
    /// Not 0: an owner has found no cell since those of the dead were last given back.
    crowded: Word,
}

impl Announcements {
    pub(crate) fn new() -> Announcements {
        Announcements {
            owners: core::array::from_fn(|_| Word::new(0)),
            tries: core::array::from_fn(|_| Cell(Word::new(0))),
            unannounced: Word::new(0),
            crowded: Word::new(0),
        }
    }

    /// The cell of `owner`. None: it is an anonymous writer, or no cell is free where it may have one.
    #[inline]
    pub(crate) fn cell_of(&self, owner: u64) -> Option<&Word> {
        if owner == 0 {
            return None;
        }
        let first = window(owner).next()?;
        if self.owner_at(first) == Some(owner) {
            return self.cell_at(first);
        }
        self.find(owner)
    }

    /// The cell of an owner who does not have the first one of its window.
    #[cold]
    #[inline(never)]
    fn find(&self, owner: u64) -> Option<&Word> {
        match window(owner).find(|at| self.owner_at(*at) == Some(owner)) {
            Some(at) => self.cell_at(at),
            None => self.claim(owner),
        }
    }

    /// A cell for an owner that has none.
    #[cold]
    #[inline(never)]
    fn claim(&self, owner: u64) -> Option<&Word> {
        let claims = |at: &usize| {
            let word = self.owners.get(*at);
            word.is_some_and(|word| word.get() == 0 && word.replace(0, owner, Order::NONE).is_ok())
        };
        let found = window(owner).find(claims);
        if found.is_none() && self.crowded.get() == 0 {
            self.crowded.set(1);
        }
        found.and_then(|at| self.cell_at(at))
    }

    /// Tells that the writer with this cell is about to try for `id`, or, with the dummy, for none.
    #[inline(always)]
    pub(crate) fn announce(&self, cell: Option<&Word>, owner: u64, id: DescId) {
        match cell {
            Some(cell) => cell.set(id.0), // behind ORD(open_slot:B) of what the owner took before
            None => self.announce_without(owner, id),
        }
    }

    /// The same for a writer without a cell.
    #[cold]
    #[inline(never)]
    fn announce_without(&self, owner: u64, id: DescId) {
        let highest = if owner == 0 { u64::MAX } else { id.0 };
        let now = self.unannounced.get();
        if now < highest {
            self.unannounced.raise(now, highest, Order::NONE);
        }
    }

    /// Who took `id`, or tried to, if all of them are dead: one of them. To be asked with a head in hand that gave out
    /// `id`, acquired: the winner announced itself before it took it. None also where somebody may not have announced
    /// itself, and where the winner has announced a later number since: then the slot's state tells more by now.
    pub(crate) fn dead_winner(&self, id: DescId, is_dead: &impl Fn(u64) -> bool) -> Option<u64> {
        if self.unannounced.get() >= id.0 {
            return None;
        }
        let mut dead = None;
        for (cell, owner) in self.tries.iter().zip(&self.owners) {
            // ORD(dead_winner:A): pairs with ORD(open_slot:B): where the winner has announced a later number, the state that it
            // stored for this one is seen, and nobody else is taken for the winner.
            if cell.0.load(acquire("dead_winner:A")) != id.0 {
                continue;
            }
            let owner = owner.get();
            if owner == 0 {
                continue; // given back: its owner was dead, and this number not its own
            }
            if !is_dead(owner) {
                return None;
            }
            dead = Some(owner);
        }
        dead
    }

    /// Gives back the cells of dead owners, but those that are still needed: `needed` is asked about the number.
    pub(crate) fn give_back(
        &self,
        is_dead: &impl Fn(u64) -> bool,
        needed: impl Fn(DescId) -> bool,
    ) {
        self.crowded.set(0);
        for (cell, word) in self.tries.iter().zip(&self.owners) {
            let owner = word.get();
            if owner != 0 && is_dead(owner) && !needed(DescId(cell.0.get())) {
                word.mark(owner, 0);
            }
        }
    }

    /// Whether an owner has found no cell since [`Announcements::give_back`].
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.get() != 0
    }

    #[inline(always)]
    fn owner_at(&self, at: usize) -> Option<u64> {
        self.owners.get(at).map(Word::get)
    }

    #[inline(always)]
    fn cell_at(&self, at: usize) -> Option<&Word> {
        self.tries.get(at).map(|cell| &cell.0)
    }
}

/// Where the cell of `owner` may be, the likeliest place first.
#[inline(always)]
fn window(owner: u64) -> impl Iterator<Item = usize> {
    let first = (owner.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize;
    (first..first + WINDOW).map(|at| at % CELLS)
}

//! Dead writers: what one of them has left becomes a lost record, and what it left complete becomes everybody's.
//!
//! A writer that dies between reserve and commit stops every reader at its record, and every writer once the ring has
//! come round to it. Nobody may finish the record while its owner could still write into it, so the caller must know who
//! is dead; the ring only knows who owns what. A living owner, stopped or slow, is never robbed: its record is reported.
//!
//! # What can be left
//!
//! | left | found by | becomes |
//! |---|---|---|
//! | a number whose slot still holds the old record | the head is past it; who announced it (`announce`) is dead | reserved without block by the dead owner, then as below |
//! | reserved, with or without block | the owner in the slot is dead | lost: finalized without text |
//! | committed, and not the newest, or without C | the state: its writer, its successor or its reopener was on the way | finalized |
//! | committed, the newest, with C | the owner is dead: nobody may extend it any more | finalized |
//! | tails pushed halfway, a counter not raised | | nothing: the next pusher goes on (see [`crate::recycle`]) |
//!
//! All that is stored here is what the dead owner itself would have stored next; so a reaper may die as well, at any
//! instruction, and the next one goes on in its place.

use crate::ids::DescId;
use crate::memory::Memory;
use crate::ring::Ring;
use crate::slots::{LOST, Slot};
use crate::state::{Query, Stage, State};
use crate::sync::acquire;

/// What [`Ring::reap`] has done, and left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Reaped {
    /// Unfinished records of dead owners that were turned into lost ones.
    pub lost: u64,
    /// Complete records that nobody had finalized.
    pub finalized: u64,
    /// Unfinished records that were left alone: their owners live, or cannot be told.
    pub living: u64,
    /// Nothing was done: another one is at it.
    pub busy: bool,
}

/// What was found at one record, and done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// There is nothing to do.
    Settled,
    /// It was complete, and is finalized now.
    Complete,
    /// It is lost now.
    Dead,
    /// It is left alone.
    Living,
    /// It has changed meanwhile.
    Changed,
}

/// How often a record is looked at that changes under the eyes: a living owner is at work then.
const LOOKS: u32 = 4;

impl<M: Memory> Ring<M> {
    /// Settles what dead writers have left, from the oldest unfinished record to the newest. `me` is the caller's own
    /// owner id, not 0. Never waits; looks at each record a few times at most.
    ///
    /// All writers of the ring must use this handle. `is_dead` says of an owner that it will never again do anything; true
    /// must imply that all it has done is seen by the caller. It may be asked often, and about the same owner again.
    pub fn reap(&self, me: u64, is_dead: impl Fn(u64) -> bool) -> Reaped {
        let mut reaped = Reaped::default();
        if me == 0 || !self.reaper().begin(me, &is_dead) {
            reaped.busy = true;
            return reaped;
        }
        // ORD(reap:A): pairs with ORD(take:D): who announced the numbers up to this one is seen.
        let newest = self.memory().head().load(acquire("reap:A")).id;
        let mut id = DescId::of(self.next_seq());
        while id <= newest {
            match self.settle(id, &is_dead) {
                Found::Settled => {}
                Found::Complete => reaped.finalized += 1,
                Found::Dead => reaped.lost += 1,
                Found::Living | Found::Changed => reaped.living += 1,
            }
            id = id.next();
        }
        self.announcements()
            .give_back(&is_dead, |id| self.may_be_taken(id));
        self.reaper().end();
        reaped
    }

    /// Whether owners go without a cell for their announcements that [`Ring::reap`] could give them, if others are dead.
    pub fn is_crowded(&self) -> bool {
        self.announcements().is_crowded()
    }

    /// Whether the writer that announced `id` may have taken it without a trace. To be asked when that writer is dead.
    fn may_be_taken(&self, id: DescId) -> bool {
        let state = State(self.slot(id).state.get());
        id <= self.memory().head().newest() && state.query(id) == Query::Older
    }

    fn settle(&self, id: DescId, is_dead: &impl Fn(u64) -> bool) -> Found {
        let mut found = Found::Changed;
        for _ in 0..LOOKS {
            found = self.settle_once(id, is_dead);
            if found != Found::Changed {
                break;
            }
        }
        found
    }

    /// One look at a record, and what it calls for.
    fn settle_once(&self, id: DescId, is_dead: &impl Fn(u64) -> bool) -> Found {
        let slot = self.slot(id);
        // ORD(settle_once:A): pairs with ORD(open_slot:A): the owner in the slot is this record's, or a later one's.
        let state = slot.state(acquire("settle_once:A"));
        match state.query(id) {
            Query::Newer | Query::Is(Stage::Finalized) => Found::Settled,
            Query::Is(Stage::Committed) => self.settle_committed(id, slot.owner.get(), is_dead),
            Query::Is(Stage::Reserved | Stage::ReservedNoBlock) => {
                let owner = slot.owner.get();
                if owner == 0 || !is_dead(owner) {
                    return Found::Living;
                }
                // It may have gone on before it died. Now nothing changes any more.
                if slot.state.get() != state.0 {
                    return Found::Changed;
                }
                self.give_up(id, slot);
                Found::Dead
            }
            Query::Older => self.settle_taken(id, slot, state, is_dead),
        }
    }

    /// A committed record is complete. If somebody was on the way to finalize it, or to reopen it, that one will find it
    /// done; if its owner was on the way to set C, C is set on a finalized record and tells nobody anything.
    fn settle_committed(&self, id: DescId, owner: u64, is_dead: &impl Fn(u64) -> bool) -> Found {
        let head = self.memory().head().get();
        if id == head.id && head.reopenable {
            if owner == 0 || !is_dead(owner) {
                return Found::Living; // as it should be: its owner may extend it
            }
            if self.finalize_newest(head) {
                return Found::Complete;
            }
            return Found::Changed;
        }
        if self.finalize_committed(id) {
            Found::Complete
        } else {
            Found::Changed
        }
    }

    /// The number is given out, and the slot still holds the old record.
    fn settle_taken(
        &self,
        id: DescId,
        slot: &Slot,
        old: State,
        is_dead: &impl Fn(u64) -> bool,
    ) -> Found {
        let Some(owner) = self.announcements().dead_winner(id, is_dead) else {
            return Found::Living;
        };
        if slot.state.get() != old.0 {
            return Found::Changed; // the winner had gone on
        }
        // The winner is dead, so the slot is nobody's. Should this reaper die, too, the next one finds a dead owner here.
        self.open_lost(slot, id, owner);
        Found::Changed
    }

    /// Turns a record into a lost one. Nobody else stores anything there.
    fn give_up(&self, id: DescId, slot: &Slot) {
        self.reaper().count(id, &self.counters().reaped);
        slot.begin.set(LOST);
        slot.finalize_state(id);
    }
}

//! Commit and finalize: how a record becomes everybody's.

use crate::head::Head;
use crate::ids::DescId;
use crate::memory::Memory;
use crate::ring::Ring;
use crate::slots::Slot;
use crate::state::{Stage, State};
use crate::sync::{Order, acquire, release};
use crate::ticket::Ticket;

impl<M: Memory> Ring<M> {
    /// Closes the record; its caller may reopen it while it stays the newest.
    pub fn commit(&self, ticket: Ticket) {
        let slot = self.slot(ticket.id);
        if !self.close(slot, &ticket) {
            return;
        }
        // ORD(commit:A): pairs with ORD(obstacle:A), ORD(is_final:A) and ORD(state:A): after the contents and the text (M8).
        slot.state.store(
            State::new(ticket.id, Stage::Committed).0,
            release("commit:A"),
        );
        let mut head = self.memory().head().get();
        while head.id == ticket.id {
            // ORD(commit:B): pairs with ORD(take:A), ORD(obstacle:B), ORD(take:C), ORD(make_room:A), ORD(finalize_newest:A),
            // ORD(claim:A) and ORD(claim:B): the record as committed, to whoever sees C or takes it away (M2, M9).
            if self
                .memory()
                .head()
                .replace(head, head.with_reopenable(true), release("commit:B"))
            {
                return;
            }
            head = self.memory().head().get();
        }
        // A newer record was there before C was set: no other writer will finalize this one.
        self.finalize_committed(ticket.id);
    }

    /// Closes the record for ever: readers see it from now on.
    #[inline]
    pub fn finalize(&self, ticket: Ticket) {
        let slot = self.slot(ticket.id);
        if self.close(slot, &ticket) {
            slot.finalize_state(ticket.id);
        }
    }

    /// Finalizes the newest record if it is committed: nobody may extend it any more, and readers see it although nothing
    /// follows.
    pub fn finalize_last(&self) {
        let _ = self.finalize_newest(self.memory().head().get());
    }

    /// The same for the record that this head speaks of; whether it did.
    pub(crate) fn finalize_newest(&self, head: Head) -> bool {
        // ORD(finalize_newest:A): pairs with ORD(commit:B), as ORD(take:C) does. Lost means that somebody else closed it.
        head.reopenable
            && self.memory().head().replace(
                head,
                head.with_reopenable(false),
                acquire("finalize_newest:A"),
            )
            && self.finalize_committed(head.id)
    }

    /// Stores what is only known at the end. False, and counted: the record is not reserved any more. Then the ticket was used
    /// in two processes, or the ring is damaged, and the slot is not this writer's to change.
    #[inline]
    fn close(&self, slot: &Slot, ticket: &Ticket) -> bool {
        let reserved = State::new(ticket.id, Stage::Reserved).0;
        if slot.state.get() & !(Stage::ReservedNoBlock as u64) != reserved {
            self.counters().health.count(1);
            return false;
        }
        slot.meta.set(ticket.meta.pack());
        slot.aux.set(ticket.aux);
        true
    }

    /// Finalizes a record if it is committed, whoever wrote it; whether it did. A committed record is complete, so this
    /// takes nothing from anybody; and since a compare-exchange goes on with the committer's release, it needs none of
    /// its own. Several may try: a stopped writer, one that does its work, one that is about to reopen.
    #[inline]
    pub(crate) fn finalize_committed(&self, id: DescId) -> bool {
        let word = &self.slot(id).state;
        let committed = State::new(id, Stage::Committed).0;
        let finalized = State::new(id, Stage::Finalized).0;
        word.get() == committed && word.replace(committed, finalized, Order::NONE).is_ok()
    }
}

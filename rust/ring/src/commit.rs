//! Commit and finalize: how a record becomes everybody's.

use crate::ids::DescId;
use crate::memory::Memory;
use crate::ring::Ring;
use crate::slots::Slot;
use crate::state::{Stage, State};
use crate::sync::{acquire, release};
use crate::ticket::Ticket;

impl<M: Memory> Ring<M> {
    /// Closes the record; its caller may reopen it while it stays the newest.
    pub fn commit(&self, ticket: Ticket) {
        let slot = self.slot(ticket.id);
        self.close(slot, &ticket);
        // ORD(commit:A): pairs with ORD(obstacle:A) and ORD(state:A): after the contents and the text (M8).
        slot.state.store(
            State::new(ticket.id, Stage::Committed).0,
            release("commit:A"),
        );
        let mut head = self.memory().head().get();
        while head.id == ticket.id {
            // ORD(commit:B): pairs with ORD(take:A), ORD(take:C), ORD(make_room:A), ORD(finalize_last:A), ORD(claim:A)
            // and ORD(claim:B): the record as committed, to whoever sees C or takes it away (M9).
            if self
                .memory()
                .head()
                .replace(head, head.with_reopenable(true), release("commit:B"))
            {
                return;
            }
            head = self.memory().head().get();
        }
        // A newer record was there before C was set: nobody else will finalize this one.
        self.finalize_id(ticket.id);
    }

    /// Closes the record for ever: readers see it from now on.
    #[inline]
    pub fn finalize(&self, ticket: Ticket) {
        let slot = self.slot(ticket.id);
        self.close(slot, &ticket);
        finalize_state(slot, ticket.id);
    }

    /// Finalizes the newest record if it is committed: nobody may extend it any more, and readers see it although nothing
    /// follows.
    pub fn finalize_last(&self) {
        let head = self.memory().head().get();
        // ORD(finalize_last:A): pairs with ORD(commit:B), as ORD(take:C) does. Lost means that somebody else closed it.
        if head.reopenable
            && self.memory().head().replace(
                head,
                head.with_reopenable(false),
                acquire("finalize_last:A"),
            )
        {
            self.finalize_id(head.id);
        }
    }

    /// Stores what is only known at the end.
    #[inline]
    fn close(&self, slot: &Slot, ticket: &Ticket) {
        if slot.state.get() >> 2 != ticket.id.0 {
            self.counters().health.count(1);
        }
        slot.meta.set(ticket.meta.pack());
    }

    #[inline]
    pub(crate) fn finalize_id(&self, id: DescId) {
        finalize_state(self.slot(id), id);
    }
}

#[inline(always)]
fn finalize_state(slot: &Slot, id: DescId) {
    // ORD(finalize_state:A): pairs with ORD(state:A), ORD(obstacle:A) and ORD(is_final:A): after the contents and the text
    // (M8), its own or, through C, its predecessor's.
    slot.state.store(
        State::new(id, Stage::Finalized).0,
        release("finalize_state:A"),
    );
}

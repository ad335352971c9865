//! Reopen: the newest record, while it is committed, is taken back by its caller and made longer.

use crate::error::Refused;
use crate::head::Head;
use crate::ids::Lpos;
use crate::memory::Memory;
use crate::recycle::Push;
use crate::ring::Ring;
use crate::slots::Span;
use crate::state::{Stage, State};
use crate::sync::{Order, acquire, fence_release, release};
use crate::ticket::{Caller, Reservation, Ticket};

impl<M: Memory> Ring<M> {
    /// Reopens the newest record, if it is committed and the caller's, and makes its text `extend` bytes longer. The
    /// text so far stays. `max_size` bounds the whole.
    ///
    /// # Errors
    /// [`Refused::NotReopenable`], [`Refused::TooBig`], or [`Refused::Text`]; the record is committed as it was.
    pub fn reserve_in_last(
        &self,
        caller: impl Into<Caller>,
        extend: usize,
        max_size: usize,
    ) -> Result<Reservation<'_, M>, Refused> {
        let ticket = self.reopen_ticket(caller, extend, max_size)?;
        Ok(Reservation::new(self, ticket))
    }

    /// As [`Ring::reserve_in_last`], as plain data.
    ///
    /// # Errors
    /// As there.
    pub fn reopen_ticket(
        &self,
        caller: impl Into<Caller>,
        extend: usize,
        max_size: usize,
    ) -> Result<Ticket, Refused> {
        let mut ticket = self.claim(caller.into())?;
        match self.extend(&mut ticket, extend as u64, max_size as u64) {
            Ok(()) => Ok(ticket),
            Err(why) => {
                self.commit(ticket);
                Err(why)
            }
        }
    }

    /// Takes the newest record back from the readers' future: clears C, and owns it.
    fn claim(&self, caller: Caller) -> Result<Ticket, Refused> {
        // ORD(claim:A): pairs with ORD(commit:B): the caller that is compared is the one of the record that C speaks of.
        let head = self.memory().head().load(acquire("claim:A"));
        let slot = self.slot(head.id);
        let wrote = Caller {
            caller_id: slot.caller_id.get(),
            owner: slot.owner.get(),
        };
        if !head.reopenable || wrote != caller {
            return Err(Refused::NotReopenable);
        }
        // The head has not moved if this succeeds, so the slot was this record's all the time, and these two never change.
        // ORD(claim:B): pairs with ORD(commit:B): the record with all that was appended since ORD(claim:A) (M9).
        if !self
            .memory()
            .head()
            .replace(head, head.with_reopenable(false), acquire("claim:B"))
        {
            return Err(Refused::NotReopenable);
        }
        let copy = slot.copy();
        let stage = if matches!(copy.span, Span::Block { .. }) {
            Stage::Reserved
        } else {
            Stage::ReservedNoBlock
        };
        let committed = State::new(head.id, Stage::Committed).0;
        let reserved = State::new(head.id, stage).0;
        if slot
            .state
            .replace(committed, reserved, Order::NONE)
            .is_err()
        {
            return Err(Refused::NotReopenable); // a reaper was faster, and has finalized the record
        }
        // ORD(claim:C): pairs with ORD(barrier:A): whoever has copied a word that this thread stores sees that what lay there
        // was dropped (M6). Who reserved the record need not be who reopens it, and a fence is only its own thread's. The state
        // that may follow is handed on by it, too.
        fence_release("claim:C");
        Ok(Ticket {
            id: head.id,
            span: copy.span,
            text: self.text_of(copy.span),
            capacity: u64::from(copy.meta.text_len),
            meta: copy.meta,
            aux: copy.aux,
        })
    }

    /// Makes room for `extend` more bytes.
    fn extend(&self, ticket: &mut Ticket, extend: u64, max_size: u64) -> Result<(), Refused> {
        let total = match ticket.span {
            Span::Block { .. } => u64::from(ticket.meta.text_len).saturating_add(extend),
            Span::Empty | Span::Lost => extend,
        };
        if total > max_size {
            return Err(Refused::TooBig);
        }
        let Some(block) = self.text_ring().block_bytes(total) else {
            return Err(Refused::TooBig);
        };
        let span = match ticket.span {
            Span::Block { begin, next } => self.grow(ticket, begin, next, block)?,
            Span::Empty | Span::Lost => self.first_block(ticket, block)?,
        };
        ticket.span = span;
        ticket.text = self.text_of(span);
        ticket.capacity = total;
        Ok(())
    }

    /// Text for a record that had none: as in a reserve, but the number is there already.
    fn first_block(&self, ticket: &mut Ticket, block: u64) -> Result<Span, Refused> {
        let slot = self.slot(ticket.id);
        ticket.meta.text_len = 0;
        if block == 0 {
            ticket.span = Span::Empty;
            self.store_span(slot, ticket.id, Span::Empty);
            return Ok(Span::Empty);
        }
        let head = self.memory().head().get();
        let next = self.text_ring().end_of(head.pos, block);
        if head.id == ticket.id && self.free_up_to(head, next) {
            // Told before the head moves: a pusher that sees a newer record must not take this one for textless.
            slot.state.set(State::new(ticket.id, Stage::Reserved).0);
            // ORD(first_block:A): pairs with ORD(take:A): the state above, and the tails that this writer pushed (M1).
            if self
                .memory()
                .head()
                .replace(head, head.with_pos(next), release("first_block:A"))
            {
                let span = Span::Block {
                    begin: head.pos,
                    next,
                };
                // ORD(first_block:B): pairs with ORD(barrier:A): whoever has copied a word of the text that is overwritten
                // from here on sees that it was dropped (M6).
                fence_release("first_block:B");
                self.store_span(slot, ticket.id, span);
                return Ok(span);
            }
        }
        ticket.span = Span::Lost;
        self.store_span(slot, ticket.id, Span::Lost);
        Err(Refused::Text)
    }

    /// A longer block for a record that has one, from the same start.
    fn grow(&self, ticket: &Ticket, begin: Lpos, next: Lpos, block: u64) -> Result<Span, Refused> {
        let same = Span::Block { begin, next };
        let longer = self.text_ring().end_of(begin, block);
        if longer <= next {
            return Ok(same);
        }
        let head = self.memory().head().get();
        if head.id != ticket.id || head.pos != next {
            return Err(Refused::NotReopenable); // somebody logged meanwhile
        }
        if !self.free_up_to(head, longer) {
            return Err(Refused::Text);
        }
        // ORD(grow:A): pairs with ORD(take:A) and ORD(obstacle:B): the tails that this writer pushed (M1).
        if !self
            .memory()
            .head()
            .replace(head, head.with_pos(longer), release("grow:A"))
        {
            return Err(Refused::NotReopenable);
        }
        self.move_text(ticket, (begin, next), longer);
        Ok(Span::Block {
            begin,
            next: longer,
        })
    }

    /// Stores the grown span; if it wraps now and did not before, its text moves to the start of the ring.
    fn move_text(&self, ticket: &Ticket, (begin, next): (Lpos, Lpos), longer: Lpos) {
        let ring = self.text_ring();
        let (old, new) = (ring.place(begin, next), ring.place(begin, longer));
        // ORD(move_text:A): pairs with ORD(barrier:A): whoever has copied a word of the text that is overwritten here, or
        // by the owner later, sees that it was dropped (M6).
        fence_release("move_text:A");
        self.store_span(
            self.slot(ticket.id),
            ticket.id,
            Span::Block {
                begin,
                next: longer,
            },
        );
        if let (Some(old), Some(new)) = (old, new)
            && old.text != new.text
        {
            let words = u64::from(ticket.meta.text_len).div_ceil(8) as usize;
            let from = self.memory().text_from(old.text).iter().take(words);
            for (to, from) in self.memory().text_from(new.text).iter().zip(from) {
                to.set(from.get());
            }
        }
    }

    /// Where the text of a span begins, in words.
    fn text_of(&self, span: Span) -> Option<u64> {
        let Span::Block { begin, next } = span else {
            return None;
        };
        Some(self.text_ring().place(begin, next)?.text)
    }

    /// Drops what is in the way of the text up to `next`.
    fn free_up_to(&self, head: Head, next: Lpos) -> bool {
        let need = Lpos(next.0.saturating_sub(self.text_ring().size()));
        self.push_data(need, head, 0) == Push::Done
    }
}

//! Reserve, reopen, fill, commit, finalize.
//!
//! A writer encodes before it reserves: between reserve and commit stands nothing but the copy. Any number of writers
//! run at once, also one that interrupts another at any instruction; none waits for another.

use crate::error::Refused;
use crate::head::Head;
use crate::ids::{DescId, Lpos, Seq};
use crate::memory::Memory;
use crate::recycle::Push;
use crate::ring::Ring;
use crate::slots::{EMPTY, LOST, Meta, Slot, Span};
use crate::state::{Query, Stage, State};
use crate::sync::{acq_rel, acquire, copy_in, fence_release, pause, prefetch_for_write, release};

/// What a record says about itself beside its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Time stamp in nanoseconds of the owner's clock.
    pub ts_nsec: u64,
    /// Who logs: an opaque id; only the same id may extend the record later.
    pub caller_id: u64,
    /// 0 to 7.
    pub level: u8,
    /// 0 is the kernel, 1 a user program.
    pub facility: u8,
    /// Bits of the owner of the ring.
    pub flags: u8,
    /// Opaque.
    pub aux: u64,
    /// The writer, for the recovery of what a dead one left; 0 for none.
    pub owner: u64,
}

/// A reserved record as plain data: for callers that cannot hold a borrow of the ring. Lose it and the record stays
/// open for ever; prefer [`Reservation`].
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    id: DescId,
    span: Span,
    capacity: u64,
    meta: Meta,
}

/// A reserved record. Dropped unfinished it is committed as it stands.
#[derive(Debug)]
#[must_use]
pub struct Reservation<'r, M: Memory> {
    ring: &'r Ring<M>,
    ticket: Option<Ticket>,
}

impl Ticket {
    /// The record's number.
    pub fn seq(&self) -> Seq {
        self.id.seq()
    }

    /// How many bytes of text may be written.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes of the text ring that the record owns, a wasted end included.
    pub fn space(&self) -> u64 {
        match self.span {
            Span::Block { begin, next } => next.since(begin),
            Span::Empty | Span::Lost => 0,
        }
    }

    /// Where the record's span ends; None without text.
    pub fn end(&self) -> Option<Lpos> {
        match self.span {
            Span::Block { next, .. } => Some(next),
            Span::Empty | Span::Lost => None,
        }
    }

    /// Bytes of text that readers will see.
    pub fn text_len(&self) -> u32 {
        self.meta.text_len
    }

    /// Sets what readers will see; at most the capacity.
    pub fn set_text_len(&mut self, len: u32) {
        self.meta.text_len = len.min(u32::try_from(self.capacity).unwrap_or(u32::MAX));
    }
}

/// What a reserve found when it looked for room.
enum Room {
    /// The span `[head, next)` is free.
    Free(Lpos),
    /// There is none: the record will be a lost one.
    None,
    /// The head has changed, or must be looked at again.
    Again,
}

/// Rounds of waiting after a lost compare-exchange: doubled up to a bound, from 8.
struct Backoff(u32);

impl Backoff {
    fn lost(&mut self) {
        let rounds = if cfg!(loom) { 1 } else { self.0 };
        for _ in 0..rounds {
            pause();
        }
        self.0 = (self.0 * 2).min(64);
    }
}

impl<M: Memory> Ring<M> {
    /// Reserves a record of `size` bytes of text. Never waits.
    ///
    /// # Errors
    /// [`Refused::TooBig`], [`Refused::Descriptors`], or [`Refused::Text`]; see there what each leaves behind.
    #[inline]
    pub fn reserve(&self, size: usize, info: &Info) -> Result<Reservation<'_, M>, Refused> {
        let ticket = self.reserve_ticket(size, info)?;
        Ok(Reservation {
            ring: self,
            ticket: Some(ticket),
        })
    }

    /// As [`Ring::reserve`], as plain data.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn reserve_ticket(&self, size: usize, info: &Info) -> Result<Ticket, Refused> {
        let Some(block) = self.text_ring().block_bytes(size as u64) else {
            return Err(Refused::TooBig);
        };
        let (head, taken, span) = self.take(block)?;
        let id = taken.id;
        if head.reopenable {
            // The compare-exchange that took the number took C with it: the predecessor is ours to finalize.
            self.finalize_state(head.id);
        }
        let slot = self.slot(id);
        let old = id.0.checked_sub(self.geometry().descriptors());
        let left = old.map_or(0, |old| State::new(DescId(old), Stage::Finalized).0);
        if slot.state.get() != left {
            self.counters().health.count(1);
        }
        if span == Span::Lost {
            self.open_slot(slot, id, span, &Info::default());
            self.commit(Ticket {
                id,
                span,
                capacity: 0,
                meta: Meta::default(),
            });
            return Err(Refused::Text);
        }
        let meta = self.open_slot(slot, id, span, info);
        Ok(Ticket {
            id,
            span,
            capacity: size as u64,
            meta,
        })
    }

    /// Takes the next number, and `block` bytes of text with it. The old head, the new one, and the span.
    #[inline]
    fn take(&self, block: u64) -> Result<(Head, Head, Span), Refused> {
        let mut backoff = Backoff(8);
        loop {
            // ORD(take:A): pairs with ORD(take:D), ORD(grow:A), ORD(first_block:A) (M1: not a new head with old tails)
            // and ORD(commit:B): C is not seen before the state that it speaks of.
            let head = self.memory().head().load(acquire("take:A"));
            prefetch_for_write(&self.slot(head.id.next()).state);
            // ORD(take:B): pairs with ORD(push_desc:A): the slot below the tail is nobody's (M12).
            let word = self.tails().tail_id.load(acquire("take:B"));
            if head.id.0.wrapping_sub(word >> 1) >= self.geometry().descriptors() - 1 {
                match self.push_desc(
                    (DescId(word >> 1), word & 1 != 0),
                    head,
                    self.retire_ahead(),
                ) {
                    Push::Done => continue,
                    Push::Stuck | Push::NewestCommitted => {
                        self.counters().fail.count(1);
                        return Err(Refused::Descriptors);
                    }
                }
            }
            let (span, pos) = match self.room(head, block) {
                Room::Free(next) if block == 0 => (Span::Empty, next),
                Room::Free(next) => (
                    Span::Block {
                        begin: head.pos,
                        next,
                    },
                    next,
                ),
                Room::None => (Span::Lost, head.pos),
                Room::Again => continue,
            };
            let taken = head.taken(pos);
            // ORD(take:C): pairs with ORD(commit:B): the predecessor's last words; it may have been reopened since ORD(take:A).
            // ORD(take:D): pairs with ORD(take:A): the tails that this writer pushed (M1).
            if self
                .memory()
                .head()
                .replace(head, taken, acq_rel("take:C", "take:D"))
            {
                return Ok((head, taken, span));
            }
            backoff.lost(); // and then the head is loaded anew: an old value starves the loser
        }
    }

    /// Looks for `block` bytes of free text behind `head`, dropping what is in the way.
    #[inline]
    fn room(&self, head: Head, block: u64) -> Room {
        if block == 0 {
            return Room::Free(head.pos);
        }
        let next = self.text_ring().end_of(head.pos, block);
        let need = Lpos(next.0.saturating_sub(self.text_ring().size()));
        // ORD(room:A): pairs with ORD(publish_dropped:B): what is below the tail was told to be dropped before (M11).
        if self.tails().data_tail.load(acquire("room:A")) >= need.0 {
            return Room::Free(next);
        }
        self.make_room(head, next, need)
    }

    #[inline(never)]
    fn make_room(&self, head: Head, next: Lpos, need: Lpos) -> Room {
        match self.push_data(need, head, self.retire_ahead()) {
            Push::Done => Room::Free(next),
            // Only a refusal of the present head counts; the caller's compare-exchange would notice too.
            Push::Stuck if self.memory().head().get() == head => Room::None,
            Push::Stuck => Room::Again,
            Push::NewestCommitted => {
                // Its successor's number is certain to be used by now, so it can never be extended again.
                let closed = head.with_reopenable(false);
                // ORD(make_room:A): pairs with ORD(commit:B), as ORD(take:C) does.
                if self
                    .memory()
                    .head()
                    .replace(head, closed, acquire("make_room:A"))
                {
                    self.finalize_state(head.id);
                }
                Room::Again
            }
        }
    }

    /// Makes the slot the record's own: the state first, then its contents.
    #[inline]
    fn open_slot(&self, slot: &Slot, id: DescId, span: Span, info: &Info) -> Meta {
        let stage = if matches!(span, Span::Block { .. }) {
            Stage::Reserved
        } else {
            Stage::ReservedNoBlock
        };
        // ORD(open_slot:A): pairs with ORD(obstacle:A), ORD(is_final:A) and ORD(state:A): whoever finds the old record gone
        // sees the tails that allow it, and need not refuse or wait (M2, M3, M4).
        slot.state
            .store(State::new(id, stage).0, release("open_slot:A"));
        // ORD(open_slot:B): pairs with ORD(barrier:A) and ORD(obstacle:B): whoever has copied a word of the new contents or
        // text sees in its check that the old record is gone (M5, M6).
        fence_release("open_slot:B");
        let meta = Meta {
            text_len: 0,
            level: info.level,
            facility: info.facility,
            flags: info.flags,
        };
        self.store_span(slot, id, span);
        slot.ts_nsec.set(info.ts_nsec);
        slot.caller_id.set(info.caller_id);
        slot.meta.set(meta.pack());
        slot.owner.set(info.owner);
        slot.aux.set(info.aux);
        meta
    }

    /// Writes where the text is, and the block's header.
    #[inline]
    fn store_span(&self, slot: &Slot, id: DescId, span: Span) {
        match span {
            Span::Empty => slot.begin.set(EMPTY),
            Span::Lost => slot.begin.set(LOST),
            Span::Block { begin, next } => {
                slot.begin.set(begin.0);
                slot.next.set(next.0);
                if let Some(place) = self.text_ring().place(begin, next)
                    && let Some(header) = self.memory().text_from(place.header).first()
                {
                    header.set(id.0);
                }
            }
        }
    }

    /// Copies `data` into the record's text from byte `offset` on and raises its length to cover it. What does not fit
    /// is cut. The number of bytes copied.
    #[inline]
    pub fn write(&self, ticket: &mut Ticket, offset: u64, data: &[u8]) -> usize {
        let room = usize::try_from(ticket.capacity.saturating_sub(offset)).unwrap_or(usize::MAX);
        let data = data.get(..room).unwrap_or(data);
        if let Span::Block { begin, next } = ticket.span
            && let Some(place) = self.text_ring().place(begin, next)
        {
            self.write_text(place.text, offset, data);
        }
        let end = u32::try_from(offset + data.len() as u64).unwrap_or(u32::MAX);
        if !data.is_empty() && end > ticket.meta.text_len {
            ticket.meta.text_len = end;
        }
        data.len()
    }

    /// Writes bytes that may begin inside a word: the owner alone writes here, so the word is put together in steps.
    #[inline]
    fn write_text(&self, text: u64, offset: u64, data: &[u8]) {
        let inside = (offset % 8) as usize;
        let words = self.memory().text_from(text + offset / 8);
        if inside == 0 && data.len().is_multiple_of(8) {
            return copy_in(words, data);
        }
        self.write_unaligned(words, inside, data);
    }

    fn write_unaligned(&self, words: &[crate::sync::Word], inside: usize, data: &[u8]) {
        let mut at = inside;
        let mut rest = data;
        for word in words {
            if rest.is_empty() {
                return;
            }
            let take = (8 - at).min(rest.len());
            let (now, later) = rest.split_at_checked(take).unwrap_or((rest, &[]));
            let mut bytes = word.get().to_ne_bytes();
            for (to, from) in bytes.iter_mut().skip(at).zip(now) {
                *to = *from;
            }
            word.set(u64::from_ne_bytes(bytes));
            (at, rest) = (0, later);
        }
    }

    /// Fills a record that was just reserved with all of its text, word by word: what a log does, and nothing but the copy.
    #[inline]
    pub fn fill(&self, ticket: &mut Ticket, data: &[u8]) {
        let data = data.get(..ticket.capacity as usize).unwrap_or(data);
        if let Span::Block { begin, next } = ticket.span
            && let Some(place) = self.text_ring().place(begin, next)
        {
            copy_in(self.memory().text_from(place.text), data);
        }
        ticket.meta.text_len = data.len() as u32;
    }

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
        self.finalize_state(ticket.id);
    }

    /// Closes the record for ever: readers see it from now on.
    #[inline]
    pub fn finalize(&self, ticket: Ticket) {
        let slot = self.slot(ticket.id);
        self.close(slot, &ticket);
        self.finalize_state(ticket.id);
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
            self.finalize_state(head.id);
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
    pub(crate) fn finalize_state(&self, id: DescId) {
        // ORD(finalize_state:A): pairs with ORD(state:A), ORD(obstacle:A) and ORD(is_final:A): after the contents and the text
        // (M8), its own or, through C, its predecessor's.
        self.slot(id).state.store(
            State::new(id, Stage::Finalized).0,
            release("finalize_state:A"),
        );
    }

    /// Reopens the newest record, if it is committed and `caller_id`'s, and makes its text `extend` bytes longer. The
    /// text so far stays. `max_size` bounds the whole.
    ///
    /// # Errors
    /// [`Refused::NotReopenable`], [`Refused::TooBig`], or [`Refused::Text`]; the record is committed as it was.
    pub fn reserve_in_last(
        &self,
        caller_id: u64,
        extend: usize,
        max_size: usize,
    ) -> Result<Reservation<'_, M>, Refused> {
        let ticket = self.reopen_ticket(caller_id, extend, max_size)?;
        Ok(Reservation {
            ring: self,
            ticket: Some(ticket),
        })
    }

    /// As [`Ring::reserve_in_last`], as plain data.
    ///
    /// # Errors
    /// As there.
    pub fn reopen_ticket(
        &self,
        caller_id: u64,
        extend: usize,
        max_size: usize,
    ) -> Result<Ticket, Refused> {
        let mut ticket = self.claim(caller_id)?;
        match self.extend(&mut ticket, extend as u64, max_size as u64) {
            Ok(()) => Ok(ticket),
            Err(why) => {
                self.commit(ticket);
                Err(why)
            }
        }
    }

    /// Takes the newest record back from the readers' future: clears C, and owns it.
    fn claim(&self, caller_id: u64) -> Result<Ticket, Refused> {
        // ORD(claim:A): pairs with ORD(commit:B): the caller that is compared is the one of the record that C speaks of.
        let head = self.memory().head().load(acquire("claim:A"));
        let slot = self.slot(head.id);
        if !head.reopenable || slot.caller_id.get() != caller_id {
            return Err(Refused::NotReopenable);
        }
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
        let state = State(slot.state.get());
        if state.query(head.id) != Query::Is(Stage::Committed) {
            self.counters().health.count(1);
        }
        slot.state.set(State::new(head.id, stage).0);
        let capacity = u64::from(copy.meta.text_len);
        let ticket = Ticket {
            id: head.id,
            span: copy.span,
            capacity,
            meta: copy.meta,
        };
        if copy.caller_id == caller_id {
            return Ok(ticket);
        }
        self.commit(ticket); // looked like ours before it was exclusively so
        Err(Refused::NotReopenable)
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
        // ORD(grow:A): pairs with ORD(take:A): the tails that this writer pushed (M1).
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

    /// Drops what is in the way of the text up to `next`.
    fn free_up_to(&self, head: Head, next: Lpos) -> bool {
        let need = Lpos(next.0.saturating_sub(self.text_ring().size()));
        self.push_data(need, head, 0) == Push::Done
    }
}

impl<M: Memory> Reservation<'_, M> {
    /// The reserved record as plain data; the guard is gone.
    pub fn into_ticket(mut self) -> Option<Ticket> {
        self.ticket.take()
    }

    /// The reserved record.
    pub fn ticket(&self) -> Option<&Ticket> {
        self.ticket.as_ref()
    }

    /// Copies `data` into the text from byte `offset` on; what does not fit is cut. The number of bytes copied.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> usize {
        let ring = self.ring;
        self.ticket
            .as_mut()
            .map_or(0, |ticket| ring.write(ticket, offset, data))
    }

    /// Sets the length that readers will see.
    pub fn set_text_len(&mut self, len: u32) {
        if let Some(ticket) = self.ticket.as_mut() {
            ticket.set_text_len(len);
        }
    }

    /// Closes the record; its caller may reopen it while it stays the newest.
    pub fn commit(mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.ring.commit(ticket);
        }
    }

    /// Closes the record for ever.
    pub fn finalize(mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.ring.finalize(ticket);
        }
    }
}

impl<M: Memory> Drop for Reservation<'_, M> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.ring.commit(ticket);
        }
    }
}

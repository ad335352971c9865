//! Reserve and fill.
//!
//! A writer encodes before it reserves: between reserve and commit stands nothing but the copy. Any number of writers
//! run at once, also one that interrupts another at any instruction; none waits for another.

use crate::error::Refused;
use crate::head::Head;
use crate::ids::{DescId, Lpos};
use crate::memory::Memory;
use crate::recycle::Push;
use crate::ring::Ring;
use crate::slots::{EMPTY, LOST, Meta, Slot, Span};
use crate::state::{Stage, State};
use crate::sync::{acq_rel, acquire, copy_in, fence_release, pause, prefetch_for_write, release};
use crate::ticket::{Info, Reservation, Ticket};

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
        Ok(Reservation::new(self, ticket))
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
    pub(crate) fn store_span(&self, slot: &Slot, id: DescId, span: Span) {
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
}

//! Reserve and fill.
//!
//! A writer encodes before it reserves: between reserve and commit stands nothing but the copy, and what a log sums up of it. Any number of writers
//! run at once, also one that interrupts another at any instruction; none waits for another. Whichever store is a writer's
//! last, [`crate::reap`] finds from what is stored who it was.

use crate::blocks::Laid;
use crate::error::Refused;
use crate::head::Head;
use crate::ids::{DescId, Lpos, Seq};
use crate::memory::Memory;
use crate::recycle::Push;
use crate::ring::Ring;
use crate::slots::{Meta, Slot, Span};
use crate::state::{Stage, State};
use crate::sync::{acq_rel, acquire, copy_in, fence_release, pause, prefetch_for_write, release};
use crate::ticket::{Info, Reservation, Ticket};

/// Bytes of a cache line.
const LINE_BYTES: u64 = 64;

/// A slot is fetched so many records before its turn: more than are retired at once.
const FAR_RECORDS: u64 = 40;

/// What a reserve has taken.
struct Taken<'r> {
    /// The head as it was: the text begins at its position.
    before: Head,
    id: DescId,
    slot: &'r Slot,
    /// The text; meaningless if there is none.
    laid: Laid,
    /// The text could not be had.
    lost: bool,
}

/// What a reserve found when it looked for room.
enum Room {
    /// The span from the head on is free.
    Free(Laid),
    /// There is none: the record will be a lost one.
    None,
    /// The head has changed, or must be looked at again.
    Again,
}

/// Rounds of waiting after the next lost compare-exchange. The first loss is mostly a chance meeting: look again at once. Who
/// loses twice is one of several that write without a break: it stands back while the winner, who has the lines, writes some
/// tens of records, or each record would carry every line across.
struct Backoff(u32);

impl Backoff {
    const CROWDED: u32 = 128;
    const MOST: u32 = 256;

    #[cold]
    #[inline(never)]
    fn lost(self) -> Backoff {
        let rounds = if cfg!(loom) { 1 } else { self.0 };
        for _ in 0..rounds {
            pause();
        }
        Backoff((self.0 * 2).clamp(Backoff::CROWDED, Backoff::MOST))
    }
}

/// What is taken with a number alone.
#[inline(always)]
fn no_text(head: Head) -> Laid {
    Laid {
        next: head.pos,
        header: 0,
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
    #[inline(always)]
    pub fn reserve_ticket(&self, size: usize, info: &Info) -> Result<Ticket, Refused> {
        let Some(block) = self.text_ring().block_bytes(size as u64) else {
            return Err(Refused::TooBig);
        };
        let taken = self.take(block, info.owner)?;
        let Taken {
            before,
            id,
            slot,
            laid,
            lost,
        } = taken;
        if before.reopenable {
            // The compare-exchange that took the number took C with it: the predecessor is ours to finalize.
            self.finalize_before(before.id);
        }
        let left = slot.state.get();
        let old = DescId(id.0.wrapping_sub(self.descriptors()));
        if left != State::new(old, Stage::Finalized).0 {
            self.check_unused(id, left); // no state names a number from before the first
        }
        if lost {
            return Err(self.lose(slot, id, info.owner));
        }
        let (span, text) = if block == 0 {
            self.open_slot(slot, id, false, info);
            slot.set_span(Span::Empty);
            (Span::Empty, None)
        } else {
            self.open_slot(slot, id, true, info);
            let (begin, next) = (before.pos, laid.next);
            let span = Span::Block { begin, next };
            slot.set_span(span);
            self.set_header(laid.header, id);
            (span, Some(laid.header + 1))
        };
        Ok(Ticket {
            id,
            span,
            text,
            capacity: size as u64,
            meta: Meta {
                text_len: 0,
                level: info.level,
                facility: info.facility,
                flags: info.flags,
            },
            aux: info.aux,
        })
    }

    /// The predecessor was left committed: apart, since most writers finalize their own.
    #[cold]
    #[inline(never)]
    fn finalize_before(&self, id: DescId) {
        self.finalize_committed(id);
    }

    /// The slot does not hold the finished record of a round before: right only in the first round.
    #[cold]
    #[inline(never)]
    fn check_unused(&self, id: DescId, left: u64) {
        if left != 0 || id.0 >= self.descriptors() {
            self.counters().health.count(1);
        }
    }

    /// A number was taken, but there is no text: it becomes a record that readers skip.
    #[cold]
    #[inline(never)]
    fn lose(&self, slot: &Slot, id: DescId, owner: u64) -> Refused {
        self.open_lost(slot, id, owner);
        self.commit(Ticket {
            id,
            span: Span::Lost,
            text: None,
            capacity: 0,
            meta: Meta::default(),
            aux: 0,
        });
        Refused::Text
    }

    /// Makes the slot that of a record without text, which nobody will have.
    pub(crate) fn open_lost(&self, slot: &Slot, id: DescId, owner: u64) {
        let info = Info {
            owner,
            ..Info::default()
        };
        self.open_slot(slot, id, false, &info);
        slot.set_span(Span::Lost);
    }

    /// Takes the next number, and `block` bytes of text with it, in the name of `owner`.
    #[inline(always)]
    fn take(&self, block: u64, owner: u64) -> Result<Taken<'_>, Refused> {
        let cell = self.announcements().cell_of(owner);
        let mut backoff = Backoff(0);
        loop {
            // ORD(take:A): pairs with ORD(take:D), ORD(grow:A), ORD(first_block:A) (M1: not a new head with old tails)
            // and ORD(commit:B): C is not seen before the state that it speaks of.
            let head = self.memory().head().load(acquire("take:A"));
            let slot = self.slot(head.id.next());
            prefetch_for_write(&slot.state);
            // ORD(take:B): pairs with ORD(push_desc:A): the slot below the tail is nobody's (M12).
            let word = self.tails().tail_id.load(acquire("take:B"));
            if head.id.0.wrapping_sub(word >> 1) >= self.descriptors() - 1 {
                if self.free_descriptor(word, head.words()) {
                    continue;
                }
                self.announcements().announce(cell, owner, DescId::DUMMY);
                return Err(Refused::Descriptors);
            }
            let (laid, lost) = match self.room(head, block) {
                Room::Free(laid) => (laid, false),
                Room::None => (no_text(head), true),
                Room::Again => continue,
            };
            self.announcements().announce(cell, owner, head.id.next());
            // ORD(take:C): pairs with ORD(commit:B): the predecessor's last words; it may have been reopened since ORD(take:A).
            // ORD(take:D): pairs with ORD(take:A) and ORD(obstacle:B): the tails that this writer pushed (M1); and with
            // ORD(reap:A): who it is.
            if self.memory().head().replace(
                head,
                head.taken(laid.next),
                acq_rel("take:C", "take:D"),
            ) {
                return Ok(Taken {
                    before: head,
                    id: head.id.next(),
                    slot,
                    laid,
                    lost,
                });
            }
            backoff = backoff.lost(); // and then the head is loaded anew: an old value starves the loser
        }
    }

    /// Moves the tail on, so that there is a descriptor behind `head`. False: it cannot be moved; counted.
    #[inline(never)]
    fn free_descriptor(&self, word: u64, head: (u64, u64)) -> bool {
        let head = Head::from_words(head);
        let tail = (DescId(word >> 1), word & 1 != 0);
        let moved = if tail.0 > head.id {
            // The head is an old one, and says nothing about room: whoever moved the tail had seen a newer one, and so
            // does this writer now. If not, the ring is damaged, and must not hold it.
            self.memory().head().newest() >= tail.0
        } else {
            self.push_desc(tail, head, self.retire_ahead()) == Push::Done
        };
        if !moved {
            self.counters().fail.count(1);
        }
        moved
    }

    /// Looks for `block` bytes of free text behind `head`, dropping what is in the way.
    #[inline(always)]
    fn room(&self, head: Head, block: u64) -> Room {
        if block == 0 {
            return Room::Free(no_text(head));
        }
        let laid = self.text_ring().lay(head.pos, block);
        // ORD(room:A): pairs with ORD(publish_dropped:B): what is below the tail was told to be dropped before (M11).
        let tail = Lpos(self.tails().data_tail.load(acquire("room:A")));
        if laid.next <= tail.plus(self.text_ring().size()) {
            return Room::Free(laid);
        }
        self.make_room(head.words(), laid)
    }

    #[inline(never)]
    fn make_room(&self, head: (u64, u64), laid: Laid) -> Room {
        let head = Head::from_words(head);
        let need = Lpos(laid.next.0.saturating_sub(self.text_ring().size()));
        match self.push_data(need, head, self.retire_ahead()) {
            Push::Done => Room::Free(laid),
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
                    self.finalize_committed(head.id);
                }
                Room::Again
            }
        }
    }

    /// Makes the slot the record's own: whose it is, the state, then its contents. Where its text is, the caller adds; what is only
    /// known at the end follows then.
    #[inline(always)]
    fn open_slot(&self, slot: &Slot, id: DescId, text: bool, info: &Info) {
        let stage = if text {
            Stage::Reserved
        } else {
            Stage::ReservedNoBlock
        };
        // Readers and pushers never look at the owner: it may stand beside the state of the old record.
        slot.owner.set(info.owner);
        // ORD(open_slot:A): pairs with ORD(obstacle:A), ORD(is_final:A) and ORD(state:A): whoever finds the old record gone
        // sees the tails that allow it, and need not refuse or wait (M2, M3, M4); and with ORD(settle_once:A): the owner.
        slot.state
            .store(State::new(id, stage).0, release("open_slot:A"));
        // ORD(open_slot:B): pairs with ORD(barrier:A) and ORD(obstacle:B): whoever has copied a word of the new contents or
        // text sees in its check that the old record is gone (M5, M6); and with ORD(dead_winner:A): whoever sees this owner
        // announce its next number sees that it has this one.
        fence_release("open_slot:B");
        slot.ts_nsec.set(info.ts_nsec);
        slot.caller_id.set(info.caller_id);
    }

    /// Writes where the text is, and the block's header.
    pub(crate) fn store_span(&self, slot: &Slot, id: DescId, span: Span) {
        slot.set_span(span);
        if let Span::Block { begin, next } = span
            && let Some(place) = self.text_ring().place(begin, next)
        {
            self.set_header(place.header, id);
        }
    }

    /// Writes the header of the block that begins at word `header`.
    #[inline(always)]
    fn set_header(&self, header: u64, id: DescId) {
        if let Some(word) = self.memory().text_from(header).first() {
            word.set(id.0);
        }
    }

    /// Asks for the lines that the record behind `seq`, whose text ends at `end`, will be written to. A reader on another core
    /// may have had them, and a writer's next locked instruction waits until they are its own again: this way nobody waits.
    /// And for the slot of a record that is further on, or whoever retires several records at once would wait for all of them,
    /// and for the page that they begin. A hint; nothing is touched.
    #[inline(always)]
    pub fn fetch_ahead(&self, seq: Seq, end: Lpos) {
        let next = DescId::of(seq).next();
        prefetch_for_write(&self.slot(next).state);
        prefetch_for_write(&self.slot(DescId(next.0 + FAR_RECORDS)).state);
        for ahead in [0, LINE_BYTES] {
            if let Some(word) = self.memory().text_from(end.plus(ahead).0 / 8).first() {
                prefetch_for_write(word);
            }
        }
    }

    /// Copies `data` into the record's text from byte `offset` on and raises its length to cover it. What does not fit
    /// is cut. The number of bytes copied.
    #[inline]
    pub fn write(&self, ticket: &mut Ticket, offset: u64, data: &[u8]) -> usize {
        let room = usize::try_from(ticket.capacity.saturating_sub(offset)).unwrap_or(usize::MAX);
        let data = data.get(..room).unwrap_or(data);
        if let Some(text) = ticket.text {
            self.write_text(text, offset, data);
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

    /// The words that hold the text of a record which is not committed yet. Behind the text's end is anything.
    pub fn words(&self, ticket: &Ticket) -> impl Iterator<Item = u64> {
        let count = u64::from(ticket.meta.text_len).div_ceil(8) as usize;
        let words = ticket.text.map(|text| self.memory().text_from(text));
        let words = words.unwrap_or_default().iter().take(count);
        words.map(crate::sync::Word::get)
    }

    /// What a record that is not committed yet says about itself.
    pub fn info_of(&self, ticket: &Ticket) -> Info {
        let slot = self.slot(ticket.id);
        Info {
            ts_nsec: slot.ts_nsec.get(),
            caller_id: slot.caller_id.get(),
            level: ticket.meta.level,
            facility: ticket.meta.facility,
            flags: ticket.meta.flags,
            aux: ticket.aux,
            owner: slot.owner.get(),
        }
    }

    /// Fills a record that was just reserved with all of its text, word by word: what a log does, and nothing but the copy.
    #[inline(always)]
    pub fn fill(&self, ticket: &mut Ticket, data: &[u8]) {
        let data = data.get(..ticket.capacity as usize).unwrap_or(data);
        if let Some(text) = ticket.text {
            copy_in(self.memory().text_from(text), data);
        }
        ticket.meta.text_len = data.len() as u32;
    }
}

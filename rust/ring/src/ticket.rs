//! A record in the making: what is said about it, and the two ways to hold it.

use crate::ids::{DescId, Lpos, Seq};
use crate::memory::Memory;
use crate::ring::Ring;
use crate::slots::{Meta, Span};

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
    /// The writer, for the recovery of what a dead one left ([`Ring::reap`]); 0 for none. One owner is one context of
    /// execution: a thread, or a handler that interrupts it, never both. Whoever finishes the record counts as its owner.
    pub owner: u64,
}

/// Who wants to extend the newest record. It must be the one who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// As in [`Info`].
    pub caller_id: u64,
    /// As in [`Info`]: a context does not extend what another one has begun, or a dead one's record could not be told
    /// from a living one's.
    pub owner: u64,
}

impl From<u64> for Caller {
    /// A caller without an owner.
    fn from(caller_id: u64) -> Caller {
        Caller {
            caller_id,
            owner: 0,
        }
    }
}

/// A reserved record as plain data: for callers that cannot hold a borrow of the ring. Lose it and the record stays
/// open for ever; prefer [`Reservation`].
///
/// It may be handed to another thread; on a machine where what one thread has seen is not seen by all the others in the same order
/// (neither x86-64 nor ARMv8) that one begins with a release fence.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    pub(crate) id: DescId,
    pub(crate) span: Span,
    /// Index of the first word of its text; None without text.
    pub(crate) text: Option<u64>,
    pub(crate) capacity: u64,
    pub(crate) meta: Meta,
    pub(crate) aux: u64,
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

    /// What is stored with the text when the record is closed.
    #[inline(always)]
    pub fn meta(&self) -> Meta {
        self.meta
    }

    /// Bytes of text that readers will see.
    pub fn text_len(&self) -> u32 {
        self.meta.text_len
    }

    /// Another opaque word in the place of the one it was reserved with. Stored when the record is closed.
    #[inline(always)]
    pub fn set_aux(&mut self, aux: u64) {
        self.aux = aux;
    }

    /// Sets what readers will see; at most the capacity.
    pub fn set_text_len(&mut self, len: u32) {
        self.meta.text_len = len.min(u32::try_from(self.capacity).unwrap_or(u32::MAX));
    }
}
impl<'r, M: Memory> Reservation<'r, M> {
    #[inline]
    pub(crate) fn new(ring: &'r Ring<M>, ticket: Ticket) -> Reservation<'r, M> {
        Reservation {
            ring,
            ticket: Some(ticket),
        }
    }

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

//! The ring itself: memory, geometry, and the few questions that need neither writer nor reader.

use crate::announce::Announcements;
use crate::blocks::TextRing;
use crate::ids::{DescId, Lpos, Seq};
use crate::layout::{Geometry, limit};
use crate::memory::{Counters, Memory, Tails};
use crate::reaper::Reaper;
use crate::slots::Slot;
use crate::sync::{Pair, Word, acquire};

/// A ring over some memory. Shared by reference between any number of writers and readers.
#[derive(Debug)]
pub struct Ring<M: Memory> {
    memory: M,
    geometry: Geometry,
    /// Worked out from the geometry: every reserve asks for these.
    last_index: u64,
    text: TextRing,
    /// How many old records may be dropped at once; a setting, so without order.
    retire_ahead: Word,
    /// Where this handle's search for the last finalized record last ended; only a hint.
    next_seq_hint: Word,
    /// Who is about to take which number.
    announcements: Announcements,
    /// Who settles what dead writers left.
    reaper: Reaper,
}

impl<M: Memory> Ring<M> {
    /// A ring over initialised memory of this geometry. `retire_ahead` old records may be dropped at once when room is
    /// needed; at most 32, and at most a 64th of the descriptors, take effect. None if the processor lacks the
    /// instruction that the head needs.
    pub fn new(memory: M, geometry: Geometry, retire_ahead: u32) -> Option<Ring<M>> {
        if !Pair::supported() {
            return None;
        }
        let ring = Ring {
            memory,
            geometry,
            last_index: geometry.descriptors() - 1,
            text: geometry.text_ring(),
            retire_ahead: Word::new(0),
            next_seq_hint: Word::new(0),
            announcements: Announcements::new(),
            reaper: Reaper::new(),
        };
        ring.set_retire_ahead(retire_ahead);
        Some(ring)
    }

    /// Changes how many old records may be dropped at once, within the same bounds; 0 while none may be dropped that need
    /// not be.
    pub fn set_retire_ahead(&self, records: u32) {
        let most = u64::from(limit::RETIRE_AHEAD).min(self.geometry.descriptors() / 64);
        self.retire_ahead.set(u64::from(records).min(most));
    }

    /// The memory.
    #[inline(always)]
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// The geometry.
    #[inline(always)]
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// How many old records are dropped at once.
    pub fn retire_ahead(&self) -> u32 {
        self.retire_ahead.get() as u32
    }

    /// Reservations refused for want of a descriptor.
    pub fn fail(&self) -> u64 {
        self.counters().fail.get()
    }

    /// Internal errors; 0 unless memory was damaged.
    pub fn health(&self) -> u64 {
        self.counters().health.get()
    }

    /// Records that a dead writer had not finished, turned into lost ones by [`Ring::reap`].
    pub fn reaped(&self) -> u64 {
        self.counters().reaped.get()
    }

    /// The number that the next reservation will get. Orders nothing: it counts, also records that are being written.
    pub fn next_reserve_seq(&self) -> Seq {
        Seq(self.memory.head().newest().0)
    }

    /// The oldest record's number, readable or not; 0 while the ring is empty.
    pub fn first_seq(&self) -> Seq {
        self.tail().0.seq()
    }

    /// Where the next record's text will begin.
    pub fn end_pos(&self) -> Lpos {
        self.memory.head().get().pos
    }

    /// The number and the position that the next record will get, as they stood together.
    pub fn newest_edge(&self) -> (Seq, Lpos) {
        let head = self.memory.head().get();
        (Seq(head.id.0), head.pos)
    }

    /// The oldest record's number, and a position not behind its text.
    pub fn oldest_edge(&self) -> (Seq, Lpos) {
        let pos = self.text_tail();
        (self.first_seq(), pos)
    }

    /// Bytes of text in use, wasted ends included.
    pub fn used_bytes(&self) -> u64 {
        let tail = self.text_tail();
        self.end_pos().0.saturating_sub(tail.0)
    }

    pub(crate) fn hint(&self) -> &Word {
        &self.next_seq_hint
    }

    /// For models: what a writer leaves that dies before it tries for `id`.
    #[cfg(loom)]
    pub fn announce_and_die(&self, owner: u64, id: DescId) {
        let cell = self.announcements.cell_of(owner);
        self.announcements.announce(cell, owner, id);
    }

    #[inline(always)]
    pub(crate) fn announcements(&self) -> &Announcements {
        &self.announcements
    }

    pub(crate) fn reaper(&self) -> &Reaper {
        &self.reaper
    }

    #[inline(always)]
    pub(crate) fn tails(&self) -> &Tails {
        self.memory.tails()
    }

    #[inline(always)]
    pub(crate) fn counters(&self) -> &Counters {
        self.memory.counters()
    }

    #[inline(always)]
    pub(crate) fn slot(&self, id: DescId) -> &Slot {
        self.memory.slot(id.0)
    }

    #[inline(always)]
    pub(crate) fn descriptors(&self) -> u64 {
        self.last_index + 1
    }

    #[inline(always)]
    pub(crate) fn text_ring(&self) -> TextRing {
        self.text
    }

    /// The oldest record's id, and whether it is retired.
    #[inline(always)]
    pub(crate) fn tail(&self) -> (DescId, bool) {
        // ORD(tail:A): pairs with ORD(push_desc:A): the tail's record is seen to be finalized (M4).
        let word = self.tails().tail_id.load(acquire("tail:A"));
        (DescId(word >> 1), word & 1 != 0)
    }
}

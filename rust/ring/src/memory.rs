//! Where a ring's words live: the ring is generic in it.

use crate::head::HeadWord;
use crate::ids::Lpos;
use crate::layout::Geometry;
use crate::layout::ring_offset;
use crate::slots::Slot;
#[cfg(any(test, loom))]
use crate::sync::copy_out;
use crate::sync::{Wide, Word, copy_block};
use core::ptr::NonNull;

/// The tail words, on a line of their own: they change together, and far less often than the head. All only grow.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct Tails {
    /// `id << 1 | R` of the oldest record; R: it is retired already (only ever set for a record without text).
    pub tail_id: Word,
    /// Text of records below this id is dropped.
    pub retired_id: Word,
    /// Text before this position may be overwritten. Nothing in use lies before it; the oldest record may begin later.
    pub data_tail: Word,
}

/// Counters, apart from what writers read.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct Counters {
    /// Reservations refused for want of a descriptor.
    pub fail: Word,
    /// Internal errors: a store found another state than its owner left. Tests assert that it is 0.
    pub health: Word,
    /// Records that a dead writer had not finished, turned into lost ones. Stored by one reaper at a time.
    pub reaped: Word,
}

/// The words of a ring. Implementations answer any index (reduced modulo the array), so that no index can go astray.
pub trait Memory {
    /// The fused head.
    fn head(&self) -> &HeadWord;
    /// The tail words.
    fn tails(&self) -> &Tails;
    /// The counters.
    fn counters(&self) -> &Counters;
    /// The slot with this index, modulo the number of descriptors.
    fn slot(&self, index: u64) -> &Slot;
    /// Text words from word `index` (modulo the ring) up to the ring's end.
    fn text_from(&self, index: u64) -> &[Word];
    /// Copies the text of the block that begins here and has `room` bytes for it, until `to` is full: its header. None if the ring
    /// ends within the block, if no block has this room, or if `to` is longer, or no whole words.
    fn copy_block(&self, begin: Lpos, room: u64, to: &mut [u8]) -> Option<u64>;
}

/// A ring section somewhere in memory: heap, memfd or mapped file.
#[derive(Debug)]
pub struct Region {
    /// Head, tails and counters, each at its offset from here.
    base: NonNull<u8>,
    slots: NonNull<Slot>,
    text: NonNull<Word>,
    /// The word after the first: where the text of a block lies whose header is the first.
    after_header: NonNull<Word>,
    slot_mask: u64,
    word_mask: u64,
    /// Where the last word begins, in bytes: also what is left of a position once it is reduced to a word of the ring. 0 in a
    /// ring that is too small for any text.
    last_word: u64,
    wide: Wide,
}

// SAFETY: all that a region reaches is atomic words.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Lays a ring section of this geometry over memory. Nothing is written.
    ///
    /// # Safety
    /// `base` is 128-aligned and valid for reads and writes of `geometry.ring_bytes()` for as long as the region or a
    /// ring made of it is used, and nobody accesses it but through atomics.
    #[cfg(not(loom))]
    pub unsafe fn over(base: NonNull<u8>, geometry: Geometry) -> Region {
        // SAFETY: the slots lie within the section, by the caller's promise about its length.
        let slots = unsafe { base.add(ring_offset::SLOTS as usize) };
        // SAFETY: the text lies within the section, by the caller's promise about its length.
        let text = unsafe { base.add(geometry.text_offset() as usize) };
        // SAFETY: a ring has at least two words of text.
        let after_header = unsafe { text.cast::<Word>().add(1) };
        Region {
            base,
            slots: slots.cast(),
            text: text.cast(),
            after_header,
            slot_mask: geometry.descriptors() - 1,
            word_mask: geometry.data_bytes() / 8 - 1,
            last_word: match geometry.text_ring().max_text() {
                0 => 0,
                _ => geometry.data_bytes() - 8,
            },
            wide: Wide::ask(),
        }
    }

    /// What lies at this offset. One pointer for all of these: each of its own would be loaded anew after every access that
    /// acquires.
    ///
    /// # Safety
    /// The offset is one of [`ring_offset`], and `T` what lies there.
    #[inline(always)]
    unsafe fn at<T>(&self, offset: u64) -> NonNull<T> {
        // SAFETY: the caller's promise, and `over`'s about the section's length.
        unsafe { self.base.add(offset as usize) }.cast()
    }

    /// Turns zeroed memory into an empty ring.
    pub fn init(&self) {
        self.slot(0).init_dummy();
        self.tails().tail_id.set(1); // the dummy, retired
        self.tails().retired_id.set(1);
    }
}

impl Memory for Region {
    #[inline(always)]
    fn head(&self) -> &HeadWord {
        // SAFETY: the head's offset.
        let head = unsafe { self.at(ring_offset::HEAD) };
        // SAFETY: `over`'s promise.
        unsafe { head.as_ref() }
    }

    #[inline(always)]
    fn tails(&self) -> &Tails {
        // SAFETY: the tails' offset.
        let tails = unsafe { self.at(ring_offset::TAILS) };
        // SAFETY: `over`'s promise.
        unsafe { tails.as_ref() }
    }

    #[inline(always)]
    fn counters(&self) -> &Counters {
        // SAFETY: the counters' offset.
        let counters = unsafe { self.at(ring_offset::COUNTERS) };
        // SAFETY: `over`'s promise.
        unsafe { counters.as_ref() }
    }

    #[inline(always)]
    fn slot(&self, index: u64) -> &Slot {
        let index = (index & self.slot_mask) as usize;
        // SAFETY: the masked index lies in the array of slots, all of which `over`'s promise covers.
        let slot = unsafe { self.slots.add(index) };
        // SAFETY: as above; slots are atomic words, so shared references are all there are.
        unsafe { slot.as_ref() }
    }

    #[inline(always)]
    fn text_from(&self, index: u64) -> &[Word] {
        let index = index & self.word_mask;
        let len = (self.word_mask - index + 1) as usize;
        // SAFETY: the masked index is at most the mask, which is below 2^61.
        unsafe { core::hint::assert_unchecked(len > 0) };
        // SAFETY: the masked index lies in the text, all of which `over`'s promise covers.
        let first = unsafe { self.text.add(index as usize) };
        // SAFETY: `len` words are left from there to the end of the text; all are atomic, so shared references are all
        // there are.
        unsafe { core::slice::from_raw_parts(first.as_ptr(), len) }
    }

    #[inline(always)]
    fn copy_block(&self, begin: Lpos, room: u64, to: &mut [u8]) -> Option<u64> {
        let last = self.last_word;
        let header = begin.0 & last;
        // From one word to half of the ring without a header, in one comparison. (What wraps round is more than what is left.)
        let is_possible = room.wrapping_sub(8).wrapping_mul(2) <= last.wrapping_sub(24);
        let is_whole = to.len().is_multiple_of(size_of::<Word>());
        if room > last - header || to.len() as u64 > room || !is_whole || !is_possible {
            return None;
        }
        // SAFETY: behind the header's word lie `room` bytes of the text, by the comparison above.
        let text = unsafe { self.after_header.byte_add(header as usize) };
        // SAFETY: `to` is whole words, and no more than lie there.
        unsafe { copy_block(text, to, self.wide) };
        // SAFETY: the header's word is the one before.
        let header = unsafe { text.sub(1) };
        // SAFETY: as above; atomic, so shared references are all there are.
        Some(unsafe { header.as_ref() }.get())
    }
}

/// Heap memory of the model checker's objects, or of plain words for tests.
#[cfg(any(test, loom))]
#[derive(Debug)]
pub struct Boxed {
    head: HeadWord,
    tails: Tails,
    counters: Counters,
    slots: std::vec::Vec<Slot>,
    text: std::vec::Vec<Word>,
}

#[cfg(any(test, loom))]
impl Boxed {
    /// An empty ring's memory.
    pub fn new(geometry: Geometry) -> Boxed {
        let boxed = Boxed {
            head: HeadWord::new(),
            tails: Tails {
                tail_id: Word::new(1),
                retired_id: Word::new(1),
                data_tail: Word::new(0),
            },
            counters: Counters {
                fail: Word::new(0),
                health: Word::new(0),
                reaped: Word::new(0),
            },
            slots: (0..geometry.descriptors())
                .map(|_| Slot::unused())
                .collect(),
            text: (0..geometry.data_bytes() / 8)
                .map(|_| Word::new(0))
                .collect(),
        };
        boxed.slot(0).init_dummy();
        boxed
    }
}

#[cfg(any(test, loom))]
#[allow(clippy::indexing_slicing)] // not in any-context builds
impl Memory for Boxed {
    fn head(&self) -> &HeadWord {
        &self.head
    }
    fn tails(&self) -> &Tails {
        &self.tails
    }
    fn counters(&self) -> &Counters {
        &self.counters
    }
    fn slot(&self, index: u64) -> &Slot {
        &self.slots[index as usize & (self.slots.len() - 1)]
    }
    fn text_from(&self, index: u64) -> &[Word] {
        &self.text[index as usize & (self.text.len() - 1)..]
    }
    fn copy_block(&self, begin: Lpos, room: u64, to: &mut [u8]) -> Option<u64> {
        let half = self.text.len() as u64 * 4;
        if !(8..=half - 8).contains(&room) || !to.len().is_multiple_of(size_of::<Word>()) {
            return None;
        }
        let words = self.text_from(begin.0 / 8).get(..=(room / 8) as usize)?;
        let (header, text) = words.split_first()?;
        copy_out(text.get(..to.len() / 8)?, to);
        Some(header.get())
    }
}

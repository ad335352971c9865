//! Where a ring's words live: the ring is generic in it.

use crate::head::HeadWord;
use crate::layout::Geometry;
use crate::layout::ring_offset;
use crate::slots::Slot;
use crate::sync::Word;
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
}

/// A ring section somewhere in memory: heap, memfd or mapped file.
#[derive(Debug)]
pub struct Region {
    /// Head, tails and counters, each at its offset from here.
    base: NonNull<u8>,
    slots: NonNull<Slot>,
    text: NonNull<Word>,
    slot_mask: u64,
    word_mask: u64,
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
        Region {
            base,
            slots: slots.cast(),
            text: text.cast(),
            slot_mask: geometry.descriptors() - 1,
            word_mask: geometry.data_bytes() / 8 - 1,
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
}

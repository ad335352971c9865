//! The memory that a table of call sites keeps its own copy in: pages that are zero, and there once they are used.

use crate::mapping::{RingMap, SectionKind};
use pr_printk::sites::{Known, Private, Table, capacity};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// Pieces of lines are about twice as long as the description that they are made of.
const PIECES_PER_SECTION: usize = 2;

/// The copy.
#[derive(Debug)]
pub(crate) struct SiteMemory {
    start: NonNull<u8>,
    layout: Layout,
    section_bytes: usize,
}

// SAFETY: plain memory; who reads and writes it when is the table's affair.
unsafe impl Send for SiteMemory {}
// SAFETY: as above.
unsafe impl Sync for SiteMemory {}

impl SiteMemory {
    /// For a section of this length. None: it has no room for a site, or there is no memory.
    fn new(section_bytes: usize) -> Option<SiteMemory> {
        let known = Layout::array::<Known>(capacity(section_bytes)).ok()?;
        let text = Layout::array::<u8>(section_bytes).ok()?;
        let (both, text_at) = known.extend(text).ok()?;
        let pieces = Layout::array::<u8>(PIECES_PER_SECTION * section_bytes).ok()?;
        let (layout, pieces_at) = both.extend(pieces).ok()?;
        debug_assert_eq!((text_at, pieces_at), (known.size(), both.size()));
        if known.size() == 0 {
            return None;
        }
        // SAFETY: not of size 0.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(SiteMemory {
            start,
            layout,
            section_bytes,
        })
    }

    fn private(&self) -> Private {
        let known = capacity(self.section_bytes);
        // SAFETY: within the memory: that many, then the text.
        let text = unsafe { self.start.add(known * size_of::<Known>()) };
        // SAFETY: within the memory: behind the text, to the end.
        let pieces = unsafe { text.add(self.section_bytes) };
        Private {
            known: NonNull::slice_from_raw_parts(self.start.cast(), known),
            text: NonNull::slice_from_raw_parts(text, self.section_bytes),
            pieces: NonNull::slice_from_raw_parts(pieces, PIECES_PER_SECTION * self.section_bytes),
        }
    }

    /// The table of a map, and its memory.
    ///
    /// # Safety
    /// Both outlive the table, and the map's section has no other one.
    pub(crate) unsafe fn table(map: &RingMap) -> (Table, Option<SiteMemory>) {
        let (section, bytes) = map.section_ptr(SectionKind::Sites);
        let Some(memory) = SiteMemory::new(bytes) else {
            return (Table::none(), None);
        };
        let section = NonNull::slice_from_raw_parts(section, bytes);
        // SAFETY: a page boundary, zero, and reached through atomics; the rest is the caller's promise.
        let table = unsafe { Table::new(section, memory.private()) };
        (table, Some(memory))
    }

    /// How large it is, whether used or not.
    pub(crate) fn bytes(&self) -> usize {
        self.layout.size()
    }
}

impl Drop for SiteMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

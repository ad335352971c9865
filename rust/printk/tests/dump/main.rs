//! Walking through a ring for a dump: as the conformance files say, and as it must be where they leave off.
#![allow(missing_docs, reason = "tests")]

mod properties;
mod vectors;

use pr_printk::dump::{Block, DumpIter, Form, Plain, View};
use pr_record::render::kernel::Switches;
use pr_ring::{Geometry, Info, Region, Ring, Seq, Unfinished};
use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;

/// An empty ring, for the rest of the test.
pub fn ring(desc_bits: u32, avg_bits: u32) -> Ring<Region> {
    let geometry = Geometry::new(desc_bits, avg_bits).expect("a geometry");
    let layout = Layout::from_size_align(geometry.ring_bytes() as usize, 4096).expect("a layout");
    // SAFETY: the layout is not empty.
    let base = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
    // SAFETY: fresh zeroed memory of that size, leaked.
    let region = unsafe { Region::over(base, geometry) };
    region.init();
    Ring::new(region, geometry, 0).expect("cmpxchg16b")
}

/// Stores a record.
pub fn append(ring: &Ring<Region>, info: &Info, text: &[u8]) -> u64 {
    let mut ticket = ring.reserve_ticket(text.len(), info).expect("room");
    assert_eq!(ring.write(&mut ticket, 0, text), text.len());
    ticket.set_text_len(text.len() as u32);
    let seq = ticket.seq().0;
    ring.finalize(ticket);
    seq
}

/// What is in the ring.
pub fn view(ring: &Ring<Region>, clear_seq: u64) -> View<'_, Ring<Region>> {
    View {
        source: ring,
        unfinished: Unfinished::Wait,
        clear_seq: Seq(clear_seq),
    }
}

/// One more than any number that a record has.
pub const END: Seq = Seq(u64::MAX);

/// A walk with memory of its own.
pub struct Walk<'r> {
    pub ring: &'r Ring<Region>,
    pub clear_seq: u64,
    pub iter: DumpIter,
    pub scratch: Vec<u8>,
}

impl<'r> Walk<'r> {
    pub fn new(ring: &'r Ring<Region>) -> Walk<'r> {
        Walk {
            ring,
            clear_seq: 0,
            iter: DumpIter::NEW,
            scratch: vec![0; 16 * 1024],
        }
    }

    pub fn rewind(&mut self) {
        self.iter.rewind(Seq(self.clear_seq), self.ring.next_seq());
    }

    /// The next record's info and text.
    pub fn record(&mut self) -> Option<(pr_ring::RecordInfo, Vec<u8>)> {
        let view = view(self.ring, self.clear_seq);
        let Ok(found) = self.iter.next_record(&view, END, &mut self.scratch);
        found.map(|found| (found.info, self.scratch[..found.copied].to_vec()))
    }

    /// The next block.
    pub fn block(&mut self, form: &impl Form, size: usize) -> Option<(Block, Vec<u8>)> {
        let view = view(self.ring, self.clear_seq);
        let mut buffer = vec![0xee; size];
        let Ok(block) = self
            .iter
            .get_buffer(&view, form, &mut self.scratch, &mut buffer);
        block.map(|block| {
            buffer.truncate(block.len);
            (block, buffer)
        })
    }
}

/// Text with the kernel's prefixes.
pub fn plain(syslog: bool, time: bool, caller: bool) -> Plain {
    Plain(Switches {
        syslog,
        time,
        caller,
    })
}

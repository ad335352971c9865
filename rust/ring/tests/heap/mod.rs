//! A ring on the heap, for the tests of this crate.
#![allow(dead_code)]

use core::alloc::Layout;
use core::ptr::NonNull;
use pr_ring::{Geometry, Region, Ring};
use std::alloc::{alloc_zeroed, dealloc};

/// A ring and the zeroed memory that it lies in.
pub struct HeapRing {
    ring: Ring<Region>,
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory is reached through the ring's atomics only.
unsafe impl Sync for HeapRing {}
// SAFETY: as above.
unsafe impl Send for HeapRing {}

impl HeapRing {
    /// An empty ring; `retire_ahead` as in `Ring::new`.
    pub fn new(desc_bits: u32, avg_data_bits: u32, retire_ahead: u32) -> HeapRing {
        let geometry = Geometry::new(desc_bits, avg_data_bits).expect("geometry");
        let layout = Layout::from_size_align(geometry.ring_bytes() as usize, 4096).expect("layout");
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
        // SAFETY: freshly allocated, aligned, long enough, and freed only when the ring is dropped.
        let region = unsafe { Region::over(base, geometry) };
        region.init();
        HeapRing {
            ring: Ring::new(region, geometry, retire_ahead).expect("cmpxchg16b"),
            base,
            layout,
        }
    }

    /// The ring's bytes as they stand. Only while nobody writes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the whole allocation is initialised; the caller sees to it that nobody stores meanwhile.
        unsafe { core::slice::from_raw_parts(self.base.as_ptr(), self.layout.size()) }
    }
}

impl core::ops::Deref for HeapRing {
    type Target = Ring<Region>;
    fn deref(&self) -> &Ring<Region> {
        &self.ring
    }
}

impl Drop for HeapRing {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody borrows the ring any more.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

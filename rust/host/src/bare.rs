//! A bare ring and the memory that it lies in.

use crate::error::Error;
use crate::mapping::{Existing, Identity, RingMap};
use crate::plan::Plan;
use pr_ring::{Geometry, Region, Ring};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::path::Path;
use std::ptr::NonNull;

/// A ring that is no log's. Fields drop in order: the ring before its memory.
#[derive(Debug)]
pub struct BareRing {
    ring: Ring<Region>,
    memory: Memory,
}

/// What a ring lies in.
#[derive(Debug)]
enum Memory {
    /// Of this process alone. Untouched pages cost nothing.
    Heap { _block: Heap },
    /// Of a ring file.
    File { _map: RingMap },
}

/// A zeroed block.
#[derive(Debug)]
struct Heap {
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the block is reached through the ring's atomics only.
unsafe impl Send for Heap {}
// SAFETY: as above.
unsafe impl Sync for Heap {}

/// More than a line of any machine's cache.
const ALIGNMENT: usize = 4096;

impl Heap {
    fn zeroed(bytes: u64) -> Option<Heap> {
        let layout = Layout::from_size_align(usize::try_from(bytes).ok()?, ALIGNMENT).ok()?;
        // SAFETY: no ring has a size of zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Heap { base, layout })
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody uses it any more.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

impl BareRing {
    /// A ring in memory of its own.
    ///
    /// # Errors
    /// There is no such memory.
    pub fn anonymous(geometry: Geometry, retire_ahead: u32) -> Result<BareRing, Error> {
        let block = Heap::zeroed(geometry.ring_bytes())
            .ok_or_else(|| system("no memory for a ring", libc::ENOMEM))?;
        // SAFETY: zeroed, aligned, long enough, and kept behind the ring.
        let region = unsafe { Region::over(block.base, geometry) };
        region.init();
        BareRing::over(
            region,
            geometry,
            retire_ahead,
            Memory::Heap { _block: block },
        )
    }

    /// A ring in a new file.
    ///
    /// # Errors
    /// There is something at `path`, or the system refused.
    pub fn create(path: &Path, geometry: Geometry, retire_ahead: u32) -> Result<BareRing, Error> {
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let plan = Plan::for_ring(geometry);
        let map = RingMap::create(
            path,
            &plan,
            &Identity::current(&name, None),
            Existing::Refuse,
        )?;
        // SAFETY: the map is kept behind the ring.
        let region = unsafe { map.region() };
        BareRing::over(region, geometry, retire_ahead, Memory::File { _map: map })
    }

    fn over(
        region: Region,
        geometry: Geometry,
        retire_ahead: u32,
        memory: Memory,
    ) -> Result<BareRing, Error> {
        let no_instruction = || {
            system(
                "this processor has no 128-bit compare-exchange",
                libc::ENOTSUP,
            )
        };
        let ring = Ring::new(region, geometry, retire_ahead).ok_or_else(no_instruction)?;
        Ok(BareRing { ring, memory })
    }

    /// The ring.
    pub fn ring(&self) -> &Ring<Region> {
        &self.ring
    }

    /// Whether forked processes have this ring together, and not a copy each.
    pub fn is_shared(&self) -> bool {
        matches!(self.memory, Memory::File { .. })
    }
}

fn system(what: &str, errno: i32) -> Error {
    Error::Os {
        what: what.to_owned(),
        errno,
    }
}

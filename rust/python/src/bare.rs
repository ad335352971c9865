//! Temporary memory of a bare ring until the host's mapping is there.
use crate::errors;
use pr_ring::{Geometry, Region, Ring};
use pyo3::prelude::*;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::path::PathBuf;
use std::ptr::NonNull;

/// A ring and its memory.
pub struct Bare { ring: Ring<Region>, base: NonNull<u8>, layout: Layout }
// SAFETY: atomics only.
unsafe impl Sync for Bare {}
// SAFETY: atomics only.
unsafe impl Send for Bare {}
impl Bare {
    /// Opens.
    pub fn open(py: Python<'_>, desc_bits: i64, avg_data_bits: i64, _path: Option<PathBuf>, retire_ahead: i64) -> PyResult<Bare> {
        let geometry = u32::try_from(desc_bits).ok().zip(u32::try_from(avg_data_bits).ok()).and_then(|(d, a)| Geometry::new(d, a));
        let Some(geometry) = geometry else { return Err(errors::config(py, "desc_bits must be 1 to 24, avg_data_bits 3 to 16")) };
        if !(0..=32).contains(&retire_ahead) { return Err(errors::config(py, "retire_ahead must be 0 to 32")); }
        let layout = Layout::from_size_align(geometry.ring_bytes() as usize, 4096).map_err(|_| pyo3::exceptions::PyMemoryError::new_err("no memory for the ring"))?;
        // SAFETY: not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(|| pyo3::exceptions::PyMemoryError::new_err("no memory for the ring"))?;
        // SAFETY: fresh.
        let region = unsafe { Region::over(base, geometry) };
        region.init();
        let ring = Ring::new(region, geometry, retire_ahead as u32).ok_or_else(|| pyo3::exceptions::PyMemoryError::new_err("no memory for the ring"))?;
        Ok(Bare { ring, base, layout })
    }
    /// Ring.
    pub fn ring(&self) -> &Ring<Region> { &self.ring }
}
impl Drop for Bare {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

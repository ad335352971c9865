//! The way that the interpreter has come to a call: each frame's code and the instruction that it is at, in one word. The same
//! way is nearly always the same reason to be here; what it takes to find out is kept for ways that were gone before.

use pyo3::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most frames that are worth a look.
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
const MOST_FRAMES: usize = 250;
/// How many ways are remembered.
const PLACES: usize = 256;

/// Ways by which this process has come, each in the place that its number says.
#[derive(Debug)]
pub struct Ways([AtomicU64; PLACES]);

impl Ways {
    /// None yet.
    pub const fn new() -> Ways {
        Ways([const { AtomicU64::new(0) }; PLACES])
    }

    /// Whether it is known.
    pub fn has(&self, way: u64) -> bool {
        self.place(way).load(Ordering::Relaxed) == way
    }

    /// Remembers it, and forgets another one if need be.
    pub fn add(&self, way: u64) {
        self.place(way).store(way, Ordering::Relaxed);
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the remainder is less than there are"
    )]
    fn place(&self, way: u64) -> &AtomicU64 {
        &self.0[way as usize % PLACES]
    }
}

/// The way here, never 0. None: it is too long, or frames cannot be looked at without running Python code.
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
pub fn way_here(_attached: Python<'_>) -> Option<u64> {
    use pyo3::ffi;
    // SAFETY: attached; a borrowed reference, or null.
    let mut frame = unsafe { ffi::PyEval_GetFrame() };
    // SAFETY: a live object, for it runs, or null.
    unsafe { ffi::Py_XINCREF(frame.cast()) };
    let mut way = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..MOST_FRAMES {
        if frame.is_null() {
            return Some(way | 1);
        }
        // SAFETY: a frame that we hold.
        let code = unsafe { ffi::PyFrame_GetCode(frame) };
        // SAFETY: as above.
        let at = unsafe { ffi::PyFrame_GetLasti(frame) };
        // SAFETY: as above; a new reference, or null.
        let outer = unsafe { ffi::PyFrame_GetBack(frame) };
        let step = (code as u64).rotate_left(32) ^ u64::from(at.cast_unsigned());
        way = (way ^ step)
            .wrapping_mul(0xff51_afd7_ed55_8ccd)
            .rotate_left(29);
        // SAFETY: of `PyFrame_GetCode`; the frame has one of its own.
        unsafe { ffi::Py_DECREF(code.cast()) };
        // SAFETY: ours; whoever runs in the frame has one too.
        unsafe { ffi::Py_DECREF(frame.cast()) };
        frame = outer;
    }
    // SAFETY: ours, or null.
    unsafe { ffi::Py_XDECREF(frame.cast()) };
    None
}

/// The way here, never 0. None: it is too long, or frames cannot be looked at without running Python code.
#[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
pub fn way_here(_attached: Python<'_>) -> Option<u64> {
    None
}

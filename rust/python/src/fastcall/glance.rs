//! What every log call looks at and hardly anything ever changes, of the whole process: on one line of cache, for a call out of
//! cold caches pays for each.

use pyo3::ffi;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};

/// See the module.
#[repr(C, align(64))]
pub struct Glance {
    /// The way to the caller's frame, and 0 for the public one: see [`super::frame`].
    pub way: AtomicUsize,
    /// The context variable of ambient fields: see [`super::ambient`].
    pub ambient: AtomicPtr<ffi::PyObject>,
    /// Ints lie in memory as declared: see [`super::digits`].
    pub has_digits: AtomicBool,
    /// A log of this process hides something: see [`crate::redact`].
    pub hides: AtomicBool,
    /// Somebody wants the names of threads: see [`crate::threads`].
    pub names: AtomicBool,
}

pub static GLANCE: Glance = Glance {
    way: AtomicUsize::new(0),
    ambient: AtomicPtr::new(std::ptr::null_mut()),
    has_digits: AtomicBool::new(false),
    hides: AtomicBool::new(false),
    names: AtomicBool::new(false),
};

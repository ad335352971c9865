//! What is made at its first use and kept. Nobody waits for anybody who makes it: a thread that vanished in a fork may have
//! been at it, and its child would wait for ever. Who comes first has made it; what others made meanwhile is dropped.

use pyo3::PyTypeCheck;
use pyo3::prelude::*;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Something that is there from its first use on, and never changes.
#[derive(Debug)]
pub struct Kept<T: Send + Sync> {
    at: AtomicPtr<T>,
    owns: PhantomData<Box<T>>,
}

impl<T: Send + Sync> Kept<T> {
    /// Nothing yet.
    pub const fn new() -> Kept<T> {
        Kept {
            at: AtomicPtr::new(std::ptr::null_mut()),
            owns: PhantomData,
        }
    }

    /// What was kept, if anything was.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        let at = self.at.load(Ordering::Acquire);
        // SAFETY: null, or a box that `keep` has put there whole, and that stays as long as this does.
        unsafe { at.as_ref() }
    }

    /// Keeps this, unless there is something already, which the answer is then: what is kept, and whether it is this.
    pub fn keep(&self, made: T) -> (&T, bool) {
        let made = Box::into_raw(Box::new(made));
        let null = std::ptr::null_mut();
        let order = (Ordering::AcqRel, Ordering::Acquire);
        let (at, is_this) = match self.at.compare_exchange(null, made, order.0, order.1) {
            Ok(_) => (made, true),
            Err(first) => {
                // SAFETY: of the line above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
                (first, false)
            }
        };
        // SAFETY: as in `get`.
        (unsafe { &*at }, is_this)
    }

    /// What is kept; if nothing is, what `make` makes. It may run Python code, and come here again.
    #[inline]
    pub fn get_or_make(&self, make: impl FnOnce() -> PyResult<T>) -> PyResult<&T> {
        match self.get() {
            Some(kept) => Ok(kept),
            None => make().map(|made| self.keep(made).0),
        }
    }
}

impl<T: PyTypeCheck> Kept<Py<T>> {
    /// An attribute of a module that somebody has imported before any log call needs it.
    #[inline]
    pub fn import<'py>(
        &self,
        py: Python<'py>,
        module: &str,
        name: &str,
    ) -> PyResult<&Bound<'py, T>> {
        let kept = self.get_or_make(|| {
            let found = py.import(module)?.getattr(name)?;
            Ok(found.cast_into::<T>()?.unbind())
        })?;
        Ok(kept.bind(py))
    }
}

impl<T: Send + Sync> Drop for Kept<T> {
    fn drop(&mut self) {
        let at = *self.at.get_mut();
        if !at.is_null() {
            // SAFETY: a box of `keep`, and nobody has this any more.
            drop(unsafe { Box::from_raw(at) });
        }
    }
}

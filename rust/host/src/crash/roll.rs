//! A log's life is found by the thread that panics, and stays while one does.

use crate::life::Life;
use pr_printk::roll::{self, Place};
use std::ptr::NonNull;

/// Has panics come to this life, until [`leave`].
pub(crate) fn enter(life: &Life) {
    let core = NonNull::from(life.core());
    // SAFETY: `leave` is called before the life goes, and does not come back while it must stay.
    while !unsafe { roll::enter(core) } {
        roll::add(Box::leak(Box::new(Place::default()))); // as many as there ever are logs at a time
    }
}

/// The life is about to go. While another thread panics, it does not: nor does this thread, which has nothing left to do.
pub(crate) fn leave(life: &Life) {
    if !roll::leave(life.core()) {
        super::panic::await_the_end();
    }
}

//! A log's life is found by the thread that panics, and stays while one does.

use crate::life::Life;
use pr_printk::roll::{self, Place};
use std::ptr::NonNull;

/// Has panics come to this life, until [`leave`].
pub(crate) fn enter(life: &Life) {
    let core = NonNull::from(life.core());
    // SAFETY: `leave` is asked before the life goes, and what it must not free then stays for good.
    while !unsafe { roll::enter(core) } {
        roll::add(Box::leak(Box::new(Place::default()))); // as many as there ever are logs at a time
    }
}

/// The life is about to go. False: somebody panics and may be using it, so that nothing of it may be freed any more.
pub(crate) fn leave(life: &Life) -> bool {
    roll::leave(life.core())
}

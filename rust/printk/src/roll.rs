//! The logs of this process, for the one thread that panics: it must come to each of them, in any context, and none may go
//! away under it.
//!
//! A list that only grows, of places that logs take and leave. Whoever leaves first empties its place, then looks whether
//! somebody panics; who panics says so first, then looks at the places: one of the two sees the other.

use crate::core::Core;
use crate::{panic, thread};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, Ordering};

/// Room for one log.
#[derive(Debug)]
pub struct Place {
    core: AtomicPtr<Core>,
    next: AtomicPtr<Place>,
}

static FIRST: AtomicPtr<Place> = AtomicPtr::new(null_mut());

impl Default for Place {
    fn default() -> Place {
        Place {
            core: AtomicPtr::new(null_mut()),
            next: AtomicPtr::new(null_mut()),
        }
    }
}

/// Adds an empty place, for good.
pub fn add(place: &'static Place) {
    let mut first = FIRST.load(Ordering::SeqCst);
    loop {
        place.next.store(first, Ordering::Relaxed);
        let fresh = core::ptr::from_ref(place).cast_mut();
        // ORD(add_place:A) pairs with ORD(places:A): the place is there before it is found.
        match FIRST.compare_exchange(first, fresh, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return,
            Err(found) => first = found,
        }
    }
}

/// Takes an empty place for a log. False: there is none; [`add`] one. One that comes while somebody panics is closed to all
/// others like the rest.
///
/// # Safety
/// `core` stays valid until [`leave`] has said that it may go.
#[must_use]
pub unsafe fn enter(core: NonNull<Core>) -> bool {
    let take = |place: &Place| {
        let taken = place.core.compare_exchange(
            null_mut(),
            core.as_ptr(),
            Ordering::SeqCst,
            Ordering::Relaxed,
        );
        taken.is_ok() // ORD(enter_roll:A) pairs with ORD(all:A): the core is there before it is found
    };
    let found = places().any(take);
    // SAFETY: valid by the caller's promise.
    let core = unsafe { core.as_ref() };
    while found && panic::shuts_out() {
        core.close_to_others();
        if panic::shuts_out() {
            break; // whoever panics finds it here at the end of that
        }
        core.open_to_others(); // it may have been looked for before; another panic closes it, now or in the next round
    }
    found
}

/// Takes a log off. False: somebody panics, this thread or another one, and may be in the middle of it: it must stay as long
/// as the process.
#[must_use]
pub fn leave(core: &Core) -> bool {
    let at = core::ptr::from_ref(core).cast_mut();
    let empty = |place: &Place| {
        let emptied =
            place
                .core
                .compare_exchange(at, null_mut(), Ordering::SeqCst, Ordering::Relaxed);
        emptied.is_ok() // ORD(leave_roll:A): emptied, then the look at who panics; pairs with ORD(claim:A)
    };
    let _ = places().any(empty);
    !panic::is_anybodys()
}

/// All logs of this process.
///
/// # Safety
/// The caller panics: nobody else lets one of them go then, and it does not itself while it uses one.
pub(crate) unsafe fn all<'c>() -> impl Iterator<Item = &'c Core> {
    places()
        .filter_map(|place| {
            let core = place.core.load(Ordering::SeqCst); // ORD(all:A)
            // SAFETY: null, or a core that stays while the caller panics.
            unsafe { core.as_ref() }
        })
        .filter(|core| core.generation() == thread::generation()) // not those of the process that this was forked from
}

/// Whether an address lies in the memory of a log.
///
/// # Safety
/// As [`all`].
pub(crate) unsafe fn holds(address: u64) -> bool {
    // SAFETY: the caller's promise.
    unsafe { all() }.any(|core| core.holds(address))
}

/// Whether this is one of them.
///
/// # Safety
/// As [`all`].
pub(crate) unsafe fn is_there(core: *const Core) -> bool {
    // SAFETY: the caller's promise.
    unsafe { all() }.any(|other| core::ptr::eq(other, core))
}

fn places() -> impl Iterator<Item = &'static Place> {
    let mut next = FIRST.load(Ordering::SeqCst); // ORD(places:A)
    core::iter::from_fn(move || {
        // SAFETY: null, or a place that `add` was given for good.
        let place: &'static Place = unsafe { next.as_ref() }?;
        next = place.next.load(Ordering::Relaxed);
        Some(place)
    })
}

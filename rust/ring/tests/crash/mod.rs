//! Crash points: a writer, or a reaper, ends or is stopped before any one of its accesses, in a loop over all of them.
//! Part of the crate's own tests, for `sync.rs` calls [`step`] only there.
//!
//! | file | one idea |
//! |---|---|
//! | this one | how a thread is made to end, or to stand still, at its k-th step |
//! | `scenes` | what a writer may be doing: every path of every operation |
//! | `check` | what must hold afterwards, and that the ring goes on |
//! | `deaths` | the loops: writers and reapers that die |
//! | `stops` | and those that live, and stand still meanwhile |
//! | `cells` | writers that cannot announce themselves |
#![allow(
    clippy::disallowed_types,
    clippy::std_instead_of_core,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test, with bookkeeping of its own"
)]

mod cells;
mod check;
mod deaths;
mod scenes;
mod stops;

use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// What happens before one of the steps to come.
struct Plan {
    /// So many steps are left before it.
    left: u32,
    /// Only steps that store count.
    stores: bool,
    then: Box<dyn FnOnce()>,
}

std::thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
}

/// Called before every access.
pub fn step(stores: bool) {
    let due = PLAN.with_borrow_mut(|plan| {
        let now = plan.as_mut().filter(|plan| stores || !plan.stores)?;
        if now.left > 0 {
            now.left -= 1;
            return None;
        }
        plan.take()
    });
    if let Some(plan) = due {
        (plan.then)();
    }
}

/// The end of a thread that is not the test's.
struct Died;

/// Ends the operation in hand: it stores nothing more. Tickets have no `Drop`, so nothing is done on the way out.
fn die() {
    resume_unwind(Box::new(Died));
}

/// Runs `operation`; `then` happens before its step number `at`, counted from 0. None: it died there. False: it had fewer
/// steps, and `then` never happened.
fn run<T>(
    at: u32,
    stores: bool,
    then: impl FnOnce() + 'static,
    operation: impl FnOnce() -> T,
) -> (Option<T>, bool) {
    let then = Box::new(then);
    let left = at;
    let outer = PLAN.replace(Some(Plan { left, stores, then }));
    let result = catch_unwind(AssertUnwindSafe(operation));
    let happened = PLAN.replace(outer).is_none();
    match result {
        Ok(value) => (Some(value), happened),
        Err(why) if why.is::<Died>() => (None, happened),
        Err(why) => resume_unwind(why),
    }
}

/// Runs `operation`, which ends before its store number `at`. The result, if it has fewer stores than that.
fn dies_at<T>(at: u32, operation: impl FnOnce() -> T) -> Option<T> {
    run(at, true, die, operation).0
}

/// Runs `operation`, which is stopped before its access number `at`, while `meanwhile` happens, and then goes on. None: it
/// has fewer accesses.
fn stopped_at<T>(
    at: u32,
    meanwhile: impl FnOnce() + 'static,
    operation: impl FnOnce() -> T,
) -> Option<T> {
    let (result, happened) = run(at, false, meanwhile, operation);
    result.filter(|_| happened)
}

/// Runs `operation`, which is stopped before its access number `at`, while `meanwhile` happens, goes on, and ends before its store
/// number `later` from there. The result, if it has fewer stores than that; and whether it was stopped at all.
fn stopped_then_dies_at<T>(
    (at, later): (u32, u32),
    meanwhile: impl FnOnce() + 'static,
    operation: impl FnOnce() -> T,
) -> (Option<T>, bool) {
    let stopped = Rc::new(Cell::new(false));
    let then = {
        let stopped = stopped.clone();
        move || {
            meanwhile();
            stopped.set(true);
            PLAN.set(Some(Plan {
                left: later,
                stores: true,
                then: Box::new(die),
            }));
        }
    };
    let (result, _) = run(at, false, then, operation);
    (result, stopped.get())
}

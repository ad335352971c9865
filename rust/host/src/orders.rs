//! What a console's handle and its thread tell each other: when to end, and how it has.

use crate::life::Life;
use pr_printk::registry::flag;
use pr_printk::{stamp, thread};
use pr_ring::Seq;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What a console's handle and its printer tell each other.
#[derive(Debug)]
pub(crate) struct Orders {
    /// Finish when everything before this record is printed; `u64::MAX`: go on.
    stop_at: AtomicU64,
    /// Open the sink anew.
    reopen: AtomicBool,
    /// How the thread ends: one of [`RUNS`], [`FINISHED`], [`ABANDONED`]. Whoever comes second at the end frees the
    /// console's slot.
    end: AtomicU32,
    /// The thread, once it runs.
    thread: AtomicU32,
}

/// How long a thread that is to end waits for a record which its writer has in hand.
const GRACE_NSEC: u64 = 500_000_000;

/// The thread is there.
const RUNS: u32 = 0;
/// The thread calls nothing more; the handle frees the slot.
const FINISHED: u32 = 1;
/// The thread was stuck and is to call nothing more; it frees the slot when it comes back.
const ABANDONED: u32 = 2;

impl Orders {
    pub(crate) fn new() -> Orders {
        Orders {
            stop_at: AtomicU64::new(u64::MAX),
            reopen: AtomicBool::new(false),
            end: AtomicU32::new(RUNS),
            thread: AtomicU32::new(0),
        }
    }

    pub(crate) fn stop_at(&self, seq: Seq) {
        self.stop_at.store(seq.0, Ordering::SeqCst);
    }

    pub(crate) fn stop(&self) -> Option<Seq> {
        Some(self.stop_at.load(Ordering::SeqCst))
            .filter(|at| *at != u64::MAX)
            .map(Seq)
    }

    pub(crate) fn reopen(&self) {
        self.reopen.store(true, Ordering::SeqCst);
    }

    pub(crate) fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::SeqCst)
    }

    /// The calling thread is the one.
    pub(crate) fn begin(&self) {
        self.thread.store(thread::tid(), Ordering::SeqCst);
    }

    /// Whether the caller is that thread, which cannot wait for its own end.
    pub(crate) fn is_current_thread(&self) -> bool {
        self.thread.load(Ordering::SeqCst) == thread::tid()
    }

    /// The thread's id. A thread that was just started is waited for.
    pub(crate) fn thread(&self) -> u32 {
        loop {
            match self.thread.load(Ordering::SeqCst) {
                0 if self.end.load(Ordering::SeqCst) == RUNS => std::thread::yield_now(),
                id => return id,
            }
        }
    }

    /// Gives the thread up. False: it has finished, and the slot is the caller's.
    pub(crate) fn abandon(&self) -> bool {
        self.end_as(ABANDONED)
    }

    fn end_as(&self, how: u32) -> bool {
        self.end
            .compare_exchange(RUNS, how, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.end.load(Ordering::SeqCst) == FINISHED
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.end.load(Ordering::SeqCst) == ABANDONED
    }
}

/// What a thread that is to end has left for a record which is stored and not finished: what comes behind it is to be
/// printed too.
#[derive(Debug, Default)]
pub(crate) struct Grace(Option<u64>);

impl Grace {
    /// Whether it may look once more. Runs from the first time that this is asked.
    pub(crate) fn is_left(&mut self) -> bool {
        let now = stamp::monotonic_nsec();
        now.saturating_sub(*self.0.get_or_insert(now)) < GRACE_NSEC
    }
}

/// Sets the end mark however the thread ends.
pub(crate) struct Finish(
    pub(crate) Arc<Life>,
    pub(crate) Arc<Orders>,
    pub(crate) usize,
);

impl Drop for Finish {
    fn drop(&mut self) {
        let Finish(life, orders, index) = self;
        let core = life.core();
        if let Some(slot) = core.consoles().get(*index) {
            slot.clear(flag::ALIVE); // while it still is this console's
            if !orders.end_as(FINISHED) {
                slot.clear(u64::MAX);
            }
        }
        core.recount_holds();
        core.kick().progressed();
    }
}

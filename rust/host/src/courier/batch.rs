//! Some records in the hands of a console's thread, copied out of the ring: handed over one by one, and each told as printed
//! when it has been.

use super::is_closed;
use super::text::{Lines, escaped};
use crate::life::Life;
use crate::orders::Orders;
use pr_printk::emit::Cursor;
use pr_printk::registry::{ConsoleSlot, flag};
use pr_printk::thread;
use pr_record::Meta;
use pr_ring::Seq;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The mark of what is logged while a record is handed over that was itself logged by printing: no console like this one
/// prints it. Otherwise two of them that log would feed each other for ever.
pub(super) const ECHO: u32 = u32::MAX;

/// What is told of a failure is cut at this length.
const MOST_CHARS: usize = 500;

/// One record of a batch.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) meta: Meta,
    pub(super) torn: bool,
    /// It was logged by printing.
    pub(super) echo: bool,
    /// Its payload, within the batch's bytes.
    pub(super) payload: Range<usize>,
    /// Where the console is when it is printed.
    pub(super) after: Cursor,
}

/// Whose records these are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) life: Arc<Life>,
    pub(super) index: usize,
    pub(super) id: u32,
    pub(super) orders: Arc<Orders>,
}

impl Place {
    pub(super) fn slot(&self) -> &ConsoleSlot {
        #[expect(
            clippy::indexing_slicing,
            reason = "the index was given out by the table"
        )]
        &self.life.core().consoles()[self.index]
    }

    /// Whether the console is this process's. A thread that forks while it prints goes on in the child too.
    pub(super) fn is_own(&self) -> bool {
        self.life.core().generation() == thread::generation()
    }

    /// Whether the thread may touch the console, and hand over anything at all.
    pub(super) fn goes_on(&self) -> bool {
        self.is_own() && !self.orders.is_abandoned()
    }

    /// Moves the console, which stood at `before`. False: somebody has set it elsewhere meanwhile.
    pub(super) fn confirm(&self, before: Seq, to: &Cursor) -> bool {
        let stands = to.confirm(self.slot(), before);
        self.life.core().kick().progressed();
        stands
    }

    /// Whether the console was asked to pause.
    pub(super) fn is_suspended(&self) -> bool {
        let core = self.life.core();
        self.slot().has(flag::SUSPENDED) || core.is_suspended() || core.is_closed_to_locking()
    }
}

/// A record as it is handed over.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// Its number, times and ids.
    pub meta: &'a Meta,
    /// It is complete, but its text cannot be had.
    pub torn: bool,
    /// Its payload, encoded.
    pub payload: &'a [u8],
}

/// What has become of a batch so far.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What went wrong with the last record, to be told before that counts as printed, and where the console is then. The
    /// batch ends here: who tells it must not hold what the records are handed to.
    pub(super) told: Option<(String, Cursor)>,
    /// The last record went wrong.
    pub(super) failing: bool,
    /// The text made of the records, for a console that writes it.
    pub(super) lines: Option<Lines>,
}

impl Outcome {
    fn goes_on(&self) -> bool {
        self.told.is_none() && self.lines.as_ref().is_none_or(Lines::has_room)
    }
}

/// Some records, in order. Used by the console's own thread alone; a call from another one finds it empty.
#[derive(Debug)]
pub struct Batch {
    place: Place,
    items: Vec<Item>,
    bytes: Vec<u8>,
    /// The next item.
    at: AtomicUsize,
    /// Where the console stands: moved by this batch, and by nobody else unless it is set elsewhere.
    seq: AtomicU64,
    /// It was set elsewhere: what is left is not to be handed over.
    is_stale: AtomicBool,
    /// The one before it is neither printed nor failed.
    in_hand: AtomicBool,
    outcome: Mutex<Outcome>,
}

impl Batch {
    pub(super) fn new(
        place: Place,
        seq: Seq,
        items: Vec<Item>,
        bytes: Vec<u8>,
        outcome: Outcome,
    ) -> Batch {
        Batch {
            seq: AtomicU64::new(seq.0),
            is_stale: AtomicBool::new(false),
            place,
            items,
            bytes,
            at: AtomicUsize::new(0),
            in_hand: AtomicBool::new(false),
            outcome: Mutex::new(outcome),
        }
    }

    /// The name of the console.
    pub fn console_name(&self) -> String {
        let name = self.place.slot().name();
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }

    /// As [`Log::life_number`](crate::Log::life_number), of the console's log.
    pub fn life_number(&self) -> u64 {
        self.place.life.number()
    }

    /// The next record. None: there is none any more, or none is to be handed over now; those that are left come again.
    pub fn take(&self) -> Option<Taken<'_>> {
        if !self.place.orders.is_current_thread() {
            return None;
        }
        if self.has_in_hand() {
            self.failed("it was not told how this record ended");
        }
        if !self.may_go_on() {
            return None;
        }
        let at = self.at.load(Ordering::Relaxed);
        let item = self.items.get(at)?;
        self.at.store(at + 1, Ordering::Relaxed);
        self.in_hand.store(true, Ordering::Relaxed);
        thread::print_for(if item.echo { ECHO } else { self.place.id });
        Some(Taken {
            meta: &item.meta,
            torn: item.torn,
            payload: self.bytes.get(item.payload.clone()).unwrap_or_default(),
        })
    }

    fn may_go_on(&self) -> bool {
        let orders = &self.place.orders;
        self.place.goes_on()
            && !is_closed()
            && (orders.stop().is_some() || !self.place.is_suspended())
            && !self.is_stale.load(Ordering::Relaxed)
            && self.outcome().goes_on()
    }

    /// The record in hand is printed.
    pub fn done(&self) {
        self.outcome().failing = false;
        self.end_item("");
    }

    /// The record in hand is this text, which the console writes.
    pub fn write(&self, text: &str) {
        self.outcome().failing = false;
        self.end_item(text);
    }

    /// Whether a record was taken whose end was not told yet.
    pub fn has_in_hand(&self) -> bool {
        self.in_hand.load(Ordering::Relaxed)
    }

    /// The record in hand could not be printed, and counts as if it were. Told when the last one could.
    pub fn failed(&self, why: &str) {
        if !self.place.goes_on() {
            return;
        }
        let why: String = why.chars().take(MOST_CHARS).collect();
        self.place.slot().errors.fetch_add(1, Ordering::Relaxed);
        let first = !std::mem::replace(&mut self.outcome().failing, true);
        match self.last().filter(|_| first) {
            Some(item) => {
                self.in_hand.store(false, Ordering::Relaxed);
                let mut outcome = self.outcome();
                outcome.told = Some((escaped(&why), item.after));
                if let Some(lines) = &mut outcome.lines {
                    lines.add("", &[], item.after);
                }
            }
            None => self.end_item(""),
        }
    }

    /// The record that was taken last.
    fn last(&self) -> Option<&Item> {
        let at = self.at.load(Ordering::Relaxed);
        self.items.get(at.checked_sub(1)?)
    }

    fn end_item(&self, text: &str) {
        let hand = self.in_hand.swap(false, Ordering::Relaxed);
        let Some(item) = self.last().filter(|_| hand && self.place.goes_on()) else {
            return;
        };
        let mut outcome = self.outcome();
        match &mut outcome.lines {
            Some(lines) => {
                let payload = self.bytes.get(item.payload.clone()).unwrap_or_default();
                lines.add(text, payload, item.after);
            }
            None => {
                drop(outcome);
                self.move_to(&item.after);
            }
        }
    }

    /// Moves the console behind what was printed of this batch. False: somebody has set it elsewhere.
    pub(super) fn move_to(&self, to: &Cursor) -> bool {
        let before = Seq(self.seq.swap(to.seq.0, Ordering::Relaxed));
        let stale = self.is_stale.load(Ordering::Relaxed);
        let stands = !stale && self.place.confirm(before, to);
        self.is_stale.store(!stands, Ordering::Relaxed);
        stands
    }

    /// Whether every record was handed over.
    pub(super) fn is_empty(&self) -> bool {
        self.at.load(Ordering::Relaxed) >= self.items.len()
    }

    /// Never held while code of others runs.
    pub(super) fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

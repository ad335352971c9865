//! Sections: how what a thread logs is treated meanwhile.
//!
//! | section | its thread's records | the others |
//! |---|---|---|
//! | deferred | are only stored; the end of the outermost one tells the printers | as ever |
//! | emergency | are printed by the thread itself before the call returns | printers stay out until the last section ends |
//! | report | stay together | wait a moment before they store |
//!
//! All three nest. Mechanism only: who may enter, and that whoever has entered leaves, is the host's to see to.

use crate::control::count;
use crate::core::{Core, direct};
use crate::{stamp, thread};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use pr_ring::Seq;

/// The longest that printers stay out of an emergency section in which nothing is logged.
pub const EMERGENCY_PATIENCE_NSEC: u64 = 1_000_000_000;
/// The longest that one log call waits for another thread's report.
pub const REPORT_WAIT_NSEC: u64 = 10_000_000;
/// The longest that one report holds others up, all their calls together.
pub const REPORT_PATIENCE_NSEC: u64 = 1_000_000_000;
/// In place of the end of a report's time: between two reports, and while one begins.
const BEGINS: u64 = 0;

/// The sections that a thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sections(u64);

const ONE_EMERGENCY: u64 = 1;
const ONE_DEFERRED: u64 = 1 << 21;
const ONE_REPORT: u64 = 1 << 42;
/// The most of each.
const MOST: u64 = (1 << 21) - 1;

impl Sections {
    /// None at all.
    pub const NONE: Sections = Sections(0);

    /// Whether it is in any.
    #[inline(always)]
    pub fn any(self) -> bool {
        self.0 != 0
    }

    /// Whether what it logs is to be on the consoles before the call returns.
    pub fn emergency(self) -> bool {
        self.counts(ONE_EMERGENCY)
    }

    /// Whether what it logs is only to be stored.
    pub fn deferred(self) -> bool {
        self.counts(ONE_DEFERRED)
    }

    /// Whether it reports.
    pub fn report(self) -> bool {
        self.counts(ONE_REPORT)
    }

    fn counts(self, one: u64) -> bool {
        self.0 & (one * MOST) != 0
    }
}

/// The sections of one thread. Not in the thread's own storage: a section that is left on another thread by mistake must
/// end all the same.
#[derive(Debug, Default)]
pub struct SectionWord {
    /// Emergencies, deferred ones and reports, 21 bits each.
    open: AtomicU64,
    /// What tells the thread from all others of the process; a new one for each thread that gets the word.
    serial: AtomicU32,
}

impl SectionWord {
    /// A word that no thread has.
    pub const fn new() -> SectionWord {
        SectionWord {
            open: AtomicU64::new(0),
            serial: AtomicU32::new(0),
        }
    }

    /// Makes it the word of a thread that is in no section yet.
    pub fn begin(&self, serial: u32) {
        self.open.store(0, Ordering::Relaxed);
        self.serial.store(serial, Ordering::Relaxed);
    }

    /// The thread's number, from 1 on.
    pub fn serial(&self) -> u32 {
        self.serial.load(Ordering::Relaxed)
    }

    /// What the thread is in.
    #[inline(always)]
    pub fn sections(&self) -> Sections {
        Sections(self.open.load(Ordering::Relaxed))
    }

    /// Enters a section whose records are only stored.
    pub fn enter_deferred(&self) {
        self.open.fetch_add(ONE_DEFERRED, Ordering::Relaxed);
    }

    /// Leaves one. What the thread is in then.
    pub fn exit_deferred(&self) -> Sections {
        self.leave(ONE_DEFERRED)
    }

    /// Enters an emergency section.
    pub fn enter_emergency(&self) {
        self.open.fetch_add(ONE_EMERGENCY, Ordering::Relaxed);
    }

    /// Leaves one. What the thread is in then.
    pub fn exit_emergency(&self) -> Sections {
        self.leave(ONE_EMERGENCY)
    }

    /// Enters a report.
    pub fn enter_report(&self) {
        self.open.fetch_add(ONE_REPORT, Ordering::Relaxed);
    }

    /// Leaves one. What the thread is in then.
    pub fn exit_report(&self) -> Sections {
        self.leave(ONE_REPORT)
    }

    fn leave(&self, one: u64) -> Sections {
        let change = |now| Sections(now).counts(one).then(|| now - one);
        let before = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        Sections(before.map_or_else(|now| now, |before| before - one))
    }
}

/// What one log knows of the sections of all threads.
#[derive(Debug, Default)]
pub struct Contexts {
    /// Emergency sections that are open.
    emergencies: AtomicU32,
    /// Until when printers stay out of them.
    emergency_until: AtomicU64,
    /// 1: records were stored in a deferred section, and no printer was told.
    owed: AtomicU32,
    /// The thread that reports, in the high half, and how deep, in the low half.
    report: AtomicU64,
    /// Until when that holds others up.
    report_until: AtomicU64,
}

/// What a caller still has to do after its record was stored in a section, or where callers print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Owed {
    /// It is to be printed before the call returns: by [`Core::settle`].
    pub print: bool,
    /// It was logged in a section of its thread.
    pub section: bool,
    /// The memory is to be synced before the call returns; the host can do that. To [`Core::settle`] it is no place for it.
    pub sync: bool,
}

impl Core {
    /// Whether an emergency section is open.
    #[inline]
    pub fn in_emergency(&self) -> bool {
        self.contexts().emergencies.load(Ordering::SeqCst) != 0
    }

    /// How long printers are to stay out, as it looks now; None: they need not. A section that says nothing does not hold
    /// up the rest for long.
    pub fn printers_stay_out_nsec(&self) -> Option<u64> {
        if !self.in_emergency() || self.direct() & direct::PANIC != 0 {
            return None;
        }
        let until = self.contexts().emergency_until.load(Ordering::SeqCst);
        until.checked_sub(stamp::monotonic_nsec())
    }

    /// An emergency section of some thread begins: printers stay out.
    pub fn enter_emergency(&self) {
        self.extend_emergency();
        self.contexts().emergencies.fetch_add(1, Ordering::SeqCst);
    }

    /// One ends; the last lets the printers in again.
    pub fn exit_emergency(&self) {
        let emergencies = &self.contexts().emergencies;
        let before = emergencies.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |open| {
            open.checked_sub(1)
        });
        if before == Ok(1) {
            self.kick().wake_all();
        }
    }

    pub(crate) fn extend_emergency(&self) {
        let until = stamp::monotonic_nsec().saturating_add(EMERGENCY_PATIENCE_NSEC);
        let known = &self.contexts().emergency_until;
        known.fetch_max(until, Ordering::SeqCst);
    }

    /// A record was stored in a deferred section: the end of the section must tell the printers.
    pub(crate) fn note_owed(&self) {
        self.contexts().owed.store(1, Ordering::Release); // ORD(note_owed:A) pairs with ORD(take_owed:A)
    }

    /// At the end of a deferred section: what was stored here and not told. None: nothing.
    pub fn take_owed(&self) -> Option<Owed> {
        let contexts = self.contexts();
        // ORD(take_owed:A): the record is seen by whoever is told of it.
        if contexts.owed.load(Ordering::Relaxed) == 0
            || contexts.owed.swap(0, Ordering::AcqRel) == 0
        {
            return None;
        }
        Some(Owed {
            print: self.prints_itself(0),
            section: thread::sections().any(),
            sync: false,
        })
    }

    /// Does what is owed after a record: prints it, where that is the caller's to do.
    pub fn settle(&self, owed: Owed) {
        if owed.print {
            self.print_now();
            let (next, end) = self.ring().newest_edge();
            self.kick().published(Seq(next.0.saturating_sub(1)), end);
        }
        if owed.sync {
            self.leave_sync();
        }
    }

    /// Leaves a record that its caller has to print to the printers, and counts it: this is no place to print.
    pub fn leave(&self) {
        count(&self.control().left_behind);
        let (next, end) = self.ring().newest_edge();
        self.tell_printers(Seq(next.0.saturating_sub(1)), end);
    }

    /// Does what is owed at the end of a deferred section: prints, where that is the caller's to do, or tells the printers.
    pub fn settle_deferred(&self, owed: Owed) {
        if owed.print {
            return self.settle(owed);
        }
        let (next, end) = self.ring().newest_edge();
        self.tell_printers(Seq(next.0.saturating_sub(1)), end);
    }

    /// Begins a report of thread `serial`, or a further one within. False: another thread reports.
    pub fn enter_report(&self, serial: u32) -> bool {
        let contexts = self.contexts();
        let begin = || {
            contexts.report_until.store(BEGINS, Ordering::SeqCst);
            Some(u64::from(serial) << 32 | 1)
        };
        let change = |now: u64| match (now >> 32) as u32 {
            0 => begin(),
            owner if owner == serial => Some(now + 1),
            _ if self.report_left_nsec() == 0 => begin(),
            _ => None,
        };
        let before = contexts
            .report
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
        let Ok(before) = before else {
            return false;
        };
        if (before >> 32) as u32 != serial {
            let until = stamp::monotonic_nsec().saturating_add(REPORT_PATIENCE_NSEC);
            contexts.report_until.store(until, Ordering::SeqCst);
            self.hold_for_report(true);
        }
        true
    }

    /// Ends a report of thread `serial`, and lets the others go on with the outermost one.
    pub fn exit_report(&self, serial: u32) {
        let report = &self.contexts().report;
        let mut now = report.load(Ordering::SeqCst);
        while (now >> 32) as u32 == serial {
            let is_last = now as u32 <= 1;
            if is_last {
                // Before the word is free: whoever takes it next holds the others up again.
                self.hold_for_report(false);
            }
            let next = if is_last { 0 } else { now - 1 };
            match report.compare_exchange(now, next, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) if is_last => return self.kick().progressed(),
                Ok(_) => return,
                Err(found) => now = found,
            }
        }
    }

    /// Whether another thread reports, and may still hold this one up.
    pub fn is_report_of_another(&self) -> bool {
        let owner = (self.contexts().report.load(Ordering::SeqCst) >> 32) as u32;
        owner != 0
            && thread::section_word().is_none_or(|word| word.serial() != owner)
            && self.report_left_nsec() > 0
    }

    /// For how long the report may still hold others up. The first to find that it is over lets all others go on, and counts.
    fn report_left_nsec(&self) -> u64 {
        let report_until = &self.contexts().report_until;
        let now = stamp::monotonic_nsec();
        let until = report_until.load(Ordering::SeqCst);
        if until == BEGINS {
            // Whoever has just begun has not said so yet, and might not live to: the time runs from this look.
            let end = now.saturating_add(REPORT_PATIENCE_NSEC);
            let _ = report_until.compare_exchange(until, end, Ordering::SeqCst, Ordering::SeqCst);
            return REPORT_PATIENCE_NSEC;
        }
        let left = until.saturating_sub(now);
        if left == 0 && self.hold_for_report(false) {
            count(&self.control().report_timeouts);
            self.kick().progressed();
        }
        left
    }
}

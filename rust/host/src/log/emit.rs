//! The log call: it stores, and says what its caller has to wait for or to do besides.

use super::Log;
use crate::console::{Overflow, nanos};
use crate::life::Life;
use crate::lines;
use pr_printk::Core;
use pr_printk::context::{Owed, REPORT_WAIT_NSEC};
use pr_printk::control::{LEVEL_BITS, RULED, count};
use pr_printk::line::Piece;
use pr_printk::sites::Cell;
use pr_printk::store::{Stamp, Stored};
use pr_printk::thread;
use pr_record::Payload;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What became of a log call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Emit {
    /// Stored, and readable.
    Stored,
    /// Stored too, and [`Log::settle`] is owed.
    Owing(Owed),
    /// Not stored; counted.
    Refused,
    /// Below the level, or the log is closed.
    NotEnabled,
    /// It is to wait: for each [`Hold`] in turn, then to emit for good.
    MustWait,
    /// This process was forked, and has no ring yet: [`Log::begin_own_life`], which takes its time, then again.
    MustBegin,
}

/// What is to be done with a record, going by its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Nothing.
    No,
    /// It is stored.
    Stored,
    /// There are rules, which may want it whatever its level says: that it is stored, or not.
    Ruled(bool),
}

/// What a log call may have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The end of another thread's report.
    Report,
    /// Room: a console would lose a record that it has not printed.
    Room,
}

impl Hold {
    /// All, in the order in which they are waited for.
    pub const ALL: [Hold; 2] = [Hold::Report, Hold::Room];
}

impl Log {
    /// What is to be done with a record of this level. One relaxed load.
    #[inline(always)]
    pub fn judge(&self, level: u8) -> Judged {
        // SAFETY: a word of the control page of a life, which are kept until this is dropped, or a constant.
        let gate = unsafe { &*self.gate.load(Ordering::Relaxed) };
        let word = gate.load(Ordering::Relaxed).cast_signed();
        if i64::from(level) > word {
            Judged::No
        } else if word < RULED.cast_signed() {
            Judged::Stored
        } else {
            Judged::Ruled(u64::from(level) <= word.cast_unsigned() & LEVEL_BITS)
        }
    }

    /// Whether a record of this level would be stored, by its level alone.
    #[inline(always)]
    pub fn is_enabled(&self, level: u8) -> bool {
        matches!(self.judge(level), Judged::Stored | Judged::Ruled(true))
    }

    /// Lets the log store what its life wants, unless it was closed.
    pub(super) fn open_gate(&self, life: &Life) {
        let gate = super::gate_of(life);
        self.gate.store(gate, Ordering::SeqCst);
        if self.is_closed() {
            self.shut_gate(); // by another thread, meanwhile
        }
    }

    /// Lets it store nothing any more.
    pub(super) fn shut_gate(&self) {
        let closed = (&raw const super::CLOSED).cast_mut();
        self.gate.store(closed, Ordering::SeqCst);
    }

    /// The number of a call site in this log, and of the table that gave it; it is described at its first record here. None: its records say
    /// everything themselves. See [`pr_printk::sites`].
    #[inline(always)]
    pub fn site_number(
        &self,
        site: &Cell,
        describe: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<(u32, u32)> {
        let sites = self.begun_life().ok()?.core().sites();
        let number = sites.number_of(site, describe)?;
        Some((number, sites.number()))
    }

    /// Stores one record, whatever its level is while there are rules: see [`Log::judge`]. Never waits.
    #[inline(always)]
    pub fn emit(&self, level: u8, payload: &Payload<'_>, ts_nsec: Option<u64>) -> Emit {
        if self.judge(level) == Judged::No {
            return Emit::NotEnabled;
        }
        let life = match self.begun_life() {
            Ok(life) => life,
            Err(instead) => return instead,
        };
        if life.core().must_wait(0) {
            return Emit::MustWait;
        }
        stored(life.core().store_owing(Stamp { level, ts_nsec }, payload))
    }

    /// As [`Log::emit`], for a caller that has entered a log call itself. One that has `waited` stores in any case.
    pub fn emit_inside(
        &self,
        waited: bool,
        level: u8,
        payload: &Payload<'_>,
        ts_nsec: Option<u64>,
    ) -> Emit {
        self.inside(waited, level, |core| {
            let stamp = Stamp { level, ts_nsec };
            match payload.site {
                // This process was forked while the call waited: the number is one of its parent's.
                Some(site) if site.table != core.sites().number() => {
                    let site = None;
                    core.store_inside(stamp, &Payload { site, ..*payload })
                }
                _ => core.store_inside(stamp, payload),
            }
        })
    }

    /// The same of a text of a line.
    pub fn emit_piece(&self, waited: bool, level: u8, piece: &Piece<'_>) -> Emit {
        let stamp = Stamp {
            level,
            ts_nsec: None,
        };
        self.inside(waited, level, |core| {
            let stored = core.store_piece(stamp, piece);
            if stored == Stored::Open {
                lines::opened(core);
            }
            stored
        })
    }

    fn inside(&self, waited: bool, level: u8, store: impl FnOnce(&Core) -> Stored) -> Emit {
        if self.judge(level) == Judged::No {
            return Emit::NotEnabled;
        }
        let life = match self.begun_life() {
            Ok(life) => life,
            Err(instead) => return instead,
        };
        if !waited && life.core().must_wait(1) {
            return Emit::MustWait;
        }
        stored(store(life.core()))
    }

    /// Ends the line that is open: a flush, or an end, does not wait for it.
    pub fn end_line(&self) {
        if let Some(core) = self.own_core() {
            core.end_line();
        }
    }

    /// The life of this process. Or: a forked child has none yet, or could not begin one.
    #[inline(always)]
    fn begun_life(&self) -> Result<&Life, Emit> {
        let life = self.life();
        if life.core().generation() == thread::generation() {
            Ok(life)
        } else {
            Err(self.not_begun())
        }
    }

    #[cold]
    fn not_begun(&self) -> Emit {
        if self.stillborn.load(Ordering::SeqCst) == thread::begin_generation() {
            Emit::Refused
        } else {
            Emit::MustBegin
        }
    }

    /// Creates the ring of a forked child, and starts its printers.
    pub fn begin_own_life(&self) {
        let _ = self.own_life();
    }

    /// Does what is owed after a record: prints, where that is the caller's to do, within a bound; syncs, as long as that takes.
    pub fn settle(&self, owed: Owed) {
        let life = self.life();
        if life.core().generation() != thread::generation() {
            return;
        }
        if owed.print {
            life.look_at_files();
        }
        life.core().settle(Owed {
            sync: false,
            ..owed
        });
        if owed.sync {
            life.sync();
        }
    }

    /// Instead: leaves the record to the printers, and counts it. For a caller that is in no place to print.
    pub fn leave(&self) {
        if let Some(core) = self.own_core() {
            core.leave();
        }
    }

    /// The same for a sync that it asks for.
    pub fn leave_sync(&self) {
        if let Some(core) = self.own_core() {
            core.leave_sync();
        }
    }

    /// Whether a record is on the consoles before its call returns because it is urgent, wherever it is logged.
    pub fn prints_urgently(&self) -> bool {
        self.own_core().is_some_and(Core::prints_urgently)
    }

    /// Counts a record that a rate limit has held back.
    pub fn count_suppressed(&self) {
        if let Some(core) = self.own_core() {
            count(&core.control().suppressed);
        }
    }

    /// Counts a log call that came from too deep within others, and stored nothing.
    pub fn count_recursion(&self) {
        count(&self.life().core().control().recursion_dropped);
    }

    /// The longest that this holds a log call up now. None: it does not.
    pub fn patience(&self, hold: Hold) -> Option<Duration> {
        let core = self.life().core();
        match hold {
            Hold::Report => core
                .is_report_of_another()
                .then_some(Duration::from_nanos(REPORT_WAIT_NSEC)),
            Hold::Room => core.must_wait_for_room().then(|| self.block_patience()),
        }
    }

    /// The longest that a console of this log makes a caller wait.
    fn block_patience(&self) -> Duration {
        let consoles = self.consoles();
        let patience = consoles.iter().map(|console| console.options());
        let blocking = patience.filter(|options| options.overflow == Overflow::Block);
        blocking
            .map(|options| options.block_timeout)
            .max()
            .unwrap_or_default()
    }

    /// Waits, at most `timeout`, until this holds the caller up no more. False: it still does.
    pub fn wait_while(&self, hold: Hold, timeout: Duration) -> bool {
        let core = self.life().core();
        match hold {
            Hold::Report => core.wait_for_report(nanos(timeout)),
            Hold::Room => core.wait_for_room(nanos(timeout)),
        }
    }

    /// Counts a caller that has waited as long as it was asked to, and stores its record all the same.
    pub fn count_timeout(&self, hold: Hold) {
        let control = self.life().core().control();
        count(match hold {
            Hold::Report => &control.report_timeouts,
            Hold::Room => &control.block_timeouts,
        });
    }
}

fn stored(outcome: Stored) -> Emit {
    match outcome {
        Stored::Yes | Stored::Open => Emit::Stored,
        Stored::Owing(owed) => Emit::Owing(owed),
        Stored::Refused | Stored::TooDeep | Stored::Closed => Emit::Refused,
    }
}

//! The end of the process, seen from within: one thread panics and has the logs to itself. What others log is dropped and
//! counted, and they print no more; so the order is what the panic makes it, and what it says last is the last.
//!
//! | step | on which consoles |
//! |---|---|
//! | [`begin`] | none: the others are shut out |
//! | the caller logs why, and has it saved where it can be | none |
//! | [`flush`], safely | those that nobody has in an unsafe place, as far as they take it at once; the most reliable first |
//! | by force | those that somebody has, who may be stuck there, or be the thread that panics; and those that have to be waited for |
//! | by their own threads | those that only these can print on; of them the ones that take locks not if the records are saved |
//!
//! All of [`flush`] is bounded. Any context: it is what a handler of a fatal signal runs.

use crate::control::count;
use crate::core::{Core, direct};
use crate::dumper::{Place, Reason, Why};
use crate::fd::pause;
use crate::flush::{Reached, Room, has_passed, is_usable, print_until};
use crate::owner::Priority;
use crate::port::{Port, class};
use crate::store::{Stamp, Stored};
use crate::{roll, stamp, thread};
use core::sync::atomic::{AtomicU64, Ordering};
use pr_record::{Level, Payload};
use pr_ring::{Read, Seq, Unfinished};

/// How long a dying process may print, on all consoles of all logs together.
pub const BOUND_NSEC: u64 = 20_000_000;
/// The part of it for which the owner of one console is waited for, before the next one's turn.
const HANDOVER_PART: u64 = 20;
/// The part that is kept for consoles that take locks: one pipe that takes nothing must not cost them theirs.
const LOCKING_PART: u64 = 4;

/// How long the last words wait for a record that is in their way.
const WORDS_NSEC: u64 = 10_000_000;

/// The thread that panics: the low half of the process's generation, and its id. 0: nobody does.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// The thread whose panic is about to end, as in [`PANICS`]: the logs are being opened, and none closes itself any more.
static ENDS: AtomicU64 = AtomicU64::new(0);

/// When whoever handled the signal before us was asked; 0: nobody was.
static ASKED_NSEC: AtomicU64 = AtomicU64::new(0);
/// A handler that has not come back after this long, and has not ended the process, has left by a jump.
const LEFT_NSEC: u64 = 100_000_000;

/// Whose the panic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Begun {
    /// This thread's, from now on.
    Mine,
    /// This thread's already: it has got into trouble while it panicked.
    Again,
    /// Another thread's: this one has to wait for the end.
    Anothers,
}

/// This thread panics: shuts all others out of the logs, if none of them was faster.
pub fn begin() -> Begun {
    let me = me();
    let mut now = PANICS.load(Ordering::SeqCst); // ORD(claim:A), as the exchange below
    loop {
        if now == me {
            return Begun::Again;
        }
        if is_of_this_process(now) && !is_left() {
            return Begun::Anothers;
        }
        // ORD(claim:A) pairs with ORD(leave_roll:A): said, then the look at the logs.
        match PANICS.compare_exchange(now, me, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => break,
            Err(found) => now = found,
        }
    }
    ASKED_NSEC.store(0, Ordering::SeqCst);
    ENDS.store(0, Ordering::SeqCst); // ORD(begin_panic:A): said before the look at the logs; pairs with ORD(shuts_out:A)
    // SAFETY: this thread panics.
    unsafe { roll::all() }.for_each(Core::close_to_others);
    Begun::Mine
}

/// Everything is said, and somebody else's handler is asked, which may never come back here and all the same not end the
/// process.
pub(crate) fn note_asking() {
    ASKED_NSEC.store(stamp::monotonic_nsec().max(1), Ordering::SeqCst);
}

/// Whether the thread that panicked seems to have left that by a jump out of a handler.
fn is_left() -> bool {
    let asked = ASKED_NSEC.load(Ordering::SeqCst);
    asked != 0 && stamp::monotonic_nsec().saturating_sub(asked) > LEFT_NSEC
}

/// The panic is over, by the thread whose it was: somebody has mended what was wrong, and the logs are everybody's again.
pub fn end() {
    if !is_mine() {
        return;
    }
    // ORD(ends:A) pairs with ORD(shuts_out:A): said before the look at the logs.
    ENDS.store(me(), Ordering::SeqCst);
    // SAFETY: this thread panics.
    unsafe { roll::all() }.for_each(Core::open_to_others);
    ASKED_NSEC.store(0, Ordering::SeqCst);
    PANICS.store(0, Ordering::SeqCst); // ORD(end_panic:A): the logs are open before another thread may panic
}

/// Whether this thread panics.
pub fn is_mine() -> bool {
    PANICS.load(Ordering::SeqCst) == me()
}

/// Whether another thread of this process does.
pub fn is_anothers() -> bool {
    let now = PANICS.load(Ordering::SeqCst); // ORD(is_anothers:A) pairs with ORD(claim:A)
    is_of_this_process(now) && now != me()
}

/// Whether another thread panics, and is not about to open the logs again.
pub(crate) fn shuts_out() -> bool {
    let now = PANICS.load(Ordering::SeqCst);
    // ORD(shuts_out:A) pairs with ORD(ends:A), ORD(begin_panic:A)
    is_of_this_process(now) && now != me() && ENDS.load(Ordering::SeqCst) != now
}

/// Whether any thread of this process panics.
pub fn is_anybodys() -> bool {
    is_of_this_process(PANICS.load(Ordering::SeqCst)) // ORD(is_anybodys:A) pairs with ORD(claim:A)
}

fn me() -> u64 {
    thread::begin_generation() << 32 | u64::from(thread::tid())
}

fn is_of_this_process(panics: u64) -> bool {
    panics != 0 && panics >> 32 == thread::generation() & 0xFFFF_FFFF
}

/// Prints what there is in all logs, within `bound_ns`, by the thread that panics. `is_saved`: the records have been saved
/// elsewhere, and the consoles that take locks need not be tried. False: something was left; counted.
pub fn flush(bound_ns: u64, is_saved: bool) -> bool {
    if !is_mine() {
        return false;
    }
    let deadline_ns = stamp::monotonic_nsec().saturating_add(bound_ns);
    let safely = Takeover::Safe {
        patience_ns: bound_ns / HANDOVER_PART,
    };
    for wanted in class::MEMORY..class::LOCKING {
        // SAFETY: this thread panics.
        for core in unsafe { roll::all() } {
            core.print_in_panic(wanted, deadline_ns, safely);
        }
    }
    let forced_until = deadline_ns - bound_ns / LOCKING_PART;
    let mut left = 0;
    for wanted in class::MEMORY..class::LOCKING {
        // SAFETY: as above.
        for core in unsafe { roll::all() } {
            left += core.print_in_panic(wanted, forced_until, Takeover::ByForce);
        }
    }
    left + let_own_threads_print(deadline_ns, is_saved) == 0
}

/// Has the threads of consoles that nobody else can print on print what is left, until `deadline_ns`, in all logs at once.
/// On how many they did not.
fn let_own_threads_print(deadline_ns: u64, is_saved: bool) -> u64 {
    // SAFETY: this thread panics.
    let all = || unsafe { roll::all() };
    all().for_each(|core| core.open_to_own_threads(is_saved));
    let lacking = |core: &Core| core.lacking_by_own_threads(|class| core.waits_for(class));
    while all().any(|core| lacking(core) > 0) && stamp::monotonic_nsec() < deadline_ns {
        pause();
    }
    let left = all().map(|core| {
        let left = core.lacking_by_own_threads(|_| true);
        let counter = &core.control().left_behind;
        counter.fetch_add(left, Ordering::Relaxed);
        left
    });
    left.sum()
}

/// Has the dumpers of all logs called, those of `first` before the others, by the thread that panics. Whether one of them
/// has saved the records.
pub fn dump(first: Option<&Core>, detail: &str, place: Place) -> bool {
    if !is_mine() {
        return false;
    }
    let why = Why {
        reason: Reason::Panic,
        detail: Some(detail),
    };
    let own = first.is_some_and(|core| core.dumpers().dump(&why, place).is_saved);
    let is_first = |core: &Core| first.is_some_and(|first| core::ptr::eq(core, first));
    // SAFETY: this thread panics.
    let others = unsafe { roll::all() }.filter(|core| !is_first(core));
    others.fold(own, |is_saved, core| {
        core.dumpers().dump(&why, place).is_saved || is_saved
    })
}

/// How a panic gets at a console.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takeover {
    /// If its owner lets go in time. What it does not get it comes back to.
    Safe { patience_ns: u64 },
    /// Whoever has it. What is still left then is counted.
    ByForce,
}

impl Core {
    /// Whether another thread panics: this one neither logs nor prints any more. One load, for nearly all.
    #[inline(always)]
    pub fn is_closed(&self) -> bool {
        self.direct() & direct::PANIC != 0 && panic_of_another()
    }

    /// Whether this thread must not print on a console of this port now. The console's own thread may where nobody else
    /// can, when everything else is done.
    pub fn is_closed_to(&self, port: &Port) -> bool {
        self.is_closed() && (port.is_atomic() || !self.waits_for(port.class()))
    }

    /// The same for the thread of a console that is handed whole records.
    pub fn is_closed_to_locking(&self) -> bool {
        self.is_closed() && !self.waits_for(class::LOCKING)
    }

    /// Whether the panic waits for consoles of this class that only their own threads can print on.
    fn waits_for(&self, class: u32) -> bool {
        let bit = match class {
            class::LOCKING => direct::LOCKING_PRINT,
            _ => direct::OWN_THREADS_PRINT,
        };
        self.direct() & bit != 0
    }

    fn open_to_own_threads(&self, is_saved: bool) {
        let skips_locking = is_saved && self.direct() & direct::LOCKING_ALWAYS == 0;
        let locking = if skips_locking {
            0
        } else {
            direct::LOCKING_PRINT
        };
        self.set_direct(direct::OWN_THREADS_PRINT | locking, true);
    }

    /// How many consoles of these classes lack something that only their own threads can print.
    fn lacking_by_own_threads(&self, wanted: impl Fn(u32) -> bool) -> u64 {
        let target = self.panic_target();
        let slots = self.consoles().iter().enumerate();
        let lacking = slots.filter(|(index, slot)| {
            let only_its_own = |port: &Port| !port.is_atomic() && wanted(port.class());
            is_usable(slot)
                && self
                    .port(*index)
                    .map_or_else(|| wanted(class::LOCKING), only_its_own)
                && !has_passed(Some(slot), target)
        });
        lacking.count() as u64
    }

    /// Stores why the process ends, by the thread that panics. Where the ring is full behind a record whose writer is off its
    /// processor, that one may come back and finish it, for 10 ms; each try that is refused is counted. One of this thread's
    /// own, which a crash interrupted, is waited for in vain.
    pub fn store_last_words(&self, payload: &Payload<'_>) -> Stored {
        let stamp = Stamp {
            level: Level::Emerg as u8,
            ts_nsec: None,
        };
        let until = stamp::monotonic_nsec().saturating_add(WORDS_NSEC);
        let mut is_last_try = false;
        loop {
            let stored = self.store(stamp, payload);
            if stored != Stored::Refused || is_last_try {
                return stored;
            }
            is_last_try = !self.oldest_is_finished(until);
        }
    }

    /// Waits for the oldest unfinished record, and for a moment in any case. False: it is not finished in time.
    fn oldest_is_finished(&self, until_nsec: u64) -> bool {
        let oldest = self.ring().next_seq();
        loop {
            pause();
            if stamp::monotonic_nsec() >= until_nsec {
                return false;
            }
            if self.look_after_unfinished() || self.ring().next_seq() > oldest {
                return true;
            }
        }
    }

    /// What to do about a record that is not finished: its writer was stopped, or will be, if this thread panics.
    pub(crate) fn unfinished(&self) -> Unfinished {
        if self.direct() & direct::PANIC != 0 && is_mine() {
            Unfinished::Skip
        } else {
            Unfinished::Wait
        }
    }

    /// Where a panic stops: the very last record may be one that its own thread has not finished.
    fn panic_target(&self) -> Seq {
        let end = self.ring().next_reserve_seq();
        let last = Seq(end.0.saturating_sub(1));
        match self.ring().read_valid(last, &mut [], Unfinished::Wait) {
            Read::NotYet { at, .. } if at == last => last,
            _ => end,
        }
    }

    /// Prints on the consoles of this class. On how many something was left.
    fn print_in_panic(&self, wanted: u32, deadline_ns: u64, how: Takeover) -> u64 {
        let target = self.panic_target();
        let mut left = 0;
        for (index, slot) in self.consoles().iter().enumerate() {
            let fits = |port: &Port| port.class() == wanted && port.is_atomic();
            if !self.port(index).is_some_and(fits)
                || !is_usable(slot)
                || has_passed(Some(slot), target)
            {
                continue;
            }
            let done = self.panic_on(index, target, deadline_ns, how);
            if !done && how == Takeover::ByForce {
                count(&self.control().left_behind);
                left += 1;
            }
        }
        left
    }

    /// Prints on one console up to `target`. False: it could not be had, or did not take all of it.
    fn panic_on(&self, index: usize, target: Seq, deadline_ns: u64, how: Takeover) -> bool {
        let (held, room) = match how {
            Takeover::Safe { patience_ns } => {
                let until = stamp::monotonic_nsec().saturating_add(patience_ns);
                let mut wait = || {
                    pause();
                    stamp::monotonic_nsec() < until.min(deadline_ns)
                };
                let held = self.hold(index, Priority::Panic, Some(&mut wait), false);
                (held, Room::Need)
            }
            Takeover::ByForce => {
                let held = self.hold(index, Priority::Panic, None, true);
                (held, Room::WaitFor)
            }
        };
        held.is_ok_and(|mut hold| {
            print_until(&mut hold, target, (deadline_ns, room)) != Reached::Less
        })
    }
}

#[cold]
#[inline(never)]
fn panic_of_another() -> bool {
    if is_anothers() && is_left() && begin() == Begun::Mine {
        end(); // that thread went on, and nobody has said so
    }
    is_anothers()
}

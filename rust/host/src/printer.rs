//! A console's own thread: prints on it as long as there is something to print, and is the one that ends it. It allocates
//! nothing per record and never touches the interpreter.

use crate::orders::{Finish, Grace};
use crate::station::{Round, Station};
use pr_printk::Core;
use pr_printk::fatal::previous::SIGNALS;
use pr_printk::fd::errno;
use pr_printk::kick::{Early, Ticket};
use pr_printk::registry::{ConsoleSlot, flag};
use pr_printk::{stamp, thread};
use pr_ring::{Lpos, Seq};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Between two looks while there is work: delivery takes half of this on average, for 2 % of a processor.
pub(crate) const POLL_NSEC: u64 = 1_000_000;
/// Without a record for this long a printer parks: an idle process has no wake-ups.
pub(crate) const PARK_AFTER_NSEC: u64 = 200_000_000;
/// Without a record for this long it looks at the head, whether there is one that nobody finishes. Not before: writers
/// meet there, and each look takes the line from them.
const QUIET_NSEC: u64 = 5_000_000;
/// So many batches on end are much to print.
pub(crate) const MANY_BATCHES: u32 = 3;
/// The longest that a printer stays out while callers are to print, and nothing moves.
const PATIENCE_NSEC: u64 = 1_000_000_000;
/// The early wake-up: when this part of the ring is full of what has not been printed.
const WAKE_AT_PART: u64 = 4;

/// Of a printer thread: it renders into memory of the console.
pub(crate) const STACK_BYTES: usize = 256 * 1024;

/// The thread of one console.
pub(crate) struct Printer(pub(crate) Arc<Station>);

/// What the thread of a console is called; the kernel keeps 15 bytes of it.
pub(crate) fn thread_name(console: &str) -> String {
    format!("pr/{console}")
}

impl Printer {
    /// Starts the thread. All signals stay with the application's threads.
    pub(crate) fn start(self) -> std::io::Result<()> {
        let name = thread_name(&self.0.name);
        let blocked = BlockedSignals::new();
        let thread = std::thread::Builder::new()
            .name(name)
            .stack_size(STACK_BYTES)
            .spawn(move || self.run());
        drop(blocked);
        thread.map(drop)
    }

    fn run(self) {
        pr_printk::fatal::stack::give_own();
        let_callers_go_on();
        let station = &self.0;
        let _finish = Finish(station.life.clone(), station.orders.clone(), station.index);
        station.orders.begin();
        thread::print_for(station.id);
        self.print_until_told();
        station.withdraw();
    }

    /// Prints until the console goes.
    fn print_until_told(&self) {
        let station = &self.0;
        let kick = station.life.core().kick();
        let mut worked = stamp::monotonic_nsec();
        let mut grace = Grace::default();
        let mut had_desk = false;
        let mut batches = 0;
        loop {
            let ticket = kick.ticket();
            if station.orders.is_abandoned() {
                return;
            }
            station.life.sample_clocks();
            let stop = station.orders.stop();
            if stop.is_some_and(|stop| station.seq() >= stop) {
                return;
            }
            if stop.is_none() && self.must_stay_out(ticket, &mut had_desk) {
                continue;
            }
            let mut desk = station.desk();
            had_desk = true;
            if stop.is_none() && stamp::monotonic_nsec() < desk.not_before_nsec {
                // It was another's attempt that failed.
                let not_before = desk.not_before_nsec;
                drop(desk);
                self.pause_until(not_before);
                continue;
            }
            let round = station.round(&mut desk, stop);
            let not_before = desk.not_before_nsec;
            drop(desk);
            if round != Round::Nothing {
                station.port().leave(); // to itself: there may be more
            }
            if matches!(round, Round::Some | Round::Nothing) {
                station.is_well();
            }
            batches = if round == Round::Some { batches + 1 } else { 0 };
            if batches == MANY_BATCHES {
                kick.awake();
            }
            match round {
                Round::Some => (worked, grace) = (stamp::monotonic_nsec(), Grace::default()),
                Round::GivenUp => return,
                Round::Nothing if stop.is_some() && station.life.core().settles_the_dead() => {}
                // Asked to stop, and a writer has what is missing in hand.
                Round::Nothing if stop.is_some() && grace.is_left() => kick.nap(ticket, POLL_NSEC),
                // It does not come. Or the sink takes nothing: no more attempts.
                Round::Nothing | Round::Failed if stop.is_some() => return,
                Round::Nothing => self.wait(ticket, worked),
                Round::Out => kick.nap(ticket, POLL_NSEC),
                Round::Failed => self.pause_until(not_before),
            }
        }
    }

    /// Rests where nobody is to print, or not this thread: suspended, an emergency section is open, callers print.
    /// `had_desk`: it has been at work since it rested for those that serve any console.
    fn must_stay_out(&self, ticket: Ticket, had_desk: &mut bool) -> bool {
        let station = &self.0;
        let core = station.life.core();
        if station.slot().has(flag::SUSPENDED) || core.is_suspended() {
            core.kick().rest(ticket);
            return true;
        }
        if let Some(left_ns) = core.printers_stay_out_nsec() {
            core.kick().nap(ticket, left_ns);
            return true;
        }
        if core.prints_by_crew() && !station.is_in_trouble() {
            if std::mem::take(had_desk) {
                core.kick().wake_all(); // they may have found this console busy, and parked
            }
            core.kick().rest(ticket);
            return true;
        }
        let by_callers = core.prints_by_callers() && station.port().is_atomic();
        if !by_callers || station.port().take_left() {
            return false;
        }
        if core.has_more(station.seq()) {
            return self.makes_way(ticket); // a caller is at it; should it not come back, it is up to this thread
        }
        core.kick().rest(ticket);
        true
    }

    /// Lets others print, as long as they do. False: nothing has moved.
    fn makes_way(&self, ticket: Ticket) -> bool {
        let (kick, before) = (self.0.life.core().kick(), self.0.seq());
        kick.nap(ticket, PATIENCE_NSEC);
        kick.was_woken(ticket) || self.0.seq() != before
    }

    /// Sleeps a moment, or parks.
    fn wait(&self, ticket: Ticket, worked: u64) {
        let core = self.0.life.core();
        let seq = self.0.seq();
        let idle = stamp::monotonic_nsec().saturating_sub(worked);
        let is_held_up = look_after(core, seq, idle);
        if idle > PARK_AFTER_NSEC && !core.has_more(seq) {
            core.kick().park(ticket, || {
                core.has_more(seq) || self.0.orders.stop().is_some()
            });
            return;
        }
        let early = early_for(core, self.0.slot(), is_held_up);
        core.kick().sleep(ticket, early, POLL_NSEC);
    }

    /// Waits, whoever wakes the printers meanwhile, but not for a console that is to go.
    fn pause_until(&self, end_nsec: u64) {
        let kick = self.0.life.core().kick();
        loop {
            let ticket = kick.ticket();
            let left = end_nsec.saturating_sub(stamp::monotonic_nsec());
            let orders = &self.0.orders;
            if left == 0 || orders.stop().is_some() || orders.is_abandoned() {
                return;
            }
            kick.nap(ticket, left);
        }
    }
}

/// The record that wakes a printer is not to wait for it: a thread of this policy takes the processor from nobody when it
/// wakes, and has its share of it as before. Only in place of the usual policy: who runs a process under another one has
/// decided that.
pub(crate) fn let_callers_go_on() {
    // SAFETY: a system call that touches no memory of ours.
    if unsafe { libc::sched_getscheduler(0) } != libc::SCHED_OTHER {
        return;
    }
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: reads `priority`. Where it is refused, all is as it was.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const priority) };
}

/// For a printer that has stood at `seq` for so long: whether a record holds it up. Should a dead thread have left that, it
/// goes on.
pub(crate) fn look_after(core: &Core, seq: Seq, idle_nsec: u64) -> bool {
    let is_held_up = idle_nsec > QUIET_NSEC && core.has_more(seq);
    if is_held_up || core.ring().is_crowded() {
        core.look_after_unfinished();
    }
    is_held_up
}

/// When a console's printer is woken early that sleeps. Where a record holds it up those behind are no news, and are not to
/// cost their writers a system call each: what comes from now on counts.
pub(crate) fn early_for(core: &Core, slot: &ConsoleSlot, is_held_up: bool) -> Early {
    let (seq, pos) = if is_held_up {
        core.ring().newest_edge()
    } else {
        let word = |word: &AtomicU64| word.load(Ordering::Relaxed);
        (Seq(word(&slot.seq)), Lpos(word(&slot.pos)))
    };
    early(core, seq, pos)
}

/// When a printer is woken early that stands here and sleeps.
pub(crate) fn early(core: &Core, seq: Seq, pos: Lpos) -> Early {
    let geometry = core.ring().geometry();
    Early {
        seq,
        pos,
        records: geometry.descriptors() / WAKE_AT_PART,
        bytes: geometry.data_bytes() / WAKE_AT_PART,
    }
}

/// Every signal but the fatal ones, blocked for this thread and what it starts, until dropped. Of the fatal ones those that
/// the thread has blocked stay so, here and there: somebody waits for them in a way of their own, and one that is pending
/// would end the process.
pub(crate) struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    pub(crate) fn new() -> BlockedSignals {
        // SAFETY: a signal set is plain bits; zero is one.
        let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
        let mut old = all;
        // SAFETY: the set is ours.
        unsafe { libc::sigfillset(&raw mut all) };
        for fatal in SIGNALS {
            // SAFETY: the set is ours.
            unsafe { libc::sigdelset(&raw mut all, fatal) };
        }
        // SAFETY: both sets are ours.
        let blocked =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, &raw mut old) };
        debug_assert_eq!(blocked, 0, "{}", errno());
        BlockedSignals(old)
    }

    /// What was blocked before.
    pub(crate) fn usual(&self) -> libc::sigset_t {
        self.0
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the set that was in force before.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}

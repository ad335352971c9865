//! A console's printer: a thread of its own that owns the console as long as there is something to print, and writes. It
//! allocates nothing per record and never touches the interpreter.

use crate::life::Life;
use crate::sinks::{Refreshed, Sink};
use pr_printk::core::direct;
use pr_printk::emit::Want;
use pr_printk::fd::{ATOMIC_BYTES, Written, errno};
use pr_printk::kick::Ticket;
use pr_printk::owner::Priority;
use pr_printk::port::{Port, class};
use pr_printk::print::{Hold, Printed};
use pr_printk::registry::{ConsoleSlot, flag};
use pr_printk::store::Stamp;
use pr_printk::{stamp, thread};
use pr_record::{Level, Payload};
use pr_ring::{Lpos, Seq};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Between two looks while there is work: delivery takes half of this on average, for 2 % of a processor.
pub(crate) const POLL_NSEC: u64 = 1_000_000;
/// Without a record for this long a printer parks: an idle process has no wake-ups.
pub(crate) const PARK_AFTER_NSEC: u64 = 200_000_000;
/// After a failed write, first and longest pause before the next attempt.
const RETRY_NSEC: std::ops::RangeInclusive<u64> = 10_000_000..=1_000_000_000;
/// A batch is written when it has this many bytes.
const ENOUGH_BYTES: usize = 64 * 1024;
/// The longest that a printer stays out while callers are to print, and nothing moves.
const PATIENCE_NSEC: u64 = 1_000_000_000;
/// The early wake-up: when this part of the ring is full of what has not been printed.
pub(crate) const WAKE_AT_PART: u64 = 4;

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

/// The printer of one console.
pub(crate) struct Printer {
    pub(crate) life: Arc<Life>,
    pub(crate) index: usize,
    /// The console's id.
    pub(crate) id: u32,
    pub(crate) orders: Arc<Orders>,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) name: String,
    /// The sink has refused, that was told, and it has not taken anything since.
    pub(crate) failing: bool,
}

/// What the thread of a console is called; the kernel keeps 15 bytes of it.
pub(crate) fn thread_name(console: &str) -> String {
    format!("pr/{console}")
}

/// What a look at the ring came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// There was nothing.
    Nothing,
    /// Records were passed.
    Some,
    /// Somebody more urgent prints.
    Out,
    /// The sink refused.
    Failed(i32),
    /// The thread was given up.
    GivenUp,
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

impl Printer {
    /// Starts the thread. All signals stay with the application's threads.
    pub(crate) fn start(self) -> std::io::Result<()> {
        let name = thread_name(&self.name);
        let blocked = BlockedSignals::new();
        let thread = std::thread::Builder::new()
            .name(name)
            .stack_size(256 * 1024)
            .spawn(move || self.run());
        drop(blocked);
        thread.map(drop)
    }

    fn slot(&self) -> &ConsoleSlot {
        #[expect(
            clippy::indexing_slicing,
            reason = "the index was given out by the table"
        )]
        &self.life.core().consoles()[self.index]
    }

    fn port(&self) -> &Port {
        self.life.port(self.index)
    }

    fn run(mut self) {
        let _finish = Finish(self.life.clone(), self.orders.clone(), self.index);
        self.orders.begin();
        thread::print_for(self.id);
        self.print_until_told();
        self.withdraw();
    }

    /// Prints until the console goes.
    fn print_until_told(&mut self) {
        let mut worked = stamp::monotonic_nsec();
        let mut pause = *RETRY_NSEC.start();
        loop {
            let ticket = self.life.core().kick().ticket();
            if self.orders.is_abandoned() {
                return;
            }
            self.life.sample_clocks();
            let stop = self.orders.stop();
            if stop.is_some_and(|stop| self.seq() >= stop) {
                return;
            }
            if stop.is_none() && self.must_stay_out(ticket) {
                continue;
            }
            let round = self.round(stop);
            if round != Round::Nothing {
                self.port().leave(); // to itself: there may be more
            }
            match round {
                Round::Some => {
                    (worked, pause) = (stamp::monotonic_nsec(), *RETRY_NSEC.start());
                    self.failing = false;
                }
                Round::GivenUp => return,
                // Asked to stop, and what is missing is not finished by its writer: nothing more will come. Or the sink
                // takes nothing: no more attempts.
                Round::Nothing | Round::Failed(_) if stop.is_some() => return,
                Round::Nothing => self.wait(ticket, worked),
                Round::Out => self.life.core().kick().nap(ticket, POLL_NSEC),
                Round::Failed(_) => {
                    self.pause(pause);
                    pause = (pause * 2).min(*RETRY_NSEC.end());
                }
            }
        }
    }

    /// Rests where nobody is to print, or not this thread: suspended, or an emergency section is open.
    fn must_stay_out(&self, ticket: Ticket) -> bool {
        let core = self.life.core();
        if self.slot().has(flag::SUSPENDED) || core.direct() & direct::SUSPENDED != 0 {
            core.kick().rest(ticket);
            return true;
        }
        if let Some(left_ns) = core.printers_stay_out_nsec() {
            core.kick().nap(ticket, left_ns);
            return true;
        }
        let by_callers = core.prints_by_callers() && self.port().is_atomic();
        if !by_callers || self.port().take_left() {
            return false;
        }
        if core.has_more(self.seq()) {
            return self.makes_way(ticket); // a caller is at it; should it not come back, it is up to this thread
        }
        core.kick().rest(ticket);
        true
    }

    /// Lets others print, as long as they do. False: nothing has moved.
    fn makes_way(&self, ticket: Ticket) -> bool {
        let (kick, before) = (self.life.core().kick(), self.seq());
        kick.nap(ticket, PATIENCE_NSEC);
        kick.was_woken(ticket) || self.seq() != before
    }

    /// The record to print next.
    fn seq(&self) -> Seq {
        Seq(self.slot().seq.load(Ordering::Relaxed))
    }

    /// Sleeps a moment, or parks.
    fn wait(&self, ticket: Ticket, worked: u64) {
        let core = self.life.core();
        let seq = self.seq();
        if stamp::monotonic_nsec().saturating_sub(worked) > PARK_AFTER_NSEC && !core.has_more(seq) {
            core.kick().park(ticket, || {
                core.has_more(seq) || self.orders.stop().is_some()
            });
            return;
        }
        let geometry = core.ring().geometry();
        let wake_seq = Seq(seq.0.saturating_add(geometry.descriptors() / WAKE_AT_PART));
        let pos = Lpos(self.slot().pos.load(Ordering::Relaxed));
        core.kick().sleep(
            ticket,
            wake_seq,
            pos.plus(geometry.data_bytes() / WAKE_AT_PART),
            POLL_NSEC,
        );
        core.kick().awake();
    }

    /// Owns the console for one batch. One that is to go prints what it has before `stop`, even if it is suspended.
    fn round(&mut self, stop: Option<Seq>) -> Round {
        let life = self.life.clone();
        let core = life.core();
        if !core.has_more(self.seq()) {
            return Round::Nothing;
        }
        let Ok(mut hold) = core.hold(self.index, Priority::Normal, None, false) else {
            return Round::Out;
        };
        if stop.is_none() && !core.may_print_on(hold.slot()) {
            return Round::Out;
        }
        let force = self.orders.reopen.swap(false, Ordering::SeqCst) || self.failing;
        let printed = match self.refresh(&mut hold, force) {
            Ok(()) => self.print(&mut hold, stop),
            Err(errno) => Printed::Failed(errno),
        };
        drop(hold);
        match printed {
            Printed::Failed(libc::ECANCELED) if !self.orders.is_abandoned() => Round::Out,
            Printed::Nothing => Round::Nothing,
            Printed::Some => Round::Some,
            Printed::Lost => Round::Out,
            Printed::Failed(_) if self.orders.is_abandoned() => Round::GivenUp,
            Printed::Failed(errno) => {
                self.slot().errors.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    self.tell(errno);
                }
                Round::Failed(errno)
            }
        }
    }

    /// Opens the sink anew where that must be. A new target gets whole records.
    fn refresh(&mut self, hold: &mut Hold<'_>, force: bool) -> Result<(), i32> {
        let (sink, slot, failed) = (&mut self.sink, hold.slot(), self.failing);
        let refreshed = hold.unsafely(|port| {
            let refreshed = sink.refresh(force);
            if refreshed == Ok(Refreshed::Another) {
                port.assign(port.style(), sink.class());
                slot.class.store(u64::from(sink.class()), Ordering::Relaxed);
            }
            match refreshed {
                Ok(Refreshed::No) if !failed => {}
                Ok(_) => port.set_fd(sink.fd().unwrap_or(-1)),
                Err(_) => port.set_fd(-1), // nobody else may write there either
            }
            refreshed
        });
        if refreshed == Some(Ok(Refreshed::Another)) {
            hold.restart();
        }
        refreshed.map_or(Ok(()), |refreshed| refreshed.map(drop))
    }

    fn print(&mut self, hold: &mut Hold<'_>, stop: Option<Seq>) -> Printed {
        // A file takes a batch at once; what may be full is handed pieces, so that somebody more urgent need not wait long.
        let piece = match hold.port().class() {
            class::MEMORY | class::FILE => usize::MAX,
            _ => ATOMIC_BYTES,
        };
        let slot = hold.slot();
        let wanted = || slot.owner.is_wanted();
        let want = Want {
            enough: ENOUGH_BYTES,
            until: stop.unwrap_or(Seq(u64::MAX)),
            hurry: &wanted,
        };
        let (orders, sink, core) = (&self.orders, &mut self.sink, self.life.core());
        hold.print(&want, piece, &mut |bytes| {
            let errno = Some(libc::ECANCELED);
            if stop.is_none() && core.direct() & direct::SUSPENDED != 0 {
                return Written { bytes: 0, errno };
            }
            let written = sink.write(bytes, &|| !orders.is_abandoned());
            if orders.is_abandoned() {
                return Written { errno, ..written };
            }
            written
        })
    }

    /// The console goes: nobody may use its descriptor any more. Waits for whoever prints on it now.
    fn withdraw(&mut self) {
        let core = self.life.core();
        loop {
            if let Ok(mut hold) = core.hold(self.index, Priority::Normal, None, false)
                && hold.unsafely(|port| port.set_fd(-1)).is_some()
            {
                return;
            }
            if self.orders.is_abandoned() {
                return self.sink.leave_open(); // it may be in use, for ever
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Waits, whoever wakes the printers meanwhile, but not for a console that is to go.
    fn pause(&self, nsec: u64) {
        let end = stamp::monotonic_nsec().saturating_add(nsec);
        let kick = self.life.core().kick();
        loop {
            let ticket = kick.ticket();
            let left = end.saturating_sub(stamp::monotonic_nsec());
            if left == 0 || self.orders.stop().is_some() || self.orders.is_abandoned() {
                return;
            }
            kick.nap(ticket, left);
        }
    }

    /// Says once, to the other consoles, that this one's sink fails.
    fn tell(&self, errno: i32) {
        let why = std::io::Error::from_raw_os_error(errno);
        let event = format!(
            "console {}: write failed: {why}; it will be tried again",
            self.name
        );
        let payload = Payload {
            event: &event,
            logger: Some("printk_ring"),
            ..Payload::default()
        };
        let _ = self.life.core().store(
            Stamp {
                level: Level::Warning as u8,
                ts_nsec: None,
            },
            &payload,
        );
    }
}

/// Every signal, blocked for this thread and what it starts, until dropped.
pub(crate) struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    pub(crate) fn new() -> BlockedSignals {
        // SAFETY: a signal set is plain bits; zero is one.
        let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
        let mut old = all;
        // SAFETY: both sets are ours.
        unsafe { libc::sigfillset(&raw mut all) };
        // SAFETY: both sets are ours.
        let blocked =
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old) };
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

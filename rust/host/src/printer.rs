//! A console's printer: a thread of its own that takes records from the ring, renders them, and writes them. It allocates
//! nothing per record and never touches the interpreter.

use crate::life::Life;
use crate::sinks::Sink;
use pr_printk::core::MAX_RECORD_BYTES;
use pr_printk::emit::{Cursor, Style, batch};
use pr_printk::fd::errno;
use pr_printk::registry::{ConsoleSlot, flag};
use pr_printk::store::Stamp;
use pr_printk::{stamp, thread};
use pr_record::{Level, Out, Payload};
use pr_ring::{Lpos, Seq};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Between two looks while there is work: delivery takes half of this on average, for 2 % of a processor.
const POLL_NSEC: u64 = 1_000_000;
/// Without a record for this long a printer parks: an idle process has no wake-ups.
const PARK_AFTER_NSEC: u64 = 200_000_000;
/// After a failed write, first and longest pause before the next attempt.
const RETRY_NSEC: std::ops::RangeInclusive<u64> = 10_000_000..=1_000_000_000;
/// A batch is written when it has this many bytes.
const ENOUGH_BYTES: usize = 64 * 1024;
/// Room for the longest record in the most verbose format: a newline becomes a line with its prefix, a control character
/// six bytes.
pub(crate) const BUFFER_BYTES: usize = 1024 * 1024;
/// The early wake-up: when this part of the ring is full of what has not been printed.
const WAKE_AT_PART: u64 = 4;

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
        }
    }

    pub(crate) fn stop_at(&self, seq: Seq) {
        self.stop_at.store(seq.0, Ordering::SeqCst);
    }

    fn stop(&self) -> Option<Seq> {
        Some(self.stop_at.load(Ordering::SeqCst))
            .filter(|at| *at != u64::MAX)
            .map(Seq)
    }

    pub(crate) fn reopen(&self) {
        self.reopen.store(true, Ordering::SeqCst);
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
    pub(crate) style: Style,
    pub(crate) orders: Arc<Orders>,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) name: String,
    /// The sink has refused, that was told, and it has not taken anything since.
    pub(crate) failing: bool,
}

/// What a look at the ring came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Printed {
    /// There was nothing.
    Nothing,
    /// Records were passed.
    Some,
    /// The thread was given up, or the sink fails and the console goes.
    GivenUp,
}

/// The buffers of a printer, allocated once.
struct Buffers {
    text: Vec<u8>,
    scratch: Vec<u8>,
}

/// Sets the end mark however the thread ends.
struct Finish(Arc<Life>, Arc<Orders>, usize);

impl Drop for Finish {
    fn drop(&mut self) {
        let Finish(life, orders, index) = self;
        let core = life.core();
        if let Some(slot) = core.consoles().get(*index) {
            slot.clear(flag::ALIVE | flag::WRITING); // while it still is this console's
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
        let name = format!("pr/{}", self.name);
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

    fn run(mut self) {
        let _finish = Finish(self.life.clone(), self.orders.clone(), self.index);
        thread::print_for(self.style.id);
        let mut buffers = Buffers {
            text: vec![0; BUFFER_BYTES],
            scratch: vec![0; MAX_RECORD_BYTES],
        };
        let mut worked = stamp::monotonic_nsec();
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
            if stop.is_none() && self.slot().has(flag::SUSPENDED) {
                self.life.core().kick().rest(ticket);
                continue;
            }
            match self.print(&mut buffers) {
                Printed::Some => worked = stamp::monotonic_nsec(),
                Printed::GivenUp => return,
                // Asked to stop, and what is missing is not finished by its writer: nothing more will come.
                Printed::Nothing if stop.is_some() => return,
                Printed::Nothing => self.wait(ticket, worked),
            }
        }
    }

    /// The record to print next.
    fn seq(&self) -> Seq {
        Seq(self.slot().seq.load(Ordering::Relaxed))
    }

    /// Sleeps a moment, or parks.
    fn wait(&self, ticket: u32, worked: u64) {
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

    /// Prints one batch.
    fn print(&mut self, buffers: &mut Buffers) -> Printed {
        let life = self.life.clone();
        let core = life.core();
        #[expect(
            clippy::indexing_slicing,
            reason = "the index was given out by the table"
        )]
        let slot = &core.consoles()[self.index];
        let mut cursor = Cursor::of(slot);
        let before = cursor;
        let mut out = Out::new(&mut buffers.text);
        batch(
            core,
            slot,
            self.style,
            &mut cursor,
            &mut buffers.scratch,
            &mut out,
            ENOUGH_BYTES,
        );
        if cursor == before {
            return Printed::Nothing;
        }
        if !out.is_empty() {
            slot.set(flag::WRITING);
            self.sink
                .refresh(self.orders.reopen.swap(false, Ordering::SeqCst));
            let written = self.write(slot, out.written());
            slot.clear(flag::WRITING);
            if !written {
                return Printed::GivenUp;
            }
        }
        cursor.confirm(slot, out.len() as u64);
        core.kick().progressed();
        Printed::Some
    }

    /// Writes until the sink has taken all of it. While it fails the records wait in the ring, and are told as lost when
    /// the ring has gone round. False: given up.
    fn write(&mut self, slot: &ConsoleSlot, bytes: &[u8]) -> bool {
        let orders = self.orders.clone();
        let mut done = 0;
        let mut pause = *RETRY_NSEC.start();
        loop {
            let rest = bytes.get(done..).unwrap_or_default();
            let written = self.sink.write(rest, &|| !orders.is_abandoned());
            if orders.is_abandoned() {
                return false;
            }
            done += written.bytes;
            let Some(errno) = written.errno else {
                self.failing = false;
                return true;
            };
            slot.errors.fetch_add(1, Ordering::Relaxed);
            if !std::mem::replace(&mut self.failing, true) {
                self.tell(errno);
            }
            if orders.stop().is_some() {
                return false; // no more attempts: the console goes
            }
            self.pause(pause);
            pause = (pause * 2).min(*RETRY_NSEC.end());
            if self.sink.refresh(true) {
                done = line_start(bytes, done); // a new target gets whole lines
            }
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

/// Where the line begins that byte `at` belongs to.
fn line_start(bytes: &[u8], at: usize) -> usize {
    let before = bytes.get(..at).unwrap_or(bytes);
    before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1)
}

/// Every signal, blocked for this thread and what it starts, until dropped.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn new() -> BlockedSignals {
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
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the set that was in force before.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}

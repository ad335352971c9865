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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    /// Call nothing more: the console is gone, and this thread was stuck.
    abandoned: AtomicBool,
    /// The thread is at its end.
    finished: AtomicBool,
}

impl Orders {
    pub(crate) fn new() -> Orders {
        Orders {
            stop_at: AtomicU64::new(u64::MAX),
            reopen: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            finished: AtomicBool::new(false),
        }
    }

    pub(crate) fn stop_at(&self, seq: Seq) {
        self.stop_at.store(seq.0, Ordering::SeqCst);
    }

    pub(crate) fn reopen(&self) {
        self.reopen.store(true, Ordering::SeqCst);
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
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
        if let Some(slot) = self.0.core().consoles().get(self.2)
            && !self.1.is_abandoned()
        {
            slot.clear(flag::ALIVE | flag::WRITING);
        }
        self.1.finished.store(true, Ordering::SeqCst);
        self.0.core().recount_holds();
        self.0.core().kick().progressed();
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
        thread::print_for(self.style.index);
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
            let stop = Seq(self.orders.stop_at.load(Ordering::SeqCst));
            if stop.0 == u64::MAX && self.slot().has(flag::SUSPENDED) {
                self.life.core().kick().rest(ticket);
                continue;
            }
            if self.print(&mut buffers) {
                worked = stamp::monotonic_nsec();
                continue;
            }
            if Seq(self.slot().seq.load(Ordering::Relaxed)) >= stop || self.caught_up_for(stop) {
                return;
            }
            self.wait(ticket, worked);
        }
    }

    /// Asked to stop, and whatever is still missing is not finished by its writer: nothing more will come.
    fn caught_up_for(&self, stop: Seq) -> bool {
        stop.0 != u64::MAX
            && self.life.core().ring().next_seq().0 <= self.slot().seq.load(Ordering::Relaxed)
    }

    /// Sleeps a moment, or parks.
    fn wait(&self, ticket: u32, worked: u64) {
        let core = self.life.core();
        let seq = Seq(self.slot().seq.load(Ordering::Relaxed));
        if stamp::monotonic_nsec().saturating_sub(worked) > PARK_AFTER_NSEC && !core.has_more(seq) {
            core.kick().park(ticket, || {
                core.has_more(seq) || self.orders.stop_at.load(Ordering::SeqCst) != u64::MAX
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

    /// Prints one batch. False: there was nothing.
    fn print(&mut self, buffers: &mut Buffers) -> bool {
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
            return false;
        }
        if !out.is_empty() {
            slot.set(flag::WRITING);
            self.sink
                .refresh(self.orders.reopen.swap(false, Ordering::SeqCst));
            let written = self.write(slot, out.written());
            slot.clear(flag::WRITING);
            if !written {
                return true; // abandoned, or told to stop while the sink fails
            }
        }
        cursor.confirm(slot, out.len() as u64);
        core.kick().progressed();
        true
    }

    /// Writes until the sink has taken all of it. While it fails the records wait in the ring, and are told as lost when
    /// the ring has gone round. False: given up.
    fn write(&mut self, slot: &ConsoleSlot, bytes: &[u8]) -> bool {
        let mut done = 0;
        let mut pause = *RETRY_NSEC.start();
        let mut told = false;
        loop {
            let written = self.sink.write(bytes.get(done..).unwrap_or_default());
            if self.orders.is_abandoned() {
                return false;
            }
            done += written.bytes;
            let Some(errno) = written.errno else {
                return true;
            };
            slot.errors.fetch_add(1, Ordering::Relaxed);
            if !std::mem::replace(&mut told, true) {
                self.tell(errno);
            }
            if self.orders.stop_at.load(Ordering::SeqCst) != u64::MAX {
                self.orders.stop_at(Seq(0)); // no more attempts: the console goes, what is left is not printed
                return false;
            }
            let kick = self.life.core().kick();
            kick.nap(kick.ticket(), pause);
            pause = (pause * 2).min(*RETRY_NSEC.end());
            self.sink.refresh(true);
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

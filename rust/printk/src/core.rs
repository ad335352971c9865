//! A ring with its control page, its consoles and its kick: what a log call and a printer need, in one place.

use crate::barrier;
use crate::context::Contexts;
use crate::control::{Control, RULES_AT, Rules};
use crate::dumper::Dumpers;
use crate::errand::Errands;
use crate::kick::Kick;
use crate::line::Line;
use crate::port::{Memory, Port};
use crate::reap::Watch;
use crate::registry::{ConsoleSlot, SLOTS, flag};
use crate::sites::Table;
use crate::thread;
use crate::turn::Turn;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use pr_ring::{Lpos, Region, Ring, Seq};

/// The most bytes that a record may take, encoded.
pub const MAX_RECORD_BYTES: usize = 32 * 1024;
/// Memory that one is read into: it may begin where its words are best.
pub const SCRATCH_BYTES: usize = MAX_RECORD_BYTES + 16;

/// In the word of what makes writers wait: a thread reports.
const REPORT: u32 = 1 << 31;

/// Bits of [`Core::direct`].
pub mod direct {
    /// Every record is to be on the consoles before its call returns: the operator's switch.
    pub const ENFORCED: u32 = 1;
    /// So is every record from the orderly exit on: printers may not come to it any more.
    pub const EXITING: u32 = 1 << 1;
    /// Whoever logs prints, at most one record more than its own.
    pub const CALLER: u32 = 1 << 2;
    /// Nobody prints: the log is suspended.
    pub const SUSPENDED: u32 = 1 << 3;
    /// Printers serve any console. Nothing to callers.
    pub const ANY_CONSOLE: u32 = 1 << 4;
    /// One thread panics: it alone logs and prints. For good, unless somebody mends what was wrong.
    pub const PANIC: u32 = 1 << 5;
    /// And so do, at its end, the threads of consoles that nobody else can print on.
    pub const OWN_THREADS_PRINT: u32 = 1 << 6;
    /// Those of consoles that take locks, too.
    pub const LOCKING_PRINT: u32 = 1 << 7;
    /// They do even if the records have been saved elsewhere.
    pub const LOCKING_ALWAYS: u32 = 1 << 9;
    /// Nobody prints: the process is about to be stopped by a signal, or has not gone on printing since.
    pub const STOPPED: u32 = 1 << 8;
    /// The levels of records ask for more: see [`crate::errand`].
    pub const ERRANDS: u32 = 1 << 10;
    /// What callers need not look at.
    pub(crate) const NOT_CALLERS: u32 = ANY_CONSOLE | LOCKING_ALWAYS;
    /// The bits of which a mode is made.
    pub const MODES: u32 = CALLER | ANY_CONSOLE;
    /// Callers print wherever that can be done in any context; printers do what is left to them.
    pub const BY_CALLERS: u32 = ENFORCED | EXITING | CALLER;
}

/// How many consoles there have been in this process.
static CONSOLE_IDS: AtomicU32 = AtomicU32::new(0);

/// One life of a log: its memory, and what this process keeps beside it. In this order: what every record looks at lies
/// together.
#[derive(Debug)]
#[repr(C)]
pub struct Core {
    ring: Ring<Region>,
    control: NonNull<Control>,
    generation: u64,
    record_limit: usize,
    pid: u32,
    /// What may make writers wait: how many consoles, and [`REPORT`]. 0 for nearly all.
    holds: AtomicU32,
    /// Bits of [`direct`]: when callers print themselves.
    direct: AtomicU32,
    /// What the ring drops at once while no console does.
    retire_ahead: u32,
    sites: Table,
    consoles: NonNull<[ConsoleSlot; SLOTS]>,
    kick: Kick,
    /// The sections that are open, of all threads.
    contexts: Contexts,
    /// Whose turn it is to print, where callers do.
    turn: Turn,
    /// The ports of the consoles that this process has had; once there they stay.
    ports: [AtomicPtr<Port>; SLOTS],
    /// Who is called when the process gets into trouble.
    dumpers: Dumpers,
    /// What the levels of records ask for.
    errands: Errands,
    /// What a panic works in.
    panic_memory: AtomicPtr<Memory>,
    /// Where all of its memory lies that a file is behind, and how much it is.
    mapped: [AtomicU64; 2],
    /// Wall clock minus monotonic clock, as last sampled.
    clock_offset: AtomicI64,
    /// Whether something is held up by an unfinished record, and since when.
    watch: Watch,
    /// The newest record, if its caller may go on with it.
    line: Line,
}

// SAFETY: everything behind the pointers is atomic words.
unsafe impl Send for Core {}
// SAFETY: as above.
unsafe impl Sync for Core {}

impl Core {
    /// Puts a core together. `generation` is the one of the process that will use it (see [`crate::thread`]).
    ///
    /// # Safety
    /// `control` (the whole page) and `consoles` stay valid as long as the core, and are accessed only through atomics.
    pub unsafe fn new(
        ring: Ring<Region>,
        control: NonNull<Control>,
        consoles: NonNull<[ConsoleSlot; SLOTS]>,
        generation: u64,
        pid: u32,
    ) -> Core {
        let retire_ahead = ring.retire_ahead();
        let half = ring.geometry().text_ring().max_text() as usize;
        Core {
            ring,
            control,
            consoles,
            sites: Table::none(),
            kick: Kick::new(),
            generation,
            pid,
            record_limit: half.min(MAX_RECORD_BYTES),
            holds: AtomicU32::new(0),
            direct: AtomicU32::new(0),
            dumpers: Dumpers::new(),
            errands: Errands::new(),
            panic_memory: AtomicPtr::new(core::ptr::null_mut()),
            mapped: [const { AtomicU64::new(0) }; 2],
            contexts: Contexts::default(),
            turn: Turn::default(),
            ports: [const { AtomicPtr::new(core::ptr::null_mut()) }; SLOTS],
            retire_ahead,
            clock_offset: AtomicI64::new(0),
            watch: Watch::new(),
            line: Line::default(),
        }
    }

    /// The same with a table of call sites.
    #[must_use]
    pub fn with_sites(mut self, sites: Table) -> Core {
        self.sites = sites;
        self
    }

    /// The table of call sites.
    #[inline(always)]
    pub fn sites(&self) -> &Table {
        &self.sites
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// The ring.
    #[inline(always)]
    pub fn ring(&self) -> &Ring<Region> {
        &self.ring
    }

    /// The control page.
    #[inline(always)]
    pub fn control(&self) -> &Control {
        // SAFETY: `new`'s promise.
        unsafe { self.control.as_ref() }
    }

    /// The rules of dynamic debug, in the same page.
    pub fn rules(&self) -> &Rules {
        // SAFETY: `new`'s promise: the control section is a page, in which they lie, aligned as that is.
        let rules = unsafe { self.control.cast::<u8>().add(RULES_AT) };
        // SAFETY: as above, and accessed through atomics alone.
        unsafe { rules.cast::<Rules>().as_ref() }
    }

    /// The table of consoles.
    #[inline(always)]
    pub fn consoles(&self) -> &[ConsoleSlot; SLOTS] {
        // SAFETY: `new`'s promise.
        unsafe { self.consoles.as_ref() }
    }

    /// The meeting point with the printers.
    #[inline(always)]
    pub fn kick(&self) -> &Kick {
        &self.kick
    }

    /// The generation of the process that this life belongs to; another one must not write here.
    #[inline(always)]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The process that this life belongs to.
    #[inline(always)]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The most bytes of an encoded record: half the text ring, at most [`MAX_RECORD_BYTES`].
    #[inline(always)]
    pub fn record_limit(&self) -> usize {
        self.record_limit
    }

    /// Whether callers print themselves, and when: bits of [`direct`].
    #[inline(always)]
    pub fn direct(&self) -> u32 {
        self.direct.load(Ordering::Relaxed)
    }

    /// Whether nobody is to print on any console.
    #[inline(always)]
    pub fn is_suspended(&self) -> bool {
        let direct = self.direct();
        direct & (direct::SUSPENDED | direct::STOPPED) != 0 && direct & direct::PANIC == 0
    }

    /// Whether a record is more than stored, as far as callers are concerned.
    #[inline(always)]
    pub(crate) fn concerns_callers(&self) -> bool {
        self.direct() & !direct::NOT_CALLERS != 0
    }

    /// Whether printers that serve any console are to print now, and not the consoles' own.
    pub fn prints_by_crew(&self) -> bool {
        self.direct() & (direct::BY_CALLERS | direct::ANY_CONSOLE) == direct::ANY_CONSOLE
    }

    /// From now on this log is the panic's alone (see [`crate::panic`]). Nobody is woken: those who sleep have nothing to
    /// do any more.
    pub(crate) fn close_to_others(&self) {
        self.direct.fetch_or(direct::PANIC, Ordering::SeqCst);
        self.ring.finalize_last(); // whoever has begun a line does not go on with it
    }

    /// The panic is over.
    pub(crate) fn open_to_others(&self) {
        let bits = direct::PANIC | direct::OWN_THREADS_PRINT | direct::LOCKING_PRINT;
        self.set_direct(bits, false);
    }

    /// Sets or clears bits of [`direct`], and wakes the printers, who go by them.
    pub fn set_direct(&self, bits: u32, on: bool) {
        self.change_direct(bits, if on { bits } else { 0 });
    }

    /// Of the bits in `among` sets exactly `bits`, in one step, and wakes the printers.
    pub fn change_direct(&self, among: u32, bits: u32) {
        let change = |now| Some(now & !among | bits);
        let _ = self
            .direct
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
        // A record whose caller has still gone by the old bits is seen by whoever looks after this.
        let _ = barrier::heavy();
        self.kick
            .follow_crew(|| self.direct.load(Ordering::SeqCst) & direct::ANY_CONSOLE != 0);
        self.kick.wake_all();
    }

    /// What the levels of records ask for, and what of it is due.
    #[inline(always)]
    pub fn errands(&self) -> &Errands {
        &self.errands
    }

    /// Whether log calls are to look at what their level asks for.
    pub(crate) fn heed_errands(&self, on: bool) {
        let bits = if on { direct::ERRANDS } else { 0 };
        let change = |now| Some(now & !direct::ERRANDS | bits);
        let _ = self
            .direct
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
    }

    /// Whose turn it is to print, where callers do.
    pub(crate) fn turn(&self) -> &Turn {
        &self.turn
    }

    /// The sections that are open.
    pub(crate) fn contexts(&self) -> &Contexts {
        &self.contexts
    }

    /// The port of the console in slot `index`.
    pub fn port(&self, index: usize) -> Option<&Port> {
        let port = self.ports.get(index)?.load(Ordering::Acquire); // ORD(port:A) pairs with ORD(give_port:A)
        // SAFETY: null, or a port that `give_port`'s caller keeps as long as the core.
        unsafe { port.as_ref() }
    }

    /// Who is called when the process gets into trouble.
    pub fn dumpers(&self) -> &Dumpers {
        &self.dumpers
    }

    /// What a panic works in.
    pub(crate) fn panic_memory(&self) -> Option<Memory> {
        let memory = self.panic_memory.load(Ordering::Acquire); // ORD(panic_memory:A) pairs with ORD(give_panic_memory:A)
        // SAFETY: null, or memory that `give_panic_memory`'s caller keeps as long as the core.
        unsafe { memory.as_ref() }.copied()
    }

    /// Gives panics memory to work in, once.
    ///
    /// # Safety
    /// `memory`, and what it points to, stay valid as long as the core; nobody else uses the latter.
    pub unsafe fn give_panic_memory(&self, memory: NonNull<Memory>) {
        self.panic_memory.store(memory.as_ptr(), Ordering::Release); // ORD(give_panic_memory:A)
    }

    /// Says where all of its memory lies, and how many bytes it is: what a fatal signal may have hit.
    pub fn set_mapped(&self, start: u64, bytes: u64) {
        let [at, length] = &self.mapped;
        at.store(start, Ordering::Relaxed);
        length.store(bytes, Ordering::Relaxed);
    }

    /// Whether an address lies in its memory.
    pub(crate) fn holds(&self, address: u64) -> bool {
        let [start, bytes] = &self.mapped;
        let at = address.checked_sub(start.load(Ordering::Relaxed));
        at.is_some_and(|at| at < bytes.load(Ordering::Relaxed))
    }

    /// Gives slot `index` a port, once.
    ///
    /// # Safety
    /// `port` stays valid as long as the core.
    pub unsafe fn give_port(&self, index: usize, port: NonNull<Port>) {
        if let Some(place) = self.ports.get(index) {
            place.store(port.as_ptr(), Ordering::Release); // ORD(give_port:A)
        }
    }

    /// Remembers what the clocks differ by now.
    pub fn set_clock_offset(&self, wall_minus_monotonic: i64) {
        self.clock_offset
            .store(wall_minus_monotonic, Ordering::Relaxed);
    }

    /// The wall time of a time stamp.
    #[inline]
    pub fn wall_nsec(&self, ts_nsec: u64) -> u64 {
        ts_nsec.wrapping_add_signed(self.clock_offset.load(Ordering::Relaxed))
    }

    /// Counts the consoles that make writers wait, after one was added, removed, suspended or resumed. While there are
    /// any, no record is dropped that need not be. Counted again until it stands: another change may come between.
    pub fn recount_holds(&self) {
        loop {
            let count = self.count_holders();
            let change = |now| Some(now & REPORT | count);
            let _ = self
                .holds
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
            self.ring
                .set_retire_ahead(if count == 0 { self.retire_ahead } else { 0 });
            if self.count_holders() == count {
                return;
            }
        }
    }

    fn count_holders(&self) -> u32 {
        self.holders().count() as u32
    }

    /// The consoles that make writers wait, also while the whole log is suspended: they are to lose nothing by that.
    fn holders(&self) -> impl Iterator<Item = &ConsoleSlot> {
        self.consoles().iter().filter(|slot| holds(slot))
    }

    /// An id for a new console, never used again in this process, whatever the log: what one log's console logs into
    /// another log is printed there. From 1 on.
    pub fn next_console_id(&self) -> u32 {
        CONSOLE_IDS.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Lets others wait for a report, or no longer. What it was before.
    pub(crate) fn hold_for_report(&self, on: bool) -> bool {
        let before = match on {
            true => self.holds.fetch_or(REPORT, Ordering::SeqCst),
            false => self.holds.fetch_and(!REPORT, Ordering::SeqCst),
        };
        before & REPORT != 0
    }

    /// Whether a log call, the `depth`-th that this thread is in, is to wait before it stores: a console would lose a
    /// record that it has not printed, or another thread reports. One load, for nearly all.
    #[inline(always)]
    pub fn must_wait(&self, depth: u32) -> bool {
        self.holds.load(Ordering::Relaxed) != 0 && self.is_held_back(depth)
    }

    #[cold]
    #[inline(never)]
    fn is_held_back(&self, depth: u32) -> bool {
        self.direct() & direct::PANIC == 0
            && thread::may_wait(depth)
            && (self.is_report_of_another() || self.must_wait_for_room())
    }

    /// Whether a console would lose a record that it has not printed by the next one.
    pub fn must_wait_for_room(&self) -> bool {
        self.holds.load(Ordering::Relaxed) & !REPORT != 0 && self.is_full_for_a_holder()
    }

    /// Full means that the next record could overwrite what a holder has not printed: whoever has already looked still
    /// finds a quarter of the ring, and room for the longest record behind a wasted end.
    fn is_full_for_a_holder(&self) -> bool {
        let geometry = self.ring.geometry();
        let (records, bytes) = (geometry.descriptors(), geometry.data_bytes());
        let longest = 2 * self.record_limit as u64 + bytes / 64;
        let most_text = bytes - (bytes / 4).max(longest).min(bytes);
        let (next, end) = self.ring.newest_edge();
        self.holders().any(|slot| {
            let waiting = next.0.saturating_sub(slot.seq.load(Ordering::Relaxed));
            let text = end.since(Lpos(slot.pos.load(Ordering::Relaxed)));
            waiting > records - records / 4 || (waiting > 0 && text > most_text)
        })
    }

    /// The longest that a holding console makes a writer wait is the host's to know; this waits that long, or until no
    /// console is in need. False: it was not enough.
    pub fn wait_for_room(&self, timeout_ns: u64) -> bool {
        if self.prints_by_callers() {
            self.leave_to_printers();
        }
        self.kick.wake_all();
        self.kick
            .wait_progress(timeout_ns, || !self.must_wait_for_room())
    }

    /// Waits until no other thread's report holds this one up. False: it still does.
    pub fn wait_for_report(&self, timeout_ns: u64) -> bool {
        self.kick
            .wait_progress(timeout_ns, || !self.is_report_of_another())
    }

    /// Whether there is a record at or after `seq`, finished or not.
    pub fn has_more(&self, seq: Seq) -> bool {
        self.ring.next_reserve_seq() > seq
    }
}

fn holds(slot: &ConsoleSlot) -> bool {
    slot.has(flag::USED | flag::ENABLED | flag::BLOCKS | flag::ALIVE)
        && slot.flags.load(Ordering::Relaxed) & (flag::SUSPENDED | flag::ABANDONED) == 0
}

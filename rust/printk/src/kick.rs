//! Waking printers. A printer that has work polls about every millisecond and can be woken early; one that had none for a
//! while parks.
//!
//! What a record costs here is one barrier that is free on the writer's side ([`crate::barrier`]) and three loads from
//! one line that is hardly ever written: a mark stays where it is until it is too near. Only two records make a system call:
//! the first after a printer has parked, and the one that crosses the mark which a sleeping printer has set.

use crate::atomics::{AtomicU32, AtomicU64, Ordering, fence};
use crate::{barrier, futex};
use pr_ring::{Lpos, Seq};

/// Who waits for records, for the futex: the printers of one console each.
const OWN_CONSOLE: u32 = 1 << 31;
/// Those that serve any console, one bit for each processor, as far as they go.
const ANY_CONSOLE: u32 = !OWN_CONSOLE;
const CPU_BITS: u32 = 31;

/// A value that no record reaches.
const NEVER: u64 = u64::MAX;

/// What every record looks at, on lines of their own: whoever changes one of these words makes the next record fetch them
/// from another core.
#[repr(align(128))]
#[derive(Debug)]
struct Sleepers {
    /// 1: a printer is parked, and the next record must wake it.
    parked: AtomicU32,
    /// A record with this number, or behind, wakes a sleeping printer early.
    wake_seq: AtomicU64,
    /// A record that ends here, or behind, does.
    wake_pos: AtomicU64,
}

/// The meeting point of the writers and the printers of one ring.
#[derive(Debug)]
pub struct Kick {
    sleepers: Sleepers,
    /// Writers that wait for a printer's progress.
    held: AtomicU32,
    /// The futex of the printers that wait for records: changed by every wake.
    calls: AtomicU32,
    /// The futex of the printers that are not to print now: records leave it alone.
    orders: AtomicU32,
    /// The futex of those who wait for progress: changed when a printer has moved.
    progress: AtomicU32,
    /// 1: there are printers that serve any console, of which one has to know of a record.
    crew: AtomicU32,
}

/// Where a printer stands that is about to sleep, and how much further the ring may get before it is woken early.
#[derive(Clone, Copy, Debug)]
pub struct Early {
    /// The number of the record that it will print next.
    pub seq: Seq,
    /// Where the text of what it has printed ends.
    pub pos: Lpos,
    /// Records from there on.
    pub records: u64,
    /// Bytes of text.
    pub bytes: u64,
}

/// What a printer has seen before it looked for something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    calls: u32,
    orders: u32,
    /// Who it is.
    who: u32,
}

impl Default for Kick {
    fn default() -> Self {
        Kick::new()
    }
}

impl Kick {
    /// Nobody sleeps.
    pub fn new() -> Kick {
        Kick {
            sleepers: Sleepers {
                parked: AtomicU32::new(0),
                wake_seq: AtomicU64::new(NEVER),
                wake_pos: AtomicU64::new(NEVER),
            },
            held: AtomicU32::new(0),
            calls: AtomicU32::new(0),
            orders: AtomicU32::new(0),
            progress: AtomicU32::new(0),
            crew: AtomicU32::new(0),
        }
    }

    /// After a record was published: wakes whoever must be woken by it.
    #[inline]
    pub fn published(&self, seq: Seq, end: Lpos) {
        // ORD(published:A): the record, then the look at the sleepers; pairs with ORD(park:A) (M14).
        barrier::light();
        if self.sleepers.parked.load(Ordering::Relaxed) != 0
            || seq.0 >= self.sleepers.wake_seq.load(Ordering::Relaxed)
            || end.0 >= self.sleepers.wake_pos.load(Ordering::Relaxed)
        {
            self.wake_for_records();
        }
    }

    /// Wakes every printer, whatever it waits for: a flush, a resume, a removal, another mode.
    #[cold]
    pub fn wake_all(&self) {
        // ORD(wake:A), as below.
        self.orders.fetch_add(1, Ordering::SeqCst);
        futex::wake(&self.orders, i32::MAX, u32::MAX);
        self.call();
        futex::wake(&self.calls, i32::MAX, u32::MAX);
    }

    /// After a change of who prints: whether one of the printers that serve any console has to know of a record. Looked up
    /// again until it stands: another change may come between, and its look before this one's.
    pub fn follow_crew(&self, is_there: impl Fn() -> bool) {
        loop {
            let on = is_there();
            // The later one takes over from the earlier one, and looks after the change that this one went by.
            self.crew.swap(u32::from(on), Ordering::SeqCst);
            if is_there() == on {
                return;
            }
        }
    }

    /// Wakes the printers that wait for records: the first after a pause, or the mark was crossed. Of those that serve any
    /// console, one.
    #[cold]
    fn wake_for_records(&self) {
        self.call();
        futex::wake(&self.calls, i32::MAX, OWN_CONSOLE);
        if self.crew.load(Ordering::SeqCst) != 0 {
            self.wake_elsewhere();
        }
    }

    /// Nobody sleeps any more, as far as writers are concerned.
    fn call(&self) {
        self.sleepers.parked.store(0, Ordering::Relaxed);
        self.sleepers.wake_seq.store(NEVER, Ordering::Relaxed);
        self.sleepers.wake_pos.store(NEVER, Ordering::Relaxed);
        // ORD(wake:A): a printer that reads the old value here waits on it, and the kernel compares again.
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    /// Wakes one more of the printers that serve any console.
    pub fn wake_another(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst); // one that is about to wait does not
        self.wake_elsewhere();
    }

    /// Wakes one that is not on this processor, whose thread may go on for long; else one that is.
    fn wake_elsewhere(&self) {
        let here = cpu_bit(futex::current_cpu());
        if futex::wake(&self.calls, 1, ANY_CONSOLE & !here) == 0 {
            futex::wake(&self.calls, 1, here);
        }
    }

    /// What a printer must take before it looks for something to do, and give to whatever it waits with.
    pub fn ticket(&self) -> Ticket {
        self.ticket_of(OWN_CONSOLE)
    }

    /// The same for one that serves any console, and runs on this processor.
    pub fn ticket_on(&self, cpu: u32) -> Ticket {
        self.ticket_of(cpu_bit(cpu))
    }

    fn ticket_of(&self, who: u32) -> Ticket {
        Ticket {
            calls: self.calls.load(Ordering::SeqCst),
            orders: self.orders.load(Ordering::SeqCst),
            who,
        }
    }

    /// Whether everybody was woken since `ticket` was taken.
    pub fn was_woken(&self, ticket: Ticket) -> bool {
        self.orders.load(Ordering::SeqCst) != ticket.orders
    }

    /// A printer sleeps for `timeout_ns`, or until a record is as far on as it says, or half as far. A mark of another printer
    /// that is overwritten here costs that printer at most its own timeout.
    pub fn sleep(&self, ticket: Ticket, early: Early, timeout_ns: u64) {
        arm(&self.sleepers.wake_seq, early.seq.0, early.records);
        arm(&self.sleepers.wake_pos, early.pos.0, early.bytes);
        futex::wait(&self.calls, ticket.calls, Some(timeout_ns), ticket.who);
    }

    /// A printer that has much to print is no sleeper any more: its marks must not cost a writer a system call. A console's own
    /// thread that has little leaves them for its next sleep. Another sleeper's marks go too, which costs it at most its timeout.
    pub fn awake(&self) {
        for mark in [&self.sleepers.wake_seq, &self.sleepers.wake_pos] {
            if mark.load(Ordering::Relaxed) != NEVER {
                mark.store(NEVER, Ordering::Relaxed);
            }
        }
    }

    /// A printer parks until it is woken, unless `work` says that there is something to do. Without a timeout: an idle
    /// process has no wake-ups.
    pub fn park(&self, ticket: Ticket, work: impl FnOnce() -> bool) {
        self.sleepers.parked.store(1, Ordering::Relaxed);
        // ORD(park:A): parked, then the look for records; pairs with ORD(published:A) (M14).
        if !barrier::heavy() || work() {
            return; // `parked` may stay set: one record wakes nobody, once
        }
        futex::wait(&self.calls, ticket.calls, None, ticket.who);
    }

    /// A printer that serves any console waits until it is called: others look meanwhile.
    pub fn stand_by(&self, ticket: Ticket) {
        futex::wait(&self.calls, ticket.calls, None, ticket.who);
    }

    /// A printer rests until everybody is woken: records do not.
    pub fn rest(&self, ticket: Ticket) {
        futex::wait(&self.orders, ticket.orders, None, ticket.who);
    }

    /// A printer pauses for `timeout_ns`, or until everybody is woken: records do not.
    pub fn nap(&self, ticket: Ticket, timeout_ns: u64) {
        futex::wait(&self.orders, ticket.orders, Some(timeout_ns), ticket.who);
    }

    /// A printer has moved on, or has changed its mind about what holds writers.
    pub fn progressed(&self) {
        // ORD(progressed:A): the sequence number that was stored before is seen by a waiter that looks after this.
        self.progress.fetch_add(1, Ordering::SeqCst);
        // ORD(progressed:B): progress, then the look at who waits; pairs with ORD(wait_progress:A).
        fence(Ordering::SeqCst);
        if self.held.load(Ordering::Relaxed) != 0 {
            futex::wake(&self.progress, i32::MAX, u32::MAX);
        }
    }

    /// Waits until `done`, at most `timeout_ns`. True if done.
    pub fn wait_progress(&self, timeout_ns: u64, mut done: impl FnMut() -> bool) -> bool {
        let end = crate::stamp::monotonic_nsec().saturating_add(timeout_ns);
        self.held.fetch_add(1, Ordering::Relaxed);
        // ORD(wait_progress:A): waiting, then the look at the progress; pairs with ORD(progressed:B).
        fence(Ordering::SeqCst);
        let result = loop {
            let seen = self.progress.load(Ordering::SeqCst);
            if done() {
                break true;
            }
            let left = end.saturating_sub(crate::stamp::monotonic_nsec());
            if left == 0 {
                break false;
            }
            futex::wait(&self.progress, seen, Some(left), u32::MAX);
        };
        self.held.fetch_sub(1, Ordering::Relaxed);
        result
    }
}

/// Sets a mark `ahead` of `from`. One that is there stays if it is as near, and not nearer than half of that.
fn arm(mark: &AtomicU64, from: u64, ahead: u64) {
    let wanted = from.saturating_add(ahead);
    let seen = mark.load(Ordering::Relaxed);
    if seen > wanted {
        mark.fetch_min(wanted, Ordering::Relaxed);
    } else if seen <= from.saturating_add(ahead / 2) {
        // Left over. Should another printer have just set it, its own timeout wakes it.
        mark.store(wanted, Ordering::Relaxed);
    }
}

/// The bit of the printers on this processor.
fn cpu_bit(cpu: u32) -> u32 {
    1 << (cpu % CPU_BITS)
}

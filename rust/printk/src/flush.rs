//! Printing by whoever logs: in emergencies, by order, at the exit. Most reliable consoles first, within a bound, and only
//! where a write cannot hold the caller.

use crate::context::Owed;
use crate::control::count;
use crate::core::{Core, direct};
use crate::emit::Want;
use crate::fd::{ATOMIC_BYTES, Timely};
use crate::owner::{Priority, Refused};
use crate::port::{Port, class};
use crate::print::{Hold, Printed};
use crate::registry::{ConsoleSlot, flag};
use crate::store::Stored;
use crate::{stamp, thread};
use core::sync::atomic::{Ordering, fence};
use pr_ring::{Lpos, Seq};

/// How long one log call may print, on all consoles together.
pub const BOUND_NSEC: u64 = 2_000_000;
/// Rounds of waiting for an owner before the processor is given away.
pub(crate) const SPINS: u32 = 100;

impl Core {
    /// After a record was stored while this thread is in a section, callers print, or levels ask for something.
    #[cold]
    #[inline(never)]
    pub(crate) fn stored_aside(&self, level: u8, seq: Seq, end: Lpos) -> Stored {
        if self.direct() & direct::PANIC != 0 {
            return Stored::Yes; // printed when the panic comes to it
        }
        let sections = thread::sections();
        let mut owed = Owed {
            print: false,
            section: sections.any(),
            sync: false,
        };
        if self.errands().dumps(level) {
            self.errands().mark_dump(seq);
        }
        if self.errands().syncs(level) {
            owed.sync = thread::may_wait(1);
            if !owed.sync {
                self.leave_sync();
            }
        }
        if sections.deferred() {
            self.note_owed(); // the outermost exit tells the printers
            return Stored::Owing(owed);
        }
        if sections.emergency() && self.in_emergency() {
            self.extend_emergency();
        }
        owed.print = self.prints_itself(1);
        if !owed.print {
            self.tell_printers(seq, end);
        }
        if owed.print || owed.section || owed.sync {
            return Stored::Owing(owed);
        }
        self.ring().fetch_ahead(seq, end);
        Stored::Yes
    }

    /// A record that is not to be printed by its caller is the printers'.
    pub(crate) fn tell_printers(&self, seq: Seq, end: Lpos) {
        if self.prints_by_callers() {
            self.leave_to_printers();
        }
        self.kick().published(seq, end);
    }

    /// Whether what this thread logs is to be on the consoles before its call, the `depth`-th that it is in, returns. A
    /// call from within another one, or from printing, only stores.
    pub(crate) fn prints_itself(&self, depth: u32) -> bool {
        let wanted = self.prints_by_callers() || self.prints_urgently();
        wanted && thread::depth() <= depth && thread::prints_for().is_none()
    }

    /// Whether what this thread logs is to be on all consoles before its call returns, whoever prints otherwise.
    pub fn prints_urgently(&self) -> bool {
        self.direct() & (direct::ENFORCED | direct::EXITING) != 0
            || thread::sections().emergency() && self.in_emergency()
    }

    /// Prints what there is, as a log call that has to does it.
    pub(crate) fn print_now(&self) {
        if self.prints_urgently() {
            self.flush_now(Priority::Emergency, BOUND_NSEC);
        } else {
            self.print_by_turns();
        }
    }

    /// Whether callers print on consoles that can be written to in any context, and printers only what is left to them.
    pub fn prints_by_callers(&self) -> bool {
        self.direct() & direct::BY_CALLERS != 0
    }

    /// Has the printers print what there is, also where callers do that otherwise.
    pub fn leave_to_printers(&self) {
        let ports = (0..self.consoles().len()).filter_map(|index| self.port(index));
        let fresh = ports.filter(|port| port.leave()).count();
        if fresh > 0 {
            self.kick().wake_all();
        }
    }

    /// Whether records may be printed on this console now. To be asked by its owner, who prints then: whoever suspends
    /// looks for owners after that.
    pub fn may_print_on(&self, slot: &ConsoleSlot) -> bool {
        fence(Ordering::SeqCst); // ORD(may_print_on:A) pairs with ORD(is_printed_on:A): owned, then the look
        is_usable(slot) && !self.is_suspended()
    }

    /// Whether somebody prints at this moment. To be asked after printing was forbidden.
    pub fn is_printing(&self) -> bool {
        let mut slots = self.consoles().iter();
        slots.any(|slot| slot.has(flag::USED) && is_printed_on(slot))
    }

    /// Prints what there is, by this thread, on every console that can be written to in any context, within `bound_ns`.
    /// False: something was left to a printer; counted.
    pub fn flush_now(&self, priority: Priority, bound_ns: u64) -> bool {
        if self.is_suspended() || self.is_closed() {
            return true; // those who have seen to that will see to this
        }
        let target = self.ring().next_reserve_seq();
        let deadline_ns = stamp::monotonic_nsec().saturating_add(bound_ns);
        let mut whole = true;
        for wanted in class::MEMORY..class::LOCKING {
            for (index, slot) in self.consoles().iter().enumerate() {
                let fits = |port: &&Port| port.class() == wanted;
                let Some(port) = self.port(index).filter(fits) else {
                    continue;
                };
                if !is_usable(slot) || has_passed(Some(slot), target) {
                    continue;
                }
                if !port.is_atomic() || !self.flush_one(index, priority, target, deadline_ns) {
                    count(&self.control().left_behind);
                    port.leave();
                    whole = false;
                }
            }
        }
        if !whole {
            self.kick().wake_all();
        }
        whole
    }

    /// Prints on one console up to `target`. False: it could not be had, or did not take all of it, in time.
    fn flush_one(&self, index: usize, priority: Priority, target: Seq, deadline_ns: u64) -> bool {
        let mut spins = 0;
        let mut wait = || {
            spins += 1;
            if spins <= SPINS {
                core::hint::spin_loop();
                return true;
            }
            // SAFETY: a system call without arguments.
            unsafe { libc::sched_yield() };
            stamp::monotonic_nsec() < deadline_ns
        };
        loop {
            let why = match self.hold(index, priority, Some(&mut wait), false) {
                // It may have been removed while this thread waited; a fresh one in its place is not enabled yet.
                Ok(hold) if !self.may_print_on(hold.slot()) => return true,
                Ok(mut hold) => {
                    let reached = print_until(&mut hold, target, (deadline_ns, Room::WaitFor));
                    drop(hold); // what is said of the dead is printed, too
                    // Somebody has a record in hand; or is dead, and nobody else looks while callers print.
                    if reached == Reached::Unfinished && (self.look_after_unfinished() || wait()) {
                        continue;
                    }
                    return reached == Reached::Target;
                }
                Err(why) => why,
            };
            if has_passed(self.consoles().get(index), target) {
                return true;
            }
            // Another caller, as urgent as this one, prints: only what was there when it began.
            if why != Refused::Owned || !wait() {
                return false;
            }
        }
    }
}

/// What to do where a sink has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Wait for it, until the deadline.
    WaitFor,
    /// Give up.
    Need,
}

/// How far printing up to a target came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// All the way; or somebody more urgent goes on.
    Target,
    /// The next record is not finished.
    Unfinished,
    /// The sink did not go along, or not in time.
    Less,
}

/// Prints up to `target`, as far as the sink goes along until the deadline.
pub(crate) fn print_until(
    hold: &mut Hold<'_>,
    target: Seq,
    (deadline_ns, room): (u64, Room),
) -> Reached {
    let Some(fd) = hold.port().checked_fd() else {
        hold.slot().errors.fetch_add(1, Ordering::Relaxed);
        return Reached::Less;
    };
    let late = || stamp::monotonic_nsec() >= deadline_ns;
    let want = Want {
        enough: ATOMIC_BYTES,
        until: target,
        hurry: &late,
    };
    let (piece, mut sink) = (hold.port().piece_bytes(), Timely::new(fd, deadline_ns));
    if room == Room::Need {
        sink = sink.without_waiting();
    }
    loop {
        let printed = hold.print(&want, piece, &mut |bytes| sink.write(bytes));
        match printed {
            Printed::Some | Printed::Nothing if has_passed(Some(hold.slot()), target) => {
                return Reached::Target;
            }
            Printed::Some if late() => return Reached::Less,
            Printed::Some => {}
            Printed::Nothing => return Reached::Unfinished,
            Printed::Failed(errno) => {
                if errno != libc::ETIMEDOUT {
                    hold.slot().errors.fetch_add(1, Ordering::Relaxed);
                }
                return Reached::Less;
            }
            Printed::Lost => return Reached::Target, // to somebody more urgent, who prints it
        }
    }
}

pub(crate) fn has_passed(slot: Option<&ConsoleSlot>, target: Seq) -> bool {
    // ORD(flushed:B) pairs with ORD(confirm:A)
    slot.is_some_and(|slot| slot.seq.load(Ordering::Acquire) >= target.0)
}

/// Whether somebody prints on it at this moment. To be asked after printing was forbidden.
pub fn is_printed_on(slot: &ConsoleSlot) -> bool {
    fence(Ordering::SeqCst); // ORD(is_printed_on:A): forbidden, then the look
    slot.owner.seen().priority() != 0
}

/// Whether records are to be printed on it.
pub fn is_usable(slot: &ConsoleSlot) -> bool {
    slot.has(flag::USED | flag::ENABLED)
        && slot.flags.load(Ordering::Relaxed) & (flag::SUSPENDED | flag::ABANDONED) == 0
}

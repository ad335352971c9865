//! Printing by whoever logs: in emergencies, by order, at the exit. Most reliable consoles first, within a bound, and only
//! where a write cannot hold the caller.

use crate::control::count;
use crate::core::{Core, direct};
use crate::emit::Want;
use crate::fd::{ATOMIC_BYTES, write_ready};
use crate::owner::Priority;
use crate::port::class;
use crate::print::{Hold, Printed};
use crate::registry::{ConsoleSlot, flag};
use crate::{stamp, thread};
use core::sync::atomic::Ordering;
use pr_ring::{Lpos, Seq};

/// How long one log call may print, on all consoles together.
pub const BOUND_NSEC: u64 = 2_000_000;
/// Rounds of waiting for an owner before the processor is given away.
const SPINS: u32 = 100;

impl Core {
    /// After a record was published while this thread is in a section, or callers print.
    #[cold]
    #[inline(never)]
    pub(crate) fn published_aside(&self, seq: Seq, end: Lpos) {
        let sections = thread::sections();
        if sections.deferred() {
            return; // the outermost exit tells the printers
        }
        let direct = self.direct();
        let wanted = direct & (direct::ENFORCED | direct::EXITING) != 0
            || sections.emergency() && self.in_emergency();
        // A call from within another one, or from printing, only stores.
        if wanted && thread::depth() <= 1 && thread::prints_for().is_none() {
            self.flush_now(Priority::Emergency, BOUND_NSEC);
        }
        self.kick().published(seq, end);
    }

    /// Prints what there is, by this thread, on every console that can be written to in any context, within `bound_ns`.
    /// False: something was left to a printer; counted.
    pub fn flush_now(&self, priority: Priority, bound_ns: u64) -> bool {
        if self.direct() & direct::SUSPENDED != 0 {
            return true;
        }
        let target = self.ring().next_reserve_seq();
        let deadline_ns = stamp::monotonic_nsec().saturating_add(bound_ns);
        let mut whole = true;
        for wanted in class::MEMORY..class::LOCKING {
            for (index, slot) in self.consoles().iter().enumerate() {
                let fits = self
                    .port(index)
                    .is_some_and(|port| port.is_atomic() && port.class() == wanted);
                if fits && is_usable(slot) && !self.flush_one(index, priority, target, deadline_ns)
                {
                    count(&self.control().left_behind);
                    whole = false;
                }
            }
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
        let Ok(mut hold) = self.hold(index, priority, Some(&mut wait), false) else {
            return has_passed(self.consoles().get(index), target);
        };
        // It may have been removed while this thread waited; a fresh one in its place is not enabled yet.
        if !is_usable(hold.slot()) {
            return true;
        }
        print_until(&mut hold, target, deadline_ns)
    }
}

/// Prints up to `target`, as far as the sink goes along until `deadline_ns`.
fn print_until(hold: &mut Hold<'_>, target: Seq, deadline_ns: u64) -> bool {
    let Some(fd) = hold.port().checked_fd() else {
        hold.slot().errors.fetch_add(1, Ordering::Relaxed);
        return false;
    };
    let late = || stamp::monotonic_nsec() >= deadline_ns;
    let want = Want {
        enough: ATOMIC_BYTES,
        until: target,
        hurry: &late,
    };
    loop {
        let printed = hold.print(&want, ATOMIC_BYTES, &mut |bytes| {
            write_ready(fd, bytes, deadline_ns)
        });
        match printed {
            Printed::Some if has_passed(Some(hold.slot()), target) => return true,
            Printed::Some if late() => return false,
            Printed::Some => {}
            // The next record is not finished: its writer will see to it.
            Printed::Nothing => return true,
            Printed::Failed(errno) => {
                if errno != libc::ETIMEDOUT {
                    hold.slot().errors.fetch_add(1, Ordering::Relaxed);
                }
                return false;
            }
            Printed::Lost => return true, // to somebody more urgent, who prints it
        }
    }
}

fn has_passed(slot: Option<&ConsoleSlot>, target: Seq) -> bool {
    // ORD(flushed:B) pairs with ORD(confirm:A)
    slot.is_some_and(|slot| slot.seq.load(Ordering::Acquire) >= target.0)
}

/// Whether records are to be printed on it.
pub fn is_usable(slot: &ConsoleSlot) -> bool {
    slot.has(flag::USED | flag::ENABLED)
        && slot.flags.load(Ordering::Relaxed) & (flag::SUSPENDED | flag::ABANDONED) == 0
}

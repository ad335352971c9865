//! Printing by whoever logs, the old way: one record on every console at a time, by turns (see [`crate::turn`]), within a
//! bound; only where a write cannot hold the caller. What a console does not take in time is left to its printer, and
//! counted.

use crate::control::count;
use crate::core::Core;
use crate::emit::Want;
use crate::fd::Timely;
use crate::flush::{BOUND_NSEC, SPINS, is_usable};
use crate::owner::Priority;
use crate::port::{Port, class};
use crate::print::{Hold, Printed};
use crate::registry::SLOTS;
use crate::turn::{Ended, Work};
use crate::{stamp, thread};
use core::sync::atomic::Ordering;
use pr_ring::Seq;

const _: () = assert!(SLOTS <= u32::BITS as usize, "one bit a console");

/// One caller's part. Sets of consoles are words with one bit a slot.
struct Caller<'c> {
    core: &'c Core,
    deadline_ns: u64,
    spins: u32,
    /// Consoles that it has printed on, or has tried to.
    tried: u32,
    /// Consoles that it does not print on any more: suspended, or left to their printers.
    done_with: u32,
    /// Something was left to a printer.
    has_left: bool,
    /// Where the ring ended when this caller came: its own record is before that.
    end: Seq,
    /// Something before that is not finished, and stands in the way.
    is_held_up: bool,
}

/// What became of a record on one console.
enum Step {
    Printed,
    /// It is not to be printed now.
    NotNow,
    /// It is left to the console's printer.
    Left,
}

impl Core {
    /// Prints, if it is this thread's turn, until there is nothing more, another caller goes on, or the bound is reached.
    pub(crate) fn print_by_turns(&self) {
        if self.in_emergency() {
            return self.leave_to_printers(); // who stay out as long as others do
        }
        let mut caller = Caller {
            core: self,
            deadline_ns: stamp::monotonic_nsec().saturating_add(BOUND_NSEC),
            spins: 0,
            tried: 0,
            done_with: 0,
            has_left: false,
            end: self.ring().next_reserve_seq(),
            is_held_up: false,
        };
        let ended = self.turn().print(thread::tid(), &mut caller);
        let all_is_left = ended == Ended::Late || caller.is_held_up;
        if all_is_left {
            self.leave_to_printers();
        }
        if all_is_left || caller.has_left {
            count(&self.control().left_behind);
        }
    }
}

impl Caller<'_> {
    fn is_late(&self) -> bool {
        stamp::monotonic_nsec() >= self.deadline_ns
    }

    /// The consoles that lack a record, and that it may print on.
    fn lacking(&self) -> u32 {
        let end = self.core.ring().next_seq();
        let slots = self.core.consoles().iter().enumerate();
        slots.fold(0, |set, (index, slot)| {
            let lacks = is_usable(slot)
                && slot.seq.load(Ordering::Relaxed) < end.0
                && self.core.port(index).is_some_and(Port::is_atomic);
            set | u32::from(lacks) << index
        }) & !self.done_with
    }

    /// Prints one record on one console, the first one even if it is late.
    fn step(&mut self, index: usize) -> Step {
        let is_first = self.tried & 1 << index == 0;
        self.tried |= 1 << index;
        // What is in its printer's hands already is not waited for.
        let is_left = self.core.port(index).is_none_or(Port::has_left);
        if is_left || (!is_first && self.is_late()) {
            return Step::Left;
        }
        match self.core.hold(index, Priority::Normal, None, false) {
            Ok(hold) if !self.core.may_print_on(hold.slot()) => Step::NotNow,
            Ok(mut hold) => self.print_one(&mut hold),
            Err(_) => Step::Left,
        }
    }

    fn print_one(&self, hold: &mut Hold<'_>) -> Step {
        let Some(fd) = hold.port().checked_fd() else {
            hold.slot().errors.fetch_add(1, Ordering::Relaxed);
            return Step::Left;
        };
        let one = Want {
            enough: 1,
            until: Seq(u64::MAX),
            hurry: &|| true,
        };
        let (piece, mut sink) = (hold.port().piece_bytes(), Timely::new(fd, self.deadline_ns));
        let printed = hold.print(&one, piece, &mut |bytes| sink.write(bytes));
        match printed {
            Printed::Some => Step::Printed,
            Printed::Nothing | Printed::Lost | Printed::Failed(libc::ETIMEDOUT) => Step::Left,
            Printed::Failed(_) => {
                hold.slot().errors.fetch_add(1, Ordering::Relaxed);
                Step::Left
            }
        }
    }

    /// Does not print on this console any more; its printer does.
    fn leave(&mut self, index: usize) {
        self.done_with |= 1 << index;
        self.has_left = true;
        if self.core.port(index).is_some_and(Port::leave) {
            self.core.kick().wake_all();
        }
    }
}

impl Work for Caller<'_> {
    fn wait(&mut self) -> bool {
        self.spins += 1;
        if self.spins <= SPINS {
            core::hint::spin_loop();
            return true;
        }
        // SAFETY: a system call without arguments.
        unsafe { libc::sched_yield() };
        !self.is_late()
    }

    fn is_alive(&mut self, tid: u32) -> bool {
        thread::is_alive(tid)
    }

    /// The most reliable consoles first.
    fn round(&mut self) -> bool {
        let lacking = self.lacking();
        for wanted in class::MEMORY..class::LOCKING {
            for index in (0..SLOTS).filter(|index| lacking & 1 << index != 0) {
                let fits = |port: &Port| port.class() == wanted;
                if !self.core.port(index).is_some_and(fits) {
                    continue;
                }
                match self.step(index) {
                    Step::Printed => {}
                    Step::NotNow => self.done_with |= 1 << index,
                    Step::Left => self.leave(index),
                }
            }
        }
        lacking != 0
    }

    fn has_more(&mut self) -> bool {
        // Whoever has not finished its record prints it, and what is behind; but it may be dead.
        self.is_held_up = self.core.ring().next_seq() < self.end;
        self.lacking() != 0
    }
}

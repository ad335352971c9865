//! Printing on a console that one owns: render a batch, write it in pieces, move the sequence number behind what the sink
//! took. Between two pieces a more urgent owner may take over; it prints the record in hand from its start, and says so.
//!
//! A panic that takes a console by force works in memory of its own: the owner that it interrupts may be in the middle of
//! anything.
//!
//! The number moves only for an owner that is still one, after the write has returned: no record is ever skipped. What was
//! begun is noted before the write: no record is ever printed twice without a notice.

use crate::core::Core;
use crate::emit::{Cursor, Mark, Want, batch};
use crate::fd::Written;
use crate::owner::{Owner, Priority, Refused};
use crate::port::{Batch, Memory, Port};
use crate::registry::{ConsoleSlot, flag};
use crate::thread;
use core::sync::atomic::Ordering;
use pr_ring::Seq;

/// What printing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Printed {
    /// There was nothing to print.
    Nothing,
    /// Records were passed.
    Some,
    /// The sink refused with this error number; what it did not take is in hand, and waits.
    Failed(i32),
    /// The console was lost to somebody more urgent, who is responsible now.
    Lost,
}

/// A console that is owned. Given back when dropped.
#[derive(Debug)]
pub struct Hold<'a> {
    core: &'a Core,
    slot: &'a ConsoleSlot,
    port: &'a Port,
    memory: Memory,
    owner: Option<Owner>,
}

impl Core {
    /// Takes the console in slot `index` for this thread; see [`crate::owner::OwnerWord::acquire`].
    ///
    /// # Errors
    /// Somebody else has it, or there is no console.
    pub fn hold(
        &self,
        index: usize,
        priority: Priority,
        wait: Option<&mut dyn FnMut() -> bool>,
        by_force: bool,
    ) -> Result<Hold<'_>, Refused> {
        let (Some(slot), Some(port)) = (self.consoles().get(index), self.port(index)) else {
            return Err(Refused::Owned);
        };
        if self.is_closed_to(port) {
            return Err(Refused::Owned);
        }
        let memory = match priority {
            Priority::Panic => self.panic_memory().ok_or(Refused::Owned)?,
            _ => port.memory(),
        };
        let owner = slot
            .owner
            .acquire(thread::tid(), priority, wait, by_force)?;
        Ok(Hold {
            core: self,
            slot,
            port,
            memory,
            owner: Some(owner),
        })
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            self.slot.owner.release(owner);
        }
    }
}

impl<'a> Hold<'a> {
    /// The console's slot.
    pub fn slot(&self) -> &'a ConsoleSlot {
        self.slot
    }

    /// The console's port.
    pub fn port(&self) -> &'a Port {
        self.port
    }

    /// Whether somebody waits for the console.
    pub fn is_wanted(&self) -> bool {
        self.slot.owner.is_wanted()
    }

    /// Runs `work` in an unsafe place. None: the console is lost.
    pub fn unsafely<T>(&mut self, work: impl FnOnce(&Port) -> T) -> Option<T> {
        if !self.enter() {
            return None;
        }
        let result = work(self.port);
        let _ = self.exit();
        Some(result)
    }

    fn enter(&mut self) -> bool {
        let kept = self
            .owner
            .as_ref()
            .is_some_and(|owner| self.slot.owner.enter_unsafe(owner));
        self.keep(kept)
    }

    fn exit(&mut self) -> bool {
        let kept = self
            .owner
            .as_ref()
            .is_some_and(|owner| self.slot.owner.exit_unsafe(owner));
        self.keep(kept)
    }

    fn keep(&mut self, kept: bool) -> bool {
        if !kept {
            self.owner = None; // it is not ours to release
        }
        kept
    }

    fn is_owner(&self) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|owner| self.slot.owner.is_owned_by(owner))
    }

    fn is_panic(&self) -> bool {
        let owner = self.owner.as_ref();
        owner.is_some_and(|owner| owner.priority() == Priority::Panic)
    }

    /// The sink has a new target, which has nothing of what the old one took.
    pub fn restart(&mut self) {
        if self.enter() {
            if !self.is_panic() {
                // SAFETY: owned, and unsafe since `enter`; not by force.
                unsafe { self.port.batch() }.generation = None;
            }
            self.slot
                .prev_seq
                .store(self.slot.seq.load(Ordering::Relaxed), Ordering::Relaxed);
            self.slot.clear(flag::OPEN_LINE);
            let _ = self.exit();
        }
    }

    /// Prints one batch: what is in hand, or records from the console's number on. `write` is handed pieces of at most
    /// `piece` bytes (whole records where they are no longer) and says how much of a piece the sink took.
    pub fn print(
        &mut self,
        want: &Want<'_>,
        piece: usize,
        write: &mut dyn FnMut(&[u8]) -> Written,
    ) -> Printed {
        let before = thread::prints_for();
        thread::print_for(self.port.style().id);
        let printed = self.print_batch(want, piece, write);
        thread::print_for(before.unwrap_or(0));
        self.core.kick().progressed();
        printed
    }

    fn print_batch(
        &mut self,
        want: &Want<'_>,
        piece: usize,
        write: &mut dyn FnMut(&[u8]) -> Written,
    ) -> Printed {
        if !self.enter() {
            return Printed::Lost;
        }
        let mut work = self.in_hand().unwrap_or_else(|| self.render(want));
        if work.len == 0 {
            // Nothing to write, but perhaps records to pass that the console does not want.
            let moved = work.end.seq != work.seen && self.confirm(&mut work, None);
            let _ = self.exit();
            return if moved {
                Printed::Some
            } else {
                Printed::Nothing
            };
        }
        let printed = self.write_batch(&mut work, piece, write);
        if printed != Printed::Lost {
            let _ = self.exit();
        }
        printed
    }

    /// The batch that the last owner did not end, if nobody has owned the console in between.
    fn in_hand(&self) -> Option<Batch> {
        if self.is_panic() {
            return None;
        }
        // SAFETY: owned, and in an unsafe place; not by force.
        let batch = unsafe { self.port.batch() };
        let owner = self.owner.as_ref()?;
        let follows = batch.generation.is_some_and(|last| owner.follows(last));
        (follows && batch.done < batch.len).then_some(*batch)
    }

    fn render(&self, want: &Want<'_>) -> Batch {
        // SAFETY: owned, and in an unsafe place.
        let mut space = unsafe { self.memory.workspace() };
        let mut end = Cursor::of(self.slot);
        let seen = end.seq;
        let begun = Seq(self.slot.prev_seq.load(Ordering::Relaxed));
        // Where a console was taken by force nobody knows what the write took that it was taken from.
        let open_line = self.slot.has(flag::OPEN_LINE) || self.slot.owner.seen().was_taken();
        let rendered = batch(
            self.core,
            self.slot,
            self.port.style(),
            &mut end,
            (begun, open_line),
            &mut space,
            want,
        );
        Batch {
            len: rendered.len,
            marks: rendered.marks,
            done: 0,
            at: 0,
            end,
            seen,
            generation: None,
        }
    }

    /// Writes what is left of a batch. In an unsafe place at its start, and at its end unless the console is lost.
    fn write_batch(
        &mut self,
        work: &mut Batch,
        piece: usize,
        write: &mut dyn FnMut(&[u8]) -> Written,
    ) -> Printed {
        loop {
            let taken = self.write_piece(work, piece, write);
            if !self.is_owner() {
                self.owner = None; // taken by force, in the middle of the write: what it did is not ours to tell
                return Printed::Lost;
            }
            let told = self.tell(work, taken.bytes);
            if let Some(errno) = taken.errno {
                return Printed::Failed(errno);
            }
            if work.done >= work.len || !told {
                return Printed::Some;
            }
            if !self.exit() || !self.enter() {
                return Printed::Lost;
            }
        }
    }

    /// Notes what is begun, and writes it.
    fn write_piece(
        &self,
        work: &Batch,
        piece: usize,
        write: &mut dyn FnMut(&[u8]) -> Written,
    ) -> Written {
        // SAFETY: owned, and in an unsafe place.
        let space = unsafe { self.memory.workspace() };
        let marks = space.marks.get(..work.marks).unwrap_or_default();
        let end = piece_end(marks, work, piece);
        let begun = marks
            .iter()
            .skip(work.at)
            .find(|mark| mark.end >= end)
            .map_or(work.end.seq, |mark| mark.cursor.seq);
        self.slot.prev_seq.store(begun.0, Ordering::Relaxed);
        write(space.text.get(work.done..end).unwrap_or_default())
    }

    /// Tells what the sink took: the console's number, and whether a line or a record is open. False: the console was set
    /// elsewhere meanwhile.
    fn tell(&mut self, work: &mut Batch, bytes: usize) -> bool {
        // SAFETY: owned, and in an unsafe place.
        let space = unsafe { self.memory.workspace() };
        let marks = space.marks.get(..work.marks).unwrap_or_default();
        work.done = (work.done + bytes).min(work.len);
        self.slot.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let passed = marks
            .iter()
            .skip(work.at)
            .take_while(|mark| mark.end <= work.done)
            .count();
        work.at += passed;
        let last = work.at.checked_sub(1).and_then(|last| marks.get(last));
        let edge = last.map_or(0, |mark| mark.end);
        let ended = work.done == 0 || space.text.get(work.done - 1) == Some(&b'\n');
        match (ended, self.slot.has(flag::OPEN_LINE)) {
            (true, true) => self.slot.clear(flag::OPEN_LINE),
            (false, false) => self.slot.set(flag::OPEN_LINE),
            _ => {}
        }
        let stands = match last {
            _ if work.done >= work.len => self.confirm(work, None),
            Some(mark) if passed > 0 => self.confirm(work, Some(mark)),
            _ => true,
        };
        // At the edge of a record nothing is begun; inside of one, that one is.
        let begun = if work.done == edge || work.done >= work.len {
            self.slot.seq.load(Ordering::Relaxed)
        } else {
            marks
                .get(work.at)
                .map_or(work.end.seq.0, |mark| mark.cursor.seq.0)
        };
        self.slot.prev_seq.store(begun, Ordering::Relaxed);
        work.generation = match &self.owner {
            Some(owner) if stands => Some(owner.generation()),
            _ => None,
        };
        if !self.is_panic() {
            // SAFETY: owned, and in an unsafe place; not by force.
            *unsafe { self.port.batch() } = *work;
        }
        stands
    }

    /// Moves the console to an item's end, or to that of the whole batch. False: it was set elsewhere meanwhile.
    fn confirm(&self, work: &mut Batch, item: Option<&Mark>) -> bool {
        let to = item.map_or(work.end, |mark| mark.cursor);
        let stands = to.confirm(self.slot, work.seen);
        work.seen = to.seq;
        stands
    }
}

/// Where the next piece ends: at the last record's end that is at most `piece` bytes away, or inside of a longer record.
fn piece_end(marks: &[Mark], work: &Batch, piece: usize) -> usize {
    let most = work.done.saturating_add(piece).min(work.len);
    marks
        .iter()
        .skip(work.at)
        .map(|mark| mark.end)
        .take_while(|end| *end <= most)
        .last()
        .filter(|end| *end > work.done)
        .unwrap_or(most)
}

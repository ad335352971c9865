//! Whose turn it is to print, where callers do: one prints, at most one waits for it, and all others leave their records to
//! these two.
//!
//! Whoever has the turn prints one record on every console, then lets the one who waits go on, or prints the next. So a
//! caller prints its own records, what had gathered before, and at most one more than that when another comes.
//!
//! Letting go is leaving the word free: who waits takes it, or somebody who came just then and takes it first. Who lets go
//! while nobody waits looks for records once more, since one may have been left to it after its last look.
//!
//! Who has waited for long enough says so in the word: until that turn ends nobody else waits for it.

use crate::atomics::{AtomicU64, Ordering, fence};

/// Somebody prints.
const HELD: u64 = 1;
/// And somebody waits.
const WANTED: u64 = 2;
/// And somebody has waited in vain.
const LATE: u64 = 3;
const STATE: u64 = 3;
const TID_SHIFT: u32 = 32;

/// What a caller can do that has the turn, or wants it.
pub trait Work {
    /// Waits a moment for another's turn to end. False: it has waited long enough.
    fn wait(&mut self) -> bool;

    /// Whether the thread whose turn it is, and does not end, is still there.
    fn is_alive(&mut self, tid: u32) -> bool;

    /// Prints one record on every console where there is one. False: there was none, or this caller is to stop.
    fn round(&mut self) -> bool;

    /// Whether there is a record that this caller could print.
    fn has_more(&mut self) -> bool;
}

/// How a caller's part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ended {
    /// There was nothing more to print, or another goes on.
    Well,
    /// Another has the turn, and did not let go in time: what becomes of this caller's record is not known.
    Late,
}

/// How taking the turn ended.
enum Taken {
    Mine,
    /// Another prints or is about to, and looks for records after this.
    Others,
    Late,
}

/// The word.
#[derive(Debug)]
#[repr(transparent)]
pub struct Turn(AtomicU64);

impl Default for Turn {
    fn default() -> Self {
        Turn(AtomicU64::new(0))
    }
}

impl Turn {
    /// Prints for as long as it is thread `tid`'s turn. To be called after the record was published.
    pub fn print(&self, tid: u32, work: &mut dyn Work) -> Ended {
        loop {
            match self.take(tid, work) {
                Taken::Mine => {}
                Taken::Others => return Ended::Well,
                Taken::Late => return Ended::Late,
            }
            while work.round() && !self.is_wanted() {}
            if self.let_go() {
                return Ended::Well;
            }
            // ORD(let_go:A): let go, then the look; pairs with ORD(take:A): a record, then the look at the word.
            fence(Ordering::SeqCst);
            if !work.has_more() {
                return Ended::Well;
            }
        }
    }

    fn take(&self, tid: u32, work: &mut dyn Work) -> Taken {
        fence(Ordering::SeqCst); // ORD(take:A)
        let mine = HELD | u64::from(tid) << TID_SHIFT;
        let mut now = self.0.load(Ordering::SeqCst);
        let mut asked = None;
        loop {
            let next = match (now & STATE, asked) {
                (0, _) => mine,
                // A handler that interrupts the thread whose turn it is must not wait for it.
                _ if now >> TID_SHIFT == u64::from(tid) => return Taken::Others,
                (HELD, None) => now & !STATE | WANTED,
                (WANTED, Some(wanted)) if wanted == now => match self.wait_on(now, mine, work) {
                    Ok(taken) => return taken,
                    Err(found) => {
                        now = found;
                        continue;
                    }
                },
                (LATE, _) if work.is_alive((now >> TID_SHIFT) as u32) => return Taken::Late,
                (LATE, _) => mine,
                _ => return Taken::Others,
            };
            match self.replace(now, next) {
                Ok(()) if next == mine => return Taken::Mine,
                Ok(()) => {
                    asked = Some(next);
                    now = next;
                }
                Err(found) => now = found,
            }
        }
    }

    /// Waits until the word, which says that somebody waits, says something else: `Err`.
    fn wait_on(&self, wanted: u64, mine: u64, work: &mut dyn Work) -> Result<Taken, u64> {
        loop {
            let now = self.0.load(Ordering::SeqCst);
            if now != wanted {
                return Err(now);
            }
            if work.wait() {
                continue;
            }
            if !work.is_alive((wanted >> TID_SHIFT) as u32) {
                return self.replace(wanted, mine).map(|()| Taken::Mine);
            }
            return self
                .replace(wanted, wanted & !STATE | LATE)
                .map(|()| Taken::Late);
        }
    }

    fn is_wanted(&self) -> bool {
        self.0.load(Ordering::SeqCst) & STATE == WANTED
    }

    /// Leaves the word free. True: somebody waits, and goes on.
    fn let_go(&self) -> bool {
        self.0.swap(0, Ordering::SeqCst) & STATE == WANTED
    }

    fn replace(&self, old: u64, new: u64) -> Result<(), u64> {
        let changed = self
            .0
            .compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst);
        changed.map(drop)
    }
}

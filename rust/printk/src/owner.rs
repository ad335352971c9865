//! The ownership word of a console: who prints on it, who waits for it, and whether it may be taken over now.
//!
//! One 64-bit word, changed by compare-exchange only. An owner of higher priority takes over silently where the present
//! one is in a safe place; where it is not, it asks and waits, and the owner lets go at its next safe place. Equal or
//! lower priority never takes over. Only a panic may take a console away by force, and then the word remembers that what
//! the console had in hand is not to be trusted.
//!
//! A token names one acquisition: the generation tells two of the same thread apart, which a thread that can be
//! preempted anywhere needs.
//!
//! Mechanism only: who may ask for which priority, and how long, is decided by the callers.

use crate::atomics::{AtomicU64, Ordering};

const PRIO: u64 = 0b11;
const REQ_SHIFT: u32 = 2;
const REQ: u64 = 0b11 << REQ_SHIFT;
const UNSAFE: u64 = 1 << 4;
const TAKEN: u64 = 1 << 5;
const GENERATION_SHIFT: u32 = 6;
const GENERATION: u64 = ((1 << 26) - 1) << GENERATION_SHIFT;
const TID_SHIFT: u32 = 32;
/// What tells one acquisition from every other.
const IDENTITY: u64 = PRIO | GENERATION | u64::MAX << TID_SHIFT;

/// How urgent an owner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum Priority {
    /// Printer threads, and callers that print.
    Normal = 1,
    /// Emergency sections.
    Emergency = 2,
    /// The one thread that panics.
    Panic = 3,
}

/// Why a console could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Somebody of the same or a higher priority has it, or waits for it, and is responsible now.
    Owned,
    /// Its owner is in the middle of something, and did not let go in time.
    Busy,
}

/// One acquisition of a console. Given back by [`OwnerWord::release`]; lost when another takes over.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Owner {
    identity: u64,
    priority: Priority,
}

impl Owner {
    /// The number of this acquisition, within its 26 bits.
    pub fn generation(&self) -> u64 {
        (self.identity & GENERATION) >> GENERATION_SHIFT
    }

    /// Whether nobody has owned the console between the acquisition `earlier` and this one.
    pub fn follows(&self, earlier: u64) -> bool {
        let next = earlier.wrapping_add(1) & (GENERATION >> GENERATION_SHIFT);
        self.generation() == next
    }
}

/// What the word says, for those who look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(u64);

impl Seen {
    /// From the word as it stands in a file.
    pub fn of(word: u64) -> Seen {
        Seen(word)
    }

    /// The owner's priority, 0 to 3; 0: nobody owns the console.
    pub fn priority(self) -> u64 {
        self.0 & PRIO
    }

    /// The priority that somebody waits with; 0: nobody waits.
    pub fn requested(self) -> u64 {
        (self.0 & REQ) >> REQ_SHIFT
    }

    /// The owner is in a place where it must not be interrupted.
    pub fn is_unsafe(self) -> bool {
        self.0 & UNSAFE != 0
    }

    /// It was once taken away in such a place.
    pub fn was_taken(self) -> bool {
        self.0 & TAKEN != 0
    }

    /// The thread that owns it, or owned it last.
    pub fn tid(self) -> u32 {
        (self.0 >> TID_SHIFT) as u32
    }

    fn generation(self) -> u64 {
        (self.0 & GENERATION) >> GENERATION_SHIFT
    }

    /// The word of a new owner.
    fn owned_by(self, tid: u32, priority: Priority, taken: u64) -> Seen {
        let generation = (self.generation() + 1) << GENERATION_SHIFT & GENERATION;
        let unsafe_bit = if taken == 0 { 0 } else { UNSAFE };
        Seen(priority as u64 | unsafe_bit | taken | generation | u64::from(tid) << TID_SHIFT)
    }

    fn without_owner(self) -> Seen {
        let unsafe_bit = if self.was_taken() { UNSAFE } else { 0 };
        Seen(self.0 & !(PRIO | UNSAFE) | unsafe_bit)
    }

    fn is_of(self, owner: &Owner) -> bool {
        self.0 & IDENTITY == owner.identity
    }
}

/// How a request ended.
enum Asked {
    Granted(Owner),
    Denied,
    TimedOut,
    Again,
}

/// The word. Lies in the consoles section of a ring file; other processes only look.
#[derive(Debug)]
#[repr(transparent)]
pub struct OwnerWord(AtomicU64);

impl Default for OwnerWord {
    fn default() -> Self {
        OwnerWord(AtomicU64::new(0))
    }
}

impl OwnerWord {
    /// What the word says now.
    pub fn seen(&self) -> Seen {
        Seen(self.0.load(Ordering::Relaxed))
    }

    /// A fresh word, for a console that nobody knows yet. The generation goes on, so that a token of the slot's last
    /// console is not taken for one of this.
    pub fn reset(&self) {
        let generation = self.seen().0 & GENERATION;
        self.0.store(generation, Ordering::Relaxed);
    }

    /// Takes the console for thread `tid`, if it is free or its owner is less urgent and in a safe place. Otherwise asks
    /// the owner to let go, and waits as long as `wait` says so; `None`: does not ask. `by_force`: a panic takes it away
    /// in the end.
    ///
    /// # Errors
    /// [`Refused`], see there.
    pub fn acquire(
        &self,
        tid: u32,
        priority: Priority,
        wait: Option<&mut dyn FnMut() -> bool>,
        by_force: bool,
    ) -> Result<Owner, Refused> {
        let mut wait = wait;
        loop {
            let now = match self.take_safely(tid, priority) {
                Ok(owner) => return Ok(owner),
                Err((Refused::Owned, _)) => return Err(Refused::Owned),
                Err((Refused::Busy, now)) => now,
            };
            let may_ask = !now.was_taken() && (now.priority() == 0 || now.tid() != tid);
            let asked = match wait.as_deref_mut() {
                Some(wait) if may_ask => self.ask(now, tid, priority, wait),
                _ => Asked::TimedOut,
            };
            match asked {
                Asked::Granted(owner) => return Ok(owner),
                Asked::Denied => return Err(Refused::Owned),
                Asked::Again => {}
                Asked::TimedOut if by_force && priority == Priority::Panic => {
                    return Ok(self.take_by_force(tid));
                }
                Asked::TimedOut => return Err(Refused::Busy),
            }
        }
    }

    /// Takes a free console, or one whose owner is less urgent and in a safe place.
    fn take_safely(&self, tid: u32, priority: Priority) -> Result<Owner, (Refused, Seen)> {
        // ORD(take_safely:A): pairs with ORD(let_go:A) and ORD(mark:A), as the exchange below does.
        let mut now = Seen(self.0.load(Ordering::Acquire));
        loop {
            if priority as u64 <= now.priority() || priority as u64 <= now.requested() {
                return Err((Refused::Owned, now));
            }
            if now.is_unsafe() {
                return Err((Refused::Busy, now));
            }
            match self.replace(now, now.owned_by(tid, priority, 0)) {
                Ok(owned) => return Ok(owned.owner(priority)),
                Err(found) => now = found,
            }
        }
    }

    /// Asks the owner to let go. Only one may wait; a more urgent one takes the place.
    fn ask(
        &self,
        now: Seen,
        tid: u32,
        priority: Priority,
        wait: &mut dyn FnMut() -> bool,
    ) -> Asked {
        let request = (priority as u64) << REQ_SHIFT;
        if self.replace(now, Seen(now.0 & !REQ | request)).is_err() {
            return Asked::Again;
        }
        loop {
            // ORD(ask:A): pairs with ORD(let_go:A): what the owner did is seen before this one goes on.
            let now = Seen(self.0.load(Ordering::Acquire));
            if now.requested() != priority as u64 {
                return Asked::Denied; // somebody more urgent
            }
            if now.priority() == 0 && !now.is_unsafe() {
                if let Ok(owned) = self.replace(now, now.owned_by(tid, priority, 0)) {
                    return Asked::Granted(owned.owner(priority));
                }
            } else if !wait() && self.replace(now, Seen(now.0 & !REQ)).is_ok() {
                return Asked::TimedOut;
            }
        }
    }

    /// Takes the console away, wherever its owner is.
    fn take_by_force(&self, tid: u32) -> Owner {
        let mut now = self.seen();
        loop {
            let taken = if now.is_unsafe() || now.was_taken() {
                TAKEN
            } else {
                0
            };
            match self.replace(now, now.owned_by(tid, Priority::Panic, taken)) {
                Ok(owned) => return owned.owner(Priority::Panic),
                Err(found) => now = found,
            }
        }
    }

    /// Whether `owner` still has the console and may go on. Lets go where somebody waits and this is a safe place.
    #[must_use]
    pub fn can_proceed(&self, owner: &Owner) -> bool {
        let mut now = self.seen();
        loop {
            if !now.is_of(owner) {
                return false;
            }
            if now.requested() == 0 || now.is_unsafe() {
                return true;
            }
            match self.replace(now, now.without_owner()) {
                Ok(_) => return false, // ORD(let_go:A), in `replace`
                Err(found) => now = found,
            }
        }
    }

    /// Whether `owner` still has the console. Changes nothing.
    pub fn is_owned_by(&self, owner: &Owner) -> bool {
        self.seen().is_of(owner)
    }

    /// Whether somebody waits for `owner` to let go.
    pub fn is_wanted(&self) -> bool {
        self.seen().requested() != 0
    }

    /// From here on nobody takes over but by force. False: the console is lost, or was let go here for one who waits.
    #[must_use]
    pub fn enter_unsafe(&self, owner: &Owner) -> bool {
        self.can_proceed(owner) && self.mark(owner, true)
    }

    /// The end of such a place. False: the console is lost, or was let go here for one who waits.
    #[must_use]
    pub fn exit_unsafe(&self, owner: &Owner) -> bool {
        self.mark(owner, false) && self.can_proceed(owner)
    }

    fn mark(&self, owner: &Owner, inside: bool) -> bool {
        let mut now = self.seen();
        loop {
            if !now.is_of(owner) {
                return false;
            }
            let stays = inside || now.was_taken();
            let marked = Seen(now.0 & !UNSAFE | if stays { UNSAFE } else { 0 });
            match self.replace(now, marked) {
                Ok(_) => return true, // ORD(mark:A), in `replace`
                Err(found) => now = found,
            }
        }
    }

    /// Gives the console back. False: it was lost already.
    pub fn release(&self, owner: Owner) -> bool {
        let mut now = self.seen();
        loop {
            if !now.is_of(&owner) {
                return false;
            }
            match self.replace(now, now.without_owner()) {
                Ok(_) => return true,
                Err(found) => now = found,
            }
        }
    }

    /// Frees the console of an owner that is dead, as it was `seen`. False: the word has changed meanwhile. What the dead
    /// had in hand is nobody's to go on with: an acquisition is left out.
    pub fn free_from_dead(&self, seen: Seen) -> bool {
        let generation = (seen.generation() + 1) << GENERATION_SHIFT & GENERATION;
        let freed = Seen(seen.without_owner().0 & !GENERATION | generation);
        self.replace(seen, freed).is_ok()
    }

    /// Forgets a request that nobody can stand behind any more, as it was `seen`: those who wait do so for milliseconds.
    pub fn forget_request(&self, seen: Seen) -> bool {
        self.replace(seen, Seen(seen.0 & !REQ)).is_ok()
    }

    /// The one way in which the word changes.
    fn replace(&self, old: Seen, new: Seen) -> Result<Seen, Seen> {
        // ORD(mark:A), ORD(let_go:A): release: what an owner did in an unsafe place is done before the word says that it
        // has left it. And acquire: who takes the word has seen all of that (M17).
        match self
            .0
            .compare_exchange(old.0, new.0, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(new),
            Err(found) => Err(Seen(found)),
        }
    }
}

impl Seen {
    fn owner(self, priority: Priority) -> Owner {
        Owner {
            identity: self.0 & IDENTITY,
            priority,
        }
    }
}

impl Owner {
    /// How urgent it is.
    pub fn priority(&self) -> Priority {
        self.priority
    }
}

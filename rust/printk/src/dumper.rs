//! Dumpers: who is called when the process gets into trouble, in the order of their registration.
//!
//! A fixed table, walked without locks by whoever dumps: also by two at a time, and in any context. A slot's word says whose
//! it is, whether that dumper is called, and how many calls are under way; while there are any, the dumper stays.
//!
//! | from | to | by |
//! |---|---|---|
//! | free | taken | who registers |
//! | taken | listed | the same, when the rest is there |
//! | listed, n calls | listed, n + 1 and n - 1 | who dumps |
//! | listed | leaving | who unregisters: no further calls |
//! | leaving, no calls | free | the last of the two kinds |

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// How many dumpers a log may have at a time.
pub const DUMPERS: usize = 32;

/// Why the log is dumped, most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Reason {
    /// A fatal signal, an abort, or a thread that gives the process up.
    Panic = 1,
    /// An uncaught exception in a thread or task.
    Oops = 2,
    /// A dump on demand.
    Emergency = 3,
    /// An orderly exit.
    Shutdown = 4,
}

impl Reason {
    /// Its name, as the kernel says it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Panic => "Panic",
            Reason::Oops => "Oops",
            Reason::Emergency => "Emergency",
            Reason::Shutdown => "Shutdown",
        }
    }
}

/// What a dumper is told.
#[derive(Clone, Copy, Debug)]
pub struct Why<'w> {
    /// The reason.
    pub reason: Reason,
    /// A short description.
    pub detail: Option<&'w str>,
}

/// Where a dump takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a thread that may do anything.
    Task,
    /// In a handler of a fatal signal, say.
    Anywhere,
}

/// One dumper.
#[derive(Debug)]
pub struct Dumper {
    /// Called for reasons that are no less important.
    pub max_reason: Reason,
    /// Called for every reason.
    pub always: bool,
    /// What it has done counts as saved: consoles of the least reliable class need not be tried then.
    pub preserves: bool,
    /// It may be called anywhere.
    pub any_context: bool,
    /// What is called. True: it has done what it is for.
    ///
    /// # Safety
    /// It is called with `data`, and while that is kept.
    pub call: unsafe fn(data: *const (), why: &Why<'_>) -> bool,
    /// Handed to `call`.
    pub data: *const (),
}

impl Dumper {
    fn wants(&self, reason: Reason) -> bool {
        self.always || reason <= self.max_reason
    }
}

/// What a dump came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Dumpers that were called.
    pub called: u32,
    /// Dumpers that could not be called where this took place.
    pub skipped: u32,
    /// One that preserves has done what it is for.
    pub is_saved: bool,
}

/// A dumper's registration; none is like another of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    index: usize,
    number: u64,
}

const FREE: u64 = 0;
const TAKEN: u64 = 1 << 61;
const LISTED: u64 = 1 << 62;
const LEAVING: u64 = 1 << 63;
/// The calls that are under way: 20 bits. The dumper's number, from 1 on: 41 bits, more than anybody registers.
const CALLS: u64 = (1 << NUMBER_SHIFT) - 1;
const NUMBER_SHIFT: u32 = 20;
const NUMBER: u64 = (TAKEN - 1) & !CALLS;

fn number_in(word: u64) -> u64 {
    (word & NUMBER) >> NUMBER_SHIFT
}

/// The word of a dumper that is listed, and in no call.
fn listed(number: u64) -> u64 {
    LISTED | number << NUMBER_SHIFT & NUMBER
}

#[derive(Debug)]
struct Slot {
    word: AtomicU64,
    dumper: AtomicPtr<Dumper>,
}

/// The dumpers of one log.
#[derive(Debug)]
pub struct Dumpers {
    slots: [Slot; DUMPERS],
    /// How many there have been.
    registered: AtomicU64,
}

impl Dumpers {
    pub(crate) const fn new() -> Dumpers {
        Dumpers {
            slots: [const {
                Slot {
                    word: AtomicU64::new(FREE),
                    dumper: AtomicPtr::new(core::ptr::null_mut()),
                }
            }; DUMPERS],
            registered: AtomicU64::new(0),
        }
    }

    /// Has a dumper called from now on, after those that are there. None: there are too many.
    ///
    /// # Safety
    /// `dumper` and its data stay valid, and may be used from any thread, until [`Dumpers::unregister`] was called and
    /// [`Dumpers::calls`] has said 0.
    pub unsafe fn register(&self, dumper: *const Dumper) -> Option<Ticket> {
        let take = |slot: &Slot| {
            let word = &slot.word;
            let taken = word.compare_exchange(FREE, TAKEN, Ordering::SeqCst, Ordering::Relaxed);
            taken.is_ok()
        };
        let index = self.slots.iter().position(take)?;
        let slot = self.slots.get(index)?;
        let number = self.registered.fetch_add(1, Ordering::SeqCst) + 1;
        slot.dumper.store(dumper.cast_mut(), Ordering::Relaxed);
        slot.word.store(listed(number), Ordering::SeqCst); // ORD(list_dumper:A) pairs with ORD(enter_dumper:A)
        Some(Ticket { index, number })
    }

    /// Has it called no more. It may be in a call, or several.
    pub fn unregister(&self, ticket: Ticket) {
        let Some(slot) = self.slots.get(ticket.index) else {
            return;
        };
        let change = |word| match word & CALLS {
            _ if word & !CALLS != listed(ticket.number) => None, // it has gone, or another one is there
            0 => Some(FREE),
            calls => Some(LEAVING | word & NUMBER | calls),
        };
        let _ = slot
            .word
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
    }

    /// How many calls of it are under way.
    pub fn calls(&self, ticket: Ticket) -> u64 {
        let slot = self.slots.get(ticket.index);
        // ORD(calls:A) pairs with ORD(end_call:A): what the last call did with the dumper is done.
        let word = slot.map(|slot| slot.word.load(Ordering::SeqCst));
        word.filter(|word| number_in(*word) == ticket.number)
            .map_or(0, |word| word & CALLS)
    }

    /// Calls those that want this, in order; one that registers meanwhile is left out.
    pub fn dump(&self, why: &Why<'_>, place: Place) -> Dumped {
        let last = self.registered.load(Ordering::SeqCst);
        let (mut dumped, mut number) = (Dumped::default(), 0);
        while let Some((slot, next)) = self.next_after(number, last) {
            number = next;
            let Some(call) = slot.enter(number) else {
                continue;
            };
            let dumper = call.dumper();
            if !dumper.wants(why.reason) {
                continue;
            }
            if place == Place::Anywhere && !dumper.any_context {
                dumped.skipped += 1;
                continue;
            }
            dumped.called += 1;
            // SAFETY: entered: the data is valid, and may be used here.
            let done = unsafe { (dumper.call)(dumper.data, why) };
            dumped.is_saved |= done && dumper.preserves;
        }
        dumped
    }

    /// The listed dumper with the smallest number above `after`, up to `last`.
    fn next_after(&self, after: u64, last: u64) -> Option<(&Slot, u64)> {
        let listed = self.slots.iter().filter_map(|slot| {
            let word = slot.word.load(Ordering::SeqCst);
            (word & LISTED != 0).then(|| (slot, number_in(word)))
        });
        listed
            .filter(|(_, number)| *number > after && *number <= last)
            .min_by_key(|(_, number)| *number)
    }
}

impl Slot {
    /// Begins a call, if the dumper with this number is still listed.
    fn enter(&self, number: u64) -> Option<Call<'_>> {
        let more = |word| (word & !CALLS == listed(number)).then_some(word + 1);
        // ORD(enter_dumper:A): the dumper is there.
        let entered = self
            .word
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        entered.ok().map(|_| Call(self)) // or it has gone, and perhaps another one has the slot by now
    }
}

/// A call under way: its dumper stays.
struct Call<'s>(&'s Slot);

impl Call<'_> {
    fn dumper(&self) -> &Dumper {
        // SAFETY: listed when this call began, and kept by its registrar as long as it is under way.
        unsafe { &*self.0.dumper.load(Ordering::Relaxed) }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let less = |word| match word & CALLS {
            1 if word & LEAVING != 0 => Some(FREE),
            _ => Some(word - 1),
        };
        // ORD(end_call:A) pairs with ORD(calls:A)
        let _ = self
            .0
            .word
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }
}

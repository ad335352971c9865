//! Models of callers that print by turns, for every interleaving and every order that the memory model allows. Built with
//! `--cfg owner_model`; run by `ci/owner.sh`.
#![cfg(owner_model)]

mod atomics {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[allow(dead_code, unreachable_pub)]
#[path = "../src/turn.rs"]
mod turn;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use turn::{Ended, Turn, Work};

/// A log with one console.
struct Log {
    turn: Turn,
    /// Records stored.
    stored: AtomicU64,
    /// Records printed. Only whose turn it is may touch it: the checker fails a model in which two do at once, or one
    /// without seeing what the other did.
    printed: UnsafeCell<u64>,
    /// The same, for those who only look.
    seq: AtomicU64,
}

// SAFETY: this is what the models prove.
unsafe impl Sync for Log {}
// SAFETY: as above.
unsafe impl Send for Log {}

impl Log {
    fn new() -> Arc<Log> {
        Arc::new(Log {
            turn: Turn::default(),
            stored: AtomicU64::new(0),
            printed: UnsafeCell::new(0),
            seq: AtomicU64::new(0),
        })
    }

    /// A log call of thread `tid`, which waits as often as it is asked for `patience` times.
    fn call(&self, tid: u32, patience: u32) -> Caller<'_> {
        self.stored.fetch_add(1, Ordering::Relaxed);
        Caller {
            log: self,
            tid,
            patience,
            rounds: 0,
            dead: None,
        }
    }
}

struct Caller<'l> {
    log: &'l Log,
    tid: u32,
    patience: u32,
    rounds: u32,
    dead: Option<u32>,
}

impl Caller<'_> {
    fn print(&mut self) -> Ended {
        let turn = &self.log.turn;
        turn.print(self.tid, self)
    }
}

impl Work for Caller<'_> {
    fn wait(&mut self) -> bool {
        thread::yield_now();
        self.patience = self.patience.saturating_sub(1);
        self.patience > 0
    }

    fn is_alive(&mut self, tid: u32) -> bool {
        self.dead != Some(tid)
    }

    fn round(&mut self) -> bool {
        let stored = self.log.stored.load(Ordering::Relaxed);
        let more = self.log.printed.with_mut(|printed| {
            // SAFETY: whose turn it is.
            let printed = unsafe { &mut *printed };
            let more = *printed < stored;
            *printed += u64::from(more);
            self.log.seq.store(*printed, Ordering::Relaxed);
            more
        });
        self.rounds += u32::from(more);
        more
    }

    fn has_more(&mut self) -> bool {
        self.log.seq.load(Ordering::Relaxed) < self.log.stored.load(Ordering::Relaxed)
    }
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

/// `threads` threads log `records` each. Whoever was late leaves everything to the printers.
fn all_is_printed_or_left(threads: u32, records: u32, patience: u32) {
    let log = Log::new();
    let work = move |log: &Log, tid| {
        let ended: Vec<_> = (0..records)
            .map(|_| log.call(tid, patience).print())
            .collect();
        ended.contains(&Ended::Late)
    };
    let others: Vec<_> = (2..=threads)
        .map(|tid| {
            let log = log.clone();
            thread::spawn(move || work(&log, tid))
        })
        .collect();
    let mut left = work(&log, 1);
    for other in others {
        left |= other.join().expect("the other thread");
    }
    let (stored, printed) = (
        log.stored.load(Ordering::Relaxed),
        log.seq.load(Ordering::Relaxed),
    );
    assert!(
        printed == stored || left,
        "{printed} of {stored}, and nobody is responsible"
    );
}

#[test]
fn of_two_callers_nobody_leaves_a_record_that_nobody_prints() {
    model(|| all_is_printed_or_left(2, 2, 3));
}

#[test]
fn of_three_callers_nobody_leaves_a_record_that_nobody_prints() {
    model(|| all_is_printed_or_left(3, 1, 3));
}

#[test]
fn a_caller_that_loses_patience_says_so() {
    model(|| all_is_printed_or_left(2, 1, 1));
}

#[test]
fn of_three_callers_without_patience_nobody_leaves_a_record_that_nobody_prints() {
    model(|| all_is_printed_or_left(3, 1, 1));
}

#[test]
fn who_has_waited_in_vain_is_the_last_who_waits_for_that_turn() {
    model(|| {
        let log = Log::new();
        let mut slow = During {
            caller: log.call(1, 2),
            others: Some(|log: &Log| {
                let mut first = log.call(2, 3);
                assert_eq!((first.print(), first.patience), (Ended::Late, 0));
                let mut second = log.call(3, 3);
                assert_eq!((second.print(), second.patience), (Ended::Late, 3));
                assert_eq!(log.call(1, 3).print(), Ended::Well, "a handler's");
            }),
        };
        assert_eq!(log.turn.print(1, &mut slow), Ended::Well);
        assert_eq!(log.seq.load(Ordering::Relaxed), 4);
        let mut next = log.call(2, 3);
        assert_eq!(
            (next.print(), next.rounds),
            (Ended::Well, 1),
            "the turn is free again"
        );
    });
}

#[test]
fn the_turn_of_a_thread_that_died_after_somebody_has_waited_in_vain_is_taken() {
    model(|| {
        let log = Log::new();
        let mut dead = Dies {
            before: Some(|log: &Log| assert_eq!(log.call(2, 1).print(), Ended::Late)),
            log: &log,
        };
        die(&log, &mut dead);
        let mut caller = log.call(1, 2);
        caller.dead = Some(9);
        assert_eq!((caller.print(), caller.rounds), (Ended::Well, 2));
    });
}

#[test]
fn nobody_waits_for_longer_than_one_record() {
    model(|| {
        let log = Log::new();
        log.stored.fetch_add(2, Ordering::Relaxed); // two records more
        let waits = [AtomicU64::new(0), AtomicU64::new(0)];
        let call = |log: &Log, waits: &[AtomicU64; 2], me: usize| {
            let mut caller = Patient {
                caller: log.call(me as u32 + 1, 1),
                waits: (&waits[me], &waits[1 - me]),
                is_to_stop: false,
            };
            assert_eq!(log.turn.print(caller.caller.tid, &mut caller), Ended::Well);
        };
        let shared = Arc::new((log, waits));
        let other = shared.clone();
        let other = thread::spawn(move || call(&other.0, &other.1, 1));
        call(&shared.0, &shared.1, 0);
        other.join().expect("the other thread");
        assert_eq!(shared.0.seq.load(Ordering::Relaxed), 4);
    });
}

/// One of two callers that wait for ever, and say so.
struct Patient<'l> {
    caller: Caller<'l>,
    /// Whether this one waits, and whether the other does.
    waits: (&'l AtomicU64, &'l AtomicU64),
    /// The other waited already when the last round began.
    is_to_stop: bool,
}

impl Work for Patient<'_> {
    fn wait(&mut self) -> bool {
        self.waits.0.store(1, Ordering::Release);
        thread::yield_now();
        true
    }

    fn is_alive(&mut self, _tid: u32) -> bool {
        true
    }

    fn round(&mut self) -> bool {
        assert!(!self.is_to_stop, "the other waits longer than it has to");
        self.waits.0.store(0, Ordering::Relaxed);
        self.is_to_stop = self.waits.1.load(Ordering::Acquire) == 1;
        self.caller.round()
    }

    fn has_more(&mut self) -> bool {
        self.caller.has_more()
    }
}

#[test]
fn the_turn_of_a_dead_thread_is_taken_by_who_waited_for_it() {
    model(|| {
        let log = Log::new();
        let mut dead = Dies {
            before: None,
            log: &log,
        };
        die(&log, &mut dead);
        let mut caller = log.call(1, 2);
        caller.dead = Some(9);
        assert_eq!((caller.print(), caller.rounds), (Ended::Well, 1));
    });
}

/// Thread 9 gets the turn, and is no more.
fn die(log: &Log, dead: &mut Dies<'_>) {
    let gone = std::panic::AssertUnwindSafe(|| log.turn.print(9, dead));
    assert!(std::panic::catch_unwind(gone).is_err());
}

/// A caller that never comes back from its first round.
struct Dies<'l> {
    /// What comes before.
    before: Option<fn(&Log)>,
    log: &'l Log,
}

impl Work for Dies<'_> {
    fn wait(&mut self) -> bool {
        true
    }

    fn is_alive(&mut self, _tid: u32) -> bool {
        true
    }

    fn round(&mut self) -> bool {
        if let Some(before) = self.before {
            before(self.log);
        }
        std::panic::resume_unwind(Box::new(()))
    }

    fn has_more(&mut self) -> bool {
        false
    }
}

#[test]
fn a_handler_that_interrupts_the_thread_whose_turn_it_is_leaves_its_record_to_it() {
    model(|| {
        let log = Log::new();
        let mut outer = During {
            caller: log.call(1, 2),
            others: Some(|log: &Log| {
                let mut inner = log.call(1, 1);
                assert_eq!((inner.print(), inner.rounds), (Ended::Well, 0));
            }),
        };
        assert_eq!(log.turn.print(1, &mut outer), Ended::Well);
        assert_eq!(log.seq.load(Ordering::Relaxed), 2);
    });
}

/// A caller during whose first round something happens.
struct During<'l> {
    caller: Caller<'l>,
    others: Option<fn(&Log)>,
}

impl Work for During<'_> {
    fn wait(&mut self) -> bool {
        unreachable!("nobody has the turn")
    }

    fn is_alive(&mut self, _tid: u32) -> bool {
        true
    }

    fn round(&mut self) -> bool {
        if let Some(others) = self.others.take() {
            others(self.caller.log);
        }
        self.caller.round()
    }

    fn has_more(&mut self) -> bool {
        self.caller.has_more()
    }
}

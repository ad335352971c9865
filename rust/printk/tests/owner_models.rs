//! Models of the ownership word, for every interleaving and every order that the memory model allows. Built with
//! `--cfg owner_model`; run by `ci/loom.sh`.
#![cfg(owner_model)]

mod atomics {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
}

#[allow(dead_code, unreachable_pub)]
#[path = "../src/owner.rs"]
mod owner;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use owner::{OwnerWord, Priority, Refused};

/// A console: its word, and what only an owner in an unsafe place may touch. The checker fails a model in which two
/// touch it at once, or one without seeing what the other did.
struct Console {
    word: OwnerWord,
    device: UnsafeCell<u32>,
}

// SAFETY: this is what the models prove.
unsafe impl Sync for Console {}
// SAFETY: as above.
unsafe impl Send for Console {}

impl Console {
    fn new() -> Arc<Console> {
        Arc::new(Console {
            word: OwnerWord::default(),
            device: UnsafeCell::new(0),
        })
    }

    /// One write in an unsafe place. False: the console is lost.
    fn write(&self, owner: &owner::Owner) -> bool {
        if !self.word.enter_unsafe(owner) {
            return false;
        }
        self.device.with_mut(|device| {
            // SAFETY: in an unsafe place of the one owner.
            unsafe { *device += 1 };
        });
        self.word.exit_unsafe(owner)
    }
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

/// Waits as often as it is asked, for `rounds` times.
fn patience(mut rounds: u32) -> impl FnMut() -> bool {
    move || {
        thread::yield_now();
        rounds = rounds.saturating_sub(1);
        rounds > 0
    }
}

#[test]
fn two_of_the_same_priority_never_own_at_once() {
    model(|| {
        let console = Console::new();
        let other = console.clone();
        let second = thread::spawn(move || {
            if let Ok(owner) = other.word.acquire(2, Priority::Normal, None, false) {
                assert!(other.write(&owner));
                assert!(other.word.release(owner));
            }
        });
        if let Ok(owner) = console.word.acquire(1, Priority::Normal, None, false) {
            assert!(console.write(&owner));
            assert!(console.word.release(owner));
        }
        second.join().expect("the other thread");
        assert_eq!(console.word.seen().priority(), 0);
    });
}

#[test]
fn a_silent_takeover_happens_in_safe_places_only() {
    model(|| {
        let console = Console::new();
        let other = console.clone();
        let urgent =
            thread::spawn(
                move || match other.word.acquire(2, Priority::Emergency, None, false) {
                    Ok(owner) => {
                        assert!(other.write(&owner));
                        assert!(other.word.release(owner));
                    }
                    Err(why) => assert_eq!(why, Refused::Busy),
                },
            );
        let owner = console
            .word
            .acquire(1, Priority::Normal, None, false)
            .or_else(|_| console.word.acquire(1, Priority::Normal, None, false));
        if let Ok(owner) = owner
            && console.write(&owner)
            && console.write(&owner)
        {
            console.word.release(owner);
        }
        urgent.join().expect("the other thread");
        assert_eq!(console.word.seen().priority(), 0);
    });
}

#[test]
fn who_asks_gets_the_console_at_the_next_safe_place() {
    model(|| {
        let console = Console::new();
        let owner = console
            .word
            .acquire(1, Priority::Normal, None, false)
            .expect("nobody has it");
        assert!(console.word.enter_unsafe(&owner));
        let other = console.clone();
        let urgent = thread::spawn(move || {
            let owner = other
                .word
                .acquire(2, Priority::Emergency, Some(&mut patience(u32::MAX)), false)
                .expect("it is let go");
            assert!(other.write(&owner));
            assert!(other.word.release(owner));
        });
        console.device.with_mut(|device| {
            // SAFETY: in an unsafe place of the one owner.
            unsafe { *device += 1 };
        });
        if console.word.exit_unsafe(&owner) {
            console.word.release(owner);
        }
        urgent.join().expect("the other thread");
        console.device.with(|device| {
            // SAFETY: nobody else is left.
            assert_eq!(unsafe { *device }, 2);
        });
    });
}

#[test]
fn an_owner_that_goes_on_and_on_lets_go_for_who_waits() {
    model(|| {
        let console = Console::new();
        let owner = console
            .word
            .acquire(1, Priority::Normal, None, false)
            .expect("nobody has it");
        assert!(console.word.enter_unsafe(&owner));
        let other = console.clone();
        let urgent = thread::spawn(move || {
            let owner = other
                .word
                .acquire(2, Priority::Emergency, Some(&mut patience(u32::MAX)), false)
                .expect("it is let go");
            assert!(other.word.release(owner));
        });
        let mut kept = console.word.exit_unsafe(&owner);
        while kept {
            thread::yield_now();
            kept = console.word.can_proceed(&owner);
        }
        urgent.join().expect("the other thread");
    });
}

#[test]
fn who_has_given_up_waiting_is_not_granted_later() {
    model(|| {
        let console = Console::new();
        let owner = console
            .word
            .acquire(1, Priority::Normal, None, false)
            .expect("nobody has it");
        assert!(console.word.enter_unsafe(&owner));
        let other = console.clone();
        let granted = Arc::new(AtomicUsize::new(0));
        let noted = granted.clone();
        let urgent = thread::spawn(move || {
            let taken = other
                .word
                .acquire(2, Priority::Emergency, Some(&mut patience(1)), false);
            match taken {
                Ok(owner) => {
                    noted.store(1, Ordering::Relaxed);
                    assert!(other.write(&owner));
                    assert!(other.word.release(owner));
                }
                Err(why) => assert_eq!(why, Refused::Busy),
            }
        });
        console.device.with_mut(|device| {
            // SAFETY: in an unsafe place of the one owner.
            unsafe { *device += 1 };
        });
        if console.word.exit_unsafe(&owner) {
            console.word.release(owner);
        }
        urgent.join().expect("the other thread");
        let seen = console.word.seen();
        assert_eq!(
            (seen.priority(), seen.requested()),
            (0, 0),
            "nobody owns it, nobody waits"
        );
        let writes = console.device.with(|device| {
            // SAFETY: nobody else is left.
            unsafe { *device }
        });
        assert_eq!(writes as usize, 1 + granted.load(Ordering::Relaxed));
    });
}

#[test]
fn the_less_urgent_does_not_slip_in_before_who_waits() {
    model(|| {
        let console = Console::new();
        let owner = console
            .word
            .acquire(1, Priority::Normal, None, false)
            .expect("nobody has it");
        assert!(console.word.enter_unsafe(&owner));
        let (first, second) = (console.clone(), console.clone());
        let urgent = thread::spawn(move || {
            let owner = first
                .word
                .acquire(2, Priority::Emergency, Some(&mut patience(u32::MAX)), false)
                .expect("it is let go");
            assert!(first.write(&owner));
            first.word.release(owner);
        });
        let ordinary = thread::spawn(move || {
            let waits = second.word.is_wanted();
            let taken = second.word.acquire(3, Priority::Normal, None, false);
            if let Ok(owner) = taken {
                assert!(
                    !waits
                        || second.word.seen().requested() == 0
                        || !second.word.can_proceed(&owner)
                );
                if second.write(&owner) {
                    second.word.release(owner);
                }
            }
        });
        if console.word.exit_unsafe(&owner) {
            console.word.release(owner);
        }
        urgent.join().expect("the urgent thread");
        ordinary.join().expect("the ordinary thread");
        assert_eq!(console.word.seen().priority(), 0);
    });
}

#[test]
fn the_most_urgent_takes_the_place_of_who_waits() {
    model(|| {
        let console = Console::new();
        let owner = console
            .word
            .acquire(1, Priority::Normal, None, false)
            .expect("nobody has it");
        assert!(console.word.enter_unsafe(&owner));
        let (first, second) = (console.clone(), console.clone());
        let urgent = thread::spawn(move || {
            let taken = first
                .word
                .acquire(2, Priority::Emergency, Some(&mut patience(2)), false);
            if let Ok(owner) = taken
                && first.write(&owner)
            {
                first.word.release(owner);
            }
        });
        let panic = thread::spawn(move || {
            let owner = second
                .word
                .acquire(3, Priority::Panic, Some(&mut patience(u32::MAX)), false)
                .expect("nobody is more urgent");
            assert!(second.write(&owner));
            assert!(second.word.release(owner));
        });
        if console.word.exit_unsafe(&owner) {
            console.word.release(owner);
        }
        urgent.join().expect("the urgent thread");
        panic.join().expect("the panicking thread");
        let seen = console.word.seen();
        assert_eq!((seen.priority(), seen.requested()), (0, 0));
    });
}

#[test]
fn what_was_taken_by_force_in_an_unsafe_place_is_remembered_and_its_owner_notices() {
    model(|| {
        let console = Console::new();
        let owner = console
            .word
            .acquire(1, Priority::Normal, None, false)
            .expect("nobody has it");
        let other = console.clone();
        let panic = thread::spawn(move || {
            let owner = other
                .word
                .acquire(2, Priority::Panic, None, true)
                .expect("force is allowed");
            let taken = other.word.seen().was_taken();
            assert!(other.word.enter_unsafe(&owner) && other.word.exit_unsafe(&owner));
            assert_eq!(other.word.seen().is_unsafe(), taken);
            assert!(other.word.release(owner));
            taken
        });
        let inside = console.word.enter_unsafe(&owner);
        let kept = inside && console.word.exit_unsafe(&owner);
        let released = console.word.release(owner);
        let taken = panic.join().expect("the panicking thread");
        assert!(
            !taken || (inside && !kept && !released),
            "who was robbed knows it"
        );
        assert_eq!(
            console.word.seen().is_unsafe(),
            taken,
            "and the console stays marked"
        );
    });
}

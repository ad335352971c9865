//! Dumpers: called in order, by several at once, and never after they were unregistered.

mod rig;

use pr_printk::dumper::{DUMPERS, Dumped, Dumper, Dumpers, Place, Reason, Ticket, Why};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the dumpers of one test have been told.
#[derive(Default)]
struct Told {
    calls: Mutex<Vec<(u32, Reason, Option<String>)>>,
}

struct Noting {
    number: u32,
    told: &'static Told,
    result: bool,
}

/// Notes the call.
///
/// # Safety
/// `data` is what [`noting`] has leaked.
unsafe fn note(data: *const (), why: &Why<'_>) -> bool {
    // SAFETY: the caller's promise.
    let noting = unsafe { &*data.cast::<Noting>() };
    let mut calls = noting.told.calls.lock().expect("no panic");
    calls.push((noting.number, why.reason, why.detail.map(str::to_owned)));
    noting.result
}

fn told() -> &'static Told {
    Box::leak(Box::default())
}

fn noting(number: u32, told: &'static Told, result: bool) -> Dumper {
    let noting: &Noting = Box::leak(Box::new(Noting {
        number,
        told,
        result,
    }));
    Dumper {
        max_reason: Reason::Oops,
        always: false,
        preserves: false,
        any_context: true,
        call: note,
        data: std::ptr::from_ref(noting).cast(),
    }
}

fn register(dumpers: &Dumpers, dumper: Dumper) -> Ticket {
    // SAFETY: leaked.
    let ticket = unsafe { dumpers.register(Box::leak(Box::new(dumper))) };
    ticket.expect("room")
}

fn panic() -> Why<'static> {
    Why {
        reason: Reason::Panic,
        detail: Some("why"),
    }
}

fn called(told: &Told) -> Vec<u32> {
    let calls = std::mem::take(&mut *told.calls.lock().expect("no panic"));
    calls.into_iter().map(|(number, ..)| number).collect()
}

#[test]
fn dumpers_are_called_in_the_order_of_their_registration_with_reason_and_detail() {
    let (core, told) = (rig::core(4), told());
    let dumpers = core.dumpers();
    let first = register(dumpers, noting(1, told, true));
    register(dumpers, noting(2, told, true));
    register(dumpers, noting(3, told, true));
    let dumped = dumpers.dump(&panic(), Place::Task);
    assert_eq!(
        (dumped.called, dumped.skipped, dumped.is_saved),
        (3, 0, false)
    );
    let calls = told.calls.lock().expect("no panic").clone();
    assert_eq!(calls[0], (1, Reason::Panic, Some("why".to_owned())));
    assert_eq!(called(told), [1, 2, 3]);
    // The next one takes the free place of the first, and comes last all the same.
    dumpers.unregister(first);
    register(dumpers, noting(4, told, true));
    dumpers.dump(&panic(), Place::Task);
    assert_eq!(called(told), [2, 3, 4]);
}

#[test]
fn reasons_choose_who_is_called_and_places_too() {
    let (core, told) = (rig::core(4), told());
    let dumpers = core.dumpers();
    for (number, max_reason) in [
        (1, Reason::Panic),
        (2, Reason::Oops),
        (3, Reason::Emergency),
    ] {
        let dumper = noting(number, told, true);
        register(
            dumpers,
            Dumper {
                max_reason,
                ..dumper
            },
        );
    }
    let always = true;
    register(
        dumpers,
        Dumper {
            always,
            ..noting(4, told, true)
        },
    );
    let any_context = false;
    register(
        dumpers,
        Dumper {
            any_context,
            ..noting(5, told, true)
        },
    );
    let of = |reason, place| {
        let dumped = dumpers.dump(
            &Why {
                reason,
                detail: None,
            },
            place,
        );
        assert_eq!(
            dumped.called as usize,
            told.calls.lock().expect("no panic").len()
        );
        (called(told), dumped.skipped)
    };
    assert_eq!(of(Reason::Panic, Place::Task), (vec![1, 2, 3, 4, 5], 0));
    assert_eq!(of(Reason::Panic, Place::Anywhere), (vec![1, 2, 3, 4], 1));
    assert_eq!(of(Reason::Oops, Place::Task), (vec![2, 3, 4, 5], 0));
    assert_eq!(of(Reason::Emergency, Place::Task), (vec![3, 4], 0));
    assert_eq!(of(Reason::Shutdown, Place::Anywhere), (vec![4], 0));
}

#[test]
fn saved_is_what_one_that_preserves_has_done() {
    for (preserves, result, saved) in [
        (true, true, true),
        (true, false, false),
        (false, true, false),
    ] {
        let (core, told) = (rig::core(4), told());
        register(
            core.dumpers(),
            Dumper {
                preserves,
                ..noting(1, told, result)
            },
        );
        register(core.dumpers(), noting(2, told, true));
        assert_eq!(core.dumpers().dump(&panic(), Place::Task).is_saved, saved);
    }
}

#[test]
fn there_is_room_for_so_many_and_again_when_one_has_gone() {
    let (core, told) = (rig::core(4), told());
    let dumpers = core.dumpers();
    let tickets: Vec<Ticket> = (0..DUMPERS)
        .map(|number| register(dumpers, noting(number as u32, told, true)))
        .collect();
    let one_more: &Dumper = Box::leak(Box::new(noting(99, told, true)));
    // SAFETY: leaked.
    assert_eq!(unsafe { dumpers.register(one_more) }, None);
    dumpers.unregister(tickets[7]);
    dumpers.unregister(tickets[7]);
    // SAFETY: leaked.
    assert!(unsafe { dumpers.register(one_more) }.is_some());
    dumpers.unregister(tickets[7]); // of one that has gone: not this one
    assert_eq!(dumpers.dump(&panic(), Place::Task).called as usize, DUMPERS);
    assert_eq!(called(told).last(), Some(&99));
}

/// A dumper that says whether it is called after its end.
struct Guarded {
    dumpers: &'static Dumpers,
    is_gone: AtomicBool,
    calls: AtomicU64,
    late: AtomicU64,
}

/// Counts the call, and says whether it comes too late.
///
/// # Safety
/// `data` is a [`Guarded`] that the test keeps.
unsafe fn guarded(data: *const (), _why: &Why<'_>) -> bool {
    // SAFETY: the caller's promise.
    let guarded = unsafe { &*data.cast::<Guarded>() };
    for _ in 0..100 {
        let late = guarded.is_gone.load(Ordering::SeqCst);
        guarded.late.fetch_add(u64::from(late), Ordering::SeqCst);
        std::hint::spin_loop();
    }
    guarded.calls.fetch_add(1, Ordering::SeqCst);
    let why = panic();
    // Two at a time: also from within, once.
    thread_local!(static DEPTH: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
    if DEPTH.get() == 0 {
        DEPTH.set(1);
        guarded.dumpers.dump(&why, Place::Task);
        DEPTH.set(0);
    }
    true
}

#[test]
fn who_has_unregistered_a_dumper_and_seen_no_call_is_never_called_again() {
    let core = rig::core(4);
    let (dumpers, ends) = (core.dumpers(), AtomicBool::new(false));
    let guarded_by = |dumpers| Guarded {
        dumpers,
        is_gone: AtomicBool::new(false),
        calls: AtomicU64::new(0),
        late: AtomicU64::new(0),
    };
    let total = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !ends.load(Ordering::SeqCst) {
                    let Dumped { .. } = dumpers.dump(&panic(), Place::Task);
                }
            });
        }
        let mut total = 0;
        for round in 0..100 {
            let data = Box::leak(Box::new(guarded_by(dumpers)));
            let ticket = register(
                dumpers,
                Dumper {
                    max_reason: Reason::Panic,
                    always: false,
                    preserves: false,
                    any_context: true,
                    call: guarded,
                    data: std::ptr::from_ref::<Guarded>(data).cast(),
                },
            );
            while round % 2 == 0 && data.calls.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            dumpers.unregister(ticket);
            while dumpers.calls(ticket) > 0 {
                std::thread::yield_now();
            }
            data.is_gone.store(true, Ordering::SeqCst);
            std::thread::yield_now();
            total += data.calls.load(Ordering::SeqCst);
            assert_eq!(data.late.load(Ordering::SeqCst), 0, "round {round}");
        }
        ends.store(true, Ordering::SeqCst);
        total
    });
    assert!(total >= 50, "they were called: {total}");
    assert_eq!(dumpers.dump(&panic(), Place::Task), Dumped::default());
}

#[test]
fn who_unregisters_a_dumper_twice_takes_off_no_other() {
    const ROUNDS: u32 = 100_000;
    let (core, told) = (rig::core(4), told());
    let mut called_once = 0;
    let dumpers = core.dumpers();
    let dumper: &Dumper = Box::leak(Box::new(noting(1, told, true)));
    // SAFETY: leaked.
    let register = || unsafe { dumpers.register(dumper) }.expect("room");
    let (next, done) = (Mutex::new(None::<Ticket>), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while done.load(Ordering::SeqCst) == 0 {
                    let ticket = *next.lock().expect("no panic");
                    if let Some(ticket) = ticket {
                        dumpers.unregister(ticket);
                    }
                }
            });
        }
        for _ in 0..ROUNDS {
            let old = register();
            *next.lock().expect("no panic") = Some(old);
            dumpers.unregister(old);
            let fresh = register(); // in the place of the old one
            std::hint::spin_loop();
            // Judged when the others have ended: they would go on for ever.
            called_once += dumpers.dump(&panic(), Place::Task).called;
            dumpers.unregister(fresh);
            called(told);
        }
        done.store(1, Ordering::SeqCst);
    });
    assert_eq!(called_once, ROUNDS, "each of them was there");
}

//! The end of a process: one thread has the logs to itself, and prints what there is. Each test dies in a process of its own.

mod rig;

use pr_printk::Core;
use pr_printk::core::direct;
use pr_printk::owner::Priority;
use pr_printk::panic::{self, BOUND_NSEC, Begun};
use pr_printk::port::class;
use pr_printk::registry::flag;
use pr_printk::roll;
use pr_printk::store::Stored;
use pr_printk::{stamp, thread};
use pr_record::Format;
use pr_ring::Info;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Runs a test in a process of its own, which it may leave as broken as it likes.
fn in_a_child(work: impl FnOnce()) {
    // SAFETY: the child runs the work, and ends.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no process");
    if child == 0 {
        // SAFETY: a number. What hangs in there is a failure too.
        unsafe { libc::alarm(60) };
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        if let Err(why) = &done {
            let text = why.downcast_ref::<String>().map(String::as_str);
            rig::say(
                text.or(why.downcast_ref::<&str>().copied())
                    .unwrap_or("failed"),
            );
        }
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    let mut status = 0;
    // SAFETY: the child is ours, and the status too.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child's status");
}

fn read(file: &File) -> String {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; 1 << 20];
    let len = file.read_at(&mut bytes, 0).expect("readable");
    String::from_utf8_lossy(&bytes[..len]).into_owned()
}

fn store(core: &Core, event: &str) -> Stored {
    core.store(rig::STAMP, &rig::payload(event))
}

/// How often a log comes while a panic ends.
const ENTRANCES: u32 = 60_000;

/// For consoles that take what they are given: as long as the machine needs.
const PATIENCE_NSEC: u64 = 30_000_000_000;

fn flush() -> bool {
    panic::flush(PATIENCE_NSEC, false)
}

/// For those that do not.
fn flush_in_time() -> bool {
    panic::flush(BOUND_NSEC, false)
}

/// Runs it on a thread of its own, to the end.
fn elsewhere<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().expect("no panic"))
}

#[test]
fn one_thread_panics_and_only_one() {
    in_a_child(|| {
        let (_core, start) = (rig::listed_core(), Barrier::new(8));
        let begun: Vec<Begun> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        panic::begin()
                    })
                })
                .collect();
            let begun = threads.into_iter().map(|it| it.join().expect("no panic"));
            begun.collect()
        });
        let mine = begun.iter().filter(|it| **it == Begun::Mine).count();
        let others = begun.iter().filter(|it| **it == Begun::Anothers).count();
        assert_eq!((mine, others), (1, 7));
    });
    in_a_child(|| {
        assert_eq!(
            (panic::begin(), panic::begin()),
            (Begun::Mine, Begun::Again)
        );
        assert_eq!(elsewhere(panic::begin), Begun::Anothers);
        assert!(!elsewhere(flush), "it is not its to print");
    });
}

#[test]
fn what_the_others_log_during_a_panic_is_dropped_and_counted_and_waits_for_nothing() {
    in_a_child(|| {
        let core = rig::listed_core();
        let file = rig::classes_on_one_file(core, &[(class::FILE, Format::Text)]);
        rig::log(core, "before");
        assert_eq!(panic::begin(), Begun::Mine);
        for _ in 0..3 {
            assert_eq!(elsewhere(|| store(core, "another's")), Stored::Closed);
        }
        core.consoles()[1].set(flag::BLOCKS);
        core.recount_holds();
        for _ in 0..200 {
            rig::log(core, "the panic's own");
        }
        assert!(core.must_wait_for_room(), "the ring is full of it");
        assert!(!elsewhere(|| core.must_wait(0)), "nobody waits any more");
        let dropped = core.control().panic_dropped.load(Ordering::Relaxed);
        assert_eq!(dropped, 3);
        assert!(flush());
        assert!(!read(&file).contains("another's"));
        assert!(read(&file).ends_with("the panic's own\n"));
    });
}

#[test]
fn a_log_that_is_opened_during_a_panic_is_closed_to_the_others_too() {
    in_a_child(|| {
        assert_eq!(panic::begin(), Begun::Mine);
        let core = elsewhere(rig::listed_core);
        assert_eq!(elsewhere(|| store(core, "another's")), Stored::Closed);
        assert_eq!(store(core, "the panic's"), Stored::Yes);
    });
}

#[test]
fn a_log_that_comes_just_when_a_panic_ends_is_open() {
    in_a_child(|| {
        let (core, round) = (rig::core(6), AtomicU32::new(0));
        roll::add(Box::leak(Box::new(roll::Place::default())));
        let wait_for = |wanted: u32| {
            while round.load(Ordering::SeqCst) < wanted {
                std::hint::spin_loop();
            }
        };
        // Rounds of two: one thread panics, and this one has its log come somewhere in the middle of that.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..ENTRANCES {
                    wait_for(2 * number + 1);
                    assert_eq!(panic::begin(), Begun::Mine);
                    (0..number % 128).for_each(|_| std::hint::spin_loop());
                    panic::end();
                    round.store(2 * number + 2, Ordering::SeqCst);
                }
            });
            for number in 0..ENTRANCES {
                round.store(2 * number + 1, Ordering::SeqCst);
                (0..number % 61).for_each(|_| std::hint::spin_loop());
                // SAFETY: leaked.
                assert!(unsafe { roll::enter(NonNull::from(core)) });
                wait_for(2 * number + 2);
                let is_shut = core.direct() & direct::PANIC != 0;
                if is_shut {
                    rig::say(&format!("shut for good in round {number}\n"));
                    // SAFETY: ends the child, whose other thread waits.
                    unsafe { libc::_exit(9) };
                }
                assert!(roll::leave(core));
            }
        });
    });
}

#[test]
fn a_log_that_goes_stays_while_another_thread_panics() {
    in_a_child(|| {
        let (first, second) = (rig::listed_core(), rig::listed_core());
        let file = rig::classes_on_one_file(first, &[(class::FILE, Format::Text)]);
        rig::log(first, "of a log that has gone");
        assert!(roll::leave(first), "it may go: nobody panics");
        assert_eq!(panic::begin(), Begun::Mine);
        assert!(flush());
        assert_eq!(read(&file), "", "nobody comes to it any more");
        assert!(
            !elsewhere(|| roll::leave(second)),
            "it must not be freed now"
        );
        assert!(
            !roll::leave(second),
            "nor by the thread itself, in a dumper"
        );
    });
}

#[test]
fn the_logs_of_the_process_that_this_was_forked_from_are_not_its_to_print() {
    in_a_child(|| {
        let parents = rig::listed_core();
        let file = rig::classes_on_one_file(parents, &[(class::FILE, Format::Text)]);
        rig::log(parents, "the parent's");
        thread::renew_generation(); // as its fork hook does in a child
        assert_eq!(panic::begin(), Begun::Mine);
        assert!(flush());
        assert_eq!(read(&file), "");
    });
}

#[test]
fn what_a_panic_logs_is_not_printed_before_all_else_is_done() {
    in_a_child(|| {
        let core = rig::listed_core();
        let file = rig::classes_on_one_file(core, &[(class::FILE, Format::Text)]);
        core.set_direct(direct::ENFORCED, true);
        rig::log(core, "before");
        assert_eq!(read(&file), "[    1.234567] before\n", "by its caller");
        assert_eq!(panic::begin(), Begun::Mine);
        rig::log(core, "last words");
        assert_eq!(
            read(&file),
            "[    1.234567] before\n",
            "the dumpers come first"
        );
        assert!(flush());
        assert!(read(&file).ends_with("last words\n"));
    });
}

#[test]
fn a_panic_prints_the_most_reliable_first_in_all_logs() {
    in_a_child(|| {
        let (core, other) = (rig::listed_core(), rig::listed_core());
        let consoles = [
            (class::STREAM, Format::Kmsg),
            (class::FILE, Format::Text),
            (class::MEMORY, Format::Logfmt),
        ];
        let file = rig::classes_on_one_file(core, &consoles);
        // The stream of the one log comes after the file of the other.
        rig::add_console(other, 1, file.as_raw_fd(), class::FILE);
        rig::log(core, "last words");
        rig::log(other, "of the other log");
        assert_eq!(panic::begin(), Begun::Mine);
        assert!(flush());
        let text = read(&file);
        let order: Vec<&str> = text.lines().collect();
        assert_eq!(order.len(), 4, "{text}");
        assert!(order[0].contains("event="), "logfmt, of class 0: {text}");
        let mut files = [order[1], order[2]];
        files.sort_unstable();
        assert_eq!(
            files,
            [
                "[    1.234567] last words",
                "[    1.234567] of the other log"
            ]
        );
        assert!(
            order[3].ends_with(";last words"),
            "kmsg, of class 2: {text}"
        );
    });
}

#[test]
fn a_console_whose_owner_is_stuck_is_taken_by_force_after_all_others() {
    in_a_child(|| {
        let core = rig::listed_core();
        let consoles = [(class::MEMORY, Format::Kmsg), (class::STREAM, Format::Text)];
        let file = rig::classes_on_one_file(core, &consoles);
        rig::log(core, "last words");
        let mut stuck = core
            .hold(1, Priority::Normal, None, false)
            .expect("it is free");
        let inside = stuck.unsafely(|_| {
            elsewhere(|| {
                assert_eq!(panic::begin(), Begun::Mine);
                assert!(flush());
            });
        });
        assert!(inside.is_some());
        let text = read(&file);
        let order: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            order[0], "[    1.234567] last words",
            "the one that is free"
        );
        assert!(order[1].ends_with(";last words"), "{text}");
        assert!(
            core.consoles()[1].owner.seen().was_taken(),
            "and that is remembered"
        );
        assert!(!core.consoles()[2].owner.seen().was_taken());
    });
}

#[test]
fn an_owner_in_a_safe_place_hands_over_and_nothing_is_taken_by_force() {
    in_a_child(|| {
        let core = rig::listed_core();
        let file = rig::classes_on_one_file(core, &[(class::FILE, Format::Text)]);
        rig::log(core, "last words");
        let hold = core
            .hold(1, Priority::Normal, None, false)
            .expect("it is free");
        elsewhere(|| {
            assert_eq!(panic::begin(), Begun::Mine);
            assert!(flush());
        });
        assert!(!core.consoles()[1].owner.seen().was_taken());
        assert_eq!(read(&file), "[    1.234567] last words\n");
        drop(hold);
        let refused = core.hold(1, Priority::Normal, None, false);
        assert!(refused.is_err(), "nobody else prints any more");
    });
}

#[test]
fn an_owner_that_leaves_its_unsafe_place_soon_is_waited_for() {
    in_a_child(|| {
        let core = rig::listed_core();
        let file = rig::classes_on_one_file(core, &[(class::FILE, Format::Text)]);
        rig::log(core, "last words");
        let slot = &core.consoles()[1];
        let ready = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut hold = core.hold(1, Priority::Normal, None, false).expect("free");
                hold.unsafely(|_| {
                    ready.wait();
                    while !slot.owner.is_wanted() && !slot.owner.seen().was_taken() {
                        std::hint::spin_loop();
                    }
                });
            });
            ready.wait();
            assert_eq!(panic::begin(), Begun::Mine);
            let whole = panic::flush(PATIENCE_NSEC, false);
            assert!(whole);
        });
        assert!(!slot.owner.seen().was_taken(), "it was asked, and let go");
        assert_eq!(read(&file), "[    1.234567] last words\n");
    });
}

#[test]
fn a_thread_that_panics_while_it_prints_goes_on_printing() {
    in_a_child(|| {
        let core = rig::listed_core();
        let file = rig::classes_on_one_file(core, &[(class::FILE, Format::Text)]);
        rig::log(core, "last words");
        let mut hold = core
            .hold(1, Priority::Normal, None, false)
            .expect("it is free");
        let done = hold.unsafely(|_| {
            assert_eq!(panic::begin(), Begun::Mine);
            flush()
        });
        assert_ne!(done, Some(false));
        assert!(read(&file).ends_with("[    1.234567] last words\n"));
    });
}

#[test]
fn a_record_that_a_stopped_writer_has_in_hand_is_passed_and_told_unless_it_is_the_last() {
    in_a_child(|| {
        let core = rig::listed_core();
        let file = rig::classes_on_one_file(core, &[(class::FILE, Format::Text)]);
        rig::log(core, "before");
        let info = Info::default();
        let _stopped = core.ring().reserve_ticket(40, &info).expect("room");
        rig::log(core, "behind it");
        let _last = core.ring().reserve_ticket(40, &info).expect("room");
        assert_eq!(panic::begin(), Begun::Mine);
        assert!(flush());
        let text = read(&file);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], "[    1.234567] before");
        assert_eq!(lines[1], "** 1 printk messages dropped **");
        assert_eq!(lines[2], "[    1.234567] behind it");
        assert_eq!(
            core.consoles()[1].seq.load(Ordering::Relaxed),
            3,
            "not past the last"
        );
    });
}

/// The ring is full behind a record that another thread finishes as soon as the last words were refused once, if it
/// finishes it at all. What became of the words, and how many records were refused beside those that filled the ring.
fn last_words_behind_a_record_in_hand(
    core: &Core,
    words: &str,
    is_finished: bool,
) -> (Stored, u64) {
    let failed = || core.control().failed.load(Ordering::Relaxed);
    let mut ticket = core.ring().reserve_ticket(8, &Info::default()).ok();
    while store(core, words) == Stored::Yes {}
    let before = failed();
    let stored = std::thread::scope(|scope| {
        scope.spawn(|| {
            while is_finished && failed() == before {
                std::hint::spin_loop();
            }
            if is_finished {
                core.ring().finalize(ticket.take().expect("room"));
            }
        });
        core.store_last_words(&rig::payload(words))
    });
    (stored, failed() - before)
}

#[test]
fn the_last_words_wait_for_a_record_that_is_in_their_way() {
    // Short ones find no descriptor, long ones no room for their text.
    for length in [8, 200] {
        in_a_child(|| {
            let (core, words) = (rig::listed_core(), "w".repeat(length));
            assert_eq!(panic::begin(), Begun::Mine);
            let came = (0..50).any(|_| {
                let (stored, refused) = last_words_behind_a_record_in_hand(core, &words, true);
                assert!(refused >= 1, "they were refused first");
                stored == Stored::Yes // the other thread may have lost its processor for all of the time
            });
            assert!(came, "{length}");
        });
    }
}

#[test]
fn the_last_words_do_not_wait_for_ever_and_are_tried_twice() {
    in_a_child(|| {
        let core = rig::listed_core();
        assert_eq!(panic::begin(), Begun::Mine);
        let (stored, refused) = last_words_behind_a_record_in_hand(core, "why", false);
        assert_eq!((stored, refused), (Stored::Refused, 2));
    });
}

#[test]
fn what_does_not_take_the_last_words_costs_the_bound_and_is_counted() {
    in_a_child(|| {
        let core = rig::listed_core();
        let file = rig::memory_file();
        let pipe = rig::full_pipe();
        rig::add_console(core, 1, pipe[1].as_raw_fd(), class::STREAM);
        rig::add_console(core, 2, file.as_raw_fd(), class::FILE);
        rig::log(core, "last words");
        assert_eq!(panic::begin(), Begun::Mine);
        assert!(!flush_in_time(), "the pipe takes nothing");
        assert_eq!(read(&file), "[    1.234567] last words\n");
        assert_eq!(core.control().left_behind.load(Ordering::Relaxed), 1);
        assert_eq!(core.consoles()[1].seq.load(Ordering::Relaxed), 0);
    });
}

/// A console that takes locks, printed on by a thread of its own as long as it may. What the panic came to, whether the
/// thread printed, and how often something was left.
fn panic_beside_a_locking_console(is_saved: bool, always: bool) -> (bool, bool, u64) {
    let core = rig::listed_core();
    core.set_direct(direct::LOCKING_ALWAYS, always);
    let slot = &core.consoles()[0];
    rig::log(core, "last words");
    assert_eq!(panic::begin(), Begun::Mine);
    slot.set(flag::ENABLED);
    let (ends, printed) = (AtomicBool::new(false), AtomicBool::new(false));
    let whole = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::SeqCst) {
                if !core.is_closed_to_locking() {
                    printed.store(true, Ordering::SeqCst);
                    slot.seq.store(1, Ordering::SeqCst);
                    return;
                }
                std::thread::yield_now();
            }
        });
        let whole = panic::flush(PATIENCE_NSEC, is_saved);
        ends.store(true, Ordering::SeqCst);
        whole
    });
    let left = core.control().left_behind.load(Ordering::Relaxed);
    (whole, printed.load(Ordering::SeqCst), left)
}

#[test]
fn consoles_that_take_locks_come_last_and_not_at_all_where_the_records_are_saved() {
    in_a_child(|| {
        assert_eq!(
            panic_beside_a_locking_console(false, false),
            (true, true, 0)
        );
    });
    in_a_child(|| {
        assert_eq!(
            panic_beside_a_locking_console(true, false),
            (false, false, 1),
            "skipped, and counted"
        );
    });
    in_a_child(|| {
        assert_eq!(
            panic_beside_a_locking_console(true, true),
            (true, true, 0),
            "the operator wants it"
        );
    });
}

#[test]
fn whoever_waits_for_consoles_that_take_locks_does_so_within_the_bound() {
    in_a_child(|| {
        let core = rig::listed_core();
        core.consoles()[0].set(flag::ENABLED);
        rig::log(core, "last words");
        assert_eq!(panic::begin(), Begun::Mine);
        let before = stamp::monotonic_nsec();
        assert!(!flush_in_time(), "nobody prints on it");
        assert!(
            stamp::monotonic_nsec() - before >= BOUND_NSEC,
            "given up early"
        );
        assert_eq!(core.control().left_behind.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_pipe_that_takes_nothing_leaves_time_for_consoles_that_take_locks() {
    in_a_child(|| {
        let core = rig::listed_core();
        let (pipe, slot) = (rig::full_pipe(), &core.consoles()[0]);
        rig::add_console(core, 1, pipe[1].as_raw_fd(), class::STREAM);
        rig::log(core, "last words");
        assert_eq!(panic::begin(), Begun::Mine);
        slot.set(flag::ENABLED);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while core.is_closed_to_locking() {
                    std::thread::yield_now();
                }
                slot.seq.store(1, Ordering::SeqCst);
            });
            assert!(!panic::flush(2_000_000_000, false));
        });
        assert_eq!(
            core.control().left_behind.load(Ordering::Relaxed),
            1,
            "the pipe"
        );
    });
}

#[test]
fn the_bound_holds_for_all_consoles_together() {
    in_a_child(|| {
        let core = rig::listed_core();
        let pipes: Vec<[OwnedFd; 2]> = (0..20).map(|_| rig::full_pipe()).collect();
        for (at, pipe) in pipes.iter().enumerate() {
            rig::add_console(core, at + 1, pipe[1].as_raw_fd(), class::STREAM);
        }
        rig::log(core, "last words");
        assert_eq!(panic::begin(), Begun::Mine);
        let file = rig::memory_file();
        rig::add_console(core, 25, file.as_raw_fd(), class::STREAM);
        assert!(!flush_in_time());
        assert_eq!(core.control().left_behind.load(Ordering::Relaxed), 20);
        assert_eq!(
            read(&file),
            "[    1.234567] last words\n",
            "the first piece is tried though it is late"
        );
    });
}

//! Consoles for the time before the first real one; and in which order consoles are printed on by callers.

mod scratch;

use pr_host::{ConsoleOptions, Log, Overflow};
use pr_record::Format;
use scratch::{PATIENCE, Scratch, flush, full_fifo, numbers, say, to_file, wait_until};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

fn bootstrap(scratch: &Scratch, name: &str) -> ConsoleOptions {
    ConsoleOptions {
        name: Some(name.into()),
        bootstrap: true,
        ..scratch.console(name, Overflow::DropOldest)
    }
}

fn names(log: &Log) -> Vec<String> {
    let consoles = log.consoles();
    consoles
        .iter()
        .map(|console| console.name().to_owned())
        .collect()
}

#[test]
fn the_first_real_console_goes_on_where_the_bootstrap_one_ends() {
    for round in 0..30 {
        let scratch = Scratch::new();
        let log = scratch.log();
        say(&log, 0);
        log.add_console(bootstrap(&scratch, "boot")).expect("first");
        let said = AtomicI64::new(1);
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !enough.load(Ordering::SeqCst) && said.load(Ordering::SeqCst) < 1000 {
                    say(&log, said.fetch_add(1, Ordering::SeqCst));
                }
            });
            wait_until("some are said", || said.load(Ordering::SeqCst) > 5 * round);
            log.add_console(scratch.console("real", Overflow::DropOldest))
                .expect("a console");
            enough.store(true, Ordering::SeqCst);
        });
        flush(&log);
        assert_eq!(names(&log), ["file"]);
        let mut printed = numbers(&scratch.read("boot"));
        printed.extend(numbers(&scratch.read("real")));
        let said = said.into_inner();
        assert_eq!(printed, (0..said).collect::<Vec<_>>(), "no gap, no double");
    }
}

#[test]
fn all_bootstrap_consoles_end_at_the_same_record() {
    for _ in 0..20 {
        let scratch = Scratch::new();
        let log = scratch.log();
        for name in ["one", "two"] {
            log.add_console(bootstrap(&scratch, name)).expect("early");
        }
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let log = &log;
                scope.spawn(move || (0..400).for_each(|i| say(log, writer * 400 + i)));
            }
            log.add_console(scratch.console("real", Overflow::DropOldest))
                .expect("a console");
        });
        flush(&log);
        for name in ["one", "two"] {
            let mut printed = numbers(&scratch.read(name));
            printed.extend(numbers(&scratch.read("real")));
            printed.sort_unstable();
            assert!(printed == (0..800).collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn where_a_bootstrap_console_is_stuck_the_real_one_begins_with_what_it_lacks() {
    let scratch = Scratch::new();
    let (fifo, _reader, _) = full_fifo(&scratch);
    let log = scratch.log();
    let stuck = ConsoleOptions {
        bootstrap: true,
        ..to_file(fifo, Overflow::DropOldest)
    };
    log.add_console(stuck).expect("early");
    let healthy = log.add_console(bootstrap(&scratch, "boot")).expect("early");
    (0..100).for_each(|i| say(&log, i));
    wait_until("the healthy one has printed", || healthy.lag() == 0);
    log.add_console(scratch.console("real", Overflow::DropOldest))
        .expect("a console");
    flush(&log);
    assert_eq!(numbers(&scratch.read("real")), (0..100).collect::<Vec<_>>());
    assert_eq!(log.consoles().len(), 1);
}

#[test]
fn a_bootstrap_console_that_comes_after_a_real_one_is_refused() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let real = log
        .add_console(scratch.console("real", Overflow::DropOldest))
        .expect("a console");
    let why = log
        .add_console(bootstrap(&scratch, "late"))
        .expect_err("late")
        .to_string();
    assert!(
        why.contains("\"late\"") && why.contains("\"file\"") && why.contains("too late"),
        "{why}"
    );
    assert!(!scratch.path("late").exists() && log.consoles().len() == 1);
    assert!(log.remove_console(&real, PATIENCE));
    log.add_console(bootstrap(&scratch, "again"))
        .expect("early again");
}

#[test]
fn of_many_that_come_at_once_no_bootstrap_console_stays_beside_a_real_one() {
    for _ in 0..100 {
        let scratch = Scratch::new();
        let log = scratch.log();
        std::thread::scope(|scope| {
            for name in ["boot-1", "boot-2"] {
                scope.spawn(|| log.add_console(bootstrap(&scratch, name)).map(drop));
            }
            scope.spawn(|| log.add_console(scratch.console("real", Overflow::DropOldest)));
        });
        assert_eq!(names(&log), ["file"]);
    }
}

#[test]
fn a_console_that_replays_does_so_unless_its_target_has_all_of_it_already() {
    for (name, expected) in [("same", vec![0, 1, 2, 3]), ("other", vec![0, 1, 2, 3])] {
        let scratch = Scratch::new();
        let log = scratch.log();
        say(&log, 0);
        say(&log, 1);
        log.add_console(bootstrap(&scratch, "same")).expect("early");
        say(&log, 2);
        log.add_console(ConsoleOptions {
            replay: true,
            ..scratch.console(name, Overflow::DropOldest)
        })
        .expect("a console");
        say(&log, 3);
        flush(&log);
        assert_eq!(numbers(&scratch.read(name)), expected, "{name}");
    }
}

#[test]
fn callers_print_on_the_most_reliable_console_first() {
    let scratch = Scratch::new();
    let log = scratch.log();
    // All to one file: the order of its lines is the order of printing.
    for (reliability, format) in [(2, Format::Text), (0, Format::Json), (1, Format::Logfmt)] {
        log.add_console(ConsoleOptions {
            reliability: Some(reliability),
            format,
            ..scratch.console("out", Overflow::DropOldest)
        })
        .expect("a console");
    }
    log.set_enforce_emergency(true);
    flush(&log);
    std::thread::sleep(Duration::from_millis(30)); // the printers have looked, and rest
    (0..50).for_each(|i| say(&log, i));
    flush(&log);
    let text = scratch.read("out");
    let left = log.stats().left_behind as usize;
    let kinds_of = |i: usize| -> String {
        let is_it = |line: &&str| {
            line.ends_with(&format!(" i={i}")) || line.contains(&format!("\"i\":{i}}}"))
        };
        let firsts = text.lines().filter(is_it).map(|line| &line[..1]);
        firsts.collect()
    };
    let in_order = (0..50).filter(|i| kinds_of(*i) == "{t[").count();
    assert!(in_order + 2 * left >= 50 && left < 10, "{text}");
}

#[test]
fn callers_never_print_on_a_console_of_the_least_reliable_class() {
    let scratch = Scratch::new();
    let (fifo, _reader, _) = full_fifo(&scratch);
    let log = scratch.log();
    let least = log
        .add_console(ConsoleOptions {
            reliability: Some(3),
            ..to_file(fifo, Overflow::DropOldest)
        })
        .expect("a console");
    log.set_enforce_emergency(true);
    (0..10).for_each(|i| say(&log, i));
    assert_eq!(log.stats().left_behind, 0, "nothing was tried");
    assert_eq!((least.class(), least.lag()), (3, 10));
}

#[test]
fn a_reliability_beyond_the_four_classes_is_refused_with_their_meaning() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let beyond = ConsoleOptions {
        reliability: Some(4),
        ..scratch.console("out", Overflow::DropOldest)
    };
    let why = log.add_console(beyond).expect_err("beyond").to_string();
    assert!(why.contains("is 4") && why.contains("1 (a file)"), "{why}");
    let own = log
        .add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    assert_eq!(own.class(), 1);
}

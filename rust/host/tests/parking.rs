//! Printers that have nothing to do sleep for good, and the next record wakes them (M14).

mod scratch;

use pr_host::{ConsoleOptions, Log, Mode, Overflow};
use pr_ring::Info;
use scratch::{Scratch, numbers, say, wait_until};
use std::time::Duration;

/// Longer than a printer goes on polling.
const UNTIL_PARKED: Duration = Duration::from_millis(300);

/// Voluntary context switches of the thread with this name.
fn switches(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task")
        .expect("tasks")
        .filter_map(Result::ok)
        .map(|task| task.path());
    let called = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    let path = tasks
        .into_iter()
        .find(called)
        .unwrap_or_else(|| panic!("no thread {name}"));
    let status = std::fs::read_to_string(path.join("status")).expect("status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .expect("the count");
    line.trim().parse().expect("a number")
}

#[test]
fn a_parked_printer_is_woken_by_the_next_record_and_by_nothing_else() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let options = ConsoleOptions {
        name: Some("idle".into()),
        ..scratch.console("out", Overflow::DropOldest)
    };
    log.add_console(options).expect("a console");
    for i in 0..8 {
        std::thread::sleep(UNTIL_PARKED);
        let before = switches("pr/idle");
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(
            switches("pr/idle"),
            before,
            "an idle printer has no wake-ups"
        );
        say(&log, i); // and nobody flushes
        wait_until("the record is printed", || {
            numbers(&scratch.read("out")).last() == Some(&i)
        });
    }
}

#[test]
fn no_record_is_left_behind_whatever_the_moment_it_comes_at() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    let other = log
        .add_console(scratch.console("other", Overflow::DropOldest))
        .expect("a console");
    // Around the moment of parking, a little later each time.
    for i in 0..12 {
        std::thread::sleep(Duration::from_millis(195 + i));
        say(&log, i.cast_signed());
        wait_until("both have printed it", || {
            other.lag() == 0 && numbers(&scratch.read("out")).last() == Some(&i.cast_signed())
        });
    }
}

/// Of half of the ring's records, which come while the printer looks again and again.
fn woken_by(log: &Log) -> usize {
    let half = log.stats().descriptors as i64 / 2;
    let wakes = |i: i64| {
        let before = log.core().kick().ticket();
        say(log, i);
        std::thread::sleep(Duration::from_micros(300));
        log.core().kick().ticket() != before
    };
    (0..half).filter(|i| wakes(*i)).count()
}

#[test]
fn records_behind_one_that_is_not_finished_wake_nobody_again_and_again() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.set_mode(Mode::Console).expect("the mode");
    log.add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    say(&log, 0);
    let ring = log.core().ring();
    let unfinished = ring.reserve_ticket(8, &Info::default()).expect("room");
    let woken = woken_by(&log);
    assert!(woken < 10, "{woken}"); // each quarter of the ring at most one, but for what was awaited before
    ring.finalize(unfinished);
}

#[test]
fn a_suspended_log_has_no_wake_ups_whatever_waits_in_it() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let options = ConsoleOptions {
        name: Some("paused".into()),
        ..scratch.console("out", Overflow::DropOldest)
    };
    log.add_console(options).expect("a console");
    log.suspend(Duration::from_secs(30));
    say(&log, 1);
    std::thread::sleep(UNTIL_PARKED);
    let before = switches("pr/paused");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(switches("pr/paused"), before);
}

//! Consoles on real files and pipes: order, loss, waiting, pausing, going.

mod scratch;

use pr_host::{Overflow, SinkSpec};
use pr_record::{Format, Payload};
use scratch::{
    PATIENCE, Scratch, call, flush, full_fifo, numbers, say, say_at, to_file, wait_until,
};
use std::time::Duration;

#[test]
fn a_console_prints_every_record_once_and_in_order() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    (0..20_000).for_each(|i| say(&log, i));
    flush(&log);
    assert_eq!(
        numbers(&scratch.read("out")),
        (0..20_000).collect::<Vec<_>>()
    );
}

#[test]
fn four_writers_lose_nothing_to_a_console_that_blocks() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let console = log
        .add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let log = &log;
            scope.spawn(move || (0..10_000).for_each(|i| say(log, writer * 10_000 + i)));
        }
    });
    flush(&log);
    let mut seen = numbers(&scratch.read("out"));
    seen.sort_unstable();
    assert_eq!(seen, (0..40_000).collect::<Vec<_>>());
    assert_eq!((console.dropped(), log.stats().block_timeouts), (0, 0));
}

#[test]
fn what_a_console_loses_it_tells_and_nothing_else_is_missing() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let mut options = scratch.console("out", Overflow::DropOldest);
    options.format = Format::Json;
    let console = log.add_console(options).expect("a console");
    console.suspend();
    (0..50_000).for_each(|i| say(&log, i));
    console.resume();
    flush(&log);
    let text = scratch.read("out");
    let told: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("\"records dropped\""))
        .collect();
    let lost: u64 = told.iter().map(|line| field(line, "\"dropped\":")).sum();
    let printed = text.lines().count() - told.len();
    assert!(lost > 40_000, "a 256 KiB ring cannot hold them: {lost}");
    assert_eq!(lost + printed as u64, 50_000);
    assert_eq!(console.dropped(), lost);
    assert_eq!(
        (
            field(told[0], "\"first_seq\":"),
            field(told[0], "\"last_seq\":") + 1
        ),
        (0, lost)
    );
}

fn field(line: &str, key: &str) -> u64 {
    let (_, rest) = line.split_once(key).expect("the field");
    rest.split([',', '}'])
        .next()
        .and_then(|digits| digits.parse().ok())
        .expect("a number")
}

#[test]
fn a_console_prints_its_own_level_and_more_severe_ones() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let follows = log
        .add_console(scratch.console("follows", Overflow::Block))
        .expect("a console");
    let errors = log
        .add_console(scratch.console("errors", Overflow::Block))
        .expect("a console");
    errors.set_level(Some(3));
    (0..8).for_each(|level| say_at(&log, level, i64::from(level)));
    flush(&log);
    assert_eq!(numbers(&scratch.read("follows")), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(&scratch.read("errors")), [0, 1, 2, 3]);
    log.set_console_level(7);
    say_at(&log, 7, 70);
    flush(&log);
    assert_eq!(numbers(&scratch.read("follows")).last(), Some(&70));
    assert_eq!((follows.level(), errors.level()), (None, Some(3)));
}

#[test]
fn a_paused_console_goes_on_where_it_was() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let console = log
        .add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    say(&log, 1);
    flush(&log);
    console.suspend();
    say(&log, 2);
    flush(&log); // a paused console is not waited for
    assert_eq!(console.lag(), 1);
    console.resume();
    say(&log, 3);
    flush(&log);
    assert_eq!(numbers(&scratch.read("out")), [1, 2, 3]);
}

#[test]
fn a_new_console_begins_with_the_next_record_or_replays_the_ring() {
    let scratch = Scratch::new();
    let log = scratch.log();
    say(&log, 1);
    log.add_console(scratch.console("next", Overflow::Block))
        .expect("a console");
    let mut replay = scratch.console("replay", Overflow::Block);
    replay.replay = true;
    log.add_console(replay).expect("a console");
    say(&log, 2);
    flush(&log);
    assert_eq!(numbers(&scratch.read("next")), [2]);
    assert_eq!(numbers(&scratch.read("replay")), [1, 2]);
}

#[test]
fn a_removed_console_has_printed_what_was_there_and_nothing_later() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let console = log
        .add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    (0..1000).for_each(|i| say(&log, i));
    assert!(log.remove_console(&console, PATIENCE));
    say(&log, 1000);
    flush(&log);
    assert_eq!(numbers(&scratch.read("out")), (0..1000).collect::<Vec<_>>());
    assert!(log.consoles().is_empty() && !console.is_enabled() && !console.is_alive());
}

#[test]
fn a_file_that_was_renamed_away_is_opened_anew() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    say(&log, 1);
    flush(&log);
    std::fs::rename(scratch.path("out"), scratch.path("out.1")).expect("renamed");
    wait_until("the console has noticed", || {
        say(&log, 2);
        flush(&log);
        scratch.path("out").exists()
    });
    assert_eq!(numbers(&scratch.read("out.1"))[0], 1);
    assert_eq!(numbers(&scratch.read("out"))[0], 2);
}

#[test]
fn a_sink_that_takes_nothing_holds_up_nobody_and_is_given_up_on_removal() {
    let scratch = Scratch::new();
    let (fifo, _reader, _) = full_fifo(&scratch);
    let log = scratch.log();
    let stuck = log
        .add_console(to_file(fifo, Overflow::DropOldest))
        .expect("a console");
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    (0..5000).for_each(|i| say(&log, i));
    assert_eq!(log.consoles().len(), 2);
    wait_until("the other console has everything", || {
        numbers(&scratch.read("out")).len() == 5000
    });
    assert!(!log.flush_until(log.flush_target(), Duration::from_millis(20)));
    assert!(!log.remove_console(&stuck, Duration::from_millis(20)));
    assert_eq!(log.consoles().len(), 1);
    flush(&log);
}

#[test]
fn a_full_disk_is_counted_and_told_once_to_the_others() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let full = log
        .add_console(to_file("/dev/full".into(), Overflow::DropOldest))
        .expect("a console");
    let mut seen = scratch.console("out", Overflow::Block);
    seen.level = Some(6);
    log.add_console(seen).expect("a console");
    (0..100).for_each(|i| say(&log, i));
    wait_until("several attempts", || full.errors() >= 3);
    wait_until("it is told", || {
        scratch.read("out").contains("write failed")
    });
    assert_eq!(scratch.read("out").matches("write failed").count(), 1);
    assert_eq!(numbers(&scratch.read("out")).len(), 100);
    assert!(full.lag() > 0 && full.is_alive());
}

#[test]
fn names_are_unique_and_made_up_after_the_kind_of_sink() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let names: Vec<String> = (0..3)
        .map(|i| {
            log.add_console(scratch.console(&format!("{i}"), Overflow::Block))
                .expect("a console")
                .name()
                .to_owned()
        })
        .collect();
    assert_eq!(names, ["file", "file-2", "file-3"]);
    let mut taken = scratch.console("x", Overflow::Block);
    taken.name = Some("file-2".into());
    let why = log.add_console(taken).expect_err("taken").to_string();
    assert!(why.contains("file-2"), "{why}");
    let missing = to_file(scratch.path("no/such/folder"), Overflow::Block);
    let why = log.add_console(missing).expect_err("no folder").to_string();
    assert!(why.contains("no/such/folder"), "{why}");
    assert_eq!(log.consoles().len(), 3);
    assert_eq!(SinkSpec::Stderr.kind(), "stderr");
}

#[test]
fn a_closed_log_stores_nothing_and_stays_readable() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    (0..10).for_each(|i| say(&log, i));
    log.close(PATIENCE);
    log.close(PATIENCE);
    say(&log, 11);
    assert_eq!(numbers(&scratch.read("out")).len(), 10);
    let stats = log.stats();
    assert_eq!(
        (stats.emitted, stats.records, stats.consoles.len()),
        (10, 10, 0)
    );
    assert!(
        log.add_console(scratch.console("late", Overflow::Block))
            .is_err()
    );
    scratch.log(); // the path is free again
}

#[test]
fn long_records_in_the_smallest_ring_are_not_lost_to_a_console_that_blocks() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let mut options = scratch.console("out", Overflow::Block);
    options.format = Format::Json;
    let console = log.add_console(options).expect("a console");
    let long = "x".repeat(30_000);
    let payload = Payload {
        event: &long,
        ..Payload::default()
    };
    for _ in 0..300 {
        assert!(call(&log, 6, &payload));
    }
    flush(&log);
    assert_eq!((console.dropped(), log.stats().block_timeouts), (0, 0));
    assert_eq!(scratch.read("out").lines().count(), 300);
}

#[test]
fn a_ring_keeps_as_many_long_records_as_fit() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let long = "x".repeat(15_000);
    let payload = Payload {
        event: &long,
        ..Payload::default()
    };
    (0..100).for_each(|_| assert!(call(&log, 6, &payload)));
    let stats = log.stats();
    let fits = stats.data_bytes / 15_100;
    assert!(stats.records + 2 >= fits, "{} of {fits}", stats.records);
}

#[test]
fn a_failing_console_that_is_removed_tells_it_once_and_gives_its_slot_back() {
    let scratch = Scratch::new();
    let log = scratch.log();
    for _ in 0..40 {
        let full = log
            .add_console(to_file("/dev/full".into(), Overflow::DropOldest))
            .expect("a free slot");
        say(&log, 1);
        assert!(log.remove_console(&full, PATIENCE), "its thread has ended");
        assert!(
            full.errors() >= 1 && full.errors() < 20,
            "{}",
            full.errors()
        );
    }
    assert_eq!(
        log.stats().emitted,
        80,
        "40 records, and each failure told once"
    );
}

#[test]
fn of_two_that_remove_a_console_one_frees_its_slot() {
    let scratch = Scratch::new();
    let log = scratch.log();
    for _ in 0..200 {
        let console = log
            .add_console(scratch.console("old", Overflow::DropOldest))
            .expect("a console");
        let fresh = std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| log.remove_console(&console, PATIENCE));
            }
            let options = pr_host::ConsoleOptions {
                name: Some("fresh".into()),
                ..scratch.console("new", Overflow::DropOldest)
            };
            log.add_console(options).expect("a console")
        });
        assert!(fresh.is_alive() && fresh.is_enabled());
        assert!(log.remove_console(&fresh, PATIENCE));
    }
}

#[test]
fn the_handle_of_a_removed_console_changes_nothing_of_the_next_one() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let gone = log
        .add_console(scratch.console("gone", Overflow::DropOldest))
        .expect("a console");
    say(&log, 1);
    assert!(log.remove_console(&gone, PATIENCE));
    let next = log
        .add_console(scratch.console("next", Overflow::DropOldest))
        .expect("a console");
    gone.set_level(Some(0));
    gone.suspend();
    say(&log, 2);
    flush(&log);
    assert_eq!(numbers(&scratch.read("next")), [2]);
    assert_eq!((next.level(), next.is_enabled()), (None, true));
    assert_eq!((gone.seq(), gone.lag(), gone.owner()), (1, 0, None));
}

#[test]
fn a_console_is_removed_while_records_keep_coming() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                say(&log, 1);
            }
        });
        for _ in 0..20 {
            let console = log
                .add_console(scratch.console("busy", Overflow::DropOldest))
                .expect("a console");
            wait_until("it prints", || console.seq() > 0 && console.lag() < 100_000);
            assert!(log.remove_console(&console, PATIENCE));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_name_that_no_thread_can_have_is_refused_and_costs_no_slot() {
    let scratch = Scratch::new();
    let log = scratch.log();
    for name in ["a\0b", "", "new\nline", &"x".repeat(65)] {
        let options = pr_host::ConsoleOptions {
            name: Some(name.into()),
            ..scratch.console("out", Overflow::Block)
        };
        let why = log.add_console(options).expect_err(name).to_string();
        assert!(why.contains("console name"), "{why}");
    }
    assert!(log.consoles().is_empty());
}

//! The flight recorder, where its ring is in a state that a program cannot bring about on purpose.

mod scratch;

use pr_host::dump::{Last, Window};
use pr_host::{ErrandOptions, Log, LogOptions};
use pr_record::Payload;
use pr_ring::{Info, Seq};
use scratch::{PATIENCE, Scratch, call};
use std::sync::Arc;

const ERROR: u8 = 3;
const DEBUG: u8 = 7;

fn recorded(scratch: &Scratch) -> Arc<Log> {
    let errands = ErrandOptions {
        dump_on: Some(ERROR),
        dump_last: Some(Window::Last(Last::Records(100))),
        ..ErrandOptions::default()
    };
    let options = LogOptions {
        errands,
        ..scratch.options()
    };
    Log::open(options).expect("a log")
}

fn say(log: &Log, level: u8, event: &str) {
    let payload = Payload {
        event,
        ..Payload::default()
    };
    assert!(call(log, level, &payload));
}

/// What is pending is dumped at once.
fn hurry(log: &Log) {
    log.hurry_errands();
    assert!(log.wait_for_errands(PATIENCE));
}

/// The lines of the dumps, without time stamps.
fn lines(scratch: &Scratch) -> Vec<String> {
    let text = scratch.read(&format!("a.ring.dump-{}.txt", std::process::id()));
    let line = |line: &str| {
        let rest = line.split_once("] ").filter(|_| line.starts_with('['));
        rest.map_or(line, |(_, rest)| rest).to_owned()
    };
    text.lines().map(line).collect()
}

#[test]
fn a_record_that_another_thread_keeps_in_hand_is_passed_and_written_when_it_is_finished() {
    let scratch = Scratch::new();
    let log = recorded(&scratch);
    say(&log, DEBUG, "before");
    let ring = log.core().ring();
    let info = Info {
        level: ERROR,
        ..Info::default()
    };
    let held = ring.reserve_ticket(0, &info).expect("room");
    say(&log, ERROR, "broken");
    hurry(&log);
    let found = lines(&scratch);
    assert!(found[0].contains("for record 2:"), "{}", found[0]);
    assert_eq!(
        found[1..],
        ["before", "** 1 printk messages dropped **", "broken"]
    );
    ring.finalize(held);
    log.core().errands().mark_dump(Seq(1)); // as its own log call does
    hurry(&log);
    let found = lines(&scratch);
    assert!(found[4].contains("for record 1:"), "{}", found[4]);
    assert_eq!(found.len(), 6, "the one that was passed: {found:?}");
    assert_eq!(log.stats().dumps, 2);
}

#[test]
fn a_record_that_was_gone_before_anybody_looked_is_named_by_its_number() {
    let scratch = Scratch::new();
    let log = recorded(&scratch);
    say(&log, DEBUG, "one");
    say(&log, DEBUG, "two");
    log.core().errands().mark_dump(Seq(0));
    hurry(&log);
    assert_eq!(
        lines(&scratch),
        ["** dump for record 0: it is gone **", "one", "two"]
    );
}

#[test]
fn what_an_earlier_dump_has_is_no_reason_for_another() {
    let scratch = Scratch::new();
    let log = recorded(&scratch);
    say(&log, ERROR, "broken");
    hurry(&log);
    let before = lines(&scratch);
    log.core().errands().mark_dump(Seq(0));
    hurry(&log);
    hurry(&log);
    assert_eq!(lines(&scratch), before);
    assert_eq!(log.stats().dumps, 1);
}

//! Sinks whose target changes or goes, where the caller prints itself.

mod scratch;

use pr_host::Overflow;
use scratch::{Scratch, flush, numbers, say, wait_until};

#[test]
fn a_caller_still_prints_on_a_file_that_was_opened_anew() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let console = log
        .add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    console.reopen();
    say(&log, 1);
    flush(&log);
    log.set_enforce_emergency(true);
    say(&log, 2);
    assert_eq!(
        numbers(&scratch.read("out")),
        [1, 2],
        "when the call returns"
    );
    assert_eq!(console.errors(), 0);
}

#[test]
fn a_caller_writes_nothing_into_a_file_that_nobody_can_find_and_the_printer_has_it_later() {
    let scratch = Scratch::new();
    let log = scratch.log();
    std::fs::create_dir(scratch.path("logs")).expect("a folder");
    let console = log
        .add_console(scratch.console("logs/out", Overflow::DropOldest))
        .expect("a console");
    log.set_enforce_emergency(true);
    say(&log, 1);
    assert_eq!(numbers(&scratch.read("logs/out")), [1]);
    std::fs::remove_dir_all(scratch.path("logs")).expect("removed");
    say(&log, 2); // its caller finds the file without a name
    wait_until("the printer has found it too", || console.errors() >= 2);
    say(&log, 3);
    std::fs::create_dir(scratch.path("logs")).expect("a folder");
    flush(&log);
    assert_eq!(numbers(&scratch.read("logs/out")), [2, 3]);
    say(&log, 4);
    assert_eq!(
        numbers(&scratch.read("logs/out")),
        [2, 3, 4],
        "at once again"
    );
}

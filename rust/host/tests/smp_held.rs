//! Printers that serve any console, and consoles that are held, come or change hands at an awkward moment.

mod scratch;

use pr_host::{Console, Log, Mode, Overflow};
use scratch::{PATIENCE, Scratch, flush, full_fifo, numbers, say, to_file, wait_until};
use std::io::Read;
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// Longer than a printer goes on polling.
const UNTIL_PARKED: Duration = Duration::from_millis(600);
/// For what is to end by the clock.
const SHORT: Duration = Duration::from_millis(20);

/// Printers on one processor.
fn on_one_processor(log: &Log) {
    let cpus = log.printer_cpus().expect("known");
    log.set_printer_cpus(Some(vec![cpus[0]])).expect("set");
}

fn hangs(console: &Console) {
    let mut looks = 0;
    wait_until("its printer hangs", || {
        let owned = console.owner().is_some();
        looks = if owned { looks + 1 } else { 0 };
        looks == 30
    });
}

/// Runs `child` in a forked child; how that ended.
fn in_child(child: impl FnOnce()) -> i32 {
    // SAFETY: the child runs what a child of a threaded process may run here, and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(ended.is_err())) }
    }
    let mut status = 0;
    // SAFETY: `status` is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    status
}

#[test]
fn in_a_forked_child_a_sink_that_hangs_does_not_hold_up_the_others_either() {
    let scratch = Scratch::new();
    let log = scratch.log();
    on_one_processor(&log);
    log.set_mode(Mode::Smp).expect("the mode");
    let (fifo, _reader, _) = full_fifo(&scratch);
    let stuck = log.add_console(to_file(fifo, Overflow::DropOldest));
    let stuck = stuck.expect("a console");
    let good = log.add_console(scratch.console("out", Overflow::DropOldest));
    let good = good.expect("a console");
    let status = in_child(|| {
        say(&log, 1);
        hangs(&stuck);
        say(&log, 2);
        wait_until("it is printed", || good.lag() == 0);
        assert_eq!(log.printer_threads().len(), 2);
    });
    assert_eq!(status, 0);
    assert_eq!(numbers(&scratch.read("out")), [1, 2]);
    log.close(SHORT);
}

/// What is logged during a write that began before `change` is printed when the write returns, without another record.
fn is_printed_after_a_write_that_outlasts(before: Mode, change: impl FnOnce(&Log)) {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.set_mode(before).expect("the mode");
    let (fifo, mut reader, _) = full_fifo(&scratch);
    let console = log.add_console(to_file(fifo, Overflow::DropOldest));
    let console = console.expect("a console");
    say(&log, 1);
    hangs(&console);
    change(&log);
    say(&log, 2);
    std::thread::sleep(UNTIL_PARKED);
    let mut read = Vec::new();
    wait_until("both are printed", || {
        let mut some = [0; 4096];
        while let Ok(count) = reader.read(&mut some) {
            read.extend_from_slice(&some[..count]);
        }
        console.lag() == 0
    });
    let _ = reader.read_to_end(&mut read); // until it would wait
    assert_eq!(numbers(&String::from_utf8_lossy(&read)), [1, 2]);
    log.close(PATIENCE);
}

#[test]
fn a_write_of_the_consoles_own_thread_that_outlasts_the_change_to_smp_leaves_nothing_behind() {
    is_printed_after_a_write_that_outlasts(Mode::Console, |log| {
        log.set_mode(Mode::Smp).expect("the mode");
    });
}

#[test]
fn a_write_that_outlasts_a_change_of_the_processors_leaves_nothing_behind() {
    is_printed_after_a_write_that_outlasts(Mode::Smp, on_one_processor);
}

#[test]
fn consoles_that_come_at_the_same_time_have_a_thread_each() {
    const CONSOLES: usize = 4;
    for round in 0..150 {
        let scratch = Scratch::new();
        let log = scratch.log();
        on_one_processor(&log);
        let early = round % 2 == 0;
        if early {
            log.set_mode(Mode::Smp).expect("the mode");
        }
        let start = Barrier::new(CONSOLES + 1);
        std::thread::scope(|scope| {
            for i in 0..CONSOLES {
                let options = scratch.console(&format!("out{i}"), Overflow::DropOldest);
                let options = pr_host::ConsoleOptions {
                    name: Some(format!("out{i}")),
                    ..options
                };
                let (log, start) = (&log, &start);
                scope.spawn(move || {
                    start.wait();
                    let added: Arc<Console> = log.add_console(options).expect("a console");
                    drop(added);
                });
            }
            start.wait();
            if !early {
                log.set_mode(Mode::Smp).expect("the mode");
            }
        });
        assert_eq!(log.printer_threads().len(), CONSOLES, "round {round}");
        say(&log, 1);
        flush(&log);
        log.close(PATIENCE);
    }
}

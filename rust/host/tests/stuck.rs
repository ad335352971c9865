//! A sink that hangs in its write: nobody else waits for it, and nobody prints for others.

mod scratch;

use pr_host::{Console, Log, Mode, Overflow};
use scratch::{PATIENCE, Scratch, flush, full_fifo, numbers, say, to_file, wait_until};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// For what is to end by the clock.
const SHORT: Duration = Duration::from_millis(20);

/// A log with a console that hangs, and the reading end of its FIFO.
fn log_with_a_stuck_console(scratch: &Scratch) -> (Arc<Log>, Arc<Console>, std::fs::File, usize) {
    let (fifo, reader, filled) = full_fifo(scratch);
    let log = scratch.log();
    let stuck = log
        .add_console(to_file(fifo, Overflow::DropOldest))
        .expect("a console");
    (0..1000).for_each(|i| say(&log, i));
    hangs(&stuck);
    (log, stuck, reader, filled)
}

fn hangs(console: &Console) {
    let mut looks = 0;
    wait_until("its printer hangs", || {
        looks = if console.owner().is_some() {
            looks + 1
        } else {
            0
        };
        looks == 30
    });
}

/// Write calls of this thread so far.
fn writes() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/io").expect("counted by the kernel");
    let line = text.lines().find_map(|line| line.strip_prefix("syscw: "));
    line.and_then(|count| count.parse().ok()).expect("a number")
}

#[test]
fn whoever_lists_adds_removes_flushes_or_asks_prints_nothing_and_waits_for_no_printing() {
    let scratch = Scratch::new();
    let (log, stuck, _reader, _) = log_with_a_stuck_console(&scratch);
    // One more that has much to print, all the time that is asked.
    let busy = log
        .add_console(pr_host::ConsoleOptions {
            replay: true,
            ..scratch.console("busy", Overflow::DropOldest)
        })
        .expect("a console");
    let before = writes();
    for i in 1000..1100 {
        say(&log, i);
        assert!(!log.flush_until(log.flush_target(), Duration::ZERO));
        assert_eq!(log.consoles().len(), 2);
        let _ = (stuck.lag(), stuck.seq(), stuck.owner(), busy.lag());
        assert_eq!(log.stats().consoles.len(), 2);
        log.letters(&stuck);
        let comes = log
            .add_console(scratch.console("comes", Overflow::DropOldest))
            .expect("a console");
        assert!(log.remove_console(&comes, PATIENCE), "it is not stuck");
        assert!(busy.flush_until(busy.flush_target(), PATIENCE));
    }
    assert!(!log.flush_until(log.flush_target(), SHORT));
    if scratch::mode() != Mode::Caller {
        assert_eq!(writes(), before, "the caller has written");
    }
    assert_eq!(numbers(&scratch.read("busy")).len(), 1100);
    assert!(stuck.is_alive() && stuck.lag() > 0);
}

/// Takes one stuck console after another off, each by several threads at once.
fn none_is_told_that_it_has_ended(consoles: usize) {
    let scratch = Scratch::new();
    let (fifo, _reader, _) = full_fifo(&scratch);
    let log = scratch.log();
    say(&log, 1);
    let barrier = Barrier::new(3);
    for _ in 0..consoles {
        let stuck = log
            .add_console(pr_host::ConsoleOptions {
                replay: true,
                ..to_file(fifo.clone(), Overflow::DropOldest)
            })
            .expect("a console");
        let remove = || {
            barrier.wait();
            log.remove_console(&stuck, Duration::ZERO)
        };
        let told: Vec<bool> = std::thread::scope(|scope| {
            let removers = [(); 3].map(|()| scope.spawn(remove));
            let told = removers.into_iter().map(|remover| remover.join());
            told.map(|told| told.expect("no panic")).collect()
        });
        assert_eq!(told, [false; 3], "its FIFO is full all the time");
    }
}

#[test]
fn of_several_that_take_a_stuck_console_off_none_is_told_that_it_has_ended() {
    (0..8).for_each(|_| none_is_told_that_it_has_ended(30)); // a slot is free when its thread has come back
}

fn descriptors_of(path: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("a folder");
    let to = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
    to.filter(|to| to == path).count()
}

#[test]
fn a_stuck_console_that_was_removed_ends_its_write_and_nothing_more_and_leaves_nothing() {
    let scratch = Scratch::new();
    let (log, stuck, mut reader, filled) = log_with_a_stuck_console(&scratch);
    let fifo = scratch.path("fifo");
    assert_eq!(
        descriptors_of(&fifo),
        3,
        "the reader's and the console's two"
    );
    let threads = log.printer_threads();
    assert!(!log.remove_console(&stuck, SHORT), "it is stuck");
    assert!(log.consoles().is_empty() && !stuck.is_alive());
    assert!(
        !log.remove_console(&stuck, SHORT),
        "twice makes no difference"
    );
    flush(&log);
    say(&log, 1000);

    let mut filler = vec![0; filled];
    reader.read_exact(&mut filler).expect("the filler");
    if scratch::mode() != Mode::Smp {
        let [(_, thread)] = threads[..] else {
            panic!("one thread");
        };
        let task = format!("/proc/self/task/{thread}");
        wait_until("its thread has ended", || !Path::new(&task).exists());
    }
    wait_until("it has let go of the sink", || descriptors_of(&fifo) == 1);
    let mut rest = Vec::new();
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        rest.extend(&buffer[..count]);
    }
    let text = String::from_utf8_lossy(&rest);
    assert!(
        rest.len() <= 4096,
        "one piece, and not {} bytes",
        rest.len()
    );
    assert_eq!(numbers(&text).first(), Some(&0));
    assert_eq!(descriptors_of(&fifo), 1, "the reader's");
    // And its slot is free again.
    for i in 0..32 {
        log.add_console(scratch.console(&i.to_string(), Overflow::DropOldest))
            .expect("a free slot");
    }
}

#[test]
fn a_log_with_a_stuck_console_prints_on_the_others_and_can_be_closed() {
    let scratch = Scratch::new();
    let (log, _stuck, _reader, _) = log_with_a_stuck_console(&scratch);
    let other = log
        .add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    (1000..1100).for_each(|i| say(&log, i));
    assert!(other.flush_until(other.flush_target(), PATIENCE));
    log.close(Duration::from_millis(500));
    assert_eq!(
        numbers(&scratch.read("out")),
        (1000..1100).collect::<Vec<_>>()
    );
}

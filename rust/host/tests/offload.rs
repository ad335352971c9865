//! Who prints, and when: nobody while a log is suspended, the caller when it is ordered or the process ends.

mod scratch;

use pr_host::{Context, Log, Mode, Overflow, Section};
use pr_printk::thread;
use scratch::{PATIENCE, Scratch, fill, flush, full_fifo, numbers, say, to_file};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Long enough for a printer to look many times.
const MANY_LOOKS: Duration = Duration::from_millis(30);

#[test]
fn a_suspended_log_prints_nothing_and_goes_on_where_it_was() {
    let scratch = Scratch::new();
    let log = scratch.log();
    for name in ["a", "b"] {
        log.add_console(scratch.console(name, Overflow::DropOldest))
            .expect("a console");
    }
    say(&log, 1);
    flush(&log);
    assert!(log.suspend(PATIENCE));
    assert!(log.suspend(PATIENCE), "twice is once");
    say(&log, 2);
    assert!(
        log.flush_until(log.flush_target(), Duration::ZERO),
        "not waited for"
    );
    std::thread::sleep(MANY_LOOKS);
    assert_eq!(numbers(&scratch.read("a")), [1]);
    assert_eq!(numbers(&scratch.read("b")), [1]);
    assert!(log.is_suspended() && log.consoles().iter().all(|console| console.lag() == 1));
    log.resume();
    log.resume();
    say(&log, 3);
    flush(&log);
    assert_eq!(numbers(&scratch.read("a")), [1, 2, 3]);
    assert_eq!(numbers(&scratch.read("b")), [1, 2, 3]);
}

#[test]
fn nothing_is_written_between_suspend_and_resume_and_nothing_lost_or_doubled_by_them() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..30_000).for_each(|i| say(&log, i));
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            assert!(log.suspend(PATIENCE));
            let before = scratch.read("out").len();
            std::thread::sleep(Duration::from_millis(2));
            assert_eq!(scratch.read("out").len(), before, "written while suspended");
            log.resume();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    flush(&log);
    assert_eq!(
        numbers(&scratch.read("out")),
        (0..30_000).collect::<Vec<_>>()
    );
}

#[test]
fn a_write_that_does_not_end_is_the_last_one_of_a_suspended_log() {
    let scratch = Scratch::new();
    let (fifo, mut reader, filled) = full_fifo(&scratch);
    let log = scratch.log();
    log.add_console(to_file(fifo, Overflow::DropOldest))
        .expect("a console");
    (0..1000).for_each(|i| say(&log, i));
    let mut looks = 0;
    scratch::wait_until("its printer is stuck", || {
        let owned = log.consoles()[0].owner() == Some("printer");
        looks = if owned { looks + 1 } else { 0 };
        looks == 50
    });
    assert!(!log.suspend(Duration::from_millis(20)));
    let mut text = drain(&mut reader, filled);
    assert!(log.suspend(PATIENCE), "the write has ended");
    text.extend(available(&mut reader));
    let rest = text.len();
    assert!(rest <= 4096, "one piece, and not {rest} bytes");
    log.resume();
    let printed = |text: &[u8]| numbers(&String::from_utf8_lossy(text)).last() == Some(&999);
    scratch::wait_until("the rest is printed", || {
        text.extend(available(&mut reader));
        printed(&text)
    });
    assert_eq!(
        numbers(&String::from_utf8_lossy(&text)).len(),
        1000,
        "each once"
    );
}

/// Reads what the FIFO was filled with, and what follows at once.
fn drain(reader: &mut std::fs::File, filled: usize) -> Vec<u8> {
    let mut filler = vec![0; filled];
    reader.read_exact(&mut filler).expect("the filler");
    assert!(filler.iter().all(|byte| *byte == b'.'));
    available(reader)
}

/// What can be read without waiting.
fn available(reader: &mut std::fs::File) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    while let Ok(count) = reader.read(&mut buffer) {
        bytes.extend(&buffer[..count]);
        if count == 0 {
            break;
        }
    }
    bytes
}

#[test]
fn a_suspended_log_that_is_closed_or_whose_process_ends_prints_what_it_has() {
    for close in [true, false] {
        let scratch = Scratch::new();
        let log = scratch.log();
        log.add_console(scratch.console("out", Overflow::DropOldest))
            .expect("a console");
        log.suspend(PATIENCE);
        (0..100).for_each(|i| say(&log, i));
        match close {
            true => log.close(PATIENCE),
            false => log.orderly_exit(PATIENCE),
        }
        assert_eq!(numbers(&scratch.read("out")), (0..100).collect::<Vec<_>>());
    }
}

/// Logs a record; whether it was on both consoles when the call returned. If not, it was counted.
fn is_printed_at_once(scratch: &Scratch, log: &pr_host::Log, number: i64) -> bool {
    let before = log.stats().left_behind;
    say(log, number);
    let on = |name: &str| numbers(&scratch.read(name)).contains(&number);
    let printed = on("a") && on("b");
    assert!(printed || log.stats().left_behind > before, "{number}");
    printed
}

#[test]
fn when_it_is_ordered_every_record_is_on_the_consoles_before_its_call_returns() {
    let scratch = Scratch::new();
    let log = scratch.log();
    for name in ["a", "b"] {
        log.add_console(scratch.console(name, Overflow::DropOldest))
            .expect("a console");
    }
    say(&log, 0);
    log.set_enforce_emergency(true);
    flush(&log);
    let at_once = (1..200).filter(|i| is_printed_at_once(&scratch, &log, *i));
    assert!(at_once.count() > 150);
    log.set_enforce_emergency(false);
    (200..1000).for_each(|i| say(&log, i));
    flush(&log);
    for name in ["a", "b"] {
        assert_eq!(numbers(&scratch.read(name)), (0..1000).collect::<Vec<_>>());
    }
}

#[test]
fn eight_threads_that_print_themselves_lose_and_double_nothing() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    log.set_enforce_emergency(true);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || (0..500).for_each(|i| say(log, thread * 500 + i)));
        }
    });
    let left = log.stats().left_behind;
    assert!(left < 2000, "they wait for one another: {left}");
    flush(&log);
    let mut seen = numbers(&scratch.read("out"));
    seen.sort_unstable();
    assert_eq!(seen, (0..4000).collect::<Vec<_>>());
}

#[test]
fn what_a_caller_may_not_print_itself_its_printer_does() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    log.set_enforce_emergency(true);
    for i in 0..20 {
        thread::print_for(u32::MAX); // as if this thread was printing already
        say(&log, i);
        thread::print_for(0);
        scratch::wait_until("its printer has printed it", || {
            numbers(&scratch.read("out")).last() == Some(&i)
        });
    }
}

#[test]
fn what_is_logged_after_the_orderly_exit_is_on_the_consoles_at_once() {
    let scratch = Scratch::new();
    let log = scratch.log();
    for name in ["a", "b"] {
        log.add_console(scratch.console(name, Overflow::DropOldest))
            .expect("a console");
    }
    say(&log, 0);
    log.orderly_exit(PATIENCE);
    let at_once = (1..100).filter(|i| is_printed_at_once(&scratch, &log, *i));
    assert!(at_once.count() > 75);
}

#[test]
fn a_caller_leaves_what_a_full_pipe_does_not_take_and_the_printer_prints_it_later() {
    let scratch = Scratch::new();
    let (fifo, mut reader, filled) = full_fifo(&scratch);
    let log = scratch.log();
    let pipe = log
        .add_console(to_file(fifo, Overflow::DropOldest))
        .expect("a console");
    log.add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    log.set_enforce_emergency(true);
    drain(&mut reader, filled);
    std::thread::sleep(MANY_LOOKS); // the printers have looked, and rest
    let filled = fill(&reader);
    (0..20).for_each(|i| say(&log, i));
    assert!(log.stats().left_behind >= 20, "each of them");
    assert!(pipe.lag() >= 20);
    let mut text = drain(&mut reader, filled);
    scratch::wait_until("the printer prints it", || {
        text.extend(available(&mut reader));
        numbers(&String::from_utf8_lossy(&text)).len() == 20
    });
    flush(&log);
    assert_eq!(numbers(&scratch.read("out")), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_child_of_a_log_that_prints_at_once_does_so_too() {
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    log.set_enforce_emergency(true);
    // SAFETY: the child runs what a child of a threaded process may run here, and leaves by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        say(&log, 7);
        let printed = log.stats().left_behind > 0 || numbers(&scratch.read("out")) == [7];
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(!printed)) }
    }
    let mut status = 0;
    // SAFETY: `status` is ours.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0);
}

#[test]
fn the_printer_threads_are_named_after_their_consoles() {
    let scratch = Scratch::new();
    let log = scratch.log();
    for name in ["a", "b"] {
        log.add_console(scratch.console(name, Overflow::DropOldest))
            .expect("a console");
    }
    let threads = log.printer_threads();
    let names: Vec<&str> = threads.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["pr/file", "pr/file-2"]);
    for (name, tid) in &threads {
        let comm =
            std::fs::read_to_string(format!("/proc/self/task/{tid}/comm")).expect("a thread");
        assert_eq!(comm.trim(), name);
    }
    assert!(log.remove_console(&log.consoles()[0], PATIENCE));
    assert_eq!(log.printer_threads(), threads[1..]);
}

/// Write calls of this thread so far.
fn writes() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/io").expect("counted by the kernel");
    let line = text.lines().find_map(|line| line.strip_prefix("syscw: "));
    line.and_then(|count| count.parse().ok()).expect("a number")
}

/// A log with consoles to the files `a` and `b`, in a mode, everything printed.
fn log_with_two_consoles(scratch: &Scratch, mode: Mode) -> Arc<Log> {
    let log = scratch.log();
    for name in ["a", "b"] {
        log.add_console(scratch.console(name, Overflow::Block))
            .expect("a console");
    }
    log.set_mode(mode).expect("the mode");
    say(&log, -1);
    flush(&log);
    log
}

#[test]
fn where_callers_print_each_record_is_written_by_the_thread_that_logged_it() {
    let scratch = Scratch::new();
    let log = log_with_two_consoles(&scratch, Mode::Caller);
    std::thread::sleep(MANY_LOOKS); // the printers rest
    let (mut by_caller, mut at_once) = (0, 0);
    for i in 0..200 {
        let before = writes();
        at_once += u32::from(is_printed_at_once(&scratch, &log, i));
        by_caller += u32::from(writes() == before + 2);
    }
    assert!(at_once > 150 && by_caller > 150, "{at_once} {by_caller}");
    for name in ["a", "b"] {
        assert_eq!(numbers(&scratch.read(name)), (-1..200).collect::<Vec<_>>());
    }
}

#[test]
fn where_callers_print_a_call_from_within_another_or_from_printing_or_in_a_section_prints_nothing()
{
    let scratch = Scratch::new();
    let log = log_with_two_consoles(&scratch, Mode::Caller);
    let (mut number, left) = (-1, log.stats().left_behind);
    let mut say_one_more = || {
        number += 1;
        let before = writes();
        say(&log, number);
        assert_eq!(writes(), before, "{number}");
        number
    };
    for _ in 0..20 {
        thread::print_for(u32::MAX); // as if this thread was printing already
        say_one_more();
        thread::print_for(0);
        let nest = thread::enter().expect("not deep"); // as a handler that interrupts a log call
        let last = say_one_more();
        scratch::wait_until("the printers have printed it", || {
            numbers(&scratch.read("b")).last() == Some(&last)
        });
        drop(nest);
    }
    assert_eq!(log.stats().left_behind, left, "nobody was to print these");
    flush(&log);
    std::thread::sleep(MANY_LOOKS); // the printers rest
    let deferred = Section::new(log.clone(), Context::Deferred);
    let mut by_caller = 0;
    let mut last = 0;
    for _ in 0..20 {
        let left = log.stats().left_behind;
        assert_eq!(deferred.enter(), Ok(true));
        last = say_one_more();
        let before = writes();
        assert_eq!(log.stats().left_behind, left, "nobody was to print it");
        deferred.exit().expect("entered here").print();
        by_caller += u32::from(writes() == before + 2);
        let is_printed = ["a", "b"].map(|name| numbers(&scratch.read(name)).last() == Some(&last));
        assert!(
            is_printed == [true; 2] || log.stats().left_behind == left + 1,
            "the end of the section is a place to print: {is_printed:?}"
        );
    }
    assert!(by_caller > 10, "{by_caller}"); // a printer that looks at that moment may have it first
    flush(&log);
    assert_eq!(numbers(&scratch.read("a")), (-1..=last).collect::<Vec<_>>());
}

#[test]
fn eight_callers_that_print_by_turns_lose_and_double_nothing() {
    let scratch = Scratch::new();
    let log = log_with_two_consoles(&scratch, Mode::Caller);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || (0..500).for_each(|i| say(log, thread * 500 + i)));
        }
    });
    flush(&log);
    each_once_and_in_order(&scratch, 8, 500);
}

/// What `threads` threads have logged, `each` numbers, is on both consoles once, and each thread's in its order.
fn each_once_and_in_order(scratch: &Scratch, threads: i64, each: i64) {
    for name in ["a", "b"] {
        let seen = numbers(&scratch.read(name));
        for thread in 0..threads {
            let own = thread * each..(thread + 1) * each;
            let printed = seen.iter().filter(|number| own.contains(number));
            assert!(printed.copied().eq(own.clone()), "{name}, thread {thread}");
        }
        assert_eq!(seen.len() as i64, threads * each + 1, "{name}");
    }
}

#[test]
fn a_caller_leaves_a_full_pipe_to_its_printer_and_no_other_caller_waits_for_it() {
    let scratch = Scratch::new();
    let (fifo, mut reader, filled) = full_fifo(&scratch);
    let log = log_with_two_consoles(&scratch, Mode::Caller);
    let pipe = log
        .add_console(to_file(fifo, Overflow::DropOldest))
        .expect("a console");
    for i in 0..500 {
        say(&log, i);
    }
    let stats = log.stats();
    assert!(stats.left_behind >= 450, "{}", stats.left_behind);
    assert!(pipe.lag() >= 450);
    let mut text = drain(&mut reader, filled);
    scratch::wait_until("the printer prints it", || {
        text.extend(available(&mut reader));
        numbers(&String::from_utf8_lossy(&text)).len() == 500
    });
    assert_eq!(
        numbers(&String::from_utf8_lossy(&text)),
        (0..500).collect::<Vec<_>>()
    );
    flush(&log);
    for name in ["a", "b"] {
        assert_eq!(numbers(&scratch.read(name)), (-1..500).collect::<Vec<_>>());
    }
}

#[test]
fn where_callers_print_a_file_that_was_renamed_or_is_to_be_opened_anew_is_opened_before_the_next_record()
 {
    let scratch = Scratch::new();
    let log = log_with_two_consoles(&scratch, Mode::Caller);
    for i in 0..20 {
        let old = scratch.path("a.old");
        std::fs::rename(scratch.path("a"), &old).expect("renamed");
        say(&log, i);
        scratch::wait_until("it is in the new file", || {
            scratch.path("a").exists() && numbers(&scratch.read("a")) == [i]
        });
    }
    let console = &log.consoles()[0];
    let before = std::fs::metadata(scratch.path("a")).expect("a file");
    console.reopen();
    say(&log, 20);
    flush(&log);
    assert_eq!(numbers(&scratch.read("a")), [19, 20]);
    assert_eq!(
        before.ino(),
        std::fs::metadata(scratch.path("a")).expect("a file").ino()
    );
    assert_eq!(numbers(&scratch.read("b")), (-1..=20).collect::<Vec<_>>());
    // And callers go on.
    let at_once = (21..50).filter(|i| {
        say(&log, *i);
        numbers(&scratch.read("a")).last() == Some(i)
    });
    assert!(at_once.count() > 20);
}

#[test]
fn in_every_mode_a_suspended_log_or_console_prints_nothing_and_goes_on_where_it_was() {
    for mode in Mode::ALL {
        let scratch = Scratch::new();
        let log = log_with_two_consoles(&scratch, mode);
        assert!(log.suspend(PATIENCE));
        say(&log, 0);
        std::thread::sleep(MANY_LOOKS);
        assert_eq!(numbers(&scratch.read("a")), [-1], "{mode:?}");
        log.resume();
        scratch::wait_until("it is printed, without another call", || {
            numbers(&scratch.read("a")) == [-1, 0] && numbers(&scratch.read("b")) == [-1, 0]
        });
        log.consoles()[0].suspend();
        say(&log, 1);
        scratch::wait_until("the other goes on", || {
            numbers(&scratch.read("b")) == [-1, 0, 1]
        });
        std::thread::sleep(MANY_LOOKS);
        assert_eq!(numbers(&scratch.read("a")), [-1, 0], "{mode:?}");
        log.consoles()[0].resume();
        scratch::wait_until("so does this one", || {
            numbers(&scratch.read("a")) == [-1, 0, 1]
        });
    }
}

#[test]
fn in_every_mode_a_child_goes_on_in_it() {
    for mode in Mode::ALL {
        let scratch = Scratch::new();
        let log = log_with_two_consoles(&scratch, mode);
        // SAFETY: the child runs what a child of a threaded process may run here, and leaves by `_exit`.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            (0..100).for_each(|i| say(&log, i));
            let printed = log.mode() == mode && log.flush_until(log.flush_target(), PATIENCE);
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!printed)) }
        }
        let mut status = 0;
        // SAFETY: `status` is ours.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert_eq!(status, 0);
        (100..200).for_each(|i| say(&log, i));
        flush(&log);
        assert_eq!(
            numbers(&scratch.read("a")),
            (-1..200).collect::<Vec<_>>(),
            "{mode:?}"
        );
    }
}

#[test]
fn in_every_mode_an_emergency_is_printed_at_once_and_the_others_records_too_in_the_end() {
    for mode in Mode::ALL {
        let scratch = Scratch::new();
        let log = log_with_two_consoles(&scratch, mode);
        let emergency = Section::new(log.clone(), Context::Emergency);
        assert_eq!(emergency.enter(), Ok(true));
        let at_once = (0..50).filter(|i| is_printed_at_once(&scratch, &log, *i));
        assert!(at_once.count() > 35, "{mode:?}");
        std::thread::scope(|scope| {
            scope.spawn(|| say(&log, 50));
        });
        emergency.exit().expect("entered here").print();
        scratch::wait_until("printed without a flush", || {
            log.consoles().iter().all(|console| console.lag() == 0)
        });
        assert_eq!(numbers(&scratch.read("b")), (-1..=50).collect::<Vec<_>>());
    }
}

#[test]
fn modes_that_change_while_eight_threads_log_lose_and_double_nothing() {
    let scratch = Scratch::new();
    let log = log_with_two_consoles(&scratch, Mode::Console);
    let enough = AtomicBool::new(false);
    let mut counts = Vec::new();
    std::thread::scope(|scope| {
        let work = |thread: i64| {
            let numbers = (0..20_000).take_while(|_| !enough.load(Ordering::SeqCst));
            numbers.map(|i| say(&log, 8 * i + thread)).count() as i64
        };
        let threads: Vec<_> = (0..8).map(|i| scope.spawn(move || work(i))).collect();
        for mode in Mode::ALL.repeat(20) {
            log.set_mode(mode).expect("the mode");
            assert_eq!(log.mode(), mode);
            std::thread::sleep(Duration::from_micros(300));
        }
        enough.store(true, Ordering::SeqCst);
        counts.extend(
            threads
                .into_iter()
                .map(|thread| thread.join().expect("counted")),
        );
    });
    // And nobody has to ask for what is left.
    scratch::wait_until("all is printed", || {
        log.consoles().iter().all(|console| console.lag() == 0)
    });
    flush(&log);
    for name in ["a", "b"] {
        let seen = numbers(&scratch.read(name));
        for (thread, count) in (0..).zip(&counts) {
            let printed = seen.iter().filter(|number| **number % 8 == thread);
            let said = (0..*count).map(|i| 8 * i + thread);
            assert!(printed.copied().eq(said), "{name}, thread {thread}");
        }
    }
    assert_eq!(log.consoles()[0].dropped() + log.consoles()[1].dropped(), 0);
}

#[test]
fn a_mode_that_there_is_not_is_refused_with_those_that_there_are() {
    for mode in Mode::ALL {
        assert_eq!(Mode::named(mode.name()), Ok(mode));
    }
    for wrong in ["", "Console", "threads"] {
        let Err(pr_host::Error::Config(said)) = Mode::named(wrong) else {
            panic!("{wrong:?} is a mode");
        };
        let names = Mode::ALL.map(|mode| format!("{:?}", mode.name()));
        assert!(names.iter().all(|name| said.contains(name)), "{said}");
    }
}

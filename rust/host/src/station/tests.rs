//! Owners that die.

use crate::console::{ConsoleOptions, Overflow};
use crate::log::{Emit, Log, LogOptions};
use crate::sinks::SinkSpec;
use pr_printk::emit::Want;
use pr_printk::fd::Written;
use pr_printk::owner::Priority;
use pr_record::{Format, Payload};
use pr_ring::Seq;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A log with one console, the first in the table, and its file.
fn log_to_file() -> (Arc<Log>, PathBuf) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("pr-station-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let log = Log::open(LogOptions {
        path: None,
        directory: None,
        name: Some("station".into()),
        size_bytes: 256 * 1024,
        avg_record: 128,
        level: 7,
        console_level: 7,
        argv: None,
        errands: crate::ErrandOptions::default(),
    })
    .expect("a log");
    log.add_console(ConsoleOptions {
        sink: SinkSpec::File(path.clone()),
        name: None,
        level: None,
        format: Format::Text,
        replay: false,
        reliability: None,
        overflow: Overflow::DropOldest,
        block_timeout: PATIENCE,
        bootstrap: false,
    })
    .expect("a console");
    (log, path)
}

fn say(log: &Log, event: &str) {
    let payload = Payload {
        event,
        ..Payload::default()
    };
    assert_eq!(log.emit(6, &payload, None), Emit::Stored);
}

/// What is in the file, without the times; and no file any more.
fn lines(path: &PathBuf) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("readable");
    std::fs::remove_file(path).expect("removed");
    let untimed = |line: &str| {
        line.split_once("] ")
            .map_or(line, |(_, rest)| rest)
            .to_owned()
    };
    text.lines().map(untimed).collect()
}

/// Runs `work` on a thread that never returns from it, nor unwinds: it is gone, as if it had been killed.
fn on_a_thread_that_dies(work: impl FnOnce() + Send) {
    extern "C" fn run(work: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: the box that was given below, once.
        let work = unsafe { Box::from_raw(work.cast::<Box<dyn FnOnce() + Send>>()) };
        work();
        std::process::abort() // it was to die in there
    }
    let work: Box<dyn FnOnce() + Send + '_> = Box::new(work);
    let work = Box::into_raw(Box::new(work)).cast();
    let mut thread = 0;
    // SAFETY: `run` takes what it is given; the thread ends before this function does, and what it borrows lives.
    let started = unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), run, work) };
    assert_eq!(started, 0);
    // SAFETY: a thread that was started above, joined once.
    let joined = unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
    assert_eq!(joined, 0);
}

fn die() -> ! {
    // SAFETY: ends this thread alone; nothing of it is used any more.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("the thread has ended")
}

#[test]
fn a_console_whose_owner_died_in_a_write_goes_on_and_says_what_it_repeats() {
    let (log, path) = log_to_file();
    let console = log.consoles().remove(0);
    console.suspend();
    say(&log, "one");
    say(&log, "two");
    let core = log.life().core();
    on_a_thread_that_dies(|| {
        let mut hold = core.hold(0, Priority::Normal, None, false).expect("free");
        let want = Want {
            enough: usize::MAX,
            until: Seq(u64::MAX),
            hurry: &|| false,
        };
        let fd = hold.port().checked_fd().expect("a descriptor");
        let _ = hold.print(&want, 30, &mut |bytes| {
            let is_first = bytes.ends_with(b"one\n");
            let count = bytes.len() - if is_first { 0 } else { 2 };
            // SAFETY: valid for reads of that length.
            unsafe { libc::write(fd, bytes.as_ptr().cast(), count) };
            if !is_first {
                die()
            }
            Written {
                bytes: count,
                errno: None,
            }
        });
    });
    assert_eq!(console.owner(), Some("printer"), "it died as the owner");
    console.resume();
    assert!(log.flush_until(log.flush_target(), PATIENCE), "freed");
    say(&log, "three");
    assert!(log.flush_until(log.flush_target(), PATIENCE));
    let again = "** replaying previous printk message **";
    assert_eq!(lines(&path), ["one", "tw", again, "two", "three"]);
}

#[test]
fn a_console_that_a_dead_thread_waits_for_goes_on() {
    let (log, path) = log_to_file();
    let console = log.consoles().remove(0);
    console.suspend();
    say(&log, "one");
    let core = log.life().core();
    let mut hold = core.hold(0, Priority::Normal, None, false).expect("free");
    let asked = hold.unsafely(|_| {
        on_a_thread_that_dies(|| {
            let _ = core.hold(0, Priority::Emergency, Some(&mut || die()), false);
        });
    });
    assert!(asked.is_some());
    drop(hold);
    let word = core.consoles()[0].owner.seen();
    assert_eq!((word.priority(), word.requested()), (0, 2), "it still asks");
    console.resume();
    assert!(log.flush_until(log.flush_target(), PATIENCE));
    assert_eq!(lines(&path), ["one"]);
}

#[test]
fn a_console_whose_owner_died_can_be_removed() {
    let (log, path) = log_to_file();
    let console = log.consoles().remove(0);
    let core = log.life().core();
    on_a_thread_that_dies(|| {
        let hold = core
            .hold(0, Priority::Emergency, None, false)
            .expect("free");
        std::mem::forget(hold);
        die()
    });
    assert!(log.remove_console(&console, PATIENCE));
    assert_eq!(lines(&path), [""; 0]);
}

#[test]
fn an_owner_that_lives_keeps_its_console_however_long_it_takes() {
    let (log, path) = log_to_file();
    let core = log.life().core();
    let mut hold = core.hold(0, Priority::Normal, None, false).expect("free");
    say(&log, "one");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(hold.unsafely(|_| 7), Some(7), "it still is the owner");
    drop(hold);
    assert!(log.flush_until(log.flush_target(), PATIENCE));
    assert_eq!(lines(&path), ["one"]);
}

//! What printing allocates. Alone in its process, whose allocations it counts.

mod scratch;

use pr_host::{Mode, Overflow};
use pr_printk::thread;
use pr_record::Format;
use scratch::{Scratch, flush, say};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Allocations of all threads but [`LOGS`].
static OTHERS: AtomicU64 = AtomicU64::new(0);
/// And of that one.
static OWN: AtomicU64 = AtomicU64::new(0);
/// The thread that logs.
static LOGS: AtomicU32 = AtomicU32::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all of it is the system's.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: as that of the system.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let own = thread::tid() == LOGS.load(Ordering::Relaxed);
        let count = if own { &OWN } else { &OTHERS };
        count.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    // SAFETY: as that of the system.
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Records, and a moment of nothing every now and then, so that the printers come to rest too.
fn log_many(log: &pr_host::Log, numbers: std::ops::Range<i64>) {
    for number in numbers {
        say(log, number);
        if number % 1000 == 0 {
            flush(log);
        }
    }
    flush(log);
}

#[test]
fn in_no_mode_do_printers_or_callers_allocate_anything_for_a_record() {
    const MANY: i64 = 5000;
    for mode in Mode::ALL {
        let scratch = Scratch::new();
        let log = scratch.log();
        for format in [Format::Text, Format::Json, Format::Logfmt] {
            let mut options = scratch.console(format.name(), Overflow::DropOldest);
            options.format = format;
            log.add_console(options).expect("a console");
        }
        log.set_mode(mode).expect("a mode");
        LOGS.store(thread::tid(), Ordering::SeqCst);
        log_many(&log, 0..2000); // what each thread has for good
        let before = [&OTHERS, &OWN].map(|count| count.load(Ordering::SeqCst));
        log_many(&log, 0..MANY);
        let after = [&OTHERS, &OWN].map(|count| count.load(Ordering::SeqCst));
        assert_eq!(after[0], before[0], "{mode:?}: printers");
        let flushes = 1 + MANY.unsigned_abs().div_ceil(1000);
        assert_eq!(
            after[1] - before[1],
            flushes,
            "{mode:?}: the list of consoles for each flush"
        );
    }
}

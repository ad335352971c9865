//! Stacks that handlers of fatal signals run on: whose thread has one, and what becomes of a crash where none is to be had.

mod fatal;
mod scratch;

use fatal::{add_dumper, death, death_after, fault, send};
use pr_host::Log;
use pr_host::crash::report;
use pr_printk::dumper::Why;
use pr_printk::fatal as any;
use scratch::{PATIENCE, Scratch, say};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

const SEGV: (libc::c_int, &str) = (libc::SIGSEGV, "fatal signal SIGSEGV");

/// A thread that is not the standard library's, which gives its own a stack for handlers.
fn bare_thread(work: impl FnOnce() + Send) -> libc::pthread_t {
    type Work<'w> = Box<dyn FnOnce() + Send + 'w>;
    extern "C" fn run(work: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: what is given below.
        let work = unsafe { Box::from_raw(work.cast::<Work<'_>>()) };
        work();
        std::ptr::null_mut()
    }
    let work: Box<Work<'_>> = Box::new(Box::new(work));
    let mut thread = 0;
    let given = Box::into_raw(work).cast();
    // SAFETY: a function, and what it takes; callers wait for the thread, or for their end.
    let made = unsafe { libc::pthread_create(&raw mut thread, std::ptr::null(), run, given) };
    assert_eq!(made, 0);
    thread
}

/// Overflows the stack.
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    match std::hint::black_box(depth) {
        u64::MAX => 0,
        _ => deeper(depth + 1) + std::hint::black_box(room)[0],
    }
}

#[test]
fn a_thread_whose_first_log_call_was_before_has_a_stack_from_its_next_one_on() {
    static STEP: AtomicU32 = AtomicU32::new(0);
    let wait_for = |wanted| {
        while STEP.load(Ordering::SeqCst) < wanted {
            std::thread::yield_now();
        }
    };
    let scratch = Scratch::new();
    let begins = |log: &Arc<Log>| {
        let log = log.clone();
        bare_thread(move || {
            say(&log, 70);
            STEP.store(1, Ordering::SeqCst);
            wait_for(2);
            say(&log, 71);
            std::hint::black_box(deeper(0));
        });
        wait_for(1);
    };
    let death = death_after(&scratch, begins, |_, ()| {
        STEP.store(2, Ordering::SeqCst);
        std::thread::sleep(PATIENCE);
    });
    assert_eq!(death.lacks_anything(SEGV.0, SEGV.1), None);
    assert!(death.text.contains("i=71\n"));
}

#[test]
fn a_thread_whose_stack_overflows_after_its_first_log_call_leaves_a_report() {
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        let log = log.clone();
        bare_thread(move || {
            say(&log, 6);
            std::hint::black_box(deeper(0));
        });
        std::thread::sleep(PATIENCE);
    });
    assert_eq!(death.lacks_anything(SEGV.0, SEGV.1), None);
    assert!(death.text.contains("i=6\n"));
}

#[test]
fn threads_that_come_and_go_use_up_no_stacks() {
    let scratch = Scratch::new();
    let done = death(&scratch, |log| {
        let mapped = || {
            let maps = std::fs::read_to_string("/proc/self/maps").expect("readable");
            maps.lines().count()
        };
        let run = |count: i64| {
            for number in 0..count {
                let thread = bare_thread(|| say(log, number));
                // SAFETY: one that was just made.
                unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
            }
        };
        run(50);
        let before = mapped();
        run(1500);
        let more = mapped().saturating_sub(before);
        assert!(more < 100, "{more} more mappings");
    });
    assert_eq!(done.status, 0);
}

/// Takes away the stack that this thread has for handlers: as one has that logged before anybody asked for crash files.
fn have_no_stack_for_handlers() {
    let none = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        ss_size: 0,
    };
    // SAFETY: changes what this thread has.
    unsafe { libc::sigaltstack(&raw const none, std::ptr::null_mut()) };
}

/// What a thread leaves that has no stack for handlers, and crashes again while the first crash is told. Whoever had the
/// second signal before is asked in the end, with what it was given: the address of that.
fn death_without_a_stack(again: unsafe fn(*const (), &Why<'_>) -> bool, before: fn(&Log)) -> usize {
    unsafe extern "C" fn notes(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: what the kernel gave.
        let info = unsafe { &*info };
        // SAFETY: of a crash.
        let at = unsafe { info.si_addr() };
        let told = [info.si_signo as usize, at as usize];
        // SAFETY: two words of ours.
        unsafe { libc::write(NOTES.load(Ordering::SeqCst), told.as_ptr().cast(), 16) };
    }
    static NOTES: AtomicI32 = AtomicI32::new(-1);
    let scratch = Scratch::new();
    let asked = scratch.path("asked");
    let begins = |_: &Arc<Log>| {
        let file = std::fs::File::create(&asked).expect("a file");
        NOTES.store(std::os::fd::IntoRawFd::into_raw_fd(file), Ordering::SeqCst);
        let action = libc::sigaction {
            sa_sigaction: notes as *const () as usize,
            sa_flags: libc::SA_SIGINFO | libc::SA_ONSTACK,
            // SAFETY: a set of no signals.
            ..unsafe { std::mem::zeroed() }
        };
        for signal in [libc::SIGFPE, libc::SIGSEGV] {
            // SAFETY: a function that may run anywhere.
            unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        }
    };
    /// Uses more stack than a handler finds above itself.
    unsafe extern "C" fn is_large(_: libc::c_int) {
        std::hint::black_box([1_u8; 64 << 10]);
    }
    let death = death_after(&scratch, begins, |log, ()| {
        add_dumper(log, again);
        any::set_trace(any::Trace {
            signal: libc::SIGUSR1,
            handler: is_large,
            descriptor: report::text_descriptor().expect("prepared"),
        });
        let log = log.clone();
        bare_thread(move || {
            before(&log);
            send(libc::SIGFPE);
        });
        std::thread::sleep(PATIENCE);
    });
    let lacks = death.lacks_anything(libc::SIGFPE, "fatal signal SIGFPE");
    assert_eq!(lacks, None);
    let again = death.text.matches("** SIGSEGV").count();
    assert_eq!(again, 1, "{}", death.text);
    let asked = std::fs::read(&asked).expect("there");
    let (signal, at) = asked.split_at(8);
    assert_eq!(signal, (libc::SIGSEGV as usize).to_ne_bytes());
    usize::from_ne_bytes(at.try_into().expect("one address"))
}

#[test]
fn a_thread_without_a_stack_for_handlers_gets_one_for_the_crash_within_its_crash() {
    unsafe fn overflows(_: *const (), _: &Why<'_>) -> bool {
        std::hint::black_box(deeper(0)) == 0
    }
    let at = death_without_a_stack(overflows, |log| {
        say(log, 6);
        have_no_stack_for_handlers(); // and no log call to come gives one
    });
    assert_ne!(at, 0);
}

#[test]
fn a_thread_that_can_have_no_stack_for_handlers_goes_on_where_it_crashed_again() {
    unsafe fn crashes(_: *const (), _: &Why<'_>) -> bool {
        fault();
        true
    }
    let at = death_without_a_stack(crashes, |_| {
        have_no_stack_for_handlers();
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: a limit of this child.
        let is_limited = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const none) };
        assert_eq!(is_limited, 0, "it can map nothing more");
    });
    assert_eq!(at, fatal::NOWHERE, "no other crash came of it");
}

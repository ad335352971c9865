//! Signals that end the process in order, where the application's own handlers are in C.

mod fatal;
mod scratch;

use fatal::death;
use pr_host::crash::orderly::take;
use pr_printk::fatal::previous::{Handler, disposition, set_default};
use scratch::{Scratch, wait_until};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

const SIGNAL: libc::c_int = libc::SIGUSR1;

/// How often each was called.
static LATER: AtomicU32 = AtomicU32::new(0);
static EARLIER: AtomicU32 = AtomicU32::new(0);
static ENDS: AtomicU32 = AtomicU32::new(0);
/// Whom the later handler goes on to.
static NEXT: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn earlier(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    EARLIER.fetch_add(1, Ordering::SeqCst);
}

/// Goes on to whoever was there before it.
unsafe extern "C" fn later(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    if LATER.fetch_add(1, Ordering::SeqCst) > 100 {
        // SAFETY: it goes round and round.
        unsafe { libc::_exit(3) };
    }
    // SAFETY: what `put` has found.
    let next: Handler = unsafe { std::mem::transmute(NEXT.load(Ordering::SeqCst)) };
    // SAFETY: what the kernel gave.
    unsafe { next(signal, info, context) };
}

/// Handles the signal from now on. Who did.
fn put(handler: Handler) -> usize {
    let mut action = disposition(SIGNAL).expect("a disposition");
    let before = action.sa_sigaction;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO;
    NEXT.store(before, Ordering::SeqCst);
    // SAFETY: a handler that may run anywhere.
    let set = unsafe { libc::sigaction(SIGNAL, &raw const action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
    before
}

fn send(signal: libc::c_int) {
    let process = std::process::id().cast_signed();
    // SAFETY: touches no memory.
    assert_eq!(unsafe { libc::kill(process, signal) }, 0);
}

fn counts() -> (u32, u32, u32) {
    let counts = [&LATER, &ENDS, &EARLIER].map(|count| count.load(Ordering::SeqCst));
    (counts[0], counts[1], counts[2])
}

fn count_end(_: &str) {
    ENDS.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn one_whose_later_handler_goes_on_to_ours_goes_on_to_the_earlier_one_once_each_time() {
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        put(earlier);
        take(log, &[SIGNAL], Box::new(count_end)).expect("taken");
        put(later);
        for time in 1..=3 {
            send(SIGNAL);
            wait_until("the earlier one is asked", || counts().2 == time);
            assert_eq!(counts(), (2 * time, time, time), "it comes, and comes back");
        }
    });
    assert_eq!(death.status, 0);
}

#[test]
fn one_whose_later_handler_goes_on_to_ours_ends_the_process_where_nobody_was_before() {
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        take(log, &[SIGNAL], Box::new(count_end)).expect("taken");
        put(later);
        send(SIGNAL);
        loop {
            std::thread::yield_now();
        }
    });
    assert!(death.is_by(SIGNAL), "{:#x}", death.status);
}

#[test]
fn a_child_that_never_logged_goes_straight_on_to_the_earlier_one() {
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        put(earlier);
        take(log, &[SIGNAL], Box::new(count_end)).expect("taken");
        put(later);
        let status = in_child(|| {
            send(SIGNAL);
            assert_eq!(counts(), (1, 0, 1));
        });
        assert_eq!(status, 0);
    });
    assert_eq!(death.status, 0);
}

/// Runs it in a forked child. How that ended; one that hangs, by SIGALRM.
fn in_child(work: impl FnOnce()) -> libc::c_int {
    // SAFETY: the child runs what a child of a threaded process may run here, and leaves.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no process");
    if child == 0 {
        // SAFETY: a child that hangs ends all the same.
        unsafe { libc::alarm(30) };
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // SAFETY: ends the child.
        unsafe { libc::_exit(if ended.is_ok() { 0 } else { 99 }) }
    }
    let mut status = 0;
    // SAFETY: the child is ours, and the status too.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status
}

#[test]
fn a_child_that_is_forked_while_signals_are_taken_can_close_its_log() {
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        set_default(SIGNAL);
        let taken = AtomicU32::new(0);
        let is_over = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while is_over.load(Ordering::SeqCst) == 0 {
                    take(log, &[SIGNAL], Box::new(count_end)).expect("taken");
                    taken.fetch_add(1, Ordering::SeqCst);
                }
            });
            for _ in 0..30 {
                let before = taken.load(Ordering::SeqCst);
                wait_until("some are taken", || taken.load(Ordering::SeqCst) > before);
                assert_eq!(in_child(|| log.close(std::time::Duration::ZERO)), 0);
            }
            is_over.store(1, Ordering::SeqCst);
        });
    });
    assert_eq!(death.status, 0);
}

/// Whether a thread has a signal blocked, by the kernel's list.
fn is_blocked(thread: u32, signal: libc::c_int) -> bool {
    let status =
        std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).expect("a thread");
    let line = |line: &str| u64::from_str_radix(line.strip_prefix("SigBlk:")?.trim(), 16).ok();
    let blocked = status.lines().find_map(line).expect("the set");
    blocked >> (signal - 1) & 1 != 0
}

#[test]
fn a_fatal_signal_that_is_blocked_and_pending_stays_so_when_a_log_starts_its_threads() {
    let scratch = Scratch::new();
    let death = death(&scratch, |log| {
        // SAFETY: a signal set is plain bits; zero is one.
        let mut fpe: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is ours.
        unsafe { libc::sigaddset(&raw mut fpe, libc::SIGFPE) };
        // SAFETY: as above.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const fpe, std::ptr::null_mut()) };
        // SAFETY: touches no memory.
        assert_eq!(unsafe { libc::raise(libc::SIGFPE) }, 0); // pending for this thread
        send(libc::SIGFPE); // and for any
        take(log, &[SIGNAL], Box::new(count_end)).expect("taken");
        let console = scratch.console("out", pr_host::Overflow::DropOldest);
        log.add_console(console).expect("a console");
        scratch::flush(log);
        log.set_mode(pr_host::Mode::Smp).expect("the mode");
        for (_, thread) in log.printer_threads() {
            let blocked = [libc::SIGFPE, libc::SIGSEGV, libc::SIGTERM];
            let blocked = blocked.map(|signal| is_blocked(thread, signal));
            assert_eq!(blocked, [true, false, true]);
        }
    });
    assert_eq!(death.status, 0);
}

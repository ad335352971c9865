//! Fatal signals that are not the end: whoever handled them before mends what was wrong, or leaves by a jump.

mod fatal;
mod scratch;

use fatal::{add_dumper, death, fault, send};
use pr_host::{Emit, Overflow};
use pr_printk::dumper::Why;
use pr_printk::fatal as any;
use pr_printk::fd::{errno, set_errno};
use pr_record::Payload;
use scratch::{PATIENCE, Scratch, flush, say};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::Duration;

/// A log that tells crashes, in a process whose SIGSEGV somebody handles already.
fn log_before_which_is(scratch: &Scratch, handler: any::previous::Handler) -> Arc<pr_host::Log> {
    // SAFETY: plain bits.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO;
    let log = scratch.log();
    // In place of ours, which then comes before it.
    pr_host::crash::signals::disarm();
    // SAFETY: a handler that may run anywhere.
    unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()) };
    log.tell_crashes(None).expect("a place");
    pr_host::crash::signals::arm();
    log
}

#[test]
fn who_handled_the_signal_before_is_asked_with_the_errno_of_the_crash_and_may_mend_it() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    static ERRNO: AtomicI32 = AtomicI32::new(0);
    unsafe extern "C" fn mends(
        _signal: libc::c_int,
        _info: *mut libc::siginfo_t,
        _context: *mut libc::c_void,
    ) {
        ERRNO.store(errno(), Ordering::SeqCst);
        set_errno(6);
        ASKED.fetch_add(1, Ordering::SeqCst);
    }
    unsafe fn fails(_: *const (), _: &Why<'_>) -> bool {
        set_errno(5);
        false
    }
    let scratch = Scratch::new();
    let before = Scratch::new();
    let done = death(&before, |_| {
        let log = log_before_which_is(&scratch, mends);
        add_dumper(&log, fails);
        log.add_console(scratch.console("out", Overflow::Block))
            .expect("a console");
        for number in 1..=20 {
            set_errno(77);
            send(libc::SIGSEGV);
            assert_eq!((errno(), ERRNO.load(Ordering::SeqCst)), (77, 77));
            say(&log, number);
        }
        flush(&log);
        assert_eq!(ASKED.load(Ordering::SeqCst), 20);
        assert_eq!(any::survived(), 8, "then they are told no more");
        let count = std::fs::read_dir(scratch.path("a.ring").parent().expect("a folder"));
        let crashes = count.expect("readable").filter(|entry| {
            let name = entry.as_ref().expect("an entry").file_name();
            name.to_string_lossy().ends_with(".txt")
        });
        assert_eq!(crashes.count(), 8, "as many as there may be");
    });
    assert_eq!(done.status, 0);
    let seen = scratch::numbers(&scratch.read("out"));
    assert_eq!(seen, (1..=20).collect::<Vec<_>>(), "the log goes on");
    let told = scratch.read("out").matches("they are told no more").count();
    assert_eq!(told, 1);
}

// As cysignals has it. The jump is made by hand: what was interrupted goes on elsewhere.
unsafe extern "C" fn jumps(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: `RESUME` was filled before the fault.
    unsafe { libc::setcontext(RESUME.0.get().cast()) };
}
struct Context(UnsafeCell<MaybeUninit<libc::ucontext_t>>);
// SAFETY: one thread uses it.
unsafe impl Sync for Context {}
static RESUME: Context = Context(UnsafeCell::new(MaybeUninit::uninit()));
static FAULTS: AtomicU32 = AtomicU32::new(0);

#[test]
fn a_handler_that_leaves_by_a_jump_leaves_the_logs_usable() {
    let scratch = Scratch::new();
    let before = Scratch::new();
    let done = death(&before, |_| {
        let log = log_before_which_is(&scratch, jumps);
        // SAFETY: one context, of this thread.
        unsafe { libc::getcontext(RESUME.0.get().cast()) };
        let faults = FAULTS.fetch_add(1, Ordering::SeqCst);
        if faults < 3 {
            fault();
        }
        std::thread::sleep(Duration::from_millis(200));
        let payload = Payload {
            event: "of another thread",
            ..Payload::default()
        };
        let calls = || (0..10).filter(|_| scratch::call(&log, 6, &payload)).count();
        let others = std::thread::scope(|scope| scope.spawn(calls).join().expect("no panic"));
        assert_eq!((faults, others), (3, 10), "the logs are everybody's again");
    });
    assert_eq!(done.status, 0, "{}", done.text);
}

#[test]
fn a_log_is_everybodys_again_after_a_signal_that_was_mended() {
    unsafe extern "C" fn mends(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}
    let scratch = Scratch::new();
    let before = Scratch::new();
    let done = death(&before, |_| {
        let log = log_before_which_is(&scratch, mends);
        log.add_console(scratch.console("out", Overflow::Block))
            .expect("a console");
        send(libc::SIGSEGV);
        assert_eq!(any::survived(), 1);
        let another = || say(&log, 1);
        std::thread::scope(|scope| scope.spawn(another).join().expect("no panic"));
        flush(&log);
        assert!(log.suspend(PATIENCE));
        assert!(log.core().is_suspended(), "nobody prints now");
        let payload = Payload {
            event: "of one who must wait for room",
            ..Payload::default()
        };
        let mut stored = 0;
        while stored < 100_000 && log.emit(6, &payload, None) != Emit::MustWait {
            stored += 1;
        }
        assert!(stored < 100_000, "the console would have lost records");
        log.resume();
        flush(&log);
        let consoles = log.consoles();
        assert_eq!(consoles[0].dropped(), 0);
    });
    assert_eq!(done.status, 0, "{}", done.text);
    assert_eq!(scratch::numbers(&scratch.read("out")), [1]);
}

#[test]
fn a_panic_of_its_own_after_a_handler_that_left_by_a_jump_ends_by_its_own_signal() {
    let scratch = Scratch::new();
    let before = Scratch::new();
    let done = death(&before, |_| {
        let log = log_before_which_is(&scratch, jumps);
        // SAFETY: one context, of this thread.
        unsafe { libc::getcontext(RESUME.0.get().cast()) };
        if FAULTS.fetch_add(1, Ordering::SeqCst) == 0 {
            fault();
        }
        std::thread::sleep(Duration::from_millis(200));
        std::thread::scope(|scope| scope.spawn(|| say(&log, 1)).join().expect("no panic"));
        assert!(
            !pr_printk::panic::is_anybodys(),
            "the logs are everybody's again"
        );
        log.panic("of its own");
    });
    assert!(done.is_by(libc::SIGABRT), "{:#x}", done.status);
    let told = scratch.read(&format!("a.ring.crash-{}-2.txt", done.pid));
    assert!(told.contains("of its own"), "{told}");
}

//! What a fatal signal's handler may do: no allocation, no lock that is waited for, no new thread, and of files only that the
//! report, which is open, gets its name. Alone in its program, whose allocator it replaces.

mod fatal;
#[path = "../../printk/tests/purity/mod.rs"]
mod purity;
mod scratch;

use fatal::{death, fault};
use pr_host::Overflow;
use pr_printk::dumper::{Dumper, Reason, Why};
use pr_printk::thread;
use purity::{PURE, allow_only_pure_calls};
use scratch::{Scratch, flush};
use std::sync::atomic::Ordering;

/// What it takes beside what every panic may: to name the report, to know the thread, and to end as without us.
const FATAL_CALLS: [libc::c_long; 7] = [
    libc::SYS_linkat,
    libc::SYS_lseek,
    libc::SYS_prctl,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_sigaltstack,
];

fn die_purely(
    scratch: &Scratch,
    in_handler: unsafe fn(*const (), &Why<'_>) -> bool,
) -> fatal::Death {
    death(scratch, |log| {
        log.add_console(scratch.console("out", Overflow::DropOldest))
            .expect("a console");
        flush(log);
        let dumper = Box::leak(Box::new(Dumper {
            max_reason: Reason::Panic,
            always: false,
            preserves: false,
            any_context: true,
            call: in_handler,
            data: std::ptr::null(),
        }));
        // SAFETY: it stays for good, and has no data.
        unsafe { log.core().dumpers().register(dumper) }.expect("room");
        allow_only_pure_calls(&FATAL_CALLS);
        PURE.store(thread::tid(), Ordering::SeqCst);
        fault();
    })
}

#[test]
fn a_fatal_signal_allocates_nothing_waits_for_no_lock_starts_no_thread_and_opens_nothing() {
    let scratch = Scratch::new();
    let pure = die_purely(&scratch, |_, _| true);
    let lacks = pure.lacks_anything(libc::SIGSEGV, "fatal signal SIGSEGV");
    assert_eq!(lacks, None);
    assert!(scratch.read("out").contains("fatal signal SIGSEGV"));
    // And it would be seen.
    let scratch = Scratch::new();
    let allocates = die_purely(&scratch, |_, _| {
        drop(std::hint::black_box(vec![1_u8; 100]));
        true
    });
    assert!(libc::WIFEXITED(allocates.status) && libc::WEXITSTATUS(allocates.status) == 3);
    let scratch = Scratch::new();
    let opens = die_purely(&scratch, |_, _| {
        // SAFETY: a path.
        unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY) };
        true
    });
    assert!(opens.is_by(libc::SIGSYS), "{:#x}", opens.status);
}

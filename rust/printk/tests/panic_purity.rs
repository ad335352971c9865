//! What a panic may do: no allocation, no lock that is waited for, no new thread, no file opened. Alone in its program, whose
//! allocator it replaces.

mod purity;
mod rig;

use pr_printk::owner::Priority;
use pr_printk::panic::{self, BOUND_NSEC, Begun};
use pr_printk::port::class;
use pr_printk::registry::flag;
use pr_printk::store::Stored;
use pr_printk::thread;
use pr_record::Format;
use pr_ring::Info;
use purity::{PURE, allow_only_pure_calls};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Panics with consoles of every kind, one of them held by a thread that is stuck, without allocating or asking for more
/// than it may. Does not return.
fn panic_purely(before: impl FnOnce()) -> ! {
    let core = rig::listed_core();
    let pipe = rig::full_pipe();
    let file = rig::classes_on_one_file(
        core,
        &[(class::MEMORY, Format::Json), (class::FILE, Format::Text)],
    );
    rig::add_console(core, 3, pipe[1].as_raw_fd(), class::STREAM);
    core.consoles()[0].set(flag::ENABLED);
    rig::log(core, "before");
    let stuck = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut hold = core.hold(2, Priority::Normal, None, false).expect("free");
            hold.unsafely(|_| {
                stuck.wait();
                std::thread::sleep(Duration::from_secs(3600));
            });
        });
        stuck.wait();
        allow_only_pure_calls(&[]);
        PURE.store(thread::tid(), Ordering::SeqCst);
        before();
        let begun = panic::begin();
        let stored = core.store_last_words(&rig::payload("last words"));
        let whole = panic::flush(BOUND_NSEC, false);
        let fine = begun == Begun::Mine && stored == Stored::Yes && !whole;
        let left = core.control().left_behind.load(Ordering::Relaxed);
        let _in_the_way = core.ring().reserve_ticket(8, &Info::default());
        while core.store(rig::STAMP, &rig::payload("full")) == Stored::Yes {}
        let waited = core.store_last_words(&rig::payload("too many"));
        let fine = fine && waited == Stored::Refused;
        PURE.store(0, Ordering::SeqCst);
        let printed = read_purely(&file);
        // SAFETY: does not return.
        unsafe { libc::_exit(if fine && left == 2 && printed { 42 } else { 1 }) }
    })
}

/// Whether both consoles on the file have the last words. Any other call than those of a panic is not to be had any more.
fn read_purely(file: &File) -> bool {
    // SAFETY: a status is plain bits.
    let mut about: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the buffer is ours.
    unsafe { libc::fstat(file.as_raw_fd(), &raw mut about) };
    about.st_size > 2 * "last words".len() as libc::off_t
}

/// How such a process ends.
fn end_of(before: impl FnOnce()) -> libc::c_int {
    // SAFETY: the child panics, and ends.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no process");
    if child == 0 {
        // SAFETY: as in `in_a_child`.
        unsafe { libc::alarm(60) };
        panic_purely(before);
    }
    let mut status = 0;
    // SAFETY: the child is ours, and the status too.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status
}

#[test]
fn a_panic_allocates_nothing_waits_for_no_lock_starts_no_thread_and_opens_nothing() {
    let fine = |status| libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42;
    let status = end_of(|| {});
    assert!(fine(status), "{status:#x}");
    // And it would be seen.
    let allocates = end_of(|| drop(std::hint::black_box(vec![1_u8; 100])));
    assert!(libc::WIFEXITED(allocates) && libc::WEXITSTATUS(allocates) == 3);
    let killed = |status| libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSYS;
    let word = 0_u32;
    let waits = end_of(|| {
        // SAFETY: waits for a word of ours that has another value: returns at once.
        unsafe { libc::syscall(libc::SYS_futex, &raw const word, libc::FUTEX_WAIT, 1, 0) };
    });
    assert!(killed(waits), "{waits:#x}");
    let opens = end_of(|| {
        // SAFETY: a path.
        unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY) };
    });
    assert!(killed(opens), "{opens:#x}");
}

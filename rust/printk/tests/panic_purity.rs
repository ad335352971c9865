//! What a panic may do: no allocation, no lock that is waited for, no new thread, no file opened. Alone in its program, whose
//! allocator it replaces.

mod rig;

use pr_printk::owner::Priority;
use pr_printk::panic::{self, BOUND_NSEC, Begun};
use pr_printk::port::class;
use pr_printk::registry::flag;
use pr_printk::store::Stored;
use pr_printk::thread;
use pr_record::Format;
use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The thread that may not allocate.
static PURE: AtomicU32 = AtomicU32::new(0);

struct Watched;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Ends the process where the thread that may not allocate does.
fn judge() {
    let pure = PURE.load(Ordering::SeqCst);
    if pure != 0 && pure == thread::tid() {
        rig::say("allocated in a panic\n");
        // SAFETY: does not return.
        unsafe { libc::_exit(3) };
    }
}

// SAFETY: all of it is the system's.
unsafe impl GlobalAlloc for Watched {
    // SAFETY: as that of the system.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        judge();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    // SAFETY: as that of the system.
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        judge();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

/// What a thread that panics may ask of the kernel: nothing that allocates, waits for a lock, starts a thread or opens a
/// file.
const PURE_CALLS: [libc::c_long; 16] = [
    libc::SYS_write,
    libc::SYS_ppoll,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_sched_yield,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_tgkill,
    libc::SYS_membarrier,
    libc::SYS_exit_group,
];

/// From now on this thread's process ends at any other call; of futex calls only those that wake are left.
fn allow_only_pure_calls() {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = vec![step(LOAD, 0, 0, 0)];
    for call in PURE_CALLS {
        program.push(step(EQUAL, 0, 1, call as u32));
        program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    }
    program.push(step(EQUAL, 0, 5, libc::SYS_futex as u32));
    program.push(step(LOAD, 0, 0, 24)); // the operation, its second argument
    program.push(step(AND, 0, 0, 0x7F));
    program.push(step(EQUAL, 1, 0, libc::FUTEX_WAKE as u32));
    program.push(step(EQUAL, 0, 1, libc::FUTEX_WAKE_BITSET as u32));
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS));
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: numbers only.
    let kept = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(kept, 0);
    // SAFETY: the program is ours for the length of the call.
    let set = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const filter,
        )
    };
    assert_eq!(set, 0, "no filter");
}

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
        allow_only_pure_calls();
        PURE.store(thread::tid(), Ordering::SeqCst);
        before();
        let begun = panic::begin();
        let stored = core.store(rig::STAMP, &rig::payload("last words"));
        let whole = panic::flush(BOUND_NSEC, false);
        let fine = begun == Begun::Mine && stored == Stored::Yes && !whole;
        let left = core.control().left_behind.load(Ordering::Relaxed);
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

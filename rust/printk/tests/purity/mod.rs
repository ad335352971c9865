//! What a thread that panics may do, and what happens to one that does more. Of a program with an allocator of its own.

use pr_printk::thread;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU32, Ordering};

/// The thread that may not allocate.
pub static PURE: AtomicU32 = AtomicU32::new(0);

struct Watched;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Ends the process where the thread that may not allocate does.
fn judge() {
    let pure = PURE.load(Ordering::SeqCst);
    if pure != 0 && pure == thread::tid() {
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

/// From now on this thread's process ends at any other call but `more`; of futex calls only those that wake are left.
pub fn allow_only_pure_calls(more: &[libc::c_long]) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = vec![step(LOAD, 0, 0, 0)];
    for call in PURE_CALLS.iter().chain(more) {
        program.push(step(EQUAL, 0, 1, *call as u32));
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

//! What a log call asks of the system when nobody has to be woken: the time, and so nothing between reserving its record and
//! finalizing it. Alone in its program, whose allocations it counts.

mod rig;

use pr_printk::Core;
use pr_printk::line::Piece;
use pr_printk::store::Stored;
use pr_printk::thread;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all of it is the system's.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: as that of the system.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    // SAFETY: as that of the system.
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

/// From now on the kernel kills this process at any call but the two that are left: the time, where it is not had without one,
/// and the end. (Its strict mode would take the processor's counter away too, and so the time.)
fn ask_for_no_more_than_the_time() {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        step(LOAD, 0, 0, 0), // the call's number
        step(EQUAL, 2, 0, libc::SYS_exit as u32),
        step(EQUAL, 1, 0, libc::SYS_clock_gettime as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: numbers only.
    let kept = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program is ours for the length of the call.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter) };
    assert_eq!((kept, set), (0, 0), "no filter");
}

/// One text of a line.
fn say(core: &Core, text: &str, ends: bool) -> Stored {
    let piece = Piece {
        payload: rig::payload(text),
        ends,
        speaker: 1,
    };
    let _nest = thread::enter();
    core.store_piece(rig::STAMP, &piece)
}

/// Records of every size, and lines of several calls, through many rounds of the ring. Whether all were stored.
fn log_much(core: &Core, long: &str) -> bool {
    let mut fine = true;
    for round in 0..500 {
        for len in [0, 40, 700, 5_000, long.len()] {
            let event = &long[..len.saturating_sub(round % 7)];
            fine &= core.store(rig::STAMP, &rig::payload(event)) == Stored::Yes;
        }
        fine &= say(core, "half a line", false) == Stored::Open;
        fine &= say(core, &long[..600], round % 2 == 0) != Stored::Refused;
        core.end_line();
    }
    fine
}

/// How a child ends that does this on a log of its own, and may ask the kernel for nothing; 42 if all went well.
fn end_of(act: impl FnOnce(&Core) -> bool) -> libc::c_int {
    let core = rig::core(9);
    // SAFETY: the child calls what is here and ends itself.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no process");
    if child == 0 {
        rig::log(core, "before"); // a thread asks for its number once
        // SAFETY: numbers only. Whoever hangs is killed by the alarm.
        unsafe { libc::alarm(60) };
        ask_for_no_more_than_the_time();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let fine = act(core);
        let allocated = ALLOCATIONS.load(Ordering::Relaxed) != before;
        let status = if allocated { 3 } else { 41 + i32::from(fine) };
        // SAFETY: does not return.
        unsafe { libc::syscall(libc::SYS_exit, status) };
    }
    let mut status = 0;
    // SAFETY: the child is ours, and the status too.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status
}

#[test]
fn a_log_call_neither_allocates_nor_asks_the_kernel_for_anything() {
    let long = "x".repeat(40_000);
    let status = end_of(|core| log_much(core, &long));
    assert!(
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42,
        "{status:#x}"
    );
    // And it would be seen.
    let allocates = end_of(|_| !std::hint::black_box(vec![1_u8; 100]).is_empty());
    assert!(
        libc::WIFEXITED(allocates) && libc::WEXITSTATUS(allocates) == 3,
        "{allocates:#x}"
    );
    let asks = end_of(|_| {
        std::thread::yield_now();
        true
    });
    assert!(
        libc::WIFSIGNALED(asks) && libc::WTERMSIG(asks) == libc::SIGSYS,
        "{asks:#x}"
    );
}

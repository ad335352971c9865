//! Instructions of a record, counted one by one: a child lets the processor trap after each of its instructions.
//!
//! A processor's own counter would be faster, but virtual machines seldom have one; and this count is exact, the same in
//! each run. A locked instruction counts as one, whatever it takes.

use super::After;
use super::loops::{read_records, write_records};
use crate::error::Error;
use core::sync::atomic::{AtomicU64, Ordering};
use pr_ring::{Region, Ring};
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;

/// Instructions of one operation, the loop around it included.
#[derive(Clone, Copy, Debug)]
pub struct Instructions {
    /// Reserve, copy of 64 bytes, finalize.
    pub write: f64,
    /// Reading the next record.
    pub read: f64,
    /// One compare-exchange in its loop: what the time of the yardstick is made of.
    pub cas: f64,
}

/// What the child does one after the other: nothing, compare-exchanges, writing, reading.
const LEGS: usize = 4;

/// Traps so far, in the child that counts them.
static STEPS: AtomicU64 = AtomicU64::new(0);

/// Counts in a child, over `n` operations of each kind. The child has a copy of the ring's memory if that is the process's
/// own; a file's is shared.
pub(super) fn instructions(
    ring: &Ring<Region>,
    after: After,
    n: u64,
) -> Result<Instructions, Error> {
    let counted = in_child(ring, after, n).map_err(|why| Error::Os {
        what: "instructions cannot be counted".to_owned(),
        errno: why.raw_os_error().unwrap_or(libc::EIO),
    });
    let [nothing, cas, write, read] = counted?;
    let each = |steps: u64| steps.saturating_sub(nothing) as f64 / n.max(1) as f64;
    Ok(Instructions {
        write: each(write),
        read: each(read),
        cas: each(cas),
    })
}

fn in_child(ring: &Ring<Region>, after: After, n: u64) -> io::Result<[u64; LEGS]> {
    let (mut from, to) = io::pipe()?;
    let to = ManuallyDrop::new(File::from(std::os::fd::OwnedFd::from(to)));
    // The plain system call: no hook of a fork is run, and the child never returns to the interpreter.
    // SAFETY: the child calls nothing but system calls and the ring, which neither lock nor allocate.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if pid == 0 {
        child(ring, after, n, &to);
    }
    drop(ManuallyDrop::into_inner(to));
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut bytes = [0; LEGS * 8];
    let told = from.read_exact(&mut bytes);
    wait_for(pid as libc::pid_t);
    told?;
    let mut legs = [0; LEGS];
    for (leg, bytes) in legs.iter_mut().zip(bytes.as_chunks().0) {
        *leg = u64::from_ne_bytes(*bytes);
    }
    Ok(legs)
}

/// Until the child is gone.
fn wait_for(pid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: this process's own child; writes the one number that it is given.
    while unsafe { libc::waitpid(pid, &raw mut status, 0) } < 0
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
}

/// Counts, tells, ends.
fn child(ring: &Ring<Region>, after: After, n: u64, to: &File) -> ! {
    let mut to = to;
    if catch_traps() {
        let legs = [
            trapped(|| {}),
            trapped(|| super::yardsticks::exchange_alone(n)),
            trapped(|| write_records(ring, after, n, 0)),
            trapped(|| read_records(ring, n)),
        ];
        for leg in legs {
            let _ = to.write_all(&leg.to_ne_bytes()); // what is missing, the parent misses
        }
    }
    // SAFETY: ends this process, and nothing of the parent's is run.
    unsafe { libc::_exit(0) }
}

extern "C" fn count(_signal: libc::c_int) {
    STEPS.fetch_add(1, Ordering::Relaxed);
}

fn catch_traps() -> bool {
    // SAFETY: flags and an empty mask: zero is a value.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: a handler that only adds to a number.
    let caught =
        unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, core::ptr::null_mut()) };
    cfg!(target_arch = "x86_64") && caught == 0
}

/// How many instructions `work` takes, and a few more.
#[inline(never)]
fn trapped(work: impl FnOnce()) -> u64 {
    let before = STEPS.load(Ordering::Relaxed);
    trap(true);
    work();
    trap(false);
    STEPS.load(Ordering::Relaxed) - before
}

/// Whether this thread traps after each instruction: a bit of its flags. A handler runs without.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn trap(each: bool) {
    const TRAP_FLAG: u64 = 1 << 8;
    let wanted = if each { TRAP_FLAG } else { 0 };
    // SAFETY: changes the one bit; what comes of it, the handler takes.
    unsafe {
        core::arch::asm!(
            "pushfq",
            "and qword ptr [rsp], {others}",
            "or qword ptr [rsp], {wanted}",
            "popfq",
            others = const !(1_i32 << 8),
            wanted = in(reg) wanted,
        );
    }
}

/// Elsewhere nothing is counted: `catch_traps` says so.
#[cfg(not(target_arch = "x86_64"))]
fn trap(_each: bool) {}

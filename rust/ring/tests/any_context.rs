//! What a ring asks of the system: nothing. A child that may do no more than end itself does all that can be done with a
//! ring; the kernel kills it at any call, and an allocation ends it in another way than it should end.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types, reason = "a test, with a count of its own")]

mod heap;

use heap::HeapRing;
use pr_ring::{Caller, Info, Read, Refused, Seq, Ticket, Unfinished};
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

const WRITER: u64 = 1;
const DEAD: u64 = 2;
const REAPER: u64 = 3;
const TEXT: [u8; 56] = [b'x'; 56];

fn open(ring: &HeapRing, owner: u64, size: usize) -> Result<Ticket, Refused> {
    let info = Info {
        caller_id: owner,
        owner,
        ..Info::default()
    };
    ring.reserve_ticket(size, &info)
}

/// A record in two pieces, the second of which it is reopened for.
fn in_pieces(ring: &HeapRing, size: usize, more: usize) -> bool {
    let Ok(mut ticket) = open(ring, WRITER, size) else {
        return false;
    };
    ring.write(&mut ticket, 0, &TEXT[..size]);
    ring.commit(ticket);
    let caller = Caller {
        caller_id: WRITER,
        owner: WRITER,
    };
    let Ok(mut ticket) = ring.reopen_ticket(caller, more, 56) else {
        return false;
    };
    let end = u64::from(ticket.text_len());
    let whole = ring.write(&mut ticket, end, &TEXT[..more]) == more;
    ring.commit(ticket);
    whole
}

/// Reads from the oldest on; how many records.
fn read_all(ring: &HeapRing) -> u64 {
    let (mut seq, mut records, mut buffer) = (Seq(0), 0, [0; 64]);
    while let Read::Found { info, .. } = ring.read_valid(seq, &mut buffer, Unfinished::Wait) {
        (seq, records) = (Seq(info.seq.0 + 1), records + 1);
    }
    records
}

/// Every way to write, to be refused, to read and to reap, through many rounds of the ring. Whether all went well.
fn everything(ring: &HeapRing) -> bool {
    let mut fine = true;
    for round in 0..200_usize {
        for size in 0..=56 {
            let Ok(mut ticket) = open(ring, WRITER, size) else {
                return false;
            };
            ring.fill(&mut ticket, &TEXT[..size]);
            ring.finalize(ticket);
        }
        fine &= in_pieces(ring, round % 29, round % 27);
        ring.finalize_last();
        fine &= read_all(ring) > 0 && ring.next_seq() == ring.next_reserve_seq();
        // A dead writer's record is in the way until it is reaped.
        let left = open(ring, DEAD, 8).map(std::mem::forget);
        let refused =
            (0..300).filter(|_| open(ring, WRITER, 8).map(|own| ring.finalize(own)).is_err());
        fine &= left.is_ok() && refused.count() > 0;
        let reaped = ring.reap(REAPER, |owner| owner == DEAD);
        fine &= reaped.lost == 1 && !reaped.busy;
        ring.finalize_last();
    }
    fine && ring.reaped() == 200 && ring.fail() > 0 && ring.health() == 0
}

/// How a child ends that does this and may ask the kernel for nothing; 42 if all went well.
fn end_of(act: impl FnOnce() -> bool) -> libc::c_int {
    // SAFETY: the child calls what is here and ends itself.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no process");
    if child == 0 {
        // SAFETY: numbers only. Whoever hangs is killed by the alarm.
        unsafe { libc::alarm(60) };
        // SAFETY: numbers only: from here on reading, writing and ending are all that is left.
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT, 0, 0, 0) };
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let fine = act();
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
fn a_ring_neither_allocates_nor_asks_the_kernel_for_anything() {
    for retire_ahead in [0, 32] {
        let ring = HeapRing::new(7, 4, retire_ahead);
        let status = end_of(|| everything(&ring));
        assert!(
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42,
            "{status:#x}"
        );
    }
    // And it would be seen.
    let allocates = end_of(|| !std::hint::black_box(vec![1_u8; 100]).is_empty());
    assert!(
        libc::WIFEXITED(allocates) && libc::WEXITSTATUS(allocates) == 3,
        "{allocates:#x}"
    );
    let asks = end_of(|| {
        std::thread::yield_now();
        true
    });
    assert!(
        libc::WIFSIGNALED(asks) && libc::WTERMSIG(asks) == libc::SIGKILL,
        "{asks:#x}"
    );
}

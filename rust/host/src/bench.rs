//! Timings of what cannot be timed from Python: yardsticks, and the bare ring.

use pr_ring::writer::Info;
use pr_ring::{Geometry, Read, Region, Ring, Seq, Unfinished};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// 8192 descriptors of 128 bytes: 1 MiB of text.
const DESC_BITS: u32 = 13;
const AVG_DATA_BITS: u32 = 7;
/// Bytes of text of a record.
const TEXT: [u8; 64] = *b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/// Runs the timing called `name` over `n` operations: nanoseconds an operation (for two writers: of each). None: unknown.
pub fn run(name: &str, n: u64) -> Option<f64> {
    match name {
        "cas" => Some(cas(n)),
        "pingpong" => Some(pingpong(n)),
        "ring.write.1" => Some(ring_write(n, 1, 0)),
        "ring.write.1.log" => Some(ring_write(n, 1, 32)),
        "ring.write.2" => Some(ring_write(n, 2, 0)),
        "ring.write.2.log" => Some(ring_write(n, 2, 32)),
        "ring.read" => Some(ring_read(n)),
        _ => None,
    }
}

fn per_operation(start: Instant, n: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / n.max(1) as f64
}

/// An uncontended compare-exchange of one word.
fn cas(n: u64) -> f64 {
    let word = AtomicU64::new(0);
    let start = Instant::now();
    for value in 0..n {
        let _ = black_box(&word).compare_exchange(value, value + 1, Ordering::AcqRel, Ordering::Acquire);
    }
    per_operation(start, n)
}

/// One way from core to core: half of a round trip of one cache line.
fn pingpong(n: u64) -> f64 {
    let ball = AtomicU64::new(0);
    let both = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            both.wait();
            for round in 0..n {
                wait_for(&ball, 2 * round + 1);
                ball.store(2 * round + 2, Ordering::Release);
            }
        });
        both.wait();
        let start = Instant::now();
        for round in 0..n {
            ball.store(2 * round + 1, Ordering::Release);
            wait_for(&ball, 2 * round + 2);
        }
        per_operation(start, 2 * n)
    })
}

fn wait_for(ball: &AtomicU64, value: u64) {
    let mut spins = 0_u32;
    while ball.load(Ordering::Acquire) != value {
        spins += 1;
        if spins.is_multiple_of(1 << 14) {
            std::thread::yield_now(); // both sides on one processor: let the other one play
        }
    }
}

/// A ring on the heap.
struct HeapRing {
    ring: Ring<Region>,
    base: NonNull<u8>,
    layout: Layout,
}

impl HeapRing {
    fn new(retire_ahead: u32) -> Option<HeapRing> {
        let geometry = Geometry::new(DESC_BITS, AVG_DATA_BITS)?;
        let layout = Layout::from_size_align(usize::try_from(geometry.ring_bytes()).ok()?, 4096).ok()?;
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        // SAFETY: fresh, aligned, long enough, and freed only with the ring.
        let region = unsafe { Region::over(base, geometry) };
        region.init();
        Some(HeapRing { ring: Ring::new(region, geometry, retire_ahead)?, base, layout })
    }
}

impl Drop for HeapRing {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; the ring is not used after this.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}

fn write_records(ring: &Ring<Region>, n: u64) {
    let info = Info { level: 6, facility: 1, caller_id: 1, ..Info::default() };
    for ts_nsec in 0..n {
        if let Ok(mut ticket) = ring.reserve_ticket(TEXT.len(), &Info { ts_nsec, ..info }) {
            ring.fill(&mut ticket, black_box(&TEXT));
            ring.finalize(ticket);
        }
    }
}

/// Reserve, copy of 64 bytes, finalize; `writers` threads at once, the time of each.
fn ring_write(n: u64, writers: usize, retire_ahead: u32) -> f64 {
    let Some(heap) = HeapRing::new(retire_ahead) else { return f64::NAN };
    write_records(&heap.ring, 20_000); // every slot and page has been touched, and the ring has wrapped
    let all = Barrier::new(writers);
    std::thread::scope(|scope| {
        let run = || {
            all.wait();
            let start = Instant::now();
            write_records(&heap.ring, n);
            per_operation(start, n)
        };
        let others: Vec<_> = (1..writers).map(|_| scope.spawn(run)).collect();
        let mine = run();
        others.into_iter().filter_map(|other| other.join().ok()).fold(mine, f64::max)
    })
}

/// Reading a full ring in order, 64 bytes of text each.
fn ring_read(n: u64) -> f64 {
    let Some(heap) = HeapRing::new(0) else { return f64::NAN };
    write_records(&heap.ring, 20_000);
    let mut text = [0_u8; 128];
    let (mut seq, mut read) = (Seq(0), 0);
    let start = Instant::now();
    while read < n {
        match heap.ring.read_valid(seq, &mut text, Unfinished::Wait) {
            Read::Found { info, .. } => (seq, read) = (Seq(info.seq.0 + 1), read + 1),
            Read::NotYet { .. } => seq = Seq(0),
        }
        black_box(&text);
    }
    per_operation(start, n)
}

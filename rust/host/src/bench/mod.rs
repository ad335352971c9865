//! Timings of what cannot be timed from Python: yardsticks, and the bare ring.

use crate::bare::BareRing;
use pr_ring::Info;
use pr_ring::{Geometry, Read, Region, Ring, Seq, Unfinished};
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The ring that is timed, and by how many.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Power of two of the descriptors.
    pub desc_bits: u32,
    /// Power of two of the text per descriptor.
    pub avg_data_bits: u32,
    /// Old records dropped at once.
    pub retire_ahead: u32,
    /// Writers at once.
    pub threads: u32,
}

impl Default for Shape {
    /// One writer, 8192 descriptors, 1 MiB of text, nothing retired ahead.
    fn default() -> Shape {
        Shape {
            desc_bits: 13,
            avg_data_bits: 7,
            retire_ahead: 0,
            threads: 1,
        }
    }
}

/// Bytes of text of a record.
const TEXT: [u8; 64] = *b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/// Runs the timing called `name` over `n` operations: nanoseconds an operation (of one thread, if there are several).
/// None: unknown name, or impossible shape.
pub fn run(name: &str, n: u64, shape: Shape) -> Option<f64> {
    match name {
        "cas" => Some(cas(n)),
        "pingpong" => Some(pingpong(n)),
        "ring_write" => ring_write(n, shape),
        "ring_read" => ring_read(n, shape),
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
        let _ = black_box(&word).compare_exchange(
            value,
            value + 1,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
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

fn bare_ring(shape: Shape) -> Option<BareRing> {
    let geometry = Geometry::new(shape.desc_bits, shape.avg_data_bits)?;
    BareRing::anonymous(geometry, shape.retire_ahead).ok()
}

fn write_records(ring: &Ring<Region>, n: u64) {
    let info = Info {
        level: 6,
        facility: 1,
        caller_id: 1,
        ..Info::default()
    };
    for ts_nsec in 0..n {
        if let Ok(mut ticket) = ring.reserve_ticket(TEXT.len(), &Info { ts_nsec, ..info }) {
            ring.fill(&mut ticket, black_box(&TEXT));
            ring.finalize(ticket);
        }
    }
}

/// Reserve, copy of 64 bytes, finalize; the slowest of the threads counts.
fn ring_write(n: u64, shape: Shape) -> Option<f64> {
    let bare = bare_ring(shape)?;
    warm_up(bare.ring());
    let all = Barrier::new(shape.threads.max(1) as usize);
    Some(std::thread::scope(|scope| {
        let run = || {
            all.wait();
            let start = Instant::now();
            write_records(bare.ring(), n);
            per_operation(start, n)
        };
        let others: Vec<_> = (1..shape.threads).map(|_| scope.spawn(run)).collect();
        let mine = run();
        others
            .into_iter()
            .filter_map(|other| other.join().ok())
            .fold(mine, f64::max)
    }))
}

/// Touches every slot and page, and makes the ring wrap.
fn warm_up(ring: &Ring<Region>) {
    write_records(
        ring,
        ring.geometry().descriptors() * 2 + ring.geometry().data_bytes() / 64,
    );
}

/// Reading a full ring in order, 64 bytes of text each.
fn ring_read(n: u64, shape: Shape) -> Option<f64> {
    let bare = bare_ring(shape)?;
    warm_up(bare.ring());
    let mut text = [0_u8; 128];
    let (mut seq, mut read) = (Seq(0), 0);
    let start = Instant::now();
    while read < n {
        match bare.ring().read_valid(seq, &mut text, Unfinished::Wait) {
            Read::Found { info, .. } => (seq, read) = (Seq(info.seq.0 + 1), read + 1),
            Read::NotYet { .. } => seq = Seq(0),
        }
        black_box(&text);
    }
    Some(per_operation(start, n))
}

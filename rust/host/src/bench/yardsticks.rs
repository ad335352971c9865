//! What the machine can do.

use super::pin;
use pr_ring::sync::{Order, Pair};
use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A word alone on its cache lines, also those that are fetched in pairs.
#[repr(align(128))]
struct Alone(AtomicU64);

/// Nanoseconds an operation since `start`.
pub(super) fn per_operation(start: Instant, n: u64) -> f64 {
    start.elapsed().as_nanos() as f64 / n.max(1) as f64
}

/// An uncontended compare-exchange of one word: nanoseconds, the loop included.
pub fn cas(n: u64) -> f64 {
    let word = Alone(AtomicU64::new(0));
    let start = Instant::now();
    exchange(&word.0, n);
    per_operation(start, n)
}

/// The same with two words that are replaced together, as the ring's head is.
pub fn cas16(n: u64) -> f64 {
    let pair = Pair::new(0, 0);
    let start = Instant::now();
    for value in 0..n {
        let _ = black_box(&pair).replace((value, value), (value + 1, value + 1), Order::NONE);
    }
    per_operation(start, n)
}

/// The compare-exchange of one word, untimed.
#[inline(never)]
pub(super) fn exchange_alone(n: u64) {
    exchange(&Alone(AtomicU64::new(0)).0, n);
}

#[inline(always)]
fn exchange(word: &AtomicU64, n: u64) {
    for value in 0..n {
        let _ =
            black_box(word).compare_exchange(value, value + 1, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// One way from core to core, in nanoseconds: half of a round trip of one cache line.
pub fn pingpong(n: u64) -> f64 {
    let ball = Alone(AtomicU64::new(0));
    let both = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin::to(1);
            both.wait();
            for round in 0..n {
                wait_for(&ball.0, 2 * round + 1);
                ball.0.store(2 * round + 2, Ordering::Release);
            }
        });
        let first = scope.spawn(|| {
            pin::to(0);
            both.wait();
            let start = Instant::now();
            for round in 0..n {
                ball.0.store(2 * round + 1, Ordering::Release);
                wait_for(&ball.0, 2 * round + 2);
            }
            per_operation(start, 2 * n)
        });
        first.join().unwrap_or(f64::NAN)
    })
}

fn wait_for(ball: &AtomicU64, value: u64) {
    let mut spins = 0_u32;
    while ball.load(Ordering::Acquire) != value {
        spins += 1;
        if spins.is_multiple_of(1 << 14) {
            std::thread::yield_now(); // both sides on one processor: let the other one play
        }
        if spins > 1 << 10 {
            spin_loop(); // and no faster than a processor that is shared likes it
        }
    }
}

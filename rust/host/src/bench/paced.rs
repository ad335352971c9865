//! Single calls of writers that meet by chance: what a call takes when nothing is in the pipeline.
//!
//! The clock is the time stamp counter, read between fences so that nothing of the call is left over. Beside each call
//! stands an empty one: the two readings alone. Its median is what the readings themselves cost and is taken off; its
//! tail is what the machine does to any code at all.

use super::{TEXT, pin};
use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Percentiles of single calls, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Percentiles {
    /// Half of the calls take at most this, the clock taken off.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1000.
    pub p999: f64,
    /// Two readings of the clock with nothing between them: the median. It is taken off the others.
    pub clock: f64,
    /// The same: 99 of 100, not taken off.
    pub clock_p99: f64,
    /// 999 of 1000.
    pub clock_p999: f64,
}

/// Ticks of a writer's calls, and of the empty ones.
#[derive(Default)]
struct Samples {
    calls: Vec<u64>,
    empty: Vec<u64>,
}

/// What is timed: a text, the number of the call, and which writer it is.
pub(super) trait Call: Fn(&[u8], u64, u32) + Sync {}
impl<F: Fn(&[u8], u64, u32) + Sync> Call for F {}

/// Each writer calls `n` times.
pub(super) fn paced(n: u64, gap_ns: u64, writers: u32, call: &impl Call) -> Percentiles {
    let per_ns = ticks_per_ns();
    let gap = (gap_ns as f64 * per_ns) as u64;
    let together = &Barrier::new(writers as usize);
    let mut all = Samples::default();
    std::thread::scope(|scope| {
        let run = |index: u32| {
            move || {
                pin::to(index as usize);
                together.wait();
                writer(n, gap, index, call)
            }
        };
        let writers: Vec<_> = (0..writers).map(|index| scope.spawn(run(index))).collect();
        for samples in writers.into_iter().filter_map(|writer| writer.join().ok()) {
            all.calls.extend(samples.calls);
            all.empty.extend(samples.empty);
        }
    });
    all.calls.sort_unstable();
    all.empty.sort_unstable();
    let clock = share(&all.empty, 0.5) / per_ns;
    let net = |at| (share(&all.calls, at) / per_ns - clock).max(0.0);
    Percentiles {
        p50: net(0.5),
        p99: net(0.99),
        p999: net(0.999),
        clock,
        clock_p99: share(&all.empty, 0.99) / per_ns,
        clock_p999: share(&all.empty, 0.999) / per_ns,
    }
}

/// One writer: waits between half and one and a half of the gap, calls, waits again. Never in step with the other.
fn writer(n: u64, gap: u64, index: u32, call: &impl Call) -> Samples {
    let mut samples = Samples {
        calls: Vec::with_capacity(n as usize),
        empty: Vec::with_capacity(n as usize),
    };
    let text: &[u8] = black_box(&TEXT);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_add(u64::from(index) << 32);
    for number in 0..n {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        wait(gap / 2 + (random >> 33) % gap.max(1));
        let begin = ticks();
        let empty = ticks();
        call(text, number, index);
        let end = ticks();
        samples.empty.push(empty.wrapping_sub(begin));
        samples.calls.push(end.wrapping_sub(empty));
    }
    samples
}

fn wait(gap: u64) {
    let begin = ticks();
    while ticks().wrapping_sub(begin) < gap {
        spin_loop();
    }
}

/// The value below which this share of the sorted samples lies.
fn share(sorted: &[u64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    let at = (last * share).round() as usize;
    sorted.get(at).copied().unwrap_or(0) as f64
}

#[cfg(target_arch = "x86_64")]
fn ticks() -> u64 {
    use core::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: every x86-64 has these; they touch no memory.
    unsafe { _mm_lfence() };
    // SAFETY: as above.
    let now = unsafe { _rdtsc() };
    // SAFETY: as above.
    unsafe { _mm_lfence() };
    now
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    use std::sync::LazyLock;
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed().as_nanos() as u64
}

/// How fast the counter runs, over a hundredth of a second.
fn ticks_per_ns() -> f64 {
    let (begin, from) = (Instant::now(), ticks());
    while begin.elapsed() < Duration::from_millis(10) {
        spin_loop();
    }
    let (elapsed, to) = (begin.elapsed(), ticks());
    to.wrapping_sub(from) as f64 / elapsed.as_nanos() as f64
}

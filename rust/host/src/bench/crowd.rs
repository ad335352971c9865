//! More writers than processors.
//!
//! A writer that the scheduler stops between reserve and finalize holds its record open. The others go on until the ring
//! has come round to it; from then on each reserve is refused until it runs again.

use super::{TEXT, info};
use pr_ring::{Region, Ring};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// What happened to a crowd of writers, together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusals {
    /// Records that were written in the end.
    pub records: u64,
    /// Reserves that were refused.
    pub refused: u64,
    /// Records whose first reserve was refused: how often somebody met a record left open.
    pub met: u64,
    /// How often the scheduler took a processor from a writer.
    pub preempted: u64,
    /// Nanoseconds a record, of all writers together.
    pub ns: f64,
}

/// Each writes `n` records. Who is refused gives its processor away: spinning would turn one stop into millions of
/// refusals.
pub(super) fn crowd(ring: &Ring<Region>, n: u64, threads: u32) -> Refusals {
    let all = &Barrier::new(threads as usize + 1);
    std::thread::scope(|scope| {
        let run = |index: u32| {
            move || {
                all.wait();
                writer(ring, n, index)
            }
        };
        let writers: Vec<_> = (0..threads).map(|index| scope.spawn(run(index))).collect();
        all.wait();
        let start = Instant::now();
        let mut sum = Refusals::default();
        for one in writers.into_iter().filter_map(|writer| writer.join().ok()) {
            sum.records += one.records;
            sum.refused += one.refused;
            sum.met += one.met;
            sum.preempted += one.preempted;
        }
        sum.ns = start.elapsed().as_nanos() as f64 / sum.records.max(1) as f64;
        sum
    })
}

fn writer(ring: &Ring<Region>, n: u64, index: u32) -> Refusals {
    let text: &[u8] = black_box(&TEXT);
    let mut seen = Refusals::default();
    let before = preemptions();
    for number in 0..n {
        let mut refused = 0;
        let mut ticket = loop {
            match ring.reserve_ticket(text.len(), &info(number, index)) {
                Ok(ticket) => break ticket,
                Err(_) => {
                    refused += 1;
                    std::thread::yield_now();
                }
            }
        };
        ring.fill(&mut ticket, text);
        ring.finalize(ticket);
        seen.records += 1;
        seen.refused += refused;
        seen.met += u64::from(refused > 0);
    }
    seen.preempted = preemptions() - before;
    seen
}

/// Involuntary context switches of this thread so far.
fn preemptions() -> u64 {
    // SAFETY: plain numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { core::mem::zeroed() };
    // SAFETY: writes the one structure that it is given.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    u64::try_from(usage.ru_nivcsw).unwrap_or(0)
}

//! Writing and reading as fast as it goes.

use super::yardsticks::per_operation;
use super::{After, TEXT, pin, put};
use pr_ring::{Read, Region, Ring, Seq, Unfinished};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Reserve, copy, finalize, `n` times; who is refused goes on with the next.
#[inline(never)]
pub(super) fn write_records(ring: &Ring<Region>, after: After, n: u64, writer: u32) {
    // A loop for each, so that none asks.
    match after {
        After::Nothing => write_loop(ring, After::Nothing, n, writer),
        After::FetchAhead => write_loop(ring, After::FetchAhead, n, writer),
    }
}

#[inline(always)]
fn write_loop(ring: &Ring<Region>, after: After, n: u64, writer: u32) {
    let text: &[u8] = black_box(&TEXT); // whose length nobody knows when this is compiled
    for number in 0..n {
        put(ring, after, text, number, writer);
    }
}

/// Nanoseconds a record of the slowest of the threads.
pub(super) fn write(ring: &Ring<Region>, after: After, n: u64, threads: u32) -> f64 {
    if threads <= 1 {
        let start = Instant::now();
        write_records(ring, after, n, 0);
        return per_operation(start, n);
    }
    let all = &Barrier::new(threads as usize);
    std::thread::scope(|scope| {
        let run = |index: u32| {
            move || {
                pin::to(index as usize);
                all.wait();
                let start = Instant::now();
                write_records(ring, after, n, index);
                per_operation(start, n)
            }
        };
        let writers: Vec<_> = (0..threads).map(|index| scope.spawn(run(index))).collect();
        let times = writers.into_iter().map(|writer| writer.join());
        times
            .map(|time| time.unwrap_or(f64::NAN))
            .fold(0.0, f64::max)
    })
}

/// Reads records in order; at the end it begins again.
#[inline(never)]
pub(super) fn read_records(ring: &Ring<Region>, n: u64) {
    let mut text = [0_u8; 128];
    let (mut seq, mut left) = (Seq(0), n);
    while left > 0 {
        let Read::Found { info, .. } = ring.read_valid(seq, &mut text, Unfinished::Wait) else {
            seq = Seq(0);
            continue;
        };
        black_box(&text);
        seq = Seq(info.seq.0 + 1);
        left -= 1;
    }
}

/// Nanoseconds a record.
pub(super) fn read(ring: &Ring<Region>, n: u64) -> f64 {
    let start = Instant::now();
    read_records(ring, n);
    per_operation(start, n)
}

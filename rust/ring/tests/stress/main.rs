//! The ring under load: writers, reopeners and readers on tiny rings, and a POSIX timer whose signal handler logs into
//! the same ring at any instruction.
//!
//! `cargo test -p pr-ring --test stress -- SECONDS` (2 unless told); `ci/stress.sh` runs it optimised. Every payload
//! checks itself. With `--racy` one thread reads text without atomics, for the sanitizer to find.
#![allow(missing_docs, reason = "a program of its own")]
#![allow(
    clippy::disallowed_types,
    reason = "its counters are no part of a ring"
)]

mod check;
#[path = "../heap/mod.rs"]
mod heap;
mod load;
mod payload;
mod signal;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use heap::HeapRing;
use std::thread;
use std::time::Instant;

/// What all threads count. No locks anywhere: a sanitizer that knows atomics only can follow.
#[derive(Default)]
pub struct Tally {
    pub stop: AtomicBool,
    pub stored: AtomicU64,
    pub from_handler: AtomicU64,
    pub reopened: AtomicU64,
    pub lost: AtomicU64,
    pub refused: AtomicU64,
    /// Finalized by the reaper.
    pub settled: AtomicU64,
    pub delivered: AtomicU64,
    pub overrun: AtomicU64,
    pub bad: AtomicU64,
}

impl Tally {
    pub fn add(&self, what: &AtomicU64) {
        what.fetch_add(1, Ordering::Relaxed);
    }

    pub fn bad(&self, what: &str) {
        if self.bad.fetch_add(1, Ordering::Relaxed) < 10 {
            eprintln!("BAD: {what}");
        }
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// A ring to be strained, for the rest of the process: threads and the handler borrow it.
struct Shape {
    desc_bits: u32,
    avg_data_bits: u32,
    retire_ahead: u32,
    /// A reaper comes by all the time. Not on every ring: it would mend what a writer has forgotten to finalize.
    reaper: bool,
}

const SHAPES: [Shape; 3] = [
    Shape {
        desc_bits: 3,
        avg_data_bits: 4,
        retire_ahead: 0,
        reaper: true,
    },
    Shape {
        desc_bits: 5,
        avg_data_bits: 6,
        retire_ahead: 0,
        reaper: false,
    },
    Shape {
        desc_bits: 9,
        avg_data_bits: 4,
        retire_ahead: 32,
        reaper: true,
    },
];

fn strain(shape: &Shape, time: Duration, racy: bool) -> u64 {
    let Shape {
        desc_bits,
        avg_data_bits,
        retire_ahead,
        reaper,
    } = *shape;
    let ring: &'static HeapRing = Box::leak(Box::new(HeapRing::new(
        desc_bits,
        avg_data_bits,
        retire_ahead,
    )));
    let tally: &'static Tally = Box::leak(Box::default());
    let ticking = signal::start(ring, tally);
    let began = Instant::now();
    let mut threads: Vec<thread::JoinHandle<()>> = Vec::new();
    for seed in 1..=2 {
        threads.push(thread::spawn(move || load::write(ring, tally, seed)));
    }
    threads.push(thread::spawn(move || check::read(ring, tally, 21)));
    threads.push(thread::spawn(move || check::chase(ring, tally)));
    for id in [11, 12] {
        threads.push(thread::spawn(move || load::reopen(ring, tally, id)));
    }
    threads.push(thread::spawn(move || check::watch(ring, tally)));
    if reaper {
        threads.push(thread::spawn(move || check::reap(ring, tally)));
    }
    if racy {
        threads.push(thread::spawn(move || {
            check::look_without_atomics(ring, tally)
        }));
    }
    signal::leave_to_others(); // or this sleeping thread would take every tick
    thread::sleep(time);
    tally.stop.store(true, Ordering::Release);
    for thread in threads {
        thread.join().expect("a thread panicked");
    }
    drop(ticking);
    let seconds = began.elapsed().as_secs_f64();
    check::settled(ring, tally);
    report(shape, tally, seconds);
    tally.bad.load(Ordering::Relaxed)
}

fn report(shape: &Shape, tally: &Tally, seconds: f64) {
    let count = |what: &AtomicU64| what.load(Ordering::Relaxed);
    let all = count(&tally.stored) + count(&tally.lost);
    println!(
        "stress 2^{} descriptors, 2^{} bytes, ahead {:2}: {:9.0} records/s; stored {}, {} of them from the handler; \
         reopened {}; lost {}, refused {}; settled {}; delivered {}, overrun {}; bad = {}",
        shape.desc_bits,
        shape.desc_bits + shape.avg_data_bits,
        shape.retire_ahead,
        all as f64 / seconds,
        count(&tally.stored),
        count(&tally.from_handler),
        count(&tally.reopened),
        count(&tally.lost),
        count(&tally.refused),
        count(&tally.settled),
        count(&tally.delivered),
        count(&tally.overrun),
        count(&tally.bad),
    );
}

fn main() {
    let mut seconds = 2.0_f64;
    let mut racy = false;
    for arg in std::env::args().skip(1) {
        racy |= arg == "--racy";
        seconds = arg.parse().unwrap_or(seconds); // what a test runner passes along is not for us
    }
    let each = Duration::from_secs_f64(seconds / SHAPES.len() as f64);
    let bad: u64 = SHAPES.iter().map(|shape| strain(shape, each, racy)).sum();
    assert_eq!(bad, 0, "see above");
    println!("test result: ok. 1 passed; 0 failed (stress)");
}

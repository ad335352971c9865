//! The fused head's two halves, raced for real: what the model checker cannot express.
#![cfg(target_arch = "x86_64")]

use pr_ring::sync::{Order, Pair};
use std::thread;

const ROUNDS: u64 = 200_000;

/// The low word that belongs to this high word.
fn low(high: u64) -> u64 {
    high.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[test]
fn a_loaded_pair_did_stand_there() {
    let pair = &Pair::new(low(0), 0);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    let mut replaced = 0;
                    while replaced < ROUNDS {
                        let (was, high) = pair.load(Order::NONE);
                        let new = (low(high + 1), high + 1);
                        replaced += u64::from(pair.replace((was, high), new, Order::NONE));
                    }
                })
            })
            .collect();
        let mut last = 0;
        while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
            let (got, high) = pair.load(Order::NONE);
            assert_eq!(got, low(high), "halves of two pairs");
            assert!(high >= last, "the high word went back");
            last = high;
        }
    });
    assert_eq!(
        pair.load(Order::NONE),
        (low(2 * ROUNDS), 2 * ROUNDS),
        "a replacement was lost"
    );
}

#[test]
fn a_pair_that_is_not_there_is_not_replaced() {
    let pair = Pair::new(1, 2);
    for old in [(0, 2), (1, 0), (2, 1)] {
        assert!(!pair.replace(old, (7, 8), Order::NONE));
        assert_eq!(pair.load(Order::NONE), (1, 2));
    }
    assert!(pair.replace((1, 2), (u64::MAX, u64::MAX), Order::NONE));
    assert_eq!(pair.load(Order::NONE), (u64::MAX, u64::MAX));
}

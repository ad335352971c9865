//! The fused head's two halves: what the model checker cannot express. Raced for real, and replaced by a handler after each single
//! instruction of a load (which a debugger that takes SIGTRAP for itself keeps from being tried).
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::disallowed_types,
    reason = "counts instructions; no part of a ring"
)]

use pr_ring::sync::{Order, Pair};
use std::sync::atomic::{AtomicU64, Ordering};
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

/// The pair that the handler replaces.
static STEPPED: Pair = Pair::new(0, 0);
/// Instructions until it does.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// After each instruction.
extern "C" fn replace_in_time(_signal: libc::c_int) {
    if LEFT.fetch_sub(1, Ordering::Relaxed) == 1 {
        replace_by_next();
    }
}

fn replace_by_next() {
    let (was, high) = STEPPED.load(Order::NONE);
    let new = (low(high + 1), high + 1);
    let _ = STEPPED.replace((was, high), new, Order::NONE); // the test sees whether it was
}

/// Loads the pair, which is replaced after so many instructions from before the load. And how many are left after it.
#[inline(never)]
fn load_stepped(instructions: u64) -> ((u64, u64), u64) {
    LEFT.store(instructions, Ordering::Relaxed);
    trap(true);
    let got = STEPPED.load(Order::NONE);
    trap(false);
    (got, LEFT.load(Ordering::Relaxed))
}

/// Whether this thread traps after each instruction: a bit of its flags. A handler runs without.
#[inline(always)]
fn trap(each: bool) {
    const FLAG: u64 = 1 << 8;
    let wanted = if each { FLAG } else { 0 };
    // SAFETY: changes the one bit, below the red zone; what comes of it, the handler takes.
    unsafe {
        core::arch::asm!(
            "lea rsp, [rsp - 128]",
            "pushfq",
            "and qword ptr [rsp], {others}",
            "or qword ptr [rsp], {wanted}",
            "popfq",
            "lea rsp, [rsp + 128]",
            others = const !(1_i32 << 8),
            wanted = in(reg) wanted,
        );
    }
}

#[test]
fn a_pair_that_is_replaced_after_any_instruction_of_a_load_did_stand_there() {
    // SAFETY: flags and an empty mask: zero is a value.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = replace_in_time as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: a handler that touches atomics only.
    let set = unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, core::ptr::null_mut()) };
    assert_eq!(set, 0, "sigaction");
    assert!(STEPPED.replace((0, 0), (low(0), 0), Order::NONE));
    let (mut at, mut between) = (1, 0);
    loop {
        let (_, before) = STEPPED.load(Order::NONE);
        let ((got, high), left) = load_stepped(at);
        if left <= u64::MAX / 2 && left > 0 {
            break; // the load was over before
        }
        assert!(high == before || high == before + 1, "{high} from {before}");
        assert_eq!(got, low(high), "halves of two pairs, at instruction {at}");
        between += u64::from(high != before);
        at += 1;
    }
    assert!(
        at > 5 && between > 0,
        "{at} instructions, {between} of them before the load"
    );
}

//! The least that writers of a ring can do, in single calls as those of `paced`: what of their tail is not the ring's.

use super::{BLOCK_BYTES, Percentiles, paced};
use pr_ring::sync::{Order, Pair};
use std::sync::atomic::{AtomicU64, Ordering};

/// On cache lines of its own, also those that are fetched in pairs.
#[repr(align(128))]
struct Alone<T>(T);

/// The words of a slot: one line.
#[repr(align(64))]
struct Slot([AtomicU64; 8]);

/// As many slots, and words of text, as the ring has that is timed beside.
const SLOTS: u64 = 8192;
const TEXT_WORDS: u64 = 1 << 17;
const BLOCK_WORDS: u64 = BLOCK_BYTES / 8;

/// One word that all replace by compare-exchange, and nothing else: no ring can be without such a word.
pub fn word(n: u64, gap_ns: u64, writers: u32) -> Percentiles {
    let word = Alone(AtomicU64::new(0));
    paced::paced(n, gap_ns, writers, &|_: &[u8], _, _| {
        let mut now = word.0.load(Ordering::Acquire);
        while let Err(found) =
            word.0
                .compare_exchange(now, now + 1, Ordering::AcqRel, Ordering::Acquire)
        {
            now = found;
        }
    })
}

/// Two words that all replace together, as a ring's head, and then the stores of a record: a slot and a block of text. Nothing
/// is asked, no tail is moved, and nobody could read it: a ring does more.
pub fn record(n: u64, gap_ns: u64, writers: u32) -> Percentiles {
    let head = Alone(Pair::new(0, 0));
    let slots: Vec<Slot> = (0..SLOTS).map(|_| Slot(words())).collect();
    let text: Vec<AtomicU64> = (0..TEXT_WORDS).map(|_| AtomicU64::new(1)).collect();
    paced::paced(n, gap_ns, writers, &|_: &[u8], number, _| {
        let (at, id) = take(&head.0);
        if let Some(Slot([state, rest @ ..])) = slots.get((id % SLOTS) as usize) {
            state.store(id, Ordering::Release);
            for word in rest {
                word.store(number, Ordering::Relaxed);
            }
            for word in at..at + BLOCK_WORDS {
                if let Some(word) = text.get((word % TEXT_WORDS) as usize) {
                    word.store(number, Ordering::Relaxed);
                }
            }
            state.store(id | 1 << 62, Ordering::Release);
        }
    })
}

/// The next number, and where its text begins, in words.
fn take(head: &Pair) -> (u64, u64) {
    loop {
        let (at, id) = head.load(Order::NONE);
        if head.replace((at, id), (at + BLOCK_WORDS, id + 1), Order::NONE) {
            return (at, id);
        }
    }
}

/// Every page is touched once, here.
fn words() -> [AtomicU64; 8] {
    std::array::from_fn(|_| AtomicU64::new(1))
}

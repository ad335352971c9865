//! The fused head under the model checker: one 64-bit atomic, ids in 24 bits and positions in 40, which the small
//! constants of a model never leave.

use super::atomic_model::AtomicU64;
use super::{Order, Ordering};

/// See `pair_x86_64.rs`; here one atomic of the checker.
#[derive(Debug)]
pub struct Pair(AtomicU64);

fn pack(low: u64, high: u64) -> u64 {
    assert!(
        low < 1 << 40 && high < 1 << 24,
        "the model's constants are too large"
    );
    high << 40 | low
}

fn unpack(word: u64) -> (u64, u64) {
    (word & ((1 << 40) - 1), word >> 40)
}

impl Pair {
    /// A pair with these words.
    pub fn new(low: u64, high: u64) -> Self {
        Pair(AtomicU64::new(pack(low, high)))
    }

    /// Always.
    pub fn supported() -> bool {
        true
    }

    /// Both words as `(low, high)`.
    pub fn load(&self, order: Order) -> (u64, u64) {
        unpack(self.0.load(order.0))
    }

    /// Only the high word.
    pub fn load_high(&self, order: Order) -> u64 {
        self.load(order).1
    }

    /// Sets both words.
    pub fn init(&self, low: u64, high: u64) {
        self.0.store(pack(low, high), Ordering::Relaxed);
    }

    /// Replaces `old` by `new`.
    pub fn replace(&self, old: (u64, u64), new: (u64, u64), order: Order) -> bool {
        self.0
            .compare_exchange(
                pack(old.0, old.1),
                pack(new.0, new.1),
                order.0,
                Ordering::Relaxed,
            )
            .is_ok()
    }
}

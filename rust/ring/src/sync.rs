//! The only door to atomics.
//!
//! A [`Word`] is one atomic 64-bit word, a [`Pair`] the fused 128-bit head. Over `core` both are plain memory, so they may
//! be laid over a mapping; under the model checker (`--cfg loom`) they are its objects. Text that another thread may
//! overwrite moves only through [`copy_in`], [`copy_out`] and [`copy_block`], as relaxed words or as assembly that does no more: a race is then
//! a wrong value that a later check throws away, never undefined behaviour.
//!
//! # Ordering labels
//!
//! Every ordered access names itself, with the function that it stands in: `load(acquire("take:A"))`. An access that both
//! acquires and releases has a name for each half. `ORDERING.md` pairs the labels and names the model that guards each.
//! `PRINTK_RING_WEAKEN=<label>` takes exactly that one ordering away, so that a model can be seen to fail: when building,
//! or, under the model checker, when running. Accesses without a label order nothing.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the door"
)]

#[cfg(loom)]
use atomic_model::AtomicU64;
#[cfg(not(loom))]
use core::sync::atomic::{AtomicU64, fence};
#[cfg(all(loom, not(shuttle)))]
use loom::sync::atomic::fence;
#[cfg(shuttle)]
use shuttle::sync::atomic::fence;

use core::sync::atomic::Ordering;

#[cfg(any(loom, test, pr_words, not(target_feature = "sse2")))]
mod copy_words;
#[cfg(any(loom, test, pr_words, not(target_feature = "sse2")))]
pub use copy_words::{Wide, copy_block, copy_in, copy_out};
#[cfg(not(any(loom, test, pr_words, not(target_feature = "sse2"))))]
mod block_x86_64;
#[cfg(not(any(loom, test, pr_words, not(target_feature = "sse2"))))]
pub use block_x86_64::{Wide, copy_block};
#[cfg(not(any(loom, test, pr_words, not(target_feature = "sse2"))))]
mod copy_x86_64;
#[cfg(not(any(loom, test, pr_words, not(target_feature = "sse2"))))]
pub use copy_x86_64::{copy_in, copy_out};

#[cfg(all(not(loom), target_arch = "x86_64"))]
mod pair_x86_64;
#[cfg(all(not(loom), target_arch = "x86_64"))]
pub use pair_x86_64::Pair;

#[cfg(loom)]
mod atomic_model;
#[cfg(loom)]
mod pair_model;
#[cfg(loom)]
pub use pair_model::Pair;

#[cfg(all(not(loom), not(target_arch = "x86_64")))]
compile_error!(
    "printk_ring: the fused head needs a 128-bit compare-exchange; write sync/pair_<arch>.rs for this target"
);

/// True when this run weakens the ordering called `label`; several may be named, with commas between.
#[cfg(loom)]
fn weakened(label: &str) -> bool {
    static WANTED: std::sync::OnceLock<Option<std::string::String>> = std::sync::OnceLock::new();
    let wanted = WANTED.get_or_init(|| std::env::var("PRINTK_RING_WEAKEN").ok());
    wanted
        .as_deref()
        .is_some_and(|wanted| wanted.split(',').any(|wanted| wanted == label))
}

/// True when this build weakens the ordering called `label`.
#[cfg(not(loom))]
const fn weakened(label: &str) -> bool {
    let Some(wanted) = option_env!("PRINTK_RING_WEAKEN") else {
        return false;
    };
    let (a, b) = (wanted.as_bytes(), label.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        #[allow(clippy::indexing_slicing)] // bounded by the loop; evaluated at build time
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Before each access; `stores`: it changes something, if it succeeds. In the tests of this crate a thread can be stopped
/// here, or end (`tests/crash`).
#[inline(always)]
fn step(stores: bool) {
    #[cfg(all(test, not(loom)))]
    crate::crash::step(stores);
    let _ = stores;
}

/// How an access is ordered. Made by [`acquire`], [`release`] and [`acq_rel`], which want a label; or [`Order::NONE`].
#[derive(Clone, Copy, Debug)]
pub struct Order(Ordering);

impl Order {
    /// Orders nothing.
    pub const NONE: Order = Order(Ordering::Relaxed);
}

/// Acquire, under the name `label`.
#[inline(always)]
pub fn acquire(label: &str) -> Order {
    Order(if weakened(label) {
        Ordering::Relaxed
    } else {
        Ordering::Acquire
    })
}

/// Release, under the name `label`.
#[inline(always)]
pub fn release(label: &str) -> Order {
    Order(if weakened(label) {
        Ordering::Relaxed
    } else {
        Ordering::Release
    })
}

/// Acquire and release, each half under its own name.
#[inline(always)]
pub fn acq_rel(acquire_label: &str, release_label: &str) -> Order {
    Order(match (weakened(acquire_label), weakened(release_label)) {
        (false, false) => Ordering::AcqRel,
        (true, false) => Ordering::Release,
        (false, true) => Ordering::Acquire,
        (true, true) => Ordering::Relaxed,
    })
}

/// A release fence called `label`: what was read or written before is ordered before every later store.
#[inline(always)]
pub fn fence_release(label: &str) {
    if !weakened(label) {
        fence(Ordering::Release);
    }
}

/// An acquire fence called `label`: every earlier load is ordered before what is read or written later.
#[inline(always)]
pub fn fence_acquire(label: &str) {
    if !weakened(label) {
        fence(Ordering::Acquire);
    }
}

/// One atomic 64-bit word of the ring.
#[repr(transparent)]
#[derive(Debug)]
pub struct Word(AtomicU64);

impl Word {
    /// A word with this value.
    #[cfg(not(loom))]
    pub const fn new(value: u64) -> Self {
        Word(AtomicU64::new(value))
    }

    /// A word with this value.
    #[cfg(loom)]
    pub fn new(value: u64) -> Self {
        Word(AtomicU64::new(value))
    }

    /// The value, with no ordering.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        step(false);
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the value, with no ordering.
    #[inline(always)]
    pub fn set(&self, value: u64) {
        step(true);
        self.0.store(value, Ordering::Relaxed);
    }

    /// Loads with a labelled ordering.
    #[inline(always)]
    pub fn load(&self, order: Order) -> u64 {
        step(false);
        self.0.load(order.0)
    }

    /// Stores with a labelled ordering.
    #[inline(always)]
    pub fn store(&self, value: u64, order: Order) {
        step(true);
        self.0.store(value, order.0);
    }

    /// Replaces `old` by `new`; the value found otherwise. A failure orders nothing.
    #[inline(always)]
    pub fn replace(&self, old: u64, new: u64, order: Order) -> Result<(), u64> {
        step(true);
        self.0
            .compare_exchange(old, new, order.0, Ordering::Relaxed)
            .map(|_| ())
    }

    /// Replaces `old` by `new` where it still stands; orders nothing.
    #[inline(always)]
    pub fn mark(&self, old: u64, new: u64) {
        let _ = self.replace(old, new, Order::NONE);
    }

    /// Adds to a counter that orders nothing.
    #[inline(always)]
    pub fn count(&self, by: u64) {
        step(true);
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Raises the word to `value` unless it is there or beyond already.
    #[inline]
    pub fn raise(&self, from: u64, value: u64, order: Order) {
        let mut now = from;
        while now < value {
            match self.replace(now, value, order) {
                Ok(()) => return,
                Err(found) => now = found,
            }
        }
    }
}

/// Tells the processor that this is a spin loop.
#[inline(always)]
pub fn pause() {
    #[cfg(not(loom))]
    core::hint::spin_loop();
    #[cfg(all(loom, not(shuttle)))]
    loom::thread::yield_now();
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
}

/// Asks for the cache line of `word`, for writing. A hint; no access.
#[inline(always)]
#[allow(
    clippy::pointers_in_nomem_asm_block,
    reason = "a prefetch is no access"
)]
pub fn prefetch_for_write(word: &Word) {
    // The instruction itself: the intrinsic becomes a prefetch for reading unless the whole build may use this one. A
    // processor without it does nothing.
    #[cfg(all(not(loom), target_arch = "x86_64"))]
    // SAFETY: a prefetch neither reads nor writes, and cannot fault.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) word, options(nostack, preserves_flags, nomem));
    }
    #[cfg(any(loom, not(target_arch = "x86_64")))]
    let _ = word;
}

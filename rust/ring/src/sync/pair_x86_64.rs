//! The fused head on x86-64: two words that one `cmpxchg16b` replaces together.

use super::{Order, acquire, step};
use core::sync::atomic::{AtomicU64, Ordering};

/// Two 64-bit words replaced in one step. Loads take the halves one by one and re-check the high one: a 128-bit load is a
/// compare-exchange, which faults on a read-only mapping. The high word holds an id that only grows; see
/// [`crate::head`] for why an unchanged high word makes the pair one that really stood there.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct Pair {
    low: AtomicU64,
    high: AtomicU64,
}

impl Pair {
    /// A pair with these words.
    pub const fn new(low: u64, high: u64) -> Self {
        Pair {
            low: AtomicU64::new(low),
            high: AtomicU64::new(high),
        }
    }

    /// Whether this processor can replace a pair. Every x86-64 since about 2006 can.
    pub fn supported() -> bool {
        #[allow(unused_unsafe, reason = "safe from Rust 1.94 on")]
        // SAFETY: every x86-64 has the instruction.
        let features = unsafe { core::arch::x86_64::__cpuid(1) };
        features.ecx & (1 << 13) != 0
    }

    /// Both words as `(low, high)`, as they stood together at some moment between call and return. Acquires whatever
    /// the caller asks for: the two halves need it for themselves.
    #[inline(always)]
    pub fn load(&self, _order: Order) -> (u64, u64) {
        step(false);
        loop {
            // ORD(pair:A): before the low word, or a position from before could be taken for this id's.
            let high = self.high.load(acquire("pair:A").0);
            // ORD(pair:B): before the re-check, or a position from afterwards could be.
            let low = self.low.load(acquire("pair:B").0);
            if self.high.load(Ordering::Relaxed) == high {
                return (low, high);
            }
            changed();
        }
    }

    /// Only the high word.
    #[inline(always)]
    pub fn load_high(&self, order: Order) -> u64 {
        step(false);
        self.high.load(order.0)
    }

    /// Sets both words. Only for memory that nobody else sees yet.
    pub fn init(&self, low: u64, high: u64) {
        self.low.store(low, Ordering::Relaxed);
        self.high.store(high, Ordering::Relaxed);
    }

    /// Replaces `old` by `new`, both as `(low, high)`. A locked instruction orders everything, whatever it is asked for.
    #[inline(always)]
    pub fn replace(&self, old: (u64, u64), new: (u64, u64), _order: Order) -> bool {
        step(true);
        let words = core::ptr::from_ref(self).cast_mut();
        // SAFETY: `words` covers both atomics (16 bytes, 16-aligned by repr), which allow writes through a shared
        // reference; the instruction exists, which `Ring::new` has checked with `supported`.
        unsafe { replace_16(words, old, new) }
    }
}

/// The pair was replaced while it was loaded. Apart, or the way to the first try would lead around it.
#[cold]
#[inline(never)]
fn changed() {
    core::hint::spin_loop();
}

/// The instruction by its intrinsic, where the whole build may use it: a sanitizer sees it. Elsewhere the intrinsic
/// would be a call, and in a build without optimisation one into a library that is not there.
///
/// # Safety
/// `words` is valid for atomic access; the processor has `cmpxchg16b`.
#[cfg(target_feature = "cmpxchg16b")]
#[inline(always)]
unsafe fn replace_16(words: *mut Pair, old: (u64, u64), new: (u64, u64)) -> bool {
    let old = u128::from(old.0) | u128::from(old.1) << 64;
    let new = u128::from(new.0) | u128::from(new.1) << 64;
    // SAFETY: the caller's promise.
    let found = unsafe {
        core::arch::x86_64::cmpxchg16b(words.cast(), old, new, Ordering::AcqRel, Ordering::Acquire)
    };
    found == old
}

/// The instruction itself.
///
/// # Safety
/// `words` is valid for atomic access; the processor has `cmpxchg16b`.
#[cfg(not(target_feature = "cmpxchg16b"))]
#[inline(always)]
unsafe fn replace_16(words: *mut Pair, old: (u64, u64), new: (u64, u64)) -> bool {
    let replaced: u8;
    // SAFETY: the caller's promise; rbx, which the compiler keeps for itself, is put back before the end. The registers
    // are named, so that none of them is rbx.
    unsafe {
        core::arch::asm!(
            "xchg rsi, rbx",
            "lock cmpxchg16b [rdi]",
            "mov rbx, rsi",
            "sete r8b",
            inout("rsi") new.0 => _,
            in("rdi") words,
            out("r8b") replaced,
            inout("rax") old.0 => _,
            inout("rdx") old.1 => _,
            in("rcx") new.1,
            options(nostack),
        );
    }
    replaced != 0
}

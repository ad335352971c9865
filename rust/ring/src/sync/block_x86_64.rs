//! The text of a block out of the ring on x86-64: whole words, four at a time where the processor can. A tenth off the time of
//! reading 64 bytes.
//!
//! Such an access is made of pieces of two words or more, which hold for it what `copy_x86_64.rs` says of two: none splits an aligned
//! word, and each is in order with the loads before and after the copy.

use super::Word;
use super::copy_x86_64::copy;
use core::arch::asm;
use core::ptr::NonNull;

/// The shortest and the longest text that is copied so.
const WIDE_BYTES: core::ops::RangeInclusive<usize> = 32..=64;

/// Whether four words can be moved at once: how many lengths are copied so, or 0. One comparison asks for both.
#[derive(Clone, Copy, Debug)]
pub struct Wide(usize);

impl Wide {
    /// As on a processor that cannot.
    pub const NO: Wide = Wide(0);

    /// Asks the processor, and whether the system keeps such registers when it switches threads.
    pub fn ask() -> Wide {
        #[allow(unused_unsafe, reason = "safe from Rust 1.94 on")]
        // SAFETY: every x86-64 has the instruction.
        let features = unsafe { core::arch::x86_64::__cpuid(1) }.ecx;
        let (kept, avx) = (1 << 27, 1 << 28);
        // SAFETY: the processor says that the system has turned the instruction on.
        if features & kept != 0 && features & avx != 0 && unsafe { kept_registers() } & 6 == 6 {
            Wide(WIDE_BYTES.end() - WIDE_BYTES.start() + 1)
        } else {
            Wide::NO
        }
    }
}

/// Which registers the system keeps: bit 1 the 16 bytes of each, bit 2 the other 16.
///
/// # Safety
/// The system has turned `xgetbv` on.
unsafe fn kept_registers() -> u32 {
    let low;
    // SAFETY: the caller's promise; two registers are written.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(pure, nomem, nostack, preserves_flags));
    }
    low
}

/// Copies words out until `to` is full.
///
/// # Safety
/// `to` is a multiple of a word long, and `from` is valid for loads of as many bytes.
#[inline(always)]
pub unsafe fn copy_block(from: NonNull<Word>, to: &mut [u8], wide: Wide) {
    let n = to.len();
    if n.wrapping_sub(*WIDE_BYTES.start()) < wide.0 {
        // SAFETY: the caller's promise; the length, and that the instructions are there.
        unsafe { copy_wide(to.as_mut_ptr(), from, n) }
    } else {
        // SAFETY: the caller's promise.
        unsafe { copy_narrow(to, from) }
    }
}

/// Another length, or another processor.
///
/// # Safety
/// That of `copy_block`.
#[cold]
#[inline(never)]
unsafe fn copy_narrow(to: &mut [u8], from: NonNull<Word>) {
    // SAFETY: the caller's promise; nobody else has `to`, so they do not overlap.
    unsafe { copy(to.as_mut_ptr(), from.as_ptr().cast(), to.len()) }
}

/// The first and the last four words. All registers are named: the upper halves of all are cleared at the end, or the narrow
/// instructions that follow would be slow on some processors.
///
/// # Safety
/// That of `copy_block`; `n` is 32 to 64, and [`Wide`].
#[inline(always)]
unsafe fn copy_wide(to: *mut u8, from: NonNull<Word>, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "vmovdqu ymm0, [{from}]",
            "vmovdqu ymm1, [{from} + {n} - 32]",
            "vmovdqu [{to}], ymm0",
            "vmovdqu [{to} + {n} - 32], ymm1",
            "vzeroupper",
            from = in(reg) from.as_ptr(), to = in(reg) to, n = in(reg) n,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack, preserves_flags),
        );
    }
}

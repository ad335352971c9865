//! By the processor's own instruction, a word at a time.

use super::rest;
use core::arch::{asm, x86_64::__cpuid};
use core::sync::atomic::{AtomicU8, Ordering};

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

/// Whether the processor has the instruction, once that was asked.
static IS_THERE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Whether the processor has the instruction.
#[inline(always)]
pub fn is_there() -> bool {
    match IS_THERE.load(Ordering::Relaxed) {
        YES => true,
        NO => false,
        _ => ask(),
    }
}

#[cold]
#[inline(never)]
fn ask() -> bool {
    #[allow(unused_unsafe, reason = "safe from Rust 1.94 on")]
    // SAFETY: every x86-64 has the instruction.
    let features = unsafe { __cpuid(1) };
    let found = features.ecx & 1 << 20 != 0; // SSE 4.2
    IS_THERE.store(if found { YES } else { NO }, Ordering::Relaxed);
    found
}

/// One word more.
///
/// # Safety
/// [`is_there`].
#[inline(always)]
pub unsafe fn step(mut state: u64, word: u64) -> u64 {
    // SAFETY: the caller's promise; nothing but a register is written. Not the function of `core::arch`: that could not become
    // part of its caller, and of the loop the compiler would make eight.
    unsafe {
        asm!("crc32 {state}, {word}", state = inout(reg) state, word = in(reg) word,
            options(pure, nomem, nostack, preserves_flags));
    }
    state
}

/// Two words more, out of memory.
///
/// # Safety
/// [`is_there`].
#[inline(always)]
unsafe fn step_by_two(mut state: u64, pair: &[u8; 16]) -> u64 {
    // SAFETY: the caller's promise; 16 bytes are read where so many are, and nothing but a register is written.
    unsafe {
        asm!("crc32 {state}, qword ptr [{pair}]", "crc32 {state}, qword ptr [{pair} + 8]",
            state = inout(reg) state, pair = in(reg) pair.as_ptr(),
            options(pure, readonly, nostack, preserves_flags));
    }
    state
}

/// As [`super::sum`].
///
/// # Safety
/// [`is_there`].
#[inline(always)]
pub unsafe fn sum(text: &[u8], words: [u64; 4]) -> u32 {
    // SAFETY: the caller's promise.
    let step = |state, word| unsafe { step(state, word) };
    let mut state = words.into_iter().fold(u64::from(u32::MAX), step);
    let (pairs, beyond) = text.as_chunks::<16>();
    for pair in pairs {
        // SAFETY: the caller's promise.
        state = unsafe { step_by_two(state, pair) };
    }
    let beyond = match beyond.split_first_chunk() {
        Some((word, beyond)) => {
            state = step(state, u64::from_le_bytes(*word));
            beyond.len()
        }
        None => beyond.len(),
    };
    if beyond != 0 {
        state = step(state, rest(text, beyond));
    }
    !(state as u32)
}

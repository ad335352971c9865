//! Text in and out of the ring on x86-64, two words at a time: a quarter off the time of reading 64 bytes, a tenth off that
//! of writing them.
//!
//! What moves is whole words still: an access of 16 bytes to an aligned word and its neighbour is one or two accesses there, and
//! the processor keeps loads in order with loads, and stores with stores. So whoever has loaded one word of a later record sees
//! in its check what was stored before it, as with relaxed words one by one. The compiler takes assembly for an access to
//! all memory, so it keeps the order too. `copy_words.rs` is the same by relaxed words: for the model checker, sanitizers,
//! and loops over crash points.

use super::Word;
use core::arch::asm;

/// Bytes of a word.
const WORD: usize = 8;

/// Copies `bytes` into words, the last one padded with zeros. Stops at the shorter of both.
#[inline(always)]
pub fn copy_in(words: &[Word], bytes: &[u8]) {
    let n = bytes.len().min(size_of_val(words));
    let beyond = n % WORD;
    // SAFETY: there are as many bytes on either side, whole words, which do not overlap (`bytes` is nobody's to change);
    // words allow stores through a shared reference.
    unsafe { copy(words.as_ptr().cast_mut().cast(), bytes.as_ptr(), n - beyond) }
    if beyond != 0
        && let Some(last) = words.get(n / WORD)
    {
        last.set(end_of(bytes, beyond));
    }
}

/// Copies words out until `bytes` is full or the words end.
#[inline(always)]
pub fn copy_out(words: &[Word], bytes: &mut [u8]) {
    let n = bytes.len().min(size_of_val(words));
    let beyond = n % WORD;
    // SAFETY: there are as many bytes on either side, whole words, which do not overlap (`bytes` is nobody else's).
    unsafe { copy(bytes.as_mut_ptr(), words.as_ptr().cast(), n - beyond) }
    if beyond != 0 {
        take_end(words.get(..=n / WORD).unwrap_or_default(), bytes, beyond);
    }
}

/// The last `beyond` bytes, 1 to 7, as the word that they are to become.
#[inline(always)]
fn end_of(bytes: &[u8], beyond: usize) -> u64 {
    if let Some(last) = bytes.last_chunk() {
        return u64::from_le_bytes(*last) >> (8 * (WORD - beyond));
    }
    let each = bytes.iter().rev();
    each.fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The last `beyond` bytes, 1 to 7, out of the last of `words`.
#[inline(always)]
fn take_end(words: &[Word], bytes: &mut [u8], beyond: usize) {
    let Some((last, before)) = words.split_last() else {
        return;
    };
    let word = last.get();
    if let (Some(before), Some(to)) = (before.last(), bytes.last_chunk_mut()) {
        // Together with bytes of the word before, which stand there already.
        let both = before.get() >> (8 * beyond) | word << (8 * (WORD - beyond));
        *to = both.to_le_bytes();
    } else {
        for (to, from) in bytes.iter_mut().zip(word.to_le_bytes()) {
            *to = from;
        }
    }
}

/// Without a loop up to 64 bytes: from both ends to the middle, where some words are copied twice. The lengths of most records
/// stand in the caller.
///
/// # Safety
/// `from` is valid for loads of `n` bytes, `to` for stores, and they do not overlap; `n` is a multiple of [`WORD`]. The one that
/// is the ring's is aligned for words, and others may store to it meanwhile.
#[inline(always)]
pub(super) unsafe fn copy(to: *mut u8, from: *const u8, n: usize) {
    if n.wrapping_sub(33) < 32 {
        // SAFETY: the caller's promise; every access lies within the first or the last 32 of the `n` bytes, and begins at a
        // word of the ring.
        unsafe {
            asm!(
                "movdqu {a}, [{from}]",
                "movdqu {b}, [{from} + 16]",
                "movdqu {c}, [{from} + {n} - 32]",
                "movdqu {d}, [{from} + {n} - 16]",
                "movdqu [{to}], {a}",
                "movdqu [{to} + 16], {b}",
                "movdqu [{to} + {n} - 32], {c}",
                "movdqu [{to} + {n} - 16], {d}",
                from = in(reg) from, to = in(reg) to, n = in(reg) n,
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
        }
    } else {
        // SAFETY: the caller's promise.
        unsafe { copy_other(to, from, n) }
    }
}

/// The other lengths. Cold says only where it stands: out of the way.
///
/// # Safety
/// That of `copy`.
#[cold]
#[inline(never)]
unsafe fn copy_other(to: *mut u8, from: *const u8, n: usize) {
    match n {
        // SAFETY: the caller's promise, and the length.
        65.. => unsafe { copy_long(to, from, n) },
        // SAFETY: as above.
        16.. => unsafe { copy_ends(to, from, n) },
        // SAFETY: as above.
        8.. => unsafe { copy_word(to, from) },
        _ => {}
    }
}

/// 64 bytes at a time, and the last 64.
///
/// # Safety
/// That of `copy`, and `n` is at least 64.
#[inline(always)]
unsafe fn copy_long(to: *mut u8, from: *const u8, n: usize) {
    let (mut at, last) = (0, n.saturating_sub(64));
    loop {
        // SAFETY: the caller's promise; `at` is at most `n` - 64, and a multiple of a word.
        unsafe {
            asm!(
                "movdqu {a}, [{from} + {at}]",
                "movdqu {b}, [{from} + {at} + 16]",
                "movdqu {c}, [{from} + {at} + 32]",
                "movdqu {d}, [{from} + {at} + 48]",
                "movdqu [{to} + {at}], {a}",
                "movdqu [{to} + {at} + 16], {b}",
                "movdqu [{to} + {at} + 32], {c}",
                "movdqu [{to} + {at} + 48], {d}",
                from = in(reg) from, to = in(reg) to, at = in(reg) at,
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
        }
        if at == last {
            return;
        }
        at = (at + 64).min(last);
    }
}

/// The first and the last two words.
///
/// # Safety
/// That of `copy`, and `n` is 16 to 32.
#[inline(always)]
unsafe fn copy_ends(to: *mut u8, from: *const u8, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "movdqu {a}, [{from}]",
            "movdqu {b}, [{from} + {n} - 16]",
            "movdqu [{to}], {a}",
            "movdqu [{to} + {n} - 16], {b}",
            from = in(reg) from, to = in(reg) to, n = in(reg) n,
            a = out(xmm_reg) _, b = out(xmm_reg) _,
            options(nostack, preserves_flags),
        );
    }
}

/// One word.
///
/// # Safety
/// That of `copy`, and `n` is 8.
#[inline(always)]
unsafe fn copy_word(to: *mut u8, from: *const u8) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "mov {a}, [{from}]",
            "mov [{to}], {a}",
            from = in(reg) from, to = in(reg) to, a = out(reg) _,
            options(nostack, preserves_flags),
        );
    }
}

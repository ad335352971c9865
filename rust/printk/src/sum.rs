//! The sum of a record, over all that is said of it: who reads a ring that others could write into, a disk that lost its power or a
//! process's own that a stray pointer has met, shows no record that was not logged.
//!
//! ```text
//! sum := CRC-32C of u64(ts_nsec) u64(caller_id) u64(meta) u64(echo) text zero*
//! ```
//!
//! Little endian; the zeros are those that the text has behind it in the ring, up to a multiple of 8. It is no signature: who
//! changes a record on purpose can sum it as well.

#[cfg(target_arch = "x86_64")]
mod instruction;
#[doc(hidden)]
pub mod table;

use pr_ring::slots::Meta;
use pr_ring::{Info, RecordInfo};

/// What a record's opaque word holds: on which console's behalf it was logged, and its sum.
#[inline(always)]
pub const fn aux_of(echo: u32, sum: u32) -> u64 {
    echo as u64 | (sum as u64) << 32
}

/// On which console's behalf the record was logged; 0: on nobody's.
#[inline(always)]
pub const fn echo_of(info: &RecordInfo) -> u32 {
    info.aux as u32
}

/// What the opaque word of a record with this text is to be, whole.
#[inline(always)]
pub fn summed(info: &Info, meta: Meta, text: &[u8]) -> u64 {
    let echo = info.aux as u32;
    let words = [info.ts_nsec, info.caller_id, meta.pack(), u64::from(echo)];
    aux_of(echo, sum(text, words))
}

/// The same for a text that was put together from several, as the words that hold it: the last one's rest may be anything.
pub fn summed_words(info: &Info, meta: Meta, words: impl Iterator<Item = u64>) -> u64 {
    let echo = info.aux as u32;
    let before = [info.ts_nsec, info.caller_id, meta.pack(), u64::from(echo)];
    let mut state = before.into_iter().fold(u32::MAX, step);
    let mut left = meta.text_len as usize;
    for word in words {
        let beyond = 8_usize.saturating_sub(left) as u32 * 8;
        let kept = u64::MAX.checked_shr(beyond).unwrap_or_default();
        state = step(state, word & kept);
        left = left.saturating_sub(8);
    }
    aux_of(echo, !state)
}

/// Whether this is not what was logged, whole.
#[inline(never)]
pub fn is_changed(info: &RecordInfo, text: &[u8]) -> bool {
    if info.torn || text.len() != info.text_len as usize {
        return true;
    }
    let meta = Meta {
        text_len: info.text_len,
        level: info.level,
        facility: info.facility,
        flags: info.flags,
    };
    let echo = u64::from(echo_of(info));
    let said = (info.aux >> 32) as u32;
    said != sum(text, [info.ts_nsec, info.caller_id, meta.pack(), echo])
}

/// The sum of these bytes and of four words before them.
#[inline(always)]
pub fn sum(text: &[u8], words: [u64; 4]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if instruction::is_there() {
        // SAFETY: the processor has it, as just asked.
        return unsafe { instruction::sum(text, words) };
    }
    table::sum(text, words)
}

fn step(state: u32, word: u64) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if instruction::is_there() {
        // SAFETY: the processor has it, as just asked.
        return unsafe { instruction::step(u64::from(state), word) } as u32;
    }
    table::step(state, word)
}

/// The last bytes of a text, those behind its whole words, as a word with zeros behind them.
#[inline(always)]
fn rest(text: &[u8], beyond: usize) -> u64 {
    if let Some(last) = text.last_chunk() {
        return u64::from_le_bytes(*last) >> (64 - 8 * beyond);
    }
    let each = text.iter().rev();
    each.fold(0, |word, byte| word << 8 | u64::from(*byte))
}

//! By a table, a byte at a time: for processors without the instruction.

use super::rest;

/// CRC-32C's polynomial, its lowest bit first.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// What each byte does.
static TABLE: [u32; 256] = table();

#[expect(
    clippy::indexing_slicing,
    reason = "by the compiler, and a byte is less than 256"
)]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut state, mut bit) = (byte as u32, 0);
        while bit < 8 {
            state = state >> 1 ^ if state & 1 == 1 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[byte] = state;
        byte += 1;
    }
    table
}

/// One word more.
pub fn step(state: u32, word: u64) -> u32 {
    let bytes = word.to_le_bytes().into_iter();
    bytes.fold(state, |state, byte| {
        let index = (state as u8 ^ byte) as usize;
        TABLE.get(index).copied().unwrap_or_default() ^ state >> 8
    })
}

/// As [`super::sum`].
#[cold]
#[inline(never)]
pub fn sum(text: &[u8], words: [u64; 4]) -> u32 {
    let mut state = words.into_iter().fold(u32::MAX, step);
    let (words, beyond) = text.as_chunks::<8>();
    for word in words {
        state = step(state, u64::from_le_bytes(*word));
    }
    if !beyond.is_empty() {
        state = step(state, rest(text, beyond.len()));
    }
    !state
}

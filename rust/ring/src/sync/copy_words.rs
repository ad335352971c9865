//! Text in and out of the ring as relaxed words, where it is not as in `copy_x86_64.rs`. Each word is an access of its own, at
//! which a model may switch threads, a sanitizer look, and a thread of a test end.

use super::Word;
use core::ptr::NonNull;

/// Copies `bytes` into words as relaxed stores, the last one padded with zeros. Stops at the shorter of both.
pub fn copy_in(words: &[Word], bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks();
    let mut words = words.iter();
    for (bytes, word) in whole.iter().zip(&mut words) {
        word.set(u64::from_ne_bytes(*bytes));
    }
    if let (false, Some(word)) = (rest.is_empty(), words.next()) {
        let mut padded = [0; 8];
        for (to, from) in padded.iter_mut().zip(rest) {
            *to = *from;
        }
        word.set(u64::from_ne_bytes(padded));
    }
}

/// Copies words out as relaxed loads until `bytes` is full or the words end.
pub fn copy_out(words: &[Word], bytes: &mut [u8]) {
    let (whole, rest) = bytes.as_chunks_mut();
    let mut words = words.iter();
    for (bytes, word) in whole.iter_mut().zip(&mut words) {
        *bytes = word.get().to_ne_bytes();
    }
    if let (false, Some(word)) = (rest.is_empty(), words.next()) {
        for (to, from) in rest.iter_mut().zip(word.get().to_ne_bytes()) {
            *to = from;
        }
    }
}

/// How many words are moved at once: here one.
#[derive(Clone, Copy, Debug)]
pub struct Wide;

impl Wide {
    /// As anywhere.
    pub const NO: Wide = Wide;

    /// Nothing to ask.
    pub fn ask() -> Wide {
        Wide
    }
}

/// Copies words out until `to` is full.
///
/// # Safety
/// `to` is a multiple of a word long, and `from` is valid for loads of as many bytes.
pub unsafe fn copy_block(from: NonNull<Word>, to: &mut [u8], _wide: Wide) {
    // SAFETY: the caller's promise; words may be stored to by others meanwhile.
    let words = unsafe { core::slice::from_raw_parts(from.as_ptr(), to.len() / size_of::<Word>()) };
    copy_out(words, to);
}

//! Text goes in and out as it is, whatever its length, and nothing beside it is touched. `tests/` sees the copy that is shipped;
//! the tests of the crate itself and the models have the one by words.
#![cfg(not(loom))]

use core::ptr::NonNull;
use pr_ring::sync::{Wide, Word, copy_block, copy_in, copy_out};

/// What stands in words and buffers before.
const BEFORE: u8 = 0xee;
const LONGEST: usize = 300;

fn words(count: usize) -> Vec<Word> {
    (0..count)
        .map(|_| Word::new(u64::from_ne_bytes([BEFORE; 8])))
        .collect()
}

fn bytes_of(words: &[Word]) -> Vec<u8> {
    words
        .iter()
        .flat_map(|word| word.get().to_ne_bytes())
        .collect()
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| at as u8 ^ 0x5a).collect()
}

#[test]
fn a_text_of_any_length_goes_in_padded_with_zeros_and_no_further() {
    for len in 0..=LONGEST {
        let (words, text) = (words(LONGEST.div_ceil(8) + 1), text(len));
        copy_in(&words, &text);
        let mut expected = text;
        expected.resize(len.next_multiple_of(8), 0);
        expected.resize(words.len() * 8, BEFORE);
        assert_eq!(bytes_of(&words), expected, "{len} bytes");
    }
}

#[test]
fn a_text_of_any_length_comes_out_and_the_buffer_behind_it_stays() {
    let (words, text) = (words(LONGEST.div_ceil(8) + 1), text(LONGEST));
    copy_in(&words, &text);
    for len in 0..=LONGEST {
        let mut buffer = [BEFORE; LONGEST + 8];
        copy_out(&words, &mut buffer[..len]);
        assert_eq!(buffer[..len], text[..len], "{len} bytes");
        assert_eq!(buffer[len..], [BEFORE; LONGEST + 8][len..], "{len} bytes");
    }
}

#[test]
fn a_copy_ends_with_the_words() {
    for count in 0..=LONGEST / 8 {
        let all = words(LONGEST / 8 + 1);
        let text = text(LONGEST);
        copy_in(&all[..count], &text);
        assert_eq!(bytes_of(&all)[..count * 8], text[..count * 8]);
        assert!(
            bytes_of(&all)[count * 8..]
                .iter()
                .all(|byte| *byte == BEFORE)
        );

        let mut buffer = [BEFORE; LONGEST];
        copy_out(&all[..count], &mut buffer);
        assert_eq!(buffer[..count * 8], text[..count * 8]);
        assert!(buffer[count * 8..].iter().all(|byte| *byte == BEFORE));
    }
}

#[test]
fn a_block_comes_out_whatever_the_processor_can() {
    let (words, text) = (words(LONGEST.div_ceil(8) + 1), text(LONGEST));
    copy_in(&words, &text);
    for wide in [Wide::ask(), Wide::NO] {
        for (from, len) in (0..9).flat_map(|from| (0..=200).step_by(8).map(move |len| (from, len)))
        {
            let mut buffer = [BEFORE; LONGEST];
            // SAFETY: whole words, and 25 of them behind each of the first nine of 38.
            unsafe {
                copy_block(
                    NonNull::from(&words[from..]).cast(),
                    &mut buffer[..len],
                    wide,
                )
            };
            assert_eq!(
                buffer[..len],
                text[from * 8..][..len],
                "{len} bytes from word {from}"
            );
            assert!(buffer[len..].iter().all(|byte| *byte == BEFORE));
        }
    }
}

//! The sum of a record: whatever changes, it changes.

use pr_printk::sum::{echo_of, is_changed, sum, summed, summed_words, table};
use pr_ring::slots::Meta;
use pr_ring::{Info, RecordInfo, Seq};

/// Bytes without a pattern.
fn bytes(len: usize) -> Vec<u8> {
    let mut random = 7_u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// CRC-32C as it is defined, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut state = u32::MAX;
    for byte in bytes {
        state ^= u32::from(*byte);
        for _ in 0..8 {
            state = state >> 1 ^ if state & 1 == 1 { 0x82F6_3B78 } else { 0 };
        }
    }
    !state
}

/// Also without the instruction.
#[test]
fn sums_are_what_the_page_says() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283); // the value that the algorithm is told by
    let words = [1, u64::MAX, 3 << 40, 4];
    for len in 0..200 {
        let text = bytes(len);
        let mut all = words.map(u64::to_le_bytes).concat();
        all.extend(&text);
        all.resize(all.len().next_multiple_of(8), 0);
        let expected = crc32c(&all);
        assert_eq!(sum(&text, words), expected, "{len} bytes");
        assert_eq!(table::sum(&text, words), expected, "{len} bytes");
    }
}

#[test]
fn every_bit_counts() {
    let about = [0x0123_4567_89ab, 77 << 32 | 78, 6 << 32, 0];
    for len in 0..70 {
        let text = bytes(len);
        let right = sum(&text, about);
        for bit in 0..8 * len {
            let mut other = text.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(sum(&other, about), right, "bit {bit} of {len} bytes");
        }
        for bit in 0..256 {
            let mut other = about;
            other[bit / 64] ^= 1 << (bit % 64);
            assert_ne!(
                sum(&text, other),
                right,
                "bit {bit} of what is said about {len} bytes"
            );
        }
    }
}

/// What stray stores and half-written pages leave: a run of other bytes, of zeros, of what stands elsewhere.
#[test]
fn runs_count() {
    let text = bytes(96);
    let other = bytes(256);
    let right = sum(&text, [0; 4]);
    for start in 0..96 {
        for end in start + 1..=96 {
            let elsewhere = (start + 8 * (end - start)) % 160;
            for run in [
                &other[128..],
                &[0; 96],
                &[0xff; 96],
                &text,
                &other[elsewhere..],
            ] {
                let mut changed = text.clone();
                changed[start..end].copy_from_slice(&run[..end - start]);
                assert!(
                    changed == text || sum(&changed, [0; 4]) != right,
                    "{start}..{end}"
                );
            }
        }
    }
    for first in 0..96 {
        for second in first + 1..96 {
            let mut changed = text.clone();
            changed.swap(first, second);
            assert!(
                changed == text || sum(&changed, [0; 4]) != right,
                "bytes {first} and {second}"
            );
        }
    }
}

#[test]
fn whatever_is_said_of_a_record_is_in_its_sum() {
    let info = Info {
        ts_nsec: 1,
        caller_id: 2,
        level: 3,
        facility: 4,
        flags: 5,
        aux: 6,
        owner: 7,
    };
    let text = bytes(20);
    let meta = Meta {
        text_len: 20,
        level: 3,
        facility: 4,
        flags: 5,
    };
    let logged = RecordInfo {
        seq: Seq(8),
        ts_nsec: 1,
        caller_id: 2,
        text_len: 20,
        level: 3,
        facility: 4,
        flags: 5,
        aux: summed(&info, meta, &text),
        end: None,
        torn: false,
    };
    assert!(!is_changed(&logged, &text) && echo_of(&logged) == 6);
    let changed = [
        RecordInfo {
            ts_nsec: 0,
            ..logged
        },
        RecordInfo {
            caller_id: 0,
            ..logged
        },
        RecordInfo { level: 0, ..logged },
        RecordInfo {
            facility: 0,
            ..logged
        },
        RecordInfo { flags: 0, ..logged },
        RecordInfo {
            aux: logged.aux ^ 1,
            ..logged
        },
        RecordInfo {
            aux: logged.aux ^ 1 << 63,
            ..logged
        },
    ];
    assert!(changed.iter().all(|info| is_changed(info, &text)));
    assert!(is_changed(
        &RecordInfo {
            text_len: 19,
            ..logged
        },
        &text[..19]
    ));
    // A part is not the whole; no log leaves a record without a sum; and what is torn already stays so.
    assert!(is_changed(&logged, &text[..19]));
    assert!(is_changed(
        &RecordInfo {
            torn: true,
            ..logged
        },
        &text
    ));
    assert!(is_changed(&RecordInfo { aux: 6, ..logged }, &text));
}

/// Of a line that several calls put together only the words are there, with whatever stood in the last one before.
#[test]
fn a_text_in_words_has_the_same_sum() {
    let info = Info {
        ts_nsec: 1,
        caller_id: 2,
        aux: 3 | 99 << 32,
        ..Info::default()
    };
    for len in 0..40 {
        let text = bytes(len);
        let meta = Meta {
            text_len: len as u32,
            ..Meta::default()
        };
        let mut padded = text.clone();
        padded.resize(len.next_multiple_of(8), 0xa5);
        let (words, _) = padded.as_chunks::<8>();
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        assert_eq!(
            summed_words(&info, meta, words),
            summed(&info, meta, &text),
            "{len} bytes"
        );
    }
}

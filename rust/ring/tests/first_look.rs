//! The first look at a record of a ring in memory finds what a close look finds, also in a damaged ring.
#![cfg(not(loom))]
#![allow(missing_docs, reason = "a test")]

#[path = "heap/closely.rs"]
mod closely;
mod heap;

use closely::Closely;
use heap::HeapRing;
use pr_ring::memory::Memory;
use pr_ring::reader::read_valid;
use pr_ring::{Info, Read, Region, Ring, Seq, Source, Unfinished};
use proptest::prelude::*;

/// Descriptors of the ring. With text enough for some records and a wrap between them, and with far too little.
const DESC_BITS: u32 = 3;
const TEXT_BYTES: [u64; 4] = [512, 64, 256, 1024];

/// Bits of a word are turned over: of which slot, of which of its words. 6 and 7 are the tails, those from 8 on the record's block.
#[derive(Clone, Copy, Debug)]
struct Damage {
    slot: u64,
    word: u64,
    bits: u64,
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let bits = prop_oneof![3 => (0..10_u32).prop_map(|bit| 1 << bit), 1 => any::<u64>()];
    let word = prop_oneof![4 => 1..3_u64, 2 => Just(5_u64), 1 => 6..8_u64, 1 => Just(0_u64), 1 => 8..10_u64];
    let one = (0..1_u64 << DESC_BITS, word, bits).prop_map(|(slot, word, bits)| Damage {
        slot,
        word,
        bits,
    });
    prop::collection::vec(one, 0..4)
}

/// A ring that has seen records of these sizes, the last of them unfinished. Every other word of their text is `word`.
fn ring_of(text_bytes: u64, sizes: &[usize], word: u64) -> HeapRing {
    let ring = HeapRing::new(DESC_BITS, text_bytes.ilog2() - DESC_BITS, 0);
    for (at, &size) in sizes.iter().enumerate() {
        let info = Info {
            ts_nsec: at as u64,
            ..Info::default()
        };
        let Ok(mut ticket) = ring.reserve_ticket(size, &info) else {
            continue;
        };
        let words = [word, at as u64].map(u64::to_ne_bytes).concat();
        let text = words.iter().copied().cycle().take(size);
        ring.fill(&mut ticket, &text.collect::<Vec<_>>());
        match at + 1 == sizes.len() {
            true => ring.commit(ticket),
            false => ring.finalize(ticket),
        }
    }
    ring
}

fn apply(ring: &Ring<Region>, damage: Damage) {
    let slot = ring.memory().slot(damage.slot);
    let word = match damage.word {
        0 => &slot.state,
        1 => &slot.begin,
        2 => &slot.next,
        5 => &slot.meta,
        6 => &ring.memory().tails().tail_id,
        7 => &ring.memory().tails().retired_id,
        block => &ring.memory().text_from(slot.begin.get() / 8 + block - 8)[0],
    };
    word.set(word.get() ^ damage.bits);
}

/// What is read, and the text.
fn read(source: &impl Source, seq: u64, room: usize, mode: Unfinished) -> (Read, Vec<u8>) {
    let mut buffer = vec![0xee; room];
    let Ok(read) = read_valid(source, Seq(seq), &mut buffer, mode) else {
        panic!("memory can be read")
    };
    let copied = match read {
        Read::Found { copied, .. } => copied,
        Read::NotYet { .. } => 0,
    };
    buffer.truncate(copied);
    (read, buffer)
}

fn assert_same(ring: &Ring<Region>) {
    let closely = Closely {
        ring,
        in_contents: || (),
        at_barrier: || (),
    };
    for seq in 0..ring.next_reserve_seq().0 + 2 {
        for room in [0, 7, 8, 39, 40, 63, 64, 65, 1024] {
            for mode in [Unfinished::Wait, Unfinished::Skip] {
                let (first, close) = (read(ring, seq, room, mode), read(&closely, seq, room, mode));
                assert_eq!(first, close, "record {seq}, {room} bytes of room, {mode:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn a_first_look_finds_what_a_close_look_finds(
        sizes in prop::collection::vec(prop_oneof![0..100_usize, Just(64), 0..300_usize], 1..24),
        text_bytes in prop::sample::select(&TEXT_BYTES),
        damage in damage(),
    ) {
        let ring = ring_of(text_bytes, &sizes, 0);
        for one in damage {
            apply(&ring, one);
        }
        assert_same(&ring);
    }
}

/// A ring too small for any text, in which a damaged slot says that there is some.
#[test]
fn a_ring_without_room_for_text_has_none() {
    let ring = HeapRing::new(1, 3, 0);
    let ticket = ring.reserve_ticket(0, &Info::default()).expect("room");
    ring.finalize(ticket);
    let slot = ring.memory().slot(1);
    for (begin, next, text_len) in [(0, 16, 8), (0, 16, 0), (0, 8, 0), (8, 16, 0), (8, 24, 8)] {
        slot.begin.set(begin);
        slot.next.set(next);
        slot.meta.set(text_len);
        ring.memory().text_from(begin / 8)[0].set(1);
        assert_same(&ring);
    }
}

/// Where a block would begin that lies at the ring's beginning, old text stands that says it is that block.
#[test]
fn old_text_is_not_taken_for_a_header() {
    for word in 1..24 {
        assert_same(&ring_of(512, &[96, 40, 64, 80, 72].repeat(5), word));
    }
}

/// Bytes of the buffer behind the text belong to nobody, but never more than the text's last word has.
#[test]
fn what_is_behind_the_last_word_of_a_text_stays() {
    for size in 1..100 {
        let ring = ring_of(512, &[size, 0], u64::MAX);
        let mut buffer = [0xee_u8; 128];
        let found = ring.read_valid(Seq(0), &mut buffer, Unfinished::Wait);
        assert!(
            matches!(found, Read::Found { copied, .. } if copied == size),
            "{found:?}"
        );
        let (text, rest) = buffer.split_at(size.next_multiple_of(8));
        assert!(!text[..size].contains(&0xee), "{size} bytes");
        assert!(rest.iter().all(|byte| *byte == 0xee), "{size} bytes");
    }
}

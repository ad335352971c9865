//! A reader of a ring that somebody else wrote, damaged or forged: no panic, no endless search, nothing beyond the bounds.
#![allow(missing_docs, reason = "a test")]

#[path = "../heap/mod.rs"]
mod heap;
mod slice;

use heap::HeapRing;
use pr_ring::layout::ring_offset;
use pr_ring::{Geometry, Info};
use proptest::prelude::*;
use proptest::sample::Index;
use slice::exercise;

/// The bytes of a ring that has seen `records`, with the two bytes in front that name its geometry.
fn image(desc: u8, avg: u8, records: &[(usize, u8)]) -> Vec<u8> {
    let ring = HeapRing::new(u32::from(desc) + 1, u32::from(avg) + 3, 0);
    let largest = ring.geometry().text_ring().max_text() as usize;
    let mut open = None;
    for (at, &(size, how)) in records.iter().enumerate() {
        let size = size % (largest + 1);
        let Ok(mut ticket) = ring.reserve_ticket(
            size,
            &Info {
                ts_nsec: at as u64,
                ..Info::default()
            },
        ) else {
            continue;
        };
        ring.fill(&mut ticket, &vec![at as u8; size]);
        match how % 8 {
            0 if open.is_none() => open = Some(ticket),
            1..=3 => ring.commit(ticket),
            _ => ring.finalize(ticket),
        }
    }
    let mut bytes = vec![desc, avg];
    bytes.extend_from_slice(ring.bytes());
    if let Some(ticket) = open {
        ring.finalize(ticket);
    }
    bytes
}

/// Records that are one lap and one number apart: each slot holds one, and the search for the next goes through all slots.
#[test]
fn records_that_are_laps_apart_do_not_hold_a_reader() {
    let (desc, avg) = (5, 0); // 64 descriptors
    let (descriptors, base) = (64_u64, 6400_u64);
    let mut bytes = image(desc, avg, &vec![(0, 4); 64]);
    let mut set = |offset: u64, word: u64| {
        let at = 2 + usize::try_from(offset).expect("an offset");
        bytes[at..at + 8].copy_from_slice(&word.to_ne_bytes());
    };
    for lap in 0..descriptors {
        let id = base + lap * (descriptors + 1);
        set(ring_offset::SLOTS + lap * 64, id << 2 | 3);
    }
    set(ring_offset::TAILS, base << 1);
    set(ring_offset::HEAD + 8, u64::MAX >> 3);
    assert!(exercise(&bytes) > 0, "the oldest is there");
}

fn damage() -> impl Strategy<Value = Vec<(Index, u8)>> {
    prop::collection::vec((any::<Index>(), any::<u8>()), 0..24)
}

/// Gives a slot a span, with its header, and a length: such as a ring could have, but not necessarily this one.
fn forge(bytes: &mut [u8], (desc, avg): (u8, u8), [slot, begin, span, len]: &[Index; 4]) {
    let geometry = Geometry::new(u32::from(desc) + 1, u32::from(avg) + 3).expect("geometry");
    let (slots, size) = (geometry.descriptors(), geometry.data_bytes() as usize);
    let (begin, span) = (begin.index(size / 4) * 8, span.index(size / 4) * 8);
    let slot = 2 + ring_offset::SLOTS as usize + slot.index(slots as usize) * 64;
    let state: [u8; 8] = bytes[slot..slot + 8].try_into().expect("a word");
    let (index, id) = (begin % size, u64::from_ne_bytes(state) >> 2);
    let header = if span <= size - index { index } else { 0 };
    let header = 2 + geometry.text_offset() as usize + header;
    let next = begin + span;
    let mut put = |at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    put(slot + 8, begin as u64);
    put(slot + 16, next as u64);
    put(slot + 40, len.index(size + 8) as u64);
    put(header, id);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        exercise(&bytes);
    }

    #[test]
    fn a_damaged_ring_is_read_to_an_end(
        (desc, avg) in (0..6_u8, 0..5_u8),
        records in prop::collection::vec((any::<usize>(), any::<u8>()), 0..100),
        damage in damage(),
        // Small numbers where the ring keeps positions and ids do more harm than noise.
        words in prop::collection::vec((any::<Index>(), 0..70_u64), 0..8),
        forged in prop::collection::vec(any::<[Index; 4]>(), 0..5),
        keep in any::<Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = image(desc, avg, &records);
        forged.iter().for_each(|forged| forge(&mut bytes, (desc, avg), forged));
        for (at, value) in damage {
            let at = 2 + at.index(bytes.len() - 2);
            bytes[at] = value;
        }
        for (at, value) in words {
            let at = 2 + at.index((bytes.len() - 2) / 8) * 8;
            bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        }
        if cut {
            bytes.truncate(keep.index(bytes.len()));
        }
        exercise(&bytes);
    }
}

#[test]
fn an_intact_ring_is_read_whole() {
    let records: Vec<_> = (0..20).map(|at| (at % 5, 7)).collect();
    let bytes = image(4, 3, &records);
    assert_eq!(exercise(&bytes), 40, "twenty records, read in two ways");
    assert_eq!(
        exercise(&bytes[..bytes.len() / 2]),
        exercise(&bytes[..bytes.len() / 2])
    );
}

/// `PRINTK_RING_CORPUS=folder` writes rings to begin fuzzing with.
#[test]
fn rings_to_begin_fuzzing_with_are_intact() {
    let folder = std::env::var_os("PRINTK_RING_CORPUS").map(std::path::PathBuf::from);
    for desc in 0..4_u8 {
        for avg in 0..4_u8 {
            let records: Vec<_> = (0..60).map(|at| (at * 7, (at * 5) as u8 | 1)).collect();
            let bytes = image(desc, avg, &records);
            assert!(exercise(&bytes) > 0);
            if let Some(folder) = &folder {
                std::fs::write(folder.join(format!("ring-{desc}-{avg}")), bytes).expect("written");
            }
        }
    }
}

#[test]
fn ids_at_the_end_of_the_world_do_not_hang_a_reader() {
    let geometry = Geometry::new(3, 4).expect("geometry");
    let mut bytes = vec![0; 2 + geometry.ring_bytes() as usize];
    (bytes[0], bytes[1]) = (2, 1);
    for fill in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 62) - 1, !3] {
        for offset in [
            ring_offset::HEAD,
            ring_offset::HEAD + 8,
            ring_offset::TAILS,
            ring_offset::TAILS + 8,
        ] {
            let at = 2 + offset as usize;
            bytes[at..at + 8].copy_from_slice(&fill.to_ne_bytes());
            exercise(&bytes);
        }
        for slot in 0..8 {
            let at = 2 + ring_offset::SLOTS as usize + slot * 64;
            bytes[at..at + 8].copy_from_slice(&fill.to_ne_bytes());
            exercise(&bytes);
        }
    }
}

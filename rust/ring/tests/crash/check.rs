//! What must hold after a death, once it was reaped (the invariants B1 to B11 of the ring), and that the ring goes on.

use super::scenes::{LATER, Small, leave_open, put, text};
use crate::ids::{DescId, Seq};
use crate::memory::Memory;
use crate::state::{Query, Stage, State};
use crate::{Read, RecordInfo, Unfinished};
use std::collections::BTreeMap;
use std::vec;
use std::vec::Vec;

/// Every word of a ring: head, tails, slots and text.
pub fn image(ring: &Small) -> Vec<u64> {
    let (memory, geometry) = (ring.memory(), ring.geometry());
    let head = memory.head().get();
    let tails = memory.tails();
    let counters = memory.counters();
    let mut words = vec![head.id.0, head.pos.0, head.reopenable.into()];
    words.extend([&tails.tail_id, &tails.retired_id, &tails.data_tail].map(|word| word.get()));
    words.extend([&counters.fail, &counters.health, &counters.reaped].map(|word| word.get()));
    for at in 0..geometry.descriptors() {
        let slot = memory.slot(at);
        let fields = [&slot.state, &slot.begin, &slot.next, &slot.ts_nsec];
        words.extend(fields.map(|word| word.get()));
        let fields = [&slot.caller_id, &slot.meta, &slot.owner, &slot.aux];
        words.extend(fields.map(|word| word.get()));
    }
    words.extend(memory.text_from(0).iter().map(|word| word.get()));
    words
}

/// The first record from `seq` on; it must be whole (B3).
pub fn read(ring: &Small, seq: u64, mode: Unfinished) -> Option<(RecordInfo, Vec<u8>)> {
    let mut buffer = [0; 256];
    match ring.read_valid(Seq(seq), &mut buffer, mode) {
        Read::NotYet { .. } => None,
        Read::Found { info, copied, .. } => {
            assert!(info.seq.0 >= seq && !info.torn, "{info:?}");
            let got = buffer[..copied].to_vec();
            assert_eq!(got, text(info.ts_nsec, info.text_len as usize), "{info:?}");
            assert!(u64::from(info.text_len) >= info.aux, "half: {info:?}");
            Some((info, got))
        }
    }
}

/// All records from the oldest on, by number.
pub fn all(ring: &Small, mode: Unfinished) -> BTreeMap<u64, (u64, Vec<u8>)> {
    let (mut found, mut seq) = (BTreeMap::new(), 0);
    while let Some((info, text)) = read(ring, seq, mode) {
        seq = info.seq.0 + 1; // strictly increasing (B4)
        found.insert(info.seq.0, (info.ts_nsec, text));
    }
    found
}

/// What a reader of a file sees whose owner is dead: nothing changes by it, and what was readable still is, unchanged.
pub fn assert_readable_when_dead(ring: &Small, before: &BTreeMap<u64, (u64, Vec<u8>)>) {
    let memory = image(ring);
    let now = all(ring, Unfinished::Skip);
    assert_eq!(image(ring), memory, "a reader has changed something");
    assert_kept(ring, before, &now);
}

/// Records that could be read before are unchanged, or older than the tails (B6).
pub fn assert_kept(
    ring: &Small,
    before: &BTreeMap<u64, (u64, Vec<u8>)>,
    now: &BTreeMap<u64, (u64, Vec<u8>)>,
) {
    let retired = ring.memory().tails().retired_id.get();
    for (seq, record) in before {
        match now.get(seq) {
            Some(same) => assert_eq!(same, record, "record {seq} has changed"),
            None => assert!(
                seq + 1 < retired || Seq(*seq) <= ring.first_seq(),
                "record {seq} is gone"
            ),
        }
    }
}

fn query(ring: &Small, id: DescId) -> Query {
    State(ring.memory().slot(id.0).state.get()).query(id)
}

/// Bounds (B9), the tail (B8), and no internal error. At every moment.
pub fn assert_sound(ring: &Small) {
    let geometry = ring.geometry();
    let head = ring.memory().head().get();
    let tail = DescId::of(ring.first_seq());
    assert!(ring.used_bytes() <= geometry.data_bytes());
    assert!(head.id.0 - ring.tail().0.0 < geometry.descriptors());
    let final_tail = query(ring, tail) == Query::Is(Stage::Finalized);
    assert!(final_tail || ring.tail().0 == DescId::DUMMY, "{tail:?}");
    assert!(ring.first_seq() <= ring.next_seq() && ring.next_seq() <= ring.next_reserve_seq());
    assert_eq!(ring.health(), 0);
}

/// Nothing is left behind but what living writers hold, so many records, and a committed newest one (B7).
pub fn assert_settled(ring: &Small, held: usize) {
    assert_sound(ring);
    let head = ring.memory().head().get();
    let (mut id, mut open) = (ring.tail().0.max(DescId(1)), 0);
    while id <= head.id {
        match query(ring, id) {
            Query::Is(Stage::Finalized) => {}
            Query::Is(Stage::Committed) if id == head.id && head.reopenable => {}
            Query::Is(Stage::Reserved | Stage::ReservedNoBlock) => open += 1,
            found => panic!("{id:?} of {:?} is {found:?}", head.id),
        }
        id = id.next();
    }
    assert_eq!(open, held, "records of living writers");
}

/// The ring goes on: more than a lap of records and of text, read as it is written, and none is missing. All writers are
/// done. `lost`: how many records before that may be missing; how many are is the result.
pub fn assert_goes_on(ring: &Small, lost: u64) -> u64 {
    ring.finalize_last();
    // Text may have been dropped whose descriptors are still there.
    let oldest = read(ring, 0, Unfinished::Wait);
    let dropped = DescId(ring.memory().tails().retired_id.get()).seq();
    let mut next = oldest.map_or(dropped.0.max(ring.first_seq().0), |(info, _)| info.seq.0);
    let mut missing = 0;
    let mut follow = |next: &mut u64| {
        while let Some((info, _)) = read(ring, *next, Unfinished::Wait) {
            missing += info.seq.0 - *next;
            *next = info.seq.0 + 1;
        }
        assert_sound(ring);
    };
    follow(&mut next);
    let geometry = ring.geometry();
    let records = geometry.descriptors().max(geometry.data_bytes() / 24) + 3;
    let from = ring.next_reserve_seq().0;
    for at in 0..records {
        let len = [16, 0, 7, 30][at as usize % 4].min(geometry.text_ring().max_text() as usize);
        let write = if at % 3 == 0 { leave_open } else { put };
        assert_eq!(
            write(ring, LATER, 1000 + at, len),
            Ok(()),
            "record {at} of the next lap"
        );
        ring.finalize_last();
        follow(&mut next);
        assert_eq!(ring.next_seq(), Seq(from + at + 1), "numbers are dense"); // B2
    }
    assert_eq!(
        next,
        from + records,
        "every record was read, or counted as missing"
    ); // B5
    assert!(missing <= lost, "{missing} records are missing, not {lost}");
    missing
}

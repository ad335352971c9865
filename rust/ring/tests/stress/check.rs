//! The readers, and what must hold while all run and when all is over (the invariants B1 to B11 of the ring; B10 also in
//! `load.rs`, whose fragments must go to the record they were begun with).

use crate::Tally;
use crate::heap::HeapRing;
use crate::payload::{LONGEST, Random, fault};
use core::sync::atomic::Ordering;
use pr_ring::memory::Memory;
use pr_ring::state::{Query, Stage, State};
use pr_ring::{DescId, Read, RecordInfo, Seq, Unfinished};
use std::thread;

fn found(ring: &HeapRing, seq: u64, buffer: &mut [u8]) -> Option<(RecordInfo, usize)> {
    match ring.read_valid(Seq(seq), buffer, Unfinished::Wait) {
        Read::Found { info, copied, .. } => Some((info, copied)),
        Read::NotYet { .. } => None,
    }
}

/// Follows the ring, checks every record, and comes back to some of them (B3 to B6).
pub fn read(ring: &HeapRing, tally: &Tally, id: u64) {
    let mut random = Random::new(id);
    let (mut first, mut second) = (vec![0; LONGEST], vec![0; LONGEST]);
    let (mut seq, mut delivered, mut overrun) = (0, 0_u64, 0_u64);
    let mut last_seed = [0; 64];
    loop {
        let last_round = tally.stopped();
        while let Some((info, copied)) = found(ring, seq, &mut first) {
            let at = info.seq.0;
            if at < seq {
                tally.bad("a reader went back"); // B4
            }
            if let Some(what) = fault(&info, first.get(..copied).unwrap_or_default()) {
                tally.bad(&format!("{what}: {info:?}")); // B3, B10
            }
            // A thread's seeds grow as its numbers do; handlers may overtake each other between the two.
            let last = last_seed.get_mut(info.caller_id as usize);
            match last.filter(|_| info.caller_id != crate::signal::CALLER) {
                Some(last) if *last < info.ts_nsec => *last = info.ts_nsec,
                Some(_) => tally.bad(&format!("one record under two numbers: {info:?}")), // B1, B3
                None => {}
            }
            if random.below(4) == 0 {
                again(ring, tally, seq, (&info, &first), &mut second);
            }
            overrun += at - seq;
            delivered += 1;
            seq = at + 1;
            if random.below(256) == 0 {
                thread::yield_now(); // fall behind, be lapped
            }
        }
        if last_round {
            break;
        }
        thread::yield_now();
    }
    if delivered + overrun != seq {
        tally.bad("delivered and reported lost do not add up"); // B5
    }
    tally.delivered.fetch_add(delivered, Ordering::Relaxed);
    tally.overrun.fetch_add(overrun, Ordering::Relaxed);
}

/// Reads the oldest record over and over, for that one is about to be overwritten.
pub fn chase(ring: &HeapRing, tally: &Tally) {
    let mut buffer = vec![0; LONGEST];
    let mut last: Option<RecordInfo> = None;
    while !tally.stopped() {
        for _ in 0..4096 {
            let Some((info, copied)) = found(ring, 0, &mut buffer) else {
                continue;
            };
            if let Some(what) = fault(&info, buffer.get(..copied).unwrap_or_default()) {
                tally.bad(&format!("{what}: {info:?}")); // B3
            }
            match last {
                Some(last) if info.seq < last.seq => tally.bad("the oldest record went back"), // B4
                Some(last) if info.seq == last.seq && info != last => {
                    tally.bad("a record has changed")
                } // B6
                Some(last) if info.seq > last.seq && info.ts_nsec == last.ts_nsec => {
                    tally.bad("one record under two numbers"); // B1
                }
                _ => {}
            }
            last = Some(info);
        }
        thread::yield_now();
    }
}

/// Asks once more: the same record, unchanged, or a later one (B6); never one between (B4).
fn again(
    ring: &HeapRing,
    tally: &Tally,
    seq: u64,
    (info, text): (&RecordInfo, &[u8]),
    buffer: &mut [u8],
) {
    match found(ring, seq, buffer) {
        Some((now, _)) if now.seq < info.seq => {
            tally.bad("a record that was passed over came back")
        }
        Some((now, copied))
            if now.seq == info.seq
                && (now != *info || buffer.get(..copied) != text.get(..copied)) =>
        {
            tally.bad(&format!("a record has changed: {info:?}, {now:?}"));
        }
        _ => {}
    }
}

fn query(ring: &HeapRing, id: DescId) -> Query {
    State(ring.memory().slot(id.0).state.get()).query(id)
}

/// Looks at head and tails all the time (B8, B9).
pub fn watch(ring: &HeapRing, tally: &Tally) {
    let geometry = ring.geometry();
    let (mut last_first, mut last_next) = (Seq(0), Seq(0));
    while !tally.stopped() {
        let head = ring.memory().head().get(); // before the tails, which only grow
        let tails = ring.memory().tails();
        let used = head.pos.0.saturating_sub(tails.data_tail.get());
        let records = head.id.0.saturating_sub(tails.tail_id.get() >> 1);
        if used > geometry.data_bytes() || records >= geometry.descriptors() {
            tally.bad(&format!("{used} bytes and {records} records in use")); // B9
        }
        let first = ring.first_seq();
        let gone_or_final = first == Seq(0) // also an empty ring's answer
            || matches!(query(ring, DescId::of(first)), Query::Newer | Query::Is(Stage::Finalized));
        if first < last_first || !gone_or_final {
            tally.bad(&format!("the tail's record {first:?} is not finalized")); // B8
        }
        let next = ring.next_seq();
        if next < last_first || ring.next_reserve_seq() < next || next < last_next {
            tally.bad(&format!("next_seq {next:?} after {last_next:?}"));
        }
        (last_first, last_next) = (first, next);
        thread::yield_now();
    }
}

/// Reaps all the time, and nobody is dead: nothing may be lost by it.
pub fn reap(ring: &HeapRing, tally: &Tally) {
    const REAPER: u64 = 99;
    while !tally.stopped() {
        let reaped = ring.reap(REAPER, |_| false);
        if reaped.lost != 0 || reaped.busy {
            tally.bad(&format!("{reaped:?}"));
        }
        tally.settled.fetch_add(reaped.finalized, Ordering::Relaxed);
        thread::yield_now();
    }
}

/// When all writers are idle (B1, B2, B7), the handler's among them (B11).
pub fn settled(ring: &HeapRing, tally: &Tally) {
    for (what, count) in [
        ("stored from the handler", &tally.from_handler), // B11
        ("reopened", &tally.reopened),                    // B10
        ("delivered", &tally.delivered),
    ] {
        if count.load(Ordering::Relaxed) == 0 {
            tally.bad(&format!("no record was {what}"));
        }
    }
    let newest = ring.memory().head().get().id;
    let mut id = DescId(ring.memory().tails().tail_id.get() >> 1).max(DescId(1));
    while id <= newest {
        let fine = match query(ring, id) {
            Query::Is(Stage::Finalized) => true,
            Query::Is(Stage::Committed) => id == newest,
            _ => false,
        };
        if !fine {
            tally.bad(&format!("{id:?} was left behind, {newest:?} is the newest")); // B7
        }
        id = id.next();
    }
    let numbered = tally.stored.load(Ordering::Relaxed) + tally.lost.load(Ordering::Relaxed);
    if ring.next_reserve_seq() != Seq(numbered) {
        tally.bad(&format!(
            "{numbered} numbers given, {:?} is next",
            ring.next_reserve_seq()
        )); // B1, B2
    }
    if ring.fail() != tally.refused.load(Ordering::Relaxed) {
        tally.bad("refusals do not add up"); // B2
    }
    if ring.reaped() != 0 {
        tally.bad(&format!("{} records reaped of the living", ring.reaped()));
    }
    if ring.health() != 0 {
        tally.bad(&format!("health {}", ring.health())); // B1
    }
}

/// A data race on purpose: text read as plain memory while writers store it. Only for the sanitizer to find.
pub fn look_without_atomics(ring: &HeapRing, tally: &Tally) {
    let mut sum = 0_u64;
    while !tally.stopped() {
        for word in ring.memory().text_from(0) {
            // SAFETY: valid memory; and a race, which is the point.
            sum = sum.wrapping_add(unsafe { core::ptr::from_ref(word).cast::<u64>().read() });
        }
        thread::yield_now();
    }
    core::hint::black_box(sum);
}

//! The writers.

use crate::Tally;
use crate::heap::HeapRing;
use crate::payload::{FRAGMENT, LONGEST, REOPENABLE, Random, fill, info, owner};
use core::sync::atomic::Ordering;
use pr_ring::{Caller, Refused, Ticket};
use std::thread;

/// Reserves, counts how that ended, and fills. The record's number is dense over what is counted here.
pub fn open(
    ring: &HeapRing,
    tally: &Tally,
    seed: u64,
    len: usize,
    caller_id: u64,
    flags: u8,
) -> Option<Ticket> {
    let mut ticket = match ring.reserve_ticket(len, &info(seed, len, caller_id, flags)) {
        Ok(ticket) => ticket,
        Err(Refused::Text) => {
            tally.add(&tally.lost);
            return None;
        }
        Err(Refused::Descriptors) => {
            tally.add(&tally.refused);
            return None;
        }
        Err(why) => {
            tally.bad(&format!("refused {len} bytes as {why:?}"));
            return None;
        }
    };
    tally.add(&tally.stored);
    if seed.is_multiple_of(32) && caller_id != crate::signal::CALLER {
        thread::yield_now(); // stopped before a byte is written
    }
    let mut text = [0; LONGEST];
    let text = text.get_mut(..len)?;
    fill(seed, 0, text);
    ring.fill(&mut ticket, text);
    Some(ticket)
}

/// Logs as fast as it may, records of all sizes, closed in both ways.
pub fn write(ring: &HeapRing, tally: &Tally, id: u64) {
    let mut random = Random::new(id);
    let largest = ring.geometry().text_ring().max_text().min(LONGEST as u64);
    let mut seed = id << 48;
    while !tally.stopped() {
        seed += 1;
        let most = if random.below(8) == 0 {
            largest + 1
        } else {
            largest.min(40) + 1
        };
        let len = random.below(most) as usize;
        let Some(ticket) = open(ring, tally, seed, len, id, 0) else {
            thread::yield_now(); // whoever is in the way may need this processor
            continue;
        };
        if random.below(64) == 0 {
            thread::yield_now(); // stopped between reserve and commit
        }
        if random.below(2) == 0 {
            ring.commit(ticket);
        } else {
            ring.finalize(ticket);
        }
    }
}

/// Logs in fragments, and closes the last record now and then.
pub fn reopen(ring: &HeapRing, tally: &Tally, id: u64) {
    let mut random = Random::new(id);
    let largest = ring.geometry().text_ring().max_text().min(LONGEST as u64) as usize;
    let caller = Caller {
        caller_id: id,
        owner: owner(id),
    };
    let mut seed = id << 48;
    while !tally.stopped() {
        seed += 1;
        let len = random.below(12) as usize;
        let Some(ticket) = open(ring, tally, seed, len, id, REOPENABLE) else {
            thread::yield_now();
            continue;
        };
        let seq = ticket.seq();
        ring.commit(ticket);
        for _ in 0..random.below(6) {
            let Ok(mut ticket) = ring.reopen_ticket(caller, FRAGMENT, largest) else {
                break;
            };
            let from = ticket.text_len() as usize;
            let mut fragment = [0; FRAGMENT];
            fill(seed, from, &mut fragment);
            if ticket.seq() != seq || ring.write(&mut ticket, from as u64, &fragment) != FRAGMENT {
                tally.bad("a reopened record is another one, or shorter than promised"); // B10
            }
            tally.reopened.fetch_add(1, Ordering::Relaxed);
            ring.commit(ticket);
        }
        if random.below(4) == 0 {
            ring.finalize_last();
        }
    }
}

//! A record that is finalized while a reader looks at it that passes over unfinished ones: it is whole, and has to be read.
#![cfg(not(loom))]
#![allow(
    clippy::disallowed_types,
    reason = "what the test counts is no part of a ring"
)]

#[path = "heap/closely.rs"]
mod closely;
mod heap;

use closely::Closely;
use core::cell::Cell;
use heap::HeapRing;
use pr_ring::reader::read_valid;
use pr_ring::{Info, Read, Seq, Unfinished};

/// What is read from `from` on of a record that nobody finishes, and one behind it that is finalized at the `at`-th copy.
fn read_while_finalized(from: u64, at: u32) -> (Option<(u64, usize)>, u64) {
    let ring = HeapRing::new(3, 5, 0);
    let _unfinished = ring.reserve_ticket(8, &Info::default()).expect("room");
    let mut ticket = ring.reserve_ticket(8, &Info::default()).expect("room");
    ring.fill(&mut ticket, b"finished");
    ring.commit(ticket);
    let copies = Cell::new(0);
    let source = Closely {
        ring: &ring,
        at_barrier: || {
            copies.set(copies.get() + 1);
            if copies.get() == at {
                ring.finalize_last();
            }
        },
    };
    let mut text = [0; 8];
    let Ok(read) = read_valid(&source, Seq(from), &mut text, Unfinished::Skip);
    match read {
        Read::Found {
            info,
            copied,
            unfinished,
        } => {
            assert_eq!(&text, b"finished");
            (Some((info.seq.0, copied)), unfinished)
        }
        Read::NotYet { unfinished, .. } => (None, unfinished),
    }
}

#[test]
fn a_record_that_is_finalized_while_it_is_looked_at_is_read() {
    assert_eq!(read_while_finalized(0, 1), (Some((1, 8)), 1), "on the way");
    assert_eq!(read_while_finalized(1, 1), (Some((1, 8)), 0), "at once");
    assert_eq!(read_while_finalized(0, 99), (Some((1, 8)), 1), "committed");
}

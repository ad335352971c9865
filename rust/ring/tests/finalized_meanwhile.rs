//! A record that is finalized or extended while a reader looks at it that passes over unfinished ones: it is whole, and has to be
//! read.
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
use core::convert::Infallible;
use heap::HeapRing;
use pr_ring::reader::{Source, read_valid};
use pr_ring::{Info, Read, Seq, Unfinished};

/// What a reader that passes over unfinished records makes of `source` from `from` on: a whole record's number and text, if it
/// finds one, and how many unfinished ones it has passed over.
fn read_whole(
    source: &impl Source<Error = Infallible>,
    from: u64,
) -> (Option<(u64, Vec<u8>)>, u64) {
    let mut buffer = [0; 64];
    let Ok(read) = read_valid(source, Seq(from), &mut buffer, Unfinished::Skip);
    match read {
        Read::Found {
            info,
            copied,
            unfinished,
        } => {
            assert!(!info.torn, "whole, and said to be torn");
            assert_eq!(copied, info.text_len as usize);
            let text = buffer.get(..copied).unwrap_or_default().to_vec();
            (Some((info.seq.0, text)), unfinished)
        }
        Read::NotYet { unfinished, .. } => (None, unfinished),
    }
}

/// What is read from `from` on of a record that nobody finishes, and one behind it that is finalized at the `at`-th copy.
fn read_while_finalized(from: u64, at: u32) -> (Option<(u64, Vec<u8>)>, u64) {
    let ring = HeapRing::new(3, 5, 0);
    let _unfinished = ring.reserve_ticket(8, &Info::default()).expect("room");
    let mut ticket = ring.reserve_ticket(8, &Info::default()).expect("room");
    ring.fill(&mut ticket, b"finished");
    ring.commit(ticket);
    let copies = Cell::new(0);
    let source = Closely {
        ring: &ring,
        in_contents: || (),
        at_barrier: || {
            copies.set(copies.get() + 1);
            if copies.get() == at {
                ring.finalize_last();
            }
        },
    };
    read_whole(&source, from)
}

#[test]
fn a_record_that_is_finalized_while_it_is_looked_at_is_read() {
    let finished = || Some((1, b"finished".to_vec()));
    assert_eq!(read_while_finalized(0, 1), (finished(), 1), "on the way");
    assert_eq!(read_while_finalized(1, 1), (finished(), 0), "at once");
    assert_eq!(read_while_finalized(0, 99), (finished(), 1), "committed");
}

/// What is read of a record that says "first" when its owner has extended it `times` times while its slot was copied: at each copy
/// once more.
fn read_while_extended(times: u32) -> (Option<(u64, Vec<u8>)>, u64) {
    let ring = HeapRing::new(3, 5, 0);
    let mut ticket = ring.reserve_ticket(5, &Info::default()).expect("room");
    ring.fill(&mut ticket, b"first");
    ring.commit(ticket);
    let left = Cell::new(times);
    let source = Closely {
        ring: &ring,
        in_contents: || {
            if let Some(left_over) = left.get().checked_sub(1) {
                left.set(left_over);
                let mut ticket = ring.reopen_ticket(0, 8, 64).expect("the newest");
                let end = u64::from(ticket.text_len());
                assert_eq!(ring.write(&mut ticket, end, b", second"), 8);
                ring.commit(ticket);
            }
        },
        at_barrier: || (),
    };
    read_whole(&source, 0)
}

#[test]
fn a_record_that_is_extended_while_it_is_looked_at_is_read_whole() {
    let first = |rest: &str| Some((0, format!("first{rest}").into_bytes()));
    assert_eq!(read_while_extended(0), (first(""), 0));
    assert_eq!(read_while_extended(1), (first(", second"), 0));
    let thrice = first(", second, second, second");
    assert_eq!(
        read_while_extended(3),
        (thrice, 0),
        "in the second look, too"
    );
}

#[test]
fn one_that_is_extended_again_and_again_is_unfinished() {
    assert_eq!(read_while_extended(99), (None, 1));
}

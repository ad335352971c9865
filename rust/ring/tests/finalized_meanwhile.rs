//! A record that is finalized while a reader looks at it that passes over unfinished ones: it is whole, and has to be read.
#![cfg(not(loom))]
#![allow(
    clippy::disallowed_types,
    reason = "what the test counts is no part of a ring"
)]

mod heap;

use core::cell::Cell;
use core::convert::Infallible;
use heap::HeapRing;
use pr_ring::head::Head;
use pr_ring::reader::{TailWords, read_valid};
use pr_ring::slots::{Slot, SlotCopy};
use pr_ring::state::State;
use pr_ring::{Geometry, Info, Read, Region, Ring, Seq, Source, Unfinished};

/// The ring, in which the newest record is finalized between the copy of a record and the check, at the `at`-th time.
struct Finalizing<'r> {
    ring: &'r Ring<Region>,
    copies: Cell<u32>,
    at: u32,
}

impl Source for Finalizing<'_> {
    type Error = Infallible;
    type Slot<'s>
        = &'s Slot
    where
        Self: 's;

    fn geometry(&self) -> Geometry {
        Source::geometry(self.ring)
    }
    fn head(&self) -> Result<Head, Infallible> {
        Source::head(self.ring)
    }
    fn tails(&self) -> Result<TailWords, Infallible> {
        Source::tails(self.ring)
    }
    fn slot(&self, id: pr_ring::DescId) -> &Slot {
        Source::slot(self.ring, id)
    }
    fn state(&self, slot: &Slot) -> Result<State, Infallible> {
        Source::state(self.ring, slot)
    }
    fn contents(&self, slot: &Slot) -> Result<SlotCopy, Infallible> {
        Source::contents(self.ring, slot)
    }
    fn text(&self, header: u64, text: &mut [u8]) -> Result<u64, Infallible> {
        Source::text(self.ring, header, text)
    }
    fn barrier(&self) {
        self.copies.set(self.copies.get() + 1);
        if self.copies.get() == self.at {
            self.ring.finalize_last();
        }
        Source::barrier(self.ring);
    }
}

/// What is read from `from` on of a record that nobody finishes, and one behind it that is finalized at the `at`-th copy.
fn read_while_finalized(from: u64, at: u32) -> (Option<(u64, usize)>, u64) {
    let ring = HeapRing::new(3, 5, 0);
    let _unfinished = ring.reserve_ticket(8, &Info::default()).expect("room");
    let mut ticket = ring.reserve_ticket(8, &Info::default()).expect("room");
    ring.fill(&mut ticket, b"finished");
    ring.commit(ticket);
    let source = Finalizing {
        ring: &ring,
        copies: Cell::new(0),
        at,
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

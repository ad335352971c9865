//! Timings of what cannot be timed from Python: yardsticks, and the bare ring.
//!
//! | module | one idea |
//! |---|---|
//! | [`yardsticks`] | what the machine can do: a compare-exchange, a cache line from core to core |
//! | `loops` | writing and reading as fast as it goes |
//! | `paced` | single calls, far apart, of writers that meet by chance: percentiles |
//! | [`least`] | the least that such writers can do: what of their tail is not the ring's |
//! | [`dump`] | what a log holds, written from a handler of a signal |
//! | `crowd` | more writers than processors: how often one is refused, and why |
//! | `steps` | instructions of a record, counted by stepping through them |

mod crowd;
pub mod dump;
pub mod least;
mod loops;
mod paced;
mod pin;
mod steps;
pub mod yardsticks;

use crate::bare::BareRing;
use crate::error::Error;
use pr_ring::ticket::Info;
use pr_ring::{Geometry, Region, Ring};
use std::path::Path;

pub use crowd::Refusals;
pub use paced::Percentiles;
pub use steps::Instructions;

/// The ring that is timed.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Power of two of the descriptors.
    pub desc_bits: u32,
    /// Power of two of the text per descriptor.
    pub avg_data_bits: u32,
    /// Old records dropped at once. Not 0: as a log runs its ring, which also asks for the next record's lines after each.
    pub retire_ahead: u32,
}

/// Bytes of text of a record.
const TEXT: [u8; 64] = *b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
/// Bytes that it takes in the ring, the header of its block included.
const BLOCK_BYTES: u64 = TEXT.len() as u64 + 8;

/// A ring that is full: every page touched, every reserve drops what is oldest.
#[derive(Debug)]
pub struct BenchRing {
    bare: BareRing,
    after: After,
}

/// What a writer does after each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Nothing,
    /// As a log: asks for the lines that the next record will be written to.
    FetchAhead,
}

impl BenchRing {
    /// A full ring, in the process's own memory or in a new file. None: no ring has this shape.
    ///
    /// # Errors
    /// There is something at the path, or not as much memory.
    pub fn full(shape: Shape, path: Option<&Path>) -> Result<Option<BenchRing>, Error> {
        let Some(geometry) = Geometry::new(shape.desc_bits, shape.avg_data_bits) else {
            return Ok(None);
        };
        let bare = match path {
            Some(path) => BareRing::create(path, geometry, shape.retire_ahead)?,
            None => BareRing::anonymous(geometry, shape.retire_ahead)?,
        };
        let after = match shape.retire_ahead {
            0 => After::Nothing,
            _ => After::FetchAhead,
        };
        let round = geometry.data_bytes() / BLOCK_BYTES;
        let records = round.max(geometry.descriptors()) + 1024;
        loops::write_records(bare.ring(), after, records, 0);
        Ok(Some(BenchRing { bare, after }))
    }

    /// Reserve, copy of 64 bytes, finalize, by so many threads at once: nanoseconds an operation of one thread. The
    /// slowest of them counts.
    pub fn write(&self, n: u64, threads: u32) -> f64 {
        loops::write(self.ring(), self.after, n, threads)
    }

    /// Reading in order, from the oldest record to the newest and again, 64 bytes of text each: nanoseconds a record.
    pub fn read(&self, n: u64) -> f64 {
        loops::read(self.ring(), n)
    }

    /// Single calls of writers with a processor each, `gap_ns` apart on average, `n` of each.
    pub fn paced(&self, n: u64, gap_ns: u64, writers: u32) -> Percentiles {
        paced::paced(n, gap_ns, writers, &|text, number, writer| {
            put(self.ring(), self.after, text, number, writer);
        })
    }

    /// `threads` writers of `n` records each; who is refused lets others run and tries again.
    pub fn crowd(&self, n: u64, threads: u32) -> Refusals {
        crowd::crowd(self.ring(), n, threads)
    }

    /// What a written and a read record take, in instructions. Exact, and the same each time.
    ///
    /// # Errors
    /// The system does not let a process step through its child.
    pub fn instructions(&self, n: u64) -> Result<Instructions, Error> {
        steps::instructions(self.ring(), self.after, n)
    }

    fn ring(&self) -> &Ring<Region> {
        self.bare.ring()
    }
}

/// Reserve, copy, finalize. Who is refused goes on without.
#[inline(always)]
fn put(ring: &Ring<Region>, after: After, text: &[u8], number: u64, writer: u32) {
    let Ok(mut ticket) = ring.reserve_ticket(text.len(), &info(number, writer)) else {
        return;
    };
    ring.fill(&mut ticket, text);
    let (seq, end) = (ticket.seq(), ticket.end());
    ring.finalize(ticket);
    if let (After::FetchAhead, Some(end)) = (after, end) {
        ring.fetch_ahead(seq, end);
    }
}

/// What every record here says about itself. With an owner, as in a log: `writer` tells the threads of a run apart.
fn info(ts_nsec: u64, writer: u32) -> Info {
    Info {
        ts_nsec,
        level: 6,
        facility: 1,
        caller_id: 1,
        owner: u64::from(writer) + 1,
        ..Info::default()
    }
}

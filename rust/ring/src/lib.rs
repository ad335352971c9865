//! The lockless descriptor ring: bytes in, bytes out, in order.
//!
//! Any number of writers reserve, fill and commit records without ever waiting for each other; any number of readers
//! read them without the writers noticing. Nothing here allocates, locks, panics or makes a system call, so all of it
//! may run in a signal handler, in a forked child, or in a process that is dying.
//!
//! # The tour
//!
//! | module | one idea |
//! |---|---|
//! | [`sync`] | the only door to atomics; the one racy copy |
//! | [`ids`] | sequence numbers, descriptor ids and positions are different types |
//! | [`error`] | why a reservation was refused |
//! | [`layout`] | the first page of a ring file: magic, version, geometry, offsets |
//! | [`memory`] | where the words live: a heap block, a mapping, a model checker's objects |
//! | [`state`] | a descriptor's state word, its transitions as methods |
//! | [`slots`] | the 64-byte descriptor slot |
//! | [`blocks`] | the text ring: sizes, the wrap rule, where a block's bytes are |
//! | [`recycle`] | pushing the two tails: who may be dropped, and in which order that is told |
//! | [`head`] | the fused word: number and space are taken in one compare-exchange |
//! | [`ticket`] | a record in the making |
//! | [`writer`] | reserve and fill |
//! | [`commit`] | commit and finalize |
//! | [`reopen`] | the newest record is taken back and made longer |
//! | `announce` | who is about to take which number |
//! | `reaper` | one reaper at a time, and a count that comes right |
//! | [`reap`] | what dead writers left becomes a lost record |
//! | [`reader`] | what a reader may return, over any [`reader::Source`] |
//! | `live` | a ring in memory as such a place: most records need but a first look |
//!
//! # States
//!
//! ```text
//! (older id) --reserve--> reserved ----------commit---> committed --newer record or own notice--> finalized
//!                         reserved (no block) --'  ^--------reopen--------'
//!                         reserved ----------finalize-------------------------------------------> finalized
//! ```
//! What a dead writer left reserved becomes finalized, as a lost record; what it left committed becomes finalized as it is.
//! There is no state for a record whose text was dropped: it is gone when the tails have passed it (see [`recycle`]).
//!
//! # What this crate does not know
//!
//! What the bytes mean, time, processes, files, threads, and that consoles exist.
#![no_std]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_core)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

#[cfg(any(test, loom))]
extern crate std;

mod announce;
pub mod blocks;
pub mod commit;
#[cfg(all(test, not(loom)))]
#[path = "../tests/crash/mod.rs"]
mod crash;
pub mod error;
pub mod head;
pub mod ids;
pub mod layout;
mod live;
pub mod memory;
pub mod reader;
pub mod reap;
mod reaper;
pub mod recycle;
pub mod reopen;
mod ring;
pub mod slots;
pub mod state;
pub mod sync;
pub mod ticket;
pub mod writer;

pub use error::Refused;
pub use ids::{DescId, Lpos, Seq};
pub use layout::Geometry;
pub use memory::{Memory, Region};
pub use reader::{Read, RecordInfo, Source, Unfinished};
pub use reap::Reaped;
pub use ring::Ring;
pub use ticket::{Caller, Info, Reservation, Ticket};

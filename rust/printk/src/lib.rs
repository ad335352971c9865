//! Everything of a log that must still work while the rest is broken: in a signal handler, in a forked child, in a
//! process that is dying. Atomics, and a handful of system calls that are safe there; no allocation, no lock, no panic.
//!
//! | module | one idea |
//! |---|---|
//! | [`barrier`] | a full barrier that only the rare side pays for |
//! | `glance` | what every record looks at, of the whole process |
//! | [`stamp`] | the clocks |
//! | [`thread`] | what a thread knows about itself: its id, how deep it is in log calls, on whose behalf it prints |
//! | [`context`] | sections: deferred, emergency, report |
//! | [`kick`] | waking printers: who sleeps, who must wake whom |
//! | [`futex`] | waiting in the kernel for a word to change |
//! | [`control`] | the control page of a ring file: levels, the clear mark, counters |
//! | [`registry`] | the consoles section of a ring file: a fixed table, one slot a console |
//! | [`core`](mod@crate::core) | a ring with its control page, its consoles and its kick |
//! | [`sites`] | the sites section of a ring file: a table of call sites that only grows |
//! | [`store`] | stamp, encode, reserve, copy, commit, kick |
//! | [`mod@line`] | lines that several calls put together |
//! | [`sum`] | whether a record is what was logged |
//! | [`limit`] | how often a call site may log |
//! | [`errand`] | what a record's level asks for beside storing it |
//! | [`owner`] | the ownership word of a console: who prints, who waits, who may take over |
//! | [`port`] | the half of a console that belongs to this process: descriptor, format, working memory |
//! | [`reap`] | what threads that are gone have left unfinished |
//! | [`emit`] | records into a console's buffer, with the notices for what was lost or is printed once more |
//! | [`dump`] | walking through what a ring holds, oldest first or in blocks from the newest back |
//! | [`print`] | printing on a console that one owns |
//! | [`flush`] | printing by whoever logs: emergencies, the operator's switch, the exit |
//! | [`caller`] | printing by whoever logs, one record at a time |
//! | [`turn`] | whose turn it is to print, where callers do |
//! | [`dumper`] | who is called when the process gets into trouble |
//! | [`panic`](mod@crate::panic) | the end of the process: one thread has the logs to itself, and prints what there is |
//! | [`roll`] | all logs of the process, for the thread that panics |
//! | [`fatal`] | what a fatal signal runs, and who is asked after it |
//! | [`report`] | the crash file: why, and the last records |
//! | [`fd`] | `write(2)`: until done, or what is taken now |
//!
//! # What this crate does not know
//!
//! Python, the heap, paths, how its memory was mapped, and who owns the threads that print.
#![no_std]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_core)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

/// The atomics of [`owner`], [`turn`], [`kick`] and [`mod@line`]: models bring the checker's.
mod atomics {
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}

pub mod barrier;
#[cfg(pr_stop_between)]
mod between;
pub mod caller;
pub mod context;
pub mod control;
pub mod core;
pub mod dump;
pub mod dumper;
pub mod emit;
pub mod errand;
pub mod fatal;
pub mod fd;
pub mod flush;
pub mod futex;
mod glance;
pub mod kick;
pub mod limit;
pub mod line;
pub mod owner;
pub mod panic;
pub mod port;
pub mod print;
pub mod reap;
pub mod registry;
pub mod report;
pub mod roll;
pub mod sites;
pub mod stamp;
pub mod store;
pub mod sum;
pub mod thread;
pub mod turn;

pub use crate::core::Core;
pub use store::Stored;

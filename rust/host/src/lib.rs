//! Threads, files, processes: the parts assembled into a log.
//!
//! | module | one idea |
//! |---|---|
//! | [`error`] | what can go wrong, as prose |
//! | [`options`] | every default, once |
//! | [`plan`] | how a size becomes a ring and its sections |
//! | `files` | files that are kept are opened apart from the standard streams |
//! | [`mapping`] | a ring file of this process: created whole, pre-faulted, locked, then named |
//! | [`foreign`] | a ring file of any process, read with `pread` |
//! | [`carve`] | rings in the memory that a core file holds |
//! | [`inspect`] | the counters and consoles of a ring file |
//! | [`lives`] | previous lives of a path, and how many are kept |
//! | [`life`] | one ring with its core; a forked child begins another |
//! | [`dumper`] | who is called when the process gets into trouble |
//! | [`crash`] | a thread that gives the process up, and what it must find |
//! | [`exit`] | the time that the end of the process may take, for all logs together |
//! | `fork` | the fork hooks, and the one short lock that they hold |
//! | [`log`] | a log: a ring, its consoles, and what a fork makes of them |
//! | [`names`] | levels by the names of loggers |
//! | [`context`] | sections: who has entered which, and that each ends |
//! | [`console`] | a console's handle |
//! | `letters` | what a console is, in the letters of `/proc/consoles` |
//! | `lines` | the thread that ends lines which nobody goes on with |
//! | [`errands`] | what the levels of records ask for, and the thread that does what callers cannot |
//! | `station` | where a console is printed on: its sink, and what its writes have come to |
//! | `orders` | what a console's handle and its thread tell each other |
//! | `printer` | a console's own thread |
//! | [`courier`] | the thread of a console that hands over whole records |
//! | [`offload`] | who prints, and when |
//! | [`stop`] | stopping the process as SIGTSTP does |
//! | [`sinks`] | where consoles write |
//! | [`bare`] | a bare ring and the memory that it lies in |
//! | [`dump`] | dump iterators with memory of their own |
//! | [`reserve`] | memory for when there is none |
//! | [`rules`] | dynamic debug: which call sites are stored whatever their levels say |
//! | [`control`] | setting a log's switches from another process |
//! | [`reader`] | records one by one, from a log or a file |
//! | `site_memory` | the memory that a table of call sites keeps its own copy in |
//! | `whole` | records as they are handed out: with what their call sites say |
//! | [`stats`] | counters |
//! | [`bench`](mod@bench) | timings of what cannot be timed from Python |
//!
//! # What this crate does not know
//!
//! Python, a memory ordering of the ring, the wire format of a record.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod bare;
pub mod bench;
pub mod carve;
pub mod console;
pub mod context;
pub mod control;
pub mod courier;
pub mod crash;
mod crew;
pub mod dump;
pub mod dumper;
pub mod errands;
pub mod error;
pub mod exit;
mod files;
pub mod foreign;
mod fork;
pub mod inspect;
mod letters;
pub mod life;
mod lines;
pub mod lives;
pub mod log;
pub mod mapping;
pub mod names;
pub mod offload;
pub mod options;
mod orders;
pub mod plan;
mod port;
mod printer;
pub mod reader;
pub mod reserve;
pub mod rules;
pub mod sinks;
mod site_memory;
mod station;
pub mod stats;
pub mod stop;
mod whole;

pub use bare::BareRing;
pub use console::{Console, ConsoleOptions, Overflow};
pub use context::{Context, Ended, Misuse, Section};
pub use courier::{Batch, Post, RecordSink, SharedRecordSink};
pub use dumper::{Dump, Dumper, DumperOptions};
pub use errands::ErrandOptions;
pub use error::Error;
pub use foreign::{ForeignFile, RingInfo};
pub use inspect::{FileConsole, FileStats};
pub use log::{Emit, Hold, Judged, Log, LogOptions};
pub use mapping::{Existing, Identity, RingMap};
pub use names::{Gate, Names};
pub use offload::Mode;
pub use plan::{Plan, SectionKind};
pub use pr_printk::line::Piece;
pub use reader::{Next, Origin, RecordReader};
pub use sinks::SinkSpec;
pub use stats::Stats;

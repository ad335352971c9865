//! The record: typed key/values to bytes, bytes to typed key/values, and their rendering.
//!
//! A log call describes itself as a [`Payload`]; [`encode()`] turns that into bytes that
//! fit a bound, whatever was logged. A reader turns the bytes back with [`decode()`], which
//! accepts arbitrary bytes and answers with a [`RecordView`] or an error, and [`render()`]
//! writes the view, together with a [`Meta`], as one of the six [`Format`]s.
//!
//! The tour, in reading order:
//!
//! | module | idea |
//! |---|---|
//! | [`level`] | eight kernel levels, their names, and the standard library's numbers |
//! | [`value`] | what a field can hold; views over encoded lists and dicts |
//! | [`wire`] | the layout of a payload, byte by byte |
//! | [`ambient`] | which fields were around the call, and not its own |
//! | [`nest`] | building a list, a dict or a wrapped value in a caller's buffer |
//! | [`encode`](mod@encode) | the fast path: one pass, no decisions |
//! | [`cut`] | what happens when a record does not fit |
//! | [`decode`](mod@decode) | the total reader |
//! | [`sites`] | texts of call sites that are stored once |
//! | [`pieces`] | what all lines of a call site say in the same words |
//! | [`whole`] | a record that says everything itself |
//! | [`args`] | the arguments of a template |
//! | [`template`] | an event put together with its arguments |
//! | [`text`] | what is shown of an event: itself, a message, or a template |
//! | [`meta`] | what the caller knows about a record beside its payload |
//! | [`out`] | the bounded writer that everything is rendered into |
//! | [`mod@render`] | text, iso, json, logfmt, kmsg, syslog |
//!
//! ```
//! use pr_record::{Field, Format, Meta, NoSites, Out, Payload, Value, decode, encode, render};
//!
//! let fields = [Field { key: "port", value: Value::Int(8080) }];
//! let payload =
//!     Payload { event: "listening", logger: Some("web"), fields: &fields, ..Payload::default() };
//! let mut stored = [0; 128];
//! let len = encode(&payload, &mut stored).len;
//!
//! let record = decode(stored.get(..len).unwrap_or(&[]), &NoSites)?;
//! let meta = Meta { seq: 1, ts_nsec: 1_234_567_890, level: 6, facility: 1, ..Meta::default() };
//! let mut shown = [0; 128];
//! let mut out = Out::new(&mut shown);
//! assert!(render(Format::Text, &mut out, &meta, &record));
//! assert_eq!(out.written(), b"[    1.234567] web: listening port=8080\n");
//! # Ok::<(), pr_record::DecodeError>(())
//! ```
//!
//! # Any context
//!
//! The crate is `no_std`, allocates nothing, takes no lock, makes no system call, holds
//! no `unsafe` and has no panic path: it may run in a signal handler of a process that is
//! dying. All memory is the caller's.
//!
//! # What this crate does not do
//!
//! It does not know the ring, so a payload is a `&[u8]` that somebody else found. It reads
//! no clock: times, sequence numbers and ids arrive in a [`Meta`]. It opens and writes
//! nothing: a rendered record is bytes in an [`Out`]. It does not judge levels, redact,
//! or remember anything from one call to the next; a writer remembers the second that it wrote last.
#![no_std]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_core)]
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::string_slice
)]

pub mod ambient;
pub mod args;
mod copy;
mod cursor;
pub mod cut;
pub mod decode;
pub mod encode;
mod keys;
pub mod level;
pub mod meta;
pub mod nest;
pub mod out;
mod pen;
pub mod pieces;
pub mod render;
pub mod sites;
pub mod template;
pub mod text;
pub mod value;
pub mod whole;
pub mod wire;

pub use ambient::Ambient;
pub use args::Args;
pub use decode::{DecodeError, Fields, RecordView, decode};
pub use encode::{Encoded, Exc, Payload, encode, encode_open, encode_whole};
pub use level::Level;
pub use meta::Meta;
pub use nest::ValueWriter;
pub use out::Out;
pub use pieces::Pieces;
pub use render::{
    Format, render, render_beginning, render_cut, render_dropped, render_replay, render_torn,
};
pub use sites::{FromSite, NoSites, Site, Sites};
pub use text::Text;
pub use value::{Field, Map, Raw, Seq, Value};
pub use whole::{site_of, write_whole};

//! A record as text, iso, json, logfmt, kmsg or syslog.
//!
//! [`render`] appends one whole record, final newline included. No logged data can forge
//! a record in any format: what begins a line is written here, never by the data, and the
//! notices ([`render_dropped`] and its like) begin as no record does. No control
//! sequence reaches a terminal: see [`escape`].
//!
//! A record that does not fit into the rest of a writer is taken back whole, so that the
//! caller passes on what is there and comes again. One that does not even fit into an
//! empty writer is shortened, by the same rule as [`crate::cut`]: long texts first, then
//! the last fields. Its lines stay whole, its JSON stays JSON.

mod beginning;
pub mod escape;
mod fields;
mod iso;
pub(crate) mod json;
pub mod kernel;
mod kmsg;
mod logfmt;
mod message;
mod notice;
pub(crate) mod number;
mod syslog;
mod text;
mod time;

use crate::cut::{prefix, settle};
use crate::decode::RecordView;
use crate::meta::Meta;
use crate::out::Out;
use crate::wire::MAX_LENGTH;

pub use beginning::render_beginning;
pub(crate) use escape::write_json_part;
pub use escape::{write_json_string, write_name};
pub(crate) use fields::is_reserved;
pub use notice::{render_dropped, render_replay, render_torn};
pub use number::{digits, signed, unsigned};
pub use time::utc_nanos;
pub(crate) use time::{Bracket, Second};

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `[    1.234567] LOGGER: MESSAGE k=v`.
    Text,
    /// `2026-11-20T10:11:12.123456Z LEVEL LOGGER: MESSAGE k=v`.
    Iso,
    /// One flat JSON object a line.
    Json,
    /// One line of `name=value`.
    Logfmt,
    /// The extended format of the kernel's `/dev/kmsg`.
    Kmsg,
    /// [`Format::Text`] with `<prio>` before each line.
    Syslog,
}

/// Every format.
pub const FORMATS: [Format; 6] = [
    Format::Text,
    Format::Iso,
    Format::Json,
    Format::Logfmt,
    Format::Kmsg,
    Format::Syslog,
];

impl Format {
    /// The format of that name.
    pub fn parse(name: &str) -> Option<Format> {
        FORMATS.into_iter().find(|format| format.name() == name)
    }

    /// Its name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Iso => "iso",
            Format::Json => "json",
            Format::Logfmt => "logfmt",
            Format::Kmsg => "kmsg",
            Format::Syslog => "syslog",
        }
    }
}

/// What is rendered, and how much of it.
pub(crate) struct Scene<'r, 'a> {
    meta: &'r Meta,
    record: &'r RecordView<'a>,
    /// Longest text that is written.
    cap: usize,
    /// Number of fields that are written.
    fields: usize,
    /// Something of the record is missing.
    truncated: bool,
}

/// Texts up to this length stay whole as long as fields can be left out instead.
const SHORT_TEXT: usize = 64;

impl<'r, 'a> Scene<'r, 'a> {
    fn whole(meta: &'r Meta, record: &'r RecordView<'a>) -> Scene<'r, 'a> {
        let truncated = record.truncated();
        Scene {
            meta,
            record,
            cap: usize::MAX,
            fields: usize::MAX,
            truncated,
        }
    }

    /// All of it is written.
    #[inline(always)]
    fn is_whole(&self) -> bool {
        self.cap == usize::MAX && self.fields == usize::MAX
    }

    /// Logger and event as a line of text has them, if that is kept ready and is what there is to say.
    #[inline(always)]
    fn ready_text(&self) -> Option<&'a [u8]> {
        let is_plain = self.is_whole() && !self.truncated;
        self.record.ready_text().filter(|_| is_plain)
    }

    /// The part of a text that is written.
    fn cut<'t>(&self, text: &'t str) -> &'t str {
        if text.len() <= self.cap {
            text
        } else {
            prefix(text, self.cap)
        }
    }
}

/// Appends a record in a format. True: it is there, whole or (in a writer that was empty)
/// shortened to fit. False: it did not fit, nothing of it is there, and
/// [`Out::is_truncated`] says so until [`Out::truncate_to`] is called.
pub fn render(format: Format, out: &mut Out<'_>, meta: &Meta, record: &RecordView<'_>) -> bool {
    let start = out.len();
    let scene = Scene::whole(meta, record);
    if fits(format, out, &scene, start) {
        return true;
    }
    if start != 0 {
        return give_up(out, start);
    }
    out.truncate_to(start);
    render_cut(format, out, meta, record)
}

/// Like [`render`], but shortens the record to what room there is, also behind others.
/// About 300 bytes are enough for any record.
#[cold]
pub fn render_cut(format: Format, out: &mut Out<'_>, meta: &Meta, record: &RecordView<'_>) -> bool {
    let start = out.len();
    let mut scene = Scene::whole(meta, record);
    if fits(format, out, &scene, start) {
        return true;
    }
    scene.truncated = true;
    scene.cap = MAX_LENGTH;
    scene.fields = record.fields().count();
    let mut fits = |scene: &Scene<'_, '_>| fits(format, out, scene, start);
    let settled = settle(&mut scene, |scene| &mut scene.cap, SHORT_TEXT, &mut fits)
        || settle(&mut scene, |scene| &mut scene.fields, 0, &mut fits)
        || settle(&mut scene, |scene| &mut scene.cap, 0, &mut fits);
    if settled && fits(&scene) {
        true
    } else {
        give_up(out, start)
    }
}

fn fits(format: Format, out: &mut Out<'_>, scene: &Scene<'_, '_>, start: usize) -> bool {
    out.truncate_to(start);
    match format {
        Format::Text => text::record(out, scene),
        Format::Iso => iso::record(out, scene),
        Format::Json => json::record(out, scene),
        Format::Logfmt => logfmt::record(out, scene),
        Format::Kmsg => kmsg::record(out, scene),
        Format::Syslog => syslog::record(out, scene),
    }
    !out.is_truncated()
}

fn give_up(out: &mut Out<'_>, start: usize) -> bool {
    out.truncate_to(start);
    out.mark_truncated();
    false
}

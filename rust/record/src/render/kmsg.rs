//! The kernel's extended format, as read from `/dev/kmsg`.
//!
//! ```text
//! <prio>,<seq>,<usec>,<flag>;<escaped text>
//!  KEY=<escaped value>
//! ```
//!
//! The text is `LOGGER: MESSAGE`, with a traceback behind it as further (escaped) lines;
//! each field is a dictionary line. Every byte below 0x20 or from 0x7f on and the backslash
//! are `\xNN`, in keys the equals sign too, so that a line has one reading only. An
//! empty key is `_`. Unlike the kernel's, a line is never cut inside of an escape and
//! always ends in a newline.

use super::escape::Quotes;
use super::fields;
use super::json::{self, Shape, Writer};
use super::syslog::prio_number;
use super::{Scene, message, number};
use crate::meta::Meta;
use crate::out::{Escape, Out};
use crate::value::Value;
use crate::wire::MARK;

/// A record.
pub(super) fn record(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    head(out, scene.meta);
    text(out, scene);
    out.put_byte(b'\n');
    fields::each(scene, |field| {
        out.put_byte(b' ');
        let start = out.len();
        out.put(if field.key.is_empty() {
            b"_"
        } else {
            field.key.as_bytes()
        });
        (0..field.underscores).for_each(|_| out.put_byte(b'_'));
        out.escape_since(start, |byte| escape_byte(byte, b'='));
        out.put_byte(b'=');
        value(out, &field.value, scene.cap);
        out.put_byte(b'\n');
    });
}

pub(super) fn head(out: &mut Out<'_>, meta: &Meta) {
    number::unsigned(out, prio_number(meta.facility, meta.level));
    out.put_byte(b',');
    number::unsigned(out, meta.seq);
    out.put_byte(b',');
    number::unsigned(out, meta.ts_nsec / 1000);
    out.put(if meta.flags & Meta::CONT != 0 {
        b",c;"
    } else {
        b",-;"
    });
}

fn text(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    let record = scene.record;
    let start = out.len();
    if let Some(logger) = record.logger() {
        out.put(scene.cut(logger).as_bytes());
        out.put(b": ");
    }
    let end = message::write(out, scene, &record.text(), |out, text| {
        out.put(text.as_bytes());
    });
    let mut is_marked = end.is_marked;
    if let Some(exc) = record.exc() {
        is_marked = false;
        out.put_byte(b'\n');
        let trace = exc.stacktrace.strip_suffix('\n').unwrap_or(exc.stacktrace);
        if trace.is_empty() {
            out.put(scene.cut(exc.kind).as_bytes());
            out.put(b": ");
            out.put(scene.cut(exc.message).as_bytes());
        } else {
            out.put(scene.cut(trace).as_bytes());
        }
    }
    if scene.truncated && !is_marked {
        out.put(MARK.as_bytes());
    }
    out.escape_since(start, |byte| escape_byte(byte, b'\\'));
}

/// A value without quotes; what is no string in JSON is JSON.
fn value(out: &mut Out<'_>, value: &Value<'_>, cap: usize) {
    let start = out.len();
    match json::shape(value) {
        Shape::Text(text) => out.put(crate::cut::prefix(text, cap).as_bytes()),
        Shape::Bytes(bytes) => out.put(bytes.get(..cap).unwrap_or(bytes)),
        Shape::Uuid(bytes) => json::uuid(out, &bytes),
        Shape::Other(value) => Writer {
            quotes: Quotes::Json,
            cap,
        }
        .other(out, &value),
    }
    out.escape_since(start, |byte| escape_byte(byte, b'\\'));
}

pub(super) fn escape_byte(byte: u8, also: u8) -> Option<Escape> {
    let escapes = !(0x20..0x7f).contains(&byte) || byte == b'\\' || byte == also;
    escapes.then(|| Escape::hex(byte))
}

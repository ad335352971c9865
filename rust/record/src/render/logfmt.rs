//! One line of `name=value`, under the same names as JSON.
//!
//! Names are free of spaces, quotes and equals signs (they are written `\xNN`), and a
//! value is either bare or one JSON string, so that no field can pretend to be two.

use super::escape::{self, Quotes};
use super::fields;
use super::json::{self, Shape, Writer};
use super::{Scene, message, number, text, time};
use crate::level::Level;
use crate::out::{Escape, Out};
use crate::text::Text;
use crate::value::Value;
use crate::wire::MARK;

/// A record.
pub(super) fn record(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    let (meta, record) = (scene.meta, scene.record);
    head(out, meta.wall_nsec, Level::from_bits(meta.level));
    if let Some(logger) = record.logger() {
        string(out, " logger=", scene.cut(logger));
    }
    marked(out, " event=", scene, &Text::plain(record.event()));
    if let Some(message) = record.message() {
        marked(out, " message=", scene, &message);
    }
    count(out, " seq=", meta.seq);
    count(out, " pid=", u64::from(meta.pid));
    count(out, " tid=", u64::from(meta.tid));
    if let Some(file) = record.file() {
        string(out, " file=", scene.cut(file));
    }
    if record.line() != 0 {
        count(out, " line=", u64::from(record.line()));
    }
    if let Some(func) = record.func() {
        string(out, " func=", scene.cut(func));
    }
    fields::each(scene, |field| {
        out.put_byte(b' ');
        key(out, field.key);
        (0..field.underscores).for_each(|_| out.put_byte(b'_'));
        out.put_byte(b'=');
        value(out, &field.value, scene.cap);
    });
    if let Some(exc) = record.exc() {
        let told = [exc.stacktrace, exc.message, exc.kind]
            .into_iter()
            .find(|t| !t.is_empty());
        string(out, " exception=", scene.cut(told.unwrap_or("")));
    }
    out.put(if scene.truncated {
        b" truncated=true\n"
    } else {
        b"\n"
    });
}

/// The beginning of every line: time and level.
pub(super) fn head(out: &mut Out<'_>, wall_nsec: u64, level: Level) {
    out.put(b"ts=");
    time::utc_nanos(out, wall_nsec);
    out.put(b" level=");
    out.put(level.name().as_bytes());
}

pub(super) fn count(out: &mut Out<'_>, name: &str, value: u64) {
    out.put(name.as_bytes());
    number::unsigned(out, value);
}

pub(super) fn string(out: &mut Out<'_>, name: &str, text: &str) {
    out.put(name.as_bytes());
    escape::write_str(out, text);
}

/// Event or message; it ends in the mark if it is cut here.
fn marked(out: &mut Out<'_>, name: &str, scene: &Scene<'_, '_>, text: &Text<'_>) {
    out.put(name.as_bytes());
    if is_bare(scene, text) {
        message::write(out, scene, text, |out, text| out.put(text.as_bytes()));
        return;
    }
    out.put_byte(b'"');
    let end = message::write(out, scene, text, |out, text| {
        escape::quoted_part(out, text, Quotes::Text);
    });
    if end.is_cut {
        out.put(MARK.as_bytes());
    }
    out.put_byte(b'"');
}

/// The text may stand without quotes, and all of it is shown.
fn is_bare(scene: &Scene<'_, '_>, text: &Text<'_>) -> bool {
    let (mut len, mut is_bare) = (0usize, true);
    text.write(&mut |piece| {
        len = len.saturating_add(piece.len());
        is_bare &= piece.is_empty() || escape::is_bare(piece.as_bytes());
    });
    is_bare && len > 0 && len <= scene.cap
}

/// A name; an empty one becomes `_`.
fn key(out: &mut Out<'_>, key: &str) {
    let start = out.len();
    escape::write_name(out, if key.is_empty() { "_" } else { key });
    out.escape_since(start, |byte| {
        matches!(byte, b' ' | b'"' | b'=' | b'\t').then(|| Escape::hex(byte))
    });
}

/// A value as in text, but a list or dict is one string that holds its JSON.
fn value(out: &mut Out<'_>, value: &Value<'_>, cap: usize) {
    let Shape::Other(nested @ (Value::List(_) | Value::Dict(_))) = json::shape(value) else {
        return text::value(out, value, cap);
    };
    out.put_byte(b'"');
    let start = out.len();
    Writer {
        quotes: Quotes::Text,
        cap,
    }
    .other(out, &nested);
    out.escape_since(start, |byte| {
        matches!(byte, b'"' | b'\\').then(|| Escape::backslash(byte))
    });
    out.put_byte(b'"');
}

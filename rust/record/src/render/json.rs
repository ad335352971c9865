//! One flat JSON object a line, without spaces.

use super::escape::{self, Quotes};
use super::fields;
use super::{Scene, message, number, time};
use crate::cut::prefix;
use crate::encode::Exc;
use crate::level::Level;
use crate::out::{Out, hex_digit};
use crate::text::Text;
use crate::value::Value;
use crate::wire::MARK;

/// A record.
pub(super) fn record(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    let (meta, record) = (scene.meta, scene.record);
    head(out, meta.wall_nsec, Level::from_bits(meta.level));
    if let Some(logger) = record.logger() {
        out.put(b",\"logger\":");
        escape::write_json_string(out, scene.cut(logger));
    }
    out.put(b",\"event\":");
    marked(out, scene, &Text::plain(record.event()));
    if let Some(message) = record.message() {
        out.put(b",\"message\":");
        marked(out, scene, &message);
    }
    out.put(b",\"seq\":");
    number::unsigned(out, meta.seq);
    out.put(b",\"pid\":");
    number::unsigned(out, u64::from(meta.pid));
    out.put(b",\"tid\":");
    number::unsigned(out, u64::from(meta.tid));
    source(out, scene);
    let writer = Writer {
        quotes: Quotes::Json,
        cap: scene.cap,
    };
    fields::each(scene, |field| {
        out.put(b",\"");
        escape::quoted_part(out, field.key, Quotes::Json);
        (0..field.underscores).for_each(|_| out.put_byte(b'_'));
        out.put(b"\":");
        writer.value(out, &field.value);
    });
    if let Some(exc) = record.exc() {
        exception(out, scene, &exc);
    }
    out.put(if scene.truncated {
        b",\"truncated\":true}\n"
    } else {
        b"}\n"
    });
}

/// The beginning of every line: time and level.
pub(super) fn head(out: &mut Out<'_>, wall_nsec: u64, level: Level) {
    out.put(b"{\"ts\":\"");
    time::utc_nanos(out, wall_nsec);
    out.put(b"\",\"level\":\"");
    out.put(level.name().as_bytes());
    out.put_byte(b'"');
}

/// Event or message; it ends in the mark if it is cut here.
fn marked(out: &mut Out<'_>, scene: &Scene<'_, '_>, text: &Text<'_>) {
    out.put_byte(b'"');
    let end = message::write(out, scene, text, |out, text| {
        escape::quoted_part(out, text, Quotes::Json);
    });
    if end.is_cut {
        out.put(MARK.as_bytes());
    }
    out.put_byte(b'"');
}

fn source(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    if let Some(file) = scene.record.file() {
        out.put(b",\"file\":");
        escape::write_json_string(out, scene.cut(file));
    }
    if scene.record.line() != 0 {
        out.put(b",\"line\":");
        number::unsigned(out, u64::from(scene.record.line()));
    }
    if let Some(func) = scene.record.func() {
        out.put(b",\"func\":");
        escape::write_json_string(out, scene.cut(func));
    }
}

fn exception(out: &mut Out<'_>, scene: &Scene<'_, '_>, exc: &Exc<'_>) {
    out.put(b",\"exception\":{\"type\":");
    escape::write_json_string(out, scene.cut(exc.kind));
    out.put(b",\"message\":");
    escape::write_json_string(out, scene.cut(exc.message));
    out.put(b",\"stacktrace\":");
    escape::write_json_string(out, scene.cut(exc.stacktrace));
    out.put_byte(b'}');
}

/// A value as JSON.
pub(crate) fn value(out: &mut Out<'_>, value: &Value<'_>) {
    Writer {
        quotes: Quotes::Json,
        cap: usize::MAX,
    }
    .value(out, value);
}

/// What a value is for JSON.
pub(super) enum Shape<'a> {
    /// A string.
    Text(&'a str),
    /// A string that shows bytes.
    Bytes(&'a [u8]),
    /// A UUID, a string of 36 characters.
    Uuid([u8; 16]),
    /// Anything else: a literal, a number, an array or an object.
    Other(Value<'a>),
}

/// Enum members and NumPy scalars are their values.
pub(super) fn shape<'a>(value: &Value<'a>) -> Shape<'a> {
    match *value {
        Value::Str(text) | Value::DateTime(text) | Value::Decimal(text) | Value::Path(text) => {
            Shape::Text(text)
        }
        Value::Bytes(bytes) => Shape::Bytes(bytes),
        Value::Uuid(bytes) => Shape::Uuid(bytes),
        Value::Float(number) => match number::float_name(number) {
            Some(name) => Shape::Text(name),
            None => Shape::Other(*value),
        },
        // A wrapper never holds a wrapper, so this goes one step down.
        Value::Enum { value, .. } | Value::Numpy { value, .. } => shape(&value.value()),
        _ => Shape::Other(*value),
    }
}

/// Writes values; no text in them gets longer than `cap`.
#[derive(Clone, Copy)]
pub(super) struct Writer {
    pub(super) quotes: Quotes,
    pub(super) cap: usize,
}

impl Writer {
    pub(super) fn value(self, out: &mut Out<'_>, value: &Value<'_>) {
        match shape(value) {
            Shape::Text(text) => escape::quoted(out, prefix(text, self.cap), self.quotes),
            Shape::Bytes(bytes) => {
                out.put_byte(b'"');
                escape::bytes_part(out, bytes.get(..self.cap).unwrap_or(bytes), true);
                out.put_byte(b'"');
            }
            Shape::Uuid(bytes) => {
                out.put_byte(b'"');
                uuid(out, &bytes);
                out.put_byte(b'"');
            }
            Shape::Other(value) => self.other(out, &value),
        }
    }

    /// What is no string in JSON.
    pub(super) fn other(self, out: &mut Out<'_>, value: &Value<'_>) {
        match value {
            Value::Bool(true) => out.put(b"true"),
            Value::Bool(false) => out.put(b"false"),
            Value::Int(number) => number::signed(out, *number),
            Value::UInt(number) => number::unsigned(out, *number),
            Value::Float(number) => number::finite(out, *number),
            Value::List(seq) => {
                let mut separator = b'[';
                for item in seq.iter() {
                    out.put_byte(separator);
                    self.value(out, &item);
                    separator = b',';
                }
                out.put(if seq.is_empty() { b"[]" } else { b"]" });
            }
            Value::Dict(map) => {
                let mut separator = b'{';
                for entry in map.iter() {
                    out.put_byte(separator);
                    escape::quoted(out, prefix(entry.key, self.cap), self.quotes);
                    out.put_byte(b':');
                    self.value(out, &entry.value);
                    separator = b',';
                }
                out.put(if map.is_empty() { b"{}" } else { b"}" });
            }
            _ => out.put(b"null"),
        }
    }
}

/// The hexadecimal spelling, 8-4-4-4-12.
pub(super) fn uuid(out: &mut Out<'_>, bytes: &[u8; 16]) {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.put_byte(b'-');
        }
        out.put(&[hex_digit(byte >> 4), hex_digit(*byte)]);
    }
}

//! One flat JSON object a line, without spaces.

use super::escape::{self, Quotes};
use super::fields::{self, Named, named};
use super::{Scene, message, number, time};
use crate::cursor::{Cursor, is_value};
use crate::cut::prefix;
use crate::decode::RecordView;
use crate::encode::Exc;
use crate::level::Level;
use crate::out::{Out, hex_digit};
use crate::pieces::{ReadyNames, write_source};
use crate::text::Text;
use crate::value::Value;
use crate::wire::{self, MARK};

/// A record.
pub(super) fn record(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    let (meta, record) = (scene.meta, scene.record);
    head(out, meta.wall_nsec, Level::from_bits(meta.level));
    match record.ready_head().filter(|_| scene.is_whole()) {
        Some(head) => out.put(head),
        None => logger_and_event(out, scene),
    }
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
    match record.ready_source().filter(|_| scene.is_whole()) {
        Some(source) => out.put(source),
        None => source(out, scene),
    }
    match record.ready_names().filter(|_| scene.is_whole()) {
        Some(names) => ready_members(out, record, names),
        None => fields::each(scene, |field| member(out, field, scene.cap)),
    }
    if let Some(exc) = record.exc() {
        exception(out, scene, &exc);
    }
    out.put(if scene.truncated {
        b",\"truncated\":true}\n"
    } else {
        b"}\n"
    });
}

#[inline(never)]
fn logger_and_event(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    if let Some(logger) = scene.record.logger() {
        out.put(b",\"logger\":");
        escape::write_json_string(out, scene.cut(logger));
    }
    out.put(b",\"event\":");
    marked(out, scene, &Text::plain(scene.record.event()));
}

/// A field under the name that it has got.
#[inline(never)]
fn member(out: &mut Out<'_>, field: &Named<'_>, cap: usize) {
    out.put(b",\"");
    escape::quoted_part(out, field.key, Quotes::Json);
    (0..field.underscores).for_each(|_| out.put_byte(b'_'));
    out.put(b"\":");
    let quotes = Quotes::Json;
    Writer { quotes, cap }.value(out, &field.value);
}

/// All fields, those of the call site with names that are written already.
fn ready_members(out: &mut Out<'_>, record: &RecordView<'_>, mut names: ReadyNames<'_>) {
    let cap = usize::MAX;
    let quotes = Quotes::Json;
    let mut items = Cursor::new(record.field_bytes());
    while let Some(tag) = items.byte() {
        if tag == wire::VALUES {
            let mut values = Cursor::new(items.bytes().unwrap_or_default());
            while let Some(value) = values.value_here() {
                out.put(names.next_or_unknown());
                match value {
                    Value::Int(number) => number::signed(out, number),
                    Value::Str(text) => escape::write_json_string(out, text),
                    _ => Writer { quotes, cap }.value(out, &value),
                }
            }
        } else if is_value(tag) {
            let Some(field) = items.field(tag) else {
                return;
            };
            member(out, &named(record, field), cap);
        } else if items.skip_part(tag).is_none() {
            return;
        }
    }
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

#[inline(never)]
fn source(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    let cut = |text| scene.cut(text);
    let (file, func) = (scene.record.file().map(cut), scene.record.func().map(cut));
    write_source(out, file, scene.record.line(), func);
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

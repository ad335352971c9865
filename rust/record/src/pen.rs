//! Writing the wire format into a bounded buffer.

use crate::copy::copy;
use crate::value::{Raw, Value};
use crate::wire::{self, MAX_LENGTH};

/// A bounded writer of items. What does not fit is not written and makes it `full`, once
/// and for all: the caller looks once, at the end.
pub(crate) struct Pen<'b> {
    buf: &'b mut [u8],
    pos: usize,
    full: bool,
}

impl<'b> Pen<'b> {
    pub(crate) fn new(buf: &'b mut [u8]) -> Pen<'b> {
        Pen {
            buf,
            pos: 0,
            full: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.pos
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// What was written, unless something did not fit.
    pub(crate) fn finish(self) -> Option<&'b [u8]> {
        if self.full {
            return None;
        }
        let buf: &'b [u8] = self.buf;
        buf.get(..self.pos)
    }

    /// The next `n` bytes to be filled.
    #[inline(always)]
    fn take(&mut self, n: usize) -> Option<&mut [u8]> {
        let end = self.pos.wrapping_add(n);
        match self.buf.get_mut(self.pos..end) {
            Some(area) if !self.full => {
                self.pos = end;
                Some(area)
            }
            _ => {
                self.full = true;
                None
            }
        }
    }

    #[inline(always)]
    fn chunk<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(area) = self.take(N)
            && let Some(area) = area.first_chunk_mut::<N>()
        {
            *area = bytes;
        }
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.chunk([byte]);
    }

    #[inline(always)]
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        if let Some(area) = self.take(bytes.len()) {
            copy(area, bytes);
        }
    }

    /// A length and that many bytes.
    #[inline(always)]
    pub(crate) fn text(&mut self, bytes: &[u8]) {
        if bytes.len() < 0x80 {
            if let Some([length, body @ ..]) = self.take(bytes.len() + 1) {
                *length = bytes.len() as u8;
                copy(body, bytes);
            }
        } else {
            self.long_text(bytes);
        }
    }

    fn long_text(&mut self, bytes: &[u8]) {
        if bytes.len() > MAX_LENGTH {
            self.full = true;
            return;
        }
        self.chunk(long_length(bytes.len()));
        self.raw(bytes);
    }

    /// A tag, a length and that many bytes.
    #[inline(always)]
    pub(crate) fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        if bytes.len() < 0x80 {
            if let Some([first, length, body @ ..]) = self.take(bytes.len() + 2) {
                *first = tag;
                *length = bytes.len() as u8;
                copy(body, bytes);
            }
        } else {
            self.byte(tag);
            self.long_text(bytes);
        }
    }

    #[inline(always)]
    pub(crate) fn tagged_u32(&mut self, tag: u8, number: u32) {
        let [a, b, c, d] = number.to_le_bytes();
        self.chunk([tag, a, b, c, d]);
    }

    /// A field: the value's tag, the key, the value's body.
    #[inline(always)]
    pub(crate) fn field(&mut self, key: &str, value: &Value<'_>) {
        let value = unwrapped(value);
        self.tagged(tag_of(&value), key.as_bytes());
        self.body(&value);
    }

    /// A value: its tag, its body.
    #[inline(always)]
    pub(crate) fn value(&mut self, value: &Value<'_>) {
        let value = unwrapped(value);
        self.byte(tag_of(&value));
        self.body(&value);
    }

    #[inline(always)]
    fn body(&mut self, value: &Value<'_>) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Int(number) => self.int(*number),
            Value::UInt(number) => match i64::try_from(*number) {
                Ok(number) => self.int(number),
                Err(_) => self.chunk(number.to_le_bytes()),
            },
            Value::Float(number) => self.chunk(number.to_le_bytes()),
            Value::Str(text) => self.text(text.as_bytes()),
            _ => self.rare_body(value),
        }
    }

    #[inline(never)]
    fn rare_body(&mut self, value: &Value<'_>) {
        match value {
            Value::DateTime(text) | Value::Decimal(text) | Value::Path(text) => {
                self.text(text.as_bytes());
            }
            Value::Bytes(bytes) => self.text(bytes),
            Value::Uuid(bytes) => self.chunk(*bytes),
            Value::Enum { name, value } | Value::Numpy { dtype: name, value } => {
                self.text(name.as_bytes());
                self.raw(value.bytes);
            }
            Value::List(seq) => self.sized(seq.bytes),
            Value::Dict(map) => self.sized(map.bytes),
            _ => {}
        }
    }

    #[inline(always)]
    fn int(&mut self, number: i64) {
        match int_tag(number) {
            wire::INT1 => self.chunk((number as i8).to_le_bytes()),
            wire::INT2 => self.chunk((number as i16).to_le_bytes()),
            wire::INT4 => self.chunk((number as i32).to_le_bytes()),
            _ => self.chunk(number.to_le_bytes()),
        }
    }

    /// Two bytes of size, and as many bytes.
    fn sized(&mut self, bytes: &[u8]) {
        match u16::try_from(bytes.len()) {
            Ok(size) => {
                self.chunk(size.to_le_bytes());
                self.raw(bytes);
            }
            Err(_) => self.full = true,
        }
    }

    /// Space for a size that is known later; its position.
    pub(crate) fn hole(&mut self) -> usize {
        let at = self.pos;
        self.chunk([0, 0]);
        at
    }

    /// Writes the number of bytes since the hole into it, as the size of a list or dict.
    pub(crate) fn fill_size(&mut self, at: usize) {
        let size = self.pos.wrapping_sub(at).wrapping_sub(2);
        match u16::try_from(size) {
            Ok(size) => self.patch(at, size.to_le_bytes()),
            Err(_) => self.full = true,
        }
    }

    fn patch(&mut self, at: usize, bytes: [u8; 2]) {
        if let Some(hole) = self
            .buf
            .get_mut(at..)
            .and_then(|rest| rest.first_chunk_mut::<2>())
        {
            *hole = bytes;
        }
    }

    /// A length in its two-byte form, and a body that `write` makes in at most `max` bytes
    /// of the buffer; it answers with how many.
    pub(crate) fn text_by(&mut self, max: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        let at = self.hole();
        let max = max.min(MAX_LENGTH);
        let Some(area) = self.take(max) else { return };
        let written = write(area).min(max);
        self.pos = self.pos.wrapping_sub(max).wrapping_add(written);
        self.patch(at, long_length(written));
    }
}

/// A length in its two-byte form.
const fn long_length(length: usize) -> [u8; 2] {
    [0x80 | (length & 0x7f) as u8, (length >> 7) as u8]
}

/// The tag of an int in its smallest size.
#[inline(always)]
const fn int_tag(number: i64) -> u8 {
    if number as i8 as i64 == number {
        wire::INT1
    } else if number as i16 as i64 == number {
        wire::INT2
    } else if number as i32 as i64 == number {
        wire::INT4
    } else {
        wire::INT8
    }
}

/// A wrapper around a wrapper is written as the inner one.
#[inline(always)]
fn unwrapped<'a>(value: &Value<'a>) -> Value<'a> {
    match value {
        Value::Enum { value: inner, .. } | Value::Numpy { value: inner, .. } => {
            if is_wrapper(inner) {
                inner.value()
            } else {
                *value
            }
        }
        _ => *value,
    }
}

fn is_wrapper(raw: &Raw<'_>) -> bool {
    matches!(raw.bytes.first(), Some(&(wire::ENUM | wire::NUMPY)))
}

/// The tag that a value is written with.
#[inline(always)]
fn tag_of(value: &Value<'_>) -> u8 {
    match value {
        Value::Null => wire::NULL,
        Value::Bool(false) => wire::FALSE,
        Value::Bool(true) => wire::TRUE,
        Value::Int(number) => int_tag(*number),
        Value::UInt(number) => match i64::try_from(*number) {
            Ok(number) => int_tag(number),
            Err(_) => wire::UINT,
        },
        Value::Float(_) => wire::FLOAT,
        Value::Str(_) => wire::STR,
        Value::Bytes(_) => wire::BYTES,
        Value::DateTime(_) => wire::DATETIME,
        Value::Uuid(_) => wire::UUID,
        Value::Decimal(_) => wire::DECIMAL,
        Value::Path(_) => wire::PATH,
        Value::Enum { .. } => wire::ENUM,
        Value::Numpy { .. } => wire::NUMPY,
        Value::List(_) => wire::LIST,
        Value::Dict(_) => wire::DICT,
    }
}

/// Bytes that a value's body takes.
pub(crate) fn body_size(value: &Value<'_>) -> usize {
    let value = unwrapped(value);
    match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Int(number) => int_size(number),
        Value::UInt(number) => i64::try_from(number).map_or(8, int_size),
        Value::Float(_) => 8,
        Value::Uuid(_) => 16,
        Value::Str(text) | Value::DateTime(text) | Value::Decimal(text) | Value::Path(text) => {
            text_size(text.len())
        }
        Value::Bytes(bytes) => text_size(bytes.len()),
        Value::Enum { name, value } | Value::Numpy { dtype: name, value } => {
            text_size(name.len()).saturating_add(value.bytes.len())
        }
        Value::List(seq) => seq.bytes.len().saturating_add(2),
        Value::Dict(map) => map.bytes.len().saturating_add(2),
    }
}

/// Bytes that a length and its text take.
pub(crate) const fn text_size(length: usize) -> usize {
    length.saturating_add(wire::length_size(length))
}

const fn int_size(number: i64) -> usize {
    match int_tag(number) {
        wire::INT1 => 1,
        wire::INT2 => 2,
        wire::INT4 => 4,
        _ => 8,
    }
}

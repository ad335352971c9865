//! Writing the wire format into a bounded buffer.

use crate::copy::{Cell, copy};
use crate::value::{Raw, Value};
use crate::wire::{self, MAX_LENGTH};

/// A bounded writer of items. Every method answers `None` when something does not fit;
/// what was written up to then is of no use.
pub(crate) struct Pen<'b, B = u8> {
    buf: &'b mut [B],
    pos: usize,
}

impl<'b> Pen<'b> {
    /// What was written.
    pub(crate) fn finish(self) -> &'b [u8] {
        let buf: &'b [u8] = self.buf;
        buf.get(..self.pos).unwrap_or(&[])
    }
}

impl<'b, B: Cell> Pen<'b, B> {
    pub(crate) fn new(buf: &'b mut [B]) -> Pen<'b, B> {
        Pen { buf, pos: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.pos
    }

    /// The next `n` bytes to be filled.
    #[inline(always)]
    fn take(&mut self, n: usize) -> Option<&mut [B]> {
        let end = self.pos.wrapping_add(n);
        let area = self.buf.get_mut(self.pos..end)?;
        self.pos = end;
        Some(area)
    }

    #[inline(always)]
    fn chunk<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        *self.take(N)?.first_chunk_mut::<N>()? = bytes.map(B::of);
        Some(())
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, byte: u8) -> Option<()> {
        self.chunk([byte])
    }

    #[inline(always)]
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Option<()> {
        copy(self.take(bytes.len())?, bytes);
        Some(())
    }

    /// A length and that many bytes.
    #[inline(always)]
    pub(crate) fn text(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.len() >= 0x80 {
            return self.long_text(bytes);
        }
        let (length, body) = self.take(bytes.len() + 1)?.split_first_mut()?;
        *length = B::of(bytes.len() as u8);
        copy(body, bytes);
        Some(())
    }

    #[inline(never)]
    fn long_text(&mut self, bytes: &[u8]) -> Option<()> {
        if bytes.len() > MAX_LENGTH {
            return None;
        }
        self.chunk(long_length(bytes.len()))?;
        self.raw(bytes)
    }

    /// A tag, a length and that many bytes.
    #[inline(always)]
    pub(crate) fn tagged(&mut self, tag: u8, bytes: &[u8]) -> Option<()> {
        self.tagged_with(tag, bytes, [])
    }

    /// A tag, a length, that many bytes, and `N` bytes more.
    #[inline(always)]
    fn tagged_with<const N: usize>(&mut self, tag: u8, text: &[u8], more: [u8; N]) -> Option<()> {
        if text.len() >= 0x80 {
            return self.long_tagged(tag, text, &more);
        }
        let area = self.take(text.len() + 2 + N)?;
        let (head, rest) = area.split_first_chunk_mut::<2>()?;
        *head = [tag, text.len() as u8].map(B::of);
        let (body, tail) = rest.split_at_mut_checked(text.len())?;
        copy(body, text);
        *tail.first_chunk_mut::<N>()? = more.map(B::of);
        Some(())
    }

    #[inline(never)]
    fn long_tagged(&mut self, tag: u8, text: &[u8], more: &[u8]) -> Option<()> {
        self.byte(tag)?;
        self.long_text(text)?;
        self.raw(more)
    }

    #[inline(always)]
    pub(crate) fn tagged_u32(&mut self, tag: u8, number: u32) -> Option<()> {
        let [a, b, c, d] = number.to_le_bytes();
        self.chunk([tag, a, b, c, d])
    }

    /// The number of a call site.
    #[inline(always)]
    pub(crate) fn site(&mut self, id: u32) -> Option<()> {
        let [a, b, c, d] = id.to_le_bytes();
        self.chunk([wire::SITE, 4, a, b, c, d])
    }

    /// A field: the value's tag, the key, the value's body.
    #[inline(always)]
    pub(crate) fn field(&mut self, key: &str, value: &Value<'_>) -> Option<()> {
        let key = key.as_bytes();
        match value {
            Value::Int(number) => self.int_field(key, *number),
            Value::Float(number) => self.tagged_with(wire::FLOAT, key, number.to_le_bytes()),
            Value::Bool(false) => self.tagged(wire::FALSE, key),
            Value::Bool(true) => self.tagged(wire::TRUE, key),
            Value::Str(text) => {
                self.tagged(wire::STR, key)?;
                self.text(text.as_bytes())
            }
            _ => self.rare_field(key, value),
        }
    }

    #[inline(always)]
    fn int_field(&mut self, key: &[u8], number: i64) -> Option<()> {
        match int_tag(number) {
            wire::INT1 => self.tagged_with(wire::INT1, key, (number as i8).to_le_bytes()),
            wire::INT2 => self.tagged_with(wire::INT2, key, (number as i16).to_le_bytes()),
            wire::INT4 => self.tagged_with(wire::INT4, key, (number as i32).to_le_bytes()),
            _ => self.tagged_with(wire::INT8, key, number.to_le_bytes()),
        }
    }

    #[inline(never)]
    fn rare_field(&mut self, key: &[u8], value: &Value<'_>) -> Option<()> {
        let value = unwrapped(value);
        self.tagged(tag_of(&value), key)?;
        self.body(&value)
    }

    /// A value: its tag, its body.
    pub(crate) fn value(&mut self, value: &Value<'_>) -> Option<()> {
        let value = unwrapped(value);
        self.byte(tag_of(&value))?;
        self.body(&value)
    }

    fn body(&mut self, value: &Value<'_>) -> Option<()> {
        match value {
            Value::Null | Value::Bool(_) => Some(()),
            Value::Int(number) => self.int(*number),
            Value::UInt(number) => match i64::try_from(*number) {
                Ok(number) => self.int(number),
                Err(_) => self.chunk(number.to_le_bytes()),
            },
            Value::Float(number) => self.chunk(number.to_le_bytes()),
            Value::Str(text) | Value::DateTime(text) | Value::Decimal(text) | Value::Path(text) => {
                self.text(text.as_bytes())
            }
            Value::Bytes(bytes) => self.text(bytes),
            Value::Uuid(bytes) => self.chunk(*bytes),
            Value::Enum { name, value } | Value::Numpy { dtype: name, value } => {
                self.text(name.as_bytes())?;
                self.raw(value.bytes)
            }
            Value::List(seq) => self.sized(seq.bytes),
            Value::Dict(map) => self.sized(map.bytes),
        }
    }

    fn int(&mut self, number: i64) -> Option<()> {
        match int_tag(number) {
            wire::INT1 => self.chunk((number as i8).to_le_bytes()),
            wire::INT2 => self.chunk((number as i16).to_le_bytes()),
            wire::INT4 => self.chunk((number as i32).to_le_bytes()),
            _ => self.chunk(number.to_le_bytes()),
        }
    }

    /// Two bytes of size, and as many bytes.
    fn sized(&mut self, bytes: &[u8]) -> Option<()> {
        let size = u16::try_from(bytes.len()).ok()?;
        self.chunk(size.to_le_bytes())?;
        self.raw(bytes)
    }

    /// A value of a common kind, its tag and its body; others by [`Pen::value`].
    #[inline(always)]
    pub(crate) fn quick_value(&mut self, value: &Value<'_>) -> Option<()> {
        match value {
            Value::Int(number) => match int_tag(*number) {
                wire::INT1 => self.chunk([wire::INT1, *number as u8]),
                wire::INT2 => {
                    let [a, b] = (*number as i16).to_le_bytes();
                    self.chunk([wire::INT2, a, b])
                }
                wire::INT4 => self.tagged_u32(wire::INT4, *number as u32),
                _ => self.value(value),
            },
            Value::Str(text) => self.tagged(wire::STR, text.as_bytes()),
            Value::Bool(false) => self.byte(wire::FALSE),
            Value::Bool(true) => self.byte(wire::TRUE),
            _ => self.value(value),
        }
    }

    /// Space for a size that is known later; its position.
    pub(crate) fn hole(&mut self) -> Option<usize> {
        let at = self.pos;
        self.chunk([0, 0])?;
        Some(at)
    }

    /// Writes the number of bytes since the hole into it, as the size of a list or dict.
    pub(crate) fn fill_size(&mut self, at: usize) -> Option<()> {
        let size = self.pos.checked_sub(at)?.checked_sub(2)?;
        let size = u16::try_from(size).ok()?;
        self.patch(at, size.to_le_bytes())
    }

    /// A tag, space for a length that is known later, and the first byte of a body; the position of that space.
    #[inline(always)]
    pub(crate) fn begin_item(&mut self, tag: u8, first: u8) -> Option<usize> {
        let at = self.pos.wrapping_add(1);
        self.chunk([tag, 0, 0, first])?;
        Some(at)
    }

    /// Writes the number of bytes since the hole into it, as a length.
    #[inline(always)]
    pub(crate) fn fill_length(&mut self, at: usize) -> Option<()> {
        let length = self.pos.checked_sub(at)?.checked_sub(2)?;
        if length > MAX_LENGTH {
            return None;
        }
        self.patch(at, long_length(length))
    }

    #[inline(always)]
    fn patch(&mut self, at: usize, bytes: [u8; 2]) -> Option<()> {
        *self.buf.get_mut(at..)?.first_chunk_mut::<2>()? = bytes.map(B::of);
        Some(())
    }

    /// A length in its two-byte form, and a body that `write` makes in at most `max` bytes
    /// of the buffer; it answers with how many.
    pub(crate) fn text_by(
        &mut self,
        max: usize,
        write: impl FnOnce(&mut [B]) -> usize,
    ) -> Option<()> {
        let at = self.hole()?;
        let start = self.pos;
        let max = max.min(MAX_LENGTH);
        let written = write(self.take(max)?).min(max);
        self.pos = start.wrapping_add(written);
        self.patch(at, long_length(written))
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

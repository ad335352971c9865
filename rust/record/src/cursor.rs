//! A position in encoded bytes, and every step that can be made from it.
//!
//! Each step answers `None` instead of going astray. There are three kinds: reading (the
//! bytes may be anything), checking (everything inside is looked at), and skipping (the
//! bytes were checked before).

use crate::value::{Field, Map, Raw, Seq, Value};
use crate::wire::{self, MAX_DEPTH};

#[inline]
pub(crate) const fn is_value(tag: u8) -> bool {
    matches!(tag, wire::NULL..=wire::DICT)
}

/// A position in encoded bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    #[inline(always)]
    pub(crate) fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*chunk)
    }

    #[inline(always)]
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (area, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(area)
    }

    /// A length and that many bytes.
    #[inline(always)]
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let low = self.byte()?;
        if low < 0x80 {
            return self.take(usize::from(low));
        }
        let high = self.byte()?;
        self.take(usize::from(low & 0x7f) | usize::from(high) << 7)
    }

    #[inline(always)]
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes()?).ok()
    }

    /// All that is left.
    pub(crate) fn text_to_end(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.take(self.rest.len())?).ok()
    }

    /// Two bytes of size, and as many bytes.
    fn sized(&mut self) -> Option<&'a [u8]> {
        let size = u16::from_le_bytes(self.chunk()?);
        self.take(usize::from(size))
    }

    /// The next value; nested ones are not looked into.
    pub(crate) fn value(&mut self) -> Option<Value<'a>> {
        let tag = self.byte()?;
        self.body(tag)
    }

    /// The same, for the one place that reads most of all: what it is made into need not go through memory.
    #[inline(always)]
    pub(crate) fn value_here(&mut self) -> Option<Value<'a>> {
        let tag = self.byte()?;
        self.body_here(tag)
    }

    /// A field whose tag was read.
    #[inline(always)]
    pub(crate) fn field(&mut self, tag: u8) -> Option<Field<'a>> {
        let key = self.text()?;
        let value = self.body(tag)?;
        Some(Field { key, value })
    }

    #[inline]
    pub(crate) fn body(&mut self, tag: u8) -> Option<Value<'a>> {
        self.body_here(tag)
    }

    #[inline(always)]
    fn body_here(&mut self, tag: u8) -> Option<Value<'a>> {
        Some(match tag {
            wire::NULL => Value::Null,
            wire::FALSE => Value::Bool(false),
            wire::TRUE => Value::Bool(true),
            wire::INT1 => Value::Int(i64::from(i8::from_le_bytes(self.chunk()?))),
            wire::INT2 => Value::Int(i64::from(i16::from_le_bytes(self.chunk()?))),
            wire::INT4 => Value::Int(i64::from(i32::from_le_bytes(self.chunk()?))),
            wire::INT8 => Value::Int(i64::from_le_bytes(self.chunk()?)),
            wire::UINT => Value::UInt(u64::from_le_bytes(self.chunk()?)),
            wire::FLOAT => Value::Float(f64::from_le_bytes(self.chunk()?)),
            wire::STR => Value::Str(self.text()?),
            wire::BYTES => Value::Bytes(self.bytes()?),
            wire::DATETIME => Value::DateTime(self.text()?),
            wire::UUID => Value::Uuid(self.chunk()?),
            wire::DECIMAL => Value::Decimal(self.text()?),
            wire::PATH => Value::Path(self.text()?),
            wire::ENUM => Value::Enum {
                name: self.text()?,
                value: self.wrapped()?,
            },
            wire::NUMPY => Value::Numpy {
                dtype: self.text()?,
                value: self.wrapped()?,
            },
            wire::LIST => Value::List(Seq {
                bytes: self.sized()?,
            }),
            wire::DICT => Value::Dict(Map {
                bytes: self.sized()?,
            }),
            wire::OTHER.. => {
                self.bytes()?;
                Value::Null
            }
            _ => return None,
        })
    }

    /// The value inside of an enum or NumPy scalar: anything but another of these.
    fn wrapped(&mut self) -> Option<Raw<'a>> {
        let start = self.rest;
        let tag = self.byte()?;
        if matches!(tag, wire::ENUM | wire::NUMPY) {
            return None;
        }
        self.body(tag)?;
        let size = start.len().checked_sub(self.rest.len())?;
        Some(Raw {
            bytes: start.get(..size)?,
        })
    }

    /// Goes behind a part, or an item of a later layout.
    pub(crate) fn skip_part(&mut self, tag: u8) -> Option<()> {
        match tag {
            wire::LEVELNO | wire::LINE => self.take(4).map(|_| ()),
            wire::EXC => (0..3).try_for_each(|_| self.bytes().map(|_| ())),
            wire::OPEN_EVENT => self.take(self.rest.len()).map(|_| ()),
            _ => self.bytes().map(|_| ()),
        }
    }

    /// Goes behind a value whose tag was read.
    #[inline(always)]
    pub(crate) fn skip_body(&mut self, tag: u8) -> Option<()> {
        match tag {
            wire::LIST | wire::DICT => self.sized().map(|_| ()),
            wire::ENUM | wire::NUMPY => {
                self.bytes()?;
                let inner = self.byte()?;
                self.skip_plain(inner)
            }
            _ => self.skip_plain(tag),
        }
    }

    /// Goes behind a value that is no wrapper.
    #[inline(always)]
    fn skip_plain(&mut self, tag: u8) -> Option<()> {
        match fixed_size(tag) {
            Some(size) => self.take(size).map(|_| ()),
            None if matches!(tag, wire::LIST | wire::DICT) => self.sized().map(|_| ()),
            None => self.bytes().map(|_| ()),
        }
    }

    /// A field whose tag was read; everything in it is looked at. The key.
    #[inline(always)]
    pub(crate) fn check_field(&mut self, tag: u8) -> Option<&'a [u8]> {
        let key = self.bytes()?;
        if !is_text(key) {
            return None;
        }
        self.check_body(tag, MAX_DEPTH)?;
        Some(key)
    }

    /// Exactly one valid value and nothing behind it.
    pub(crate) fn check_one(mut self) -> Option<()> {
        self.check_value(MAX_DEPTH)?;
        self.rest.is_empty().then_some(())
    }

    /// The next value nests at most `depth` lists and dicts.
    pub(crate) fn check_depth(mut self, depth: usize) -> Option<()> {
        self.check_value(depth)
    }

    /// Nothing but valid values.
    pub(crate) fn check_values(mut self, depth: usize) -> Option<()> {
        while !self.rest.is_empty() {
            self.check_value(depth)?;
        }
        Some(())
    }

    /// Nothing but valid keys and values.
    pub(crate) fn check_entries(mut self, depth: usize) -> Option<()> {
        while !self.rest.is_empty() {
            self.text()?;
            self.check_value(depth)?;
        }
        Some(())
    }

    pub(crate) fn check_value(&mut self, depth: usize) -> Option<()> {
        let tag = self.byte()?;
        self.check_body(tag, depth)
    }

    /// A value whose tag was read; everything in it is looked at.
    #[inline(always)]
    fn check_body(&mut self, tag: u8, depth: usize) -> Option<()> {
        if let Some(size) = fixed_size(tag) {
            return self.take(size).map(|_| ());
        }
        match tag {
            wire::STR | wire::DATETIME | wire::DECIMAL | wire::PATH => {
                is_text(self.bytes()?).then_some(())
            }
            wire::BYTES | wire::OTHER.. => self.bytes().map(|_| ()),
            _ => self.check_nested(tag, depth),
        }
    }

    #[inline(never)]
    fn check_nested(&mut self, tag: u8, depth: usize) -> Option<()> {
        match tag {
            wire::LIST => Cursor::new(self.sized()?).check_values(depth.checked_sub(1)?),
            wire::DICT => Cursor::new(self.sized()?).check_entries(depth.checked_sub(1)?),
            wire::ENUM | wire::NUMPY => {
                self.text()?;
                let inner = self.byte()?;
                if matches!(inner, wire::ENUM | wire::NUMPY) {
                    return None;
                }
                self.check_body(inner, depth)
            }
            _ => None,
        }
    }
}

/// Size of the body of a value that always has the same.
#[inline(always)]
const fn fixed_size(tag: u8) -> Option<usize> {
    match tag {
        wire::NULL | wire::FALSE | wire::TRUE => Some(0),
        wire::INT1 => Some(1),
        wire::INT2 => Some(2),
        wire::INT4 => Some(4),
        wire::INT8 | wire::UINT | wire::FLOAT => Some(8),
        wire::UUID => Some(16),
        _ => None,
    }
}

/// UTF-8. Most texts are short and plain ASCII, which is seen eight bytes at a time.
#[inline(always)]
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    is_ascii(bytes) || core::str::from_utf8(bytes).is_ok()
}

#[inline(always)]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    let Some(last) = bytes.last_chunk::<8>() else {
        return rest.iter().fold(0, |all, byte| all | byte) < 0x80;
    };
    let all = words.iter().fold(u64::from_ne_bytes(*last), |all, word| {
        all | u64::from_ne_bytes(*word)
    });
    all & HIGH == 0
}

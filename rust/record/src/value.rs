//! What a field can hold, and views over encoded lists and dicts.

use crate::cursor::Cursor;
use crate::pen::Pen;

/// A typed value. Strings are borrowed, nested values are views over their encoding
/// (built with [`crate::ValueWriter`], or found in a record).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// A bool.
    Bool(bool),
    /// An int.
    Int(i64),
    /// An int. One that fits an `i64` comes back as [`Value::Int`].
    UInt(u64),
    /// A float.
    Float(f64),
    /// A str.
    Str(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A datetime in ISO 8601.
    DateTime(&'a str),
    /// A UUID; the bytes in the order of its hexadecimal spelling.
    Uuid([u8; 16]),
    /// A decimal number in text.
    Decimal(&'a str),
    /// A path.
    Path(&'a str),
    /// An enum member: its qualified name and its value.
    Enum {
        /// Qualified name, `Colour.RED`.
        name: &'a str,
        /// The member's value.
        value: Raw<'a>,
    },
    /// A NumPy scalar: its dtype's name and its value.
    Numpy {
        /// Name of the dtype, `float32`.
        dtype: &'a str,
        /// The scalar's value.
        value: Raw<'a>,
    },
    /// A list or tuple.
    List(Seq<'a>),
    /// A dict with str keys.
    Dict(Map<'a>),
}

/// A named value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    /// The name.
    pub key: &'a str,
    /// What it holds.
    pub value: Value<'a>,
}

/// One encoded value. It is whole and valid: it can only be made by encoding a value or
/// by decoding a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raw<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Raw<'a> {
    /// Encodes a value into `buf`; `None` when it does not fit.
    pub fn encode(value: &Value<'_>, buf: &'a mut [u8]) -> Option<Raw<'a>> {
        let mut pen = Pen::new(buf);
        pen.value(value)?;
        let bytes = pen.finish();
        Cursor::new(bytes).check_one()?;
        Some(Raw { bytes })
    }

    /// The value.
    pub fn value(&self) -> Value<'a> {
        Cursor::new(self.bytes).value().unwrap_or(Value::Null)
    }
}

/// A view over the values of an encoded list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seq<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Seq<'a> {
    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The values in order.
    pub fn iter(&self) -> SeqIter<'a> {
        SeqIter {
            cursor: Cursor::new(self.bytes),
        }
    }
}

impl<'a> IntoIterator for Seq<'a> {
    type Item = Value<'a>;
    type IntoIter = SeqIter<'a>;
    fn into_iter(self) -> SeqIter<'a> {
        self.iter()
    }
}

/// The values of a list in order.
#[derive(Clone, Debug)]
pub struct SeqIter<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for SeqIter<'a> {
    type Item = Value<'a>;
    fn next(&mut self) -> Option<Value<'a>> {
        self.cursor.value()
    }
}

/// A view over the keys and values of an encoded dict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Map<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Map<'a> {
    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Keys and values in order.
    pub fn iter(&self) -> MapIter<'a> {
        MapIter {
            cursor: Cursor::new(self.bytes),
        }
    }
}

impl<'a> IntoIterator for Map<'a> {
    type Item = Field<'a>;
    type IntoIter = MapIter<'a>;
    fn into_iter(self) -> MapIter<'a> {
        self.iter()
    }
}

/// Keys and values of a dict in order.
#[derive(Clone, Debug)]
pub struct MapIter<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for MapIter<'a> {
    type Item = Field<'a>;
    fn next(&mut self) -> Option<Field<'a>> {
        let key = self.cursor.text()?;
        let value = self.cursor.value()?;
        Some(Field { key, value })
    }
}

//! Ambient fields: those that were around the call, and that it did not give itself. They are
//! fields as all others, between marks.

use crate::copy::Cell;
use crate::cursor::{Cursor, is_value};
use crate::decode::RecordView;
use crate::pen::Pen;
use crate::value::Field;
use crate::wire;

/// Which fields of a record are ambient: those from one index to before another. None where
/// these are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ambient {
    /// The first.
    pub from: usize,
    /// The first that is not, behind them.
    pub to: usize,
}

impl Ambient {
    /// No field is.
    #[inline(always)]
    pub fn is_empty(self) -> bool {
        self.from >= self.to
    }

    fn contains(self, index: usize) -> bool {
        (self.from..self.to).contains(&index)
    }
}

/// Bytes that the marks take at most.
pub(crate) const MARKS: usize = 4;

/// Writes fields, each with its index in the call, and the marks between them.
pub(crate) fn write_marked<'a, B: Cell>(
    pen: &mut Pen<'_, B>,
    ambient: Ambient,
    fields: impl Iterator<Item = (usize, &'a Field<'a>)>,
    mut write: impl FnMut(&mut Pen<'_, B>, &Field<'_>) -> Option<()>,
) -> Option<()> {
    let mut is_inside = false;
    for (index, field) in fields {
        if ambient.contains(index) != is_inside {
            is_inside = !is_inside;
            pen.tagged(wire::AMBIENT, &[])?;
        }
        write(pen, field)?;
    }
    Some(())
}

/// A field as it is stored: the same value has the same bytes.
#[derive(Clone, Copy, PartialEq)]
struct Stored<'a> {
    key: &'a [u8],
    tag: u8,
    body: &'a [u8],
}

/// The ambient fields of a record in order.
#[derive(Clone)]
struct Around<'a> {
    cursor: Cursor<'a>,
    is_inside: bool,
}

impl<'a> Iterator for Around<'a> {
    type Item = Stored<'a>;

    fn next(&mut self) -> Option<Stored<'a>> {
        loop {
            let tag = self.cursor.byte()?;
            if !is_value(tag) {
                self.is_inside ^= tag == wire::AMBIENT;
                self.cursor.skip_part(tag)?;
                continue;
            }
            let key = self.cursor.bytes()?;
            let rest = self.cursor.rest();
            self.cursor.skip_body(tag)?;
            let len = rest.len().wrapping_sub(self.cursor.rest().len());
            if self.is_inside {
                let body = rest.get(..len)?;
                return Some(Stored { key, tag, body });
            }
        }
    }
}

impl RecordView<'_> {
    fn around(&self) -> Around<'_> {
        Around {
            cursor: Cursor::new(self.field_bytes()),
            is_inside: false,
        }
    }

    /// Whether any of its fields is ambient.
    pub fn has_ambient(&self) -> bool {
        self.around().next().is_some()
    }

    /// Whether it was logged within what `other` was logged in: all ambient fields of that are
    /// among its own, with the same values.
    pub fn is_within(&self, other: &RecordView<'_>) -> bool {
        let mut wanted = other.around();
        wanted.all(|field| self.around().any(|own| own == field))
    }
}

//! The arguments of a template: as a call gives them, and as a record holds them.

use crate::copy::Cell;
use crate::cursor::Cursor;
use crate::pen::Pen;
use crate::value::{Field, Value};
use crate::wire::{self, MAX_ARGS, MAX_DEPTH};

/// The body begins with this where the arguments have names.
const NAMED: u8 = 1;

/// Arguments of a template: none, some in order, or some with names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Args<'a>(Kind<'a>);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Kind<'a> {
    #[default]
    None,
    Listed(&'a [Value<'a>]),
    Named(&'a [Field<'a>]),
    /// Of a record, where they have been checked.
    Stored {
        is_named: bool,
        bytes: &'a [u8],
    },
}

impl<'a> Args<'a> {
    /// There are none, so that the event is no template.
    pub const NONE: Args<'static> = Args(Kind::None);

    /// Arguments in the order of the template's conversions.
    #[inline(always)]
    pub fn listed(values: &'a [Value<'a>]) -> Args<'a> {
        Args(Kind::Listed(values))
    }

    /// Arguments that the template calls by name.
    #[inline(always)]
    pub fn named(fields: &'a [Field<'a>]) -> Args<'a> {
        Args(Kind::Named(fields))
    }

    /// No arguments: the event is itself the text.
    #[inline(always)]
    pub fn is_none(&self) -> bool {
        matches!(self.0, Kind::None)
    }

    /// They have names.
    pub fn is_named(&self) -> bool {
        matches!(self.0, Kind::Named(_) | Kind::Stored { is_named: true, .. })
    }

    /// Each with its name, which is empty where they have none.
    #[inline]
    pub fn iter(&self) -> ArgsIter<'a> {
        ArgsIter(match self.0 {
            Kind::None => Left::Values(&[]),
            Kind::Listed(values) => Left::Values(values),
            Kind::Named(fields) => Left::Fields(fields),
            Kind::Stored { is_named, bytes } => Left::Bytes {
                is_named,
                cursor: Cursor::new(bytes),
            },
        })
    }

    /// The one of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        let mut named = self.iter();
        let found = named.find(|field| field.key == name)?;
        self.is_named().then_some(found.value)
    }

    /// The item of a record: tag, length, and the body below. `None`: it does not fit, or they are too many.
    #[inline(always)]
    pub(crate) fn write<B: Cell>(self, pen: &mut Pen<'_, B>) -> Option<()> {
        match self.0 {
            Kind::None => Some(()),
            Kind::Listed(values) => {
                let at = pen.begin_item(wire::ARGS, 0)?;
                for value in values {
                    pen.quick_value(value)?;
                }
                end_item(pen, at, values.len())
            }
            _ => self.write_any(pen),
        }
    }

    #[inline(never)]
    fn write_any<B: Cell>(self, pen: &mut Pen<'_, B>) -> Option<()> {
        let at = pen.begin_item(wire::ARGS, u8::from(self.is_named()) * NAMED)?;
        for argument in self.iter() {
            if self.is_named() {
                pen.text(argument.key.as_bytes())?;
            }
            pen.value(&argument.value)?;
        }
        end_item(pen, at, self.iter().count())
    }

    /// The body of the item: a byte that says whether there are names, then values, each behind its name if so.
    pub(crate) fn read(body: &'a [u8]) -> Option<Args<'a>> {
        let (first, bytes) = body.split_first()?;
        let is_named = *first & NAMED != 0;
        let mut cursor = Cursor::new(bytes);
        for _ in 0..MAX_ARGS {
            if cursor.rest().is_empty() {
                break;
            }
            if is_named {
                cursor.text()?;
            }
            cursor.check_value(MAX_DEPTH)?;
        }
        let is_whole = cursor.rest().is_empty();
        is_whole.then_some(Args(Kind::Stored { is_named, bytes }))
    }
}

#[inline(always)]
fn end_item<B: Cell>(pen: &mut Pen<'_, B>, at: usize, count: usize) -> Option<()> {
    if count > MAX_ARGS {
        return None;
    }
    pen.fill_length(at)
}

/// Arguments in order.
#[derive(Clone, Debug)]
pub struct ArgsIter<'a>(Left<'a>);

#[derive(Clone, Debug)]
enum Left<'a> {
    Values(&'a [Value<'a>]),
    Fields(&'a [Field<'a>]),
    Bytes { is_named: bool, cursor: Cursor<'a> },
}

impl<'a> Iterator for ArgsIter<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        match &mut self.0 {
            Left::Values(values) => {
                let (first, rest) = values.split_first()?;
                *values = rest;
                Some(Field {
                    key: "",
                    value: *first,
                })
            }
            Left::Fields(fields) => {
                let (first, rest) = fields.split_first()?;
                *fields = rest;
                Some(*first)
            }
            Left::Bytes { is_named, cursor } => {
                let key = if *is_named { cursor.text()? } else { "" };
                let value = cursor.value()?;
                Some(Field { key, value })
            }
        }
    }
}

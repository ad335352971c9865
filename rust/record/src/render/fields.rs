//! Fields under their names, where names must be unique.

use super::Scene;
use crate::decode::{Fields, RecordView};
use crate::value::{Field, Value};

/// A field under the name that it gets.
pub(crate) struct Named<'a> {
    /// The key as it was logged.
    pub(crate) key: &'a str,
    /// How many `_` follow it.
    pub(crate) underscores: usize,
    /// The value.
    pub(crate) value: Value<'a>,
}

/// The fields of a scene, each name once and none of them reserved.
///
/// A key that the formats use themselves gets a trailing `_` until the name is free. Of
/// fields with the same key, which no logger makes, the last one counts.
pub(crate) struct Names<'r, 'a> {
    record: &'r RecordView<'a>,
    fields: Fields<'a>,
    left: usize,
}

impl<'r, 'a> Names<'r, 'a> {
    pub(crate) fn new(scene: &Scene<'r, 'a>) -> Names<'r, 'a> {
        Names {
            record: scene.record,
            fields: scene.record.fields(),
            left: scene.fields,
        }
    }

    /// A later field has the same key.
    #[inline(always)]
    fn comes_again(&self, key: &str) -> bool {
        self.record.keys_may_repeat() && has_key(self.fields.clone(), key, 0)
    }
}

impl<'a> Iterator for Names<'_, 'a> {
    type Item = Named<'a>;

    #[inline]
    fn next(&mut self) -> Option<Named<'a>> {
        loop {
            self.left = self.left.checked_sub(1)?;
            let Field { key, value } = self.fields.next()?;
            if self.comes_again(key) {
                continue;
            }
            let underscores = if is_reserved(key) {
                free(self.record, key)
            } else {
                0
            };
            return Some(Named {
                key,
                underscores,
                value,
            });
        }
    }
}

/// Names that a format gives to parts of the record itself.
#[inline]
fn is_reserved(key: &str) -> bool {
    matches!(
        key,
        "ts" | "level"
            | "logger"
            | "event"
            | "message"
            | "seq"
            | "pid"
            | "tid"
            | "file"
            | "line"
            | "func"
            | "exception"
            | "truncated"
            | "dropped"
    )
}

/// The number of `_` that make the name one that no field has.
#[cold]
fn free(record: &RecordView<'_>, key: &str) -> usize {
    let mut underscores = 1;
    while has_key(record.fields(), key, underscores) {
        underscores += 1;
    }
    underscores
}

/// One of the fields has this key with so many `_` behind it.
fn has_key(mut fields: Fields<'_>, key: &str, underscores: usize) -> bool {
    fields.any(|field| {
        let (head, tail) = match field.key.as_bytes().split_at_checked(key.len()) {
            Some(parts) => parts,
            None => return false,
        };
        tail.len() == underscores && head == key.as_bytes() && tail.iter().all(|byte| *byte == b'_')
    })
}

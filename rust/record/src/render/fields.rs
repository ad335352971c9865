//! Fields under their names, where names must be unique.

use super::Scene;
use crate::decode::RecordView;
use crate::keys::KeySet;
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

/// Calls for the fields of a scene in order, each name once and none of them reserved.
///
/// A key that the formats use themselves gets a trailing `_` until the name is free. Of
/// fields with the same key, which no logger makes, the last one counts.
#[inline(always)]
pub(crate) fn each<'a>(scene: &Scene<'_, 'a>, mut write: impl FnMut(&Named<'a>)) {
    if scene.record.keys_may_repeat() {
        return each_last(scene, &mut write);
    }
    for field in scene.record.fields().take(scene.fields) {
        write(&named(scene.record, field));
    }
}

/// The same where keys have to be compared: those that look like another one.
#[inline(never)]
fn each_last<'a>(scene: &Scene<'_, 'a>, write: &mut dyn FnMut(&Named<'a>)) {
    let mut seen = KeySet::<256>::EMPTY;
    let mut repeated = KeySet::<256>::EMPTY;
    for key in scene.record.keys() {
        if seen.insert(key) {
            repeated.insert(key);
        }
    }
    let mut later = scene.record.keys();
    for field in scene.record.fields().take(scene.fields) {
        later.next();
        let key = field.key.as_bytes();
        if repeated.may_contain(key) && later.clone().any(|later| later == key) {
            continue;
        }
        write(&named(scene.record, field));
    }
}

#[inline(always)]
pub(crate) fn named<'a>(record: &RecordView<'a>, field: Field<'a>) -> Named<'a> {
    let Field { key, value } = field;
    let underscores = if is_reserved(key) {
        free(record, key)
    } else {
        0
    };
    Named {
        key,
        underscores,
        value,
    }
}

/// Names that a format gives to parts of the record itself.
#[inline]
pub(crate) fn is_reserved(key: &str) -> bool {
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
#[inline(never)]
fn free(record: &RecordView<'_>, key: &str) -> usize {
    let mut underscores = 1;
    while record
        .keys()
        .any(|other| is_extended(other, key.as_bytes(), underscores))
    {
        underscores += 1;
    }
    underscores
}

/// `other` is `key` with so many `_` behind it.
fn is_extended(other: &[u8], key: &[u8], underscores: usize) -> bool {
    match other.strip_prefix(key) {
        Some(tail) => tail.len() == underscores && tail.iter().all(|byte| *byte == b'_'),
        None => false,
    }
}

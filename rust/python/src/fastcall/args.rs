//! The arguments of an event, as the fast path takes them: kept typed, and put together with it by whoever reads the
//! record. What a reader could not put together just as the interpreter does is left to [`crate::call`], which has the
//! interpreter do it.

use super::object::{Object, Objects};
use pr_record::{Args, Field, Value, template};
use std::mem::MaybeUninit;

/// Arguments up to this number are kept; with more the call renders.
const MOST: usize = 8;

/// Where arguments lie during the call.
pub struct Room<'a> {
    values: [MaybeUninit<Value<'a>>; MOST],
    fields: [MaybeUninit<Field<'a>>; MOST],
}

impl Room<'_> {
    /// Nothing in it.
    #[inline(always)]
    pub fn new() -> Self {
        Room {
            values: [const { MaybeUninit::uninit() }; MOST],
            fields: [const { MaybeUninit::uninit() }; MOST],
        }
    }
}

/// The arguments behind an event. None: the call has to render them, or they do not fit the event.
#[inline(always)]
pub fn take<'r, 'a: 'r>(
    event: &str,
    positional: Objects<'a>,
    room: &'r mut Room<'a>,
) -> Option<Args<'r>> {
    let (_, given) = positional.split_first()?;
    let count = given.len();
    if count == 0 {
        return Some(Args::NONE);
    }
    for index in 0..count {
        let given = given.get(index)?;
        match given.value() {
            Some(value) => room.values.get_mut(index)?.write(value),
            None if count == 1 => return named(event, given, room),
            None => return None,
        };
    }
    // SAFETY: the first `count` were written, and there are as many.
    let values = unsafe { std::slice::from_raw_parts(room.values.as_ptr().cast(), count) };
    template::fits(event, values).then_some(Args::listed(values))
}

/// The only argument, where it is a dict that is not empty: its values go by their names.
#[cold]
#[inline(never)]
fn named<'r, 'a: 'r>(event: &str, only: Object<'a>, room: &'r mut Room<'a>) -> Option<Args<'r>> {
    let mut count = 0;
    only.each_entry(|key, value| {
        let (key, value) = (key.text()?, value.value()?);
        room.fields.get_mut(count)?.write(Field { key, value });
        count += 1;
        Some(())
    })?;
    // SAFETY: the first `count` were written, and there are as many.
    let fields = unsafe { std::slice::from_raw_parts(room.fields.as_ptr().cast(), count) };
    (count > 0 && template::fits_named(event, fields)).then_some(Args::named(fields))
}

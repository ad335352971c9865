//! The fields of one call, in an array on its stack: those bound to the logger, those around the call, and its own.

use super::Arguments;
use super::object::Names;
use super::site::Site;
use crate::call::is_option;
use crate::convert::Taken;
use crate::logger::Logger;
use pr_record::{Ambient, Field};
use std::mem::MaybeUninit;

/// Fields up to this number, bound ones included, lie in an array on the stack.
pub const STACK_FIELDS: usize = 32;

/// Where fields lie during the call.
pub type Room<'a> = [MaybeUninit<Field<'a>>; STACK_FIELDS];

/// A room with nothing in it.
#[inline(always)]
pub fn room<'a>() -> Room<'a> {
    [const { MaybeUninit::uninit() }; STACK_FIELDS]
}

/// The fields of a call.
pub struct Gathered<'r> {
    pub fields: &'r [Field<'r>],
    /// Which of them are ambient.
    pub ambient: Ambient,
    /// From here on they are those that its site has names for.
    pub named_from: usize,
}

/// The fields: bound ones, with the call's value where it gives one of that name; those around the call that it does not
/// give; then the others of the call. And which of them are ambient.
#[inline(always)]
pub fn gather<'r, 'a: 'r, const AMBIENT: bool>(
    logger: &'a Logger,
    site: &'a Site,
    arguments: Arguments<'a>,
    around: &'a [(Box<str>, Taken)],
    room: &'r mut Room<'a>,
) -> Option<Gathered<'r>> {
    let Arguments { names, values, .. } = arguments;
    if names.len() > STACK_FIELDS {
        return None;
    }
    let (mut count, mut is_done) = (0, 0_u32);
    if !logger.bound().is_empty() {
        (count, is_done) = gather_bound::<AMBIENT>(logger, arguments, around, room)?;
    }
    let mut ambient = Ambient::default();
    if AMBIENT {
        ambient.from = count;
        for (key, value) in around {
            if position(names, key)?.is_none() {
                let value = value.value();
                room.get_mut(count)?.write(Field { key, value });
                count += 1;
            }
        }
        ambient.to = count;
    }
    let mut named_from = count;
    match site.fields(names) {
        Some(fields) if is_done == 0 => {
            for index in 0..fields {
                let key = site.name(index)?;
                let value = values.get(index)?.value()?;
                room.get_mut(count)?.write(Field { key, value });
                count += 1;
            }
        }
        _ => {
            count = gather_unnamed(arguments, is_done, count, room)?;
            named_from = count;
        }
    }
    // SAFETY: the first `count` were written, and there are as many.
    let fields = unsafe { std::slice::from_raw_parts(room.as_ptr().cast::<Field<'a>>(), count) };
    Some(Gathered {
        fields,
        ambient,
        named_from,
    })
}

/// The fields that are bound to the logger: how many, and which of the call's were among them. Apart from the others: most
/// loggers have none, and a call pays for each line of code that it passes.
#[inline(never)]
fn gather_bound<'a, const AMBIENT: bool>(
    logger: &'a Logger,
    arguments: Arguments<'a>,
    around: &'a [(Box<str>, Taken)],
    room: &mut Room<'a>,
) -> Option<(usize, u32)> {
    let Arguments { names, values, .. } = arguments;
    let (mut count, mut is_done) = (0, 0_u32);
    for (key, value) in logger.bound() {
        let value = match position(names, key)? {
            Some(index) => {
                is_done |= 1 << index;
                values.get(index)?.value()?
            }
            None if AMBIENT && around.iter().any(|(other, _)| other == key) => continue,
            None => value.value(),
        };
        room.get_mut(count)?.write(Field { key, value });
        count += 1;
    }
    Some((count, is_done))
}

/// The fields of a call that its site has no names for: its keywords differ from call to call, or some are bound. How many
/// fields there are then.
#[inline(never)]
fn gather_unnamed<'a>(
    arguments: Arguments<'a>,
    is_done: u32,
    mut count: usize,
    room: &mut Room<'a>,
) -> Option<usize> {
    let Arguments { names, values, .. } = arguments;
    for index in 0..names.len() {
        if is_done >> index & 1 != 0 {
            continue;
        }
        let key = names.get(index)?.text()?;
        if is_option(key) {
            return None;
        }
        let value = values.get(index)?.value()?;
        room.get_mut(count)?.write(Field { key, value });
        count += 1;
    }
    Some(count)
}

/// Where the call gives this key as a field. None: it gives a name that is no UTF-8.
#[inline(always)]
fn position(names: Names<'_>, key: &str) -> Option<Option<usize>> {
    if is_option(key) {
        return Some(None); // bound under a name that is a parameter of the call
    }
    for index in 0..names.len() {
        if names.get(index)?.text()? == key {
            return Some(Some(index));
        }
    }
    Some(None)
}

//! A record that says everything itself: for those who keep it beyond its log.

use crate::cursor::{Cursor, is_value};
use crate::pen::Pen;
use crate::sites::Sites;
use crate::wire;

/// The number of the call site that these bytes name, if they are a record that names one.
pub fn site_of(bytes: &[u8]) -> Option<u32> {
    let mut cursor = Cursor::new(bytes);
    cursor.byte()?;
    loop {
        let tag = cursor.byte()?;
        match tag {
            wire::SITE => return Some(u32::from_le_bytes(cursor.bytes()?.try_into().ok()?)),
            _ if is_value(tag) => {
                cursor.bytes()?;
                cursor.skip_body(tag)?;
            }
            _ => cursor.skip_part(tag)?,
        }
    }
}

/// Writes the record with what its call site says in it: how many bytes. None: it names no site that is known, is no
/// record, or does not fit into `out`.
///
/// What the site says comes first: of a part that is there twice the last counts.
pub fn write_whole<S: Sites + ?Sized>(bytes: &[u8], sites: &S, out: &mut [u8]) -> Option<usize> {
    let site = sites.site(site_of(bytes)?)?;
    let mut cursor = Cursor::new(bytes);
    let mut pen = Pen::new(out);
    pen.byte(cursor.byte()?)?;
    site.write_parts(&mut pen)?;
    let mut names = site.names;
    while !cursor.rest().is_empty() {
        let item = cursor.rest();
        let tag = cursor.byte()?;
        if tag == wire::VALUES {
            let mut values = Cursor::new(cursor.bytes()?);
            while !values.rest().is_empty() {
                let tag = values.byte()?;
                pen.tagged(tag, names.next_or_unknown().as_bytes())?;
                pen.raw(behind(&mut values, tag, Cursor::skip_body)?)?;
            }
            continue;
        }
        if is_value(tag) {
            cursor.bytes()?;
            cursor.skip_body(tag)?;
        } else {
            cursor.skip_part(tag)?;
        }
        if tag != wire::SITE {
            pen.raw(item.get(..item.len().checked_sub(cursor.rest().len())?)?)?;
        }
    }
    Some(pen.len())
}

/// What a step passes.
fn behind<'a>(
    cursor: &mut Cursor<'a>,
    tag: u8,
    skip: impl FnOnce(&mut Cursor<'a>, u8) -> Option<()>,
) -> Option<&'a [u8]> {
    let from = cursor.rest();
    skip(cursor, tag)?;
    from.get(..from.len().checked_sub(cursor.rest().len())?)
}

//! The pieces of a line that are the same in every record of a call site: escaped once, and copied from then on.
//!
//! They are an abbreviation, and never change what a line says: where there are none, and for a record that says itself what
//! they say, the line is put together from its texts.

use crate::out::Out;
use crate::render::{is_reserved, unsigned, write_json_part, write_json_string, write_name};
use crate::sites::Site;

/// Those of one call site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces<'a> {
    /// Of text: `web: listening`. Empty: the site has no event, or one of several lines.
    text: &'a [u8],
    /// Of JSON, as what follows: `,"logger":"web","event":"listening"`. Empty: the site has no event.
    head: &'a [u8],
    /// `,"file":"web.py","line":7,"func":"serve"`. Empty: the site has nothing of it.
    source: &'a [u8],
    /// A byte of length, and `,"port":`, for each of the site's names. None: they are no names of JSON as they are.
    names: Option<&'a [u8]>,
}

impl<'a> Pieces<'a> {
    /// Writes those of a site into `room`, and says how many bytes they are. None: they do not fit.
    pub fn write(site: &Site<'_>, room: &'a mut [u8]) -> Option<(Pieces<'a>, usize)> {
        let mut out = Out::new(room);
        write_text(&mut out, site);
        let text_end = out.len();
        write_head(&mut out, site);
        let head_end = out.len();
        write_source(&mut out, site.file, site.line, site.func);
        let source_end = out.len();
        let has_names = write_names(&mut out, site).is_some();
        if out.is_truncated() {
            return None;
        }
        let end = if has_names { out.len() } else { source_end };
        let written: &[u8] = room;
        let pieces = Pieces {
            text: written.get(..text_end)?,
            head: written.get(text_end..head_end)?,
            source: written.get(head_end..source_end)?,
            names: has_names.then(|| written.get(source_end..end)).flatten(),
        };
        Some((pieces, end))
    }

    pub(crate) fn text(&self) -> &'a [u8] {
        self.text
    }

    pub(crate) fn head(&self) -> &'a [u8] {
        self.head
    }

    pub(crate) fn source(&self) -> &'a [u8] {
        self.source
    }

    pub(crate) fn names(&self) -> Option<ReadyNames<'a>> {
        self.names.map(ReadyNames)
    }
}

fn write_text(out: &mut Out<'_>, site: &Site<'_>) {
    let Some(event) = site.event.filter(|event| !event.contains('\n')) else {
        return;
    };
    if let Some(logger) = site.logger {
        write_name(out, logger);
        out.put(b": ");
    }
    write_name(out, event); // as a message of one line
}

fn write_head(out: &mut Out<'_>, site: &Site<'_>) {
    let Some(event) = site.event else {
        return;
    };
    if let Some(logger) = site.logger {
        out.put(b",\"logger\":");
        write_json_string(out, logger);
    }
    out.put(b",\"event\":");
    write_json_string(out, event);
}

/// What a line says about the place of its call.
pub(crate) fn write_source(out: &mut Out<'_>, file: Option<&str>, line: u32, func: Option<&str>) {
    if let Some(file) = file {
        out.put(b",\"file\":");
        write_json_string(out, file);
    }
    if line != 0 {
        out.put(b",\"line\":");
        unsigned(out, u64::from(line));
    }
    if let Some(func) = func {
        out.put(b",\"func\":");
        write_json_string(out, func);
    }
}

/// None: one of the names gets another one in JSON, or is too long.
fn write_names(out: &mut Out<'_>, site: &Site<'_>) -> Option<()> {
    for name in site.names {
        if is_reserved(name) {
            return None;
        }
        let start = out.len();
        out.put_byte(0);
        out.put(b",\"");
        write_json_part(out, name);
        out.put(b"\":");
        let len = out.len().wrapping_sub(start).wrapping_sub(1);
        out.set_byte(start, u8::try_from(len).ok()?);
    }
    Some(())
}

/// The names of a site's fields, in order, each as it stands in a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadyNames<'a>(&'a [u8]);

impl<'a> ReadyNames<'a> {
    /// The next one; one that says so where the site has no more.
    #[inline(always)]
    pub(crate) fn next_or_unknown(&mut self) -> &'a [u8] {
        self.take().unwrap_or(b",\"?\":")
    }

    #[inline(always)]
    fn take(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        Some(name)
    }
}

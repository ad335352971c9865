//! Call sites, whose texts are stored once, outside of the records.
//!
//! A site is described by bytes of the layout of a record: the event, logger, file, line and
//! function that all records of the site share, and the names of its fields. A record then
//! carries the site's number, and the values of these fields without their names. Everything
//! that a record says itself wins over what its site says: an event that is another text at each
//! call, the logger of a call that serves several.

use crate::cursor::{Cursor, is_text, is_value};
use crate::decode::{DecodeError, decode};
use crate::keys::KeySet;
use crate::pen::Pen;
use crate::pieces::Pieces;
use crate::wire;

/// What every record of one call site has in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Site<'a> {
    /// The event (or template) of the call.
    pub event: Option<&'a str>,
    /// The logger's name.
    pub logger: Option<&'a str>,
    /// Source file.
    pub file: Option<&'a str>,
    /// Line in it; 0 when unknown.
    pub line: u32,
    /// Function.
    pub func: Option<&'a str>,
    /// Tells it from other sites in the same line: the offset of its instruction, or the like.
    pub which: u32,
    /// The names of its fields.
    pub names: Names<'a>,
}

/// What a record need not say, because its site does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromSite {
    /// The site's number in its log.
    pub id: u32,
    /// Which table gave the number: of no interest to the encoder.
    pub table: u32,
    /// The site has this very event.
    pub has_event: bool,
    /// The site has this very logger.
    pub has_logger: bool,
    /// The fields from here on are all that the site has names for, in their order. None: as many
    /// as there are fields.
    pub named_from: usize,
}

/// Finds the call site that a record names by number. What a record says itself wins
/// over what its site says.
pub trait Sites {
    /// The site of that number, if it is known.
    fn site(&self, id: u32) -> Option<Site<'_>>;

    /// The same, with what the lines of that site have in common, where it is kept ready. It only saves time.
    #[inline]
    fn site_and_pieces(&self, id: u32) -> Option<(Site<'_>, Option<&Pieces<'_>>)> {
        Some((self.site(id)?, None))
    }
}

/// No table of sites: every number is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSites;

impl Sites for NoSites {
    fn site(&self, _id: u32) -> Option<Site<'_>> {
        None
    }
}

/// Shown as the name of a field that no call site names.
pub const UNKNOWN_NAME: &str = "?";

/// The names of a site's fields, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names<'a> {
    /// Encoded: texts, one behind the other. None: the site is not known.
    bytes: Option<&'a [u8]>,
    may_repeat: bool,
}

impl<'a> Names<'a> {
    pub(crate) const NONE: Names<'static> = Names {
        bytes: None,
        may_repeat: false,
    };

    fn read(bytes: &'a [u8]) -> Option<Names<'a>> {
        let mut cursor = Cursor::new(bytes);
        let mut keys = KeySet::<4>::EMPTY;
        let mut may_repeat = false;
        while !cursor.rest().is_empty() {
            let name = cursor.bytes()?;
            if !is_text(name) {
                return None;
            }
            may_repeat |= keys.insert(name);
        }
        Some(Names {
            bytes: Some(bytes),
            may_repeat,
        })
    }

    pub(crate) fn is_unknown(self) -> bool {
        self.bytes.is_none()
    }

    pub(crate) fn may_repeat(self) -> bool {
        self.may_repeat
    }

    #[inline]
    pub(crate) fn next_or_unknown(&mut self) -> &'a str {
        self.next().unwrap_or(UNKNOWN_NAME)
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let mut cursor = Cursor::new(self.bytes?);
        let name = cursor.text()?;
        self.bytes = Some(cursor.rest());
        Some(name)
    }
}

impl<'a> Site<'a> {
    /// Reads a description.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &'a [u8]) -> Result<Site<'a>, DecodeError> {
        let record = decode(bytes, &NoSites)?;
        let (mut has_event, mut which, mut names) = (false, 0, Names::read(&[]));
        let mut cursor = Cursor::new(bytes);
        let _ = cursor.byte();
        while let Some(tag) = cursor.byte() {
            has_event |= tag == wire::EVENT;
            let skipped = match tag {
                wire::NAMES => cursor.bytes().map(|body| names = Names::read(body)),
                wire::WHICH => cursor.bytes().map(|body| which = number(body)),
                _ if is_value(tag) => None,
                _ => cursor.skip_part(tag),
            };
            if skipped.is_none() {
                break;
            }
        }
        Ok(Site {
            event: has_event.then(|| record.event()),
            logger: record.logger(),
            file: record.file(),
            line: record.line(),
            func: record.func(),
            which,
            names: names.ok_or(DecodeError::NotARecord)?,
        })
    }
}

impl Site<'_> {
    /// Writes the description, with these names, into `out`: how many bytes. None: it does not fit.
    pub fn write<'n>(&self, names: impl Iterator<Item = &'n str>, out: &mut [u8]) -> Option<usize> {
        let mut pen = Pen::new(out);
        pen.byte(wire::HEAD)?;
        self.write_parts(&mut pen)?;
        if self.which != 0 {
            pen.tagged(wire::WHICH, &self.which.to_le_bytes())?;
        }
        pen.byte(wire::NAMES)?;
        let length = pen.hole()?;
        for name in names {
            pen.text(name.as_bytes())?;
        }
        pen.fill_length(length)?;
        Some(pen.len())
    }

    /// All but the names, as the parts of a record.
    pub(crate) fn write_parts(&self, pen: &mut Pen<'_>) -> Option<()> {
        let texts = [
            (wire::EVENT, self.event),
            (wire::LOGGER, self.logger),
            (wire::FILE, self.file),
            (wire::FUNC, self.func),
        ];
        for (tag, text) in texts {
            if let Some(text) = text {
                pen.tagged(tag, text.as_bytes())?;
            }
        }
        match self.line {
            0 => Some(()),
            line => pen.tagged_u32(wire::LINE, line),
        }
    }
}

fn number(body: &[u8]) -> u32 {
    let word = body.first_chunk::<4>();
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

//! From bytes to a record: the total reader.
//!
//! [`decode`] takes any bytes, also those of a damaged or hostile file. It looks at each
//! byte once, to a bounded depth, and either refuses or answers with a view whose
//! accessors and iterators cannot fail.

use crate::args::Args;
use crate::cursor::{Cursor, is_value};
use crate::encode::Exc;
use crate::keys::KeySet;
use crate::pieces::{Pieces, ReadyNames};
use crate::sites::{Names, Site, Sites};
use crate::text::Text;
use crate::value::Field;
use crate::wire::{self, MAX_DEPTH};

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The head byte names no known kind.
    NotARecord,
    /// An item is cut short, holds something else than UTF-8 where text belongs, is
    /// nested too deeply, or has an unknown tag. The offset is where the item starts.
    BadItem(usize),
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            DecodeError::NotARecord => "not a record: unknown kind",
            DecodeError::BadItem(_) => "damaged record: bad item",
        })
    }
}

impl core::error::Error for DecodeError {}

/// A decoded record: borrowed texts, and fields that are read as they are iterated.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    event: Option<&'a str>,
    message: Option<&'a str>,
    args: Args<'a>,
    logger: Option<&'a str>,
    levelno: Option<i32>,
    file: Option<&'a str>,
    line: u32,
    func: Option<&'a str>,
    exc: Option<Exc<'a>>,
    site: Option<u32>,
    truncated: bool,
    keys_may_repeat: bool,
    fields: &'a [u8],
    names: Names<'a>,
    pieces: Option<&'a Pieces<'a>>,
    /// The site's is the event, and the logger: the record names neither.
    has_sites_head: bool,
    /// The site's are file, line and function.
    has_sites_source: bool,
}

/// Shown as the event of a record whose call site is not known.
pub const UNKNOWN_SITE: &str = "<unknown call site>";

impl<'a> RecordView<'a> {
    /// A record that says nothing. Not a constant: that would be copied where a few zeros are enough.
    #[inline(always)]
    pub const fn empty() -> RecordView<'a> {
        RecordView {
            event: None,
            message: None,
            args: Args::NONE,
            logger: None,
            levelno: None,
            file: None,
            line: 0,
            func: None,
            exc: None,
            site: None,
            truncated: false,
            keys_may_repeat: false,
            fields: &[],
            names: Names::NONE,
            pieces: None,
            has_sites_head: false,
            has_sites_source: false,
        }
    }

    /// [`decode()`] into a view that is [`RecordView::empty`], where it lies: many are read, one after the other, and a
    /// view is too large to be handed on for nothing.
    ///
    /// # Errors
    /// As those of [`decode()`]; the view is of no use then.
    #[inline]
    pub fn decode<S: Sites + ?Sized>(
        &mut self,
        bytes: &'a [u8],
        sites: &'a S,
    ) -> Result<(), DecodeError> {
        let mut found = Found::NOTHING;
        scan(self, &mut found, bytes)?;
        if let Some(id) = self.site
            && let Some((site, pieces)) = sites.site_and_pieces(id)
        {
            if let Some(pieces) = pieces {
                self.pieces = Some(pieces);
                self.has_sites_head = self.event.is_none() && self.logger.is_none();
                self.has_sites_source =
                    self.file.is_none() && self.func.is_none() && self.line == 0;
            }
            self.complete_from(&site);
        }
        if found.values != 0 {
            self.keys_may_repeat |= found.may_repeat(self.names);
        }
        Ok(())
    }

    /// The event. When it was cut, it ends in [`wire::MARK`].
    pub fn event(&self) -> &'a str {
        match self.event {
            Some(event) => event,
            None if self.site.is_some() => UNKNOWN_SITE,
            None => "",
        }
    }

    /// The text to show, where it is another than the event. When it was cut, it ends in
    /// [`wire::MARK`].
    #[inline]
    pub fn message(&self) -> Option<Text<'a>> {
        if self.message.is_none() && self.args.is_none() {
            return None;
        }
        let text = self.text();
        (text != *self.event()).then_some(text)
    }

    /// The text to show: the message where there is one, else the event with its arguments.
    #[inline]
    pub fn text(&self) -> Text<'a> {
        match self.message {
            Some(message) => Text::plain(message),
            None => Text::new(self.event(), self.args),
        }
    }

    /// The arguments of the event; none where it is no template.
    pub fn args(&self) -> Args<'a> {
        self.args
    }

    /// The logger's name.
    pub fn logger(&self) -> Option<&'a str> {
        self.logger
    }

    /// The original number of the level.
    pub fn levelno(&self) -> Option<i32> {
        self.levelno
    }

    /// Source file.
    pub fn file(&self) -> Option<&'a str> {
        self.file
    }

    /// Line in the source file; 0 when unknown.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Function.
    pub fn func(&self) -> Option<&'a str> {
        self.func
    }

    /// The exception that was logged.
    pub fn exc(&self) -> Option<Exc<'a>> {
        self.exc
    }

    /// The number of the call site, where the record names one.
    pub fn site(&self) -> Option<u32> {
        self.site
    }

    /// Something was shortened or left out to make the record fit.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// The fields in the order of the call.
    pub fn fields(&self) -> Fields<'a> {
        Fields {
            cursor: Cursor::new(self.fields),
            values: Cursor::new(&[]),
            names: self.names,
        }
    }

    /// The fields as they are stored, and what stands between them.
    pub(crate) fn field_bytes(&self) -> &'a [u8] {
        self.fields
    }

    /// Logger and event as they stand in a line of text, if that is kept ready and there is nothing else to show.
    #[inline(always)]
    pub(crate) fn ready_text(&self) -> Option<&'a [u8]> {
        let shows_event = self.has_sites_head && self.message.is_none() && self.args.is_none();
        let pieces = self.pieces.filter(|_| shows_event)?;
        Some(pieces.text()).filter(|text| !text.is_empty())
    }

    /// Logger and event as they stand in a JSON line, if that is kept ready.
    #[inline(always)]
    pub(crate) fn ready_head(&self) -> Option<&'a [u8]> {
        let pieces = self.pieces.filter(|_| self.has_sites_head)?;
        Some(pieces.head()).filter(|head| !head.is_empty())
    }

    /// File, line and function as they stand in a JSON line, if that is kept ready.
    #[inline(always)]
    pub(crate) fn ready_source(&self) -> Option<&'a [u8]> {
        let pieces = self.pieces.filter(|_| self.has_sites_source)?;
        Some(pieces.source())
    }

    /// The names of the site's fields as they stand in a JSON line, if that is kept ready, and no field has another's.
    #[inline(always)]
    pub(crate) fn ready_names(&self) -> Option<ReadyNames<'a>> {
        let pieces = self.pieces.filter(|_| !self.keys_may_repeat)?;
        pieces.names()
    }

    /// The keys of the fields.
    pub(crate) fn keys(&self) -> Keys<'a> {
        Keys {
            cursor: Cursor::new(self.fields),
            values: Cursor::new(&[]),
            names: self.names,
        }
    }

    /// False if certainly no two fields have the same key.
    pub(crate) fn keys_may_repeat(&self) -> bool {
        self.keys_may_repeat
    }

    /// One part of a record, or an item of a later layout.
    fn read_part(&mut self, cursor: &mut Cursor<'a>, tag: u8) -> Option<()> {
        match tag {
            wire::EVENT => self.event = Some(cursor.text()?),
            wire::OPEN_EVENT => self.event = Some(cursor.text_to_end()?),
            wire::MESSAGE => self.message = Some(cursor.text()?),
            wire::LOGGER => self.logger = Some(cursor.text()?),
            wire::LEVELNO => self.levelno = Some(i32::from_le_bytes(cursor.chunk()?)),
            wire::FILE => self.file = Some(cursor.text()?),
            wire::LINE => self.line = u32::from_le_bytes(cursor.chunk()?),
            wire::FUNC => self.func = Some(cursor.text()?),
            wire::EXC => {
                let (kind, message, stacktrace) = (cursor.text()?, cursor.text()?, cursor.text()?);
                self.exc = Some(Exc {
                    kind,
                    message,
                    stacktrace,
                });
            }
            wire::OTHER.. => {
                let body = cursor.bytes()?;
                match tag {
                    wire::SITE => self.site = Some(u32::from_le_bytes(body.try_into().ok()?)),
                    wire::VALUES => Cursor::new(body).check_values(MAX_DEPTH)?,
                    wire::ARGS => self.args = Args::read(body)?,
                    _ => {}
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// What the site knows and the record does not say itself.
    #[inline(always)]
    fn complete_from(&mut self, site: &Site<'a>) {
        self.event = self.event.or(site.event);
        self.logger = self.logger.or(site.logger);
        self.file = self.file.or(site.file);
        self.func = self.func.or(site.func);
        if self.line == 0 {
            self.line = site.line;
        }
        self.names = site.names;
    }
}

/// The fields of a record in order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    cursor: Cursor<'a>,
    /// Of the call site's fields.
    values: Cursor<'a>,
    names: Names<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            if let Some(tag) = self.values.byte() {
                let key = self.names.next_or_unknown();
                let value = self.values.body(tag)?;
                return Some(Field { key, value });
            }
            let tag = self.cursor.byte()?;
            if is_value(tag) {
                let key = self.cursor.text()?;
                let value = self.cursor.body(tag)?;
                return Some(Field { key, value });
            }
            if tag == wire::VALUES {
                self.values = Cursor::new(self.cursor.bytes()?);
            } else {
                self.cursor.skip_part(tag)?;
            }
        }
    }
}

/// The keys of a record in order, read without a look at the values.
#[derive(Clone)]
pub(crate) struct Keys<'a> {
    cursor: Cursor<'a>,
    values: Cursor<'a>,
    names: Names<'a>,
}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            if let Some(tag) = self.values.byte() {
                self.values.skip_body(tag)?;
                return Some(self.names.next_or_unknown().as_bytes());
            }
            let tag = self.cursor.byte()?;
            if is_value(tag) {
                let key = self.cursor.bytes()?;
                self.cursor.skip_body(tag)?;
                return Some(key);
            }
            if tag == wire::VALUES {
                self.values = Cursor::new(self.cursor.bytes()?);
            } else {
                self.cursor.skip_part(tag)?;
            }
        }
    }
}

/// Reads a record from any bytes.
pub fn decode<'a, S: Sites + ?Sized>(
    bytes: &'a [u8],
    sites: &'a S,
) -> Result<RecordView<'a>, DecodeError> {
    let mut view = RecordView::empty();
    view.decode(bytes, sites)?;
    Ok(view)
}

/// What the fields of a record are made of.
struct Found {
    /// The keys that stand in the record.
    keys: KeySet<4>,
    /// How many do.
    own: usize,
    /// How often there are values under the call site's names.
    values: usize,
}

impl Found {
    const NOTHING: Found = Found {
        keys: KeySet::EMPTY,
        own: 0,
        values: 0,
    };

    /// Whether a name of the call site may be there twice.
    fn may_repeat(mut self, names: Names<'_>) -> bool {
        if names.is_unknown() || names.may_repeat() || self.values > 1 {
            return true;
        }
        self.own != 0 && names.fold(false, |all, name| all | self.keys.insert(name.as_bytes()))
    }
}

/// Fills a view that is empty.
fn scan<'a>(
    view: &mut RecordView<'a>,
    found: &mut Found,
    bytes: &'a [u8],
) -> Result<(), DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let Some(head) = cursor.byte() else {
        view.truncated = true;
        return Ok(());
    };
    if head & wire::KIND_MASK != wire::HEAD {
        return Err(DecodeError::NotARecord);
    }
    view.truncated = head & wire::TRUNCATED != 0;
    loop {
        let item = cursor.rest();
        let Some(tag) = cursor.byte() else { break };
        let read = if is_value(tag) {
            if view.fields.is_empty() {
                view.fields = item;
            }
            found.own = found.own.wrapping_add(1);
            cursor
                .check_field(tag)
                .map(|key| view.keys_may_repeat |= found.keys.insert(key))
        } else {
            if matches!(tag, wire::AMBIENT | wire::VALUES) && view.fields.is_empty() {
                view.fields = item;
            }
            found.values = found.values.wrapping_add(usize::from(tag == wire::VALUES));
            view.read_part(&mut cursor, tag)
        };
        if read.is_none() {
            return Err(DecodeError::BadItem(bytes.len().wrapping_sub(item.len())));
        }
    }
    Ok(())
}

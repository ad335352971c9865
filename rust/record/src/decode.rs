//! From bytes to a record: the total reader.
//!
//! [`decode`] takes any bytes, also those of a damaged or hostile file. It looks at each
//! byte once, to a bounded depth, and either refuses or answers with a view whose
//! accessors and iterators cannot fail.

use crate::encode::Exc;
use crate::sites::{Site, Sites};
use crate::value::{Field, Map, Raw, Seq, Value};
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
}

/// Shown as the event of a record whose call site is not known.
pub const UNKNOWN_SITE: &str = "<unknown call site>";

impl<'a> RecordView<'a> {
    const EMPTY: RecordView<'a> = RecordView {
        event: None,
        message: None,
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
    };

    /// The event. When it was cut, it ends in [`wire::MARK`].
    pub fn event(&self) -> &'a str {
        match self.event {
            Some(event) => event,
            None if self.site.is_some() => UNKNOWN_SITE,
            None => "",
        }
    }

    /// The rendered text, where it differs from the event. When it was cut, it ends in
    /// [`wire::MARK`].
    pub fn message(&self) -> Option<&'a str> {
        self.message.filter(|message| Some(*message) != self.event)
    }

    /// The text to show: the message where there is one, else the event.
    pub fn text(&self) -> &'a str {
        self.message.unwrap_or_else(|| self.event())
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
        }
    }

    /// False if certainly no two fields have the same key.
    pub(crate) fn keys_may_repeat(&self) -> bool {
        self.keys_may_repeat
    }

    /// What the site knows and the record does not say itself.
    fn complete_from(&mut self, site: &Site<'a>) {
        self.event = self.event.or(site.event);
        self.logger = self.logger.or(site.logger);
        self.file = self.file.or(site.file);
        self.func = self.func.or(site.func);
        if self.line == 0 {
            self.line = site.line;
        }
    }
}

/// The fields of a record in order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            let tag = self.cursor.byte()?;
            if is_value(tag) {
                let key = self.cursor.text()?;
                let value = self.cursor.body(tag)?;
                return Some(Field { key, value });
            }
            let mut ignored = RecordView::EMPTY;
            self.cursor.part(tag, &mut ignored)?;
        }
    }
}

/// Reads a record from any bytes.
pub fn decode<'a, S: Sites>(bytes: &'a [u8], sites: &'a S) -> Result<RecordView<'a>, DecodeError> {
    let mut view = scan(bytes)?;
    if let Some(site) = view.site.and_then(|id| sites.site(id)) {
        view.complete_from(&site);
    }
    Ok(view)
}

fn scan(bytes: &[u8]) -> Result<RecordView<'_>, DecodeError> {
    let mut view = RecordView::EMPTY;
    let mut cursor = Cursor::new(bytes);
    let Some(head) = cursor.byte() else {
        view.truncated = true;
        return Ok(view);
    };
    if head & wire::KIND_MASK != wire::HEAD {
        return Err(DecodeError::NotARecord);
    }
    view.truncated = head & wire::TRUNCATED != 0;
    let mut keys = KeyFilter::default();
    loop {
        let item = cursor.rest;
        let Some(tag) = cursor.byte() else { break };
        let read = if is_value(tag) {
            if view.fields.is_empty() {
                view.fields = item;
            }
            cursor.check_field(tag).map(|key| keys.add(key))
        } else {
            cursor.part(tag, &mut view)
        };
        if read.is_none() {
            return Err(DecodeError::BadItem(bytes.len().wrapping_sub(item.len())));
        }
    }
    view.keys_may_repeat = keys.collided;
    Ok(view)
}

/// Notices cheaply that no key can be there twice, so that the writers of formats
/// without duplicate names need not compare.
#[derive(Default)]
struct KeyFilter {
    seen: [u64; 4],
    collided: bool,
}

impl KeyFilter {
    #[inline]
    fn add(&mut self, key: &[u8]) {
        let first = key.first().copied().unwrap_or(0);
        let middle = key.get(key.len() / 2).copied().unwrap_or(0);
        let last = key.last().copied().unwrap_or(0);
        let mixed = (key.len() as u64)
            | u64::from(first) << 16
            | u64::from(middle) << 32
            | u64::from(last) << 48;
        let hash = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let bit = 1u64 << (hash & 63);
        if let Some(word) = self.seen.get_mut((hash >> 6) as usize) {
            self.collided |= *word & bit != 0;
            *word |= bit;
        }
    }
}

#[inline]
const fn is_value(tag: u8) -> bool {
    matches!(tag, wire::NULL..=wire::DICT)
}

/// A position in encoded bytes. Every method answers `None` instead of going astray.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    #[inline(always)]
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*chunk)
    }

    #[inline(always)]
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (area, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(area)
    }

    /// A length and that many bytes.
    #[inline(always)]
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let low = self.byte()?;
        if low < 0x80 {
            return self.take(usize::from(low));
        }
        let high = self.byte()?;
        self.take(usize::from(low & 0x7f) | usize::from(high) << 7)
    }

    #[inline(always)]
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes()?).ok()
    }

    /// Two bytes of size, and as many bytes.
    fn sized(&mut self) -> Option<&'a [u8]> {
        let size = u16::from_le_bytes(self.chunk()?);
        self.take(usize::from(size))
    }

    /// The next value; nested ones are not looked into.
    pub(crate) fn value(&mut self) -> Option<Value<'a>> {
        let tag = self.byte()?;
        self.body(tag)
    }

    #[inline]
    fn body(&mut self, tag: u8) -> Option<Value<'a>> {
        Some(match tag {
            wire::NULL => Value::Null,
            wire::FALSE => Value::Bool(false),
            wire::TRUE => Value::Bool(true),
            wire::INT1 => Value::Int(i64::from(i8::from_le_bytes(self.chunk()?))),
            wire::INT2 => Value::Int(i64::from(i16::from_le_bytes(self.chunk()?))),
            wire::INT4 => Value::Int(i64::from(i32::from_le_bytes(self.chunk()?))),
            wire::INT8 => Value::Int(i64::from_le_bytes(self.chunk()?)),
            wire::UINT => Value::UInt(u64::from_le_bytes(self.chunk()?)),
            wire::FLOAT => Value::Float(f64::from_le_bytes(self.chunk()?)),
            wire::STR => Value::Str(self.text()?),
            wire::BYTES => Value::Bytes(self.bytes()?),
            wire::DATETIME => Value::DateTime(self.text()?),
            wire::UUID => Value::Uuid(self.chunk()?),
            wire::DECIMAL => Value::Decimal(self.text()?),
            wire::PATH => Value::Path(self.text()?),
            wire::ENUM => Value::Enum {
                name: self.text()?,
                value: self.wrapped()?,
            },
            wire::NUMPY => Value::Numpy {
                dtype: self.text()?,
                value: self.wrapped()?,
            },
            wire::LIST => Value::List(Seq {
                bytes: self.sized()?,
            }),
            wire::DICT => Value::Dict(Map {
                bytes: self.sized()?,
            }),
            wire::OTHER.. => {
                self.bytes()?;
                Value::Null
            }
            _ => return None,
        })
    }

    /// The value inside of an enum or NumPy scalar: anything but another of these.
    fn wrapped(&mut self) -> Option<Raw<'a>> {
        let start = self.rest;
        let tag = self.byte()?;
        if matches!(tag, wire::ENUM | wire::NUMPY) {
            return None;
        }
        self.body(tag)?;
        let size = start.len().checked_sub(self.rest.len())?;
        Some(Raw {
            bytes: start.get(..size)?,
        })
    }

    /// One part of a record, or an item of a later layout.
    fn part(&mut self, tag: u8, view: &mut RecordView<'a>) -> Option<()> {
        match tag {
            wire::EVENT => view.event = Some(self.text()?),
            wire::MESSAGE => view.message = Some(self.text()?),
            wire::LOGGER => view.logger = Some(self.text()?),
            wire::LEVELNO => view.levelno = Some(i32::from_le_bytes(self.chunk()?)),
            wire::FILE => view.file = Some(self.text()?),
            wire::LINE => view.line = u32::from_le_bytes(self.chunk()?),
            wire::FUNC => view.func = Some(self.text()?),
            wire::EXC => {
                let (kind, message, stacktrace) = (self.text()?, self.text()?, self.text()?);
                view.exc = Some(Exc {
                    kind,
                    message,
                    stacktrace,
                });
            }
            wire::OTHER.. => {
                let body = self.bytes()?;
                if tag == wire::SITE {
                    view.site = Some(u32::from_le_bytes(<[u8; 4]>::try_from(body).ok()?));
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// A field whose tag was read; everything in it is looked at. The key.
    #[inline(always)]
    fn check_field(&mut self, tag: u8) -> Option<&'a [u8]> {
        let key = self.bytes()?;
        if !is_text(key) {
            return None;
        }
        self.check_body(tag, MAX_DEPTH)?;
        Some(key)
    }

    /// Exactly one valid value and nothing behind it.
    pub(crate) fn check_one(mut self) -> Option<()> {
        self.check_value(MAX_DEPTH)?;
        self.rest.is_empty().then_some(())
    }

    /// The next value nests at most `depth` lists and dicts.
    pub(crate) fn check_depth(mut self, depth: usize) -> Option<()> {
        self.check_value(depth)
    }

    /// Nothing but valid values.
    pub(crate) fn check_values(mut self, depth: usize) -> Option<()> {
        while !self.rest.is_empty() {
            self.check_value(depth)?;
        }
        Some(())
    }

    /// Nothing but valid keys and values.
    pub(crate) fn check_entries(mut self, depth: usize) -> Option<()> {
        while !self.rest.is_empty() {
            self.text()?;
            self.check_value(depth)?;
        }
        Some(())
    }

    fn check_value(&mut self, depth: usize) -> Option<()> {
        let tag = self.byte()?;
        self.check_body(tag, depth)
    }

    /// A value whose tag was read; everything in it is looked at.
    #[inline(always)]
    fn check_body(&mut self, tag: u8, depth: usize) -> Option<()> {
        let fixed = match tag {
            wire::NULL | wire::FALSE | wire::TRUE => 0,
            wire::INT1 => 1,
            wire::INT2 => 2,
            wire::INT4 => 4,
            wire::INT8 | wire::UINT | wire::FLOAT => 8,
            wire::UUID => 16,
            wire::STR | wire::DATETIME | wire::DECIMAL | wire::PATH => {
                return is_text(self.bytes()?).then_some(());
            }
            wire::BYTES | wire::OTHER.. => return self.bytes().map(|_| ()),
            _ => return self.check_nested(tag, depth),
        };
        self.take(fixed).map(|_| ())
    }

    #[inline(never)]
    fn check_nested(&mut self, tag: u8, depth: usize) -> Option<()> {
        match tag {
            wire::LIST => Cursor::new(self.sized()?).check_values(depth.checked_sub(1)?),
            wire::DICT => Cursor::new(self.sized()?).check_entries(depth.checked_sub(1)?),
            wire::ENUM | wire::NUMPY => {
                self.text()?;
                let inner = self.byte()?;
                if matches!(inner, wire::ENUM | wire::NUMPY) {
                    return None;
                }
                self.check_body(inner, depth)
            }
            _ => None,
        }
    }
}

/// UTF-8. Most texts are short and plain ASCII, which is seen eight bytes at a time.
#[inline(always)]
fn is_text(bytes: &[u8]) -> bool {
    is_ascii(bytes) || core::str::from_utf8(bytes).is_ok()
}

#[inline(always)]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    let Some(last) = bytes.last_chunk::<8>() else {
        return rest.iter().fold(0, |all, byte| all | byte) < 0x80;
    };
    let all = words.iter().fold(u64::from_ne_bytes(*last), |all, word| {
        all | u64::from_ne_bytes(*word)
    });
    all & HIGH == 0
}

//! Building a nested value in a caller's buffer.

use crate::cursor::Cursor;
use crate::pen::Pen;
use crate::value::{Raw, Value};
use crate::wire::{DICT, LIST, MAX_DEPTH, MAX_ITEMS};

/// Builds one value, usually a list or dict, in a caller's buffer.
///
/// Mistakes and lack of space are remembered, not reported one by one: [`finish`]
/// answers `None` if anything went wrong, be it a full buffer, more than
/// [`MAX_DEPTH`] levels, more than [`MAX_ITEMS`] items, a key outside of a dict or
/// a value without its key. A caller then writes the value in another way.
///
/// [`finish`]: ValueWriter::finish
///
/// ```
/// use pr_record::{Value, ValueWriter};
/// let mut buf = [0u8; 64];
/// let mut writer = ValueWriter::new(&mut buf);
/// writer.begin_dict();
/// writer.key("sizes");
/// writer.begin_list();
/// writer.push(&Value::Int(1));
/// writer.push(&Value::Int(2));
/// writer.end();
/// writer.end();
/// let value = writer.finish().map(|raw| raw.value());
/// assert!(matches!(value, Some(Value::Dict(_))));
/// ```
pub struct ValueWriter<'b> {
    pen: Pen<'b>,
    open: [Open; MAX_DEPTH],
    depth: usize,
    values: usize,
    failed: bool,
}

#[derive(Clone, Copy, Default)]
struct Open {
    at: usize,
    items: usize,
    is_dict: bool,
    has_key: bool,
}

impl<'b> ValueWriter<'b> {
    /// A writer into `buf`.
    pub fn new(buf: &'b mut [u8]) -> ValueWriter<'b> {
        let open = [Open::default(); MAX_DEPTH];
        ValueWriter {
            pen: Pen::new(buf),
            open,
            depth: 0,
            values: 0,
            failed: false,
        }
    }

    /// Opens a list; the values that follow are in it until [`ValueWriter::end`].
    pub fn begin_list(&mut self) {
        self.begin(LIST, false);
    }

    /// Opens a dict; keys and values that follow are in it until [`ValueWriter::end`].
    pub fn begin_dict(&mut self) {
        self.begin(DICT, true);
    }

    /// The key of the next value in a dict.
    pub fn key(&mut self, key: &str) {
        match self.innermost() {
            Some(open) if open.is_dict && !open.has_key => {
                open.has_key = true;
                self.failed |= self.pen.text(key.as_bytes()).is_none();
            }
            _ => self.failed = true,
        }
    }

    /// A value.
    pub fn push(&mut self, value: &Value<'_>) {
        if !self.count_value() || !self.fits_depth(value) {
            self.failed = true;
            return;
        }
        self.failed |= self.pen.value(value).is_none();
    }

    /// Closes the innermost list or dict.
    pub fn end(&mut self) {
        match self.innermost().copied() {
            Some(open) if !open.has_key => {
                self.failed |= self.pen.fill_size(open.at).is_none();
                self.depth = self.depth.wrapping_sub(1);
            }
            _ => self.failed = true,
        }
    }

    /// True as long as nothing has gone wrong. A caller may stop early.
    pub fn is_ok(&self) -> bool {
        !self.failed
    }

    /// The finished value.
    pub fn finish(self) -> Option<Raw<'b>> {
        if self.failed || self.depth != 0 || self.values != 1 {
            return None;
        }
        Some(Raw {
            bytes: self.pen.finish(),
        })
    }

    fn begin(&mut self, tag: u8, is_dict: bool) {
        if !self.count_value() || self.open_at(tag, is_dict).is_none() {
            self.failed = true;
        }
    }

    fn open_at(&mut self, tag: u8, is_dict: bool) -> Option<()> {
        let open = self.open.get_mut(self.depth)?;
        self.pen.byte(tag)?;
        let at = self.pen.hole()?;
        *open = Open {
            at,
            items: 0,
            is_dict,
            has_key: false,
        };
        self.depth = self.depth.wrapping_add(1);
        Some(())
    }

    fn innermost(&mut self) -> Option<&mut Open> {
        self.open.get_mut(self.depth.checked_sub(1)?)
    }

    /// Books a value where the writer stands; false if none may stand there.
    fn count_value(&mut self) -> bool {
        let Some(open) = self.innermost() else {
            self.values = self.values.saturating_add(1);
            return self.values == 1;
        };
        if open.has_key != open.is_dict || open.items == MAX_ITEMS {
            return false;
        }
        open.items = open.items.wrapping_add(1);
        open.has_key = false;
        true
    }

    /// A ready-made nested value brings its own depth along.
    fn fits_depth(&self, value: &Value<'_>) -> bool {
        let left = MAX_DEPTH.wrapping_sub(self.depth);
        match value {
            Value::List(seq) => left > 0 && Cursor::new(seq.bytes).check_values(left - 1).is_some(),
            Value::Dict(map) => {
                left > 0 && Cursor::new(map.bytes).check_entries(left - 1).is_some()
            }
            Value::Enum { value, .. } | Value::Numpy { value, .. } => {
                Cursor::new(value.bytes).check_depth(left).is_some()
            }
            _ => true,
        }
    }
}

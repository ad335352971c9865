//! The grammar of a template: text, and conversions.
//!
//! ```text
//! conversion := % [(key)] flag* [width] [. [precision]] [h | l | L] kind
//! flag       := - | + | space | # | 0
//! width      := digits | *          precision the same
//! kind       := d i o u x X e E f F g G c s r a
//! ```

/// Widths and precisions up to this are rendered by a reader, longer ones at the call.
pub(super) const MAX_COUNT: u16 = 250;

/// Part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text that is shown as it is.
    Literal(&'t str),
    /// What an argument is put in place of.
    Conversion(Spec<'t>),
    /// A `%` that begins neither a conversion nor `%%`, or one that is left to the call.
    Broken(&'t str),
}

/// A conversion, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spec<'t> {
    /// All of it, as it stands in the template.
    pub(super) source: &'t str,
    /// Name of the argument.
    pub(super) key: Option<&'t str>,
    pub(super) flags: Flags,
    pub(super) width: Count,
    pub(super) precision: Count,
    /// The letter that it ends in.
    pub(super) kind: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) left: bool,
    pub(super) sign: bool,
    pub(super) blank: bool,
    pub(super) alternate: bool,
    pub(super) zero: bool,
}

/// A width or a precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    None,
    Number(u16),
    /// An argument says it.
    Star,
}

/// The pieces of a template in order.
#[derive(Clone, Debug)]
pub(super) struct Pieces<'t> {
    rest: &'t str,
}

impl<'t> Pieces<'t> {
    #[inline]
    pub(super) fn new(template: &'t str) -> Pieces<'t> {
        Pieces { rest: template }
    }

    #[inline]
    fn take(&mut self, len: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    #[inline]
    fn next(&mut self) -> Option<Piece<'t>> {
        let bytes = self.rest.as_bytes();
        match bytes {
            [] => None,
            [b'%', b'%', ..] => {
                let both = self.take(2);
                Some(Piece::Literal(both.get(1..).unwrap_or("")))
            }
            [b'%', ..] => Some(match Reader::new(self.rest).spec() {
                Some(spec) => {
                    self.take(spec.source.len());
                    Piece::Conversion(spec)
                }
                None => Piece::Broken(self.take(1)),
            }),
            _ => {
                let len = bytes.iter().take_while(|byte| **byte != b'%').count();
                Some(Piece::Literal(self.take(len)))
            }
        }
    }
}

/// Reads one conversion.
struct Reader<'t> {
    whole: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    /// At the `%` that the text begins with.
    #[inline(always)]
    fn new(whole: &'t str) -> Reader<'t> {
        Reader { whole, at: 1 }
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.whole.as_bytes().get(self.at).copied()
    }

    #[inline(always)]
    fn skip(&mut self) {
        self.at = self.at.wrapping_add(1);
    }

    #[inline(always)]
    fn skip_if(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        if is_there {
            self.skip();
        }
        is_there
    }

    #[inline(always)]
    fn spec(mut self) -> Option<Spec<'t>> {
        let key = self.key()?;
        let flags = self.flags();
        let width = self.count()?;
        let precision = if self.skip_if(b'.') {
            match self.count()? {
                Count::None => Count::Number(0),
                said => said,
            }
        } else {
            Count::None
        };
        if matches!(self.peek()?, b'h' | b'l' | b'L') {
            self.skip();
        }
        let kind = self.peek()?;
        let has_star = width == Count::Star || precision == Count::Star;
        if !is_kind(kind) || (key.is_some() && has_star) {
            return None;
        }
        self.skip();
        Some(Spec {
            source: self.whole.get(..self.at)?,
            key,
            flags,
            width,
            precision,
            kind,
        })
    }

    /// The name in parentheses. `None` within: there is none. One with parentheses of its own is left to the call.
    #[inline(always)]
    fn key(&mut self) -> Option<Option<&'t str>> {
        if !self.skip_if(b'(') {
            return Some(None);
        }
        let rest = self.whole.get(self.at..)?;
        let len = rest.bytes().position(|byte| matches!(byte, b'(' | b')'))?;
        let key = rest.get(..len)?;
        self.at = self.at.wrapping_add(len);
        self.skip_if(b')').then_some(Some(key))
    }

    #[inline(always)]
    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        loop {
            match self.peek() {
                Some(b'-') => flags.left = true,
                Some(b'+') => flags.sign = true,
                Some(b' ') => flags.blank = true,
                Some(b'#') => flags.alternate = true,
                Some(b'0') => flags.zero = true,
                _ => return flags,
            }
            self.skip();
        }
    }

    /// A width or precision. `None`: it is too long for a reader.
    #[inline(always)]
    fn count(&mut self) -> Option<Count> {
        if self.skip_if(b'*') {
            return Some(Count::Star);
        }
        let mut number = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let more = number.unwrap_or(0u16).wrapping_mul(10);
            let more = more.wrapping_add(u16::from(digit.wrapping_sub(b'0')));
            if more > MAX_COUNT {
                return None;
            }
            number = Some(more);
            self.skip();
        }
        Some(number.map_or(Count::None, Count::Number))
    }
}

#[inline(always)]
const fn is_kind(byte: u8) -> bool {
    matches!(
        byte,
        b'd' | b'i'
            | b'o'
            | b'u'
            | b'x'
            | b'X'
            | b'e'
            | b'E'
            | b'f'
            | b'F'
            | b'g'
            | b'G'
            | b'c'
            | b's'
            | b'r'
            | b'a'
    )
}

//! One conversion of one argument: whether it can be done here, and what it shows.

use super::float::{self, Style};
use super::parse::{Flags, Spec};
use super::quoted;
use crate::out::{Out, hex_digit};
use crate::render::number;
use crate::value::Value;

/// What a piece of shown text is given to.
pub(super) type Sink<'s> = &'s mut dyn FnMut(&str);

/// Room for a number: 310 digits, a point, 250 digits and a sign.
const ROOM: usize = 600;

/// A conversion with the argument that it shows, known to be possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown<'a> {
    body: Body<'a>,
    flags: Flags,
    width: usize,
    precision: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Body<'a> {
    /// A whole number, by the letter of its conversion.
    Whole { negative: bool, size: u64, kind: u8 },
    /// A float, by the letter of its conversion.
    Float { number: f64, kind: u8 },
    /// One character.
    Char(char),
    /// Text as it is.
    Text(&'a str),
    /// Text in quotes.
    Quoted(&'a str),
    /// Bytes in quotes.
    Bytes(&'a [u8]),
    /// An int as text.
    Int { negative: bool, size: u64 },
    /// A float as text.
    Shortest(f64),
}

impl<'a> Shown<'a> {
    /// `None`: the interpreter refuses it, or only the interpreter can do it. A negative width is a flag and a width.
    #[inline]
    pub(super) fn new(
        spec: &Spec<'_>,
        value: &Value<'a>,
        width: usize,
        precision: Option<usize>,
    ) -> Option<Shown<'a>> {
        let body = match spec.kind {
            b's' => as_text(value)?,
            b'd' | b'i' | b'u' => {
                let (negative, size) = whole(value).or_else(|| truncated(value))?;
                Body::Whole {
                    negative,
                    size,
                    kind: b'd',
                }
            }
            b'r' | b'a' => as_repr(value)?,
            b'o' | b'x' | b'X' => {
                let (negative, size) = whole(value)?;
                Body::Whole {
                    negative,
                    size,
                    kind: spec.kind,
                }
            }
            b'c' => as_char(value)?,
            _ => Body::Float {
                number: as_float(value)?,
                kind: spec.kind,
            },
        };
        Some(Shown {
            body,
            flags: spec.flags,
            width,
            precision,
        })
    }

    /// Aligns it to the left.
    pub(super) fn to_the_left(mut self) -> Shown<'a> {
        self.flags.left = true;
        self
    }

    /// Shows it.
    pub(super) fn write(&self, sink: Sink<'_>) {
        match self.body {
            Body::Whole {
                negative,
                size,
                kind,
            } => self.whole(sink, negative, size, kind),
            Body::Float { number, kind } => self.float(sink, number, kind),
            Body::Char(char) => {
                let mut room = [0; 4];
                let text: &str = char.encode_utf8(&mut room);
                self.padded(sink, 1, |sink| sink(text));
            }
            Body::Text(text) => self.text(sink, text),
            Body::Quoted(text) => self.quoted(sink, &|sink| quoted::text(sink, text)),
            Body::Bytes(bytes) => self.quoted(sink, &|sink| quoted::bytes(sink, bytes)),
            Body::Int { negative, size } => self.made(sink, |out| {
                if negative {
                    out.put_byte(b'-');
                }
                number::unsigned(out, size);
            }),
            Body::Shortest(number) => self.made(sink, |out| float::shortest(out, number)),
        }
    }

    fn whole(&self, sink: Sink<'_>, negative: bool, size: u64, kind: u8) {
        let mut room = [0; 24];
        let mut digits = Out::new(&mut room);
        match kind {
            b'o' => by_bits(&mut digits, size, 3, kind),
            b'x' | b'X' => by_bits(&mut digits, size, 4, kind),
            _ => number::unsigned(&mut digits, size),
        }
        let prefix = match kind {
            b'o' if self.flags.alternate => "0o",
            b'x' if self.flags.alternate => "0x",
            b'X' if self.flags.alternate => "0X",
            _ => "",
        };
        let zeros = self.precision.unwrap_or(0).saturating_sub(digits.len());
        let digits = core::str::from_utf8(digits.written()).unwrap_or("");
        self.number(sink, negative, prefix, zeros, digits);
    }

    fn float(&self, sink: Sink<'_>, number: f64, kind: u8) {
        let mut room = [0; ROOM];
        let mut out = Out::new(&mut room);
        let style = Style {
            kind,
            precision: self.precision.unwrap_or(6),
            alternate: self.flags.alternate,
        };
        float::write(&mut out, number.abs(), style);
        let digits = core::str::from_utf8(out.written()).unwrap_or("");
        let negative = number.is_sign_negative() && !number.is_nan();
        self.number(sink, negative, "", 0, digits);
    }

    /// Sign, prefix, zeros and digits, padded.
    fn number(&self, sink: Sink<'_>, negative: bool, prefix: &str, zeros: usize, digits: &str) {
        let sign = match (negative, self.flags.sign, self.flags.blank) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let len = sign.len().saturating_add(prefix.len());
        let len = len.saturating_add(zeros).saturating_add(digits.len());
        let mut zeros = zeros;
        let mut len = len;
        if self.flags.zero && !self.flags.left {
            let more = self.width.saturating_sub(len);
            zeros = zeros.saturating_add(more);
            len = len.saturating_add(more);
        }
        self.padded(sink, len, |sink| {
            [sign, prefix].into_iter().for_each(&mut *sink);
            repeat(sink, ZEROS, zeros);
            sink(digits);
        });
    }

    fn text(&self, sink: Sink<'_>, text: &str) {
        if self.width == 0 && self.precision.is_none() {
            return sink(text);
        }
        let text = self.precision.map_or(text, |most| first_chars(text, most));
        self.padded(sink, chars(text), |sink| sink(text));
    }

    /// Text that is short, and made here.
    fn made(&self, sink: Sink<'_>, make: impl FnOnce(&mut Out<'_>)) {
        let mut room = [0; 32];
        let mut out = Out::new(&mut room);
        make(&mut out);
        self.text(sink, core::str::from_utf8(out.written()).unwrap_or(""));
    }

    /// Text in quotes, which is ASCII and comes in pieces.
    fn quoted(&self, sink: Sink<'_>, write: &dyn Fn(Sink<'_>)) {
        let mut len = 0usize;
        write(&mut |piece| len = len.saturating_add(piece.len()));
        let most = self.precision.unwrap_or(usize::MAX);
        self.padded(sink, len.min(most), |sink| {
            let mut room = most;
            write(&mut |piece| {
                let piece = piece.get(..room).unwrap_or(piece);
                room = room.saturating_sub(piece.len());
                sink(piece);
            });
        });
    }

    /// Something of that many characters, with spaces up to the width.
    fn padded(&self, sink: Sink<'_>, chars: usize, write: impl FnOnce(Sink<'_>)) {
        let spaces = self.width.saturating_sub(chars);
        if !self.flags.left {
            repeat(sink, SPACES, spaces);
        }
        write(sink);
        if self.flags.left {
            repeat(sink, SPACES, spaces);
        }
    }
}

const SPACES: &str = "                                ";
const ZEROS: &str = "00000000000000000000000000000000";

/// So many of the characters that `some` is made of.
fn repeat(sink: Sink<'_>, some: &str, mut count: usize) {
    while count > 0 {
        let now = some.get(..count).unwrap_or(some);
        sink(now);
        count = count.saturating_sub(now.len().max(1));
    }
}

/// How many characters.
fn chars(text: &str) -> usize {
    text.bytes().filter(|byte| byte & 0xc0 != 0x80).count()
}

/// The first characters, so many.
fn first_chars(text: &str, count: usize) -> &str {
    let mut starts = text.bytes().enumerate();
    let mut starts = starts.by_ref().filter(|(_, byte)| byte & 0xc0 != 0x80);
    match starts.nth(count) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// Digits of so many bits each.
fn by_bits(out: &mut Out<'_>, size: u64, bits: u32, kind: u8) {
    let count = 64u32
        .saturating_sub(size.leading_zeros())
        .div_ceil(bits)
        .max(1);
    for place in (0..count).rev() {
        let digit = size >> place.wrapping_mul(bits) & ((1u64 << bits) - 1);
        let digit = hex_digit(digit as u8);
        out.put_byte(if kind == b'X' {
            digit.to_ascii_uppercase()
        } else {
            digit
        });
    }
}

/// Sign and size of a whole number.
#[inline(always)]
fn whole(value: &Value<'_>) -> Option<(bool, u64)> {
    match value {
        Value::Int(number) => Some((*number < 0, number.unsigned_abs())),
        Value::UInt(number) => Some((false, *number)),
        Value::Bool(flag) => Some((false, u64::from(*flag))),
        _ => None,
    }
}

/// Sign and size of a float without what is behind its point.
fn truncated(value: &Value<'_>) -> Option<(bool, u64)> {
    let Value::Float(number) = value else {
        return None;
    };
    let fits = number.abs() < 18_446_744_073_709_551_616.0;
    let size = number.abs() as u64;
    fits.then_some((*number < 0.0 && size != 0, size))
}

fn as_float(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Float(number) => Some(*number),
        Value::Int(number) => Some(*number as f64),
        Value::UInt(number) => Some(*number as f64),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        _ => None,
    }
}

fn as_char<'a>(value: &Value<'a>) -> Option<Body<'a>> {
    if let Value::Str(text) = value {
        let mut chars = text.chars();
        let char = chars.next()?;
        return chars.next().is_none().then_some(Body::Char(char));
    }
    let (negative, size) = whole(value)?;
    let char = char::from_u32(u32::try_from(size).ok()?)?;
    (!negative).then_some(Body::Char(char))
}

/// Whether `%s` can be done here.
#[inline(always)]
pub(super) fn has_text(value: &Value<'_>) -> bool {
    as_text(value).is_some()
}

#[inline(always)]
fn as_text<'a>(value: &Value<'a>) -> Option<Body<'a>> {
    Some(match value {
        Value::Str(text) => Body::Text(text),
        Value::Int(number) => Body::Int {
            negative: *number < 0,
            size: number.unsigned_abs(),
        },
        Value::UInt(number) => Body::Int {
            negative: false,
            size: *number,
        },
        Value::Float(number) => Body::Shortest(*number),
        Value::Null => Body::Text("None"),
        Value::Bool(true) => Body::Text("True"),
        Value::Bool(false) => Body::Text("False"),
        Value::Bytes(bytes) => Body::Bytes(bytes),
        _ => return None,
    })
}

/// A str beyond ASCII is left to the interpreter: it knows which characters can be printed.
fn as_repr<'a>(value: &Value<'a>) -> Option<Body<'a>> {
    match value {
        Value::Str(text) => text.is_ascii().then_some(Body::Quoted(text)),
        other => as_text(other),
    }
}

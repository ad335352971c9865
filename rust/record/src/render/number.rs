//! Numbers in decimal, without the machinery of `core::fmt`.

use crate::out::Out;

/// `00` to `99`, one after the other.
static PAIRS: [[u8; 2]; 100] = pairs();

const fn pairs() -> [[u8; 2]; 100] {
    let mut table = [[b'0'; 2]; 100];
    let mut rest: &mut [[u8; 2]] = &mut table;
    let mut number = 0u8;
    while let Some((pair, tail)) = rest.split_first_mut() {
        *pair = [b'0' + number / 10, b'0' + number % 10];
        rest = tail;
        number = number.wrapping_add(1);
    }
    table
}

#[inline(always)]
fn pair(number: u64) -> [u8; 2] {
    PAIRS.get(number as usize).copied().unwrap_or([b'0'; 2])
}

/// An unsigned number.
#[inline]
pub(crate) fn unsigned(out: &mut Out<'_>, number: u64) {
    padded(out, number, 0);
}

/// An unsigned number, with spaces before it up to `width` (20 at most).
#[inline]
pub(crate) fn padded(out: &mut Out<'_>, mut number: u64, width: usize) {
    let mut digits = [b' '; 20];
    let mut start = digits.len();
    while number >= 10 {
        start = start.wrapping_sub(2);
        if let Some(place) = digits.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            *place = pair(number % 100);
        }
        number /= 100;
    }
    if number != 0 || start == digits.len() {
        start = start.wrapping_sub(1);
        if let Some(place) = digits.get_mut(start) {
            *place = b'0' + (number % 10) as u8;
        }
    }
    let start = start.min(digits.len().saturating_sub(width));
    out.put(digits.get(start..).unwrap_or(&[]));
}

/// A signed number.
#[inline]
pub(crate) fn signed(out: &mut Out<'_>, number: i64) {
    if number < 0 {
        out.put_byte(b'-');
    }
    unsigned(out, number.unsigned_abs());
}

/// The last `N` digits, zeros included.
#[inline(always)]
pub(crate) fn digits<const N: usize>(mut number: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    let (singles, pairs) = digits.as_rchunks_mut::<2>();
    for place in pairs.iter_mut().rev() {
        *place = pair(number % 100);
        number /= 100;
    }
    if let [single] = singles {
        *single = b'0' + (number % 10) as u8;
    }
    digits
}

/// A finite float: the shortest digits that give the same float again, laid out as
/// Python's `repr` does it. Others have names, see [`float_name`].
pub(crate) fn finite(out: &mut Out<'_>, number: f64) {
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(number);
    let plain = number == 0.0 || (1e-4..1e16).contains(&number.abs());
    if plain && !shortest.contains('e') {
        out.put(shortest.as_bytes());
    } else {
        Digits::parse(shortest).write(out);
    }
}

/// The name of what is no finite number.
pub(crate) fn float_name(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number == f64::INFINITY {
        Some("Infinity")
    } else if number == f64::NEG_INFINITY {
        Some("-Infinity")
    } else {
        None
    }
}

/// The significant digits of a float, and where the decimal point is: `point` digits
/// stand before it.
struct Digits {
    negative: bool,
    digits: [u8; 24],
    len: usize,
    point: i32,
}

impl Digits {
    /// Takes apart what the float printer wrote: sign, digits with or without a point,
    /// and perhaps an exponent.
    fn parse(text: &str) -> Digits {
        let mut parsed = Digits {
            negative: false,
            digits: [0; 24],
            len: 0,
            point: 0,
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, ""));
        let mut has_point = false;
        for byte in mantissa.bytes() {
            match byte {
                b'-' => parsed.negative = true,
                b'.' => has_point = true,
                digit => parsed.push(digit, has_point),
            }
        }
        parsed.point = parsed
            .point
            .saturating_add(signed_value(exponent.as_bytes()));
        while parsed.digits().last() == Some(&b'0') {
            parsed.len = parsed.len.saturating_sub(1);
        }
        parsed
    }

    fn push(&mut self, digit: u8, behind_point: bool) {
        if self.len == 0 && digit == b'0' {
            self.point = self.point.saturating_sub(i32::from(behind_point));
            return;
        }
        if let Some(place) = self.digits.get_mut(self.len) {
            *place = digit;
            self.len = self.len.wrapping_add(1);
        }
        self.point = self.point.saturating_add(i32::from(!behind_point));
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or(&[])
    }

    /// Between 1e-4 and 1e16 without an exponent, as Python has it.
    fn write(&self, out: &mut Out<'_>) {
        if self.negative {
            out.put_byte(b'-');
        }
        match self.point {
            1..=16 => self.write_plain(out, self.point as usize),
            -3..=0 => {
                out.put(b"0.");
                (self.point..0).for_each(|_| out.put_byte(b'0'));
                out.put(self.digits());
            }
            _ => self.write_exponent(out),
        }
    }

    fn write_plain(&self, out: &mut Out<'_>, point: usize) {
        let whole = self.digits().get(..point).unwrap_or(self.digits());
        out.put(whole);
        (whole.len()..point).for_each(|_| out.put_byte(b'0'));
        out.put_byte(b'.');
        match self.digits().get(point..) {
            Some(fraction) if !fraction.is_empty() => out.put(fraction),
            _ => out.put_byte(b'0'),
        }
    }

    fn write_exponent(&self, out: &mut Out<'_>) {
        let (first, rest) = self.digits().split_at_checked(1).unwrap_or((b"0", &[]));
        out.put(first);
        if !rest.is_empty() {
            out.put_byte(b'.');
            out.put(rest);
        }
        let exponent = self.point.saturating_sub(1);
        out.put(if exponent < 0 { b"e-" } else { b"e+" });
        let exponent = u64::from(exponent.unsigned_abs());
        if exponent < 100 {
            out.put(&digits::<2>(exponent))
        } else {
            unsigned(out, exponent)
        }
    }
}

/// A decimal number with an optional sign.
fn signed_value(text: &[u8]) -> i32 {
    let mut value = 0i32;
    let mut negative = false;
    for byte in text {
        match byte {
            b'-' => negative = true,
            b'0'..=b'9' => {
                value = value
                    .saturating_mul(10)
                    .saturating_add(i32::from(*byte - b'0'));
            }
            _ => {}
        }
    }
    if negative {
        value.saturating_neg()
    } else {
        value
    }
}

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

/// What no eight digits hold.
const EIGHT_DIGITS: u64 = 100_000_000;
/// Eight digits of zero.
pub(super) const ALL_ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// The eight digits of a number that has no more, the first one in the lowest byte: halves,
/// then quarters, then digits, each beside the others in one word.
#[inline(always)]
pub(super) fn eight_digits(number: u64) -> u64 {
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    // A hundredth of each half, by a multiplication that is exact below 10,000.
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let quarters = hundreds | ((halves - 100 * hundreds) << 16);
    // A tenth of each quarter, exact below 100.
    let tens = ((quarters * 103) >> 10) & 0x000F_000F_000F_000F;
    ALL_ZEROS + (tens | ((quarters - 10 * tens) << 8))
}

/// How many zeros eight digits begin with; the last digit is none of them.
#[inline(always)]
pub(super) fn leading_zeros(digits: u64) -> u32 {
    ((digits ^ ALL_ZEROS).trailing_zeros() / 8).min(7)
}

/// An unsigned number.
#[inline]
pub fn unsigned(out: &mut Out<'_>, number: u64) {
    if number >= EIGHT_DIGITS {
        return longer(out, number);
    }
    let digits = eight_digits(number);
    let zeros = leading_zeros(digits);
    out.put_word(digits >> (8 * zeros), 8 - zeros as usize);
}

/// A number of more than eight digits: what is before the last eight, and these.
#[inline(never)]
fn longer(out: &mut Out<'_>, number: u64) {
    unsigned(out, number / EIGHT_DIGITS);
    out.put_word(eight_digits(number % EIGHT_DIGITS), 8);
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
pub fn signed(out: &mut Out<'_>, number: i64) {
    if number < 0 {
        out.put_byte(b'-');
    }
    unsigned(out, number.unsigned_abs());
}

/// The last `N` digits, zeros included.
#[inline(always)]
pub fn digits<const N: usize>(mut number: u64) -> [u8; N] {
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

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;

    #[track_caller]
    fn same(write: impl Fn(&mut Out<'_>), expected: &str) {
        let mut buf = [0u8; 400];
        let mut out = Out::new(&mut buf);
        write(&mut out);
        assert_eq!(core::str::from_utf8(out.written()), Ok(expected));
    }

    /// What CPython 3.11 prints for `repr`.
    #[test]
    fn floats_look_as_in_python() {
        let pairs = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (2.5, "2.5"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (100000.0, "100000.0"),
            (123456789.0, "123456789.0"),
            (1e15, "1000000000000000.0"),
            (1234567890123456.7, "1234567890123456.8"),
            (9999999999999998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (12345678901234567000.0, "1.2345678901234567e+19"),
            (1e22, "1e+22"),
            (1e23, "1e+23"),
            (1e100, "1e+100"),
            (-1.5e300, "-1.5e+300"),
            (0.001, "0.001"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (0.00001, "1e-05"),
            (0.000012345, "1.2345e-05"),
            (1e-7, "1e-07"),
            (-1e-10, "-1e-10"),
            (1e-100, "1e-100"),
            (5e-324, "5e-324"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN, "-1.7976931348623157e+308"),
            (core::f64::consts::PI, "3.141592653589793"),
            (1.0 / 3.0, "0.3333333333333333"),
            (4294967296.0, "4294967296.0"),
        ];
        for (number, expected) in pairs {
            same(|out| finite(out, number), expected);
        }
    }

    #[test]
    fn what_is_no_finite_number_has_a_name() {
        assert_eq!(float_name(f64::NAN), Some("NaN"));
        assert_eq!(float_name(-f64::NAN), Some("NaN"));
        assert_eq!(float_name(f64::INFINITY), Some("Infinity"));
        assert_eq!(float_name(f64::NEG_INFINITY), Some("-Infinity"));
        assert_eq!(float_name(f64::MAX), None);
    }

    #[test]
    fn integers_are_padded_with_spaces_and_never_cut() {
        same(|out| unsigned(out, 0), "0");
        same(|out| unsigned(out, u64::MAX), "18446744073709551615");
        same(|out| unsigned(out, 99_999_999), "99999999");
        same(|out| unsigned(out, 100_000_000), "100000000");
        same(
            |out| unsigned(out, 10_000_000_000_000_007),
            "10000000000000007",
        );
        same(|out| signed(out, i64::MIN), "-9223372036854775808");
        same(|out| padded(out, 7, 5), "    7");
        same(|out| padded(out, 0, 5), "    0");
        same(|out| padded(out, 123_456, 5), "123456");
    }

    #[test]
    fn a_number_that_just_fits_is_there_and_one_that_does_not_is_cut_and_told() {
        for (number, digits) in [
            (7_u64, "7"),
            (1234, "1234"),
            (12_345_678_901, "12345678901"),
        ] {
            let mut room = [0; 20];
            for len in 0..room.len() {
                let mut out = Out::new(&mut room[..len]);
                unsigned(&mut out, number);
                let expected = digits.as_bytes().get(..len).unwrap_or(digits.as_bytes());
                let is_cut = len < digits.len();
                assert_eq!((out.written(), out.is_truncated()), (expected, is_cut));
            }
        }
    }

    #[test]
    fn eight_digits_are_those_of_every_kind_of_number() {
        let check = |number: u64| {
            let digits = eight_digits(number).to_le_bytes();
            assert_eq!(digits.as_slice(), format!("{number:08}").as_bytes());
            same(|out| unsigned(out, number), &format!("{number}"));
        };
        (0..100_000).for_each(check);
        (0..10_000).for_each(|number| check(number * 10_000 + 9_999 - number));
        (0..100_000).for_each(|number| check(number * 997 + 7));
        check(99_999_999);
    }

    #[test]
    fn the_last_digits_keep_their_zeros() {
        assert_eq!(digits::<6>(42), *b"000042");
        assert_eq!(digits::<9>(123_456_789), *b"123456789");
        assert_eq!(digits::<3>(1_234), *b"234");
        assert_eq!(digits::<1>(7), *b"7");
    }
}

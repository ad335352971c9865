//! A float by `e`, `f` or `g`, as the interpreter writes it.

use super::exact::Rounded;
use crate::out::Out;
use crate::render::number;

/// How a float is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// `e`, `f` or `g`, large or small.
    pub(super) kind: u8,
    pub(super) precision: usize,
    /// With a point and with all zeros, also where nothing needs them.
    pub(super) alternate: bool,
}

/// Writes a float without its sign.
pub(super) fn write(out: &mut Out<'_>, number: f64, style: Style) {
    let is_upper = style.kind.is_ascii_uppercase();
    if !number.is_finite() {
        out.put(match (number.is_nan(), is_upper) {
            (true, false) => b"nan",
            (true, true) => b"NAN",
            (false, false) => b"inf",
            (false, true) => b"INF",
        });
        return;
    }
    match style.kind.to_ascii_lowercase() {
        b'f' => fixed(out, number, style),
        b'e' => {
            let rounded = Rounded::significant(number, style.precision.saturating_add(1));
            exponential(out, rounded.digits(), rounded.whole, style);
        }
        _ => general(out, number, style),
    }
}

/// The shortest digits that give the same float, sign included, as `repr` has them.
pub(super) fn shortest(out: &mut Out<'_>, number: f64) {
    if number.is_nan() {
        out.put(b"nan");
    } else if number.is_infinite() {
        out.put(if number < 0.0 { b"-inf" } else { b"inf" });
    } else {
        number::finite(out, number);
    }
}

fn fixed(out: &mut Out<'_>, number: f64, style: Style) {
    let rounded = Rounded::fixed(number, style.precision);
    let whole = usize::try_from(rounded.whole).unwrap_or(0);
    let digits = rounded.digits().split_at_checked(whole);
    let (before, behind) = digits.unwrap_or((rounded.digits(), &[]));
    out.put(before);
    pointed(out, behind, style.alternate);
}

/// Digits behind a point, which goes with the last of them.
fn pointed(out: &mut Out<'_>, digits: &[u8], always: bool) {
    if always || !digits.is_empty() {
        out.put_byte(b'.');
    }
    out.put(digits);
}

fn exponential(out: &mut Out<'_>, digits: &[u8], whole: i32, style: Style) {
    let (first, rest) = digits.split_at_checked(1).unwrap_or((b"0", &[]));
    out.put(first);
    pointed(out, rest, style.alternate);
    let exponent = whole.wrapping_sub(1);
    out.put_byte(if style.kind.is_ascii_uppercase() {
        b'E'
    } else {
        b'e'
    });
    out.put_byte(if exponent < 0 { b'-' } else { b'+' });
    let size = u64::from(exponent.unsigned_abs());
    if size < 10 {
        out.put_byte(b'0');
    }
    number::unsigned(out, size);
}

/// As `f` where that is short, else as `e`; without the zeros at the end.
fn general(out: &mut Out<'_>, number: f64, style: Style) {
    let count = style.precision.max(1);
    let rounded = Rounded::significant(number, count);
    let mut digits = rounded.digits();
    if !style.alternate {
        while let [head @ .., b'0'] = digits {
            digits = head;
        }
    }
    let whole = rounded.whole;
    if !(-3..=count as i32).contains(&whole) {
        return exponential(out, digits, whole, style);
    }
    let before = usize::try_from(whole).unwrap_or(0);
    let (head, tail) = digits.split_at_checked(before).unwrap_or((digits, &[]));
    out.put(head);
    (head.len()..before.max(1)).for_each(|_| out.put_byte(b'0'));
    if tail.is_empty() {
        return pointed(out, tail, style.alternate);
    }
    out.put_byte(b'.');
    (whole..0).for_each(|_| out.put_byte(b'0'));
    out.put(tail);
}

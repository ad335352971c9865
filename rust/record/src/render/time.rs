//! Times: seconds since start in brackets, and wall clock in UTC.

use super::number::{digits, eight_digits, leading_zeros, padded};
use crate::out::Out;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

/// `[%5lu.%06lu]`: seconds and microseconds, rounded down.
#[inline]
pub(crate) fn bracketed(out: &mut Out<'_>, ts_nsec: u64) {
    let (seconds, micros) = (ts_nsec / SECOND, ts_nsec % SECOND / 1000);
    if seconds >= SEVEN_DIGITS {
        return bracketed_longer(out, seconds, micros);
    }
    if out.bracket.seconds != seconds {
        out.bracket = bracket(seconds);
    }
    let Bracket { begin, len, .. } = out.bracket;
    let fraction = eight_digits(micros) >> 16;
    let end = u64::from(b'.') | (fraction << 8) | (u64::from(b']') << 56);
    out.put_pieces(begin, len, end);
}

/// Seconds, and the beginning of their time in brackets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bracket {
    seconds: u64,
    /// `[`, and the digits.
    begin: u64,
    len: usize,
}

impl Bracket {
    /// Of seconds that have more digits than this is for.
    pub(crate) const NONE: Bracket = Bracket {
        seconds: u64::MAX,
        begin: 0,
        len: 0,
    };
}

#[inline(always)]
fn bracket(seconds: u64) -> Bracket {
    let digits = eight_digits(seconds);
    // One of the eight is a zero; five stay.
    let dropped = 1 + u32::from(seconds < 1_000_000) + u32::from(seconds < 100_000);
    let zeros = leading_zeros(digits);
    let padding = (1_u64 << (8 * zeros.saturating_sub(dropped))) - 1;
    let whole = (digits >> (8 * dropped)) ^ (padding & ZEROS_TO_SPACES);
    Bracket {
        seconds,
        begin: u64::from(b'[') | (whole << 8),
        len: 9 - dropped as usize,
    }
}

/// After more than 115 days.
#[cold]
fn bracketed_longer(out: &mut Out<'_>, seconds: u64, micros: u64) {
    out.put_byte(b'[');
    padded(out, seconds, 5);
    out.put_byte(b'.');
    out.put(&digits::<6>(micros));
    out.put_byte(b']');
}

/// What no seven digits hold.
const SEVEN_DIGITS: u64 = 10_000_000;
/// What is between zeros and spaces.
const ZEROS_TO_SPACES: u64 = u64::from_le_bytes([b'0' ^ b' '; 8]);

/// `2026-11-20T10:11:12.123456Z`, rounded down.
pub(crate) fn utc_micros(out: &mut Out<'_>, wall_nsec: u64) {
    utc_seconds(out, wall_nsec / SECOND);
    out.put(&digits::<6>(wall_nsec % SECOND / 1000));
    out.put_byte(b'Z');
}

/// `2026-11-20T10:11:12.123456789Z`.
pub fn utc_nanos(out: &mut Out<'_>, wall_nsec: u64) {
    utc_seconds(out, wall_nsec / SECOND);
    let nanos = wall_nsec % SECOND;
    out.put_word(eight_digits(nanos / 10), 8);
    out.put(&[b'0' + (nanos % 10) as u8, b'Z']);
}

/// `2026-11-20T10:11:12.`: mostly that of the time before.
#[inline]
fn utc_seconds(out: &mut Out<'_>, seconds: u64) {
    if out.second.number != seconds {
        out.second = Second {
            number: seconds,
            text: text_of(seconds),
        };
    }
    let text = out.second.text;
    out.put(&text);
}

/// A second, and its beginning of a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Second {
    number: u64,
    text: [u8; 20],
}

impl Second {
    /// One that no time has.
    pub(crate) const NONE: Second = Second {
        number: u64::MAX,
        text: [0; 20],
    };
}

#[inline(never)]
fn text_of(seconds: u64) -> [u8; 20] {
    let (year, month, day) = civil(seconds / DAY);
    let in_day = seconds % DAY;
    let [y0, y1, y2, y3] = digits::<4>(year);
    let [m0, m1] = digits::<2>(month);
    let [d0, d1] = digits::<2>(day);
    let [h0, h1] = digits::<2>(in_day / 3600);
    let [i0, i1] = digits::<2>(in_day / 60 % 60);
    let [s0, s1] = digits::<2>(in_day % 60);
    [
        y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1, b'.',
    ]
}

/// Year, month and day of a day since the epoch.
///
/// Years are counted from March, so that the leap day is the last of its year, and in
/// periods of 400 years, which all have 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    const PERIOD: u64 = 146_097;
    /// Days from 0000-03-01 to the epoch.
    const EPOCH: u64 = 719_468;
    let days = days + EPOCH;
    let day_of_period = days % PERIOD;
    // Leap days do not count here: one every 1,460 days but every 36,524, but every 146,096.
    let leap_days = day_of_period / 1_460 + day_of_period / 146_096 - day_of_period / 36_524;
    let year_of_period = (day_of_period - leap_days) / 365;
    let year_start = 365 * year_of_period + year_of_period / 4 - year_of_period / 100;
    let day_of_year = day_of_period - year_start;
    // From March on, five months have 153 days.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = days / PERIOD * 400 + year_of_period + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;

    /// The calendar counted up day by day, by its rules alone.
    #[test]
    fn every_day_that_fits_a_u64_of_nanoseconds_has_its_date() {
        let (mut year, mut month, mut day) = (1970u64, 1u64, 1u64);
        for number in 0..=u64::MAX / SECOND / DAY {
            assert_eq!(civil(number), (year, month, day), "day {number}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!(year, 2554);
    }

    fn written(write: impl Fn(&mut Out<'_>)) -> ([u8; 128], usize) {
        let mut buf = [0u8; 128];
        let mut out = Out::new(&mut buf);
        write(&mut out);
        let len = out.len();
        (buf, len)
    }

    #[track_caller]
    fn same(write: impl Fn(&mut Out<'_>), expected: &str) {
        let (buf, len) = written(write);
        assert_eq!(core::str::from_utf8(buf.get(..len).unwrap()), Ok(expected));
    }

    #[test]
    fn wall_clock_times_are_utc_with_six_or_nine_digits() {
        let wall = 1_795_169_472_123_456_789;
        same(|out| utc_micros(out, wall), "2026-11-20T10:11:12.123456Z");
        same(|out| utc_nanos(out, wall), "2026-11-20T10:11:12.123456789Z");
        same(|out| utc_nanos(out, 0), "1970-01-01T00:00:00.000000000Z");
        same(
            |out| utc_nanos(out, u64::MAX),
            "2554-07-21T23:34:33.709551615Z",
        );
        same(
            |out| utc_micros(out, 951_782_399 * SECOND),
            "2000-02-28T23:59:59.000000Z",
        );
        same(
            |out| utc_micros(out, 951_782_400 * SECOND),
            "2000-02-29T00:00:00.000000Z",
        );
    }

    #[test]
    fn a_writer_that_remembers_a_second_writes_the_next_one_and_the_one_before() {
        let wall = 1_795_169_472_999_999_999;
        let three = |out: &mut Out<'_>| {
            utc_nanos(out, wall);
            utc_nanos(out, wall + 1);
            utc_micros(out, wall);
        };
        same(
            three,
            "2026-11-20T10:11:12.999999999Z2026-11-20T10:11:13.000000000Z2026-11-20T10:11:12.999999Z",
        );
        let three = |out: &mut Out<'_>| {
            bracketed(out, 12_999_999_999);
            bracketed(out, 13_000_000_000);
            bracketed(out, 12_000_001_000);
        };
        same(three, "[   12.999999][   13.000000][   12.000001]");
    }

    #[test]
    fn a_time_that_just_fits_is_there_and_one_that_does_not_is_told() {
        let time = 12_345_678_999;
        let mut room = [0; 40];
        for len in 0..room.len() {
            let mut out = Out::new(&mut room[..len]);
            bracketed(&mut out, time);
            let expected = &b"[   12.345678]"[..len.min(14)];
            assert_eq!((out.written(), out.is_truncated()), (expected, len < 14));
        }
    }

    #[test]
    fn seconds_in_brackets_are_what_the_kernel_prints_at_any_length() {
        let mut seconds = 1_u64;
        while seconds < u64::MAX / SECOND / 10 {
            for second in [seconds - 1, seconds, seconds + 1, seconds * 7 + 3] {
                let expected = format!("[{second:5}.{:06}]", 12_003);
                same(
                    |out| bracketed(out, second * SECOND + 12_003_999),
                    &expected,
                );
            }
            seconds *= 10;
        }
    }

    #[test]
    fn seconds_in_brackets_are_padded_to_five_and_micros_rounded_down() {
        same(|out| bracketed(out, 0), "[    0.000000]");
        same(|out| bracketed(out, 12_345_678_999), "[   12.345678]");
        same(|out| bracketed(out, 99_999_999_999_999), "[99999.999999]");
        same(|out| bracketed(out, 100_000_000_000_000), "[100000.000000]");
        same(|out| bracketed(out, u64::MAX), "[18446744073.709551]");
    }
}

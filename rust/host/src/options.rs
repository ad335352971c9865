//! Every default, once, with its reason; and sizes as people write them.

use crate::dump::{Last, Window};
use crate::error::Error;

/// The defaults. Signatures elsewhere repeat them and are tested against these.
pub mod default {
    /// Of a log: some ten thousand records of usual length, the last minutes of a busy service; small enough to be
    /// allocated and pre-faulted at every start within milliseconds.
    pub const SIZE: &str = "4 MiB";
    /// Bytes of text expected for a record, its block header included: an event with four short fields and a logger.
    pub const AVG_RECORD: u32 = 128;
    /// What a log stores: everything. Storing is what it does cheaply, and what nobody stored nobody can look up.
    pub const LEVEL: &str = "DEBUG";
    /// What consoles print: what an operator wants to see while all is well.
    pub const CONSOLE_LEVEL: &str = "INFO";
    /// How consoles write: for people.
    pub const FORMAT: &str = "text";
    /// A console that cannot keep up loses the oldest, and says so: logging never waits unasked.
    pub const OVERFLOW: &str = "drop_oldest";
    /// With `overflow="block"`: longer than a disk usually hangs, shorter than callers' own timeouts.
    pub const BLOCK_TIMEOUT_S: f64 = 1.0;
    /// For one flush: a healthy console needs milliseconds, and a stuck one must not hold its caller.
    pub const FLUSH_TIMEOUT_S: f64 = 1.0;
    /// For a console to print what is left when it is removed: as for a flush.
    pub const REMOVE_TIMEOUT_S: f64 = 1.0;
    /// What a sink in memory keeps, in records: more than a test logs.
    pub const MEMORY_RECORDS: usize = 10_000;
    /// And in bytes of their payload: the oldest go when they are more.
    pub const MEMORY_BYTES: usize = 16 << 20;
    /// What a dumper is called for: trouble. An orderly end, or a dump that somebody asked for, is none.
    pub const MAX_REASON: pr_printk::dumper::Reason = pr_printk::dumper::Reason::Oops;
    /// With `dump_on`: what a request or a job that goes wrong has usually done, at DEBUG too; a fraction of what a log of
    /// usual size holds.
    pub const DUMP_LAST: &str = "30s";
    /// Of a rate limit: as the kernel's. Rare enough for a console, often enough to see that it goes on.
    pub const RATE_INTERVAL_S: f64 = 5.0;
    /// Records that it lets through in that time: as the kernel's.
    pub const RATE_BURST: u32 = 10;
    /// What stands for a value that a log is not to hold: the same in each place, so that it can be looked for.
    pub const REDACTED: &str = "[redacted]";
    /// For all consoles together at an orderly exit: what a user takes for "at once".
    pub const EXIT_TIMEOUT_S: f64 = 1.0;
}

/// The smallest log: below, the fixed sections take more than the ring.
pub const MIN_SIZE: u64 = 256 << 10;
/// The largest: more than the largest ring can use.
pub const MAX_SIZE: u64 = 1 << 40;

const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
];

/// The bytes that "64 KiB", "4 MiB", "1 GiB", "500 MB" or "65536" mean.
///
/// # Errors
/// Not a whole number with one of these units.
pub fn parse_size(text: &str) -> Result<u64, Error> {
    let wrong = || {
        let accepted = "a whole number of bytes, or one with KiB, MiB, GiB (powers of 1024) or kB, MB, GB (powers of 1000)";
        Error::Config(format!(
            "size is {text:?}: give {accepted}, as in \"4 MiB\""
        ))
    };
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = trimmed.split_at_checked(digits).ok_or_else(wrong)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor = UNITS.iter().find(|(name, _)| *name == unit);
    let bytes = factor.and_then(|(_, factor)| number.checked_mul(*factor));
    bytes.ok_or_else(wrong)
}

/// The nanoseconds that "30s", "1.5 min" or "2 h" mean.
///
/// # Errors
/// Not a number with one of these units.
pub fn parse_span(text: &str) -> Result<u64, Error> {
    let wrong = || {
        Error::Config(format!(
            "{text:?} is no time: give a number with ms, s, min, h or d, as in \"30s\""
        ))
    };
    let trimmed = text.trim();
    let digits = trimmed
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let (number, unit) = trimmed.split_at_checked(digits).ok_or_else(wrong)?;
    let seconds = match unit.trim_start().to_ascii_lowercase().as_str() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Ok((number * seconds * 1e9) as u64) // more than any clock has is all there is
}

/// How much of the past a dump begins with: a time as [`parse_span`] reads it, or "context".
///
/// # Errors
/// It is none.
pub fn parse_window(text: &str) -> Result<Window, Error> {
    if text == "context" {
        return Ok(Window::Context);
    }
    match parse_span(text) {
        Ok(span) => Ok(Window::Last(Last::Nanoseconds(span))),
        Err(Error::Config(why)) => Err(Error::Config(format!(
            "dump_last: {why}, a number of records, or \"context\""
        ))),
        Err(why) => Err(why),
    }
}

/// The same of a number of records.
///
/// # Errors
/// There is none among them.
pub fn window_of(records: i64) -> Result<Window, Error> {
    let records = u64::try_from(records).ok().filter(|records| *records > 0);
    let window = records.map(|records| Window::Last(Last::Records(records)));
    window.ok_or_else(|| {
        Error::Config(
            "dump_last: give a time, as in \"30s\", or a number of records from 1 on, or \"context\"".into(),
        )
    })
}

/// Bytes in the largest unit that they are a whole number of.
pub fn size_in_words(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{} {unit}", bytes / factor);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("64 KiB", 64 << 10),
            ("4 MiB", 4 << 20),
            ("1 GiB", 1 << 30),
            ("4MiB", 4 << 20),
            (" 4  mib ", 4 << 20),
            ("65536", 65536),
            ("65536 B", 65536),
            ("500 kB", 500_000),
            ("500 KB", 500_000),
            ("0", 0),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused_with_what_is() {
        let wrong = [
            "",
            " ",
            "MiB",
            "-1",
            "+1",
            "1.5 MiB",
            "4 M",
            "4 MiB 2",
            "0x10",
            "٤ MiB",
            "4 ℳiB",
            "18446744073709551616",
            "18446744073709551615 KiB",
        ];
        for text in wrong {
            let Err(Error::Config(said)) = parse_size(text) else {
                panic!("{text:?} was taken");
            };
            assert!(
                said.contains("MiB")
                    && said.contains("1000")
                    && said.contains(&format!("{text:?}")),
                "{said}"
            );
        }
    }

    #[test]
    fn times_are_read_as_people_write_them_and_what_is_none_is_refused() {
        for (text, nanoseconds) in [
            ("30s", 30_000_000_000),
            (" 1.5 S ", 1_500_000_000),
            ("250ms", 250_000_000),
            ("2m", 120_000_000_000),
            ("2 min", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1d", 86_400_000_000_000),
            ("0s", 0),
            ("99999999999999999999d", u64::MAX),
        ] {
            assert_eq!(parse_span(text), Ok(nanoseconds), "{text}");
        }
        for text in [
            "", "30", "s", "-1s", "+1s", "1e3s", "1..5s", "30 years", "nan s", "inf s",
        ] {
            let Err(Error::Config(said)) = parse_span(text) else {
                panic!("{text:?} was taken");
            };
            assert!(
                said.contains(&format!("{text:?}")) && said.contains("30s"),
                "{said}"
            );
        }
    }

    #[test]
    fn the_defaults_are_what_their_readers_accept() {
        let size = parse_size(default::SIZE).expect("a size");
        assert!((MIN_SIZE..=MAX_SIZE).contains(&size));
        assert!(pr_record::Level::parse(default::LEVEL).is_some());
        assert!(pr_record::Level::parse(default::CONSOLE_LEVEL).is_some());
        assert!(pr_record::Format::parse(default::FORMAT).is_some());
        assert!(parse_window(default::DUMP_LAST).is_ok());
    }

    #[test]
    fn a_size_is_told_in_its_largest_whole_unit() {
        assert_eq!(size_in_words(256 << 10), "256 KiB");
        assert_eq!(size_in_words(1 << 40), "1024 GiB");
        assert_eq!(size_in_words(1500), "1500 bytes");
    }
}

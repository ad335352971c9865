//! Kernel levels, their names, and the numbers of Python's standard library.

/// A kernel level. Smaller is more severe; "at level L" means L and more severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// The system is unusable.
    Emerg = 0,
    /// Action must be taken at once.
    Alert = 1,
    /// Critical conditions.
    Critical = 2,
    /// Error conditions.
    Error = 3,
    /// Warning conditions.
    Warning = 4,
    /// Normal, but significant.
    Notice = 5,
    /// Informational.
    Info = 6,
    /// Debugging aid.
    Debug = 7,
}

/// Every level, most severe first.
pub const LEVELS: [Level; 8] = [
    Level::Emerg,
    Level::Alert,
    Level::Critical,
    Level::Error,
    Level::Warning,
    Level::Notice,
    Level::Info,
    Level::Debug,
];

impl Level {
    /// The level whose number is in the low three bits; further bits are ignored.
    pub const fn from_bits(bits: u8) -> Level {
        match bits & 7 {
            0 => Level::Emerg,
            1 => Level::Alert,
            2 => Level::Critical,
            3 => Level::Error,
            4 => Level::Warning,
            5 => Level::Notice,
            6 => Level::Info,
            _ => Level::Debug,
        }
    }

    /// A name in any case, the aliases CRIT, ERR and WARN included.
    pub fn parse(name: &str) -> Option<Level> {
        const ALIASES: [(&str, Level); 3] = [
            ("CRIT", Level::Critical),
            ("ERR", Level::Error),
            ("WARN", Level::Warning),
        ];
        let own = LEVELS.iter().map(|level| (level.name(), *level));
        own.chain(ALIASES)
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, level)| level)
    }

    /// The name in capitals, as in JSON output.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Emerg => "EMERG",
            Level::Alert => "ALERT",
            Level::Critical => "CRITICAL",
            Level::Error => "ERROR",
            Level::Warning => "WARNING",
            Level::Notice => "NOTICE",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
        }
    }

    /// The number, 0 to 7.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// A number of the standard library's scale, where bigger is more severe. Total.
    pub const fn from_stdlib(levelno: i64) -> Level {
        match levelno {
            ..=19 => Level::Debug,
            20..=24 => Level::Info,
            25..=29 => Level::Notice,
            30..=39 => Level::Warning,
            40..=49 => Level::Error,
            _ => Level::Critical,
        }
    }

    /// A number of the native API: 0 to 7 is a kernel level, 8 or more a standard-library
    /// number. A negative number is neither.
    pub const fn from_native(number: i64) -> Option<Level> {
        match number {
            ..=-1 => None,
            0..=7 => Some(Level::from_bits(number as u8)),
            _ => Some(Level::from_stdlib(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_accepted_in_any_case() {
        for level in LEVELS {
            assert_eq!(Level::parse(level.name()), Some(level));
        }
        assert_eq!(Level::parse("warning"), Some(Level::Warning));
        assert_eq!(Level::parse("WaRn"), Some(Level::Warning));
        assert_eq!(Level::parse("crit"), Some(Level::Critical));
        assert_eq!(Level::parse("Err"), Some(Level::Error));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", "fatal", "trace", "INFO ", "6", "warnings"] {
            assert_eq!(Level::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn standard_library_numbers_follow_the_contract() {
        let table = [
            (i64::MIN, Level::Debug),
            (0, Level::Debug),
            (10, Level::Debug),
            (19, Level::Debug),
            (20, Level::Info),
            (24, Level::Info),
            (25, Level::Notice),
            (29, Level::Notice),
            (30, Level::Warning),
            (39, Level::Warning),
            (40, Level::Error),
            (49, Level::Error),
            (50, Level::Critical),
            (i64::MAX, Level::Critical),
        ];
        for (number, level) in table {
            assert_eq!(Level::from_stdlib(number), level, "{number}");
        }
    }

    #[test]
    fn native_numbers_are_kernel_levels_up_to_seven_and_standard_above() {
        for level in LEVELS {
            assert_eq!(Level::from_native(i64::from(level.number())), Some(level));
        }
        assert_eq!(Level::from_native(8), Some(Level::Debug));
        assert_eq!(Level::from_native(20), Some(Level::Info));
        assert_eq!(Level::from_native(50), Some(Level::Critical));
        assert_eq!(Level::from_native(-1), None);
    }

    #[test]
    fn smaller_numbers_are_more_severe() {
        assert!(Level::Emerg < Level::Debug);
        assert!(LEVELS.is_sorted());
    }
}

//! What a console is in a few letters: those of the kernel's `/proc/consoles`, in the same places. One text for a console
//! of this process and for one in a file.

use pr_printk::owner::Seen;
use pr_printk::port::class;
use pr_printk::registry::flag;

/// What the letters say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Letters {
    /// Neither suspended nor removed.
    pub(crate) enabled: bool,
    /// It stands for all of them: see [`preferred`].
    pub(crate) preferred: bool,
    /// Bits of [`flag`].
    pub(crate) flags: u64,
    /// One of [`class`].
    pub(crate) class: u64,
}

impl Letters {
    /// Seven places, each a letter or a space: `ECBNp a`. The sixth is always a space: it is for Braille in the kernel.
    pub(crate) fn text(self) -> String {
        let native = self.flags & flag::PYTHON == 0;
        [
            (self.enabled, 'E'),
            (self.preferred, 'C'),
            (self.flags & flag::BOOT != 0, 'B'),
            (native && self.class < u64::from(class::LOCKING), 'N'),
            (self.flags & flag::REPLAY != 0, 'p'),
            (false, 'b'),
            (native, 'a'),
        ]
        .map(|(is_so, letter)| if is_so { letter } else { ' ' })
        .iter()
        .collect()
    }
}

/// Which of the consoles stands for all: the first that is not a bootstrap one, else the first. Each is given as its place
/// and whether it is a bootstrap one, in the order they were added.
pub(crate) fn preferred(consoles: impl IntoIterator<Item = (usize, bool)>) -> Option<usize> {
    let mut first = None;
    for (at, is_boot) in consoles {
        if !is_boot {
            return Some(at);
        }
        first = first.or(Some(at));
    }
    first
}

/// Who an ownership word names.
pub(crate) fn owner_name(seen: Seen) -> Option<&'static str> {
    match seen.priority() {
        0 => None,
        1 => Some("printer"),
        2 => Some("emergency"),
        _ => Some("panic"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_letter_has_a_place_and_a_cause_of_its_own() {
        let none = Letters {
            flags: flag::PYTHON,
            ..Letters::default()
        };
        let with = |flags, class| Letters {
            flags,
            class,
            ..Letters::default()
        };
        let all = Letters {
            enabled: true,
            preferred: true,
            flags: flag::BOOT | flag::REPLAY,
            class: 1,
        };
        let enabled = Letters {
            enabled: true,
            ..none
        };
        let preferred = Letters {
            preferred: true,
            ..none
        };
        for (letters, text) in [
            (none, "       "),
            (enabled, "E      "),
            (preferred, " C     "),
            (with(flag::PYTHON | flag::BOOT, 3), "  B    "),
            (with(flag::PYTHON | flag::REPLAY, 3), "    p  "),
            (with(0, 2), "   N  a"),
            (with(0, 3), "      a"),
            (all, "ECBNp a"),
        ] {
            assert_eq!(letters.text(), text, "{letters:?}");
        }
    }

    #[test]
    fn a_bootstrap_console_stands_for_all_only_while_there_is_no_other() {
        assert_eq!(preferred([]), None);
        assert_eq!(preferred([(3, true), (4, true)]), Some(3));
        assert_eq!(preferred([(3, true), (4, false), (5, false)]), Some(4));
        assert_eq!(preferred([(3, false), (4, true)]), Some(3));
    }
}

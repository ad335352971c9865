//! A program's command line, as a ring file may say it: without what the log hides.

use super::Redaction;
use pr_host::options::default::REDACTED;
use pyo3::prelude::*;

impl Redaction {
    /// The words of a command line with nothing in them that a pattern matches, and without the values of options that have
    /// such a name, as in `--password=x` and `--password x`.
    pub fn command_line(&self, py: Python<'_>, words: Vec<String>) -> Vec<String> {
        let mut is_value = false;
        let mut shown = Vec::with_capacity(words.len());
        for word in words {
            let was_named = std::mem::take(&mut is_value);
            shown.push(match word.split_once('=') {
                _ if was_named => REDACTED.to_owned(),
                Some((option, _)) if self.is_named(option) => format!("{option}={REDACTED}"),
                _ => {
                    is_value = self.is_named(&word);
                    self.text(py, &word).0.into_owned()
                }
            });
        }
        shown
    }

    /// Whether this is an option, and one whose value is hidden.
    fn is_named(&self, option: &str) -> bool {
        let name = option.trim_start_matches('-');
        name.len() < option.len() && (self.hides(name) || self.hides(&name.replace('-', "_")))
    }
}

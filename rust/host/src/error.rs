//! What can go wrong where files, threads and processes are: said in prose, with the name of the thing and what to do.

use core::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Wrong arguments: which, and what is allowed.
    Config(String),
    /// A ring file cannot be used: its content, kind, permission or holder.
    RingFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, in words.
        reason: String,
        /// `EBUSY` for a file that a live log holds, `EINVAL` for one that is not a whole ring of this layout, `EEXIST`
        /// for one that must not exist yet, and the system's number where the system refused.
        errno: Option<i32>,
    },
    /// The system refused something that is not about a ring file.
    Os {
        /// What could not be done.
        what: String,
        /// The system's number.
        errno: i32,
    },
}

impl Error {
    /// An error about a ring file.
    pub(crate) fn ring_file(path: &Path, errno: i32, reason: impl Into<String>) -> Error {
        Error::RingFile {
            path: path.to_owned(),
            reason: reason.into(),
            errno: Some(errno),
        }
    }

    /// No file can be called that: it is the argument of this name that is wrong.
    pub(crate) fn zero_byte(argument: &str, path: &Path) -> Error {
        Error::Config(format!("{argument} {path:?}: a path has no zero byte"))
    }

    /// As [`Error::zero_byte`], if the path has one.
    pub(crate) fn if_zero_byte(argument: &str, path: &Path) -> Result<(), Error> {
        match path.as_os_str().as_bytes().contains(&0) {
            true => Err(Error::zero_byte(argument, path)),
            false => Ok(()),
        }
    }

    /// A ring file for which the system refused `what`.
    pub(crate) fn refused(path: &Path, what: &str, why: &io::Error) -> Error {
        Error::RingFile {
            path: path.to_owned(),
            reason: format!("{what}: {}", in_words(why)),
            errno: why.raw_os_error(),
        }
    }

    /// The system refused `what`.
    pub(crate) fn os(what: impl Into<String>, why: &io::Error) -> Error {
        Error::Os {
            what: what.into(),
            errno: why.raw_os_error().unwrap_or(libc::EIO),
        }
    }

    /// The system's number, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::Config(_) => None,
            Error::RingFile { errno, .. } => *errno,
            Error::Os { errno, .. } => Some(*errno),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(text) => f.write_str(text),
            Error::RingFile { path, reason, .. } => write!(f, "{}: {reason}", path.display()),
            Error::Os { what, errno } => {
                let why = in_words(&io::Error::from_raw_os_error(*errno));
                write!(f, "{what}: {why}")
            }
        }
    }
}

impl core::error::Error for Error {}

/// What reads memory of this process cannot go wrong.
impl From<core::convert::Infallible> for Error {
    fn from(never: core::convert::Infallible) -> Error {
        match never {}
    }
}

/// The system's words without its number.
fn in_words(why: &io::Error) -> String {
    let text = why.to_string();
    match text.find(" (os error ") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file_and_the_reason_without_the_numbers_of_the_system() {
        let why = io::Error::from_raw_os_error(libc::ENOENT);
        let error = Error::refused(Path::new("/x/app.ring"), "cannot be created", &why);
        assert_eq!(
            error.to_string(),
            "/x/app.ring: cannot be created: No such file or directory"
        );
        assert_eq!(error.errno(), Some(libc::ENOENT));
    }

    #[test]
    fn an_error_of_the_system_names_what_could_not_be_done() {
        let why = io::Error::from_raw_os_error(libc::ENOMEM);
        let error = Error::os("memory for the log", &why);
        assert_eq!(
            error.to_string(),
            "memory for the log: Cannot allocate memory"
        );
    }
}

//! A file that is appended to. Opened anew when its name means another file (an external rotation), or none.

use super::{Sink, class_of};
use crate::error::Error;
use pr_printk::fd::{Written, write_all};
use std::fs::{File as OsFile, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An append-only file.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    file: OsFile,
    /// Device and inode of the open file.
    identity: Option<(u64, u64)>,
}

impl File {
    pub(crate) fn open(path: &Path) -> Result<File, Error> {
        let file = append_to(path).map_err(|why| Error::Os {
            what: format!("{}: cannot be opened for appending", path.display()),
            errno: why.raw_os_error().unwrap_or(libc::EIO),
        })?;
        let identity = identity_of(file.metadata());
        Ok(File {
            path: path.to_owned(),
            file,
            identity,
        })
    }

    /// Whether the name still means the open file. One look-up a batch.
    fn is_current(&self) -> bool {
        let named = identity_of(std::fs::metadata(&self.path));
        named.is_some() && named == self.identity
    }
}

fn identity_of(data: std::io::Result<std::fs::Metadata>) -> Option<(u64, u64)> {
    data.ok().map(|data| (data.dev(), data.ino()))
}

fn append_to(path: &Path) -> std::io::Result<OsFile> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOCTTY)
        .open(path)
}

impl Sink for File {
    fn write(&mut self, bytes: &[u8], go_on: &dyn Fn() -> bool) -> Written {
        write_all(self.file.as_raw_fd(), bytes, go_on)
    }

    fn refresh(&mut self, force: bool) -> bool {
        if !force && self.is_current() {
            return false;
        }
        // What cannot be opened now is tried again; meanwhile the old file takes the records, as it did before.
        let Ok(file) = append_to(&self.path) else {
            return false;
        };
        let before = self.identity;
        self.identity = identity_of(file.metadata());
        self.file = file;
        self.identity != before
    }

    fn fd(&self) -> Option<libc::c_int> {
        Some(self.file.as_raw_fd())
    }

    fn class(&self) -> u32 {
        class_of(self.file.as_raw_fd())
    }

    fn leave_open(&mut self) {
        if let Ok(copy) = self.file.try_clone() {
            std::mem::forget(std::mem::replace(&mut self.file, copy));
        }
    }
}

//! A file that is appended to. Opened anew when its name means another file (an external rotation), or none.

use super::Sink;
use crate::error::Error;
use pr_printk::fd::{Written, write_all};
use std::fs::{File as OsFile, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the name is looked up while there is something to write.
const LOOK_UP_EVERY: Duration = Duration::from_millis(100);

/// An append-only file.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    file: OsFile,
    looked_up: Instant,
}

impl File {
    pub(crate) fn open(path: &Path) -> Result<File, Error> {
        let file = append_to(path).map_err(|why| Error::Os {
            what: format!("{}: cannot be opened for appending", path.display()),
            errno: why.raw_os_error().unwrap_or(libc::EIO),
        })?;
        Ok(File {
            path: path.to_owned(),
            file,
            looked_up: Instant::now(),
        })
    }

    /// Whether the name still means the open file.
    fn is_current(&self) -> bool {
        let (Ok(named), Ok(open)) = (std::fs::metadata(&self.path), self.file.metadata()) else {
            return false;
        };
        (named.dev(), named.ino()) == (open.dev(), open.ino())
    }
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
    fn write(&mut self, bytes: &[u8]) -> Written {
        write_all(self.file.as_raw_fd(), bytes)
    }

    fn refresh(&mut self, force: bool) {
        if !force && self.looked_up.elapsed() < LOOK_UP_EVERY {
            return;
        }
        self.looked_up = Instant::now();
        // What cannot be opened now is tried again; meanwhile the old file takes the records, as it did before.
        if (force || !self.is_current())
            && let Ok(file) = append_to(&self.path)
        {
            self.file = file;
        }
    }
}

//! Where a dump goes: a file that is appended to, or a descriptor of somebody else's.

use crate::error::Error;
use crate::files;
use pr_printk::fd::Timely;
use pr_printk::stamp;
use pr_ring::layout::MAGIC;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file or a descriptor that a dump is written to.
#[derive(Debug)]
pub struct Outlet {
    fd: libc::c_int,
    /// None: the descriptor is the caller's.
    file: Option<(File, PathBuf)>,
    /// What was there does not end its line.
    open_line: bool,
}

impl Outlet {
    /// A file that is appended to: what an earlier dump said is not thrown away. Made with mode 0600 where there is none. A
    /// symbolic link is not followed, a pipe without a reader not waited for, and a ring file not touched.
    ///
    /// # Errors
    /// It cannot be opened, or is a ring file.
    pub fn append_to(path: &Path) -> Result<Outlet, Error> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Error::if_zero_byte("path", &path)?;
        let open_line = check_content(&path)?;
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK);
        let file = files::open(&options, &path).map_err(|why| refused(&path, &why))?;
        Ok(Outlet {
            fd: file.as_raw_fd(),
            file: Some((file, path)),
            open_line,
        })
    }

    /// A descriptor of the caller's; its flags stay as they are, and it stays open.
    ///
    /// # Errors
    /// It is not open.
    pub fn descriptor(fd: libc::c_int) -> Result<Outlet, Error> {
        if pr_printk::fd::identity(fd).is_none() {
            return Err(Error::Os {
                what: format!("descriptor {fd} cannot be written to"),
                errno: libc::EBADF,
            });
        }
        Ok(Outlet {
            fd,
            file: None,
            open_line: false,
        })
    }

    /// What has to be written first, so that what follows begins a line.
    pub fn lead(&self) -> &'static [u8] {
        if self.open_line { b"\n" } else { b"" }
    }

    /// Writes the beginning of `bytes`, as soon as that can be done, but after `patience` no more. How many bytes.
    ///
    /// # Errors
    /// The system refused.
    pub fn write(&self, bytes: &[u8], patience: Duration) -> Result<usize, Error> {
        let patience = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        let deadline = stamp::monotonic_nsec().saturating_add(patience);
        let written = Timely::new(self.fd, deadline).write(bytes);
        match (written.errno, &self.file) {
            (None | Some(libc::ETIMEDOUT), _) => Ok(written.bytes),
            (Some(errno), Some((_, path))) => {
                let why = io::Error::from_raw_os_error(errno);
                Err(Error::refused(path, "it cannot be written to", &why))
            }
            (Some(errno), None) => Err(Error::Os {
                what: format!("descriptor {} cannot be written to", self.fd),
                errno,
            }),
        }
    }
}

/// Looks at a file that is there already, as far as it may be read. Whether its last line is open.
fn check_content(path: &Path) -> Result<bool, Error> {
    let mut options = OpenOptions::new();
    options.read(true);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK);
    let Ok(file) = options.open(path) else {
        return Ok(false); // opening it for writing will say why
    };
    let length = file.metadata().ok().filter(|about| about.is_file());
    let Some(last) = length.and_then(|about| about.len().checked_sub(1)) else {
        return Ok(false);
    };
    let mut start = [0; MAGIC.len()];
    if file.read_exact_at(&mut start, 0).is_ok() && start == MAGIC {
        let text = "it is a ring file: a dump is text, give it another path";
        return Err(Error::ring_file(path, libc::EINVAL, text));
    }
    let mut end = [b'\n'];
    let read = file.read_exact_at(&mut end, last);
    Ok(read.is_ok() && end != *b"\n")
}

fn refused(path: &Path, why: &io::Error) -> Error {
    let what = match why.raw_os_error() {
        Some(libc::ELOOP) => "it is a symbolic link, and those are not followed",
        Some(libc::ENXIO) => "nobody reads this pipe or socket",
        _ => "it cannot be opened for appending",
    };
    Error::refused(path, what, why)
}

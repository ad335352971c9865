//! A file that is appended to. Opened anew when its name means another file (an external rotation), or none.

use super::descriptor::{Descriptor, identity_of};
use super::{Refreshed, Sink};
use crate::error::Error;
use crate::files;
use pr_printk::fd::Written;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// An append-only file.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    descriptor: Descriptor,
}

impl File {
    pub(crate) fn open(path: &Path) -> Result<File, Error> {
        Error::if_zero_byte("path", path)?;
        let file = append_to(path).map_err(|why| Error::Os {
            what: format!("{}: cannot be opened for appending", path.display()),
            errno: errno_of(&why),
        })?;
        Ok(File {
            path: path.to_owned(),
            descriptor: Descriptor::own(file),
        })
    }

    /// Whether the name means what is open, and the descriptor does. One look-up of each a batch.
    fn is_current(&self) -> bool {
        let named = std::fs::metadata(&self.path).ok().as_ref().map(identity_of);
        named.is_some() && named == self.descriptor.identity() && self.descriptor.is_intact()
    }
}

/// Opens without waiting: a pipe that nobody reads is an error, and later writes block as they do elsewhere.
fn append_to(path: &Path) -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
    let file = files::open(&options, path)?;
    // SAFETY: sets the flags of a description that was just made; appending is the one that stays.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, libc::O_APPEND) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file.into())
}

fn errno_of(why: &io::Error) -> i32 {
    why.raw_os_error().unwrap_or(libc::EIO)
}

impl Sink for File {
    fn write(&mut self, bytes: &[u8], go_on: &dyn Fn() -> bool) -> Written {
        self.descriptor.write(bytes, go_on)
    }

    fn refresh(&mut self, force: bool) -> Result<Refreshed, i32> {
        if !force && self.is_current() {
            return Ok(match self.descriptor.mend() {
                true => Refreshed::Same,
                false => Refreshed::No,
            });
        }
        match append_to(&self.path) {
            Ok(fresh) => {
                let anew = self.descriptor.begins_anew();
                let mut fresh = Descriptor::own(fresh);
                let same = fresh.identity() == self.descriptor.identity() && !anew;
                if same {
                    fresh.continue_from(&self.descriptor);
                }
                self.descriptor = fresh;
                Ok(if same {
                    Refreshed::Same
                } else {
                    Refreshed::Another
                })
            }
            // Tried again with the next batch. Meanwhile the old file takes the records, as it did before, unless nobody
            // could find them there.
            Err(_) if self.descriptor.leads_somewhere() => Ok(Refreshed::No),
            Err(why) => Err(errno_of(&why)),
        }
    }

    fn fd(&self) -> Option<libc::c_int> {
        self.descriptor.for_callers()
    }

    fn class(&self) -> u32 {
        self.descriptor.class()
    }

    fn leave_open(&mut self) {
        self.descriptor.leave_open();
    }
}

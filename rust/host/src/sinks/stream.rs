//! An inherited descriptor: duplicated, so that it stays what it is now, and never reconfigured.

use super::{Sink, class_of};
use crate::error::Error;
use pr_printk::fd::{Written, errno, write_all};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A duplicate of a descriptor.
#[derive(Debug)]
pub(crate) struct Stream(OwnedFd);

impl Stream {
    pub(crate) fn duplicate(fd: libc::c_int) -> Result<Stream, Error> {
        // SAFETY: duplicating touches no memory.
        let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
        if copy < 0 {
            return Err(Error::Os {
                what: format!("descriptor {fd} cannot be duplicated for a console"),
                errno: errno(),
            });
        }
        // SAFETY: a fresh descriptor that nobody else knows.
        Ok(Stream(unsafe { OwnedFd::from_raw_fd(copy) }))
    }
}

impl Sink for Stream {
    fn write(&mut self, bytes: &[u8], go_on: &dyn Fn() -> bool) -> Written {
        write_all(self.0.as_raw_fd(), bytes, go_on)
    }

    fn refresh(&mut self, _force: bool) -> bool {
        false
    }

    fn fd(&self) -> Option<libc::c_int> {
        Some(self.0.as_raw_fd())
    }

    fn class(&self) -> u32 {
        class_of(self.0.as_raw_fd())
    }

    fn leave_open(&mut self) {
        if let Ok(copy) = self.0.try_clone() {
            std::mem::forget(std::mem::replace(&mut self.0, copy));
        }
    }
}

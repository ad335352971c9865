//! An inherited descriptor: duplicated, so that it stays what it is now, and never reconfigured.

use super::descriptor::Descriptor;
use super::{Refreshed, Sink, aside};
use crate::error::Error;
use pr_printk::fd::{Written, identity, say};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Descriptor 2 is not what people look at.
static IS_SILENT: AtomicBool = AtomicBool::new(false);

/// From now on nothing is said on stderr: the process began without it, and its number is any file that was opened since.
pub fn keep_off_stderr() {
    IS_SILENT.store(true, Ordering::Relaxed);
}

/// Says on stderr what no record can say, within a moment. What that does not take is lost: it told of something that can
/// be seen elsewhere, too, and whoever says it may be in the middle of a log call.
pub(crate) fn say_on_stderr(line: &str) {
    if IS_SILENT.load(Ordering::Relaxed) {
        return;
    }
    let aside = aside::open(libc::STDERR_FILENO);
    let fd = aside
        .as_ref()
        .map_or(libc::STDERR_FILENO, AsRawFd::as_raw_fd);
    let _ = say(fd, line);
}

/// A duplicate of a descriptor.
#[derive(Debug)]
pub(crate) struct Stream {
    descriptor: Descriptor,
    /// What it is a duplicate of.
    source: libc::c_int,
}

impl Stream {
    pub(crate) fn duplicate(source: libc::c_int) -> Result<Stream, Error> {
        let descriptor = Descriptor::duplicate(source)?;
        Ok(Stream { descriptor, source })
    }
}

impl Sink for Stream {
    fn write(&mut self, bytes: &[u8], go_on: &dyn Fn() -> bool) -> Written {
        self.descriptor.write(bytes, go_on)
    }

    fn refresh(&mut self, _force: bool) -> Result<Refreshed, i32> {
        if self.descriptor.is_intact() {
            if self.descriptor.begins_anew() {
                self.descriptor.begin_anew();
                return Ok(Refreshed::Another);
            }
            return Ok(match self.descriptor.mend() {
                true => Refreshed::Same,
                false => Refreshed::No,
            });
        }
        // The duplicate was closed by somebody who closes everything; what it came from may have been spared.
        let before = self.descriptor.identity();
        if before.is_none() || identity(self.source) != before {
            return Err(libc::EBADF);
        }
        self.descriptor = Descriptor::duplicate(self.source).map_err(|_| libc::EBADF)?;
        Ok(Refreshed::Same)
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

//! Opening files that are kept, apart from the standard streams.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::path::Path;

/// Opens a file under a number above those of the standard streams: what somebody prints in a process that was started
/// without them is not to go into a ring.
pub(crate) fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
    above_standard(options.open(path)?.into()).map(File::from)
}

/// The same for what is open already.
pub(crate) fn above_standard(fresh: OwnedFd) -> io::Result<OwnedFd> {
    let fd = pr_printk::fd::above_standard(fresh.into_raw_fd());
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

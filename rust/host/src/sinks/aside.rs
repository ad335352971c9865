//! How a caller writes to what may be full, without being held by it. `poll` does not help: a terminal is writable with room
//! for one byte, and a blocking write waits there for whoever reads; another process may fill a pipe between the two. The
//! flags of an inherited descriptor are everybody's. So the target is opened once more, for a description of our own.

use super::descriptor::identity_of;
use crate::files;
use std::fs::{File, Metadata, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The major number of the devices of memory: null, zero, full, the kernel's log. None of them waits.
const MEMORY_DEVICES: libc::c_uint = 1;

/// Opens a pipe or a terminal once more, not to block. None: it is neither, or may not be opened.
pub(super) fn open(fd: libc::c_int) -> Option<OwnedFd> {
    // SAFETY: asks for flags.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags < 0 || flags & libc::O_ACCMODE == libc::O_RDONLY {
        return None; // what was not given to be written to is not
    }
    let path = format!("/proc/self/fd/{fd}");
    let about = std::fs::metadata(&path).ok()?;
    let terminal = terminal(fd);
    if !about.file_type().is_fifo() && terminal.is_none() {
        return None; // opening another device may do anything
    }
    let mut options = OpenOptions::new();
    options
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let fresh: File = files::open(&options, Path::new(&path)).ok()?;
    // The master of a pseudo-terminal is one name for many, and /dev/tty means another one in another session.
    let is_same = identity_of(&fresh.metadata().ok()?) == identity_of(&about)
        && self::terminal(fresh.as_raw_fd()) == terminal;
    is_same.then(|| fresh.into())
}

/// The number of the terminal, if it is one; of the master of a pseudo-terminal none.
fn terminal(fd: libc::c_int) -> Option<libc::c_uint> {
    let mut number: libc::c_uint = 0;
    // SAFETY: the number is ours for the length of the call, which stores 32 bits.
    let is_terminal = unsafe { libc::ioctl(fd, libc::TIOCGDEV, &raw mut number) } == 0;
    let mut other: libc::c_int = 0;
    // SAFETY: as above.
    let is_master = unsafe { libc::ioctl(fd, libc::TIOCGPTN, &raw mut other) } == 0;
    (is_terminal && !is_master).then_some(number)
}

/// Whether a write to it is over at once, however it was opened: as far as anybody can say that of a disk.
pub(super) fn takes_at_once(about: &Metadata) -> bool {
    let kind = about.file_type();
    let is_memory = kind.is_char_device() && libc::major(about.rdev()) == MEMORY_DEVICES;
    kind.is_file() || kind.is_block_device() || is_memory
}

#[cfg(test)]
mod tests;

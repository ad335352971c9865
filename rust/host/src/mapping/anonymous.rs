//! Memory without a name: a memfd that cannot be resized.

use crate::files;
use core::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A memfd. Its name shows in `/proc/<pid>/maps`.
pub(crate) fn memfd(name: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let made = create(name, flags | libc::MFD_NOEXEC_SEAL);
    match made {
        // A kernel before 6.3 does not know that nobody wants to execute it.
        Err(why) if why.raw_os_error() == Some(libc::EINVAL) => create(name, flags),
        made => made,
    }
}

fn create(name: &CStr, flags: libc::c_uint) -> io::Result<OwnedFd> {
    // SAFETY: a terminated name.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    files::above_standard(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Forbids everybody to cut it short (which would be a SIGBUS for its users), to grow it, or to change these seals.
pub(crate) fn seal(fd: &OwnedFd) -> io::Result<()> {
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: an open descriptor, and a number.
    let done = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_memory_keeps_its_size() {
        let fd = memfd(c"sealed").expect("a memfd");
        let file = std::fs::File::from(fd.try_clone().expect("cloned"));
        file.set_len(8192).expect("its size");
        seal(&fd).expect("sealed");
        for size in [0, 4096, 16384] {
            let why = file.set_len(size).expect_err("resized");
            assert_eq!(why.raw_os_error(), Some(libc::EPERM));
        }
    }
}

//! A file in memory: mapped shared, its pages faulted in for writing before anybody needs them.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, Ordering};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The least distance of two pages.
const PAGE_BYTES: usize = 4096;

/// A shared mapping of a whole file, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping is plain memory, reached through raw pointers and atomics only.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `bytes` of a file. The mapping keeps the file open by itself.
    pub(crate) fn of(file: BorrowedFd<'_>, bytes: u64) -> io::Result<Mapping> {
        let bytes =
            usize::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let (access, fd) = (libc::PROT_READ | libc::PROT_WRITE, file.as_raw_fd());
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                bytes,
                access,
                libc::MAP_SHARED,
                fd,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base =
            NonNull::new(base.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Mapping { base, bytes })
    }

    /// Faults all pages in, so that no log call pays for it. The blocks behind them are there already.
    pub(crate) fn populate(&self) -> io::Result<()> {
        // SAFETY: this mapping's own pages.
        let done = unsafe {
            libc::madvise(
                self.base.as_ptr().cast(),
                self.bytes,
                libc::MADV_POPULATE_WRITE,
            )
        };
        if done == 0 {
            return Ok(());
        }
        let why = io::Error::last_os_error();
        if why.raw_os_error() == Some(libc::EINVAL) {
            self.touch(); // a kernel before 5.14
            return Ok(());
        }
        Err(why)
    }

    /// The same by hand: a write to each page that changes nothing.
    fn touch(&self) {
        for at in (0..self.bytes).step_by(PAGE_BYTES) {
            // SAFETY: within the mapping.
            let byte = unsafe { self.base.add(at) };
            // SAFETY: valid memory, and every access to it is atomic.
            let byte = unsafe { AtomicU8::from_ptr(byte.as_ptr()) };
            byte.fetch_or(0, Ordering::Relaxed);
        }
    }

    /// Waits until the file has the first `bytes`.
    pub(crate) fn sync(&self, bytes: u64) -> io::Result<()> {
        let bytes = self.bytes.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        // SAFETY: this mapping's own pages.
        let done = unsafe { libc::msync(self.base.as_ptr().cast(), bytes, libc::MS_SYNC) };
        if done == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Where byte `offset` lies; None behind the end.
    pub(crate) fn at(&self, offset: u64, bytes: u64) -> Option<NonNull<u8>> {
        let end = offset.checked_add(bytes)?;
        if end > self.bytes as u64 {
            return None;
        }
        // SAFETY: within the mapping, or just behind its end.
        Some(unsafe { self.base.add(offset as usize) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this mapping's own pages, which nobody uses any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn mapped(bytes: u64) -> (std::fs::File, Mapping) {
        let fd = crate::mapping::anonymous::memfd(c"test").expect("a memfd");
        let file = std::fs::File::from(fd);
        file.set_len(bytes).expect("its size");
        let mapping = Mapping::of(file.as_fd(), bytes).expect("a mapping");
        (file, mapping)
    }

    /// Bytes that the kernel has allocated for the file.
    fn allocated(file: &std::fs::File) -> u64 {
        use std::os::unix::fs::MetadataExt;
        file.metadata().expect("metadata").blocks() * 512
    }

    #[test]
    fn populating_allocates_every_page() {
        let (file, mapping) = mapped(64 << 10);
        assert_eq!(allocated(&file), 0);
        mapping.populate().expect("populated");
        assert_eq!(allocated(&file), 64 << 10);
    }

    #[test]
    fn touching_allocates_every_page_and_changes_no_byte() {
        use std::os::unix::fs::FileExt;
        let (file, mapping) = mapped((64 << 10) + 1);
        file.write_all_at(b"here", 8192).expect("written");
        mapping.touch();
        assert_eq!(allocated(&file), 68 << 10);
        let mut found = [0; 4];
        file.read_exact_at(&mut found, 8192).expect("read");
        assert_eq!(&found, b"here");
    }

    #[test]
    fn nothing_behind_the_end_has_an_address() {
        let (_file, mapping) = mapped(8192);
        assert!(mapping.at(0, 8192).is_some());
        assert!(mapping.at(8192, 0).is_some());
        assert!(mapping.at(0, 8193).is_none());
        assert!(mapping.at(u64::MAX, 2).is_none());
    }
}

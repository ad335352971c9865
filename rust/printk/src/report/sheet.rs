//! One file that is being written, in pieces of the memory that it was given.
//!
//! How far the memory is filled is known to whoever comes next: a handler that finds its thread in the middle of a record
//! goes on behind the last whole one.

use crate::fd::{self, write_all};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering, compiler_fence};
use pr_record::Out;

/// The memory of a sheet. Several may share it, if each is flushed before the next one is written.
#[derive(Clone, Copy, Debug)]
pub struct Paper(pub NonNull<[u8]>);

// SAFETY: memory alone; who may write on it is said where it is made a sheet.
unsafe impl Send for Paper {}

/// A file that is being written.
#[derive(Debug)]
pub struct Sheet {
    fd: AtomicI32,
    /// What the descriptor meant when it was given: device and inode.
    device: AtomicU64,
    inode: AtomicU64,
    paper: Paper,
    fill: AtomicUsize,
    /// The error that ended it; 0: none.
    failed: AtomicI32,
}

// SAFETY: one thread at a time writes on it (see `new`); the rest is atomic.
unsafe impl Sync for Sheet {}
// SAFETY: as above.
unsafe impl Send for Sheet {}

impl Sheet {
    /// One that has no file yet.
    ///
    /// # Safety
    /// The memory stays valid as long as the sheet, and only one thread at a time writes on it or on what shares it.
    pub const unsafe fn new(paper: Paper) -> Sheet {
        Sheet {
            fd: AtomicI32::new(-1),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
            paper,
            fill: AtomicUsize::new(0),
            failed: AtomicI32::new(0),
        }
    }

    /// The memory.
    pub fn paper(&self) -> Paper {
        self.paper
    }

    /// Begins a file; negative: there is none.
    pub fn begin(&self, fd: libc::c_int) {
        let (device, inode) = fd::identity(fd).unwrap_or((0, 0));
        self.fill.store(0, Ordering::Relaxed);
        self.failed.store(0, Ordering::Relaxed);
        self.device.store(device, Ordering::Relaxed);
        self.inode.store(inode, Ordering::Relaxed);
        self.fd.store(fd, Ordering::Relaxed);
    }

    /// Goes on with the file behind `fd`, under the number of the one before: others know that. Unless somebody else
    /// has the number by now.
    pub fn move_to(&self, fd: libc::c_int) {
        let wanted = self.fd();
        let is_free =
            wanted >= 0 && (self.checked_fd().is_some() || fd::identity(wanted).is_none());
        self.begin(-1);
        if fd < 0 || !is_free {
            return self.begin(fd);
        }
        // SAFETY: a descriptor of ours, and a number that is ours or nobody's.
        if unsafe { libc::dup3(fd, wanted, libc::O_CLOEXEC) } != wanted {
            return self.begin(fd);
        }
        self.begin(wanted);
        // SAFETY: the caller gave it to us.
        unsafe { libc::close(fd) };
    }

    /// The descriptor, whatever it means by now.
    pub fn fd(&self) -> libc::c_int {
        self.fd.load(Ordering::Relaxed)
    }

    /// The descriptor, if it still means the file that it was given for: daemons close what they do not know, and use the
    /// number for something else.
    pub fn checked_fd(&self) -> Option<libc::c_int> {
        let meant = (
            self.device.load(Ordering::Relaxed),
            self.inode.load(Ordering::Relaxed),
        );
        let fd = self.fd();
        (fd >= 0 && fd::identity(fd) == Some(meant)).then_some(fd)
    }

    /// Whether all that was put on it so far is in the file or on its way.
    pub fn is_good(&self) -> bool {
        self.failed.load(Ordering::Relaxed) == 0
    }

    /// Appends what `write` writes. It says whether it had room enough; where it never has, what it wrote stands.
    pub fn put(&self, write: impl Fn(&mut Out<'_>) -> bool) {
        if self.try_put(&write) {
            return;
        }
        self.flush();
        if !self.try_put(&write) {
            self.flush();
        }
    }

    /// False: there was too little room; what was written stands if it is all there is on the sheet.
    fn try_put(&self, write: &impl Fn(&mut Out<'_>) -> bool) -> bool {
        let fill = self.fill.load(Ordering::Relaxed);
        let Paper(mut memory) = self.paper;
        // SAFETY: one thread writes, by `new`'s promise, and keeps nothing of it beyond this call.
        let memory = unsafe { memory.as_mut() };
        let mut out = Out::new(memory.get_mut(fill..).unwrap_or_default());
        let whole = write(&mut out);
        if whole || fill == 0 {
            // What interrupts this thread finds the bytes that are counted.
            compiler_fence(Ordering::SeqCst);
            self.fill
                .store(fill.saturating_add(out.len()), Ordering::Relaxed);
        }
        whole
    }

    /// Appends bytes.
    pub fn put_bytes(&self, bytes: &[u8]) {
        self.put(|out| {
            out.put(bytes);
            !out.is_truncated()
        });
    }

    /// Bytes that wait to be written.
    pub fn filled(&self) -> usize {
        self.fill.load(Ordering::Relaxed)
    }

    /// Writes what there is.
    pub fn flush(&self) {
        let fill = self.fill.swap(0, Ordering::Relaxed);
        if fill == 0 || !self.is_good() {
            return;
        }
        let Some(fd) = self.checked_fd() else {
            self.failed.store(libc::EBADF, Ordering::Relaxed);
            return;
        };
        let Paper(memory) = self.paper;
        // SAFETY: as in `try_put`.
        let memory = unsafe { memory.as_ref() };
        let written = write_all(fd, memory.get(..fill).unwrap_or_default(), &|| true);
        if let Some(errno) = written.errno {
            self.failed.store(errno, Ordering::Relaxed);
        }
    }
}

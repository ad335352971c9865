//! Where crash files lie, what they are called, and how one comes into being.
//!
//! The best one is made beforehand, without a name, and gets its name when it is needed: a process that is dying may have no
//! descriptor left, and may not see the directory any more. Where that cannot be had it is made when it is needed.

use crate::fd;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use pr_record::Out;
use pr_record::render::unsigned;

/// The most bytes of a file name, its end included.
const NAME_BYTES: usize = 256;
/// Names that are tried: those of a process that had the same number may be taken.
const NAMES: u64 = 1000;

/// What crash files are called before `.crash-<pid>-<n>`.
#[derive(Clone, Copy, Debug)]
pub enum Stem {
    /// As the ring file; that of a forked child has `.fork-<pid>`.
    File(&'static [u8]),
    /// As the ring file of each process in a directory: `<this>-<pid>.ring`.
    InDirectory(&'static [u8]),
    /// As the log.
    Log(&'static [u8]),
}

/// The two files of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The directory of a process's crash files.
#[derive(Debug)]
pub struct Place {
    /// Open, for names within it.
    directory: AtomicI32,
    device: AtomicU64,
    inode: AtomicU64,
    /// Its absolute path, zero-terminated: for when the descriptor is gone.
    path: &'static [u8],
    stem: Stem,
    /// The process that prepared it.
    pid: AtomicU32,
}

/// A file name, zero-terminated.
struct Name([u8; NAME_BYTES]);

impl Place {
    /// A directory that is open as `directory`, and whose path, zero-terminated, is `path`.
    pub fn new(directory: libc::c_int, path: &'static [u8], stem: Stem, pid: u32) -> Place {
        let (device, inode) = fd::identity(directory).unwrap_or((0, 0));
        Place {
            directory: AtomicI32::new(directory),
            device: AtomicU64::new(device),
            inode: AtomicU64::new(inode),
            path,
            stem,
            pid: AtomicU32::new(pid),
        }
    }

    /// Closes the directory: it is opened by its path from now on.
    pub fn close(&self) {
        if let Some(fd) = self.checked_directory() {
            self.directory.store(-1, Ordering::Relaxed);
            // SAFETY: this place's own.
            unsafe { libc::close(fd) };
        }
    }

    /// Its path, without the zero.
    pub fn path(&self) -> &'static [u8] {
        self.path.strip_suffix(b"\0").unwrap_or(self.path)
    }

    /// Appends what a process's crash files are called, but for `.crash-<pid>-<n>`.
    pub fn write_stem(&self, out: &mut Out<'_>, pid: u32) {
        match self.stem {
            Stem::File(name) => {
                out.put(name);
                if pid != self.pid.load(Ordering::Relaxed) {
                    out.put(b".fork-");
                    unsigned(out, u64::from(pid));
                }
            }
            Stem::InDirectory(name) => {
                out.put(name);
                out.put(b"-");
                unsigned(out, u64::from(pid));
                out.put(b".ring");
            }
            Stem::Log(name) => out.put(name),
        }
    }

    fn write_name(&self, out: &mut Out<'_>, kind: Kind, pid: u32, n: u64) {
        self.write_stem(out, pid);
        out.put(b".crash-");
        unsigned(out, u64::from(pid));
        out.put(b"-");
        unsigned(out, n);
        out.put(match kind {
            Kind::Text => b".txt",
            Kind::Json => b".json",
        });
    }

    /// Appends the path of the `n`th file of a process.
    pub fn write_path(&self, out: &mut Out<'_>, kind: Kind, pid: u32, n: u64) {
        out.put(self.path());
        if self.path() != b"/" {
            out.put(b"/");
        }
        self.write_name(out, kind, pid, n);
    }

    fn name(&self, kind: Kind, pid: u32, n: u64) -> Option<Name> {
        let mut name = Name([0; NAME_BYTES]);
        let mut out = Out::new(&mut name.0);
        self.write_name(&mut out, kind, pid, n);
        out.put(b"\0");
        (!out.is_truncated()).then_some(name)
    }

    /// The directory for calls that take one, if it still is what it was.
    fn checked_directory(&self) -> Option<libc::c_int> {
        let fd = self.directory.load(Ordering::Relaxed);
        let meant = (
            self.device.load(Ordering::Relaxed),
            self.inode.load(Ordering::Relaxed),
        );
        (fd >= 0 && fd::identity(fd) == Some(meant)).then_some(fd)
    }

    /// Opens a file without a name. Negative: that cannot be had here.
    pub fn open_nameless(&self) -> libc::c_int {
        let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC;
        match self.checked_directory() {
            Some(fd) => {
                // SAFETY: a zero-terminated path.
                fd::above_standard(unsafe { libc::openat(fd, c".".as_ptr(), flags, 0o600) })
            }
            None => -1,
        }
    }

    /// Gives a file without a name the `n`th name of this process that is free, from `n` on. Which.
    pub fn link(&self, fd: libc::c_int, kind: Kind, pid: u32, n: u64) -> Option<u64> {
        let directory = self.checked_directory()?;
        let mut source = [0; 32];
        let mut out = Out::new(&mut source);
        out.put(b"/proc/self/fd/");
        unsigned(&mut out, u64::try_from(fd).ok()?);
        out.put(b"\0");
        let source = source.as_ptr().cast();
        for n in n..n.saturating_add(NAMES) {
            let name = self.name(kind, pid, n)?;
            let (target, flags) = (name.0.as_ptr().cast(), libc::AT_SYMLINK_FOLLOW);
            // SAFETY: two zero-terminated paths.
            let done =
                unsafe { libc::linkat(libc::AT_FDCWD, source, directory, target, flags) } == 0;
            if done {
                return Some(n);
            }
            if fd::errno() != libc::EEXIST {
                return None;
            }
        }
        None
    }

    /// Makes a file with the first name that is free, from the `n`th on. Its descriptor, and which.
    pub fn create(&self, kind: Kind, pid: u32, n: u64) -> Option<(libc::c_int, u64)> {
        let opened = self.checked_directory();
        let directory = opened.or_else(|| self.open_directory())?;
        let mut made = None;
        for n in n..n.saturating_add(NAMES) {
            let Some(name) = self.name(kind, pid, n) else {
                break;
            };
            let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
            let flags = flags | libc::O_NOFOLLOW;
            // SAFETY: a zero-terminated path.
            let fd = unsafe { libc::openat(directory, name.0.as_ptr().cast(), flags, 0o600) };
            let made_it = fd >= 0;
            let fd = fd::above_standard(fd);
            if fd >= 0 {
                made = Some((fd, n));
                break;
            }
            if made_it {
                // SAFETY: a zero-terminated path.
                unsafe { libc::unlinkat(directory, name.0.as_ptr().cast(), 0) };
                break;
            }
            if fd::errno() != libc::EEXIST {
                break;
            }
        }
        if opened.is_none() {
            // SAFETY: opened here.
            unsafe { libc::close(directory) };
        }
        made
    }

    /// Removes a file that has come to nothing.
    pub fn remove(&self, kind: Kind, pid: u32, n: u64) {
        if let Some(directory) = self.checked_directory()
            && let Some(name) = self.name(kind, pid, n)
        {
            // SAFETY: a zero-terminated path.
            unsafe { libc::unlinkat(directory, name.0.as_ptr().cast(), 0) };
        }
    }

    fn open_directory(&self) -> Option<libc::c_int> {
        let flags = libc::O_DIRECTORY | libc::O_RDONLY | libc::O_CLOEXEC;
        // SAFETY: a zero-terminated path.
        let fd = unsafe { libc::open(self.path.as_ptr().cast(), flags) };
        (fd >= 0).then_some(fd)
    }
}

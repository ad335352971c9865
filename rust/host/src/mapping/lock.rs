//! Locks on ring files, of open file descriptions: they work across pid namespaces and within one process, and end with
//! the description, however its process ends.
//!
//! Two bytes of a ring file can be locked. The first says that its owner lives: it is taken before the file has its name
//! and never again after it was let go, so a ring that was seen dead stays dead. The second is for whoever renames or
//! removes a dead ring: while it is held, the name stays where it is.
//!
//! A forked child inherits descriptions. The lock's is therefore another one than the mapping's, and its descriptor is
//! [`Held`]: the fork hook closes it in every child. A program may close it too, and open a file of its own that gets the
//! number: that one is neither unlocked nor closed here.

use crate::fork::ShortLock;
use core::mem::ManuallyDrop;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use pr_printk::fd::identity;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// Which byte of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Byte {
    /// Held while the owner lives.
    Owner = 0,
    /// Held by whoever renames or removes a dead ring.
    Name = 1,
}

fn request(byte: Byte, kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte as libc::off_t,
        l_len: 1,
        l_pid: 0,
    }
}

/// Takes the lock for the file's open description, which must be open for writing. False: another one has it.
pub(crate) fn try_lock(file: BorrowedFd<'_>, byte: Byte) -> io::Result<bool> {
    let wanted = request(byte, libc::F_WRLCK);
    // SAFETY: an open descriptor, and a structure that the kernel only reads.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const wanted) };
    if done == 0 {
        return Ok(true);
    }
    let why = io::Error::last_os_error();
    match why.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        _ => Err(why),
    }
}

/// Gives the lock back.
pub(crate) fn unlock_byte(file: BorrowedFd<'_>, byte: Byte) {
    let wanted = request(byte, libc::F_UNLCK);
    // SAFETY: an open descriptor, and a structure that the kernel only reads.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const wanted) };
}

/// Whether another open description has the lock. The file need not be open for writing.
pub(crate) fn is_locked(file: BorrowedFd<'_>, byte: Byte) -> io::Result<bool> {
    let mut found = request(byte, libc::F_WRLCK);
    // SAFETY: an open descriptor, and a structure that the kernel fills.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut found) };
    if done == 0 {
        return Ok(i32::from(found.l_type) != libc::F_UNLCK);
    }
    Err(io::Error::last_os_error())
}

/// A descriptor that this process holds and none of its children may: it is closed in every forked child before the
/// child's first instruction of its own, and by every `exec`.
#[derive(Debug)]
pub(crate) struct Held {
    cell: &'static Cell,
}

/// A place for one descriptor. Cells are never freed, only used again: the fork hook walks them without a lock of the heap.
#[derive(Debug)]
struct Cell {
    fd: AtomicI32,
    /// Device and inode of what the descriptor meant when it was opened.
    device: AtomicU64,
    inode: AtomicU64,
    /// The process that opened it.
    pid: AtomicU32,
    next: AtomicPtr<Cell>,
}

/// Nobody uses the cell.
const FREE: RawFd = -1;
/// A [`Held`] uses the cell, and has no descriptor (yet, or any more).
const EMPTY: RawFd = -2;

static CELLS: AtomicPtr<Cell> = AtomicPtr::new(core::ptr::null_mut());
/// Held while a descriptor comes or goes, and over every fork.
static CHANGING: ShortLock = ShortLock::new();

impl Held {
    /// Opens a descriptor such that no fork can fall between its opening and its being known here.
    pub(crate) fn open(open: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<Held> {
        install_hooks();
        let held = Held { cell: free_cell() };
        CHANGING.lock();
        let opened = open().map(|fd| held.cell.keep(fd));
        CHANGING.unlock();
        opened.map(|()| held)
    }

    /// The file, for looking at; None after it was let go. It is never duplicated: a duplicate would hold the locks too.
    pub(crate) fn file(&self) -> Option<ManuallyDrop<File>> {
        let fd = self.cell.fd.load(Ordering::Relaxed);
        // SAFETY: open until `let_go`, whose callers do not use what they got before; never closed by the file.
        (fd >= 0).then(|| ManuallyDrop::new(unsafe { File::from_raw_fd(fd) }))
    }

    /// Whether it was not let go yet.
    pub(crate) fn is_held(&self) -> bool {
        self.cell.fd.load(Ordering::Relaxed) >= 0
    }

    /// Gives the owner's lock back and closes the descriptor. Twice is once.
    ///
    /// The lock is given back by name: a child that was forked a moment ago, and has not come to its hook yet, has the
    /// descriptor too. Only by the process that took it: a copy of this value in a child that has no hooks must not.
    pub(crate) fn let_go(&self) {
        CHANGING.lock();
        if let Some(file) = self.file()
            && self.cell.is_own()
            && self.cell.is_intact(file.as_raw_fd())
        {
            unlock_byte(file.as_fd(), Byte::Owner);
        }
        self.cell.close();
        CHANGING.unlock();
    }

    /// The same in a fork hook, where nothing may be waited for.
    pub(crate) fn forget(&self) {
        self.cell.close();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
        self.cell.fd.store(FREE, Ordering::Release);
    }
}

impl Cell {
    fn keep(&self, fd: OwnedFd) {
        let (device, inode) = identity(fd.as_raw_fd()).unwrap_or_default();
        self.device.store(device, Ordering::Relaxed);
        self.inode.store(inode, Ordering::Relaxed);
        self.pid.store(std::process::id(), Ordering::Relaxed);
        self.fd.store(fd.into_raw_fd(), Ordering::Relaxed);
    }

    /// Whether this process opened it.
    fn is_own(&self) -> bool {
        self.pid.load(Ordering::Relaxed) == std::process::id()
    }

    /// Whether the number still means what it meant.
    fn is_intact(&self, fd: RawFd) -> bool {
        let meant = (
            self.device.load(Ordering::Relaxed),
            self.inode.load(Ordering::Relaxed),
        );
        identity(fd) == Some(meant)
    }

    fn close(&self) {
        let fd = self.fd.load(Ordering::Relaxed);
        let mine = fd >= 0 && self.fd.swap(EMPTY, Ordering::Relaxed) == fd;
        if mine && self.is_intact(fd) {
            // SAFETY: the cell owned the descriptor, and names it no more.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
}

fn free_cell() -> &'static Cell {
    for cell in cells() {
        let taken = cell
            .fd
            .compare_exchange(FREE, EMPTY, Ordering::Acquire, Ordering::Relaxed);
        if taken.is_ok() {
            return cell;
        }
    }
    let fresh = Box::leak(Box::new(Cell {
        fd: AtomicI32::new(EMPTY),
        device: AtomicU64::new(0),
        inode: AtomicU64::new(0),
        pid: AtomicU32::new(0),
        next: AtomicPtr::new(core::ptr::null_mut()),
    }));
    let mut first = CELLS.load(Ordering::Relaxed);
    loop {
        fresh.next.store(first, Ordering::Relaxed);
        let put = CELLS.compare_exchange_weak(first, fresh, Ordering::Release, Ordering::Relaxed);
        match put {
            Ok(_) => return fresh,
            Err(other) => first = other,
        }
    }
}

fn cells() -> impl Iterator<Item = &'static Cell> {
    // SAFETY: cells are leaked, and linked before they are seen.
    let shared = |cell: *mut Cell| unsafe { cell.as_ref() };
    let first = shared(CELLS.load(Ordering::Acquire));
    core::iter::successors(first, move |cell| shared(cell.next.load(Ordering::Relaxed)))
}

/// In a child that no hook saw: closes what its parent holds.
pub(crate) fn let_go_of_parent() {
    CHANGING.lock();
    cells().filter(|cell| !cell.is_own()).for_each(Cell::close);
    CHANGING.unlock();
}

/// Nobody waits for whoever is at it: a thread that vanished in a fork may have been.
fn install_hooks() {
    static HAS_HOOKS: AtomicBool = AtomicBool::new(false);
    if !HAS_HOOKS.swap(true, Ordering::SeqCst) {
        // SAFETY: the hooks only spin, close descriptors, and store atomics.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    }
}

extern "C" fn before() {
    CHANGING.lock();
}

extern "C" fn in_parent() {
    CHANGING.unlock();
}

extern "C" fn in_child() {
    cells().for_each(Cell::close);
    CHANGING.unlock();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> std::fs::File {
        let fd = crate::mapping::anonymous::memfd(c"lock").expect("a memfd");
        let file = std::fs::File::from(fd);
        file.set_len(4096).expect("its size");
        file
    }

    /// Another open description of the same file.
    fn again(file: &std::fs::File, write: bool) -> std::fs::File {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut options = std::fs::OpenOptions::new();
        options
            .read(true)
            .write(write)
            .open(path)
            .expect("opened again")
    }

    #[test]
    fn a_lock_is_seen_by_other_descriptions_of_the_same_process_only_for_its_byte() {
        let (one, other) = (file(), file());
        let (write, read) = (again(&one, true), again(&one, false));
        assert!(try_lock(one.as_fd(), Byte::Owner).expect("locked"));
        assert!(!try_lock(write.as_fd(), Byte::Owner).expect("asked"));
        assert!(is_locked(read.as_fd(), Byte::Owner).expect("asked"));
        assert!(
            !is_locked(one.as_fd(), Byte::Owner).expect("asked"),
            "one's own lock is no conflict"
        );
        assert!(!is_locked(read.as_fd(), Byte::Name).expect("asked"));
        assert!(!is_locked(other.as_fd(), Byte::Owner).expect("asked"));
        drop(one);
        assert!(!is_locked(read.as_fd(), Byte::Owner).expect("asked"));
    }

    #[test]
    fn a_cell_is_used_again_and_letting_go_twice_is_once() {
        let first = Held::open(|| Ok(file().into())).expect("held");
        first.let_go();
        first.let_go();
        assert!(!first.is_held());
        let failed = Held::open(|| Err(io::Error::from_raw_os_error(libc::EMFILE)));
        assert_eq!(
            failed.expect_err("refused").raw_os_error(),
            Some(libc::EMFILE)
        );
        let before = cells().count();
        drop(first);
        let again = Held::open(|| Ok(file().into())).expect("held");
        assert!(again.is_held());
        assert!(cells().count() <= before + 1);
    }

    /// Forks; the child ends with 1 if it has this descriptor.
    fn child_has(fd: RawFd) -> bool {
        // SAFETY: the child makes two system calls.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: only asks.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(flags != -1)) };
        }
        let mut status = 0;
        // SAFETY: a number to fill.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        status != 0
    }

    #[test]
    fn a_fork_waits_until_what_is_being_opened_is_known() {
        use std::sync::mpsc;
        let (opened, forks) = mpsc::channel();
        let (forked, returns) = mpsc::channel();
        let forker = std::thread::spawn(move || {
            let has = child_has(forks.recv().expect("a number"));
            let _ = forked.send(());
            has
        });
        let held = Held::open(|| {
            let fd: OwnedFd = file().into();
            opened.send(fd.as_raw_fd()).expect("sent");
            // Time for the fork to happen now, if it does not wait.
            let _ = returns.recv_timeout(core::time::Duration::from_millis(300));
            Ok(fd)
        });
        // Kept until the child has looked: another test could be given the number otherwise.
        let held = held.expect("held");
        assert!(!forker.join().expect("no panic"), "the child has it");
        assert!(held.is_held());
    }
}

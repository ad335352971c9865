//! A ring file comes into being: whole, locked, under a temporary name first.
//!
//! What can go wrong goes wrong before the file has its real name: then the temporary one is removed and nothing has
//! changed. The real name is taken in one step that never replaces another file, so that of any number of starters one
//! wins.

use super::lock::{self, Byte, Held};
use super::memory::Mapping;
use super::owner::Identity;
use crate::error::Error;
use crate::files;
use crate::options::size_in_words;
use crate::plan::Plan;
use core::sync::atomic::{AtomicU64, Ordering};
use std::ffi::{CString, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Between a file's name and the rest of its temporary one: `<name>.new-<pid>-<number>`.
pub(crate) const TEMPORARY: &str = ".new-";

/// A file that is whole but has no name yet. Dropped, it is gone.
pub(crate) struct Fresh {
    temporary: Temporary,
    held: Held,
    mapping: Mapping,
}

impl Fresh {
    /// Creates, locks, fills and maps a file beside `path`.
    pub(crate) fn make(path: &Path, plan: &Plan, identity: &Identity) -> Result<Fresh, Error> {
        let (temporary, held) = locked(path)?;
        let file = held.file().ok_or_else(|| lost(path))?;
        allocate(&file, plan.file_bytes).map_err(|why| no_room(path, plan, &why))?;
        let refused = |why: io::Error| Error::refused(path, "its memory cannot be mapped", &why);
        let twin = second_description(&temporary.0, &file).map_err(refused)?;
        let mapping = Mapping::of(twin.as_fd(), plan.file_bytes).map_err(refused)?;
        mapping
            .populate()
            .map_err(|why| no_room(path, plan, &why))?;
        super::fill(&mapping, plan, identity);
        Ok(Fresh {
            temporary,
            held,
            mapping,
        })
    }

    /// Gives the file its name, if nothing has that name. False: something has.
    pub(crate) fn publish(&self, path: &Path) -> io::Result<bool> {
        match rename_to_free(&self.temporary.0, path) {
            Ok(()) => Ok(true),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// The lock and the memory, of a file that has its name.
    pub(crate) fn into_parts(self) -> (Held, Mapping) {
        (self.held, self.mapping)
    }
}

/// A temporary name. It is removed when this is dropped; once the file has its real name there is nothing to remove, and
/// the name comes never again.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// `path` with something behind its name, in the same directory.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(suffix);
    path.with_file_name(name)
}

/// A fresh empty file that this process holds as owner.
fn locked(path: &Path) -> Result<(Temporary, Held), Error> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = beside(path, &format!("{TEMPORARY}{}-{number}", std::process::id()));
        let held = match Held::open(|| create_new(&name)) {
            Ok(held) => held,
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => continue, // of an earlier process of this number
            Err(why) => return Err(Error::refused(path, "it cannot be created", &why)),
        };
        let temporary = Temporary(name);
        let file = held.file().ok_or_else(|| lost(path))?;
        match lock::try_lock(file.as_fd(), Byte::Owner) {
            // Somebody who clears up saw it in the moment before it was locked: it is not ours to keep.
            Ok(true) if file.metadata().is_ok_and(|found| found.nlink() > 0) => {
                return Ok((temporary, held));
            }
            Ok(_) => continue,
            Err(why) => {
                return Err(Error::refused(
                    path,
                    "its file system cannot lock files",
                    &why,
                ));
            }
        }
    }
}

/// Only for this user, whatever the umask.
fn create_new(name: &Path) -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW);
    let file = files::open(&options, name)?;
    if let Err(why) = file.set_permissions(fs::Permissions::from_mode(0o600)) {
        let _ = fs::remove_file(name);
        return Err(why);
    }
    Ok(file.into())
}

/// The mapping needs a description of its own: a forked child keeps the mapping, and must not keep the lock by it.
fn second_description(name: &Path, first: &File) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW);
    let twin = files::open(&options, name)?;
    let (first, second) = (first.metadata()?, twin.metadata()?);
    if (first.dev(), first.ino()) == (second.dev(), second.ino()) {
        Ok(twin)
    } else {
        Err(io::Error::from_raw_os_error(libc::ESTALE))
    }
}

/// All blocks of the file, now: a full disk later would be a SIGBUS.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    let length =
        libc::off_t::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
    loop {
        // SAFETY: an open descriptor, and numbers.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } == 0 {
            return Ok(());
        }
        let why = io::Error::last_os_error();
        match why.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => return write_zeros(file, bytes),
            _ => return Err(why),
        }
    }
}

/// Where the file system cannot allocate: the same by writing.
fn write_zeros(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 16];
    let mut at = 0;
    while at < bytes {
        let left = usize::try_from(bytes - at).unwrap_or(usize::MAX);
        let part = &zeros[..left.min(zeros.len())];
        file.write_all_at(part, at)?;
        at += part.len() as u64;
    }
    Ok(())
}

fn no_room(path: &Path, plan: &Plan, why: &io::Error) -> Error {
    let needed = size_in_words(plan.file_bytes);
    let what = match why.raw_os_error() {
        Some(libc::ENOSPC) => format!(
            "the disk is full: {needed} are needed{}; free some, or give a smaller size",
            free(path)
        ),
        Some(libc::EDQUOT) => {
            format!("the quota is used up: {needed} are needed; free some, or give a smaller size")
        }
        Some(libc::EFBIG) => format!(
            "a file of {needed} is larger than this process or file system may have; give a smaller size"
        ),
        _ => return Error::refused(path, &format!("{needed} cannot be allocated"), why),
    };
    Error::ring_file(path, why.raw_os_error().unwrap_or(libc::ENOSPC), what)
}

/// How much is free where `path` is.
fn free(path: &Path) -> String {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let Ok(directory) = CString::new(directory.as_os_str().as_bytes()) else {
        return String::new();
    };
    // SAFETY: plain numbers, for which zero is a value.
    let mut found: libc::statvfs = unsafe { core::mem::zeroed() };
    // SAFETY: a terminated path, and a structure to fill.
    if unsafe { libc::statvfs(directory.as_ptr(), &raw mut found) } != 0 {
        return String::new();
    }
    let bytes = found.f_bavail.saturating_mul(found.f_frsize);
    format!(", {} KiB are free", bytes >> 10)
}

/// Renames, unless something has that name already.
pub(crate) fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    let (old, new) = (
        CString::new(from.as_os_str().as_bytes())?,
        CString::new(to.as_os_str().as_bytes())?,
    );
    let here = libc::AT_FDCWD;
    // SAFETY: two terminated paths.
    let done = unsafe {
        libc::renameat2(
            here,
            old.as_ptr(),
            here,
            new.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if done == 0 {
        return Ok(());
    }
    let why = io::Error::last_os_error();
    match why.raw_os_error() {
        Some(libc::EINVAL | libc::ENOSYS) => link_to_free(from, to),
        _ => Err(why),
    }
}

/// The same in two steps, for file systems that cannot do it in one: a link never replaces anything either.
fn link_to_free(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

fn lost(path: &Path) -> Error {
    Error::ring_file(
        path,
        libc::EBADF,
        "the process was forked while it was made",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("printk-ring-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    #[test]
    fn a_rename_never_replaces_a_file() {
        let home = directory("rename");
        for rename in [rename_to_free, link_to_free] {
            let (from, to) = (home.join("from"), home.join("to"));
            fs::write(&from, "from").expect("written");
            fs::write(&to, "to").expect("written");
            let why = rename(&from, &to).expect_err("replaced");
            assert_eq!(why.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(&to).expect("read"), "to");
            fs::remove_file(&to).expect("removed");
            rename(&from, &to).expect("renamed");
            assert_eq!(fs::read_to_string(&to).expect("read"), "from");
            assert!(!from.exists());
        }
        fs::remove_dir_all(home).expect("removed");
    }

    #[test]
    fn of_two_whole_files_the_first_gets_the_name_and_keeps_it() {
        let home = directory("publish");
        let path = home.join("app.ring");
        let plan = Plan::for_log(256 << 10, 128).expect("a plan");
        let make = |name| Fresh::make(&path, &plan, &Identity::current(name, None)).expect("made");
        let (first, second) = (make("first"), make("second"));
        assert!(first.publish(&path).expect("renamed"));
        assert!(!second.publish(&path).expect("refused"));
        drop(second);
        let file = crate::foreign::ForeignFile::open(&path).expect("a ring");
        assert_eq!(file.identity().expect("readable").name, "first");
        assert_eq!(fs::read_dir(&home).expect("a folder").count(), 1);
        drop(first);
        fs::remove_dir_all(home).expect("removed");
    }

    #[test]
    fn zeros_that_are_written_allocate_too() {
        let home = directory("zeros");
        let path = home.join("file");
        let file = File::create(&path).expect("created");
        let bytes = (3 << 16) + 5;
        write_zeros(&file, bytes).expect("written");
        let found = file.metadata().expect("metadata");
        assert_eq!(found.len(), bytes);
        file.sync_all().expect("synced");
        assert!(file.metadata().expect("metadata").blocks() * 512 >= bytes);
        fs::remove_dir_all(home).expect("removed");
    }

    #[test]
    fn a_suffix_goes_behind_the_name_and_not_behind_a_slash() {
        assert_eq!(
            beside(Path::new("/a/b.ring"), ".old.1"),
            Path::new("/a/b.ring.old.1")
        );
        assert_eq!(beside(Path::new("b/"), ".x"), Path::new("b.x"));
    }
}

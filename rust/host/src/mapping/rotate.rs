//! What stands at a path already: nothing, a live log, a dead ring, or something else; and how a dead ring makes room.
//!
//! Whoever renames or removes a dead ring holds its name byte, and has seen that the path still leads to it. So a second
//! starter either waits for the first, or finds the first one's new ring.

use super::file::{beside, rename_to_free};
use super::lock::{self, Byte};
use super::owner::{Identity, Process};
use crate::error::Error;
use crate::files;
use crate::foreign::ForeignFile;
use core::time::Duration;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Previous lives kept, the newest included.
pub const LIVES_KEPT: u32 = 8;
/// Bytes that previous lives beyond the newest may take together.
pub const LIVES_BYTES: u64 = 256 << 20;

/// What stands at a path.
pub(crate) enum Incumbent {
    Nobody,
    Dead(DeadRing),
    /// A whole ring that somebody holds: an error that names the holder.
    Held {
        why: Error,
        /// The owner is gone: a child of it holds the file, perhaps only until it comes to its fork hook.
        orphaned: bool,
    },
}

/// A whole ring whose owner is gone, open for taking its name byte.
pub(crate) struct DeadRing(File);

/// What became of an attempt to make room.
pub(crate) enum Rotated {
    /// The path is free; these lives had to go.
    Done(Vec<PathBuf>),
    /// Somebody else is at it, or was faster.
    Again,
}

/// How long a child that was forked in its owner's last moment has to let go of the file.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(1);

/// The dead ring at `path`; None if nothing is there.
///
/// # Errors
/// Something that is not a whole ring, or that a live log holds.
pub(crate) fn look_patiently(path: &Path) -> Result<Option<DeadRing>, Error> {
    let end = Instant::now() + ORPHAN_PATIENCE;
    loop {
        match look(path)? {
            Incumbent::Nobody => return Ok(None),
            Incumbent::Dead(ring) => return Ok(Some(ring)),
            Incumbent::Held { orphaned: true, .. } if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Incumbent::Held { why, .. } => return Err(why),
        }
    }
}

/// Looks at what stands at `path` at this moment.
///
/// # Errors
/// Something that is not a whole ring.
pub(crate) fn look(path: &Path) -> Result<Incumbent, Error> {
    let cannot = |why: io::Error| Error::refused(path, "it cannot be used", &why);
    match fs::symlink_metadata(path) {
        Ok(found) => check_kind(path, &found)?,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Incumbent::Nobody),
        Err(why) => return Err(cannot(why)),
    }
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = match files::open(&options, path) {
        Ok(file) => file,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Incumbent::Nobody),
        Err(why) => return Err(cannot(why)),
    };
    let ring = ForeignFile::over(path, file.try_clone().map_err(cannot)?)?;
    if ring.is_alive()? {
        let holder = ring.identity()?;
        let process = holder.process();
        return Ok(Incumbent::Held {
            why: Error::ring_file(path, libc::EBUSY, held_by(&holder, process)),
            orphaned: process == Process::Gone,
        });
    }
    Ok(Incumbent::Dead(DeadRing(file)))
}

/// Only a regular file can be a ring. Said of the name before it is opened: opening a device can have effects.
pub(crate) fn check_kind(path: &Path, found: &Metadata) -> Result<(), Error> {
    let kind = found.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let (what, errno) = if kind.is_symlink() {
        (
            "a symbolic link, which is not followed: give the path it leads to",
            libc::ELOOP,
        )
    } else if kind.is_dir() {
        ("a directory: give a file in it", libc::EISDIR)
    } else if kind.is_fifo() {
        ("a pipe, not a file", libc::EINVAL)
    } else if kind.is_socket() {
        ("a socket, not a file", libc::EINVAL)
    } else {
        ("a device, not a file", libc::EINVAL)
    };
    Err(Error::ring_file(path, errno, format!("it is {what}")))
}

/// Who holds a file, in words.
fn held_by(holder: &Identity, process: Process) -> String {
    let (name, pid, program) = (&holder.name, holder.pid, holder.program());
    let log = format!("the live log {name:?} of process {pid} ({program})");
    match process {
        Process::Runs | Process::Unknown => {
            format!("{log} holds it: end that log, or give another path")
        }
        Process::Elsewhere => {
            format!("{log} in another pid namespace holds it: end that log, or give another path")
        }
        Process::OtherBoot => format!("{log} on another machine holds it: give another path"),
        Process::Gone => format!(
            "its owner (process {pid}, {program}) is dead and only a child of it holds the file: end that child, or give another path"
        ),
    }
}

impl DeadRing {
    /// Makes `path` free: this ring becomes the newest previous life, the others move on, and what is too much goes.
    pub(crate) fn rotate(&self, path: &Path) -> Result<Rotated, Error> {
        let cannot =
            |why: io::Error| Error::refused(path, "its previous life cannot be kept", &why);
        if !lock::try_lock(self.0.as_fd(), Byte::Name).map_err(cannot)? {
            return Ok(Rotated::Again);
        }
        if !leads_to(path, &self.0) {
            return Ok(Rotated::Again);
        }
        let removed = drop_the_oldest(path).map_err(cannot)?;
        move_on(path).map_err(cannot)?;
        match rename_to_free(path, &old(path, 1)) {
            Ok(()) => Ok(Rotated::Done(removed)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Rotated::Again),
            Err(why) => Err(cannot(why)),
        }
    }

    /// A temporary file that nobody holds: its maker was killed. Its content is of no interest.
    pub(crate) fn unnamed(path: &Path) -> io::Result<Option<DeadRing>> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = files::open(&options, path)?;
        let ours = file.metadata()?.is_file() && lock::try_lock(file.as_fd(), Byte::Owner)?;
        Ok(ours.then_some(DeadRing(file)))
    }

    /// Removes this ring, if `path` still leads to it and nobody else is at it.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<bool> {
        if !lock::try_lock(self.0.as_fd(), Byte::Name)? || !leads_to(path, &self.0) {
            return Ok(false);
        }
        fs::remove_file(path)?;
        Ok(true)
    }
}

impl Drop for DeadRing {
    fn drop(&mut self) {
        // Said rather than left to the closing: a child forked meanwhile has a descriptor too.
        lock::unlock_byte(self.0.as_fd(), Byte::Name);
        lock::unlock_byte(self.0.as_fd(), Byte::Owner); // of a temporary file that nobody wanted
    }
}

/// Whether `path` is a name of this file.
pub(crate) fn leads_to(path: &Path, file: &File) -> bool {
    let (Ok(named), Ok(open)) = (fs::symlink_metadata(path), file.metadata()) else {
        return false;
    };
    (named.dev(), named.ino()) == (open.dev(), open.ino())
}

/// The previous life of this age, 1 is the newest.
pub fn old(path: &Path, age: u32) -> PathBuf {
    beside(path, &format!(".old.{age}"))
}

/// Removes previous lives until one more may become the newest: by number, and by bytes. Which.
fn drop_the_oldest(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut lives = Vec::new();
    for age in 1..=LIVES_KEPT {
        match fs::symlink_metadata(old(path, age)) {
            Ok(found) => lives.push((old(path, age), found.len())),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
    }
    let (mut kept, mut bytes) = (1, 0_u64);
    let mut removed = Vec::new();
    for (life, size) in lives {
        bytes = bytes.saturating_add(size);
        if kept < LIVES_KEPT && bytes <= LIVES_BYTES {
            kept += 1;
            continue;
        }
        bytes = u64::MAX; // none that is older than one that went is kept
        match fs::remove_file(&life) {
            Ok(()) => removed.push(life),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {}
            Err(why) => return Err(why),
        }
    }
    Ok(removed)
}

/// Frees the newest previous life's name: moves on all that stand before the first gap.
fn move_on(path: &Path) -> io::Result<()> {
    let gap = (1..=LIVES_KEPT).find(|age| fs::symlink_metadata(old(path, *age)).is_err());
    for age in (1..gap.unwrap_or(LIVES_KEPT)).rev() {
        rename_to_free(&old(path, age), &old(path, age + 1))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::{Existing, RingMap};
    use crate::plan::Plan;

    fn dead(path: &Path) -> DeadRing {
        match look(path).expect("usable") {
            Incumbent::Dead(ring) => ring,
            Incumbent::Nobody | Incumbent::Held { .. } => panic!("no dead ring is there"),
        }
    }

    #[test]
    fn who_looked_before_another_one_rotated_touches_nothing() {
        let home = std::env::temp_dir().join(format!("printk-ring-late-{}", std::process::id()));
        fs::create_dir_all(&home).expect("a folder");
        let path = home.join("app.ring");
        let plan = Plan::for_log(256 << 10, 128).expect("a plan");
        let make = |name| {
            RingMap::create(
                &path,
                &plan,
                &Identity::current(name, None),
                Existing::Rotate,
            )
        };
        drop(make("first").expect("created"));
        let (early, late, later) = (dead(&path), dead(&path), dead(&path));
        assert!(matches!(early.rotate(&path), Ok(Rotated::Done(gone)) if gone.is_empty()));
        assert!(
            matches!(late.rotate(&path), Ok(Rotated::Again)),
            "its name is held"
        );
        drop(early);
        assert!(
            matches!(late.rotate(&path), Ok(Rotated::Again)),
            "nothing is there"
        );
        let second = make("second").expect("created");
        assert!(
            matches!(late.rotate(&path), Ok(Rotated::Again)),
            "another one is there"
        );
        assert!(!late.remove(&path).expect("looked"), "another one is there");
        drop(late);
        assert!(!later.remove(&path).expect("looked"));
        let file = ForeignFile::open(&path).expect("a ring");
        assert!(file.is_alive().expect("readable"));
        assert_eq!(file.identity().expect("readable").name, "second");
        assert!(
            later.remove(&old(&path, 1)).expect("removed"),
            "that is its name now"
        );
        drop(second);
        assert_eq!(fs::read_dir(&home).expect("a folder").count(), 1);
        fs::remove_dir_all(home).expect("removed");
    }
}

//! Previous lives: where dead rings are, and how many of them are kept.
//!
//! | name | what it is | who clears up |
//! |---|---|---|
//! | `<path>.old.1` to `.old.8` | previous lives of one path, 1 is the newest | whoever takes the path next |
//! | `<path>.fork-<pid>` | rings of forked children | [`prune_around`] |
//! | `<directory>/<stem>-<pid>.ring` | rings of a directory, one for each process | [`prune_directory`] |
//! | `<path>.new-<pid>-<n>` | a ring whose maker was killed before it had its name | both |
//!
//! Nothing that lives, and nothing that is not a whole ring, is ever removed.

use crate::error::Error;
use crate::foreign::ForeignFile;
use crate::mapping::file::TEMPORARY;
use crate::mapping::rotate::{self, DeadRing, LIVES_KEPT};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many dead rings beside the previous lives of one path are kept.
pub const DEAD_KEPT: usize = 64;
/// How many bytes they may take together.
pub const DEAD_BYTES: u64 = 256 << 20;

/// A ring whose owner is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousLife {
    /// Where it is.
    pub path: PathBuf,
    /// When its log was made, nanoseconds since the epoch.
    pub started_wall_ns: u64,
    /// Its log ended in order.
    pub clean: bool,
    /// Bytes of the file.
    pub bytes: u64,
}

/// The ring file of a process in a directory of rings. What a name must not hold becomes `_`.
pub fn ring_path_in_directory(directory: &Path, stem: &str, pid: u32) -> PathBuf {
    directory.join(format!("{}-{pid}.ring", allowed_stem(stem)))
}

/// A log's name as the beginning of a file name.
pub(crate) fn allowed_stem(stem: &str) -> String {
    let allowed = |c| if matches!(c, '/' | '\0') { '_' } else { c };
    stem.chars().map(allowed).collect()
}

/// The dead rings of one path, newest first: itself, `.old.N`, and those of forked children.
///
/// # Errors
/// Its directory cannot be read.
pub fn of_path(path: &Path) -> Result<Vec<PreviousLife>, Error> {
    let mut found = vec![path.to_owned()];
    found.extend((1..=LIVES_KEPT).map(|age| rotate::old(path, age)));
    found.extend(neighbours(path, is_forks)?);
    Ok(newest_first(found))
}

/// The dead rings of a directory, newest first.
///
/// # Errors
/// It cannot be read.
pub fn of_directory(directory: &Path) -> Result<Vec<PreviousLife>, Error> {
    Ok(newest_first(entries(directory, is_of_directory)?))
}

/// What processes that are gone have left at `path` and around it, or, if it is a directory, in it, newest first, open for
/// reading.
///
/// # Errors
/// The directory cannot be read, or no file can have that path.
pub fn recover(path: &Path) -> Result<Vec<ForeignFile>, Error> {
    Error::if_zero_byte("path", path)?;
    let found = if path.is_dir() {
        entries(path, |name| !is_temporary(name)).map(newest_first)
    } else {
        of_path(path)
    };
    let lives = match found {
        Err(why) if why.errno() == Some(libc::ENOENT) => Vec::new(), // nobody has lived there yet
        found => found?,
    };
    let opened = lives.iter().map(|life| ForeignFile::open(&life.path));
    Ok(opened.filter_map(Result::ok).collect()) // one that goes meanwhile is gone
}

/// Removes a dead ring, whatever it is called by now in its directory. False: it has gone, or somebody is at it.
///
/// # Errors
/// The system refuses.
pub fn remove_ring(ring: &ForeignFile) -> Result<bool, Error> {
    let refused = |why| Error::refused(ring.path(), "it cannot be removed", &why);
    let place = ring.path().parent().unwrap_or(Path::new("/"));
    let mut names = vec![ring.path().to_owned()];
    names.extend(entries(place, |name| !is_temporary(name))?);
    for name in names.iter().filter(|name| ring.is_at(name)) {
        if let Ok(rotate::Incumbent::Dead(dead)) = rotate::look(name)
            && ring.is_at(name)
        {
            return dead.remove(name).map_err(refused);
        }
    }
    Ok(false)
}

/// Removes dead rings of forked children of the log at `path`, until few enough are left, and what killed makers left
/// half-done. Which were removed. What cannot be looked at or removed stays.
pub fn prune_around(path: &Path) -> Vec<PathBuf> {
    let forks = neighbours(path, is_forks).unwrap_or_default();
    let unnamed =
        neighbours(path, |name, of| is_temporary(name) && name.starts_with(of)).unwrap_or_default();
    remove_unnamed(&unnamed);
    remove_surplus(newest_first(forks))
}

/// The same for the rings of a directory.
pub fn prune_directory(directory: &Path) -> Vec<PathBuf> {
    let rings = entries(directory, is_of_directory).unwrap_or_default();
    remove_unnamed(
        &entries(directory, |name| {
            is_temporary(name) && holds(name, b".ring")
        })
        .unwrap_or_default(),
    );
    remove_surplus(newest_first(rings))
}

/// Those of these files that are dead rings, newest first.
fn newest_first(paths: Vec<PathBuf>) -> Vec<PreviousLife> {
    let mut lives: Vec<_> = paths.into_iter().filter_map(dead_ring).collect();
    lives.sort_by_key(|life| core::cmp::Reverse(life.started_wall_ns));
    lives
}

fn dead_ring(path: PathBuf) -> Option<PreviousLife> {
    let info = ForeignFile::open(&path).and_then(|ring| ring.info()).ok()?;
    (!info.alive).then_some(PreviousLife {
        path,
        started_wall_ns: info.started_wall_ns,
        clean: info.clean,
        bytes: info.file_bytes,
    })
}

/// Removes lives until number and bytes are within bounds: those that ended in order first, the oldest of these first.
fn remove_surplus(lives: Vec<PreviousLife>) -> Vec<PathBuf> {
    let (mut count, mut bytes) = (
        lives.len(),
        lives.iter().map(|life| life.bytes).sum::<u64>(),
    );
    let mut order = lives;
    order.reverse();
    order.sort_by_key(|life| !life.clean);
    let mut removed = Vec::new();
    for life in order {
        if count <= DEAD_KEPT && bytes <= DEAD_BYTES {
            break;
        }
        if remove(&life.path) {
            (count, bytes) = (count - 1, bytes - life.bytes);
            removed.push(life.path);
        }
    }
    removed
}

/// Removes a dead ring, while holding its name: no new one can take it meanwhile.
fn remove(path: &Path) -> bool {
    match rotate::look(path) {
        Ok(rotate::Incumbent::Dead(ring)) => ring.remove(path).unwrap_or(false),
        Ok(rotate::Incumbent::Nobody | rotate::Incumbent::Held { .. }) | Err(_) => false,
    }
}

/// Removes rings that never had their name, and whose makers are gone.
fn remove_unnamed(paths: &[PathBuf]) {
    for path in paths {
        if let Ok(Some(file)) = DeadRing::unnamed(path) {
            let _ = file.remove(path);
        }
    }
}

/// Files beside `path` whose name, compared with that of `path`, is of some kind.
fn neighbours(path: &Path, kind: impl Fn(&[u8], &[u8]) -> bool) -> Result<Vec<PathBuf>, Error> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().as_bytes();
    entries(parent.unwrap_or(Path::new(".")), |other| kind(other, name))
}

/// Files of a directory whose name is of some kind.
fn entries(directory: &Path, kind: impl Fn(&[u8]) -> bool) -> Result<Vec<PathBuf>, Error> {
    let refused = |why| Error::refused(directory, "this directory cannot be read", &why);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        if kind(entry.file_name().as_bytes()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// `<of>.fork-<pid>`, and previous lives of it.
fn is_forks(name: &[u8], of: &[u8]) -> bool {
    let rest = name
        .strip_prefix(of)
        .and_then(|rest| rest.strip_prefix(b".fork-"));
    rest.is_some_and(|rest| is_number(without_age(rest)))
}

/// `<stem>-<pid>.ring`, and previous lives of it.
fn is_of_directory(name: &[u8]) -> bool {
    let Some(stem) = without_age(name).strip_suffix(b".ring") else {
        return false;
    };
    let dash = stem.iter().rposition(|byte| *byte == b'-');
    dash.is_some_and(|dash| dash > 0 && is_number(&stem[dash + 1..]))
}

/// `<name>.new-<pid>-<number>`.
fn is_temporary(name: &[u8]) -> bool {
    let mark = TEMPORARY.as_bytes();
    let Some(at) = name.windows(mark.len()).rposition(|part| part == mark) else {
        return false;
    };
    let mut numbers = name[at + mark.len()..].split(|byte| *byte == b'-');
    let (Some(pid), Some(number)) = (numbers.next(), numbers.next()) else {
        return false;
    };
    numbers.next().is_none() && is_number(pid) && is_number(number)
}

/// A name without `.old.<N>` at its end.
fn without_age(name: &[u8]) -> &[u8] {
    let Some((b'1'..=b'8', rest)) = name.split_last() else {
        return name;
    };
    rest.strip_suffix(b".old.").unwrap_or(name)
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn holds(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_in_a_directory_is_called_after_its_program_and_process() {
        let path = ring_path_in_directory(Path::new("/run/rings"), "app", 17);
        assert_eq!(path, Path::new("/run/rings/app-17.ring"));
        let path = ring_path_in_directory(Path::new("rings"), "../a\0b", 17);
        assert_eq!(path, Path::new("rings/.._a_b-17.ring"));
    }

    #[test]
    fn names_are_told_apart() {
        assert!(is_forks(b"app.ring.fork-12", b"app.ring"));
        assert!(is_forks(b"app.ring.fork-12.old.1", b"app.ring"));
        assert!(!is_forks(b"app.ring.fork-", b"app.ring"));
        assert!(!is_forks(b"app.ring.fork-1x", b"app.ring"));
        assert!(!is_forks(b"app.ring.fork-12.old.9", b"app.ring"));
        assert!(!is_forks(b"other.ring.fork-12", b"app.ring"));
        assert!(is_of_directory(b"app-12.ring"));
        assert!(is_of_directory(b"my-app-12.ring.old.3"));
        assert!(!is_of_directory(b"app.ring"));
        assert!(!is_of_directory(b"-12.ring"));
        assert!(!is_of_directory(b"app-12.ring.fork-13"));
        assert!(is_temporary(b"app.ring.new-12-0"));
        assert!(!is_temporary(b"app.ring.new-12"));
        assert!(!is_temporary(b"app.ring.new-12-0-1"));
        assert!(!is_temporary(b"app.ring"));
    }
}

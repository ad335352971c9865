//! The memory of a log: a ring file or anonymous memory, mapped, divided into its sections, and held.
//!
//! | module | one idea |
//! |---|---|
//! | `header` | the fixed part of the header, written once and checked by everybody |
//! | [`owner`] | the owner's block of the header |
//! | [`clock`] | the table of what the clocks differ by |
//! | `lock` | locks of open descriptions, which no forked child keeps |
//! | `memory` | a mapping whose pages are there |
//! | `anonymous` | memory without a name |
//! | `file` | a file comes into being |
//! | [`rotate`] | what stands at a path already, and how a dead ring makes room |

pub(crate) mod anonymous;
pub mod clock;
pub(crate) mod file;
pub(crate) mod header;
pub(crate) mod lock;
pub(crate) mod memory;
pub mod owner;
pub mod rotate;

pub use crate::plan::SectionKind;
pub use clock::ClockTable;
pub use owner::{Identity, OwnerBlock};

use crate::error::Error;
use crate::plan::Plan;
use core::ptr::NonNull;
use core::time::Duration;
use file::Fresh;
use lock::Held;
use memory::Mapping;
use pr_ring::Region;
use pr_ring::layout::OWNER_OFFSET;
use rotate::Rotated;
use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What to do with a whole ring of a process that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Any file at the path is an error.
    Refuse,
    /// It becomes `<path>.old.1`.
    Rotate,
}

/// The memory of one log, laid out and mapped. The file, if there is one, is held until this is released or dropped.
#[derive(Debug)]
pub struct RingMap {
    mapping: Mapping,
    plan: Plan,
    path: Option<PathBuf>,
    held: Option<Held>,
    removed: Vec<PathBuf>,
}

impl RingMap {
    /// Anonymous memory, which nobody can cut short. It goes with its last user.
    ///
    /// # Errors
    /// No memory of this size.
    pub fn anonymous(plan: &Plan, identity: &Identity) -> Result<RingMap, Error> {
        let refused = |why: std::io::Error| Error::os("memory for the log", &why);
        let name = format!("printk_ring:{}", identity.name.replace('\0', ""));
        let short: String = name.chars().take(60).collect();
        let fd = anonymous::memfd(&CString::new(short).unwrap_or_default()).map_err(refused)?;
        let memory = std::fs::File::from(fd);
        memory.set_len(plan.file_bytes).map_err(refused)?;
        let mapping = Mapping::of(memory.as_fd(), plan.file_bytes).map_err(refused)?;
        mapping.populate().map_err(refused)?;
        anonymous::seal(&memory.into()).map_err(refused)?;
        fill(&mapping, plan, identity);
        Ok(RingMap {
            mapping,
            plan: *plan,
            path: None,
            held: None,
            removed: Vec::new(),
        })
    }

    /// A new file at `path`, of mode 0600, its blocks allocated, its pages faulted in, held by this process.
    ///
    /// # Errors
    /// The path is taken (by what, and by whom), the disk is full, or the system refused. What stood there is untouched.
    pub fn create(
        path: &Path,
        plan: &Plan,
        identity: &Identity,
        existing: Existing,
    ) -> Result<RingMap, Error> {
        check_path(path)?;
        check_free(path, existing)?;
        let fresh = Fresh::make(path, plan, identity)?;
        let removed = claim(path, &fresh, existing)?;
        let (held, mapping) = fresh.into_parts();
        Ok(RingMap {
            mapping,
            plan: *plan,
            path: Some(path.to_owned()),
            held: Some(held),
            removed,
        })
    }

    /// The ring section as memory of a ring.
    ///
    /// # Safety
    /// This map lives longer than the region, and than every ring made of it.
    pub unsafe fn region(&self) -> Region {
        region_of(&self.mapping, &self.plan)
    }

    /// Where all of it lies: the address, and how many bytes.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let (start, _) = self.section_ptr(SectionKind::Header);
        (start.as_ptr() as u64, self.plan.file_bytes)
    }

    /// Where a section lies, and how long it is. Valid as long as this map; its words may only be accessed atomically.
    pub fn section_ptr(&self, kind: SectionKind) -> (NonNull<u8>, usize) {
        section_of(&self.mapping, &self.plan, kind)
    }

    /// How the memory is divided.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The file's path, as it was given; None for anonymous memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Previous lives that had to go for this one: a record should name them.
    pub fn removed(&self) -> &[PathBuf] {
        &self.removed
    }

    /// What the clocks differ by.
    pub fn clock_table(&self) -> &ClockTable {
        &self.owner().clocks
    }

    /// Notes that the log ended in order. Nothing happens to a file that this process does not hold (any more).
    pub fn mark_clean(&self) {
        if self.held.as_ref().is_none_or(Held::is_held) {
            self.owner().mark_clean();
        }
    }

    /// Waits until the file system has all that a reader of the records needs: all but where the consoles are.
    ///
    /// # Errors
    /// The file system could not write it.
    pub fn sync(&self) -> Result<(), Error> {
        let end = self.plan.section(SectionKind::Consoles).offset;
        let refused = |why: std::io::Error| match &self.path {
            Some(path) => Error::refused(path, "it cannot be synced", &why),
            None => Error::os("memory cannot be synced", &why),
        };
        self.mapping.sync(end).map_err(refused)
    }

    /// Lets go of the file: another log may take its path. The memory stays. Twice is once.
    pub fn release(&self) {
        if let Some(held) = &self.held {
            held.let_go();
        }
    }

    /// In a forked child: the file is the parent's. Async-signal-safe. The fork hook of the locks does the same by
    /// itself; this is for children that are made without hooks.
    pub fn forget_after_fork(&self) {
        if let Some(held) = &self.held {
            held.forget();
        }
    }

    fn owner(&self) -> &OwnerBlock {
        // SAFETY: the header lives as long as the map; what changes in the block are atomics.
        unsafe { owner_of(&self.mapping).as_ref() }
    }
}

/// Only a name in a directory can become a file.
fn check_path(path: &Path) -> Result<(), Error> {
    Error::if_zero_byte("path", path)?;
    if path.file_name().is_none() {
        return Err(Error::ring_file(
            path,
            libc::EISDIR,
            "it names a directory: give a file in it",
        ));
    }
    Ok(())
}

/// Whether it makes sense to try: nothing is allocated for a path that cannot be had.
fn check_free(path: &Path, existing: Existing) -> Result<(), Error> {
    match existing {
        Existing::Rotate => rotate::look_patiently(path).map(|_| ()),
        Existing::Refuse if path.symlink_metadata().is_ok() => Err(exists(path)),
        Existing::Refuse => Ok(()),
    }
}

fn exists(path: &Path) -> Error {
    Error::ring_file(
        path,
        libc::EEXIST,
        "it exists: a bare ring takes no existing file",
    )
}

/// Longest wait for other starters that are at the same path.
const PATIENCE: Duration = Duration::from_secs(10);

/// Gives the fresh file its name. Previous lives that had to go.
fn claim(path: &Path, fresh: &Fresh, existing: Existing) -> Result<Vec<PathBuf>, Error> {
    let mut removed = Vec::new();
    let end = Instant::now() + PATIENCE;
    loop {
        // Kept open until the new ring has the name: nobody else moves the previous lives before that.
        let mut dead = None;
        if existing == Existing::Rotate
            && let Some(ring) = rotate::look_patiently(path)?
        {
            match dead.insert(ring).rotate(path)? {
                Rotated::Done(gone) => removed.extend(gone),
                Rotated::Again => {
                    wait_a_little(path, end)?;
                    continue;
                }
            }
        }
        let refused = |why| Error::refused(path, "it cannot be created", &why);
        if fresh.publish(path).map_err(refused)? {
            return Ok(removed);
        }
        if existing == Existing::Refuse {
            return Err(exists(path));
        }
        wait_a_little(path, end)?;
    }
}

fn wait_a_little(path: &Path, end: Instant) -> Result<(), Error> {
    if Instant::now() > end {
        let why =
            "other processes are taking this path without coming to an end: give another path";
        return Err(Error::ring_file(path, libc::EBUSY, why));
    }
    std::thread::sleep(Duration::from_millis(1));
    Ok(())
}

/// Makes zeroed memory a whole file: an empty ring, its owner, and last the header that says so.
pub(crate) fn fill(mapping: &Mapping, plan: &Plan, identity: &Identity) {
    region_of(mapping, plan).init();
    // SAFETY: zeroed memory that nobody else sees yet.
    unsafe { identity.write(owner_of(mapping)) };
    let fixed = header::bytes_of(plan);
    let (start, _) = section_of(mapping, plan, SectionKind::Header);
    // SAFETY: the header section is longer than its fixed part, and nobody else sees it yet.
    unsafe {
        start
            .as_ptr()
            .copy_from_nonoverlapping(fixed.as_ptr(), fixed.len())
    };
}

fn region_of(mapping: &Mapping, plan: &Plan) -> Region {
    let (base, _) = section_of(mapping, plan, SectionKind::Ring);
    // SAFETY: page-aligned, as long as the geometry wants, and reached through atomics; the mapping outlives the region
    // by the promise of whoever asked for it.
    unsafe { Region::over(base, plan.geometry) }
}

fn section_of(mapping: &Mapping, plan: &Plan, kind: SectionKind) -> (NonNull<u8>, usize) {
    let section = plan.section(kind);
    let base = mapping.at(section.offset, section.bytes);
    let base = base.unwrap_or_else(|| unreachable!("a mapping is as long as its plan"));
    (base, section.bytes as usize)
}

fn owner_of(mapping: &Mapping) -> NonNull<OwnerBlock> {
    let at = mapping.at(OWNER_OFFSET as u64, size_of::<OwnerBlock>() as u64);
    at.unwrap_or_else(|| unreachable!("every mapping has a header"))
        .cast()
}

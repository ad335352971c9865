//! Setting a log's switches from another process: its control page, and nothing else of the file, is mapped and written.

use crate::error::Error;
use crate::files;
use crate::foreign::ForeignFile;
use crate::plan::{PAGE_BYTES, SectionKind};
use crate::rules::{self, Ruling};
use pr_printk::control::{Control, LEVEL_BITS, RULES_AT, Rules};
use pr_ring::Seq;
use pr_ring::reader;
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

/// The control page of a ring file.
#[derive(Debug)]
pub struct ControlPage {
    file: ForeignFile,
    page: NonNull<u8>,
}

// SAFETY: the page is reached through atomics only.
unsafe impl Send for ControlPage {}
// SAFETY: as above.
unsafe impl Sync for ControlPage {}

impl ControlPage {
    /// Opens the page of the file at a path, for its owner's user alone.
    ///
    /// # Errors
    /// It is no whole ring, belongs to another user, or cannot be written.
    pub fn open(path: &Path) -> Result<ControlPage, Error> {
        let refused =
            |why: std::io::Error| Error::refused(path, "it cannot be opened for writing", &why);
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        // Looked at as a reader does first: what is no ring, or no file at all, is told as everywhere.
        drop(ForeignFile::open(path)?);
        let file = files::open(&options, path).map_err(refused)?;
        check_user(path, &file)?;
        let writable = file.try_clone().map_err(refused)?;
        let file = ForeignFile::over(path, file)?;
        let at = file.plan().section(SectionKind::Control).offset;
        let page = map(&writable, at).map_err(refused)?;
        Ok(ControlPage { file, page })
    }

    /// The file, for reading.
    pub fn file(&self) -> &ForeignFile {
        &self.file
    }

    fn control(&self) -> &Control {
        // SAFETY: a page that is mapped as long as this, and in which the switches lie; all atomics.
        unsafe { self.page.cast::<Control>().as_ref() }
    }

    fn rules(&self) -> &Rules {
        // SAFETY: within the page.
        let rules = unsafe { self.page.add(RULES_AT) };
        // SAFETY: as above.
        unsafe { rules.cast::<Rules>().as_ref() }
    }

    /// The least severe level that is stored.
    pub fn level(&self) -> u8 {
        (self.control().level.load(Ordering::Relaxed) & LEVEL_BITS) as u8
    }

    /// Sets it.
    pub fn set_level(&self, level: u8) {
        rules::set_level(self.control(), level);
    }

    /// What consoles without a level of their own print.
    pub fn console_level(&self) -> u8 {
        (self.control().console_level.load(Ordering::Relaxed) & LEVEL_BITS) as u8
    }

    /// Sets it.
    pub fn set_console_level(&self, level: u8) {
        let level = u64::from(level);
        self.control().console_level.store(level, Ordering::Relaxed);
    }

    /// Moves the clear mark behind the newest record.
    ///
    /// # Errors
    /// The file was cut off, or cannot be read.
    pub fn clear(&self) -> Result<(), Error> {
        let next = reader::next_seq(&self.file, Seq(0))?;
        self.control().clear_seq.store(next.0, Ordering::Relaxed);
        Ok(())
    }

    /// Puts commands of dynamic debug in force.
    ///
    /// # Errors
    /// As [`rules::add`].
    pub fn add_rules(&self, commands: &str) -> Result<(), Error> {
        rules::add(self.control(), self.rules(), commands)
    }

    /// The commands in force.
    pub fn ruling(&self) -> Ruling {
        Ruling::read(self.rules())
    }
}

impl Drop for ControlPage {
    fn drop(&mut self) {
        // SAFETY: mapped in `open`, and unmapped once.
        unsafe { libc::munmap(self.page.as_ptr().cast(), PAGE_BYTES as usize) };
    }
}

/// The switches of a log are for the user whose log it is, and for nobody else, whatever the file's mode.
fn check_user(path: &Path, file: &File) -> Result<(), Error> {
    let refused = |why: std::io::Error| Error::refused(path, "it cannot be looked at", &why);
    // SAFETY: no arguments.
    let user = unsafe { libc::geteuid() };
    let owner = file.metadata().map_err(refused)?.uid();
    if owner == user {
        return Ok(());
    }
    let why = format!(
        "it is user {owner}'s, and its switches are for that user alone: you are user {user}"
    );
    Err(Error::ring_file(path, libc::EPERM, why))
}

fn map(file: &File, at: u64) -> std::io::Result<NonNull<u8>> {
    let at =
        libc::off_t::try_from(at).map_err(|_| std::io::Error::from_raw_os_error(libc::EFBIG))?;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, at an address of the kernel's choice.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            PAGE_BYTES as usize,
            access,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            at,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error());
    }
    NonNull::new(page.cast()).ok_or_else(|| std::io::Error::from_raw_os_error(libc::ENOMEM))
}

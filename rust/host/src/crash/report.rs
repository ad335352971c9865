//! Crash files: prepared while everything works, so that dying takes no more than writing them.

use crate::error::Error;
use crate::files;
use crate::fork::Listed;
use crate::life::Life;
use crate::log::Log;
use crate::port::PortMemory;
use pr_printk::dumper::Reason;
use pr_printk::fatal::{self, Told};
use pr_printk::panic;
use pr_printk::report::{Cause, Paper, Place, Report, Stem};
use pr_record::Out;
use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Pages of the memory that a report is written from which are there beforehand.
pub(crate) const TOUCHED_BYTES: usize = 192 << 10;
/// The most reports of uncaught exceptions that one process writes.
const MOST_OOPSES: u64 = 8;
/// The longest beginning of a file name: of the 255 bytes `-<pid>.ring.crash-<pid>-<n>.json` takes its part.
const LONGEST_STEM: usize = 200;
/// How many have been written.
static OOPSES: AtomicU64 = AtomicU64::new(0);

/// The one that this process tells crashes with, by its log; kept for good.
static WATCHED: Listed<Option<Watched>> = Listed::new(None);

/// Memory of reports that were given up; kept for good.
static SPARE: Listed<Vec<[Paper; 2]>> = Listed::new(Vec::new());

/// What a log tells crashes with.
#[derive(Clone, Copy)]
struct Watched {
    told: &'static Told,
    /// The number of the life that it was begun with, or revived with last.
    life: u64,
}

/// For good: what a handler may be reading is never freed. A few hundred bytes for each log that tells crashes.
fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

impl Log {
    /// From now on a crash of this process is told: in a file in `directory`, else beside the ring file, else in the working
    /// directory. The log that was asked last is the one that is told of. What keeps files from being written where nobody
    /// has said that they are to be is returned: then it is told on the consoles alone.
    ///
    /// # Errors
    /// `directory` cannot be written to.
    pub fn tell_crashes(&self, directory: Option<&Path>) -> Result<Option<Error>, Error> {
        let Some(life) = self.own_life() else {
            let what = "this forked child has no ring of its own".into();
            let errno = libc::ENOMEM;
            return Err(Error::Os { what, errno });
        };
        let (place, trouble) = self.crash_place(directory)?;
        let told = forever(Told {
            // SAFETY: the memory is leaked; only a panic writes, and that is one thread.
            report: unsafe { new_report(place) },
            core: AtomicPtr::new(std::ptr::from_ref(life.core()).cast_mut()),
            ring: AtomicPtr::new(ring_line(life)),
            command: self.command_line(),
        });
        told.report.prepare(std::process::id());
        fatal::tell_with(told);
        let watched = Watched {
            told,
            life: life.number(),
        };
        let before = WATCHED.lock().replace(watched);
        if let Some(before) = before {
            put_away(before.told);
        }
        Ok(trouble)
    }

    /// Crashes are told no more, if it was this log that they were told of. Whether it was.
    pub(crate) fn end_telling(&self) -> bool {
        if panic::is_anybodys() {
            return false; // who is about to need it
        }
        let mut watched = WATCHED.lock();
        let is_this = |watched: &Watched| watched.life == self.life().number();
        let ended = watched.take_if(|watched| is_this(watched));
        drop(watched);
        if let Some(ended) = ended {
            fatal::abandon(ended.told);
            put_away(ended.told);
        }
        ended.is_some()
    }

    /// At an orderly exit: files that wait for a crash go, where they have names.
    pub(crate) fn leave_no_empty_report(&self) {
        let watched = WATCHED.lock();
        let number = self.life().number();
        if let Some(watched) = watched.filter(|watched| watched.life == number) {
            watched.told.report.remove_empty();
        }
    }

    /// In a forked child's first life: what is told is its own, if it is this log that is told of.
    pub(crate) fn retell(&self, parent: u64, life: &Life) {
        let mut watched = WATCHED.lock();
        let Some(watched) = watched.as_mut().filter(|watched| watched.life == parent) else {
            return;
        };
        watched.life = life.number();
        let told = watched.told;
        told.core
            .store(std::ptr::from_ref(life.core()).cast_mut(), Ordering::SeqCst);
        told.ring.store(ring_line(life), Ordering::SeqCst);
    }

    /// Writes a report of trouble that ends the process in order: `detail`, and what the log holds. Where it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn report_oops(&self, detail: &str) -> Result<Option<PathBuf>, Error> {
        let watched = *WATCHED.lock();
        let number = self.life().number();
        let Some(watched) = watched.filter(|watched| watched.life == number) else {
            return Ok(None);
        };
        if OOPSES.fetch_add(1, Ordering::Relaxed) >= MOST_OOPSES {
            return Ok(None);
        }
        let (told, core, pid) = (watched.told, self.core(), std::process::id());
        let memory = PortMemory::new();
        let (paper, scratch) = (memory.memory().text, memory.memory().scratch);
        // SAFETY: the memory stays until the report has been written, by this thread.
        let report = unsafe { Report::new(told.report.place(), Paper(paper), scratch) };
        let cause = Cause {
            reason: Reason::Oops,
            detail: Some(detail),
            fault: None,
        };
        let written = report.begin(pid);
        if written {
            let who = told.who();
            report.write_head(Some(core), &cause, &who);
            report.write_records(Some(core));
            report.write_json(Some(core), &cause, &who);
        }
        report.give_up();
        match written {
            true => Ok(Some(path_of(&report, pid))),
            false => Err(Error::Os {
                what: "the crash file cannot be written".into(),
                errno: pr_printk::fd::errno(),
            }),
        }
    }

    fn command_line(&self) -> &'static str {
        let line = self.argv().join(" ");
        forever(line.chars().take(1024).collect::<String>())
    }

    /// Where crash files are to be, and what they are called; and what keeps them from being written there, unless that is
    /// where somebody wants them.
    fn crash_place(
        &self,
        directory: Option<&Path>,
    ) -> Result<(&'static Place, Option<Error>), Error> {
        let (ring, name) = (self.path(), self.name());
        let file_name = ring.as_deref().and_then(Path::file_name);
        let stem = match file_name {
            Some(_) if self.is_in_directory() => {
                Stem::InDirectory(stem_of(crate::lives::allowed_stem(name).as_bytes()))
            }
            Some(file) => Stem::File(stem_of(file.as_bytes())),
            None => Stem::Log(stem_of(crate::lives::allowed_stem(name).as_bytes())),
        };
        let beside = ring.as_deref().and_then(Path::parent).map(Path::to_owned);
        let chosen = directory.map(Path::to_owned).or(beside);
        let (path, text) = absolute(chosen.as_deref().unwrap_or(Path::new(".")))?;
        let (fd, trouble) = match open_directory(&path, &text) {
            Ok(opened) => (opened.into_raw_fd(), None),
            Err(why) if directory.is_some() => return Err(why),
            Err(why) => (-1, Some(why)),
        };
        let text = forever(text.into_bytes_with_nul());
        let place = forever(Place::new(fd, text, stem, std::process::id()));
        Ok((place, trouble))
    }
}

/// Whether crash files can be written in `directory`, for a log that is to be.
///
/// # Errors
/// They cannot.
pub fn check_directory(directory: &Path) -> Result<(), Error> {
    let (path, text) = absolute(directory)?;
    open_directory(&path, &text).map(drop)
}

/// The path from the root, also as the system takes it.
fn absolute(directory: &Path) -> Result<(PathBuf, CString), Error> {
    let path =
        std::path::absolute(directory).map_err(|why| Error::os("the working directory", &why))?;
    let text = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::zero_byte("crash_dir", &path))?;
    Ok((path, text))
}

/// Opens a directory that files can be made in.
fn open_directory(path: &Path, text: &CStr) -> Result<File, Error> {
    let refused =
        |why: std::io::Error| Error::refused(path, "crash files cannot be written there", &why);
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_DIRECTORY);
    let opened = files::open(&options, path).map_err(refused)?;
    // SAFETY: a zero-terminated path.
    if unsafe { libc::access(text.as_ptr(), libc::W_OK | libc::X_OK) } != 0 {
        return Err(refused(std::io::Error::last_os_error()));
    }
    Ok(opened)
}

/// The beginning of a crash file's name, which the rest of it must have room behind.
fn stem_of(name: &[u8]) -> &'static Vec<u8> {
    forever(name.iter().copied().take(LONGEST_STEM).collect())
}

fn path_of(report: &Report, pid: u32) -> PathBuf {
    let mut path = [0; libc::PATH_MAX as usize];
    let mut out = Out::new(&mut path);
    report.write_path(&mut out, pid);
    PathBuf::from(std::ffi::OsStr::from_bytes(out.written()))
}

/// Closes what was prepared, and keeps the memory for the next one; unless somebody panics, and may be using it.
fn put_away(told: &'static Told) {
    if panic::is_anybodys() {
        return;
    }
    told.report.give_up();
    told.report.place().close();
    let memory = told.report.memory();
    SPARE.lock().push(memory);
}

/// # Safety
/// Only one thread at a time uses what writes it.
unsafe fn new_report(place: &'static Place) -> Report {
    let spare = SPARE.lock().pop();
    if let Some([paper, Paper(scratch)]) = spare {
        // SAFETY: leaked memory that nobody uses any more, and the caller's promise.
        return unsafe { Report::new(place, paper, scratch) };
    }
    let memory = Box::leak(PortMemory::new());
    let (paper, scratch) = (memory.memory().text, memory.memory().scratch);
    touch(paper, TOUCHED_BYTES);
    touch(scratch, usize::MAX);
    // SAFETY: leaked memory, and the caller's promise.
    unsafe { Report::new(place, Paper(paper), scratch) }
}

/// Has the pages of its beginning there.
pub(crate) fn touch(memory: NonNull<[u8]>, bytes: usize) {
    for at in (0..memory.len().min(bytes)).step_by(4096) {
        let byte = memory.cast::<u8>().as_ptr().wrapping_add(at);
        // SAFETY: within the memory, which nobody else has yet.
        unsafe { byte.write_volatile(0) };
    }
}

/// What stands in a report in place of the ring's path, for good.
fn ring_line(life: &Life) -> *mut &'static str {
    let line = match life.map().path() {
        Some(path) => path.display().to_string(),
        None => "in memory".to_owned(),
    };
    let line: &'static str = forever(line);
    std::ptr::from_ref(forever(line)).cast_mut()
}

/// In a forked child's hook: its crash files are its own, and there is nothing of it to tell yet.
pub(crate) fn forget_after_fork() {
    fatal::note_process();
    let Some(told) = fatal::told_with() else {
        return;
    };
    told.core.store(null_mut(), Ordering::SeqCst);
    told.ring.store(null_mut(), Ordering::SeqCst);
    told.report.prepare_again(std::process::id());
    OOPSES.store(0, Ordering::Relaxed);
}

/// The life that crashes are told of, if it is this process's.
pub(crate) fn watched_life() -> Option<Arc<Life>> {
    let watched = (*WATCHED.lock())?;
    let mut lives = crate::fork::own_lives().into_iter();
    lives.find(|life| life.number() == watched.life)
}

/// The descriptor that the text of a crash is written to.
pub fn text_descriptor() -> Option<libc::c_int> {
    fatal::told_with()?.report.text_fd()
}

//! Writing what a log holds from a handler of a signal, as a crash does, beside one write of the same bytes.

use crate::crash::report::{TOUCHED_BYTES, touch};
use crate::error::Error;
use crate::log::Log;
use crate::port::PortMemory;
use pr_printk::report::{self, Paper, Sheet};
use pr_printk::{Core, stamp};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// How long each took, and how much it was.
#[derive(Clone, Copy, Debug)]
pub struct Dumped {
    /// Records written.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Nanoseconds of writing them, within the handler.
    pub handler_ns: u64,
    /// Nanoseconds of one write of the same bytes.
    pub write_ns: u64,
}

/// What the handler works on.
struct Work<'w> {
    core: &'w Core,
    sheet: &'w Sheet,
    scratch: NonNull<[u8]>,
    records: AtomicU64,
    ns: AtomicU64,
}

static WORK: AtomicPtr<Work<'static>> = AtomicPtr::new(null_mut());
/// One at a time.
static ONE: Mutex<()> = Mutex::new(());

extern "C" fn handle(_signal: libc::c_int) {
    // SAFETY: null, or what `dump` keeps while the signal may come.
    let Some(work) = (unsafe { WORK.load(Ordering::SeqCst).as_ref() }) else {
        return;
    };
    let mut scratch = work.scratch;
    // SAFETY: `dump` does not use it meanwhile.
    let scratch = unsafe { scratch.as_mut() };
    let start = stamp::monotonic_nsec();
    let records = report::write_all(work.sheet, work.core, scratch);
    let end = stamp::monotonic_nsec();
    work.records.store(records, Ordering::SeqCst);
    work.ns.store(end.saturating_sub(start), Ordering::SeqCst);
}

/// Writes what the log holds into a file in `folder` from a handler, and then the same bytes into another one.
///
/// # Errors
/// The folder cannot be written to.
pub fn dump(log: &Log, folder: &Path) -> Result<Dumped, Error> {
    let _one = ONE.lock();
    let refused = |why: std::io::Error| Error::refused(folder, "it cannot be written to", &why);
    let (mut first, mut second) = (
        new_file(folder).map_err(refused)?,
        new_file(folder).map_err(refused)?,
    );
    let port = PortMemory::new();
    let memory = port.memory();
    touch(memory.text, TOUCHED_BYTES); // as a report's is
    touch(memory.scratch, usize::MAX);
    // SAFETY: the memory stays until this returns, and one thread writes.
    let sheet = unsafe { Sheet::new(Paper(memory.text)) };
    sheet.begin(first.as_raw_fd());
    let work = Work {
        core: log.core(),
        sheet: &sheet,
        scratch: memory.scratch,
        records: AtomicU64::new(0),
        ns: AtomicU64::new(0),
    };
    run_in_handler(&work);
    let mut bytes = Vec::new();
    first.seek(SeekFrom::Start(0)).map_err(refused)?;
    first.read_to_end(&mut bytes).map_err(refused)?;
    let start = stamp::monotonic_nsec();
    second.write_all(&bytes).map_err(refused)?;
    let write_ns = stamp::monotonic_nsec().saturating_sub(start);
    Ok(Dumped {
        records: work.records.load(Ordering::SeqCst),
        bytes: bytes.len() as u64,
        handler_ns: work.ns.load(Ordering::SeqCst),
        write_ns,
    })
}

fn run_in_handler(work: &Work<'_>) {
    let signal = libc::SIGRTMAX() - 1;
    WORK.store(std::ptr::from_ref(work).cast_mut().cast(), Ordering::SeqCst);
    // SAFETY: plain bits.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handle as *const () as usize;
    let mut before = action;
    // SAFETY: a handler that may run anywhere, and its place.
    unsafe { libc::sigaction(signal, &raw const action, &raw mut before) };
    // SAFETY: touches no memory; the handler has returned after it.
    unsafe { libc::raise(signal) };
    // SAFETY: what was there before.
    unsafe { libc::sigaction(signal, &raw const before, null_mut()) };
    WORK.store(null_mut(), Ordering::SeqCst);
}

/// A new file without a name.
fn new_file(folder: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_TMPFILE);
    options.open(folder)
}

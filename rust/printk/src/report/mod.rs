//! The crash file: why the process ends, and what it logged last; as text, and as JSON. Any context.
//!
//! | module | one idea |
//! |---|---|
//! | [`place`] | where the files lie, and how one comes into being |
//! | [`sheet`] | a file that is being written |
//! | `head` | why, who, when |
//!
//! A report is written in parts, and each part leaves the files as whole as they can be: whoever is thrown out of one goes
//! on with the next.

mod head;
pub mod place;
pub mod sheet;

pub use head::ThreadName;
pub use place::{Kind, Place, Stem};
pub use sheet::{Paper, Sheet};

use crate::core::{Core, MAX_RECORD_BYTES};
use crate::dump::{Form, Rendered};
use crate::dumper::Reason;
use crate::fatal::Fault;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use pr_record::render::{render_dropped, unsigned};
use pr_record::{Format, Meta, Out};
use pr_ring::{Read, Seq};

/// The most records of a report: as many as a log of the usual size holds.
pub const MOST_RECORDS: u64 = 16_384;
/// The most bytes of records, as they lie in the ring.
pub const MOST_BYTES: u64 = 4 << 20;
/// Records are written in pieces of at least this size.
const PIECE_BYTES: usize = 128 << 10;
/// The most reports of one process: signals may be survived.
pub const MOST_REPORTS: u64 = 8;

/// Why there is a report.
#[derive(Clone, Copy, Debug)]
pub struct Cause<'c> {
    /// The reason.
    pub reason: Reason,
    /// In some words.
    pub detail: Option<&'c str>,
    /// The signal, if it was one.
    pub fault: Option<Fault>,
}

/// Whose report it is.
pub struct Who {
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// Its name.
    pub thread: ThreadName,
    /// The command line.
    pub command: &'static str,
    /// The path of the ring file, or what there is in its place.
    pub ring: &'static str,
}

/// Two files, and what it takes to write them.
#[derive(Debug)]
pub struct Report {
    place: &'static Place,
    text: Sheet,
    json: Sheet,
    scratch: NonNull<[u8]>,
    /// The number in the next names.
    next: AtomicU64,
    /// The number in the names of the one that was begun last; 0: none.
    number: AtomicU64,
    /// The process that has its files prepared; 0: none.
    pid: AtomicU32,
    /// They have names already, with this number; 0: they have not.
    named: AtomicU64,
}

// SAFETY: one thread at a time writes (see `new`); the rest is atomic.
unsafe impl Sync for Report {}
// SAFETY: as above.
unsafe impl Send for Report {}

impl Report {
    /// One that is to be written at `place`.
    ///
    /// # Safety
    /// The memory stays valid as long as the report, and only one thread at a time uses what writes it.
    pub const unsafe fn new(place: &'static Place, paper: Paper, scratch: NonNull<[u8]>) -> Report {
        Report {
            place,
            // SAFETY: the caller's promise; one is flushed before the other is written.
            text: unsafe { Sheet::new(paper) },
            // SAFETY: as above.
            json: unsafe { Sheet::new(paper) },
            scratch,
            next: AtomicU64::new(1),
            number: AtomicU64::new(0),
            pid: AtomicU32::new(0),
            named: AtomicU64::new(0),
        }
    }

    /// What it is written from, and read into.
    pub fn memory(&self) -> [Paper; 2] {
        [self.text.paper(), Paper(self.scratch)]
    }

    /// Where its files are to be.
    pub fn place(&self) -> &'static Place {
        self.place
    }

    /// Makes the files beforehand: without names, or, where that cannot be had, empty ones. False: neither can be had, and
    /// they are made when they are needed.
    pub fn prepare(&self, pid: u32) -> bool {
        self.pid.store(pid, Ordering::Relaxed);
        let mut all = true;
        for sheet in [&self.text, &self.json] {
            sheet.begin(self.place.open_nameless());
            all &= sheet.fd() >= 0;
        }
        all || self.prepare_named(pid)
    }

    fn prepare_named(&self, pid: u32) -> bool {
        let Some((text, n)) = self.place.create(Kind::Text, pid, 1) else {
            return false;
        };
        self.text.begin(text);
        let json = self.place.create(Kind::Json, pid, n);
        self.json.begin(json.map_or(-1, |(fd, _)| fd));
        self.named.store(n, Ordering::Relaxed);
        true
    }

    /// In a forked child: its files are its own, under the descriptors of its parent's.
    pub fn prepare_again(&self, pid: u32) {
        self.pid.store(pid, Ordering::Relaxed);
        self.next.store(1, Ordering::Relaxed);
        self.named.store(0, Ordering::Relaxed);
        for sheet in [&self.text, &self.json] {
            let fd = match sheet.checked_fd() {
                Some(_) => self.place.open_nameless(),
                None => -1,
            };
            sheet.move_to(fd);
        }
    }

    /// Removes the empty files, where they have names. A crash that comes all the same makes its own.
    pub fn remove_empty(&self) {
        let named = self.named.swap(0, Ordering::Relaxed);
        let pid = self.pid.load(Ordering::Relaxed);
        if named > 0 && pid > 0 {
            self.place.remove(Kind::Text, pid, named);
            self.place.remove(Kind::Json, pid, named);
        }
    }

    /// Gives back what was made beforehand; empty files go.
    pub fn give_up(&self) {
        self.remove_empty();
        for sheet in [&self.text, &self.json] {
            if let Some(fd) = sheet.checked_fd() {
                // SAFETY: this report's own.
                unsafe { libc::close(fd) };
            }
            sheet.begin(-1);
        }
    }

    /// The descriptor of the text, as long as it means that.
    pub fn text_fd(&self) -> Option<libc::c_int> {
        self.text.checked_fd()
    }

    /// Begins a report: its files get their names. False: there is no file, or there were too many.
    pub fn begin(&self, pid: u32) -> bool {
        let n = self.next.load(Ordering::Relaxed);
        if n > MOST_REPORTS {
            return false;
        }
        // A child that no hook saw has its parent's files, and a process that survived has those of its last report.
        let is_prepared = self.pid.swap(0, Ordering::Relaxed) == pid;
        let named = self.named.load(Ordering::Relaxed);
        if is_prepared && named > 0 && self.text.checked_fd().is_some() {
            self.number.store(named, Ordering::Relaxed);
            self.next.store(named.saturating_add(1), Ordering::Relaxed);
            return true;
        }
        let Some(n) = self.name(&self.text, Kind::Text, (pid, n), is_prepared) else {
            return false;
        };
        self.number.store(n, Ordering::Relaxed);
        self.next.store(n.saturating_add(1), Ordering::Relaxed);
        // The text alone is better than nothing.
        if self
            .name(&self.json, Kind::Json, (pid, n), is_prepared)
            .is_none()
        {
            self.json.begin(-1);
        }
        true
    }

    fn name(
        &self,
        sheet: &Sheet,
        kind: Kind,
        (pid, n): (u32, u64),
        is_prepared: bool,
    ) -> Option<u64> {
        if is_prepared
            && let Some(fd) = sheet.checked_fd()
            && let Some(n) = self.place.link(fd, kind, pid, n)
        {
            return Some(n);
        }
        let (fd, n) = self.place.create(kind, pid, n)?;
        sheet.move_to(fd);
        Some(n)
    }

    /// The number in the names of the report that was begun last.
    pub fn number(&self) -> Option<u64> {
        Some(self.number.load(Ordering::Relaxed)).filter(|n| *n > 0)
    }

    /// Writes the path of the text that was begun last.
    pub fn write_path(&self, out: &mut Out<'_>, pid: u32) {
        let n = self.number.load(Ordering::Relaxed);
        self.place.write_path(out, Kind::Text, pid, n);
    }

    /// Writes why, who and when.
    pub fn write_head(&self, core: Option<&Core>, cause: &Cause<'_>, who: &Who) {
        self.text.put(|out| head::text(out, cause, who));
        if let Some(core) = core {
            // By itself: it is in the log's memory, which may be what is broken.
            self.text.put(|out| head::counters_text(out, core));
        }
        self.text.put_bytes(b"\nlast records, oldest first\n");
        self.text.flush();
    }

    /// Writes the records.
    pub fn write_records(&self, core: Option<&Core>) {
        let count = core.map_or(0, |core| self.records(&self.text, Format::Text, core));
        self.text.put(|out| {
            out.put(b"** end of the records: ");
            unsigned(out, count);
            out.put(b" **\n");
            !out.is_truncated()
        });
        self.text.flush();
    }

    /// Writes all of the JSON.
    pub fn write_json(&self, core: Option<&Core>, cause: &Cause<'_>, who: &Who) {
        self.json.put(|out| head::json(out, cause, who));
        if let Some(core) = core {
            self.records(&self.json, Format::Json, core);
        }
        self.json.put(|out| head::counters_json(out, core));
        self.json.flush();
    }

    /// Says in the text that the thread got another signal; what was put there before stands.
    pub fn write_broken(&self, signal: &str, place: &str) {
        self.text.flush();
        for part in ["** ", signal, " ", place, " **\n"] {
            self.text.put_bytes(part.as_bytes());
        }
        self.text.flush();
    }

    /// The JSON was broken off: what is there so far becomes a document.
    pub fn write_broken_json(&self) {
        self.json.flush();
        self.json
            .put_bytes(b"],\"counters\":{},\"complete\":false}\n");
        self.json.flush();
    }

    /// Where the end of the text is, in bytes.
    pub fn written(&self) -> i64 {
        // SAFETY: touches no memory.
        unsafe { libc::lseek(self.text.fd(), 0, libc::SEEK_CUR) }
    }

    /// Appends a line to the text.
    pub fn write_line(&self, line: &[u8]) {
        self.text.put_bytes(line);
        self.text.flush();
    }

    /// The records, oldest first. How many.
    fn records(&self, sheet: &Sheet, format: Format, core: &Core) -> u64 {
        let mut scratch = self.scratch;
        // SAFETY: one thread writes, by `new`'s promise, and keeps nothing of it beyond this call.
        let scratch = unsafe { scratch.as_mut() };
        write_records(core, format, scratch, sheet)
    }
}

/// Writes what a report has of a log, as text. How many records.
pub fn write_all(sheet: &Sheet, core: &Core, scratch: &mut [u8]) -> u64 {
    let records = write_records(core, Format::Text, scratch, sheet);
    sheet.flush();
    records
}

/// Writes what a ring holds behind the clear mark, oldest first, as far as a report may be long. How many records.
fn write_records(core: &Core, format: Format, scratch: &mut [u8], sheet: &Sheet) -> u64 {
    let (ring, unfinished) = (core.ring(), core.unfinished());
    let form = Rendered {
        format,
        wall_nsec: |ts_nsec| core.wall_nsec(ts_nsec),
        sites: core.sites(),
        summed: true,
    };
    let end = ring.next_reserve_seq();
    let mut wanted = first_of(core, end);
    let scratch = laid(scratch);
    let (mut records, mut is_first) = (0, true);
    loop {
        let read = ring.read_valid(wanted, scratch, unfinished);
        let found = match &read {
            Read::Found { info, copied, .. } if info.seq < end => Some((info, *copied)),
            _ => None,
        };
        let next = found.map_or(end, |(info, _)| info.seq);
        if next > wanted {
            // Overwritten meanwhile, or not finished by a thread that does not go on.
            let (lost, last) = (next.0 - wanted.0, next.0 - 1);
            put_item(sheet, format, is_first, |out| {
                render_dropped(format, out, &Meta::default(), lost, wanted.0, last)
            });
            is_first = false;
        }
        let Some((info, copied)) = found else {
            return records;
        };
        let text = scratch.get(..copied).unwrap_or_default();
        put_item(sheet, format, is_first, |out| form.write(out, info, text));
        (is_first, records) = (false, records + 1);
        wanted = Seq(info.seq.0.saturating_add(1));
        if sheet.filled() >= PIECE_BYTES {
            sheet.flush();
        }
    }
}

/// Memory for one record, laid so that the words of its first text lie whole: that stands three or four bytes in.
fn laid(scratch: &mut [u8]) -> &mut [u8] {
    let at = scratch.as_ptr().align_offset(8).saturating_add(4);
    let at = at.min(scratch.len().saturating_sub(MAX_RECORD_BYTES));
    scratch.get_mut(at..).unwrap_or_default()
}

/// Puts what is a line, and in JSON an item of a list.
#[inline(always)]
fn put_item(sheet: &Sheet, format: Format, is_first: bool, write: impl Fn(&mut Out<'_>) -> bool) {
    sheet.put(|out| {
        if format == Format::Json && !is_first {
            out.put_byte(b',');
        }
        write(out)
    });
}

/// The first record of a report that ends before `end`.
fn first_of(core: &Core, end: Seq) -> Seq {
    let (ring, unfinished) = (core.ring(), core.unfinished());
    let clear_seq = core.control().clear_seq.load(Ordering::Relaxed);
    let mut seq = Seq(clear_seq.max(end.0.saturating_sub(MOST_RECORDS)));
    let (_, newest) = ring.newest_edge();
    loop {
        let Read::Found { info, .. } = ring.read_valid(seq, &mut [], unfinished) else {
            return end;
        };
        let behind = info.end.map_or(0, |pos| newest.since(pos));
        if behind <= MOST_BYTES {
            return info.seq.min(end);
        }
        seq = Seq(info.seq.0.saturating_add(1));
    }
}

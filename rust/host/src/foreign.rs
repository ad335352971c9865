//! A ring file that belongs to somebody: read with `pread`, never mapped, so that a file which is cut off under its
//! reader ends in an error.
//!
//! Nothing that the file says is believed. The header is checked when the file is opened; every offset after that is
//! reduced modulo its array; what a record says about itself is checked by the ring's reader, which looks again after
//! each copy (see [`pr_ring::reader`]).
//!
//! The kernel does not promise to copy eight aligned bytes in one piece. So a state that says that a record is complete is
//! read until it was read twice: a word in two pieces, part old and part new, is not read again.

use crate::error::Error;
use crate::files;
use crate::mapping::clock::{ClockEntry, ENTRIES, Sample, index_of, kept, nearest};
use crate::mapping::header;
use crate::mapping::lock::{self, Byte};
use crate::mapping::owner::{OWNER_BYTES, Process};
use crate::mapping::{ClockTable, Identity, OwnerBlock, rotate};
use crate::plan::{Plan, SectionKind};
use crate::rules::Ruling;
use core::mem::offset_of;
use core::sync::atomic::{Ordering, fence};
use pr_printk::control::{RULES_AT, Rules};
use pr_printk::sites::{Copied, SectionHead};
use pr_ring::head::{Head, HeadWord};
use pr_ring::layout::{FIXED_BYTES, LAYOUT_VERSION, OWNER_OFFSET, SLOT_BYTES, ring_offset};
use pr_ring::reader::{TailWords, read_valid};
use pr_ring::slots::{SlotCopy, Span};
use pr_ring::state::{Stage, State};
use pr_ring::{DescId, Geometry, Read, Seq, Source, Unfinished};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A ring file, open for reading: live or dead.
#[derive(Debug)]
pub struct ForeignFile {
    file: File,
    path: PathBuf,
    plan: Plan,
    clocks: Mutex<Clocks>,
    sites: Mutex<Arc<Copied<Vec<u8>>>>,
}

/// What a file says about itself and its owner, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingInfo {
    /// The path it was opened by.
    pub path: PathBuf,
    /// The owner's process id, in its own namespace.
    pub pid: u32,
    /// Inode of that namespace; 0 if unknown.
    pub pid_ns: u64,
    /// The owner's user id.
    pub uid: u32,
    /// The owner holds the file.
    pub alive: bool,
    /// The log ended in order.
    pub clean: bool,
    /// When the log was made, nanoseconds since the epoch.
    pub started_wall_ns: u64,
    /// The owner's command line; empty when not kept.
    pub argv: Vec<String>,
    /// The log's name.
    pub name: String,
    /// Of the ring.
    pub geometry: Geometry,
    /// Bytes of the whole file.
    pub file_bytes: u64,
    /// Version of the layout.
    pub layout_version: u32,
}

impl RingInfo {
    /// What has become of the owner, in words.
    pub fn state(&self) -> &'static str {
        match (self.alive, self.clean) {
            (true, _) => "alive",
            (false, true) => "ended in order",
            (false, false) => "killed, no orderly exit",
        }
    }
}

/// A copy of the owner's clock table.
#[derive(Debug, Default)]
struct Clocks {
    count: u64,
    /// Newest first.
    samples: Vec<Sample>,
}

impl ForeignFile {
    /// Opens a ring file for reading. A symbolic link is not followed, a pipe not waited for. The entries of
    /// `/proc/<pid>/fd` and `/proc/self/fd` only look like links: they are that process's open files, and the one way to a file without a name.
    ///
    /// # Errors
    /// There is none, it cannot be opened, or it is not a whole ring of this layout: the text says what it is. Or no file
    /// can have that path.
    pub fn open(path: &Path) -> Result<ForeignFile, Error> {
        Error::if_zero_byte("path", path)?;
        let refused = |why: io::Error| Error::refused(path, "it cannot be opened", &why);
        let (found, no_link) = if is_descriptor(path) {
            (fs::metadata(path), 0)
        } else {
            (fs::symlink_metadata(path), libc::O_NOFOLLOW)
        };
        rotate::check_kind(path, &found.map_err(refused)?)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(no_link | libc::O_NONBLOCK);
        ForeignFile::over(path, files::open(&options, path).map_err(refused)?)
    }

    /// An open file as a ring.
    pub(crate) fn over(path: &Path, file: File) -> Result<ForeignFile, Error> {
        let cannot = |why: io::Error| Error::refused(path, "it cannot be read", &why);
        let found = file.metadata().map_err(cannot)?;
        rotate::check_kind(path, &found)?;
        let mut start = [0; FIXED_BYTES];
        let there = read_start(&file, &mut start).map_err(cannot)?;
        let whole = there.len() == FIXED_BYTES;
        let plan = if whole {
            header::check(&start, found.len())
        } else {
            Err(header::too_short(there))
        };
        let plan = plan.map_err(|why| Error::ring_file(path, libc::EINVAL, why))?;
        Ok(ForeignFile {
            file,
            path: path.to_owned(),
            plan,
            clocks: Mutex::default(),
            sites: Mutex::default(),
        })
    }

    /// Whether this path is a name of the file.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        rotate::leads_to(path, &self.file)
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the file is divided.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the file says about itself and its owner, now.
    ///
    /// # Errors
    /// It was cut off, or cannot be read.
    pub fn info(&self) -> Result<RingInfo, Error> {
        let owner = self.identity()?;
        Ok(RingInfo {
            path: self.path.clone(),
            pid: owner.pid,
            pid_ns: owner.pid_namespace,
            uid: owner.uid,
            alive: self.is_alive()?,
            clean: self.reread_clean()?,
            started_wall_ns: owner.created_wall_nsec,
            argv: owner.argv.unwrap_or_default(),
            name: owner.name,
            geometry: self.plan.geometry,
            file_bytes: self.plan.file_bytes,
            layout_version: LAYOUT_VERSION,
        })
    }

    /// Who made it.
    ///
    /// # Errors
    /// It was cut off, or cannot be read.
    pub fn identity(&self) -> Result<Identity, Error> {
        let mut block = [0; OWNER_BYTES];
        self.read(OWNER_OFFSET as u64, &mut block)?;
        Ok(Identity::read(&block))
    }

    /// Whether its owner lives: holds the file. Once false it stays false.
    ///
    /// # Errors
    /// It was cut off, or cannot be read.
    pub fn is_alive(&self) -> Result<bool, Error> {
        match lock::is_locked(self.file.as_fd(), Byte::Owner) {
            Ok(locked) => Ok(locked),
            // A file system without locks: what the owner said about its process has to do.
            Err(_) => Ok(match self.identity()?.process() {
                Process::Runs | Process::Elsewhere | Process::Unknown => true,
                Process::Gone | Process::OtherBoot => false,
            }),
        }
    }

    /// Whether the log ended in order, as the file says it now.
    ///
    /// # Errors
    /// It was cut off, or cannot be read.
    pub fn reread_clean(&self) -> Result<bool, Error> {
        let at = OWNER_OFFSET + offset_of!(OwnerBlock, clean);
        Ok(self.word(at as u64)? == 1)
    }

    /// The wall time of a record's time stamp. What cannot be read any more is answered from what was.
    pub fn wall_nsec(&self, ts_nsec: u64) -> u64 {
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.word(clocks_at(offset_of!(ClockTable, count)));
        if count.is_ok_and(|count| count != clocks.count)
            && let Ok(fresh) = self.read_clocks()
        {
            *clocks = fresh;
        }
        let offset = nearest(clocks.samples.iter().copied(), ts_nsec);
        ts_nsec.wrapping_add_signed(offset.map_or(0, |sample| sample.offset_nsec))
    }

    /// A copy of the table, without what its owner may have overwritten meanwhile.
    fn read_clocks(&self) -> Result<Clocks, Error> {
        let count_at = clocks_at(offset_of!(ClockTable, count));
        let before = self.word(count_at)?;
        fence(Ordering::Acquire);
        let mut table = [0; size_of::<[ClockEntry; ENTRIES]>()];
        self.read(clocks_at(offset_of!(ClockTable, entries)), &mut table)?;
        fence(Ordering::Acquire);
        let after = self.word(count_at)?;
        let samples = kept(after).filter(|sample| *sample < before);
        let samples = samples.map(|sample| sample_at(&table, index_of(sample)));
        Ok(Clocks {
            count: before,
            samples: samples.collect(),
        })
    }

    /// All bytes of a section, as they are now.
    ///
    /// # Errors
    /// It was cut off, cannot be read, or does not fit into memory.
    pub fn section_bytes(&self, kind: SectionKind) -> Result<Vec<u8>, Error> {
        let section = self.plan.section(kind);
        let mut bytes = Vec::new();
        let length = usize::try_from(section.bytes).unwrap_or(usize::MAX);
        let no_room = |_| Error::Os {
            what: format!("memory for a copy of the {} section", kind.name()),
            errno: libc::ENOMEM,
        };
        bytes.try_reserve_exact(length).map_err(no_room)?;
        bytes.resize(length, 0);
        self.read(section.offset, &mut bytes)?;
        Ok(bytes)
    }

    /// The call sites that are described by now. Copied again only when there are more.
    ///
    /// # Errors
    /// It was cut off, cannot be read, or does not fit into memory.
    pub fn sites(&self) -> Result<Arc<Copied<Vec<u8>>>, Error> {
        let section = self.plan.section(SectionKind::Sites);
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        if section.bytes == 0 {
            return Ok(sites.clone());
        }
        let at = offset_of!(SectionHead, described);
        let described = self.word(section.offset + at as u64)?;
        if described != sites.described() {
            *sites = Arc::new(Copied(self.section_bytes(SectionKind::Sites)?));
        }
        Ok(sites.clone())
    }

    /// The commands of dynamic debug that are in force.
    ///
    /// # Errors
    /// It was cut off, or cannot be read.
    pub fn ruling(&self) -> Result<Ruling, Error> {
        let page = self.section_bytes(SectionKind::Control)?;
        let rules = page.get(RULES_AT..).unwrap_or_default();
        let word = |at: usize| rules.get(at..).and_then(|bytes| bytes.first_chunk::<8>());
        let number = word(offset_of!(Rules, number)).map_or(0, |word| u64::from_ne_bytes(*word));
        let length = word(offset_of!(Rules, length)).map_or(0, |word| u64::from_ne_bytes(*word));
        let text = rules.get(Rules::TEXT_AT..).unwrap_or_default();
        let text = text.get(..length as usize).unwrap_or_default();
        let text = String::from_utf8_lossy(text).into_owned();
        Ok(Ruling { number, text })
    }

    /// Records that were reserved and never committed: only in a dead file can that be said.
    ///
    /// # Errors
    /// It was cut off, or cannot be read.
    pub fn unfinished(&self) -> Result<u64, Error> {
        if self.is_alive()? {
            return Ok(0);
        }
        let (mut seq, mut count) = (Seq(0), 0);
        loop {
            match read_valid(self, seq, &mut [], Unfinished::Skip)? {
                Read::Found {
                    info, unfinished, ..
                } => {
                    seq = Seq(info.seq.0.saturating_add(1));
                    count += unfinished;
                }
                Read::NotYet { unfinished, .. } => return Ok(count + unfinished),
            }
        }
    }

    /// The wall time of the newest record that can be read; None: there is none.
    ///
    /// # Errors
    /// It was cut off, or cannot be read.
    pub fn last_wall_nsec(&self) -> Result<Option<u64>, Error> {
        let alive = self.is_alive()?;
        let (newest, tails) = (self.head()?.id.0, self.tails()?);
        let most = self.plan.geometry.descriptors() - 1;
        let oldest = tails.tail.0.max(newest.saturating_sub(most)).max(1);
        for id in (oldest..=newest).rev().map(DescId) {
            let state = self.state(id)?;
            let contents = self.contents(id)?;
            let whole = state == State::new(id, Stage::Finalized)
                || !alive && state == State::new(id, Stage::Committed);
            let dropped = match contents.span {
                Span::Block { .. } => id < tails.retired,
                Span::Empty => id == tails.tail && tails.tail_retired,
                Span::Lost => true,
            };
            if whole && !dropped && self.state(id)? == state {
                return Ok(Some(self.wall_nsec(contents.ts_nsec)));
            }
        }
        Ok(None)
    }

    /// Fills `to` with what stands at `at`.
    fn read(&self, at: u64, to: &mut [u8]) -> Result<(), Error> {
        self.file
            .read_exact_at(to, at)
            .map_err(|why| self.failed(&why))
    }

    /// A word of the ring section.
    pub(crate) fn ring_word(&self, offset: u64) -> Result<u64, Error> {
        self.word(self.plan.section(SectionKind::Ring).offset + offset)
    }

    /// Eight aligned bytes.
    pub(crate) fn word(&self, at: u64) -> Result<u64, Error> {
        let mut word = [0; 8];
        self.read(at, &mut word)?;
        Ok(u64::from_ne_bytes(word))
    }

    /// Consecutive words.
    fn words<const N: usize>(&self, at: u64) -> Result<[u64; N], Error> {
        let mut bytes = [[0; 8]; N];
        self.read(at, bytes.as_flattened_mut())?;
        Ok(bytes.map(u64::from_ne_bytes))
    }

    fn failed(&self, why: &io::Error) -> Error {
        if why.kind() == io::ErrorKind::UnexpectedEof {
            let text = "it was truncated while it was read";
            return Error::ring_file(&self.path, libc::EINVAL, text);
        }
        Error::refused(&self.path, "it cannot be read", why)
    }

    /// Where a part of the ring section lies in the file.
    fn ring_at(&self, offset: u64) -> u64 {
        self.plan.section(SectionKind::Ring).offset + offset
    }

    fn slot_at(&self, id: DescId) -> u64 {
        let index = id.0 & (self.plan.geometry.descriptors() - 1);
        self.ring_at(ring_offset::SLOTS + index * SLOT_BYTES)
    }
}

impl Source for ForeignFile {
    type Error = Error;
    type Slot<'s> = DescId;

    fn geometry(&self) -> Geometry {
        self.plan.geometry
    }

    fn head(&self) -> Result<Head, Error> {
        let at = self.ring_at(ring_offset::HEAD);
        let mut high = self.word(at + 8)?;
        for _ in 0..TRIES {
            let low = self.word(at)?;
            let again = self.word(at + 8)?;
            if again == high {
                fence(Ordering::Acquire);
                return Ok(HeadWord::decode(low, high));
            }
            high = again;
        }
        // Writers are faster than we can look. The newest id is true; its position is one of a moment before.
        Ok(HeadWord::decode(self.word(at)?, high))
    }

    fn tails(&self) -> Result<TailWords, Error> {
        let [tail_id, retired_id] = self.words(self.ring_at(ring_offset::TAILS))?;
        fence(Ordering::Acquire);
        Ok(TailWords::from_words(tail_id, retired_id))
    }

    fn slot(&self, id: DescId) -> DescId {
        id
    }

    fn state(&self, id: DescId) -> Result<State, Error> {
        if id >= DescId::MAX {
            // Numbers beyond the highest id all mean it: a slot that claims it would be read for ever. No ring gets there.
            return Ok(State::new(DescId::DUMMY, Stage::Finalized));
        }
        let at = self.slot_at(id);
        let mut state = State(self.word(at)?);
        for _ in 0..TRIES {
            if matches!(state.stage(), Stage::Reserved | Stage::ReservedNoBlock) {
                break; // not believed anyway
            }
            let before = core::mem::replace(&mut state, State(self.word(at)?));
            if state == before {
                break;
            }
        }
        fence(Ordering::Acquire);
        Ok(state)
    }

    fn contents(&self, id: DescId) -> Result<SlotCopy, Error> {
        let [begin, next, ts_nsec, caller_id, meta, _owner, aux] =
            self.words(self.slot_at(id) + 8)?;
        Ok(SlotCopy::from_words(
            begin, next, ts_nsec, caller_id, meta, aux,
        ))
    }

    fn text(&self, header: u64, text: &mut [u8]) -> Result<u64, Error> {
        let ring_bytes = self.plan.geometry.data_bytes();
        let index = header.wrapping_mul(8) & (ring_bytes - 1);
        let at = self.ring_at(self.plan.geometry.text_offset() + index);
        let room = usize::try_from(ring_bytes - index - 8).unwrap_or(usize::MAX);
        let wanted = text.len().min(room);
        let text = text.get_mut(..wanted).unwrap_or_default();
        let mut word = [0; 8];
        if read_two(&self.file, at, &mut word, text) != 8 + wanted {
            self.read(at, &mut word)?; // interrupted, or at the end of the file: once more, with what went wrong
            self.read(at + 8, text)?;
        }
        Ok(u64::from_ne_bytes(word))
    }

    fn most_looks(&self) -> u64 {
        8 * self.plan.geometry.descriptors()
    }

    fn barrier(&self) {
        // The kernel's copies are loads of this thread: ordered before what it loads later, by whatever way.
        fence(Ordering::Acquire);
    }
}

/// Whether a path is an entry of `/proc/<pid>/fd`, or of this process's own.
fn is_descriptor(path: &Path) -> bool {
    let Ok(below) = path.strip_prefix("/proc") else {
        return false;
    };
    let mut names = below.iter().map(OsStr::as_bytes);
    let is_number =
        |name: Option<&[u8]>| name.is_some_and(|name| name.iter().all(u8::is_ascii_digit));
    let process = names.next();
    (process == Some(b"self") || is_number(process))
        && names.next() == Some(b"fd")
        && is_number(names.next())
        && names.next().is_none()
}

/// How often a moving word is looked at again.
const TRIES: u32 = 64;

fn clocks_at(offset: usize) -> u64 {
    (OWNER_OFFSET + offset_of!(OwnerBlock, clocks) + offset) as u64
}

fn sample_at(table: &[u8], index: usize) -> Sample {
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&table[at..at + 8]);
        u64::from_ne_bytes(word)
    };
    let at = index * size_of::<ClockEntry>();
    Sample {
        mono_nsec: word(at),
        offset_nsec: word(at + 8).cast_signed(),
    }
}

/// What there is of the start of a file.
fn read_start<'a>(file: &File, start: &'a mut [u8; FIXED_BYTES]) -> io::Result<&'a [u8]> {
    let mut there = 0;
    while there < FIXED_BYTES {
        match file.read_at(&mut start[there..], there as u64) {
            Ok(0) => break,
            Ok(more) => there += more,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(&start[..there])
}

/// Two neighbouring parts of a file in one call. How many bytes; 0 if it failed.
fn read_two(file: &File, at: u64, first: &mut [u8], second: &mut [u8]) -> usize {
    let part = |bytes: &mut [u8]| libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let parts = [part(first), part(second)];
    let Ok(at) = libc::off_t::try_from(at) else {
        return 0;
    };
    // SAFETY: two buffers that are ours alone, with their lengths.
    let done = unsafe { libc::preadv(file.as_raw_fd(), parts.as_ptr(), 2, at) };
    usize::try_from(done).unwrap_or(0)
}

//! Rings in the memory of a process that is gone, as a core file holds it: found by their magic, copied out of it, and
//! read from then on as any dead ring.
//!
//! Which parts of the core are memory, and of which addresses, is told by whoever reads its tables; what a ring is, by the
//! header's own check. A core may lack parts of a ring, because it was cut off or because the kernel left them out. What is
//! missing must not pass for something: records whose slots are not there count as lost, and a record of whose text one
//! byte is not there is torn.

use crate::error::Error;
use crate::files;
use crate::foreign::ForeignFile;
use crate::mapping::anonymous;
use crate::mapping::header;
use crate::options::MAX_SIZE;
use crate::plan::{PAGE_BYTES, Plan, SectionKind};
use pr_ring::blocks::HEADER_BYTES as ID_BYTES;
use pr_ring::layout::{FIXED_BYTES, HEADER_BYTES, MAGIC, SLOT_BYTES, ring_offset};
use pr_ring::slots::{LOST, Slot, Span};
use pr_ring::state::{Stage, State};
use pr_ring::{DescId, Source};
use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// Zeros of this length are not copied: the copy has them already, and no memory for them.
const HOLE_BYTES: usize = PAGE_BYTES as usize;

/// A part of the process's memory that the core holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it was in the process.
    pub address: u64,
    /// Where it is in the core.
    pub offset: u64,
    /// How long it is in the core.
    pub bytes: u64,
}

impl Segment {
    fn end(&self) -> u64 {
        self.address + self.bytes
    }

    /// Without its first bytes.
    fn without(&self, bytes: u64) -> Segment {
        Segment {
            address: self.address + bytes,
            offset: self.offset + bytes,
            bytes: self.bytes - bytes,
        }
    }
}

/// What was found at a place that begins like a ring.
#[derive(Debug)]
pub enum Find {
    /// A ring.
    Ring {
        /// A copy of it.
        ring: ForeignFile,
        /// Where it was in the process.
        address: u64,
        /// How many bytes of it the core does not hold.
        missing: u64,
    },
    /// What is none, or of which too little is there.
    Damaged {
        /// Where it was in the process.
        address: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// The rings in a core, in the order of their addresses.
///
/// # Errors
/// The core cannot be read, or there is no memory for a copy.
pub fn rings_in(core: &Path, segments: &[Segment]) -> Result<Vec<Find>, Error> {
    let image = Image::open(core, segments)?;
    let mut found: Vec<Find> = Vec::new();
    let mut free_from = 0;
    for address in image.beginnings()? {
        if address < free_from {
            continue; // what a record says is no ring
        }
        let find = image.carve(address)?;
        if let Find::Ring { ring, .. } = &find {
            free_from = address.saturating_add(ring.plan().file_bytes);
        }
        found.push(find);
    }
    Ok(found)
}

/// The memory of a process, as far as a core holds it.
struct Image {
    path: PathBuf,
    file: File,
    /// In the order of their addresses, apart from each other, and within the file.
    segments: Vec<Segment>,
}

impl Image {
    fn open(path: &Path, segments: &[Segment]) -> Result<Image, Error> {
        let refused = |why: io::Error| Error::refused(path, "it cannot be opened", &why);
        let file = files::open(File::options().read(true), path).map_err(refused)?;
        let end = file.metadata().map_err(refused)?.len();
        Ok(Image {
            path: path.to_owned(),
            file,
            segments: in_order(segments, end),
        })
    }

    /// Addresses of pages that begin with the magic, in their order.
    fn beginnings(&self) -> Result<Vec<u64>, Error> {
        let mut found = Vec::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        for segment in &self.segments {
            let to_page = segment.address.wrapping_neg() % PAGE_BYTES;
            for at in (to_page..segment.bytes).step_by(CHUNK_BYTES) {
                let length = (segment.bytes - at).min(CHUNK_BYTES as u64) as usize;
                self.read(segment.offset + at, &mut chunk[..length])?;
                let pages = chunk[..length].chunks(PAGE_BYTES as usize).enumerate();
                let magic = pages.filter(|(_, page)| page.starts_with(&MAGIC));
                let start = segment.address + at;
                found.extend(magic.map(|(number, _)| start + number as u64 * PAGE_BYTES));
            }
        }
        Ok(found)
    }

    /// Copies the ring that begins there.
    fn carve(&self, address: u64) -> Result<Find, Error> {
        let damaged = |why: String| Ok(Find::Damaged { address, why });
        let mut start = [0; FIXED_BYTES];
        for (part, at) in self.parts(address, FIXED_BYTES as u64) {
            self.read(at, &mut start[part.start as usize..part.end as usize])?;
        }
        let plan = match header::check(&start, u64::MAX) {
            Ok(plan) => plan,
            Err(why) => return damaged(why),
        };
        if plan.file_bytes > MAX_SIZE || address.checked_add(plan.file_bytes).is_none() {
            let bytes = plan.file_bytes;
            return damaged(format!("its header says that it is {bytes} bytes long"));
        }
        let missing = self.missing(address, plan.file_bytes);
        let head = plan.section(SectionKind::Ring).offset;
        for (what, part) in [
            ("header", 0..HEADER_BYTES),
            ("head", head..head + ring_offset::SLOTS),
        ] {
            if overlaps(&missing, &part) {
                return damaged(format!("its {what} is not in this core"));
            }
        }
        let ring = ForeignFile::over(&self.path, self.copy(address, &plan, &missing)?)?;
        Ok(Find::Ring {
            ring,
            address,
            missing: missing.iter().map(|part| part.end - part.start).sum(),
        })
    }

    /// A copy of a ring, with what is missing marked as such. Nobody holds it, so its owner counts as dead, whoever has the
    /// number of that process by now.
    fn copy(&self, address: u64, plan: &Plan, missing: &[Range<u64>]) -> Result<File, Error> {
        let refused = |why: io::Error| Error::os("memory for a copy of a ring", &why);
        let copy = File::from(anonymous::memfd(c"printk_ring:core").map_err(refused)?);
        copy.set_len(plan.file_bytes).map_err(refused)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        for (part, from) in self.parts(address, plan.file_bytes) {
            for at in part.clone().step_by(CHUNK_BYTES) {
                let length = (part.end - at).min(CHUNK_BYTES as u64) as usize;
                self.read(from + (at - part.start), &mut chunk[..length])?;
                for (page, to) in chunk[..length]
                    .chunks(HOLE_BYTES)
                    .zip((at..).step_by(HOLE_BYTES))
                {
                    if page.iter().any(|byte| *byte != 0) {
                        copy.write_all_at(page, to).map_err(refused)?;
                    }
                }
            }
        }
        if !missing.is_empty() {
            let again = copy.try_clone().map_err(refused)?;
            let ring = ForeignFile::over(&self.path, again)?;
            mark_lost_slots(&ring, &copy, missing)?;
            mark_torn_texts(&ring, &copy, missing)?;
        }
        Ok(copy)
    }

    /// What the core holds of `bytes` from `address` on: which of them, and where in the core they begin. In their order.
    fn parts(&self, address: u64, bytes: u64) -> Vec<(Range<u64>, u64)> {
        let end = address.saturating_add(bytes);
        let first = self
            .segments
            .partition_point(|segment| segment.end() <= address);
        let mut parts = Vec::new();
        for segment in &self.segments[first..] {
            if segment.address >= end {
                break;
            }
            let from = segment.address.max(address);
            let offset = segment.offset + (from - segment.address);
            parts.push((from - address..segment.end().min(end) - address, offset));
        }
        parts
    }

    /// Which of `bytes` from `address` on the core does not hold.
    fn missing(&self, address: u64, bytes: u64) -> Vec<Range<u64>> {
        let (mut missing, mut done) = (Vec::new(), 0);
        for (part, _) in self.parts(address, bytes) {
            missing.push(done..part.start);
            done = part.end;
        }
        missing.push(done..bytes);
        missing.retain(|part| !part.is_empty());
        missing
    }

    fn read(&self, at: u64, to: &mut [u8]) -> Result<(), Error> {
        let refused = |why: io::Error| Error::refused(&self.path, "it cannot be read", &why);
        self.file.read_exact_at(to, at).map_err(refused)
    }
}

/// Segments by their addresses, without what lies behind the end of the file, and without what an earlier one has already.
fn in_order(segments: &[Segment], file_bytes: u64) -> Vec<Segment> {
    let mut sorted = segments.to_vec();
    sorted.sort_by_key(|segment| segment.address);
    let (mut kept, mut free_from) = (Vec::<Segment>::new(), 0);
    for segment in sorted {
        let there = Segment {
            bytes: segment
                .bytes
                .min(file_bytes.saturating_sub(segment.offset))
                .min(u64::MAX - segment.address),
            ..segment
        };
        let twice = free_from.max(there.address) - there.address;
        if twice < there.bytes {
            kept.push(there.without(twice));
            free_from = there.end();
        }
    }
    kept
}

/// Gives the slots that are not there the records that were in them, as lost ones. (Zeros would be records that nobody had
/// finished, which is another thing to say.)
fn mark_lost_slots(ring: &ForeignFile, copy: &File, missing: &[Range<u64>]) -> Result<(), Error> {
    let descriptors = ring.geometry().descriptors();
    let newest = ring.head()?.id.0;
    for id in newest.saturating_sub(descriptors - 1).max(1)..=newest {
        let at = slot_at(ring.plan(), DescId(id));
        if overlaps(missing, &(at..at + SLOT_BYTES)) {
            let State(state) = State::new(DescId(id), Stage::Finalized);
            put(ring, copy, at + offset_of!(Slot, state) as u64, state)?;
            put(ring, copy, at + offset_of!(Slot, begin) as u64, LOST)?;
        }
    }
    Ok(())
}

/// Takes the id off the blocks of whose text a byte is not there: what is left is no record's.
fn mark_torn_texts(ring: &ForeignFile, copy: &File, missing: &[Range<u64>]) -> Result<(), Error> {
    let geometry = ring.geometry();
    let texts = ring.plan().section(SectionKind::Ring).offset + geometry.text_offset();
    let newest = ring.head()?.id.0;
    for id in newest.saturating_sub(geometry.descriptors() - 1).max(1)..=newest {
        let (state, contents) = (ring.state(DescId(id))?, ring.contents(DescId(id))?);
        let whole = [Stage::Committed, Stage::Finalized].map(|stage| State::new(DescId(id), stage));
        let Span::Block { begin, next } = contents.span else {
            continue;
        };
        if !whole.contains(&state) {
            continue; // what stands there is of the record before, whose place is another one's by now
        }
        let Some(place) = ring.text_ring().place(begin, next) else {
            continue; // torn as it is
        };
        let at = texts + place.header * 8;
        if overlaps(
            missing,
            &(at..at + ID_BYTES + u64::from(contents.meta.text_len)),
        ) {
            put(ring, copy, at, 0)?;
        }
    }
    Ok(())
}

/// Where the slot of a record lies in the file.
fn slot_at(plan: &Plan, id: DescId) -> u64 {
    let index = id.0 & (plan.geometry.descriptors() - 1);
    plan.section(SectionKind::Ring).offset + ring_offset::SLOTS + index * SLOT_BYTES
}

fn put(ring: &ForeignFile, copy: &File, at: u64, word: u64) -> Result<(), Error> {
    let refused = |why: io::Error| Error::refused(ring.path(), "a copy cannot be changed", &why);
    copy.write_all_at(&word.to_ne_bytes(), at).map_err(refused)
}

/// Whether a byte of a part is missing.
fn overlaps(missing: &[Range<u64>], part: &Range<u64>) -> bool {
    let first = missing.partition_point(|hole| hole.end <= part.start);
    missing.get(first).is_some_and(|hole| hole.start < part.end)
}

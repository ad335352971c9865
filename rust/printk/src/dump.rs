//! Walking through what a ring holds: a record at a time from the oldest on, or a buffer at a time from the newest back.
//!
//! An iterator is two numbers, owned by whoever dumps: it is copied freely, registered nowhere, and two dumps at once do
//! not know of each other. Any context: all memory is the caller's, and every call ends and makes progress, whatever the
//! size of a record and of the buffer.
//!
//! A block is filled from its end: each record is read once, newest first, so that what others overwrite meanwhile is
//! either in the block or not, and nothing need be sized first.

use crate::emit::meta_at;
use crate::sum::is_changed;
use pr_record::render::kernel::{Switches, print_lines};
use pr_record::wire::MARK;
use pr_record::{Format, Out, RecordView, Sites, render_beginning, render_torn};
use pr_ring::reader::read_valid;
use pr_ring::{Read, RecordInfo, Seq, Source, Unfinished};

/// How far a dump has come: nothing below `cur_seq` and nothing from `next_seq` on is given by a block any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpIter {
    /// The record to begin with, or to give as the next one.
    pub cur_seq: Seq,
    /// The end of the next block.
    pub next_seq: Seq,
}

/// What an iterator walks through.
#[derive(Debug)]
pub struct View<'s, S: ?Sized> {
    /// Where records are read.
    pub source: &'s S,
    /// What to do at a record that is not finished.
    pub unfinished: Unfinished,
    /// The clear mark: nothing before it is given.
    pub clear_seq: Seq,
}

/// How a record becomes lines.
pub trait Form {
    /// Appends its lines, or as much of their beginning as there is room for. True: all of them.
    fn write(&self, out: &mut Out<'_>, info: &RecordInfo, text: &[u8]) -> bool;
}

/// Text as it is, with the kernel's prefixes.
#[derive(Clone, Copy, Debug)]
pub struct Plain(pub Switches);

/// A log's records in one of its formats; `wall_nsec` gives the wall time of a time stamp.
#[derive(Clone, Copy, Debug)]
pub struct Rendered<'s, W, S: ?Sized> {
    /// The format.
    pub format: Format,
    /// The clock.
    pub wall_nsec: W,
    /// The call sites.
    pub sites: &'s S,
    /// Each has a sum. Those of a bare ring have none.
    pub summed: bool,
}

/// A record that was read; its text is in the caller's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is known of it.
    pub info: RecordInfo,
    /// Bytes of its text that were copied.
    pub copied: usize,
}

/// What a call of [`DumpIter::get_buffer`] has given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Bytes of the buffer, from its beginning.
    pub len: usize,
    /// Records in it.
    pub records: u64,
    /// Its only record did not fit, and was cut.
    pub is_cut: bool,
    /// There is an older record, which did not fit as well.
    pub is_full: bool,
    /// The longest text that was met, which may be longer than the memory for it was.
    pub longest: usize,
}

impl Form for Plain {
    fn write(&self, out: &mut Out<'_>, info: &RecordInfo, text: &[u8]) -> bool {
        print_lines(self.0, &meta_at(info, 0), text, out)
    }
}

impl<W: Fn(u64) -> u64, S: Sites + ?Sized> Form for Rendered<'_, W, S> {
    fn write(&self, out: &mut Out<'_>, info: &RecordInfo, text: &[u8]) -> bool {
        let meta = meta_at(info, (self.wall_nsec)(info.ts_nsec));
        let mut record = RecordView::empty();
        match record.decode(text, self.sites) {
            Ok(())
                if !info.torn
                    && text.len() == info.text_len as usize
                    && !(self.summed && is_changed(info, text)) =>
            {
                render_beginning(self.format, out, &meta, &record)
            }
            _ => render_torn(self.format, out, &meta),
        }
    }
}

impl DumpIter {
    /// One that has not been rewound: it gives lines from the clear mark on, and no blocks.
    pub const NEW: DumpIter = DumpIter {
        cur_seq: Seq(0),
        next_seq: Seq(0),
    };

    /// Goes to the clear mark; `next_seq` is where its blocks end: what is there now.
    pub fn rewind(&mut self, clear_seq: Seq, next_seq: Seq) {
        (self.cur_seq, self.next_seq) = (clear_seq, next_seq);
    }

    /// The next record, oldest first, if there is one before `until`; also one that was stored after the rewind. Its text,
    /// or the beginning of it, is in `scratch`.
    ///
    /// # Errors
    /// Those of the source.
    pub fn next_record<S: Source + ?Sized>(
        &mut self,
        view: &View<'_, S>,
        until: Seq,
        scratch: &mut [u8],
    ) -> Result<Option<Found>, S::Error> {
        self.cur_seq = self.cur_seq.max(view.clear_seq);
        let found = view.first_from(self.cur_seq, scratch)?;
        let found = found.filter(|found| found.info.seq < until);
        if let Some(found) = &found {
            self.cur_seq = after(found.info.seq);
        }
        Ok(found)
    }

    /// Fills `buffer`, but for its last byte, with the newest records that have not been given yet, the oldest of them
    /// first. `scratch` is for one text; of a longer one the beginning is taken. A record that does not fit alone is cut,
    /// with a marker. None: there is nothing more, or there is no buffer.
    ///
    /// # Errors
    /// Those of the source.
    pub fn get_buffer<S: Source + ?Sized, F: Form>(
        &mut self,
        view: &View<'_, S>,
        form: &F,
        scratch: &mut [u8],
        buffer: &mut [u8],
    ) -> Result<Option<Block>, S::Error> {
        if buffer.is_empty() {
            return Ok(None);
        }
        self.cur_seq = self.cur_seq.max(view.clear_seq);
        if let Some(first) = view.first_from(self.cur_seq, &mut [])? {
            self.cur_seq = first.info.seq;
        }
        let mut block = Block::default();
        let mut start = buffer.len();
        let mut below = self.next_seq;
        let mut end = self.cur_seq.min(below);
        while let Some(found) = view.last_before(self.cur_seq, below, scratch)? {
            let text = scratch.get(..found.copied).unwrap_or_default();
            block.longest = block.longest.max(found.info.text_len as usize);
            let (len, whole) = write_before(start, buffer, block.records, |out| {
                form.write(out, &found.info, text)
            });
            if !whole && block.records > 0 {
                block.is_full = true;
                end = after(found.info.seq);
                break;
            }
            start = start.saturating_sub(len);
            block.records += 1;
            below = found.info.seq;
            if !whole {
                block.is_cut = true;
                end = below;
                break;
            }
        }
        self.next_seq = end;
        block.len = buffer.len() - start;
        shift(buffer, start, 0, block.len);
        Ok((block.records > 0).then_some(block))
    }
}

/// Writes a record at the beginning of what is free, and moves it to the end of that, before `start`. How many bytes, and
/// whether it is there as a whole. As the first of a block it is cut if it must be; behind others it is left out.
fn write_before(
    start: usize,
    buffer: &mut [u8],
    others: u64,
    write: impl FnOnce(&mut Out<'_>) -> bool,
) -> (usize, bool) {
    let free = buffer.get_mut(..start).unwrap_or_default();
    let mut out = Out::new(free);
    out.put_byte(0); // the byte that is left over
    let whole = write(&mut out);
    let mut len = out.len().saturating_sub(1);
    if !whole {
        if others > 0 {
            return (0, false);
        }
        len = cut(free.get_mut(1..).unwrap_or_default(), len);
    }
    shift(buffer, 1, start.saturating_sub(len), len);
    (len, whole)
}

/// Ends the `len` bytes that `area` begins with by the marker, and a newline, within `area`. How many bytes there are
/// then. Where there is no room for the marker there is the beginning of it, so that the record still has its line.
fn cut(area: &mut [u8], len: usize) -> usize {
    let kept = len.min(area.len().saturating_sub(MARK.len() + 1));
    let kept = at_character(area, kept);
    let mut out = Out::new(area.get_mut(kept..).unwrap_or_default());
    let room = out.room();
    let mark = MARK.as_bytes();
    out.put(mark.get(..room.saturating_sub(1)).unwrap_or(mark));
    out.put_byte(b'\n');
    kept + out.len()
}

/// The last place up to `at` that is not inside a character, if these bytes are characters.
fn at_character(bytes: &[u8], at: usize) -> usize {
    let is_inside = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let places = (at.saturating_sub(3)..=at).rev();
    places.into_iter().find(|at| !is_inside(at)).unwrap_or(at)
}

/// Moves `len` bytes within a buffer.
fn shift(buffer: &mut [u8], from: usize, to: usize, len: usize) {
    let fits = |at: usize| at.checked_add(len).is_some_and(|end| end <= buffer.len());
    if from == to || !fits(from) || !fits(to) {
        return;
    }
    let base = buffer.as_mut_ptr();
    // SAFETY: both are `len` bytes within the buffer, as just seen, and that is ours; they may overlap.
    unsafe { core::ptr::copy(base.wrapping_add(from), base.wrapping_add(to), len) };
}

fn after(seq: Seq) -> Seq {
    Seq(seq.0.saturating_add(1))
}

impl<S: Source + ?Sized> View<'_, S> {
    /// The first readable record at or after `seq`.
    fn first_from(&self, seq: Seq, scratch: &mut [u8]) -> Result<Option<Found>, S::Error> {
        let read = read_valid(self.source, seq, scratch, self.unfinished)?;
        Ok(match read {
            Read::Found { info, copied, .. } => Some(Found { info, copied }),
            Read::NotYet { .. } => None,
        })
    }

    /// The last readable record at or after `lower` and before `upper`, nearly always the one before `upper`. Where records
    /// are lost it looks back in growing steps, since a ring is searched forwards.
    ///
    /// # Errors
    /// Those of the source.
    pub fn last_before(
        &self,
        lower: Seq,
        upper: Seq,
        scratch: &mut [u8],
    ) -> Result<Option<Found>, S::Error> {
        let (mut upper, mut step) = (upper, 1_u64);
        while upper > lower {
            let at = Seq(upper.0.saturating_sub(step)).max(lower);
            let found = self.first_from(at, scratch)?;
            let Some(found) = found.filter(|found| found.info.seq < upper) else {
                (upper, step) = (at, step.saturating_mul(2));
                continue;
            };
            let last = self.last_after(found.info.seq, upper)?;
            if last == found.info.seq {
                return Ok(Some(found));
            }
            let found = self.first_from(last, scratch)?;
            if let Some(found) = found.filter(|found| found.info.seq == last) {
                return Ok(Some(found));
            }
            (upper, step) = (last, 1); // gone meanwhile
        }
        Ok(None)
    }

    /// Of the readable records from `low`, which is one, to before `upper` the last one's number.
    fn last_after(&self, low: Seq, upper: Seq) -> Result<Seq, S::Error> {
        let (mut low, mut high) = (low, upper);
        while high.0 - low.0 > 1 {
            let middle = Seq(low.0 + (high.0 - low.0) / 2);
            match self.first_from(middle, &mut [])? {
                Some(found) if found.info.seq < high => low = found.info.seq,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

//! The records of a log, or of a ring file, as text: walked through, and dumped.

use super::{NO_END, Walk, grow};
use crate::error::Error;
use crate::foreign::ForeignFile;
use crate::log::Log;
use crate::reader::Origin;
use pr_printk::core::MAX_RECORD_BYTES;
use pr_printk::dump::{DumpIter, Form, Rendered, View};
use pr_printk::stamp;
use pr_record::render::escape::write_name;
use pr_record::{Format, Meta, Out, render_dropped};
use pr_ring::{Region, Ring, Seq, Source, Unfinished};
use std::sync::Arc;

/// A rendered record is cut at this length: longer than anything that 32 KiB can become.
const LONGEST_RENDERED: usize = 4 << 20;
/// A dump is written in pieces of about this size.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// An iterator over a log's records as text, and the memory that it reads into. A copy goes its own way.
#[derive(Clone, Debug)]
pub struct TextWalk {
    walk: Walk,
}

/// How to look at a log.
fn log_view(log: &Log) -> View<'_, Ring<Region>> {
    View {
        source: log.core().ring(),
        unfinished: Unfinished::Wait,
        clear_seq: Seq(log.clear_seq()),
    }
}

/// How to look at a file: whether its owner lives is asked before it is read.
fn file_view(file: &ForeignFile) -> Result<View<'_, ForeignFile>, Error> {
    let unfinished = if file.is_alive()? {
        Unfinished::Wait
    } else {
        Unfinished::Skip
    };
    Ok(View {
        source: file,
        unfinished,
        clear_seq: Seq(file.clear_seq()?),
    })
}

/// Runs `$body` with the view and the form of an origin.
macro_rules! looking_at {
    ($origin:expr, $format:expr, |$view:ident, $form:ident| $body:expr) => {
        match $origin {
            Origin::Log(log) => {
                let life = log.life();
                let wall_nsec = |ts_nsec| life.wall_nsec(ts_nsec);
                let ($view, $form) = (
                    log_view(log),
                    Rendered {
                        format: $format,
                        wall_nsec,
                        sites: life.core().sites(),
                        summed: true,
                    },
                );
                $body
            }
            Origin::File(file) => {
                let wall_nsec = |ts_nsec| file.wall_nsec(ts_nsec);
                let sites = file.sites()?;
                let ($view, $form) = (
                    file_view(file)?,
                    Rendered {
                        format: $format,
                        wall_nsec,
                        sites: &*sites,
                        summed: file.plan().has_sums(),
                    },
                );
                $body
            }
        }
    };
}

impl TextWalk {
    /// One that begins behind the clear mark, with what is there now.
    ///
    /// # Errors
    /// The file was cut off, or cannot be read.
    pub fn new(origin: &Origin) -> Result<TextWalk, Error> {
        let walk = Walk::new(MAX_RECORD_BYTES);
        let mut new = TextWalk { walk };
        new.rewind(origin)?;
        Ok(new)
    }

    /// As [`Walk::lend`].
    pub fn lend(&mut self) -> TextWalk {
        TextWalk {
            walk: self.walk.lend(),
        }
    }

    /// As [`Walk::give_back`].
    pub fn give_back(&mut self, before: DumpIter, lent: TextWalk) -> bool {
        self.walk.give_back(before, lent.walk)
    }

    /// How far it has come.
    pub fn iter(&self) -> DumpIter {
        self.walk.iter
    }

    /// Goes back to the clear mark; blocks will end where the ring ends now.
    ///
    /// # Errors
    /// As [`TextWalk::new`].
    pub fn rewind(&mut self, origin: &Origin) -> Result<(), Error> {
        let (clear_seq, end) = match origin {
            Origin::Log(log) => (log.clear_seq(), log.core().ring().next_seq()),
            Origin::File(file) => {
                let view = file_view(file)?;
                let end = match view.unfinished {
                    Unfinished::Wait => pr_ring::reader::next_seq(&**file, Seq(0))?,
                    // Ids count from 1: the newest id is the number of the record after it.
                    Unfinished::Skip => Seq(file.head()?.id.0),
                };
                (view.clear_seq.0, end)
            }
        };
        self.walk.iter.rewind(Seq(clear_seq), end);
        Ok(())
    }

    /// The next record's lines, oldest first, without the final newline; also of one that came after the rewind.
    ///
    /// # Errors
    /// As [`TextWalk::new`]; no memory for it.
    pub fn next_line(&mut self, origin: &Origin, format: Format) -> Result<Option<String>, Error> {
        self.line_before(origin, format, NO_END)
    }

    /// The same, but only of what was there at the rewind.
    ///
    /// # Errors
    /// As [`TextWalk::next_line`].
    pub fn next_old_line(
        &mut self,
        origin: &Origin,
        format: Format,
    ) -> Result<Option<String>, Error> {
        self.line_before(origin, format, self.walk.iter.next_seq)
    }

    fn line_before(
        &mut self,
        origin: &Origin,
        format: Format,
        until: Seq,
    ) -> Result<Option<String>, Error> {
        let mut line = Vec::new();
        let found = looking_at!(origin, format, |view, form| {
            match self.walk.next_record(&view, until)? {
                Some((info, text)) => {
                    put(&mut line, |out| form.write(out, &info, text))?;
                    true
                }
                None => false,
            }
        });
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        Ok(found.then(|| String::from_utf8_lossy(line).into_owned()))
    }

    /// The next block of at most `size - 1` bytes: the newest records not given yet, the oldest of them first.
    ///
    /// # Errors
    /// As [`TextWalk::next_line`].
    pub fn next_block(
        &mut self,
        origin: &Origin,
        format: Format,
        size: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let block = looking_at!(origin, format, |view, form| {
            self.walk.next_block(&view, &form, size)?
        });
        Ok(block.map(|(_, bytes)| bytes))
    }
}

/// Appends what `write` writes, with as much room as it takes. It says whether it had enough.
pub(super) fn put(bytes: &mut Vec<u8>, write: impl Fn(&mut Out<'_>) -> bool) -> Result<(), Error> {
    let at = bytes.len();
    let mut room = 1024;
    loop {
        grow(bytes, at + room)?;
        let mut out = Out::new(bytes.get_mut(at..).unwrap_or_default());
        let whole = write(&mut out);
        let end = at + out.len();
        if whole || room >= LONGEST_RENDERED {
            bytes.truncate(end);
            return Ok(());
        }
        room *= 8;
    }
}

/// How much of a log's past is dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// So many records.
    Records(u64),
    /// What was logged within so many nanoseconds.
    Nanoseconds(u64),
}

/// A dump under way: the log's records behind the clear mark as text, oldest first, in pieces. It ends with what was there
/// when it began, and has lines for what was overwritten before it came to it.
#[derive(Debug)]
pub struct TextDump {
    log: Arc<Log>,
    walk: Walk,
    header: Vec<u8>,
    max_bytes: Option<usize>,
    records: u64,
}

impl TextDump {
    /// Of this log. `max_bytes`: the newest records that fit into so many bytes. `description`: stands in the first line.
    ///
    /// # Errors
    /// No memory.
    pub fn begin(
        log: Arc<Log>,
        last: Option<Last>,
        max_bytes: Option<usize>,
        description: Option<&str>,
    ) -> Result<TextDump, Error> {
        let mut walk = Walk::new(MAX_RECORD_BYTES);
        let mut header = Vec::new();
        if let Some(description) = description {
            put(&mut header, |out| {
                out.put(b"** dump: ");
                write_name(out, description);
                out.put(b" **\n");
                !out.is_truncated()
            })?;
        }
        if max_bytes.is_some_and(|most| most < header.len()) {
            header.clear(); // records are worth more
        }
        let view = log_view(&log);
        let end = view.source.next_seq();
        walk.iter.rewind(view.clear_seq, end);
        walk.iter.cur_seq = first_of(&view, last, end, stamp::monotonic_nsec())?;
        Ok(TextDump {
            log,
            walk,
            header,
            max_bytes,
            records: 0,
        })
    }

    /// The next piece of it; None: that was all.
    ///
    /// # Errors
    /// No memory.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut piece = std::mem::take(&mut self.header);
        let log = self.log.clone();
        let life = log.life();
        let form = Rendered {
            format: Format::Text,
            wall_nsec: |ts_nsec| life.wall_nsec(ts_nsec),
            sites: life.core().sites(),
            summed: true,
        };
        let view = log_view(&log);
        match self.max_bytes.take() {
            Some(most) => {
                let size = most.saturating_sub(piece.len()).saturating_add(1);
                let block = self.walk.next_block(&view, &form, size)?;
                if let Some((block, bytes)) = block.filter(|(block, _)| block.len > 0) {
                    self.records = block.records;
                    piece.extend_from_slice(&bytes);
                }
                self.walk.iter.next_seq = Seq(0); // that was all
            }
            None => self.fill(&mut piece, &view, &form)?,
        }
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    /// Appends records until there is enough for a write.
    fn fill<S: Source>(
        &mut self,
        piece: &mut Vec<u8>,
        view: &View<'_, S>,
        form: &impl Form,
    ) -> Result<(), Error>
    where
        Error: From<S::Error>,
    {
        while piece.len() < PIECE_BYTES {
            let (end, wanted) = (self.walk.iter.next_seq, self.walk.iter.cur_seq);
            let Some((info, text)) = self.walk.next_record(view, end)? else {
                self.walk.iter.cur_seq = wanted.max(end);
                return tell_lost(piece, wanted, end);
            };
            tell_lost(piece, wanted, info.seq)?;
            put(piece, |out| form.write(out, &info, text))?;
            self.records += 1;
        }
        Ok(())
    }

    /// Records given so far.
    pub fn records(&self) -> u64 {
        self.records
    }
}

/// Says that the records from one number to before another were there when the dump began, and are not any more.
pub(super) fn tell_lost(piece: &mut Vec<u8>, from: Seq, to: Seq) -> Result<(), Error> {
    let lost = to.0.saturating_sub(from.0);
    if lost == 0 {
        return Ok(());
    }
    let meta = Meta::default();
    put(piece, |out| {
        render_dropped(Format::Text, out, &meta, lost, from.0, to.0 - 1)
    })
}

/// The number of the first record that is dumped, of those before `end`; a time is counted back from `now_nsec`.
pub(super) fn first_of<S: Source>(
    view: &View<'_, S>,
    last: Option<Last>,
    end: Seq,
    now_nsec: u64,
) -> Result<Seq, Error>
where
    Error: From<S::Error>,
{
    match last {
        None => {
            let mut walk = Walk::new(0);
            walk.iter.rewind(view.clear_seq, end);
            let first = walk.next_record(view, end)?;
            Ok(first.map_or(end, |(info, _)| info.seq))
        }
        Some(Last::Records(count)) => {
            let mut first = end;
            for _ in 0..count {
                match view.last_before(view.clear_seq, first, &mut [])? {
                    Some(found) => first = found.info.seq,
                    None => break,
                }
            }
            Ok(first)
        }
        // Forwards: time stamps are nearly in order, and an old one among new ones is no reason to end.
        Some(Last::Nanoseconds(span)) => {
            let since = now_nsec.saturating_sub(span);
            let mut walk = Walk::new(0);
            walk.iter.rewind(view.clear_seq, end);
            while let Some((info, _)) = walk.next_record(view, end)? {
                if info.ts_nsec >= since {
                    return Ok(info.seq);
                }
            }
            Ok(end)
        }
    }
}

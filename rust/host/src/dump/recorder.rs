//! The flight recorder: when something breaks, what led up to it is appended to a file. No record is written twice.

use super::Walk;
use super::broken::{Broken, Wanted};
use super::outlet::Outlet;
use super::text::{Last, PIECE_BYTES, put, tell_lost};
use super::written::Written;
use crate::error::Error;
use crate::life::Life;
use crate::options::{default, parse_span};
use pr_printk::core::MAX_RECORD_BYTES;
use pr_printk::dump::{Form, Rendered, View};
use pr_printk::stamp;
use pr_record::Format;
use pr_ring::{Region, Ring, Seq, Unfinished};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The longest that a dump waits for a record which is in another thread's hands, and stands before what broke.
const GRACE: Duration = Duration::from_millis(500);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(1);
/// The longest that a file may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of what led up to a record is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last of it.
    Last(Last),
    /// What was logged in the same context; of a record without one, [`default::DUMP_LAST`].
    Context,
}

/// Writes out windows of one life's records, each with what broke in it.
#[derive(Debug)]
pub(crate) struct Recorder {
    life: Arc<Life>,
    path: PathBuf,
    /// Records at this level are what breaks.
    level: u8,
    /// What led up to one, where that is counted back.
    last: Last,
    /// It is what was logged in the same context, where there was one.
    by_context: bool,
    /// All records before this one have been looked at.
    seen: Seq,
    /// What is to be written out.
    broken: Option<Broken>,
    written: Written,
}

/// A ring, and what to do about records in it that are not finished.
type Looked<'l> = View<'l, Ring<Region>>;

impl Recorder {
    /// Writes to `path` what led up to records at `level`.
    ///
    /// # Errors
    /// A default that is none.
    pub(crate) fn new(
        life: Arc<Life>,
        path: PathBuf,
        level: u8,
        window: Option<Window>,
    ) -> Result<Recorder, Error> {
        let written = Written::new(life.core().ring().geometry().descriptors());
        let last = match window {
            Some(Window::Last(last)) => last,
            Some(Window::Context) | None => Last::Nanoseconds(parse_span(default::DUMP_LAST)?),
        };
        Ok(Recorder {
            life,
            path,
            level,
            last,
            by_context: window == Some(Window::Context),
            seen: Seq(0),
            broken: None,
            written,
        })
    }

    /// Whether something is to be written out that could not be.
    pub(crate) fn is_owing(&self) -> bool {
        self.broken.is_some()
    }

    /// Writes out what has come since. False: there was nothing, since an earlier dump has it already.
    ///
    /// # Errors
    /// It could not be written, or not whole; what is missing is owed.
    pub(crate) fn dump(&mut self) -> Result<bool, Error> {
        let life = self.life.clone();
        let core = life.core();
        let until = core.errands().dump_end();
        let (end, unfinished) = self.wait_for_end(until);
        let view = View {
            source: core.ring(),
            unfinished,
            clear_seq: Seq(core.control().clear_seq.load(Ordering::Relaxed)),
        };
        self.written.advance(end);
        self.look_for_broken(&view, until, end)?;
        let Some(broken) = self.broken.take() else {
            return Ok(false);
        };
        let outcome = self.write_out(&view, &broken, end);
        if outcome.is_err() {
            self.broken = Some(broken);
        }
        outcome.map(|()| true)
    }

    /// Where the ring ends, once that is behind all that has been marked; and how it is read up to there: a record in front
    /// of it that nobody finishes is passed.
    fn wait_for_end(&self, until: Seq) -> (Seq, Unfinished) {
        let core = self.life.core();
        let start = Instant::now();
        loop {
            let end = core.ring().next_seq();
            if end >= until {
                return (end, Unfinished::Wait);
            }
            if start.elapsed() >= GRACE {
                return (core.ring().next_reserve_seq(), Unfinished::Skip);
            }
            core.look_after_unfinished();
            std::thread::sleep(LOOK);
        }
    }

    /// Finds what has broken since the last look: before `until`, and what has come since.
    fn look_for_broken(&mut self, view: &Looked<'_>, until: Seq, end: Seq) -> Result<(), Error> {
        let view = &View {
            clear_seq: Seq(0),
            ..*view
        };
        let mut walk = Walk::new(if self.by_context { MAX_RECORD_BYTES } else { 0 });
        walk.iter.rewind(self.seen, end);
        while let Some((info, text)) = walk.next_record(view, end)? {
            if info.level > self.level || self.written.contains(info.seq) {
                continue;
            }
            let broken = match &mut self.broken {
                Some(broken) => {
                    broken.count();
                    broken
                }
                none => none.insert(Broken::found(&self.life, view, &info)?),
            };
            if self.by_context {
                broken.want_context(&info, text);
            } else {
                broken.want_window(&info);
            }
        }
        if self.broken.is_none() && until > self.seen {
            let newest = Seq(until.0.saturating_sub(1)); // overwritten before this look
            self.broken = Some(Broken::gone(newest, stamp::monotonic_nsec()));
        }
        // What was passed unfinished is looked at again.
        self.seen = self.seen.max(view.source.next_seq().min(end));
        Ok(())
    }

    /// Appends the window, in pieces.
    fn write_out(&mut self, view: &Looked<'_>, broken: &Broken, end: Seq) -> Result<(), Error> {
        let outlet = Outlet::append_to(&self.path)?;
        let mut piece = outlet.lead().to_vec();
        broken.announce(&mut piece)?;
        let mut walk = Walk::new(MAX_RECORD_BYTES);
        let wanted = broken.wanted(view, self.last, self.level)?;
        walk.iter.rewind(wanted.first, end);
        let life = self.life.clone();
        let form = Rendered {
            format: Format::Text,
            wall_nsec: |ts_nsec| life.wall_nsec(ts_nsec),
            sites: life.core().sites(),
            summed: true,
        };
        loop {
            let mut held = Vec::new();
            let is_last = self.fill((&mut piece, &mut held), &mut walk, view, &wanted, &form)?;
            write_all(&outlet, &self.path, &piece)?;
            held.into_iter().for_each(|seq| self.written.insert(seq));
            if is_last {
                return Ok(());
            }
            piece.clear();
        }
    }

    /// Appends records until there is enough for a write, and notes which. True: that was all.
    fn fill(
        &self,
        (piece, held): (&mut Vec<u8>, &mut Vec<Seq>),
        walk: &mut Walk,
        view: &Looked<'_>,
        wanted: &Wanted<'_>,
        form: &impl Form,
    ) -> Result<bool, Error> {
        while piece.len() < PIECE_BYTES {
            let (end, next) = (walk.iter.next_seq, walk.iter.cur_seq);
            let Some((info, text)) = walk.next_record(view, end)? else {
                return Ok(true);
            };
            self.tell_missing(piece, next.max(view.clear_seq), info.seq)?;
            if self.written.contains(info.seq) || !wanted.has(&info, text) {
                continue;
            }
            put(piece, |out| form.write(out, &info, text))?;
            held.push(info.seq);
        }
        Ok(false)
    }

    /// Says that records have gone meanwhile, unless the file has them.
    fn tell_missing(&self, piece: &mut Vec<u8>, from: Seq, to: Seq) -> Result<(), Error> {
        let is_missing = |seq: &u64| !self.written.contains(Seq(*seq));
        let first = (from.0..to.0).find(is_missing);
        first.map_or(Ok(()), |first| tell_lost(piece, Seq(first), to))
    }
}

/// Writes all of it, as long as the file takes something.
fn write_all(outlet: &Outlet, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let wrote = outlet.write(rest, PATIENCE)?;
        if wrote == 0 {
            let why = std::io::Error::from_raw_os_error(libc::ETIMEDOUT);
            return Err(Error::refused(path, "it takes nothing", &why));
        }
        rest = rest.get(wrote..).unwrap_or_default();
    }
    Ok(())
}

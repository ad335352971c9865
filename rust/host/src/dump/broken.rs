//! What a dump is for: the records that ask for one, and which of the others led up to them.

use super::text::{Last, first_of, put};
use super::{NO_END, Walk};
use crate::error::Error;
use crate::life::Life;
use pr_printk::core::MAX_RECORD_BYTES;
use pr_printk::dump::{Form, Rendered, View};
use pr_record::{Format, NoSites, Out, RecordView, decode};
use pr_ring::{RecordInfo, Region, Ring, Seq};

/// What is shown of the first record that a dump is for.
const MOST_SHOWN: usize = 1024;
/// So many contexts are told apart in one dump; of further ones it has the window.
const MOST_CONTEXTS: usize = 64;

/// Records for which a dump is owed.
#[derive(Debug)]
pub(super) struct Broken {
    /// The first.
    pub(super) seq: Seq,
    /// What it says; empty: it was gone before anybody looked.
    shown: Vec<u8>,
    /// How many more there are.
    more: u64,
    /// The first of those whose window is counted back from them, and its time.
    window: Option<(Seq, u64)>,
    /// Of the others one for each context, as it is stored: what was logged within it is wanted.
    contexts: Vec<Vec<u8>>,
}

/// Which records are wanted.
#[derive(Debug)]
pub(super) struct Wanted<'b> {
    /// Where they begin.
    pub(super) first: Seq,
    /// From here on all are.
    all_from: Seq,
    broken: &'b Broken,
    level: u8,
}

impl Broken {
    /// A record that was found.
    pub(super) fn found(
        life: &Life,
        view: &View<'_, Ring<Region>>,
        info: &RecordInfo,
    ) -> Result<Broken, Error> {
        let mut walk = Walk::new(MAX_RECORD_BYTES);
        walk.iter.rewind(info.seq, NO_END);
        let record = walk.next_record(view, Seq(info.seq.0.saturating_add(1)))?;
        Ok(Broken {
            seq: info.seq,
            shown: record.map_or_else(Vec::new, |(info, text)| shown(life, &info, text)),
            more: 0,
            window: None,
            contexts: Vec::new(),
        })
    }

    /// A record that is not there any more: what has come since is what there is.
    pub(super) fn gone(seq: Seq, now_nsec: u64) -> Broken {
        Broken {
            seq,
            shown: Vec::new(),
            more: 0,
            window: Some((seq, now_nsec)),
            contexts: Vec::new(),
        }
    }

    /// There is another one.
    pub(super) fn count(&mut self) {
        self.more += 1;
    }

    /// All that came just before this one is wanted.
    pub(super) fn want_window(&mut self, info: &RecordInfo) {
        self.window.get_or_insert((info.seq, info.ts_nsec));
    }

    /// What was logged within the same context as this one is wanted; if it has none, its window.
    pub(super) fn want_context(&mut self, info: &RecordInfo, text: &[u8]) {
        let record = decode(text, &NoSites).ok();
        let Some(record) = record.filter(RecordView::has_ambient) else {
            return self.want_window(info);
        };
        if self.is_within_one(&record) {
            return;
        }
        if self.contexts.len() < MOST_CONTEXTS {
            self.contexts.push(text.to_vec());
        } else {
            self.want_window(info);
        }
    }

    fn is_within_one(&self, record: &RecordView<'_>) -> bool {
        self.contexts.iter().any(|context| {
            decode(context, &NoSites).is_ok_and(|context| record.is_within(&context))
        })
    }

    /// Which records are wanted of those that there are.
    pub(super) fn wanted(
        &self,
        view: &View<'_, Ring<Region>>,
        last: Last,
        level: u8,
    ) -> Result<Wanted<'_>, Error> {
        let all_from = match self.window {
            Some((seq, ts_nsec)) => {
                let behind = Seq(seq.0.saturating_add(1));
                first_of(view, Some(last), behind, ts_nsec)?
            }
            None => NO_END,
        };
        let first = if self.contexts.is_empty() {
            all_from
        } else {
            first_of(view, None, NO_END, 0)?
        };
        Ok(Wanted {
            first,
            all_from,
            broken: self,
            level,
        })
    }

    /// The line that a dump begins with.
    pub(super) fn announce(&self, piece: &mut Vec<u8>) -> Result<(), Error> {
        let seq = self.seq.0;
        let more = match self.more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        put(piece, |out| {
            out.put(b"** dump for record ");
            out.put(seq.to_string().as_bytes());
            out.put(more.as_bytes());
            out.put(b": ");
            out.put(if self.shown.is_empty() {
                b"it is gone"
            } else {
                &self.shown
            });
            out.put(b" **\n");
            !out.is_truncated()
        })
    }
}

impl Wanted<'_> {
    /// Whether this one is.
    pub(super) fn has(&self, info: &RecordInfo, text: &[u8]) -> bool {
        info.seq >= self.all_from
            || (info.level <= self.level && info.seq >= self.broken.seq)
            || decode(text, &NoSites).is_ok_and(|record| self.broken.is_within_one(&record))
    }
}

/// A record in one line: when, its level, what it says.
fn shown(life: &Life, info: &RecordInfo, text: &[u8]) -> Vec<u8> {
    let form = Rendered {
        format: Format::Iso,
        wall_nsec: |ts_nsec| life.wall_nsec(ts_nsec),
        sites: life.core().sites(),
        summed: true,
    };
    let mut bytes = [0; MOST_SHOWN];
    let mut out = Out::new(&mut bytes);
    form.write(&mut out, info, text);
    let line = out.written().split(|byte| *byte == b'\n').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    line.into_owned().into_bytes()
}

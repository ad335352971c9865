//! Reading records one by one, from a log of this process or from a ring file of any.

use crate::error::Error;
use crate::foreign::ForeignFile;
use crate::log::Log;
use crate::whole;
use pr_printk::core::MAX_RECORD_BYTES;
use pr_printk::emit::meta_at;
use pr_printk::sum::is_changed;
use pr_record::Meta;
use pr_ring::{Read, RecordInfo, Seq, Unfinished};
use std::sync::Arc;

/// Room for most records.
const SHORT_RECORD_BYTES: usize = 2048;

/// Where records are read from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A log of this process.
    Log(Arc<Log>),
    /// A ring file, live or dead.
    File(Arc<ForeignFile>),
}

/// What a read found.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// A record; its payload is in the buffer.
    Record {
        /// Its number, times and ids.
        meta: Meta,
        /// It is complete, but its text cannot be had.
        torn: bool,
        /// Records passed over that a dead writer had not finished.
        unfinished: u64,
    },
    /// Nothing yet; nothing is there before `at`.
    NotYet {
        /// Where to ask again.
        at: u64,
        /// Records passed over that a dead writer had not finished.
        unfinished: u64,
    },
    /// Nothing, and nothing will come: the log is closed, or the file's owner is gone.
    Ended {
        /// Records passed over that a dead writer had not finished.
        unfinished: u64,
    },
}

/// Reads records from an [`Origin`]. Holds no place of its own: the caller names the number that it wants.
#[derive(Clone, Debug)]
pub struct RecordReader {
    origin: Origin,
}

impl RecordReader {
    /// A reader.
    pub fn new(origin: Origin) -> RecordReader {
        RecordReader { origin }
    }

    /// The first readable record at or after `seq`; its payload replaces what is in `buffer`. Never waits.
    ///
    /// # Errors
    /// The file was cut off, or is damaged.
    pub fn next(&self, seq: u64, buffer: &mut Vec<u8>) -> Result<Next, Error> {
        // Most records are short: a long one is read again into a buffer that holds it.
        for room in [SHORT_RECORD_BYTES, MAX_RECORD_BYTES] {
            buffer.resize(room, 0);
            let found = match &self.origin {
                Origin::Log(log) => from_log(log, seq, buffer),
                Origin::File(file) => from_file(file, seq, buffer)?,
            };
            if found.text_bytes <= room {
                buffer.truncate(found.text_bytes);
                self.complete(buffer)?;
                return Ok(found.next);
            }
        }
        Ok(Next::NotYet {
            at: seq,
            unfinished: 0,
        }) // it changed between the two: look again
    }

    /// Adds to a payload what its call site says.
    fn complete(&self, payload: &mut Vec<u8>) -> Result<(), Error> {
        if !whole::needs_site(payload) {
            return Ok(());
        }
        match &self.origin {
            Origin::Log(log) => whole::complete(payload, log.core().sites()),
            Origin::File(file) => whole::complete(payload, &*file.sites()?),
        }
        Ok(())
    }
}

/// What was found, and how long its payload is: the buffer may have been shorter.
struct Found {
    next: Next,
    text_bytes: usize,
}

impl Found {
    fn record(info: &RecordInfo, changed: bool, wall_nsec: u64, unfinished: u64) -> Found {
        // Longer than any log writes: damaged, or a bare ring's; its bytes are no record.
        let too_long = info.text_len as usize > MAX_RECORD_BYTES;
        let torn = info.torn || too_long || changed;
        Found {
            next: Next::Record {
                meta: meta_at(info, wall_nsec),
                torn,
                unfinished,
            },
            text_bytes: if torn { 0 } else { info.text_len as usize },
        }
    }

    fn nothing(at: Seq, unfinished: u64, ended: bool) -> Found {
        let next = if ended {
            Next::Ended { unfinished }
        } else {
            Next::NotYet {
                at: at.0,
                unfinished,
            }
        };
        Found {
            next,
            text_bytes: 0,
        }
    }
}

/// Whether this is not what was logged. Where the buffer was too short for it that is asked again.
fn is_other(info: &RecordInfo, buffer: &[u8], copied: usize) -> bool {
    let text = buffer.get(..copied).unwrap_or_default();
    copied == info.text_len as usize && is_changed(info, text)
}

fn from_log(log: &Log, seq: u64, buffer: &mut [u8]) -> Found {
    let life = log.life();
    let closed = log.is_closed();
    match life
        .core()
        .ring()
        .read_valid(Seq(seq), buffer, Unfinished::Wait)
    {
        Read::Found {
            info,
            copied,
            unfinished,
        } => Found::record(
            &info,
            is_other(&info, buffer, copied),
            life.wall_nsec(info.ts_nsec),
            unfinished,
        ),
        Read::NotYet { at, unfinished } => {
            if life.core().has_more(at) {
                life.core().look_after_unfinished();
            }
            Found::nothing(at, unfinished, closed)
        }
    }
}

fn from_file(file: &ForeignFile, seq: u64, buffer: &mut [u8]) -> Result<Found, Error> {
    // Looked up before the read: what a writer stored before it died is then there to be seen.
    let alive = file.is_alive()?;
    let mode = if alive {
        Unfinished::Wait
    } else {
        Unfinished::Skip
    };
    Ok(
        match pr_ring::reader::read_valid(file, Seq(seq), buffer, mode)? {
            Read::Found {
                info,
                copied,
                unfinished,
            } => Found::record(
                &info,
                file.plan().has_sums() && is_other(&info, buffer, copied),
                file.wall_nsec(info.ts_nsec),
                unfinished,
            ),
            Read::NotYet { at, unfinished } => Found::nothing(at, unfinished, !alive),
        },
    )
}

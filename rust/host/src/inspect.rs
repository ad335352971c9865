//! What a ring file knows of its log's counters and consoles: read from outside, without the owner's help.

use crate::error::Error;
use crate::foreign::ForeignFile;
use crate::plan::SectionKind;
use pr_printk::control::Control;
use pr_printk::registry::{ConsoleSlot, LEVEL_FOLLOWS, SLOT_BYTES, flag};
use pr_ring::layout::ring_offset;
use pr_ring::memory::Tails;
use pr_ring::reader::read_valid;
use pr_ring::{Read, Seq, Source, Unfinished};
use std::mem::offset_of;

/// Counters as a file holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStats {
    /// Records stored since the start.
    pub emitted: u64,
    /// Records readable now.
    pub records: u64,
    /// Records stored, and overwritten since.
    pub overwritten: u64,
    /// Records that the ring refused.
    pub failed: u64,
    /// Records that were cut to fit.
    pub truncated: u64,
    /// Bytes of text in use.
    pub bytes: u64,
    /// Bytes of the whole file.
    pub size_bytes: u64,
    /// Number of descriptors.
    pub descriptors: u64,
    /// Bytes of the text ring.
    pub data_bytes: u64,
    /// The consoles.
    pub consoles: Vec<FileConsole>,
}

/// A console as a file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileConsole {
    /// Its name.
    pub name: String,
    /// Its own level; None: it follows the log's.
    pub level: Option<u8>,
    /// The record it prints next.
    pub seq: u64,
    /// Records stored and not yet printed.
    pub lag: u64,
    /// Records overwritten before it came to them.
    pub dropped: u64,
    /// Failed writes.
    pub errors: u64,
    /// Neither suspended nor given up.
    pub enabled: bool,
}

impl ForeignFile {
    /// The clear mark.
    ///
    /// # Errors
    /// The file was cut off, or cannot be read.
    pub fn clear_seq(&self) -> Result<u64, Error> {
        Ok(word(
            &self.section_bytes(SectionKind::Control)?,
            offset_of!(Control, clear_seq),
        ))
    }

    /// All counters.
    ///
    /// # Errors
    /// The file was cut off, or cannot be read.
    pub fn stats(&self) -> Result<FileStats, Error> {
        let control = self.section_bytes(SectionKind::Control)?;
        let count = |at: usize| word(&control, at);
        let head = self.head()?;
        let data_tail = self.ring_word(ring_offset::TAILS + offset_of!(Tails, data_tail) as u64)?;
        let emitted = head
            .id
            .0
            .saturating_sub(count(offset_of!(Control, failed_seqs)));
        let records = self.readable()?;
        Ok(FileStats {
            emitted,
            records,
            overwritten: emitted.saturating_sub(records),
            failed: count(offset_of!(Control, failed)),
            truncated: count(offset_of!(Control, truncated)),
            bytes: head.pos.0.saturating_sub(data_tail),
            size_bytes: self.plan().file_bytes,
            descriptors: self.plan().geometry.descriptors(),
            data_bytes: self.plan().geometry.data_bytes(),
            consoles: self.consoles(head.id.0)?,
        })
    }

    /// How many records can be read now.
    fn readable(&self) -> Result<u64, Error> {
        let mode = if self.is_alive()? {
            Unfinished::Wait
        } else {
            Unfinished::Skip
        };
        let end = self.head()?.id.0;
        let (mut seq, mut count) = (Seq(0), 0);
        while seq.0 < end {
            match read_valid(self, seq, &mut [], mode)? {
                Read::Found { info, .. } => {
                    (seq, count) = (Seq(info.seq.0.saturating_add(1)), count + 1)
                }
                Read::NotYet { .. } => break,
            }
        }
        Ok(count)
    }

    /// The consoles. `newest` is the number after the newest record.
    fn consoles(&self, newest: u64) -> Result<Vec<FileConsole>, Error> {
        let section = self.section_bytes(SectionKind::Consoles)?;
        let used = |slot: &&[u8]| word(slot, offset_of!(ConsoleSlot, flags)) & flag::USED != 0;
        Ok(section
            .chunks_exact(SLOT_BYTES)
            .filter(used)
            .map(|slot| FileConsole::of(slot, newest))
            .collect())
    }
}

impl FileConsole {
    fn of(slot: &[u8], newest: u64) -> FileConsole {
        let field = |at: usize| word(slot, at);
        let flags = field(offset_of!(ConsoleSlot, flags));
        let (seq, level) = (
            field(offset_of!(ConsoleSlot, seq)),
            field(offset_of!(ConsoleSlot, level)),
        );
        let at = ConsoleSlot::NAME_AT;
        let name = slot
            .get(at..at + ConsoleSlot::NAME_BYTES)
            .unwrap_or_default();
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        FileConsole {
            name: String::from_utf8_lossy(name).into_owned(),
            level: (level != LEVEL_FOLLOWS).then_some((level & 7) as u8),
            seq,
            lag: newest.saturating_sub(seq),
            dropped: field(offset_of!(ConsoleSlot, dropped)),
            errors: field(offset_of!(ConsoleSlot, errors)),
            enabled: flags & flag::ENABLED != 0 && flags & (flag::SUSPENDED | flag::ABANDONED) == 0,
        }
    }
}

/// The word at byte `at` of a section; 0 behind its end.
fn word(section: &[u8], at: usize) -> u64 {
    let bytes = section
        .get(at..at + 8)
        .and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_ne_bytes)
}

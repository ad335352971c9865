//! What a ring file knows of its log's counters and consoles: read from outside, without the owner's help.

use crate::error::Error;
use crate::foreign::ForeignFile;
use crate::letters::{Letters, owner_name, preferred};
use crate::plan::SectionKind;
use pr_printk::control::Control;
use pr_printk::owner::Seen;
use pr_printk::registry::{ConsoleSlot, LEVEL_FOLLOWS, SLOT_BYTES, flag};
use pr_printk::sites::SectionHead;
use pr_record::Format;
use pr_record::render::FORMATS;
use pr_ring::layout::ring_offset;
use pr_ring::memory::{Counters, Tails};
use pr_ring::reader::read_valid;
use pr_ring::slots::Span;
use pr_ring::state::{Stage, State};
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
    /// Records whose threads died while they wrote them: lost.
    pub reaped: u64,
    /// Records that were cut to fit.
    pub truncated: u64,
    /// The other counters of the control page, by their names in `Stats`.
    pub counters: Vec<(&'static str, u64)>,
    /// Call sites that are described.
    pub sites: u64,
    /// Call sites that found no room.
    pub sites_refused: u64,
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
    /// Who printed on it at that moment, or when the owner of the file died.
    pub owner: Option<&'static str>,
    /// It has a printer that was not given up, in a process that lives.
    pub alive: bool,
    /// The letters of `/proc/consoles`, in their places.
    pub letters: String,
    /// How it writes; None: it is handed whole records, or in a format that this version does not know.
    pub format: Option<Format>,
    /// Where it prints, as far as the file keeps it.
    pub target: String,
    /// How far its sink can be relied on: 0 memory, 1 a file, 2 a pipe or a terminal, 3 what takes locks.
    pub class: u64,
}

/// Counters of the control page, each under its name there.
macro_rules! counters {
    ($count:ident: $($name:ident)*) => {
        vec![$((stringify!($name), $count(offset_of!(Control, $name)))),*]
    };
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
        let text_tail = self.text_tail()?;
        let reaped = self.ring_word(ring_offset::COUNTERS + offset_of!(Counters, reaped) as u64)?;
        let lost = count(offset_of!(Control, failed_seqs)).saturating_add(reaped);
        let emitted = head.id.0.saturating_sub(lost);
        let records = self.readable()?;
        Ok(FileStats {
            emitted,
            records,
            overwritten: emitted.saturating_sub(records),
            failed: count(offset_of!(Control, failed)),
            reaped,
            truncated: count(offset_of!(Control, truncated)),
            counters: counters!(count: torn suppressed recursion_dropped block_timeouts report_timeouts left_behind
                panic_dropped syncs sync_errors syncs_left dumps dump_errors),
            sites: self.site_count(offset_of!(SectionHead, described))?,
            sites_refused: self.site_count(offset_of!(SectionHead, refused))?,
            bytes: head.pos.0.saturating_sub(text_tail),
            size_bytes: self.plan().file_bytes,
            descriptors: self.plan().geometry.descriptors(),
            data_bytes: self.plan().geometry.data_bytes(),
            consoles: self.consoles()?,
        })
    }

    /// A word of the sites section's head; 0 where a bare ring has none.
    fn site_count(&self, at: usize) -> Result<u64, Error> {
        let section = self.plan().section(SectionKind::Sites);
        match section.bytes {
            0 => Ok(0),
            _ => self.word(section.offset + at as u64),
        }
    }

    /// Where the text in use begins: at `data_tail`, or with the oldest record if that has text and begins later.
    fn text_tail(&self) -> Result<u64, Error> {
        let told = self.ring_word(ring_offset::TAILS + offset_of!(Tails, data_tail) as u64)?;
        let oldest = self.tails()?.tail;
        let span = self.contents(oldest)?.span;
        self.barrier();
        let whole = self.state(oldest)? == State::new(oldest, Stage::Finalized);
        Ok(match span {
            Span::Block { begin, .. } if whole => told.max(begin.0),
            _ => told,
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

    /// The consoles, in the order they were added, those included that were given up with their sinks stuck.
    ///
    /// # Errors
    /// The file was cut off, or cannot be read.
    pub fn consoles(&self) -> Result<Vec<FileConsole>, Error> {
        let newest = self.head()?.id.0;
        let alive = self.is_alive()?;
        let section = self.section_bytes(SectionKind::Consoles)?;
        let mut slots: Vec<SlotWords<'_>> =
            section.chunks_exact(SLOT_BYTES).map(SlotWords).collect();
        slots.retain(SlotWords::is_described);
        slots.sort_by_key(|slot| slot.word(offset_of!(ConsoleSlot, number)));
        // One that was given up is no console of the log any more, and stands for nothing.
        let listed = slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.has(flag::ENABLED));
        let preferred = preferred(listed.map(|(at, slot)| (at, slot.has(flag::BOOT))));
        let consoles = slots.iter().enumerate();
        Ok(consoles
            .map(|(at, slot)| slot.console(newest, alive, Some(at) == preferred))
            .collect())
    }
}

/// A copy of a slot.
struct SlotWords<'a>(&'a [u8]);

impl SlotWords<'_> {
    fn word(&self, at: usize) -> u64 {
        word(self.0, at)
    }

    fn has(&self, bits: u64) -> bool {
        self.word(offset_of!(ConsoleSlot, flags)) & bits == bits
    }

    /// Whether it is a console, and not one that is just being added.
    fn is_described(&self) -> bool {
        self.has(flag::USED) && (self.has(flag::ENABLED) || self.has(flag::ABANDONED))
    }

    /// Text that is padded with zeros; whatever stands there.
    fn text(&self, at: usize, bytes: usize) -> String {
        let text = self.0.get(at..at + bytes).unwrap_or_default();
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    fn console(&self, newest: u64, alive: bool, preferred: bool) -> FileConsole {
        let seq = self.word(offset_of!(ConsoleSlot, seq));
        let level = self.word(offset_of!(ConsoleSlot, level));
        let format = usize::try_from(self.word(offset_of!(ConsoleSlot, format)));
        let class = self.word(offset_of!(ConsoleSlot, class));
        let enabled =
            self.has(flag::ENABLED) && !self.has(flag::SUSPENDED) && !self.has(flag::ABANDONED);
        let letters = Letters {
            enabled,
            preferred,
            flags: self.word(offset_of!(ConsoleSlot, flags)),
            class,
        };
        FileConsole {
            name: self.text(ConsoleSlot::NAME_AT, ConsoleSlot::NAME_BYTES),
            level: (level != LEVEL_FOLLOWS).then_some((level & 7) as u8),
            seq,
            lag: newest.saturating_sub(seq),
            dropped: self.word(offset_of!(ConsoleSlot, dropped)),
            errors: self.word(offset_of!(ConsoleSlot, errors)),
            enabled,
            owner: owner_name(Seen::of(self.word(offset_of!(ConsoleSlot, owner)))),
            alive: alive && self.has(flag::ALIVE) && !self.has(flag::ABANDONED),
            letters: letters.text(),
            format: format.ok().and_then(|format| FORMATS.get(format).copied()),
            target: self.text(ConsoleSlot::TARGET_AT, ConsoleSlot::TARGET_BYTES),
            class,
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

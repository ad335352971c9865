//! The consoles section of a ring file: a fixed table, one slot of 256 bytes a console. The printers write it, anybody may
//! read it, also another process and after the owner's death.

use crate::owner::OwnerWord;
use core::sync::atomic::{AtomicU64, Ordering};

/// How many consoles a log may have at a time.
pub const SLOTS: usize = 32;
/// Bytes of a slot.
pub const SLOT_BYTES: usize = 256;
/// A console that has no level of its own follows the log's console level.
pub const LEVEL_FOLLOWS: u64 = u64::MAX;

/// The format of a console that is handed whole records.
pub const NO_FORMAT: u64 = u64::MAX;

/// Bits of [`ConsoleSlot::flags`].
pub mod flag {
    /// The slot is a console.
    pub const USED: u64 = 1;
    /// It prints.
    pub const ENABLED: u64 = 1 << 1;
    /// It was asked to pause.
    pub const SUSPENDED: u64 = 1 << 2;
    /// It has a printer thread.
    pub const ALIVE: u64 = 1 << 3;
    /// Writers wait for it rather than overwrite what it has not printed.
    pub const BLOCKS: u64 = 1 << 5;
    /// It was removed while its sink was stuck; its thread calls nothing more.
    pub const ABANDONED: u64 = 1 << 6;
    /// Its sink or its format is Python's: only its own thread, attached to the interpreter, can print on it.
    pub const PYTHON: u64 = 1 << 7;
    /// It goes when the first console without this bit comes.
    pub const BOOT: u64 = 1 << 8;
    /// It began with the oldest record there was.
    pub const REPLAY: u64 = 1 << 9;
    /// What its sink took last did not end its line.
    pub const OPEN_LINE: u64 = 1 << 11;
}

/// One console.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct ConsoleSlot {
    /// Bits of [`flag`].
    pub flags: AtomicU64,
    /// The record it prints next: moved only after the sink took everything before.
    pub seq: AtomicU64,
    /// Where the text of what it has printed ends.
    pub pos: AtomicU64,
    /// Records overwritten before it came to them.
    pub dropped: AtomicU64,
    /// Failed writes.
    pub errors: AtomicU64,
    /// Its own level, or [`LEVEL_FOLLOWS`].
    pub level: AtomicU64,
    /// Records printed.
    pub printed: AtomicU64,
    /// Bytes that its sink took.
    pub bytes: AtomicU64,
    /// The ownership word.
    pub owner: OwnerWord,
    /// Records below were begun to be printed.
    pub prev_seq: AtomicU64,
    /// How far its sink can be relied on: 0 memory, 1 a file, 2 a pipe or a terminal, 3 what takes locks.
    pub class: AtomicU64,
    /// How it writes a record: the number of a format, or [`NO_FORMAT`].
    pub format: AtomicU64,
    /// Its number among all consoles that this life of the log has had: of two, the one added first has the lower.
    pub number: AtomicU64,
    spare: [AtomicU64; 3],
    name: [AtomicU64; 8],
    target: [AtomicU64; 8],
}

const _: () = assert!(size_of::<ConsoleSlot>() == SLOT_BYTES);

impl ConsoleSlot {
    /// Where the name stands in a slot, zero-padded.
    pub const NAME_AT: usize = core::mem::offset_of!(ConsoleSlot, name);
    /// Bytes of the name.
    pub const NAME_BYTES: usize = 64;
    /// Where the target stands in a slot, zero-padded.
    pub const TARGET_AT: usize = core::mem::offset_of!(ConsoleSlot, target);
    /// Bytes of the target.
    pub const TARGET_BYTES: usize = 64;

    /// Whether all of these bits are set.
    #[inline]
    pub fn has(&self, bits: u64) -> bool {
        self.flags.load(Ordering::Relaxed) & bits == bits
    }

    /// Sets bits.
    pub fn set(&self, bits: u64) {
        self.flags.fetch_or(bits, Ordering::SeqCst);
    }

    /// Clears bits.
    pub fn clear(&self, bits: u64) {
        self.flags.fetch_and(!bits, Ordering::SeqCst);
    }

    /// Takes the slot for a new console, if nobody has it. Its flags are set last, when the rest is there.
    pub fn describe(&self, name: &str, target: &str, level: Option<u8>, seq: u64, pos: u64) {
        put_text(&self.name, name);
        put_text(&self.target, target);
        self.level
            .store(level.map_or(LEVEL_FOLLOWS, u64::from), Ordering::Relaxed);
        self.seq.store(seq, Ordering::Relaxed);
        self.pos.store(pos, Ordering::Relaxed);
        for counter in [
            &self.dropped,
            &self.errors,
            &self.printed,
            &self.bytes,
            &self.prev_seq,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        self.owner.reset();
    }

    /// Says what kind of console it is. Part of describing it.
    pub fn classify(&self, class: u64, format: u64, number: u64) {
        self.class.store(class, Ordering::Relaxed);
        self.format.store(format, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
    }

    /// What it prints at least: its own level or the log's.
    #[inline]
    pub fn effective_level(&self, console_level: u64) -> u64 {
        match self.level.load(Ordering::Relaxed) {
            LEVEL_FOLLOWS => console_level,
            own => own,
        }
    }

    /// The name's bytes, zero-padded.
    pub fn name(&self) -> [u8; 64] {
        get_text(&self.name)
    }
}

/// Stores up to 64 bytes of text, zero-padded, cut at a character boundary.
fn put_text(words: &[AtomicU64; 8], text: &str) {
    let mut end = text.len().min(64);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut bytes = text.as_bytes().iter().take(end);
    for word in words {
        let mut whole = [0_u8; 8];
        for (to, from) in whole.iter_mut().zip(&mut bytes) {
            *to = *from;
        }
        word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
    }
}

fn get_text(words: &[AtomicU64; 8]) -> [u8; 64] {
    let mut bytes = [0_u8; 64];
    for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
    bytes
}

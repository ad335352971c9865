//! The control page: the one page of a ring file that may be written from outside, and the counters.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// The page, laid over the control section. Every field is one relaxed word: nothing else hangs on it.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Control {
    /// The least severe level that is stored, 0 to 7; with [`RULED`] while there are rules.
    pub level: AtomicU64,
    /// The least severe level that a console without its own prints, 0 to 7.
    pub console_level: AtomicU64,
    /// The clear mark: a record number.
    pub clear_seq: AtomicU64,
    spare: [AtomicU64; 5],
    /// Records that the ring refused.
    pub failed: AtomicU64,
    /// Of these, the ones that used up a number.
    pub failed_seqs: AtomicU64,
    /// Records that were cut to fit.
    pub truncated: AtomicU64,
    /// Records that a rate limit held back.
    pub suppressed: AtomicU64,
    /// Log calls dropped because the thread was too deep in log calls.
    pub recursion_dropped: AtomicU64,
    /// Records stored although a console asked its callers to wait, because the wait was over.
    pub block_timeouts: AtomicU64,
    /// Records that a console could not decode.
    pub torn: AtomicU64,
    /// Records that were to be on a console before their call returned, and were left to its printer.
    pub left_behind: AtomicU64,
    /// Records stored in the middle of another thread's report, because the wait for its end was over; and reports that
    /// held others up for too long.
    pub report_timeouts: AtomicU64,
    /// Log calls dropped because another thread panicked.
    pub panic_dropped: AtomicU64,
    /// How often the memory was synced because a record asked for it.
    pub syncs: AtomicU64,
    /// How often that failed.
    pub sync_errors: AtomicU64,
    /// Records that asked for it in places where nothing waits: left to a thread.
    pub syncs_left: AtomicU64,
    /// Dumps written because a record asked for it.
    pub dumps: AtomicU64,
    /// Those that could not be written, or not whole.
    pub dump_errors: AtomicU64,
    more: [AtomicU64; 1],
}

const _: () = assert!(size_of::<Control>() == 192);

/// In [`Control::level`]: there are rules, which may want records that no level does.
pub const RULED: u64 = 1 << 8;
/// In [`Control::level`]: the level.
pub const LEVEL_BITS: u64 = 7;

/// Where the rules lie in the control section.
pub const RULES_AT: usize = 512;
/// Words of their text.
const RULE_WORDS: usize = 440;

/// The rules of dynamic debug, laid over the rest of the control section: a text that may be replaced from outside.
///
/// Whoever replaces it makes the number odd, and even again when it is done.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Rules {
    /// How often the text was begun to be replaced, and how often that was done.
    pub number: AtomicU64,
    /// Its length in bytes.
    pub length: AtomicU64,
    spare: [AtomicU64; 6],
    text: [AtomicU64; RULE_WORDS],
}

const _: () = assert!(RULES_AT + size_of::<Rules>() <= 4096);

impl Rules {
    /// Where the text lies.
    pub const TEXT_AT: usize = offset_of!(Rules, text);
    /// The longest text, in bytes.
    pub const MOST_BYTES: usize = 8 * RULE_WORDS;

    /// Copies the text into `out`, which has [`Rules::MOST_BYTES`]: its number and its length. None: it is being replaced.
    pub fn read(&self, out: &mut [u8]) -> Option<(u64, usize)> {
        let number = self.number.load(Ordering::Acquire); // ORD(rules_read:A) pairs with ORD(rules_end:A)
        if number & 1 != 0 {
            return None;
        }
        let length = self.copy(out);
        fence(Ordering::Acquire); // ORD(rules_read:B) pairs with ORD(rules_begin:A)
        (self.number.load(Ordering::Relaxed) == number).then_some((number, length))
    }

    /// The same by whom it is claimed.
    pub fn read_claimed(&self, out: &mut [u8]) -> usize {
        self.copy(out)
    }

    fn copy(&self, out: &mut [u8]) -> usize {
        for (word, bytes) in self.text.iter().zip(out.chunks_mut(8)) {
            let word = word.load(Ordering::Relaxed).to_ne_bytes();
            for (to, from) in bytes.iter_mut().zip(word) {
                *to = from;
            }
        }
        let length = self.length.load(Ordering::Relaxed) as usize;
        length.min(Rules::MOST_BYTES).min(out.len())
    }

    /// Claims the text for replacing it. None: somebody else is at it.
    pub fn begin(&self) -> Option<u64> {
        let number = self.number.load(Ordering::Relaxed);
        if number & 1 != 0 {
            return None;
        }
        let odd = number.wrapping_add(1);
        let claimed =
            self.number
                .compare_exchange(number, odd, Ordering::AcqRel, Ordering::Relaxed);
        fence(Ordering::Release); // ORD(rules_begin:A)
        claimed.ok().map(|_| odd)
    }

    /// Takes over what somebody has begun and not ended, who must be gone.
    pub fn take_over(&self, seen: u64) -> Option<u64> {
        let odd = seen.wrapping_add(2);
        let taken = self
            .number
            .compare_exchange(seen, odd, Ordering::AcqRel, Ordering::Relaxed);
        fence(Ordering::Release); // ORD(rules_begin:A)
        taken.ok().map(|_| odd)
    }

    /// Replaces the text that was claimed, and lets go of it.
    pub fn end(&self, odd: u64, text: &[u8]) {
        for (word, bytes) in self.text.iter().zip(text.chunks(8)) {
            let mut whole = [0; 8];
            for (to, from) in whole.iter_mut().zip(bytes) {
                *to = *from;
            }
            word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
        let length = text.len().min(Rules::MOST_BYTES) as u64;
        self.length.store(length, Ordering::Relaxed);
        // Not if it was taken over meanwhile, because this took too long.
        let even = odd.wrapping_add(1);
        let _ = self
            .number
            .compare_exchange(odd, even, Ordering::Release, Ordering::Relaxed); // ORD(rules_end:A)
    }
}

/// Adds one to a counter.
#[inline]
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

//! Payloads that check themselves: every byte follows from the record's seed, which stands in its metadata.

use pr_ring::Info;

/// xorshift64*: good enough to shake with.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// Bytes of a fragment that a reopener appends.
pub const FRAGMENT: usize = 5;
/// `flags` of a record that may be reopened.
pub const REOPENABLE: u8 = 1;
/// No text here is longer.
pub const LONGEST: usize = 1024;

/// Byte `at` of the text of the record with this seed.
pub fn byte(seed: u64, at: usize) -> u8 {
    (seed
        .wrapping_add(at as u64 / 8)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        >> (at % 8 * 8)) as u8
}

/// Bytes `from..from + out.len()` of the text.
pub fn fill(seed: u64, from: usize, out: &mut [u8]) {
    for (at, to) in out.iter_mut().enumerate() {
        *to = byte(seed, from + at);
    }
}

/// What stands beside the text: seed, its complement, and the first fragment's length.
pub fn info(seed: u64, len: usize, caller_id: u64, flags: u8) -> Info {
    Info {
        ts_nsec: seed,
        aux: !seed ^ (len as u64) << 32,
        caller_id,
        level: (seed % 8) as u8,
        facility: 1,
        flags,
        owner: owner(caller_id),
    }
}

/// Each thread is an owner, and so is the handler on each thread that it interrupts.
pub fn owner(caller_id: u64) -> u64 {
    if caller_id != crate::signal::CALLER {
        return caller_id;
    }
    // SAFETY: a system call without arguments.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) } as u64;
    caller_id << 32 | tid
}

/// What is wrong with a record, if anything.
pub fn fault(info: &pr_ring::RecordInfo, text: &[u8]) -> Option<&'static str> {
    let first = ((info.aux ^ !info.ts_nsec) >> 32) as usize;
    let len = info.text_len as usize;
    if info.torn {
        return Some("torn");
    }
    if info.level != (info.ts_nsec % 8) as u8 || info.facility != 1 || first > LONGEST {
        return Some("mixed metadata");
    }
    let extended =
        info.flags == REOPENABLE && len > first && (len - first).is_multiple_of(FRAGMENT);
    if len != first && !extended {
        return Some("wrong length");
    }
    let wrong = text
        .iter()
        .enumerate()
        .any(|(at, &got)| got != byte(info.ts_nsec, at));
    wrong.then_some("mixed text")
}

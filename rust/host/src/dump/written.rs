//! Which records of a ring a file has already.

use pr_ring::Seq;

/// A bit for each record that a ring can hold at once.
#[derive(Debug)]
pub(super) struct Written {
    bits: Vec<u64>,
    /// The number after the newest record that was ever asked about.
    end: u64,
}

impl Written {
    /// For a ring of so many records, a power of two.
    pub(super) fn new(descriptors: u64) -> Written {
        Written {
            bits: vec![0; words(descriptors) as usize],
            end: 0,
        }
    }

    /// Records up to `end` can be asked about from now on; those that they have pushed out of the ring are forgotten.
    pub(super) fn advance(&mut self, end: Seq) {
        let room = self.bits.len() as u64 * 64;
        if end.0.saturating_sub(self.end) >= room {
            self.bits.fill(0);
        } else {
            (self.end..end.0).for_each(|seq| self.set(seq, false));
        }
        self.end = self.end.max(end.0);
    }

    /// The file has it now.
    pub(super) fn insert(&mut self, seq: Seq) {
        self.set(seq.0, true);
    }

    /// Whether the file has it.
    pub(super) fn contains(&self, seq: Seq) -> bool {
        let room = self.bits.len() as u64 * 64;
        let is_known = seq.0 < self.end && self.end - seq.0 <= room;
        let word = self.bits.get((seq.0 % room / 64) as usize);
        is_known && word.is_some_and(|word| word >> (seq.0 % 64) & 1 != 0)
    }

    fn set(&mut self, seq: u64, on: bool) {
        let room = self.bits.len() as u64 * 64;
        if let Some(word) = self.bits.get_mut((seq % room / 64) as usize) {
            let bit = 1 << (seq % 64);
            *word = if on { *word | bit } else { *word & !bit };
        }
    }
}

fn words(descriptors: u64) -> u64 {
    descriptors.div_ceil(64).max(1)
}

/// The memory that this takes, in bytes.
pub(crate) fn written_bytes(descriptors: u64) -> u64 {
    words(descriptors) * 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn what_is_in_the_ring_is_remembered_and_what_has_left_it_is_not_taken_for_what_came() {
        for descriptors in [2_u64, 64, 128] {
            let room = words(descriptors) * 64;
            let (mut written, mut known) = (Written::new(descriptors), HashSet::new());
            let mut end = 0;
            for step in [1, 3, room - 1, room, room + 1, 7 * room, 5] {
                end += step;
                written.advance(Seq(end));
                for seq in (end.saturating_sub(room)..end).filter(|seq| seq % 3 == 0) {
                    written.insert(Seq(seq));
                    known.insert(seq);
                }
                for seq in end.saturating_sub(room)..end + 2 * room {
                    let told = written.contains(Seq(seq));
                    assert_eq!(told, seq < end && known.contains(&seq), "{seq} of {end}");
                }
            }
        }
    }
}

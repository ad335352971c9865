//! What wall clock and monotonic clock differed by, and since when: a table in the owner's block.
//!
//! Records carry monotonic time. A reader adds the offset that was sampled nearest before them. The two clocks drift
//! apart only when somebody sets the wall clock or the machine sleeps, so that 64 samples last.
//!
//! One thread of the owner writes, anybody may read, also another process and after the owner's death. Sample n lies in
//! entry 0 if it is the first, which is never overwritten, else in entry `1 + (n - 1) % 63`. `count` is raised after the
//! entry is there. A reader takes the count before and after its copy: what may have been overwritten meanwhile is
//! known by its number, and left out.

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};

/// Entries of the table.
pub const ENTRIES: usize = 64;
/// Entries that are used again; the first is not.
const CYCLE: u64 = ENTRIES as u64 - 1;
/// A sample is kept when the offset has moved by more than this.
pub const STEP_NSEC: u64 = 1_000_000;

/// One sample.
#[repr(C)]
#[derive(Debug, Default)]
pub struct ClockEntry {
    /// Monotonic time of the sample.
    pub mono_nsec: AtomicU64,
    /// Wall time minus monotonic time.
    pub offset_nsec: AtomicI64,
}

/// The table, as it lies in the file.
#[repr(C)]
#[derive(Debug)]
pub struct ClockTable {
    /// Samples kept so far, those overwritten included.
    pub count: AtomicU64,
    /// Not 0 while a thread of the owner writes.
    pub writing: AtomicU64,
    spare: [AtomicU64; 6],
    /// The samples.
    pub entries: [ClockEntry; ENTRIES],
}

/// A sample that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) mono_nsec: u64,
    pub(crate) offset_nsec: i64,
}

impl ClockTable {
    /// Keeps what the clocks say, read one right after the other, if they have moved against each other.
    pub fn sample(&self, mono_nsec: u64, wall_nsec: u64) {
        if self.writing.swap(1, Ordering::Acquire) != 0 {
            return; // another thread is at it
        }
        let offset_nsec = wall_nsec.wrapping_sub(mono_nsec).cast_signed();
        let count = self.count.load(Ordering::Relaxed);
        let last = count.checked_sub(1).map(|last| self.entry(last));
        let moved = last.is_none_or(|last| {
            let before = last.offset_nsec.load(Ordering::Relaxed);
            before.abs_diff(offset_nsec) > STEP_NSEC
        });
        if moved {
            // Pairs with the fence of a reader: who sees a word of this entry sees the count that makes it doubtful.
            fence(Ordering::Release);
            let entry = self.entry(count);
            entry.mono_nsec.store(mono_nsec, Ordering::Relaxed);
            entry.offset_nsec.store(offset_nsec, Ordering::Relaxed);
            self.count.store(count + 1, Ordering::Release);
        }
        self.writing.store(0, Ordering::Release);
    }

    /// The wall time of a monotonic time.
    pub fn wall_nsec(&self, ts_nsec: u64) -> u64 {
        let look = |count| nearest(kept(count).map(|sample| self.read(sample)), ts_nsec);
        let before = self.count.load(Ordering::Acquire);
        let mut found = look(before);
        fence(Ordering::Acquire);
        let after = self.count.load(Ordering::Acquire);
        if before != after {
            // The owner sampled meanwhile, which happens once a second at most: this count will hold for a while.
            found = look(after);
        }
        ts_nsec.wrapping_add_signed(found.map_or(0, |sample| sample.offset_nsec))
    }

    fn read(&self, sample: u64) -> Sample {
        let entry = self.entry(sample);
        Sample {
            mono_nsec: entry.mono_nsec.load(Ordering::Relaxed),
            offset_nsec: entry.offset_nsec.load(Ordering::Relaxed),
        }
    }

    fn entry(&self, sample: u64) -> &ClockEntry {
        &self.entries[index_of(sample)]
    }
}

/// The entry of the sample with this number.
pub(crate) fn index_of(sample: u64) -> usize {
    match sample.checked_sub(1) {
        None => 0,
        Some(later) => 1 + (later % CYCLE) as usize,
    }
}

/// Of `count` samples, those whose entries nobody may be overwriting, newest first. The oldest entry of the cycle is the
/// one that the next sample goes to.
pub(crate) fn kept(count: u64) -> impl Iterator<Item = u64> {
    let oldest = count.saturating_sub(CYCLE - 1).max(1);
    let first = (count > 0).then_some(0);
    (oldest..count).rev().chain(first)
}

/// Of samples, newest first, the one nearest before a time; the first one for a time before all of them.
pub(crate) fn nearest(samples: impl Iterator<Item = Sample>, ts_nsec: u64) -> Option<Sample> {
    let mut last = None;
    for sample in samples {
        last = Some(sample);
        if sample.mono_nsec <= ts_nsec {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Box<ClockTable> {
        Box::new(ClockTable {
            count: AtomicU64::new(0),
            writing: AtomicU64::new(0),
            spare: Default::default(),
            entries: core::array::from_fn(|_| ClockEntry::default()),
        })
    }

    #[test]
    fn a_time_gets_the_offset_sampled_nearest_before_it() {
        let table = table();
        table.sample(1_000, 10_000_000_000);
        table.sample(2_000_000, 20_002_000_000);
        let (first, second) = (10_000_000_000 - 1_000, 20_002_000_000 - 2_000_000);
        assert_eq!(table.wall_nsec(1_000), 1_000 + first);
        assert_eq!(table.wall_nsec(1_999_999), 1_999_999 + first);
        assert_eq!(table.wall_nsec(2_000_000), 2_000_000 + second);
        assert_eq!(table.wall_nsec(9_000_000), 9_000_000 + second);
        assert_eq!(table.wall_nsec(0), first, "before all samples");
    }

    #[test]
    fn an_empty_table_adds_nothing() {
        assert_eq!(table().wall_nsec(17), 17);
    }

    #[test]
    fn small_movements_are_not_kept() {
        let table = table();
        for n in 0..1000 {
            table.sample(n, 5_000_000_000 + n + n % STEP_NSEC);
        }
        assert_eq!(table.count.load(Ordering::Relaxed), 1);
        table.sample(1000, 5_000_000_000 + 1000 + STEP_NSEC + 1);
        assert_eq!(table.count.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_clock_set_back_is_kept_too() {
        let table = table();
        table.sample(100, 1_000_000_000);
        table.sample(200, 0);
        assert_eq!(table.wall_nsec(250), 50);
    }

    #[test]
    fn a_full_table_keeps_the_first_sample_and_the_newest() {
        let table = table();
        let offset = |n: u64| 1_000_000_000 + n * 2 * STEP_NSEC;
        for n in 0..500 {
            table.sample(n * 100, n * 100 + offset(n));
        }
        assert_eq!(table.wall_nsec(0), offset(0));
        for n in 500 - (CYCLE - 1)..500 {
            assert_eq!(table.wall_nsec(n * 100 + 7), n * 100 + 7 + offset(n), "{n}");
        }
    }

    #[test]
    fn the_entry_that_the_next_sample_goes_to_is_never_relied_on() {
        for count in 1..500 {
            let relied: Vec<_> = kept(count).collect();
            assert!(
                relied
                    .iter()
                    .all(|sample| index_of(*sample) != index_of(count)),
                "{count}"
            );
            assert_eq!(relied.len() as u64, count.min(CYCLE));
            assert!(relied.is_sorted_by(|newer, older| newer > older));
        }
        assert_eq!(kept(0).count(), 0);
        assert_eq!(kept(u64::MAX).count() as u64, CYCLE);
    }

    #[test]
    fn a_reader_beside_the_writer_never_sees_a_torn_sample() {
        // The offset tells the time of its sample, so that a mixed entry shows.
        let table = table();
        let offset = |n: u64| n * 2 * STEP_NSEC;
        let rounds = 20_000;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1..rounds {
                    table.sample(n, n + offset(n));
                }
            });
            let mut seen = 0;
            while seen + 1 < rounds {
                let before = table.count.load(Ordering::Acquire);
                let samples: Vec<_> = (0..before.min(64))
                    .map(|n| before - 1 - n)
                    .map(|n| (n, table.read(n)))
                    .collect();
                fence(Ordering::Acquire);
                let after = table.count.load(Ordering::Relaxed);
                let safe: Vec<_> = kept(after).collect();
                for (n, sample) in samples {
                    if safe.contains(&n) {
                        assert_eq!(sample.mono_nsec, n + 1);
                        assert_eq!(sample.offset_nsec, offset(n + 1).cast_signed());
                    }
                }
                seen = after;
            }
        });
    }
}

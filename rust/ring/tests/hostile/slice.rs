//! A ring section as bytes that nobody vouches for, read as a file is. Also what `fuzz/targets/attach.rs` runs.
#![allow(
    clippy::disallowed_types,
    reason = "counts what one reader does; no part of a ring"
)]

use core::cell::Cell;
use pr_ring::head::{Head, HeadWord};
use pr_ring::layout::{SLOT_BYTES, ring_offset};
use pr_ring::reader::{TailWords, next_seq, read_valid};
use pr_ring::slots::SlotCopy;
use pr_ring::state::State;
use pr_ring::{DescId, Geometry, Read, Seq, Source, Unfinished};

/// The bytes end too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

/// A ring section of this geometry.
pub struct Slice<'a> {
    pub bytes: &'a [u8],
    pub geometry: Geometry,
    /// How many accesses the present read may still make.
    left: Cell<u64>,
}

impl Slice<'_> {
    /// Begins to read. All reads of a walk together look at each record of a ring at most three times, with less than
    /// sixteen accesses.
    fn begin(&self) -> &Self {
        self.left.set(3 * 16 * (self.geometry.descriptors() + 4));
        self
    }

    fn at(&self, offset: u64, len: usize) -> Result<&[u8], Cut> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.expect("a read comes to an end"));
        let end = offset.checked_add(len as u64);
        assert!(
            end.is_some_and(|end| end <= self.geometry.ring_bytes()),
            "{len} bytes at {offset} are not the ring's"
        );
        let from = usize::try_from(offset).map_err(|_| Cut)?;
        self.bytes
            .get(from..)
            .and_then(|rest| rest.get(..len))
            .ok_or(Cut)
    }

    fn word(&self, offset: u64) -> Result<u64, Cut> {
        let bytes = self.at(offset, 8)?;
        Ok(u64::from_ne_bytes(bytes.try_into().map_err(|_| Cut)?))
    }

    fn slot_at(&self, id: DescId) -> u64 {
        ring_offset::SLOTS + id.0 % self.geometry.descriptors() * SLOT_BYTES
    }
}

impl Source for Slice<'_> {
    type Error = Cut;
    type Slot<'s>
        = u64
    where
        Self: 's;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn head(&self) -> Result<Head, Cut> {
        Ok(HeadWord::decode(
            self.word(ring_offset::HEAD)?,
            self.word(ring_offset::HEAD + 8)?,
        ))
    }

    fn tails(&self) -> Result<TailWords, Cut> {
        Ok(TailWords::from_words(
            self.word(ring_offset::TAILS)?,
            self.word(ring_offset::TAILS + 8)?,
        ))
    }

    fn slot(&self, id: DescId) -> u64 {
        self.slot_at(id)
    }

    fn state(&self, slot: u64) -> Result<State, Cut> {
        Ok(State(self.word(slot)?))
    }

    fn contents(&self, slot: u64) -> Result<SlotCopy, Cut> {
        let word = |index: u64| self.word(slot + index * 8);
        Ok(SlotCopy::from_words(
            word(1)?,
            word(2)?,
            word(3)?,
            word(4)?,
            word(5)?,
            word(7)?,
        ))
    }

    fn text(&self, header: u64, text: &mut [u8]) -> Result<u64, Cut> {
        let offset = self.geometry.text_offset() + header * 8;
        text.copy_from_slice(self.at(offset + 8, text.len())?);
        self.word(offset)
    }

    fn barrier(&self) {}
}

/// Everything a reader does, on any bytes: it ends, never goes back, and stays within what a ring can hold. The first two
/// bytes choose the geometry. How many records were found.
pub fn exercise(bytes: &[u8]) -> u64 {
    let (&[desc, avg], section) = bytes.split_first_chunk().unwrap_or((&[0, 0], bytes));
    let Some(geometry) = Geometry::new(u32::from(desc % 6) + 1, u32::from(avg % 5) + 3) else {
        return 0;
    };
    let slice = Slice {
        bytes: section,
        geometry,
        left: Cell::new(0),
    };
    let largest = geometry.text_ring().max_text();
    let mut found = 0;
    for mode in [Unfinished::Wait, Unfinished::Skip] {
        let (mut seq, mut count) = (0, 0);
        let mut buffer = vec![0; largest as usize];
        slice.begin();
        while let Ok(Read::Found {
            info,
            copied,
            unfinished,
        }) = read_valid(&slice, Seq(seq), &mut buffer, mode)
        {
            assert!(info.seq.0 >= seq, "went back from {seq}: {info:?}");
            assert!(
                u64::from(info.text_len) <= largest && copied == info.text_len as usize,
                "{info:?}"
            );
            assert!(!info.torn || info.text_len == 0, "{info:?}");
            assert!(
                unfinished <= 2 * geometry.descriptors(),
                "{unfinished} passed over"
            );
            count += 1;
            // Each slot names one record: there are no more than slots.
            assert!(
                count <= geometry.descriptors(),
                "more records than descriptors"
            );
            if info.seq.0 >= DescId::MAX.0 - 1 {
                break;
            }
            seq = info.seq.0 + 1;
        }
        found += count;
    }
    for from in [0, 1, u64::MAX, DescId::MAX.0] {
        let _ = next_seq(slice.begin(), Seq(from));
        let mut short = [0; 3];
        if let Ok(Read::Found { info, copied, .. }) =
            read_valid(slice.begin(), Seq(from), &mut short, Unfinished::Skip)
        {
            assert_eq!(copied, 3.min(info.text_len as usize));
        }
    }
    found
}

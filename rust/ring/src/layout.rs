//! The first page of a ring file, and where everything lies behind it. `docs/layout.md` describes it byte by byte.
//!
//! A file has five sections, fixed from the first version: header, ring, sites, control, consoles. All offsets are from
//! the start of the file, so a mapping may lie anywhere. The fixed part of the header never changes after creation and
//! has a checksum (computed above this crate); the owner's block behind it is opaque here.

use crate::blocks::TextRing;

/// The first eight bytes.
pub const MAGIC: [u8; 8] = *b"PRTKRING";
/// This layout.
pub const LAYOUT_VERSION: u32 = 1;
/// Written in native order: a reader of the other order sees it turned round.
pub const ENDIAN_TAG: u32 = 0x0102_0304;
/// Bytes of the header section.
pub const HEADER_BYTES: u64 = 4096;
/// Bytes of the header that the checksum covers (its own field counted as zero).
pub const FIXED_BYTES: usize = 256;
/// Where the owner's opaque block begins, within the header section.
pub const OWNER_OFFSET: usize = 256;
/// Bytes of a descriptor slot.
pub const SLOT_BYTES: u64 = 64;

/// Offsets within the ring section.
pub mod ring_offset {
    /// The fused head: low word (position), high word (id and C).
    pub const HEAD: u64 = 0;
    /// The tail words: `tail_id`, `retired_id`, `data_tail`.
    pub const TAILS: u64 = 128;
    /// Counters: `fail`, `health`, `reaped`.
    pub const COUNTERS: u64 = 256;
    /// The descriptor slots.
    pub const SLOTS: u64 = 384;
}

/// Limits of the geometry.
pub mod limit {
    /// Smallest and largest number of descriptors, as powers of two.
    pub const DESC_BITS: core::ops::RangeInclusive<u32> = 1..=24;
    /// Smallest and largest text per descriptor, as powers of two.
    pub const AVG_DATA_BITS: core::ops::RangeInclusive<u32> = 3..=16;
    /// The most records retired at once.
    pub const RETIRE_AHEAD: u32 = 32;
}

/// How large a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    desc_bits: u32,
    avg_data_bits: u32,
}

/// A section of the file.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Section {
    /// Offset from the start of the file.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}

/// The fixed part of the header, as it stands in the file (native byte order).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`LAYOUT_VERSION`].
    pub layout_version: u32,
    /// [`ENDIAN_TAG`].
    pub endian_tag: u32,
    /// CRC-32 over the first [`FIXED_BYTES`] with this field zero.
    pub checksum: u32,
    /// Bytes of a word (8).
    pub word_bytes: u32,
    /// Bytes of the whole file.
    pub file_bytes: u64,
    /// Descriptors, as a power of two.
    pub desc_bits: u32,
    /// Text per descriptor, as a power of two.
    pub avg_data_bits: u32,
    /// Bytes of a slot (64).
    pub slot_bytes: u32,
    /// Feature bits a reader must know; 0 in this version.
    pub features: u32,
    /// Header, ring, sites, control, consoles.
    pub sections: [Section; 5],
    /// Offsets within the ring section: head, tails, counters, slots, text.
    pub ring_offsets: [u64; 5],
    /// Zero.
    pub reserved: [u8; 88],
}

const _: () = assert!(size_of::<FixedHeader>() == FIXED_BYTES);

impl Geometry {
    /// `2^desc_bits` descriptors and `2^(desc_bits + avg_data_bits)` bytes of text; None outside of [`limit`].
    pub fn new(desc_bits: u32, avg_data_bits: u32) -> Option<Geometry> {
        let fits =
            limit::DESC_BITS.contains(&desc_bits) && limit::AVG_DATA_BITS.contains(&avg_data_bits);
        fits.then_some(Geometry {
            desc_bits,
            avg_data_bits,
        })
    }

    /// Power of two of the number of descriptors.
    pub const fn desc_bits(self) -> u32 {
        self.desc_bits
    }

    /// Power of two of the text per descriptor.
    pub const fn avg_data_bits(self) -> u32 {
        self.avg_data_bits
    }

    /// Number of descriptors.
    #[inline(always)]
    pub const fn descriptors(self) -> u64 {
        1 << self.desc_bits
    }

    /// Bytes of text.
    #[inline(always)]
    pub const fn data_bytes(self) -> u64 {
        1 << (self.desc_bits + self.avg_data_bits)
    }

    /// The text ring.
    #[inline(always)]
    pub const fn text_ring(self) -> TextRing {
        TextRing::new(self.data_bytes())
    }

    /// Where the text begins, within the ring section.
    pub const fn text_offset(self) -> u64 {
        ring_offset::SLOTS + self.descriptors() * SLOT_BYTES
    }

    /// Bytes of the ring section.
    pub const fn ring_bytes(self) -> u64 {
        self.text_offset() + self.data_bytes()
    }
}

//! Numbers that must not be mixed up: a record's sequence number, its descriptor id, a position in the text ring.

/// A record's number: 0, 1, 2, ... in order of reservation. Dense over successful reservations, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Seq(pub u64);

/// A descriptor's logical number. `id = seq + 1`, so that id 0 is the record before the first: the dummy that an empty
/// ring holds. The slot is `id` modulo the number of descriptors. 62 bits: it never wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct DescId(pub u64);

/// A logical byte position in the text ring: ever growing, never reduced. The index is the position modulo the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Lpos(pub u64);

impl DescId {
    /// The dummy before record 0.
    pub const DUMMY: DescId = DescId(0);
    /// Ids above this do not fit into a state word: only a damaged file can name one.
    pub const MAX: DescId = DescId((1 << 62) - 1);

    /// The descriptor of record `seq`, saturating at [`DescId::MAX`].
    #[inline]
    pub fn of(seq: Seq) -> DescId {
        DescId(seq.0.min(Self::MAX.0 - 1) + 1)
    }

    /// The descriptor of record `seq`, if it is below [`DescId::MAX`].
    #[inline(always)]
    pub(crate) fn below_max(seq: Seq) -> Option<DescId> {
        (seq.0 < Self::MAX.0 - 1).then(|| DescId(seq.0 + 1))
    }

    /// The record's number; 0 for the dummy (which is never shown).
    #[inline]
    pub fn seq(self) -> Seq {
        Seq(self.0.saturating_sub(1))
    }

    /// The id after this one.
    #[inline]
    #[must_use]
    pub fn next(self) -> DescId {
        DescId(self.0.wrapping_add(1))
    }

    /// The id before this one (the dummy's is the dummy).
    #[inline]
    #[must_use]
    pub fn before(self) -> DescId {
        DescId(self.0.saturating_sub(1))
    }
}

impl Lpos {
    /// The position `bytes` further on.
    #[inline]
    #[must_use]
    pub fn plus(self, bytes: u64) -> Lpos {
        Lpos(self.0.wrapping_add(bytes))
    }

    /// Bytes from `earlier` to here.
    #[inline]
    pub fn since(self, earlier: Lpos) -> u64 {
        self.0.wrapping_sub(earlier.0)
    }
}

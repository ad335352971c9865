//! Why a reservation was refused. Small and `Copy`: it is built in any context.

/// The reason for which [`crate::Ring::reserve`] or [`crate::Ring::reserve_in_last`] gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Refused {
    /// The size is above half of the text ring (or above the bound that the caller gave). Nothing has changed.
    TooBig,
    /// The oldest record is not finalized and its descriptor is needed. Counted in `fail`; no number was used.
    Descriptors,
    /// An unfinished record holds the text that would be overwritten. A number was used: readers see a lost record.
    Text,
    /// There is no newest record that this caller may extend (reopen only).
    NotReopenable,
}

//! What is known about a record beside its payload.

/// Sequence number, times and origin of a record. The caller fills it in: this crate has
/// neither a clock nor a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The record's number in its log.
    pub seq: u64,
    /// Monotonic clock at the call, in nanoseconds.
    pub ts_nsec: u64,
    /// Time since the epoch, in nanoseconds.
    pub wall_nsec: u64,
    /// Kernel level, 0 to 7 (further bits are ignored).
    pub level: u8,
    /// Syslog facility; 1 is "user".
    pub facility: u8,
    /// Flags as in the kernel: [`Meta::NEWLINE`], [`Meta::CONT`].
    pub flags: u8,
    /// Who called, as the ring keeps it.
    pub caller_id: u64,
    /// Process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
}

impl Meta {
    /// The text ended in a newline, which was stripped.
    pub const NEWLINE: u8 = 2;
    /// The record continues an earlier one.
    pub const CONT: u8 = 8;
}

//! The lines of text, each with `<prio>` before it.

use super::text::{Lead, lines};
use super::{Scene, number, time};
use crate::out::Out;

/// A record.
pub(super) fn record(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    let meta = scene.meta;
    let lead = Lead(|out: &mut Out<'_>| {
        prio(out, meta.facility, meta.level);
        time::bracketed(out, meta.ts_nsec);
    });
    lines(out, scene, &lead, b"");
}

/// `<14>` for facility 1 at INFO.
pub(super) fn prio(out: &mut Out<'_>, facility: u8, level: u8) {
    out.put_byte(b'<');
    number::unsigned(out, prio_number(facility, level));
    out.put_byte(b'>');
}

/// Facility and level in one number, as syslog and the kernel do it.
pub(super) fn prio_number(facility: u8, level: u8) -> u64 {
    u64::from(facility) * 8 + u64::from(level & 7)
}

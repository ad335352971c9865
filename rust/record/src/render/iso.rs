//! `2026-11-20T10:11:12.123456Z LEVEL LOGGER: MESSAGE k=v`, in UTC.

use super::text::{Lead, lines};
use super::{Scene, time};
use crate::level::Level;
use crate::out::Out;

/// A record.
pub(super) fn record(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    let lead = Lead(|out: &mut Out<'_>| time::utc_micros(out, scene.meta.wall_nsec));
    let word: &[u8] = match Level::from_bits(scene.meta.level) {
        Level::Emerg => b"EMERG ",
        Level::Alert => b"ALERT ",
        Level::Critical => b"CRITICAL ",
        Level::Error => b"ERROR ",
        Level::Warning => b"WARNING ",
        Level::Notice => b"NOTICE ",
        Level::Info => b"INFO ",
        Level::Debug => b"DEBUG ",
    };
    lines(out, scene, &lead, word);
}

//! Records into a console's buffer, in order, with the notice for what was lost. Nothing is moved here: the console's
//! sequence number follows only when its sink has taken the bytes.

use crate::control::count;
use crate::core::Core;
use crate::registry::ConsoleSlot;
use crate::{stamp, thread};
use core::sync::atomic::Ordering;
use pr_record::{
    Format, Meta, NoSites, Out, decode, render, render_cut, render_dropped, render_torn,
};
use pr_ring::{Lpos, Read, RecordInfo, Seq, Unfinished};

/// How far a console has come, and what it has counted on the way. A copy is worked on; it becomes the console's own when
/// the sink has taken what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The record to print next.
    pub seq: Seq,
    /// Where the text of what was printed ends.
    pub pos: Lpos,
    /// Records lost so far.
    pub dropped: u64,
    /// Records printed so far.
    pub printed: u64,
}

/// One console's way of printing.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The format of a record.
    pub format: Format,
    /// The console's id: what its own printing logged is not printed by it.
    pub id: u32,
}

impl Cursor {
    /// Where a console is.
    pub fn of(slot: &ConsoleSlot) -> Cursor {
        Cursor {
            seq: Seq(slot.seq.load(Ordering::Relaxed)),
            pos: Lpos(slot.pos.load(Ordering::Relaxed)),
            dropped: slot.dropped.load(Ordering::Relaxed),
            printed: slot.printed.load(Ordering::Relaxed),
        }
    }

    /// Makes this the console's own: its sink has taken everything up to here. The position before the number, so that a
    /// writer that waits for room never sees less room than there is.
    pub fn confirm(&self, slot: &ConsoleSlot, bytes: u64) {
        slot.dropped.store(self.dropped, Ordering::Relaxed);
        slot.printed.store(self.printed, Ordering::Relaxed);
        slot.bytes.fetch_add(bytes, Ordering::Relaxed);
        slot.pos.store(self.pos.0, Ordering::Relaxed);
        slot.seq.store(self.seq.0, Ordering::Release); // ORD(confirm:A) pairs with ORD(flushed:A)
    }
}

/// Renders records from `cursor` on until nothing more is available, or `out` holds `enough` bytes. `scratch` takes one
/// payload and must be as long as the largest record.
pub fn batch(
    core: &Core,
    slot: &ConsoleSlot,
    style: Style,
    cursor: &mut Cursor,
    scratch: &mut [u8],
    out: &mut Out<'_>,
    enough: usize,
) {
    while out.len() < enough {
        let before = out.len();
        let mut next = *cursor;
        match core
            .ring()
            .read_valid(cursor.seq, scratch, Unfinished::Wait)
        {
            Read::NotYet { at, .. } => {
                // Lost records at the end: told now, since nothing may follow them for long.
                pass_gap(style, &mut next, &now_at(core, at), out);
                if !out.is_truncated() {
                    *cursor = next;
                } else {
                    out.truncate_to(before);
                }
                return;
            }
            Read::Found { info, copied, .. } => {
                pass_gap(style, &mut next, &meta_of(core, &info), out);
                let text = scratch.get(..copied).unwrap_or_default();
                if wanted(core, slot, style, &info) {
                    print_one(core, style, &info, text, out, before == 0);
                    next.printed += 1;
                }
                next.seq = Seq(info.seq.0 + 1);
                next.pos = info.end.unwrap_or(next.pos);
            }
        }
        if out.is_truncated() && before > 0 {
            out.truncate_to(before); // it did not fit behind the others: it will begin the next batch
            return;
        }
        *cursor = next;
    }
}

/// Tells what was lost between the record that was wanted and the next one that there is, or will be.
fn pass_gap(style: Style, cursor: &mut Cursor, to: &Meta, out: &mut Out<'_>) {
    let lost = to.seq.saturating_sub(cursor.seq.0);
    if lost == 0 {
        return;
    }
    cursor.dropped += lost;
    render_dropped(style.format, out, to, lost, cursor.seq.0, to.seq - 1);
    cursor.seq = Seq(to.seq);
}

/// What a notice says about a record that does not exist yet.
fn now_at(core: &Core, seq: Seq) -> Meta {
    let ts_nsec = stamp::monotonic_nsec();
    Meta {
        seq: seq.0,
        ts_nsec,
        wall_nsec: core.wall_nsec(ts_nsec),
        pid: core.pid(),
        tid: thread::tid(),
        ..Meta::default()
    }
}

/// Whether the console prints the record: severe enough, and not born of its own printing.
fn wanted(core: &Core, slot: &ConsoleSlot, style: Style, info: &RecordInfo) -> bool {
    let level = slot.effective_level(core.control().console_level.load(Ordering::Relaxed));
    u64::from(info.level) <= level && info.aux != u64::from(style.id)
}

/// Renders one record; where it is the first of a batch it is cut to the room there is.
fn print_one(
    core: &Core,
    style: Style,
    info: &RecordInfo,
    text: &[u8],
    out: &mut Out<'_>,
    first: bool,
) {
    let meta = meta_of(core, info);
    match decode(text, &NoSites) {
        Ok(record) if !info.torn => {
            let before = out.len();
            if !render(style.format, out, &meta, &record) && first {
                out.truncate_to(before);
                render_cut(style.format, out, &meta, &record);
            }
        }
        _ => {
            count(&core.control().torn);
            render_torn(style.format, out, &meta);
        }
    }
}

/// What the renderer must know of a record.
pub fn meta_of(core: &Core, info: &RecordInfo) -> Meta {
    Meta {
        seq: info.seq.0,
        ts_nsec: info.ts_nsec,
        wall_nsec: core.wall_nsec(info.ts_nsec),
        level: info.level,
        facility: info.facility,
        flags: info.flags,
        caller_id: info.caller_id,
        pid: (info.caller_id >> 32) as u32,
        tid: info.caller_id as u32,
    }
}

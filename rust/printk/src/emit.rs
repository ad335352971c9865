//! Records into a console's buffer, in order, with the notices for what was lost and for what is printed once more. Nothing
//! is moved here: the console's sequence number follows only when its sink has taken the bytes.

use crate::control::count;
use crate::core::Core;
use crate::registry::ConsoleSlot;
use crate::sum::{echo_of, is_changed};
use crate::{stamp, thread};
use core::sync::atomic::Ordering;
use pr_record::{
    Format, Meta, Out, RecordView, render, render_cut, render_dropped, render_replay, render_torn,
};
use pr_ring::{Lpos, Read, RecordInfo, Seq};

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

    /// Makes this the console's own, which stood at `before`: its sink has taken everything up to here. The position before
    /// the number, so that a writer that waits for room never sees less room than there is. False: somebody has set the
    /// console elsewhere meanwhile, and that stands.
    pub fn confirm(&self, slot: &ConsoleSlot, before: Seq) -> bool {
        slot.dropped.store(self.dropped, Ordering::Relaxed);
        slot.printed.store(self.printed, Ordering::Relaxed);
        slot.pos.store(self.pos.0, Ordering::Relaxed);
        let moved = slot.seq.compare_exchange(
            before.0,
            self.seq.0,
            Ordering::Release, // ORD(confirm:A) pairs with ORD(flushed:A)
            Ordering::Relaxed,
        );
        moved.is_ok()
    }
}

/// A place in a rendered batch between two items: an item is a record with the notices before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where the item ends, in bytes of the batch.
    pub end: usize,
    /// How far the console is when its sink has taken the item.
    pub cursor: Cursor,
}

/// How much is wanted of a batch.
pub struct Want<'w> {
    /// A batch is enough when it has this many bytes.
    pub enough: usize,
    /// No record from this number on.
    pub until: Seq,
    /// Asked between two records: true ends the batch.
    pub hurry: &'w dyn Fn() -> bool,
}

/// What was rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Bytes.
    pub len: usize,
    /// Marks, one an item.
    pub marks: usize,
}

/// The working memory of a console: the text of a batch, one payload as long as the largest record, and the marks.
pub struct Workspace<'b> {
    /// The text.
    pub text: &'b mut [u8],
    /// One payload.
    pub scratch: &'b mut [u8],
    /// The marks.
    pub marks: &'b mut [Mark],
}

/// Renders records from `cursor` on until nothing more is available, or there is enough. Items that begin below `begun`
/// were begun before and broken off: a notice says so. `open_line`: what the sink took last did not end its line.
pub fn batch(
    core: &Core,
    slot: &ConsoleSlot,
    style: Style,
    cursor: &mut Cursor,
    (begun, open_line): (Seq, bool),
    space: &mut Workspace<'_>,
    want: &Want<'_>,
) -> Rendered {
    let mut out = Out::new(space.text);
    let mut marks = 0;
    if open_line && cursor.seq < begun {
        out.put_byte(b'\n');
    }
    while out.len() < want.enough && cursor.seq < want.until {
        let Some(place) = space.marks.get_mut(marks) else {
            break; // full
        };
        let before = out.len();
        let mut next = *cursor;
        let more = item(
            core,
            slot,
            style,
            &mut next,
            begun,
            space.scratch,
            &mut out,
            marks == 0,
        );
        if out.is_truncated() && marks > 0 {
            out.truncate_to(before); // it did not fit behind the others: it will begin the next batch
            break;
        }
        *cursor = next;
        if out.len() > before {
            *place = Mark {
                end: out.len(),
                cursor: next,
            };
            marks += 1;
        }
        if !more || (want.hurry)() {
            break;
        }
    }
    let len = if marks == 0 { 0 } else { out.len() };
    Rendered { len, marks }
}

/// One record, or only what is to be said where there is none yet. False: nothing follows now.
#[expect(
    clippy::too_many_arguments,
    reason = "one place, and each its own thing"
)]
fn item(
    core: &Core,
    slot: &ConsoleSlot,
    style: Style,
    next: &mut Cursor,
    begun: Seq,
    scratch: &mut [u8],
    out: &mut Out<'_>,
    first: bool,
) -> bool {
    let again = next.seq < begun;
    match core.ring().read_valid(next.seq, scratch, core.unfinished()) {
        Read::NotYet { at, .. } => {
            // Lost records at the end: told now, since nothing may follow them for long.
            pass_gap(style, next, &now_at(core, at), again, out);
            false
        }
        Read::Found { info, copied, .. } => {
            let text = scratch.get(..copied).unwrap_or_default();
            let is_torn = is_changed(&info, text); // and then its level says nothing
            let printed = is_torn || wanted(core, slot, style, &info);
            let meta = meta_of(core, &info);
            let told = pass_gap(style, next, &meta, again, out);
            if printed {
                if again && !told {
                    render_replay(style.format, out, &meta, meta.seq);
                }
                print_one(core, style, &meta, is_torn, text, out, first);
                next.printed += 1;
            }
            next.seq = Seq(info.seq.0 + 1);
            next.pos = info.end.unwrap_or(next.pos);
            true
        }
    }
}

/// Tells what was lost between the record that was wanted and the next one that there is, or will be. True: there was
/// something to tell.
fn pass_gap(style: Style, cursor: &mut Cursor, to: &Meta, again: bool, out: &mut Out<'_>) -> bool {
    let lost = to.seq.saturating_sub(cursor.seq.0);
    if lost == 0 {
        return false;
    }
    if again {
        render_replay(style.format, out, to, cursor.seq.0);
    }
    cursor.dropped += lost;
    render_dropped(style.format, out, to, lost, cursor.seq.0, to.seq - 1);
    cursor.seq = Seq(to.seq);
    true
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
    u64::from(info.level) <= level && echo_of(info) != style.id
}

/// Renders one record; where it is the first of a batch it is cut to the room there is.
fn print_one(
    core: &Core,
    style: Style,
    meta: &Meta,
    is_torn: bool,
    text: &[u8],
    out: &mut Out<'_>,
    first: bool,
) {
    let mut record = RecordView::empty();
    match record.decode(text, core.sites()) {
        Ok(()) if !is_torn => {
            let before = out.len();
            if !render(style.format, out, meta, &record) && first {
                out.truncate_to(before);
                render_cut(style.format, out, meta, &record);
            }
        }
        _ => {
            count(&core.control().torn);
            render_torn(style.format, out, meta);
        }
    }
}

/// What the renderer must know of a record.
pub fn meta_of(core: &Core, info: &RecordInfo) -> Meta {
    meta_at(info, core.wall_nsec(info.ts_nsec))
}

/// The same, with its wall time as somebody else knows it.
pub fn meta_at(info: &RecordInfo, wall_nsec: u64) -> Meta {
    Meta {
        seq: info.seq.0,
        ts_nsec: info.ts_nsec,
        wall_nsec,
        level: info.level,
        facility: info.facility,
        flags: info.flags,
        caller_id: info.caller_id,
        pid: (info.caller_id >> 32) as u32,
        tid: info.caller_id as u32,
    }
}

//! What a report begins with: why, who and when, which takes nothing of the log; and what the log has counted.

use super::{Cause, Who};
use crate::core::Core;
use crate::fatal::Fault;
use crate::stamp;
use core::sync::atomic::{AtomicU64, Ordering};
use pr_record::Out;
use pr_record::render::escape::{write_json_string, write_name};
use pr_record::render::{digits, signed, unsigned, utc_nanos};

/// The counters of a report, by their names in `stats()`.
fn counters(core: &Core) -> [(&'static str, u64); 10] {
    let control = core.control();
    let count = |word: &AtomicU64| word.load(Ordering::Relaxed);
    let used = core.ring().next_reserve_seq().0;
    let emitted = used.saturating_sub(count(&control.failed_seqs));
    [
        ("emitted", emitted),
        ("failed", count(&control.failed)),
        ("truncated", count(&control.truncated)),
        ("suppressed", count(&control.suppressed)),
        ("recursion_dropped", count(&control.recursion_dropped)),
        ("panic_dropped", count(&control.panic_dropped)),
        ("block_timeouts", count(&control.block_timeouts)),
        ("left_behind", count(&control.left_behind)),
        ("torn", count(&control.torn)),
        ("clear_seq", count(&control.clear_seq)),
    ]
}

/// A thread's name.
pub struct ThreadName([u8; 16]);

impl ThreadName {
    /// That of the calling thread.
    pub fn own() -> ThreadName {
        let mut name = [0; 16];
        // SAFETY: writes at most 16 bytes, its end included.
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
        ThreadName(name)
    }

    /// As text; bytes that are none are left out.
    pub fn text(&self) -> &str {
        let ended = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        match core::str::from_utf8(ended) {
            Ok(text) => text,
            Err(why) => {
                let valid = ended.get(..why.valid_up_to()).unwrap_or_default();
                core::str::from_utf8(valid).unwrap_or_default()
            }
        }
    }
}

/// `0x` and sixteen digits.
fn address(out: &mut Out<'_>, address: u64) {
    out.put(b"0x");
    for shift in (0..16).rev() {
        let digit = (address >> (4 * shift) & 15) as u8;
        out.put_byte(if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        });
    }
}

/// The line that says what it was.
fn fault_text(out: &mut Out<'_>, fault: &Fault) {
    out.put(b"signal     ");
    unsigned(out, fault.signal.unsigned_abs().into());
    out.put(b" ");
    out.put(fault.name().as_bytes());
    out.put(b", code ");
    signed(out, fault.code.into());
    out.put(b" ");
    out.put(fault.code_name().as_bytes());
    if fault.is_sent() {
        out.put(b", sent by process ");
        unsigned(out, fault.sender.into());
    } else {
        out.put(b", address ");
        address(out, fault.address);
    }
    out.put(b"\n");
    if fault.is_in_ring {
        out.put(b"           the address is in the memory of a log of this process: its ring file was cut short, or its file system is full\n");
    }
}

/// The head of the text. True: it had room.
pub fn text(out: &mut Out<'_>, cause: &Cause<'_>, who: &Who) -> bool {
    let (monotonic, wall) = (stamp::monotonic_nsec(), stamp::wall_nsec());
    out.put(b"printk_ring crash report\n\nreason     ");
    out.put(cause.reason.name().as_bytes());
    if let Some(detail) = cause.detail {
        out.put(b": ");
        write_name(out, detail);
    }
    out.put(b"\n");
    if let Some(fault) = &cause.fault {
        fault_text(out, fault);
    }
    out.put(b"thread     ");
    unsigned(out, who.tid.into());
    out.put(b" ");
    write_name(out, who.thread.text());
    out.put(b"\nprocess    ");
    unsigned(out, who.pid.into());
    out.put(b" ");
    write_name(out, who.command);
    out.put(b"\ntime       ");
    utc_nanos(out, wall);
    out.put(b", monotonic ");
    seconds(out, monotonic);
    out.put(b"\nring       ");
    write_name(out, who.ring);
    out.put(b"\n");
    !out.is_truncated()
}

/// The line of the counters.
pub fn counters_text(out: &mut Out<'_>, core: &Core) -> bool {
    out.put(b"counters  ");
    for (name, count) in counters(core) {
        out.put(b" ");
        out.put(name.as_bytes());
        out.put(b"=");
        unsigned(out, count);
    }
    out.put(b"\n");
    !out.is_truncated()
}

fn seconds(out: &mut Out<'_>, nsec: u64) {
    unsigned(out, nsec / 1_000_000_000);
    out.put(b".");
    out.put(&digits::<9>(nsec % 1_000_000_000));
}

/// The head of the JSON: an object that is still open, in its list of records.
pub fn json(out: &mut Out<'_>, cause: &Cause<'_>, who: &Who) -> bool {
    let (monotonic, wall) = (stamp::monotonic_nsec(), stamp::wall_nsec());
    out.put(b"{\"reason\":");
    write_json_string(out, cause.reason.name());
    out.put(b",\"detail\":");
    match cause.detail {
        Some(detail) => write_json_string(out, detail),
        None => out.put(b"null"),
    }
    out.put(b",\"signal\":");
    match &cause.fault {
        Some(fault) => fault_json(out, fault),
        None => out.put(b"null"),
    }
    out.put(b",\"thread\":{\"tid\":");
    unsigned(out, who.tid.into());
    out.put(b",\"name\":");
    write_json_string(out, who.thread.text());
    out.put(b"},\"pid\":");
    unsigned(out, who.pid.into());
    out.put(b",\"command\":");
    write_json_string(out, who.command);
    out.put(b",\"ts\":\"");
    utc_nanos(out, wall);
    out.put(b"\",\"monotonic_nsec\":");
    unsigned(out, monotonic);
    out.put(b",\"ring\":");
    write_json_string(out, who.ring);
    out.put(b",\"records\":[\n");
    !out.is_truncated()
}

/// The end of the list of records, and the counters.
pub fn counters_json(out: &mut Out<'_>, core: Option<&Core>) -> bool {
    out.put(b"],\"counters\":{");
    for (index, (name, count)) in core.map(counters).iter().flatten().enumerate() {
        out.put(if index == 0 { &b"\""[..] } else { b",\"" });
        out.put(name.as_bytes());
        out.put(b"\":");
        unsigned(out, *count);
    }
    out.put(b"},\"complete\":true}\n");
    !out.is_truncated()
}

fn fault_json(out: &mut Out<'_>, fault: &Fault) {
    out.put(b"{\"number\":");
    unsigned(out, fault.signal.unsigned_abs().into());
    out.put(b",\"name\":");
    write_json_string(out, fault.name());
    out.put(b",\"code\":");
    signed(out, fault.code.into());
    out.put(b",\"code_name\":");
    write_json_string(out, fault.code_name());
    if fault.is_sent() {
        out.put(b",\"sender_pid\":");
        unsigned(out, fault.sender.into());
    } else {
        out.put(b",\"address\":\"");
        address(out, fault.address);
        out.put(b"\",\"in_ring\":");
        out.put(if fault.is_in_ring { b"true" } else { b"false" });
    }
    out.put(b"}");
}

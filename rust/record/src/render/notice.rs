//! Losses, told in the console's own format.
//!
//! In the formats made of lines of text a notice begins with `**`, where every record
//! begins with a time, in kmsg with a number. In json and logfmt it carries `dropped`, a
//! name that no logged field can have. So no record can pass for a notice.

use super::{Format, json, logfmt, number, syslog};
use crate::level::Level;
use crate::meta::Meta;
use crate::out::Out;

/// A loss: how many records, and which.
struct Loss<'a> {
    event: &'a str,
    dropped: u64,
    first_seq: u64,
    last_seq: u64,
}

/// Appends the notice that `dropped` records, `first_seq` to `last_seq`, were lost to
/// this console. True: it is there; false: it did not fit, and nothing of it is there.
pub fn render_dropped(
    format: Format,
    out: &mut Out<'_>,
    meta: &Meta,
    dropped: u64,
    first_seq: u64,
    last_seq: u64,
) -> bool {
    let loss = Loss {
        event: "records dropped",
        dropped,
        first_seq,
        last_seq,
    };
    whole(out, |out| match format {
        Format::Json => object(out, meta, &loss),
        Format::Logfmt => pairs(out, meta, &loss),
        _ => stars(format, out, meta, |out| {
            number::unsigned(out, dropped);
            out.put(b" printk messages dropped");
        }),
    })
}

/// Appends the notice that the record of `meta` is there but cannot be read. In json and
/// logfmt it is a loss of one record. The answer is that of [`render_dropped`].
pub fn render_torn(format: Format, out: &mut Out<'_>, meta: &Meta) -> bool {
    let seq = meta.seq;
    let loss = Loss {
        event: "record torn",
        dropped: 1,
        first_seq: seq,
        last_seq: seq,
    };
    whole(out, |out| match format {
        Format::Json => object(out, meta, &loss),
        Format::Logfmt => pairs(out, meta, &loss),
        _ => stars(format, out, meta, |out| {
            out.put(b"printk message ");
            number::unsigned(out, seq);
            out.put(b" is torn");
        }),
    })
}

/// Appends the notice that the record `seq` follows once more, because a first attempt was broken off. In json and
/// logfmt it is a loss of no record. The answer is that of [`render_dropped`].
pub fn render_replay(format: Format, out: &mut Out<'_>, meta: &Meta, seq: u64) -> bool {
    let event = "replaying previous printk message";
    let loss = Loss {
        event,
        dropped: 0,
        first_seq: seq,
        last_seq: seq,
    };
    whole(out, |out| match format {
        Format::Json => object(out, meta, &loss),
        Format::Logfmt => pairs(out, meta, &loss),
        _ => stars(format, out, meta, |out| out.put(event.as_bytes())),
    })
}

/// Takes back what did not fit.
fn whole(out: &mut Out<'_>, write: impl FnOnce(&mut Out<'_>)) -> bool {
    let start = out.len();
    write(out);
    if !out.is_truncated() {
        return true;
    }
    out.truncate_to(start);
    out.mark_truncated();
    false
}

fn stars(format: Format, out: &mut Out<'_>, meta: &Meta, write: impl FnOnce(&mut Out<'_>)) {
    if format == Format::Syslog {
        syslog::prio(out, meta.facility, Level::Warning.number());
    }
    out.put(b"** ");
    write(out);
    out.put(b" **\n");
}

fn object(out: &mut Out<'_>, meta: &Meta, loss: &Loss<'_>) {
    json::head(out, meta.wall_nsec, Level::Warning);
    out.put(b",\"event\":\"");
    out.put(loss.event.as_bytes());
    out.put(b"\",\"dropped\":");
    number::unsigned(out, loss.dropped);
    out.put(b",\"first_seq\":");
    number::unsigned(out, loss.first_seq);
    out.put(b",\"last_seq\":");
    number::unsigned(out, loss.last_seq);
    out.put(b"}\n");
}

fn pairs(out: &mut Out<'_>, meta: &Meta, loss: &Loss<'_>) {
    logfmt::head(out, meta.wall_nsec, Level::Warning);
    logfmt::string(out, " event=", loss.event);
    logfmt::count(out, " dropped=", loss.dropped);
    logfmt::count(out, " first_seq=", loss.first_seq);
    logfmt::count(out, " last_seq=", loss.last_seq);
    out.put_byte(b'\n');
}

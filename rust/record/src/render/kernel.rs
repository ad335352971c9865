//! The kernel's own formatting of a record that is nothing but bytes, bit by bit: the human format of consoles and
//! syslog, and a line of `/dev/kmsg` with its truncation at 2048 bytes.
//!
//! It escapes nothing (human) and cuts where the kernel does (both), for tools that were made for the kernel's output
//! and for comparing with it. What logs print is made by [`render`](super::render()).

use super::{kmsg, syslog, time};
use crate::copy::copy;
use crate::meta::Meta;
use crate::out::{Out, hex_escape};

/// Bytes of the kernel's buffer for one line of `/dev/kmsg`.
pub const KMSG_BYTES: usize = 2048;

/// What stands before each line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// `<prio>`, as in syslog.
    pub syslog: bool,
    /// Seconds and microseconds.
    pub time: bool,
    /// Who logged.
    pub caller: bool,
}

/// A letter and ten digits.
const CALLER_BYTES: usize = 11;
/// `<2047>[18446744073.709551][C2147483647] `, and some.
const PREFIX_BYTES: usize = 56;
/// Callers are right-aligned to this.
const CALLER_WIDTH: usize = 6;

/// A few bytes that were written once and are needed often.
struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Short<N> {
    fn new(write: impl FnOnce(&mut Out<'_>)) -> Short<N> {
        let mut bytes = [0; N];
        let mut out = Out::new(&mut bytes);
        write(&mut out);
        let len = out.len();
        Short { bytes, len }
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// `T` and the thread, or `C` and the processor: of a caller that is 32 bits wide, the top one says which. Of a wider one
/// the lower half is taken, which is the thread where the upper one is the process.
fn caller(meta: &Meta) -> Short<CALLER_BYTES> {
    const PROCESSOR: u32 = 1 << 31;
    let id = meta.caller_id as u32;
    Short::new(|out| {
        out.put_byte(if id & PROCESSOR == 0 { b'T' } else { b'C' });
        super::number::unsigned(out, u64::from(id & !PROCESSOR));
    })
}

fn prefix(switches: Switches, meta: &Meta) -> Short<PREFIX_BYTES> {
    Short::new(|out| {
        if switches.syslog {
            syslog::prio(out, meta.facility, meta.level);
        }
        if switches.time {
            time::bracketed(out, meta.ts_nsec);
        }
        if switches.caller {
            let caller = caller(meta);
            out.put_byte(b'[');
            (caller.len..CALLER_WIDTH).for_each(|_| out.put_byte(b' '));
            out.put(caller.get());
            out.put_byte(b']');
        }
        if switches.time || switches.caller {
            out.put_byte(b' ');
        }
    })
}

/// The lines of a text: one more than it has newlines.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

/// Bytes that the whole record takes, without formatting it.
pub fn print_size(switches: Switches, meta: &Meta, text: &[u8]) -> usize {
    size_with(prefix(switches, meta).len, text)
}

fn size_with(prefix: usize, text: &[u8]) -> usize {
    let lines = prefix.saturating_mul(lines(text).count());
    lines.saturating_add(text.len()).saturating_add(1)
}

/// The record in the human format, as far as its whole lines fit into `buf` and leave one byte of it, which the kernel
/// ends its strings with. How many bytes; 0 where not even the first line fits.
pub fn print_text(switches: Switches, meta: &Meta, text: &[u8], buf: &mut [u8]) -> usize {
    let Some(room) = buf.len().checked_sub(1) else {
        return 0;
    };
    let prefix = prefix(switches, meta);
    // Of the kernel's own: without a prefix, what is not whole leaves one byte more from the second line on.
    let is_odd = prefix.len == 0 && size_with(0, text) > room;
    let mut out = Out::new(buf);
    let mut most = room;
    for line in lines(text) {
        let end = out.len() + prefix.len + line.len() + 1;
        if end > most {
            break;
        }
        put_line(&mut out, prefix.get(), line);
        if is_odd {
            most = room.saturating_sub(1);
        }
    }
    out.len()
}

/// The record in the human format, or as much of its beginning as there is room for. True: all of it.
pub fn print_lines(switches: Switches, meta: &Meta, text: &[u8], out: &mut Out<'_>) -> bool {
    let prefix = prefix(switches, meta);
    lines(text).for_each(|line| put_line(out, prefix.get(), line));
    !out.is_truncated()
}

fn put_line(out: &mut Out<'_>, prefix: &[u8], line: &[u8]) {
    out.put(prefix);
    out.put(line);
    out.put_byte(b'\n');
}

/// What else a line of `/dev/kmsg` can say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extra<'a> {
    /// Whether the caller is named.
    pub caller: bool,
    /// The dictionary's SUBSYSTEM; left out when empty.
    pub subsystem: &'a [u8],
    /// The dictionary's DEVICE; left out when empty.
    pub device: &'a [u8],
}

/// The record as `/dev/kmsg` gives it. How many bytes.
pub fn print_kmsg(
    meta: &Meta,
    text: &[u8],
    extra: &Extra<'_>,
    buf: &mut [u8; KMSG_BYTES],
) -> usize {
    let mut out = Out::new(buf);
    kmsg::head(&mut out, meta);
    if extra.caller {
        out.truncate_to(out.len().saturating_sub(1)); // it stands before the semicolon
        out.put(b",caller=");
        out.put(caller(meta).get());
        out.put_byte(b';');
    }
    let mut line = Line {
        len: out.len(),
        buf,
    };
    line.escaped(text);
    line.plain(b"\n");
    for (key, value) in [
        (b" SUBSYSTEM=".as_slice(), extra.subsystem),
        (b" DEVICE=".as_slice(), extra.device),
    ] {
        if !value.is_empty() {
            line.plain(key);
            line.escaped(value);
            line.plain(b"\n");
        }
    }
    line.len
}

/// A line that is cut as the kernel cuts it: each byte or escape for itself, and no escape takes the last free byte.
struct Line<'b> {
    buf: &'b mut [u8; KMSG_BYTES],
    len: usize,
}

impl Line<'_> {
    fn plain(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.item(&[*byte], 0));
    }

    fn escaped(&mut self, text: &[u8]) {
        for byte in text {
            match kmsg::escape_byte(*byte, b'\\') {
                Some(_) => self.item(&hex_escape(*byte), 1),
                None => self.item(&[*byte], 0),
            }
        }
    }

    /// As much of an item as there is room for, `spared` bytes left free.
    fn item(&mut self, item: &[u8], spared: usize) {
        let free = self.buf.len().saturating_sub(self.len);
        let some = item.len().min(free.saturating_sub(spared));
        let end = self.len.saturating_add(some);
        if let (Some(place), Some(some)) = (self.buf.get_mut(self.len..end), item.get(..some)) {
            copy(place, some);
            self.len = end;
        }
    }
}

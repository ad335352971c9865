//! The bounded writer that everything is rendered into.

use crate::copy::copy;
use crate::render::{Bracket, Second};

/// Appends to a caller's buffer. What goes beyond its end is lost and remembered.
#[derive(Debug)]
pub struct Out<'b> {
    buf: &'b mut [u8],
    len: usize,
    truncated: bool,
    /// Those whose times were written last: the next record mostly has the same.
    pub(crate) second: Second,
    pub(crate) bracket: Bracket,
}

impl<'b> Out<'b> {
    /// An empty writer over `buf`.
    pub fn new(buf: &'b mut [u8]) -> Out<'b> {
        Out {
            buf,
            len: 0,
            truncated: false,
            second: Second::NONE,
            bracket: Bracket::NONE,
        }
    }

    /// Appends `bytes`, or as many of them as there is room for. After the first loss
    /// nothing is appended any more.
    #[inline(always)]
    pub fn put(&mut self, bytes: &[u8]) {
        let end = self.len.wrapping_add(bytes.len());
        match self.buf.get_mut(self.len..end) {
            Some(area) if !self.truncated => {
                copy(area, bytes);
                self.len = end;
            }
            _ => self.put_some(bytes),
        }
    }

    /// Appends one byte.
    #[inline(always)]
    pub fn put_byte(&mut self, byte: u8) {
        match self.buf.get_mut(self.len) {
            Some(place) if !self.truncated => {
                *place = byte;
                self.len = self.len.wrapping_add(1);
            }
            _ => self.truncated = true,
        }
    }

    /// Appends the first `len` of eight bytes, and eight more, all of which are in registers, where
    /// they have been put together: they are stored at once, and not read back from memory before that.
    #[inline(always)]
    pub(crate) fn put_pieces(&mut self, begin: u64, len: usize, end: u64) {
        let (begin, end, len) = (begin.to_le_bytes(), end.to_le_bytes(), len.min(8));
        let area = self.buf.get_mut(self.len..).unwrap_or_default();
        match area.first_chunk_mut::<16>() {
            Some(area) if !self.truncated => {
                if let Some(place) = area.first_chunk_mut() {
                    *place = begin;
                }
                if let Some(place) = area.get_mut(len..).and_then(<[u8]>::first_chunk_mut) {
                    *place = end;
                }
                self.len = self.len.wrapping_add(len + 8);
            }
            _ => {
                self.put(begin.get(..len).unwrap_or(&begin));
                self.put(&end);
            }
        }
    }

    /// Appends the first `len` of eight bytes that are in a register. Where there is room for all of them they are stored at
    /// once; what is behind `len` is written over by what comes next.
    #[inline(always)]
    pub(crate) fn put_word(&mut self, word: u64, len: usize) {
        let (bytes, len) = (word.to_le_bytes(), len.min(8));
        let area = self.buf.get_mut(self.len..).unwrap_or_default();
        match area.first_chunk_mut::<8>() {
            Some(area) if !self.truncated => {
                *area = bytes;
                self.len = self.len.wrapping_add(len);
            }
            _ => self.put_last(bytes.get(..len).unwrap_or(&bytes)),
        }
    }

    /// At the end of the buffer, where fewer bytes than eight may still fit.
    #[cold]
    #[inline(never)]
    fn put_last(&mut self, bytes: &[u8]) {
        self.put(bytes);
    }

    #[cold]
    #[inline(never)]
    fn put_some(&mut self, bytes: &[u8]) {
        if self.truncated {
            return;
        }
        self.truncated = true;
        let Some(room) = self.buf.get_mut(self.len..) else {
            return;
        };
        let some = bytes.get(..room.len()).unwrap_or(bytes);
        if let Some(area) = room.get_mut(..some.len()) {
            copy(area, some);
            self.len = self.len.wrapping_add(some.len());
        }
    }

    /// Sets a byte that was written.
    pub(crate) fn set_byte(&mut self, at: usize, byte: u8) {
        let written = self.buf.get_mut(..self.len);
        if let Some(place) = written.and_then(|written| written.get_mut(at)) {
            *place = byte;
        }
    }

    /// Bytes written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that still fit.
    pub fn room(&self) -> usize {
        self.buf.len().saturating_sub(self.len)
    }

    /// Something did not fit since the start or the last [`Out::truncate_to`].
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Takes back everything behind the first `len` bytes, and the memory of what did
    /// not fit.
    pub fn truncate_to(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.truncated = false;
    }

    /// The bytes written.
    pub fn written(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or(&[])
    }

    /// Remembers a loss that the caller decided on.
    pub(crate) fn mark_truncated(&mut self) {
        self.truncated = true;
    }

    /// Replaces in place each byte written since `start` for which `escape` has
    /// something longer.
    pub(crate) fn escape_since(&mut self, start: usize, escape: impl Fn(u8) -> Option<Escape>) {
        let tail = self.buf.get(start..self.len).unwrap_or(&[]);
        let grown: usize = tail
            .iter()
            .filter_map(|byte| escape(*byte))
            .map(|e| e.growth())
            .sum();
        let end = self.len.saturating_add(grown);
        if end > self.buf.len() {
            self.len = start;
            self.truncated = true;
            return;
        }
        let mut to = end;
        let mut from = self.len;
        while from > start && to > from {
            from = from.wrapping_sub(1);
            let byte = self.buf.get(from).copied().unwrap_or(0);
            match escape(byte) {
                None => {
                    to = to.wrapping_sub(1);
                    if let Some(place) = self.buf.get_mut(to) {
                        *place = byte;
                    }
                }
                Some(escaped) => {
                    let bytes = escaped.bytes();
                    let end = to;
                    to = to.saturating_sub(bytes.len());
                    if let Some(area) = self.buf.get_mut(to..end) {
                        copy(area, bytes);
                    }
                }
            }
        }
        self.len = end;
    }
}

/// What a byte is replaced with: two to four bytes.
#[derive(Clone, Copy)]
pub(crate) struct Escape {
    bytes: [u8; 4],
    len: u8,
}

impl Escape {
    /// A backslash and the byte.
    pub(crate) const fn backslash(byte: u8) -> Escape {
        Escape {
            bytes: [b'\\', byte, 0, 0],
            len: 2,
        }
    }

    /// `\xNN`.
    pub(crate) const fn hex(byte: u8) -> Escape {
        Escape {
            bytes: hex_escape(byte),
            len: 4,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    fn growth(&self) -> usize {
        usize::from(self.len).saturating_sub(1)
    }
}

/// `\xNN`, lower case.
pub(crate) const fn hex_escape(byte: u8) -> [u8; 4] {
    [b'\\', b'x', hex_digit(byte >> 4), hex_digit(byte)]
}

/// The low four bits as a lower-case digit.
pub(crate) const fn hex_digit(nibble: u8) -> u8 {
    match nibble & 15 {
        digit @ 0..=9 => b'0' + digit,
        letter => b'a' + (letter - 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_beyond_the_end_is_lost_and_remembered() {
        let mut buf = [0u8; 4];
        let mut out = Out::new(&mut buf);
        out.put(b"abc");
        assert!(!out.is_truncated());
        out.put(b"defg");
        assert!(out.is_truncated());
        assert_eq!(out.written(), b"abcd");
        out.put(b"");
        out.put_byte(b'x');
        assert_eq!(out.written(), b"abcd");
    }

    #[test]
    fn a_full_buffer_that_is_enough_is_no_loss() {
        let mut buf = [0u8; 4];
        let mut out = Out::new(&mut buf);
        out.put(b"abcd");
        out.put(b"");
        assert!(!out.is_truncated());
        assert_eq!(out.room(), 0);
        out.put_byte(b'e');
        assert!(out.is_truncated());
    }

    #[test]
    fn taking_back_makes_room_and_forgets_the_loss() {
        let mut buf = [0u8; 4];
        let mut out = Out::new(&mut buf);
        out.put(b"abcdef");
        out.truncate_to(1);
        assert!(!out.is_truncated());
        out.put(b"xyz");
        assert_eq!(out.written(), b"axyz");
        out.truncate_to(99);
        assert_eq!(out.written(), b"axyz");
    }

    #[test]
    fn bytes_are_escaped_in_place() {
        let mut buf = [0u8; 32];
        let mut out = Out::new(&mut buf);
        out.put(b"keep\x01 ");
        let start = out.len();
        out.put(b"a\"b\x01");
        out.escape_since(start, |byte| match byte {
            b'"' => Some(Escape::backslash(byte)),
            0x01 => Some(Escape::hex(byte)),
            _ => None,
        });
        assert_eq!(out.written(), b"keep\x01 a\\\"b\\x01");
    }

    #[test]
    fn an_escape_that_does_not_fit_is_a_loss() {
        let mut buf = [0u8; 6];
        let mut out = Out::new(&mut buf);
        out.put(b"ab\x01\x01");
        out.escape_since(1, |byte| (byte < 32).then(|| Escape::hex(byte)));
        assert!(out.is_truncated());
        assert_eq!(out.written(), b"a");
    }
}

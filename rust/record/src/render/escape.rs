//! Keeping logged data from being taken for anything else.
//!
//! What a terminal or a reader of lines could act upon never leaves as it came: C0
//! controls, DEL, the C1 controls (of which U+009B alone begins a terminal sequence), the
//! line and paragraph separators U+2028 and U+2029, and the bidirectional controls
//! U+061C, U+200E, U+200F, U+202A to U+202E and U+2066 to U+2069. The rest, also of
//! Unicode, is kept.
//!
//! | | text, iso, logfmt: outside of quotes | inside of quotes | json |
//! |---|---|---|---|
//! | tab | itself | `\t` | `\t` |
//! | newline | further line (message), `\x0a` (else) | `\n` | `\n` |
//! | other C0 | `\x1b` | `\u001b`, or JSON's `\r` and the like | the same |
//! | DEL, C1 and all others above | `\xNN` for each UTF-8 byte | the same | `\u009b` |
//! | quote, backslash | itself | `\"`, `\\` | the same |
//!
//! Inside of quotes a logged backslash is doubled, so that an `\xNN` there can only come
//! from this module.

use crate::out::{Out, hex_digit, hex_escape};

/// How the characters that JSON itself allows raw are written inside of quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// As JSON's `\uNNNN`: any JSON parser gives back the character.
    Json,
    /// As `\xNN` for each byte, as everywhere else in text.
    Text,
}

const PLAIN: u8 = 1;
const QUOTED: u8 = 2;
const BARE: u8 = 4;

/// What each byte asks for: attention outside of quotes, attention inside, or neither
/// and no quotes at all.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut rest: &mut [u8] = &mut table;
    let mut byte = 0u8;
    while let Some((class, tail)) = rest.split_first_mut() {
        *class = class_of(byte);
        rest = tail;
        byte = byte.wrapping_add(1);
    }
    table
}

const fn class_of(byte: u8) -> u8 {
    match byte {
        b'\t' => QUOTED,
        0..=0x1f | 0x7f | 0xc2 | 0xd8 | 0xe2 => PLAIN | QUOTED,
        b'"' | b'\\' => QUOTED,
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b':' | b'/' | b'+' | b'-' => BARE,
        _ => 0,
    }
}

#[inline(always)]
fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(0)
}

/// The text may stand without quotes: `[A-Za-z0-9_.:/+-]+`.
#[inline]
pub(crate) fn is_bare(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| class(*byte) & BARE != 0)
}

/// Leading bytes that are not of a class. Nearly all text is plain ASCII, which takes the fewest steps; of other alphabets
/// sixteen bytes are seen at a time, and what is suspect byte by byte.
#[inline(always)]
fn run<const CLASS: u8>(bytes: &[u8]) -> usize {
    let plain = lead::<64>(bytes, is_plain::<CLASS, 64>);
    let bytes = bytes.get(plain..).unwrap_or(&[]);
    let clean = lead::<16>(bytes, |chunk| {
        let suspects = |all, byte: &u8| all | u8::from(is_suspect::<CLASS>(*byte));
        chunk.iter().fold(0, suspects) == 0
    });
    let bytes = bytes.get(clean..).unwrap_or(&[]);
    let is_harmless = |byte: &&u8| class(**byte) & CLASS == 0;
    let more = bytes.iter().take_while(is_harmless).count();
    plain.wrapping_add(clean).wrapping_add(more)
}

/// Bytes of the leading chunks of `N` that are all good.
#[inline(always)]
fn lead<const N: usize>(bytes: &[u8], is_good: impl Fn(&[u8; N]) -> bool) -> usize {
    let mut good = 0usize;
    for chunk in bytes.as_chunks::<N>().0 {
        if !is_good(chunk) {
            break;
        }
        good = good.wrapping_add(N);
    }
    good
}

/// Whether all bytes are ASCII, and none of a class. One that is has a clear high bit also when it is made smaller by the
/// controls, larger by one, or, against a byte that is sought, smaller by one; any other byte has not. Of many at once only
/// these bits need be looked at.
#[inline(always)]
fn is_plain<const CLASS: u8, const N: usize>(bytes: &[u8; N]) -> bool {
    let suspects = |all, byte: &u8| {
        let controls = byte.wrapping_sub(0x20) | byte.wrapping_add(1);
        let quoted = (byte ^ b'"').wrapping_sub(1) | (byte ^ b'\\').wrapping_sub(1);
        all | controls | if CLASS == QUOTED { quoted } else { 0 }
    };
    bytes.iter().fold(0, suspects) < 0x80
}

/// The class by comparisons only, which the compiler does for 16 bytes at once.
#[inline(always)]
fn is_suspect<const CLASS: u8>(byte: u8) -> bool {
    let quoted = CLASS == QUOTED && (byte == b'"') | (byte == b'\\');
    quoted | (byte < 0x20) | (byte == 0x7f) | (byte == 0xc2) | (byte == 0xd8) | (byte == 0xe2)
}

/// Length in bytes of the character that these bytes begin with, if it must not leave
/// as it came.
fn unsafe_char(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0..=0x1f | 0x7f, ..] => Some(1),
        [0xc2, 0x80..=0x9f, ..] | [0xd8, 0x9c, ..] => Some(2),
        [0xe2, 0x80, 0x8e | 0x8f | 0xa8..=0xae, ..] | [0xe2, 0x81, 0xa6..=0xa9, ..] => Some(3),
        _ => None,
    }
}

/// Writes a text outside of quotes; in place of a newline in it `newline` is written.
#[inline(always)]
fn unquoted(out: &mut Out<'_>, text: &str, newline: impl Fn(&mut Out<'_>)) {
    let mut bytes = text.as_bytes();
    loop {
        let clean = run::<PLAIN>(bytes);
        let Some((head, tail)) = bytes.split_at_checked(clean) else {
            return;
        };
        out.put(head);
        if tail.is_empty() {
            return;
        }
        bytes = unquoted_char(out, tail, &newline);
    }
}

/// Writes the first character, which needs attention; returns what follows.
#[inline(never)]
fn unquoted_char<'t>(
    out: &mut Out<'_>,
    bytes: &'t [u8],
    newline: &impl Fn(&mut Out<'_>),
) -> &'t [u8] {
    if let [b'\n', rest @ ..] = bytes {
        newline(out);
        return rest;
    }
    let Some((head, rest)) = unsafe_char(bytes).and_then(|len| bytes.split_at_checked(len)) else {
        return first_as_it_is(out, bytes);
    };
    for byte in head {
        out.put(&hex_escape(*byte));
    }
    rest
}

fn first_as_it_is<'t>(out: &mut Out<'_>, bytes: &'t [u8]) -> &'t [u8] {
    let Some((first, rest)) = bytes.split_first() else {
        return &[];
    };
    out.put_byte(*first);
    rest
}

/// Writes a key or a name as text: a newline in it is escaped as well.
#[inline]
pub fn write_name(out: &mut Out<'_>, name: &str) {
    unquoted(out, name, |out| out.put(b"\\x0a"));
}

/// Writes a message as text; `further` begins each further line, newline first.
#[inline]
pub(crate) fn write_message(out: &mut Out<'_>, message: &str, further: impl Fn(&mut Out<'_>)) {
    unquoted(out, message, further);
}

/// Writes a JSON string, quotes included.
#[inline]
pub fn write_json_string(out: &mut Out<'_>, text: &str) {
    quoted(out, text, Quotes::Json);
}

/// Writes what stands between the quotes of a JSON string.
#[inline]
pub(crate) fn write_json_part(out: &mut Out<'_>, text: &str) {
    quoted_part(out, text, Quotes::Json);
}

/// Writes a str by the rule of text: bare, or a JSON string.
#[inline]
pub fn write_str(out: &mut Out<'_>, text: &str) {
    if is_bare(text.as_bytes()) {
        out.put(text.as_bytes());
    } else {
        quoted(out, text, Quotes::Text);
    }
}

/// Writes a text in quotes.
#[inline]
pub(crate) fn quoted(out: &mut Out<'_>, text: &str, quotes: Quotes) {
    out.put_byte(b'"');
    quoted_part(out, text, quotes);
    out.put_byte(b'"');
}

/// Writes what stands between quotes.
#[inline(always)]
pub(crate) fn quoted_part(out: &mut Out<'_>, text: &str, quotes: Quotes) {
    let mut bytes = text.as_bytes();
    loop {
        let clean = run::<QUOTED>(bytes);
        let Some((head, tail)) = bytes.split_at_checked(clean) else {
            return;
        };
        out.put(head);
        if tail.is_empty() {
            return;
        }
        bytes = quoted_char(out, tail, quotes);
    }
}

/// Writes the first character, which needs attention; returns what follows.
#[inline(never)]
fn quoted_char<'t>(out: &mut Out<'_>, bytes: &'t [u8], quotes: Quotes) -> &'t [u8] {
    let Some((first, rest)) = bytes.split_first() else {
        return &[];
    };
    let short = match first {
        b'"' | b'\\' => *first,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        0..=0x1f => {
            unicode_escape(out, u32::from(*first));
            return rest;
        }
        _ => return quoted_wide(out, bytes, quotes),
    };
    out.put(&[b'\\', short]);
    rest
}

/// A character that JSON allows raw, but a terminal should not see.
fn quoted_wide<'t>(out: &mut Out<'_>, bytes: &'t [u8], quotes: Quotes) -> &'t [u8] {
    let Some((head, rest)) = unsafe_char(bytes).and_then(|len| bytes.split_at_checked(len)) else {
        return first_as_it_is(out, bytes);
    };
    match quotes {
        Quotes::Text => head.iter().for_each(|byte| out.put(&hex_escape(*byte))),
        Quotes::Json => unicode_escape(out, code_point(head)),
    }
    rest
}

/// The code point of one UTF-8 character of up to three bytes.
fn code_point(utf8: &[u8]) -> u32 {
    match utf8 {
        [a, b] => u32::from(a & 0x1f) << 6 | u32::from(b & 0x3f),
        [a, b, c] => u32::from(a & 0x0f) << 12 | u32::from(b & 0x3f) << 6 | u32::from(c & 0x3f),
        [a, ..] => u32::from(*a),
        [] => 0,
    }
}

/// `\uNNNN`, lower case.
fn unicode_escape(out: &mut Out<'_>, code: u32) {
    let [_, _, high, low] = code.to_be_bytes();
    out.put(&[
        b'\\',
        b'u',
        hex_digit(high >> 4),
        hex_digit(high),
        hex_digit(low >> 4),
        hex_digit(low),
    ]);
}

/// Bytes as a text: printable ASCII is itself, a backslash and everything else `\xNN`.
/// This is the text; where it stands in quotes its backslashes are doubled.
pub(crate) fn bytes_part(out: &mut Out<'_>, bytes: &[u8], in_quotes: bool) {
    for byte in bytes {
        match byte {
            b'"' if in_quotes => out.put(b"\\\""),
            b'\\' | 0..=0x1f | 0x7f.. => {
                if in_quotes {
                    out.put_byte(b'\\');
                }
                out.put(&hex_escape(*byte));
            }
            _ => out.put_byte(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any byte at any place of a text that is longer than the chunks.
    fn check<const CLASS: u8>() {
        for byte in 0..=255 {
            for len in [1, 15, 16, 17, 63, 64, 65, 83, 150] {
                for at in 0..len {
                    let mut text = [b'a'; 150];
                    *text.get_mut(at).unwrap() = byte;
                    let expected = if class(byte) & CLASS == 0 { len } else { at };
                    let found = run::<CLASS>(text.get(..len).unwrap());
                    assert_eq!(found, expected, "{byte:#x} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn a_byte_of_a_class_ends_the_run_wherever_it_is_and_no_other_does() {
        check::<PLAIN>();
        check::<QUOTED>();
    }

    #[test]
    fn bytes_of_all_alphabets_together_end_no_run() {
        let mut text = [0u8; 131];
        for (place, byte) in text.iter_mut().zip((0x20..=0xff).cycle()) {
            *place = if class(byte) & (PLAIN | QUOTED) == 0 {
                byte
            } else {
                b'b'
            };
        }
        assert_eq!((run::<PLAIN>(&text), run::<QUOTED>(&text)), (131, 131));
    }
}

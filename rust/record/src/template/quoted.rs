//! ASCII text and bytes in quotes, as `repr` has them.

use super::shown::Sink;
use crate::out::hex_escape;

/// A text.
pub(super) fn text(sink: Sink<'_>, text: &str) {
    within(sink, text.as_bytes());
}

/// Bytes.
pub(super) fn bytes(sink: Sink<'_>, bytes: &[u8]) {
    sink("b");
    within(sink, bytes);
}

fn within(sink: Sink<'_>, bytes: &[u8]) {
    let has = |quote: u8| bytes.contains(&quote);
    let quote = if has(b'\'') && !has(b'"') {
        b'"'
    } else {
        b'\''
    };
    one(sink, &[quote]);
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let clean = rest.iter().take_while(|byte| is_plain(**byte, quote));
        let clean = clean.count();
        if let (1.., Some((head, tail))) = (clean, rest.split_at_checked(clean)) {
            one(sink, head);
            rest = tail;
            continue;
        }
        escaped(sink, *first);
        rest = tail;
    }
    one(sink, &[quote]);
}

fn is_plain(byte: u8, quote: u8) -> bool {
    (0x20..0x7f).contains(&byte) && byte != quote && byte != b'\\'
}

fn escaped(sink: Sink<'_>, byte: u8) {
    match byte {
        b'\n' => sink("\\n"),
        b'\r' => sink("\\r"),
        b'\t' => sink("\\t"),
        b'\\' | b'\'' => one(sink, &[b'\\', byte]),
        _ => one(sink, &hex_escape(byte)),
    }
}

fn one(sink: Sink<'_>, ascii: &[u8]) {
    sink(core::str::from_utf8(ascii).unwrap_or(""));
}

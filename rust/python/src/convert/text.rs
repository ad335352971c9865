//! Text of Python objects, whatever they are.

use pr_record::wire::MAX_PAYLOAD;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::borrow::Cow;

/// More of a text than a record can hold; what lies beyond need not be copied. A text of this length is certain to be cut
/// by the encoder, which then says so in the record.
pub const LONGEST: usize = MAX_PAYLOAD + 1024;

/// The text of a str; lone surrogates become U+FFFD.
pub fn of_str<'a>(text: &'a Bound<'_, PyString>) -> Cow<'a, str> {
    match text.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(without_surrogates(text)),
    }
}

/// As [`of_str`], owned, and no more of it than can matter.
pub fn owned(text: &Bound<'_, PyString>) -> String {
    cut(&of_str(text), LONGEST).to_owned()
}

/// What an object is, for an error that names it. An interruption that comes meanwhile is passed on.
pub fn shown(object: &Bound<'_, PyAny>) -> PyResult<String> {
    match object.repr() {
        Ok(text) => Ok(text.to_string_lossy().into_owned()),
        Err(why) if why.is_instance_of::<PyException>(object.py()) => {
            Ok("something unprintable".into())
        }
        Err(why) => Err(why),
    }
}

/// At most `most` bytes of `text`, whole characters.
pub fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

#[cold]
fn without_surrogates(text: &Bound<'_, PyString>) -> String {
    let encoded = text.call_method1("encode", ("utf-8", "surrogatepass"));
    let bytes = encoded.and_then(|bytes| Ok(bytes.cast_into::<PyBytes>()?));
    bytes.map_or_else(
        |_| char::REPLACEMENT_CHARACTER.to_string(),
        |bytes| replace_surrogates(bytes.as_bytes()),
    )
}

/// UTF-8 but for surrogates, which are encoded as if they were characters: three bytes, the first ED, the second A0..BF.
fn replace_surrogates(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest
        .windows(3)
        .position(|three| matches!(three, [0xed, 0xa0..=0xbf, _]))
    {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice("\u{fffd}".as_bytes());
        rest = after.get(3..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    String::from_utf8_lossy(&out).into_owned()
}

/// What stands for an object whose `__str__` fails.
pub fn unprintable(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type().name();
    format!(
        "<unprintable {}>",
        name.as_ref().map_or(Cow::Borrowed("object"), of_str)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surrogate_becomes_one_replacement_character() {
        assert_eq!(replace_surrogates(b"a\xed\xb2\x80b"), "a\u{fffd}b");
        assert_eq!(
            replace_surrogates(b"\xed\xa0\x80\xed\xbf\xbf"),
            "\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn characters_that_look_alike_stay() {
        let near = "\u{d7ff}\u{e000}\u{fffd}é☃";
        assert_eq!(replace_surrogates(near.as_bytes()), near);
    }

    #[test]
    fn a_cut_leaves_whole_characters() {
        assert_eq!(cut("aé☃", 10), "aé☃");
        assert_eq!(cut("aé☃", 5), "aé");
        assert_eq!(cut("aé☃", 2), "a");
        assert_eq!(cut("☃", 0), "");
    }
}

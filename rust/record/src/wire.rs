//! The layout of a payload, byte by byte.
//!
//! All integers are little endian. A payload is one head byte and then items up to its
//! end; there is no count and no terminator.
//!
//! ```text
//! payload := head item*
//! head    := u8       bits 0..6: kind, 1 = a record of this layout
//!                     bit  7:    1 = the record was cut to fit (`truncated`)
//! item    := part | field | other
//! length  := 00..7f                 that number
//!          | 80|(n & 7f)  n >> 7    n up to 7fff, in two bytes (small n allowed)
//! str     := length byte*           UTF-8, as many bytes as said
//!
//! part    := 01 str                 event
//!          | 02 str                 message, where it differs from the event
//!          | 03 str                 logger
//!          | 04 i32                 levelno, the original number of the level
//!          | 05 str                 file
//!          | 06 u32                 line
//!          | 07 str                 func
//!          | 08 str str str         exception: type, message, stack trace
//!          | 09 byte*               event, UTF-8 up to the end of the payload
//!
//! field   := tag str(key) body      tag and body as in a value
//! value   := tag body
//!            10                     null
//!          | 11                     false
//!          | 12                     true
//!          | 13 i8                  int, in the smallest of four sizes
//!          | 14 i16
//!          | 15 i32
//!          | 16 i64
//!          | 17 u64                 int beyond the range of i64
//!          | 18 f64                 float
//!          | 19 str                 str
//!          | 1a length byte*        bytes
//!          | 1b str                 datetime, ISO 8601
//!          | 1c byte[16]            UUID, as in its hexadecimal spelling
//!          | 1d str                 decimal
//!          | 1e str                 path
//!          | 1f str(name) value     enum: qualified name, and its value
//!          | 20 str(dtype) value    NumPy scalar: dtype, and its value
//!          | 21 u16(n) value*       list: n bytes of values
//!          | 22 u16(n) (str value)* dict: n bytes of keys and values
//!          | other                  a kind of value this reader does not know: null
//!
//! other   := 80..ff length byte*
//!            80                     call site: length 4, u32
//!            81                     arguments of the event, which is a template then:
//!                                   u8 (bit 0: they have names), then value*, or
//!                                   (str(name) value)*; at most 16
//!            82                     length 0: the fields from here on are ambient, those
//!                                   from the next one on are not, and so on
//!            83 value*              fields of the call site's names, in their order
//!            84 str*                names of fields (in the description of a call site)
//!            85                     length 4, u32: which of the calls in a line (in a description)
//! ```
//!
//! Every tag from 80 on is followed by its length, so that a reader skips what it does not
//! know: a later layout may add items and stay readable. Tags below 80 that are not listed,
//! and other kinds, are errors. Lists and dicts nest to [`MAX_DEPTH`]; an enum or a NumPy
//! scalar never directly holds another of these two. Items come in any order; of a part
//! that is there twice the last counts. An empty payload, which is all that fits into no
//! space, is a truncated record with an empty event.
//!
//! The encoder writes parts first, in the order call site, event, logger, message, levelno,
//! file, line, func, exception, arguments, then the fields in the caller's order. What a record
//! does not say and its call site does is taken from there: see [`crate::sites`]. The event of a record
//! that may still be continued comes last, as the part without a length: what is appended to
//! the payload is appended to the event, and the payload is whole before and after.

/// Longest payload that is ever written, in bytes.
pub const MAX_PAYLOAD: usize = 32 * 1024;
/// Deepest nesting of lists and dicts; a list of ints has depth 1.
pub const MAX_DEPTH: usize = 4;
/// Most items of one list or dict that [`crate::ValueWriter`] takes.
pub const MAX_ITEMS: usize = 64;
/// Most arguments of one template.
pub const MAX_ARGS: usize = 16;
/// What a text that was cut ends in.
pub const MARK: &str = "<truncated>";

pub(crate) const HEAD: u8 = 0x01;
pub(crate) const KIND_MASK: u8 = 0x7f;
pub(crate) const TRUNCATED: u8 = 0x80;

pub(crate) const EVENT: u8 = 0x01;
pub(crate) const MESSAGE: u8 = 0x02;
pub(crate) const LOGGER: u8 = 0x03;
pub(crate) const LEVELNO: u8 = 0x04;
pub(crate) const FILE: u8 = 0x05;
pub(crate) const LINE: u8 = 0x06;
pub(crate) const FUNC: u8 = 0x07;
pub(crate) const EXC: u8 = 0x08;
/// The event, up to the end.
pub(crate) const OPEN_EVENT: u8 = 0x09;

pub(crate) const NULL: u8 = 0x10;
pub(crate) const FALSE: u8 = 0x11;
pub(crate) const TRUE: u8 = 0x12;
pub(crate) const INT1: u8 = 0x13;
pub(crate) const INT2: u8 = 0x14;
pub(crate) const INT4: u8 = 0x15;
pub(crate) const INT8: u8 = 0x16;
pub(crate) const UINT: u8 = 0x17;
pub(crate) const FLOAT: u8 = 0x18;
pub(crate) const STR: u8 = 0x19;
pub(crate) const BYTES: u8 = 0x1a;
pub(crate) const DATETIME: u8 = 0x1b;
pub(crate) const UUID: u8 = 0x1c;
pub(crate) const DECIMAL: u8 = 0x1d;
pub(crate) const PATH: u8 = 0x1e;
pub(crate) const ENUM: u8 = 0x1f;
pub(crate) const NUMPY: u8 = 0x20;
pub(crate) const LIST: u8 = 0x21;
pub(crate) const DICT: u8 = 0x22;

/// Tags from here on are followed by a length.
pub(crate) const OTHER: u8 = 0x80;
/// A call site's number.
pub const SITE: u8 = 0x80;
/// Arguments of a deferred template.
pub(crate) const ARGS: u8 = 0x81;
/// The fields behind it are ambient; behind the next one they are not.
pub(crate) const AMBIENT: u8 = 0x82;
/// Values of the fields that the call site names.
pub(crate) const VALUES: u8 = 0x83;
/// The names of a call site's fields.
pub(crate) const NAMES: u8 = 0x84;
/// What tells call sites in one line apart.
pub(crate) const WHICH: u8 = 0x85;

/// Longest length that can be written.
pub(crate) const MAX_LENGTH: usize = 0x7fff;

/// Bytes that a length takes.
pub(crate) const fn length_size(length: usize) -> usize {
    if length < 0x80 { 1 } else { 2 }
}

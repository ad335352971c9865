//! From a log call to bytes: the fast path.
//!
//! One pass writes everything and looks once at the end whether it fitted. Only if not,
//! [`crate::cut`] decides what to shorten.

use crate::cut;
use crate::pen::Pen;
use crate::value::Field;
use crate::wire::{self, MAX_PAYLOAD};

/// An exception.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exc<'a> {
    /// Its type's name.
    pub kind: &'a str,
    /// Its message.
    pub message: &'a str,
    /// Its traceback, as many lines as it has.
    pub stacktrace: &'a str,
}

/// What a log call says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Payload<'a> {
    /// The event: the text (or template) of the call.
    pub event: &'a str,
    /// The rendered text, where it differs from the event.
    pub message: Option<&'a str>,
    /// The logger's name.
    pub logger: Option<&'a str>,
    /// The original number of the level, where there was one.
    pub levelno: Option<i32>,
    /// Source file.
    pub file: Option<&'a str>,
    /// Line in it; 0 when unknown.
    pub line: u32,
    /// Function.
    pub func: Option<&'a str>,
    /// The exception that was logged.
    pub exc: Option<Exc<'a>>,
    /// Bound fields first, then those of the call, each key once.
    pub fields: &'a [Field<'a>],
}

/// What [`encode`] made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Bytes written, from the start of the buffer.
    pub len: usize,
    /// Something was shortened or left out to make it fit.
    pub truncated: bool,
}

/// Encodes a record into at most `out.len()` bytes, and never more than
/// [`MAX_PAYLOAD`]. It cannot fail: what does not fit is shortened as described in
/// [`crate::cut`], and the record then says so.
#[inline]
pub fn encode(payload: &Payload<'_>, out: &mut [u8]) -> Encoded {
    let limit = out.len().min(MAX_PAYLOAD);
    let Some(area) = out.get_mut(..limit) else {
        return Encoded {
            len: 0,
            truncated: true,
        };
    };
    let mut pen = Pen::new(area);
    write(&mut pen, payload);
    if pen.is_full() {
        return cut::encode_cut(payload, area);
    }
    Encoded {
        len: pen.len(),
        truncated: false,
    }
}

#[inline(always)]
fn write(pen: &mut Pen<'_>, payload: &Payload<'_>) {
    pen.byte(wire::HEAD);
    pen.tagged(wire::EVENT, payload.event.as_bytes());
    optional(pen, wire::LOGGER, payload.logger);
    optional(pen, wire::MESSAGE, payload.message);
    if let Some(levelno) = payload.levelno {
        pen.tagged_u32(wire::LEVELNO, levelno as u32);
    }
    optional(pen, wire::FILE, payload.file);
    if payload.line != 0 {
        pen.tagged_u32(wire::LINE, payload.line);
    }
    optional(pen, wire::FUNC, payload.func);
    if let Some(exc) = &payload.exc {
        pen.tagged(wire::EXC, exc.kind.as_bytes());
        pen.text(exc.message.as_bytes());
        pen.text(exc.stacktrace.as_bytes());
    }
    for field in payload.fields {
        pen.field(field.key, &field.value);
    }
}

#[inline(always)]
fn optional(pen: &mut Pen<'_>, tag: u8, text: Option<&str>) {
    if let Some(text) = text {
        pen.tagged(tag, text.as_bytes());
    }
}

//! From a log call to bytes: the fast path.
//!
//! One pass writes everything and looks once at the end whether it fitted. Only if not,
//! [`crate::cut`] decides what to shorten.

use crate::ambient::{self, Ambient};
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
    /// Bound fields first, then ambient ones, then those of the call, each key once.
    pub fields: &'a [Field<'a>],
    /// Which of them are ambient.
    pub ambient: Ambient,
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
    let written = if payload.ambient.is_empty() {
        write(&mut pen, payload)
    } else {
        write_with_marks(&mut pen, payload)
    };
    match written {
        Some(()) => Encoded {
            len: pen.len(),
            truncated: false,
        },
        None => cut::encode_cut(payload, area),
    }
}

#[inline(always)]
fn write_parts(pen: &mut Pen<'_>, payload: &Payload<'_>) -> Option<()> {
    pen.byte(wire::HEAD)?;
    pen.tagged(wire::EVENT, payload.event.as_bytes())?;
    if let Some(logger) = payload.logger {
        pen.tagged(wire::LOGGER, logger.as_bytes())?;
    }
    if let Some(message) = payload.message {
        pen.tagged(wire::MESSAGE, message.as_bytes())?;
    }
    if let Some(levelno) = payload.levelno {
        pen.tagged_u32(wire::LEVELNO, levelno as u32)?;
    }
    if let Some(file) = payload.file {
        pen.tagged(wire::FILE, file.as_bytes())?;
    }
    if payload.line != 0 {
        pen.tagged_u32(wire::LINE, payload.line)?;
    }
    if let Some(func) = payload.func {
        pen.tagged(wire::FUNC, func.as_bytes())?;
    }
    if let Some(exc) = &payload.exc {
        write_exc(pen, exc)?;
    }
    Some(())
}

#[inline(always)]
fn write(pen: &mut Pen<'_>, payload: &Payload<'_>) -> Option<()> {
    write_parts(pen, payload)?;
    for field in payload.fields {
        pen.field(field.key, &field.value)?;
    }
    Some(())
}

/// The same with marks between the fields.
#[cold]
#[inline(never)]
fn write_with_marks(pen: &mut Pen<'_>, payload: &Payload<'_>) -> Option<()> {
    write_parts(pen, payload)?;
    let fields = payload.fields.iter().enumerate();
    ambient::write_marked(pen, payload.ambient, fields, |pen, field| {
        pen.field(field.key, &field.value)
    })
}

#[inline(never)]
fn write_exc(pen: &mut Pen<'_>, exc: &Exc<'_>) -> Option<()> {
    pen.tagged(wire::EXC, exc.kind.as_bytes())?;
    pen.text(exc.message.as_bytes())?;
    pen.text(exc.stacktrace.as_bytes())
}

//! From a log call to bytes: the fast path.
//!
//! One pass writes everything and looks once at the end whether it fitted. Only if not,
//! [`crate::cut`] decides what to shorten.

use crate::ambient::{self, Ambient};
use crate::args::Args;
use crate::copy::Cell;
use crate::cut;
use crate::pen::Pen;
use crate::sites::FromSite;
use crate::value::Field;
use crate::wire::{self, MAX_PAYLOAD};
use core::mem::MaybeUninit;

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
    /// Arguments, which make the event a template, to be rendered by a reader; none where there is a message.
    pub args: Args<'a>,
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
    /// The call site, and what of all this stands there already.
    pub site: Option<FromSite>,
}

impl Payload<'_> {
    /// It has a logger, and not the one of its call site.
    #[inline(always)]
    fn says_logger(&self) -> bool {
        self.logger.is_some() && self.site.is_none_or(|site| !site.has_logger)
    }

    /// It has details beside event, logger, arguments and fields.
    #[inline(always)]
    fn says_more(&self) -> bool {
        self.message.is_some()
            || self.levelno.is_some()
            || self.file.is_some()
            || self.line != 0
            || self.func.is_some()
            || self.exc.is_some()
    }
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
#[inline(always)]
pub fn encode(payload: &Payload<'_>, out: &mut [u8]) -> Encoded {
    let limit = out.len().min(MAX_PAYLOAD);
    let Some(area) = out.get_mut(..limit) else {
        return Encoded {
            len: 0,
            truncated: true,
        };
    };
    match write_whole(area, payload) {
        Some(len) => Encoded {
            len,
            truncated: false,
        },
        None => cut::encode_cut(payload, area),
    }
}

/// As [`encode`], into memory that need not hold anything yet: how many bytes of it were written,
/// from its start. `None`: it does not fit, or is longer than [`MAX_PAYLOAD`].
#[inline(always)]
pub fn encode_whole(payload: &Payload<'_>, out: &mut [MaybeUninit<u8>]) -> Option<usize> {
    let limit = out.len().min(MAX_PAYLOAD);
    write_whole(out.get_mut(..limit)?, payload)
}

#[inline(always)]
fn write_whole<B: Cell>(area: &mut [B], payload: &Payload<'_>) -> Option<usize> {
    let mut pen = Pen::new(area);
    if !payload.ambient.is_empty() {
        write_with_marks(&mut pen, payload)?;
    } else if let Some(site) = &payload.site {
        write_at_site(&mut pen, payload, site)?;
    } else {
        write(&mut pen, payload)?;
    }
    Some(pen.len())
}

/// As [`encode`], for a record whose event may still grow: what is appended to these bytes is
/// appended to the event. But not to those of a record that is truncated. It says everything
/// itself, whatever its call site has.
#[cold]
pub fn encode_open(payload: &Payload<'_>, out: &mut [u8]) -> Encoded {
    let limit = out.len().min(MAX_PAYLOAD);
    let area = out.get_mut(..limit).unwrap_or_default();
    let mut pen = Pen::new(area);
    match write_open(&mut pen, payload) {
        Some(()) => Encoded {
            len: pen.len(),
            truncated: false,
        },
        None => cut::encode_cut(payload, area),
    }
}

fn write_open(pen: &mut Pen<'_>, payload: &Payload<'_>) -> Option<()> {
    let payload = &Payload {
        site: None,
        ..*payload
    };
    pen.byte(wire::HEAD)?;
    write_details(pen, payload)?;
    let fields = payload.fields.iter().enumerate();
    ambient::write_marked(pen, payload.ambient, fields, |pen, field| {
        pen.field(field.key, &field.value)
    })?;
    pen.byte(wire::OPEN_EVENT)?;
    pen.raw(payload.event.as_bytes())
}

#[inline(always)]
fn write_parts<B: Cell>(pen: &mut Pen<'_, B>, payload: &Payload<'_>) -> Option<()> {
    pen.byte(wire::HEAD)?;
    if let Some(site) = &payload.site {
        pen.site(site.id)?;
    }
    if payload.site.is_none_or(|site| !site.has_event) {
        write_event(pen, payload.event)?;
    }
    write_details(pen, payload)
}

// What most records have not, or their call site has for them, is written by functions of their own: a call out of cold
// caches pays for each line of code that it passes.

#[inline(never)]
fn write_event<B: Cell>(pen: &mut Pen<'_, B>, event: &str) -> Option<()> {
    pen.tagged(wire::EVENT, event.as_bytes())
}

/// The parts beside the event.
#[inline(always)]
fn write_details<B: Cell>(pen: &mut Pen<'_, B>, payload: &Payload<'_>) -> Option<()> {
    let says_logger = payload.says_logger();
    if says_logger || payload.says_more() {
        write_rare_details(pen, payload, says_logger)?;
    }
    payload.args.write(pen)
}

#[inline(never)]
fn write_rare_details<B: Cell>(
    pen: &mut Pen<'_, B>,
    payload: &Payload<'_>,
    says_logger: bool,
) -> Option<()> {
    if let Some(logger) = payload.logger
        && says_logger
    {
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

#[inline(never)]
fn write<B: Cell>(pen: &mut Pen<'_, B>, payload: &Payload<'_>) -> Option<()> {
    write_parts(pen, payload)?;
    write_keyed(pen, payload.fields)
}

/// Fields with their names.
#[inline(never)]
fn write_keyed<B: Cell>(pen: &mut Pen<'_, B>, fields: &[Field<'_>]) -> Option<()> {
    for field in fields {
        pen.field(field.key, &field.value)?;
    }
    Some(())
}

/// The same where the call site has the names of the last fields.
#[inline(always)]
fn write_at_site<B: Cell>(
    pen: &mut Pen<'_, B>,
    payload: &Payload<'_>,
    site: &FromSite,
) -> Option<()> {
    write_parts(pen, payload)?;
    let (own, named) = payload.fields.split_at_checked(site.named_from)?;
    if !own.is_empty() {
        write_keyed(pen, own)?;
    }
    write_named(pen, named)
}

/// Fields whose names the call site has.
#[inline(always)]
fn write_named<B: Cell>(pen: &mut Pen<'_, B>, named: &[Field<'_>]) -> Option<()> {
    if named.is_empty() {
        return Some(());
    }
    pen.byte(wire::VALUES)?;
    let length = pen.hole()?;
    for field in named {
        pen.quick_value(&field.value)?;
    }
    pen.fill_length(length)
}

/// The same with marks between the fields.
#[cold]
#[inline(never)]
fn write_with_marks<B: Cell>(pen: &mut Pen<'_, B>, payload: &Payload<'_>) -> Option<()> {
    write_parts(pen, payload)?;
    let named_from = payload
        .site
        .map_or(payload.fields.len(), |site| site.named_from);
    let (own, named) = payload.fields.split_at_checked(named_from)?;
    let fields = own.iter().enumerate();
    ambient::write_marked(pen, payload.ambient, fields, |pen, field| {
        pen.field(field.key, &field.value)
    })?;
    if payload.ambient.to == named_from && !named.is_empty() {
        pen.tagged(wire::AMBIENT, &[])?;
    }
    write_named(pen, named)
}

#[inline(never)]
fn write_exc<B: Cell>(pen: &mut Pen<'_, B>, exc: &Exc<'_>) -> Option<()> {
    pen.tagged(wire::EXC, exc.kind.as_bytes())?;
    pen.text(exc.message.as_bytes())?;
    pen.text(exc.stacktrace.as_bytes())
}

//! What happens when a record does not fit.
//!
//! The record is shortened step by step, and no further than needed:
//!
//! 1. names (logger, func, file, exception type) end at a sixteenth of the space, and
//!    fields whose key is longer than that are left out;
//! 2. the longest values are cut to a common length, which is as large as possible but
//!    at least 64 bytes: long values shrink, short ones stay whole. An exception's
//!    message and stack trace count as values;
//! 3. the event (and the message) is cut, down to half of the space;
//! 4. values are cut below 64 bytes;
//! 5. fields are left out, the last ones first;
//! 6. the event is cut further, to 64 bytes; then exception, file, line, func and levelno
//!    are left out, then the logger, and at last the event is cut to nothing.
//!
//! A template does not stay one: its message is rendered, with arguments that are cut as values are, and kept as any other
//! message, which ends in the mark if anything of it is missing.
//!
//! Cuts are made between characters. A cut event or message ends in
//! [`MARK`]; a cut value is a plain prefix of what was logged, so that
//! it stays data. A cut datetime, decimal or path becomes a str. A list, dict, enum or
//! NumPy scalar that is too long becomes a str too: the beginning of its JSON text.
//! Numbers, bools and UUIDs are never cut. Any record that was touched is `truncated`,
//! and the text and iso formats end it in the mark.

use crate::ambient;
use crate::args::Args;
use crate::encode::{Encoded, Payload};
use crate::out::Out;
use crate::pen::{Pen, body_size, text_size};
use crate::render::json;
use crate::text::Text;
use crate::value::{Field, Value};
use crate::wire::{self, MARK, MAX_ARGS, MAX_LENGTH};

/// Values up to this length stay whole as long as the event can be cut instead.
const SHORT_VALUE: usize = 64;

/// Events up to this length stay whole as long as anything else can be left out instead.
const SHORT_EVENT: usize = 64;

/// What the number of the call site takes. What stands there is not left out, but the event is
/// written all the same, and the fields have their names: what is cut says itself what it is.
const SITE_SIZE: usize = 6;

/// How far a record is shortened.
#[derive(Clone, Copy, Debug)]
struct Plan {
    names: usize,
    values: usize,
    texts: usize,
    fields: usize,
    has_details: bool,
    has_logger: bool,
}

/// Encodes a record that does not fit as it is.
#[cold]
#[inline(never)]
pub(crate) fn encode_cut(payload: &Payload<'_>, area: &mut [u8]) -> Encoded {
    let limit = area.len();
    let plan = plan(payload, limit);
    let mut pen = Pen::new(area);
    match plan.and_then(|plan| write(&mut pen, payload, &plan)) {
        Some(()) => Encoded {
            len: pen.len(),
            truncated: true,
        },
        None => nothing(area),
    }
}

/// The head alone, if even that fits.
fn nothing(area: &mut [u8]) -> Encoded {
    let Some(head) = area.first_mut() else {
        return Encoded {
            len: 0,
            truncated: true,
        };
    };
    *head = wire::HEAD | wire::TRUNCATED;
    Encoded {
        len: 1,
        truncated: true,
    }
}

fn plan(payload: &Payload<'_>, limit: usize) -> Option<Plan> {
    let most = limit.min(MAX_LENGTH);
    let mut plan = Plan {
        names: (limit / 16).max(32),
        values: most,
        texts: most,
        fields: payload.fields.len(),
        has_details: true,
        has_logger: true,
    };
    let fits = |plan: &Plan| size(payload, plan) <= limit;
    if settle(&mut plan, |plan| &mut plan.values, SHORT_VALUE, fits)
        || settle(&mut plan, |plan| &mut plan.texts, limit / 2, fits)
        || settle(&mut plan, |plan| &mut plan.values, 0, fits)
        || settle(&mut plan, |plan| &mut plan.fields, 0, fits)
        || settle(&mut plan, |plan| &mut plan.texts, SHORT_EVENT, fits)
    {
        return Some(plan);
    }
    plan.has_details = false;
    if settle(&mut plan, |plan| &mut plan.texts, SHORT_EVENT / 2, fits) {
        return Some(plan);
    }
    plan.has_logger = false;
    settle(&mut plan, |plan| &mut plan.texts, 0, fits).then_some(plan)
}

/// Turns one knob down, as little as needed and to `floor` at most. False: even that is
/// not enough, and the knob stays at the floor.
pub(crate) fn settle<P>(
    plan: &mut P,
    knob: fn(&mut P) -> &mut usize,
    floor: usize,
    mut fits: impl FnMut(&P) -> bool,
) -> bool {
    let mut high = *knob(plan);
    let mut low = floor.min(high);
    *knob(plan) = low;
    if !fits(plan) {
        return false;
    }
    while low < high {
        let middle = low.saturating_add((high - low).div_ceil(2));
        *knob(plan) = middle;
        if fits(plan) {
            low = middle;
        } else {
            high = middle.saturating_sub(1);
        }
    }
    *knob(plan) = low;
    true
}

/// Bytes that the record takes at most under a plan.
fn size(payload: &Payload<'_>, plan: &Plan) -> usize {
    let text = |text: &str| marked_size(text.len(), plan.texts).saturating_add(1);
    let name = |name: Option<&str>| {
        name.map_or(0, |name| {
            text_size(name.len().min(plan.names)).saturating_add(1)
        })
    };
    let long = |value: &str| text_size(value.len().min(plan.values));
    let mut total = text(payload.event).saturating_add(1);
    if payload.site.is_some() {
        total = total.saturating_add(SITE_SIZE);
    }
    total = total.saturating_add(payload.message.map_or(0, text));
    total = total.saturating_add(rendered_size(payload, plan));
    if plan.has_logger {
        total = total.saturating_add(name(payload.logger));
    }
    if plan.has_details {
        total = total
            .saturating_add(name(payload.file))
            .saturating_add(name(payload.func));
        let has_numbers = [payload.levelno.is_some(), payload.line != 0];
        total = total.saturating_add(has_numbers.iter().filter(|is_there| **is_there).count() * 5);
        if let Some(exc) = &payload.exc {
            total = total.saturating_add(name(Some(exc.kind)));
            total = total
                .saturating_add(long(exc.message))
                .saturating_add(long(exc.stacktrace));
        }
    }
    if !payload.ambient.is_empty() {
        total = total.saturating_add(ambient::MARKS);
    }
    for (_, field) in kept(payload, plan) {
        let body = cut_size(&field.value, plan.values);
        let key = text_size(field.key.len());
        total = total
            .saturating_add(key)
            .saturating_add(body)
            .saturating_add(1);
    }
    total
}

/// The fields that a plan keeps, each with its index.
fn kept<'a>(payload: &Payload<'a>, plan: &Plan) -> impl Iterator<Item = (usize, &'a Field<'a>)> {
    let longest_key = plan.names;
    payload
        .fields
        .iter()
        .enumerate()
        .take(plan.fields)
        .filter(move |(_, field)| field.key.len() <= longest_key)
}

/// Size of a text that ends in the mark when it is cut.
fn marked_size(len: usize, cap: usize) -> usize {
    if len <= cap {
        text_size(len)
    } else {
        cap.saturating_add(2)
    }
}

/// Size of a value's body, cut to `cap`.
fn cut_size(value: &Value<'_>, cap: usize) -> usize {
    match length(value) {
        Some(length) if length > cap => cap.saturating_add(2),
        _ => body_size(value),
    }
}

/// The length that counts when the longest values are cut; `None` for what has no length.
fn length(value: &Value<'_>) -> Option<usize> {
    match value {
        Value::Str(text) | Value::DateTime(text) | Value::Decimal(text) | Value::Path(text) => {
            Some(text.len())
        }
        Value::Bytes(bytes) => Some(bytes.len()),
        Value::List(_) | Value::Dict(_) | Value::Enum { .. } | Value::Numpy { .. } => {
            Some(body_size(value))
        }
        _ => None,
    }
}

fn write(pen: &mut Pen<'_>, payload: &Payload<'_>, plan: &Plan) -> Option<()> {
    pen.byte(wire::HEAD | wire::TRUNCATED)?;
    // A logger that is left out must not become the site's.
    if let Some(site) = payload
        .site
        .filter(|site| plan.has_logger || site.has_logger)
    {
        pen.site(site.id)?;
    }
    marked(pen, wire::EVENT, payload.event, plan.texts)?;
    if plan.has_logger {
        name(pen, wire::LOGGER, payload.logger, plan.names)?;
    }
    if let Some(message) = payload.message {
        marked(pen, wire::MESSAGE, message, plan.texts)?;
    }
    rendered(pen, payload, plan)?;
    if plan.has_details {
        details(pen, payload, plan)?;
    }
    ambient::write_marked(pen, payload.ambient, kept(payload, plan), |pen, field| {
        cut_field(pen, field, plan.values)
    })
}

fn details(pen: &mut Pen<'_>, payload: &Payload<'_>, plan: &Plan) -> Option<()> {
    if let Some(levelno) = payload.levelno {
        pen.tagged_u32(wire::LEVELNO, levelno as u32)?;
    }
    name(pen, wire::FILE, payload.file, plan.names)?;
    if payload.line != 0 {
        pen.tagged_u32(wire::LINE, payload.line)?;
    }
    name(pen, wire::FUNC, payload.func, plan.names)?;
    if let Some(exc) = &payload.exc {
        pen.tagged(wire::EXC, prefix(exc.kind, plan.names).as_bytes())?;
        pen.text(prefix(exc.message, plan.values).as_bytes())?;
        pen.text(prefix(exc.stacktrace, plan.values).as_bytes())?;
    }
    Some(())
}

fn name(pen: &mut Pen<'_>, tag: u8, text: Option<&str>, cap: usize) -> Option<()> {
    match text {
        Some(text) => pen.tagged(tag, prefix(text, cap).as_bytes()),
        None => Some(()),
    }
}

/// A text that ends in the mark when it is cut.
fn marked(pen: &mut Pen<'_>, tag: u8, text: &str, cap: usize) -> Option<()> {
    if text.len() <= cap {
        return pen.tagged(tag, text.as_bytes());
    }
    pen.byte(tag)?;
    pen.text_by(cap, |area| {
        let mut out = Out::new(area);
        match cap.checked_sub(MARK.len()) {
            Some(cap) => {
                out.put(prefix(text, cap).as_bytes());
                out.put(MARK.as_bytes());
            }
            None => out.put(prefix(text, cap).as_bytes()),
        }
        out.len()
    })
}

/// Size of the message that is rendered because the arguments do not stay.
fn rendered_size(payload: &Payload<'_>, plan: &Plan) -> usize {
    if payload.message.is_some() || payload.args.is_none() {
        return 0;
    }
    with_short_args(&payload.args, plan.values, |args, is_cut| {
        let mark = if is_cut { MARK.len() } else { 0 };
        let len = Text::new(payload.event, args).len().saturating_add(mark);
        len.min(plan.texts).saturating_add(3)
    })
}

/// Renders the message where the arguments do not stay.
fn rendered(pen: &mut Pen<'_>, payload: &Payload<'_>, plan: &Plan) -> Option<()> {
    if payload.message.is_some() || payload.args.is_none() {
        return Some(());
    }
    with_short_args(&payload.args, plan.values, |args, is_cut| {
        let text = Text::new(payload.event, args);
        let len = text.len();
        let mark = if is_cut || len > plan.texts { MARK } else { "" };
        let cap = plan.texts.min(len.saturating_add(mark.len()));
        pen.byte(wire::MESSAGE)?;
        pen.text_by(cap, |area| {
            let room = area.len();
            let mark = if mark.len() <= room { mark } else { "" };
            let mut capped = Capped::new(room.saturating_sub(mark.len()));
            let mut out = Out::new(area);
            text.write(&mut |piece| out.put(capped.take(piece).as_bytes()));
            out.put(mark.as_bytes());
            out.len()
        })
    })
}

/// Calls with arguments whose texts are cut to `cap`, but not to less than a character, and with whether any was.
fn with_short_args<R>(args: &Args<'_>, cap: usize, work: impl FnOnce(Args<'_>, bool) -> R) -> R {
    let cap = cap.max(char::MAX.len_utf8());
    let mut values = [Value::Null; MAX_ARGS];
    let null = Value::Null;
    let mut fields = [Field {
        key: "",
        value: null,
    }; MAX_ARGS];
    let (mut count, mut is_cut) = (0usize, false);
    for ((value, field), arg) in values.iter_mut().zip(&mut fields).zip(args.iter()) {
        is_cut |= length(&arg.value).is_some_and(|length| length > cap);
        *value = match arg.value {
            Value::Str(text) => Value::Str(prefix(text, cap)),
            Value::Bytes(bytes) => Value::Bytes(bytes.get(..cap).unwrap_or(bytes)),
            other => other,
        };
        *field = Field {
            key: arg.key,
            value: *value,
        };
        count = count.wrapping_add(1);
    }
    let args = if args.is_named() {
        Args::named(fields.get(..count).unwrap_or(&[]))
    } else {
        Args::listed(values.get(..count).unwrap_or(&[]))
    };
    work(args, is_cut)
}

fn cut_field(pen: &mut Pen<'_>, field: &Field<'_>, cap: usize) -> Option<()> {
    if length(&field.value).is_none_or(|length| length <= cap) {
        return pen.field(field.key, &field.value);
    }
    match &field.value {
        Value::Str(text) | Value::DateTime(text) | Value::Decimal(text) | Value::Path(text) => {
            pen.field(field.key, &Value::Str(prefix(text, cap)))
        }
        Value::Bytes(bytes) => {
            let some = bytes.get(..cap).unwrap_or(bytes);
            pen.field(field.key, &Value::Bytes(some))
        }
        nested => {
            pen.tagged(wire::STR, field.key.as_bytes())?;
            pen.text_by(cap, |area| json_prefix(nested, area))
        }
    }
}

/// As much of a value's JSON text as fits, in whole characters.
fn json_prefix(value: &Value<'_>, area: &mut [u8]) -> usize {
    let mut out = Out::new(area);
    json::value(&mut out, value);
    match core::str::from_utf8(out.written()) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    }
}

/// Lets through so many bytes of a text that comes in pieces, whole characters of it.
pub(crate) struct Capped {
    room: usize,
    is_cut: bool,
}

impl Capped {
    pub(crate) fn new(cap: usize) -> Capped {
        Capped {
            room: cap,
            is_cut: false,
        }
    }

    /// What of a piece is let through.
    pub(crate) fn take<'t>(&mut self, piece: &'t str) -> &'t str {
        if piece.len() <= self.room {
            self.room = self.room.wrapping_sub(piece.len());
            return piece;
        }
        let some = prefix(piece, self.room);
        self.is_cut = true;
        self.room = 0;
        some
    }

    /// Something was not.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }
}

/// The longest prefix of whole characters that has at most `cap` bytes.
pub(crate) fn prefix(text: &str, cap: usize) -> &str {
    let mut end = cap.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.wrapping_sub(1);
    }
    text.get(..end).unwrap_or("")
}

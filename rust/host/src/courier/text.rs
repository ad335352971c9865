//! The text that a formatter makes of records: kept from lying, and written as other consoles write.
//!
//! What a formatter adds is its own affair: colours, several lines. But logged data must forge neither a record nor a
//! terminal sequence. So where a record itself carries control characters those of its text are written `\xNN`, and where
//! it carries line breaks further lines begin with `| `.

use super::batch::{Batch, Place};
use crate::sinks::{Refreshed, Sink};
use pr_printk::emit::Cursor;
use pr_printk::fd::Written;
use pr_printk::stamp;
use pr_record::render::escape::write_name;
use pr_record::{NoSites, Out, RecordView, Value, decode};
use std::sync::atomic::Ordering;

/// After a failed write, first and longest pause before the next attempt.
const RETRY_NSEC: std::ops::RangeInclusive<u64> = 10_000_000..=1_000_000_000;
/// Enough for one write.
const ENOUGH_BYTES: usize = 64 * 1024;
/// A record's text is cut at this length: as long as the longest one of the built-in formats.
const MOST_BYTES: usize = 1024 * 1024;
const CUT: &str = "<truncated>";
/// What begins a further line whose break may come from logged data.
const FURTHER: &str = "\n| ";
/// The field with the stack of a call.
const STACK: &str = "stack_info";

/// Texts of records, back to back, each with its newline.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Where each one ends, and where the console is then.
    ends: Vec<(usize, Cursor)>,
}

impl Lines {
    /// Whether another record's text is to come before they are written.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < ENOUGH_BYTES
    }

    /// Adds what was made of the record with this payload; nothing for an empty text.
    pub(super) fn add(&mut self, text: &str, payload: &[u8], after: Cursor) {
        if !text.is_empty() {
            let view = decode(payload, &NoSites).ok();
            let text = cut(text.strip_suffix('\n').unwrap_or(text));
            self.bytes
                .extend_from_slice(honest(&text, view.as_ref()).as_bytes());
            self.bytes.push(b'\n');
        }
        self.ends.push((self.bytes.len(), after));
    }
}

fn cut(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= MOST_BYTES {
        return text.into();
    }
    let fits = (0..=MOST_BYTES).rev().find_map(|end| text.get(..end));
    format!("{}{CUT}", fits.unwrap_or_default()).into()
}

/// The text, without what may come from the record and is not what it seems.
fn honest<'t>(text: &'t str, record: Option<&RecordView<'_>>) -> std::borrow::Cow<'t, str> {
    let carries = |what: fn(&str) -> bool| record.is_none_or(|record| any_text(record, &what));
    let escape = has_controls(text) && carries(has_controls);
    let is_further = record.is_none_or(is_followed) || carries(|text| text.contains('\n'));
    let prefix = text.contains('\n') && is_further;
    if !escape && !prefix {
        return text.into();
    }
    let lines = text.split('\n').map(|line| {
        if escape {
            escaped(line)
        } else {
            line.to_owned()
        }
    });
    let lines: Vec<String> = lines.collect();
    lines.join(if prefix { FURTHER } else { "\n" }).into()
}

/// Whether it has what formatters write on lines of its own, be it one line.
fn is_followed(record: &RecordView<'_>) -> bool {
    record.exc().is_some() || record.fields().any(|field| field.key == STACK)
}

/// Without controls but tab, as the built-in formats write a text.
pub(super) fn escaped(line: &str) -> String {
    let mut room = vec![0; 4 * line.len()];
    let mut out = Out::new(&mut room);
    write_name(&mut out, line);
    String::from_utf8_lossy(out.written()).into_owned()
}

/// Whether there are control characters but tab and newline, or others that a terminal acts upon.
fn has_controls(text: &str) -> bool {
    let suspect = |byte: u8| {
        (byte < 0x20 && byte != b'\t' && byte != b'\n') || matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2)
    };
    text.bytes().any(suspect) && text.split('\n').any(|line| escaped(line) != line)
}

/// Whether this is true of any text in a record.
fn any_text(record: &RecordView<'_>, what: &dyn Fn(&str) -> bool) -> bool {
    let shown = record.text().to_string(); // a template with its arguments
    let names = [record.logger(), record.file(), record.func()];
    let exc = record.exc();
    let mut exc = exc
        .iter()
        .flat_map(|exc| [exc.kind, exc.message, exc.stacktrace]);
    [record.event(), &shown].into_iter().any(what)
        || names.into_iter().flatten().any(what)
        || exc.any(what)
        // A formatter has them too, and the text may show less of them.
        || record
            .args()
            .iter()
            .any(|arg| what(arg.key) || any_in(&arg.value, what))
        || record
            .fields()
            .any(|field| what(field.key) || any_in(&field.value, what))
}

fn any_in(value: &Value<'_>, what: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::Str(text) | Value::DateTime(text) | Value::Decimal(text) | Value::Path(text) => {
            what(text)
        }
        Value::Bytes(bytes) => what(&String::from_utf8_lossy(bytes)),
        Value::Enum { value, .. } | Value::Numpy { value, .. } => any_in(&value.value(), what),
        Value::List(values) => values.iter().any(|value| any_in(&value, what)),
        Value::Dict(map) => map
            .iter()
            .any(|field| what(field.key) || any_in(&field.value, what)),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Uuid(_) => false,
    }
}

/// Writes texts to the console's sink.
#[derive(Debug)]
pub(super) struct Writer {
    sink: Box<dyn Sink>,
    place: Place,
    name: String,
    /// The sink has refused, that was told, and it has not taken anything since.
    failing: bool,
}

impl Writer {
    pub(super) fn new(sink: Box<dyn Sink>, place: Place, name: String) -> Writer {
        Writer {
            sink,
            place,
            name,
            failing: false,
        }
    }

    /// Writes until the sink has taken all of it, and moves the console behind what it took. While it fails the records
    /// wait in the ring. False: given up, or the console goes.
    pub(super) fn write(&mut self, lines: &Lines, batch: &Batch) -> bool {
        let mut refreshed = self.sink.refresh(self.place.orders.take_reopen());
        let (mut done, mut passed) = (0, 0);
        let mut pause = *RETRY_NSEC.start();
        loop {
            let rest = lines.bytes.get(done..).unwrap_or_default();
            let place = &self.place;
            let written = match refreshed {
                Ok(_) => self.sink.write(rest, &|| place.goes_on()),
                Err(why) => Written {
                    bytes: 0,
                    errno: Some(why),
                },
            };
            if !self.place.goes_on() {
                return false;
            }
            done += written.bytes;
            let bytes = &self.place.slot().bytes;
            bytes.fetch_add(written.bytes as u64, Ordering::Relaxed);
            let ended = lines.ends.iter().skip(passed);
            let whole = ended.take_while(|(end, _)| *end <= done).count();
            passed += whole;
            if let Some((_, cursor)) = lines.ends.get(passed.wrapping_sub(1)) {
                batch.move_to(cursor);
            }
            let Some(errno) = written.errno else {
                self.failing = false;
                return true;
            };
            self.place.slot().errors.fetch_add(1, Ordering::Relaxed);
            if !std::mem::replace(&mut self.failing, true) {
                self.place.life.tell_failed_write(&self.name, errno);
            }
            if self.place.orders.stop().is_some() {
                return false; // no more attempts: the console goes
            }
            self.pause(pause);
            pause = (pause * 2).min(*RETRY_NSEC.end());
            refreshed = self.sink.refresh(true);
            if refreshed == Ok(Refreshed::Another) {
                // A new target gets whole records.
                done = lines
                    .ends
                    .get(passed.wrapping_sub(1))
                    .map_or(0, |last| last.0);
            }
        }
    }

    /// Waits, whoever wakes the printers meanwhile, but not for a console that is to go.
    fn pause(&self, nsec: u64) {
        let end = stamp::monotonic_nsec().saturating_add(nsec);
        let kick = self.place.life.core().kick();
        loop {
            let ticket = kick.ticket();
            let left = end.saturating_sub(stamp::monotonic_nsec());
            if left == 0 || self.place.orders.stop().is_some() || !self.place.goes_on() {
                return;
            }
            kick.nap(ticket, left);
        }
    }
}

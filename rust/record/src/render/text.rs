//! `[    1.234567] LOGGER: MESSAGE k=v`, and what text, iso and syslog have in common.

use super::escape::{self, Quotes};
use super::json::{self, Shape, Writer};
use super::{Scene, message, time};
use crate::encode::Exc;
use crate::out::Out;
use crate::value::Value;
use crate::wire::MARK;

/// A record.
pub(super) fn record(out: &mut Out<'_>, scene: &Scene<'_, '_>) {
    let lead = Lead(|out: &mut Out<'_>| time::bracketed(out, scene.meta.ts_nsec));
    lines(out, scene, &lead, b"");
}

/// What every line of a record begins with. The first line goes on with a space, every
/// further one with `|`: that is how a further line is told from a record. Written where
/// it is wanted, and not copied there: it is short, and made of pieces that the processor
/// has only just stored.
pub(super) struct Lead<W>(pub(super) W);

impl<W: Fn(&mut Out<'_>)> Lead<W> {
    /// Begins the record.
    #[inline(always)]
    fn first(&self, out: &mut Out<'_>) {
        (self.0)(out);
        out.put_byte(b' ');
    }

    /// Ends a line and begins a further one.
    #[inline(never)]
    fn further(&self, out: &mut Out<'_>) {
        out.put_byte(b'\n');
        (self.0)(out);
        out.put_byte(b'|');
    }
}

/// The lines of a record; `word` stands between the beginning of the first line and the
/// logger.
#[inline]
pub(super) fn lines<W: Fn(&mut Out<'_>)>(
    out: &mut Out<'_>,
    scene: &Scene<'_, '_>,
    lead: &Lead<W>,
    word: &[u8],
) {
    let record = scene.record;
    lead.first(out);
    out.put(word);
    let mut is_marked = match scene.ready_text() {
        Some(text) => {
            out.put(text);
            false // nothing is missing
        }
        None => logger_and_message(out, scene, lead),
    };
    for field in record.fields().take(scene.fields) {
        out.put_byte(b' ');
        escape::write_name(out, field.key);
        out.put_byte(b'=');
        value(out, &field.value, scene.cap);
        is_marked = false;
    }
    if let Some(exc) = record.exc() {
        traceback(out, scene, &exc, lead);
        is_marked = false;
    }
    if scene.truncated && !is_marked {
        out.put(b" ");
        out.put(MARK.as_bytes());
    }
    out.put_byte(b'\n');
}

/// True: it ends in the mark.
fn logger_and_message<W: Fn(&mut Out<'_>)>(
    out: &mut Out<'_>,
    scene: &Scene<'_, '_>,
    lead: &Lead<W>,
) -> bool {
    if let Some(logger) = scene.record.logger() {
        escape::write_name(out, scene.cut(logger));
        out.put(b": ");
    }
    let end = message::write(out, scene, &scene.record.text(), |out, text| {
        escape::write_message(out, text, |out| lead.further(out));
    });
    if end.is_cut {
        out.put(MARK.as_bytes());
    }
    end.is_cut || end.is_marked
}

/// The traceback as further lines. Without one the exception itself is told.
fn traceback<W: Fn(&mut Out<'_>)>(
    out: &mut Out<'_>,
    scene: &Scene<'_, '_>,
    exc: &Exc<'_>,
    lead: &Lead<W>,
) {
    let further = |out: &mut Out<'_>| lead.further(out);
    further(out);
    let trace = exc.stacktrace.strip_suffix('\n').unwrap_or(exc.stacktrace);
    if !trace.is_empty() {
        return escape::write_message(out, scene.cut(trace), further);
    }
    escape::write_message(out, scene.cut(exc.kind), further);
    if !exc.message.is_empty() {
        out.put(b": ");
        escape::write_message(out, scene.cut(exc.message), further);
    }
}

/// A value: what JSON writes as a string follows the rule of [`escape::write_str`], the
/// rest is JSON.
pub(super) fn value(out: &mut Out<'_>, value: &Value<'_>, cap: usize) {
    match json::shape(value) {
        Shape::Text(text) => escape::write_str(out, crate::cut::prefix(text, cap)),
        Shape::Bytes(bytes) => {
            let bytes = bytes.get(..cap).unwrap_or(bytes);
            if escape::is_bare(bytes) {
                out.put(bytes);
            } else {
                out.put_byte(b'"');
                escape::bytes_part(out, bytes, true);
                out.put_byte(b'"');
            }
        }
        Shape::Uuid(bytes) => json::uuid(out, &bytes),
        Shape::Other(value) => Writer {
            quotes: Quotes::Text,
            cap,
        }
        .other(out, &value),
    }
}

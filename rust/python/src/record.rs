//! `Record`: one record, decoded when it is looked at.

use crate::convert::give;
use crate::levels;
use crate::parameters::FormatArg;
use pr_record::{
    Format, Meta, NoSites, Out, RecordView, decode, render, render_cut, render_dropped, render_torn,
};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::borrow::Cow;

/// The event of a record whose bytes are none.
const TORN: &str = "record torn";
/// A rendered record longer than this is cut: longer than anything that 32 KiB can become.
const LONGEST_RENDERED: usize = 4 << 20;

/// One record, decoded. Immutable. str() is the `text` format, all its lines, without the final newline.
#[pyclass(frozen, module = "printk_ring")]
pub struct Record {
    meta: Meta,
    torn: bool,
    payload: Box<[u8]>,
}

impl Record {
    /// A record as it was read.
    pub fn new(meta: Meta, torn: bool, payload: &[u8]) -> Record {
        let torn = torn || decode(payload, &NoSites).is_err();
        Record {
            meta,
            torn,
            payload: payload.into(),
        }
    }

    /// Whether its bytes are no record.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    fn view(&self) -> Option<RecordView<'_>> {
        if self.torn {
            None
        } else {
            decode(&self.payload, &NoSites).ok()
        }
    }
}

#[pymethods]
impl Record {
    /// Its number.
    #[getter]
    fn seq(&self) -> u64 {
        self.meta.seq
    }

    /// When it was stored, on the clock of `time.monotonic_ns`.
    #[getter]
    fn ts_nsec(&self) -> u64 {
        self.meta.ts_nsec
    }

    /// The same in nanoseconds since the epoch, by the offset of the clocks sampled nearest before it.
    #[getter]
    fn wall_nsec(&self) -> u64 {
        self.meta.wall_nsec
    }

    /// Its level.
    #[getter]
    fn level<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        levels::member(py, self.meta.level & 7)
    }

    /// The number the caller gave, where there was one of 8 and more or a standard-library one; else None.
    #[getter]
    fn levelno(&self) -> Option<i32> {
        self.view()?.levelno()
    }

    /// Syslog facility; 1 (user) unless set otherwise.
    #[getter]
    fn facility(&self) -> u8 {
        self.meta.facility
    }

    /// The flags, numbered as the kernel's: 2, the call that made it ended its line, as all but `cont` do; 8, it goes on with a
    /// line of `cont` that was broken off; 10, both.
    #[getter]
    fn flags(&self) -> u8 {
        self.meta.flags
    }

    /// The ring's identity of the writer: pid and tid in one word.
    #[getter]
    fn caller_id(&self) -> u64 {
        self.meta.caller_id
    }

    /// The process that logged it.
    #[getter]
    fn pid(&self) -> u32 {
        self.meta.pid
    }

    /// The kernel's number of the thread that logged it.
    #[getter]
    fn tid(&self) -> u32 {
        self.meta.tid
    }

    /// The logger's name.
    #[getter]
    fn logger(&self) -> Option<&str> {
        self.view()?.logger()
    }

    /// The event as given: with arguments the template.
    #[getter]
    fn event(&self) -> &str {
        self.view().map_or(TORN, |view| view.event())
    }

    /// The event with its arguments; the same as `event` when there are none.
    #[getter]
    fn message(&self) -> Cow<'_, str> {
        self.view().map_or(Cow::Borrowed(TORN), |view| shown(&view))
    }

    /// The arguments that a reader puts into the event, typed; a dict where they have names.
    ///
    /// None: there are none, or the call has put them into the message itself.
    #[getter]
    fn _args<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.view() {
            Some(view) if view.text().as_plain().is_none() => give::args(py, view.args()).map(Some),
            _ => Ok(None),
        }
    }

    /// The fields, typed, bound ones first, then in call order. A new dict at each access.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        match self.view() {
            Some(view) => give::fields(py, &view),
            None => Ok(PyDict::new(py)),
        }
    }

    /// The file of the call, if known.
    #[getter]
    fn file(&self) -> Option<&str> {
        self.view()?.file()
    }

    /// The line of the call, if known.
    #[getter]
    fn line(&self) -> Option<u32> {
        self.view()
            .map(|view| view.line())
            .filter(|line| *line != 0)
    }

    /// The function of the call, if known.
    #[getter]
    fn func(&self) -> Option<&str> {
        self.view()?.func()
    }

    /// The exception logged with it.
    #[getter]
    fn exc<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(exc) = self.view().and_then(|view| view.exc()) else {
            return Ok(None);
        };
        let dict = PyDict::new(py);
        dict.set_item("type", exc.kind)?;
        dict.set_item("message", exc.message)?;
        dict.set_item("stacktrace", exc.stacktrace)?;
        Ok(Some(dict))
    }

    /// True when it was too large and something was cut.
    #[getter]
    fn truncated(&self) -> bool {
        self.view().is_some_and(|view| view.truncated())
    }

    /// True when its bytes are not a record (all that could be read then is its info); `event` says so.
    #[getter]
    fn torn(&self) -> bool {
        self.torn
    }

    /// The record as a console of that format writes it, without the final newline.
    #[pyo3(signature = (format=FormatArg(Format::Text)), text_signature = "($self, format='text')")]
    fn format(&self, format: FormatArg) -> String {
        rendered(|out| match self.view() {
            Some(view) if out.room() >= LONGEST_RENDERED => {
                render_cut(format.0, out, &self.meta, &view)
            }
            Some(view) => render(format.0, out, &self.meta, &view),
            None => render_torn(format.0, out, &self.meta),
        })
    }

    fn __str__(&self) -> String {
        self.format(FormatArg(Format::Text))
    }

    fn __repr__(&self) -> String {
        let level = pr_record::Level::from_bits(self.meta.level).name();
        format!("<Record {} {level} {:?}>", self.meta.seq, self.message())
    }
}

/// The message.
fn shown<'a>(view: &RecordView<'a>) -> Cow<'a, str> {
    let text = view.text();
    text.as_plain()
        .map_or_else(|| Cow::Owned(text.to_string()), Cow::Borrowed)
}

/// Renders with as much room as it takes; `write` answers whether it had enough. Without the final newline.
fn rendered(write: impl Fn(&mut Out<'_>) -> bool) -> String {
    let mut room = 4096;
    loop {
        // The byte in front keeps the renderer from cutting what has less room than it needs.
        let mut buffer = vec![0; 1 + room];
        let mut out = Out::new(&mut buffer);
        out.put_byte(0);
        if write(&mut out) || room >= LONGEST_RENDERED {
            let text = out.written().get(1..).unwrap_or_default();
            return String::from_utf8_lossy(text.strip_suffix(b"\n").unwrap_or(text)).into_owned();
        }
        room *= 8;
    }
}

/// The notice of lost records as a console of that format would write it now, without the final newline.
#[pyfunction]
pub fn _format_dropped(format: FormatArg, dropped: u64, first_seq: u64, last_seq: u64) -> String {
    let (ts_nsec, wall_nsec) = (
        pr_printk::stamp::monotonic_nsec(),
        pr_printk::stamp::wall_nsec(),
    );
    let pid = std::process::id();
    let tid = pr_printk::thread::tid();
    let meta = Meta {
        seq: last_seq,
        ts_nsec,
        wall_nsec,
        level: 4,
        facility: 1,
        pid,
        tid,
        ..Meta::default()
    };
    rendered(|out| render_dropped(format.0, out, &meta, dropped, first_seq, last_seq))
}

/// The message of one encoded record (a slice of `_snapshot()[1]`). Total: bytes that are no record give the text that
/// a reader shows for a torn one.
#[pyfunction]
#[pyo3(signature = (payload, /))]
pub fn decode_text(py: Python<'_>, payload: PyBuffer<u8>) -> PyResult<String> {
    let bytes = payload.to_vec(py)?;
    let view = decode(&bytes, &NoSites).ok();
    Ok(view.map_or_else(|| TORN.to_owned(), |view| shown(&view).into_owned()))
}

/// The typed fields of one encoded record. Total: empty for bytes that are no record.
#[pyfunction]
#[pyo3(signature = (payload, /))]
pub fn decode_fields<'py>(py: Python<'py>, payload: PyBuffer<u8>) -> PyResult<Bound<'py, PyDict>> {
    let bytes = payload.to_vec(py)?;
    match decode(&bytes, &NoSites) {
        Ok(view) => give::fields(py, &view),
        Err(_) => Ok(PyDict::new(py)),
    }
}

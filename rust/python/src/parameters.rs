//! Parameters that are given in words or in seconds.

use crate::convert::text;
use crate::{callable, errors};
use pr_host::dump::Window;
use pr_host::options::{self, default};
use pr_host::{ConsoleOptions, Overflow, SharedRecordSink, SinkSpec};
use pr_record::Format;
use pr_record::render::FORMATS;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString};
use std::path::PathBuf;
use std::time::Duration;

/// A timeout in seconds; infinity waits without end.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Duration);

impl Seconds {
    /// A default.
    pub fn of(seconds: f64) -> Seconds {
        Seconds(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}

impl<'py> FromPyObject<'_, 'py> for Seconds {
    type Error = PyErr;

    fn extract(seconds: Borrowed<'_, 'py, PyAny>) -> PyResult<Seconds> {
        let number: f64 = seconds.extract()?;
        if number.is_nan() || number < 0.0 {
            let text = format!(
                "a timeout of {number} seconds: it must be 0 or more, infinity to wait without end"
            );
            return Err(errors::config(seconds.py(), text));
        }
        Ok(Seconds::of(number))
    }
}

/// A path. One that no file can have, for it has no bytes, is a ConfigError that shows it.
#[derive(Clone, Debug)]
pub struct PathArg(pub PathBuf);

impl<'py> FromPyObject<'_, 'py> for PathArg {
    type Error = PyErr;

    fn extract(path: Borrowed<'_, 'py, PyAny>) -> PyResult<PathArg> {
        match path.extract() {
            Ok(path) => Ok(PathArg(path)),
            Err(why) if why.is_instance_of::<PyUnicodeEncodeError>(path.py()) => {
                let shown = text::shown(&path)?;
                let text = format!(
                    "{shown} is no path: there is half of a character in it (a lone surrogate)"
                );
                Err(errors::config(path.py(), text))
            }
            Err(why) => Err(why),
        }
    }
}

/// Any text. Half a character is U+FFFD in it, as in records.
#[derive(Clone, Debug)]
pub struct TextArg(pub String);

impl<'py> FromPyObject<'_, 'py> for TextArg {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<TextArg> {
        Ok(TextArg(
            text::of_str(&*given.cast::<PyString>()?).into_owned(),
        ))
    }
}

/// A format, by name.
#[derive(Clone, Copy, Debug)]
pub struct FormatArg(pub Format);

impl<'py> FromPyObject<'_, 'py> for FormatArg {
    type Error = PyErr;

    fn extract(name: Borrowed<'_, 'py, PyAny>) -> PyResult<FormatArg> {
        let given = name.cast::<PyString>()?.to_string_lossy().into_owned();
        Format::parse(&given).map(FormatArg).ok_or_else(|| {
            let known: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
            errors::config(
                name.py(),
                format!("{given:?} is no format: {}", known.join(", ")),
            )
        })
    }
}

impl Default for FormatArg {
    fn default() -> FormatArg {
        FormatArg(Format::parse(default::FORMAT).unwrap_or(Format::Text))
    }
}

/// How a console makes text of a record.
#[derive(Clone, Debug)]
pub enum LookArg {
    /// A format of ours.
    Named(Format),
    /// A formatter of the caller's.
    Made(SharedRecordSink),
}

impl LookArg {
    /// Makes it the console's.
    pub fn give(self, options: &mut ConsoleOptions) {
        match self {
            LookArg::Named(format) => options.format = format,
            LookArg::Made(maker) => {
                options.sink = SinkSpec::Text(Box::new(options.sink.clone()), maker);
            }
        }
    }
}

impl Default for LookArg {
    fn default() -> LookArg {
        LookArg::Named(FormatArg::default().0)
    }
}

impl<'py> FromPyObject<'_, 'py> for LookArg {
    type Error = PyErr;

    fn extract(look: Borrowed<'_, 'py, PyAny>) -> PyResult<LookArg> {
        if look.is_instance_of::<PyString>() {
            return Ok(LookArg::Named(look.extract::<FormatArg>()?.0));
        }
        callable::formatter(&look).map(LookArg::Made)
    }
}

/// How much of what led up to a record is dumped: a time such as "30s", a number of records, or "context".
#[derive(Clone, Copy, Debug)]
pub struct WindowArg(pub Window);

impl<'py> FromPyObject<'_, 'py> for WindowArg {
    type Error = PyErr;

    fn extract(last: Borrowed<'_, 'py, PyAny>) -> PyResult<WindowArg> {
        let py = last.py();
        let window = if let Ok(text) = last.cast::<PyString>() {
            options::parse_window(&text.to_string_lossy())
        } else if last.is_instance_of::<PyInt>() && !last.is_instance_of::<PyBool>() {
            let most = if last.lt(0)? { 0 } else { i64::MAX };
            options::window_of(last.extract().unwrap_or(most))
        } else {
            let kind = last.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "dump_last is a time or \"context\" (str), or a number of records (int), not {kind}"
            )));
        };
        window
            .map(WindowArg)
            .map_err(|why| errors::from_host(py, why))
    }
}

/// How far a sink can be relied on.
#[derive(Clone, Copy, Debug)]
pub struct ReliabilityArg(pub u32);

impl<'py> FromPyObject<'_, 'py> for ReliabilityArg {
    type Error = PyErr;

    fn extract(number: Borrowed<'_, 'py, PyAny>) -> PyResult<ReliabilityArg> {
        let given = number.extract()?;
        let class = pr_host::log::reliability(given);
        class
            .map(ReliabilityArg)
            .map_err(|why| errors::from_host(number.py(), why))
    }
}

/// What happens when a console cannot keep up, by name.
#[derive(Clone, Copy, Debug)]
pub struct OverflowArg(pub Overflow);

impl OverflowArg {
    const KNOWN: [(&'static str, Overflow); 2] = [
        ("drop_oldest", Overflow::DropOldest),
        ("block", Overflow::Block),
    ];

    fn parse(name: &str) -> Option<OverflowArg> {
        OverflowArg::KNOWN
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, policy)| OverflowArg(*policy))
    }
}

impl Default for OverflowArg {
    fn default() -> OverflowArg {
        OverflowArg::parse(default::OVERFLOW).unwrap_or(OverflowArg(Overflow::DropOldest))
    }
}

impl<'py> FromPyObject<'_, 'py> for OverflowArg {
    type Error = PyErr;

    fn extract(name: Borrowed<'_, 'py, PyAny>) -> PyResult<OverflowArg> {
        let given = name.cast::<PyString>()?.to_string_lossy().into_owned();
        OverflowArg::parse(&given).ok_or_else(|| {
            let known = OverflowArg::KNOWN.map(|(name, _)| name).join(", ");
            errors::config(
                name.py(),
                format!("{given:?} is no overflow policy: {known}"),
            )
        })
    }
}

/// An int of any size, for places that take the nearest number they know.
#[derive(Clone, Copy, Debug)]
pub struct Clamped(pub i64);

impl Clamped {
    /// The nearest of these.
    pub fn within(self, least: i64, most: i64) -> i64 {
        self.0.clamp(least, most)
    }
}

impl<'py> FromPyObject<'_, 'py> for Clamped {
    type Error = PyErr;

    fn extract(number: Borrowed<'_, 'py, PyAny>) -> PyResult<Clamped> {
        let why = match number.extract() {
            Ok(number) => return Ok(Clamped(number)),
            Err(why) => why,
        };
        if !why.is_instance_of::<PyOverflowError>(number.py()) {
            return Err(why);
        }
        let is_negative = number.lt(0)?;
        Ok(Clamped(if is_negative { i64::MIN } else { i64::MAX }))
    }
}

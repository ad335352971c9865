//! `FileConsole`: a console as a ring file holds it.

use crate::console::Line;
use crate::levels;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A console as a ring file held it at one moment: what `Console` says, from outside. Made by `RingFile.consoles`.
///
/// Names and targets are what the file holds: in a damaged one they may be anything.
#[pyclass(frozen, module = "printk_ring")]
pub struct FileConsole(pub pr_host::FileConsole);

#[pymethods]
impl FileConsole {
    /// Its name, unique within the log unless the file is damaged.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// The least severe level it prints; None: that of `Log.console_level`.
    #[getter]
    fn level<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let level = self.0.level;
        level.map(|level| levels::member(py, level & 7)).transpose()
    }

    /// The number of the record it prints next.
    #[getter]
    fn seq(&self) -> u64 {
        self.0.seq
    }

    /// Records stored and not yet printed.
    #[getter]
    fn lag(&self) -> u64 {
        self.0.lag
    }

    /// Records overwritten before it came to them, since it was added.
    #[getter]
    fn dropped(&self) -> u64 {
        self.0.dropped
    }

    /// Failed writes since it was added.
    #[getter]
    fn errors(&self) -> u64 {
        self.0.errors
    }

    /// False while suspended, and for one that was removed while its sink was stuck.
    #[getter]
    fn enabled(&self) -> bool {
        self.0.enabled
    }

    /// The context that printed on it at that moment, as `Console.owner`; in a dead file, when its process died.
    #[getter]
    fn owner(&self) -> Option<&'static str> {
        self.0.owner
    }

    /// True while its process lives and it has a printer thread that is not abandoned.
    #[getter]
    fn alive(&self) -> bool {
        self.0.alive
    }

    /// As `Console.flags`.
    #[getter]
    fn flags(&self) -> &str {
        &self.0.letters
    }

    /// As `Console.format`; None also for a format that this version does not know.
    #[getter]
    fn format(&self) -> Option<&'static str> {
        Some(self.0.format?.name())
    }

    /// Where it prints, for people; the file keeps 64 bytes of it.
    #[getter]
    fn target(&self) -> &str {
        &self.0.target
    }

    /// As `Console.reliability`.
    #[getter]
    fn reliability(&self) -> u64 {
        self.0.class
    }

    fn __repr__(&self) -> String {
        let console = &self.0;
        let line = Line {
            name: &console.name,
            letters: &console.letters,
            format: self.format(),
            target: &console.target,
            counts: [console.seq, console.lag, console.dropped, console.errors],
            owner: console.owner,
        };
        format!("<FileConsole {line}>")
    }
}

/// Its attributes as `Log.stats` has them.
pub fn attributes<'py>(
    py: Python<'py>,
    console: pr_host::FileConsole,
) -> PyResult<Bound<'py, PyDict>> {
    let console = FileConsole(console);
    let dict = PyDict::new(py);
    dict.set_item("level", console.level(py)?)?;
    dict.set_item("seq", console.seq())?;
    dict.set_item("lag", console.lag())?;
    dict.set_item("dropped", console.dropped())?;
    dict.set_item("errors", console.errors())?;
    dict.set_item("enabled", console.enabled())?;
    dict.set_item("owner", console.owner())?;
    dict.set_item("alive", console.alive())?;
    dict.set_item("flags", console.flags())?;
    Ok(dict)
}

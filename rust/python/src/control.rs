//! The switches of a log from outside, the catalogue of its call sites, and the rules of dynamic debug.

use crate::errors;
use crate::levels::{self, LevelArg};
use crate::parameters::{PathArg, TextArg};
use pr_host::control::ControlPage;
use pr_host::rules::{Commands, Ruling, Subject};
use pr_record::{Site, Sites};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A place in a program that has logged.
#[pyclass(frozen, get_all, module = "printk_ring")]
pub struct CallSite {
    /// Its number in the log.
    id: u32,
    /// Its file, as the interpreter names it; None: unknown.
    file: Option<String>,
    /// Its line; None: unknown.
    line: Option<u32>,
    /// Its function; None: unknown.
    func: Option<String>,
    /// The name of the logger that was called first; None: it has none.
    logger: Option<String>,
    /// The event or template, where it is the same at each call; else None.
    event: Option<String>,
    /// The names of its fields, where they are the same at each call.
    names: Vec<String>,
    /// What dynamic debug has switched on there: letters as in its commands, "_" for none.
    flags: String,
}

#[pymethods]
impl CallSite {
    fn __repr__(&self) -> String {
        let file = self.file.as_deref().unwrap_or("?");
        let line = self.line.unwrap_or(0);
        let event = self.event.as_ref();
        let event = event.map_or_else(String::new, |event| format!(" {event:?}"));
        format!("<CallSite {} {file}:{line}{event}>", self.id)
    }
}

/// The sites that a table has, and what the commands in force say of them.
pub fn sites_of<S: Sites>(table: &S, described: u64, ruling: &Ruling) -> Vec<CallSite> {
    let commands = ruling.commands();
    let ids = 0..u32::try_from(described).unwrap_or(u32::MAX);
    let found = ids.filter_map(|id| Some((id, table.site(id)?)));
    found
        .map(|(id, site)| call_site(id, &site, &commands))
        .collect()
}

fn call_site(id: u32, site: &Site<'_>, commands: &Commands) -> CallSite {
    CallSite {
        id,
        file: site.file.map(str::to_owned),
        line: Some(site.line).filter(|line| *line != 0),
        func: site.func.map(str::to_owned),
        logger: site.logger.map(str::to_owned),
        event: site.event.map(str::to_owned),
        names: site.names.map(str::to_owned).collect(),
        flags: commands.flags(&subject(site)).to_string(),
    }
}

fn subject<'a>(site: &Site<'a>) -> Subject<'a> {
    Subject {
        file: site.file.unwrap_or_default(),
        line: site.line,
        func: site.func.unwrap_or_default(),
        logger: site.logger,
        event: site.event,
    }
}

/// How many of the known sites the commands match, each of these commands for itself.
pub fn matching<S: Sites>(table: &S, described: u64, commands: &str) -> usize {
    let (commands, _) = pr_host::rules::parse(commands);
    let ids = 0..u32::try_from(described).unwrap_or(u32::MAX);
    let sites = ids.filter_map(|id| table.site(id));
    let counts = sites.map(|site| {
        let subject = subject(&site);
        commands
            .iter()
            .filter(|command| command.matches(&subject))
            .count()
    });
    counts.sum()
}

/// The switches of a log of any process of this user. Made by `control`.
#[pyclass(frozen, module = "printk_ring")]
pub struct Control {
    path: PathBuf,
    page: Mutex<Option<Arc<ControlPage>>>,
}

impl Control {
    fn page(&self, py: Python<'_>) -> PyResult<Arc<ControlPage>> {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        page.clone().ok_or_else(|| errors::closed(py, &self.path))
    }
}

#[pymethods]
impl Control {
    /// The least severe level that is stored. Settable.
    #[getter]
    fn level<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        levels::member(py, self.page(py)?.level())
    }

    #[setter]
    fn set_level(&self, py: Python<'_>, value: LevelArg) -> PyResult<()> {
        self.page(py)?.set_level(value.0);
        Ok(())
    }

    /// What consoles without a level of their own print. Settable.
    #[getter]
    fn console_level<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        levels::member(py, self.page(py)?.console_level())
    }

    #[setter]
    fn set_console_level(&self, py: Python<'_>, value: LevelArg) -> PyResult<()> {
        self.page(py)?.set_console_level(value.0);
        Ok(())
    }

    /// Moves the clear mark behind the newest record, as `Log.clear`.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        let page = self.page(py)?;
        py.detach(|| page.clear())
            .map_err(|why| errors::from_host(py, why))
    }

    /// As `Log.dynamic_debug`.
    #[pyo3(signature = (commands, /))]
    fn dynamic_debug(&self, py: Python<'_>, commands: TextArg) -> PyResult<usize> {
        let commands = &*commands.0;
        let page = self.page(py)?;
        let done = py.detach(|| {
            let sites = page.file().sites()?;
            page.add_rules(commands)?;
            Ok(matching(&*sites, sites.described(), commands))
        });
        done.map_err(|why| errors::from_host(py, why))
    }

    /// The commands of dynamic debug in force, one a line.
    #[getter]
    fn rules(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.page(py)?.ruling().text)
    }

    /// The call sites that have logged so far.
    fn sites(&self, py: Python<'_>) -> PyResult<Vec<CallSite>> {
        let page = self.page(py)?;
        let found = py.detach(|| {
            let sites = page.file().sites()?;
            Ok(sites_of(&*sites, sites.described(), &page.ruling()))
        });
        found.map_err(|why| errors::from_host(py, why))
    }

    /// Lets go of the file. Twice is once.
    fn close(&self) {
        let page = self
            .page
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(page);
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (exc_type, exc_value, traceback, /))]
    fn __exit__(
        &self,
        exc_type: &Bound<'_, PyAny>,
        exc_value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) {
        let _ = (exc_type, exc_value, traceback);
        self.close();
    }

    fn __repr__(&self) -> String {
        format!("<Control of {:?}>", self.path)
    }
}

/// The switches of the log whose ring file is at `path`, for the user whose process it is. Only the control page of the file is
/// ever written; the process needs no help, and sees the change at its next log call.
///
/// RingFileError: no such file, not a ring, another user's, or not writable.
#[pyfunction]
#[pyo3(signature = (path, /))]
pub fn control(py: Python<'_>, path: PathArg) -> PyResult<Control> {
    let path = std::path::absolute(&path.0).unwrap_or(path.0);
    let page = py
        .detach(|| ControlPage::open(&path))
        .map_err(|why| errors::from_host(py, why))?;
    Ok(Control {
        path,
        page: Mutex::new(Some(Arc::new(page))),
    })
}

//! `RingFile`: a ring file of any process, open for reading.

use crate::columns::{self, Copied};
use crate::control::{self, CallSite};
use crate::dump::DumpIter;
use crate::errors;
use crate::file_console::{self, FileConsole};
use crate::parameters::PathArg;
use crate::reader::{Place, Reader, Start};
use pr_host::carve::{self, Find, Segment};
use pr_host::{ForeignFile, lives};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a ring file says about itself and its owner, at one moment.
#[pyclass(frozen, get_all, module = "printk_ring")]
pub struct RingFileInfo {
    /// The absolute path it was opened by.
    path: PathBuf,
    /// The log's name.
    name: String,
    /// The owner's process id, in the owner's pid namespace.
    pid: u32,
    /// True while the owner holds the file.
    alive: bool,
    /// True when the owner closed it or exited in order.
    clean: bool,
    /// What has become of the owner: "alive", "ended in order", or "killed, no orderly exit".
    state: &'static str,
    /// When the log was made, nanoseconds since the epoch.
    started: u64,
    /// The time of its newest record, nanoseconds since the epoch; None: it has none.
    last: Option<u64>,
    /// The owner's command line; empty when not kept.
    argv: Vec<String>,
    /// Number of descriptors.
    descriptors: u64,
    /// Bytes of text.
    data_bytes: u64,
    /// Bytes of the whole file.
    size_bytes: u64,
    /// Version of the layout, as `docs/layout.md` describes it.
    layout_version: u32,
    /// Records reserved and never committed; 0 while the owner lives.
    unfinished: u64,
}

impl RingFileInfo {
    fn of(file: &ForeignFile) -> Result<RingFileInfo, pr_host::Error> {
        let info = file.info()?;
        Ok(RingFileInfo {
            state: info.state(),
            path: info.path,
            name: info.name,
            pid: info.pid,
            alive: info.alive,
            clean: info.clean,
            started: info.started_wall_ns,
            last: file.last_wall_nsec()?,
            argv: info.argv,
            descriptors: info.geometry.descriptors(),
            data_bytes: info.geometry.data_bytes(),
            size_bytes: info.file_bytes,
            layout_version: info.layout_version,
            unfinished: file.unfinished()?,
        })
    }
}

#[pymethods]
impl RingFileInfo {
    fn __repr__(&self) -> String {
        format!(
            "<RingFileInfo {:?} of process {}, {}>",
            self.name, self.pid, self.state
        )
    }
}

/// A file that can be closed while readers hold it.
pub struct OpenFile {
    path: PathBuf,
    /// None once it is closed.
    file: Mutex<Option<Arc<ForeignFile>>>,
}

impl OpenFile {
    fn guard(&self) -> MutexGuard<'_, Option<Arc<ForeignFile>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, unless it was closed.
    pub fn get(&self, py: Python<'_>) -> PyResult<Arc<ForeignFile>> {
        self.guard()
            .clone()
            .ok_or_else(|| errors::closed(py, &self.path))
    }
}

/// A ring file, open for reading: live or dead, from any process, without its owner's help. Made by `open`.
#[pyclass(frozen, module = "printk_ring")]
pub struct RingFile {
    open: Arc<OpenFile>,
}

impl RingFile {
    fn of(file: ForeignFile) -> RingFile {
        RingFile {
            open: Arc::new(OpenFile {
                path: file.path().to_owned(),
                file: Mutex::new(Some(Arc::new(file))),
            }),
        }
    }
}

#[pymethods]
impl RingFile {
    /// Read anew at each access. Raises RingFileError when the file has become unusable.
    #[getter]
    fn info(&self, py: Python<'_>) -> PyResult<RingFileInfo> {
        let file = self.open.get(py)?;
        py.detach(|| RingFileInfo::of(&file))
            .map_err(|why| errors::from_host(py, why))
    }

    /// A reader of its records, as `Log.reader`. `follow` polls and ends when the owner has ended.
    ///
    /// The reader raises RingFileError when the file is cut off under it.
    #[pyo3(signature = (start=Start::Oldest, follow=false), text_signature = "($self, start='oldest', follow=False)")]
    fn reader(&self, py: Python<'_>, start: Start, follow: bool) -> PyResult<Reader> {
        Reader::new(Place::File(self.open.clone()), &start, py, follow)
    }

    /// As `Log.dump_iter`. Raises RingFileError when the file is cut off under it.
    fn dump_iter(&self, py: Python<'_>) -> PyResult<DumpIter> {
        DumpIter::new(Place::File(self.open.clone()), py)
    }

    /// As `Log.snapshot`.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        columns::wrapped(py, self._snapshot(py)?)
    }

    /// The call sites that had logged by now, in the order in which they came. Raises RingFileError when the file is cut off.
    fn sites(&self, py: Python<'_>) -> PyResult<Vec<CallSite>> {
        let file = self.open.get(py)?;
        let found = py.detach(|| {
            let sites = file.sites()?;
            Ok(control::sites_of(
                &*sites,
                sites.described(),
                &file.ruling()?,
            ))
        });
        found.map_err(|why| errors::from_host(py, why))
    }

    /// As `Log._snapshot`.
    fn _snapshot<'py>(&self, py: Python<'py>) -> PyResult<Copied<'py>> {
        let place = Place::File(self.open.clone());
        columns::snapshot(py, &place.records(py)?, place.end(py)?)
    }

    /// What the file knows of `Log.stats`: all of it but memory and dumpers; consoles are {name: the keys of
    /// `printk_ring.typing.ConsoleStats`}.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let file = self.open.get(py)?;
        let stats = py
            .detach(|| file.stats())
            .map_err(|why| errors::from_host(py, why))?;
        let dict = PyDict::new(py);
        for (name, value) in [
            ("emitted", stats.emitted),
            ("records", stats.records),
            ("overwritten", stats.overwritten),
            ("failed", stats.failed),
            ("reaped", stats.reaped),
            ("truncated", stats.truncated),
            ("sites", stats.sites),
            ("sites_refused", stats.sites_refused),
            ("bytes", stats.bytes),
            ("size_bytes", stats.size_bytes),
            ("descriptors", stats.descriptors),
            ("data_bytes", stats.data_bytes),
        ] {
            dict.set_item(name, value)?;
        }
        for (name, value) in stats.counters {
            dict.set_item(name, value)?;
        }
        let consoles = PyDict::new(py);
        for console in stats.consoles {
            consoles.set_item(console.name.clone(), file_console::attributes(py, console)?)?;
        }
        dict.set_item("consoles", consoles)?;
        Ok(dict)
    }

    /// The consoles at this moment, in the order they were added; besides those of `Log.consoles` the ones that were
    /// removed while their sinks were stuck, for as long as they are.
    fn consoles(&self, py: Python<'_>) -> PyResult<Vec<FileConsole>> {
        let file = self.open.get(py)?;
        let consoles = py.detach(|| file.consoles());
        let consoles = consoles.map_err(|why| errors::from_host(py, why))?;
        Ok(consoles.into_iter().map(FileConsole).collect())
    }

    /// Closes the file; its readers raise RingFileError then. Twice is once.
    fn close(&self) {
        let file = self.open.guard().take();
        drop(file);
    }

    fn __enter__(file: Bound<'_, RingFile>) -> Bound<'_, RingFile> {
        file
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
        format!("<RingFile {:?}>", self.open.path.display().to_string())
    }
}

/// The rings that processes that are gone have left there, newest first (public as `printk_ring.recover`).
#[pyfunction]
#[pyo3(signature = (path, /))]
pub fn _recover(py: Python<'_>, path: PathArg) -> PyResult<Vec<RingFile>> {
    let path = std::path::absolute(&path.0).unwrap_or(path.0);
    let found = py
        .detach(|| lives::recover(&path))
        .map_err(|why| errors::from_host(py, why))?;
    Ok(found.into_iter().map(RingFile::of).collect())
}

/// Removes a dead ring, whatever it is called by now. False: it has gone, or somebody is at it.
#[pyfunction]
#[pyo3(signature = (ring, /))]
pub fn _remove_ring(ring: &Bound<'_, RingFile>) -> PyResult<bool> {
    let py = ring.py();
    let file = ring.get().open.get(py)?;
    py.detach(|| lives::remove_ring(&file))
        .map_err(|why| errors::from_host(py, why))
}

/// What `_carve` found: rings with their addresses and how many bytes of them are missing, and what only begins like one.
type Carved = (Vec<(u64, RingFile, u64)>, Vec<(u64, String)>);

/// The rings in the memory of a process that is gone. `segments`: the address of each part of that memory, its offset in
/// the core, and its length there.
#[pyfunction]
#[pyo3(signature = (core, segments, /))]
pub fn _carve(py: Python<'_>, core: PathArg, segments: Vec<(u64, u64, u64)>) -> PyResult<Carved> {
    let path = std::path::absolute(&core.0).unwrap_or(core.0);
    let segments = segments
        .into_iter()
        .map(|(address, offset, bytes)| Segment {
            address,
            offset,
            bytes,
        });
    let segments: Vec<_> = segments.collect();
    let found = py
        .detach(|| carve::rings_in(&path, &segments))
        .map_err(|why| errors::from_host(py, why))?;
    let (mut rings, mut damaged) = (Vec::new(), Vec::new());
    for find in found {
        match find {
            Find::Ring {
                ring,
                address,
                missing,
            } => rings.push((address, RingFile::of(ring), missing)),
            Find::Damaged { address, why } => damaged.push((address, why)),
        }
    }
    Ok((rings, damaged))
}

/// Opens a ring file read-only. It is read with pread and re-checked, never mapped.
#[pyfunction(name = "open")]
pub fn open_ring(py: Python<'_>, path: PathArg) -> PyResult<RingFile> {
    let path = std::path::absolute(&path.0).unwrap_or(path.0);
    let file = py
        .detach(|| ForeignFile::open(&path))
        .map_err(|why| errors::from_host(py, why))?;
    Ok(RingFile::of(file))
}

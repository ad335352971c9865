//! `DumpIter`: a log's records as text, a record or a buffer at a time.

use crate::errors;
use crate::reader::Place;
use crate::ring::bytes;
use pr_host::dump::TextWalk;
use pr_host::{Error, Origin};
use pr_record::Format;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A log's records as text, for dumps, from the clear mark (`Log.clear`) on. Made by `Log.dump_iter`, rewound.
///
/// It holds a place of its own, registers nothing, and never makes a writer wait; what others overwrite before it comes to
/// it is left out. Iterating gives the lines of one record after the other, and ends with what was there at the rewind.
#[pyclass(frozen, module = "printk_ring")]
pub struct DumpIter {
    place: Place,
    walk: Mutex<TextWalk>,
}

fn format(syslog: bool) -> Format {
    if syslog { Format::Syslog } else { Format::Text }
}

impl DumpIter {
    /// One that is rewound.
    pub fn new(place: Place, py: Python<'_>) -> PyResult<DumpIter> {
        let origin = place.origin(py)?;
        let walk = py.detach(|| TextWalk::new(&origin));
        let walk = Mutex::new(walk.map_err(|why| errors::from_host(py, why))?);
        Ok(DumpIter { place, walk })
    }

    /// Never held while Python code runs or the interpreter is let go of: a fork finds it free.
    fn walk(&self) -> MutexGuard<'_, TextWalk> {
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step, without the interpreter. If another thread has made one meanwhile, it is made again from there.
    fn step<R: Send>(
        &self,
        py: Python<'_>,
        step: impl Fn(&mut TextWalk, &Origin) -> Result<R, Error> + Sync,
    ) -> PyResult<R> {
        loop {
            let origin = self.place.origin(py)?;
            let (before, mut walk) = {
                let mut walk = self.walk();
                (walk.iter(), walk.lend())
            };
            let stepped = py.detach(|| step(&mut walk, &origin));
            let stepped = stepped.map_err(|why| errors::from_host(py, why))?;
            if self.walk().give_back(before, walk) {
                return Ok(stepped);
            }
        }
    }
}

#[pymethods]
impl DumpIter {
    /// Goes back to the clear mark; blocks and iterating will end with what is there now.
    fn rewind(&self, py: Python<'_>) -> PyResult<()> {
        self.step(py, |walk, origin| walk.rewind(origin))
    }

    /// The next record, oldest first, all its lines, without the final newline; also one that came after the rewind. None:
    /// there is none. `syslog`: with `<prio>` before each line.
    #[pyo3(signature = (syslog=false))]
    fn get_line(&self, py: Python<'_>, syslog: bool) -> PyResult<Option<String>> {
        self.step(py, |walk, origin| walk.next_line(origin, format(syslog)))
    }

    /// The newest records not given yet that fit into size - 1 bytes, the oldest of them first, each ending in a newline.
    /// None: no more, or `size` is 0. One that does not fit alone is cut and ends in `<truncated>`.
    #[pyo3(signature = (size, syslog=false))]
    fn get_buffer<'py>(
        &self,
        py: Python<'py>,
        size: i128,
        syslog: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let size = bytes("size", size)?;
        let block = self.step(py, |walk, origin| {
            walk.next_block(origin, format(syslog), size)
        })?;
        Ok(block.map(|block| PyBytes::new(py, &block)))
    }

    /// The number of the record that comes next, at least.
    #[getter]
    fn cur_seq(&self) -> u64 {
        self.walk().iter().cur_seq.0
    }

    /// The number that the next block ends before.
    #[getter]
    fn next_seq(&self) -> u64 {
        self.walk().iter().next_seq.0
    }

    fn __iter__(iter: Bound<'_, DumpIter>) -> Bound<'_, DumpIter> {
        iter
    }

    /// As `get_line`, but only of what was there at the rewind.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.step(py, |walk, origin| walk.next_old_line(origin, Format::Text))
    }

    /// Another one, as far as this one is.
    fn __copy__(&self) -> DumpIter {
        DumpIter {
            place: self.place.clone(),
            walk: Mutex::new(self.walk().clone()),
        }
    }
}

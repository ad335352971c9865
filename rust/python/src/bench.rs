//! Timings of what cannot be timed from Python.

use crate::errors;
use crate::log::Log;
use pr_host::bench::{BenchRing as Bench, Percentiles, Shape, dump, least, yardsticks};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;

/// Nanoseconds of one operation of the yardstick `name`, over `n` of them: "cas", "cas16", "pingpong".
#[pyfunction]
#[pyo3(signature = (name, n, /))]
pub fn _bench(py: Python<'_>, name: &str, n: u64) -> PyResult<f64> {
    let yardstick = match name {
        "cas" => yardsticks::cas,
        "cas16" => yardsticks::cas16,
        "pingpong" => yardsticks::pingpong,
        _ => return Err(errors::config(py, format!("{name:?} is no yardstick"))),
    };
    Ok(py.detach(|| yardstick(n)))
}

/// Single calls of `writers` that do the least that a ring must, `gap_ns` apart on average, as `_BenchRing.paced`: "word", one
/// shared word is replaced; "record", the head is, and a record's lines are stored.
#[pyfunction]
#[pyo3(signature = (name, n, /, *, gap_ns, writers))]
pub fn _bench_paced<'py>(
    py: Python<'py>,
    name: &str,
    n: u64,
    gap_ns: u64,
    writers: u32,
) -> PyResult<Bound<'py, PyDict>> {
    let least = match name {
        "word" => least::word,
        "record" => least::record,
        _ => {
            return Err(errors::config(
                py,
                format!("{name:?} is nothing that can be timed"),
            ));
        }
    };
    percentiles(py, py.detach(|| least(n, gap_ns, writers)))
}

fn percentiles(py: Python<'_>, found: Percentiles) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in [
        ("p50", found.p50),
        ("p99", found.p99),
        ("p999", found.p999),
        ("clock", found.clock),
        ("clock_p99", found.clock_p99),
        ("clock_p999", found.clock_p999),
    ] {
        dict.set_item(name, value)?;
    }
    Ok(dict)
}

/// Writes what a log holds into a file in `folder` from a handler of a signal, as a crash does, and the same bytes into
/// another one at once: (records, bytes, nanoseconds within the handler, nanoseconds of the one write).
#[pyfunction]
#[pyo3(signature = (log, folder, /))]
pub fn _bench_dump(
    py: Python<'_>,
    log: &Bound<'_, Log>,
    folder: PathBuf,
) -> PyResult<(u64, u64, u64, u64)> {
    let log = log.get().handle();
    let dumped = py.detach(|| dump::dump(log, &folder));
    let dumped = dumped.map_err(|why| errors::from_host(py, why))?;
    Ok((
        dumped.records,
        dumped.bytes,
        dumped.handler_ns,
        dumped.write_ns,
    ))
}

/// A bare ring that is full, to be timed without Python: in memory of its own, or in a new file at `path`.
#[pyclass(frozen, name = "_BenchRing", module = "printk_ring._native")]
pub struct BenchRing(Bench);

#[pymethods]
impl BenchRing {
    #[new]
    #[pyo3(signature = (*, desc_bits, avg_data_bits, retire_ahead, path=None))]
    fn new(
        py: Python<'_>,
        desc_bits: u32,
        avg_data_bits: u32,
        retire_ahead: u32,
        path: Option<PathBuf>,
    ) -> PyResult<BenchRing> {
        let shape = Shape {
            desc_bits,
            avg_data_bits,
            retire_ahead,
        };
        match py.detach(|| Bench::full(shape, path.as_deref())) {
            Ok(Some(bench)) => Ok(BenchRing(bench)),
            Ok(None) => Err(errors::config(py, "no ring has this shape")),
            Err(why) => Err(errors::from_host(py, why)),
        }
    }

    /// Nanoseconds of reserve, copy of 64 bytes, finalize, for each of `threads` at once: the slowest of them.
    #[pyo3(signature = (n, /, *, threads=1))]
    fn write(&self, py: Python<'_>, n: u64, threads: u32) -> f64 {
        py.detach(|| self.0.write(n, threads))
    }

    /// Nanoseconds of reading one record of many in order.
    #[pyo3(signature = (n, /))]
    fn read(&self, py: Python<'_>, n: u64) -> f64 {
        py.detach(|| self.0.read(n))
    }

    /// Single calls of `writers` at once, `gap_ns` apart on average: "p50", "p99", "p999" in nanoseconds with the clock's own
    /// cost taken off, and the empty timing: "clock" (what was taken off), "clock_p99", "clock_p999".
    #[pyo3(signature = (n, /, *, gap_ns, writers))]
    fn paced<'py>(
        &self,
        py: Python<'py>,
        n: u64,
        gap_ns: u64,
        writers: u32,
    ) -> PyResult<Bound<'py, PyDict>> {
        percentiles(py, py.detach(|| self.0.paced(n, gap_ns, writers)))
    }

    /// `threads` writers of `n` records each: "records", "refused" (reserves), "met" (records refused at least once),
    /// "preempted" (times that a writer lost its processor), "ns" (a record, of all writers together).
    #[pyo3(signature = (n, /, *, threads))]
    fn crowd<'py>(&self, py: Python<'py>, n: u64, threads: u32) -> PyResult<Bound<'py, PyDict>> {
        let found = py.detach(|| self.0.crowd(n, threads));
        let dict = PyDict::new(py);
        dict.set_item("records", found.records)?;
        dict.set_item("refused", found.refused)?;
        dict.set_item("met", found.met)?;
        dict.set_item("preempted", found.preempted)?;
        dict.set_item("ns", found.ns)?;
        Ok(dict)
    }

    /// Instructions of a written record, a read one, and a compare-exchange in its loop, counted over `n` of each:
    /// "write", "read", "cas".
    ///
    /// Raises OSError where they cannot be counted.
    #[pyo3(signature = (n, /))]
    fn instructions<'py>(&self, py: Python<'py>, n: u64) -> PyResult<Bound<'py, PyDict>> {
        let found = py.detach(|| self.0.instructions(n));
        let found = found.map_err(|why| errors::from_host(py, why))?;
        let dict = PyDict::new(py);
        dict.set_item("write", found.write)?;
        dict.set_item("read", found.read)?;
        dict.set_item("cas", found.cas)?;
        Ok(dict)
    }
}

//! Timings of what cannot be timed from Python.

use crate::errors;
use pr_host::bench::{Shape, run};
use pyo3::prelude::*;

/// Nanoseconds of one operation of the timing `name`, over `n` of them: "cas", "pingpong", "ring_write", "ring_read".
///
/// The others say how large the ring is and how many threads there are; None: as usual.
#[pyfunction]
#[pyo3(signature = (name, n, /, *, desc_bits=None, avg_data_bits=None, retire_ahead=None, threads=None))]
pub fn _bench(
    py: Python<'_>,
    name: &str,
    n: u64,
    desc_bits: Option<u32>,
    avg_data_bits: Option<u32>,
    retire_ahead: Option<u32>,
    threads: Option<u32>,
) -> PyResult<f64> {
    let usual = Shape::default();
    let shape = Shape {
        desc_bits: desc_bits.unwrap_or(usual.desc_bits),
        avg_data_bits: avg_data_bits.unwrap_or(usual.avg_data_bits),
        retire_ahead: retire_ahead.unwrap_or(usual.retire_ahead),
        threads: threads.unwrap_or(usual.threads),
    };
    py.detach(|| run(name, n, shape)).ok_or_else(|| {
        errors::config(
            py,
            format!("{name:?} is no timing, or no ring has this shape"),
        )
    })
}

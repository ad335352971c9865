//! A whole ring at once: rows of 40 bytes, and the payloads back to back.

use crate::errors;
use pr_host::{Next, RecordReader};
use pr_record::Meta;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Little endian, packed: seq, `ts_nsec`, `caller_id`, offset of the payload, its length (u32), level, facility, flags, zero.
const ROW_BYTES: usize = 40;

/// The payload of a torn record: whoever decodes it finds none.
const NO_RECORD: &[u8] = &[0xff];

/// Rows and payloads of one copy of the ring.
#[derive(Default)]
struct Columns {
    rows: Vec<u8>,
    payloads: Vec<u8>,
}

impl Columns {
    fn add(&mut self, meta: &Meta, payload: &[u8]) {
        self.rows.reserve(ROW_BYTES);
        for word in [
            meta.seq,
            meta.ts_nsec,
            meta.caller_id,
            self.payloads.len() as u64,
        ] {
            self.rows.extend_from_slice(&word.to_le_bytes());
        }
        self.rows
            .extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.rows
            .extend_from_slice(&[meta.level, meta.facility, meta.flags, 0]);
        self.payloads.extend_from_slice(payload);
    }

    /// Everything from the oldest record up to what was the newest one when this began.
    fn copy(reader: &RecordReader, end: u64) -> Result<Columns, pr_host::Error> {
        let mut columns = Columns::default();
        let mut buffer = Vec::new();
        let mut seq = 0;
        while seq < end {
            let Next::Record { meta, torn, .. } = reader.next(seq, &mut buffer)? else {
                break;
            };
            columns.add(&meta, if torn { NO_RECORD } else { &buffer });
            seq = meta.seq + 1;
        }
        Ok(columns)
    }
}

/// The two items of `_snapshot()`.
pub type Copied<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// Copies the ring, without the interpreter. `end`: the number after the newest record.
pub fn snapshot<'py>(py: Python<'py>, reader: &RecordReader, end: u64) -> PyResult<Copied<'py>> {
    let columns = py
        .detach(|| Columns::copy(reader, end))
        .map_err(|why| errors::from_host(py, why))?;
    Ok((
        PyBytes::new(py, &columns.rows),
        PyBytes::new(py, &columns.payloads),
    ))
}

/// `printk_ring.snapshot.Snapshot` of the two items.
pub fn wrapped<'py>(py: Python<'py>, copied: Copied<'py>) -> PyResult<Bound<'py, PyAny>> {
    py.import("printk_ring.snapshot")?
        .getattr("Snapshot")?
        .call1(copied)
}

//! The bare ring: `Ring`, `Reservation`, `RawRecord`, `RecordInfo`.

use crate::errors;
use crate::parameters::{Clamped, PathArg};
use pr_host::BareRing;
use pr_record::Meta;
use pr_ring::Info;
use pr_ring::layout::limit;
use pr_ring::{Geometry, Read, Seq, Ticket, Unfinished};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyTuple};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a ring knows about a record besides its text. Immutable; equal when all fields are; hashable.
#[pyclass(frozen, eq, hash, get_all, module = "printk_ring")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordInfo {
    /// The record's number, u64.
    seq: u64,
    /// The time stamp given at `reserve`, u64 nanoseconds.
    ts_nsec: u64,
    /// Bytes of text, u32; the full length also where a read was cut.
    text_len: u32,
    /// Syslog facility, 0..255.
    facility: u8,
    /// Flags, 0..31.
    flags: u8,
    /// Kernel level, 0..7.
    level: u8,
    /// Who wrote it, u64.
    caller_id: u64,
}

#[pymethods]
impl RecordInfo {
    #[new]
    #[pyo3(signature = (*, seq, ts_nsec, level, facility, flags, caller_id, text_len=0))]
    #[expect(clippy::too_many_arguments, reason = "one per field, all by name")]
    fn new(
        py: Python<'_>,
        seq: u64,
        ts_nsec: u64,
        level: i64,
        facility: i64,
        flags: i64,
        caller_id: u64,
        text_len: u32,
    ) -> PyResult<RecordInfo> {
        let wrong = |text| errors::config(py, text);
        Ok(RecordInfo {
            seq,
            ts_nsec,
            text_len,
            facility: within("facility", facility, 255).map_err(wrong)?,
            flags: within("flags", flags, 31).map_err(wrong)?,
            level: within("level", level, 7).map_err(wrong)?,
            caller_id,
        })
    }

    fn __repr__(&self) -> String {
        let RecordInfo {
            seq,
            ts_nsec,
            text_len,
            facility,
            flags,
            level,
            caller_id,
        } = self;
        format!(
            "RecordInfo(seq={seq}, ts_nsec={ts_nsec}, level={level}, facility={facility}, flags={flags}, \
             caller_id={caller_id}, text_len={text_len})"
        )
    }
}

impl RecordInfo {
    /// What a formatter knows of it.
    pub fn meta(&self) -> Meta {
        Meta {
            seq: self.seq,
            ts_nsec: self.ts_nsec,
            level: self.level,
            facility: self.facility,
            flags: self.flags,
            caller_id: self.caller_id,
            ..Meta::default()
        }
    }
}

impl From<pr_ring::RecordInfo> for RecordInfo {
    fn from(info: pr_ring::RecordInfo) -> RecordInfo {
        RecordInfo {
            seq: info.seq.0,
            ts_nsec: info.ts_nsec,
            text_len: info.text_len,
            facility: info.facility,
            flags: info.flags,
            level: info.level,
            caller_id: info.caller_id,
        }
    }
}

/// `number` as 0..`most`, or what to say about it.
fn within(what: &str, number: i64, most: u8) -> Result<u8, String> {
    u8::try_from(number)
        .ok()
        .filter(|small| *small <= most)
        .ok_or_else(|| format!("{what} is {number}: it must be 0 to {most}"))
}

/// One record as read from a `Ring`.
#[pyclass(frozen, get_all, module = "printk_ring")]
pub struct RawRecord {
    /// The record's info; `info.text_len` is the full length even when `text` was cut by `max_text`.
    info: RecordInfo,
    /// The text; at most `max_text` bytes of it.
    text: Py<PyBytes>,
}

/// Space in the ring that belongs to this object until it commits or finalizes.
///
/// Dropped unfinished it is committed as it stands. Every method and the setter of `text_len` raise ReservationError
/// after that; the other properties keep their last value. In a forked child the reservations of a ring in a file are its
/// parent's: there, too, they raise ReservationError, and dropping one does nothing.
#[pyclass(frozen, module = "printk_ring")]
pub struct Reservation {
    ring: Arc<BareRing>,
    /// The record's number.
    #[pyo3(get)]
    seq: u64,
    /// Bytes that can be written.
    #[pyo3(get)]
    capacity: u64,
    /// Bytes of the ring that the record owns, header and wasted end of the ring included; 0 for an empty record.
    #[pyo3(get)]
    space: u64,
    open: Mutex<Open>,
}

/// The part of a reservation that changes.
struct Open {
    ticket: Option<Ticket>,
    text_len: u32,
    /// The process that reserved.
    pid: u32,
}

impl Reservation {
    fn new(ring: &Arc<BareRing>, ticket: Ticket) -> Reservation {
        Reservation {
            ring: ring.clone(),
            seq: ticket.seq().0,
            capacity: ticket.capacity(),
            space: ticket.space(),
            open: Mutex::new(Open {
                text_len: ticket.text_len(),
                ticket: Some(ticket),
                pid: std::process::id(),
            }),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open record, unless it is another process's.
    fn ticket<'o>(&self, py: Python<'_>, open: &'o mut Open) -> PyResult<&'o mut Ticket> {
        if open.ticket.is_some() && self.is_others(open) {
            return Err(errors::others_reservation(py, open.pid));
        }
        open.ticket.as_mut().ok_or_else(|| errors::reservation(py))
    }

    fn is_others(&self, open: &Open) -> bool {
        self.ring.is_shared() && open.pid != std::process::id()
    }

    fn take(&self, py: Python<'_>) -> PyResult<Ticket> {
        let mut open = self.open();
        self.ticket(py, &mut open)?;
        open.ticket.take().ok_or_else(|| errors::reservation(py))
    }
}

#[pymethods]
impl Reservation {
    /// Bytes of text the record will have.
    #[getter]
    fn text_len(&self) -> u32 {
        self.open().text_len
    }

    #[setter]
    fn set_text_len(&self, py: Python<'_>, value: i128) -> PyResult<()> {
        let mut open = self.open();
        let ticket = self.ticket(py, &mut open)?;
        match u32::try_from(value) {
            Ok(len) if u64::from(len) <= self.capacity => {
                ticket.set_text_len(len);
                open.text_len = len;
                Ok(())
            }
            _ => Err(PyValueError::new_err(format!(
                "text_len is {value}: it must be 0 to {}",
                self.capacity
            ))),
        }
    }

    /// Copies the bytes of `data` (any C-contiguous buffer) to `offset`; `text_len` becomes at least offset + len.
    #[pyo3(signature = (data, offset=0))]
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>, offset: i128) -> PyResult<()> {
        let data = contiguous(data)?;
        let bytes = data.as_bytes();
        let mut open = self.open();
        let ticket = self.ticket(py, &mut open)?;
        let room = u64::try_from(offset)
            .ok()
            .and_then(|offset| self.capacity.checked_sub(offset));
        if room.is_none_or(|room| room < bytes.len() as u64) {
            let (len, capacity) = (bytes.len(), self.capacity);
            return Err(PyValueError::new_err(format!(
                "{len} bytes at {offset} do not fit into {capacity} bytes"
            )));
        }
        self.ring.ring().write(ticket, offset as u64, bytes);
        open.text_len = ticket.text_len();
        Ok(())
    }

    /// Ends the reservation; the record can be reopened with `Ring.reserve_in_last` while it is the newest.
    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        self.ring.ring().commit(self.take(py)?);
        Ok(())
    }

    /// Ends the reservation; the record is final and readable.
    fn finalize(&self, py: Python<'_>) -> PyResult<()> {
        self.ring.ring().finalize(self.take(py)?);
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut open = self.open();
        if let Some(ticket) = open.ticket.take()
            && !self.is_others(&open)
        {
            self.ring.ring().commit(ticket);
        }
    }
}

/// The bytes of any buffer.
pub fn contiguous<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    Ok(PyMemoryView::from(data)?
        .call_method0("tobytes")?
        .cast_into::<PyBytes>()?)
}

/// The bare ring: bytes in order, any number of writers and readers. It is the code that a `Log` runs.
///
/// `Ring(*, desc_bits, avg_data_bits, path=None, retire_ahead=0)`: 2**desc_bits descriptors (1..24) and
/// 2**(desc_bits + avg_data_bits) bytes of text (avg_data_bits 3..16). `retire_ahead` 0..32 old records are retired at
/// once (at most descriptors/64 take effect). Memory is anonymous, or a new file at `path` with mode 0600.
#[pyclass(frozen, module = "printk_ring")]
pub struct Ring {
    bare: Arc<BareRing>,
}

impl Ring {
    /// The ring, shared.
    pub fn shared(&self) -> &Arc<BareRing> {
        &self.bare
    }

    fn ring(&self) -> &pr_ring::Ring<pr_ring::Region> {
        self.bare.ring()
    }
}

#[pymethods]
impl Ring {
    #[new]
    #[pyo3(signature = (*, desc_bits, avg_data_bits, path=None, retire_ahead=Clamped(0)), text_signature = "(*, desc_bits, avg_data_bits, path=None, retire_ahead=0)")]
    fn new(
        py: Python<'_>,
        desc_bits: Clamped,
        avg_data_bits: Clamped,
        path: Option<PathArg>,
        retire_ahead: Clamped,
    ) -> PyResult<Ring> {
        let bits = |what, Clamped(bits): Clamped, range: &RangeInclusive<u32>| {
            let fits = u32::try_from(bits).ok().filter(|bits| range.contains(bits));
            let text = format!(
                "{what} is {bits}: it must be {} to {}",
                range.start(),
                range.end()
            );
            fits.ok_or_else(|| errors::config(py, text))
        };
        let desc_bits = bits("desc_bits", desc_bits, &limit::DESC_BITS)?;
        let avg_data_bits = bits("avg_data_bits", avg_data_bits, &limit::AVG_DATA_BITS)?;
        let retire_ahead = bits("retire_ahead", retire_ahead, &(0..=limit::RETIRE_AHEAD))?;
        let geometry = Geometry::new(desc_bits, avg_data_bits);
        let geometry = geometry.ok_or_else(|| errors::config(py, "no such ring can be"))?;
        let bare = py.detach(|| match path {
            Some(path) => BareRing::create(&path.0, geometry, retire_ahead),
            None => BareRing::anonymous(geometry, retire_ahead),
        });
        let bare = bare.map_err(|why| errors::from_host(py, why))?;
        Ok(Ring {
            bare: Arc::new(bare),
        })
    }

    /// Reserves a record of `size` bytes of text; None when the ring refuses. Never blocks.
    ///
    /// `level` 0..7, `facility` 0..255, `flags` 0..31, `caller_id` u64, `ts_nsec` u64 (None: time.monotonic_ns() now).
    #[pyo3(signature = (size, *, caller_id=0, level=6, facility=1, flags=0, ts_nsec=None))]
    fn reserve(
        &self,
        size: i128,
        caller_id: u64,
        level: i64,
        facility: i64,
        flags: i64,
        ts_nsec: Option<u64>,
    ) -> PyResult<Option<Reservation>> {
        let wrong = PyValueError::new_err::<String>;
        let info = Info {
            ts_nsec: ts_nsec.unwrap_or_else(pr_printk::stamp::monotonic_nsec),
            caller_id,
            level: within("level", level, 7).map_err(wrong)?,
            facility: within("facility", facility, 255).map_err(wrong)?,
            flags: within("flags", flags, 31).map_err(wrong)?,
            aux: 0,
            owner: 0,
        };
        let ticket = self.ring().reserve_ticket(bytes("size", size)?, &info);
        Ok(ticket
            .ok()
            .map(|ticket| Reservation::new(&self.bare, ticket)))
    }

    /// Reopens the newest record, if it is committed and of `caller_id`, and adds `size` bytes; its total size is
    /// bounded by `max_size`. None when refused. `text_len` starts at the old length, the info stays.
    fn reserve_in_last(
        &self,
        caller_id: u64,
        size: i128,
        max_size: i128,
    ) -> PyResult<Option<Reservation>> {
        let (size, max_size) = (bytes("size", size)?, bytes("max_size", max_size)?);
        let ticket = self.ring().reopen_ticket(caller_id, size, max_size);
        Ok(ticket
            .ok()
            .map(|ticket| Reservation::new(&self.bare, ticket)))
    }

    /// The first readable record at or after `seq`; None: there is none yet. `max_text` cuts the text (0: none).
    #[pyo3(signature = (seq, max_text=None))]
    fn read_valid(
        &self,
        py: Python<'_>,
        seq: u64,
        max_text: Option<i128>,
    ) -> PyResult<Option<RawRecord>> {
        let most = max_text.map_or(Ok(usize::MAX), |most| bytes("max_text", most))?;
        let found = self.read(seq, most);
        Ok(found.map(|(info, text)| RawRecord {
            info: info.into(),
            text: PyBytes::new(py, &text).unbind(),
        }))
    }

    /// The same search without the text: (info, number of lines). An empty text is one line.
    fn read_valid_info<'py>(
        &self,
        py: Python<'py>,
        seq: u64,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some((info, text)) = self.read(seq, usize::MAX) else {
            return Ok(None);
        };
        let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count();
        Ok(Some((RecordInfo::from(info), lines).into_pyobject(py)?))
    }

    /// The number of the oldest record still in the ring, readable or not.
    #[getter]
    fn first_seq(&self) -> u64 {
        self.ring().first_seq().0
    }

    /// The number of the oldest readable record; 0 when there is none.
    #[getter]
    fn first_valid_seq(&self) -> u64 {
        self.ring().first_valid_seq().0
    }

    /// The first number that is not there yet: after the finished records, lost ones among them.
    #[getter]
    fn next_seq(&self) -> u64 {
        self.ring().next_seq().0
    }

    /// The number that the next reserve will get.
    #[getter]
    fn next_reserve_seq(&self) -> u64 {
        self.ring().next_reserve_seq().0
    }

    /// How often a reserve was refused for want of a descriptor.
    #[getter]
    fn fail(&self) -> u64 {
        self.ring().fail()
    }

    /// Bytes of text: 2**(desc_bits + avg_data_bits).
    #[getter]
    fn size_bytes(&self) -> u64 {
        self.ring().geometry().data_bytes()
    }

    /// Number of descriptors: 2**desc_bits.
    #[getter]
    fn descriptors(&self) -> u64 {
        self.ring().geometry().descriptors()
    }
}

impl Ring {
    /// The first readable record at or after `seq`, with at most `most` bytes of its text.
    fn read(&self, seq: u64, most: usize) -> Option<(pr_ring::RecordInfo, Vec<u8>)> {
        let mut buffer = vec![0; most.min(1024)];
        loop {
            let read = self
                .ring()
                .read_valid(Seq(seq), &mut buffer, Unfinished::Wait);
            let Read::Found { info, copied, .. } = read else {
                return None;
            };
            let wanted = most.min(info.text_len as usize);
            if copied >= wanted {
                buffer.truncate(copied);
                return Some((info, buffer));
            }
            buffer.resize(wanted, 0);
        }
    }
}

/// A number of bytes. One that no machine has is as good as the largest: the ring refuses it.
pub fn bytes(what: &str, number: i128) -> PyResult<usize> {
    if number < 0 {
        return Err(PyValueError::new_err(format!(
            "{what} is {number}: it must not be negative"
        )));
    }
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

//! `Reader`: through the records in order.

use crate::errors;
use crate::file::OpenFile;
use crate::logs::{LogHandle, SLICE};
use crate::parameters::Seconds;
use crate::record::Record;
use pr_host::{Next, Origin, RecordReader};
use pr_ring::Source;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where a reader looks for records.
#[derive(Clone)]
pub enum Place {
    /// In a log of this process, which it keeps.
    Log(LogHandle),
    /// In a ring file, as long as it is open.
    File(Arc<OpenFile>),
}

impl Place {
    /// A reader without a place of its own.
    pub fn records(&self, py: Python<'_>) -> PyResult<RecordReader> {
        Ok(RecordReader::new(self.origin(py)?))
    }

    /// The log, or the file as long as it is open.
    pub fn origin(&self, py: Python<'_>) -> PyResult<Origin> {
        Ok(match self {
            Place::Log(log) => Origin::Log(log.shared().clone()),
            Place::File(file) => Origin::File(file.get(py)?),
        })
    }

    fn clear_seq(&self, py: Python<'_>) -> PyResult<u64> {
        match self {
            Place::Log(log) => Ok(log.clear_seq()),
            Place::File(file) => file
                .get(py)?
                .clear_seq()
                .map_err(|why| errors::from_host(py, why)),
        }
    }

    /// The number after the newest record.
    pub fn end(&self, py: Python<'_>) -> PyResult<u64> {
        match self {
            Place::Log(log) => Ok(log.flush_target()),
            // Ids count from 1: the newest id is the number of the record after it.
            Place::File(file) => file
                .get(py)?
                .head()
                .map(|head| head.id.0)
                .map_err(|why| errors::from_host(py, why)),
        }
    }
}

/// Goes through the records in order. An iterator that ends where nothing more is available; with `follow` it waits,
/// and ends when the log was closed or its process is gone and everything was read.
#[pyclass(frozen, module = "printk_ring")]
pub struct Reader {
    place: Place,
    follow: bool,
    at: Mutex<At>,
}

/// How far a reader has come.
struct At {
    seq: u64,
    lost: u64,
    torn: u64,
    buffer: Vec<u8>,
}

/// One look at the ring.
enum Look {
    Found(Record),
    /// Records were lost before the next one.
    Lost(u64),
    NotYet,
    Ended,
}

/// What to do about lost records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Losses {
    /// Count them.
    Pass,
    /// Count them and say so, once.
    Tell,
}

impl Reader {
    /// A reader that begins at `start`.
    pub fn new(place: Place, start: &Start, py: Python<'_>, follow: bool) -> PyResult<Reader> {
        let at = At {
            seq: 0,
            lost: 0,
            torn: 0,
            buffer: Vec::new(),
        };
        let reader = Reader {
            place,
            follow,
            at: Mutex::new(at),
        };
        reader.go_to(py, start)?;
        Ok(reader)
    }

    /// Never held while Python code runs or the interpreter is let go of.
    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go_to(&self, py: Python<'_>, start: &Start) -> PyResult<()> {
        let seq = match start {
            Start::Seq(seq) => *seq,
            Start::Newest => self.place.end(py)?,
            Start::Oldest => self.first_from(py, 0)?,
            Start::Clear => self.first_from(py, self.place.clear_seq(py)?)?,
        };
        self.at().seq = seq;
        Ok(())
    }

    /// The number of the first record there is at or after `seq`: what was overwritten before is not lost.
    fn first_from(&self, py: Python<'_>, seq: u64) -> PyResult<u64> {
        let mut buffer = Vec::new();
        let records = self.place.records(py)?;
        let found = py.detach(|| records.next(seq, &mut buffer));
        match found.map_err(|why| errors::from_host(py, why))? {
            Next::Record { meta, .. } => Ok(meta.seq),
            Next::NotYet { .. } | Next::Ended { .. } => Ok(seq),
        }
    }

    fn look(&self, py: Python<'_>, losses: Losses) -> PyResult<Look> {
        let records = self.place.records(py)?;
        let (next, mut at) = loop {
            let (seq, mut buffer) = {
                let mut at = self.at();
                (at.seq, std::mem::take(&mut at.buffer))
            };
            // A file is read by system calls, and one that was damaged on purpose by many: not with the interpreter held,
            // and so not with the place locked either.
            let next = match &self.place {
                Place::Log(_) => records.next(seq, &mut buffer),
                Place::File(_) => py.detach(|| records.next(seq, &mut buffer)),
            };
            let mut at = self.at();
            at.buffer = buffer;
            if at.seq == seq {
                break (next.map_err(|why| errors::from_host(py, why))?, at);
            } // another thread has read this one meanwhile
        };
        let At {
            seq,
            lost,
            torn,
            buffer,
        } = &mut *at;
        let Next::Record {
            meta,
            torn: is_torn,
            unfinished,
        } = next
        else {
            return Ok(if matches!(next, Next::Ended { .. }) {
                Look::Ended
            } else {
                Look::NotYet
            });
        };
        let gap = meta.seq.saturating_sub(*seq).saturating_sub(unfinished);
        *lost += gap;
        if gap > 0 && losses == Losses::Tell {
            *seq = meta.seq;
            return Ok(Look::Lost(gap));
        }
        *seq = meta.seq + 1;
        let record = Record::new(meta, is_torn, buffer);
        *torn += u64::from(record.is_torn());
        Ok(Look::Found(record))
    }

    /// The next record within `timeout`; None waits without end.
    fn wait(
        &self,
        py: Python<'_>,
        timeout: Option<Duration>,
        losses: Losses,
    ) -> PyResult<Option<Record>> {
        let start = Instant::now();
        let mut nap = Nap::new();
        loop {
            match self.look(py, losses)? {
                Look::Found(record) => return Ok(Some(record)),
                Look::Lost(lost) => return Err(errors::overrun(py, lost)),
                Look::Ended => return Ok(None),
                Look::NotYet => {}
            }
            let left = timeout.map_or(SLICE, |timeout| timeout.saturating_sub(start.elapsed()));
            if left.is_zero() {
                return Ok(None);
            }
            let pause = nap.next(left);
            py.detach(|| std::thread::sleep(pause));
            py.check_signals()?;
        }
    }
}

/// Pauses between looks: short at first, longer while nothing comes.
struct Nap {
    since: Instant,
}

impl Nap {
    const ACTIVE: Duration = Duration::from_millis(1);
    const IDLE: Duration = Duration::from_millis(50);
    /// Nothing has come for this long: idle.
    const PATIENCE: Duration = Duration::from_millis(200);

    fn new() -> Nap {
        Nap {
            since: Instant::now(),
        }
    }

    fn next(&mut self, most: Duration) -> Duration {
        let pause = if self.since.elapsed() < Nap::PATIENCE {
            Nap::ACTIVE
        } else {
            Nap::IDLE
        };
        pause.min(most)
    }
}

#[pymethods]
impl Reader {
    fn __iter__(reader: Bound<'_, Reader>) -> Bound<'_, Reader> {
        reader
    }

    /// The next record; overruns are counted in `lost` and passed over.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Record>> {
        let timeout = if self.follow {
            None
        } else {
            Some(Duration::ZERO)
        };
        self.wait(py, timeout, Losses::Pass)
    }

    /// The next record, or None: nothing available (within `timeout`; None waits only with `follow`).
    #[pyo3(signature = (timeout=None))]
    fn read(&self, py: Python<'_>, timeout: Option<Seconds>) -> PyResult<Option<Record>> {
        let timeout = match timeout {
            Some(Seconds(timeout)) => Some(timeout),
            None if self.follow => None,
            None => Some(Duration::ZERO),
        };
        self.wait(py, timeout, Losses::Tell)
    }

    /// Goes to "oldest", "clear", "newest" or a record number. Records passed over by this are not lost.
    fn seek(&self, py: Python<'_>, start: Start) -> PyResult<()> {
        self.go_to(py, &start)
    }

    /// The number of the record it looks for next.
    #[getter]
    fn seq(&self) -> u64 {
        self.at().seq
    }

    /// Records lost to overruns so far.
    #[getter]
    fn lost(&self) -> u64 {
        self.at().lost
    }

    /// Torn records read so far.
    #[getter]
    fn torn(&self) -> u64 {
        self.at().torn
    }
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record there is.
    Oldest,
    /// Behind the clear mark.
    Clear,
    /// With what comes.
    Newest,
    /// At this number; records that are gone by now are lost.
    Seq(u64),
}

impl<'py> FromPyObject<'_, 'py> for Start {
    type Error = PyErr;

    fn extract(start: Borrowed<'_, 'py, PyAny>) -> PyResult<Start> {
        let wrong = |given: &str| {
            let text = format!(
                "{given} is no start: \"oldest\", \"clear\", \"newest\" or a record number from 0 on"
            );
            errors::config(start.py(), text)
        };
        if let Ok(name) = start.cast::<PyString>() {
            return match &*name.to_string_lossy() {
                "oldest" => Ok(Start::Oldest),
                "clear" => Ok(Start::Clear),
                "newest" => Ok(Start::Newest),
                other => Err(wrong(&format!("{other:?}"))),
            };
        }
        let number = start.cast::<PyInt>()?;
        number
            .extract()
            .map(Start::Seq)
            .map_err(|_| wrong(&number.to_string()))
    }
}

//! The kernel's own formatting, and its dump walk over a bare ring: `printk_ring.kernel`.

use crate::errors;
use crate::ring::{RecordInfo, Ring, bytes, contiguous};
use pr_host::dump::{NO_END, Walk};
use pr_host::{BareRing, Error};
use pr_printk::dump::{Plain, View};
use pr_printk::emit::meta_at;
use pr_record::Meta;
use pr_record::render::kernel::{self, Extra, KMSG_BYTES, Switches};
use pr_ring::{Region, Seq, Unfinished};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The record in the human format, as the kernel's consoles and syslog have it: whole lines only, at most size - 1 bytes.
#[pyfunction]
#[pyo3(signature = (info, text, *, syslog, time, caller, size))]
pub fn print_text<'py>(
    py: Python<'py>,
    info: &Bound<'py, RecordInfo>,
    text: &Bound<'py, PyAny>,
    syslog: bool,
    time: bool,
    caller: bool,
    size: i128,
) -> PyResult<Bound<'py, PyBytes>> {
    let text = contiguous(text)?;
    let switches = Switches {
        syslog,
        time,
        caller,
    };
    let (meta, size) = (info.get().meta(), bytes("size", size)?);
    let shown = printed(switches, &meta, text.as_bytes(), size);
    Ok(PyBytes::new(py, &shown))
}

/// Bytes that the whole record takes in the human format.
#[pyfunction]
#[pyo3(signature = (info, text, *, syslog, time, caller))]
pub fn print_size(
    info: &Bound<'_, RecordInfo>,
    text: &Bound<'_, PyAny>,
    syslog: bool,
    time: bool,
    caller: bool,
) -> PyResult<usize> {
    let text = contiguous(text)?;
    let switches = Switches {
        syslog,
        time,
        caller,
    };
    Ok(kernel::print_size(
        switches,
        &info.get().meta(),
        text.as_bytes(),
    ))
}

/// The record as a read of `/dev/kmsg` gives it, cut at 2048 bytes as there.
#[pyfunction]
#[pyo3(
    signature = (info, text, *, caller, subsystem=None, device=None),
    text_signature = "(info, text, *, caller, subsystem=b'', device=b'')"
)]
pub fn kmsg<'py>(
    py: Python<'py>,
    info: &Bound<'py, RecordInfo>,
    text: &Bound<'py, PyAny>,
    caller: bool,
    subsystem: Option<&Bound<'py, PyAny>>,
    device: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let text = contiguous(text)?;
    let subsystem = subsystem.map(contiguous).transpose()?;
    let device = device.map(contiguous).transpose()?;
    let extra = Extra {
        caller,
        subsystem: subsystem.as_ref().map_or(&[], |bytes| bytes.as_bytes()),
        device: device.as_ref().map_or(&[], |bytes| bytes.as_bytes()),
    };
    let mut line = [0; KMSG_BYTES];
    let len = kernel::print_kmsg(&info.get().meta(), text.as_bytes(), &extra, &mut line);
    Ok(PyBytes::new(py, line.get(..len).unwrap_or_default()))
}

/// A record as the kernel prints it into a buffer of `size` bytes.
fn printed(switches: Switches, meta: &Meta, text: &[u8], size: usize) -> Vec<u8> {
    let whole = kernel::print_size(switches, meta, text);
    let mut buffer = vec![0; size.min(whole.saturating_add(1))];
    let len = kernel::print_text(switches, meta, text, &mut buffer);
    buffer.truncate(len);
    buffer
}

/// The kernel's walk over a bare ring, for dumps: two numbers, `cur_seq` and `next_seq`, both 0 before the first call.
///
/// `DumpIter(ring, *, clear_seq=0, time=True, caller=False)`. Needs no registration; any number of them walk at once, while
/// others write. `time` and `caller`: whether each line has the time stamp, and who logged.
#[pyclass(frozen, module = "printk_ring.kernel")]
pub struct KernelDumpIter {
    ring: Arc<BareRing>,
    time: bool,
    caller: bool,
    state: Mutex<State>,
}

/// The part that changes.
#[derive(Clone)]
struct State {
    walk: Walk,
    clear_seq: u64,
}

impl KernelDumpIter {
    /// Never held while Python code runs or the interpreter is let go of: a fork finds it free.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn switches(&self, syslog: bool) -> Switches {
        Switches {
            syslog,
            time: self.time,
            caller: self.caller,
        }
    }

    /// One step, without the interpreter. If another thread has made one meanwhile, it is made again from there.
    fn step<R: Send>(
        &self,
        py: Python<'_>,
        step: impl Fn(&mut Walk, &View<'_, pr_ring::Ring<Region>>) -> Result<R, Error> + Sync,
    ) -> PyResult<R> {
        loop {
            let (clear_seq, before, mut walk) = {
                let mut state = self.state();
                (state.clear_seq, state.walk.iter, state.walk.lend())
            };
            let view = View {
                source: self.ring.ring(),
                unfinished: Unfinished::Wait,
                clear_seq: Seq(clear_seq),
            };
            let stepped = py.detach(|| step(&mut walk, &view));
            let stepped = stepped.map_err(|why| errors::from_host(py, why))?;
            if self.state().walk.give_back(before, walk) {
                return Ok(stepped);
            }
        }
    }

    /// What `make` makes of the next record; None: there is none.
    fn next<R: Send>(
        &self,
        py: Python<'_>,
        make: impl Fn(&Meta, &[u8]) -> R + Sync,
    ) -> PyResult<Option<R>> {
        self.step(py, |walk, view| {
            let found = walk.next_record(view, NO_END)?;
            Ok(found.map(|(info, text)| make(&meta_at(&info, 0), text)))
        })
    }
}

#[pymethods]
impl KernelDumpIter {
    #[new]
    #[pyo3(signature = (ring, *, clear_seq=0, time=true, caller=false))]
    fn new(ring: &Bound<'_, Ring>, clear_seq: u64, time: bool, caller: bool) -> KernelDumpIter {
        KernelDumpIter {
            ring: ring.get().shared().clone(),
            time,
            caller,
            state: Mutex::new(State {
                walk: Walk::new(usize::MAX),
                clear_seq,
            }),
        }
    }

    /// Goes to the clear mark; blocks will end where the ring ends now.
    fn rewind(&self) {
        let mut state = self.state();
        let next = self.ring.ring().next_seq();
        let clear = Seq(state.clear_seq);
        state.walk.iter.rewind(clear, next);
    }

    /// The next record, oldest first, also one that was stored after `rewind`: its whole lines that fit into size - 1 bytes,
    /// from the first, which may be none. None: there is no record.
    #[pyo3(signature = (size, syslog=false))]
    fn get_line<'py>(
        &self,
        py: Python<'py>,
        size: i128,
        syslog: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (size, switches) = (bytes("size", size)?, self.switches(syslog));
        let line = self.next(py, |meta, text| printed(switches, meta, text, size))?;
        Ok(line.map(|line| PyBytes::new(py, &line)))
    }

    /// Moves on like `get_line`, and says how many bytes all lines of the record take. None: there is no record.
    #[pyo3(signature = (syslog=false))]
    fn get_line_size(&self, py: Python<'_>, syslog: bool) -> PyResult<Option<usize>> {
        let switches = self.switches(syslog);
        self.next(py, |meta, text| kernel::print_size(switches, meta, text))
    }

    /// The newest records not given yet that fit into size - 1 bytes, the oldest of them first. None: no more, or `size` is
    /// 0. A record that does not fit alone, where the kernel gives nothing for ever, is cut and ends in `<truncated>`.
    #[pyo3(signature = (size, syslog=false))]
    fn get_buffer<'py>(
        &self,
        py: Python<'py>,
        size: i128,
        syslog: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (size, form) = (bytes("size", size)?, Plain(self.switches(syslog)));
        let block = self.step(py, |walk, view| walk.next_block(view, &form, size))?;
        Ok(block.map(|(_, bytes)| PyBytes::new(py, &bytes)))
    }

    /// The number of the record that comes next, at least.
    #[getter]
    fn cur_seq(&self) -> u64 {
        self.state().walk.iter.cur_seq.0
    }

    /// The number that the next block ends before.
    #[getter]
    fn next_seq(&self) -> u64 {
        self.state().walk.iter.next_seq.0
    }

    /// The clear mark: nothing before it is given. Settable.
    #[getter]
    fn clear_seq(&self) -> u64 {
        self.state().clear_seq
    }

    #[setter]
    fn set_clear_seq(&self, value: u64) {
        self.state().clear_seq = value;
    }

    /// Another one, as far as this one is.
    fn __copy__(&self) -> KernelDumpIter {
        KernelDumpIter {
            ring: self.ring.clone(),
            time: self.time,
            caller: self.caller,
            state: Mutex::new(self.state().clone()),
        }
    }
}

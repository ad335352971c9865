//! Where a call comes from: which instruction of which code object.
//!
//! The quick way reads it from the interpreter's own frame: where that lies is declared for each version of CPython, and
//! tried against the public way when the module is imported; of a later version, what is declared for the last one. One that
//! turns out to lie elsewhere, and the build for the stable ABI, take the public way, which is slower.
//!
//! Without the interpreter's lock an instruction has an address for each thread; `copies.rs` goes on from there.

#[cfg(all(Py_GIL_DISABLED, not(any(Py_LIMITED_API, PyPy, GraalPy))))]
use super::copies::shared;
use super::glance::GLANCE;
use super::interned::name;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The word that tells the instructions of all living code objects apart: an address within the code object, or the sum of
/// its address and the instruction's offset. 0: the call comes from no Python code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub usize);

/// Byte offsets of what is read on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    /// In the thread's state: the current frame, or what holds it.
    state: u16,
    /// In what holds it; [`DIRECT`]: nothing does.
    holder: u16,
    /// In the frame: the instruction.
    instruction: u16,
}

const DIRECT: u16 = u16::MAX;

/// The ways of the versions that are known, the likely one first.
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
const WAYS: &[Way] = if cfg!(all(Py_GIL_DISABLED, Py_3_15)) {
    &[] // when a copy of the code is freed can't be tried: it has to be read first
} else if cfg!(Py_3_13) {
    const fn direct(state: u16) -> Way {
        Way {
            state,
            holder: DIRECT,
            instruction: 56,
        }
    }
    &[direct(72), direct(64), direct(80)]
} else if cfg!(Py_3_12) {
    &[Way {
        state: 56,
        holder: 0,
        instruction: 56,
    }]
} else {
    &[Way {
        state: 56,
        holder: 8,
        instruction: 56,
    }]
};
// In these nothing may be known of the frame.
#[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
const WAYS: &[Way] = &[];

/// The way that was tried and found good; 0: the public one.
#[inline(always)]
fn way() -> &'static AtomicUsize {
    &GLANCE.way
}

/// Where in a code object its instructions begin, as the words have it; 0 where these are sums.
static BASE: AtomicUsize = AtomicUsize::new(0);

impl Way {
    fn pack(self) -> usize {
        usize::from(self.state)
            | usize::from(self.holder) << 16
            | usize::from(self.instruction) << 32
    }

    #[inline(always)]
    fn unpack(packed: usize) -> Way {
        Way {
            state: packed as u16,
            holder: (packed >> 16) as u16,
            instruction: (packed >> 32) as u16,
        }
    }

    /// Goes the way; `read` reads a word at an address. None: it cannot be read.
    #[inline(always)]
    fn go(self, state: usize, read: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        let mut frame = read(state + usize::from(self.state))?;
        if self.holder != DIRECT {
            frame = read(frame + usize::from(self.holder))?;
        }
        if frame == 0 {
            return Some(0);
        }
        let instruction = read(frame + usize::from(self.instruction))?;
        shared(frame, instruction, read)
    }
}

/// The word that all threads share of the instruction that a frame is at: its address.
#[cfg(not(all(Py_GIL_DISABLED, not(any(Py_LIMITED_API, PyPy, GraalPy)))))]
#[inline(always)]
fn shared(_: usize, instruction: usize, _: impl Fn(usize) -> Option<usize>) -> Option<usize> {
    Some(instruction)
}

/// Where the function that runs now was called from.
///
/// # Safety
/// This thread is attached to the interpreter.
#[inline(always)]
pub unsafe fn place() -> Place {
    let packed = way().load(Ordering::Relaxed);
    if packed == 0 {
        // SAFETY: the caller's promise.
        return unsafe { public_place() };
    }
    // SAFETY: attached.
    let state = unsafe { ffi::PyThreadState_Get() } as usize;
    // SAFETY: this way was tried: these are the words of the thread's own state and frame, and of the code that it runs.
    let read = |at: usize| Some(unsafe { word_at(at) });
    Place(Way::unpack(packed).go(state, read).unwrap_or(0))
}

/// A word on the way.
///
/// # Safety
/// It is there, and nobody else changes it now.
#[cfg(not(Py_GIL_DISABLED))]
#[inline(always)]
unsafe fn word_at(at: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { *(at as *const usize) }
}

/// A word on the way.
///
/// # Safety
/// It is there. Others may put another one in its place: what that leads to was there before. (Some code is constant and may lie
/// in memory that nobody can write: on the targets that have such builds an acquire load is a plain one.)
#[cfg(Py_GIL_DISABLED)]
#[inline(always)]
unsafe fn word_at(at: usize) -> usize {
    // SAFETY: the caller's promise.
    let word = unsafe { AtomicUsize::from_ptr(at as *mut usize) };
    word.load(Ordering::Acquire)
}

thread_local! {
    /// This thread looks at frames.
    static LOOKS: Cell<bool> = const { Cell::new(false) };
}

/// The end of a look, also of one that panics.
struct Looked;

impl Drop for Looked {
    fn drop(&mut self) {
        LOOKS.set(false);
    }
}

/// Looks at frames. None: this thread is at it already. The interpreter tells audit hooks of some of what is asked there: one that
/// logs would have its own frame looked at, and be told of that.
pub fn looking<R>(look: impl FnOnce() -> R) -> Option<R> {
    if LOOKS.replace(true) {
        return None;
    }
    let _looked = Looked;
    Some(look())
}

/// The same by the public way.
///
/// # Safety
/// This thread is attached to the interpreter.
#[inline(never)]
unsafe fn public_place() -> Place {
    // SAFETY: attached.
    let found = unsafe {
        Python::attach_unchecked(|py| {
            looking(|| Frame::current(py).and_then(|frame| frame.place())).flatten()
        })
    };
    found.unwrap_or(Place(0))
}

/// A frame of Python code, as everybody may see it.
pub struct Frame<'py>(Bound<'py, PyAny>);

impl<'py> Frame<'py> {
    /// The innermost one.
    pub fn current(py: Python<'py>) -> Option<Frame<'py>> {
        // SAFETY: attached; a borrowed reference, or null.
        let frame = unsafe { ffi::PyEval_GetFrame() };
        let frame = NonNull::new(frame)?.as_ptr().cast::<ffi::PyObject>();
        // SAFETY: a live object: it runs.
        Some(Frame(unsafe { Bound::from_borrowed_ptr(py, frame) }))
    }

    /// The one that it was called from.
    pub fn outer(&self) -> PyResult<Option<Frame<'py>>> {
        let outer = self.0.getattr(name!(self.0.py(), c"f_back"))?;
        Ok(if outer.is_none() {
            None
        } else {
            Some(Frame(outer))
        })
    }

    /// The name of its module, whatever the module says that is.
    pub fn module(&self) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = self.0.py();
        let globals = self.0.getattr(name!(py, c"f_globals"))?;
        globals
            .cast_into::<PyDict>()?
            .get_item(name!(py, c"__name__"))
    }

    /// Its code object.
    pub fn code(&self) -> PyResult<Bound<'py, PyAny>> {
        self.0.getattr(name!(self.0.py(), c"f_code"))
    }

    /// The offset of the instruction that it is at, in bytes.
    #[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
    pub fn offset(&self) -> PyResult<usize> {
        // SAFETY: a frame.
        let offset = unsafe { ffi::PyFrame_GetLasti(self.0.as_ptr().cast()) };
        Ok(usize::try_from(offset).unwrap_or(0))
    }

    /// The offset of the instruction that it is at, in bytes.
    #[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
    pub fn offset(&self) -> PyResult<usize> {
        let offset = self.0.getattr(name!(self.0.py(), c"f_lasti"))?;
        Ok(offset.extract::<i64>()?.try_into().unwrap_or(0))
    }

    /// Its line; 0: it has none.
    pub fn line(&self) -> PyResult<u32> {
        let line = self.0.getattr(name!(self.0.py(), c"f_lineno"))?;
        Ok(line.extract::<Option<u32>>()?.unwrap_or(0))
    }

    /// Whether this is the frame that `at` is in.
    pub fn is_at(&self, at: Place) -> PyResult<bool> {
        let code = self.code()?.as_ptr() as usize;
        let base = if is_quick() {
            BASE.load(Ordering::Relaxed)
        } else {
            0
        };
        Ok(at.0 == code + base + self.offset()?)
    }

    fn place(&self) -> Option<Place> {
        let code = self.code().ok()?.as_ptr() as usize;
        Some(Place(code + self.offset().ok()?))
    }
}

/// Finds the way for this interpreter; without one, and where memory cannot be looked at with care, it stays the public one.
pub fn find_way(py: Python<'_>) {
    let found = WAYS.iter().find(|way| is_good(py, **way).unwrap_or(false));
    way().store(found.map_or(0, |way| way.pack()), Ordering::Relaxed);
}

/// Takes the public way from now on.
pub fn use_public_way() {
    way().store(0, Ordering::Relaxed);
}

/// Whether this is the quick way.
pub fn is_quick() -> bool {
    way().load(Ordering::Relaxed) != 0
}

/// Three calls in one line of one function: what is read must lie within its code object, at one distance from where the
/// public way says it is.
const TRIAL: &std::ffi::CStr =
    c"def trial(probe): return [probe(), probe(), (lambda: probe())(), probe()]";

fn is_good(py: Python<'_>, way: Way) -> PyResult<bool> {
    let globals = pyo3::types::PyDict::new(py);
    py.run(TRIAL, Some(&globals), None)?;
    let trial = globals.as_any().get_item("trial")?;
    let probe = pyo3::types::PyCFunction::new_closure(py, None, None, move |args, _| {
        let py = args.py();
        probe(py, way)
    })?;
    let read: Vec<Option<(usize, usize, usize, usize)>> = trial.call1((probe,))?.extract()?;
    let mut seen: Vec<(usize, usize)> = Vec::new();
    for found in read {
        let Some((instruction, code, size, offset)) = found else {
            return Ok(false);
        };
        let Some(within) = instruction.checked_sub(code).filter(|at| *at < size) else {
            return Ok(false);
        };
        let Some(base) = within.checked_sub(offset) else {
            return Ok(false);
        };
        seen.push((base, instruction));
    }
    let one_base = seen.windows(2).all(|pair| pair[0].0 == pair[1].0);
    let all_differ = (1..seen.len()).all(|n| !seen[..n].iter().any(|other| other.1 == seen[n].1));
    let is_good = seen.len() == 4 && one_base && all_differ;
    // Without the lock words are sums, as the public way's are.
    let may_begin_at = |base: usize| base == 0 || !cfg!(Py_GIL_DISABLED);
    let is_good = is_good && seen.first().is_some_and(|first| may_begin_at(first.0));
    if let Some((base, _)) = seen.first().filter(|_| is_good) {
        BASE.store(*base, Ordering::Relaxed);
    }
    Ok(is_good)
}

/// The instruction by a way that may be wrong; then what the public way says: code object, its size, offset.
fn probe(py: Python<'_>, way: Way) -> PyResult<Option<(usize, usize, usize, usize)>> {
    // SAFETY: attached.
    let state = unsafe { ffi::PyThreadState_Get() } as usize;
    let Some(frame) = Frame::current(py) else {
        return Ok(None);
    };
    let code = frame.code()?;
    let size: usize = code.call_method0("__sizeof__")?.extract()?;
    let found = way.go(state, look);
    Ok(match found {
        Some(at) => Some((at, code.as_ptr() as usize, size, frame.offset()?)),
        None => None,
    })
}

/// The word at an address of this process, whatever it is: read by the kernel, which refuses what is not there.
fn look(at: usize) -> Option<usize> {
    let mut word = 0_usize;
    let to = libc::iovec {
        iov_base: (&raw mut word).cast(),
        iov_len: size_of::<usize>(),
    };
    let from = libc::iovec {
        iov_base: at as *mut libc::c_void,
        iov_len: size_of::<usize>(),
    };
    let own = std::process::id().cast_signed();
    // SAFETY: `to` is a word of ours; the kernel checks `from`.
    let read = unsafe { libc::process_vm_readv(own, &raw const to, 1, &raw const from, 1, 0) };
    (read == size_of::<usize>() as isize).then_some(word)
}

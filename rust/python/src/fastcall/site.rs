//! Call sites: what is the same at each call of one place in a program is found out once.
//!
//! A site is an instruction of a code object. It is looked up by its address in a table of fixed size; what was learned of
//! it goes with its code object. Calls of a site that finds no room are as good as any, and slower.

use super::digits;
use super::frame::{Frame, Place, find_way, is_quick, looking, place, use_public_way};
use super::interned::name;
use super::object::{Names, Object};
use crate::call::is_option;
use crate::convert::text;
use pr_host::Log;
use pr_host::rules::{Flags, Subject};
use pr_printk::sites::Cell;
use pr_record::Site as Description;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple, PyWeakrefReference};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// Places of the table.
const PLACES: usize = 1 << 13;
/// Most of them that are taken: beyond that looking would take longer.
const MOST_SITES: usize = PLACES / 2;
/// How far from its own place a site may stand.
const STEPS: usize = 16;
/// A place that was taken, and may be taken again.
const LEFT: usize = 1;

/// One place: an instruction, and its site. Nobody is at a place whose code object is gone: the frame that calls keeps it.
struct Slot {
    key: AtomicUsize,
    site: AtomicPtr<Site>,
}

static TABLE: [Slot; PLACES] = [const {
    Slot {
        key: AtomicUsize::new(0),
        site: AtomicPtr::new(std::ptr::null_mut()),
    }
}; PLACES];

/// The sites that have places, by their code objects' addresses.
static CODES: Mutex<Option<HashMap<usize, Code>>> = Mutex::new(None);
/// How many places are taken.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// What is known of a code object.
struct Code {
    /// Tells when it goes. Kept, or it would not.
    watch: Py<PyAny>,
    #[expect(clippy::vec_box, reason = "the table points into the boxes")]
    sites: Vec<Box<Site>>,
    keys: Vec<usize>,
}

/// A call site.
#[repr(C, align(64))]
pub struct Site {
    /// Watches its code object: a weak reference that its [`Code`] keeps.
    watch: *mut ffi::PyObject,
    /// The event, if it is a constant of the code: an object that is there as long as the site. Else null.
    event: *mut ffi::PyObject,
    /// The names of its keywords, in the same way; null also if there are none.
    names: *mut ffi::PyObject,
    /// How many fields they are. None: some are no fields, or no text.
    fields: Option<u32>,
    /// Their names.
    field_names: Box<[Box<str>]>,
    /// The name of the logger that was called first.
    logger: Option<Arc<str>>,
    /// What the log keeps of it.
    pub cell: Cell,
    /// The offset of its instruction.
    offset: usize,
    /// What rules say of it, and which rules.
    judged: AtomicU64,
    described: Described,
}

// SAFETY: the pointers are compared, and never followed.
unsafe impl Send for Site {}
// SAFETY: as above; the rest never changes, but for the cell, which is atomic.
unsafe impl Sync for Site {}

/// The texts of a site.
struct Described {
    event: Option<String>,
    file: String,
    line: u32,
    func: String,
}

impl Site {
    /// Whether the event is the one that the log knows.
    #[inline(always)]
    pub fn has_event(&self, event: Object<'_>) -> bool {
        self.event == event.as_ptr()
    }

    /// The same of an object in other hands.
    pub fn is_event(&self, event: &Bound<'_, PyString>) -> bool {
        self.event == event.as_ptr()
    }

    /// Whether the logger's name is.
    #[inline(always)]
    pub fn has_logger(&self, name: Option<&Arc<str>>) -> bool {
        match (&self.logger, name) {
            (Some(own), Some(name)) => Arc::ptr_eq(own, name) || is_same(own, name),
            _ => false,
        }
    }

    /// Its number in a log, and which table gave it. None: its records say everything themselves; also where a logger without a
    /// name calls, and the site's has one.
    #[inline(always)]
    pub fn number(&self, log: &Log, logger: Option<&Arc<str>>) -> Option<(u32, u32)> {
        if logger.is_none() && self.logger.is_some() {
            return None;
        }
        log.site_number(&self.cell, |out| self.describe(out))
    }

    /// How many fields the names are that the log knows. None: these are others.
    #[inline(always)]
    pub fn fields(&self, names: Names<'_>) -> Option<usize> {
        if self.names == names.as_ptr() {
            self.fields.map(|count| count as usize)
        } else {
            None
        }
    }

    /// The names of these fields.
    #[inline(always)]
    pub fn name(&self, index: usize) -> Option<&str> {
        self.field_names.get(index).map(|name| &**name)
    }

    /// File, line and function.
    pub fn source(&self) -> (&str, u32, &str) {
        (
            &self.described.file,
            self.described.line,
            &self.described.func,
        )
    }

    /// What the rules of dynamic debug want of its records in this log, if they come from this logger. Judged anew when there
    /// are other rules, or it was another log that was asked about.
    pub fn flags(&self, log: &Log, logger: Option<&Arc<str>>, event: Object<'_>) -> Flags {
        let (life, number) = log.ruling_number();
        let stamp = (life.wrapping_mul(0x9e37_79b9) ^ number) << 8 | 1 << 7;
        let judged = self.judged.load(Ordering::Relaxed);
        let is_own = self.has_logger(logger) || (self.logger.is_none() && logger.is_none());
        let is_own = is_own && self.has_event(event);
        if is_own && judged & !63 == stamp {
            return Flags::from_bits(judged as u8);
        }
        let subject = Subject {
            file: &self.described.file,
            line: self.described.line,
            func: &self.described.func,
            logger: logger.map(|name| &**name),
            event: event.text(),
        };
        let flags = log.flags_of(&subject);
        if is_own {
            self.judged
                .store(stamp | u64::from(flags.bits()), Ordering::Relaxed);
        }
        flags
    }

    /// Writes what the log is to know of it.
    pub fn describe(&self, out: &mut [u8]) -> Option<usize> {
        let site = Description {
            event: self.described.event.as_deref(),
            logger: self.logger.as_deref(),
            file: Some(&self.described.file),
            line: self.described.line,
            func: Some(&self.described.func),
            which: u32::try_from(self.offset).unwrap_or(0),
            ..Description::default()
        };
        site.write(self.field_names.iter().map(|name| &**name), out)
    }
}

/// The call that is looked at.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    pub event: Object<'a>,
    pub names: Names<'a>,
    pub logger: Option<&'a Arc<str>>,
}

/// The site that a log method was called at. It lives as long as the call.
///
/// # Safety
/// This thread is attached to the interpreter, in a function that Python code has called, which has not run any since.
#[inline(always)]
pub unsafe fn here<'a>(caller: Caller<'a>) -> Option<&'a Site> {
    // SAFETY: the caller's promise.
    let at = unsafe { place() };
    if at.0 <= LEFT {
        return None;
    }
    // Whoever was to tell that the code object went may not have been called: the interpreter can be at its limit then.
    let site = find(at)
        .filter(|site| watches(*site))
        .or_else(|| learn(at, caller))?;
    // SAFETY: a site of the code object that this call comes from: its frame keeps that, and that the site.
    Some(unsafe { &*site })
}

/// The word of the call that is being made, which tells it from those of all code that is there now; 0: nobody calls.
pub fn word(_attached: Python<'_>) -> usize {
    // SAFETY: attached.
    unsafe { place() }.0
}

/// Where a call is made, for who keeps something of its own by that.
pub struct Called<'py> {
    pub code: Bound<'py, PyAny>,
    pub instruction: usize,
    /// It is the call that [`word`] is of: no frames were passed over, by the interpreter neither.
    pub is_innermost: bool,
}

/// Of the call that is being made. Frames of this module are passed over. None: no Python code calls.
pub fn called<'py>(py: Python<'py>, between: &str) -> PyResult<Option<Called<'py>>> {
    // SAFETY: attached.
    let at = unsafe { place() };
    looking(|| called_from(py, at, between)).unwrap_or(Ok(None))
}

fn called_from<'py>(py: Python<'py>, at: Place, between: &str) -> PyResult<Option<Called<'py>>> {
    let mut frame = Frame::current(py);
    let mut is_innermost = true;
    while let Some(found) = frame {
        let module = found.module()?;
        let is_between = |name: &Bound<'_, PyString>| name == between;
        if !module.is_some_and(|name| name.cast::<PyString>().is_ok_and(is_between)) {
            let code = found.code()?;
            let instruction = canonical(found.offset()?, &code)?;
            return Ok(Some(Called {
                code,
                instruction,
                is_innermost: is_innermost && found.is_at(at)?,
            }));
        }
        is_innermost = false;
        frame = found.outer()?;
    }
    Ok(None)
}

/// The same name in two places.
#[inline(never)]
fn is_same(one: &str, other: &str) -> bool {
    one == other
}

#[inline(always)]
fn first_step(key: usize) -> usize {
    (key >> 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - PLACES.trailing_zeros())
}

fn steps(key: usize) -> impl Iterator<Item = &'static Slot> {
    let first = first_step(key);
    (0..STEPS).filter_map(move |step| TABLE.get((first + step) % PLACES))
}

/// Most sites lie where they are looked for first.
#[inline(always)]
fn find(at: Place) -> Option<*mut Site> {
    let slot = TABLE.get(first_step(at.0))?;
    if slot.key.load(Ordering::Acquire) == at.0 {
        return Some(slot.site.load(Ordering::Acquire));
    }
    find_further(at)
}

#[inline(never)]
fn find_further(at: Place) -> Option<*mut Site> {
    for slot in steps(at.0) {
        let key = slot.key.load(Ordering::Acquire);
        if key == at.0 {
            return Some(slot.site.load(Ordering::Acquire));
        }
        if key == 0 {
            return None;
        }
    }
    None
}

/// Finds out what there is to know, and keeps it if there is room.
#[cold]
#[inline(never)]
fn learn(at: Place, caller: Caller<'_>) -> Option<*mut Site> {
    if TAKEN.load(Ordering::Relaxed) >= MOST_SITES {
        return None;
    }
    // Where no memory can be had the library panics: the call is then one whose place is not known.
    let learned = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `here` is called attached.
        unsafe { Python::attach_unchecked(|py| looking(|| learn_attached(py, at, caller))) }
    }));
    learned.ok().flatten().flatten()
}

fn learn_attached(py: Python<'_>, at: Place, caller: Caller<'_>) -> Option<*mut Site> {
    let raised = PyErr::take(py); // an exception that is on its way stays so
    let frame = Frame::current(py)?;
    let learned = frame.code().and_then(|code| {
        // The public way passes over frames that are not whole, and those of no code: then these are two.
        if !frame.is_at(at)? {
            return Ok(None);
        }
        let site = look_at(&frame, &code, caller)?;
        let watch = watch(&code)?;
        Ok(keep(at, code.as_ptr() as usize, site, watch))
    });
    if let Some(raised) = raised {
        raised.restore(py);
    }
    learned.ok().flatten()
}

fn look_at(frame: &Frame<'_>, code: &Bound<'_, PyAny>, caller: Caller<'_>) -> PyResult<Site> {
    let constants = code.getattr("co_consts")?.cast_into::<PyTuple>()?;
    let is_constant =
        |object: *mut ffi::PyObject| constants.iter().any(|one| one.as_ptr() == object);
    let event = caller.event;
    let has_event = is_constant(event.as_ptr()) && event.text().is_some();
    let given = caller.names;
    let has_names = given.len() > 0 && is_constant(given.as_ptr());
    let names = (0..given.len()).map(|n| given.get(n)?.text().filter(|name| !is_option(name)));
    let names: Option<Box<[Box<str>]>> = names.map(|name| name.map(Box::from)).collect();
    let names = names.filter(|_| has_names || given.len() == 0);
    let fields = names
        .as_ref()
        .and_then(|names| u32::try_from(names.len()).ok());
    let str_of = |name: &str| -> PyResult<String> {
        Ok(text::owned(code.getattr(name)?.cast::<PyString>()?))
    };
    Ok(Site {
        watch: std::ptr::null_mut(),
        offset: canonical(frame.offset()?, code)?,
        event: if has_event {
            event.as_ptr()
        } else {
            std::ptr::null_mut()
        },
        names: if has_names {
            given.as_ptr()
        } else {
            std::ptr::null_mut()
        },
        fields,
        field_names: names.unwrap_or_default(),
        logger: caller.logger.cloned(),
        cell: Cell::default(),
        judged: AtomicU64::new(0),
        described: Described {
            event: if has_event {
                event.text().map(str::to_owned)
            } else {
                None
            },
            file: str_of("co_filename")?,
            line: frame.line()?,
            func: str_of("co_name")?,
        },
    })
}

/// In CPython 3.11 a call is two instructions, and either may be the one that calls: it is known by the second.
fn canonical(offset: usize, code: &Bound<'_, PyAny>) -> PyResult<usize> {
    /// `PRECALL`, and the words that it takes, its cache included.
    const PRECALL: (u8, usize) = (166, 4);
    if !cfg!(Py_3_11) || cfg!(Py_3_12) {
        return Ok(offset);
    }
    let bytes = code.getattr(name!(code.py(), c"co_code"))?;
    let found = bytes.cast::<PyBytes>()?.as_bytes().get(offset).copied();
    Ok(match found {
        Some(found) if found == PRECALL.0 => offset + PRECALL.1,
        _ => offset,
    })
}

/// Called when a code object goes.
#[pyclass(frozen, module = "printk_ring._native", name = "_Forget")]
pub struct Forget(usize);

#[pymethods]
impl Forget {
    fn __call__(&self, reference: &Bound<'_, PyAny>) {
        let _ = reference;
        let gone = {
            let mut codes = CODES.lock().unwrap_or_else(PoisonError::into_inner);
            codes.as_mut().and_then(|codes| codes.remove(&self.0))
        };
        if let Some(gone) = gone {
            forget(gone);
        }
    }
}

/// Frees the places of a code object that is going. Not under the lock: what it has kept goes too.
fn forget(gone: Code) {
    clear_places(&gone);
    drop(gone);
}

/// The same of one that went without telling anybody. Other code has its address by now, and by that a thread that runs beside
/// this one may just have come to one of its sites: those stay.
fn forget_late(gone: Code) {
    clear_places(&gone);
    if cfg!(Py_GIL_DISABLED) {
        std::mem::forget(gone);
    }
}

fn clear_places(gone: &Code) {
    for key in &gone.keys {
        for slot in steps(*key) {
            if slot.key.load(Ordering::Acquire) == *key {
                slot.key.store(LEFT, Ordering::Release);
                TAKEN.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// Whether the code object of a site that the table holds is still there.
#[inline(always)]
fn watches(site: *mut Site) -> bool {
    // SAFETY: the table points to sites that their codes keep, until these are told to be gone, which takes the interpreter.
    is_alive(unsafe { (*site).watch })
}

/// Whether what a weak reference watches is still there. Runs no Python code, and takes no reference: without the interpreter's
/// lock that could be the last one, and what goes with it would go under the locks of whoever asks.
#[cfg(not(any(Py_LIMITED_API, PyPy, GraalPy)))]
#[inline(always)]
fn is_alive(watch: *mut ffi::PyObject) -> bool {
    let watch = watch.cast::<ffi::PyWeakReference>();
    // SAFETY: a weak reference that the caller keeps.
    let object = unsafe { &raw mut (*watch).wr_object };
    // SAFETY: its object, which another thread may take out meanwhile.
    let found = unsafe { AtomicPtr::from_ptr(object) }.load(Ordering::Relaxed);
    // SAFETY: a constant of the interpreter.
    found != unsafe { ffi::Py_None() }
}

/// The same as the stable ABI has it. Builds for that run under the interpreter's lock.
#[cfg(any(Py_LIMITED_API, PyPy, GraalPy))]
#[inline(always)]
fn is_alive(watch: *mut ffi::PyObject) -> bool {
    // SAFETY: the interpreter is attached here, and this is a weak reference; what is answered is borrowed, and compared.
    let found = unsafe { ffi::PyWeakref_GetObject(watch) };
    // SAFETY: a constant of the interpreter.
    found != unsafe { ffi::Py_None() }
}

/// The same for others.
pub fn is_there(watch: &Bound<'_, PyWeakrefReference>) -> bool {
    is_alive(watch.as_ptr())
}

fn watch(code: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let forget = Bound::new(code.py(), Forget(code.as_ptr() as usize))?;
    // SAFETY: two live objects.
    let watch = unsafe { ffi::PyWeakref_NewRef(code.as_ptr(), forget.as_ptr()) };
    // SAFETY: a new reference, or null and an exception.
    let watch = unsafe { Bound::from_owned_ptr_or_err(code.py(), watch) }?;
    Ok(watch.unbind())
}

/// Gives a site its place. None: there is none, or another thread is at it.
fn keep(at: Place, code: usize, site: Site, watch: Py<PyAny>) -> Option<*mut Site> {
    let (mut spare, mut gone) = (Some(watch), None);
    let kept = {
        let mut codes = match CODES.try_lock() {
            Ok(codes) => codes,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let codes = codes.get_or_insert_default();
        place_in(codes, at, code, site, &mut spare, &mut gone)
    };
    drop(spare); // not under the lock
    if let Some(gone) = gone {
        forget_late(gone);
    }
    kept
}

fn place_in(
    codes: &mut HashMap<usize, Code>,
    at: Place,
    code: usize,
    site: Site,
    watch: &mut Option<Py<PyAny>>,
    gone: &mut Option<Code>,
) -> Option<*mut Site> {
    if let Some(found) = find(at) {
        if watches(found) {
            return Some(found);
        }
        // The code object of that is gone, and another one is where it was.
        let dead = codes.iter().find(|(_, code)| code.keys.contains(&at.0));
        let dead = dead.map(|(address, _)| *address)?;
        *gone = codes.remove(&dead);
        return None;
    }
    let is_free = |slot: &&Slot| slot.key.load(Ordering::Relaxed) <= LEFT;
    let slot = steps(at.0).find(is_free)?;
    let known = match codes.entry(code) {
        Entry::Occupied(known) if is_alive(known.get().watch.as_ptr()) => known.into_mut(),
        Entry::Occupied(dead) => {
            // It was not told when it went: the interpreter could not call any more.
            *gone = Some(dead.remove());
            return None;
        }
        Entry::Vacant(place) => place.insert(Code {
            watch: watch.take()?,
            sites: Vec::new(),
            keys: Vec::new(),
        }),
    };
    let mut sites = known.sites.iter();
    let same = sites.position(|other| other.offset == site.offset);
    let watch = known.watch.as_ptr();
    let index = same.unwrap_or_else(|| {
        known.sites.push(Box::new(Site { watch, ..site }));
        known.sites.len() - 1
    });
    let site = std::ptr::from_ref(&**known.sites.get(index)?).cast_mut();
    known.keys.push(at.0);
    slot.site.store(site, Ordering::Release); // also for who has come by the place's key of before
    slot.key.store(at.0, Ordering::Release);
    TAKEN.fetch_add(1, Ordering::Relaxed);
    Some(site)
}

/// How call sites are found ("frame": read from the interpreter's own, or "public"), how many places of the table are
/// taken, and by how many sites.
#[pyfunction]
pub fn _call_sites() -> (&'static str, usize, usize) {
    let way = if is_quick() { "frame" } else { "public" };
    let codes = CODES.lock().unwrap_or_else(PoisonError::into_inner);
    let codes = codes.iter().flat_map(HashMap::values);
    let sites = codes.map(|code| code.sites.len()).sum();
    (way, TAKEN.load(Ordering::Relaxed), sites)
}

/// Has call sites found and ints read by the public way from now on, or by the quick one again. For tests and measurements.
#[pyfunction]
#[pyo3(signature = (public=true, /))]
pub fn _use_public_frames(py: Python<'_>, public: bool) -> PyResult<()> {
    if public {
        use_public_way();
        digits::use_public_way();
        Ok(())
    } else {
        find_way(py);
        digits::find_way(py)
    }
}

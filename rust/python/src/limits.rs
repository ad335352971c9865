//! `Logger.once` and `Logger.ratelimited`: how often a call site may log. A site is a code object and an instruction in it.

use crate::beside;
use crate::fastcall::interned::name;
use crate::fastcall::site::{self, Called};
use crate::fastcall::text_of;
use pr_host::{Emit, Log};
use pr_printk::limit::{Admission, Limit, Rate};
use pr_printk::{stamp, thread};
use pr_record::{Level, Payload};
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use std::collections::HashMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often.
#[derive(Clone, Copy, Debug)]
pub enum Often {
    /// Once in the life of the log.
    Once,
    /// So many records in a window.
    Rate(Rate),
}

/// The call sites of one log.
#[derive(Debug, Default)]
pub struct Limits(Mutex<Sites>);

#[derive(Debug, Default)]
struct Sites {
    /// By the code's address and the instruction.
    known: HashMap<Key, Py<Site>>,
    /// By the word of the call, which is had at once. In some versions of CPython a site has two.
    quick: HashMap<Key, Py<Site>>,
    /// At so many sites those whose code is gone are looked for.
    full_at: usize,
}

/// Two numbers, and whether it is `once`.
type Key = (usize, usize, bool);

/// Fewer sites than this are not worth a look.
const FEW: usize = 256;

/// A call site. An object of the interpreter's: where there is no memory for one, that is an error and not the end of the
/// process.
#[pyclass(frozen, module = "printk_ring._native", name = "_LimitedSite")]
pub struct Site {
    /// Other code may come to lie where this code was.
    code: Py<PyWeakrefReference>,
    limit: Limit,
}

/// The call that is being made: of `Logger.catch` the end of its block. None: no Python code calls.
fn here(py: Python<'_>) -> PyResult<Option<Called<'_>>> {
    site::called(py, "printk_ring.catching")
}

impl Limits {
    fn lock(&self) -> MutexGuard<'_, Sites> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the site that calls. Under the lock nothing is made that the interpreter looks after, so that no code
    /// of anybody can run there. None: no Python code calls, or there is no memory to know it by.
    fn here(&self, py: Python<'_>, is_once: bool) -> PyResult<Option<Py<Site>>> {
        let word = (site::word(py), 0, is_once);
        let found = self
            .lock()
            .quick
            .get(&word)
            .and_then(|site| there(py, site));
        if found.is_some() {
            return Ok(found);
        }
        let Some(called) = here(py)? else {
            return Ok(None);
        };
        let key = (called.code.as_ptr() as usize, called.instruction, is_once);
        let made = Site {
            code: PyWeakrefReference::new(&called.code)?.unbind(),
            limit: Limit::default(),
        };
        let made = Py::new(py, made)?;
        let mut sites = self.lock();
        let found = sites.known.get(&key).and_then(|site| there(py, site));
        let site = found.unwrap_or_else(|| made.clone_ref(py));
        let gone = sites.make_room(py);
        let known = insert(&mut sites.known, key, site.clone_ref(py));
        let quick = called
            .is_innermost
            .then(|| insert(&mut sites.quick, word, site.clone_ref(py)));
        drop(sites);
        let is_known = known.is_ok();
        drop((gone, known, quick)); // outside of the lock
        Ok(is_known.then_some(site))
    }
}

/// Puts a site there. The one that was, or, where there is no memory for it, this.
fn insert(
    sites: &mut HashMap<Key, Py<Site>>,
    key: Key,
    site: Py<Site>,
) -> Result<Option<Py<Site>>, Py<Site>> {
    match sites.try_reserve(1) {
        Ok(()) => Ok(sites.insert(key, site)),
        Err(_) => Err(site),
    }
}

/// The site. None: its code is gone.
fn there(py: Python<'_>, site: &Py<Site>) -> Option<Py<Site>> {
    is_there(py, site).then(|| site.clone_ref(py))
}

fn is_there(py: Python<'_>, site: &Py<Site>) -> bool {
    site::is_there(site.get().code.bind(py))
}

impl Sites {
    /// Takes off the sites whose code is gone, when there are twice as many as after the last look.
    fn make_room(&mut self, py: Python<'_>) -> Vec<Py<Site>> {
        let mut gone = Vec::new();
        if self.count() < self.full_at.max(FEW) {
            return gone;
        }
        let all = self.known.values().chain(self.quick.values());
        let most = all.filter(|site| !is_there(py, site)).count();
        if gone.try_reserve_exact(most).is_err() {
            return gone;
        }
        let is_gone = |_: &Key, site: &mut Py<Site>| !is_there(py, site);
        let known = self.known.extract_if(is_gone);
        let both = known.chain(self.quick.extract_if(is_gone)).take(most);
        gone.extend(both.map(|(_, site)| site));
        self.full_at = 2 * self.count();
        gone
    }

    fn count(&self) -> usize {
        self.known.len() + self.quick.len()
    }
}

/// Whether a record may be stored by whoever calls now. The first record behind others that were held back says so before.
/// `tells`: whether a warning is stored at all. Where no code is known, or no memory to know it by, nothing is held back.
#[cold]
pub fn admits(log: &Log, often: Often, name: Option<&str>, tells: bool) -> bool {
    catch_unwind(AssertUnwindSafe(|| ask(log, often, name, tells))).unwrap_or(true)
}

fn ask(log: &Log, often: Often, name: Option<&str>, tells: bool) -> bool {
    let admitted = Python::try_attach(|py| {
        let limits = beside::of(log).map(|beside| &beside.limits);
        let limit = limits.map(|limits| limits.here(py, matches!(often, Often::Once)));
        let Some(site) = limit.transpose()?.flatten() else {
            return Ok(true);
        };
        let limit = &site.get().limit;
        let rate = match often {
            Often::Once => return Ok(limit.admit_once()),
            Often::Rate(rate) => rate,
        };
        match limit.admit(stamp::monotonic_nsec(), rate) {
            Admission::Passes => {}
            Admission::PassesAfter(held) if tells => tell(py, log, name, held)?,
            Admission::PassesAfter(_) => {}
            Admission::Held => {
                log.count_suppressed();
                return Ok(false);
            }
        }
        PyResult::Ok(true)
    });
    admitted.is_none_or(|admitted| admitted.unwrap_or(true))
}

/// Says how many records were held back, if there is memory for that. It never waits: the record that it comes before does,
/// and prints both.
fn tell(py: Python<'_>, log: &Log, name: Option<&str>, held: u64) -> PyResult<()> {
    let called = here(py)?;
    let function = match &called {
        Some(called) => Some(called.code.getattr(name!(py, c"co_name"))?),
        None => None,
    };
    let function = function.as_ref().and_then(|name| name.cast().ok());
    let function = function.and_then(text_of).unwrap_or_default();
    let mut event = String::new();
    if event.try_reserve(function.len() + MOST_TOLD).is_ok() {
        let _ = write!(event, "{function}: {held} callbacks suppressed"); // a String takes it
        store(py, log, name, &event);
    }
    Ok(())
}

/// More bytes than what is told besides the function.
const MOST_TOLD: usize = 64;

fn store(py: Python<'_>, log: &Log, name: Option<&str>, event: &str) {
    let payload = Payload {
        event,
        logger: name,
        ..Payload::default()
    };
    let Some(_nest) = thread::enter() else {
        return log.count_recursion();
    };
    let emit = || log.emit_inside(true, Level::Warning.number(), &payload, None);
    let mut emitted = emit();
    if emitted == Emit::MustBegin {
        py.detach(|| log.begin_own_life());
        emitted = emit();
    }
    if matches!(emitted, Emit::Owing(owed) if owed.sync) {
        log.leave_sync();
    }
}

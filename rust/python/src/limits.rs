//! `Logger.once` and `Logger.ratelimited`: how often a call site may log. A site is a code object and an instruction in it.

use crate::beside;
use crate::fastcall::site::{self, Called};
use pr_host::{Emit, Log};
use pr_printk::limit::{Admission, Limit, Rate};
use pr_printk::{stamp, thread};
use pr_record::{Level, Payload};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyWeakrefReference};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    known: HashMap<Key, Known>,
    /// By the word of the call, which is had at once. In some versions of CPython a site has two.
    quick: HashMap<Key, Known>,
    /// At so many sites those whose code is gone are looked for.
    full_at: usize,
}

/// Two numbers, and whether it is `once`.
type Key = (usize, usize, bool);

/// Fewer sites than this are not worth a look.
const FEW: usize = 256;

#[derive(Debug)]
struct Known {
    /// Other code may come to lie where this code was.
    code: Py<PyWeakrefReference>,
    limit: Arc<Limit>,
}

/// The call that is being made: of `Logger.catch` the end of its block. None: no Python code calls.
fn here(py: Python<'_>) -> PyResult<Option<Called<'_>>> {
    site::called(py, "printk_ring.catching")
}

/// The name of the function that calls.
fn function(py: Python<'_>) -> PyResult<String> {
    let Some(called) = here(py)? else {
        return Ok(String::new());
    };
    let name = called.code.getattr("co_name")?;
    Ok(name.cast::<PyString>()?.to_string_lossy().into_owned())
}

impl Limits {
    fn lock(&self) -> MutexGuard<'_, Sites> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the site that calls. Under the lock nothing is made that the interpreter looks after, so that no code
    /// of anybody can run there. None: no Python code calls.
    fn here(&self, py: Python<'_>, is_once: bool) -> PyResult<Option<Arc<Limit>>> {
        let word = (site::word(py), 0, is_once);
        let found = self.lock().quick.get(&word).and_then(|known| known.of(py));
        if found.is_some() {
            return Ok(found);
        }
        let Some(called) = here(py)? else {
            return Ok(None);
        };
        let key = (called.code.as_ptr() as usize, called.instruction, is_once);
        let code = PyWeakrefReference::new(&called.code)?;
        let mut sites = self.lock();
        let found = sites.known.get(&key).and_then(|known| known.of(py));
        let limit = found.unwrap_or_default();
        let known = || Known {
            code: code.clone().unbind(),
            limit: limit.clone(),
        };
        let gone = sites.make_room(py);
        let stale = sites.known.insert(key, known());
        let quick = called
            .is_innermost
            .then(|| sites.quick.insert(word, known()));
        drop(sites);
        drop((gone, stale, quick)); // outside of the lock
        Ok(Some(limit))
    }
}

impl Known {
    /// None: its code is gone.
    fn of(&self, py: Python<'_>) -> Option<Arc<Limit>> {
        site::is_there(self.code.bind(py)).then(|| self.limit.clone())
    }
}

impl Sites {
    /// Takes off the sites whose code is gone, when there are twice as many as after the last look.
    fn make_room(&mut self, py: Python<'_>) -> Vec<Known> {
        let count = |sites: &Sites| sites.known.len() + sites.quick.len();
        if count(self) < self.full_at.max(FEW) {
            return Vec::new();
        }
        let is_gone = |_: &Key, known: &mut Known| !site::is_there(known.code.bind(py));
        let known = self.known.extract_if(is_gone);
        let gone: Vec<_> = known.chain(self.quick.extract_if(is_gone)).collect();
        self.full_at = 2 * count(self);
        gone.into_iter().map(|(_, known)| known).collect()
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
        let Some(limit) = limit.transpose()?.flatten() else {
            return Ok(true);
        };
        let rate = match often {
            Often::Once => return Ok(limit.admit_once()),
            Often::Rate(rate) => rate,
        };
        match limit.admit(stamp::monotonic_nsec(), rate) {
            Admission::Passes => {}
            Admission::PassesAfter(held) if tells => tell(py, log, name, &function(py)?, held),
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

/// Says how many records were held back. It never waits: the record that it comes before does, and prints both.
fn tell(py: Python<'_>, log: &Log, name: Option<&str>, function: &str, held: u64) {
    let event = format!("{function}: {held} callbacks suppressed");
    let payload = Payload {
        event: &event,
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

//! The default log: a pointer that every default logger loads at each call.

use crate::logs::LogHandle;
use pr_host::Log;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Every log that was ever the default one. Loggers read the pointer below without a lock, so none of them goes away; a
/// process replaces its default log rarely, if ever.
static DEFAULTS: Mutex<Vec<LogHandle>> = Mutex::new(Vec::new());
static DEFAULT: AtomicPtr<Log> = AtomicPtr::new(std::ptr::null_mut());

/// The default log.
#[inline(always)]
pub fn default_log() -> Option<&'static Log> {
    let log = DEFAULT.load(Ordering::Acquire);
    // SAFETY: null, or a log in DEFAULTS, which only grow.
    unsafe { log.as_ref() }
}

/// Makes `log` the default one.
pub fn set_default(log: Option<&LogHandle>) {
    let Some(log) = log else {
        return DEFAULT.store(std::ptr::null_mut(), Ordering::Release);
    };
    let mut defaults = DEFAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    if !defaults
        .iter()
        .any(|known| Arc::ptr_eq(known.shared(), log.shared()))
    {
        defaults.push(log.clone());
    }
    DEFAULT.store(Arc::as_ptr(log.shared()).cast_mut(), Ordering::Release);
}

//! Who prints, and when: whether anybody does at all, and whether callers do it themselves.

use crate::console::LOOK;
use crate::log::Log;
use pr_printk::core::direct;
use pr_printk::owner::Priority;
use pr_printk::{Core, flush};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What was asked for. Kept beside the core, for a forked child begins another one.
#[derive(Debug, Default)]
pub(crate) struct Offload {
    /// Bits of [`direct`].
    wanted: AtomicU32,
}

impl Offload {
    /// Makes a core print as was asked for.
    pub(crate) fn apply_to(&self, core: &Core) {
        core.set_direct(self.wanted.load(Ordering::SeqCst), true);
    }

    fn wants(&self, bit: u32) -> bool {
        self.wanted.load(Ordering::SeqCst) & bit != 0
    }

    fn want(&self, bit: u32, on: bool) {
        match on {
            true => self.wanted.fetch_or(bit, Ordering::SeqCst),
            false => self.wanted.fetch_and(!bit, Ordering::SeqCst),
        };
    }
}

impl Log {
    /// Stops printing on all consoles: records wait in the ring, and are dropped there when it wraps. Waits at most
    /// `timeout` for writes in progress; false: one of them does not end, and will be the last of that console.
    pub fn suspend(&self, timeout: Duration) -> bool {
        self.set_direct(direct::SUSPENDED, true);
        let Some(core) = self.own_core() else {
            return true;
        };
        let start = Instant::now();
        while core.is_printing() {
            if start.elapsed() >= timeout {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Goes on printing where it stopped.
    pub fn resume(&self) {
        if !self.is_suspended() {
            return;
        }
        self.set_direct(direct::SUSPENDED, false);
        if let Some(core) = self.own_core().filter(|core| core.prints_by_callers()) {
            core.leave_to_printers(); // no caller stands behind what has gathered
        }
    }

    /// Whether printing is stopped.
    pub fn is_suspended(&self) -> bool {
        self.offload.wants(direct::SUSPENDED)
    }

    /// Whether every record is to be on the consoles before its call returns.
    pub fn enforces_emergency(&self) -> bool {
        self.offload.wants(direct::ENFORCED)
    }

    /// Sets it.
    pub fn set_enforce_emergency(&self, on: bool) {
        self.set_direct(direct::ENFORCED, on);
        if on && let Some(core) = self.own_core() {
            core.leave_to_printers(); // what was stored before
        }
    }

    /// From now on every record is on the consoles before its call returns: printers may not come to it any more.
    pub(crate) fn print_from_now_on(&self) {
        if let Some(core) = self.own_core() {
            core.set_direct(direct::EXITING, true);
            // What came between the last flush and this.
            core.flush_now(Priority::Emergency, flush::BOUND_NSEC);
        }
    }

    /// The threads that print, by name and number.
    pub fn printer_threads(&self) -> Vec<(String, u32)> {
        let consoles = self.consoles();
        consoles
            .iter()
            .filter_map(|console| console.thread())
            .collect()
    }

    fn set_direct(&self, bit: u32, on: bool) {
        self.offload.want(bit, on);
        if let Some(core) = self.own_core() {
            core.set_direct(bit, on);
        }
    }
}

//! Who prints, and when: whether anybody does at all, and whether callers do it themselves.

use crate::console::LOOK;
use crate::error::Error;
use crate::log::Log;
use pr_printk::core::direct;
use pr_printk::owner::Priority;
use pr_printk::{Core, flush};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Who prints the records of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each console's own thread.
    Console,
    /// Whoever logs, one record more than its own at most; where it cannot, the console's thread.
    Caller,
}

impl Mode {
    /// All of them; the first is what a log begins with.
    pub const ALL: [Mode; 2] = [Mode::Console, Mode::Caller];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Console => "console",
            Mode::Caller => "caller",
        }
    }

    /// The mode with this name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Mode, Error> {
        let found = Mode::ALL.into_iter().find(|mode| mode.name() == name);
        found.ok_or_else(|| {
            let names = Mode::ALL.map(|mode| format!("{:?}", mode.name()));
            let (last, others) = names.split_last().unwrap_or_else(|| unreachable!());
            let others = others.join(", ");
            Error::Config(format!("mode is {name:?}: give {others} or {last}"))
        })
    }

    fn bits(self) -> u32 {
        match self {
            Mode::Console => 0,
            Mode::Caller => direct::CALLER,
        }
    }
}

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

    fn want(&self, among: u32, bits: u32) {
        let change = |now| Some(now & !among | bits);
        let _ = self
            .wanted
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
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

    /// Who prints.
    pub fn mode(&self) -> Mode {
        let mode = Mode::ALL.into_iter().rev();
        let found = mode
            .into_iter()
            .find(|mode| self.offload.wants(mode.bits()));
        found.unwrap_or(Mode::Console)
    }

    /// Sets it. What was stored before is printed all the same.
    pub fn set_mode(&self, mode: Mode) {
        self.offload.want(direct::MODES, mode.bits());
        if let Some(core) = self.own_core() {
            core.change_direct(direct::MODES, mode.bits());
            if core.prints_by_callers() {
                core.leave_to_printers(); // what was stored before
            }
        }
    }

    fn set_direct(&self, bit: u32, on: bool) {
        self.offload.want(bit, if on { bit } else { 0 });
        if let Some(core) = self.own_core() {
            core.set_direct(bit, on);
        }
    }
}

//! What the levels of records ask for: syncs by callers, and a thread for what these cannot wait for.

use crate::console::nanos;
use crate::error::Error;
use crate::life::Life;
use crate::log::Log;
use crate::printer::{BlockedSignals, STACK_BYTES};
use pr_printk::control::count;
use pr_printk::errand::due;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the levels of records ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrandOptions {
    /// Records at this level are synced before their call returns.
    pub sync_on: Option<u8>,
}

impl ErrandOptions {
    /// Whether anything is asked for.
    fn any(&self) -> bool {
        self.sync_on.is_some()
    }

    /// Memory without a name is gone with the machine's power, and with the process.
    pub(crate) fn check(&self, has_file: bool) -> Result<(), Error> {
        if self.sync_on.is_some() && !has_file {
            return Err(Error::Config(
                "sync_on needs a ring file: give a path or a directory, for memory is not on any disk".into(),
            ));
        }
        Ok(())
    }
}

/// The thread that runs the errands of one life.
struct Runner {
    life: Arc<Life>,
}

/// Has a fresh life run its errands: records ask for them from now on.
///
/// # Errors
/// There is no thread to be had.
pub(crate) fn begin(life: &Arc<Life>, options: &ErrandOptions) -> Result<(), Error> {
    let sync_on = options.sync_on.filter(|_| life.map().path().is_some());
    if !options.any() {
        return Ok(());
    }
    life.core().ask_for(sync_on);
    let runner = Runner { life: life.clone() };
    let blocked = BlockedSignals::new();
    life.core().errands().mark(due::RUNS);
    let thread = std::thread::Builder::new()
        .name("pr/errands".into())
        .stack_size(STACK_BYTES)
        .spawn(move || runner.run());
    drop(blocked);
    if let Err(why) = thread {
        life.core().errands().clear(due::RUNS);
        return Err(Error::os("a thread for the errands of the log", &why));
    }
    Ok(())
}

impl Runner {
    fn run(self) {
        let errands = self.life.core().errands();
        loop {
            let seen = errands.due();
            let last = seen & (due::HURRY | due::END);
            let work = seen & due::SYNC;
            if work | last == 0 {
                errands.sleep(seen, None);
                continue;
            }
            errands.clear(work);
            if work & due::SYNC != 0 {
                self.life.sync();
            }
            if last & due::END != 0 {
                return errands.clear(last | due::RUNS);
            }
            if last != 0 {
                errands.clear(last);
            }
        }
    }
}

impl Life {
    /// Waits until the file system has what is stored now. Counted; of failures in a row the first is told.
    pub(crate) fn sync(&self) {
        let control = self.core().control();
        match self.map().sync() {
            Ok(()) => {
                count(&control.syncs);
                self.sync_fails.store(false, Ordering::Relaxed);
            }
            Err(why) => {
                count(&control.sync_errors);
                if !self.sync_fails.swap(true, Ordering::Relaxed) {
                    self.tell(&format!(
                        "sync failed: {why}; what is stored may not outlive the power"
                    ));
                }
            }
        }
    }
}

impl Log {
    /// Has done at once what records have asked for.
    pub fn hurry_errands(&self) {
        if let Some(core) = self.own_core() {
            core.errands().mark(due::HURRY);
        }
    }

    /// Waits until that is done. False: not within `timeout`.
    pub fn wait_for_errands(&self, timeout: Duration) -> bool {
        let core = self.own_core();
        core.is_none_or(|core| core.errands().wait_for(due::HURRY, nanos(timeout)))
    }
}

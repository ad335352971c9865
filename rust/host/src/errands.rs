//! What the levels of records ask for: syncs by callers, and a thread for what these cannot wait for, and for dumps.

use crate::console::nanos;
use crate::dump::{Recorder, Window, written_bytes};
use crate::error::Error;
use crate::life::Life;
use crate::log::Log;
use crate::mapping::file::beside;
use crate::printer::{BlockedSignals, STACK_BYTES};
use pr_printk::control::count;
use pr_printk::errand::due;
use pr_printk::stamp;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the levels of records ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrandOptions {
    /// Records at this level are synced before their call returns.
    pub sync_on: Option<u8>,
    /// What led up to records at this level is written out.
    pub dump_on: Option<u8>,
    /// How much of it; None: the last [`crate::options::default::DUMP_LAST`] of it.
    pub dump_last: Option<Window>,
}

/// Between the beginnings of two dumps: a storm of errors costs the disk no more than this.
const DUMP_PAUSE_NSEC: u64 = 1_000_000_000;

impl ErrandOptions {
    /// Whether anything is asked for.
    fn any(&self) -> bool {
        self.sync_on.is_some() || self.dump_on.is_some()
    }

    /// Memory without a name is gone with the machine's power, and with the process.
    pub(crate) fn check(&self, has_file: bool) -> Result<(), Error> {
        let refused = |why: &str| Err(Error::Config(why.into()));
        if self.sync_on.is_some() && !has_file {
            return refused(
                "sync_on needs a ring file: give a path or a directory, for memory is not on any disk",
            );
        }
        if self.dump_on.is_some() && !has_file {
            return refused(
                "dump_on needs a ring file, beside which it writes: give a path or a directory",
            );
        }
        if self.dump_last.is_some() && self.dump_on.is_none() {
            return refused(
                "dump_last says how much is dumped: give dump_on too, the level that it is for",
            );
        }
        Ok(())
    }
}

/// The thread that runs the errands of one life.
struct Runner {
    life: Arc<Life>,
    recorder: Option<Recorder>,
    /// No dump begins before.
    not_before_nsec: u64,
    /// The last dump has failed, and that was told.
    dump_fails: bool,
}

/// Has a fresh life run its errands: records ask for them from now on. `path`: where its file is, or would be.
///
/// # Errors
/// There is no thread to be had.
pub(crate) fn begin(
    life: &Arc<Life>,
    options: &ErrandOptions,
    path: Option<&Path>,
) -> Result<(), Error> {
    if !options.any() {
        return Ok(());
    }
    let recorder = options.dump_on.zip(path).map(|(level, path)| {
        let to = beside(path, &format!(".dump-{}.txt", life.core().pid()));
        Recorder::new(life.clone(), to, level, options.dump_last)
    });
    let runner = Runner {
        life: life.clone(),
        recorder: recorder.transpose()?,
        not_before_nsec: 0,
        dump_fails: false,
    };
    let sync_on = options.sync_on.filter(|_| life.map().path().is_some());
    life.core().ask_for(sync_on, options.dump_on);
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
    fn run(mut self) {
        let life = self.life.clone();
        let errands = life.core().errands();
        loop {
            let seen = errands.due();
            let last = seen & (due::HURRY | due::END);
            let pause = self.not_before_nsec.saturating_sub(stamp::monotonic_nsec());
            let can_dump = last != 0 || pause == 0;
            let work = seen & (due::SYNC | if can_dump { due::DUMP } else { 0 });
            if work | last == 0 {
                errands.sleep(seen, (seen & due::DUMP != 0).then_some(pause));
                continue;
            }
            errands.clear(work);
            if work & due::SYNC != 0 {
                life.sync();
            }
            if work & due::DUMP != 0 || last != 0 {
                self.dump(work & due::DUMP != 0);
            }
            if last & due::END != 0 {
                return errands.clear(last | due::RUNS);
            }
            if last != 0 {
                errands.clear(last);
            }
        }
    }

    /// Writes out what led up to records that ask for it. Counted; of failures in a row the first is told.
    fn dump(&mut self, is_marked: bool) {
        let control = self.life.core().control();
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        if !is_marked && !recorder.is_owing() {
            return;
        }
        let begun = stamp::monotonic_nsec();
        match recorder.dump() {
            Ok(false) => return,
            Ok(true) => {
                count(&control.dumps);
                self.dump_fails = false;
            }
            Err(why) => {
                count(&control.dump_errors);
                if !std::mem::replace(&mut self.dump_fails, true) {
                    self.life.tell(&format!(
                        "dump failed: {why}; it will be tried again with the next record that asks for one"
                    ));
                }
            }
        }
        self.not_before_nsec = begun.saturating_add(DUMP_PAUSE_NSEC);
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

    /// Bytes that dumps take while nothing is dumped.
    pub(crate) fn dump_bytes(&self) -> u64 {
        let geometry = self.life().map().plan().geometry;
        let is_on = self.options().errands.dump_on.is_some();
        if is_on {
            written_bytes(geometry.descriptors())
        } else {
            0
        }
    }

    /// Waits until that is done. False: not within `timeout`.
    pub fn wait_for_errands(&self, timeout: Duration) -> bool {
        let core = self.own_core();
        core.is_none_or(|core| core.errands().wait_for(due::HURRY, nanos(timeout)))
    }
}

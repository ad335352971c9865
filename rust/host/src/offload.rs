//! Who prints, and when: whether anybody does at all, and whether callers do it themselves.

use crate::console::LOOK;
use crate::crew::{self, Crew};
use crate::error::Error;
use crate::fork::Listed;
use crate::life::Life;
use crate::log::Log;
use pr_printk::core::direct;
use pr_printk::owner::Priority;
use pr_printk::{Core, flush, thread};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Who prints the records of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each console's own thread.
    Console,
    /// Printers that serve any console, one for each processor that they may use.
    Smp,
    /// Whoever logs, one record more than its own at most; where it cannot, the console's thread.
    Caller,
}

impl Mode {
    /// All of them; the first is what a log begins with.
    pub const ALL: [Mode; 3] = [Mode::Console, Mode::Smp, Mode::Caller];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Console => "console",
            Mode::Smp => "smp",
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
            Mode::Smp => direct::ANY_CONSOLE,
            Mode::Caller => direct::CALLER,
        }
    }
}

/// What was asked for. Kept beside the core, for a forked child begins another one.
#[derive(Debug, Default)]
pub(crate) struct Offload {
    /// Bits of [`direct`].
    wanted: AtomicU32,
    /// Nobody is to print while the process is stopped.
    suspends_on_stop: AtomicBool,
    /// The processors that printers may use; None: all that there are.
    cpus: Listed<Option<Vec<u32>>>,
    /// The printers that serve any console.
    crew: Listed<Option<Arc<Crew>>>,
    /// The generation in which somebody changes the crew; 0: nobody does.
    changing: AtomicU64,
}

/// One thread at a time changes the crew.
struct Changing<'o>(&'o AtomicU64);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

impl Offload {
    /// Makes a child's life print as was asked for, and has it known by `publish`. It is to get so many `consoles`. Should
    /// there be no threads to be had each console's own prints.
    ///
    /// # Errors
    /// That is so.
    pub(crate) fn begin(
        &self,
        life: &Arc<Life>,
        consoles: usize,
        publish: impl FnOnce(),
    ) -> Result<(), Error> {
        let changing = self.change();
        let wanted = self.wanted.load(Ordering::SeqCst);
        let crew = match self.wants(direct::ANY_CONSOLE) {
            true => self.new_crew(life, consoles).map(Some),
            false => Ok(None),
        };
        let missing = if crew.is_ok() { 0 } else { direct::ANY_CONSOLE };
        life.core().set_direct(wanted & !missing, true);
        let (crew, outcome) = match crew {
            Ok(crew) => (crew, Ok(())),
            Err(why) => (None, Err(why)),
        };
        let parents = self.replace_crew(crew);
        publish();
        drop(changing);
        drop(parents); // its threads are the parent's
        outcome
    }

    /// Waits until nobody else changes the crew. A thread that did when this process was forked is none of it.
    fn change(&self) -> Changing<'_> {
        let own = thread::begin_generation();
        loop {
            let found = self.changing.load(Ordering::SeqCst);
            if found != own
                && self
                    .changing
                    .compare_exchange(found, own, Ordering::SeqCst, Ordering::SeqCst)
                    .is_ok()
            {
                return Changing(&self.changing);
            }
            std::thread::yield_now();
        }
    }

    fn new_crew(&self, life: &Arc<Life>, expected: usize) -> Result<Arc<Crew>, Error> {
        let set = self.cpus.lock().clone();
        let cpus = set.map_or_else(allowed_cpus, Ok)?;
        Crew::start(life, cpus, expected).map_err(no_thread)
    }

    fn replace_crew(&self, crew: Option<Arc<Crew>>) -> Option<Arc<Crew>> {
        std::mem::replace(&mut *self.crew.lock(), crew)
    }

    /// The printers that serve any console, if there are and they are this process's.
    fn own_crew(&self) -> Option<Arc<Crew>> {
        let crew = self.crew.lock().clone();
        crew.filter(|crew| crew.is_own())
    }

    /// After a console has taken its slot, before it is printed on: it must find a printer even if all others are held.
    /// Whoever changes the crew meanwhile has counted the slot, or is done before this looks.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn make_room(&self) -> Result<(), Error> {
        let changing = self.change();
        let crew = self.own_crew();
        let made = crew.map_or(Ok(()), |crew| crew.suffice_for(0).map_err(no_thread));
        drop(changing);
        made
    }

    /// The log is closed: nothing more is printed.
    pub(crate) fn end(&self) {
        let changing = self.change();
        let crew = self.replace_crew(None);
        drop(changing);
        if let Some(crew) = crew.filter(|crew| crew.is_own()) {
            crew.dismiss();
        }
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
        self.own_core().is_none_or(|core| rests(core, timeout))
    }

    /// Goes on printing where it stopped.
    pub fn resume(&self) {
        if !self.is_suspended() {
            return;
        }
        self.set_direct(direct::SUSPENDED, false);
        self.own_core().into_iter().for_each(go_on);
    }

    /// Whether printing is stopped.
    pub fn is_suspended(&self) -> bool {
        self.offload.wants(direct::SUSPENDED)
    }

    /// Whether printing is to be suspended while the process is stopped by SIGTSTP.
    pub fn suspends_on_stop(&self) -> bool {
        self.offload.suspends_on_stop.load(Ordering::SeqCst)
    }

    /// Sets it. Whoever handles the signal goes by this.
    pub fn set_suspend_on_stop(&self, on: bool) {
        self.offload.suspends_on_stop.store(on, Ordering::SeqCst);
    }

    /// Before the process is stopped: as [`Log::suspend`], but whoever suspended the log before has to resume it all the
    /// same, and a forked child does not begin with it.
    pub fn suspend_for_stop(&self, timeout: Duration) -> bool {
        self.own_core().is_none_or(|core| {
            core.set_direct(direct::STOPPED, true);
            rests(core, timeout)
        })
    }

    /// After the process was continued.
    pub fn resume_after_stop(&self) {
        if let Some(core) = self.own_core() {
            core.set_direct(direct::STOPPED, false);
            go_on(core);
        }
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

    /// Whether a panic leaves out the consoles of the least reliable class when a dumper has saved the records.
    pub fn skips_unreliable_if_saved(&self) -> bool {
        !self.offload.wants(direct::LOCKING_ALWAYS)
    }

    /// Sets it.
    pub fn set_skip_unreliable_if_saved(&self, on: bool) {
        self.set_direct(direct::LOCKING_ALWAYS, !on);
    }

    /// From now on every record is on the consoles before its call returns: printers may not come to it any more.
    pub(crate) fn print_from_now_on(&self) {
        if let Some(core) = self.own_core() {
            core.set_direct(direct::EXITING, true);
            // What came between the last flush and this.
            core.flush_now(Priority::Emergency, flush::BOUND_NSEC);
        }
    }

    /// The threads that print, by name and number. Where they serve any console, those of the consoles rest and are left out.
    pub fn printer_threads(&self) -> Vec<(String, u32)> {
        let (crew, consoles) = (self.offload.own_crew(), self.consoles());
        let rest = crew.is_some();
        let own = consoles.iter().filter(|it| !rest || it.is_courier());
        let own = own.filter_map(|console| console.thread());
        let crew = crew.map(|crew| crew.threads()).unwrap_or_default();
        crew.into_iter().chain(own).collect()
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
    ///
    /// # Errors
    /// There are no threads to be had for it. The mode is what it was.
    pub fn set_mode(&self, mode: Mode) -> Result<(), Error> {
        let offload = &self.offload;
        let changing = offload.change();
        let life = self.own_shared_life().filter(|_| !self.is_closed());
        // A child that could not have the threads may try again.
        let lacks_crew = mode == Mode::Smp && life.is_some() && offload.own_crew().is_none();
        if mode == self.mode() && !lacks_crew {
            return Ok(());
        }
        let crew = match &life {
            Some(life) if mode == Mode::Smp => Some(offload.new_crew(life, 0)?),
            _ => None,
        };
        let before = offload.replace_crew(crew);
        offload.want(direct::MODES, mode.bits());
        if let Some(life) = &life {
            let core = life.core();
            core.change_direct(direct::MODES, mode.bits());
            if core.prints_by_callers() {
                core.leave_to_printers(); // what was stored before
            }
        }
        drop(changing);
        dismiss(before);
        Ok(())
    }

    /// The processors that printers use which serve any console.
    ///
    /// # Errors
    /// The system does not say which there are.
    pub fn printer_cpus(&self) -> Result<Vec<u32>, Error> {
        if let Some(crew) = self.offload.own_crew() {
            return Ok(crew.cpus().to_vec());
        }
        let set = self.offload.cpus.lock().clone();
        set.map_or_else(allowed_cpus, Ok)
    }

    /// Sets them; None: all that the caller may use.
    ///
    /// # Errors
    /// There are none, or one that the caller may not use; or there are no threads to be had. They are what they were.
    pub fn set_printer_cpus(&self, cpus: Option<Vec<u32>>) -> Result<(), Error> {
        let cpus = cpus.map(checked).transpose()?;
        let offload = &self.offload;
        let changing = offload.change();
        let before = std::mem::replace(&mut *offload.cpus.lock(), cpus);
        let life = self.own_shared_life().filter(|_| !self.is_closed());
        let old = match &life {
            Some(life) if self.mode() == Mode::Smp => match offload.new_crew(life, 0) {
                Ok(crew) => offload.replace_crew(Some(crew)),
                Err(why) => {
                    let failed = std::mem::replace(&mut *offload.cpus.lock(), before);
                    drop(failed);
                    return Err(why);
                }
            },
            _ => None,
        };
        drop(changing);
        dismiss(old);
        Ok(())
    }

    fn set_direct(&self, bit: u32, on: bool) {
        self.offload.want(bit, if on { bit } else { 0 });
        if let Some(core) = self.own_core() {
            core.set_direct(bit, on);
        }
    }
}

/// Waits until nobody prints any more, after that was forbidden. False: a write does not end in time.
fn rests(core: &Core, timeout: Duration) -> bool {
    let start = Instant::now();
    while core.is_printing() {
        if start.elapsed() >= timeout {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

/// After printing was allowed again: where callers print, none stands behind what has gathered.
fn go_on(core: &Core) {
    if core.prints_by_callers() {
        core.leave_to_printers();
    }
}

fn dismiss(crew: Option<Arc<Crew>>) {
    if let Some(crew) = crew.filter(|crew| crew.is_own()) {
        crew.dismiss();
    }
}

fn no_thread(why: std::io::Error) -> Error {
    Error::os("no printer thread", &why)
}

fn allowed_cpus() -> Result<Vec<u32>, Error> {
    crew::allowed_cpus().map_err(|why| Error::os("the processors that may be used", &why))
}

/// Processors that the caller may use, each once and in order.
fn checked(mut cpus: Vec<u32>) -> Result<Vec<u32>, Error> {
    let allowed = allowed_cpus()?;
    cpus.sort_unstable();
    cpus.dedup();
    let wrong = cpus.iter().find(|cpu| !allowed.contains(cpu));
    let what = match wrong {
        Some(cpu) => format!("cpus has {cpu}, which this thread may not use"),
        None if cpus.is_empty() => "cpus is empty".into(),
        None => return Ok(cpus),
    };
    let allowed: Vec<String> = allowed.iter().map(u32::to_string).collect();
    let allowed = allowed.join(", ");
    Err(Error::Config(format!(
        "{what}: give one or more of {allowed}; None: all of them"
    )))
}

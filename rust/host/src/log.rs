//! A log: the parts assembled. A ring in a file or in memory, its consoles, and what a fork makes of them.

mod child;
mod consoles;
mod emit;
mod levels;

pub use consoles::{OpenSinks, check_consoles, reliability};

use crate::console::{Console, ConsoleOptions, nanos};
use crate::crash;
use crate::dumper::Dumper;
use crate::errands::{self, ErrandOptions};
use crate::error::Error;
use crate::fork::Listed;
use crate::life::Life;
use crate::lives;
use crate::mapping::{Existing, Identity, RingMap};
use crate::names::Names;
use crate::offload::Offload;
use crate::plan::Plan;
use crate::rules::Rulebook;
use crate::stats::Stats;
use pr_printk::Core;
use pr_printk::errand::due;
use pr_printk::store::Stamp;
use pr_printk::thread;
use pr_record::{Field, Level, Payload, Value};
use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub use emit::{Emit, Hold, Judged};

/// How a log is to be.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The ring file.
    pub path: Option<PathBuf>,
    /// One ring file per process in this directory.
    pub directory: Option<PathBuf>,
    /// The log's name; None: the stem of the path, else of the program.
    pub name: Option<String>,
    /// Upper bound of the whole file or memory.
    pub size_bytes: u64,
    /// Expected bytes of an encoded record.
    pub avg_record: i64,
    /// The least severe level stored.
    pub level: u8,
    /// What consoles without their own level print.
    pub console_level: u8,
    /// The command line to keep in the file.
    pub argv: Option<Vec<String>>,
    /// What the levels of records ask for beside storing.
    pub errands: ErrandOptions,
}

/// No level is this severe, read as a signed number: a closed log stores nothing.
static CLOSED: AtomicU64 = AtomicU64::new(u64::MAX);

/// A log. Shared; every method may be called from any thread.
#[derive(Debug)]
pub struct Log {
    /// The life of this process. Points into `lives`, which only grow until the log is dropped.
    life: AtomicPtr<Life>,
    /// What is stored now: the word of the control page, which others may set, or [`CLOSED`].
    gate: AtomicPtr<AtomicU64>,
    level_set: AtomicU64,
    /// The generation that has set a level last.
    set_in: AtomicU64,
    /// What a forked child stores that has set a level, and has no life yet.
    own_gate: AtomicU64,
    /// The commands of dynamic debug, as they were read last.
    rulebook: Listed<Arc<Rulebook>>,
    console_level: AtomicU64,
    closed: AtomicBool,
    /// The generation that a revival is under way for.
    reviving: AtomicU64,
    /// The generation that could not be given a life.
    stillborn: AtomicU64,
    /// The generation whose dumpers have been called for its orderly end.
    pub(crate) shut: AtomicU64,
    lives: Listed<Vec<Arc<Life>>>,
    consoles: Listed<Vec<Arc<Console>>>,
    /// Those that go as soon as no call of them is under way, too.
    pub(crate) dumpers: Listed<Vec<Arc<Dumper>>>,
    pub(crate) offload: Offload,
    names: Names,
    attached: OnceLock<Box<dyn Any + Send + Sync>>,
    name: String,
    plan: Plan,
    options: LogOptions,
}

/// The word that says what a life stores.
fn gate_of(life: &Life) -> *mut AtomicU64 {
    (&raw const life.core().control().level).cast_mut()
}

impl Log {
    /// Creates the memory or the file, and the log over it.
    ///
    /// # Errors
    /// Wrong options; a file that cannot be used (named, with the reason, and left untouched).
    pub fn open(options: LogOptions) -> Result<Arc<Log>, Error> {
        crate::fork::catch_up();
        let plan = check_options(&options)?;
        let name = name_of(&options);
        let path = own_path(&options, &name);
        let map = make_map(path.as_deref(), &plan, &name, options.argv.clone())?;
        let life = Life::begin(map, options.level, options.console_level)?;
        errands::begin(&life, &options.errands, path.as_deref())?;
        let log = Arc::new(Log {
            life: AtomicPtr::new(Arc::as_ptr(&life).cast_mut()),
            gate: AtomicPtr::new(gate_of(&life)),
            level_set: AtomicU64::new(u64::from(options.level)),
            set_in: AtomicU64::new(0),
            own_gate: AtomicU64::new(0),
            rulebook: Listed::new(Arc::default()),
            console_level: AtomicU64::new(u64::from(options.console_level)),
            closed: AtomicBool::new(false),
            reviving: AtomicU64::new(0),
            stillborn: AtomicU64::new(0),
            shut: AtomicU64::new(0),
            lives: Listed::new(vec![life]),
            consoles: Listed::new(Vec::new()),
            dumpers: Listed::new(Vec::new()),
            offload: Offload::default(),
            names: Names::default(),
            attached: OnceLock::new(),
            name,
            plan,
            options,
        });
        let pruned = log.prune(path.as_deref());
        let rotated = log.life().map().removed().to_vec();
        rotated
            .iter()
            .chain(&pruned)
            .for_each(|gone| log.tell_removed(gone));
        Ok(log)
    }

    /// Drops dead rings beyond the bounds: of a path the ones of its children, of a directory all.
    fn prune(&self, path: Option<&Path>) -> Vec<PathBuf> {
        match (&self.options.directory, path) {
            (Some(directory), _) => lives::prune_directory(directory),
            (None, Some(path)) => lives::prune_around(path),
            (None, None) => Vec::new(),
        }
    }

    /// Stores a record of our own.
    pub(crate) fn tell(&self, level: Level, event: &str) {
        let payload = Payload {
            event,
            logger: Some("printk_ring"),
            ..Payload::default()
        };
        let stamp = Stamp {
            level: level as u8,
            ts_nsec: None,
        };
        let _ = self.life().core().store(stamp, &payload);
    }

    /// Names a previous life that had to go, in the ring that outlives it.
    fn tell_removed(&self, gone: &Path) {
        let path = gone.display().to_string();
        let fields = [Field {
            key: "path",
            value: Value::Path(&path),
        }];
        let event = "previous life removed: too many, or too large together";
        let payload = Payload {
            event,
            logger: Some("printk_ring"),
            fields: &fields,
            ..Payload::default()
        };
        let _ = self.life().core().store(
            Stamp {
                level: Level::Notice as u8,
                ts_nsec: None,
            },
            &payload,
        );
    }

    /// The current life, whichever process it belongs to.
    #[inline(always)]
    pub(crate) fn life(&self) -> &Life {
        // SAFETY: points to a life in `lives`, which are kept until `self` is dropped.
        unsafe { &*self.life.load(Ordering::Acquire) } // ORD(life:A) pairs with ORD(revive:A)
    }

    /// The number of the current life: what tells this log's consoles from all others.
    pub fn life_number(&self) -> u64 {
        self.life().number()
    }

    /// The current life, shared.
    pub(crate) fn shared_life(&self) -> Arc<Life> {
        let now = self.life.load(Ordering::Acquire).cast_const();
        let lives = self.lives.lock();
        let found = lives
            .iter()
            .find(|life| std::ptr::eq(Arc::as_ptr(life), now))
            .cloned();
        drop(lives);
        found.unwrap_or_else(|| unreachable!("the current life is in the list"))
    }

    /// The current life, shared, if it is one of this process.
    pub(crate) fn own_shared_life(&self) -> Option<Arc<Life>> {
        self.own_core().map(|_| self.shared_life())
    }

    /// Whether this is the current life.
    pub(crate) fn is_life(&self, life: &Arc<Life>) -> bool {
        std::ptr::eq(Arc::as_ptr(life), self.life())
    }

    /// What works in any context: the ring of the current life, and its consoles.
    pub fn core(&self) -> &Core {
        self.life().core()
    }

    /// The life of this process: a forked child begins its own here, at its first record. None: it could not.
    #[inline(always)]
    pub(crate) fn own_life(&self) -> Option<&Life> {
        let life = self.life();
        if life.core().generation() == thread::generation() {
            Some(life)
        } else {
            self.revive()
        }
    }

    /// The core, if this process may change what is in it: a forked child sees its parent's until it begins its own.
    pub(crate) fn own_core(&self) -> Option<&Core> {
        let core = self.life().core();
        (core.generation() == thread::generation()).then_some(core)
    }

    /// How it was asked to be.
    pub(crate) fn options(&self) -> &LogOptions {
        &self.options
    }

    /// The path of this process's ring file.
    pub fn path(&self) -> Option<PathBuf> {
        self.life().map().path().map(Path::to_owned)
    }

    /// Whether it lies in a directory of rings.
    pub(crate) fn is_in_directory(&self) -> bool {
        self.options.directory.is_some()
    }

    /// The program's command line, if it is known.
    pub(crate) fn argv(&self) -> &[String] {
        self.options.argv.as_deref().unwrap_or_default()
    }

    /// The log's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process whose ring this is now.
    pub fn pid(&self) -> u32 {
        self.life().core().pid()
    }

    /// Whether the log is closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Keeps something of the floor above with this log, as long as there is none yet.
    pub fn attach(&self, thing: Box<dyn Any + Send + Sync>) {
        let _ = self.attached.set(thing);
    }

    /// What is kept with this log, if it is of this type.
    pub fn attached<T: 'static>(&self) -> Option<&T> {
        self.attached.get()?.downcast_ref()
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        Stats::of(self)
    }

    /// Moves the clear mark behind the newest record.
    pub fn clear(&self) {
        let Some(core) = self.own_core() else {
            return; // a child that has logged nothing has nothing to clear
        };
        core.control()
            .clear_seq
            .store(core.ring().next_seq().0, Ordering::Relaxed);
    }

    /// The clear mark.
    pub fn clear_seq(&self) -> u64 {
        self.life()
            .core()
            .control()
            .clear_seq
            .load(Ordering::Relaxed)
    }

    /// Takes away the consoles that hand over whole records, with what they still have, within `timeout` together: what
    /// they hand them to is about to end. One that is stuck is given up.
    pub fn end_couriers(&self, timeout: Duration) {
        if self.own_core().is_none() {
            return; // they are its parent's
        }
        let end = Instant::now() + timeout;
        let mut couriers = self.consoles();
        couriers.retain(|console| console.is_courier());
        couriers.iter().for_each(|console| console.order_stop(None));
        for console in &couriers {
            self.remove_console(console, end.saturating_duration_since(Instant::now()));
        }
    }

    /// Orderly exit: flushes all consoles within `timeout`, suspended or not, and marks the file as cleanly ended. Records
    /// may still come: each is on the consoles before its call returns.
    pub fn orderly_exit(&self, timeout: Duration) {
        if self.own_core().is_some() {
            let end = Instant::now() + timeout;
            self.resume();
            self.hurry_errands();
            self.end_line();
            self.flush_until(self.flush_target(), timeout);
            self.wait_for_errands(end.saturating_duration_since(Instant::now()));
            self.life().map().mark_clean();
            self.leave_no_empty_report();
            self.print_from_now_on();
        }
    }

    /// Stores no more, flushes and removes all consoles within `timeout` together, marks the file as cleanly ended, and
    /// lets go of it. What is stored stays readable through this object. Twice is once.
    pub fn close(&self, timeout: Duration) {
        if self.closed.swap(true, Ordering::SeqCst) {
            return;
        }
        self.shut_gate();
        // Those that a panic has shut out do not come to an end.
        let is_panic = pr_printk::panic::is_anybodys();
        let end = Instant::now() + if is_panic { Duration::ZERO } else { timeout };
        let consoles = std::mem::take(&mut *self.consoles.lock());
        self.offload.end();
        self.end_dumpers();
        if self.end_telling() {
            crash::signals::disarm();
        }
        crash::orderly::give_back(self);
        if self.own_core().is_none() {
            return; // a child that never logged: the printers, and the file, are its parent's
        }
        let errands = self.core().errands();
        errands.mark(due::END);
        self.end_line();
        consoles.iter().for_each(|console| console.order_stop(None));
        for console in &consoles {
            console.has_stopped(end.saturating_duration_since(Instant::now()));
            console.take_off();
        }
        errands.wait_for(
            due::END,
            nanos(end.saturating_duration_since(Instant::now())),
        );
        self.life().map().mark_clean();
        self.life().map().release();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        crate::exit::within(Duration::from_secs(1), |timeout| self.close(timeout));
    }
}

fn make_map(
    path: Option<&Path>,
    plan: &Plan,
    name: &str,
    argv: Option<Vec<String>>,
) -> Result<RingMap, Error> {
    let identity = Identity::current(name, argv);
    match path {
        Some(path) => RingMap::create(path, plan, &identity, Existing::Rotate),
        None => RingMap::anonymous(plan, &identity),
    }
}

/// Looks at the options of a log by themselves; nothing is done for it. Before its sinks are opened: a file that they make
/// is not to stay behind a log that was refused.
///
/// # Errors
/// Options that exclude each other, or need one that is missing; a size that holds no log.
pub fn check_options(options: &LogOptions) -> Result<Plan, Error> {
    let has_file = options.path.is_some() || options.directory.is_some();
    if options.path.is_some() && options.directory.is_some() {
        return Err(Error::Config(
            "path and directory exclude each other: give one of them".into(),
        ));
    }
    options.errands.check(has_file)?;
    Plan::for_log(options.size_bytes, options.avg_record)
}

/// The given name, else the stem of the path, else that of the program.
fn name_of(options: &LogOptions) -> String {
    let stem = |path: &Path| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    let program = || {
        options
            .argv
            .as_ref()
            .and_then(|argv| argv.first())
            .and_then(|first| stem(Path::new(first)))
    };
    let given = options
        .name
        .clone()
        .or_else(|| options.path.as_deref().and_then(stem));
    given
        .or_else(program)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "python".into())
}

/// The ring file of this process.
fn own_path(options: &LogOptions, name: &str) -> Option<PathBuf> {
    let in_directory = options
        .directory
        .as_ref()
        .map(|directory| lives::ring_path_in_directory(directory, name, std::process::id()));
    options
        .path
        .clone()
        .or(in_directory)
        .map(|path| absolute(&path))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Overflow;
    use crate::sinks::SinkSpec;
    use pr_record::Format;
    use pr_ring::Info;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn log_with_a_console() -> (Arc<Log>, Arc<Console>) {
        let options = LogOptions {
            path: None,
            directory: None,
            name: Some("lost".into()),
            size_bytes: 256 * 1024,
            avg_record: 128,
            level: 7,
            console_level: 7,
            argv: None,
            errands: ErrandOptions::default(),
        };
        let log = Log::open(options).expect("a log");
        let console = log
            .add_console(ConsoleOptions {
                sink: SinkSpec::File("/dev/null".into()),
                name: None,
                level: None,
                format: Format::Text,
                replay: false,
                reliability: None,
                overflow: Overflow::DropOldest,
                block_timeout: PATIENCE,
                bootstrap: false,
            })
            .expect("a console");
        (log, console)
    }

    #[test]
    fn a_console_that_goes_prints_what_is_behind_a_record_that_its_writer_has_in_hand() {
        let (log, console) = log_with_a_console();
        let ring = log.life().core().ring();
        let held = ring.reserve_ticket(100, &Info::default()).expect("room");
        let behind = Payload {
            event: "behind it",
            ..Payload::default()
        };
        assert_eq!(log.emit(6, &behind, None), Emit::Stored);
        std::thread::scope(|scope| {
            let removal = scope.spawn(|| log.remove_console(&console, PATIENCE));
            // The printer finds that it is to end, and that the record is not finished.
            std::thread::sleep(Duration::from_millis(10));
            ring.finalize(held);
            assert!(removal.join().expect("no panic"));
        });
        assert_eq!((console.seq(), console.lag()), (2, 0));
    }

    #[test]
    fn a_flush_and_a_removal_pass_a_lost_record_that_is_the_newest() {
        let (log, console) = log_with_a_console();
        let ring = log.life().core().ring();
        let held = ring.reserve_ticket(100, &Info::default()).expect("room");
        let long = "x".repeat(8000);
        let payload = Payload {
            event: &long,
            ..Payload::default()
        };
        while log.emit(6, &payload, None) == Emit::Stored {}
        ring.finalize(held);
        assert!(log.flush_until(log.flush_target(), PATIENCE));
        assert_eq!((console.lag(), log.stats().failed), (0, 1));
        assert!(log.remove_console(&console, PATIENCE));
    }
}

//! Dumpers of a log: who is called when the process gets into trouble. The table that is walked then lies in the core; here
//! is what keeps them, names them, and waits for their end.

use crate::error::Error;
use crate::fork::Listed;
use crate::life::Life;
use crate::log::Log;
use pr_printk::dumper::{self, DUMPERS, Dumped, Place, Reason, Ticket, Why};
use pr_printk::{Core, thread};
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Between two looks at a dumper that is to go.
const LOOK: Duration = Duration::from_millis(1);

/// What a dumper does.
pub trait Dump: Send + Sync + Debug {
    /// True: it has done what it is for. May be called on two threads at once, and within itself.
    fn dump(&self, why: &Why<'_>) -> bool;
}

/// How a dumper is to be.
#[derive(Clone, Debug)]
pub struct DumperOptions {
    /// Unique within the log; where it is taken "-2", "-3" and so on follows.
    pub name: String,
    /// Called for reasons that are no less important.
    pub max_reason: Reason,
    /// Called for every reason.
    pub always: bool,
    /// What it has done counts as saved.
    pub preserves: bool,
}

/// A registered dumper.
#[derive(Debug)]
pub struct Dumper {
    options: DumperOptions,
    work: Arc<dyn Dump>,
    /// What the core calls: points back here.
    entry: dumper::Dumper,
    /// Where it stands in the table of the life that it was registered with last, and the generation of that.
    ticket: Listed<Option<(u64, Ticket)>>,
    is_gone: AtomicBool,
    /// Calls that have ended.
    calls: AtomicU64,
    /// Of these, the ones that have not done what it is for.
    errors: AtomicU64,
}

// SAFETY: the one pointer is to the dumper itself, and all else is for any thread.
unsafe impl Send for Dumper {}
// SAFETY: as above.
unsafe impl Sync for Dumper {}

/// What the core calls.
///
/// # Safety
/// `data` is a dumper that stays as long as the call.
unsafe fn call(data: *const (), why: &Why<'_>) -> bool {
    // SAFETY: the caller's promise.
    let dumper = unsafe { &*data.cast::<Dumper>() };
    let is_done = dumper.work.dump(why);
    dumper
        .errors
        .fetch_add(u64::from(!is_done), Ordering::Relaxed);
    dumper.calls.fetch_add(1, Ordering::Relaxed);
    is_done
}

impl Dumper {
    fn new(options: DumperOptions, work: Arc<dyn Dump>) -> Arc<Dumper> {
        Arc::new_cyclic(|at: &Weak<Dumper>| Dumper {
            entry: dumper::Dumper {
                max_reason: options.max_reason,
                always: options.always,
                preserves: options.preserves,
                any_context: false,
                call,
                data: at.as_ptr().cast(),
            },
            options,
            work,
            ticket: Listed::new(None),
            is_gone: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        })
    }

    /// How many calls of it have ended, and how many of them have not done what it is for.
    pub fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.calls), count(&self.errors))
    }

    /// How it was asked to be, under the name that it got.
    pub fn options(&self) -> &DumperOptions {
        &self.options
    }

    /// Whether it is called.
    pub fn is_registered(&self) -> bool {
        !self.is_gone.load(Ordering::SeqCst)
    }

    /// Has it called in this life, once, whoever else does the same. False: there are too many.
    fn enter(dumper: &Arc<Dumper>, life: &Life) -> bool {
        let core = life.core();
        life.dumpers().lock().push(dumper.clone());
        let mut ticket = dumper.ticket.lock();
        if !matches!(*ticket, Some((generation, _)) if generation == core.generation()) {
            // SAFETY: the life keeps it until no call is under way, or for good; see `forget_ended`.
            let registered = unsafe { core.dumpers().register(&raw const dumper.entry) };
            *ticket = registered.map(|ticket| (core.generation(), ticket));
        }
        ticket.is_some()
    }

    /// Where it stands in this core.
    fn ticket(&self, core: &Core) -> Option<Ticket> {
        let ticket = *self.ticket.lock();
        ticket
            .filter(|(generation, _)| *generation == core.generation())
            .map(|(_, ticket)| ticket)
    }

    /// How many calls of it are under way, on all threads.
    fn under_way(&self, core: &Core) -> u64 {
        self.ticket(core)
            .map_or(0, |ticket| core.dumpers().calls(ticket))
    }
}

impl Log {
    /// Has `work` called when the process gets into trouble, after those that are registered already.
    ///
    /// # Errors
    /// The log is closed, or has too many.
    pub fn register_dumper(
        &self,
        mut options: DumperOptions,
        work: Arc<dyn Dump>,
    ) -> Result<Arc<Dumper>, Error> {
        let closed = || {
            let text = "the log is closed: it takes no more dumpers";
            Err(Error::Config(text.into()))
        };
        if self.is_closed() {
            return closed();
        }
        self.forget_ended();
        options.name = self.dumper_name(&options.name);
        let dumper = Dumper::new(options, work);
        let Some(life) = self.own_life() else {
            let what = "this forked child has no ring of its own".into();
            let errno = libc::ENOMEM;
            return Err(Error::Os { what, errno });
        };
        self.dumpers.lock().push(dumper.clone());
        let entered = Dumper::enter(&dumper, life);
        let is_closed = self.is_closed(); // and whoever closes now takes it off after this
        if entered && !is_closed {
            return Ok(dumper);
        }
        self.unregister_dumper(&dumper, u64::MAX, Duration::ZERO);
        if is_closed {
            return closed();
        }
        Err(Error::Config(format!(
            "the log has {DUMPERS} dumpers already: unregister one of them"
        )))
    }

    fn dumper_name(&self, wanted: &str) -> String {
        let dumpers = self.dumpers();
        let taken = |name: &str| dumpers.iter().any(|dumper| dumper.options.name == name);
        let numbered = (2_u32..).map(|n| format!("{wanted}-{n}"));
        let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
        names.find(|name| !taken(name)).unwrap_or_default()
    }

    /// Has it called no more, and waits at most `timeout` for the calls that are under way, but for `own`, from within
    /// which this is asked. False: there are still others.
    pub fn unregister_dumper(&self, dumper: &Dumper, own: u64, timeout: Duration) -> bool {
        dumper.is_gone.store(true, Ordering::SeqCst);
        let Some(core) = self.own_core() else {
            return true; // what runs it is the parent's
        };
        if let Some(ticket) = dumper.ticket(core) {
            core.dumpers().unregister(ticket);
        }
        let start = Instant::now();
        while dumper.under_way(core) > own {
            if start.elapsed() >= timeout {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        self.forget_ended();
        true
    }

    /// The dumpers, in the order in which they are called.
    pub fn dumpers(&self) -> Vec<Arc<Dumper>> {
        let dumpers = self.dumpers.lock().clone();
        let mut registered = dumpers;
        registered.retain(|dumper| dumper.is_registered());
        registered
    }

    /// Calls the dumpers that want this, in order. In a forked child that has logged nothing there is nothing to dump.
    pub fn call_dumpers(&self, reason: Reason, detail: Option<&str>) -> Dumped {
        let why = Why { reason, detail };
        let core = self.own_core();
        core.map_or_else(Dumped::default, |core| {
            core.dumpers().dump(&why, Place::Task)
        })
    }

    /// Calls those that want an orderly end; once a process.
    pub fn shut_dumpers(&self, detail: Option<&str>) {
        let now = thread::generation();
        if self.shut.swap(now, Ordering::SeqCst) != now {
            self.call_dumpers(Reason::Shutdown, detail);
        }
    }

    /// Takes the dumpers into a child's life.
    pub(crate) fn revive_dumpers(&self, life: &Life) {
        for dumper in self.dumpers() {
            Dumper::enter(&dumper, life); // as many as its parent had
        }
    }

    /// Has none called any more. Those whose calls are under way stay as long as the log.
    pub(crate) fn end_dumpers(&self) {
        for dumper in self.dumpers() {
            self.unregister_dumper(&dumper, u64::MAX, Duration::ZERO);
        }
    }

    /// Lets go of those that have gone and are in no call.
    fn forget_ended(&self) {
        let Some(life) = self.own_core().map(|_| self.life()) else {
            return;
        };
        for list in [&self.dumpers, life.dumpers()] {
            let all = list.lock().clone();
            let stays =
                |dumper: &Arc<Dumper>| dumper.is_registered() || dumper.under_way(life.core()) > 0;
            let ended: Vec<_> = all.iter().filter(|dumper| !stays(dumper)).collect();
            let is_ended = |dumper: &Arc<Dumper>| ended.iter().any(|it| Arc::ptr_eq(it, dumper));
            // What goes is dropped outside of the lock, with `all`.
            list.lock().retain(|dumper| !is_ended(dumper));
        }
    }
}

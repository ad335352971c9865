//! Sections: who has entered which, so that each ends: when it is left, when it is left on another thread by mistake, when
//! its thread ends, and in a forked child, where only the forking thread's go on.

use crate::fork::{Listed, own_lives};
use crate::life::Life;
use crate::log::Log;
use pr_printk::context::{Owed, SectionWord};
use pr_printk::thread;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What a section does with its thread's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Stores them, no more.
    Deferred,
    /// Prints them before the call returns.
    Emergency,
    /// Keeps them together.
    Report,
}

impl Context {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Context::Deferred => "deferred",
            Context::Emergency => "emergency",
            Context::Report => "report",
        }
    }
}

/// How a section was misused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// It was entered while it was entered.
    Twice,
    /// It was left, and not entered; or its thread has ended meanwhile, and the section with it.
    NotEntered,
    /// It was left on another thread than it was entered on. It has ended all the same.
    OtherThread,
}

impl fmt::Display for Misuse {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Misuse::Twice => "it is entered already: nested sections are further ones, each made by a call of its own",
            Misuse::NotEntered => "it was not entered, or the thread that entered it has ended",
            Misuse::OtherThread => {
                "it was entered on another thread: a section belongs to the thread that enters it, which has to leave it"
            }
        })
    }
}

/// A section that is entered.
#[derive(Debug)]
struct Open {
    id: u64,
    /// The log, by its address: the [`Section`] keeps it.
    log: usize,
    context: Context,
    word: &'static SectionWord,
    serial: u32,
    /// The life that knows of it; None: a forked child's log that has no life of its own yet.
    life: Option<Arc<Life>>,
    /// A report that holds the others up.
    holds: bool,
}

/// All sections of this process that are entered.
static OPEN: Listed<Vec<Open>> = Listed::new(Vec::new());
/// Words of threads that have ended, for those to come.
static FREE: Listed<Vec<&'static SectionWord>> = Listed::new(Vec::new());
/// The last thread's number, and the last section's.
static SERIALS: AtomicU32 = AtomicU32::new(0);
static IDS: AtomicU64 = AtomicU64::new(0);

/// A section of a log: entered by a thread, and left by the same. It can be entered again then.
#[derive(Debug)]
pub struct Section {
    log: Arc<Log>,
    context: Context,
    /// Which of [`OPEN`] it is; 0: it is not entered.
    id: AtomicU64,
}

/// What is left to do when a section was left: records to print, by [`Ended::print`].
#[derive(Debug, Default)]
#[must_use]
pub struct Ended(Vec<(Arc<Life>, Owed)>);

impl Ended {
    /// Whether there is anything to print.
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// Prints, within the bound of a log call for each log.
    pub fn print(self) {
        for (life, owed) in self.0 {
            life.core().settle_deferred(owed);
        }
    }
}

impl Section {
    /// A section that nobody has entered yet.
    pub fn new(log: Arc<Log>, context: Context) -> Section {
        let id = AtomicU64::new(0);
        Section { log, context, id }
    }

    /// What it does.
    pub fn context(&self) -> Context {
        self.context
    }

    /// The log it was made for.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Enters it. False: another thread reports, and the caller may wait ([`crate::Hold::Report`]) and [`Section::try_hold`].
    ///
    /// # Errors
    /// It is entered already.
    pub fn enter(&self) -> Result<bool, Misuse> {
        let id = IDS.fetch_add(1, Ordering::Relaxed) + 1;
        if self
            .id
            .compare_exchange(0, id, Ordering::SeqCst, Ordering::SeqCst)
            .is_err()
        {
            return Err(Misuse::Twice);
        }
        let word = own_word();
        let mut open = Open {
            id,
            log: Arc::as_ptr(&self.log).addr(),
            context: self.context,
            word,
            serial: word.serial(),
            life: None,
            holds: false,
        };
        match self.context {
            Context::Deferred => word.enter_deferred(),
            Context::Emergency => word.enter_emergency(),
            Context::Report => word.enter_report(),
        }
        let life = self.log.own_shared_life();
        let mut list = OPEN.lock();
        // Again under the lock: a child's first record may have come between, and has not found this section.
        if let Some(life) = life.filter(|life| self.log.is_life(life)) {
            open.begin_in(life);
        }
        let holds = open.context != Context::Report || open.holds;
        list.push(open);
        Ok(holds)
    }

    /// A report begins to hold the others up, if no other does.
    pub fn try_hold(&self) -> bool {
        let id = self.id.load(Ordering::SeqCst);
        let mut list = OPEN.lock();
        let Some(open) = list.iter_mut().find(|open| open.id == id) else {
            return false;
        };
        if let (false, Some(life)) = (open.holds, &open.life) {
            open.holds = life.core().enter_report(open.serial);
        }
        open.holds
    }

    /// Leaves it.
    ///
    /// # Errors
    /// It was not entered; or on another thread, and then it has ended all the same.
    pub fn exit(&self) -> Result<Ended, (Misuse, Ended)> {
        let id = self.id.swap(0, Ordering::SeqCst);
        let Some(open) = take(|open| open.id == id) else {
            return Err((Misuse::NotEntered, Ended::default()));
        };
        let is_own = thread::section_word().is_some_and(|word| word.serial() == open.serial);
        let ended = open.end();
        if is_own {
            Ok(ended)
        } else {
            Err((Misuse::OtherThread, ended))
        }
    }
}

impl Drop for Section {
    /// A section that nobody will leave any more.
    fn drop(&mut self) {
        let id = *self.id.get_mut();
        if let Some(open) = (id != 0).then(|| take(|open| open.id == id)).flatten() {
            open.end().print();
        }
    }
}

impl Open {
    /// Under the lists' lock: atomics, and nothing that waits.
    fn begin_in(&mut self, life: Arc<Life>) {
        match self.context {
            Context::Deferred => {}
            Context::Emergency => life.core().enter_emergency(),
            Context::Report => self.holds = life.core().enter_report(self.serial),
        }
        self.life = Some(life);
    }

    /// Not under the lock any more.
    fn end(self) -> Ended {
        let core = self.life.as_ref().map(|life| life.core());
        match self.context {
            Context::Deferred => {
                if !self.word.exit_deferred().deferred() {
                    return tell_printers();
                }
            }
            Context::Emergency => {
                self.word.exit_emergency();
                if let Some(core) = core {
                    core.exit_emergency();
                }
            }
            Context::Report => {
                self.word.exit_report();
                if let Some(core) = core.filter(|_| self.holds) {
                    core.exit_report(self.serial);
                }
            }
        }
        Ended::default()
    }
}

/// Tells the printers of all logs what was only stored. A thread may have logged anywhere.
fn tell_printers() -> Ended {
    let mut to_print = Vec::new();
    for life in own_lives() {
        match life.core().take_owed() {
            Some(owed) if owed.print => to_print.push((life, owed)),
            Some(owed) => life.core().settle_deferred(owed),
            None => {}
        }
    }
    Ended(to_print)
}

fn take(is_it: impl Fn(&Open) -> bool) -> Option<Open> {
    let mut list = OPEN.lock();
    let at = list.iter().position(is_it)?;
    Some(list.remove(at))
}

/// The word of this thread, from the first section on.
fn own_word() -> &'static SectionWord {
    if let Some(word) = thread::section_word() {
        return word;
    }
    let free = FREE.lock().pop();
    let word = free.unwrap_or_else(|| Box::leak(Box::new(SectionWord::new())));
    word.begin(SERIALS.fetch_add(1, Ordering::Relaxed) + 1);
    thread::give_section_word(Some(word));
    let _ = END.try_with(|_| {}); // so that it is dropped with the thread
    word
}

/// What happens at a thread's end: its sections end.
struct ThreadEnd;

thread_local! {
    static END: ThreadEnd = const { ThreadEnd };
}

impl Drop for ThreadEnd {
    fn drop(&mut self) {
        let Some(word) = thread::section_word() else {
            return;
        };
        let serial = word.serial();
        while let Some(open) = take(|open| open.serial == serial) {
            open.end().print();
        }
        thread::give_section_word(None);
        FREE.lock().push(word);
    }
}

/// In a forked child's hook, which holds the lists' lock: only the forking thread is there, and its sections know no life of
/// this process yet.
///
/// # Safety
/// The lists' lock is held, and no guard lives.
pub(crate) unsafe fn forget_after_fork() {
    let serial = thread::section_word().map_or(0, SectionWord::serial);
    // SAFETY: the caller's promise.
    let list = unsafe { OPEN.held() };
    list.retain(|open| open.serial == serial);
    for open in list {
        open.holds = false;
        open.life = None;
    }
}

/// A forked child's log has begun a life: the sections that are open go on in it.
pub(crate) fn carry(log: &Log, life: &Arc<Life>) {
    let log = std::ptr::from_ref(log).addr();
    for open in OPEN.lock().iter_mut() {
        if open.log == log && open.life.is_none() {
            open.begin_in(life.clone());
        }
    }
}

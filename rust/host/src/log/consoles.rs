//! The consoles of a log: they come, go, and give way to one another.

use super::{Console, ConsoleOptions, Log};
use crate::console::{check_courier, nanos, too_many};
use crate::error::Error;
use crate::letters;
use crate::options::default;
use crate::sinks::{Sink, SinkSpec};
use pr_printk::port::class;
use pr_printk::registry::{ConsoleSlot, SLOTS};
use pr_printk::thread;
use pr_ring::{Lpos, Seq};
use std::sync::Arc;
use std::time::Duration;

/// The longest that a real console waits for all bootstrap ones, in slices: should the whole process be stopped meanwhile,
/// that is one slice, and not all of them.
const SLICES: u32 = 20;
const SLICE: Duration = Duration::from_millis(50);

/// The sinks of consoles that a log is to have, open: what leads to one, such as a pipe, finds it open until its console
/// has opened it too.
#[derive(Debug)]
pub struct OpenSinks {
    _sinks: Vec<Box<dyn Sink>>,
}

/// Looks at the consoles that a log is to have, in their order, before anything is done for that log: a ring that stands at
/// its path is not to make room for one that cannot be.
///
/// # Errors
/// As [`Log::add_console`].
pub fn check_consoles(consoles: &[ConsoleOptions]) -> Result<OpenSinks, Error> {
    let mut others: Vec<(String, bool)> = Vec::new();
    let mut sinks = Vec::new();
    for options in consoles {
        check_format(options)?;
        check_reliability(options)?;
        if others.len() >= SLOTS {
            return Err(too_many());
        }
        let is_free = |name: &str| others.iter().all(|(other, _)| other != name);
        let name = console_name(options, is_free)?;
        let real = others.iter().find(|(_, bootstrap)| !bootstrap);
        match (options.bootstrap, real) {
            (true, Some((real, _))) => return Err(comes_late(&name, real)),
            (false, None) => others.clear(), // the first real one is the end of these
            _ => {}
        }
        check_courier(&name, options)?;
        sinks.push(options.sink.open()?);
        others.push((name, options.bootstrap));
    }
    Ok(OpenSinks { _sinks: sinks })
}

impl Log {
    /// Adds a console, with a printer thread of its own.
    ///
    /// # Errors
    /// Wrong options, a name that is taken, a bootstrap console that comes too late, a sink that cannot be opened, or the
    /// log is closed.
    pub fn add_console(&self, options: ConsoleOptions) -> Result<Arc<Console>, Error> {
        if self.is_closed() {
            return Err(Error::Config(
                "the log is closed: it takes no more consoles".into(),
            ));
        }
        if self.own_life().is_none() {
            let what = "this forked child has no ring of its own".into();
            return Err(Error::Os {
                what,
                errno: libc::ENOMEM,
            });
        }
        check_format(&options)?;
        check_reliability(&options)?;
        let consoles = self.consoles();
        let is_free = |name: &str| consoles.iter().all(|console| console.name() != name);
        let name = console_name(&options, is_free)?;
        if options.bootstrap {
            check_first(&name, &consoles)?;
        }
        let life = self.shared_life();
        let room = || self.offload.make_room();
        let from = |options: &ConsoleOptions| self.first_edge(options);
        let console = Console::start(&life, name, options, room, from)?;
        match self.list_console(&console) {
            Ok(()) if console.options().bootstrap => Ok(console),
            Ok(()) => {
                // One that came while this one was on its way.
                self.end_bootstrap();
                Ok(console)
            }
            Err(why) => {
                console.order_stop(None);
                console.has_stopped(Duration::from_secs(1));
                console.take_off();
                Err(why)
            }
        }
    }

    /// Takes a console into the list, unless that has changed so that it cannot be there.
    fn list_console(&self, console: &Arc<Console>) -> Result<(), Error> {
        let mut consoles = self.consoles.lock();
        let twice = consoles.iter().any(|other| other.name() == console.name());
        let closed = self.is_closed(); // and whoever closes now takes the list after this
        let late = console.options().bootstrap && real_one(&consoles).is_some();
        if !twice && !closed && !late {
            consoles.push(console.clone());
            return Ok(());
        }
        let others = consoles.clone();
        drop(consoles);
        check_first(console.name(), if late { &others } else { &[] })?;
        Err(if twice {
            taken(console.name())
        } else {
            Error::Config("the log was closed meanwhile".into())
        })
    }

    /// The record that a new console begins with. The first real one takes over from the bootstrap consoles, where they end.
    fn first_edge(&self, options: &ConsoleOptions) -> (Seq, Lpos) {
        let core = self.life().core();
        let consoles = self.consoles();
        // The same target has all of that already.
        let again = consoles
            .iter()
            .any(|console| console.options().bootstrap && console.options().sink == options.sink);
        let end = if options.bootstrap {
            None
        } else {
            self.end_bootstrap()
        };
        match end {
            Some(end) if !options.replay || again => end,
            None if !options.replay && !options.bootstrap => core.ring().newest_edge(),
            _ => core.ring().oldest_edge(),
        }
    }

    /// Takes the bootstrap consoles away, when they have printed what there is, but after a second in any case. The record
    /// that they have ended before; where they differ, the first that one of them lacks. None: there are none.
    fn end_bootstrap(&self) -> Option<(Seq, Lpos)> {
        let mut consoles = self.consoles();
        consoles.retain(|console| console.options().bootstrap);
        let mut slices = SLICES;
        // None of them is beyond a number that is looked up while none prints: they all end there.
        consoles.iter().for_each(|console| console.suspend());
        for console in &consoles {
            while slices > 0 && !console.has_paused(SLICE) {
                slices -= 1;
            }
        }
        // Nor does one of them find a record before it unfinished, and end earlier than the others.
        let end = self.life().core().ring().next_seq();
        for console in &consoles {
            console.order_stop(Some(end));
        }
        for console in &consoles {
            while slices > 0 && !console.has_stopped(SLICE) {
                slices -= 1;
            }
            self.take_console_off(console);
        }
        let edges = consoles.iter().map(|console| console.edge());
        edges.min_by_key(|(seq, _)| *seq)
    }

    /// The consoles, in the order they were added. Never waits for printing.
    pub fn consoles(&self) -> Vec<Arc<Console>> {
        self.consoles.lock().clone()
    }

    /// A console in the letters of `/proc/consoles`, in their places.
    pub fn letters(&self, console: &Arc<Console>) -> String {
        let consoles = self.consoles();
        let are_boot = consoles.iter().map(|console| console.is_bootstrap());
        let preferred = letters::preferred(are_boot.enumerate()).and_then(|at| consoles.get(at));
        console.letters(preferred.is_some_and(|preferred| Arc::ptr_eq(preferred, console)))
    }

    /// Takes a console away: prints what was stored before, within `timeout`. False: the sink is stuck, and its thread is
    /// given up. A caller that waits in slices begins with [`Log::begin_removal`] and ends with no timeout.
    pub fn remove_console(&self, console: &Arc<Console>, timeout: Duration) -> bool {
        self.begin_removal(console);
        console.has_stopped(timeout);
        self.take_console_off(console)
    }

    /// The last step of a removal.
    fn take_console_off(&self, console: &Arc<Console>) -> bool {
        let ended = console.take_off();
        let mut consoles = self.consoles.lock();
        let at = consoles
            .iter()
            .position(|other| Arc::ptr_eq(other, console));
        let removed = at.map(|at| consoles.remove(at));
        drop(consoles);
        drop(removed);
        ended
    }

    /// Asks a console to print what there is, and to end.
    pub fn begin_removal(&self, console: &Console) {
        console.order_stop(None);
    }

    /// The number after the newest record: what a flush waits for.
    pub fn flush_target(&self) -> u64 {
        self.life().core().ring().next_reserve_seq().0
    }

    /// Waits until every enabled, unsuspended console has printed everything before `target`. False: not within
    /// `timeout`, or called by a printer.
    pub fn flush_until(&self, target: u64, timeout: Duration) -> bool {
        if thread::prints_for().is_some() {
            return false;
        }
        let consoles = self.consoles();
        let core = self.life().core();
        let kick = core.kick();
        let flushed = || consoles.iter().all(|console| console.has_flushed(target));
        if flushed() {
            return true;
        }
        if core.prints_by_callers() {
            core.leave_to_printers();
        }
        kick.wake_all();
        kick.wait_progress(nanos(timeout), flushed)
    }
}

/// The wanted name, or one after the sink's kind that is free.
fn console_name(options: &ConsoleOptions, is_free: impl Fn(&str) -> bool) -> Result<String, Error> {
    if let Some(name) = &options.name
        && (name.is_empty()
            || name.len() > ConsoleSlot::NAME_BYTES
            || name.chars().any(char::is_control))
    {
        let most = ConsoleSlot::NAME_BYTES;
        return Err(Error::Config(format!(
            "console name {name:?}: give 1 to {most} bytes without control characters"
        )));
    }
    if let Some(name) = &options.name {
        return if is_free(name) {
            Ok(name.clone())
        } else {
            Err(taken(name))
        };
    }
    let kind = options.sink.kind();
    let mut numbered = (1_u32..).map(|n| {
        if n == 1 {
            kind.to_owned()
        } else {
            format!("{kind}-{n}")
        }
    });
    Ok(numbered.find(|name| is_free(name)).unwrap_or_default())
}

/// What takes whole records takes no text, however that is made.
fn check_format(options: &ConsoleOptions) -> Result<(), Error> {
    let is_text = options.format.name() != default::FORMAT;
    let is_text = is_text || matches!(options.sink, SinkSpec::Text(..));
    if options.sink.takes_bytes() || !is_text {
        return Ok(());
    }
    let kind = options.sink.kind();
    Err(Error::Config(format!(
        "a {kind} sink takes whole records, not text: leave out the format"
    )))
}

fn taken(name: &str) -> Error {
    Error::Config(format!(
        "the log has a console called {name:?} already: give another name, or remove that one"
    ))
}

/// How far a sink can be relied on is told in four classes; code of the application is in the last one.
fn check_reliability(options: &ConsoleOptions) -> Result<(), Error> {
    let Some(given) = options.reliability else {
        return Ok(());
    };
    reliability(i64::from(given))?;
    if options.sink.courier().is_some() && given != class::LOCKING {
        let last = class::LOCKING;
        return Err(Error::Config(format!(
            "reliability is {given}: of a console that hands over whole records it is {last}"
        )));
    }
    Ok(())
}

/// The class with this number.
///
/// # Errors
/// There is none.
pub fn reliability(given: i64) -> Result<u32, Error> {
    let class = u32::try_from(given)
        .ok()
        .filter(|class| *class < class::COUNT);
    class.ok_or_else(|| {
        Error::Config(format!(
            "reliability is {given}: give 0 (memory), 1 (a file), 2 (a pipe or a terminal) or 3 (what takes locks); None: \
             what the sink is decides"
        ))
    })
}

/// A bootstrap console is for the time before the first real one.
fn check_first(name: &str, consoles: &[Arc<Console>]) -> Result<(), Error> {
    real_one(consoles).map_or(Ok(()), |other| Err(comes_late(name, other.name())))
}

fn comes_late(name: &str, other: &str) -> Error {
    Error::Config(format!(
        "bootstrap console {name:?} comes too late: the log has {other:?} already"
    ))
}

/// The first console that is no bootstrap one.
fn real_one(consoles: &[Arc<Console>]) -> Option<&Arc<Console>> {
    consoles.iter().find(|console| !console.options().bootstrap)
}

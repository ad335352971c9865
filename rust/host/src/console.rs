//! A console: a sink, a format, a level, and a place in the ring. This is its handle; the printer works behind it.

use crate::courier::{self, Courier};
use crate::error::Error;
use crate::fork::Listed;
use crate::letters::{Letters, owner_name};
use crate::life::Life;
use crate::orders::Orders;
use crate::printer::{self, Printer};
use crate::sinks::SinkSpec;
use crate::station::Station;
use pr_printk::emit::Style;
use pr_printk::flush::is_printed_on;
use pr_printk::port::class;
use pr_printk::registry::{ConsoleSlot, LEVEL_FOLLOWS, NO_FORMAT, SLOTS, flag};
use pr_printk::thread;
use pr_record::Format;
use pr_ring::{Lpos, Seq};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Between two looks whether a write in progress has ended.
pub(crate) const LOOK: Duration = Duration::from_millis(1);

/// What happens when records come faster than a console prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest are overwritten, and told as lost.
    DropOldest,
    /// Callers wait, at most the console's block timeout.
    Block,
}

/// How a console is to be.
#[derive(Clone, Debug)]
pub struct ConsoleOptions {
    /// Where it writes.
    pub sink: SinkSpec,
    /// Unique within the log; None: after the sink's kind.
    pub name: Option<String>,
    /// None: follows the log's console level.
    pub level: Option<u8>,
    /// How it writes a record.
    pub format: Format,
    /// Begins with the oldest record instead of the next one.
    pub replay: bool,
    /// How far the sink can be relied on, one of [`class`]; None: what it is decides.
    pub reliability: Option<u32>,
    /// What happens when it cannot keep up.
    pub overflow: Overflow,
    /// The longest that it makes a caller wait.
    pub block_timeout: Duration,
    /// It goes when the first console comes that is none of its kind, which goes on where it ends. Begins with the oldest
    /// record.
    pub bootstrap: bool,
}

impl ConsoleOptions {
    /// The format it writes in; None: whole records are handed over, and what becomes of them is not ours to say.
    pub fn own_format(&self) -> Option<Format> {
        self.sink.courier().is_none().then_some(self.format)
    }
}

/// What belongs to one life: the place in its table, and the orders of the printer there. What is set is kept here, and
/// in the table only by the process whose table it is: a forked child still sees its parent's.
#[derive(Clone, Debug)]
struct Place {
    life: Arc<Life>,
    index: usize,
    orders: Arc<Orders>,
    /// The console is in its log's list, and the slot is its own.
    listed: bool,
    level: Option<u8>,
    suspended: bool,
    /// What it had counted when it was removed.
    last: Counts,
}

/// What a console has counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    seq: u64,
    lag: u64,
    /// Where the text of what it has printed ends.
    pos: u64,
    dropped: u64,
    errors: u64,
    /// What kind of console it is: bits of [`flag`], and how far its sink can be relied on.
    flags: u64,
    class: u64,
}

/// A console of a log.
#[derive(Debug)]
pub struct Console {
    name: String,
    options: ConsoleOptions,
    place: Listed<Place>,
}

impl Console {
    /// Opens the sink, takes a slot of the table, and makes `room` for it among the printers that serve any console, and starts its own.
    /// `from` is asked, when all of that is there, which record it begins with.
    pub(crate) fn start(
        life: &Arc<Life>,
        name: String,
        options: ConsoleOptions,
        room: impl FnOnce() -> Result<(), Error>,
        from: impl FnOnce(&ConsoleOptions) -> (Seq, Lpos),
    ) -> Result<Arc<Console>, Error> {
        let place = begin(life, &name, &options, (options.level, false), room, from)?;
        Ok(Arc::new(Console {
            name,
            options,
            place: Listed::new(place),
        }))
    }

    /// In a forked child: the same console on the child's ring, from its first record on.
    pub(crate) fn revive(
        &self,
        life: &Arc<Life>,
        room: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let was = self.place();
        let from = |_: &ConsoleOptions| life.core().ring().oldest_edge();
        let fresh = begin(
            life,
            &self.name,
            &self.options,
            (was.level, was.suspended),
            room,
            from,
        )?;
        let old = std::mem::replace(&mut *self.place.lock(), fresh);
        drop(old); // not under the lock: it may be the last that holds something
        Ok(())
    }

    fn place(&self) -> Place {
        self.place.lock().clone()
    }

    fn counts(&self) -> Counts {
        self.place().counts()
    }

    /// The name, unique within its log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it was asked for.
    pub fn options(&self) -> &ConsoleOptions {
        &self.options
    }

    /// The record it prints next.
    pub fn seq(&self) -> u64 {
        self.counts().seq
    }

    /// Records stored and not yet printed.
    pub fn lag(&self) -> u64 {
        self.counts().lag
    }

    /// Records overwritten before it came to them.
    pub fn dropped(&self) -> u64 {
        self.counts().dropped
    }

    /// Failed writes.
    pub fn errors(&self) -> u64 {
        self.counts().errors
    }

    /// Neither suspended nor removed.
    pub fn is_enabled(&self) -> bool {
        let place = self.place();
        place.listed && !place.suspended
    }

    /// Whether it has a printer that was not given up.
    pub fn is_alive(&self) -> bool {
        let place = self.place();
        place.listed && place.slot().has(flag::ALIVE)
    }

    /// Who prints on it at this moment.
    pub fn owner(&self) -> Option<&'static str> {
        let place = self.place();
        let owner = place.slot().owner.seen();
        owner_name(owner).filter(|_| place.listed)
    }

    /// How far its sink can be relied on: 0 memory, 1 a file, 2 a pipe or a terminal, 3 what takes locks.
    pub fn class(&self) -> u64 {
        self.counts().class
    }

    /// It goes when the first console comes that is none of its kind.
    pub fn is_bootstrap(&self) -> bool {
        self.counts().flags & flag::BOOT != 0
    }

    /// As [`Log::letters`](crate::Log::letters). `preferred`: it stands for all of its log.
    pub fn letters(&self, preferred: bool) -> String {
        let Counts { flags, class, .. } = self.counts();
        let letters = Letters {
            enabled: self.is_enabled(),
            preferred,
            flags,
            class,
        };
        letters.text()
    }

    /// The printer's thread, by name and number; None: there is none.
    pub fn thread(&self) -> Option<(String, u32)> {
        let place = self.place();
        let alive = place.is_own() && place.slot().has(flag::ALIVE);
        alive.then(|| (printer::thread_name(&self.name), place.orders.thread()))
    }

    /// Its own level; None: that of the log.
    pub fn level(&self) -> Option<u8> {
        self.place().level
    }

    /// Sets its own level, or makes it follow the log.
    pub fn set_level(&self, level: Option<u8>) {
        let mut place = self.place.lock();
        place.level = level;
        if place.is_own() {
            let word = level.map_or(LEVEL_FOLLOWS, u64::from);
            place.slot().level.store(word, Ordering::Relaxed);
        }
    }

    /// Pauses after the batch in hand.
    pub fn suspend(&self) {
        self.set_suspended(true);
    }

    /// Waits until nobody prints on it, after it was asked to pause. False: not within `timeout`.
    pub(crate) fn has_paused(&self, timeout: Duration) -> bool {
        let (place, start) = (self.place(), Instant::now());
        while place.is_own() && is_printed_on(place.slot()) {
            if start.elapsed() >= timeout {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Goes on where it paused.
    pub fn resume(&self) {
        self.set_suspended(false);
    }

    fn set_suspended(&self, suspended: bool) {
        let mut place = self.place.lock();
        place.suspended = suspended;
        if !place.is_own() {
            return;
        }
        match suspended {
            true => place.slot().set(flag::SUSPENDED),
            false => place.slot().clear(flag::SUSPENDED),
        }
        let (life, index) = (place.life.clone(), place.index);
        drop(place);
        life.port(index).leave(); // no caller stands behind what has gathered
        wake_everybody(&life);
    }

    /// Opens the sink anew before the next batch.
    pub fn reopen(&self) {
        let place = self.place();
        place.orders.reopen();
        if place.is_own() {
            place.life.port(place.index).set_stale();
        }
    }

    /// Whether it has printed everything before `target`, or will not: suspended, or gone.
    pub(crate) fn has_flushed(&self, target: u64) -> bool {
        let place = self.place();
        let core = place.life.core();
        if !place.is_own() || place.suspended || core.is_suspended() {
            return true;
        }
        place.slot().seq.load(Ordering::Acquire) >= target // ORD(flushed:A) pairs with ORD(confirm:A)
    }

    /// Waits until everything before `target` is printed. False: not within `timeout`, or called by a printer.
    pub fn flush_until(&self, target: u64, timeout: Duration) -> bool {
        if thread::prints_for().is_some() {
            return false;
        }
        let place = self.place();
        let core = place.life.core();
        if core.prints_by_callers() {
            core.leave_to_printers();
        }
        core.kick().wake_all();
        core.kick()
            .wait_progress(nanos(timeout), || self.has_flushed(target))
    }

    /// The number after the newest record: what a flush waits for. A line that is open is ended for it.
    pub fn flush_target(&self) -> u64 {
        let place = self.place();
        if place.is_own() {
            place.life.core().end_line();
        }
        place.life.core().ring().next_reserve_seq().0
    }

    /// Asks the printer to print what there is, or what is before `end`, and to end. First step of a removal.
    pub(crate) fn order_stop(&self, end: Option<Seq>) {
        let place = self.place();
        if place.is_own() {
            let core = place.life.core();
            core.end_line();
            let end = end.unwrap_or_else(|| core.ring().next_reserve_seq());
            place.orders.stop_at(end);
            core.kick().wake_all();
        }
    }

    /// The record it prints next, and where the text of those before ends.
    pub(crate) fn edge(&self) -> (Seq, Lpos) {
        let Counts { seq, pos, .. } = self.counts();
        (Seq(seq), Lpos(pos))
    }

    /// Waits until the printer has ended, after it was asked to. Second step of a removal; may be repeated.
    pub fn has_stopped(&self, timeout: Duration) -> bool {
        let place = self.place();
        if place.orders.is_current_thread() {
            return false; // not before this call has returned
        }
        let done = || !place.is_own() || place.orders.is_finished();
        place.life.core().kick().wait_progress(nanos(timeout), done)
    }

    /// Whether whole records are handed over, to code that takes locks: on a thread of its own, and on that alone.
    pub fn is_courier(&self) -> bool {
        self.options.sink.courier().is_some()
    }

    /// Whether the caller is the code that this console hands its records to.
    pub fn is_handing_over_here(&self) -> bool {
        self.place().orders.is_current_thread()
    }

    /// Takes the console off the table; gives its printer up if that has not ended. Last step of a removal. True: the
    /// printer has ended; False: it was stuck, and calls nothing more once it returns. Of two that remove, one does it.
    pub(crate) fn take_off(&self) -> bool {
        let mut place = self.place.lock();
        if !place.is_own() {
            place.listed = false; // the printer, if there is one, is another process's
            return !place.orders.is_abandoned();
        }
        place.last = place.counts();
        place.listed = false;
        let slot = place.slot();
        // Told before the printer can be given up: from then on the slot is the printer's to free.
        slot.set(flag::ABANDONED);
        slot.clear(flag::ENABLED | flag::BLOCKS);
        // Not after the list's lock: whoever finds that the console was taken off must find how that ended.
        let ended = !place.orders.abandon();
        if ended {
            slot.clear(u64::MAX);
        }
        let life = place.life.clone();
        drop(place);
        wake_everybody(&life);
        ended
    }
}

/// Writers and printers look again at what holds them.
fn wake_everybody(life: &Life) {
    life.core().recount_holds();
    life.core().kick().wake_all();
    life.core().kick().progressed();
}

impl Place {
    fn slot(&self) -> &ConsoleSlot {
        #[expect(
            clippy::indexing_slicing,
            reason = "the index was given out by the table"
        )]
        &self.life.core().consoles()[self.index]
    }

    /// Whether the slot is this console's and this process's.
    fn is_own(&self) -> bool {
        self.listed && self.life.core().generation() == thread::generation()
    }

    fn counts(&self) -> Counts {
        if !self.listed {
            return self.last;
        }
        let slot = self.slot();
        let seq = slot.seq.load(Ordering::Acquire);
        Counts {
            seq,
            lag: self
                .life
                .core()
                .ring()
                .next_reserve_seq()
                .0
                .saturating_sub(seq),
            pos: slot.pos.load(Ordering::Relaxed),
            dropped: slot.dropped.load(Ordering::Relaxed),
            errors: slot.errors.load(Ordering::Relaxed),
            flags: slot.flags.load(Ordering::Relaxed),
            class: slot.class.load(Ordering::Relaxed),
        }
    }
}

/// Whether a sink that takes whole records would still be given any.
///
/// # Errors
/// It would not.
pub(crate) fn check_courier(name: &str, options: &ConsoleOptions) -> Result<(), Error> {
    if options.sink.courier().is_some() && courier::is_closed() {
        let why = "the process is about to end: nothing takes whole records any more";
        return Err(Error::Config(format!("console {name}: {why}")));
    }
    Ok(())
}

/// Opens the sink, claims a slot, makes room, starts the printer.
fn begin(
    life: &Arc<Life>,
    name: &str,
    options: &ConsoleOptions,
    (level, suspended): (Option<u8>, bool),
    room: impl FnOnce() -> Result<(), Error>,
    from: impl FnOnce(&ConsoleOptions) -> (Seq, Lpos),
) -> Result<Place, Error> {
    let courier = options.sink.courier();
    check_courier(name, options)?;
    let sink = options.sink.open()?;
    let index = claim(life)?;
    let orders = Arc::new(Orders::new());
    let last = Counts::default();
    let place = Place {
        life: life.clone(),
        index,
        orders: orders.clone(),
        listed: true,
        level,
        suspended,
        last,
    };
    let slot = place.slot();
    slot.describe(name, &options.sink.target(), level, 0, 0);
    let style = Style {
        format: options.format,
        id: life.core().next_console_id(),
    };
    // Whole records go no other way than by their thread, whatever becomes of them.
    let (class, fd) = match courier {
        None => (options.reliability.unwrap_or(sink.class()), sink.fd()),
        Some(_) => (class::LOCKING, None),
    };
    let port = life.port(index);
    port.assign(style, class);
    port.set_fd(fd.unwrap_or(-1));
    port.leave(); // what it has to begin with
    let format = options
        .own_format()
        .map_or(NO_FORMAT, |format| format as u64);
    slot.classify(u64::from(class), format, u64::from(style.id));
    // It prints nothing before it is known where it begins.
    slot.set(flag::ENABLED | flag::ALIVE | flag::SUSPENDED | kind_of(options));
    if let Err(why) = room() {
        slot.clear(u64::MAX);
        return Err(why);
    }
    let (life_too, name_too) = (life.clone(), name.to_owned());
    let started = match courier {
        None => {
            let station = Station::new(life_too, index, style.id, name_too, orders, sink, options);
            let station = Arc::new(station);
            life.list_station(&station);
            Printer(station).start()
        }
        Some(to) => Courier {
            life: life_too,
            index,
            id: style.id,
            orders,
            to: to.clone(),
            sink: options.sink.takes_bytes().then_some(sink),
            name: name_too,
        }
        .start(),
    };
    if let Err(why) = started {
        slot.clear(u64::MAX);
        let errno = why.raw_os_error().unwrap_or(libc::EAGAIN);
        return Err(Error::Os {
            what: format!("console {name}: no printer thread"),
            errno,
        });
    }
    let (seq, pos) = from(options);
    slot.pos.store(pos.0, Ordering::Relaxed);
    slot.seq.store(seq.0, Ordering::Relaxed);
    if !suspended {
        slot.clear(flag::SUSPENDED);
    }
    wake_everybody(life);
    Ok(place)
}

/// The flags that it keeps.
fn kind_of(options: &ConsoleOptions) -> u64 {
    let replays = options.replay || options.bootstrap;
    [
        (options.overflow == Overflow::Block, flag::BLOCKS),
        (replays, flag::REPLAY),
        (options.bootstrap, flag::BOOT),
        (options.sink.courier().is_some(), flag::PYTHON),
    ]
    .iter()
    .filter(|(is_so, _)| *is_so)
    .fold(0, |flags, (_, flag)| flags | flag)
}

/// Takes a free slot of the table.
fn claim(life: &Life) -> Result<usize, Error> {
    let slots = life.core().consoles();
    let free = slots.iter().position(|slot| {
        slot.flags
            .compare_exchange(0, flag::USED, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    });
    free.ok_or_else(too_many)
}

/// There is no room for a further console.
pub(crate) fn too_many() -> Error {
    Error::Config(format!(
        "a log has at most {SLOTS} consoles: remove one first"
    ))
}

pub(crate) fn nanos(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)
}

//! A console: a sink, a format, a level, and a place in the ring. This is its handle; the printer works behind it.

use crate::error::Error;
use crate::fork::Listed;
use crate::life::Life;
use crate::printer::{Orders, Printer};
use crate::sinks::SinkSpec;
use pr_printk::emit::Style;
use pr_printk::registry::{ConsoleSlot, LEVEL_FOLLOWS, SLOTS, flag};
use pr_printk::thread;
use pr_record::Format;
use pr_ring::{Lpos, Seq};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

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
    /// What happens when it cannot keep up.
    pub overflow: Overflow,
    /// The longest that it makes a caller wait.
    pub block_timeout: Duration,
}

/// What belongs to one life: the place in its table, and the orders of the printer there.
#[derive(Clone, Debug)]
struct Place {
    life: Arc<Life>,
    index: usize,
    orders: Arc<Orders>,
    /// The console is in its log's list.
    listed: bool,
}

/// A console of a log.
#[derive(Debug)]
pub struct Console {
    name: String,
    options: ConsoleOptions,
    place: Listed<Place>,
}

impl Console {
    /// Opens the sink, takes a slot of the table, and starts the printer.
    pub(crate) fn start(
        life: &Arc<Life>,
        name: String,
        options: ConsoleOptions,
    ) -> Result<Arc<Console>, Error> {
        let ring = life.core().ring();
        let from = if options.replay {
            ring.oldest_edge()
        } else {
            ring.newest_edge()
        };
        let place = begin(life, &name, &options, from)?;
        Ok(Arc::new(Console {
            name,
            options,
            place: Listed::new(place),
        }))
    }

    /// In a forked child: the same console on the child's ring, from its first record on.
    pub(crate) fn revive(&self, life: &Arc<Life>) -> Result<(), Error> {
        let was = self.place();
        let fresh = begin(
            life,
            &self.name,
            &self.options,
            life.core().ring().oldest_edge(),
        )?;
        let level = was.slot().level.load(Ordering::Relaxed);
        fresh.slot().level.store(level, Ordering::Relaxed);
        if was.slot().has(flag::SUSPENDED) {
            fresh.slot().set(flag::SUSPENDED);
        }
        *self.place.lock() = fresh;
        Ok(())
    }

    fn place(&self) -> Place {
        self.place.lock().clone()
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
        self.place().slot().seq.load(Ordering::Acquire) // ORD(flushed:A) pairs with ORD(confirm:A)
    }

    /// Records stored and not yet printed.
    pub fn lag(&self) -> u64 {
        let place = self.place();
        place
            .life
            .core()
            .ring()
            .next_reserve_seq()
            .0
            .saturating_sub(place.slot().seq.load(Ordering::Relaxed))
    }

    /// Records overwritten before it came to them.
    pub fn dropped(&self) -> u64 {
        self.place().slot().dropped.load(Ordering::Relaxed)
    }

    /// Failed writes.
    pub fn errors(&self) -> u64 {
        self.place().slot().errors.load(Ordering::Relaxed)
    }

    /// Neither suspended nor removed.
    pub fn is_enabled(&self) -> bool {
        let place = self.place();
        place.listed && !place.slot().has(flag::SUSPENDED)
    }

    /// Whether it has a printer that was not given up.
    pub fn is_alive(&self) -> bool {
        let place = self.place();
        place.listed && place.slot().has(flag::ALIVE)
    }

    /// Who prints on it at this moment.
    pub fn owner(&self) -> Option<&'static str> {
        self.place().slot().has(flag::WRITING).then_some("printer")
    }

    /// Its own level; None: that of the log.
    pub fn level(&self) -> Option<u8> {
        match self.place().slot().level.load(Ordering::Relaxed) {
            LEVEL_FOLLOWS => None,
            level => Some(level as u8),
        }
    }

    /// Sets its own level, or makes it follow the log.
    pub fn set_level(&self, level: Option<u8>) {
        self.place()
            .slot()
            .level
            .store(level.map_or(LEVEL_FOLLOWS, u64::from), Ordering::Relaxed);
    }

    /// Pauses after the batch in hand.
    pub fn suspend(&self) {
        self.change(|slot| slot.set(flag::SUSPENDED));
    }

    /// Goes on where it paused.
    pub fn resume(&self) {
        self.change(|slot| slot.clear(flag::SUSPENDED));
    }

    /// Opens the sink anew before the next batch.
    pub fn reopen(&self) {
        self.place().orders.reopen();
    }

    /// Changes flags, and lets writers and printers look again. Nothing, once it is removed: the slot is another's.
    fn change(&self, how: impl FnOnce(&ConsoleSlot)) {
        let place = self.place();
        if place.listed {
            how(place.slot());
            place.life.core().recount_holds();
            place.life.core().kick().wake_all();
            place.life.core().kick().progressed();
        }
    }

    /// Whether it has printed everything before `target`, or will not: suspended, or gone.
    pub(crate) fn has_flushed(&self, target: u64) -> bool {
        let place = self.place();
        let slot = place.slot();
        !place.listed || slot.has(flag::SUSPENDED) || slot.seq.load(Ordering::Acquire) >= target
    }

    /// Waits until everything before `target` is printed. False: not within `timeout`, or called by a printer.
    pub fn flush_until(&self, target: u64, timeout: Duration) -> bool {
        if thread::prints_for().is_some() {
            return false;
        }
        let place = self.place();
        let kick = place.life.core().kick();
        kick.wake_all();
        kick.wait_progress(nanos(timeout), || self.has_flushed(target))
    }

    /// The number after the newest record.
    pub fn flush_target(&self) -> u64 {
        self.place().life.core().ring().next_reserve_seq().0
    }

    /// Asks the printer to print what there is, and to end. First step of a removal.
    pub(crate) fn order_stop(&self) {
        let place = self.place();
        if place.listed {
            place
                .orders
                .stop_at(place.life.core().ring().next_reserve_seq());
            place.life.core().kick().wake_all();
        }
    }

    /// Waits until the printer has ended; gives it up after `timeout`. Second step of a removal. True: it calls nothing
    /// more because it has ended; False: it was stuck, and calls nothing more once it returns.
    pub(crate) fn wait_stopped(&self, timeout: Duration) -> bool {
        let place = self.place();
        if !place.listed {
            return place.orders.is_finished();
        }
        let ended = place
            .life
            .core()
            .kick()
            .wait_progress(nanos(timeout), || place.orders.is_finished());
        if !ended {
            place.orders.abandon();
            place.life.core().kick().wake_all();
        }
        self.place.lock().listed = false;
        // A slot whose printer may still store to it is not given to another console.
        if ended {
            place.slot().clear(u64::MAX);
        } else {
            place.slot().set(flag::ABANDONED);
            place.slot().clear(flag::ENABLED | flag::BLOCKS);
        }
        place.life.core().recount_holds();
        place.life.core().kick().progressed();
        ended
    }
}

impl Place {
    fn slot(&self) -> &ConsoleSlot {
        #[expect(
            clippy::indexing_slicing,
            reason = "the index was given out by the table"
        )]
        &self.life.core().consoles()[self.index]
    }
}

/// Opens the sink, claims a slot, starts the printer.
fn begin(
    life: &Arc<Life>,
    name: &str,
    options: &ConsoleOptions,
    (seq, pos): (Seq, Lpos),
) -> Result<Place, Error> {
    let sink = options.sink.open()?;
    let index = claim(life)?;
    let orders = Arc::new(Orders::new());
    let place = Place {
        life: life.clone(),
        index,
        orders: orders.clone(),
        listed: true,
    };
    let slot = place.slot();
    slot.describe(name, &options.sink.target(), options.level, seq.0, pos.0);
    slot.set(
        flag::ENABLED
            | flag::ALIVE
            | if options.overflow == Overflow::Block {
                flag::BLOCKS
            } else {
                0
            },
    );
    let style = Style {
        format: options.format,
        index: index as u32,
    };
    let printer = Printer {
        life: life.clone(),
        index,
        style,
        orders,
        sink,
        name: name.to_owned(),
    };
    if let Err(why) = printer.start() {
        slot.clear(u64::MAX);
        let errno = why.raw_os_error().unwrap_or(libc::EAGAIN);
        return Err(Error::Os {
            what: format!("console {name}: no printer thread"),
            errno,
        });
    }
    life.core().recount_holds();
    Ok(place)
}

/// Takes a free slot of the table.
fn claim(life: &Life) -> Result<usize, Error> {
    let slots = life.core().consoles();
    let free = slots.iter().position(|slot| {
        slot.flags
            .compare_exchange(0, flag::USED, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    });
    free.ok_or_else(|| {
        Error::Config(format!(
            "a log has at most {SLOTS} consoles: remove one first"
        ))
    })
}

pub(crate) fn nanos(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)
}

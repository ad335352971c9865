//! Where a console is printed on: its sink, and what its writes have come to. Whoever prints takes the desk, one thread at a
//! time; and the console itself, which a caller may own meanwhile.

use crate::console::ConsoleOptions;
use crate::life::Life;
use crate::orders::Orders;
use crate::sinks::{Refreshed, Sink, SinkSpec};
use pr_printk::emit::Want;
use pr_printk::fd::Written;
use pr_printk::owner::{Priority, Seen};
use pr_printk::port::Port;
use pr_printk::print::{Hold, Printed};
use pr_printk::registry::{ConsoleSlot, flag};
use pr_printk::{stamp, thread};
use pr_ring::Seq;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// After a failed write, first and longest pause before the next attempt.
const RETRY_NSEC: std::ops::RangeInclusive<u64> = 10_000_000..=1_000_000_000;
/// A batch is written when it has this many bytes.
const ENOUGH_BYTES: usize = 64 * 1024;
/// An owner that has not moved for this long may be dead; so may one that waits.
const SUSPECT_NSEC: u64 = 100_000_000;
/// How often an abandoned thread tries to get at its console, to close its sink.
const LAST_TRIES: u32 = 100;

/// One console's place of work.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) life: Arc<Life>,
    pub(crate) index: usize,
    /// The console's id.
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) orders: Arc<Orders>,
    /// The class that it was given, whatever the sink is.
    reliability: Option<u32>,
    /// The name by which others know what it writes to.
    path: Option<PathBuf>,
    desk: Mutex<Desk>,
    /// Something went wrong: the console's own thread sees to it, whoever prints otherwise.
    in_trouble: AtomicBool,
}

/// What only one thread at a time may use.
#[derive(Debug)]
pub(crate) struct Desk {
    /// None: the console is gone.
    sink: Option<Box<dyn Sink>>,
    /// The sink has refused, that was told, and it has not taken anything since.
    failing: bool,
    /// The pause after the next failure.
    pause_nsec: u64,
    /// Not to be tried again before this time.
    pub(crate) not_before_nsec: u64,
    /// The owner's word that was found, and when first.
    refused: Option<(Seen, u64)>,
}

/// What a look at the ring came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Round {
    /// There was nothing.
    Nothing,
    /// Records were passed.
    Some,
    /// Somebody more urgent prints, or nobody is to.
    Out,
    /// The sink refused.
    Failed,
    /// The console was given up.
    GivenUp,
}

impl Station {
    pub(crate) fn new(
        life: Arc<Life>,
        index: usize,
        id: u32,
        name: String,
        orders: Arc<Orders>,
        sink: Box<dyn Sink>,
        options: &ConsoleOptions,
    ) -> Station {
        let path = match &options.sink {
            SinkSpec::File(path) => Some(path.clone()),
            _ => None,
        };
        let desk = Desk {
            sink: Some(sink),
            failing: false,
            pause_nsec: *RETRY_NSEC.start(),
            not_before_nsec: 0,
            refused: None,
        };
        Station {
            life,
            index,
            id,
            name,
            orders,
            reliability: options.reliability,
            path,
            desk: Mutex::new(desk),
            in_trouble: AtomicBool::new(false),
        }
    }

    pub(crate) fn slot(&self) -> &ConsoleSlot {
        #[expect(
            clippy::indexing_slicing,
            reason = "the index was given out by the table"
        )]
        &self.life.core().consoles()[self.index]
    }

    pub(crate) fn port(&self) -> &Port {
        self.life.port(self.index)
    }

    /// The record to print next.
    pub(crate) fn seq(&self) -> Seq {
        Seq(self.slot().seq.load(Ordering::Relaxed))
    }

    /// Whether the name means something else by now than what is written to. One look-up.
    pub(crate) fn has_moved(&self) -> bool {
        let Some(path) = &self.path else {
            return false;
        };
        let identity = |about: Metadata| (about.dev(), about.ino());
        std::fs::metadata(path).ok().map(identity) != Some(self.port().identity())
    }

    /// The desk, when it is free.
    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The desk, if it is free.
    pub(crate) fn try_desk(&self) -> Option<MutexGuard<'_, Desk>> {
        match self.desk.try_lock() {
            Ok(desk) => Some(desk),
            Err(TryLockError::Poisoned(desk)) => Some(desk.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Leaves the console to its own thread until that has printed on it.
    pub(crate) fn leave_to_own_thread(&self) {
        self.in_trouble.store(true, Ordering::SeqCst);
        self.life.core().kick().wake_all();
    }

    /// Whether it is left to its own thread.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.in_trouble.load(Ordering::SeqCst)
    }

    /// By that thread, when all is well.
    pub(crate) fn is_well(&self) {
        if self.is_in_trouble() {
            self.in_trouble.store(false, Ordering::SeqCst);
            self.life.core().kick().wake_all();
        }
    }

    /// Owns the console for one batch. One that is to go prints what it has before `stop`, even if it is suspended.
    pub(crate) fn round(&self, desk: &mut Desk, stop: Option<Seq>) -> Round {
        let core = self.life.core();
        if !core.ring().has_come(self.seq()) || desk.sink.is_none() {
            return Round::Nothing;
        }
        let Ok(mut hold) = core.hold(self.index, Priority::Normal, None, false) else {
            self.suspect(desk);
            return Round::Out;
        };
        desk.refused = None;
        if stop.is_none() && !core.may_print_on(hold.slot()) {
            return Round::Out;
        }
        let printed = match self.refresh(desk, &mut hold) {
            Ok(()) => self.print(desk, &mut hold, stop),
            Err(errno) => Printed::Failed(errno),
        };
        drop(hold);
        match printed {
            Printed::Failed(_) if self.orders.is_abandoned() => Round::GivenUp,
            Printed::Failed(libc::ECANCELED) => Round::Out,
            Printed::Failed(errno) => {
                self.failed(desk, errno);
                Round::Failed
            }
            Printed::Nothing => Round::Nothing,
            Printed::Lost => Round::Out,
            Printed::Some => {
                (desk.failing, desk.pause_nsec) = (false, *RETRY_NSEC.start());
                Round::Some
            }
        }
    }

    /// Opens the sink anew where that must be. A new target gets whole records.
    fn refresh(&self, desk: &mut Desk, hold: &mut Hold<'_>) -> Result<(), i32> {
        self.port().clear_stale();
        let force = self.orders.take_reopen() || desk.failing;
        let (slot, failed) = (hold.slot(), desk.failing);
        let Some(sink) = &mut desk.sink else {
            return Ok(());
        };
        let refreshed = hold.unsafely(|port| {
            let refreshed = sink.refresh(force);
            if refreshed == Ok(Refreshed::Another) {
                let class = self.reliability.unwrap_or(sink.class());
                port.assign(port.style(), class);
                slot.class.store(u64::from(class), Ordering::Relaxed);
            }
            match refreshed {
                Ok(Refreshed::No) if !failed => {}
                Ok(_) => port.set_fd(sink.fd().unwrap_or(-1)),
                Err(_) => port.set_fd(-1), // nobody else may write there either
            }
            refreshed
        });
        if refreshed == Some(Ok(Refreshed::Another)) {
            hold.restart();
        }
        refreshed.map_or(Ok(()), |refreshed| refreshed.map(drop))
    }

    fn print(&self, desk: &mut Desk, hold: &mut Hold<'_>, stop: Option<Seq>) -> Printed {
        let piece = hold.port().piece_bytes();
        let slot = hold.slot();
        let wanted = || slot.owner.is_wanted();
        let want = Want {
            enough: ENOUGH_BYTES,
            until: stop.unwrap_or(Seq(u64::MAX)),
            hurry: &wanted,
        };
        let Some(sink) = desk.sink.as_mut() else {
            return Printed::Nothing;
        };
        let (orders, core) = (&self.orders, self.life.core());
        hold.print(&want, piece, &mut |bytes| {
            let errno = Some(libc::ECANCELED);
            if stop.is_none() && core.is_suspended() {
                return Written { bytes: 0, errno };
            }
            let written = sink.write(bytes, &|| !orders.is_abandoned());
            if orders.is_abandoned() {
                return Written { errno, ..written };
            }
            written
        })
    }

    fn failed(&self, desk: &mut Desk, errno: i32) {
        self.slot().errors.fetch_add(1, Ordering::Relaxed);
        desk.not_before_nsec = stamp::monotonic_nsec().saturating_add(desk.pause_nsec);
        desk.pause_nsec = (desk.pause_nsec * 2).min(*RETRY_NSEC.end());
        if !std::mem::replace(&mut desk.failing, true) {
            self.life.tell_failed_write(&self.name, errno);
        }
    }

    /// Somebody else has the console. An owner that has not moved for long may have died, and so may one that waited: then
    /// nobody would ever print on it.
    fn suspect(&self, desk: &mut Desk) {
        let (seen, now) = (self.slot().owner.seen(), stamp::monotonic_nsec());
        match desk.refused {
            Some((before, since)) if before == seen => {
                if now.saturating_sub(since) < SUSPECT_NSEC {
                    return;
                }
                self.free_from_dead(seen);
            }
            _ => {}
        }
        desk.refused = Some((seen, now));
    }

    fn free_from_dead(&self, seen: Seen) {
        let slot = self.slot();
        if seen.priority() == 0 {
            slot.owner.forget_request(seen); // whoever waits does so for milliseconds
        } else if !thread::is_alive(seen.tid()) {
            if seen.is_unsafe() {
                slot.set(flag::OPEN_LINE); // nobody knows how far its write came
            }
            slot.owner.free_from_dead(seen);
        }
    }

    /// The console goes: nobody may use its descriptor any more. Waits for whoever prints on it now.
    pub(crate) fn withdraw(&self) {
        let mut desk = self.desk();
        let core = self.life.core();
        let mut tries = LAST_TRIES;
        loop {
            if let Ok(mut hold) = core.hold(self.index, Priority::Normal, None, false)
                && hold.unsafely(|port| port.set_fd(-1)).is_some()
            {
                desk.sink = None;
                return;
            }
            self.suspect(&mut desk);
            let mut pause = Duration::from_micros(100);
            if self.orders.is_abandoned() {
                (tries, pause) = (tries - 1, Duration::from_millis(10));
            }
            if tries == 0 {
                // It may be in use, for ever.
                desk.sink.iter_mut().for_each(|sink| sink.leave_open());
                desk.sink = None;
                return;
            }
            std::thread::sleep(pause);
        }
    }
}

#[cfg(test)]
mod tests;

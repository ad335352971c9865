//! Printers that serve any console: one for each processor that they may use. What waits is nobody's in particular, and the
//! next record wakes one of them that is not on the processor of its caller.
//!
//! A console is printed on by one thread at a time (whoever has its desk), so a sink that hangs holds one thread. There are
//! as many as there are consoles, at least, and as many of them awake while there is work: the others' turn always comes.
//! What goes wrong (a sink that refuses, a console that somebody else has) is left to the console's own thread, which rests
//! otherwise; so is the end of a console.

use crate::fork::Listed;
use crate::life::Life;
use crate::printer::{
    BlockedSignals, PARK_AFTER_NSEC, POLL_NSEC, STACK_BYTES, early, let_callers_go_on,
};
use crate::station::{Round, Station};
use pr_printk::Core;
use pr_printk::flush::is_usable;
use pr_printk::kick::Ticket;
use pr_printk::registry::{SLOTS, flag};
use pr_printk::{stamp, thread};
use pr_ring::{Lpos, Seq};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The printers of one life, for one choice of processors.
#[derive(Debug)]
pub(crate) struct Crew {
    life: Arc<Life>,
    cpus: Vec<u32>,
    /// They are to end.
    is_over: AtomicBool,
    /// How many do not stand by.
    awake: AtomicU32,
    /// When one of them had something to do last.
    worked: AtomicU64,
    /// The kernel's numbers of the threads; 0: it has just been started.
    threads: Listed<Vec<Arc<AtomicU32>>>,
}

/// What a thread is called that prints on this processor.
fn thread_name(cpu: u32) -> String {
    format!("pr/cpu{cpu}")
}

impl Crew {
    /// Starts one thread for each of `cpus`, and as many as there are consoles, with the `expected` ones.
    pub(crate) fn start(
        life: &Arc<Life>,
        cpus: Vec<u32>,
        expected: usize,
    ) -> std::io::Result<Arc<Crew>> {
        let crew = Arc::new(Crew {
            life: life.clone(),
            cpus,
            is_over: AtomicBool::new(false),
            awake: AtomicU32::new(0),
            worked: AtomicU64::new(stamp::monotonic_nsec()),
            threads: Listed::new(Vec::new()),
        });
        let started = crew.suffice_for(expected);
        if started.is_err() {
            crew.dismiss();
        }
        started.map(|()| crew)
    }

    /// Starts what lacks for the consoles that there are and `more`. By one thread at a time.
    pub(crate) fn suffice_for(self: &Arc<Crew>, more: usize) -> std::io::Result<()> {
        let wanted = self.cpus.len().max(self.consoles() + more);
        loop {
            let place = self.threads.lock().len();
            if place >= wanted {
                return Ok(());
            }
            let cpu = self.cpus.get(place % self.cpus.len().max(1)).copied();
            self.start_thread(cpu.unwrap_or_default(), place)?;
        }
    }

    fn start_thread(self: &Arc<Crew>, cpu: u32, place: usize) -> std::io::Result<()> {
        let number = Arc::new(AtomicU32::new(0));
        let hand = Hand {
            crew: self.clone(),
            cpu,
            place,
            number: number.clone(),
        };
        let blocked = BlockedSignals::new();
        self.awake.fetch_add(1, Ordering::SeqCst);
        let thread = std::thread::Builder::new()
            .name(thread_name(cpu))
            .stack_size(STACK_BYTES)
            .spawn(move || hand.run());
        drop(blocked);
        if thread.is_err() {
            self.awake.fetch_sub(1, Ordering::SeqCst);
        } else {
            self.threads.lock().push(number);
        }
        thread.map(drop)
    }

    /// Has the threads end. One that is in a write ends when it comes back.
    pub(crate) fn dismiss(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.life.core().kick().wake_all();
    }

    /// The processors.
    pub(crate) fn cpus(&self) -> &[u32] {
        &self.cpus
    }

    /// Whether it prints in this process.
    pub(crate) fn is_own(&self) -> bool {
        self.life.core().generation() == thread::generation()
    }

    /// The threads, by name and number. Waits for those that were just started.
    pub(crate) fn threads(&self) -> Vec<(String, u32)> {
        let threads = self.threads.lock().clone();
        let number = |(place, number): (usize, &Arc<AtomicU32>)| {
            let cpu = self.cpus.get(place % self.cpus.len().max(1));
            let name = thread_name(cpu.copied().unwrap_or_default());
            loop {
                match number.load(Ordering::SeqCst) {
                    0 => std::thread::yield_now(),
                    number => return (name, number),
                }
            }
        };
        threads.iter().enumerate().map(number).collect()
    }

    /// How many threads consoles can hold: one each, also those that were given up.
    fn consoles(&self) -> usize {
        let slots = self.life.core().consoles().iter();
        slots
            .filter(|slot| slot.has(flag::USED) && !slot.has(flag::PYTHON))
            .count()
    }

    /// The console in slot `index`, if its next record `is_there`, and it is theirs to print on.
    fn usable(
        &self,
        index: usize,
        is_there: impl FnOnce(&Core, Seq) -> bool,
    ) -> Option<Arc<Station>> {
        let core = self.life.core();
        let slot = core.consoles().get(index)?;
        let seq = Seq(slot.seq.load(Ordering::Relaxed));
        if slot.has(flag::PYTHON) || !is_usable(slot) || !is_there(core, seq) {
            return None;
        }
        let station = self.life.station(index)?;
        (!station.is_in_trouble()).then_some(station)
    }

    /// The console in slot `index`, if there is something to print on it, and it is theirs to print on.
    fn with_work(&self, index: usize) -> Option<Arc<Station>> {
        self.usable(index, |core, seq| core.ring().has_come(seq))
    }

    /// Whether there is something to print, and nobody is at it. Also a number that a writer has only taken, which no slot
    /// tells: should that one be dead, nobody else may ever look after it.
    fn finds_work(&self) -> bool {
        let with_work = (0..SLOTS).filter_map(|index| self.usable(index, Core::has_more));
        with_work
            .into_iter()
            .any(|station| station.try_desk().is_some())
    }

    /// Fewer of them look than consoles may hold: one more has to, before the caller is held by one.
    fn call_another(&self) {
        if (self.awake.load(Ordering::SeqCst) as usize) < self.consoles() {
            self.life.core().kick().wake_another();
        }
    }

    /// Whether the caller need not look any more, since enough others do.
    fn spares_one(&self) -> bool {
        let needed = u32::try_from(self.consoles().max(1)).unwrap_or(u32::MAX);
        let change = |awake: u32| (awake > needed).then(|| awake - 1);
        let spared = self
            .awake
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, change);
        spared.is_ok()
    }
}

/// One of the threads.
struct Hand {
    crew: Arc<Crew>,
    cpu: u32,
    place: usize,
    number: Arc<AtomicU32>,
}

impl Hand {
    fn run(self) {
        pr_printk::fatal::stack::give_own();
        pin_to(self.cpu);
        let_callers_go_on();
        let crew = &self.crew;
        let core = crew.life.core();
        let kick = core.kick();
        self.number.store(thread::tid(), Ordering::SeqCst);
        loop {
            let ticket = kick.ticket_on(self.cpu);
            if crew.is_over.load(Ordering::SeqCst) {
                kick.wake_all(); // those that follow may have found busy what this one was at, and parked
                return;
            }
            crew.life.sample_clocks();
            if !core.prints_by_crew() || core.is_suspended() {
                kick.rest(ticket);
            } else if let Some(left_ns) = core.printers_stay_out_nsec() {
                kick.nap(ticket, left_ns);
            } else if self.print() {
                crew.worked
                    .store(stamp::monotonic_nsec(), Ordering::Relaxed);
            } else {
                self.wait(ticket);
            }
        }
    }

    /// Prints one batch on each console where there is something, and nobody at it. False: there was none.
    fn print(&self) -> bool {
        let mut has_printed = false;
        for step in 0..SLOTS {
            let Some(station) = self.crew.with_work((self.place + step) % SLOTS) else {
                continue;
            };
            let Some(mut desk) = station.try_desk() else {
                continue;
            };
            self.crew.call_another();
            thread::print_for(station.id);
            let round = station.round(&mut desk, None);
            thread::print_for(0);
            drop(desk);
            match round {
                Round::Some => has_printed = true,
                Round::Nothing => {}
                Round::Out | Round::Failed | Round::GivenUp => station.leave_to_own_thread(),
            }
        }
        has_printed
    }

    /// Stands by, sleeps a moment, or parks.
    fn wait(&self, ticket: Ticket) {
        let crew = &self.crew;
        let (core, awake) = (crew.life.core(), &crew.awake);
        let kick = core.kick();
        if crew.spares_one() {
            kick.stand_by(ticket);
            awake.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let idle = stamp::monotonic_nsec().saturating_sub(crew.worked.load(Ordering::Relaxed));
        if idle > PARK_AFTER_NSEC && !crew.finds_work() {
            awake.fetch_sub(1, Ordering::SeqCst);
            kick.park(ticket, || {
                crew.finds_work() || crew.is_over.load(Ordering::SeqCst)
            });
            awake.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let next = core.ring().next_reserve_seq();
        if core.ring().next_seq() < next || core.ring().is_crowded() {
            core.look_after_unfinished();
        }
        let (_, edge): (_, Lpos) = core.ring().newest_edge();
        kick.sleep(ticket, early(core, next, edge), POLL_NSEC);
        kick.awake();
    }
}

/// From now on the calling thread runs on this processor alone. Should that be gone meanwhile, on any.
fn pin_to(cpu: u32) {
    let mut set = [0_u64; CPU_WORDS];
    if let Some(word) = set.get_mut(cpu as usize / 64) {
        *word = 1 << (cpu % 64);
    }
    // SAFETY: the set is ours, and as long as is said.
    unsafe { libc::sched_setaffinity(0, size_of_val(&set), set.as_ptr().cast()) };
}

/// Words of a set of processors: more than a kernel can have.
const CPU_WORDS: usize = 8192 / 64;

/// The processors that the calling thread may use.
///
/// # Errors
/// The system does not say.
pub(crate) fn allowed_cpus() -> std::io::Result<Vec<u32>> {
    let mut set = [0_u64; CPU_WORDS];
    // SAFETY: the set is ours, and as long as is said.
    let asked = unsafe { libc::sched_getaffinity(0, size_of_val(&set), set.as_mut_ptr().cast()) };
    if asked < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let cpus = (0..8192_u32).filter(|cpu| {
        let word = set.get(*cpu as usize / 64).copied().unwrap_or_default();
        word & 1 << (cpu % 64) != 0
    });
    Ok(cpus.collect())
}

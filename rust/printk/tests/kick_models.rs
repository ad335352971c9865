//! Models of waking (M14), for every interleaving and every order that the memory model allows: a wake-up that is missed is
//! a thread that waits for ever, which the checker finds. Built with `--cfg owner_model`; run by `ci/owner.sh`.
//!
//! What they do not show is the kernel's barrier in `barrier.rs`: both sides fence here, as they do where it is refused.
#![cfg(owner_model)]

mod atomics {
    use loom::sync::atomic;
    use loom::sync::{Condvar, Mutex};

    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};

    /// Who waits for a word: a number of one's own, and one's bits.
    #[derive(Debug, Default)]
    pub(crate) struct Queue {
        pub(crate) last: u32,
        pub(crate) waiting: Vec<(u32, u32)>,
    }

    /// A word with the kernel's queue of those who wait for it.
    #[derive(Debug)]
    pub(crate) struct AtomicU32 {
        pub(crate) word: atomic::AtomicU32,
        pub(crate) queue: Mutex<Queue>,
        pub(crate) woken: Condvar,
    }

    impl AtomicU32 {
        pub(crate) fn new(value: u32) -> AtomicU32 {
            AtomicU32 {
                word: atomic::AtomicU32::new(value),
                queue: Mutex::new(Queue::default()),
                woken: Condvar::new(),
            }
        }

        pub(crate) fn load(&self, order: Ordering) -> u32 {
            self.word.load(order)
        }

        pub(crate) fn store(&self, value: u32, order: Ordering) {
            self.word.store(value, order);
        }

        pub(crate) fn swap(&self, value: u32, order: Ordering) -> u32 {
            self.word.swap(value, order)
        }

        pub(crate) fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
            self.word.fetch_add(value, order)
        }

        pub(crate) fn fetch_sub(&self, value: u32, order: Ordering) -> u32 {
            self.word.fetch_sub(value, order)
        }
    }
}

/// The kernel compares under the lock of its queue, and who wakes takes the same lock.
mod futex {
    use crate::atomics::{AtomicU32, Ordering};

    /// A wait that could end by itself ends at once.
    const FOR_EVER: u64 = u64::MAX;

    pub(crate) fn wait(word: &AtomicU32, value: u32, timeout_ns: Option<u64>, who: u32) {
        let mut queue = word.queue.lock().unwrap();
        let ends = timeout_ns.is_some_and(|timeout| timeout != FOR_EVER);
        if ends || word.word.load(Ordering::Relaxed) != value {
            return;
        }
        queue.last += 1;
        let own = (queue.last, who);
        queue.waiting.push(own);
        while queue.waiting.contains(&own) {
            queue = word.woken.wait(queue).unwrap();
        }
    }

    pub(crate) fn wake(word: &AtomicU32, count: i32, who: u32) -> i64 {
        let mut queue = word.queue.lock().unwrap();
        let mut woken = 0;
        queue.waiting.retain(|(_, bits)| {
            let stays = bits & who == 0 || woken == i64::from(count);
            woken += i64::from(!stays);
            stays
        });
        word.woken.notify_all();
        woken
    }

    pub(crate) fn current_cpu() -> u32 {
        0
    }
}

mod barrier {
    use loom::sync::atomic::{Ordering, fence};

    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() -> bool {
        fence(Ordering::SeqCst);
        true
    }
}

mod stamp {
    pub(crate) fn monotonic_nsec() -> u64 {
        0
    }
}

#[allow(dead_code, unreachable_pub)]
#[path = "../src/kick.rs"]
mod kick;

use kick::Kick;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use pr_ring::{Lpos, Seq};

/// A ring of which only the number of records is known.
struct Log {
    kick: Kick,
    records: AtomicU64,
    printed: AtomicU64,
    paused: AtomicU64,
}

impl Log {
    fn new() -> Arc<Log> {
        Arc::new(Log {
            kick: Kick::new(),
            records: AtomicU64::new(0),
            printed: AtomicU64::new(0),
            paused: AtomicU64::new(0),
        })
    }

    fn say(&self) {
        let seq = self.records.fetch_add(1, Ordering::Release);
        self.kick.published(Seq(seq), Lpos(8 * (seq + 1)));
    }

    /// A printer that parks whenever there is nothing to do, until it has seen so many records.
    fn print_until(&self, last: u64) {
        loop {
            let ticket = self.kick.ticket();
            let seen = self.records.load(Ordering::Acquire);
            if seen >= last {
                return;
            }
            self.kick
                .park(ticket, || self.records.load(Ordering::Acquire) > seen);
        }
    }
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

#[test]
fn a_printer_that_parks_while_a_record_comes_sees_it_or_is_woken() {
    model(|| {
        let log = Log::new();
        let printer = {
            let log = log.clone();
            thread::spawn(move || log.print_until(1))
        };
        log.say();
        printer.join().unwrap();
    });
}

#[test]
fn no_record_waits_for_a_later_one() {
    model(|| {
        let log = Log::new();
        let printer = {
            let log = log.clone();
            thread::spawn(move || log.print_until(2))
        };
        log.say();
        log.say();
        printer.join().unwrap();
    });
}

#[test]
fn of_two_printers_both_are_woken() {
    model(|| {
        let log = Log::new();
        let printers = [(); 2].map(|()| {
            let log = log.clone();
            thread::spawn(move || log.print_until(1))
        });
        log.say();
        for printer in printers {
            printer.join().unwrap();
        }
    });
}

#[test]
fn of_two_writers_each_ones_record_is_seen() {
    model(|| {
        let log = Log::new();
        let writer = {
            let log = log.clone();
            thread::spawn(move || log.say())
        };
        let printer = {
            let log = log.clone();
            thread::spawn(move || log.print_until(2))
        };
        log.say();
        writer.join().unwrap();
        printer.join().unwrap();
    });
}

/// Of printers that serve any console the first to see a record calls the next one.
#[test]
fn of_a_crew_one_is_woken_and_can_call_the_other() {
    for here in 0..2 {
        model(move || {
            let log = Log::new();
            log.kick.follow_crew(|| true);
            let crew = [0, 1].map(|member| {
                let log = log.clone();
                thread::spawn(move || {
                    loop {
                        let ticket = log.kick.ticket_on((member + here) % 2);
                        if log.records.load(Ordering::Acquire) == 1 {
                            return log.kick.wake_another();
                        }
                        if member == 0 {
                            let work = || log.records.load(Ordering::Acquire) == 1;
                            log.kick.park(ticket, work);
                        } else {
                            log.kick.stand_by(ticket);
                        }
                    }
                })
            });
            log.say();
            for printer in crew {
                printer.join().unwrap();
            }
        });
    }
}

/// Two changes of who prints at once, one of which has nothing to do with the crew.
#[test]
fn a_crew_that_comes_during_another_change_is_woken_by_records() {
    model(|| {
        const CREW: u64 = 1;
        const OTHER: u64 = 2;
        let log = Log::new();
        let direct = Arc::new(AtomicU64::new(OTHER));
        let is_there = |direct: &AtomicU64| direct.load(Ordering::SeqCst) & CREW != 0;
        let other = {
            let (log, direct) = (log.clone(), direct.clone());
            thread::spawn(move || {
                direct.fetch_and(!OTHER, Ordering::SeqCst);
                log.kick.follow_crew(|| is_there(&direct));
            })
        };
        direct.fetch_or(CREW, Ordering::SeqCst);
        log.kick.follow_crew(|| is_there(&direct));
        other.join().unwrap();
        let printer = {
            let log = log.clone();
            thread::spawn(move || {
                let ticket = log.kick.ticket_on(0);
                let work = || log.records.load(Ordering::Acquire) == 1;
                log.kick.park(ticket, work);
            })
        };
        log.say();
        printer.join().unwrap();
    });
}

#[test]
fn a_printer_that_rests_is_told_that_it_may_go_on() {
    model(|| {
        let log = Log::new();
        log.paused.store(1, Ordering::SeqCst);
        let printer = {
            let log = log.clone();
            thread::spawn(move || {
                loop {
                    let ticket = log.kick.ticket();
                    if log.paused.load(Ordering::Acquire) == 0 {
                        return;
                    }
                    log.kick.rest(ticket);
                }
            })
        };
        log.paused.store(0, Ordering::Release);
        log.kick.wake_all();
        printer.join().unwrap();
    });
}

#[test]
fn who_waits_for_a_printers_progress_sees_it_or_is_woken() {
    model(|| {
        let log = Log::new();
        let caller = {
            let log = log.clone();
            thread::spawn(move || {
                let done = || log.printed.load(Ordering::Acquire) == 1;
                assert!(log.kick.wait_progress(u64::MAX, done));
            })
        };
        log.printed.store(1, Ordering::Release);
        log.kick.progressed();
        caller.join().unwrap();
    });
}

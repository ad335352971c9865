//! Printers that serve any console, one for each processor.

mod scratch;

use pr_host::{Console, Error, Log, Mode, Overflow};
use scratch::{PATIENCE, Scratch, fill, flush, full_fifo, numbers, say, to_file, wait_until};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Longer than a printer goes on polling.
const UNTIL_PARKED: Duration = Duration::from_millis(300);
/// For what is to end by the clock.
const SHORT: Duration = Duration::from_millis(20);

fn smp(scratch: &Scratch, cpus: Option<Vec<u32>>) -> Arc<Log> {
    let log = scratch.log();
    log.set_printer_cpus(cpus).expect("processors");
    log.set_mode(Mode::Smp).expect("the mode");
    log
}

/// The processors that this thread may use.
fn allowed() -> Vec<u32> {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("readable");
    cpus_in(&status)
}

fn cpus_in(status: &str) -> Vec<u32> {
    let line = |line: &str| Some(line.strip_prefix("Cpus_allowed_list:")?.trim().to_owned());
    let list = status.lines().find_map(line).expect("the list");
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse::<u32>().expect("a number")..=last.parse().expect("a number")
    };
    list.split(',').flat_map(range).collect()
}

fn status(thread: u32) -> String {
    std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).unwrap_or_default()
}

/// Voluntary context switches of a thread.
fn switches(thread: u32) -> u64 {
    let text = status(thread);
    let line = |line: &str| {
        Some(
            line.strip_prefix("voluntary_ctxt_switches:")?
                .trim()
                .to_owned(),
        )
    };
    let count = text.lines().find_map(line).expect("the count");
    count.parse().expect("a number")
}

fn exists(thread: u32) -> bool {
    Path::new(&format!("/proc/self/task/{thread}")).exists()
}

#[test]
fn there_is_one_thread_for_each_processor_and_it_stays_there() {
    let scratch = Scratch::new();
    let log = smp(&scratch, None);
    log.add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    let threads = log.printer_threads();
    let names: Vec<&String> = threads.iter().map(|(name, _)| name).collect();
    let wanted: Vec<String> = allowed().iter().map(|cpu| format!("pr/cpu{cpu}")).collect();
    assert_eq!(names, wanted.iter().collect::<Vec<_>>());
    for ((_, thread), cpu) in threads.iter().zip(allowed()) {
        assert_eq!(cpus_in(&status(*thread)), [cpu]);
    }
}

#[test]
fn the_consoles_own_threads_rest_meanwhile() {
    let scratch = Scratch::new();
    let log = scratch.log();
    let console = log
        .add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    let [(_, own)] = log.printer_threads()[..] else {
        panic!("one thread");
    };
    log.set_mode(Mode::Smp).expect("the mode");
    say(&log, -1);
    flush(&log);
    std::thread::sleep(SHORT); // it has seen that there is nothing for it
    let before = switches(own);
    for i in 0..100 {
        say(&log, i);
        wait_until("it is printed", || console.lag() == 0);
    }
    assert_eq!(switches(own), before);
}

#[test]
fn processors_can_be_chosen_at_any_time_and_wrong_ones_change_nothing() {
    let scratch = Scratch::new();
    let (log, allowed) = (smp(&scratch, None), allowed());
    log.add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    let before = log.printer_threads();
    for wrong in [vec![], vec![9999], vec![allowed[0], u32::MAX]] {
        let Err(Error::Config(said)) = log.set_printer_cpus(Some(wrong)) else {
            panic!("taken");
        };
        assert!(said.contains("give one or more of 0"), "{said}");
    }
    assert_eq!(log.printer_threads(), before);
    assert_eq!(log.printer_cpus(), Ok(allowed.clone()));
    for (i, cpu) in (0..).zip(&allowed) {
        log.set_printer_cpus(Some(vec![*cpu, *cpu])).expect("set");
        assert_eq!(log.printer_cpus(), Ok(vec![*cpu]));
        let [(name, thread)] = &log.printer_threads()[..] else {
            panic!("one thread");
        };
        assert_eq!(*name, format!("pr/cpu{cpu}"));
        say(&log, i);
        wait_until("it is printed", || {
            numbers(&scratch.read("out")).last() == Some(&i)
        });
        assert!(exists(*thread));
    }
    wait_until("the first ones have ended", || {
        before.iter().all(|(_, thread)| !exists(*thread))
    });
}

#[test]
fn idle_printers_have_no_wake_ups_and_the_next_record_wakes_one() {
    let scratch = Scratch::new();
    let log = smp(&scratch, None);
    for name in ["a", "b"] {
        log.add_console(scratch.console(name, Overflow::DropOldest))
            .expect("a console");
    }
    let threads = log.printer_threads();
    let counts = || threads.iter().map(|(_, thread)| switches(*thread));
    for i in 0..6 {
        std::thread::sleep(UNTIL_PARKED);
        let before: Vec<u64> = counts().collect();
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(counts().collect::<Vec<_>>(), before);
        say(&log, i); // and nobody flushes
        wait_until("it is on both", || {
            log.consoles().iter().all(|console| console.lag() == 0)
        });
    }
}

#[test]
fn no_record_is_left_behind_whatever_the_moment_it_comes_at() {
    let scratch = Scratch::new();
    let log = smp(&scratch, None);
    for name in ["a", "b", "c"] {
        log.add_console(scratch.console(name, Overflow::DropOldest))
            .expect("a console");
    }
    // Around the moment of parking, a little later each time.
    for i in 0..20_u64 {
        std::thread::sleep(Duration::from_micros(196_000 + 500 * i));
        say(&log, i.cast_signed());
        wait_until("all have printed it", || {
            log.consoles().iter().all(|console| console.lag() == 0)
        });
    }
}

/// Runs this thread on one processor alone.
fn stay_on(cpu: u32) {
    // SAFETY: plain bits; zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours, and the processor one of it.
    unsafe { libc::CPU_SET(cpu as usize, &mut set) };
    // SAFETY: the set is ours, and as long as is said.
    let done = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(done, 0);
}

#[test]
fn a_record_wakes_a_printer_on_another_processor_than_its_caller() {
    let scratch = Scratch::new();
    let (log, allowed) = (smp(&scratch, None), allowed());
    if allowed.len() < 2 {
        return; // there is no other
    }
    let console = log
        .add_console(scratch.console("out", Overflow::DropOldest))
        .expect("a console");
    let threads = log.printer_threads();
    let there = |cpu: u32| {
        let name = format!("pr/cpu{cpu}");
        let found = threads.iter().find(|(own, _)| *own == name);
        found.expect("a thread").1
    };
    let mut times = 0;
    for _ in 0..3 {
        for here in &allowed[..2] {
            stay_on(*here);
            std::thread::sleep(UNTIL_PARKED);
            let before: Vec<u64> = allowed.iter().map(|cpu| switches(there(*cpu))).collect();
            say(&log, 1);
            wait_until("it is printed", || console.lag() == 0);
            for (cpu, before) in allowed.iter().zip(before) {
                let ran = switches(there(*cpu)) > before;
                assert!(
                    !ran || cpu != here,
                    "the printer of the caller's processor {here}"
                );
                times += u32::from(ran);
            }
        }
    }
    assert!(times > 0, "somebody has printed");
}

/// A console whose sink hangs, and what keeps it so.
fn add_stuck(log: &Log) -> (Arc<Console>, (std::fs::File, Scratch)) {
    let place = Scratch::new();
    let (fifo, reader, _) = full_fifo(&place);
    let stuck = log.add_console(to_file(fifo, Overflow::DropOldest));
    (stuck.expect("a console"), (reader, place))
}

fn hangs(console: &Console) {
    let mut looks = 0;
    wait_until("its printer hangs", || {
        let owned = console.owner().is_some();
        looks = if owned { looks + 1 } else { 0 };
        looks == 30
    });
}

#[test]
fn sinks_that_hang_hold_a_thread_each_and_the_others_go_on_also_with_one_processor() {
    let scratch = Scratch::new();
    let log = smp(&scratch, Some(vec![allowed()[0]]));
    assert_eq!(log.printer_threads().len(), 1);
    let stuck: Vec<_> = (0..3).map(|_| add_stuck(&log)).collect();
    let good = log
        .add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    assert_eq!(log.printer_threads().len(), 4);
    for i in 0..2000 {
        say(&log, i);
    }
    assert!(good.flush_until(good.flush_target(), PATIENCE));
    stuck.iter().for_each(|(console, _)| hangs(console));
    for i in 2000..2020 {
        std::thread::sleep(Duration::from_millis(15)); // also when they wait
        say(&log, i);
        wait_until("it is printed", || good.lag() == 0);
    }
    std::thread::sleep(UNTIL_PARKED); // and when they park
    say(&log, 2020);
    wait_until("it is printed", || good.lag() == 0);
    // And when the stuck ones are given up, and others come.
    for (console, _) in &stuck {
        assert!(!log.remove_console(console, SHORT), "it is stuck");
    }
    let more: Vec<_> = (0..2).map(|_| add_stuck(&log)).collect();
    say(&log, 2021);
    more.iter().for_each(|(console, _)| hangs(console));
    say(&log, 2022);
    wait_until("it is printed", || good.lag() == 0);
    assert_eq!(
        numbers(&scratch.read("out")),
        (0..=2022).collect::<Vec<_>>()
    );
    assert!(log.remove_console(&good, PATIENCE), "this one is not");
    log.close(SHORT);
}

#[test]
fn printers_that_were_parked_and_meet_sinks_that_hang_are_followed_by_others() {
    // Whichever thread is woken, and wherever it begins to look.
    for place_of_good in 0..4 {
        let scratch = Scratch::new();
        let log = smp(&scratch, Some(vec![allowed()[0]]));
        let mut pipes = Vec::new();
        for place in 0..4 {
            let options = if place == place_of_good {
                scratch.console("out", Overflow::DropOldest)
            } else {
                let (folder, pipe) = empty_fifo();
                let options = to_file(folder.path("fifo"), Overflow::DropOldest);
                pipes.push((folder, pipe));
                options
            };
            log.add_console(options).expect("a console");
        }
        say(&log, 0);
        flush(&log);
        std::thread::sleep(UNTIL_PARKED);
        for (_, pipe) in &pipes {
            fill(pipe);
        }
        say(&log, 1);
        let good = &log.consoles()[place_of_good];
        wait_until("it is printed on the good one", || good.lag() == 0);
        log.close(SHORT);
    }
}

/// A FIFO in a folder of its own, and the end that reads.
fn empty_fifo() -> (Scratch, std::fs::File) {
    let folder = Scratch::new();
    let (_, mut reader, filled) = full_fifo(&folder);
    reader.read_exact(&mut vec![0; filled]).expect("the filler");
    (folder, reader)
}

#[test]
fn a_sink_that_hangs_while_the_mode_changes_holds_up_nobody() {
    let scratch = Scratch::new();
    let log = smp(&scratch, None);
    let (stuck, _reader) = add_stuck(&log);
    let good = log
        .add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    say(&log, 0);
    hangs(&stuck);
    let mut i = 0;
    for mode in Mode::ALL.repeat(5) {
        log.set_mode(mode).expect("the mode");
        i += 1;
        say(&log, i);
        wait_until("it is printed", || good.lag() == 0);
    }
    assert!(!log.remove_console(&stuck, SHORT));
    assert_eq!(numbers(&scratch.read("out")), (0..=i).collect::<Vec<_>>());
}

#[test]
fn many_consoles_get_each_record_once_and_in_order() {
    let scratch = Scratch::new();
    let log = smp(&scratch, None);
    let names: Vec<String> = (0..12).map(|i| format!("out{i}")).collect();
    for name in &names {
        log.add_console(scratch.console(name, Overflow::Block))
            .expect("a console");
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let log = &log;
            scope.spawn(move || (0..3000).for_each(|i| say(log, thread * 3000 + i)));
        }
    });
    flush(&log);
    let first = numbers(&scratch.read("out0"));
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 12_000);
    for name in &names {
        assert_eq!(numbers(&scratch.read(name)), first, "{name}");
    }
}

#[test]
fn a_console_that_fails_is_left_to_its_own_thread_and_comes_back() {
    let scratch = Scratch::new();
    let log = smp(&scratch, None);
    let folder = scratch.path("folder");
    std::fs::create_dir(&folder).expect("a folder");
    let failing = log
        .add_console(to_file(folder.join("out"), Overflow::Block))
        .expect("a console");
    let good = log
        .add_console(scratch.console("good", Overflow::Block))
        .expect("a console");
    let mut i = 0;
    for _ in 0..3 {
        say(&log, i);
        flush(&log);
        std::fs::remove_dir_all(&folder).expect("removed");
        let errors = failing.errors();
        say(&log, i + 1);
        wait_until("it fails", || failing.errors() > errors);
        say(&log, i + 2);
        wait_until("the other goes on", || good.lag() == 0);
        std::fs::create_dir(&folder).expect("a folder");
        wait_until("it is well again", || failing.lag() == 0);
        let printed = std::fs::read_to_string(folder.join("out")).expect("readable");
        assert_eq!(numbers(&printed), [i + 1, i + 2]);
        i += 3;
    }
}

#[test]
fn modes_and_processors_that_change_leave_no_thread_behind_and_neither_does_the_end_of_the_log() {
    let scratch = Scratch::new();
    let mut threads = BTreeSet::new();
    let log = smp(&scratch, None);
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    for i in 0..60 {
        log.set_mode(Mode::ALL[i % 3]).expect("the mode");
        if i % 7 == 0 {
            log.set_printer_cpus(Some(vec![allowed()[0]])).expect("set");
            log.set_printer_cpus(None).expect("set");
        }
        threads.extend(log.printer_threads().into_iter().map(|(_, thread)| thread));
        say(&log, i as i64);
    }
    log.set_mode(Mode::Smp).expect("the mode");
    threads.extend(log.printer_threads().into_iter().map(|(_, thread)| thread));
    flush(&log);
    assert_eq!(numbers(&scratch.read("out")), (0..60).collect::<Vec<_>>());
    log.close(PATIENCE);
    wait_until("all have ended", || {
        !threads.iter().any(|thread| exists(*thread))
    });
    assert_eq!(log.printer_threads(), []);
    log.set_mode(Mode::Console).expect("the mode");
    log.set_mode(Mode::Smp).expect("the mode");
    assert_eq!(log.printer_threads(), [], "a closed log needs none");
}

//! A process killed while one of its threads stands between reserving a record and finalizing it, and three others log.
//! `ci/death.sh` does the same to whole Python programs, with a build whose log call stops there.

mod rings;
mod scratch;

use pr_host::{ForeignFile, Log, LogOptions, Next, Origin, RecordReader};
use pr_printk::thread;
use pr_record::{Field, NoSites, Payload, RecordView, Value, decode};
use pr_ring::Info;
use rings::{Other, command, role};
use scratch::{Scratch, call, options_at, wait_until};
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const THREADS: usize = 3;

/// What each thread has stored, call returned: outlives the process that counts.
struct Acknowledged(*mut AtomicU64);

// SAFETY: reached as atomics only.
unsafe impl Sync for Acknowledged {}

impl Acknowledged {
    fn at(path: &Path) -> Acknowledged {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).expect("opened");
        file.set_len(4096).expect("its size");
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping of a file that has this size.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                access,
                flags,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED);
        Acknowledged(page.cast())
    }

    fn of(&self, thread: usize) -> &AtomicU64 {
        assert!(thread < THREADS);
        // SAFETY: within the page.
        let at = unsafe { self.0.add(thread) };
        // SAFETY: zeroed at first, and stays mapped.
        unsafe { &*at }
    }

    fn all(&self) -> u64 {
        let counts = (0..THREADS).map(|thread| self.of(thread).load(Ordering::Acquire));
        counts.sum()
    }
}

/// Logs numbers for ever, and counts those whose call has stored them.
fn log_for_ever(log: &Log, thread: usize, count: &AtomicU64) {
    let name = thread.to_string();
    for number in 0_u64.. {
        let fields = [Field {
            key: "number",
            value: Value::Int(number.cast_signed()),
        }];
        let payload = Payload {
            event: "numbered",
            logger: Some(&name),
            fields: &fields,
            ..Payload::default()
        };
        while !call(log, 6, &payload) {
            std::thread::yield_now(); // a record that is open is in the way
        }
        count.store(number + 1, Ordering::Release);
    }
}

/// Does to its ring what a log call does, up to some point before the end, and stays there.
fn stop_in_the_middle(log: &Log, counts: &Acknowledged, filled: bool) {
    let tid = thread::tid();
    let info = Info {
        caller_id: u64::from(std::process::id()) << 32 | u64::from(tid),
        owner: thread::owner(tid),
        level: 6,
        ..Info::default()
    };
    let ring = log.core().ring();
    let mut ticket = loop {
        match ring.reserve_ticket(40, &info) {
            Ok(ticket) => break ticket,
            Err(_) => std::thread::yield_now(),
        }
    };
    if filled {
        ring.fill(&mut ticket, &[b'x'; 40]);
    }
    rings::say(&format!("{} {}", ticket.seq().0, counts.all()));
    loop {
        std::thread::park();
    }
}

/// What was logged when one of the threads stops in the middle of one more record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// A part of what a ring holds.
    Little,
    /// More than three times what a small ring holds.
    ThreeLaps,
}

impl Before {
    fn records(self) -> u64 {
        match self {
            Before::Little => 300,
            Before::ThreeLaps => 6000,
        }
    }

    fn size_bytes(self) -> u64 {
        match self {
            Before::Little => 16 << 20,
            Before::ThreeLaps => 256 << 10,
        }
    }
}

/// The process that is killed.
fn logs_until_it_is_killed(folder: &Path, before: Before, filled: bool) {
    let options = LogOptions {
        size_bytes: before.size_bytes(),
        ..options_at(folder.join("a.ring"))
    };
    let log = Log::open(options).expect("a log");
    let counts = Acknowledged::at(&folder.join("counts"));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (log, count) = (&log, counts.of(thread));
            scope.spawn(move || log_for_ever(log, thread, count));
        }
        while counts.all() < before.records() {
            std::thread::yield_now();
        }
        stop_in_the_middle(&log, &counts, filled);
    });
}

/// What is in a dead ring.
struct Found {
    /// Of each thread, in the ring's order.
    numbers: [Vec<u64>; THREADS],
    seqs: Vec<u64>,
    unfinished: u64,
}

fn found(path: &Path) -> Found {
    let file = Arc::new(ForeignFile::open(path).expect("a ring"));
    let info = file.info().expect("readable");
    assert!(!info.alive && !info.clean);
    let unfinished = file.unfinished().expect("readable");
    let reader = RecordReader::new(Origin::File(file));
    let mut found = Found {
        numbers: Default::default(),
        seqs: Vec::new(),
        unfinished,
    };
    let (mut seq, mut buffer) = (0, Vec::new());
    while let Next::Record { meta, torn, .. } = reader.next(seq, &mut buffer).expect("readable") {
        assert!(!torn, "record {}", meta.seq);
        let payload = decode(&buffer, &NoSites).expect("a whole record");
        let thread: usize = payload.logger().expect("a name").parse().expect("a number");
        found.numbers[thread].push(number_of(&payload));
        found.seqs.push(meta.seq);
        seq = meta.seq + 1;
    }
    found
}

fn number_of(record: &RecordView<'_>) -> u64 {
    match record.fields().next() {
        Some(Field {
            value: Value::Int(number),
            ..
        }) => number.cast_unsigned(),
        other => panic!("no number: {other:?}"),
    }
}

fn dies_in_the_middle(test: &str, before: Before, filled: bool) {
    if let Some(role) = role() {
        return logs_until_it_is_killed(Path::new(&role[0]), before, filled);
    }
    let scratch = Scratch::new();
    let folder = scratch.path("");
    let counts = Acknowledged::at(&scratch.path("counts"));
    let mut process = Other::start(command(test, &[&folder.to_string_lossy()]));
    let said = process.hear();
    let words = said.split(' ').map(|word| word.parse().expect("a number"));
    let [open, then] = words.collect::<Vec<u64>>()[..] else {
        panic!("the open record, and how many there were then: {said}");
    };
    // The others go on behind it, as far as there is room.
    wait_until("the others log on", || counts.all() >= then + 100);
    process.kill();
    let found = found(&scratch.path("a.ring"));
    assert!((1..=1 + THREADS as u64).contains(&found.unfinished));
    assert!(found.seqs.is_sorted() && !found.seqs.contains(&open));
    assert!(
        found.seqs.last() > Some(&open),
        "what is behind it is there"
    );
    let (first, last) = (found.seqs[0], found.seqs[found.seqs.len() - 1]);
    let holes = last - first + 1 - found.seqs.len() as u64;
    assert!(holes <= found.unfinished, "{holes} records are missing");
    if before == Before::ThreeLaps {
        assert!(open >= 3 * 1024, "three laps of its 1024 descriptors");
    }
    for (thread, numbers) in found.numbers.iter().enumerate() {
        let acknowledged = counts.of(thread).load(Ordering::Acquire);
        let Some(first) = numbers.first() else {
            assert!(acknowledged == 0 || before == Before::ThreeLaps);
            continue;
        };
        assert!(before == Before::ThreeLaps || *first == 0);
        let whole: Vec<u64> = (*first..*first + numbers.len() as u64).collect();
        assert_eq!(numbers, &whole, "none missing, in order");
        assert!(first + numbers.len() as u64 >= acknowledged, "the newest");
    }
}

#[test]
fn a_process_killed_with_a_record_reserved_leaves_all_that_was_acknowledged() {
    dies_in_the_middle(
        "a_process_killed_with_a_record_reserved_leaves_all_that_was_acknowledged",
        Before::Little,
        false,
    );
}

#[test]
fn a_process_killed_with_a_record_filled_leaves_all_that_was_acknowledged() {
    dies_in_the_middle(
        "a_process_killed_with_a_record_filled_leaves_all_that_was_acknowledged",
        Before::Little,
        true,
    );
}

#[test]
fn a_process_killed_in_the_middle_of_a_record_after_three_laps_leaves_all_that_its_ring_holds() {
    dies_in_the_middle(
        "a_process_killed_in_the_middle_of_a_record_after_three_laps_leaves_all_that_its_ring_holds",
        Before::ThreeLaps,
        true,
    );
}

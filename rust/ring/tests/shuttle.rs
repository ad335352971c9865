//! The whole ring under random schedules: writers, a reopener and readers on rings that wrap all the time.
//! `RUSTFLAGS="--cfg loom --cfg shuttle" cargo test -p pr-ring --test shuttle --release`; `SHUTTLE_ROUNDS` schedules each.
//!
//! shuttle runs one thread at a time and switches at every access; it knows no weak memory. What it has over loom is
//! length: dozens of records, several laps, all kinds of writers at once.
#![cfg(shuttle)]
#![allow(missing_docs, reason = "a test")]

use pr_ring::memory::{Boxed, Memory};
use pr_ring::state::{Query, Stage, State};
use pr_ring::{Caller, DescId, Geometry, Info, Read, Refused, Ring, Seq, Ticket, Unfinished};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

type Small = Arc<Ring<Boxed>>;

const RECORDS: u64 = 6;

struct Tally {
    numbered: AtomicU64,
    refused: AtomicU64,
}

fn word(seed: u64) -> [u8; 8] {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_ne_bytes()
}

fn open(ring: &Small, tally: &Tally, seed: u64, words: usize, caller_id: u64) -> Option<Ticket> {
    let info = Info {
        ts_nsec: seed,
        aux: words as u64,
        caller_id,
        owner: caller_id,
        ..Info::default()
    };
    match ring.reserve_ticket(words * 8, &info) {
        Ok(mut ticket) => {
            tally.numbered.fetch_add(1, Ordering::SeqCst);
            ring.fill(&mut ticket, &word(seed).repeat(words));
            Some(ticket)
        }
        Err(Refused::Text) => {
            tally.numbered.fetch_add(1, Ordering::SeqCst);
            None
        }
        Err(why) => {
            assert_eq!(why, Refused::Descriptors);
            tally.refused.fetch_add(1, Ordering::SeqCst);
            None
        }
    }
}

fn write(ring: &Small, tally: &Tally, id: u64) {
    for at in 0..RECORDS {
        if let Some(ticket) = open(ring, tally, id << 32 | at, ((id + at) % 4) as usize, id) {
            if at % 2 == 0 {
                ring.commit(ticket)
            } else {
                ring.finalize(ticket)
            }
        }
    }
}

fn reopen(ring: &Small, tally: &Tally, id: u64) {
    for at in 0..RECORDS {
        let seed = id << 32 | at;
        let Some(ticket) = open(ring, tally, seed, (at % 2) as usize, id) else {
            continue;
        };
        let seq = ticket.seq();
        ring.commit(ticket);
        let caller = Caller {
            caller_id: id,
            owner: id,
        };
        while let Ok(mut ticket) = ring.reopen_ticket(caller, 8, 24) {
            assert_eq!(ticket.seq(), seq, "another record was reopened");
            let from = u64::from(ticket.text_len());
            assert_eq!(ring.write(&mut ticket, from, &word(seed)), 8);
            ring.commit(ticket);
        }
        if at % 3 == 0 {
            ring.finalize_last();
        }
    }
}

fn read(ring: &Small) {
    let (mut seq, mut idle) = (0, 0);
    let mut buffer = [0; 64];
    while idle < 4 {
        match ring.read_valid(Seq(seq), &mut buffer, Unfinished::Wait) {
            Read::NotYet { .. } => idle += 1,
            Read::Found { info, copied, .. } => {
                assert!(info.seq.0 >= seq && !info.torn, "{info:?}");
                let words = copied / 8;
                assert_eq!(
                    &buffer[..copied],
                    word(info.ts_nsec).repeat(words),
                    "mixed text: {info:?}"
                );
                assert!(words as u64 == info.aux || info.caller_id == 9, "{info:?}");
                if let Read::Found { info: now, .. } =
                    ring.read_valid(Seq(seq), &mut [], Unfinished::Wait)
                {
                    assert!(now.seq > info.seq || now == info, "{info:?} became {now:?}");
                }
                seq = info.seq.0 + 1;
            }
        }
        thread::yield_now();
    }
}

/// Nobody is dead: nothing may be lost by it.
fn reap(ring: &Small) {
    for _ in 0..3 {
        let reaped = ring.reap(99, |_| false);
        assert!(reaped.lost == 0 && !reaped.busy, "{reaped:?}");
        thread::yield_now();
    }
}

fn settled(ring: &Small, tally: &Tally) {
    let head = ring.memory().head().get();
    let tails = ring.memory().tails();
    let tail = DescId(tails.tail_id.get() >> 1);
    assert!(head.id.0 - tail.0 < ring.geometry().descriptors());
    assert!(head.pos.0 - tails.data_tail.get() <= ring.geometry().data_bytes());
    let mut id = tail.max(DescId(1));
    while id <= head.id {
        let query = State(ring.memory().slot(id.0).state.get()).query(id);
        let fine = query == Query::Is(Stage::Finalized)
            || id == head.id && query == Query::Is(Stage::Committed);
        assert!(fine, "{id:?} of {:?} is {query:?}", head.id);
        id = id.next();
    }
    assert_eq!(
        ring.next_reserve_seq().0,
        tally.numbered.load(Ordering::SeqCst)
    );
    assert_eq!(ring.fail(), tally.refused.load(Ordering::SeqCst));
    assert_eq!((ring.health(), ring.reaped()), (0, 0));
}

fn everything(desc_bits: u32, avg_data_bits: u32, retire_ahead: u32) {
    let geometry = Geometry::new(desc_bits, avg_data_bits).expect("geometry");
    let ring = Arc::new(
        Ring::new(Boxed::new(geometry), geometry, retire_ahead).expect("always, under a model"),
    );
    let tally = Arc::new(Tally {
        numbered: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    });
    let mut threads = Vec::new();
    for id in [1, 2] {
        let (ring, tally) = (ring.clone(), tally.clone());
        threads.push(thread::spawn(move || write(&ring, &tally, id)));
    }
    let (other, its) = (ring.clone(), tally.clone());
    threads.push(thread::spawn(move || reopen(&other, &its, 9)));
    for _ in 0..2 {
        let ring = ring.clone();
        threads.push(thread::spawn(move || read(&ring)));
    }
    let other = ring.clone();
    threads.push(thread::spawn(move || reap(&other)));
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    settled(&ring, &tally);
}

fn rounds() -> usize {
    std::env::var("SHUTTLE_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(2000)
}

fn schedules(body: impl Fn() + Sync + Send + 'static) {
    let body = std::sync::Arc::new(body);
    let mut config = shuttle::Config::new();
    config.silence_warnings = true;
    config.max_steps = shuttle::MaxSteps::FailAfter(2_000_000);
    for three_switches in [false, true] {
        let body = body.clone();
        let run = move || body();
        if three_switches {
            let scheduler = shuttle::scheduler::PctScheduler::new(3, rounds());
            shuttle::Runner::new(scheduler, config.clone()).run(run);
        } else {
            let scheduler = shuttle::scheduler::RandomScheduler::new(rounds());
            shuttle::Runner::new(scheduler, config.clone()).run(run);
        }
    }
}

#[test]
fn a_ring_of_two_records_survives_any_schedule() {
    schedules(|| everything(1, 5, 0));
}

#[test]
fn a_ring_of_four_records_survives_any_schedule() {
    schedules(|| everything(2, 4, 0));
}

#[test]
fn a_ring_short_of_text_survives_any_schedule() {
    schedules(|| everything(4, 3, 0));
}

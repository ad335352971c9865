//! A reaper beside living writers: it takes no one for dead who lives, and counts each lost record once.

use crate::support::{CALLER, Small, info, model, read, ring, text};
use loom::thread;
use pr_ring::memory::Memory;
use pr_ring::{DescId, Info, Ticket};

const DEAD: u64 = 5;
const OTHER_DEAD: u64 = 6;
const ALIVE: u64 = 7;
const REAPER: u64 = 8;
const OTHER_REAPER: u64 = 9;

fn open_as(ring: &Small, owner: u64, mark: u64, words: usize) -> Ticket {
    let info = Info {
        owner,
        ..info(mark)
    };
    let mut ticket = ring.reserve_ticket(words * 8, &info).unwrap();
    ring.fill(&mut ticket, &text(mark, words));
    ticket
}

fn put_as(ring: &Small, owner: u64, mark: u64, words: usize) {
    let ticket = open_as(ring, owner, mark, words);
    ring.finalize(ticket);
}

/// Nobody was robbed: these records are there, and whole.
fn assert_all_there(ring: &Small, first: u64, marks: std::ops::Range<u64>) {
    for (seq, mark) in (first..).zip(marks) {
        assert_eq!(read(ring, seq).map(|seen| seen.mark), Ok(mark));
    }
    assert_eq!((ring.reaped(), ring.health()), (0, 0));
}

/// The winner of a number announced itself before it took it: who sees the number taken sees by whom.
#[test]
fn the_winner_of_a_number_is_not_taken_for_a_dead_one_that_wanted_it() {
    model(3, || {
        let ring = ring(2, 32);
        ring.announce_and_die(DEAD, DescId(1));
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || put_as(&ring, ALIVE, 11, 0))
        };
        let reaped = ring.reap(REAPER, |owner| owner == DEAD);
        writer.join().unwrap();
        assert_eq!(reaped.lost, 0);
        assert_all_there(&ring, 0, 11..12);
    });
}

/// The winner that has announced its next number has stored the state of this one.
#[test]
fn a_winner_that_has_gone_on_is_not_taken_for_a_dead_one() {
    model(3, || {
        let ring = ring(2, 32);
        ring.announce_and_die(DEAD, DescId(1));
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                put_as(&ring, ALIVE, 11, 0);
                put_as(&ring, ALIVE, 12, 0);
            })
        };
        let reaped = ring.reap(REAPER, |owner| owner == DEAD);
        writer.join().unwrap();
        assert_eq!(reaped.lost, 0);
        assert_all_there(&ring, 0, 11..13);
    });
}

/// The owner in a slot is that of the record which the state names, not of the one before it.
#[test]
fn the_owner_of_a_slot_taken_over_is_not_the_dead_one_before() {
    model(3, || {
        let ring = ring(1, 32);
        put_as(&ring, DEAD, 11, 0);
        put_as(&ring, DEAD, 12, 0);
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || put_as(&ring, ALIVE, 13, 0)) // in record 0's slot
        };
        let reaped = ring.reap(REAPER, |owner| owner == DEAD);
        writer.join().unwrap();
        assert_eq!(reaped.lost, 0);
        assert_all_there(&ring, 2, 13..14);
    });
}

/// A reaper sees what the one before it has counted.
#[test]
fn two_reapers_count_each_lost_record_once() {
    model(3, || {
        let ring = ring(2, 32);
        let _ = open_as(&ring, DEAD, 11, 0);
        let _ = open_as(&ring, OTHER_DEAD, 12, 0);
        let other = {
            let ring = ring.clone();
            thread::spawn(move || ring.reap(OTHER_REAPER, |owner| owner == OTHER_DEAD))
        };
        let mine = ring.reap(REAPER, |owner| owner == DEAD);
        let others = other.join().unwrap();
        assert_eq!(ring.reaped(), mine.lost + others.lost);
        let rest = ring.reap(REAPER, |owner| owner == DEAD || owner == OTHER_DEAD);
        assert_eq!((ring.reaped(), rest.busy), (2, false));
        assert_eq!(ring.next_seq(), ring.next_reserve_seq());
    });
}

/// A reaper and the caller that reopens a record agree on who has it.
#[test]
fn a_reopened_record_is_not_finalized_under_its_owner() {
    model(3, || {
        let ring = ring(2, 32);
        let mut ticket = ring.reserve_ticket(1, &info(11)).unwrap();
        assert_eq!(ring.write(&mut ticket, 0, b"a"), 1);
        ring.commit(ticket);
        let appender = {
            let ring = ring.clone();
            thread::spawn(move || {
                let Ok(mut ticket) = ring.reopen_ticket(CALLER, 1, 8) else {
                    return false;
                };
                assert_eq!(ring.write(&mut ticket, 1, b"b"), 1);
                ring.commit(ticket);
                true
            })
        };
        let reaped = ring.reap(REAPER, |_| false);
        assert_eq!(reaped.lost, 0);
        let seen = read(&ring, 0);
        let appended = appender.join().unwrap();
        ring.finalize_last();
        let now = read(&ring, 0).unwrap();
        assert_eq!(now.text, if appended { &b"ab"[..] } else { b"a" });
        if let Ok(seen) = seen {
            assert_eq!(seen, now, "a finalized record has changed");
        }
        assert_eq!(ring.health(), 0);
    });
}

/// The reaper is seen as the dead writer would have been: a reader that passes its lost record sees the ones before.
#[test]
fn a_number_taken_without_a_trace_becomes_a_lost_record() {
    model(3, || {
        let ring = ring(2, 32);
        ring.announce_and_die(DEAD, DescId(1));
        let head = ring.memory().head().get();
        let order = pr_ring::sync::acq_rel("take:C", "take:D");
        assert!(
            ring.memory()
                .head()
                .replace(head, head.taken(head.pos), order)
        );
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || put_as(&ring, ALIVE, 12, 1))
        };
        let reaped = ring.reap(REAPER, |owner| owner == DEAD);
        assert_eq!((reaped.lost, reaped.busy), (1, false));
        if let Ok(seen) = read(&ring, 0) {
            assert_eq!((seen.seq, seen.mark), (1, 12));
            seen.assert_whole(1);
        }
        writer.join().unwrap();
        assert_eq!(read(&ring, 0).map(|seen| seen.seq), Ok(1));
    });
}

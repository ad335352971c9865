//! Who sees one word of the head and the tails sees the others as far as they belong to it.

use crate::support::{CALLER, Small, model, open, peek_final, peek_reopenable, put, read, ring};
use loom::thread;
use pr_ring::memory::Memory;
use pr_ring::{Refused, Seq, Ticket};

/// M1: who sees a new head sees the tails that it was taken with, and is not refused for old ones.
#[test]
fn a_new_head_is_not_seen_with_an_old_tail() {
    model(3, || {
        let ring = ring(2, 32);
        let first = open(&ring, 11, 0).unwrap();
        assert!(put(&ring, 12, 0) && put(&ring, 13, 0)); // the dummy is the tail
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                ring.finalize(first);
                assert!(put(&ring, 14, 0));
            })
        };
        if ring.next_reserve_seq() == Seq(4) {
            assert!(
                put(&ring, 15, 0),
                "records 0 and 1 are final: there is a descriptor"
            );
        }
        writer.join().unwrap();
    });
}

/// A ring with 16 bytes of free text at position 96, of which the newest record, committed, has the block of its `words`; for
/// more the open one, which is returned, must be dropped. The one before that is finished, so the next descriptor is to be had,
/// whatever is seen of the open one.
fn full_but_for_the_newest(ring: &Small, words: usize) -> Ticket {
    assert!(put(ring, 11, 2) && put(ring, 12, 2)); // [0, 24) and [24, 48)
    let third = open(ring, 13, 3).unwrap(); // [48, 96): wraps, and drops both
    let newest = open(ring, 14, words).unwrap();
    ring.commit(newest);
    third
}

/// M1 for a reopened record that grows: also for what the reopener has only seen since it has claimed the record.
#[test]
fn a_grown_head_is_not_seen_with_an_old_tail() {
    model(2, || {
        let ring = ring(2, 64);
        let third = full_but_for_the_newest(&ring, 1); // [96, 112)
        let finisher = {
            let ring = ring.clone();
            thread::spawn(move || ring.finalize(third))
        };
        let writer = {
            let ring = ring.clone();
            // [96, 128): drops record 2, if that is finished by then.
            thread::spawn(move || ring.reopen_ticket(CALLER, 16, 24).ok())
        };
        if ring.end_pos().0 == 128 {
            assert!(
                put(&ring, 15, 1),
                "[128, 144) needs no more than has been dropped"
            );
        }
        finisher.join().unwrap();
        if let Some(grown) = writer.join().unwrap() {
            assert_eq!(grown.end().unwrap().0, 128);
            ring.finalize(grown);
        }
    });
}

/// M1 for a reopened record that gets its first text; and nobody takes that record for one without text.
#[test]
fn a_first_block_is_not_seen_with_an_old_tail() {
    model(3, || {
        let ring = ring(2, 64);
        let third = full_but_for_the_newest(&ring, 0);
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                ring.finalize(third);
                // [96, 128): drops record 2.
                ring.reopen_ticket(CALLER, 24, 24).unwrap()
            })
        };
        if ring.end_pos().0 == 128 {
            assert!(
                put(&ring, 15, 1),
                "[128, 144) needs no more than has been dropped"
            );
        }
        let grown = writer.join().unwrap();
        assert!(
            ring.memory().tails().data_tail.get() <= 96,
            "the tail has passed open text"
        );
        ring.finalize(grown);
    });
}

/// M4: the tail's record is seen to be finalized.
#[test]
fn the_first_record_is_finalized() {
    model(3, || {
        let ring = ring(1, 32);
        assert!(put(&ring, 11, 0));
        let second = open(&ring, 12, 0).unwrap();
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                ring.finalize(second);
                assert!(put(&ring, 13, 0)); // the tail moves on to record 1
            })
        };
        if ring.first_seq() == Seq(1) {
            assert!(peek_final(&ring, 1));
        }
        writer.join().unwrap();
    });
}

/// M4: a reader that jumps to the tail finds a record there.
#[test]
fn a_reader_that_jumps_to_the_tail_finds_it_finalized() {
    model(3, || {
        let ring = ring(1, 32);
        let first = open(&ring, 11, 0).unwrap();
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                ring.finalize(first);
                assert!(put(&ring, 12, 0)); // the tail moves from the dummy to record 0
            })
        };
        if ring.memory().tails().tail_id.get() >> 1 == 1 {
            assert_eq!(read(&ring, 0).map(|seen| seen.mark), Ok(11));
        }
        writer.join().unwrap();
    });
}

/// A writer that goes on where another has stopped dropping sees what that one saw. (A reopener: a reserver would see record 0
/// when it looks for a descriptor.)
#[test]
fn dropping_goes_on_where_another_writer_left_off() {
    model(3, || {
        let ring = ring(2, 64);
        let first = open(&ring, 11, 2).unwrap(); // [0, 24)
        let blocker = open(&ring, 12, 2).unwrap(); // [24, 48)
        let last = open(&ring, 13, 1).unwrap(); // [48, 64): the text ring is full
        ring.commit(last);
        let dropper = {
            let ring = ring.clone();
            thread::spawn(move || {
                ring.finalize(first);
                assert!(open(&ring, 14, 3).is_none()); // drops record 0, is refused at record 1
            })
        };
        if ring.memory().tails().retired_id.get() == 2 {
            // [48, 88): wraps, and wants record 0's text.
            match ring.reopen_ticket(CALLER, 8, 16) {
                Ok(grown) => ring.finalize(grown),
                Err(why) => assert_eq!(
                    why,
                    Refused::NotReopenable,
                    "record 0 is dropped: there is room"
                ),
            }
        }
        dropper.join().unwrap();
        ring.finalize(blocker);
    });
}

/// M13: below `next_seq` everything is there, also when another thread has counted it.
#[test]
fn below_next_seq_every_record_can_be_read() {
    model(3, || {
        let ring = ring(1, 32);
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                assert!(put(&ring, 11, 0));
                assert_eq!(ring.next_seq(), Seq(1));
            })
        };
        if ring.next_seq() == Seq(1) {
            assert_eq!(read(&ring, 0).map(|seen| seen.mark), Ok(11));
        }
        writer.join().unwrap();
    });
}

/// Who sees that the newest record is committed can drop it to make room.
#[test]
fn a_committed_newest_record_makes_room() {
    model(3, || {
        let ring = ring(2, 64);
        assert!(put(&ring, 11, 1)); // [0, 16)
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let ticket = open(&ring, 12, 3).unwrap(); // [16, 48)
                ring.commit(ticket);
            })
        };
        if peek_reopenable(&ring) == Some(1) {
            assert!(put(&ring, 13, 3), "[48, 96) may drop both records");
        }
        writer.join().unwrap();
    });
}

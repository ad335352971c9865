//! A descriptor slot has one owner, and whoever copies it notices that it was taken over.

use crate::support::{model, open, peek, peek_data_tail, put, read, ring};
use loom::thread;
use pr_ring::Lpos;
use pr_ring::state::Query;

/// M5: a reader that copies some of the next record's metadata throws the copy away.
#[test]
fn metadata_of_a_slot_taken_over_is_thrown_away() {
    model(3, || {
        let ring = ring(1, 32);
        assert!(put(&ring, 11, 0) && put(&ring, 12, 0));
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || assert!(put(&ring, 13, 0)))
        };
        let seen = read(&ring, 0).unwrap();
        assert_eq!(seen.mark, 11 + seen.seq);
        writer.join().unwrap();
    });
}

/// M5 for a writer that looks for text to drop: the span of the next record in the slot is not taken for the old one's.
#[test]
fn the_span_of_a_slot_taken_over_is_not_dropped() {
    model(2, || {
        let ring = ring(1, 64);
        assert!(put(&ring, 11, 3) && put(&ring, 12, 3)); // the text ring is full
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || open(&ring, 13, 3))
        };
        let other = open(&ring, 14, 1);
        let ticket = writer.join().unwrap();
        for open in [&ticket, &other].into_iter().flatten() {
            let begin = Lpos(open.end().unwrap().0 - open.space());
            assert!(
                peek_data_tail(&ring) <= begin,
                "the tail has passed open text"
            );
        }
        assert_eq!(ring.health(), 0);
    });
}

/// M12: who takes a slot finds its old record finalized.
#[test]
fn a_slot_below_the_tail_is_finalized() {
    model(3, || {
        let ring = ring(2, 32);
        let first = open(&ring, 11, 0).unwrap();
        assert!(put(&ring, 12, 0) && put(&ring, 13, 0));
        let pusher = {
            let ring = ring.clone();
            thread::spawn(move || {
                ring.finalize(first);
                put(&ring, 14, 0);
            })
        };
        put(&ring, 15, 0);
        put(&ring, 16, 0); // with luck in record 0's slot, which only the other thread has seen finalized
        pusher.join().unwrap();
        assert_eq!(
            ring.health(),
            0,
            "a slot was taken before its record was finalized"
        );
    });
}

/// M2, M3: a writer that finds a record gone sees the tail beyond it, and is not refused.
#[test]
fn a_record_that_is_gone_refuses_nobody() {
    model(2, || {
        let ring = ring(2, 32);
        for mark in 11..15 {
            assert!(put(&ring, mark, 0)); // the tail is record 0
        }
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || assert!(put(&ring, 15, 0) && put(&ring, 16, 0)))
        };
        assert!(put(&ring, 17, 0), "the tail's successor was never open");
        writer.join().unwrap();
        assert_eq!(ring.fail(), 0);
    });
}

/// M4: a reader that finds a record gone finds the next one finalized.
#[test]
fn a_reader_passes_from_a_gone_record_to_a_finalized_one() {
    model(3, || {
        let ring = ring(1, 32);
        assert!(put(&ring, 11, 0));
        let second = open(&ring, 12, 0).unwrap();
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                ring.finalize(second);
                assert!(put(&ring, 13, 0)); // in record 0's slot
            })
        };
        match read(&ring, 0) {
            Ok(seen) => assert_eq!(seen.mark, 11 + seen.seq),
            Err(at) => panic!("record 0 is gone only when record 1 is final; told to wait at {at}"),
        }
        writer.join().unwrap();
    });
}

/// M8 for a writer that drops text: a finalized record's span is all there.
#[test]
fn a_finalized_record_says_where_it_ends() {
    model(2, || {
        let ring = ring(2, 64);
        assert!(put(&ring, 11, 1)); // [0, 16)
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || put(&ring, 12, 3))
        };
        let blocker = open(&ring, 13, 1).unwrap();
        // With the other's record [16, 48) and this one behind it the text ring is full.
        if blocker.seq().0 == 2 && peek(&ring, 1) == Query::Is(pr_ring::state::Stage::Finalized) {
            assert!(
                put(&ring, 14, 3),
                "records 0 and 1 are final: there is room"
            );
        }
        ring.finalize(blocker);
        writer.join().unwrap();
    });
}

//! A descriptor slot has one owner, and whoever copies it notices that it was taken over.

use crate::support::{model, open, peek_data_tail, peek_final, peek_readable_end, put, read, ring};
use loom::thread;
use pr_ring::Lpos;

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

/// The same for a record with text, where there is text to spare: only the tail says that its slot was taken over.
#[test]
fn a_slot_with_text_that_is_taken_over_is_thrown_away() {
    model(2, || {
        let ring = ring(1, 64);
        assert!(put(&ring, 11, 1) && put(&ring, 12, 1));
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || assert!(put(&ring, 13, 1)))
        };
        let seen = read(&ring, 0).unwrap();
        assert_eq!(seen.mark, 11 + seen.seq);
        seen.assert_whole(1);
        writer.join().unwrap();
    });
}

/// M5 for a writer that looks for text to drop: the span of the next record in the slot is not taken for the old one's.
#[test]
fn the_span_of_a_slot_taken_over_is_not_dropped() {
    model(2, || {
        let ring = ring(1, 64);
        assert!(put(&ring, 11, 3) && put(&ring, 12, 3)); // [0, 32), [32, 64): the text ring is full
        let writer = {
            let ring = ring.clone();
            // [64, 96), and [96, 128) in record 1's slot.
            thread::spawn(move || put(&ring, 13, 3) && put(&ring, 14, 3))
        };
        let other = open(&ring, 15, 1); // looks for text at record 1, if it comes first
        writer.join().unwrap();
        let begin = |end: Lpos, space: u64| Lpos(end.0 - space);
        let mut used: Vec<_> = other
            .iter()
            .map(|open| begin(open.end().unwrap(), open.space()))
            .collect();
        for seq in 0..4 {
            if let Some(end) = peek_readable_end(&ring, seq) {
                used.push(begin(end, 32));
            }
        }
        for begin in used {
            assert!(peek_data_tail(&ring) <= begin, "the tail has passed text");
        }
        assert_eq!(ring.health(), 0);
    });
}

/// M12: who takes a slot finds its old record finalized. (Record 1 has text: who moves the tail onto one that has none looks for
/// the end of the text before, from the tail on, and `tail:A` would hand on the same.)
#[test]
fn a_slot_below_the_tail_is_finalized() {
    model(2, || {
        let ring = ring(2, 32);
        let first = open(&ring, 11, 0).unwrap();
        assert!(put(&ring, 12, 1) && put(&ring, 13, 0));
        let pusher = {
            let ring = ring.clone();
            thread::spawn(move || {
                ring.finalize(first);
                put(&ring, 14, 0); // moves the tail from the dummy to record 0, and may lose the head then
            })
        };
        put(&ring, 15, 0);
        put(&ring, 16, 0); // in record 0's slot, which only the other thread may have seen finalized
        pusher.join().unwrap();
        assert_eq!(
            ring.health(),
            0,
            "a slot was taken before its record was finalized"
        );
    });
}

/// M2, M3: a writer that finds a record gone sees the tail beyond it, and is not refused. (Two others: the fence of a writer's
/// first record would hand on what its second needs.)
#[test]
fn a_record_that_is_gone_refuses_nobody() {
    model(2, || {
        let ring = ring(2, 128);
        for mark in 11..15 {
            assert!(put(&ring, mark, 1)); // the tail is record 0
        }
        let writers = [15, 16].map(|mark| {
            let ring = ring.clone();
            thread::spawn(move || assert!(put(&ring, mark, 1)))
        });
        assert!(put(&ring, 17, 1), "the tail's successor was never open");
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(ring.fail(), 0);
    });
}

/// M4, M8 for a writer that moves the tail: whether the record it moves onto has text is seen, and where the text before ends
/// is told if not.
#[test]
fn a_tail_without_text_is_seen_to_have_none() {
    model(2, || {
        let ring = ring(2, 64);
        assert!(put(&ring, 11, 3) && put(&ring, 12, 0) && put(&ring, 13, 0) && put(&ring, 14, 1));
        let writer = {
            let ring = ring.clone();
            // In the slot of record 0, which had text.
            thread::spawn(move || assert!(put(&ring, 15, 0)))
        };
        let blocker = open(&ring, 16, 1).unwrap(); // [48, 64)
        assert!(put(&ring, 17, 1)); // [64, 80): the tail is record 3, which has the text below the open one
        if blocker.seq().0 == 5 && peek_final(&ring, 4) {
            // [80, 112): the tail moves on to record 4, and record 3's text is wanted.
            assert!(put(&ring, 18, 3), "the text below the open record is free");
        }
        writer.join().unwrap();
        ring.finalize(blocker);
    });
}

/// The same for a record that is committed when it is not the newest any more: its own writer finalizes it.
#[test]
fn a_tail_committed_late_without_text_is_seen_to_have_none() {
    model(2, || {
        let ring = ring(2, 64);
        assert!(put(&ring, 11, 3) && put(&ring, 12, 0) && put(&ring, 13, 0) && put(&ring, 14, 1));
        let other = {
            let ring = ring.clone();
            thread::spawn(move || {
                let blocker = open(&ring, 16, 1).unwrap(); // [48, 64)
                assert!(put(&ring, 17, 1)); // [64, 80): the tail is record 3, which has the text below the open one
                if blocker.seq().0 == 5 && peek_final(&ring, 4) {
                    // [80, 112): the tail moves on to record 4, and record 3's text is wanted.
                    assert!(put(&ring, 18, 3), "the text below the open record is free");
                }
                ring.finalize(blocker);
            })
        };
        ring.commit(open(&ring, 15, 0).unwrap()); // in the slot of record 0, which had text
        other.join().unwrap();
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
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || put(&ring, 11, 3))
        };
        let blocker = open(&ring, 12, 1).unwrap();
        // With the other's record [0, 32) below this one [32, 48), the next one, [48, 96), wants exactly the other's text.
        if blocker.seq().0 == 1 && peek_final(&ring, 0) {
            assert!(put(&ring, 13, 3), "record 0 is final: there is room");
        }
        ring.finalize(blocker);
        writer.join().unwrap();
    });
}

/// M8 for a writer that meets a committed record: that it has text is seen, and the tail does not pass it.
#[test]
fn the_tail_does_not_pass_a_committed_record() {
    model(2, || {
        let ring = ring(2, 64);
        assert!(put(&ring, 11, 0) && put(&ring, 12, 1) && put(&ring, 13, 0) && put(&ring, 14, 0));
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                // [16, 48), if the other is not first, in the slot of record 0, which had no text.
                if let Some(ticket) = open(&ring, 15, 3) {
                    ring.commit(ticket);
                }
            })
        };
        put(&ring, 16, 3); // [48, 96) wants all that is there
        writer.join().unwrap();
        ring.finalize_last();
        let mut seq = 0;
        while let Ok(seen) = read(&ring, seq) {
            seen.assert_whole(seen.text.len() / 8);
            seq = seen.seq + 1;
        }
    });
}

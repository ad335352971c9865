//! Records become visible whole, and text that is overwritten is no longer shown.

use crate::support::{CALLER, info, model, open, put, read, read_closely, read_in, ring, text};
use loom::thread;
use pr_ring::Unfinished;

/// M8: who sees a record finalized sees its contents and its text.
#[test]
fn a_finalized_record_is_whole() {
    model(3, || {
        let ring = ring(1, 32);
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || assert!(put(&ring, 11, 1)))
        };
        if let Ok(seen) = read(&ring, 0) {
            assert_eq!(seen.mark, 11);
            seen.assert_whole(1);
        }
        writer.join().unwrap();
        read(&ring, 0).unwrap().assert_whole(1);
    });
}

/// M8 for the recovery of a dead owner's records: who sees a record committed sees its contents and its text.
#[test]
fn a_committed_record_is_whole() {
    model(3, || {
        let ring = ring(1, 32);
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let ticket = open(&ring, 11, 1).unwrap();
                ring.commit(ticket);
            })
        };
        if let Ok(seen) = read_in(&ring, 0, Unfinished::Skip) {
            assert_eq!(seen.mark, 11);
            seen.assert_whole(1);
        }
        writer.join().unwrap();
    });
}

/// M6: the writer that overwrites text has dropped its record before; a reader that copies some of the new text notices.
#[test]
fn overwritten_text_is_thrown_away() {
    model(3, || {
        let ring = ring(2, 32);
        assert!(put(&ring, 11, 1) && put(&ring, 12, 1)); // the text ring is full
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || assert!(put(&ring, 13, 1)))
        };
        let seen = read(&ring, 0).unwrap(); // record 1 at least
        assert_eq!(seen.mark, 11 + seen.seq);
        seen.assert_whole(1);
        writer.join().unwrap();
    });
}

/// The same for a reader that looks closely.
#[test]
fn overwritten_text_is_thrown_away_after_a_close_look() {
    model(2, || {
        let ring = ring(2, 32);
        assert!(put(&ring, 11, 1) && put(&ring, 12, 1)); // the text ring is full
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || assert!(put(&ring, 13, 1)))
        };
        let (seq, mark, copied) = read_closely(&ring, 0).unwrap(); // record 1 at least
        assert_eq!(mark, 11 + seq);
        assert_eq!(copied, text(mark, 1)[..7], "mixed text of {seq}");
        writer.join().unwrap();
    });
}

/// The same for text that is stored by another thread than the one that has dropped what was there: a record may be extended by
/// somebody else than who reserved it.
#[test]
fn text_that_another_thread_appends_is_thrown_away() {
    model(2, || {
        let ring = ring(2, 32);
        assert!(put(&ring, 11, 1) && put(&ring, 12, 1)); // the text ring is full
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let ticket = ring.reserve_ticket(1, &info(13)).unwrap(); // [32, 48), where record 0 was
                ring.commit(ticket);
            })
        };
        let other = {
            let ring = ring.clone();
            thread::spawn(move || {
                if let Ok(mut ticket) = ring.reopen_ticket(CALLER, 1, 8) {
                    assert_eq!(ring.write(&mut ticket, 0, b"a"), 1);
                    ring.finalize(ticket);
                }
            })
        };
        let seen = read(&ring, 0).unwrap(); // record 1 at least
        assert_eq!(seen.mark, 11 + seen.seq);
        seen.assert_whole(1);
        writer.join().unwrap();
        other.join().unwrap();
    });
}

/// M11: one writer drops a record's text, another lays a block over it, a third party reads.
#[test]
fn text_dropped_by_another_writer_is_thrown_away() {
    model(2, || {
        let ring = ring(2, 64);
        assert!(put(&ring, 11, 2)); // [0, 24)
        let blocker = open(&ring, 12, 2).unwrap(); // [24, 48)
        let last = open(&ring, 13, 1).unwrap(); // [48, 64): the text ring is full
        ring.commit(last);
        let dropper = {
            let ring = ring.clone();
            // [48, 96) wants the text of records 0 and 1: drops the first, is refused at the open one, and has used no number.
            thread::spawn(move || assert!(ring.reopen_ticket(CALLER, 16, 24).is_err()))
        };
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || assert!(put(&ring, 14, 1))) // [64, 80), where record 0 was
        };
        if let Ok(seen) = read(&ring, 0) {
            assert_eq!((seen.seq, seen.mark), (0, 11));
            seen.assert_whole(2);
        }
        dropper.join().unwrap();
        writer.join().unwrap();
        ring.finalize(blocker);
    });
}

/// M6 and M11 for a reopened record that gets its first text.
#[test]
fn a_first_block_over_dropped_text_is_noticed() {
    model(2, || {
        let ring = ring(1, 64);
        assert!(put(&ring, 11, 1) && put(&ring, 12, 3)); // [0, 16) and [16, 48)
        let empty = open(&ring, 13, 0).unwrap();
        ring.commit(empty);
        let dropper = {
            let ring = ring.clone();
            // Wants record 1's descriptor: drops its text, is refused at the unfinished successor.
            thread::spawn(move || assert!(open(&ring, 14, 0).is_none()))
        };
        let reopener = {
            let ring = ring.clone();
            thread::spawn(move || {
                // [48, 96): wraps, and overwrites record 1's beginning.
                let mut ticket = ring.reopen_ticket(CALLER, 24, 24).unwrap();
                assert_eq!(ring.write(&mut ticket, 0, &text(13, 3)), 24);
                ring.commit(ticket);
            })
        };
        if let Ok(seen) = read(&ring, 1) {
            assert_eq!((seen.seq, seen.mark), (1, 12));
            seen.assert_whole(3);
        }
        dropper.join().unwrap();
        reopener.join().unwrap();
    });
}

/// M6 and M11 for a reopened record whose text grows, wraps and moves.
#[test]
fn a_grown_block_over_dropped_text_is_noticed() {
    model(2, || {
        let ring = ring(1, 64);
        assert!(put(&ring, 11, 1) && put(&ring, 12, 3)); // [0, 16) and [16, 48)
        let last = open(&ring, 13, 1).unwrap(); // [48, 64)
        ring.commit(last);
        let dropper = {
            let ring = ring.clone();
            thread::spawn(move || assert!(open(&ring, 14, 0).is_none()))
        };
        let reopener = {
            let ring = ring.clone();
            thread::spawn(move || {
                // [48, 96): wraps, and overwrites record 1's beginning.
                let mut ticket = ring.reopen_ticket(CALLER, 16, 24).unwrap();
                assert_eq!(ring.write(&mut ticket, 8, &text(13, 2)), 16);
                ring.commit(ticket);
            })
        };
        if let Ok(seen) = read(&ring, 1) {
            assert_eq!((seen.seq, seen.mark), (1, 12));
            seen.assert_whole(3);
        }
        dropper.join().unwrap();
        reopener.join().unwrap();
    });
}

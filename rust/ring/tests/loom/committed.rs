//! One word decides between the one who extends the newest record and the one who follows it (in place of M10), and hands
//! over what the record holds (M9).

use crate::support::{CALLER, Small, info, model, open, peek_reopenable, put, read, ring};
use loom::thread;
use pr_ring::state::{Query, Stage};

/// A committed record of one byte that can be extended without a longer block.
fn committed_byte(ring: &Small) {
    let mut ticket = ring.reserve_ticket(1, &info(11)).unwrap();
    assert_eq!(ring.write(&mut ticket, 0, b"a"), 1);
    ring.commit(ticket);
}

/// Appends a byte; false if the record is not to be extended (any more, or just now).
fn append(ring: &Small, byte: u8) -> bool {
    let Ok(mut ticket) = ring.reopen_ticket(CALLER, 1, 8) else {
        return false;
    };
    let at = u64::from(ticket.text_len());
    assert_eq!(ring.write(&mut ticket, at, &[byte]), 1);
    ring.commit(ticket);
    true
}

/// What record 0 held when it was read, and what it holds now, must be the same (B6).
fn assert_finality(ring: &Small, seen: Result<crate::support::Seen, u64>, appended: bool) {
    let now = read(ring, 0).unwrap();
    assert_eq!(
        now.text,
        if appended {
            b"ab".to_vec()
        } else {
            b"a".to_vec()
        }
    );
    if let Ok(seen) = seen {
        assert_eq!(seen, now, "a finalized record has changed");
    }
}

/// M9, M10: the reserver that takes C finalizes the record as it was last committed.
#[test]
fn a_reserver_finalizes_what_was_last_committed() {
    model(3, || {
        let ring = ring(2, 32);
        committed_byte(&ring);
        let appender = {
            let ring = ring.clone();
            thread::spawn(move || append(&ring, b'b'))
        };
        assert!(put(&ring, 12, 0));
        let seen = read(&ring, 0).ok().filter(|seen| seen.seq == 0).ok_or(0);
        let appended = appender.join().unwrap();
        assert_finality(&ring, seen, appended);
        assert_eq!(ring.health(), 0);
    });
}

/// The same for whoever closes the newest record without a successor.
#[test]
fn finalizing_the_last_takes_what_was_last_committed() {
    model(3, || {
        let ring = ring(2, 32);
        committed_byte(&ring);
        let appender = {
            let ring = ring.clone();
            thread::spawn(move || append(&ring, b'b'))
        };
        ring.finalize_last();
        let seen = read(&ring, 0);
        let appended = appender.join().unwrap();
        ring.finalize_last();
        assert_finality(&ring, seen, appended);
        assert_eq!(ring.health(), 0);
    });
}

/// The same for the writer that closes the newest record because it is in the way; a third party reads.
#[test]
fn making_room_finalizes_what_was_last_committed() {
    model(2, || {
        let ring = ring(2, 64);
        assert!(put(&ring, 11, 1)); // [0, 16)
        let mut ticket = ring.reserve_ticket(17, &info(12)).unwrap(); // [16, 48)
        assert_eq!(ring.write(&mut ticket, 0, &[b'a'; 17]), 17);
        ring.commit(ticket);
        let appender = {
            let ring = ring.clone();
            thread::spawn(move || {
                let mut ticket = ring.reopen_ticket(CALLER, 1, 24).ok()?;
                assert_eq!(ring.write(&mut ticket, 17, b"b"), 1);
                ring.commit(ticket);
                Some(())
            })
        };
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || open(&ring, 13, 3).map(|ticket| ring.finalize(ticket))) // [48, 96)
        };
        if let Ok(seen) = read(&ring, 1)
            && seen.seq == 1
        {
            let fragments = (&seen.text[..17], &seen.text[17..]);
            let whole = fragments == (&[b'a'; 17], b"b") || fragments == (&[b'a'; 17], b"");
            assert!(whole, "half of a fragment: {seen:?}");
        }
        appender.join().unwrap();
        writer.join().unwrap();
        ring.finalize_last();
        assert_eq!(ring.next_seq(), ring.next_reserve_seq(), "left behind");
    });
}

/// M9: who reopens a record appends behind the fragment that was appended last.
#[test]
fn no_fragment_overwrites_another() {
    model(3, || {
        let ring = ring(2, 32);
        committed_byte(&ring);
        let other = {
            let ring = ring.clone();
            thread::spawn(move || append(&ring, b'b'))
        };
        let mine = append(&ring, b'c');
        let others = other.join().unwrap();
        ring.finalize_last();
        let seen = read(&ring, 0).unwrap();
        let mut text = seen.text.clone();
        text.sort_unstable();
        let mut wanted = b"a".to_vec();
        wanted.extend(others.then_some(b'b'));
        wanted.extend(mine.then_some(b'c'));
        assert_eq!(text, wanted, "{seen:?}");
    });
}

/// Who sees that the newest record is committed sees whose it is.
#[test]
fn the_caller_of_a_committed_record_is_seen() {
    model(3, || {
        let ring = ring(1, 32);
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || {
                let ticket = open(&ring, 11, 0).unwrap();
                ring.commit(ticket);
            })
        };
        if peek_reopenable(&ring) == Some(0) {
            let ticket = ring
                .reopen_ticket(CALLER, 0, 8)
                .expect("it is the caller's");
            ring.commit(ticket);
        }
        writer.join().unwrap();
    });
}

/// M10's place: committer and successor meet on the head; one of them finalizes the record.
#[test]
fn no_committed_record_is_left_behind() {
    model(4, || {
        let ring = ring(2, 32);
        let ticket = open(&ring, 11, 1).unwrap();
        let writer = {
            let ring = ring.clone();
            thread::spawn(move || assert!(put(&ring, 12, 0)))
        };
        ring.commit(ticket);
        writer.join().unwrap();
        assert_eq!(crate::support::peek(&ring, 0), Query::Is(Stage::Finalized));
        assert_eq!(ring.health(), 0);
    });
}

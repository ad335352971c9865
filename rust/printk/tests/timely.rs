//! Writing until a deadline, whatever `poll` says.

use pr_printk::fd::{ATOMIC_BYTES, Timely, Written, say};
use pr_printk::stamp;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};

const TIMED_OUT: Written = Written {
    bytes: 0,
    errno: Some(libc::ETIMEDOUT),
};

/// Eight bytes, for a counter: more than it has room for.
const PIECE: [u8; 8] = [b'.'; 8];

/// A counter that `poll` calls writable, and that takes no piece.
fn writable_and_full() -> File {
    // SAFETY: a count, and flags.
    let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK) };
    // SAFETY: a fresh descriptor.
    let mut counter = unsafe { File::from_raw_fd(fd) };
    let nearly_full = u64::MAX - 2;
    counter.write_all(&nearly_full.to_ne_bytes()).expect("room");
    counter
}

#[test]
fn what_is_writable_for_ever_and_takes_nothing_is_given_up_at_the_deadline() {
    let counter = writable_and_full();
    let deadline_ns = stamp::monotonic_nsec() + 2_000_000;
    let mut sink = Timely::new(counter.as_raw_fd(), deadline_ns);
    assert_eq!(sink.write(&PIECE), TIMED_OUT);
    assert!(stamp::monotonic_nsec() >= deadline_ns, "given up early");
}

#[test]
fn of_a_record_in_pieces_the_first_is_tried_though_it_is_late_and_the_others_are_not() {
    let null = File::create("/dev/null").expect("the device");
    let mut sink = Timely::new(null.as_raw_fd(), 0);
    let taken = Written {
        bytes: PIECE.len(),
        errno: None,
    };
    assert_eq!(sink.write(&PIECE), taken);
    assert_eq!(sink.write(&PIECE), TIMED_OUT);
    let mut sink = Timely::new(null.as_raw_fd(), u64::MAX);
    assert_eq!((sink.write(&PIECE), sink.write(&PIECE)), (taken, taken));
}

fn pipe() -> [File; 2] {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    // SAFETY: fresh descriptors.
    ends.map(|fd| unsafe { File::from_raw_fd(fd) })
}

#[test]
fn a_line_is_said_whole_however_long_and_not_at_all_where_nobody_reads() {
    let [mut reader, writer] = pipe();
    let line = "x".repeat(3 * ATOMIC_BYTES + 1);
    assert!(say(writer.as_raw_fd(), &line));
    let mut said = vec![0; line.len()];
    reader.read_exact(&mut said).expect("what was said");
    assert_eq!(said, line.as_bytes());
    // It takes as much as it has room for, and no writer is held by it.
    while say(writer.as_raw_fd(), &line) {}
    assert!(!say(writer.as_raw_fd(), "one more"));
    drop(reader);
    assert!(
        !say(writer.as_raw_fd(), "to nobody"),
        "and nobody dies of it"
    );
}

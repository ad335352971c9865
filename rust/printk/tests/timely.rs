//! Writing until a deadline, whatever `poll` says.

use pr_printk::fd::{Timely, Written};
use pr_printk::stamp;
use std::fs::File;
use std::io::Write;
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

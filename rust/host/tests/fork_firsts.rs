//! A fork while another thread opens the first log of the process.

mod scratch;

use scratch::{PATIENCE, Scratch, say};
use std::time::{Duration, Instant};

/// Waits for a child. None: it has not ended in time, and is killed.
fn status_of(child: libc::pid_t, patience: Duration) -> Option<libc::c_int> {
    let end = Instant::now() + patience;
    let mut status = 0;
    // SAFETY: the status is ours.
    while unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
        if Instant::now() > end {
            // SAFETY: a child of ours.
            unsafe { libc::kill(child, libc::SIGKILL) };
            return None;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Some(status)
}

/// Runs `work` in a forked child, which leaves by its answer.
fn forked(work: impl FnOnce() -> libc::c_int) -> libc::pid_t {
    // SAFETY: the child runs `work`, and leaves.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no process");
    if child == 0 {
        // SAFETY: ends the child.
        unsafe { libc::_exit(work()) }
    }
    child
}

#[test]
fn a_child_forked_while_a_thread_opens_the_first_log_opens_its_own() {
    for round in 0..100 {
        // A process that has opened nothing yet.
        let first = forked(|| {
            let scratch = Scratch::new();
            let opener = std::thread::spawn(move || drop(scratch.log()));
            std::thread::sleep(Duration::from_micros(round * 5));
            let second = forked(|| {
                let scratch = Scratch::new();
                say(&scratch.log(), 1);
                0
            });
            let status = status_of(second, PATIENCE / 3);
            let _ = opener.join();
            status.unwrap_or(9 << 8) >> 8
        });
        assert_eq!(status_of(first, PATIENCE), Some(0), "round {round}");
    }
}

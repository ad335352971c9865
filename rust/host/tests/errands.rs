//! What the levels of records ask for: who syncs, where, and how often.

mod scratch;

use pr_host::{Emit, ErrandOptions, Error, Log, LogOptions};
use pr_printk::thread;
use pr_record::Payload;
use scratch::{PATIENCE, Scratch, call, wait_until};
use std::sync::Arc;

/// From now on every sync that this thread asks the kernel for fails.
fn refuse_syncs() {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        step(LOAD, 0, 0, 0),
        step(EQUAL, 0, 1, libc::SYS_msync as u32),
        step(
            RETURN,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EIO.cast_unsigned(),
        ),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: numbers only.
    let kept = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(kept, 0);
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program is ours for the length of the call.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter) };
    assert_eq!(set, 0, "no filter");
}

fn log_that_syncs_on(scratch: &Scratch, level: u8) -> Arc<Log> {
    let errands = ErrandOptions {
        sync_on: Some(level),
        ..ErrandOptions::default()
    };
    let options = LogOptions {
        errands,
        ..scratch.options()
    };
    Log::open(options).expect("a log")
}

/// Runs `work` on a thread whose syncs fail: those of the log's own thread do not.
fn refused(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            refuse_syncs();
            work();
        });
        thread.join().expect("no panic");
    });
}

fn event(event: &str) -> Payload<'_> {
    Payload {
        event,
        ..Payload::default()
    }
}

fn counted(log: &Log) -> [u64; 3] {
    let stats = log.stats();
    [stats.syncs, stats.sync_errors, stats.syncs_left]
}

#[test]
fn a_record_at_the_level_or_more_severe_is_synced_once_and_no_other() {
    for sync_on in 0..8 {
        let scratch = Scratch::new();
        let log = log_that_syncs_on(&scratch, sync_on);
        for level in 0..8 {
            assert!(call(&log, level, &event("an event")));
            let synced = u64::from(level.min(sync_on)) + 1;
            assert_eq!(counted(&log), [synced, 0, 0], "{level} at {sync_on}");
        }
    }
}

#[test]
fn its_caller_syncs_it_and_where_that_cannot_wait_the_logs_own_thread_does() {
    let scratch = Scratch::new();
    let log = log_that_syncs_on(&scratch, 3);
    refused(|| {
        assert!(call(&log, 3, &event("an ordinary call")));
        assert_eq!(counted(&log)[1..], [1, 0], "by the caller, and refused");
        thread::print_for(1);
        assert!(call(&log, 3, &event("by a thread that prints")));
        thread::print_for(0);
        assert_eq!(counted(&log)[1..], [1, 1]);
        wait_until("another thread has synced it", || counted(&log)[0] == 1);
        let outer = thread::enter().expect("not deep");
        assert!(call(&log, 3, &event("from within another call")));
        drop(outer);
        assert_eq!(counted(&log)[1..], [1, 2]);
        wait_until("another thread has synced it", || counted(&log)[0] == 2);
    });
}

#[test]
fn what_a_caller_owes_is_said_to_it_and_done_by_nobody_else() {
    let scratch = Scratch::new();
    let log = log_that_syncs_on(&scratch, 3);
    let Emit::Owing(owed) = log.emit(3, &event("an event"), None) else {
        panic!("nothing is owed");
    };
    assert!(owed.sync && !owed.print && !owed.section);
    assert_eq!(counted(&log), [0; 3]);
    assert_eq!(log.emit(4, &event("no errand"), None), Emit::Stored);
    log.settle(owed);
    assert_eq!(counted(&log), [1, 0, 0]);
    log.leave_sync();
    assert!(
        log.wait_for_errands(PATIENCE),
        "nobody has asked for a hurry"
    );
    log.hurry_errands();
    assert!(log.wait_for_errands(PATIENCE));
    assert_eq!(counted(&log), [2, 0, 1], "and what was left is done");
}

#[test]
fn what_is_left_is_done_when_the_log_is_closed() {
    let scratch = Scratch::new();
    let log = log_that_syncs_on(&scratch, 3);
    log.leave_sync();
    log.close(PATIENCE);
    assert_eq!(counted(&log), [1, 0, 1]);
}

#[test]
fn memory_is_not_synced() {
    let scratch = Scratch::new();
    let options = LogOptions {
        path: None,
        errands: ErrandOptions {
            sync_on: Some(3),
            ..ErrandOptions::default()
        },
        ..scratch.options()
    };
    let Err(Error::Config(why)) = Log::open(options) else {
        panic!("taken");
    };
    assert!(why.contains("sync_on") && why.contains("path"), "{why}");
}

//! A forked child: its own ring and printers from its first record on, and nothing of its parent's.

mod scratch;

use pr_host::{BareRing, ForeignFile, Log, LogOptions, Overflow};
use pr_ring::Geometry;
use scratch::{PATIENCE, Scratch, flush, numbers, say, wait_until};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// One forking test at a time: a child of another test would hold nothing, but would be counted.
static ONE: Mutex<()> = Mutex::new(());

/// Runs `child` in a forked child, which leaves with its result.
fn fork(child: impl FnOnce() -> i32) -> libc::pid_t {
    // SAFETY: the child runs what a child of a threaded process may run here, and leaves by `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(99);
            // SAFETY: ends the child.
            unsafe { libc::_exit(code) }
        }
        pid => pid,
    }
}

fn wait_for(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    wait_until("the child has ended", || {
        // SAFETY: `status` is ours.
        (unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) }) == pid
    });
    status
}

fn exit_code(status: i32) -> i32 {
    assert!(libc::WIFEXITED(status), "status {status}");
    libc::WEXITSTATUS(status)
}

#[test]
fn a_child_logs_into_a_ring_of_its_own_and_its_consoles_go_on() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    say(&log, 1);
    let pid = fork(|| {
        say(&log, 2);
        flush(&log);
        log.orderly_exit(PATIENCE);
        i32::from(log.pid() != std::process::id())
    });
    assert_eq!(exit_code(wait_for(pid)), 0);
    say(&log, 3);
    flush(&log);
    let mut seen = numbers(&scratch.read("out"));
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3], "each once, whoever logged it");
    let ring =
        ForeignFile::open(&scratch.path(&format!("a.ring.fork-{pid}"))).expect("the child's ring");
    let info = ring.info().expect("readable");
    assert_eq!(
        (info.pid, info.alive, info.clean),
        (pid as u32, false, true)
    );
    assert_eq!(log.stats().emitted, 2);
}

#[test]
fn a_child_that_never_logs_leaves_nothing_and_holds_nothing() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = scratch.log();
    let [started, release] = [AtomicBoolPage::new(), AtomicBoolPage::new()];
    let pid = fork(|| {
        started.get().store(true, Ordering::SeqCst);
        wait_until("the parent has tried", || {
            release.get().load(Ordering::SeqCst)
        });
        0
    });
    wait_until("the child's fork hook has run", || {
        started.get().load(Ordering::SeqCst)
    });
    log.close(PATIENCE);
    let again = Log::open(scratch.options()).expect("the child does not hold its parent's path");
    release.get().store(true, Ordering::SeqCst);
    assert_eq!(exit_code(wait_for(pid)), 0);
    drop(again);
    let forks = std::fs::read_dir(scratch.path(""))
        .expect("a folder")
        .filter_map(Result::ok);
    assert_eq!(
        forks
            .filter(|file| file.file_name().to_string_lossy().contains("fork"))
            .count(),
        0
    );
}

/// Descriptors of this process that mean the file.
fn descriptors_of(path: &std::path::Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").expect("the descriptors");
    let links = open
        .filter_map(Result::ok)
        .map(|fd| std::fs::read_link(fd.path()));
    links
        .filter(|link| link.as_ref().is_ok_and(|link| link == path))
        .count()
}

#[test]
fn no_generation_of_forks_holds_what_its_parents_consoles_write_to() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = scratch.log();
    let console = log
        .add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    let out = scratch.path("out");
    let held = |wanted| i32::from(descriptors_of(&out) != wanted);
    assert_eq!(held(1), 0);
    say(&log, 1);
    flush(&log);
    let pid = fork(|| {
        let before = held(0);
        say(&log, 2);
        flush(&log);
        let own = held(1);
        let grandchild = fork(|| {
            let before = held(0);
            say(&log, 3);
            flush(&log);
            let own = held(1);
            let gone = log.remove_console(&console, PATIENCE);
            before + own * 2 + held(0) * 4 + i32::from(!gone) * 8
        });
        before + own * 2 + exit_code(wait_for(grandchild)) * 16
    });
    assert_eq!(exit_code(wait_for(pid)), 0, "held too many or too few");
    assert_eq!(held(1), 0, "the parent's is its own");
    say(&log, 4);
    flush(&log);
    assert_eq!(numbers(&scratch.read("out")), [1, 2, 3, 4]);
}

/// A flag that a child shares with its parent.
struct AtomicBoolPage(*mut libc::c_void);

impl AtomicBoolPage {
    fn new() -> AtomicBoolPage {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED);
        AtomicBoolPage(page)
    }

    fn get(&self) -> &AtomicBool {
        // SAFETY: zeroed, mapped as long as the value, and only reached as an atomic.
        unsafe { &*self.0.cast() }
    }
}

#[test]
fn two_hundred_forks_under_load_lose_and_double_nothing() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    let stop = AtomicBool::new(false);
    let (forks, logged) = (200, std::sync::atomic::AtomicI64::new(0));
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (log, stop, logged) = (&log, &stop, &logged);
            scope.spawn(move || {
                let mut i = 0;
                while !stop.load(Ordering::Relaxed) {
                    say(log, (writer + 1) * 10_000_000 + i);
                    i += 1;
                    if i % 20 == 0 {
                        std::thread::sleep(std::time::Duration::from_micros(200));
                    }
                }
                logged.fetch_add(i, Ordering::Relaxed);
            });
        }
        for child in 0..forks {
            let pid = fork(|| {
                (0..3).for_each(|i| say(&log, child * 3 + i));
                log.orderly_exit(PATIENCE);
                0
            });
            assert_eq!(exit_code(wait_for(pid)), 0);
        }
        stop.store(true, Ordering::Relaxed);
    });
    flush(&log);
    let mut seen = numbers(&scratch.read("out"));
    let total = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(total, seen.len(), "nothing twice");
    assert_eq!(
        seen.iter().filter(|&&i| i < forks * 3).count() as i64,
        forks * 3
    );
    assert_eq!(total as i64, forks * 3 + logged.load(Ordering::Relaxed));
}

#[test]
fn a_child_of_a_log_in_memory_logs_into_memory() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = Log::open(LogOptions {
        path: None,
        ..scratch.options()
    })
    .expect("a log");
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    let pid = fork(|| {
        say(&log, 7);
        flush(&log);
        i32::from(log.path().is_some() || log.stats().emitted != 1)
    });
    assert_eq!(exit_code(wait_for(pid)), 0);
    assert_eq!(numbers(&scratch.read("out")), [7]);
    assert_eq!(log.stats().emitted, 0);
}

#[test]
fn a_child_changes_nothing_of_its_parents_log() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = scratch.log();
    let console = log
        .add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    say(&log, 1);
    flush(&log);
    let pid = fork(|| {
        console.suspend();
        console.set_level(Some(0));
        log.set_level(3);
        log.set_console_level(0);
        log.clear();
        i32::from(!log.remove_console(&console, PATIENCE))
    });
    assert_eq!(exit_code(wait_for(pid)), 0);
    say(&log, 2);
    flush(&log);
    assert_eq!(numbers(&scratch.read("out")), [1, 2]);
    assert_eq!(
        (log.level(), log.console_level(), log.clear_seq()),
        (7, 6, 0)
    );
    assert!(console.is_enabled() && console.is_alive() && console.level().is_none());
    let file = ForeignFile::open(&scratch.path("a.ring")).expect("a ring");
    assert!(file.stats().expect("readable").consoles[0].enabled);
}

#[test]
fn what_a_child_sets_before_its_first_record_holds_for_it() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = scratch.log();
    let console = log
        .add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    let pid = fork(|| {
        console.set_level(Some(3));
        say(&log, 1);
        flush(&log);
        i32::from(console.level() != Some(3))
    });
    assert_eq!(exit_code(wait_for(pid)), 0);
    assert_eq!(
        numbers(&scratch.read("out")),
        [],
        "INFO is not printed there"
    );
}

#[test]
fn a_child_that_can_have_no_ring_and_no_memory_logs_nowhere_and_goes_on() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = scratch.log();
    let pid = fork(|| {
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: no descriptor can be opened any more.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const none) };
        // SAFETY: stderr is the child's own.
        unsafe { libc::close(2) };
        (0..3).for_each(|i| say(&log, i));
        log.set_level(7);
        say(&log, 4);
        0
    });
    assert_eq!(exit_code(wait_for(pid)), 0);
    assert_eq!(
        log.stats().emitted,
        0,
        "nothing came into the parent's ring"
    );
}

/// Forks by the bare system call, which no hook sees.
fn fork_unseen(child: impl FnOnce() -> i32) -> libc::pid_t {
    let (flags, zero) = (libc::c_long::from(libc::SIGCHLD), 0 as libc::c_long);
    // SAFETY: a copy of this process, whose other threads hold nothing that the child needs; it leaves by `_exit`.
    match unsafe { libc::syscall(libc::SYS_clone, flags, zero, zero, zero, zero) } {
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(99);
            // SAFETY: ends the child.
            unsafe { libc::_exit(code) }
        }
        pid => pid as libc::pid_t,
    }
}

#[test]
fn a_child_that_no_hook_saw_lets_go_of_its_parents_file_and_consoles_at_its_first_record() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = scratch.log();
    log.add_console(scratch.console("out", Overflow::Block))
        .expect("a console");
    say(&log, 1);
    flush(&log);
    let geometry = Geometry::new(5, 5).expect("a geometry");
    let bare = scratch.path("bare.ring");
    let _bare = BareRing::create(&bare, geometry, 0).expect("a ring of no log");
    let (ring, out) = (scratch.path("a.ring"), scratch.path("out"));
    let held = || [&ring, &bare, &out].map(|path| descriptors_of(path));
    let pid = fork_unseen(|| {
        let before = held();
        (2..5).for_each(|i| say(&log, i));
        flush(&log);
        // Without a hook all are there at first; then a console of its own.
        let own = log.pid() == std::process::id();
        i32::from((before, held(), own) != ([1, 1, 1], [0, 0, 1], true))
    });
    assert_eq!(exit_code(wait_for(pid)), 0);
    assert_eq!(held(), [1, 1, 1], "the parent's are its own");
    say(&log, 5);
    flush(&log);
    assert_eq!(numbers(&scratch.read("out")), [1, 2, 3, 4, 5]);
    assert_eq!(log.stats().emitted, 2);
}

#[test]
fn a_child_that_no_hook_saw_lets_go_before_it_opens_a_log_of_its_own() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = scratch.log();
    let ring = scratch.path("a.ring");
    let other = LogOptions {
        path: Some(scratch.path("b.ring")),
        ..scratch.options()
    };
    let pid = fork_unseen(|| {
        let own = Log::open(other).expect("a log");
        say(&own, 1);
        let console = own.add_console(scratch.console("out", Overflow::Block));
        let held = [
            descriptors_of(&ring),
            descriptors_of(&scratch.path("b.ring")),
        ];
        say(&log, 2); // and what it has opened itself it keeps
        flush(&own);
        let still = descriptors_of(&scratch.path("b.ring"));
        i32::from((held, still) != ([0, 1], 1) || console.is_err())
    });
    assert_eq!(exit_code(wait_for(pid)), 0);
    assert_eq!(descriptors_of(&ring), 1);
    let child = scratch.path(&format!("a.ring.fork-{pid}"));
    assert!(ForeignFile::open(&child).is_ok());
}

#[test]
fn no_child_waits_for_a_lock_that_a_thread_of_its_parent_has_also_if_no_hook_saw_it() {
    let _one = ONE.lock();
    let scratch = Scratch::new();
    let log = scratch.log();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = SetWhenDropped(&stop);
        // All that these do is to take the lists' lock; they hold none of the heap's while they have it.
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = log.consoles();
                }
            });
        }
        for _ in 0..300 {
            let pid = fork_unseen(|| {
                // Before it allocates: of its parent's locks only ours are looked at.
                log.set_level(7);
                i32::from(!log.consoles().is_empty())
            });
            assert_eq!(exit_code(wait_for(pid)), 0);
        }
    });
}

/// Ends the other threads of a test, also of one that fails.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

//! A child made by `fork` never holds its parent's path. In a program of its own: what forks here has no other threads
//! but those that a test starts on purpose.

mod rings;

use core::sync::atomic::{AtomicBool, Ordering};
use pr_host::foreign::ForeignFile;
use pr_host::mapping::RingMap;
use rings::{FileRing, Folder, Other, command, role, say, texts, wait, why};
use std::path::Path;

/// In a child: sleeps until it is killed. Async-signal-safe.
fn sleep_for_ever() -> ! {
    loop {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() };
    }
}

/// Forks with the library's hooks; the child sleeps.
fn fork() -> libc::pid_t {
    // SAFETY: the child does nothing but wait.
    match unsafe { libc::fork() } {
        0 => sleep_for_ever(),
        child => child,
    }
}

/// Forks by the bare system call, which no hook sees; the child does `first`, then sleeps.
fn fork_without_hooks(first: impl FnOnce()) -> libc::pid_t {
    let (flags, zero) = (libc::c_long::from(libc::SIGCHLD), 0 as libc::c_long);
    // SAFETY: a copy of this process; what it does is async-signal-safe.
    match unsafe { libc::syscall(libc::SYS_clone, flags, zero, zero, zero, zero) } {
        0 => {
            first();
            sleep_for_ever()
        }
        child => child as libc::pid_t,
    }
}

/// Children of a killed parent, to be killed when the test ends.
struct Orphans(Vec<libc::pid_t>);

impl Orphans {
    fn from(said: &str) -> Orphans {
        Orphans(
            said.split(' ')
                .map(|pid| pid.parse().expect("a number"))
                .collect(),
        )
    }

    fn all_live(&self) -> bool {
        // SAFETY: only asks.
        self.0.iter().all(|pid| unsafe { libc::kill(*pid, 0) } == 0)
    }
}

impl Drop for Orphans {
    fn drop(&mut self) {
        for pid in &self.0 {
            // SAFETY: a process that this test's child made.
            unsafe { libc::kill(*pid, libc::SIGKILL) };
        }
    }
}

/// Starts this test's parent process, hears of its children, and kills it alone.
fn orphans(test: &str, path: &Path) -> Orphans {
    let mut parent = Other::start(command(test, &[&path.to_string_lossy()]));
    let orphans = Orphans::from(&parent.hear());
    parent.kill();
    assert!(orphans.all_live());
    orphans
}

fn forget(map: &RingMap) {
    map.forget_after_fork();
}

#[test]
fn a_child_that_outlives_its_parent_does_not_hold_the_path() {
    if let Some(role) = role() {
        let ring = FileRing::create(Path::new(&role[0])).expect("created");
        ring.write(b"from the parent");
        let children = [fork(), fork_without_hooks(|| forget(&ring.map))];
        say(&children.map(|pid| pid.to_string()).join(" "));
        return wait();
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let _orphans = orphans(
        "a_child_that_outlives_its_parent_does_not_hold_the_path",
        &path,
    );
    let file = ForeignFile::open(&path).expect("a ring");
    assert!(!file.is_alive().expect("readable"));
    assert_eq!(texts(&path), ["from the parent"]);
    FileRing::create(&path)
        .expect("the path is free")
        .write(b"next");
    assert_eq!(texts(&path), ["next"]);
}

#[test]
fn a_child_made_behind_our_back_holds_the_file_and_the_error_says_so() {
    if let Some(role) = role() {
        let _ring = FileRing::create(Path::new(&role[0])).expect("created");
        say(&format!("{}", fork_without_hooks(|| ())));
        return wait();
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let orphans = orphans(
        "a_child_made_behind_our_back_holds_the_file_and_the_error_says_so",
        &path,
    );
    let (said, errno) = why(FileRing::create(&path), &path);
    assert!(
        said.contains("is dead and only a child of it holds the file"),
        "{said}"
    );
    assert_eq!(errno, libc::EBUSY);
    drop(orphans);
    let freed = || FileRing::create(&path).is_ok();
    while !freed() {
        std::thread::yield_now(); // a killed process takes a moment to go
    }
}

#[test]
fn a_childs_copy_of_the_map_changes_nothing_when_it_goes() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let ring = FileRing::create(&path).expect("created");
    // SAFETY: the child only makes system calls and touches atomics (dropping a map allocates nothing).
    let child = unsafe { libc::fork() };
    if child == 0 {
        ring.map.mark_clean();
        ring.map.release();
        drop(ring);
        // SAFETY: ends this process.
        unsafe { libc::_exit(0) };
    }
    let mut status = 1;
    // SAFETY: a number to fill.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    let file = ForeignFile::open(&path).expect("a ring");
    assert!(file.is_alive().expect("readable"));
    assert!(!file.reread_clean().expect("readable"));
    ring.write(b"still here");
    assert_eq!(texts(&path), ["still here"]);
}

#[test]
fn a_child_forked_while_files_are_made_and_let_go_holds_none_of_them() {
    if let Some(role) = role() {
        let folder = Path::new(&role[0]);
        let stop = AtomicBool::new(false);
        let (children, _rings) = std::thread::scope(|scope| {
            let make = |name: &'static str| {
                let (stop, folder) = (&stop, folder);
                move || {
                    let mut number = 0;
                    let mut last = None;
                    while !stop.load(Ordering::Relaxed) {
                        number = (number + 1) % 4;
                        drop(last.take());
                        last = FileRing::create(&folder.join(format!("{name}-{number}"))).ok();
                    }
                    last
                }
            };
            let makers = ["a", "b"].map(|name| scope.spawn(make(name)));
            let children: Vec<_> = (0..60).map(|_| fork().to_string()).collect();
            stop.store(true, Ordering::Relaxed);
            (
                children,
                makers.map(|maker| maker.join().expect("no panic")),
            )
        });
        say(&children.join(" "));
        return wait();
    }
    let folder = Folder::new();
    let test = "a_child_forked_while_files_are_made_and_let_go_holds_none_of_them";
    let _orphans = orphans(test, &folder);
    let mut seen = 0;
    for name in folder.names() {
        // A file that had no name yet when its maker was killed does not count: nobody asks for it.
        if let Ok(file) = ForeignFile::open(&folder.join(name)) {
            assert!(
                !file.is_alive().expect("readable"),
                "{}",
                file.path().display()
            );
            seen += 1;
        }
    }
    assert!(seen > 0);
}

//! A child made by `fork` never holds its parent's path. In a program of its own: what forks here has no other threads
//! but those that a test starts on purpose.

mod rings;

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use pr_host::error::Error;
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

/// Where children tell their parent that they run. A fork returns in the parent before the child has done anything, also
/// before its hooks have run.
struct Ready {
    read: libc::c_int,
    write: libc::c_int,
}

impl Ready {
    fn new() -> Ready {
        let mut ends = [0; 2];
        // SAFETY: two numbers to fill.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        Ready {
            read: ends[0],
            write: ends[1],
        }
    }

    /// In a child: what was to be done first is done. Async-signal-safe.
    fn tell(&self) {
        // SAFETY: one byte of a constant.
        unsafe { libc::write(self.write, c"x".as_ptr().cast(), 1) };
    }

    /// Waits for this many children.
    fn wait_for(&self, children: usize) {
        let mut byte = 0_u8;
        for _ in 0..children {
            // SAFETY: one byte to fill.
            let got = unsafe { libc::read(self.read, (&raw mut byte).cast(), 1) };
            assert_eq!(got, 1);
        }
    }
}

/// Forks with the library's hooks; the child sleeps.
fn fork(ready: &Ready) -> libc::pid_t {
    // SAFETY: the child makes two system calls.
    match unsafe { libc::fork() } {
        0 => {
            ready.tell();
            sleep_for_ever()
        }
        child => child,
    }
}

/// Forks by the bare system call, which no hook sees; the child does `first`, then sleeps.
fn fork_without_hooks(ready: &Ready, first: impl FnOnce()) -> libc::pid_t {
    let (flags, zero) = (libc::c_long::from(libc::SIGCHLD), 0 as libc::c_long);
    // SAFETY: a copy of this process; what it does is async-signal-safe.
    match unsafe { libc::syscall(libc::SYS_clone, flags, zero, zero, zero, zero) } {
        0 => {
            first();
            ready.tell();
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
        let ready = Ready::new();
        let forgets = || forget(&ring.map);
        let children = [fork(&ready), fork_without_hooks(&ready, forgets)];
        ready.wait_for(2);
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
        let ready = Ready::new();
        let child = fork_without_hooks(&ready, || ());
        ready.wait_for(1);
        say(&child.to_string());
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
fn a_child_that_has_not_come_to_its_hook_yet_is_waited_for_when_its_parent_is_dead() {
    if let Some(role) = role() {
        let ring = FileRing::create(Path::new(&role[0])).expect("created");
        let ready = Ready::new();
        let late = || {
            ready.tell();
            // SAFETY: sleeps.
            unsafe { libc::usleep(200_000) };
            forget(&ring.map);
        };
        let child = fork_without_hooks(&ready, late);
        ready.wait_for(1);
        say(&child.to_string());
        return wait();
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let test = "a_child_that_has_not_come_to_its_hook_yet_is_waited_for_when_its_parent_is_dead";
    let _orphans = orphans(test, &path);
    FileRing::create(&path).expect("waited for");
}

#[test]
fn what_is_let_go_is_free_at_once_also_when_a_child_has_its_descriptor() {
    if let Some(role) = role() {
        let path = Path::new(&role[0]);
        let ring = FileRing::create(path).expect("created");
        let ready = Ready::new();
        let one = fork_without_hooks(&ready, || ());
        // This child lets go of its copy: what it has of the lock is its parent's.
        let other = fork_without_hooks(&ready, || ring.map.release());
        ready.wait_for(2);
        say(&format!("{one} {other}"));
        wait();
        // Said rather than asserted: the children keep this process's output open when it is gone.
        let number = |made: Result<FileRing, Error>| made.err().and_then(|why| why.errno());
        let before = number(FileRing::create(path));
        ring.map.release();
        let after = number(FileRing::create(path));
        return say(&format!("{before:?} {after:?}"));
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let test = "what_is_let_go_is_free_at_once_also_when_a_child_has_its_descriptor";
    let mut parent = Other::start(command(test, &[&path.to_string_lossy()]));
    let _children = Orphans::from(&parent.hear());
    parent.tell();
    let held = format!("Some({})", libc::EBUSY);
    assert_eq!(parent.hear(), format!("{held} None"));
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
        let (stop, made, ready) = (AtomicBool::new(false), AtomicU32::new(0), Ready::new());
        let (children, _rings) = std::thread::scope(|scope| {
            let make = |name: &'static str| {
                let (stop, made) = (&stop, &made);
                move || {
                    let mut number = 0;
                    let mut last = None;
                    while !stop.load(Ordering::Relaxed) {
                        number = (number + 1) % 4;
                        drop(last.take());
                        let path = folder.join(format!("{name}-{number}"));
                        match FileRing::create(&path) {
                            Ok(ring) => last = Some(ring),
                            Err(why) => std::fs::write(folder.join("refused"), why.to_string())
                                .expect("written"),
                        }
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                    last
                }
            };
            let makers = ["a", "b"].map(|name| scope.spawn(make(name)));
            while made.load(Ordering::Relaxed) < 8 {
                std::thread::yield_now();
            }
            let children: Vec<_> = (0..60).map(|_| fork(&ready).to_string()).collect();
            ready.wait_for(60);
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
    let refused = std::fs::read_to_string(folder.join("refused"));
    assert!(refused.is_err(), "a path that was let go: {refused:?}");
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

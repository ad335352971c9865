//! A path has one holder: whoever else asks is told who it is, and the lives before are kept.

mod rings;

use pr_host::foreign::ForeignFile;
use rings::{FileRing, Folder, Other, command, old, role, say, texts, wait, why};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::Barrier;

#[test]
fn a_held_path_is_refused_with_its_holder_also_within_one_process() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let ring = FileRing::create(&path).expect("created");
    ring.write(b"kept");
    let (said, errno) = why(FileRing::create(&path), &path);
    assert_eq!(errno, libc::EBUSY);
    let me = format!(
        "live log \"test\" of process {} (tester)",
        std::process::id()
    );
    assert!(said.contains(&me), "{said}");
    assert_eq!(texts(&path), ["kept"]);
    assert_eq!(folder.names(), ["app.ring"]);
    drop(ring);
    drop(FileRing::create(&path).expect("free again"));
    assert_eq!(folder.names(), ["app.ring", "app.ring.old.1"]);
}

#[test]
fn a_killed_process_leaves_its_records_and_its_path() {
    if let Some(role) = role() {
        let ring = FileRing::create(Path::new(&role[0])).expect("created");
        for number in 0..100 {
            ring.write(format!("record {number}").as_bytes());
        }
        say(&std::process::id().to_string());
        return wait();
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let test = "a_killed_process_leaves_its_records_and_its_path";
    let mut child = Other::start(command(test, &[&path.to_string_lossy()]));
    let pid = child.hear();
    let (said, errno) = why(FileRing::create(&path), &path);
    assert!(said.contains(&format!("of process {pid} (")), "{said}");
    assert_eq!(errno, libc::EBUSY);
    let file = ForeignFile::open(&path).expect("a ring");
    assert!(file.is_alive().expect("readable"));
    child.kill();
    assert!(!file.is_alive().expect("readable"));
    assert!(!file.reread_clean().expect("readable"));
    let ring = FileRing::create(&path).expect("free again");
    ring.write(b"second life");
    assert!(ring.map.removed().is_empty());
    assert_eq!(texts(&path), ["second life"]);
    let before: Vec<_> = (0..100).map(|number| format!("record {number}")).collect();
    assert_eq!(texts(&old(&path, 1)), before);
    assert!(
        file.is_alive().is_ok_and(|alive| !alive),
        "an open file stays the life that it was"
    );
}

/// In a fresh child: goes on as number 1 of a new pid namespace, while this process only waits for it.
fn become_number_one() -> std::io::Result<()> {
    // SAFETY: changes what this process's children see.
    if unsafe { libc::unshare(libc::CLONE_NEWPID) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: this process has one thread, and has just been forked itself.
    match unsafe { libc::fork() } {
        0 => return Ok(()),
        -1 => return Err(std::io::Error::last_os_error()),
        _ => {}
    }
    // SAFETY: closes what belongs to the one who started us, and would wait for it.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
    let mut status = 0;
    // SAFETY: a number to fill.
    unsafe { libc::wait(&raw mut status) };
    // SAFETY: ends this process.
    unsafe { libc::_exit(i32::from(status != 0)) }
}

#[test]
fn a_holder_in_another_pid_namespace_is_named_as_such() {
    if let Some(role) = role() {
        let _ring = FileRing::create(Path::new(&role[0])).expect("created");
        say(&std::process::id().to_string());
        return wait();
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let test = "a_holder_in_another_pid_namespace_is_named_as_such";
    let mut command = command(test, &[&path.to_string_lossy()]);
    // SAFETY: only system calls between fork and exec.
    unsafe { command.pre_exec(become_number_one) };
    let Ok(child) = command.spawn() else {
        eprintln!("no pid namespace can be made here: a holder in another one is not tried");
        return;
    };
    let mut child = Other::adopt(child);
    assert_eq!(child.hear(), "1");
    let (said, errno) = why(FileRing::create(&path), &path);
    assert!(
        said.contains("of process 1 (") && said.contains("in another pid namespace"),
        "{said}"
    );
    assert_eq!(errno, libc::EBUSY);
    assert!(child.finish());
    drop(FileRing::create(&path).expect("free again"));
}

#[test]
fn of_eight_threads_that_create_the_same_path_one_wins_and_no_life_is_lost() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    for round in 0..30 {
        let barrier = Barrier::new(8);
        let made: Vec<_> = std::thread::scope(|scope| {
            let start = || {
                barrier.wait();
                FileRing::create(&path)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .collect()
        });
        let (mut won, lost): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 7));
        for lost in lost {
            let (said, errno) = why(lost, &path);
            assert!(
                said.contains(&format!("process {} (", std::process::id())),
                "{said}"
            );
            assert_eq!(errno, libc::EBUSY);
        }
        won.remove(0)
            .expect("the winner")
            .write(format!("round {round}").as_bytes());
        let lives: Vec<_> = (1..=round.min(8))
            .map(|age| (age, texts(&old(&path, age))))
            .collect();
        for (age, text) in lives {
            assert_eq!(text, [format!("round {}", round - age)]);
        }
        assert_eq!(
            folder.names().len() as u32,
            1 + round.min(8),
            "nothing is left over"
        );
    }
}

#[test]
fn of_eight_processes_that_create_the_same_path_one_wins() {
    let test = "of_eight_processes_that_create_the_same_path_one_wins";
    if let Some(role) = role() {
        say("ready");
        wait();
        match FileRing::create(Path::new(&role[0])) {
            Ok(_ring) => {
                say(&format!("won {}", std::process::id()));
                wait();
            }
            Err(why) => say(&why.to_string()),
        }
        return;
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    FileRing::create(&path)
        .expect("created")
        .write(b"the life before");
    let mut children: Vec<_> = (0..8)
        .map(|_| Other::start(command(test, &[&path.to_string_lossy()])))
        .collect();
    for child in &mut children {
        assert_eq!(child.hear(), "ready");
    }
    children.iter_mut().for_each(Other::tell);
    let said: Vec<_> = children.iter_mut().map(Other::hear).collect();
    let winners: Vec<_> = said
        .iter()
        .filter_map(|said| said.strip_prefix("won "))
        .collect();
    let [winner] = winners[..] else {
        panic!("{said:?}");
    };
    let holder = format!("of process {winner} (tester) holds it");
    assert_eq!(
        said.iter().filter(|said| said.contains(&holder)).count(),
        7,
        "{said:?}"
    );
    assert_eq!(texts(&old(&path, 1)), ["the life before"]);
    assert_eq!(folder.names(), ["app.ring", "app.ring.old.1"]);
}

#[test]
fn of_lives_that_come_and_go_at_once_each_is_kept_once() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..3 {
                    let ring = loop {
                        match FileRing::create(path) {
                            Ok(ring) => break ring,
                            Err(why) => assert_eq!(why.errno(), Some(libc::EBUSY), "{why}"),
                        }
                    };
                    ring.write(format!("{thread}.{number}").as_bytes());
                }
            });
        }
    });
    let mut lives = texts(&path);
    lives.extend((1..=8).flat_map(|age| texts(&old(&path, age))));
    let newest_first = lives.clone();
    lives.sort();
    assert_eq!(
        lives,
        [
            "0.0", "0.1", "0.2", "1.0", "1.1", "1.2", "2.0", "2.1", "2.2"
        ]
    );
    for thread in ["0", "1", "2"] {
        let own: Vec<_> = newest_first
            .iter()
            .filter(|life| life.starts_with(thread))
            .collect();
        assert!(own.is_sorted_by(|newer, older| newer > older), "{own:?}");
    }
    assert_eq!(folder.names().len(), 9);
}

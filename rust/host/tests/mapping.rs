//! Ring files come into being: whole, private, held, and never instead of somebody else's file.

mod rings;

use pr_host::error::Error;
use pr_host::foreign::ForeignFile;
use pr_host::mapping::{Existing, Identity, RingMap, SectionKind};
use pr_host::plan::Plan;
use pr_ring::{Geometry, Ring};
use rings::{FileRing, Folder, Other, command, role, say, texts, wait, why};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;

fn bare(path: &Path) -> Result<RingMap, Error> {
    let plan = Plan::for_ring(Geometry::new(4, 5).expect("a geometry"));
    RingMap::create(
        path,
        &plan,
        &Identity::current("bare", None),
        Existing::Refuse,
    )
}

fn old(path: &Path, age: u32) -> PathBuf {
    PathBuf::from(format!("{}.old.{age}", path.display()))
}

#[test]
fn a_new_file_is_whole_private_allocated_and_alone() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let ring = FileRing::create(&path).expect("created");
    ring.write(b"hello");
    assert_eq!(folder.names(), ["app.ring"]);
    let found = fs::metadata(&path).expect("metadata");
    assert_eq!(found.permissions().mode() & 0o7777, 0o600);
    assert_eq!(found.len(), ring.map.plan().file_bytes);
    assert!(found.blocks() * 512 >= found.len());
    let file = ForeignFile::open(&path).expect("a ring");
    assert_eq!(file.plan(), ring.map.plan());
    assert!(file.is_alive().expect("readable"));
    assert_eq!(texts(&path), ["hello"]);
    ring.map.sync().expect("synced");
}

#[test]
fn a_file_is_private_and_usable_under_any_umask() {
    if let Some(role) = role() {
        // SAFETY: sets a number of this process.
        unsafe { libc::umask(0o777) };
        FileRing::create(Path::new(&role[0]))
            .expect("created")
            .write(b"here");
        return say("done");
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let test = "a_file_is_private_and_usable_under_any_umask";
    let mut child = Other::start(command(test, &[&path.to_string_lossy()]));
    assert_eq!(child.hear(), "done");
    assert!(child.finish());
    assert_eq!(
        fs::metadata(&path).expect("metadata").mode() & 0o7777,
        0o600
    );
    assert_eq!(texts(&path), ["here"]);
}

#[test]
fn a_live_file_says_whose_it_is() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let ring = FileRing::create(&path).expect("created");
    let file = ForeignFile::open(&path).expect("a ring");
    let info = file.info().expect("readable");
    assert_eq!(
        (info.path.as_path(), info.name.as_str(), info.pid),
        (&*path, "test", std::process::id())
    );
    assert_eq!(
        (info.alive, info.clean, info.layout_version),
        (true, false, 1)
    );
    assert_eq!(info.argv, ["/usr/bin/tester", "-x"]);
    assert_eq!(
        (info.geometry, info.file_bytes),
        (ring.map.plan().geometry, ring.map.plan().file_bytes)
    );
    assert_eq!(
        info.pid_ns,
        fs::metadata("/proc/self/ns/pid").expect("proc").ino()
    );
    ring.map.mark_clean();
    ring.map.release();
    ring.map.release();
    let info = file.info().expect("readable");
    assert_eq!((info.alive, info.clean), (false, true));
}

#[test]
fn a_file_that_was_let_go_is_not_marked_any_more() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let ring = FileRing::create(&path).expect("created");
    ring.map.release();
    ring.map.mark_clean();
    assert!(
        !ForeignFile::open(&path)
            .expect("a ring")
            .reread_clean()
            .expect("readable")
    );
}

#[test]
fn anonymous_memory_has_the_same_sections_and_no_path() {
    let plan = Plan::for_log(1 << 20, 128).expect("a plan");
    let map = RingMap::anonymous(&plan, &Identity::current("nameless\0log", None)).expect("memory");
    assert_eq!(map.path(), None);
    // SAFETY: the ring is dropped before the map.
    let ring = Ring::new(unsafe { map.region() }, plan.geometry, 0).expect("cmpxchg16b");
    assert_eq!(ring.next_reserve_seq().0, 0);
    for kind in SectionKind::ALL {
        let (at, bytes) = map.section_ptr(kind);
        assert_eq!(bytes as u64, plan.section(kind).bytes);
        assert_eq!(at.as_ptr() as usize % 4096, 0, "{}", kind.name());
    }
    map.mark_clean();
    map.sync().expect("synced");
    let maps = fs::read_to_string("/proc/self/maps").expect("proc");
    assert!(maps.contains("memfd:printk_ring:namelesslog"));
}

#[test]
fn a_bare_ring_takes_no_existing_file_whatever_it_is() {
    let folder = Folder::new();
    let path = folder.join("bare.ring");
    drop(bare(&path).expect("created"));
    let before = fs::read(&path).expect("read");
    for _ in 0..2 {
        let (said, errno) = why(bare(&path), &path);
        assert_eq!(errno, libc::EEXIST, "{said}");
        assert_eq!(fs::read(&path).expect("read"), before);
        assert_eq!(folder.names(), ["bare.ring"]);
    }
    let link = folder.join("link");
    std::os::unix::fs::symlink("nowhere", &link).expect("a link");
    assert_eq!(why(bare(&link), &link).1, libc::EEXIST);
}

#[test]
fn a_file_that_is_no_whole_ring_is_refused_and_left_untouched() {
    let folder = Folder::new();
    let path = folder.join("other");
    drop(FileRing::create(&path).expect("created"));
    let ring = fs::read(&path).expect("read");
    let newer = [&ring[..8], &2_u32.to_ne_bytes(), &ring[12..]].concat();
    let damaged = [&ring[..48], &[ring[48] ^ 1], &ring[49..]].concat();
    let contents: [(&[u8], &str); 7] = [
        (b"", "empty"),
        (b"not a ring\n", "not a ring"),
        (&[0; 8192], "not a ring"),
        (&ring[..100], "truncated"),
        (&ring[..ring.len() - 1], "truncated"),
        (&newer, "version 2 is newer"),
        (&damaged, "checksum"),
    ];
    for (content, reason) in contents {
        fs::write(&path, content).expect("written");
        for made in [
            FileRing::create(&path).map(|_| ()),
            ForeignFile::open(&path).map(|_| ()),
        ] {
            let (said, errno) = why(made, &path);
            assert!(said.contains(reason), "{said}");
            assert_eq!(errno, libc::EINVAL, "{said}");
        }
        assert_eq!(fs::read(&path).expect("read"), content);
        assert_eq!(folder.names(), ["other"]);
    }
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = Folder::new();
    let fifo = folder.join("fifo");
    let name = std::ffi::CString::new(fifo.to_str().expect("text")).expect("no zero");
    // SAFETY: a terminated path.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let socket = folder.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let (target, link, dangling) = (
        folder.join("target"),
        folder.join("link"),
        folder.join("dangling"),
    );
    fs::write(&target, "precious").expect("written");
    std::os::unix::fs::symlink(&target, &link).expect("a link");
    std::os::unix::fs::symlink(folder.join("nowhere"), &dangling).expect("a link");
    let cases = [
        (folder.to_path_buf(), "directory", libc::EISDIR),
        (fifo, "pipe", libc::EINVAL),
        (socket, "socket", libc::EINVAL),
        ("/dev/null".into(), "device", libc::EINVAL),
        (link, "symbolic link", libc::ELOOP),
        (dangling, "symbolic link", libc::ELOOP),
    ];
    for (path, reason, number) in cases {
        for made in [
            FileRing::create(&path).map(|_| ()),
            ForeignFile::open(&path).map(|_| ()),
        ] {
            let (said, errno) = why(made, &path);
            assert!(said.contains(reason), "{said}");
            assert_eq!(errno, number, "{said}");
        }
    }
    assert_eq!(fs::read(&target).expect("read"), b"precious");
    assert!(!folder.join("nowhere").exists());
    assert!(
        fs::symlink_metadata("/dev/null")
            .expect("it")
            .file_type()
            .is_char_device()
    );
}

#[test]
fn a_path_that_cannot_be_a_file_says_so() {
    let folder = Folder::new();
    let missing = folder.join("missing").join("app.ring");
    assert_eq!(why(FileRing::create(&missing), &missing).1, libc::ENOENT);
    assert_eq!(why(ForeignFile::open(&missing), &missing).1, libc::ENOENT);
    let up = folder.join("..");
    assert_eq!(why(FileRing::create(&up), &up).1, libc::EISDIR);
    let long = folder.join("x".repeat(300));
    assert_eq!(why(FileRing::create(&long), &long).1, libc::ENAMETOOLONG);
    let zero = Path::new("a\0b");
    assert!(matches!(FileRing::create(zero), Err(Error::Config(_))));
    assert!(folder.names().is_empty());
}

#[test]
fn without_permission_the_path_and_the_reason_are_named() {
    if let Some(role) = role() {
        // SAFETY: changes who this process is.
        unsafe { libc::seteuid(65534) };
        let (path, closed) = (Path::new(&role[0]), Path::new(&role[1]));
        for made in [
            FileRing::create(path).map(|_| ()),
            ForeignFile::open(path).map(|_| ()),
        ] {
            let (said, errno) = why(made, path);
            assert!(said.contains("Permission denied"), "{said}");
            assert_eq!(errno, libc::EACCES);
        }
        assert_eq!(why(FileRing::create(closed), closed).1, libc::EACCES);
        return say("refused");
    }
    let folder = Folder::new();
    fs::set_permissions(&*folder, fs::Permissions::from_mode(0o755)).expect("changed");
    let path = folder.join("app.ring");
    drop(FileRing::create(&path).expect("created"));
    // For root every file is open: there the child becomes somebody else.
    let mode = if fs::metadata(&path).expect("it").uid() == 0 {
        0o600
    } else {
        0
    };
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
    fs::create_dir(folder.join("closed")).expect("a folder");
    fs::set_permissions(folder.join("closed"), fs::Permissions::from_mode(0o500)).expect("changed");
    let closed = folder.join("closed").join("app.ring");
    let role = [path.to_string_lossy(), closed.to_string_lossy()];
    let test = "without_permission_the_path_and_the_reason_are_named";
    let mut child = Other::start(command(test, &[&role[0], &role[1]]));
    assert_eq!(child.hear(), "refused");
    assert!(child.finish());
}

#[test]
fn a_file_beyond_the_limit_of_the_process_is_refused_and_leaves_nothing() {
    if let Some(role) = role() {
        let path = Path::new(&role[0]);
        let limit = libc::rlimit {
            rlim_cur: 100_000,
            rlim_max: 100_000,
        };
        // SAFETY: ignores a signal of this process.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        // SAFETY: limits this process.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) };
        assert_eq!(set, 0);
        let (said, errno) = why(FileRing::create(path), path);
        assert!(
            said.contains("KiB") && said.contains("larger than"),
            "{said}"
        );
        assert_eq!(errno, libc::EFBIG);
        return say("refused");
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let test = "a_file_beyond_the_limit_of_the_process_is_refused_and_leaves_nothing";
    let mut child = Other::start(command(test, &[&path.to_string_lossy()]));
    assert_eq!(child.hear(), "refused");
    assert!(child.finish());
    assert!(folder.names().is_empty());
}

/// In a fresh child: a file system of 1 MiB at `place`, which only this child sees.
fn mount_small(place: &core::ffi::CStr) -> std::io::Result<()> {
    let done = |result: libc::c_int| {
        if result == 0 {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    };
    // SAFETY: changes what this process sees.
    done(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    let (none, null) = (c"none".as_ptr(), core::ptr::null());
    // SAFETY: terminated texts; only this process's view changes.
    done(unsafe {
        libc::mount(
            none,
            c"/".as_ptr(),
            null,
            libc::MS_REC | libc::MS_PRIVATE,
            null.cast(),
        )
    })?;
    let size = c"size=1m".as_ptr().cast();
    // SAFETY: as above.
    done(unsafe { libc::mount(none, place.as_ptr(), c"tmpfs".as_ptr(), 0, size) })
}

#[test]
fn a_full_disk_is_an_error_at_the_start_that_leaves_the_previous_life_where_it_was() {
    if let Some(role) = role() {
        let (folder, path) = (Path::new(&role[0]), Path::new(&role[0]).join("app.ring"));
        FileRing::create(&path).expect("it fits").write(b"before");
        let (said, errno) = why(FileRing::sized(&path, 4 << 20), &path);
        assert!(
            said.contains("the disk is full")
                && said.contains("KiB are needed")
                && said.contains("free"),
            "{said}"
        );
        assert_eq!(errno, libc::ENOSPC);
        assert_eq!(texts(&path), ["before"]);
        assert_eq!(
            fs::read_dir(folder).expect("a folder").count(),
            1,
            "the unfinished file is gone"
        );
        return say("refused");
    }
    let folder = Folder::new();
    let place = std::ffi::CString::new(folder.to_str().expect("text")).expect("no zero");
    let test = "a_full_disk_is_an_error_at_the_start_that_leaves_the_previous_life_where_it_was";
    let mut command = command(test, &[&folder.to_string_lossy()]);
    // SAFETY: only system calls between fork and exec.
    unsafe { command.pre_exec(move || mount_small(&place)) };
    let Ok(child) = command.spawn() else {
        eprintln!("no file system can be mounted here: a full disk is not tried");
        return;
    };
    drop(child.stdin);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stdout.expect("a pipe"), &mut said).expect("read");
    assert!(said.contains("child says: refused"), "{said}");
}

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

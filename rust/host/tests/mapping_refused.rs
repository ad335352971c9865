//! What no ring file can be made of, or opened from: refused with the path and the reason, and left as it was.

mod rings;

use pr_host::error::Error;
use pr_host::foreign::ForeignFile;
use pr_host::mapping::{Existing, Identity, RingMap};
use pr_host::plan::Plan;
use pr_ring::Geometry;
use rings::{FileRing, Folder, Other, command, role, say, texts, why};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;

fn bare(path: &Path) -> Result<RingMap, Error> {
    let plan = Plan::for_ring(Geometry::new(4, 5).expect("a geometry"));
    RingMap::create(
        path,
        &plan,
        &Identity::current("bare", None),
        Existing::Refuse,
    )
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

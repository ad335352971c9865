//! Ring files come into being: whole, private, and saying whose they are.

mod rings;

use pr_host::foreign::ForeignFile;
use pr_host::mapping::{Identity, RingMap, SectionKind};
use pr_host::plan::Plan;
use pr_ring::Ring;
use rings::{FileRing, Folder, Other, command, role, say, texts};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

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

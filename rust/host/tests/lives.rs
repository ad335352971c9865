//! Previous lives: in which order, how many, and who has to go.

mod rings;

use pr_host::foreign::ForeignFile;
use pr_host::lives::{self, DEAD_KEPT};
use rings::{FileRing, Folder, old, texts};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

/// A dead ring with one record.
fn life(path: &Path, text: &str, clean: bool) -> Vec<PathBuf> {
    let ring = FileRing::create(path).expect("created");
    ring.write(text.as_bytes());
    if clean {
        ring.map.mark_clean();
    }
    ring.map.removed().to_vec()
}

/// A dead ring that says it has `bytes`, and takes next to nothing.
fn large(path: &Path, bytes: u64) {
    let ring = FileRing::sized(path, bytes).expect("created");
    let length = ring.map.plan().file_bytes;
    drop(ring);
    let mut start = fs::read(path).expect("read");
    start.truncate(4096);
    fs::write(path, start).expect("written");
    OpenOptions::new()
        .write(true)
        .open(path)
        .expect("opened")
        .set_len(length)
        .expect("sized");
}

#[test]
fn eight_previous_lives_are_kept_and_the_one_that_goes_is_told() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    for number in 0..12 {
        let removed = life(&path, &format!("life {number}"), number % 2 == 0);
        let expected: &[PathBuf] = if number > 8 { &[old(&path, 8)] } else { &[] };
        assert_eq!(removed, expected, "life {number}");
    }
    assert_eq!(texts(&path), ["life 11"]);
    for age in 1..=8 {
        assert_eq!(texts(&old(&path, age)), [format!("life {}", 11 - age)]);
    }
    assert_eq!(folder.names().len(), 9);
    let found = lives::of_path(&path).expect("a folder");
    let paths: Vec<_> = found.iter().map(|life| life.path.clone()).collect();
    let expected: Vec<_> = [path.clone()]
        .into_iter()
        .chain((1..=8).map(|age| old(&path, age)))
        .collect();
    assert_eq!(paths, expected, "newest first");
    assert!(
        found
            .iter()
            .all(|life| life.clean == texts(&life.path)[0].ends_with(['0', '2', '4', '6', '8']))
    );
}

#[test]
fn a_gap_among_the_previous_lives_is_filled_before_anyone_has_to_go() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    for number in 0..9 {
        life(&path, &format!("life {number}"), true);
    }
    fs::remove_file(old(&path, 3)).expect("removed");
    assert!(life(&path, "life 9", true).is_empty());
    let kept: Vec<_> = (1..=8).flat_map(|age| texts(&old(&path, age))).collect();
    let expected: Vec<_> = [8, 7, 6, 4, 3, 2, 1, 0]
        .map(|number| format!("life {number}"))
        .to_vec();
    assert_eq!(kept, expected);
}

#[test]
fn beyond_the_newest_previous_lives_take_a_bounded_number_of_bytes() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let sizes: [u64; 5] = [100, 100, 60, 100, 1]; // from the newest; none is counted for the first
    for size in sizes.iter().rev() {
        large(&path, size << 20);
    }
    life(&path, "new", true);
    // Previous lives by now: 100, 100, 60, 100, 1 MiB. The next rotation counts all of them.
    assert_eq!(life(&path, "newer", true), [old(&path, 4), old(&path, 5)]);
    let lengths: Vec<_> = (1..=8)
        .filter_map(|age| fs::metadata(old(&path, age)).ok())
        .map(|found| found.len() >> 20)
        .collect();
    assert_eq!(lengths.len(), 4);
    assert!(lengths[1..].iter().sum::<u64>() <= 256);
}

#[test]
fn of_a_path_dead_children_are_found_and_the_living_are_not() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    life(&path, "first", true);
    let living = FileRing::create(&path).expect("created");
    life(&folder.join("app.ring.fork-7"), "child", false);
    let child = FileRing::create(&folder.join("app.ring.fork-8")).expect("created");
    fs::write(folder.join("app.ring.fork-9"), "not a ring").expect("written");
    life(&folder.join("other.ring.fork-7"), "not ours", false);
    let found = lives::of_path(&path).expect("a folder");
    let names: Vec<_> = found
        .iter()
        .map(|life| life.path.file_name().expect("a name").to_owned())
        .collect();
    assert_eq!(names, ["app.ring.fork-7", "app.ring.old.1"]);
    drop((living, child));
    assert_eq!(lives::of_path(&path).expect("a folder").len(), 4);
}

#[test]
fn children_beyond_the_bound_go_those_that_ended_in_order_first() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let living = FileRing::create(&path).expect("created");
    let fork = |number: usize| folder.join(format!("app.ring.fork-{number}"));
    for number in 0..DEAD_KEPT + 6 {
        life(&fork(number), "child", (10..14).contains(&number));
    }
    let alive = FileRing::create(&fork(1000)).expect("created");
    fs::write(fork(2000), "not a ring").expect("written");
    fs::write(folder.join("app.ring.new-1-0"), "left by a killed maker").expect("written");
    let removed = lives::prune_around(&path);
    let expected: Vec<_> = [10, 11, 12, 13, 0, 1].map(fork).to_vec();
    assert_eq!(removed, expected);
    assert!(expected.iter().all(|path| !path.exists()));
    assert!(!folder.join("app.ring.new-1-0").exists());
    assert_eq!(folder.names().len(), 1 + DEAD_KEPT + 2);
    assert!(
        ForeignFile::open(&path)
            .expect("a ring")
            .is_alive()
            .expect("readable")
    );
    assert_eq!(fs::read(fork(2000)).expect("read"), b"not a ring");
    assert!(lives::prune_around(&path).is_empty());
    drop((living, alive));
}

#[test]
fn what_a_maker_still_holds_is_not_cleared_up() {
    let folder = Folder::new();
    let held = FileRing::create(&folder.join("app.ring.new-1-0")).expect("created");
    lives::prune_around(&folder.join("app.ring"));
    assert_eq!(folder.names(), ["app.ring.new-1-0"]);
    drop(held);
    lives::prune_around(&folder.join("app.ring"));
    assert!(folder.names().is_empty());
}

#[test]
fn rings_of_a_directory_are_pruned_by_bytes_and_others_are_left_alone() {
    let folder = Folder::new();
    let ring = |pid: u32| lives::ring_path_in_directory(&folder, "app", pid);
    for pid in 1..=5 {
        large(&ring(pid), 64 << 20);
    }
    let length = fs::metadata(ring(1)).expect("it").len();
    let surplus = (5 * length).saturating_sub(256 << 20).div_ceil(length) as u32;
    assert!(surplus > 0);
    large(&folder.join("mine.ring"), 100 << 20);
    let living = FileRing::create(&ring(9)).expect("created");
    assert_eq!(lives::of_directory(&folder).expect("a folder").len(), 5);
    let removed = lives::prune_directory(&folder);
    assert_eq!(
        removed,
        (1..=surplus).map(ring).collect::<Vec<_>>(),
        "the oldest"
    );
    assert!(folder.join("mine.ring").exists());
    drop(living);
}

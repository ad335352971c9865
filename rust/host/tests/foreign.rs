//! Reading the ring files of others: everything that is there, nothing that is not, whatever the file holds.

mod rings;

use core::sync::atomic::{AtomicBool, Ordering};
use pr_host::foreign::ForeignFile;
use pr_host::mapping::SectionKind;
use pr_host::plan::Plan;
use pr_ring::Info;
use pr_ring::reader::{next_seq, read_valid};
use pr_ring::{Geometry, Read, Seq, Source, Unfinished};
use proptest::prelude::*;
use rings::{Done, FileRing, Folder, Other, command, role, say, texts, wait, why};
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A ring of 2^`desc_bits` descriptors in a file.
fn small(path: &Path, desc_bits: u32, avg_data_bits: u32) -> FileRing {
    let geometry = Geometry::new(desc_bits, avg_data_bits).expect("a geometry");
    FileRing::of(path, &Plan::for_ring(geometry), 0).expect("created")
}

#[test]
fn another_process_reads_a_live_ring_as_it_grows() {
    if let Some(role) = role() {
        let ring = FileRing::create(Path::new(&role[0])).expect("created");
        for number in 0..3 {
            ring.write(format!("record {number}").as_bytes());
            say("written");
            wait();
        }
        return;
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let mut child = Other::start(command(
        "another_process_reads_a_live_ring_as_it_grows",
        &[&path.to_string_lossy()],
    ));
    let mut expected = Vec::new();
    for number in 0..3 {
        assert_eq!(child.hear(), "written");
        expected.push(format!("record {number}"));
        assert_eq!(texts(&path), expected);
        child.tell();
    }
    assert!(child.finish());
    assert_eq!(texts(&path), expected);
}

#[test]
fn in_a_dead_file_committed_records_are_shown_and_reserved_ones_counted() {
    if let Some(role) = role() {
        let ring = FileRing::create(Path::new(&role[0])).expect("created");
        let info = |caller_id| Info {
            caller_id,
            ..Info::default()
        };
        ring.write(b"finalized");
        let open = ring.reserve(8, &info(1)).expect("room").into_ticket();
        let empty = ring.reserve(0, &info(2)).expect("room").into_ticket();
        ring.write(b"between");
        let mut committed = ring.reserve(9, &info(3)).expect("room");
        committed.write(0, b"committed");
        committed.commit();
        say("there");
        wait();
        assert!(open.is_some() && empty.is_some());
        return;
    }
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let test = "in_a_dead_file_committed_records_are_shown_and_reserved_ones_counted";
    let mut child = Other::start(command(test, &[&path.to_string_lossy()]));
    assert_eq!(child.hear(), "there");
    let file = ForeignFile::open(&path).expect("a ring");
    assert_eq!(
        texts(&path),
        ["finalized"],
        "a live writer will finish the next"
    );
    assert_eq!(file.unfinished(), Ok(0));
    child.kill();
    assert_eq!(texts(&path), ["finalized", "between", "committed"]);
    assert_eq!(file.unfinished(), Ok(2));
}

#[test]
fn a_reader_beside_a_fast_writer_sees_whole_records_in_order() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    for (desc_bits, avg_data_bits) in [(3, 6), (6, 5), (10, 5)] {
        let ring = small(&path, desc_bits, avg_data_bits);
        let file = ForeignFile::open(&path).expect("a ring");
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut number = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let text = number.to_le_bytes().repeat(1 + number as usize % 5);
                    number = ring.write(&text).0 + 1;
                }
            });
            let _stop = Done(&stop);
            let (mut seq, mut seen, mut buffer) = (0, 0, [0; 256]);
            while seen < 2_000 {
                match read_valid(&file, Seq(seq), &mut buffer, Unfinished::Wait).expect("readable")
                {
                    Read::Found { info, copied, .. } => {
                        assert!(info.seq.0 >= seq && !info.torn, "{info:?}");
                        seq = info.seq.0;
                        let text = seq.to_le_bytes().repeat(1 + seq as usize % 5);
                        assert_eq!(buffer[..copied], text, "{info:?}");
                        (seq, seen) = (seq + 1, seen + 1);
                    }
                    Read::NotYet { .. } => std::thread::yield_now(),
                }
            }
        });
    }
}

#[test]
fn a_file_cut_off_under_its_reader_ends_in_an_error() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let ring = FileRing::create(&path).expect("created");
    for _ in 0..500 {
        ring.write(b"some text");
    }
    drop(ring);
    let file = ForeignFile::open(&path).expect("a ring");
    let whole = file.plan().file_bytes;
    for length in [whole - 1, 100_000, 8192, 4096, 300, 0] {
        OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("opened")
            .set_len(length)
            .expect("cut");
        let consoles = file.section_bytes(SectionKind::Consoles).map(|_| ());
        let (said, errno) = why(consoles, &path);
        assert!(said.contains("truncated while it was read"), "{said}");
        assert_eq!(errno, libc::EINVAL);
        if length <= 8192 {
            let read = read_valid(&file, Seq(0), &mut [0; 64], Unfinished::Skip);
            assert!(why(read.map(|_| ()), &path).0.contains("truncated"));
        }
        why(ForeignFile::open(&path).map(|_| ()), &path);
    }
    why(file.info().map(|_| ()), &path);
    assert_eq!(file.wall_nsec(5), 5, "no clock was ever read");
}

#[test]
fn wall_times_are_those_of_the_owner_also_when_it_has_sampled_again() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let ring = FileRing::create(&path).expect("created");
    let file = ForeignFile::open(&path).expect("a ring");
    let info = file.identity().expect("readable");
    let offset = info.created_wall_nsec - info.created_mono_nsec;
    assert_eq!(file.wall_nsec(17), 17 + offset);
    let later = info.created_mono_nsec + 1_000;
    ring.map
        .clock_table()
        .sample(later, later + offset + 7_000_000_000);
    for ts_nsec in [0, later - 1, later, later + 1, u64::MAX] {
        assert_eq!(
            file.wall_nsec(ts_nsec),
            ring.map.clock_table().wall_nsec(ts_nsec),
            "{ts_nsec}"
        );
    }
    assert_eq!(file.wall_nsec(later), later + offset + 7_000_000_000);
}

#[test]
fn a_copy_of_a_live_file_is_dead_and_readable() {
    let folder = Folder::new();
    let (path, copy) = (folder.join("app.ring"), folder.join("copy.ring"));
    let ring = FileRing::create(&path).expect("created");
    ring.write(b"hello");
    fs::copy(&path, &copy).expect("copied");
    let info = ForeignFile::open(&copy)
        .expect("a ring")
        .info()
        .expect("readable");
    assert!(!info.alive && !info.clean);
    assert_eq!(texts(&copy), ["hello"]);
}

/// What this thread has read so far: bytes and calls. Asking adds to both: the bytes of the answer, and one call.
fn read_so_far(io: &File) -> (u64, u64, u64) {
    let mut text = [0; 1024];
    let length = io.read_at(&mut text, 0).expect("counters");
    let text = std::str::from_utf8(&text[..length]).expect("text");
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.expect("a counter").trim().parse().expect("a number")
    };
    (number("rchar:"), number("syscr:"), length as u64)
}

/// Bytes and calls that opening a full ring of 2^`desc_bits` records takes, with a look at its owner, its oldest record and
/// its newest.
fn read_to_open(folder: &Folder, desc_bits: u32) -> (u64, u64) {
    let path = folder.join(format!("{desc_bits}.ring"));
    let ring = small(&path, desc_bits, 5);
    for _ in 0..2 << desc_bits {
        ring.write(b"twenty bytes of text");
    }
    let newest = ring.next_seq().0 - 1;
    let io = File::open("/proc/thread-self/io").expect("counters");
    let (bytes, calls, told) = read_so_far(&io);
    let file = ForeignFile::open(&path).expect("a ring");
    assert!(file.info().expect("whole").alive);
    for seq in [0, newest] {
        let found = read_valid(&file, Seq(seq), &mut [0; 64], Unfinished::Wait);
        let Ok(Read::Found { info, copied, .. }) = found else {
            panic!("{seq} of {newest}: {found:?}");
        };
        assert!(info.seq.0 >= seq && copied == 20);
    }
    let (bytes_after, calls_after, _) = read_so_far(&io);
    (bytes_after - bytes - told, calls_after - calls - 1)
}

#[test]
fn opening_a_large_ring_reads_as_little_as_opening_a_small_one() {
    let folder = Folder::new();
    let (bytes, calls) = read_to_open(&folder, 6);
    assert!(bytes > 0 && calls > 0);
    assert_eq!(read_to_open(&folder, 16), (bytes, calls));
}

#[test]
fn the_bytes_in_use_are_those_that_the_owner_counts() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    // Room for more text than these descriptors ever hold: records go for want of descriptors.
    let ring = small(&path, 4, 7);
    let file = ForeignFile::open(&path).expect("a ring");
    for number in 0..100 {
        ring.write(&vec![b'x'; number % 40]);
        let used = ring.used_bytes();
        assert_eq!(file.stats().expect("whole").bytes, used);
        assert!(used <= 15 * 48, "{used} bytes in use by 15 records");
    }
}

#[test]
fn a_section_is_read_as_it_stands() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let ring = FileRing::create(&path).expect("created");
    let file = ForeignFile::open(&path).expect("a ring");
    let whole = fs::read(&path).expect("read");
    for kind in SectionKind::ALL {
        let section = ring.map.plan().section(kind);
        let bytes = file.section_bytes(kind).expect("readable");
        assert_eq!(
            bytes,
            whole[section.offset as usize..(section.offset + section.bytes) as usize]
        );
    }
}

/// One thing that a writer does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Finalize(usize),
    Commit(usize),
    Extend(usize),
    LeaveOpen(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..60_usize).prop_map(Step::Finalize),
        4 => (0..60_usize).prop_map(Step::Commit),
        2 => (0..20_usize).prop_map(Step::Extend),
        1 => (0..60_usize).prop_map(Step::LeaveOpen),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_file_is_read_as_its_owner_reads_its_memory(steps in steps(), desc_bits in 1..6_u32, avg_data_bits in 3..7_u32) {
        let folder = Folder::new();
        let path = folder.join("app.ring");
        let ring = small(&path, desc_bits, avg_data_bits);
        let mut open = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let info = Info { ts_nsec: number as u64, caller_id: 7, level: 3, ..Info::default() };
            let text = [number as u8; 60];
            match *step {
                Step::Finalize(size) | Step::Commit(size) | Step::LeaveOpen(size) => {
                    let Ok(mut record) = ring.reserve(size, &info) else { continue };
                    record.write(0, &text[..size]);
                    match step {
                        Step::Finalize(_) => record.finalize(),
                        Step::Commit(_) => record.commit(),
                        _ => open.extend(record.into_ticket()),
                    }
                }
                Step::Extend(size) => {
                    let Ok(mut record) = ring.reserve_in_last(7, size, 1 << 16) else { continue };
                    let end = u64::from(record.ticket().expect("open").text_len());
                    record.write(end, &text[..size]);
                    record.commit();
                }
            }
        }
        let file = ForeignFile::open(&path).expect("a ring");
        prop_assert_eq!(Source::head(&file), Ok(Source::head(&*ring).expect("memory")));
        prop_assert_eq!(Source::tails(&file), Ok(Source::tails(&*ring).expect("memory")));
        for mode in [Unfinished::Wait, Unfinished::Skip] {
            for seq in 0..steps.len() as u64 + 2 {
                let (mut mine, mut theirs) = ([0; 256], [0; 256]);
                let owned = ring.read_valid(Seq(seq), &mut mine, mode);
                let read = read_valid(&file, Seq(seq), &mut theirs, mode).expect("readable");
                prop_assert_eq!(owned, read);
                let copied = match read {
                    Read::Found { copied, .. } => copied,
                    Read::NotYet { .. } => 0,
                };
                prop_assert_eq!(&mine[..copied], &theirs[..copied]); // what is behind the text is nobody's
            }
        }
        prop_assert_eq!(next_seq(&file, Seq(0)), Ok(ring.next_seq()));
        for ticket in open {
            ring.finalize(ticket);
        }
    }
}

/// The entries of these folders look like links, and are the open files.
#[test]
fn an_open_file_without_a_name_is_read_by_its_descriptor() {
    let folder = Folder::new();
    let path = folder.join("app.ring");
    let geometry = Geometry::new(5, 6).expect("a geometry");
    drop(FileRing::of(&path, &Plan::for_ring(geometry), 0).expect("created"));
    let file = File::open(&path).expect("opened");
    std::fs::remove_file(&path).expect("removed");
    for process in ["self".to_owned(), std::process::id().to_string()] {
        let path = format!("/proc/{process}/fd/{}", file.as_raw_fd());
        ForeignFile::open(Path::new(&path)).expect("a ring");
    }
    let folder = ForeignFile::open(Path::new("/proc/self/fd"));
    assert!(folder.is_err_and(|why| why.to_string().contains("/proc/self/fd")));
}
